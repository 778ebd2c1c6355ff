"""jax.lax.linalg: decompositions of batches of matrices. Orders and names of results are JAX's; algorithm choices are accepted."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, broadcast_to, call, call_many, reshape, same
from fgrad.eager.operands import compose, convert
from fgrad.errors import ArgumentError, RuleError, ShapeError
from fgrad.ir.apply import caller
from fgrad.primitives import linalg as composites
from fgrad.primitives.linear import matmul
from fgrad.primitives.matrices import adjoint, swap, symmetric

__all__ = [
    "EigImplementation", "EighImplementation", "SvdAlgorithm", "cholesky", "cholesky_update", "eig", "eigh", "hessenberg",
    "householder_product", "lu", "lu_pivots_to_permutation", "ormqr", "qdwh", "qr", "schur", "svd", "symmetric_product",
    "triangular_solve", "tridiagonal", "tridiagonal_solve",
]  # fmt: skip


class EigImplementation(enum.Enum):
    """Libraries for eig: accepted, the array library's is used."""

    CUSOLVER = "cusolver"
    MAGMA = "magma"
    LAPACK = "lapack"


class EighImplementation(enum.Enum):
    """Algorithms for eigh: accepted, the array library's is used."""

    QR = "qr"
    JACOBI = "jacobi"
    QDWH = "qdwh"


class SvdAlgorithm(enum.Enum):
    """Algorithms for svd: accepted, the array library's is used."""

    DEFAULT = "default"
    QR = "QR"
    JACOBI = "Jacobi"
    POLAR = "polar"
    DIVIDE_AND_CONQUER = "divide_and_conquer"


def _half(x: Any) -> Any:
    """(x + x^H) / 2."""
    return compose(symmetric, array_of(x))


def cholesky(x: Any, *, symmetrize_input: bool = True) -> Any:
    """The lower L with x = L L^H; NaN if there is none. symmetrize_input: of (x + x^H) / 2, else of the lower triangle.

    >>> import fgrad.numpy as jnp
    >>> from fgrad import lax
    >>> lax.linalg.cholesky(jnp.array([[4.0, 0.0], [0.0, 9.0]]))
    Array([[2., 0.],
           [0., 3.]], dtype=float32)
    """
    return call_many("cholesky", _half(x) if symmetrize_input else array_of(x))[0]


def cholesky_update(r_matrix: Any, w_vector: Any) -> Any:
    """The upper R' with positive diagonal and R'^T R' = R^T R + w w^T, by the QR of R above w."""
    r, w = same((r_matrix, w_vector))
    if r._type.ndim != 2 or w._type.shape != r._type.shape[1:]:
        raise ShapeError(f"cholesky_update: {r._type} and {w._type}", where=caller(), fix="give [n, n] and [n]")
    new = call_many("qr", call("concatenate", r, reshape(w, (1, *w._type.shape)), axis=0), full=False)[1]
    n = r._type.shape[0]
    diagonal = call("reduce_sum", new * array_of(np.eye(n, dtype=r._type.dtype)), axes=(1,))
    return new * reshape(call("sign", diagonal), (n, 1))


def eig(x: Any, *, compute_left_eigenvectors: bool = True, compute_right_eigenvectors: bool = True, enable_eigvec_derivs: bool = False,
        implementation: Any = None, use_magma: bool | None = None) -> list[Any]:  # fmt: skip
    """[eigenvalues, left vectors, right vectors], complex, those asked for, in columns of length 1.

    The left ones are the columns of V^-H, V the right ones: u^H x = w u^H.  All are differentiable.
    """
    a = array_of(x)
    if not compute_left_eigenvectors and not compute_right_eigenvectors:
        return [call("eigvals", a)]
    w, v = call_many("eig", a)
    found = [w]
    if compute_left_eigenvectors:
        u = compose(adjoint, call_many("inv", v)[0])
        size = call("sqrt", call("reduce_sum", call("real", u * call("conj", u)), axes=(u._type.ndim - 2,)))
        found.append(u / reshape(size, (*size._type.shape[:-1], 1, size._type.shape[-1])))
    return [*found, v] if compute_right_eigenvectors else found


def _subset(what: Any, subset: Any, at: int) -> Any:
    """Columns (or elements, or rows) start..end-1 along axis `at` from the end."""
    lead = (slice(None),) * (what._type.ndim - at)
    return what[(*lead, slice(*subset))] if subset is not None else what


