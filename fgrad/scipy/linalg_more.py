"""scipy.linalg, continued: Schur's and Hessenberg's forms, Sylvester's equation, tridiagonal matrices, more special matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import fgrad.functions.linalg as torch_linalg
import fgrad.numpy as jnp
from fgrad import lax
from fgrad.eager.grad import jvp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.scipy.operands import floats

__all__ = [
    "convolution_matrix", "eigh_tridiagonal", "expm_frechet", "fiedler", "fiedler_companion", "funm", "helmert", "hessenberg", "invhilbert",
    "invpascal", "leslie", "qr_multiply", "rsf2csf", "schur", "solve_sylvester",
]  # fmt: skip


def _adjoint(m: Any) -> Any:
    return jnp.conj(jnp.matrix_transpose(m))


def schur(a: Any, output: str = "real") -> tuple[Any, Any]:
    """(T, Z) with a = Z T Z^H: T triangular, with blocks of 2 for real matrices unless output is "complex". No derivative."""
    if output not in ("real", "r", "complex", "c"):
        raise ArgumentError(f"Expected 'output' to be either 'real' or 'complex', got {output!r}", where=caller(), fix="use one of them")
    (x,) = floats(a)
    wanted = output in ("complex", "c") and not jnp.iscomplexobj(x)
    t, z = lax.linalg.schur(lax.complex(x, jnp.zeros_like(x)) if wanted else x)
    return t, z


def rsf2csf(T: Any, Z: Any, check_finite: bool = True) -> tuple[Any, Any]:  # noqa: N803  # SciPy's names
    """The complex Schur form of a real one (T, Z): its blocks of 2 turned into triangles by rotations, last first."""
    (t,), (z,) = floats(T), floats(Z)
    if t.ndim != 2 or z.ndim != 2 or t.shape != z.shape or t.shape[0] != t.shape[1]:
        raise ShapeError(f"Input array shapes must match: Z: {z.shape} vs. T: {t.shape}", where=caller(), fix="give what schur gave")
    t, z = [v if jnp.iscomplexobj(v) else lax.complex(v, jnp.zeros_like(v)) for v in (t, z)]
    n = t.shape[0]
    eps = float(jnp.finfo(t.dtype).eps)
    for m in range(n - 1, 0, -1):
        small = jnp.abs(t[m, m - 1]) <= eps * (jnp.abs(t[m - 1, m - 1]) + jnp.abs(t[m, m]))
        mean, gap = (t[m - 1, m - 1] + t[m, m]) / 2, (t[m - 1, m - 1] - t[m, m]) / 2
        root = jnp.sqrt(gap * gap + t[m - 1, m] * t[m, m - 1])
        mu = mean + root - t[m, m]  # an eigenvalue of the block, from its last element
        r = jnp.sqrt(jnp.abs(mu) ** 2 + jnp.abs(t[m, m - 1]) ** 2)
        c, s = jnp.where(small, 1.0, mu / r), jnp.where(small, 0.0, t[m, m - 1] / r)
        g = jnp.stack([jnp.stack([jnp.conj(c), s]), jnp.stack([-s, c])])
        back = jnp.conj(g).T
        t = t.at[m - 1 : m + 1, m - 1 :].set(g @ t[m - 1 : m + 1, m - 1 :])
        t = t.at[: m + 1, m - 1 : m + 1].set(t[: m + 1, m - 1 : m + 1] @ back)
        z = z.at[:, m - 1 : m + 1].set(z[:, m - 1 : m + 1] @ back)
        t = t.at[m, m - 1].set(0)
    return t, z


def hessenberg(a: Any, *, calc_q: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """H with a = Q H Q^H, zero below its first subdiagonal; (H, Q) with calc_q. No derivative."""
    (x,) = floats(a)
    n = x.shape[-1]
    packed, tau = lax.linalg.hessenberg(x)
    h = jnp.triu(packed, -1)
    if not calc_q:
        return h
    if n < 2:
        return h, jnp.broadcast_to(jnp.eye(n, dtype=x.dtype), x.shape)
    inner = lax.linalg.householder_product(packed[..., 1:, : n - 1], tau)
    wide = [(0, 0)] * (x.ndim - 2)
    return h, jnp.pad(inner, [*wide, (1, 0), (1, 0)]) + jnp.zeros((n, n), x.dtype).at[0, 0].set(1)


def solve_sylvester(A: Any, B: Any, C: Any, *, method: str = "schur", tol: float = 1e-8) -> Any:  # noqa: N803
    """X with A X + X B = C, by one linear system of A's and B's sizes multiplied. method, tol are accepted; NaN if singular."""
    if method not in ("schur", "eigen"):
        raise ArgumentError(f"Unrecognized method {method}. The two valid methods are either \"schur\" or \"eigen\".", where=caller(), fix="use one")
    a, b, c = [jnp.asarray(v, jnp.result_type(A, B, C, 1.0)) for v in (A, B, C)]
    m, n = a.shape[-1], b.shape[-1]
    if a.shape != (m, m) or b.shape != (n, n) or c.shape != (m, n):
        raise ShapeError(f"solve_sylvester: {a.shape}, {b.shape}, {c.shape}", where=caller(), fix="give [m, m], [n, n] and [m, n]")
    whole = jnp.kron(a, jnp.eye(n, dtype=a.dtype)) + jnp.kron(jnp.eye(m, dtype=a.dtype), b.T)
    return jnp.linalg.solve(whole, c.reshape(-1)).reshape(m, n)


def eigh_tridiagonal(d: Any, e: Any, *, eigvals_only: bool = False, select: str = "a", select_range: Any = None, tol: Any = None,
                     key: Any = None) -> Any:  # fmt: skip
    """(eigenvalues rising, eigenvectors) of the Hermitian tridiagonal matrix with diagonal d and subdiagonal e.

    select: "a" all, "i" those of places select_range = (first, last).  "v" (a range of values) has no shape that is known:
    ArgumentError.  tol, key are accepted.
    """
    x, low = jnp.asarray(d), jnp.asarray(e)
    if x.ndim != 1 or low.shape != (x.shape[0] - 1,) or select not in ("a", "i"):
        raise ArgumentError(f"eigh_tridiagonal: d {x.shape}, e {low.shape}, select={select!r}", where=caller(), fix="give [n], [n - 1], and 'a' or 'i'")
    w, v = jnp.linalg.eigh(jnp.diag(x.astype(jnp.result_type(x, low, 1.0))) + jnp.diag(low, -1) + jnp.diag(jnp.conj(low), 1))
    if select == "i":
        if select_range is None:
            raise ArgumentError("for select='i', select_range is required", where=caller(), fix="give (first, last)")
        w, v = w[select_range[0] : select_range[1] + 1], v[:, select_range[0] : select_range[1] + 1]
    return w if eigvals_only else (w, v)


def expm_frechet(A: Any, E: Any, *, method: str | None = None, compute_expm: bool = True) -> Any:  # noqa: N803
    """(e^A, the derivative of e^A along E), the latter alone without compute_expm. method is accepted."""
    d = jnp.result_type(A, E, 1.0)
    value, moved = jvp(torch_linalg.matrix_exp, (jnp.asarray(A, d),), (jnp.asarray(E, d),))
    return (value, moved) if compute_expm else moved


def funm(A: Any, func: Callable[[Any], Any], disp: bool = True) -> Any:  # noqa: N803
    """`func` of a matrix by its eigenvalues (it must be diagonalisable), complex; with its estimated error unless disp."""
    (a,) = floats(A)
    w, v = jnp.linalg.eig(a)
    found = (v * func(w)[..., None, :]) @ jnp.linalg.inv(v)
    if disp:
        return found
    size = jnp.linalg.norm(found, 1)
    return found, jnp.finfo(found.dtype).eps * jnp.linalg.cond(v, 1) * jnp.where(size == 0, 1.0, size)


def qr_multiply(a: Any, c: Any, mode: str = "right", pivoting: bool = False, conjugate: bool = False, overwrite_a: bool = False,
                overwrite_c: bool = False) -> tuple[Any, ...]:  # fmt: skip
    """(c Q, R) of a = Q R, or Q c for mode "left", and the order of columns if pivoting. conjugate: with Q's conjugate."""
    if mode not in ("left", "right"):
        raise ArgumentError(f"mode={mode!r}", where=caller(), fix="use 'left' or 'right'")
    d = jnp.result_type(a, c, 1.0)
    x, y = jnp.asarray(a, d), jnp.asarray(c, d)
    q, r, *order = lax.linalg.qr(x, pivoting=pivoting, full_matrices=False)
    vector = y.ndim == 1
    q = jnp.conj(q) if conjugate else q
    if mode == "left":
        k = q.shape[-1]
        q = q if (y.shape[0] == k) else lax.linalg.qr(x, pivoting=pivoting)[0]
        found = q @ (y[:, None] if vector else y)
        return (found[:, 0] if vector else found, r, *order)
    found = (y[None] if vector else y) @ q
    return (found[0] if vector else found, r, *order)


