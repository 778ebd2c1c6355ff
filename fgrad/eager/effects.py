"""debug_print and debug_callback: Python run for its effect, in order, wherever the program runs.

Inside jit the effects are chained through a hidden counter, one cell a thread: a callback reads it and gives it back
plus one, and the function writes it as it would any outer tensor. So effects are never dropped, shared or reordered.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.closures import enter_cells, flat_cells, region
from fgrad.eager.generator import FORBIDDEN
from fgrad.eager.tape import THREAD
from fgrad.eager.views import buffer_of, store
from fgrad.errors import TraceError
from fgrad.ir.apply import caller
from fgrad.ir.types import TensorType

COUNTER = TensorType((), "int64")


class Effects(Cell):
    """The number of effects so far."""

    __slots__ = ()


Effects._result = Effects


class _Thread(threading.local):
    def __init__(self) -> None:
        self.cell = concrete(Effects, np.zeros((), np.int64), COUNTER)


_THREAD = _Thread()


def debug_callback(callback: Callable[..., None], *args: Any, ordered: bool = True, **kwargs: Any) -> None:
    """Calls `callback(*args, **kwargs)` with NumPy arrays for its effect: at once, or inside jit whenever it runs.

    ordered: accepted, effects always keep their order.  Inside scan, cond, while_loop and vmap it is a TypeError.
    """
    cells, spec, _ = flat_cells((args, kwargs))
    tape = THREAD.tape
    if not tape.tracing:
        given, named = tree.unflatten(spec, [np.array(buffer_of(t)) for t in cells])
        callback(*given, **named)
        return
    if tape.tracing in (*FORBIDDEN, "checkpoint"):
        raise TraceError(
            f"an effect (debug_print, debug_callback) inside {tape.tracing}", where=caller(),
            fix="return the values from the function and print them outside",
        )  # fmt: skip
    cell = _THREAD.cell
    found = region("pure_callback", enter_cells([cell, *cells]), function=counted(callback, spec), results=(COUNTER,),
                   vmap="sequential")  # fmt: skip
    store(tape, (cell, found[0]))


@lru_cache(maxsize=1024)
def counted(callback: Callable[..., None], spec: Any) -> Callable[..., Any]:
    """`callback` on flat arrays behind a counter; one object for one structure, so that a program is found again."""
    build = tree.unflattener(spec)

    def function(counter: Any, *arrays: Any) -> Any:
        args, kwargs = build(list(arrays))
        callback(*args, **kwargs)
        return counter + 1

    return function


@lru_cache(maxsize=1024)
def printer(fmt: str) -> Callable[..., None]:
    """A function that prints its arguments by `fmt`."""

    def show(*args: Any, **kwargs: Any) -> None:
        sys.stdout.write(fmt.format(*args, **kwargs) + "\n")

    return show


def debug_print(fmt: str, *args: Any, ordered: bool = True, **kwargs: Any) -> None:
    """Prints `fmt.format(*args, **kwargs)`: at once, or inside jit with the numbers of each run (see debug_callback).

    >>> import fgrad
    >>> f = fgrad.jit(lambda x: (fgrad.debug_print("x is {}", x), x + 1)[1])
    >>> y = f(2.0)
    x is 2.0
    """
    debug_callback(printer(fmt), *args, ordered=ordered, **kwargs)


def settle(written: Sequence[Any]) -> None:
    """Runs the effects of a finished call of a compiled function."""
    for t in written:
        if t.__class__ is Effects and not THREAD.tape.tracing:
            buffer_of(t)
