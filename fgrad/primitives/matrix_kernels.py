"""Array code of the matrix decompositions: what the array library's linalg lacks, and its calls made total.

Matrices are the last two axes.  A matrix that has no answer gives NaN in its own place and does not disturb its batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.primitives import openblas
from fgrad.primitives.checks import store

BLOCK = 32
_THETA = 5.371920351148152  # of the [13/13] Padé approximant (Higham 2005)
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
    670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip


def stored(xp: Any, out: Any, ys: tuple[Any, ...], dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Several results in their dtypes, written to `out` if given."""
    outs = (None,) * len(ys) if out is None else out
    arrays = [xp.asarray(y).astype(d, copy=False) for y, d in zip(ys, dtypes, strict=True)]
    return tuple([store(xp, o, y) for o, y in zip(outs, arrays, strict=True)])


def flat(x: Any) -> Any:
    """`x` with its leading axes joined into one: (batch, m, n)."""
    count = 1
    for d in x.shape[:-2]:
        count *= d
    return x.reshape(count, *x.shape[-2:])


def finite(xp: Any, f: Callable[..., Any], x: Any) -> tuple[Any, ...]:
    """`f(x)` as a tuple; the results of matrices with an infinity or NaN are NaN."""
    bad = ~xp.isfinite(x).all(axis=(-2, -1))
    if not bool(bad.any()):
        return tuple(f(x))
    ys = []
    for y in f(xp.where(bad[..., None, None], x.dtype.type(0), x)):
        mask = bad.reshape(*bad.shape, *(1,) * (y.ndim - bad.ndim))
        ys.append(xp.where(mask, y.dtype.type(np.nan), y))
    return tuple(ys)


def cholesky(xp: Any, x: Any) -> tuple[Any, Any]:
    """The factor from the lower triangle (of NaN if there is none) and the order of the first bad leading minor (0: none)."""
    info = xp.zeros(x.shape[:-2], "int32")
    low = xp.tril(x)
    try:
        y = xp.linalg.cholesky(low)
    except np.linalg.LinAlgError:
        y = None
    if y is not None and bool(xp.isfinite(y).all()):
        return y, info
    each, bad = flat(low), info.reshape(-1)
    nan = complex(np.nan, np.nan) if x.dtype.kind == "c" else np.nan
    parts = []
    for i in range(each.shape[0]):
        k = _bad_minor(xp, each[i])
        bad[i : i + 1] = k
        parts.append(xp.tril(xp.full(each[i].shape, nan, x.dtype)) if k else xp.linalg.cholesky(each[i]))
    return xp.concatenate(parts).reshape(x.shape), info


def _bad_minor(xp: Any, a: Any) -> int:
    """The order of the first leading minor that is not positive."""
    a = xp.array(a)
    for k in range(a.shape[0]):
        d = float(a[k, k].real)
        if not d > 0 or d == np.inf:
            return k + 1
        a[k + 1 :, k] /= d**0.5
        a[k + 1 :, k + 1 :] -= a[k + 1 :, k, None] * a[None, k + 1 :, k].conj()
    return 0


def attempt(xp: Any, a: Any, b: Any) -> Any:
    """The library's solution; None where a matrix is singular, which NumPy raises and CuPy leaves to be seen."""
    try:
        x = xp.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        return None
    return x if xp.__name__ == "numpy" or bool(xp.isfinite(x).all()) else None


def solve_upper(xp: Any, a: Any, b: Any) -> Any:
    """x with `a x = b`, `a` upper triangular (zeros below): by halves, so that most of it is products."""
    n = a.shape[-1]
    if n <= 2 * BLOCK:
        x = attempt(xp, a, b)  # elimination of a triangle is back substitution
        return _substitute(xp, a, b) if x is None else x
    h = n // 2
    low = solve_upper(xp, a[..., h:, h:], b[..., h:, :])
    high = solve_upper(xp, a[..., :h, :h], b[..., :h, :] - xp.matmul(a[..., :h, h:], low))
    return xp.concatenate((high, low), axis=-2)


