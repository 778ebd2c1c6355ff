"""Corners of jax.numpy: orders, negative decimals, bool products, modes of indices, dtypes of counts."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad.numpy as jnp

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
X = np.linspace(-2, 3, 24).reshape(2, 3, 4)
F = np.linspace(-1, 1, 6, dtype="f4").reshape(2, 3)
I = np.arange(12).reshape(3, 4) - 5
B = np.arange(6).reshape(2, 3) % 2 == 0
U = np.asarray([1, 250, 3], "u1")
INDEFINITE = np.asarray([[[1, 2], [2, 1]], [[2, 1], [1, 2]]], "f4")
CASES = [
    lambda m: m.asarray(F).astype("float16") * np.float32(2), lambda m: m.asarray(U) + np.int8(1), lambda m: m.asarray(F) * np.sqrt(np.float32(2)),
    lambda m: m.subtract(np.uint8(1), np.uint8(2)), lambda m: m.asarray(I) + np.float16(1), lambda m: m.maximum(m.asarray(U), np.uint16(300)),
    lambda m: m.setdiff1d(m.asarray([3, 1, 1, 5]), m.asarray([5, 9]), size=3), lambda m: m.setxor1d(m.asarray([3, 1, 1, 5]), m.asarray([5, 9]), size=2),
    lambda m: m.intersect1d(m.asarray([3, 1, 1, 5]), m.asarray([5, 1]), size=3, fill_value=-1), lambda m: m.setxor1d(m.asarray([3, 1]), m.asarray([9]), size=5),
    lambda m: m.intersect1d(m.asarray([3, 1, 1, 5]), m.asarray([5, 1]), size=3, return_indices=True),
    lambda m: m.reshape(m.asarray(X), -1, order="F"), lambda m: m.reshape(m.asarray(X), (4, -1), order="F"), lambda m: m.ravel(m.asarray(I), order="F"),
    lambda m: m.asarray(X).reshape((3, 8), order="F"), lambda m: m.asarray(B) @ m.asarray(B).T, lambda m: m.dot(m.asarray(B), m.asarray(B).T),
    lambda m: m.inner(m.asarray(B), m.asarray(B)), lambda m: m.tensordot(m.asarray(B), m.asarray(B), axes=2), lambda m: m.matmul(m.asarray(B), m.asarray(I[:3])),
    lambda m: m.cumprod(m.asarray(U)), lambda m: m.cumsum(m.asarray(U)), lambda m: m.cumsum(m.asarray(B)), lambda m: m.cumulative_sum(m.asarray(U)),
    lambda m: m.cumsum(m.asarray(U), dtype="int32"), lambda m: m.take(m.asarray(X), m.asarray([0, -1, 5]), axis=1, mode="clip"),
    lambda m: m.take(m.asarray(I), m.asarray([-3, 99]), mode="clip"), lambda m: m.histogram2d(m.asarray(X[0, 0]), m.asarray(X[1, 0]), bins=2),
    lambda m: m.histogramdd(m.asarray(X[0]), bins=2)[0], lambda m: m.histogram2d(m.asarray(X[0, 0]), m.asarray(X[1, 0]), bins=2, density=True),
    lambda m: m.gradient(m.asarray(F), axis=1), lambda m: m.gradient(m.asarray(F), 0.5, axis=0), lambda m: m.gradient(m.asarray(F), m.asarray([0.0, 1, 3]), axis=1),
    lambda m: m.convolve(m.asarray(U), m.asarray(U)), lambda m: m.correlate(m.asarray(U), m.asarray(U), "full"), lambda m: m.convolve(m.asarray(I[0]), m.asarray(F[0])),
    lambda m: m.asarray(F).at[5].set(9), lambda m: m.asarray(F).at[7].get(mode="clip"), lambda m: m.asarray(F).at[7, 1].get(mode="fill", fill_value=-1),
    lambda m: m.asarray(F).at[7].get(mode="fill"), lambda m: m.asarray(F).at[-9].add(1.0), lambda m: m.asarray(F).at[:, 9].mul(3), lambda m: m.asarray(F).at[5].add(1, mode="clip"),
    lambda m: m.square(m.asarray(B)), lambda m: m.square(True), lambda m: m.square(m.asarray(U)), lambda m: m.linalg.cholesky(m.asarray(INDEFINITE)),
    lambda m: m.linalg.cholesky(m.asarray(INDEFINITE), upper=True), lambda m: m.linalg.cholesky(m.asarray(INDEFINITE).astype("complex64")),
    lambda m: m.asarray(F).at[1].set(9), lambda m: m.asarray(F).at[1, ..., None, 5].get(mode="fill", fill_value=0),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_as_jax(case: int) -> None:
    with jax.enable_x64(True):
        wanted = jax.tree.leaves(CASES[case](jax.numpy))
    found = jax.tree.leaves(CASES[case](jnp), is_leaf=lambda x: isinstance(x, jnp.ndarray))
    assert len(found) == len(wanted)
    for g, w in zip(found, wanted):
        floats_of_ints = (np.dtype("float64"), np.dtype("float32"))  # integers become the default float
        assert g.shape == w.shape
        assert g.dtype == w.dtype or (w.dtype, g.dtype) == floats_of_ints
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=1e-5)


@pytest.mark.parametrize("decimals", [-1, -2, 0, 2])
def test_integers_are_rounded_to_tens(decimals: int) -> None:
    for x in (np.asarray([5, 15, 25, -5, -15, 14, 16, 250, -250, 0]), np.asarray([5, 15, 25, 250, 149], "u1")):
        found = jnp.round(jnp.asarray(x), decimals)
        assert found.dtype == x.dtype
        small = x.astype("i8").round(decimals).astype(x.dtype)
        np.testing.assert_array_equal(np.asarray(found), small)


NAMES = ["bool", "int8", "uint8", "int32", "uint32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("source", NAMES)
def test_can_cast_as_jax(source: str) -> None:
    for target in NAMES:
        assert jnp.can_cast(source, target) == jax.numpy.can_cast(source, target), target


ERRORS = [
    (lambda m: m.reshape(m.asarray(X), (5, -1)), TypeError), (lambda m: m.dot(m.asarray(F), m.asarray(F)), TypeError),
    (lambda m: m.pad(m.asarray(F), 1, mode="zzz"), NotImplementedError), (lambda m: m.reshape(m.asarray(X), -1, order="Z"), ValueError),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case: int) -> None:
    f, kind = ERRORS[case]
    for m in (jnp, jax.numpy):
        with pytest.raises(kind):
            f(m)
