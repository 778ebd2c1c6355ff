"""Matrix decompositions: Cholesky, QR, singular values. Batches are leading axes.

A matrix that has no decomposition gives NaN.
Derivatives: Giles 2008 (Cholesky), Walter & Lehmann 2010 (QR), Townsend 2016 (singular values); the phase of complex vectors,
which nothing fixes, as PyTorch has it.
"""

from __future__ import annotations

from typing import Any

from fgrad.errors import GradError, Where
from fgrad.ir.apply import caller, primitive
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives import matrix_kernels as kernels
from fgrad.primitives.checks import store
from fgrad.primitives.matrices import (
    adjoint,
    batched_by,
    check_matrices,
    column,
    cubic,
    diagonal,
    dot,
    eye,
    gaps,
    imaginary,
    like,
    part,
    placed,
    re,
    real_type,
    row,
    swap,
    symmetric,
    triangle,
    widened,
)
from fgrad.primitives.shape import full as repeated
from fgrad.primitives.solving import triangular_solve
from fgrad.primitives.structure import item

INT32 = dtype_of("int32")


def _cholesky_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("cholesky", (x,), where, square=True)
    return TupleType((x, TensorType(x.shape[:-2], INT32, x.device)))


def _cholesky_x(dx: Value, y: Value, x: Value) -> Any:
    """dL = L phi(L^-1 dA L^-H), phi the lower triangle with half the diagonal; dA symmetrised, as PyTorch's gradient is."""
    low = item(y, index=0)
    half = triangular_solve(low, symmetric(dx), lower=True, unit=False)
    inner = adjoint(triangular_solve(low, adjoint(half), lower=True, unit=False))
    phi = triangle(inner) * (repeated(x.shape, 1, x) - eye(x.shape[-1], x) * 0.5)
    return dot(low, phi), None


@primitive(
    type=_cholesky_type,
    lower=lambda xp, out, x: kernels.stored(xp, out, kernels.cholesky(xp, x), (x.dtype, INT32)),
    jvp={0: _cholesky_x},
    batch=batched_by("cholesky"),
    flops=lambda y, x: x.size * x.shape[-1] // 3 + 1,
)
def cholesky(x: Any) -> Any:
    """(L, info) with `x = L L^H`, L lower; reads the lower triangle of `x`. info: the order of the first bad minor, or 0."""


def _qr_type(x: TensorType, *, full: bool, where: Where | None) -> Type:
    check_matrices("qr", (x,), where)
    m, n = x.shape[-2:]
    k = m if full else min(m, n)
    return TupleType((x.with_shape((*x.shape[:-2], m, k)), x.with_shape((*x.shape[:-2], k, n))))


def _qr(xp: Any, out: Any, x: Any, *, full: bool) -> Any:
    if x.size:
        return kernels.stored(xp, out, tuple(xp.linalg.qr(x, mode="complete" if full else "reduced")), (x.dtype, x.dtype))
    m, n = x.shape[-2:]
    k = m if full else 0 if n == 0 else min(m, n)
    q = xp.array(xp.broadcast_to(xp.eye(m, dtype=x.dtype)[:, :k], (*x.shape[:-2], m, k)))
    return kernels.stored(xp, out, (q, xp.zeros((*x.shape[:-2], k, n), x.dtype)), (x.dtype, x.dtype))


def _qr_x(dx: Value, y: Value, x: Value, *, full: bool) -> Any:
    q, r = item(y, index=0), item(y, index=1)
    m, n = x.shape[-2:]
    if full and m > n:
        raise GradError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols", where=caller(),
                        fix="use mode='reduced'")  # fmt: skip
    k = min(m, n)
    lead, square = part(dx, columns=k), part(r, columns=k)
    right = swap(triangular_solve(swap(square), swap(lead), lower=True, unit=False))  # dA R^-1
    inner = dot(adjoint(q), right)
    low = triangle(inner, k=-1)
    turn = low - adjoint(low)
    if x.dtype.kind == "c":
        turn = turn + placed(imaginary(diagonal(inner)))
    return dot(q, turn - inner) + right, dot(adjoint(q), dx) - dot(turn, r)


@primitive(type=_qr_type, lower=_qr, jvp={0: _qr_x}, batch=batched_by("qr"), flops=cubic)
def qr(x: Any, *, full: bool) -> Any:
    """(Q, R) with `x = Q R`, orthonormal columns and an upper triangle; full: Q is square."""