def _substitute(xp: Any, a: Any, b: Any) -> Any:
    """Back substitution, row by row: a zero on the diagonal gives infinities as IEEE division does."""
    x = xp.array(b)
    for i in range(a.shape[-1] - 1, -1, -1):
        rest = xp.matmul(a[..., i : i + 1, i + 1 :], x[..., i + 1 :, :])
        x[..., i : i + 1, :] = (b[..., i : i + 1, :] - rest) / a[..., i : i + 1, i : i + 1]
    return x


def solve_triangular(xp: Any, a: Any, b: Any, lower: bool, unit: bool) -> Any:
    """x with `T x = b`, T the triangle of `a`."""
    if lower:
        return xp.flip(solve_triangular(xp, xp.flip(a, (-2, -1)), xp.flip(b, -2), False, unit), -2)
    one = xp.eye(a.shape[-1], dtype=a.dtype)
    t = xp.triu(a, 1) + one if unit else xp.triu(a)
    return solve_upper(xp, t, b)


def lu(xp: Any, x: Any) -> tuple[Any, ...]:
    """(LU packed, pivots from 1, permutation, first zero pivot or 0) with partial pivoting, by LAPACK's getrf if it is there."""
    found = openblas.getrf(flat(x)) if xp is np else None
    if found is None:
        return _lu_by_blocks(xp, x)
    (a, pivots, info), lead = found, x.shape[:-2]
    pivots = pivots.astype("int32").reshape(*lead, pivots.shape[-1])
    return a.reshape(x.shape), pivots, permutation(xp, pivots, x.shape[-2]), info.reshape(lead)


def _lu_by_blocks(xp: Any, x: Any) -> tuple[Any, ...]:
    """The same where the array library has no such routine."""
    a = xp.array(flat(x))
    n, rows, columns = a.shape
    k = min(rows, columns)
    perm = xp.array(xp.broadcast_to(xp.arange(rows), (n, rows)))
    pivots = xp.zeros((n, k), "int32")
    for start in range(0, k, BLOCK):
        end = min(start + BLOCK, k)
        for j in range(start, end):
            _eliminate(xp, a, perm, pivots, j, end)
        if end < columns:
            top = a[:, start:end, start:end]
            a[:, start:end, end:] = solve_triangular(xp, top, a[:, start:end, end:], True, True)
            a[:, end:, end:] -= xp.matmul(a[:, end:, start:end], a[:, start:end, end:])
    lead = x.shape[:-2]
    zero = xp.abs(_diagonal(xp, a, k)) == 0
    info = xp.where(zero.any(axis=1), xp.argmax(zero, axis=1) + 1, 0) if k else xp.zeros(n, "int32")
    return a.reshape(x.shape), pivots.reshape(*lead, k), perm.reshape(*lead, rows), info.reshape(lead)


def _diagonal(xp: Any, a: Any, k: int) -> Any:
    places = xp.arange(k)
    return a[:, places, places]


def _size(xp: Any, x: Any) -> Any:
    """What LAPACK compares pivots by: of complex numbers |re| + |im|."""
    return xp.abs(x.real) + xp.abs(x.imag) if x.dtype.kind == "c" else xp.abs(x)


def _swap(xp: Any, x: Any, j: int, at: Any) -> None:
    """Swaps entry `j` of every example with entry `at`."""
    every = xp.arange(x.shape[0])
    old, new = xp.array(x[:, j]), x[every, at]
    x[every, at] = old
    x[:, j] = new


def _eliminate(xp: Any, a: Any, perm: Any, pivots: Any, j: int, end: int) -> None:
    """One column: its pivot is swapped up, the panel below and right of it updated."""
    at = xp.argmax(_size(xp, a[:, j:, j]), axis=1) + j
    pivots[:, j] = at + 1
    _swap(xp, a, j, at)
    _swap(xp, perm, j, at)
    pivot = a[:, j, j]
    a[:, j + 1 :, j] /= xp.where(pivot == 0, a.dtype.type(1), pivot)[:, None]
    a[:, j + 1 :, j + 1 : end] -= a[:, j + 1 :, j, None] * a[:, None, j, j + 1 : end]


