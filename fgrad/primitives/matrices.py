"""Matrices as the last two axes of Values: what the rules of the decompositions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.errors import DtypeError, ShapeError, Where
from fgrad.ir.apply import constant
from fgrad.ir.dtypes import real_of
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.checks import check_kinds, is_half, listed
from fgrad.primitives.compare import select
from fgrad.primitives.complex import complex_, conj, imag, real
from fgrad.primitives.composites import tril_mask
from fgrad.primitives.linear import matmul
from fgrad.primitives.reduce import reduce_sum
from fgrad.primitives.shape import broadcast_to, concatenate, full, number, reshape, slice_, spread, transpose

Axes = tuple[int, ...]


def check_matrices(name: str, types: Sequence[TensorType], where: Where | None, *, square: bool = False) -> None:
    """Refuses what is no batch of matrices of floats or complex numbers of full precision, all with one batch shape."""
    check_kinds(name, "fc", types, where)
    if is_half(types[0].dtype):
        raise DtypeError(f"{name}: not defined for {types[0].dtype.name}", where=where, fix="convert to float32 first")
    if any(t.ndim < 2 or t.shape[:-2] != types[0].shape[:-2] for t in types):
        raise ShapeError(f"{name}: wants batches of matrices of one batch shape, got {listed(types)}", where=where,
                         fix="give tensors of at least two axes, the leading ones equal")  # fmt: skip
    if square and types[0].shape[-1] != types[0].shape[-2]:
        raise ShapeError(f"{name}: {types[0]} is not square", where=where, fix="give as many rows as columns")


def swap(x: Value) -> Any:
    """The transpose, no conjugate."""
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def conjugate(x: Value) -> Any:
    """The conjugate; a real value itself."""
    return conj(x) if x.dtype.kind == "c" else x


def adjoint(x: Value) -> Any:
    """The conjugate transpose."""
    return conjugate(swap(x))


def re(x: Value) -> Any:
    """The real part; a real value itself."""
    return real(x) if x.dtype.kind == "c" else x


def imaginary(x: Value) -> Any:
    """i times the imaginary part of complex numbers."""
    part = imag(x)
    return complex_(number(0, part), part)


def like(x: Value, y: Value) -> Any:
    """`x` in the dtype of `y`."""
    return x if x.dtype == y.dtype else convert(x, dtype=y.dtype)


def dot(*xs: Value) -> Any:
    """The matrix product of all."""
    y = xs[0]
    for x in xs[1:]:
        y = matmul(y, x)
    return y


def eye(n: int, x: Value, *, start: int = 0) -> Any:
    """The identity of n rows, its first `start` ones left out, in the dtype of `x`."""
    one = np.eye(n, dtype=x.dtype)
    one[:start] = 0
    return constant(one, device=x.device)


def triangle(x: Value, *, k: int = 0, upper: bool = False) -> Any:
    """`x` on and below (upper: above) diagonal `k`, zero elsewhere."""
    mask = tril_mask(shape=x.shape[-2:], k=k, upper=upper, device=x.device)
    mask = broadcast_to(mask, shape=x.shape)
    return select(mask, x, full(x.shape, 0, x))


def diagonal(x: Value) -> Any:
    """The diagonal of square matrices."""
    return reduce_sum(x * eye(x.shape[-1], x), axes=(x.ndim - 1,))


def placed(v: Value) -> Any:
    """Matrices with the diagonal `v`."""
    n = v.shape[-1]
    wide = broadcast_to(column(v), shape=(*v.shape, n))
    return select(broadcast_to(constant(np.eye(n, dtype=bool), device=v.device), shape=wide.shape), wide, full(wide.shape, 0, v))


def column(v: Value) -> Any:
    """Vectors as matrices of one column."""
    return reshape(v, shape=(*v.shape, 1))


def row(v: Value) -> Any:
    """Vectors as matrices of one row."""
    return reshape(v, shape=(*v.shape[:-1], 1, v.shape[-1]))


def part(x: Value, rows: int | None = None, columns: int | None = None, *, after: int = 0) -> Any:
    """The first rows and columns (None: all); after: the columns from there on."""
    start = [0] * x.ndim
    start[-1] = after
    stop = list(x.shape)
    stop[-2] = x.shape[-2] if rows is None else rows
    stop[-1] = x.shape[-1] if columns is None else columns
    return slice_(x, start=tuple(start), stop=tuple(stop), step=(1,) * x.ndim)


def symmetric(x: Value) -> Any:
    """(x + x^H) / 2."""
    return (x + adjoint(x)) * 0.5


def gaps(w: Value) -> Any:
    """w_j - w_i at [i, j], 1 on the diagonal."""
    return row(w) - column(w) + eye(w.shape[-1], w)


def off_diagonal(x: Value) -> Any:
    """`x` with zeros on the diagonal."""
    n = x.shape[-1]
    mask = broadcast_to(constant(np.eye(n, dtype=bool), device=x.device), shape=x.shape)
    return select(mask, full(x.shape, 0, x), x)


def real_type(x: TensorType, shape: Axes) -> TensorType:
    """A type of the real numbers beside `x`."""
    return TensorType(shape, real_of(x.dtype), x.device)


def batched_by(name: str) -> Callable[..., Any]:
    """The batch rule of an operation on the last two axes: one more leading axis is nothing new."""

    def rule(n: int, batched: tuple[bool, ...], *xs: Value, **params: Any) -> Any:
        return FUNCTIONS[name](*spread(n, batched, *xs), **params)

    return rule


def widened(x: Value, n: int, axis: int) -> Any:
    """`x` with zeros up to length `n` along the last (1) or the last but one (2) axis."""
    at = x.ndim - axis
    if x.shape[at] == n:
        return x
    more = (*x.shape[:at], n - x.shape[at], *x.shape[at + 1 :])
    return concatenate(x, full(more, 0, x), axis=at)


def cubic(y: Any, x: TensorType, **params: Any) -> int:
    """Operations of a decomposition, roughly."""
    return 4 * x.size * min(x.shape[-2:])
