"""Rows of the table: linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from primitive_case import Case, Of

HALF = ("float16", "bfloat16")
SQUARE = Of((2, 3, 3), -1, 1, diagonal=4.0)
REAL = ("slogdet", "eigh", "eigvalsh", "svd", "svdvals")  # of complex matrices too


def matrix(name: str, reference: Any, *operands: Of, label: str = "", kinds: str = "fc", **more: Any) -> Case:
    params = more.pop("params", {})
    return Case(name, reference, operands or (SQUARE,), params, kinds, label, without=HALF, cast=name not in REAL, **more)


def triangle(a: Any, lower: bool, unit: bool) -> Any:
    """One triangle of matrices, its diagonal ones if `unit`."""
    t = np.tril(a) if lower else np.triu(a)
    one = np.eye(a.shape[-1])
    return t * (1 - one) + one if unit else t


def lu_reference(x: Any) -> tuple[Any, ...]:
    """Gaussian elimination with partial pivoting, row by row."""
    if x.ndim > 2:
        return tuple(map(np.stack, zip(*map(lu_reference, x))))
    a, perm, pivots = x.copy(), np.arange(x.shape[0]), []
    for j in range(min(x.shape)):
        p = j + int(np.argmax(abs(a[j:, j].real) + abs(a[j:, j].imag)))
        pivots.append(p + 1)
        a[[j, p]], perm[[j, p]] = a[[p, j]], perm[[p, j]]
        for i in range(j + 1, x.shape[0]):
            a[i, j] /= a[j, j]
            a[i, j + 1 :] -= a[i, j] * a[j, j + 1 :]
    return a, np.array(pivots), perm, np.array(0)


def permuted(pivots: Any, rows: int) -> Any:
    out = np.stack([np.arange(rows) for _ in pivots])
    for order, swaps in zip(out, pivots):
        for i, p in enumerate(swaps):
            order[[i, p - 1]] = order[[p - 1, i]]
    return out


def ldl_reference(x: Any, hermitian: bool) -> tuple[Any, ...]:
    """Elimination without swaps, which diagonally dominant matrices need none of."""
    a = np.tril(x)
    a = a + np.swapaxes(np.tril(x, -1), -1, -2).conj()
    i = np.arange(a.shape[-1])
    a[..., i, i] = a[..., i, i].real
    for k in i:
        low = a[..., k + 1 :, k, None] / a[..., k, None, k, None]
        a[..., k + 1 :, k + 1 :] -= low * a[..., k, None, k + 1 :]
        a[..., k + 1 :, k] = low[..., 0]
    return np.tril(a), np.broadcast_to(i + 1, a.shape[:-1]), np.zeros(a.shape[:-2], int)


def ldl_solved(a: Any, pivots: Any, b: Any, hermitian: bool) -> Any:
    """The system itself; every pivot names the last row, so that rows move."""
    one = np.eye(a.shape[-1])
    low, d = np.tril(a, -1), a * one
    y = b.copy()
    for k in range(3):
        y[:, [2, k]] = y[:, [k, 2]]
        y[:, k + 1 :] -= low[:, k + 1 :, k, None] * y[:, k, None]
    y = np.linalg.solve(d, y)
    for k in (2, 1, 0):
        y[:, k] -= (np.swapaxes(low[:, k + 1 :, k, None], -1, -2) @ y[:, k + 1 :])[:, 0]
        y[:, [2, k]] = y[:, [k, 2]]
    return y


def exp_reference(x: Any) -> Any:
    """The exponential by the power series of x / 2^20, squared 20 times in wide numbers."""
    wide = x.astype("clongdouble" if np.iscomplexobj(x) else "longdouble") / 2**20
    term = total = np.broadcast_to(np.eye(x.shape[-1], dtype=wide.dtype), x.shape)
    for k in range(1, 12):
        term = term @ wide / k
        total = total + term
    for _ in range(20):
        total = total @ total
    return total.astype(x.dtype)


def push_reference(x: Any, dx: Any) -> Any:
    """The derivative of the exponential: a corner of that of a block matrix."""
    n = x.shape[-1]
    return exp_reference(np.concatenate([np.concatenate([x, dx], -1), np.concatenate([0 * x, x], -1)], -2))[..., :n, n:]


def svd(x: Any, full: bool) -> Any:
    return tuple(np.linalg.svd(x, full))


def packed(x: Any) -> tuple[Any, ...]:
    h, tau = np.linalg.qr(x, "raw")
    return np.swapaxes(h, -1, -2), tau


def each(f: Any, x: Any, *more: Any) -> tuple[Any, ...]:
    """`f` of each matrix of a batch of one axis, stacked."""
    return tuple(map(np.stack, zip(*[f(m, *more) for m in x])))


def banded(low: Any, d: Any, high: Any, b: Any) -> Any:
    """The system with its matrix written out."""
    i = np.arange(d.shape[-1])
    t = np.zeros((*d.shape, d.shape[-1]), b.dtype)
    t[..., i, i], t[..., i[1:], i[:-1]], t[..., i[:-1], i[1:]] = d, low[..., 1:], high[..., :-1]
    return np.linalg.solve(t, b)


def kind_of(m: Any) -> str:
    return "complex" if m.dtype.kind == "c" else "real"


def lapack(name: str, m: Any) -> Any:
    return getattr(scipy.linalg.lapack, ("z" if m.dtype.kind == "c" else "d") + name)


MATRICES = [
    # signs and phases of larger ones hang on the last digits: tests/test_lax_linalg.py has them
    matrix("schur", lambda x: each(lambda m: scipy.linalg.schur(m, kind_of(m)), x), Of((2, 1, 1)), derivative=False),
    matrix("hessenberg", lambda x: each(lambda m: lapack("gehrd", m)(m)[:2], x), derivative=False),
    matrix("tridiagonal", lambda x, lower: each(lambda m: scipy.linalg.lapack.dsytrd(m, lower=1)[:4], x), params={"lower": True}, derivative=False, kinds="f"),
    matrix("tridiagonal", lambda x, lower: each(lambda m: scipy.linalg.lapack.zhetrd(m, lower=0)[:4], x), params={"lower": False}, derivative=False, kinds="c",
           label="upper"),
    matrix("pivot_order", lambda x: each(lambda m: (scipy.linalg.qr(m, pivoting=True)[2],), x)[0], derivative=False),
    matrix("tridiagonal_solve", banded, Of((2, 4)), Of((2, 4), 3, 5), Of((2, 4)), Of((2, 4, 2))),
    Case("verified", lambda x, info, name, reason: x, (SQUARE, Of((2,), 0, 0, "int32")), {"name": "f", "reason": "bad"}, "fc"),
    *[
        matrix("triangular_solve", lambda a, b, lower, unit: np.linalg.solve(triangle(a, lower, unit), b), SQUARE, Of((2, 3, 2)),
               params={"lower": low, "unit": unit}, label=f"{'lower' if low else 'upper'}{' unit' if unit else ''}")
        for low in (True, False) for unit in (True, False)
    ],
    matrix("triangular_solve", lambda a, b, lower, unit: np.linalg.solve(np.tril(a), b), Of((70, 70), -0.02, 0.02, diagonal=1.0), Of((70, 1)),
           params={"lower": True, "unit": False}, label="blocks", derivative=False, kinds="f"),
    matrix("solve", lambda a, b: (np.linalg.solve(a, b), np.zeros(2)), SQUARE, Of((2, 3, 2))),
    matrix("inv", lambda x: (np.linalg.inv(x), np.zeros(2))),
    matrix("slogdet", lambda x: tuple(np.linalg.slogdet(x))),
    matrix("det", np.linalg.det),
    matrix("adjugate", lambda x: np.linalg.inv(x) * np.linalg.det(x)[:, None, None]),
    matrix("lu", lu_reference, Of((2, 3, 3), diagonal=3.0)),
    matrix("lu", lu_reference, Of((4, 3), diagonal=3.0), label="tall"),
    matrix("lu", lu_reference, Of((3, 4), diagonal=3.0), label="wide"),
    matrix("lu", lu_reference, Of((70, 70), -0.1, 0.1, diagonal=1.0), label="blocks", derivative=False, kinds="f"),
    Case("lu_permutation", permuted, (Of((2, 3), 3, 4, "int32"),), {"rows": 4}, "f", derivative=False, cast=False),
    matrix("ldl", ldl_reference, Of((2, 3, 3), -1, 1, diagonal=4.0), params={"hermitian": True}, derivative=False),
    matrix("ldl_solve", ldl_solved, Of((2, 3, 3), -1, 1, diagonal=4.0), Of((2, 3), 3, 3, "int32"), Of((2, 3, 2)), params={"hermitian": False},
           derivative=False),
    matrix("cholesky", lambda x: (np.linalg.cholesky(x), np.zeros(2)), derivative=False),
    matrix("qr", lambda x, full: tuple(np.linalg.qr(x)), Of((2, 4, 3), diagonal=3.0), params={"full": False}),
    matrix("qr", lambda x, full: tuple(np.linalg.qr(x)), Of((3, 4), diagonal=3.0), params={"full": False}, label="wide"),
    matrix("qr", lambda x, full: tuple(np.linalg.qr(x, "complete")), Of((4, 3)), params={"full": True}, label="full", derivative=False),
    matrix("geqrf", packed, Of((2, 4, 3), diagonal=3.0), derivative=False),
    matrix("eigh", lambda x: tuple(np.linalg.eigh(x)), derivative=False, kinds="f", label="real"),
    matrix("eigvalsh", np.linalg.eigvalsh, derivative=False),
    matrix("eig", lambda x: tuple(np.linalg.eig(x)), Of((2, 2)), derivative=False, kinds="c", label="complex"),
    matrix("eigvals", np.linalg.eigvals, Of((2, 2)), derivative=False, kinds="c", label="complex"),
    matrix("svd", svd, Of((2, 4, 3)), params={"full": False}, kinds="f", label="tall"),
    matrix("svd", svd, Of((2, 3)), params={"full": False}, kinds="f", label="wide"),
    matrix("svd", svd, Of((3, 3)), params={"full": True}, kinds="f", label="full"),
    matrix("svdvals", lambda x: np.linalg.svd(x, compute_uv=False), Of((2, 4, 3))),
    *[
        matrix("pinv", lambda x, a, r, hermitian: np.linalg.pinv(x), Of((2, *s)), Of((2,), 0, 0.01), Of((2,), 0, 0.01),
               params={"hermitian": False}, kinds="f", label=label)
        for s, label in (((4, 3), ""), ((3, 4), "wide"))
    ],
    matrix("matrix_exp", exp_reference, Of((2, 3, 3))),
    matrix("matrix_exp", exp_reference, Of((3, 3), -9, 9), label="large", derivative=False, kinds="f"),
    matrix("matrix_exp_push", push_reference, Of((2, 3, 3)), Of((2, 3, 3))),
]  # fmt: skip
