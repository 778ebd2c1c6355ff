"""scipy.linalg: factorisations, solutions and functions of matrices, special matrices. Leading axes are a batch.

check_finite, overwrite_a, overwrite_b are accepted: values are not read while recording, and nothing is overwritten. Where SciPy
raises for a singular or indefinite matrix, results are NaN or infinite.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import fgrad.functions.linalg as torch_linalg
import fgrad.functions.solving as solving
import fgrad.numpy as jnp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.scipy.linalg_more import *  # noqa: F403  # listed in linalg_more.__all__
from fgrad.scipy.linalg_more import __all__ as _more

__all__ = [
    *_more,
    "block_diag", "cho_factor", "cho_solve", "cholesky", "circulant", "companion", "det", "dft", "eigh", "expm", "hadamard", "hankel",
    "hilbert", "inv", "lu", "lu_factor", "lu_solve", "pascal", "polar", "qr", "solve", "solve_triangular", "sqrtm", "svd", "toeplitz",
]  # fmt: skip

inv, det = jnp.linalg.inv, jnp.linalg.det


def floats(a: Any) -> Any:
    """An array, integers as the default float."""
    x = jnp.asarray(a)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(float)


def triangle(a: Any, lower: bool) -> Any:
    """One triangle of a matrix, zeros elsewhere."""
    return jnp.tril(a) if lower else jnp.triu(a)


def hermitian(a: Any, lower: bool) -> Any:
    """The Hermitian matrix whose triangle is that of `a`."""
    half = jnp.tril(a, -1) if lower else jnp.triu(a, 1)
    return half + jnp.conj(jnp.matrix_transpose(half)) + a * jnp.eye(a.shape[-1], dtype=a.dtype)


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """U with U^H U = a, or L with L L^H = a if `lower`, from that triangle of `a`; NaN if it is not positive definite."""
    x = floats(a)
    return jnp.linalg.cholesky(hermitian(x, lower), upper=not lower)


def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, bool]:
    """(factor, lower) for cho_solve."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """x with a x = b, `a` given by cho_factor; b: [n] or [..., n, k]."""
    factor, lower = c_and_lower
    first = solve_triangular(factor, b, trans=0 if lower else 2, lower=lower)
    return solve_triangular(factor, first, trans=2 if lower else 0, lower=lower)


def solve_triangular(a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False,
                     overwrite_b: bool = False, debug: Any = None, check_finite: bool = True) -> Any:  # fmt: skip
    """x with T x = b, T the lower or upper triangle of `a`; trans: 0 or "N", 1 or "T" (transposed), 2 or "C" (adjoint)."""
    x, y = floats(a), floats(b)
    kinds = {0: "N", 1: "T", 2: "C", "N": "N", "T": "T", "C": "C"}
    if trans not in kinds:
        raise ArgumentError(f"trans={trans!r}", where=caller(), fix="use 0, 1, 2, 'N', 'T' or 'C'")
    d = jnp.result_type(x, y)
    x, y = x.astype(d), y.astype(d)
    if kinds[trans] != "N":
        x, lower = jnp.matrix_transpose(x), not lower
        x = jnp.conj(x) if kinds[trans] == "C" else x
    column = y[..., None] if y.ndim == 1 else y
    found = solving.solve_triangular(x, column, upper=not lower, unitriangular=unit_diagonal)
    return found[..., 0] if y.ndim == 1 else found


def solve(a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False, debug: bool = False,
          check_finite: bool = True, assume_a: str = "gen") -> Any:  # fmt: skip
    """x with a x = b; b: [n] or [..., n, k]. assume_a: "gen", "sym", "her", or "pos" (by Cholesky, from one triangle)."""
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ArgumentError(f"assume_a={assume_a!r}", where=caller(), fix="use 'gen', 'sym', 'her' or 'pos'")
    if assume_a == "pos":
        return cho_solve(cho_factor(a, lower), b)
    x, y = floats(a), floats(b)
    column = y[..., None] if y.ndim == 1 else y
    found = jnp.linalg.solve(x, column)
    return found[..., 0] if y.ndim == 1 else found


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """(LU, piv): L and U in one matrix, and the rows that were swapped, from 0 (int32)."""
    packed, pivots, _ = torch_linalg.lu_factor_ex(floats(a))
    return packed, pivots - 1


def lu_solve(lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """x with a x = b (trans 1: a^T x = b, 2: a^H x = b), `a` given by lu_factor."""
    packed, pivots = lu_and_piv
    y = floats(b).astype(packed.dtype)
    column = y[..., None] if y.ndim == 1 else y
    if trans == 1:
        found = jnp.conj(solving.lu_solve(packed, pivots + 1, jnp.conj(column), adjoint=True))
    else:
        found = solving.lu_solve(packed, pivots + 1, column, adjoint=trans == 2)
    return found[..., 0] if y.ndim == 1 else found


def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True, p_indices: bool = False) -> Any:
    """(P, L, U) with a = P L U, or (P L, U) if permute_l; p_indices: P as indices with a = L[P] U."""
    p, low, high = torch_linalg.lu(floats(a))
    if permute_l:
        return p @ low, high
    return (jnp.argmax(jnp.abs(p), axis=-1) if p_indices else p), low, high


def qr(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False,
       check_finite: bool = True) -> Any:  # fmt: skip
    """(Q, R) with Q R = a. mode: "full" (square Q), "economic", "r" (R alone, in a tuple). Raises ArgumentError for pivoting."""
    if pivoting or mode not in ("full", "economic", "r"):
        raise ArgumentError(f"qr(mode={mode!r}, pivoting={pivoting})", where=caller(), fix="use 'full', 'economic' or 'r', no pivoting")
    q, r = jnp.linalg.qr(floats(a), mode="reduced" if mode == "economic" else "complete")
    return (r,) if mode == "r" else (q, r)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, overwrite_a: bool = False, check_finite: bool = True,
        lapack_driver: str = "gesdd") -> Any:  # fmt: skip
    """(U, s, Vh) with U diag(s) Vh = a, s falling; s alone without compute_uv."""
    found = jnp.linalg.svd(floats(a), full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


def eigh(a: Any, b: Any = None, lower: bool = True, eigvals_only: bool = False, overwrite_a: bool = False, overwrite_b: bool = False,
         turbo: bool = True, eigvals: None = None, type: int = 1, check_finite: bool = True) -> Any:  # fmt: skip
    """(eigenvalues rising, eigenvectors in columns) of the Hermitian matrix with this triangle; b: of a v = w b v."""
    x = hermitian(floats(a), lower)
    if b is None:
        return jnp.linalg.eigvalsh(x) if eigvals_only else tuple(jnp.linalg.eigh(x))
    if type != 1:
        raise ArgumentError(f"eigh(type={type})", where=caller(), fix="use type=1")
    low = cholesky(b, lower=True)
    half = solve_triangular(low, x, lower=True)
    w, v = jnp.linalg.eigh(jnp.conj(jnp.matrix_transpose(solve_triangular(low, jnp.conj(jnp.matrix_transpose(half)), lower=True))))
    return w if eigvals_only else (w, solve_triangular(low, v, trans="C", lower=True))


def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int = 16) -> Any:  # noqa: N803  # SciPy's name
    """e^A of square matrices."""
    return torch_linalg.matrix_exp(floats(A))


def sqrtm(A: Any, blocksize: int = 1) -> Any:  # noqa: N803
    """The principal square root of diagonalisable matrices, complex, by their eigenvalues."""
    w, v = jnp.linalg.eig(floats(A))
    return (v * jnp.sqrt(w)[..., None, :]) @ jnp.linalg.inv(v)


def polar(a: Any, side: str = "right", *, method: str = "svd", eps: Any = None, max_iterations: Any = None) -> tuple[Any, Any]:
    """(U, P) with a = U P (side "right") or P U ("left"), U's columns or rows orthonormal, P positive semi-definite."""
    u, s, vh = jnp.linalg.svd(floats(a), full_matrices=False)
    adjoint = functools.partial(lambda m: jnp.conj(jnp.matrix_transpose(m)))
    p = (adjoint(vh) * s[..., None, :]) @ vh if side == "right" else (u * s[..., None, :]) @ adjoint(u)
    return u @ vh, p


