"""scipy.spatial.transform, cluster.vq and sparse.linalg against SciPy and jax.scipy."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad.scipy.cluster.vq import vq
from fgrad.scipy.sparse import linalg
from fgrad.scipy.spatial.transform import Rotation, Slerp

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
theirs = pytest.importorskip("jax.scipy.spatial.transform")
scipy = pytest.importorskip("scipy.spatial.transform")
R = np.random.default_rng(0)
Q, ANGLES, V = R.normal(size=(7, 4)), R.uniform(-1.4, 1.4, (7, 3)), R.normal(size=(7, 3))


@pytest.fixture(autouse=True)
def _wide() -> Any:
    with jax.enable_x64(True):
        yield


def same(got: Any, want: Any, tol: float = 1e-9) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol)


FORMS = [
    lambda r: r.as_matrix(), lambda r: r.as_rotvec(), lambda r: r.as_rotvec(degrees=True), lambda r: r.as_mrp(), lambda r: r.magnitude(),
    lambda r: r.as_quat(), lambda r: r.as_quat(canonical=True, scalar_first=True), lambda r: r.inv().as_quat(), lambda r: (r * r.inv()).as_quat(),
    lambda r: type(r).from_matrix(r.as_matrix()).as_matrix(), lambda r: type(r).from_rotvec(r.as_rotvec()).as_quat(),
    lambda r: type(r).from_rotvec(r.as_rotvec(degrees=True), degrees=True).as_quat(), lambda r: type(r).from_mrp(r.as_mrp()).as_quat(),
    lambda r: r.apply(V), lambda r: r.apply(V[0]), lambda r: r.apply(V, inverse=True), lambda r: r.as_euler("zyx", degrees=True),
]  # fmt: skip


@pytest.mark.parametrize("f", FORMS)
@pytest.mark.parametrize("one", [True, False])
def test_forms(f: Any, one: bool) -> None:
    q = Q[0] if one else Q
    wanted = f(scipy.Rotation.from_quat(q))
    same(f(Rotation.from_quat(q)), f(theirs.Rotation.from_quat(jax.numpy.asarray(q))), 1e-6)  # jax's pi is a float32
    same(f(Rotation.from_quat(q)), wanted)
    same(fgrad.jit(f)(Rotation.from_quat(q)), wanted)


def test_batches() -> None:
    a, b = Rotation.from_quat(Q), scipy.Rotation.from_quat(Q)
    same(a.mean().as_matrix(), b.mean().as_matrix())
    same(a.mean(weights=np.arange(1.0, 8)).as_matrix(), b.mean(weights=np.arange(1.0, 8)).as_matrix())
    same(a[2:4].as_quat(), b[2:4].as_quat())
    same(a[3].as_quat(), b[3].as_quat())
    assert (len(a), a.single, a[0].single, bool(a)) == (7, False, True, True)
    same(Rotation.concatenate([a, a[0]]).as_quat(), scipy.Rotation.concatenate([b, b[0]]).as_quat())
    assert np.asarray(Rotation.identity(2).as_quat()).tolist() == [[0, 0, 0, 1]] * 2
    drawn = Rotation.random(fgrad.random.key(0), 500).as_quat()
    np.testing.assert_allclose(np.linalg.norm(np.asarray(drawn), axis=-1), 1, rtol=1e-5)
    assert np.abs(np.asarray(drawn).mean(0)).max() < 0.1
    same(fgrad.vmap(lambda r: r.magnitude())(a), b.magnitude())


SEQUENCES = ["".join(p) for p in itertools.product("xyz", repeat=3) if p[0] != p[1] != p[2]]


@pytest.mark.parametrize("seq", SEQUENCES + [s.upper() for s in SEQUENCES])
def test_euler_angles(seq: str) -> None:
    for q, angles in ((Q, ANGLES), (Q[0], ANGLES[0])):
        same(Rotation.from_quat(q).as_euler(seq), scipy.Rotation.from_quat(q).as_euler(seq), 1e-7)
        same(Rotation.from_euler(seq, angles).as_matrix(), scipy.Rotation.from_euler(seq, angles).as_matrix())
    for middle in (0, np.pi) if seq[0] == seq[2] else (np.pi / 2, -np.pi / 2):  # two axes fall together
        locked = np.asarray([0.3, middle, 0.4])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            same(Rotation.from_euler(seq, locked).as_euler(seq), scipy.Rotation.from_euler(seq, locked).as_euler(seq), 1e-6)


@pytest.mark.parametrize("seq", ["x", "Y", "xy", "ZX"])
def test_fewer_turns(seq: str) -> None:
    for angles in ((ANGLES[:, :1],) if len(seq) == 1 else (ANGLES[:, :2], ANGLES[0, :2])):
        same(Rotation.from_euler(seq, angles).as_matrix(), scipy.Rotation.from_euler(seq, angles).as_matrix())
    assert Rotation.from_euler("x", 0.5).single
    same(Rotation.from_euler("x", ANGLES[:, 0]).as_quat(), Rotation.from_euler("x", ANGLES[:, :1]).as_quat())


def test_slerp() -> None:
    t, at = np.asarray([0.0, 1, 3, 4, 5, 7, 8]), np.asarray([0.0, 0.5, 1, 2.2, 7.9, 8])
    a, b = Slerp.init(t, Rotation.from_quat(Q)), theirs.Slerp.init(jax.numpy.asarray(t), theirs.Rotation.from_quat(jax.numpy.asarray(Q)))
    same(a(at).as_matrix(), b(jax.numpy.asarray(at)).as_matrix())
    same(a(at).as_matrix(), scipy.Slerp(t, scipy.Rotation.from_quat(Q))(at).as_matrix())
    assert a(2.0).single


def test_derivatives() -> None:
    def loss(kind: Any) -> Any:
        return lambda v: (kind.from_rotvec(v).as_matrix() ** 3).sum() + (kind.from_rotvec(v).as_euler("zxz") ** 2).sum()

    same(fgrad.grad(loss(Rotation))(ANGLES), jax.grad(loss(theirs.Rotation))(ANGLES), 1e-5)
    turned = fgrad.jacrev(lambda v: Rotation.from_rotvec(v).apply(V[0]))(np.zeros(3))
    np.testing.assert_allclose(np.asarray(turned) @ V[1], np.cross(V[1], V[0]), rtol=1e-6)  # the cross product
    np.testing.assert_allclose(np.asarray(fgrad.jacrev(lambda v: Rotation.from_rotvec(v).as_rotvec())(np.zeros(3))), np.eye(3), atol=1e-7)


ERRORS = [
    (lambda c: len(c.from_quat(Q[0])), TypeError), (lambda c: c.from_quat(Q[0])[0], TypeError), (lambda c: c.from_euler("xyq", ANGLES), ValueError),
    (lambda c: c.from_euler("xyZ", ANGLES), ValueError), (lambda c: c.from_quat(Q).as_euler("xxy"), ValueError),
    (lambda c: c.from_quat(Q).as_euler("xy"), ValueError), (lambda c: c.from_quat(Q[:, :3]), ValueError), (lambda c: c.from_matrix(Q), ValueError),
    (lambda c: c.from_euler("xyz", ANGLES[:, :2]), ValueError), (lambda c: c.from_quat(Q).mean(weights=np.ones(3)), ValueError),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case: int) -> None:
    f, kind = ERRORS[case]
    for cls in (Rotation, scipy.Rotation):
        with pytest.raises(kind):
            f(cls)


def test_slerp_errors() -> None:
    for given in ((np.arange(1.0), Rotation.from_quat(Q[0])), (np.arange(3.0), Rotation.from_quat(Q))):
        with pytest.raises(ValueError, match="otations"):
            Slerp.init(*given)
    with pytest.raises(TypeError, match="Rotation"):
        Slerp.init(np.arange(7.0), Q)


@pytest.mark.parametrize("shape", [((9, 3), (4, 3)), ((5,), (3,)), ((1, 2), (1, 2))])
def test_vq(shape: Any) -> None:
    x, book = R.normal(size=shape[0]), R.normal(size=shape[1])
    codes, distances = vq(x, book)
    wanted = jax.scipy.cluster.vq.vq(jax.numpy.asarray(x), jax.numpy.asarray(book))
    assert np.asarray(codes).tolist() == np.asarray(wanted[0]).tolist()
    same(distances, wanted[1])
    same(fgrad.grad(lambda x: vq(x, book)[1].sum())(x), jax.grad(lambda x: jax.scipy.cluster.vq.vq(x, book)[1].sum())(x), 1e-7)
    for bad in ((np.ones((2, 3)), np.ones(3)), (np.ones((2, 3, 1)), np.ones((2, 3, 1)))):
        with pytest.raises(ValueError, match="rank|ndim|supported"):
            vq(*bad)


SOLVERS = ["cg", "bicgstab", "gmres"]


def system(n: int, solver: str, dtype: str = "f8") -> Any:
    a = R.normal(size=(n, n)) + (1j * R.normal(size=(n, n)) if dtype == "c16" else 0)
    a = (a @ a.conj().T + n * np.eye(n)) if solver == "cg" else a + 2 * n**0.5 * np.eye(n)
    return a.astype(dtype), (R.normal(size=n) + (1j * R.normal(size=n) if dtype == "c16" else 0)).astype(dtype)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "c16"])
def test_solvers(name: str, dtype: str) -> None:
    a, b = system(12, name, dtype)
    solve, exact = getattr(linalg, name), np.linalg.solve(a, b)
    tight = {"tol": 1e-5 if dtype == "f4" else 1e-11}
    tol = 1e-3 if dtype == "f4" else 1e-7
    for x, none in (solve(a, b, **tight), solve(lambda v: jnp.asarray(a) @ v, b, **tight), solve(a, b, np.zeros_like(b) + 1, **tight),
                    solve(a, b, M=np.diag(1 / np.diag(a)), **tight), fgrad.jit(lambda a, b: solve(a, b, **tight))(a, b)):  # fmt: skip
        assert none is None
        same(x, exact, tol)
    assert np.linalg.norm(a @ np.asarray(solve(a, b, maxiter=1, **({"restart": 2} if name == "gmres" else {}))[0]) - b) > 1e-4
    np.testing.assert_array_equal(np.asarray(solve(a, b * 0)[0]), 0 * b)


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_of_trees_and_their_derivatives(name: str) -> None:
    a, b = system(6, name)
    solve = getattr(linalg, name)

    def product(m: Any, v: Any) -> Any:
        y = m @ jnp.concatenate([v["p"], v["q"].ravel()])
        return {"p": y[:2], "q": y[2:].reshape(2, 2)}

    x, _ = solve(lambda v: product(jnp.asarray(a), v), {"p": b[:2], "q": b[2:].reshape(2, 2)}, tol=1e-12)
    exact = np.linalg.solve(a, b)
    same(x["p"], exact[:2], 1e-8)
    same(x["q"], exact[2:].reshape(2, 2), 1e-8)

    def loss(f: Any) -> Any:
        return lambda a, b: (f(a, b) ** 3).sum()

    wanted = fgrad.grad(loss(jnp.linalg.solve), (0, 1))(a, b)
    if name == "cg":  # A is taken to be symmetric: half of what each of two elements gets
        found = fgrad.grad(lambda a, b: loss(lambda a, b: solve((a + a.T) / 2, b, tol=1e-12)[0])(a, b), (0, 1))(a, b)
        wanted = fgrad.grad(lambda a, b: loss(lambda a, b: jnp.linalg.solve((a + a.T) / 2, b))(a, b), (0, 1))(a, b)
    else:
        found = fgrad.grad(loss(lambda a, b: solve(a, b, tol=1e-12)[0]), (0, 1))(a, b)
    for g, w in zip(found, wanted):
        same(g, w, 1e-7)


def test_gmres_restarts() -> None:
    a, b = system(20, "gmres")
    for method in ("batched", "incremental"):
        same(linalg.gmres(a, b, tol=1e-11, restart=5, solve_method=method)[0], np.linalg.solve(a, b), 1e-7)
    with pytest.raises(ValueError, match="solve_method"):
        linalg.gmres(a, b, solve_method="other")
    for f in (linalg.gmres, linalg.cg, linalg.bicgstab):
        with pytest.raises(ValueError, match="square"):
            f(a[:3], b)
        with pytest.raises(ValueError, match="x0"):
            f(a, b, np.ones(3))
