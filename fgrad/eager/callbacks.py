"""Python functions called from a program on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.closures import enter_cells, flat_cells, region, wrap_results
from fgrad.eager.shapes import type_like
from fgrad.errors import TreeError

METHODS = {None: "sequential", "sequential": "sequential", "expand_dims": "expand_dims", "broadcast_all": "expand_dims"}


def pure_callback(callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any, vmap_method: str | None = None,
                  **kwargs: Any) -> Any:  # fmt: skip
    """`callback(*args, **kwargs)`, a Python function of NumPy arrays without effects, called when the program runs.

    result_shape_dtypes: a tree of ShapeDtypeStructs (or arrays) that says what it returns.  vmap_method: "sequential"
    (one call an example) or "expand_dims" (one call with a leading axis everywhere, length 1 where there is no batch).
    It may be called any number of times, or never.  Not differentiable: give it a custom rule.
    """
    cells, spec, _ = flat_cells((args, kwargs))
    wanted, out_spec = tree.flatten(result_shape_dtypes)
    types = tuple([type_like(x)[1] for x in wanted])
    function = on_arrays(callback, spec, out_spec)
    found = region("pure_callback", enter_cells(cells), function=function, results=types, vmap=METHODS[vmap_method])
    return tree.unflatten(out_spec, wrap_results(found, [None] * len(found), cells))


@lru_cache(maxsize=1024)
def on_arrays(callback: Callable[..., Any], spec: Any, out_spec: Any) -> Callable[..., tuple[Any, ...]]:
    """`callback` on flat arrays; the same object for the same structures, so that a program is found again."""
    build = tree.unflattener(spec)

    def function(*arrays: Any) -> tuple[Any, ...]:
        args, kwargs = build(list(arrays))
        leaves, found = tree.flatten(callback(*args, **kwargs))
        if found != out_spec:
            raise TreeError(
                f"the callback {getattr(callback, '__name__', callback)} returned the structure {found}, declared is {out_spec}",
                fix="declare what it returns",
            )
        return tuple([np.asarray(x) for x in leaves])

    function.__qualname__ = getattr(callback, "__qualname__", "callback")
    return function
