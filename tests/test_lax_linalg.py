"""lax.linalg against jax.lax.linalg: values up to signs that nothing fixes, derivatives, vmap, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax
from fgrad.errors import ArgumentError, RuleError, ShapeError

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
R = np.random.default_rng(5)
A = R.normal(size=(2, 4, 4)).astype("f4")
C = (A + 1j * R.normal(size=(2, 4, 4))).astype("c8")
SPD = A @ A.swapaxes(-1, -2) + 4 * np.eye(4, dtype="f4")
TALL = R.normal(size=(5, 3)).astype("f4")
B = R.normal(size=(2, 4, 3)).astype("f4")
BOTH = (fgrad, jnp, lax), (jax, jax.numpy, jax.lax)
TAU = R.uniform(0.5, 1, size=3).astype("f4")


def same(got: Any, want: Any, tol: float = 2e-3) -> None:
    got, want = fgrad.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert (np.asarray(g).dtype, np.shape(g)) == (np.asarray(w).dtype, np.shape(w))
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=tol, atol=tol)


DIAGONALS = [R.normal(size=(2, 5)).astype("f4"), R.normal(size=(2, 5)).astype("f4") + 5, R.normal(size=(2, 5)).astype("f4")]
for _k, _at in ((0, 0), (2, 4)):
    DIAGONALS[_k][:, _at] = 0  # never read; JAX has another derivative there
SIDE = R.normal(size=(2, 5, 2)).astype("f4")
VALUES: dict[str, Any] = {
    "cholesky": lambda L, m: L.cholesky(m.asarray(SPD)), "cholesky-raw": lambda L, m: L.cholesky(m.asarray(SPD + np.triu(A, 1)), symmetrize_input=False),
    "cholesky-half": lambda L, m: L.cholesky(m.asarray(SPD + np.triu(A, 1))),
    "cholesky_update": lambda L, m: L.cholesky_update(m.asarray(np.linalg.cholesky(SPD[0]).T.copy()), m.asarray(B[0, :, 0])),
    "eigvals": lambda L, m: np.sort_complex(
        L.eig(m.asarray(A), compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]),
    "eigh-values": lambda L, m: L.eigh(m.asarray(A))[1], "eigh-lower": lambda L, m: L.eigh(m.asarray(A), symmetrize_input=False)[1],
    "eigh-upper": lambda L, m: L.eigh(m.asarray(A), lower=False, symmetrize_input=False)[1],
    "eigh-vectors": lambda L, m: m.abs(L.eigh(m.asarray(C))[0]), "eigh-subset": lambda L, m: L.eigh(m.asarray(SPD[0]), subset_by_index=(0, 4))[1],
    "hessenberg": lambda L, m: L.hessenberg(m.asarray(A)), "hessenberg-complex": lambda L, m: L.hessenberg(m.asarray(C)),
    "householder": lambda L, m: L.householder_product(m.asarray(TALL), m.asarray(TAU)), "lu": lambda L, m: L.lu(m.asarray(A)),
    "lu-tall": lambda L, m: L.lu(m.asarray(TALL)), "permutation": lambda L, m: L.lu_pivots_to_permutation(L.lu(m.asarray(A))[1], 4),
    "ormqr": lambda L, m: L.ormqr(m.asarray(TALL), m.asarray(TAU), m.asarray(R0)), "ormqr-right": lambda L, m: L.ormqr(
        m.asarray(TALL), m.asarray(TAU), m.asarray(R0.T.copy()), left=False, transpose=True),
    "qr": lambda L, m: L.qr(m.asarray(TALL), full_matrices=False), "qr-full": lambda L, m: L.qr(m.asarray(TALL)),
    "qr-pivot": lambda L, m: L.qr(m.asarray(TALL), pivoting=True, full_matrices=False), "schur": lambda L, m: L.schur(m.asarray(A)),
    "schur-complex": lambda L, m: L.schur(m.asarray(C[0])), "schur-values": lambda L, m: L.schur(m.asarray(A), compute_schur_vectors=False),
    "svdvals": lambda L, m: L.svd(m.asarray(A), compute_uv=False), "svd": lambda L, m: [m.abs(y) for y in L.svd(m.asarray(TALL), full_matrices=False)],
    "svd-full": lambda L, m: L.svd(m.asarray(TALL))[1],
    "symmetric": lambda L, m: L.symmetric_product(m.asarray(B), m.asarray(SPD), alpha=2.0, beta=0.5, symmetrize_output=True),
    "tridiagonal": lambda L, m: L.tridiagonal(m.asarray(SPD)), "tridiagonal-upper": lambda L, m: L.tridiagonal(m.asarray(SPD), lower=False),
    "tridiagonal_solve": lambda L, m: L.tridiagonal_solve(*map(m.asarray, DIAGONALS), m.asarray(SIDE)),
}  # fmt: skip
R0 = R.normal(size=(5, 2)).astype("f4")


@pytest.mark.parametrize("name", list(VALUES))
def test_values(name: str) -> None:
    got, want = [VALUES[name](L.linalg, m) for _, m, L in BOTH]
    same(got, want)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("more", [{}, {"conjugate_a": True}, {"unit_diagonal": True}], ids=str)
def test_triangular_solve(left: bool, lower: bool, turned: bool, more: dict[str, bool]) -> None:
    b = B if left else B.swapaxes(-1, -2).copy()
    for a in (A + 4 * np.eye(4, dtype="f4"), C + 4 * np.eye(4, dtype="f4")):
        def run(top: Any, m: Any, L: Any, a: Any = a) -> Any:
            def f(a: Any, b: Any) -> Any:
                return L.linalg.triangular_solve(a, b, left_side=left, lower=lower, transpose_a=turned, **more)

            x, y = m.asarray(a), m.asarray(b.astype(a.dtype))
            return f(x, y), top.grad(lambda x, y: m.sum(m.abs(f(x, y))), (0, 1))(x, y)

        same(run(*BOTH[0]), run(*BOTH[1]))
    got, want = [L.linalg.triangular_solve(m.asarray(A[0]), m.asarray(B[0, :, 0]), left_side=left, lower=lower) for _, m, L in BOTH]
    same(got, want)


GRADS: dict[str, tuple[Any, Any]] = {
    "cholesky": (SPD, lambda L, m, x: m.sum(m.sin(L.cholesky(x)))),
    "eigh": (SPD, lambda L, m, x: m.sum(L.eigh(x)[1] ** 2)),
    "svd": (TALL, lambda L, m, x: m.sum(L.svd(x, full_matrices=False)[1] ** 3)),
    "qr": (TALL, lambda L, m, x: m.sum(m.abs(L.qr(x, full_matrices=False)[1]))),
    "lu": (A, lambda L, m, x: m.sum(m.sin(L.lu(x)[0]))),
    "symmetric": (B, lambda L, m, x: m.sum(m.sin(L.symmetric_product(x, m.asarray(SPD))))),
}  # fmt: skip


@pytest.mark.parametrize("name", list(GRADS))
def test_gradients(name: str) -> None:
    x, f = GRADS[name]
    if name == "symmetric":  # JAX has no rule
        g = fgrad.grad(lambda x: f(lax.linalg, jnp, x))(jnp.asarray(x))
        w = jax.grad(lambda x: jax.numpy.sum(jax.numpy.sin(x @ x.swapaxes(-1, -2))))(x)
        return same(g, w)
    got, want = [top.grad(lambda x, L=L, m=m: f(L.linalg, m, x))(m.asarray(x)) for top, m, L in BOTH]
    return same(got, want, 5e-3)


def test_tridiagonal_solve_is_differentiable_in_all() -> None:
    def dense(m: Any, low: Any, d: Any, high: Any, b: Any) -> Any:
        t = m.stack([m.diag(low[k, 1:], -1) + m.diag(d[k]) + m.diag(high[k, :-1], 1) for k in range(2)])
        return m.linalg.solve(t, b)

    f = fgrad.grad(lambda *a: jnp.sum(jnp.sin(lax.linalg.tridiagonal_solve(*a))), (0, 1, 2, 3))
    g = jax.grad(lambda *a: jax.numpy.sum(jax.numpy.sin(dense(jax.numpy, *a))), (0, 1, 2, 3))
    same(f(*map(jnp.asarray, [*DIAGONALS, SIDE])), g(*DIAGONALS, SIDE))
    v = lax.linalg.tridiagonal_solve(*[jnp.asarray(x[0]) for x in DIAGONALS], jnp.asarray(SIDE[0, :, 0]))
    same(v, dense(jax.numpy, *DIAGONALS, SIDE)[0, :, 0])
    same(fgrad.vmap(lax.linalg.tridiagonal_solve)(*map(jnp.asarray, [*DIAGONALS, SIDE])), dense(jax.numpy, *DIAGONALS, SIDE))


def test_eigenvectors_and_polar_forms_fit() -> None:
    for x in (A, C):
        w, u, v = (np.asarray(y) for y in lax.linalg.eig(jnp.asarray(x)))
        np.testing.assert_allclose(x @ v, v * w[..., None, :], atol=1e-4)
        np.testing.assert_allclose(u.conj().swapaxes(-1, -2) @ x, w[..., None] * u.conj().swapaxes(-1, -2), atol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(u, axis=-2), 1, rtol=1e-4)
        assert [len(lax.linalg.eig(jnp.asarray(x), compute_left_eigenvectors=a, compute_right_eigenvectors=b)) for a, b in ((1, 0), (0, 1))] == [2, 2]
    got, want = [L.linalg.qdwh(m.asarray(TALL)) for _, m, L in BOTH]
    same(got[:2], want[:2])
    assert bool(got[3])
    q, r, p = (np.asarray(y) for y in lax.linalg.qr(jnp.asarray(A), pivoting=True))
    np.testing.assert_allclose(q @ r, np.take_along_axis(A, p[:, None, :], -1), atol=1e-4)


def test_errors() -> None:
    with pytest.raises(ValueError, match="subset_by_index"):
        lax.linalg.svd(jnp.asarray(TALL), subset_by_index=(0, 2))
    for f, error in ((lambda: lax.linalg.schur(jnp.asarray(A), sort_eig_vals=True), RuleError), (lambda: lax.linalg.cholesky_update(A[0], TALL), ShapeError),
                     (lambda: lax.linalg.qdwh(TALL.T), ArgumentError), (lambda: lax.linalg.householder_product(TALL.T, TAU), ShapeError),
                     (lambda: lax.linalg.symmetric_product(B, TALL), ShapeError), (lambda: lax.linalg.tridiagonal_solve(*DIAGONALS, TALL), ShapeError),
                     (lambda: lax.linalg.tridiagonal_solve(*DIAGONALS, SIDE, perturb_singular=True), RuleError)):  # fmt: skip
        with pytest.raises(error):
            f()
    assert np.isnan(np.asarray(lax.linalg.tridiagonal_solve(jnp.zeros(3), jnp.zeros(3), jnp.zeros(3), jnp.ones(3)))).all()
    bad = jnp.asarray(A).at[0, 0, 0].set(jnp.nan)
    t, q = (np.asarray(y) for y in lax.linalg.schur(bad))
    assert np.isnan(t[0]).all()
    np.testing.assert_allclose(q[1] @ t[1] @ q[1].T, A[1], atol=1e-4)
