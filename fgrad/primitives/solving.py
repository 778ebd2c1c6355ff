"""Linear systems and what belongs to them: triangles, LU, solutions, inverses, determinants. Batches are leading axes.

A singular matrix gives what IEEE arithmetic gives; `verified` turns what the composites find out into an error.
"""

from __future__ import annotations

from typing import Any

from fgrad.errors import LinAlgError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives import matrix_kernels as kernels
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.checks import check_kinds, device_of, store
from fgrad.primitives.index import along
from fgrad.primitives.matrices import (
    batched_by,
    check_matrices,
    column,
    diagonal,
    dot,
    eye,
    imaginary,
    part,
    re,
    real_type,
    swap,
    triangle,
    widened,
)
from fgrad.primitives.reduce import reduce_sum
from fgrad.primitives.shape import broadcast_to, spread
from fgrad.primitives.structure import item

INT32, INT64 = dtype_of("int32"), dtype_of("int64")


def failure(info: Any, name: str, reason: str) -> str | None:
    """What is wrong with the first matrix whose `info` is not 0; None if nothing is."""
    flat = info.reshape(-1)
    bad = flat != 0
    if not bool(bad.any()):
        return None
    at = int(bad.argmax())
    batch = f"(Batch element {at}): " if info.ndim else ""
    return f"{name}: {batch}{reason.format(int(flat[at]))}"


@primitive(
    type=lambda x, info, *, name, reason, where: x,
    lower=lambda xp, out, x, info, *, name, reason: xp.array(x) if out is None else store(xp, out, x),
    transpose={0: lambda ct, x, info, *, name, reason: ct},
    batch=lambda n, batched, x, info, *, name, reason: verified(*spread(n, batched, x, info), name=name, reason=reason),
    check=lambda xp, x, info, *, name, reason: failure(info, name, reason),
    error=LinAlgError,
    flops=lambda y, x, info, *, name, reason: info.size,
)
def verified(x: Any, info: Any, *, name: str, reason: str) -> Any:
    """`x` itself; where some `info` (of its matrices) is not 0, a LinAlgError that says `reason`."""


def _system_type(name: str, a: TensorType, b: TensorType, where: Where | None) -> TensorType:
    check_matrices(name, (a, b), where, square=True)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"{name}: {a} and {b} have different numbers of rows", where=where, fix="give one row for each")
    return TensorType(b.shape, b.dtype, device_of((a, b)))


def _system_flops(y: Any, a: TensorType, b: TensorType, **params: Any) -> int:
    return a.shape[-1] * b.size


def _triangular_a(da: Value, y: Value, a: Value, b: Value, *, lower: bool, unit: bool) -> Any:
    """-T^-1 dT x."""
    dt = triangle(da, k=(-1 if lower else 1) * unit, upper=not lower)
    return -triangular_solve(a, dot(dt, y), lower=lower, unit=unit)


@primitive(
    type=lambda a, b, *, lower, unit, where: _system_type("triangular_solve", a, b, where),
    lower=lambda xp, out, a, b, *, lower, unit: store(xp, out, kernels.solve_triangular(xp, a, b, lower, unit)),
    jvp={0: _triangular_a},
    transpose={1: lambda ct, a, b, *, lower, unit: triangular_solve(swap(a), ct, lower=not lower, unit=unit)},
    batch=batched_by("triangular_solve"),
    flops=_system_flops,
)
def triangular_solve(a: Any, b: Any, *, lower: bool, unit: bool) -> Any:
    """x with `T x = b`, T the lower or upper triangle of `a`, its diagonal taken as 1 if `unit`."""


def _solve_type(a: TensorType, b: TensorType, *, where: Where | None) -> Type:
    y = _system_type("solve", a, b, where)
    return TupleType((y, TensorType(a.shape[:-2], INT32, y.device)))


@primitive(
    type=_solve_type,
    lower=lambda xp, out, a, b: kernels.stored(xp, out, kernels.solve(xp, a, b), (b.dtype, INT32)),
    jvp={
        0: lambda da, y, a, b: (-item(solve(a, dot(da, item(y, index=0))), index=0), None),
        1: lambda db, y, a, b: (item(solve(a, db), index=0), None),
    },
    transpose={1: lambda ct, a, b: None if ct[0] is None else item(solve(swap(a), ct[0]), index=0)},
    batch=batched_by("solve"),
    flops=lambda y, a, b: a.shape[-1] * (a.size + 2 * b.size),
)
def solve(a: Any, b: Any) -> Any:
    """(x, info) with `a x = b`. info: the place of the first zero pivot, or 0."""


def _inv_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("inv", (x,), where, square=True)
    return TupleType((x, TensorType(x.shape[:-2], INT32, x.device)))


