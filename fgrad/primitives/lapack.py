"""Decompositions that NumPy has not: SciPy's (LAPACK's), on the CPU, an optional package. Batches are leading axes.

Schur's, Hessenberg's and the tridiagonal form have no derivative, nor has the order of a pivoted QR.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.errors import DtypeError, MissingError, ShapeError, Where, need
from fgrad.ir.apply import primitive
from fgrad.ir.dtypes import dtype_of, real_of
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives import matrix_kernels as kernels
from fgrad.primitives.checks import check_kinds, device_of, is_half, listed, store
from fgrad.primitives.matrices import batched_by, check_matrices, column, cubic, part
from fgrad.primitives.shape import concatenate, full, reshape, slice_

INT32 = dtype_of("int32")


def _scipy(xp: Any, name: str) -> Any:
    if xp.__name__ != "numpy":
        raise MissingError(f"{name}: CuPy has no such function", fix="move the matrix to the CPU for it")
    return need("scipy.linalg", "scipy")


def _each(x: Any, f: Callable[[Any], tuple[Any, ...]], shapes: tuple[Any, ...], dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    """`f` of every matrix of a batch, its results stacked; NaN (-1 for integers) for one that has infinities or NaN."""
    flat = kernels.flat(x)
    bad = ~np.isfinite(flat).all(axis=(-2, -1))
    outs = [np.full((len(flat), *s), -1 if np.dtype(d).kind == "i" else np.nan, d) for s, d in zip(shapes, dtypes, strict=True)]
    for i, m in enumerate(flat):
        if not bad[i] and m.size:
            for y, part_ in zip(outs, f(m), strict=True):
                y[i] = part_
    return tuple([y.reshape(*x.shape[:-2], *s) for y, s in zip(outs, shapes, strict=True)])


def _square_pair(name: str) -> Callable[..., Type]:
    def infer(x: TensorType, *, where: Where | None) -> Type:
        check_matrices(name, (x,), where, square=True)
        return TupleType((x, x))

    return infer


def _schur(xp: Any, out: Any, x: Any) -> Any:
    library = _scipy(xp, "schur")
    kind = "complex" if x.dtype.kind == "c" else "real"
    ys = _each(x, lambda m: library.schur(m, output=kind), (x.shape[-2:],) * 2, (x.dtype,) * 2)
    return kernels.stored(xp, out, ys, (x.dtype, x.dtype))


@primitive(type=_square_pair("schur"), lower=_schur, smooth=False, batch=batched_by("schur"), flops=cubic)
def schur(x: Any) -> Any:
    """(T, Q) with `x = Q T Q^H`, Q unitary, T upper triangular; for real `x` with blocks of 2 for pairs of complex eigenvalues."""


def _routine(library: Any, name: str, x: Any) -> Any:
    return getattr(library.lapack, {"f": "s", "d": "d", "F": "c", "D": "z"}[x.dtype.char] + name)


def _hessenberg_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("hessenberg", (x,), where, square=True)
    return TupleType((x, x.with_shape((*x.shape[:-2], max(x.shape[-1] - 1, 0)))))


def _hessenberg(xp: Any, out: Any, x: Any) -> Any:
    library, n = _scipy(xp, "hessenberg"), x.shape[-1]

    def one(m: Any) -> tuple[Any, ...]:
        return tuple(_routine(library, "gehrd", x)(m)[:2]) if n > 1 else (m, np.zeros(0))

    return kernels.stored(xp, out, _each(x, one, ((n, n), (max(n - 1, 0),)), (x.dtype, x.dtype)), (x.dtype, x.dtype))


@primitive(type=_hessenberg_type, lower=_hessenberg, smooth=False, batch=batched_by("hessenberg"), flops=cubic)
def hessenberg(x: Any) -> Any:
    """(a, tau): H, zero below the first subdiagonal, in `a`, the Householder vectors of Q below it, x = Q H Q^H (LAPACK's gehrd)."""


def _tridiagonal_type(x: TensorType, *, lower: bool, where: Where | None) -> Type:
    check_matrices("tridiagonal", (x,), where, square=True)
    lead, n = x.shape[:-2], x.shape[-1]
    real = TensorType((*lead, n), real_of(x.dtype), x.device)
    less = max(n - 1, 0)
    return TupleType((x, real, real.with_shape((*lead, less)), x.with_shape((*lead, less))))


def _tridiagonal(xp: Any, out: Any, x: Any, *, lower: bool) -> Any:
    library, n = _scipy(xp, "tridiagonal"), x.shape[-1]
    f = _routine(library, "hetrd" if x.dtype.kind == "c" else "sytrd", x)
    real, less = real_of(x.dtype), max(n - 1, 0)
    dtypes = (x.dtype, real, real, x.dtype)
    return kernels.stored(xp, out, _each(x, lambda m: f(m, lower=int(lower))[:4], ((n, n), (n,), (less,), (less,)), dtypes), dtypes)


@primitive(type=_tridiagonal_type, lower=_tridiagonal, smooth=False, batch=batched_by("tridiagonal"), flops=cubic)
def tridiagonal(x: Any, *, lower: bool) -> Any:
    """(a, d, e, tau): diagonal and subdiagonal of T, `x = Q T Q^H` Hermitian, and the Householder vectors of Q in `a` (LAPACK's sytrd).

    lower: whether the lower or the upper triangle is read.
    """


def _order_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("pivot_order", (x,), where)
    return TensorType((*x.shape[:-2], x.shape[-1]), INT32, x.device)


def _order(xp: Any, out: Any, x: Any) -> Any:
    library = _scipy(xp, "pivot_order")
    if not x.size:
        return store(xp, out, np.broadcast_to(np.arange(x.shape[-1], dtype=INT32), (*x.shape[:-2], x.shape[-1])).copy())
    return store(xp, out, _each(x, lambda m: (library.qr(m, mode="r", pivoting=True)[1],), ((x.shape[-1],),), (INT32,))[0])


@primitive(type=_order_type, lower=_order, smooth=False, batch=batched_by("pivot_order"), flops=cubic)
def pivot_order(x: Any) -> Any:
    """int32: the order of the columns of `x` in its QR decomposition with pivoting, the diagonal of R falling."""


def _system_type(low: TensorType, d: TensorType, high: TensorType, b: TensorType, *, where: Where | None) -> Type:
    check_kinds("tridiagonal_solve", "fc", (low, d, high, b), where)
    if is_half(b.dtype):
        raise DtypeError(f"tridiagonal_solve: not defined for {b.dtype.name}", where=where, fix="convert to float32 first")
    if not d.ndim or low.shape != d.shape or high.shape != d.shape or b.ndim != d.ndim + 1 or b.shape[:-1] != d.shape:
        raise ShapeError(f"tridiagonal_solve: {listed((low, d, high, b))}", where=where,
                         fix="give three diagonals of [..., n] and a right side of [..., n, k]")  # fmt: skip
    return TensorType(b.shape, b.dtype, device_of((low, d, high, b)))


def _system(xp: Any, out: Any, low: Any, d: Any, high: Any, b: Any) -> Any:
    library, n = _scipy(xp, "tridiagonal_solve"), d.shape[-1]
    y = np.empty(b.shape, b.dtype)
    f = _routine(library, "gtsv", b) if n > 1 else None
    rows = [v.reshape(math.prod(d.shape[:-1]), n) for v in (low, d, high)]
    for i, (a, c, e) in enumerate(zip(*rows, strict=True)):
        one = b.reshape(-1, *b.shape[-2:])[i] if b.size else b.reshape(0, n, 0)
        if f is None or not one.size:
            found, info = (one / c[:, None] if n else one), 0
        else:
            *_, found, info = f(a[1:], c, e[:-1], one)
        if b.size:
            y.reshape(-1, *b.shape[-2:])[i] = found if info == 0 else np.nan
    return store(xp, out, y)


def _down(x: Value) -> Any:
    """Row i of the result is row i - 1; the first is 0."""
    edge = full((*x.shape[:-2], 1, x.shape[-1]), 0, x)
    return concatenate(edge, part(x, rows=x.shape[-2] - 1), axis=x.ndim - 2)


def _up(x: Value) -> Any:
    """Row i of the result is row i + 1; the last is 0."""
    rank = x.ndim
    start = tuple([1 if i == rank - 2 else 0 for i in range(rank)])
    return concatenate(slice_(x, start=start, stop=x.shape, step=(1,) * rank), full((*x.shape[:-2], 1, x.shape[-1]), 0, x), axis=rank - 2)


def _moved(d: Value, up: bool) -> Any:
    """A diagonal as the transposed matrix has it."""
    wide = reshape(d, shape=(*d.shape, 1))
    return reshape(_up(wide) if up else _down(wide), shape=d.shape)


@primitive(
    type=_system_type,
    lower=_system,
    jvp={
        0: lambda t, y, low, d, high, b: tridiagonal_solve(low, d, high, -column(t) * _down(y)),
        1: lambda t, y, low, d, high, b: tridiagonal_solve(low, d, high, -column(t) * y),
        2: lambda t, y, low, d, high, b: tridiagonal_solve(low, d, high, -column(t) * _up(y)),
    },
    transpose={3: lambda ct, low, d, high, b: tridiagonal_solve(_moved(high, False), d, _moved(low, True), ct)},
    batch=batched_by("tridiagonal_solve"),
    flops=lambda y, low, d, high, b: 8 * y.size,
)
def tridiagonal_solve(low: Any, d: Any, high: Any, b: Any) -> Any:
    """x with T x = b, T tridiagonal: `low`[i] beside d[i] in row i (low[0] unread), `high`[i] after it (the last unread).

    By elimination with swaps (LAPACK's gtsv); NaN for a singular T.
    """
