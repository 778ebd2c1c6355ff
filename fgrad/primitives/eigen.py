"""Eigenvalues and eigenvectors of Hermitian and of general matrices. Batches are leading axes.

A matrix with an infinity or NaN gives NaN.  Derivatives: Giles 2008; the phase of complex vectors, which nothing fixes, as
PyTorch has it.
"""

from __future__ import annotations

from typing import Any

from fgrad.errors import Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives import matrix_kernels as kernels
from fgrad.primitives.checks import store
from fgrad.primitives.matrices import (
    adjoint,
    batched_by,
    check_matrices,
    cubic,
    diagonal,
    dot,
    gaps,
    like,
    off_diagonal,
    re,
    real_type,
    row,
)
from fgrad.primitives.solving import solve
from fgrad.primitives.structure import item


def _eigh_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("eigh", (x,), where, square=True)
    return TupleType((real_type(x, x.shape[:-1]), x))


def _eigh(xp: Any, out: Any, x: Any) -> Any:
    w, v = kernels.finite(xp, xp.linalg.eigh, x)
    return kernels.stored(xp, out, (w, v), (w.dtype, x.dtype))


def _eigh_x(dx: Value, y: Value, x: Value) -> Any:
    w, v = item(y, index=0), item(y, index=1)
    inner = dot(adjoint(v), dx, v)
    return re(diagonal(inner)), dot(v, off_diagonal(inner / like(gaps(w), x)))


@primitive(type=_eigh_type, lower=_eigh, jvp={0: _eigh_x}, batch=batched_by("eigh"), flops=cubic)
def eigh(x: Any) -> Any:
    """(w, V) with `x = V diag(w) V^H`, w ascending; reads the lower triangle of the Hermitian `x`."""


def _eigvalsh_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("eigvalsh", (x,), where, square=True)
    return real_type(x, x.shape[:-1])


def _eigvalsh(xp: Any, out: Any, x: Any) -> Any:
    return store(xp, out, kernels.finite(xp, lambda a: (xp.linalg.eigvalsh(a),), x)[0])


def _eigvalsh_x(dx: Value, y: Value, x: Value) -> Any:
    v = item(eigh(x), index=1)
    return re(diagonal(dot(adjoint(v), dx, v)))


@primitive(type=_eigvalsh_type, lower=_eigvalsh, jvp={0: _eigvalsh_x}, batch=batched_by("eigvalsh"), flops=cubic)
def eigvalsh(x: Any) -> Any:
    """The eigenvalues alone, ascending; reads the lower triangle of the Hermitian `x`."""


def _complex_of(x: TensorType) -> TensorType:
    return x.with_dtype({"float32": "complex64", "float64": "complex128"}.get(x.dtype.name, x.dtype))


def _eig_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("eig", (x,), where, square=True)
    t = _complex_of(x)
    return TupleType((t.with_shape(x.shape[:-1]), t))


def _wide(xp: Any, x: Any) -> Any:
    return {"float32": "complex64", "float64": "complex128"}.get(x.dtype.name, x.dtype)


def _eig(xp: Any, out: Any, x: Any) -> Any:
    d = _wide(xp, x)
    return kernels.stored(xp, out, kernels.finite(xp, xp.linalg.eig, x), (d, d))


def _eig_x(dx: Value, y: Value, x: Value) -> Any:
    """The vectors keep their length 1."""
    w, v = item(y, index=0), item(y, index=1)
    inner = item(solve(v, dot(like(dx, v), v)), index=0)
    dv = dot(v, off_diagonal(inner / gaps(w)))
    along_v = like(re(diagonal(dot(adjoint(v), dv))), v)
    return diagonal(inner), dv - v * row(along_v)


@primitive(type=_eig_type, lower=_eig, jvp={0: _eig_x}, batch=batched_by("eig"), flops=cubic)
def eig(x: Any) -> Any:
    """(w, V) with `x V = V diag(w)`, complex; the columns of V have length 1."""


def _eigvals_type(x: TensorType, *, where: Where | None) -> Type:
    check_matrices("eigvals", (x,), where, square=True)
    return _complex_of(x).with_shape(x.shape[:-1])


def _eigvals(xp: Any, out: Any, x: Any) -> Any:
    (w,) = kernels.finite(xp, lambda a: (xp.linalg.eigvals(a),), x)
    return store(xp, out, w.astype(_wide(xp, x), copy=False))


def _eigvals_x(dx: Value, y: Value, x: Value) -> Any:
    v = item(eig(x), index=1)
    return diagonal(item(solve(v, dot(like(dx, v), v)), index=0))


@primitive(type=_eigvals_type, lower=_eigvals, jvp={0: _eigvals_x}, batch=batched_by("eigvals"), flops=cubic)
def eigvals(x: Any) -> Any:
    """The eigenvalues alone, complex."""