def _inv(xp: Any, out: Any, x: Any) -> Any:
    one = xp.broadcast_to(xp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    return kernels.stored(xp, out, kernels.solve(xp, x, one), (x.dtype, INT32))


@primitive(
    type=_inv_type,
    lower=_inv,
    jvp={0: lambda dx, y, x: (-dot(item(y, index=0), dx, item(y, index=0)), None)},
    batch=batched_by("inv"),
    flops=lambda y, x: 2 * x.size * x.shape[-1],
)
def inv(x: Any) -> Any:
    """(the inverse, info). info: the place of the first zero pivot, or 0."""


def _slogdet_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("slogdet", (x,), where, square=True)
    return TupleType((x.with_shape(x.shape[:-2]), real_type(x, x.shape[:-2])))


def _slogdet(xp: Any, out: Any, x: Any) -> Any:
    return kernels.stored(xp, out, tuple(xp.linalg.slogdet(x)), (x.dtype, x.real.dtype))


def _slogdet_x(dx: Value, y: Value, x: Value) -> Any:
    """tr(A^-1 dA): its real part moves the logarithm, its imaginary part turns the sign."""
    rate = reduce_sum(diagonal(item(solve(x, dx), index=0)), axes=(x.ndim - 2,))
    turned = item(y, index=0) * imaginary(rate) if x.dtype.kind == "c" else None
    return turned, re(rate)


@primitive(
    type=_slogdet_type,
    lower=_slogdet,
    jvp={0: _slogdet_x},
    batch=batched_by("slogdet"),
    flops=lambda y, x: x.size * x.shape[-1],
)
def slogdet(x: Any) -> Any:
    """(sign, log |det|) of the determinant; (0, -inf) of a singular matrix."""


def _det_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("det", (x,), where, square=True)
    return x.with_shape(x.shape[:-2])


@primitive(
    type=_det_type,
    lower=lambda xp, out, x: store(xp, out, xp.linalg.det(x)),
    jvp={0: lambda dx, y, x: reduce_sum(swap(adjugate(x)) * dx, axes=(x.ndim - 2, x.ndim - 1))},
    batch=batched_by("det"),
    flops=lambda y, x: x.size * x.shape[-1],
)
def det(x: Any) -> Any:
    """The determinant; its derivative is right at singular matrices too."""


def _adjugate_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("adjugate", (x,), where, square=True)
    return x


def _adjugate_x(dx: Value, y: Value, x: Value) -> Any:
    """tr(A^-1 dA) adj - A^-1 dA adj: of an invertible matrix."""
    ratio = item(solve(x, dx), index=0)
    trace = reduce_sum(diagonal(ratio), axes=(x.ndim - 2,))
    return column(column(trace)) * y - dot(ratio, y)


@primitive(
    type=_adjugate_type,
    lower=lambda xp, out, x: store(xp, out, kernels.adjugate(xp, x)),
    jvp={0: _adjugate_x},
    batch=batched_by("adjugate"),
    flops=lambda y, x: 4 * x.size * x.shape[-1],
)
def adjugate(x: Any) -> Any:
    """det(x) x^-1, of singular matrices too (there it has no derivative)."""


def _lu_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("lu", (x,), where)
    lead, k = x.shape[:-2], min(x.shape[-2:])
    return TupleType((x, *[TensorType(s, INT32, x.device) for s in ((*lead, k), (*lead, x.shape[-2]), lead)]))


def _lu_x(dx: Value, y: Value, x: Value) -> Any:
    """dL = L tril(L^-1 P^H dA U^-1, -1), dU = triu(L^-1 P^H dA U^-1) U; rectangles are filled up with an identity."""
    packed, perm = item(y, index=0), item(y, index=2)
    m, n = x.shape[-2:]
    k = min(m, n)
    moved = along(dx, convert(broadcast_to(column(perm), shape=x.shape), dtype=INT64), x.ndim - 2)
    low = widened(triangle(part(packed, columns=k), k=-1), m, 1)
    high = widened(triangle(part(packed, rows=k), upper=True), n, 2)
    if n > k:
        high = high + eye(n, x, start=k)
    left = triangular_solve(low, moved, lower=True, unit=True)
    both = swap(triangular_solve(swap(high), swap(left), lower=True, unit=False))
    low = low + eye(m, x)
    return dot(low, triangle(both, k=-1)) + dot(triangle(both, upper=True), high), None, None, None


@primitive(
    type=_lu_type,
    lower=lambda xp, out, x: kernels.stored(xp, out, kernels.lu(xp, x), (x.dtype, INT32, INT32, INT32)),
    jvp={0: _lu_x},
    batch=batched_by("lu"),
    flops=lambda y, x: x.size * min(x.shape[-2:]),
)
def lu(x: Any) -> Any:
    """(LU, pivots, permutation, info) with `x[permutation] = L U`, L unit lower, packed into one matrix.

    pivots: LAPACK's, from 1: row i was swapped with row pivots[i].  info: the place of the first zero pivot, or 0.
    """


def _permutation_type(pivots: TensorType, *, rows: int, where: Where | None) -> Type:
    check_kinds("lu_permutation", "i", (pivots,), where)
    if not pivots.ndim or pivots.shape[-1] > rows:
        raise ShapeError(f"lu_permutation: pivots {pivots} of {rows} rows", where=where, fix="give at most one for each row")
    return pivots.with_shape((*pivots.shape[:-1], rows))


@primitive(
    type=_permutation_type,
    lower=lambda xp, out, pivots, *, rows: store(xp, out, kernels.permutation(xp, pivots, rows)),
    batch=batched_by("lu_permutation"),
    flops=lambda y, pivots, *, rows: pivots.size,
)
def lu_permutation(pivots: Any, *, rows: int) -> Any:
    """The order of the rows after row i was swapped with row pivots[i] (from 1), i = 0, 1, ..."""
