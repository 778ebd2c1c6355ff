"""A graph as one generated Python function over a planned arena: `Code` is immutable, each call works in its own frame."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from fgrad.backends.numpy.arenas import ARENAS, SHARED, Block, User, aligned
from fgrad.passes.plan import Plan

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
    words: Any = NONE  # what kernels are given
    relative: Any = NONE  # 1 for words that count from where the arena starts


def _alone() -> int:
    """References that a program sees to an output which only its pool holds, measured in the same kind of code."""
    scope: dict[str, Any] = {"pool": [np.empty(1)], "refs": sys.getrefcount}
    exec("def probe(I):\n    y0 = pool[0]\n    return refs(y0)\n", scope)
    return int(scope["probe"](None))


ALONE = _alone()
COUNTED = getattr(sys, "_is_gil_enabled", lambda: True)()  # reference counts mean nothing on free-threaded Python


class Frame(NamedTuple):
    """A runnable function, and the block that its arena is in; None for one of its own."""

    run: Run
    block: Block | None


def frame(code: Code, user: User) -> Frame:
    """A runnable function with an output pool of its own and an arena, whose block is held; used by one call at a time."""
    nbytes = code.plan.arena_bytes
    if nbytes < SHARED:
        return Frame(bound(code, aligned(nbytes)), None)
    block = ARENAS.take(nbytes, user)
    try:
        return Frame(bound(code, block.memory), block)
    except BaseException:
        block.lock.release()
        raise


def bound(code: Code, arena: Any) -> Run:
    """The function on an arena."""
    scope = dict(code.scope)
    scope["memory"], scope["arena"] = arena, arena.ctypes.data
    scope["words"] = code.words + code.relative * arena.ctypes.data
    scope["launches"] = scope["words"].ctypes.data
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
        self.free: list[Frame] = []

    def leave(self, block: Block) -> None:
        """Drops the frames in a block."""
        self.free = [f for f in self.free if f.block is not block]

    def take(self) -> Frame:
        """A free frame whose block is free, too, and is held from here on; a new one if there is none."""
        busy: list[Frame] = []
        while self.free:
            found = self.free.pop()
            block = found.block
            if block is None or (not block.gone and block.lock.acquire(blocking=False)):
                break
            if not block.gone:
                busy.append(found)
        else:
            found = frame(self.code, self)
        self.free += busy
        return found

    def __call__(self, buffers: Sequence[Any]) -> list[Any]:
        """Runs on any free frame; one that fails is dropped."""
        found = self.take()
        try:
            out = found.run(buffers)
        finally:
            if found.block is not None:
                found.block.lock.release()
        if found.block is None or not found.block.gone:
            self.free.append(found)
        return out