def _geqrf_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("geqrf", (x,), where)
    return TupleType((x, x.with_shape((*x.shape[:-2], min(x.shape[-2:])))))


def _geqrf(xp: Any, out: Any, x: Any) -> Any:
    lead, k = x.shape[:-2], min(x.shape[-2:])
    if not x.size:
        return kernels.stored(xp, out, (xp.array(x), xp.zeros((*lead, k), x.dtype)), (x.dtype, x.dtype))
    h, tau = xp.linalg.qr(x, mode="raw")
    return kernels.stored(xp, out, (h.swapaxes(-1, -2), tau), (x.dtype, x.dtype))


@primitive(type=_geqrf_type, lower=_geqrf, smooth=False, batch=batched_by("geqrf"), flops=cubic)
def geqrf(x: Any) -> Any:
    """(a, tau): R above the diagonal of `a`, the Householder vectors of Q below it (LAPACK's geqrf). No derivative."""


def _svd_type(x: TensorType, *, full: bool, where: Where | None) -> Type:
    check_matrices("svd", (x,), where)
    (m, n), lead, k = x.shape[-2:], x.shape[:-2], min(x.shape[-2:])
    u, v = (m, n) if full else (k, k)
    return TupleType((x.with_shape((*lead, m, u)), real_type(x, (*lead, k)), x.with_shape((*lead, v, n))))


def _svd(xp: Any, out: Any, x: Any, *, full: bool) -> Any:
    u, s, vh = kernels.finite(xp, lambda a: xp.linalg.svd(a, full_matrices=full), x)
    return kernels.stored(xp, out, (u, s, vh), (x.dtype, s.dtype, x.dtype))


def _svd_x(dx: Value, y: Value, x: Value, *, full: bool) -> Any:
    """dU = U (sym(P S) / E) + the part of dA outside U, likewise V, with P = U^H dA V; E_ij = s_j^2 - s_i^2.

    full: the vectors beyond the first min(m, n) are taken as constant.
    """
    (m, n), k = x.shape[-2:], min(x.shape[-2:])
    u, s, vh = item(y, index=0), item(y, index=1), item(y, index=2)
    if full:
        u, vh = part(u, columns=k), part(vh, rows=k)
    du_in, dv_in = dot(dx, adjoint(vh)), dot(adjoint(u), dx)
    p = dot(dv_in, adjoint(vh))
    ds = re(diagonal(p))
    wide = like(s, x)
    square = like(gaps(s * s), x)
    left, right = p * row(wide), column(wide) * p
    turn_u, turn_v = (left + adjoint(left)) / square, (right + adjoint(right)) / square
    turn_u, turn_v = turn_u - placed(diagonal(turn_u)), turn_v - placed(diagonal(turn_v))
    if x.dtype.kind == "c":
        phase = placed(imaginary(diagonal(p)) / (wide * 2.0))
        turn_u, turn_v = turn_u + phase, turn_v - phase
    du, dvh = dot(u, turn_u), -dot(turn_v, vh)
    if m > k:
        du = du + (du_in - dot(u, p)) / row(wide)
    if n > k:
        dvh = dvh + (dv_in - dot(p, vh)) / column(wide)
    return (widened(du, m, 1), ds, widened(dvh, n, 2)) if full else (du, ds, dvh)


@primitive(type=_svd_type, lower=_svd, jvp={0: _svd_x}, batch=batched_by("svd"), flops=cubic)
def svd(x: Any, *, full: bool) -> Any:
    """(U, s, V^H) with `x = U diag(s) V^H`, s descending; full: U and V are square."""


def _svdvals_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("svdvals", (x,), where)
    return real_type(x, (*x.shape[:-2], min(x.shape[-2:])))


def _svdvals(xp: Any, out: Any, x: Any) -> Any:
    return store(xp, out, kernels.finite(xp, lambda a: (xp.linalg.svd(a, compute_uv=False),), x)[0])


def _svdvals_x(dx: Value, y: Value, x: Value) -> Any:
    found = svd(x, full=False)
    return re(diagonal(dot(adjoint(item(found, index=0)), dx, adjoint(item(found, index=2)))))


@primitive(type=_svdvals_type, lower=_svdvals, jvp={0: _svdvals_x}, batch=batched_by("svdvals"), flops=cubic)
def svdvals(x: Any) -> Any:
    """The singular values alone, descending."""
