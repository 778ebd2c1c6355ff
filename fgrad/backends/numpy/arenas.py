"""Memory for the arenas of programs, which take it in turn: as much as the largest needs, as often as programs run at a time."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, Protocol
from weakref import WeakSet

import numpy as np

from fgrad.backends.numpy.locks import ForkLock
from fgrad.passes.plan import ALIGN

SHARED = 1 << 20  # bytes of an arena from which on programs share it
LARGE = 1 << 25  # and before which freed memory is given back
GROWTH = 5, 4  # a block that replaces a smaller one is larger than it has to be: a cache that grows asks for more each time


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


class User(Protocol):
    """Who has functions that work in blocks."""

    def leave(self, block: Block) -> None: ...  # noqa: D102  # drops those that work in this one


class Block:
    """Memory, and the lock that whoever works in it holds. `gone`: a larger one has taken its place."""

    def __init__(self, nbytes: int) -> None:
        self.memory = aligned(nbytes)
        self.lock = Lock()
        self.users: WeakSet[User] = WeakSet()
        self.gone = False


class Arenas:
    """The blocks that frames are bound to; one goes with its last frame."""

    def __init__(self) -> None:
        self.lock = ForkLock()
        self.blocks: WeakSet[Block] = WeakSet()

    def take(self, nbytes: int, user: User) -> Block:
        """A block of at least so many bytes that nobody works in, its lock held. Free ones that are too small are given up."""
        with self.lock:
            free = [b for b in self.blocks if b.lock.acquire(blocking=False)]
            found = min([b for b in free if b.memory.nbytes >= nbytes], key=lambda b: b.memory.nbytes, default=None)
            for b in free:
                if found is None:
                    b.gone = True
                    self.blocks.discard(b)
                    for other in list(b.users):
                        other.leave(b)
                if b is not found:
                    b.lock.release()
            if found is None:
                size = nbytes * GROWTH[0] // GROWTH[1] if free else nbytes  # pages that nobody touches take no memory
                if nbytes >= LARGE:
                    give_back()
                found = Block(size)
                found.lock.acquire()
                self.blocks.add(found)
            found.users.add(user)
            return found


ARENAS = Arenas()
