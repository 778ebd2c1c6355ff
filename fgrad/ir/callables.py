"""Stable names for Python functions that are parameters of a node (callbacks): text and hashes use the name."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

_NAMES: WeakKeyDictionary[Callable[..., Any], str] = WeakKeyDictionary()
_FOUND: WeakValueDictionary[str, Callable[..., Any]] = WeakValueDictionary()
_COUNTS: dict[str, count[int]] = {}


def name_of(function: Callable[..., Any]) -> str:
    """`module:qualname`, with `#k` for the k-th function of that name; a name is never used twice in one process."""
    name = _NAMES.get(function)
    if name is None:
        module = getattr(function, "__module__", None) or type(function).__module__
        base = f"{module}:{getattr(function, '__qualname__', type(function).__qualname__)}"
        k = next(_COUNTS.setdefault(base, count(1)))
        name = _NAMES[function] = base if k == 1 else f"{base}#{k}"
        _FOUND[name] = function
    return name


def find(name: str) -> Callable[..., Any] | None:
    """The living function that `name_of` gave this name, or None."""
    return _FOUND.get(name)
