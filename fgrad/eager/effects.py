"""debug_print and debug_callback: Python run for its effect, in order, wherever the program runs.

Inside jit the effects are chained through the hidden counter (see counter): a callback reads it and gives it back plus
one, and the function writes it as it would any outer tensor. So effects are never dropped, shared or reordered.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.callbacks import on_arrays
from fgrad.eager.closures import enter_cells, flat_cells, region, wrap_results
from fgrad.eager.counter import COUNTER, advance, counter
from fgrad.eager.shapes import type_like
from fgrad.eager.tape import THREAD
from fgrad.eager.views import buffer_of, store


def debug_callback(callback: Callable[..., None], *args: Any, ordered: bool = True, **kwargs: Any) -> None:
    """Calls `callback(*args, **kwargs)` with NumPy arrays for its effect: at once, or inside jit whenever it runs.

    ordered: accepted, effects always keep their order.  In a loop, one call a step; under vmap, one call an example; in a
    rule of custom_jvp or custom_vjp and in the condition of while_loop, when their results are computed.
    """
    cells, spec, _ = flat_cells((args, kwargs))
    tape = THREAD.tape
    if not tape.tracing:
        given, named = tree.unflatten(spec, [np.array(buffer_of(t)) for t in cells])
        callback(*given, **named)
        return
    cell = counter()
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


def io_callback(callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any, sharding: Any = None, ordered: bool = False,
                **kwargs: Any) -> Any:  # fmt: skip
    """`callback(*args, **kwargs)` with NumPy arrays, for its effect and its result: once a run, in order, never left out.

    result_shape_dtypes: a tree of ShapeDtypeStructs (or arrays, or None) that says what it returns.  ordered, sharding:
    accepted.  Where effects happen: as debug_callback.  Not differentiable.

    >>> import fgrad, numpy as np
    >>> names = iter([3.0, 4.0])
    >>> f = fgrad.jit(lambda: fgrad.experimental.io_callback(lambda: np.float32(next(names)), fgrad.ShapeDtypeStruct((), "float32")))
    >>> float(f()), float(f())
    (3.0, 4.0)
    """
    cells, spec, _ = flat_cells((args, kwargs))
    wanted, out_spec = tree.flatten(result_shape_dtypes)
    types = tuple([type_like(x)[1] for x in wanted])
    cell = counter()
    found = region("pure_callback", enter_cells([cell, *cells]), function=counted_results(callback, spec, out_spec), results=(COUNTER, *types),
                   vmap="sequential")  # fmt: skip
    return advance([cell], found[:1], lambda: tree.unflatten(out_spec, wrap_results(found[1:], [None] * len(types), cells)))


@lru_cache(maxsize=1024)
def counted_results(callback: Callable[..., Any], spec: Any, out_spec: Any) -> Callable[..., Any]:
    """As `counted`, with the callback's results."""
    inner = on_arrays(callback, spec, out_spec)
    return lambda count, *arrays: (count + 1, *inner(*arrays))


def debug_print(fmt: str, *args: Any, ordered: bool = True, **kwargs: Any) -> None:
    """Prints `fmt.format(*args, **kwargs)`: at once, or inside jit with the numbers of each run (see debug_callback).

    >>> import fgrad
    >>> f = fgrad.jit(lambda x: (fgrad.debug_print("x is {}", x), x + 1)[1])
    >>> y = f(2.0)
    x is 2.0
    """
    debug_callback(printer(fmt), *args, ordered=ordered, **kwargs)
