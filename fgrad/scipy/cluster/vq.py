"""scipy.cluster.vq: the nearest of a book of codes."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as jnp
from fgrad.eager.arrays import same
from fgrad.errors import ShapeError
from fgrad.ir.apply import caller

__all__ = ["vq"]


def vq(obs: Any, code_book: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """(index of the nearest code, distance to it) of each row of `obs` [m, n], among the rows of `code_book` [k, n].

    Vectors are rows of length 1. The first of equally near codes.  Raises ValueError for other ranks.

    >>> codes, distances = vq(jnp.array([[1.0, 2.0], [5.0, 5.0]]), jnp.array([[1.0, 1.0], [5.0, 4.0]]))
    >>> codes
    Array([0, 1], dtype=int64)
    """
    x, book = same((obs, code_book), floating=True)
    if x.ndim != book.ndim:
        raise ShapeError("Observation and code_book should have the same rank", where=caller(), fix="give two vectors or two matrices")
    if x.ndim == 1:
        x, book = x[:, None], book[:, None]
    if x.ndim != 2:
        raise ShapeError(f"ndim different than 1 or 2 are not supported, found {x.ndim}", where=caller(), fix="give vectors or matrices")
    distances = jnp.linalg.norm(x[:, None] - book, axis=-1)
    codes = jnp.argmin(distances, axis=-1)
    return codes, jnp.take_along_axis(distances, codes[:, None], axis=-1)[:, 0]