def eigh(x: Any, *, lower: bool = True, symmetrize_input: bool = True, sort_eigenvalues: bool = True,
         subset_by_index: tuple[int, int] | None = None, implementation: Any = None) -> tuple[Any, Any]:  # fmt: skip
    """(eigenvectors in columns, eigenvalues rising) of a Hermitian matrix: of (x + x^H) / 2, or of one triangle of `x`.

    subset_by_index: (first, end) of the eigenvalues wanted.  sort_eigenvalues: they are sorted anyway.
    """
    a = _half(x) if symmetrize_input else array_of(x)
    w, v = call_many("eigh", a if lower or symmetrize_input else compose(adjoint, a))
    return _subset(v, subset_by_index, 1), _subset(w, subset_by_index, 1)


def hessenberg(a: Any) -> tuple[Any, Any]:
    """(a, tau): H, zero below its first subdiagonal, and below that the Householder vectors of Q, a = Q H Q^H. No derivative."""
    found, tau = call_many("hessenberg", array_of(a))
    return found, tau


def householder_product(a: Any, taus: Any) -> Any:
    """The first columns of H_1 H_2 ..., H_i = 1 - tau_i v_i v_i^H, v_i in column i of `a` below its diagonal (1 on it)."""
    x, t = same((a, taus))
    if x._type.ndim < 2 or x._type.shape[-2] < x._type.shape[-1] or t._type.shape[-1] > x._type.shape[-1]:
        raise ShapeError(f"householder_product: {x._type} and {t._type}", where=caller(), fix="give no more columns than rows, nor taus than columns")
    return compose(composites.householder_product, x, t)


def ormqr(a: Any, taus: Any, c: Any, *, left: bool = True, transpose: bool = False) -> Any:
    """Q c, or c Q unless `left`; transpose: with Q^H. Q: the product of all reflections, as in householder_product, square."""
    return compose(composites.ormqr, *same((a, taus, c)), left=bool(left), adjoint=bool(transpose))


def lu(x: Any) -> tuple[Any, Any, Any]:
    """(LU packed, pivots, permutation) with x[permutation] = L U; pivots: the row swapped with each, from 0 (int32)."""
    packed, pivots, order, _ = call_many("lu", array_of(x))
    return packed, pivots - 1, order


def lu_pivots_to_permutation(pivots: Any, permutation_size: int) -> Any:
    """The order of the rows after all swaps, int32."""
    return call("lu_permutation", convert(array_of(pivots) + 1, np.dtype("int32")), rows=int(permutation_size))


def qdwh(x: Any, *, is_hermitian: bool = False, max_iterations: int | None = None, eps: float | None = None,
         dynamic_shape: tuple[int, int] | None = None) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """(U, H, iterations, converged) of the polar decomposition x = U H, H positive semi-definite, rows at least columns.

    By singular values: 1 iteration, always converged.
    """
    a = array_of(x)
    if dynamic_shape is not None or a._type.ndim != 2 or a._type.shape[0] < a._type.shape[1]:
        raise ArgumentError(f"qdwh of {a._type} with dynamic_shape={dynamic_shape}", where=caller(), fix="give a matrix with no fewer rows than columns")
    u, s, v = svd(a, full_matrices=False)
    h = compose(matmul, compose(adjoint, v) * convert(s, a._type.dtype), v)
    return compose(matmul, u, v), h, array_of(np.int32(1)), array_of(np.array(True))


def qr(x: Any, *, pivoting: bool = False, full_matrices: bool = True, use_magma: bool | None = None) -> tuple[Any, ...]:
    """(Q, R) with x = Q R, Q square or, unless full_matrices, of as many columns as R has rows.

    pivoting: (Q, R, order) with x[:, order] = Q R, the diagonal of R falling in size; the order has no derivative.
    """
    a = array_of(x)
    if not pivoting:
        return call_many("qr", a, full=bool(full_matrices))
    order = call("pivot_order", a)
    at = broadcast_to(reshape(order, (*order._type.shape[:-1], 1, order._type.shape[-1])), a._type.shape)
    axes = tuple(range(a._type.ndim))
    grid = [array_of(np.broadcast_to(np.arange(d).reshape([-1 if i == k else 1 for i in axes]), a._type.shape).copy())
            for k, d in enumerate(a._type.shape)]  # fmt: skip
    moved = call("gather", a, *grid[:-1], convert(at, np.dtype("int64")), axes=axes, mode="clip") if a._type.size else a
    return (*call_many("qr", moved, full=bool(full_matrices)), order)


