"""PyTorch's triangles and diagonals of matrices."""

from __future__ import annotations

import operator
from typing import Any

from fgrad.errors import ArgumentError, RangeError, ShapeError
from fgrad.functions.call import axis_of, compose
from fgrad.functions.inplace import of_each
from fgrad.functions.pointwise import into
from fgrad.functions.shape import flatten, movedim, reshape
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.shape import pad

__all__ = ["diag", "diag_embed", "diagflat", "diagonal", "tril", "triu"]


def tril(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """The lower triangle of the last two dimensions, zeros above."""
    return into(out, compose(_triangle, matrices("tril", input), k=diagonal, upper=False))


def triu(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """The upper triangle of the last two dimensions, zeros below."""
    return into(out, compose(_triangle, matrices("triu", input), k=diagonal, upper=True))


def matrices(name: str, x: Any) -> Any:
    """A tensor of at least two dimensions."""
    if x._type.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions", where=caller(), fix="give a matrix")
    return x


def _triangle(x: Any, *, k: int, upper: bool) -> Any:
    return c.select(c.tril_mask(shape=x.shape, k=k, upper=upper, device=x.device), x, c.number(0, x))


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of two dimensions as a new last one. A view."""
    a, b = axis_of(input, dim1), axis_of(input, dim2)
    if a == b:
        raise ArgumentError(f"diagonal dimensions cannot be identical {dim1}, {dim2}", where=caller(), fix="name two dimensions")
    s, offset = input._type.shape, operator.index(offset)
    n = max(0, min(s[a] + min(offset, 0), s[b] - max(offset, 0)))
    x, width = movedim(input, (a, b), (0, 1)), s[b]
    flat = reshape(x, (s[a] * width, *x._type.shape[2:]))
    start = max(offset, 0) - min(offset, 0) * width
    return movedim(flat[start : start + n * (width + 1) : width + 1] if n else flat[:0], 0, -1)


main_diagonal = diagonal


def diag(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal."""
    if input._type.ndim not in (1, 2):
        raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {input._type.ndim}D", where=caller(), fix="use diag_embed")
    if input._type.ndim == 2:
        return into(out, main_diagonal(input, diagonal))
    diagonal = operator.index(diagonal)
    n = input._type.shape[0] + abs(diagonal)
    return into(out, compose(_diagonal_matrix, input, n=n, k=diagonal))


def _diagonal_matrix(x: Any, *, n: int, k: int) -> Any:
    on = c.tril_mask(shape=(n, n), k=k, device=x.device) & c.tril_mask(shape=(n, n), k=k, upper=True, device=x.device)
    lead = max(-k, 0)
    column = pad(x, c.number(0, x), low=(lead,), high=(n - x.shape[0] - lead,), interior=(0,))
    return c.select(on, c.broadcast_to(c.reshape(column, shape=(n, 1)), shape=(n, n)), c.number(0, x))


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension on diagonal `offset`, spanned by the dimensions `dim1` and `dim2` of the result."""
    a, b = (axis_of(input, d, 1) for d in (dim1, dim2))
    if a == b:
        raise ArgumentError("diagonal dimensions cannot be identical", where=caller(), fix="name two dimensions")
    if not input._type.ndim:
        raise RangeError("diag_embed needs a tensor of at least one dimension", where=caller(), fix="give a vector")
    y = compose(_embedded, input, k=operator.index(offset))
    return movedim(y, (-2, -1), (a, b))


def _embedded(x: Any, *, k: int) -> Any:
    n = x.shape[-1] + abs(k)
    shape = (*x.shape[:-1], n, n)
    low = max(-k, 0)
    lead, none = (0,) * (x.ndim - 1), (0,) * x.ndim
    column = pad(x, c.number(0, x), low=(*lead, low), high=(*lead, n - x.shape[-1] - low), interior=none)
    on = c.tril_mask(shape=shape, k=k, device=x.device) & c.tril_mask(shape=shape, k=k, upper=True, device=x.device)
    wide = c.broadcast_to(c.reshape(column, shape=(*shape[:-1], 1)), shape=shape)
    return c.select(on, wide, c.number(0, x))


def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with the flattened tensor on its diagonal."""
    return diag(flatten(input), offset)


class TriangleMethods:
    """Tensor's methods of these operations."""

    __slots__ = ()
    tril, triu, diagonal, diag, diag_embed, diagflat = tril, triu, main_diagonal, diag, diag_embed, diagflat
    tril_, triu_ = of_each(tril, triu)
