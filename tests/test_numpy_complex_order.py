"""Complex numbers in order: sorts, extremes, comparisons and sets against jax.numpy and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
R = np.random.default_rng(0)
X = R.integers(-2, 3, (4, 6)) + 1j * R.integers(-2, 3, (4, 6))  # many real parts are equal


@pytest.fixture(autouse=True)
def _wide() -> Any:
    with jax.enable_x64(True):
        yield


CASES = {
    "sort": lambda m, x: (m.sort(x), m.sort(x, axis=0), m.sort(x, axis=None), m.sort(x, descending=True)),
    "argsort": lambda m, x: (m.argsort(x), m.argsort(x, axis=0, descending=True), m.argsort(x, axis=None)),
    "lexsort": lambda m, x: (m.lexsort((x, x.real)), m.lexsort((x.real, x)), m.lexsort((x[0], x[1], x[2]))),
    "unique": lambda m, x: m.unique(x, return_index=True, return_inverse=True, return_counts=True),
    "unique-size": lambda m, x: m.unique(x, return_index=True, return_inverse=True, return_counts=True, size=30),
    "sets": lambda m, x: (m.union1d(x, x[0]), m.setdiff1d(x, x[0]), m.isin(x, x[0]), m.intersect1d(x[0], x[1])),
    "max": lambda m, x: (m.max(x), m.max(x, axis=1, keepdims=True), m.max(x, axis=(0, 1)), m.max(x, axis=0, initial=1 + 1j)),
    "min": lambda m, x: (m.min(x), m.min(x, axis=-1), m.min(x, axis=0, where=x.real > 0, initial=3 + 1j), x.min(0)),
    "ptp": lambda m, x: (m.ptp(x), m.nanmax(x), m.nanmin(x, axis=0)),
    "pairs": lambda m, x: (m.maximum(x, x[0]), m.minimum(x, x[:, :1]), m.maximum(x, 1), m.fmax(x, x[0]), m.fmin(x, x[1])),
    "compare": lambda m, x: (x < x[0], x <= x[0], x > x[0], x >= x[0], m.less(x, 1), m.greater_equal(1j, x)),
    "digitize": lambda m, x: (m.digitize(x, m.sort(x[0])),),
    "search": lambda m, x: (m.searchsorted(m.sort(x[0]), x), m.searchsorted(m.sort(x[0]), x, side="right")),
}


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_as_jax(name: str, dtype: str) -> None:
    x = X.astype(dtype)
    wanted = jax.tree.leaves(CASES[name](jax.numpy, jax.numpy.asarray(x)))
    eager = CASES[name](jnp, jnp.asarray(x))
    reads = name in ("unique", "sets")  # their sizes depend on values
    compiled = eager if reads else fgrad.jit(lambda v: CASES[name](jnp, v))(jnp.asarray(x))
    for found in (eager, compiled):
        for g, w in zip(fgrad.tree.leaves(found), wanted, strict=True):
            kinds = {np.dtype("int32"): np.dtype("int64")}  # indices are int64 here
            assert (g.dtype, g.shape) == (kinds.get(w.dtype, w.dtype), w.shape)
            np.testing.assert_array_equal(np.asarray(g), np.asarray(w))


def test_lax_sort() -> None:
    for keys in (1, 2):
        for d in (0, -1):
            given = [(m.asarray(X), m.asarray(X.real[::-1].copy()), m.arange(24).reshape(4, 6)) for m in (jnp, jax.numpy)]
            for g, w in zip(lax.sort(given[0], num_keys=keys, dimension=d), jax.lax.sort(given[1], num_keys=keys, dimension=d)):
                np.testing.assert_array_equal(np.asarray(g), np.asarray(w))
    np.testing.assert_array_equal(np.asarray(lax.sort(jnp.asarray(X))), np.sort(X))


def test_derivatives_and_vmap() -> None:
    def loss(m: Any) -> Any:
        return lambda x: (m.abs(m.sort(x)) * m.arange(6)).sum() + m.abs(m.max(x)) + m.abs(m.maximum(x, x[0])).sum()

    x = R.normal(size=(4, 6)) + 1j * R.normal(size=(4, 6))
    np.testing.assert_allclose(np.asarray(fgrad.grad(loss(jnp))(x)), np.asarray(jax.grad(loss(jax.numpy))(x)), rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(fgrad.vmap(lambda r: jnp.max(r))(jnp.asarray(X))), X.max(1))
    np.testing.assert_array_equal(np.asarray(fgrad.vmap(jnp.argsort)(jnp.asarray(X))), np.argsort(X, kind="stable"))


@pytest.mark.parametrize("f", [lambda m, x: m.clip(x, 0, 1), lambda m, x: m.clip(x.real, 0, 1j), lambda m, x: m.median(x), lambda m, x: m.quantile(x, 0.3)])
def test_errors(f: Any) -> None:
    for m in (jnp, jax.numpy):
        with pytest.raises(ValueError, match="omplex"):
            f(m, m.asarray(X))


def test_nan() -> None:
    x = np.asarray([1 + 1j, np.nan + 0j, 2 - 1j, 1 + np.nan * 1j])
    assert np.isnan(np.asarray(jnp.maximum(jnp.asarray(x), 0))[[1, 3]]).all()
    assert np.asarray(jnp.asarray(x) <= jnp.asarray(x)).tolist() == [True, False, True, False]
    np.testing.assert_array_equal(np.asarray(jnp.sort(jnp.asarray(x[:3]))), np.sort(x[:3]))
