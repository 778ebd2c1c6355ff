"""Functions of whole matrices: pseudo-inverse, exponential. Batches are leading axes."""

from __future__ import annotations

from typing import Any

from fgrad.errors import ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, Type
from fgrad.primitives import matrix_kernels as kernels
from fgrad.primitives.checks import check_kinds, store
from fgrad.primitives.compare import eq, select
from fgrad.primitives.matrices import (
    adjoint,
    batched_by,
    check_matrices,
    column,
    cubic,
    dot,
    like,
    part,
    real_type,
    swap,
)
from fgrad.primitives.reduce import reduce_max
from fgrad.primitives.shape import concatenate, full, number
from fgrad.primitives.structure import stop_gradient


def _pinv_type(x: TensorType, atol: TensorType, rtol: TensorType, *, hermitian: bool, where: Where | None) -> Type:
    check_matrices("pinv", (x,), where, square=hermitian)
    check_kinds("pinv", "f", (atol, rtol), where)
    if (atol, rtol) != (real_type(x, x.shape[:-2]),) * 2:
        raise ShapeError(f"pinv: tolerances {atol} and {rtol} for {x}", where=where, fix="give one real number for each matrix")
    return x.with_shape((*x.shape[:-2], x.shape[-1], x.shape[-2]))


def _pinv_x(dx: Value, y: Value, x: Value, atol: Value, rtol: Value, *, hermitian: bool) -> Any:
    """-P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P (Golub & Pereyra 1973), at constant rank."""
    back = adjoint(dx)
    first, second = dot(y, adjoint(y), back), dot(back, adjoint(y), y)
    return first - dot(first, x, y) + second - dot(y, x, second) - dot(y, dx, y)


@primitive(
    type=_pinv_type,
    lower=lambda xp, out, x, atol, rtol, *, hermitian: store(xp, out, kernels.pinv(xp, x, atol, rtol, hermitian)),
    jvp={0: _pinv_x, 1: lambda *a, hermitian: None, 2: lambda *a, hermitian: None},
    batch=batched_by("pinv"),
    flops=lambda y, x, atol, rtol, *, hermitian: cubic(y, x),
)
def pinv(x: Any, atol: Any, rtol: Any, *, hermitian: bool) -> Any:
    """The Moore-Penrose inverse; singular values up to max(atol, rtol * the largest) count as 0.

    hermitian: by eigenvalues, reading the lower triangle.
    """


def _exp_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("matrix_exp", (x,), where, square=True)
    return x


@primitive(
    type=_exp_type,
    lower=lambda xp, out, x: store(xp, out, kernels.matrix_exp(xp, x)),
    jvp={0: lambda dx, y, x: matrix_exp_push(x, dx)},
    batch=batched_by("matrix_exp"),
    flops=lambda y, x: 20 * x.size * x.shape[-1],
)
def matrix_exp(x: Any) -> Any:
    """1 + x + x x / 2 + x x x / 6 + ..."""


def _push_type(x: TensorType, dx: TensorType, *, where: Where | None) -> Type:
    check_matrices("matrix_exp_push", (x, dx), where, square=True)
    return x


def _push(xp: Any, out: Any, x: Any, dx: Any) -> Any:
    """The direction is scaled to 1 first: beside a large one `x` would lose its digits when both are halved."""
    if not x.size:
        return store(xp, out, xp.array(x))
    n, size = x.shape[-1], xp.abs(dx).max(axis=(-2, -1))[..., None, None]
    size = xp.where(size == 0, size.dtype.type(1), size)
    top = xp.concatenate((x, dx / size), axis=-1)
    low = xp.concatenate((xp.zeros(x.shape, x.dtype), x), axis=-1)
    return store(xp, out, kernels.matrix_exp(xp, xp.concatenate((top, low), axis=-2))[..., :n, n:] * size)


def _blocks(a: Value, b: Value, d: Value) -> Any:
    """[[a, b], [0, d]]."""
    zero = full(a.shape, 0, a)
    last = a.ndim - 1
    return concatenate(concatenate(a, b, axis=last), concatenate(zero, d, axis=last), axis=last - 1)


def _push_x(d: Value, y: Value, x: Value, dx: Value) -> Any:
    """The second derivative, symmetric in both directions: so the new one may stand where the operation is linear.

    It is linear in the old one too, which is scaled to 1 as in the lowering.
    """
    if not x.size:
        return d
    n, size = x.shape[-1], reduce_max(abs(dx), axes=(x.ndim - 2, x.ndim - 1))
    size = stop_gradient(select(eq(size, number(0, size)), number(1, size), size))
    size = like(column(column(size)), x)
    wide = matrix_exp_push(_blocks(x, dx / size, x), _blocks(d, full(d.shape, 0, d), d))
    return part(wide, rows=n, after=n) * size


@primitive(
    type=_push_type,
    lower=_push,
    jvp={0: _push_x},
    transpose={1: lambda ct, x, dx: matrix_exp_push(swap(x), ct)},
    batch=batched_by("matrix_exp_push"),
    flops=lambda y, x, dx: 160 * x.size * x.shape[-1],
)
def matrix_exp_push(x: Any, dx: Any) -> Any:
    """The derivative of `matrix_exp` at `x` in the direction `dx` (Van Loan 1978: a corner of the exponential of blocks)."""
