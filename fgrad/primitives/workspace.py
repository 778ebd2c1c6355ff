"""Memory for the temporaries of a lowering, kept from one call to the next."""

from __future__ import annotations

import math
import threading
from types import TracebackType
from typing import Any

_ALIGN = 64
_KEPT = 1 << 28  # bytes a thread holds on to at most


class _Stack(threading.local):
    """One thread's memory, how much of it is taken, and the most that a block wanted."""

    memory: Any = None
    size = 0
    taken = 0
    peak = 0


_STACK = _Stack()


class Workspace:
    """Arrays that are valid until the block ends; a result of a lowering must not be one of them.

    NumPy's come from one buffer of the thread, which grows to what the largest block needed; other libraries have pools
    of their own and are asked.  Blocks nest: an inner one takes what is free and gives it back.
    """

    __slots__ = ("own", "start", "xp")

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.own = xp.__name__ == "numpy"
        self.start = 0

    def __enter__(self) -> Workspace:
        self.start = _STACK.taken
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack = _STACK
        stack.taken = self.start
        if self.start == 0:
            if stack.size < stack.peak <= _KEPT:
                memory = self.xp.empty(stack.peak + _ALIGN, "uint8")
                skip = -memory.__array_interface__["data"][0] % _ALIGN
                stack.memory, stack.size = memory[skip : skip + stack.peak], stack.peak
            stack.peak = 0

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of unknown values, contiguous, in NumPy's case at a multiple of 64 bytes."""
        if not self.own:
            return self.xp.empty(shape, dtype)
        stack, dtype = _STACK, self.xp.dtype(dtype)
        start = stack.taken
        stack.taken = start + -(-math.prod(shape) * dtype.itemsize // _ALIGN) * _ALIGN
        stack.peak = max(stack.peak, stack.taken)
        if stack.taken > stack.size:
            return self.xp.empty(shape, dtype)
        return self.xp.ndarray(shape, dtype, stack.memory, start)

    def full(self, shape: tuple[int, ...], dtype: Any, value: Any) -> Any:
        """An array of one value."""
        x = self.empty(shape, dtype)
        x[...] = value
        return x

    def copy(self, x: Any, dtype: Any = None) -> Any:
        """A contiguous copy of `x`, converted to `dtype` if given."""
        y = self.empty(x.shape, x.dtype if dtype is None else dtype)
        y[...] = x
        return y

    def contiguous(self, x: Any) -> Any:
        """`x` itself if it is contiguous, else a copy."""
        return x if x.flags.c_contiguous else self.copy(x)


def workspace(xp: Any) -> Workspace:
    """Memory for one block: `with workspace(xp) as ws: a = ws.empty(shape, dtype)`."""
    return Workspace(xp)
