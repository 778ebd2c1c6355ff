"""fgrad.numpy against jax.numpy: values, dtypes' kinds, shapes; derivatives through jax.grad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as jnp

jax = pytest.importorskip("jax")
import jax.numpy as oracle  # noqa: E402

pytestmark = pytest.mark.oracle

rng = np.random.default_rng(0)
X = rng.normal(size=(3, 4)).astype("float32")
Y = rng.uniform(0.1, 0.9, size=(3, 4)).astype("float32")
I = rng.integers(-5, 5, size=(3, 4)).astype("int32")
B = rng.integers(0, 2, size=(3, 4)).astype(bool)

UNARY = (
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh "
    "arctanh negative absolute floor ceil trunc reciprocal isnan isfinite isinf signbit sinc deg2rad rad2deg positive "
    "logical_not nan_to_num modf isposinf isneginf"
).split()
REDUCE = "sum prod mean var std max min argmax argmin all any count_nonzero median ptp nansum nanmean nanmax nanmin average".split()
ALONG = "cumsum cumprod sort argsort".split()
SHAPE = "ravel transpose flip diag diagonal tril triu trace squeeze atleast_1d atleast_2d fliplr rot90 diff ndim size".split()
BINARY = (
    "add subtract multiply divide arctan2 hypot copysign maximum minimum logaddexp equal not_equal less less_equal greater "
    "greater_equal logical_and logical_or logical_xor isclose float_power heaviside floor_divide remainder"
).split()


def check(name, *args, kinds=True, **kwargs):
    want = getattr(oracle, name)(*args, **kwargs)
    got = getattr(jnp, name)(*args, **kwargs)
    want, got = jax.tree.leaves(want), list(got) if isinstance(got, tuple | list) else [got]
    assert len(want) == len(got)
    for w, g in zip(want, got, strict=True):
        w, g = np.asarray(w), np.asarray(g)
        assert g.shape == w.shape
        assert not kinds or g.dtype.kind == w.dtype.kind
        np.testing.assert_allclose(g, w, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("x", [X, Y, I], ids=["float", "unit", "int"])
@pytest.mark.parametrize("name", UNARY + SHAPE)
@pytest.mark.filterwarnings("ignore")
def test_unary_matches(name, x):
    check(name, x)


@pytest.mark.parametrize("x", [X, I, B], ids=["float", "int", "bool"])
@pytest.mark.parametrize("name", REDUCE)
def test_reduction_matches(name, x):
    if (name, x.dtype.kind) == ("ptp", "b"):
        return  # refused by JAX
    check(name, x)
    check(name, x, axis=0)
    check(name, x, axis=-1, keepdims=True)


@pytest.mark.parametrize("name", ALONG)
def test_along_matches(name):
    for x in (X, I, B):
        check(name, x, axis=0)
        check(name, x, axis=-1)
    check(name, X)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.filterwarnings("ignore")
def test_binary_matches(name):
    pairs = [(X, Y), (X, I), (I, I + 7), (X, Y[0]), (X, 2), (2.5, I), (X[:, :1], Y)]
    for a, b in pairs:
        check(name, a, b)


CALLS = [
    ("clip", (X, -0.5, 0.5), {}), ("where", (B, X, 0), {}), ("where", (B, 1, 2.0), {}), ("dot", (X, X.T), {}),
    ("vdot", (X, Y), {}), ("inner", (X, Y), {}), ("outer", (X, Y), {}), ("tensordot", (X, Y, 2), {}),
    ("tensordot", (X, Y), {"axes": ((0,), (0,))}), ("kron", (X, Y), {}), ("matmul", (X, Y.T), {}),
    ("einsum", ("ij,kj->ik", X, Y), {}), ("einsum", ("ij,ij", X, Y), {}), ("einsum", ("ii->i", X[:, :3]), {}),
    ("concatenate", ([X, Y],), {"axis": None}), ("concatenate", ([X, I],), {"axis": 1}), ("stack", ([X, Y],), {"axis": -1}),
    ("repeat", (X, 2), {"axis": 1}), ("repeat", (X, np.array([1, 0, 2])), {"axis": 0}), ("roll", (X, 1), {}),
    ("roll", (X, (1, -2)), {"axis": (0, 1)}), ("tile", (X, (2, 1, 3)), {}), ("pad", (X, ((1, 2), (0, 1))), {}),
    ("pad", (X, 1), {"mode": "reflect"}), ("split", (X, 2), {"axis": 1}), ("array_split", (X, 3), {"axis": 1}),
    ("split", (X, [1, 3]), {"axis": 1}), ("moveaxis", (X, 0, 1), {}), ("expand_dims", (X, (0, 2)), {}),
    ("searchsorted", (np.sort(X[0]), Y[0]), {}), ("searchsorted", (np.array([1, 2, 2, 3]), np.array([2])), {"side": "right"}),
    ("interp", (Y[0], np.sort(X[0]), Y[1]), {}), ("percentile", (X, 30.0), {"axis": 0}),
    ("quantile", (X, np.array([0.1, 0.7], "float32")), {"axis": 1, "keepdims": True}),
    ("take_along_axis", (X, np.argsort(X, 1)), {"axis": 1}), ("take", (X, np.array([0, 2])), {}),
    ("take", (X, np.array([[0, 9], [-1, 1]])), {"axis": 1}), ("take", (X, np.array([0, 9])), {"axis": 1, "mode": "clip"}),
    ("take", (X, np.array([0, 9])), {"axis": 1, "mode": "wrap"}), ("bincount", (np.abs(I.ravel()),), {}),
    ("meshgrid", (X[0], Y[:, 0]), {}), ("meshgrid", (X[0], Y[:, 0]), {"indexing": "ij"}), ("linspace", (0, 1, 5), {}),
    ("linspace", (0, 1, 5), {"endpoint": False}), ("arange", (1, 10, 3), {}), ("arange", (0.0, 1.0, 0.1), {}),
    ("eye", (3, 4), {"k": 1}), ("tri", (3,), {"k": -1}), ("indices", ((2, 3),), {}), ("cross", (X[:, :3], Y[:, :3]), {}),
    ("digitize", (X, np.array([-1.0, 0, 1], "float32")), {}), ("array_equal", (X, X), {}), ("allclose", (X, Y), {}),
    ("lexsort", ((I[0], I[1]),), {}), ("geomspace", (1.0, 100.0, 4), {}), ("full", ((2, 3), 7), {}), ("diag", (X[0], 1), {}),
    ("nonzero", (B,), {}), ("unique", (I,), {"return_counts": True}), ("rot90", (X, 3), {}), ("swapaxes", (X, 0, 1), {}),
    ("round", (X, 2), {}), ("average", (X,), {"weights": Y}), ("sum", (X,), {"where": B}), ("max", (X,), {"initial": 3.0}),
    ("var", (X,), {"ddof": 1}), ("delete", (X, 1), {"axis": 0}), ("column_stack", ([X[0], Y[0]],), {}),
    ("divmod", (X, Y), {}), ("left_shift", (I + 5, 2), {}), ("broadcast_arrays", (X, X[0]), {}), ("fmod", (X, Y), {}),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=lambda c: c[0])
def test_call_matches(call):
    name, args, kwargs = call
    check(name, *args, **kwargs)


def test_fixed_size_nonzero_works_in_jit():
    got = fgrad.jit(lambda x: jnp.nonzero(x > 1, size=3, fill_value=-1))(jnp.array([[0.0, 2.0], [3.0, 1.0]]))
    want = oracle.nonzero(oracle.array([[0.0, 2.0], [3.0, 1.0]]) > 1, size=3, fill_value=-1)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(np.asarray(g), np.asarray(w))


DIFFERENTIABLE = [
    ("logaddexp", lambda m, x, y: m.logaddexp(x, y)),
    ("hypot", lambda m, x, y: m.hypot(x, y)),
    ("sinc", lambda m, x, y: m.sinc(x)),
    ("sort", lambda m, x, y: m.sort(x, axis=0) * y),
    ("quantile", lambda m, x, y: m.quantile(x, 0.3, axis=1)),
    ("cumprod", lambda m, x, y: m.cumprod(x, axis=1)),
    ("norm", lambda m, x, y: m.linalg.norm(x)),
    ("norm axis", lambda m, x, y: m.linalg.norm(x, axis=1, ord=3)),
    ("pad", lambda m, x, y: m.pad(x, 1) ** 2),
    ("einsum", lambda m, x, y: m.einsum("ij,kj->ik", x, y)),
    ("at", lambda m, x, y: x.at[1:, ::2].multiply(y[1:, ::2])),
    ("at add", lambda m, x, y: x.at[m.array([0, 0, 1]), m.array([1, 1, 2])].add(3.0) * y),
    ("var", lambda m, x, y: m.var(x, axis=0)),
    ("max", lambda m, x, y: m.max(x, axis=1)),
    ("clip", lambda m, x, y: m.clip(x, -0.5, 0.5) * y),
    ("power", lambda m, x, y: m.abs(x) ** y),
    ("where", lambda m, x, y: m.where(x > 0, x * y, y)),
    ("interp", lambda m, x, y: m.interp(y, m.sort(x[0]), x[1])),
    ("take_along_axis", lambda m, x, y: m.take_along_axis(x, m.argsort(y, axis=1), axis=1) * y),
    ("diag", lambda m, x, y: m.diag(x) * m.trace(y)),
    ("mod", lambda m, x, y: x % y),
]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda c: c[0])
def test_gradient_matches(case):
    _, f = case
    got = fgrad.grad(lambda x, y: jnp.sum(f(jnp, x, y) ** 2), argnums=(0, 1))(jnp.array(X), jnp.array(Y))
    want = jax.grad(lambda x, y: oracle.sum(f(oracle, x, y) ** 2), argnums=(0, 1))(oracle.array(X), oracle.array(Y))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=1e-4, atol=1e-5)


shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(shapes, shapes, st.sampled_from(["float32", "int32", "bool", "float16"]), st.sampled_from(["float32", "int32", "bool"]))
def test_add_broadcasts_and_promotes_as_numpy_of_jax(s, t, d, e):
    a = np.arange(np.prod(s, dtype=int)).reshape(s).astype(d)
    b = np.arange(np.prod(t, dtype=int)).reshape(t).astype(e)
    try:
        want = oracle.add(a, b)
    except (TypeError, ValueError):
        with pytest.raises(ValueError, match="do not broadcast"):
            jnp.add(a, b)
        return
    got = jnp.add(a, b)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_reductions_over_any_axes(data):
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple))
    axes = tuple(data.draw(st.sets(st.integers(-len(shape), -1))))
    keep = data.draw(st.booleans())
    name = data.draw(st.sampled_from(["sum", "mean", "max", "std", "prod"]))
    x = np.random.default_rng(len(shape)).normal(size=shape).astype("float32")
    check(name, x, axis=axes, keepdims=keep)


INDICES = [
    np.s_[1], np.s_[-1], np.s_[1:], np.s_[::-1], np.s_[:, ::-2], np.s_[..., 0], np.s_[None, 1], np.s_[[0, 2]],
    np.s_[[0, 2], [1, 3]], np.s_[:, [0, 0, 1]], np.s_[np.array([[0, 1]]), 1], np.s_[1:3, None, [0, 1]], np.s_[2:0:-1, 1:],
    np.s_[B], np.s_[:, B[0]], np.s_[()],
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_and_updates(index):
    x, w = jnp.array(X), X.copy()
    np.testing.assert_array_equal(np.asarray(x[index]), X[index])
    w[index] = 7
    np.testing.assert_array_equal(np.asarray(x.at[index].set(7.0)), w)
    w = X.copy()
    np.add.at(w, index, 2.0)
    np.testing.assert_allclose(np.asarray(x.at[index].add(2.0)), w, rtol=1e-6)
    if index is not INDICES[13]:  # a repeated index multiplies twice
        w = X.copy()
        np.multiply.at(w, index, 2.0)
        np.testing.assert_allclose(np.asarray(x.at[index].multiply(2.0)), w, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(x), X)


def test_indices_out_of_range():
    x = jnp.arange(4.0)
    i = jnp.array([1, 9])
    assert x[i].tolist() == [1.0, 3.0]
    assert x.at[i].get(mode="fill", fill_value=7).tolist() == [1.0, 7.0]
    for dtype in ("float32", "int8", "uint16", "bool"):
        y, rows = np.ones((2, 3), dtype), np.array([[0, -1], [2, -3]])
        got, want = jnp.array(y).at[rows, 1].get(mode="fill"), oracle.array(y).at[rows, 1].get(mode="fill")
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))
        np.testing.assert_array_equal(np.asarray(jnp.take(y, rows, 0)), np.asarray(oracle.take(y, rows, 0)))
    assert fgrad.grad(lambda x: jnp.sum(x.at[i].get(mode="fill", fill_value=7) ** 2))(x).tolist() == [0.0, 2.0, 0.0, 0.0]
    assert x.at[i].set(5.0).tolist() == [0.0, 5.0, 2.0, 3.0]
    with pytest.raises(IndexError, match="out of bounds"):
        x[9]


N = np.where(B, np.float32(np.nan), X)
EXTRAS = [
    ("fmax", (N, Y), {}), ("fmin", (X, N), {}), ("logaddexp2", (X, Y), {}), ("atleast_3d", (X,), {}),
    ("tril_indices", (3, -1), {}), ("triu_indices", (3, 1, 4), {}), ("diag_indices", (3,), {}),
    ("ix_", (np.array([0, 2]), np.array([1, 3])), {}), ("unravel_index", (np.array([0, 7, 11]), (3, 4)), {}),
    ("ravel_multi_index", ((np.array([0, 2]), np.array([1, 3])), (3, 4)), {"mode": "wrap"}),
    ("polyval", (X[0], Y), {}), ("vander", (X[0], 3), {}), ("vander", (X[0],), {"increasing": True}),
    ("trapezoid", (X, Y[0]), {}), ("trapezoid", (X,), {"dx": 0.5, "axis": 0}), ("gradient", (X, 0.5), {}),
    ("gradient", (X,), {"axis": 1}), ("ediff1d", (X,), {}), ("isin", (I, np.array([1, -2])), {}), ("cov", (X,), {}),
    ("cov", (X,), {"rowvar": False, "bias": True}), ("corrcoef", (X,), {}), ("nanvar", (N,), {"axis": 0}), ("nanstd", (N,), {}),
    ("nanprod", (N,), {"axis": 1}), ("select", ([X > 0.5, X > 0], [X, Y]), {"default": 7.0}),
    ("block", ([[X, Y], [Y, X]],), {}), ("histogram", (X,), {"bins": 5}), ("histogram", (X, np.array([-1.0, 0, 2])), {}),
    ("histogram", (X,), {"bins": 4, "range": (-1, 1), "density": True}),
    *[(name, (a, b), {"mode": mode}) for name in ("convolve", "correlate") for mode in ("full", "same", "valid")
      for a, b in ((X[0], Y[1, :3]), (X[0, :2], Y[1]), (X.ravel(), Y[0]))],
]  # fmt: skip


@pytest.mark.parametrize("call", EXTRAS, ids=lambda c: c[0])
def test_extra_matches(call):
    name, args, kwargs = call
    if name == "ravel_multi_index":
        kwargs = {}
        want = np.ravel_multi_index(*args)
        np.testing.assert_array_equal(np.asarray(jnp.ravel_multi_index(*args)), want)
        return
    check(name, *args, **kwargs)


def test_lines_and_elements_by_vmap():
    for axis in (0, 1):
        check("apply_along_axis", lambda v: v - v.max(), axis, X)
        check("apply_along_axis", lambda v: v.sum(), axis, X)

    def one(x, y):
        return x * y if x is y else x + y

    np.testing.assert_allclose(np.asarray(jnp.vectorize(one)(X, Y[0])), X + Y[0], rtol=1e-6)
    both = jnp.vectorize(lambda x, k: (x * k, x), excluded=(1,))(X, 3)
    np.testing.assert_allclose(np.asarray(both[0]), X * 3, rtol=1e-6)
    assert jnp.result_type(jnp.ones(1), "float64", 3) == "float64"
    assert jnp.promote_types("int8", "uint8") == "int16"
    assert jnp.isscalar(jnp.array(1.0))
    assert not jnp.isscalar(jnp.ones(1))
    assert sorted(jnp.partition(jnp.array([3, 1, 2]), 1).tolist()) == [1, 2, 3]


def test_nested_numbers_in_a_given_dtype_are_not_rounded_first() -> None:
    assert np.asarray(jnp.array([0.1, [0.2][0]], dtype="float64")).tolist() == [0.1, 0.2]
    assert jnp.asarray([16777217.0], "float64").tolist() == [16777217.0]
    assert jnp.asarray([jnp.asarray(1), 2], "float64").tolist() == [1.0, 2.0]