def convolution_matrix(a: Any, n: int, mode: str = "full") -> Any:
    """The matrix M with M v = convolve(a, v, mode) for vectors of n elements."""
    x = jnp.asarray(a)
    if x.ndim < 1 or x.shape[-1] == 0 or n <= 0 or mode not in ("full", "valid", "same"):
        raise ArgumentError(f"convolution_matrix: a {x.shape}, n={n}, mode={mode!r}", where=caller(), fix="give a vector, n > 0, 'full', 'valid' or 'same'")
    m = x.shape[-1]
    rows, columns = jnp.arange(m + n - 1)[:, None], jnp.arange(n)[None, :]
    at = rows - columns
    whole = jnp.where((at >= 0) & (at < m), x[..., jnp.clip(at, 0, m - 1)], jnp.zeros((), x.dtype))
    if mode == "full":
        return whole
    size = max(m, n) if mode == "same" else max(m, n) - min(m, n) + 1
    start = (m + n - 1 - size) // 2 if mode == "same" else min(m, n) - 1
    return whole[..., start : start + size, :]


def fiedler(a: Any) -> Any:
    """|a[i] - a[j]|."""
    x = jnp.atleast_1d(jnp.asarray(a))
    return jnp.abs(x[..., :, None] - x[..., None, :])