def schur(x: Any, *, compute_schur_vectors: bool = True, sort_eig_vals: bool = False,
          select_callable: Callable[..., Any] | None = None) -> tuple[Any, ...]:  # fmt: skip
    """(T, Q) with x = Q T Q^H, or (T,) without vectors: T triangular, for real matrices with blocks of 2. No derivative.

    Raises RuleError for sort_eig_vals and select_callable: a Python function would have to be called on the device.
    """
    if sort_eig_vals or select_callable is not None:
        raise RuleError("schur: ordered eigenvalues", where=caller(), fix="leave sort_eig_vals and select_callable out")
    t, q = call_many("schur", array_of(x))
    return (t, q) if compute_schur_vectors else (t,)


def svd(x: Any, *, full_matrices: bool = True, compute_uv: bool = True, subset_by_index: tuple[int, int] | None = None,
        algorithm: Any = None) -> Any:  # fmt: skip
    """(U, s, Vh) with x = U diag(s) Vh, s falling; s alone without compute_uv. subset_by_index: (first, end) of s wanted."""
    a = array_of(x)
    if not compute_uv:
        return _subset(call("svdvals", a), subset_by_index, 1)
    k = min(a._type.shape[-2:])
    if full_matrices and subset_by_index not in (None, (0, k)):
        raise ArgumentError("full_matrices and subset_by_index cannot both be set", where=caller(), fix="pass full_matrices=False")
    u, s, v = call_many("svd", a, full=bool(full_matrices))
    if full_matrices or subset_by_index is None:
        return u, s, v
    return _subset(u, subset_by_index, 1), _subset(s, subset_by_index, 1), _subset(v, subset_by_index, 2)


def symmetric_product(a_matrix: Any, c_matrix: Any, *, alpha: float = 1.0, beta: float = 0.0, symmetrize_output: bool = False) -> Any:
    """Alpha a a^T + beta c, c symmetric; symmetrize_output: both triangles of c are used (they are in any case here)."""
    a, c = same((a_matrix, c_matrix))
    if a._type.shape[:-1] != c._type.shape[:-1] or c._type.shape[-1] != c._type.shape[-2]:
        raise ShapeError(f"symmetric_product: {a._type} and {c._type}", where=caller(), fix="give [..., n, k] and [..., n, n]")
    return alpha * compose(matmul, a, compose(swap, a)) + beta * c


def triangular_solve(a: Any, b: Any, *, left_side: bool = False, lower: bool = False, transpose_a: bool = False,
                     conjugate_a: bool = False, unit_diagonal: bool = False) -> Any:  # fmt: skip
    """X with op(T) X = b if left_side, else X op(T) = b: T a triangle of `a`, op transposing, conjugating. b may be a vector.

    >>> import fgrad.numpy as jnp
    >>> from fgrad import lax
    >>> lax.linalg.triangular_solve(jnp.array([[2.0, 0.0], [1.0, 4.0]]), jnp.array([2.0, 5.0]), left_side=True, lower=True)
    Array([1., 1.], dtype=float32)
    """
    x, y = same((a, b))
    vector = y._type.ndim == x._type.ndim - 1
    if vector:
        s = y._type.shape
        y = reshape(y, (*s, 1) if left_side else (*s[:-1], 1, s[-1]))
    x = call("conj", x) if conjugate_a and x._type.dtype.kind == "c" else x
    turned = bool(transpose_a) != (not left_side)
    x = compose(swap, x) if turned else x
    right = y if left_side else compose(swap, y)
    found = call("triangular_solve", x, right, lower=bool(lower) != turned, unit=bool(unit_diagonal))
    found = found if left_side else compose(swap, found)
    return reshape(found, array_of(b)._type.shape) if vector else found


def tridiagonal(a: Any, *, lower: bool = True) -> tuple[Any, Any, Any, Any]:
    """(a, d, e, tau): diagonal d and subdiagonal e of the real T, a = Q T Q^H Hermitian; Q as Householder vectors. No derivative."""
    x, d, e, tau = call_many("tridiagonal", array_of(a), lower=bool(lower))
    return x, d, e, tau


def tridiagonal_solve(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool = False) -> Any:
    """X with T X = b, T having `dl`[i] before d[i] in row i (dl[0] is not read) and `du`[i] after it; b: [..., n, k] or [..., n].

    Differentiable in all four.  perturb_singular: refused, a singular T gives NaN.
    """
    if perturb_singular:
        raise RuleError("tridiagonal_solve(perturb_singular=True)", where=caller(), fix="add a small number to d")
    low, diagonal, high, y = same((dl, d, du, b))
    vector = y._type.ndim == diagonal._type.ndim
    y = reshape(y, (*y._type.shape, 1)) if vector else y
    found = call("tridiagonal_solve", low, diagonal, high, y)
    return reshape(found, found._type.shape[:-1]) if vector else found