def permutation(xp: Any, pivots: Any, rows: int) -> Any:
    """The order of rows that swaps, counted from 1, lead to."""
    lead = pivots.shape[:-1]
    each = pivots.reshape(-1, pivots.shape[-1]) if pivots.size else xp.zeros((math.prod(lead), 0), pivots.dtype)
    if xp is np:
        orders = [_ordered(swaps, rows) for swaps in each.tolist()]
        return np.array(orders, pivots.dtype).reshape(*lead, rows)
    perm = xp.array(xp.broadcast_to(xp.arange(rows), (each.shape[0], rows)))
    for j in range(each.shape[-1]):
        _swap(xp, perm, j, each[:, j] - 1)
    return perm.reshape(*lead, rows).astype(pivots.dtype)


def _ordered(swaps: list[int], rows: int) -> list[int]:
    """The order that swaps of lines lead to."""
    order = list(range(rows))
    for j, at in enumerate(swaps):
        if at - 1 != j:
            order[j], order[at - 1] = order[at - 1], order[j]
    return order


def solve(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """(x with `a x = b`, the first zero pivot or 0)."""
    x = attempt(xp, a, b)
    if x is not None:
        return x, xp.zeros(a.shape[:-2], "int32")
    packed, _, perm, info = lu(xp, a)
    y = solve_triangular(xp, packed, xp.take_along_axis(b, perm[..., None], -2), True, True)
    return solve_triangular(xp, packed, y, False, False), info


def adjugate(xp: Any, x: Any) -> Any:
    """det(x) inv(x), from the singular values where `x` is near a singular matrix."""
    try:
        y = xp.linalg.inv(x)
        size = xp.abs(x).sum(axis=-2).max(axis=-1) * xp.abs(y).sum(axis=-2).max(axis=-1) if x.size else xp.zeros(1)
        if bool((size < 1e-3 / np.finfo(x.dtype).eps).all()):
            return y * xp.linalg.det(x)[..., None, None]
    except np.linalg.LinAlgError:
        pass
    u, s, vh = finite(xp, xp.linalg.svd, x)
    n = s.shape[-1]
    others = xp.where(xp.eye(n, dtype=bool), s.dtype.type(1), s[..., None, :]).prod(axis=-1)
    turn = xp.linalg.det(u) * xp.linalg.det(vh)
    y = xp.matmul(vh.swapaxes(-1, -2).conj() * others[..., None, :], u.swapaxes(-1, -2).conj())
    return y * turn[..., None, None]


def pinv(xp: Any, x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """The pseudo-inverse; singular values up to max(atol, rtol * the largest) count as 0."""
    if not x.size:
        return xp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    if hermitian:
        s, u = finite(xp, xp.linalg.eigh, x)
        vh = u.swapaxes(-1, -2).conj()
    else:
        u, s, vh = finite(xp, lambda a: xp.linalg.svd(a, full_matrices=False), x)
    size = xp.abs(s)
    cut = xp.maximum(atol, rtol * size.max(axis=-1))[..., None]
    inverse = xp.where(size <= cut, s.dtype.type(0), 1 / xp.where(size <= cut, s.dtype.type(1), s))
    return xp.matmul(vh.swapaxes(-1, -2).conj() * inverse[..., None, :], u.swapaxes(-1, -2).conj())


def matrix_exp(xp: Any, x: Any) -> Any:
    """e^x by scaling, the [13/13] Padé approximant, and squaring (Higham 2005)."""
    if not x.size:
        return xp.array(x)
    norm = xp.abs(x).sum(axis=-2).max(axis=-1)
    known = xp.isfinite(norm)
    steps = xp.ceil(xp.log2(xp.maximum(xp.where(known, norm, 0) / _THETA, 1)))
    a = x * (0.5**steps)[..., None, None].astype(x.real.dtype)
    one = xp.eye(x.shape[-1], dtype=x.dtype)
    a2 = xp.matmul(a, a)
    a4 = xp.matmul(a2, a2)
    a6 = xp.matmul(a2, a4)
    b = _PADE
    odd = xp.matmul(a6, b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one
    even = xp.matmul(a6, b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    odd = xp.matmul(a, odd)
    y = solve(xp, even - odd, even + odd)[0]
    for i in range(int(steps.max())):
        y = xp.where((i < steps)[..., None, None], xp.matmul(y, y), y)
    return xp.where(known[..., None, None], y, y.dtype.type(np.nan))