def block_diag(*arrs: Any) -> Any:
    """The matrices along the diagonal of one; vectors and numbers are rows."""
    parts = [jnp.atleast_2d(a) for a in arrs] or [jnp.zeros((1, 0))]
    width, rows, at = sum(p.shape[1] for p in parts), [], 0
    for p in parts:
        rows.append(jnp.pad(p, ((0, 0), (at, width - at - p.shape[1]))))
        at += p.shape[1]
    return jnp.concatenate(rows)


def toeplitz(c: Any, r: Any = None) -> Any:
    """The matrix with first column c and constant diagonals; r: its first row (conj(c)), r[0] being ignored."""
    column = jnp.ravel(jnp.asarray(c))
    row = jnp.conj(column) if r is None else jnp.ravel(jnp.asarray(r))
    values = jnp.concatenate([jnp.flip(column), row[1:]])
    rows, columns = jnp.arange(column.shape[0]), jnp.arange(row.shape[0])
    return values[columns[None, :] - rows[:, None] + column.shape[0] - 1]


def hankel(c: Any, r: Any = None) -> Any:
    """The matrix with first column c and constant antidiagonals; r: its last row (zeros), r[0] being ignored."""
    column = jnp.ravel(jnp.asarray(c))
    row = jnp.zeros_like(column) if r is None else jnp.ravel(jnp.asarray(r))
    values = jnp.concatenate([column, row[1:]])
    return values[jnp.arange(column.shape[0])[:, None] + jnp.arange(row.shape[0])[None, :]]


