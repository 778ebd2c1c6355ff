"""Why something was recorded anew: every cache miss with what changed and the user's line."""

from __future__ import annotations

import os
import threading
import warnings
from collections import deque
from typing import Any, NamedTuple

from fgrad.errors import Where, quote
from fgrad.ir.graph import Graph

KEPT = 1000  # misses remembered
MANY = 64  # misses at one line before a warning


class Miss(NamedTuple):
    """One cache miss: its kind, what changed, and the user's line (unresolved)."""

    kind: str  # "structure", "scalar", "jit" or "fallback"
    change: str
    where: Where | None

    def __str__(self) -> str:
        at = quote(self.where) if self.where is not None else "unknown line"
        return f"{self.kind}: {self.change}\n  at {at}"


class _Log:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.misses: deque[Miss] = deque(maxlen=KEPT)
        self.last: dict[Where | None, tuple[str, ...]] = {}
        self.entries: dict[Where | None, list[Any]] = {}  # up to MANY a line
        self.total = 0


_LOG = _Log()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOG.__init__)  # type: ignore[misc]  # another process, another log


def miss(kind: str, change: str, where: Where | None, entry: Any = None) -> None:
    """Notes one miss; a line that keeps missing, and whose recordings are never used again, warns once."""
    with _LOG.lock:
        _LOG.misses.append(Miss(kind, change, where))
        _LOG.total += 1
        entries = _LOG.entries.setdefault(where, [])
        if len(entries) <= MANY:
            entries.append(entry)
    if len(entries) == MANY and where is not None and all(e is None or e.seen <= 1 for e in entries):
        warnings.warn(
            f"{MANY} different programs were recorded at {quote(where)}; the last change: {change}. "
            "fgrad.explain() lists them; keep shapes and Python numbers that shape the graph the same from step to step",
            RuntimeWarning,
            stacklevel=2,
        )


def scalar(op: str, new: str, old: str, where: Where | None) -> None:
    """A Python number that became a run-time input (not counted towards the warning: it happens once a place)."""
    with _LOG.lock:
        _LOG.misses.append(Miss("scalar", f"{op}: the number {old} came back as {new}; it is a run-time input now", where))


def structure(graph: Graph, where: Where | None, entry: Any) -> None:
    """A structure not seen before at this line: says what differs from the last one there."""
    names = tuple(v.prim.name for v in graph.values() if v.prim is not None)
    shape = (
        f"inputs ({', '.join(map(str, graph.input_types))})",
        f"{len(names)} operations",
        f"{len(graph.outputs)} living tensors",
        " ".join(names),
    )
    with _LOG.lock:
        before = _LOG.last.get(where)
        _LOG.last[where] = shape
    if before is None:
        change = f"first seen: {shape[1]}, {shape[2]}, {shape[0]}"
    else:
        parts = [f"{b} became {a}" for b, a in zip(before[:3], shape[:3], strict=True) if a != b]
        if not parts and before[3] != shape[3]:
            parts = [first_difference(before[3].split(), names)]
        change = "; ".join(parts) or "the same operations on other operands, or with other numbers or parameters"
    miss("structure", change, where, entry)


def first_difference(old: list[str], new: tuple[str, ...]) -> str:
    """The first operation in which two recordings differ."""
    for i, (a, b) in enumerate(zip(old, new, strict=False)):
        if a != b:
            return f"operation {i} was {a}, is {b}"
    return "the order of operations changed"


def explain() -> str:
    """Every cache miss so far, oldest first: what changed and the user's line.

    A miss means that a structure was recorded for the first time; a loop in its steady state adds none.
    """
    with _LOG.lock:
        lines = list(map(str, _LOG.misses))
    return "\n".join(lines) or "no misses: nothing has been recorded yet"


def count() -> int:
    """Number of structures and functions recorded anew so far."""
    return _LOG.total
