"""Where in a JSON text a path such as `$.nodes[2].type` leads: looked up when a message is built."""

from __future__ import annotations

import json
import re

_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODE = json.JSONDecoder().raw_decode


def locate(text: str, path: str) -> tuple[int, int]:
    """Line and column (from 1) of what `path` names in the JSON `text`; of what should hold it where it is missing."""
    at: int | None = _skip(text, 0)
    found = 0
    for name, index in _STEP.findall(path):
        if at is None:
            break
        found, at = at, _child(text, at, name or int(index))
    found = found if at is None else at
    return text.count("\n", 0, found) + 1, found - text.rfind("\n", 0, found)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _child(text: str, at: int, step: str | int) -> int | None:
    """Where the member (the last of its name, as json.loads takes it) or item `step` of the value at `at` starts."""
    if text[at] != ("[" if isinstance(step, int) else "{"):
        return None
    found, count = None, 0
    at = _skip(text, at + 1)
    while text[at] not in "]}":
        key: object = count
        if isinstance(step, str):
            key, at = _DECODE(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if key == step:
            found = at
        _, at = _DECODE(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        count += 1
    return found
