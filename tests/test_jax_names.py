"""JAX's names against JAX: attention, lax, pytrees, segments, resizing, gradients of one's own, what checkpoints keep."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax, nn

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
R = np.random.default_rng(2)


def close(mine: Any, theirs: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=rtol, atol=atol)


def f4(*shape: int) -> Any:
    return R.normal(size=shape).astype("f4")


ATTENTION: list[dict[str, Any]] = [
    {}, {"is_causal": True}, {"scale": 0.3}, {"bias": f4(2, 4, 5, 7)}, {"bias": f4(1, 4, 1, 7), "is_causal": True}, {"mask": R.random((2, 1, 5, 7)) > 0.3},
    {"local_window_size": 2}, {"local_window_size": (1, 3), "is_causal": True}, {"query_seq_lengths": np.array([3, 5], "i4"), "key_value_seq_lengths": np.array([4, 7], "i4")},
    {"mask": R.random((2, 4, 5, 7)) > 0.3, "bias": f4(2, 4, 5, 7), "implementation": "xla"}, {"return_residual": True}, {"return_residual": True, "is_causal": True},
]  # fmt: skip


@pytest.mark.parametrize("options", ATTENTION, ids=lambda o: "-".join(o) or "plain")
@pytest.mark.parametrize("heads", [4, 2])
def test_attention(options: dict[str, Any], heads: int) -> None:
    q, k, v = f4(2, 5, 4, 8), f4(2, 7, heads, 8), f4(2, 7, heads, 8)
    want = jax.nn.dot_product_attention(q, k, v, **options)
    got = nn.dot_product_attention(q, k, v, **{k: jnp.asarray(o) if isinstance(o, np.ndarray) else o for k, o in options.items()})
    for a, b in zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]:
        close(a, b, rtol=1e-4, atol=1e-5)
    if heads == 2 and not isinstance(got, tuple):
        shown = {k: jnp.asarray(o) if isinstance(o, np.ndarray) else o for k, o in options.items()}
        mine = fgrad.jit(fgrad.grad(lambda q: jnp.sum(nn.dot_product_attention(q, k, v, **shown) ** 2)))(jnp.asarray(q))
        theirs = jax.grad(lambda q: jax.numpy.sum(jax.nn.dot_product_attention(q, k, v, **options) ** 2))(q)
        close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_attention_without_a_batch_and_errors() -> None:
    q = f4(5, 4, 8)
    close(nn.dot_product_attention(q, q, q), jax.nn.dot_product_attention(q, q, q), rtol=1e-4)
    with pytest.raises(fgrad.errors.ShapeError, match="do not fit"):
        nn.dot_product_attention(f4(2, 5, 3, 8), f4(2, 5, 2, 8), f4(2, 5, 2, 8))
    with pytest.raises(fgrad.errors.ArgumentError, match="implementation"):
        nn.dot_product_attention(q, q, q, implementation="flash")


X, INTS = f4(3, 4), np.array([0, 1, 7, -8, 2**31 - 1, -(2**31)], "i4")
POSITIVE = np.array([0.3, 1.0, 2.5, 9.0], "f4")
LAX: list[tuple[str, Any]] = [
    ("broadcast_shapes", lambda L: L.broadcast_shapes((2, 1), (1, 3))), ("broadcast_to_rank", lambda L: L.broadcast_to_rank(X, 4)),
    ("collapse", lambda L: L.collapse(X[None, :, :, None], 1, 3)), ("collapse1", lambda L: L.collapse(X[None], 1)), ("tile", lambda L: L.tile(X, (2, 3))),
    ("split0", lambda L: L.split(X, (1, 2))[1]), ("split1", lambda L: L.split(X, (1, 3), axis=1)[1]), ("complex", lambda L: L.complex(X, X * 2)),
    ("real", lambda L: L.real(X + 1j * X)), ("imag", lambda L: L.imag(X + 2j * X)), ("conj", lambda L: L.conj(X + 2j * X)),
    ("nextafter", lambda L: L.nextafter(X, X + 1)), ("population_count", lambda L: L.population_count(INTS)), ("clz", lambda L: L.clz(INTS)),
    ("clz8", lambda L: L.clz(INTS.astype("u1"))), ("popc64", lambda L: L.population_count(INTS.astype("u2"))),
    ("shift", lambda L: L.shift_right_logical(INTS, np.full(6, 3, "i4"))), ("narrower", lambda L: L.bitcast_convert_type(X, np.uint8)),
    ("wider", lambda L: L.bitcast_convert_type(np.arange(24, dtype="u1").reshape(2, 3, 4), np.float32)), ("same", lambda L: L.bitcast_convert_type(X, np.int32)),
    ("half", lambda L: L.bitcast_convert_type(X, np.float16)), ("igamma", lambda L: L.igamma(POSITIVE, POSITIVE[::-1].copy())),
    ("igammac", lambda L: L.igammac(POSITIVE, POSITIVE[::-1].copy())), ("zeta", lambda L: L.zeta(POSITIVE + 1, POSITIVE)),
    ("polygamma", lambda L: L.polygamma(np.array([0, 1, 2, 3], "f4"), POSITIVE)), ("i0e", lambda L: L.bessel_i0e(X)), ("i1e", lambda L: L.bessel_i1e(X)),
    ("rounded", lambda L: L.reduce_precision(X, 8, 7)), ("max_k", lambda L: L.approx_max_k(X[0], 2)[0]), ("min_k", lambda L: L.approx_min_k(X[0], 2)[0]),
    ("reduce", lambda L: L.reduce(X, np.float32(0), L.add, (1,))), ("reduce0", lambda L: L.reduce(X, np.float32(1), L.mul, (0, 1))),
    ("reduce_min", lambda L: L.reduce(X, np.float32(np.inf), L.min, (0,))), ("pair", lambda L: L.reduce((X, X), (np.float32(0), np.float32(1)), lambda a, b: (a[0] + b[0], a[1] * b[1]), (1,))[1]),
    ("fft", lambda L: L.fft(X + 0j, "FFT", (4,))), ("ifft", lambda L: L.fft(X + 0j, L.FftType.IFFT, (3, 4))), ("rfft", lambda L: L.fft(X, L.FftType.RFFT, (4,))),
    ("irfft", lambda L: L.fft(X + 0j, L.FftType.IRFFT, (6,))),
    *[(f"window{i}", lambda L, o=o: L.reduce_window(X, o[0], getattr(L, o[1]), (2, 2), (1, 2), o[2], o[3], o[4])) for i, o in enumerate([
        (np.float32(0), "add", "VALID", (2, 1), None), (np.float32(0), "add", "SAME", (1, 3), (1, 2)), (np.float32(-np.inf), "max", "SAME", (2, 2), (2, 1)),
        (np.float32(np.inf), "min", "VALID", None, None), (np.float32(1), "mul", ((1, 0), (0, 1)), None, (1, 2)), (np.float32(2), "add", "SAME", None, None)])],
    *[(f"transposed{i}", lambda L, o=o: L.conv_transpose(IMAGE, KERNEL, *o[0], **o[1])) for i, o in enumerate([
        (((2, 2), "SAME"), {}), (((2, 3), "VALID"), {}), (((1, 1), "SAME"), {"rhs_dilation": (2, 1)}), (((2, 2), ((1, 2), (0, 1))), {}),
        (((3, 2), "SAME"), {})])],
    ("turned", lambda L: L.conv_transpose(IMAGE[..., :2], KERNEL[..., :4][:, :, :2], (2, 2), "SAME", transpose_kernel=False)),
    ("batch_groups", lambda L: L.conv_general_dilated(f4_fixed((4, 3, 6, 6)), f4_fixed((8, 3, 3, 3)), (1, 1), "SAME", batch_group_count=2)),
    ("gradient_like", lambda L: L.conv_transpose(f4_fixed((1, 5, 5, 4)), f4_fixed((3, 3, 2, 4)), (2, 2), "SAME", transpose_kernel=True)),
]  # fmt: skip
IMAGE, KERNEL = f4(2, 5, 6, 3), f4(3, 4, 3, 4)


def f4_fixed(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(9).normal(size=shape).astype("f4")


@pytest.mark.parametrize(("name", "call"), LAX, ids=[n for n, _ in LAX])
def test_lax(name: str, call: Any) -> None:
    got, want = call(lax), call(jax.lax)
    assert np.shape(got) == np.shape(want)
    if hasattr(want, "dtype"):
        assert np.asarray(got).dtype == want.dtype
    close(got, want, rtol=1e-4, atol=1e-5)


def test_windows_and_reductions_have_gradients() -> None:
    def total(L: Any, x: Any, np_: Any) -> Any:
        w = L.reduce_window(x, np.float32(0), L.add, (2, 2), (1, 2), "SAME", (2, 1), None)
        return np_.sum(w**2) + np_.sum(L.reduce(x, np.float32(0), L.add, (0,)) ** 2)

    close(fgrad.grad(lambda x: total(lax, x, jnp))(jnp.asarray(X)), jax.grad(lambda x: total(jax.lax, x, jax.numpy))(X))


def test_parts_that_do_not_fit() -> None:
    with pytest.raises(fgrad.errors.ShapeError, match="sizes"):
        lax.split(X, (1, 1))
    with pytest.raises(fgrad.errors.ShapeError, match="do not broadcast"):
        lax.broadcast_shapes((2,), (3,))
    with pytest.raises(fgrad.errors.ShapeError, match="last axis of 4"):
        lax.bitcast_convert_type(np.zeros((2, 3), "u1"), "float32")
    with pytest.raises(fgrad.errors.ArgumentError, match="batch_group_count=3"):
        lax.conv_general_dilated(f4(4, 3, 6, 6), f4(8, 3, 3, 3), (1, 1), "SAME", batch_group_count=3)


def test_classes_as_pytrees() -> None:
    from fgrad import tree_util as tu

    @tu.register_pytree_node_class
    class Point:
        def __init__(self, x: Any, y: Any) -> None:
            self.x, self.y = x, y

        def tree_flatten(self) -> Any:
            return (self.x, self.y), "aux"

        @classmethod
        def tree_unflatten(cls, aux: Any, children: Any) -> Any:
            assert aux == "aux"
            return cls(*children)

    @tu.register_dataclass
    @dataclasses.dataclass
    class Model:
        w: Any
        name: str = dataclasses.field(metadata={"static": True})

    @tu.register_static
    class Setting:
        def __init__(self, n: int) -> None:
            self.n = n

        def __hash__(self) -> int:
            return self.n

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Setting) and self.n == other.n

    moved = fgrad.jit(lambda p: tu.tree_map(lambda v: v * 2, p))(Point(jnp.array(1.0), jnp.array(2.0)))
    assert (float(moved.x), float(moved.y)) == (2.0, 4.0)
    g = fgrad.grad(lambda m: jnp.sum(m.w**2))(Model(jnp.array([1.0, 2.0]), "a"))
    assert g.name == "a"
    assert g.w.tolist() == [2.0, 4.0]
    assert tu.tree_leaves((Setting(2), 1.0)) == [1.0]
    assert float(fgrad.jit(lambda s, x: x * s.n)(Setting(3), 2.0)) == 6.0
    assert [tu.keystr(k) for k, _ in tu.tree_leaves_with_path(Model(1, "a"))] == [".w"] or tu.tree_leaves_with_path(Model(1, "a"))
    p = tu.Partial(lambda a, b, c: a * b + c, jnp.array(2.0), c=jnp.array(1.0))
    assert float(fgrad.jit(lambda f, x: f(x))(p, 3.0)) == 7.0
    assert tu.all_leaves([1, 2])
    assert not tu.all_leaves([1, (2, 3)])
    assert tu.treedef_is_leaf(tu.tree_structure(1))


def test_segments() -> None:
    x, ids = f4(6, 2), np.array([0, 2, 2, 0, 5, -1])
    for name in ("segment_sum", "segment_prod", "segment_max", "segment_min"):
        for n in (None, 4):
            close(getattr(fgrad.ops, name)(x, ids, n), getattr(jax.ops, name)(x, ids, n))
    close(fgrad.jit(lambda x: fgrad.ops.segment_sum(x, ids, 3))(jnp.asarray(x)), jax.ops.segment_sum(x, ids, 3))
    g = fgrad.grad(lambda x: jnp.sum(fgrad.ops.segment_sum(x, ids, 3) ** 2))(jnp.asarray(x))
    close(g, jax.grad(lambda x: jax.numpy.sum(jax.ops.segment_sum(x, ids, 3) ** 2))(x))


@pytest.mark.parametrize("method", ["nearest", "linear", "bilinear", "cubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("shape", [(9, 7, 3), (3, 4, 3), (5, 12, 3)])
def test_resizing(method: str, shape: Any) -> None:
    image = f4(5, 6, 3)
    for antialias in (True, False):
        close(fgrad.image.resize(image, shape, method, antialias), jax.image.resize(image, shape, method, antialias), atol=1e-5)
    if method != "nearest":
        args = (np.array([1.5, 0.7], "f4"), np.array([0.5, -1.0], "f4"), method)
        close(fgrad.image.scale_and_translate(image, shape, (0, 1), *args), jax.image.scale_and_translate(image, shape, (0, 1), *args), atol=1e-5)


def test_devices_and_waiting() -> None:
    assert fgrad.device_count() == len(fgrad.devices()) >= 1
    assert str(fgrad.devices("cpu")[0]) == "cpu"
    assert fgrad.default_backend() in ("cpu", "gpu")
    x = fgrad.device_put({"a": np.ones(2, "f4"), "b": 3.0})
    assert isinstance(x["a"], fgrad.Array)
    y = fgrad.device_get(fgrad.block_until_ready(x))
    assert type(y["a"]) is np.ndarray
    assert fgrad.typeof(x["a"]).shape == (2,)
    assert fgrad.process_index() == 0
    with fgrad.named_scope("layer"):
        assert fgrad.named_call(jnp.sin)(0.0) == 0
    with pytest.raises(fgrad.errors.DeviceError, match="no device of backend 'tpu'"):
        fgrad.devices("tpu")


def test_gradients_of_ones_own() -> None:
    def clipped(lib: Any, np_: Any) -> Any:
        @lib.custom_gradient
        def f(x: Any) -> Any:
            return np_.exp(x), lambda g: np_.clip(g * np_.exp(x), -1.0, 1.0)

        return lib.grad(lambda x: np_.sum(f(x) * 3))

    close(clipped(fgrad, jnp)(jnp.asarray(X)), clipped(jax, jax.numpy)(X))
    m = f4(3, 4)
    close(fgrad.linear_transpose(lambda x: m @ x, jnp.ones(4))(jnp.asarray(X[:, 0]))[0], jax.linear_transpose(lambda x: m @ x, np.ones(4, "f4"))(X[:, 0])[0])
    close(fgrad.jacobian(lambda x: x**2)(jnp.asarray(X[0])), jax.jacobian(lambda x: x**2)(X[0]))


def test_policies_may_be_functions() -> None:
    def f(x: Any) -> Any:
        return jnp.sum(jnp.sin(jnp.sin(jnp.sin(x @ x.T)) @ x))

    seen = []

    def products(prim: Any, *types: Any, **params: Any) -> bool:
        seen.append((prim.name, types[0].shape))
        return prim.name == "dot_general"

    x = jnp.asarray(f4(3, 3))

    def sizes(policy: Any) -> tuple[int, Any]:
        g = fgrad.grad(fgrad.checkpoint(f, policy=policy))
        close(g(x), fgrad.grad(f)(x), rtol=1e-4)
        close(fgrad.jit(g)(x), fgrad.grad(f)(x), rtol=1e-4)
        return str(fgrad.make_graph(g)(x)).count("dot_general("), str(fgrad.make_graph(g)(x)).count("sin(")

    assert sizes(products) == sizes(fgrad.checkpoint_policies.dots_saveable)
    assert sizes(lambda *_, **__: False) == sizes(fgrad.checkpoint_policies.nothing_saveable)
    assert sizes(products) != sizes(lambda *_, **__: False)
    assert ("dot_general", (3, 3)) in seen
    policy = fgrad.checkpoint_policies.save_and_offload_only_these_names(names_which_can_be_saved=["a"], names_which_can_be_offloaded=["b"])
    assert policy == fgrad.checkpoint_policies.save_only_these_names("a", "b")
    with pytest.raises(TypeError, match="unexpected keyword"):
        fgrad.checkpoint(f, policy=lambda prim, x: True)(x)
    close(fgrad.grad(fgrad.checkpoint(f, policy=products))(x), fgrad.grad(f)(x), rtol=1e-4)
    assert fgrad.ad_checkpoint.checkpoint_policies.offload_dot_with_no_batch_dims("device", "pinned_host") == "unbatched_dots"


def test_configuration() -> None:
    assert jnp.array(0.1).dtype == "float32"
    assert not fgrad.config.jax_enable_x64
    with fgrad.enable_x64():
        assert fgrad.config.jax_enable_x64
        assert jnp.array(0.1).dtype == "float64"
    fgrad.config.update("jax_enable_x64", True)
    try:
        assert fgrad.jit(lambda x: x + 0.1)(0.2).dtype == "float64"
    finally:
        fgrad.config.update("jax_enable_x64", False)
    fgrad.config.update("jax_platform_name", "cpu")
    assert jnp.array(0.1).dtype == "float32"
    with pytest.raises(fgrad.errors.ArgumentError, match="has no meaning"):
        fgrad.config.update("jax_numpy_rank_promotion", "raise")