def circulant(c: Any) -> Any:
    """The matrix whose columns are c turned round."""
    x = jnp.asarray(c)
    n = x.shape[-1]
    return x[..., (jnp.arange(n)[:, None] - jnp.arange(n)[None, :]) % n]


def companion(a: Any) -> Any:
    """The matrix whose eigenvalues are the roots of the polynomial with coefficients `a`, highest first."""
    x = floats(a)
    return jnp.concatenate([(-x[1:] / x[0])[None], jnp.eye(x.shape[0] - 2, x.shape[0] - 1, dtype=x.dtype)])


def hilbert(n: int) -> Any:
    """1 / (i + j + 1)."""
    i = jnp.arange(n).astype(float)
    return 1 / (i[:, None] + i[None, :] + 1)


def pascal(n: int, kind: str = "symmetric") -> Any:
    """Binomial coefficients: of i + j over i ("symmetric"), of i over j ("lower") or transposed ("upper")."""
    if kind not in ("symmetric", "lower", "upper"):
        raise ArgumentError(f"kind={kind!r}", where=caller(), fix="use 'symmetric', 'lower' or 'upper'")
    rows = [[math.comb(i + j, i) if kind == "symmetric" else math.comb(i, j) for j in range(n)] for i in range(n)]
    x = jnp.array(rows, dtype=float)
    return x.T if kind == "upper" else x


def hadamard(n: int, dtype: Any = int) -> Any:
    """The Hadamard matrix of order n, a power of 2."""
    if n < 1 or n & (n - 1):
        raise ArgumentError(f"hadamard({n})", where=caller(), fix="use a power of 2")
    return functools.reduce(jnp.kron, [jnp.array([[1, 1], [1, -1]])] * (n.bit_length() - 1), jnp.array([[1]])).astype(dtype)


def dft(n: int, scale: str | None = None) -> Any:
    """The matrix of the discrete Fourier transform; scale: None, "sqrtn" or "n"."""
    k = jnp.arange(n)
    x = jnp.exp(-2j * math.pi / n * ((k[:, None] * k[None, :]) % n))
    return x if scale is None else x / (n if scale == "n" else math.sqrt(n))
