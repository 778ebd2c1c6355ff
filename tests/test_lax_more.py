"""betainc, high words, stacks, ragged products, patches and the like against jax.lax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
R = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _wide() -> Any:
    with jax.enable_x64(True):
        yield


def same(got: Any, want: Any, tol: float = 1e-5) -> None:
    for g, w in zip(fgrad.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (np.asarray(g).dtype, np.shape(g)) == (np.asarray(w).dtype, np.shape(w))
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=tol, atol=tol)


def both(f: Any, *xs: Any, tol: float = 1e-5) -> None:
    """f(lax, numpy, *arrays) on both libraries, as it is and in jit."""
    want = f(jax.lax, jax.numpy, *[jax.numpy.asarray(x) for x in xs])
    given = [jnp.asarray(x) for x in xs]
    same(f(lax, jnp, *given), want, tol)
    same(fgrad.jit(lambda *v: f(lax, jnp, *v))(*given), want, tol)


def gradients(f: Any, *xs: Any, tol: float = 1e-5) -> None:
    every = tuple(range(len(xs)))

    def loss(L: Any, m: Any) -> Any:
        return lambda *v: (f(L, m, *v) * m.cos(f(L, m, *v))).sum()

    want = jax.grad(loss(jax.lax, jax.numpy), every)(*[jax.numpy.asarray(x) for x in xs])
    same(fgrad.grad(loss(lax, jnp), every)(*[jnp.asarray(x) for x in xs]), want, tol)


def floats(*shape: int, d: str = "f8") -> Any:
    return R.normal(size=shape).astype(d)


@pytest.mark.parametrize("d", ["f4", "f8"])
def test_betainc(d: str) -> None:
    a, b = R.uniform(0.2, 9, (2, 30)).astype(d)
    x = np.r_[0, 1, R.uniform(0, 1, 28)].astype(d)
    both(lambda L, m, *v: L.betainc(*v), a, b, x, tol=1e-5 if d == "f4" else 1e-9)
    if d == "f8":
        gradients(lambda L, m, x: L.betainc(m.asarray(a[2:]), m.asarray(b[2:]), x), x[2:])
        for k in (0, 1):  # jax has none in a and b
            h, p = 1e-6, [a[2:], b[2:], x[2:]]
            near = [np.asarray(lax.betainc(*[v + (i == k) * e for i, v in enumerate(p)])) for e in (-h, h)]
            slope = fgrad.grad(lambda *v: lax.betainc(*v).sum(), k)(*[jnp.asarray(v) for v in p])
            np.testing.assert_allclose(np.asarray(slope), (near[1] - near[0]) / (2 * h), rtol=1e-4, atol=1e-7)
    two, three = np.asarray([2, 3], d)
    each = [m.vmap(lambda x: L.betainc(two, three, x))(n.asarray(x)) for m, L, n in ((fgrad, lax, jnp), (jax, jax.lax, jax.numpy))]
    same(*each)


@pytest.mark.parametrize("d", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_mulhi(d: str) -> None:
    info = np.iinfo(d)
    x, y = R.integers(info.min, info.max, (2, 200), dtype=d, endpoint=True)
    x[:4], y[:4] = [info.min, info.max, info.min, 0], [info.min, info.max, info.max, info.min]
    both(lambda L, m, x, y: L.mulhi(x, y), x, y)
    exact = [(int(a) * int(b)) >> (8 * info.bits // 8) for a, b in zip(x, y)]
    assert np.asarray(lax.mulhi(jnp.asarray(x), jnp.asarray(y))).tolist() == exact


def test_stacks() -> None:
    x, y = floats(2, 3), floats(2, 3)
    for axis in (0, 1, 2, -1, -3):
        both(lambda L, m, x, y: L.stack([x, y], axis=axis), x, y)
        gradients(lambda L, m, x, y: L.stack([x, y], axis), x, y)
    for axis in (0, 1, -1):
        both(lambda L, m, x: L.unstack(x, axis), x)
    both(lambda L, m, x: L.stack([x]), np.zeros((0, 2)))


def test_reduce_xor() -> None:
    for d in ("bool", "i4", "u1", "i8"):
        x = R.integers(0, 100, (3, 4, 5)).astype(d)
        for axes in ((0,), (1, 2), (), (0, 1, 2), [2]):
            both(lambda L, m, x: L.reduce_xor(x, axes), x)
    both(lambda L, m, x: L.reduce_xor(x, (0,)), np.zeros((0, 2), "i4"))


def test_small_names() -> None:
    for x in (1, True, np.float32(1), "float32", np.int8, int, bool, np.zeros(2)):
        assert lax.dtype(x) == jax.lax.dtype(x)
    assert (lax.dtype(1.0), lax.dtype(float)) == (np.float32, np.float32)  # the default float
    assert (lax.empty((2, 3), "i4").shape, lax.empty(3, "f4").dtype) == ((2, 3), np.float32)
    both(lambda L, m, x: L.broadcast_like(x, m.zeros((2, 3))), floats(3))
    both(lambda L, m, x: (L.shape_as_value((2, 3)), L.stage(x)), floats(3))
    for padding in ("SAME", "VALID", "SAME_LOWER"):
        assert lax.padtype_to_pads((7, 8), (3, 2), (2, 3), padding) == [tuple(p) for p in jax.lax.padtype_to_pads((7, 8), (3, 2), (2, 3), padding)]
    both(lambda L, m, x: L.composite(lambda x: x * 2, "my.double")(x), floats(3))
    both(lambda L, m, x: L.platform_dependent(x, cpu=lambda x: x + 1, tpu=lambda x: x), floats(3))
    both(lambda L, m, x: L.platform_dependent(x, tpu=lambda x: x + 1, default=lambda x: x * 3), floats(3))
    assert lax.dce_sink(1.0) is None
    tree = {"a": jnp.ones(2)}
    assert lax.with_sharding_constraint(tree, None)["a"] is tree["a"]
    assert lax.pcast(tree, "i", to="varying")["a"] is tree["a"]


def test_rng_uniform() -> None:
    fgrad.manual_seed(0)
    x = lax.rng_uniform(jnp.float32(2), jnp.float32(3), (2000,))
    assert x.dtype == np.float32
    assert (float(x.min()) >= 2, float(x.max()) < 3, abs(float(x.mean()) - 2.5) < 0.05) == (True, True, True)
    i = np.asarray(lax.rng_uniform(3, 6, (500,)))
    assert (i.dtype, sorted(set(i.tolist()))) == (np.int64, [3, 4, 5])
    assert not np.array_equal(i, np.asarray(lax.rng_uniform(3, 6, (500,))))


ERRORS = [
    lambda L, m: L.rev(m.zeros((2, 3)), (0, 0)), lambda L, m: L.rev(m.zeros(3), (3,)), lambda L, m: L.expand_dims(m.zeros(3), (0, 0)),
    lambda L, m: L.broadcast_in_dim(m.zeros(3), (2, 3), (0, 1)), lambda L, m: L.reduce_sum(m.zeros(3), 0), lambda L, m: L.reduce_max(m.zeros(3), (0, 0)),
    lambda L, m: L.mulhi(m.arange(3.0), m.arange(3.0)),
    lambda L, m: L.mulhi(m.asarray(3, "int32"), m.asarray(3, "int64")),
    lambda L, m: L.stack([]),
    lambda L, m: L.stack([m.zeros(2), m.zeros(3)]),
    lambda L, m: L.stack([m.zeros(2), m.zeros(2, "int32")]),
    lambda L, m: L.unstack(m.zeros(()), 0),
    lambda L, m: L.reduce_xor(m.arange(3.0), (0,)),
    lambda L, m: L.ragged_dot(m.zeros((3, 2)), m.zeros((2, 2, 2)), m.asarray([1, 2, 3])),
    lambda L, m: L.platform_dependent(1.0, tpu=lambda x: x),
    lambda L, m: L.conv_general_dilated(m.ones((1, 1, 4)), m.ones((1, 1, 2)), (1,), "SAME", lhs_dilation=(2,)),
]


NEGATIVE = ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "reduce_xor", "argmax", "argmin", "cumsum", "cumprod",
            "cummax", "cummin", "cumlogsumexp", "rev", "concatenate"]  # fmt: skip


@pytest.mark.parametrize("name", NEGATIVE)
def test_negative_axes_are_refused(name: str) -> None:
    """They count from the back in jax.numpy only."""
    x = np.ones((2, 3), "i4" if name.endswith(("and", "or")) else "f4")
    for lib in (jax.lax, lax):
        args = ([x, x], -1) if name == "concatenate" else (x, -1, np.int32) if name.startswith("arg") else (x, -1) if name.startswith("cum") else (x, (-1,))
        with pytest.raises((ValueError, TypeError)):
            getattr(lib, name)(*args)


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_are_of_jax_classes(case: int) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        ERRORS[case](jax.lax, jax.numpy)
    with pytest.raises(theirs.type):
        ERRORS[case](lax, jnp)


@pytest.mark.parametrize("sizes", [[2, 3], [0, 5], [1, 1], [4, 3], [0, 0]])
def test_ragged_dot(sizes: Any) -> None:
    x, w, s = floats(5, 3), floats(2, 3, 4), np.asarray(sizes)
    both(lambda L, m, x, w, s: L.ragged_dot(x, w, s), x, w, s)
    gradients(lambda L, m, x, w: L.ragged_dot(x, w, m.asarray(s)), x, w)
    both(lambda L, m, x, w, s: L.ragged_dot(x, w, s, preferred_element_type="float32"), x.astype("f4"), w.astype("f4"), s)


RAGGED = {
    "rows-of-batches": ((2, 5, 3), (4, 2, 3, 6), (((2,), (2,)), ((0,), (1,))), 1, (0,), (2, 4)),
    "rows-of-batches-shared": ((2, 5, 3), (4, 2, 3, 6), (((2,), (2,)), ((0,), (1,))), 1, (0,), (4,)),
    "group-axis-last": ((5, 3), (3, 6, 4), (((1,), (0,)), ((), ())), 0, (2,), (4,)),
    "second-free-axis": ((7, 5, 3), (4, 3, 6), (((2,), (1,)), ((), ())), 1, (0,), (7, 4)),
    "contracted": ((5, 3), (5, 6), (((0,), (0,)), ((), ())), 0, (), (4,)),
    "contracted-in-batches": ((2, 5, 3), (2, 5, 6), (((1,), (1,)), ((0,), (0,))), 1, (), (2, 4)),
    "batch": ((5, 2, 3), (5, 3, 6), (((2,), (1,)), ((0,), (0,))), 0, (), (4,)),
}


def by_hand(name: str, sizes: Any) -> Any:
    """The same product by masks and an einsum."""
    ends = np.cumsum(sizes, -1)
    mask = (np.arange(5) < ends[..., None]) & (np.arange(5) >= (ends - sizes)[..., None])
    text = {"contracted": "gi,ik,ij->gkj", "contracted-in-batches": "bgi,bik,bij->gbkj", "batch": "bik,bkj->bij"}[name]
    lead = () if name == "batch" else (mask.astype("f8"),)
    return lambda x, w: jnp.einsum(text, *lead, x, w)


@pytest.mark.parametrize("name", list(RAGGED))
def test_ragged_dot_general(name: str) -> None:
    left, right, dots, at, groups, shape = RAGGED[name]
    sizes = R.integers(0, 3, shape)

    def f(L: Any, m: Any, x: Any, w: Any) -> Any:
        return L.ragged_dot_general(x, w, m.asarray(sizes), L.RaggedDotDimensionNumbers(dots, [at], list(groups)))

    both(f, floats(*left), floats(*right))
    if at in dots[0][0] or at in dots[1][0]:  # jax has no derivative of these
        dense = [fgrad.grad(lambda *v: (g(*v) * jnp.cos(g(*v))).sum(), (0, 1)) for g in (lambda *v: f(lax, jnp, *v), by_hand(name, sizes))]
        x, w = jnp.asarray(floats(*left)), jnp.asarray(floats(*right))
        same(dense[0](x, w), tuple(np.asarray(v) for v in dense[1](x, w)))
        return
    gradients(f, floats(*left), floats(*right))


PATCHES = [
    ((2, 3, 7, 8), (2, 3), (1, 2), "SAME", {}),
    ((2, 3, 7, 8), (2, 3), (2, 1), "VALID", {"rhs_dilation": (2, 2)}),
    ((2, 7, 8, 3), (3, 2), (1, 1), [(1, 0), (0, 2)], {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}),
    ((2, 7, 8, 3), (3, 2), (1, 1), [(0, 0), (1, 1)], {"dimension_numbers": ("NHWC", "OIHW", "NCHW"), "lhs_dilation": (2, 1)}),
    ((2, 3, 9), (4,), (3,), "VALID", {}),
]


@pytest.mark.parametrize("case", range(len(PATCHES)))
def test_patches_and_local_convolutions(case: int) -> None:
    shape, window, stride, padding, options = PATCHES[case]
    x = floats(*shape)
    both(lambda L, m, x: L.conv_general_dilated_patches(x, window, stride, padding, **options), x)
    gradients(lambda L, m, x: L.conv_general_dilated_patches(x, window, stride, padding, **options), x)
    layout = options.get("dimension_numbers")
    y = jax.lax.conv_general_dilated_patches(x, window, stride, padding, **options).shape
    places = y[2:] if layout is None or layout[2][1] == "C" else y[1:-1]
    sizes = {"O": 5, "I": 3 * int(np.prod(window)), "H": places[0], "W": places[-1]}
    w = floats(*[sizes[ch] for ch in ("OIH" if len(window) == 1 else "OIHW" if layout is None else layout[1])])
    both(lambda L, m, x, w: L.conv_general_dilated_local(x, w, stride, padding, window, **options), x, w)
    gradients(lambda L, m, x, w: L.conv_general_dilated_local(x, w, stride, padding, window, **options), x, w)


def test_corners_of_operators() -> None:
    f, c, i = floats(2, 3), floats(2, 3) + 1j * floats(2, 3), R.integers(-9, 9, (2, 3)).astype("i4")
    both(lambda L, m, f, i: (L.pow(abs(f), i), L.pow(f, m.asarray(2)), L.pow(abs(f), 0.5)), f, i)
    gradients(lambda L, m, f: L.pow(f, m.asarray(3)), f)
    both(lambda L, m, c, i: (L.sign(c), L.sign(c * 0), L.sign(i)), c, i)
    both(lambda L, m, i: (L.reduce_and(i, (0,)), L.reduce_or(i, (0, 1)), L.reduce_or(i > 0, (1,)), L.reduce_and(i > 0, (0,))), i)
    both(lambda L, m, x: m.fft.fft(x.astype(m.bfloat16)), f)
    for m, L in ((jnp, lax), (jax.numpy, jax.lax)):
        with pytest.raises(TypeError):
            L.transpose(m.zeros((2, 3)), (0, 0))
        with pytest.raises(ValueError, match="norm"):
            m.linalg.norm(m.zeros((2, 3, 4)), "fro")
    scipy = [s.interpolate.RegularGridInterpolator((m.arange(3.0),), m.asarray([1.0, 2, 4]))(m.asarray([0.5, 1.5])) for s, m in
             ((fgrad.scipy, jnp), (jax.scipy, jax.numpy))]  # fmt: skip
    np.testing.assert_allclose(*[np.asarray(v) for v in scipy])