def fiedler_companion(a: Any) -> Any:
    """A pentadiagonal matrix whose eigenvalues are the roots of the polynomial with coefficients `a`, highest first. Source: Fiedler 2003."""
    (x,) = floats(a)
    n = x.shape[-1]
    if x.ndim != 1 or n == 2:
        return jnp.reshape(-x[..., 1:] / x[..., :1], (1, 1)) if x.ndim == 1 else _refused(x)
    if n < 2:
        return jnp.zeros((0, 0), x.dtype)
    c = x / x[0]
    m = jnp.zeros((n - 1, n - 1), c.dtype)
    even, odd = jnp.arange(0, n - 3, 2), jnp.arange(1, n - 2, 2)
    m = m.at[even, even + 2].set(1) if n > 3 else m
    m = m.at[odd + 2, odd].set(1) if n > 4 else m
    m = m.at[0, 0].set(-c[1]).at[1, 0].set(1)
    above = jnp.arange(0, n - 2, 2)
    m = m.at[above, above + 1].set(-c[2:][::2])
    lower = jnp.arange(2, n - 1, 2)
    m = m.at[lower, lower - 1].set(-c[3:][::2]) if n > 3 else m
    return m


def _refused(x: Any) -> Any:
    raise ShapeError(f"fiedler_companion of {x.shape}", where=caller(), fix="give a vector")


def helmert(n: int, full: bool = False) -> Any:
    """The Helmert matrix of order n, orthogonal, its first row (of equal elements) left out unless full."""
    i, j = jnp.arange(n)[:, None], jnp.arange(n)[None, :]
    size = jnp.sqrt(jnp.where(i == 0, n, i * (i + 1)).astype(float))
    h = jnp.where(i == 0, 1.0, jnp.where(j < i, 1.0, jnp.where(j == i, -i.astype(float), 0.0))) / size
    return h if full else h[1:]


def invhilbert(n: int) -> Any:
    """The inverse of hilbert(n), whole numbers: (-1)^(i+j) (i+j+1) C(n+i, n-j-1) C(n+j, n-i-1) C(i+j, i)^2."""
    rows = [[(-1) ** (i + j) * (i + j + 1) * math.comb(n + i, n - j - 1) * math.comb(n + j, n - i - 1) * math.comb(i + j, i) ** 2
             for j in range(n)] for i in range(n)]  # fmt: skip
    return jnp.array(rows, dtype=float)


def invpascal(n: int, kind: str | None = None) -> Any:
    """The inverse of pascal(n, kind), "symmetric" unless given."""
    how = "symmetric" if kind is None else kind
    if how not in ("symmetric", "lower", "upper"):
        raise ArgumentError("'kind' must be 'symmetric', 'lower' or 'upper'.", where=caller(), fix="use one of them")
    low = jnp.array([[(-1) ** (i + j) * math.comb(i, j) for j in range(n)] for i in range(n)], dtype=float)
    return low if how == "lower" else low.T if how == "upper" else low.T @ low


def leslie(f: Any, s: Any) -> Any:
    """The matrix of a population: f, births, in its first row and s, survivals, below its diagonal."""
    x, y = jnp.atleast_1d(jnp.asarray(f)), jnp.atleast_1d(jnp.asarray(s))
    if x.shape[-1] != y.shape[-1] + 1 or y.shape[-1] == 0:
        raise ShapeError("The length of s must be one less than the length of f, and the length of s must be at least 1.", where=caller(),
                         fix="give [n] and [n - 1]")  # fmt: skip
    d = jnp.result_type(x, y)
    n = x.shape[-1]
    places = jnp.arange(n - 1)
    m = jnp.zeros((*x.shape[:-1], n, n), d).at[..., 0, :].set(x.astype(d))
    return m.at[..., places + 1, places].set(y.astype(d))
