"""A graph as one generated Python function over a planned arena: `Code` is immutable, each call works in its own frame."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import cache
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from fgrad.passes.plan import ALIGN, Plan, padded

LARGE = 1 << 25  # bytes of an arena before which freed memory is given back
Run = Callable[[Any], list[Any]]


NONE = np.zeros(0, np.int64)


class Code(NamedTuple):
    """What is needed to make a runnable function: text, and what its names stand for."""

    source: str
    compiled: CodeType
    scope: dict[str, Any]  # constants and functions, shared by all frames
    buffers: dict[str, tuple[int, tuple[int, ...], Any]]  # name -> arena offset, shape, dtype
    views: dict[str, tuple[Any, tuple[str, ...], dict[str, Any]]]  # name -> lowering, operand names, params
    outputs: tuple[tuple[tuple[int, ...], Any], ...]
    plan: Plan
    cells: int = 0  # addresses of arrays that one call of a kernel takes at most
    words: Any = NONE  # behind the arena: what kernels are given
    relative: Any = NONE  # 1 for words that count from where the arena starts


def _alone() -> int:
    """References that a program sees to an output which only its pool holds, measured in the same kind of code."""
    scope: dict[str, Any] = {"pool": [np.empty(1)], "refs": sys.getrefcount}
    exec("def probe(I):\n    y0 = pool[0]\n    return refs(y0)\n", scope)
    return int(scope["probe"](None))


ALONE = _alone()
COUNTED = getattr(sys, "_is_gil_enabled", lambda: True)()  # reference counts mean nothing on free-threaded Python


def aligned(nbytes: int) -> Any:
    """`nbytes` bytes that start on a cache line."""
    raw = np.empty(nbytes + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + nbytes]


@cache
def trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`; None with another C library."""
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return found


def give_back() -> None:
    """Hands what the C library keeps of freed memory to the system: steps run op by op leave as much as an arena takes."""
    call = trim()
    if call is not None:
        call(0)


def frame(code: Code) -> Run:
    """One runnable function with an arena and an output pool of its own; used by one call at a time."""
    if code.plan.arena_bytes >= LARGE:
        give_back()
    start = padded(code.plan.arena_bytes)
    arena = aligned(start + code.words.nbytes)
    np.ndarray(code.words.shape, np.int64, arena, start)[:] = code.words + code.relative * arena.ctypes.data
    scope = dict(code.scope)
    scope["memory"], scope["arena"] = arena, arena.ctypes.data
    scope["cells"] = np.zeros(code.cells, np.uintp)
    scope["table"] = scope["cells"].ctypes.data
    for name, (offset, shape, dtype) in code.buffers.items():
        scope[name] = np.ndarray(shape, dtype, arena, offset)
    for name, (lower, operands, params) in code.views.items():
        scope[name] = lower(np, None, *[scope[x] for x in operands], **params)
    scope["pool"] = [np.empty(shape, dtype) for shape, dtype in code.outputs]
    exec(code.compiled, scope)
    run: Run = scope.pop("program")  # its scope does not hold it: an arena goes with its last frame, not when cycles are looked for
    return run


class Frames:
    """The free frames of one Code: a call takes one and gives it back, so threads and recursion never share."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.free: list[Run] = []

    def __call__(self, buffers: Sequence[Any]) -> list[Any]:
        """Runs on any free frame; one that fails is dropped."""
        try:
            run = self.free.pop()
        except IndexError:
            run = frame(self.code)
        out = run(buffers)
        self.free.append(run)
        return out
