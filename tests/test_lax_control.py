"""cond, switch, scan, while_loop, fori_loop, map, associative_scan, slices and operators of fgrad.lax, against jax.lax."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

jax = pytest.importorskip("jax")
import jax.numpy as oracle  # noqa: E402

pytestmark = pytest.mark.oracle
rng = np.random.default_rng(0)
W = rng.normal(size=(3, 3)).astype("float32")
X = rng.normal(size=(5, 3)).astype("float32")


def close(got, want, tol=1e-5):
    got, want = fgrad.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=tol, atol=tol)


def rnn(m, scan, w, xs):
    def step(h, x):
        h = m.tanh(h @ w + x)
        return h, (h**2, x[0])

    last, (hs, firsts) = scan(step, m.zeros(3), xs)
    return m.sum(last) + m.sum(hs) * m.sum(firsts)


def branchy(m, lib, w, xs):
    def step(c, x):
        c = lib.cond(m.sum(x) > 0, lambda v: m.sin(v * w[0]), lambda v: v * w[1] + x, c)
        return c, c[0]

    return m.sum(lib.scan(step, m.ones(3), xs, reverse=True)[1])


def looped(m, lib, w, xs):
    return m.sum(lib.fori_loop(1, 4, lambda i, v: v * m.cos(w[0]) + i * xs[0], m.ones(3)))


def switched(m, lib, w, xs):
    parts = [lambda v: v * w[0], lambda v: m.exp(v), lambda v: v - 1.0]
    return sum(m.sum(lib.switch(m.array(k), parts, xs[k])) for k in range(4))


PROGRAMS = {
    "rnn": (lambda w, xs: rnn(jnp, lax.scan, w, xs), lambda w, xs: rnn(oracle, jax.lax.scan, w, xs)),
    "branchy": (lambda w, xs: branchy(jnp, lax, w, xs), lambda w, xs: branchy(oracle, jax.lax, w, xs)),
    "looped": (lambda w, xs: looped(jnp, lax, w, xs), lambda w, xs: looped(oracle, jax.lax, w, xs)),
    "switched": (lambda w, xs: switched(jnp, lax, w, xs), lambda w, xs: switched(oracle, jax.lax, w, xs)),
}
program = pytest.mark.parametrize("name", list(PROGRAMS))


@program
def test_values_and_gradients(name):
    f, g = PROGRAMS[name]
    close(f(jnp.array(W), jnp.array(X)), g(W, X))
    want = jax.grad(g, (0, 1))(W, X)
    close(fgrad.grad(f, (0, 1))(jnp.array(W), jnp.array(X)), want, 1e-4)
    close(fgrad.jit(fgrad.grad(f, (0, 1)))(W, X), want, 1e-4)


@program
def test_forward_mode_and_second_order(name):
    f, g = PROGRAMS[name]
    close(fgrad.jvp(f, (W, X), (W, X)), jax.jvp(g, (W, X), (W, X)), 1e-4)
    f2, g2 = (lambda w: f(w, jnp.array(X))), (lambda w: g(w, X))
    close(fgrad.jacfwd(fgrad.grad(f2))(jnp.array(W)), jax.jacfwd(jax.grad(g2))(W), 1e-3)
    close(fgrad.grad(lambda w: jnp.sum(fgrad.grad(f2)(w) ** 2))(jnp.array(W)),
          jax.grad(lambda w: oracle.sum(jax.grad(g2)(w) ** 2))(W), 1e-3)  # fmt: skip


@program
def test_vmap_and_per_example_gradients(name):
    f, g = PROGRAMS[name]
    ws, xs = np.stack([W, W + 0.5]), np.stack([X, -X])
    for axes in ((0, 0), (0, None), (None, 0)):
        a, b = (ws if axes[0] == 0 else W), (xs if axes[1] == 0 else X)
        close(fgrad.vmap(f, axes)(a, b), jax.vmap(g, axes)(a, b), 1e-4)
        close(fgrad.vmap(fgrad.grad(f), axes)(a, b), jax.vmap(jax.grad(g), axes)(a, b), 1e-3)
    close(fgrad.grad(lambda w: jnp.sum(fgrad.vmap(f, (None, 0))(w, jnp.array(xs))))(jnp.array(W)),
          jax.grad(lambda w: oracle.sum(jax.vmap(g, (None, 0))(w, xs)))(W), 1e-3)  # fmt: skip


def test_a_while_loop_is_read_where_a_reverse_derivative_could_be_asked_for():
    def loop(x):
        return lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, 2 * s[1]), (0, x))[1]

    def f(x):
        assert float(loop(x)) == 16.0
        return x * x

    assert float(fgrad.grad(f)(2.0)) == 4.0
    value, tangent = fgrad.jvp(lambda x: loop(x) * float(loop(x)), (2.0,), (1.0,))
    assert (float(value), float(tangent)) == (256.0, 128.0)
    y = loop(fgrad.tensor(2.0, requires_grad=True))
    assert float(y) == 16.0
    with pytest.raises(fgrad.errors.GradError, match="no reverse-mode"):
        y.backward()
    z = fgrad.pure_callback(lambda a: a * 2, fgrad.ShapeDtypeStruct((), "float32"), fgrad.tensor(1.0, requires_grad=True))
    assert float(z) == 2.0


def test_while_loop_values_forward_mode_and_vmap():
    def f(m, lib, x):
        return lib.while_loop(lambda c: c[1] < 100.0, lambda c: (c[0] + 1, c[1] * x + 1), (0, 1.0))

    close(f(jnp, lax, jnp.array(2.0)), f(oracle, jax.lax, oracle.array(2.0)))
    close(fgrad.jvp(lambda x: f(jnp, lax, x)[1], (2.0,), (1.0,)), jax.jvp(lambda x: f(oracle, jax.lax, x)[1], (2.0,), (1.0,)))
    xs = np.array([1.5, 2.0, 50.0], "float32")
    close(fgrad.vmap(lambda x: f(jnp, lax, x))(xs), jax.vmap(lambda x: f(oracle, jax.lax, x))(xs))
    with pytest.raises(RuntimeError, match="no reverse-mode derivative"):
        fgrad.grad(lambda x: f(jnp, lax, x)[1])(2.0)


def test_fori_loop_with_bounds_that_are_arrays():
    f = fgrad.jit(lambda n: lax.fori_loop(0, n, lambda i, v: v + i, 0))
    assert int(f(jnp.array(5))) == 10
    assert int(f(jnp.array(0))) == 0
    assert float(lax.fori_loop(3, 3, lambda i, v: v + 1.0, 2.0)) == 2.0


def test_map_and_scan_without_xs():
    close(lax.map(lambda p: p[0] * p[1][0], (X, X)), jax.lax.map(lambda p: p[0] * p[1][0], (X, X)))
    close(lax.scan(lambda c, _: (c * 2, c), 1.0, None, length=4), jax.lax.scan(lambda c, _: (c * 2, c), 1.0, None, length=4))
    close(lax.scan(lambda c, x: (c, None), 1.0, X), jax.lax.scan(lambda c, x: (c, None), 1.0, X))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(n, reverse):
    x = rng.normal(size=(2, n)).astype("float32")

    def f(m, lib, x):
        def combine(a, b):
            return a[0] * b[0], a[1] * b[0] + b[1]

        return lib.associative_scan(combine, (x, m.sin(x)), reverse=reverse, axis=1)

    close(f(jnp, lax, jnp.array(x)), f(oracle, jax.lax, x), 1e-4)
    close(fgrad.grad(lambda x: jnp.sum(f(jnp, lax, x)[1]))(jnp.array(x)),
          jax.grad(lambda x: oracle.sum(f(oracle, jax.lax, x)[1]))(x), 1e-3)  # fmt: skip


def test_cond_forms():
    assert float(lax.cond(True, lambda: 1.0, lambda: 2.0)) == 1.0
    assert float(lax.cond(jnp.array(0), lambda x: x, lambda x: -x, operand=3.0)) == -3.0
    assert lax.switch(7, [lambda: 0, lambda: 1]) == 1
    assert int(lax.switch(jnp.array(-3), [lambda: 0, lambda: 1])) == 0
    y = fgrad.jit(lambda p, x: lax.cond(p, lambda v: {"a": v * 2}, lambda v: {"a": 0.0}, x))(True, 2.0)
    assert float(y["a"]) == 4.0
    # a float beside an array takes its dtype
    assert lax.cond(jnp.array(True), lambda: 1.0, lambda: jnp.array(2.5, "float64")).dtype == "float64"


ERRORS = [
    (lambda: lax.scan(lambda c, x: (jnp.stack([c, c]), x), jnp.array(0.0), X[:, 0]),
     TypeError, r"(?s)carry leaf 0 has type float32\[2\] where float32\[\] is expected.*jnp.stack"),
    (lambda: lax.scan(lambda c, x: ((c, c), x), 0.0, X), TypeError, "changes its structure"),
    (lambda: lax.scan(lambda c, x: c, 0.0, X), TypeError, "must return a pair"),
    (lambda: lax.scan(lambda c, x: (c, x), 0.0, (X, X[:2])), ValueError, "different leading lengths"),
    (lambda: lax.scan(lambda c, x: (c, x), 0.0), ValueError, "neither xs nor length"),
    (lambda: lax.while_loop(lambda c: c, lambda c: c, 1.0), TypeError, r"the condition returns \(float32\[\]\)"),
    (lambda: lax.while_loop(lambda c: c > 0, lambda c: c.astype("float64"), jnp.array(1.0)), TypeError, "float64"),
    (lambda: lax.cond(jnp.ones(2) > 0, lambda: 1, lambda: 2), TypeError, r"cond: the predicate has type bool\[2\]"),
    (lambda: lax.switch(jnp.array([1]), [lambda: 1, lambda: 2]), TypeError, r"switch: the index has type int64\[1\]"),
    (lambda: lax.map(lambda x: x, X, batch_size=0), ValueError, "map: batch_size=0 *\n"),
    (lambda: lax.integer_pow(np.arange(3), -1), TypeError, r"integer_pow: int64\[3\] to the power -1"),
    (lambda: lax.index_in_dim(X, 5, 0), IndexError, r"index_in_dim: 5 on axis 0 of float32\[5,3\]"),
    (lambda: lax.squeeze(X, (1,)), ValueError, r"squeeze: dimensions \(1,\) of float32\[5,3\] are not all 1"),
    (lambda: lax.associative_scan(X, X), ValueError, "associative_scan: fn is ndarray"),
    (lambda: lax.cond(jnp.array(True), lambda: (1, 2), lambda: 1), TypeError, "different trees"),
    (lambda: lax.cond(jnp.array(True), lambda: jnp.ones(2), lambda: jnp.ones(3)), TypeError, r"result of true_fun, leaf 0 has type float32\[2\] where float32\[3\]"),
    (lambda: lax.add(jnp.ones(2), jnp.ones(2, "int32")), TypeError, "same dtypes"),
]  # fmt: skip


f4, i4 = "float32", "int32"
MIXED = [  # (program, whether JAX refuses it)
    (lambda m, L: L.cond(m.asarray(True), lambda x: x.astype(i4), lambda x: x, m.ones(2, f4)), True),
    (lambda m, L: L.cond(True, lambda x: x.astype(i4), lambda x: x, m.ones(2, f4)), True),
    (lambda m, L: L.cond(m.asarray(True), lambda: 1, lambda: 1.0), True),
    (lambda m, L: L.cond(m.asarray(True), lambda: 1, lambda: m.asarray(1, i4)), False),
    (lambda m, L: L.cond(m.asarray(True), lambda: 1, lambda: m.float32(1.0)), True),
    (lambda m, L: L.cond(m.asarray(True), lambda: 1.5, lambda: m.float32(1.0)), False),
    (lambda m, L: L.cond(m.asarray(True), lambda: 1.5, lambda: m.asarray(1, "float16")), True),
    (lambda m, L: L.cond(m.asarray(True), lambda: True, lambda: 1), True),
    (lambda m, L: L.cond(m.asarray(True), lambda: 1j, lambda: m.float32(1)), True),
    (lambda m, L: L.switch(m.asarray(1), [lambda x: x, lambda x: x.astype(i4)], m.ones(2, f4)), True),
    (lambda m, L: L.switch(m.asarray(1), [lambda x: 1, lambda x: x], m.asarray(2.0, f4)), True),
    (lambda m, L: L.while_loop(lambda x: x < 3, lambda x: x + m.asarray(1.0, f4), m.asarray(0, i4)), True),
    (lambda m, L: L.while_loop(lambda x: x < 3, lambda x: x + 1.5, 0), False),
    (lambda m, L: L.while_loop(lambda x: m.sum(x) > 3, lambda x: 1, m.asarray(5.0, f4)), True),
    (lambda m, L: L.while_loop(lambda x: m.sum(x) > 3, lambda x: 1.0, m.asarray(5, i4)), True),
    (lambda m, L: L.while_loop(lambda x: x < 3, lambda x: m.asarray(5, i4), m.asarray(1.0, f4)), True),
    (lambda m, L: L.scan(lambda c, x: (c + x, c), m.asarray(0, i4), m.ones(3, f4)), True),
    (lambda m, L: L.scan(lambda c, x: (c + x, c), 0, m.ones(3, f4)), False),
    (lambda m, L: L.scan(lambda c, x: (c * 1.5, c), 1, None, length=3), False),
    (lambda m, L: L.scan(lambda c, x: (1, c), m.asarray(1.0, f4), None, length=3), True),
    (lambda m, L: L.scan(lambda c, x: (1.0, c), m.asarray(1.0, "float16"), None, length=3), True),
    (lambda m, L: L.scan(lambda c, x: (c + 1, c), True, None, length=3), True),
    (lambda m, L: L.scan(lambda c, x: (c + x, c), 0.0, m.ones(3, f4), unroll=-1), True),
    (lambda m, L: L.fori_loop(0, 3, lambda i, c: c + i * 0.5, m.asarray(0, i4)), True),
    (lambda m, L: L.fori_loop(0, 3, lambda i, c: c + i, m.asarray(0, i4)), False),
    (lambda m, L: L.fori_loop(0, m.asarray(3, i4), lambda i, c: c + i, m.asarray(0, i4)), False),
    (lambda m, L: L.fori_loop(m.asarray(0, "int16"), m.asarray(3, i4), lambda i, c: c + 1, 0), True),
    (lambda m, L: L.fori_loop(0, 3, lambda i, c: c + i * 0.5, 0), False),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(MIXED)))
def test_dtypes_of_branches_and_carries_are_joined_or_refused_as_by_jax(case):
    f, refused = MIXED[case]
    if refused:
        with pytest.raises((TypeError, ValueError)):
            f(oracle, jax.lax)
        with pytest.raises((TypeError, ValueError)):
            f(jnp, lax)
    else:
        got, want = fgrad.tree.leaves(f(jnp, lax)), jax.tree.leaves(f(oracle, jax.lax))
        assert [x.dtype.name for x in got] == [x.dtype.name for x in want]
        close(got, want)


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    f, kind, text = ERRORS[case]
    with pytest.raises(kind, match=text):
        f()


def test_writing_to_an_outer_tensor_inside_a_branch_is_an_error():
    t = fgrad.zeros(2)
    with pytest.raises(TypeError, match="was written inside cond"):
        lax.cond(jnp.array(True), lambda: t.add_(1), lambda: t * 1)


def test_a_steady_loop_finds_its_program_again():
    gc.collect()  # tensors of other tests that wait for the collector belong to the recording until they are gone
    w = jnp.array(W)

    def step(w):
        return w - 0.1 * fgrad.grad(lambda w: rnn(jnp, lax.scan, w, jnp.array(X)))(w)

    for _ in range(3):
        w = step(w).block_until_ready()
    from fgrad.eager import explain

    before = explain.count()
    for _ in range(3):
        w = step(w).block_until_ready()
    assert explain.count() == before


HALVES = np.array([-np.inf, -2.5, -1.5, -0.5, -0.2, 0.0, 0.5, 1.5, 2.5, np.inf, np.nan], "float32")
WHOLE = np.array([-7, -3, -1, 0, 1, 3, 7, 100], "int32")
DIVISOR = np.array([2, -2, 3, 5, -5, 1, -1, 7], "int32")
WIDE = np.array([0.0, 1000.0, -1000.0, 5.0, -np.inf, 4.0, np.inf, 2.0, np.nan], "float32")
IMAGE = rng.normal(size=(2, 4, 7, 6)).astype("float32")
KERNEL = rng.normal(size=(6, 2, 3, 3)).astype("float32")
CALLS = [
    ("dynamic_slice", (X, (3, 1), (3, 2)), {}), ("dynamic_slice", (X, (-2, 0), (2, 2)), {}),
    ("dynamic_update_slice", (X, X[:2, :2], (4, 0)), {}), ("dynamic_slice_in_dim", (X, 4, 2), {"axis": 0}),
    ("dynamic_index_in_dim", (X, 1), {"axis": 1, "keepdims": False}), ("dynamic_update_index_in_dim", (X, X[0], 2, 0), {}),
    ("dynamic_update_slice_in_dim", (X, X[:2], 1, 0), {}), ("slice", (X, (1, 0), (5, 3), (2, 1)), {}),
    ("slice_in_dim", (X, 1, 4), {"stride": 2}), ("index_in_dim", (X, -1, 0), {}),
    ("dot_general", (X, W, (((1,), (0,)), ((), ()))), {}), ("pad", (X, np.float32(1), ((1, -1, 2), (0, 3, 0))), {}),
    ("top_k", (X, 2), {}), ("cummax", (X,), {"axis": 1, "reverse": True}), ("cumlogsumexp", (X,), {"axis": 0}),
    ("sort_key_val", (X, X * 2), {"dimension": 0}), ("reduce_max", (X, (0,)), {}), ("rsqrt", (X**2 + 1,), {}),
    ("clamp", (np.float32(-0.5), X, np.float32(0.5)), {}), ("broadcast_in_dim", (X, (5, 2, 3), (0, 2)), {}),
    ("expand_dims", (X, (0,)), {}), ("rev", (X, (0,)), {}), ("erf_inv", (np.tanh(X),), {}), ("integer_pow", (X, 3), {}),
    ("round", (HALVES,), {}), ("round", (HALVES, 1), {}), ("round", (HALVES, 0), {}), ("div", (WHOLE, DIVISOR), {}),
    ("div", (X, X[:1, :1] * np.ones_like(X)), {}), ("reshape", (X, (3, 5)), {"dimensions": (1, 0)}),
    ("cumlogsumexp", (WIDE,), {}), ("cumlogsumexp", (WIDE,), {"reverse": True}), ("cumlogsumexp", (X[:0],), {}),
    ("dot", (WHOLE.astype("int8"), WHOLE.astype("int8")), {"preferred_element_type": "int32"}),
    ("clamp", (np.float32(0), HALVES, np.ones(11, "float32")), {}), ("stop_gradient", ({"a": X, "b": (None, X)},), {}),
    ("map", (lambda x: {"a": 2 * x, "b": x[0]}, X), {"batch_size": 2}), ("map", (lambda x: x * 2, X), {"batch_size": 9}),
    ("map", (lambda x: x * 2, X[:0]), {"batch_size": 2}), ("map", (lambda x: x[0] * x[1], (X, X)), {"batch_size": 5}),
    ("scan", (lambda c, x: [c + x, c], X[0], X), {}),
    ("select", (X > 0, X, -X), {}), ("select_n", (X > 0, X, -X), {}), ("concatenate", ((X, X), 1), {}),
    ("conv_general_dilated", (IMAGE, KERNEL, (2, 1), "SAME"), {"feature_group_count": 2}),
    ("conv_general_dilated", (IMAGE, KERNEL, (1, 1), ((1, 2), (0, 0))), {"feature_group_count": 2, "lhs_dilation": (2, 1)}),
    ("conv_general_dilated", (IMAGE.transpose(0, 2, 3, 1), KERNEL.transpose(2, 3, 1, 0), (1, 1), "VALID"),
     {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "feature_group_count": 2, "rhs_dilation": (1, 2)}),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=lambda c: c[0])
def test_call_matches(call):
    name, args, kwargs = call
    close(getattr(lax, name)(*args, **kwargs), getattr(jax.lax, name)(*args, **kwargs), 1e-4)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_reduce_window(padding):
    for name, start in (("max", -np.inf), ("add", 0.0)):
        got = lax.reduce_window(IMAGE, start, getattr(lax, name), (1, 1, 3, 2), (1, 1, 2, 2), padding)
        close(got, jax.lax.reduce_window(IMAGE, start, getattr(jax.lax, name), (1, 1, 3, 2), (1, 1, 2, 2), padding), 1e-4)


def test_dynamic_slices_under_transforms():
    def f(lib, m, x, i):
        return m.sum(lib.dynamic_slice_in_dim(x, i, 2) ** 2) + m.sum(lib.dynamic_update_slice_in_dim(x, x[:1] * 3, i, 0) ** 3)

    i = np.array([0, 2, 4])
    close(fgrad.vmap(fgrad.grad(lambda x, i: f(lax, jnp, x, i)), (None, 0))(X, i),
          jax.vmap(jax.grad(lambda x, i: f(jax.lax, oracle, x, i)), (None, 0))(X, i), 1e-4)  # fmt: skip


def test_clamp_gives_its_gradient_to_one_operand():
    parts = fgrad.grad(lambda low, x, high: jnp.sum(lax.clamp(low, x, high)), (0, 1, 2))(
        np.zeros(4), np.array([-1.0, 0.0, 1.0, 2.0]), np.ones(4))  # fmt: skip
    assert [p.tolist() for p in parts] == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_stop_gradient_of_a_tree():
    def f(x):
        return jnp.sum(x * lax.stop_gradient({"a": x, "b": None})["a"])

    close(fgrad.grad(f)(X), X)


def test_map_in_batches_differentiates():
    def f(m, lib, x):
        return m.sum(lib.map(lambda r: m.sin(r) * r[0], x, batch_size=2) ** 2)

    close(fgrad.grad(lambda x: f(jnp, lax, x))(X), jax.grad(lambda x: f(oracle, jax.lax, x))(X), 1e-4)


def test_all_names_exist():
    for name in lax.__all__:
        assert callable(getattr(lax, name))
