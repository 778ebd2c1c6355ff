"""jax.flatten_util: a tree as one vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fgrad.numpy as jnp
from fgrad import tree
from fgrad.errors import ShapeError
from fgrad.ir.apply import caller

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """(the leaves of a tree as one vector of their common dtype, the function that makes such a vector the tree again).

    >>> import fgrad, fgrad.numpy as jnp
    >>> flat, unravel = fgrad.flatten_util.ravel_pytree({"a": jnp.ones(2), "b": 3.0})
    >>> flat
    Array([1., 1., 3.], dtype=float32)
    >>> unravel(flat * 2)["b"]
    Array(6., dtype=float32)
    """
    leaves, spec = tree.flatten(pytree)
    arrays = [jnp.asarray(x) for x in leaves]
    ends = [sum(a.size for a in arrays[: i + 1]) for i in range(len(arrays))]
    parts = [(e - a.size, e, a.shape, a.dtype) for e, a in zip(ends, arrays, strict=True)]
    total = ends[-1] if ends else 0
    d = jnp.result_type(*[a.dtype for a in arrays]) if arrays else "float32"

    def unravel(flat: Any) -> Any:
        x = jnp.asarray(flat)
        if x.shape != (total,):
            raise ShapeError(f"unravel: {x.shape} for a tree of {total} numbers", where=caller(), fix=f"give [{total}]")
        return tree.unflatten(spec, [x[i:j].reshape(s).astype(t) for i, j, s, t in parts])

    flat = jnp.concatenate([a.ravel().astype(d) for a in arrays]) if arrays else jnp.zeros(0)
    return flat, unravel
