"""grad, vmap, jvp, jit and their compositions on the functional face, against jax; their errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

jax = pytest.importorskip("jax")
import jax.numpy as oracle  # noqa: E402

pytestmark = pytest.mark.oracle
rng = np.random.default_rng(0)
X = rng.normal(size=(4, 3)).astype("float32")
PARAMS = {"w": [rng.normal(size=(3, 5)).astype("float32"), rng.normal(size=(5, 2)).astype("float32")],
          "b": (rng.normal(size=5).astype("float32"), None)}  # fmt: skip


def close(got, want, tol=1e-4):
    got, want = fgrad.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert np.shape(g) == np.shape(w)
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=tol, atol=tol)


def loss(m, p, x):
    h = m.tanh(x @ p["w"][0] + p["b"][0])
    y = h @ p["w"][1]
    return m.mean(m.sum(y * y, axis=-1)) + m.sum(m.sin(p["w"][0])) * 0.1


def f(p, x):
    return loss(jnp, p, x)


def g(p, x):
    return loss(oracle, p, x)


COMPOSED = {
    "grad": lambda t, f: t.grad(f)(PARAMS, X),
    "value_and_grad argnums": lambda t, f: t.value_and_grad(f, (0, 1))(PARAMS, X),
    "grad argnum 1": lambda t, f: t.grad(f, 1)(PARAMS, X),
    "negative argnum": lambda t, f: t.grad(f, -1)(PARAMS, X),
    "jit of grad": lambda t, f: t.jit(t.grad(f))(PARAMS, X),
    "grad of jit": lambda t, f: t.grad(t.jit(f))(PARAMS, X),
    "grad in jit in grad": lambda t, f: t.grad(lambda x: (t.jit(t.grad(f, 1))(PARAMS, x) ** 2).sum())(X),
    "per-example gradients": lambda t, f: t.vmap(t.grad(f), (None, 0))(PARAMS, X),
    "jit of vmap of grad": lambda t, f: t.jit(t.vmap(t.grad(f), (None, 0)))(PARAMS, X),
    "grad of vmap": lambda t, f: t.grad(lambda p: t.vmap(f, (None, 0))(p, X).sum())(PARAMS),
    "grad of vmap of grad": lambda t, f: t.grad(lambda p: (t.vmap(t.grad(f, 1), (None, 0))(p, X) ** 2).sum())(PARAMS),
    "vmap in a tree": lambda t, f: t.vmap(lambda p: f({"w": [p["w"], PARAMS["w"][1]], "b": PARAMS["b"]}, X),
                                          ({"w": 2},))({"w": np.stack([PARAMS["w"][0]] * 2, 2)}),
    "vmap of vmap": lambda t, f: t.vmap(t.vmap(lambda a, b: a * b, (0, None)), (None, 0))(X[0], X[1]),
    "vmap out_axes": lambda t, f: t.vmap(lambda x: (x, x * 2), out_axes=(1, 0))(X),
    "hessian": lambda t, f: t.hessian(lambda x: f(PARAMS, x))(X[0]),
    "hessian of a tree": lambda t, f: t.hessian(lambda q: f({"w": [PARAMS["w"][0], q["v"]], "b": (q["b"], None)}, X))(
        {"v": PARAMS["w"][1], "b": PARAMS["b"][0]}),
    "jacrev": lambda t, f: t.jacrev(t.grad(f, 1), 1)(PARAMS, X),
    "jacfwd of two": lambda t, f: t.jacfwd(lambda a, b: {"y": a * b, "z": a.sum()}, (0, 1))(X[0], X[1]),
    "jacrev of two": lambda t, f: t.jacrev(lambda a, b: {"y": a * b, "z": a.sum()}, (0, 1))(X[0], X[1]),
    "jvp": lambda t, f: t.jvp(f, (PARAMS, X), (PARAMS, X)),
    "jvp of grad": lambda t, f: t.jvp(t.grad(f), (PARAMS, X), (PARAMS, X)),
    "grad of jvp": lambda t, f: t.grad(lambda x: t.jvp(lambda y: f(PARAMS, y), (x,), (X,))[1])(X),
    "third": lambda t, f: t.grad(t.grad(t.grad(lambda s: f(PARAMS, X * s))))(0.7),
    "fourth, mixed": lambda t, f: t.jacfwd(t.grad(t.jacfwd(t.grad(lambda s: f(PARAMS, X * s)))))(0.7),
    "vmap of jacfwd": lambda t, f: t.vmap(t.jacfwd(lambda x: f(PARAMS, x)))(X),
    "vmap of hessian in jit": lambda t, f: t.jit(t.vmap(t.hessian(lambda x: f(PARAMS, x))))(X),
    "vjp": lambda t, f: t.vjp(f, PARAMS, X)[1](np.float32(2)),
    "linearize": lambda t, f: t.linearize(f, PARAMS, X)[1](PARAMS, X),
    "has_aux": lambda t, f: t.value_and_grad(lambda p, x: (f(p, x), {"x": x}), has_aux=True)(PARAMS, X),
    "grad has_aux": lambda t, f: t.grad(lambda p, x: (f(p, x), x), has_aux=True)(PARAMS, X),
    "jacrev has_aux": lambda t, f: t.jacrev(lambda x: (x**2, x), has_aux=True)(X[0]),
    "jvp has_aux": lambda t, f: t.jvp(lambda x: (x**2, x), (X,), (X,), has_aux=True),
    "axis_size": lambda t, f: t.vmap(lambda: 1.0, axis_size=3)(),
    "keyword": lambda t, f: t.grad(lambda x, *, k: (x * k).sum())(X, k=2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", list(COMPOSED))
def test_composition(name):
    close(COMPOSED[name](fgrad, f), COMPOSED[name](jax, g), 1e-3)


def test_vjp_is_used_again_and_vmapped():
    y, back = fgrad.vjp(lambda x: jnp.tanh(x) * x[0], X)
    want, other = jax.vjp(lambda x: oracle.tanh(x) * x[0], X)
    close(y, want)
    float(y[0, 0])  # a read in between
    for ct in (np.ones_like(X), X):
        close(back(ct), other(ct))
    cts = np.stack([X, -X, X**2])
    close(fgrad.vmap(back)(cts), jax.vmap(other)(cts))
    close(fgrad.jit(back)(X), other(X))
    close(fgrad.grad(lambda ct: jnp.sum(back(ct)[0] ** 2))(X), jax.grad(lambda ct: oracle.sum(other(ct)[0] ** 2))(X))


def test_outer_tensors_are_read_at_each_call():
    w = fgrad.ones(3)
    h = fgrad.jit(lambda x: (x * w).sum())
    x = jnp.arange(3.0)
    assert float(h(x)) == 3.0
    w.mul_(2)
    assert float(h(x)) == 6.0
    assert fgrad.grad(h)(x).tolist() == [2, 2, 2]


def test_closures_over_values_of_outer_transforms():
    def outer(t, m, x):
        return t.grad(lambda y: t.vmap(lambda z: m.sin(z * y * x))(m.arange(3.0)).sum() * x)(2.0)

    close(fgrad.grad(lambda x: outer(fgrad, jnp, x))(0.5), jax.grad(lambda x: outer(jax, oracle, x))(0.5))
    close(fgrad.jvp(lambda x: outer(fgrad, jnp, x), (0.5,), (1.0,)), jax.jvp(lambda x: outer(jax, oracle, x), (0.5,), (1.0,)))


def test_nested_derivatives_do_not_mix():
    def h(t):
        return t.grad(lambda x: x * t.grad(lambda y: x * y)(1.0))(3.0)

    close(h(fgrad), h(jax))
    close(fgrad.jvp(lambda x: x * fgrad.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,)), (1.0, 1.0))


def test_python_if_works_in_grad_without_jit():
    h = fgrad.grad(lambda x: x**2 if x > 0 else -x)
    assert float(h(3.0)) == 6.0
    assert float(h(-3.0)) == -1.0


def test_static_and_donated_arguments():
    calls = []

    def h(x, n, *, flag):
        calls.append((n, flag))
        return x * n if flag else x

    j = fgrad.jit(h, static_argnums=1, static_argnames="flag")
    x = jnp.arange(3.0)
    assert j(x, 2, flag=True).tolist() == [0, 2, 4]
    assert j(x, n=2, flag=True).tolist() == [0, 2, 4]
    assert j(x, 2, flag=False).tolist() == [0, 1, 2]
    j(x, 2, flag=True)
    assert calls == [(2, True), (2, True), (2, False)]
    with pytest.raises(ValueError, match="not hashable"):
        j(x, [2], flag=True)
    d = fgrad.jit(lambda x: x + 1, donate_argnums=0)
    y = jnp.arange(3.0).block_until_ready()
    assert d(y).tolist() == [1, 2, 3]
    with pytest.raises(TypeError, match="donated"):
        y.tolist()


def test_types_make_a_new_recording_values_do_not():
    j = fgrad.jit(lambda t: t["a"] + 1)
    j({"a": 1.0}), j({"a": 2.0}), j({"a": np.ones(2, "float32")}), j({"a": jnp.ones(2)})
    assert j.cache_size() == 3


class Leak:
    x = None


def leaked():
    fgrad.jit(lambda x: setattr(Leak, "x", x * 2) or x)(1.0)
    return Leak.x + 1


ERRORS = [
    (lambda: fgrad.grad(lambda x: x)(X), TypeError, "scalar-output"),
    (lambda: fgrad.grad(lambda x: x)(3), TypeError, "real- or complex-valued inputs.*int64"),
    (lambda: fgrad.grad(lambda x: (x, x))(3.0), TypeError, "scalar"),
    (lambda: fgrad.grad(lambda x: x > 1)(3.0), TypeError, "real-valued"),
    (lambda: fgrad.grad(lambda x: x, 1)(3.0), ValueError, "argnums=1"),
    (lambda: fgrad.grad(lambda x: x, has_aux=True)(3.0), TypeError, "has_aux"),
    (lambda: fgrad.vjp(jnp.sin, X)[1](X[0]), ValueError, r"got float32\[3\] where float32\[4,3\]"),
    (lambda: fgrad.vjp(lambda x: (x, x), X)[1](X), ValueError, "does not match"),
    (lambda: fgrad.jvp(jnp.sin, (X,), (X[0],)), TypeError, r"got float32\[3\]"),
    (lambda: fgrad.jvp(jnp.sin, X, X), TypeError, "tuples or lists"),
    (lambda: fgrad.vmap(jnp.add)(X, X[:2]), ValueError, "inconsistent sizes"),
    (lambda: fgrad.vmap(jnp.add, (0,))(X, X), ValueError, "1 entries for 2"),
    (lambda: fgrad.vmap(jnp.sin, 3)(X), ValueError, "axis 3"),
    (lambda: fgrad.vmap(jnp.add, (None, None))(X, X), ValueError, "at least one non-None"),
    (lambda: fgrad.vmap(lambda x: x, out_axes=None)(X), ValueError, "out_axes is None"),
    (leaked, TypeError, r"(?s)leaked from the recording of <lambda>.*setattr"),
    (lambda: fgrad.jit(lambda x: float(x))(1.0), TypeError, r"(?s)number in a float32\[\].*float\(x\)"),
    (lambda: fgrad.jit(lambda x: x[x > 0])(X), TypeError, "size depends on values"),
    (lambda: fgrad.jit(lambda x: object())(X), TypeError, "returned a object"),
    (lambda: fgrad.tree.map(lambda a, b: a, [1], [1, 2]), ValueError, "structure"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    h, kind, text = ERRORS[case]
    with pytest.raises(kind, match=text):
        h()


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_vmap_over_any_axes(data):
    n = data.draw(st.integers(1, 3))
    ranks = [data.draw(st.integers(1, 3)) for _ in range(2)]
    axes, xs = [], []
    for i, r in enumerate(ranks):
        shape = [2] * r
        a = data.draw(st.integers(-r, r - 1)) if i == 0 or data.draw(st.booleans()) else None
        if a is not None:
            shape[a] = n
        axes.append(a)
        xs.append(np.random.default_rng(i).normal(size=shape).astype("float32"))
    out = data.draw(st.integers(-1, 0))

    def h(m, x, y):
        return m.sin(x) * m.sum(y) + m.max(x)

    try:
        want = jax.vmap(lambda x, y: h(oracle, x, y), tuple(axes), out)(*xs)
    except ValueError:
        return
    close(fgrad.vmap(lambda x, y: h(jnp, x, y), tuple(axes), out)(*xs), want)


# custom rules ----------------------------------------------------------------------------------------------------------
def log1pexp(lib, m):
    @lib.custom_jvp
    def h(x):
        return m.log(1.0 + m.exp(x))

    @h.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        return h(x), (1 - 1 / (1 + m.exp(x))) * t

    return h


def clipped(lib, m):
    @lib.custom_vjp
    def h(limit, x, y):
        return x * y

    def forward(limit, x, y):
        return h(limit, x, y), (x, y)

    def backward(res, ct):
        x, y = res
        return None, m.clip(ct * y, -1.0, 1.0), ct * x

    h.defvjp(forward, backward)
    return h


@pytest.mark.parametrize("how", ["grad", "second", "vmap", "jit", "jvp", "scan"])
def test_custom_jvp(how):
    def run(lib, m, loops):
        h = log1pexp(lib, m)
        if how == "grad":
            return lib.grad(h)(100.0)
        if how == "second":
            return lib.grad(lib.grad(h))(1.0), lib.jacfwd(lib.grad(h))(1.0)
        if how == "vmap":
            return lib.vmap(lib.grad(h))(m.arange(3.0))
        if how == "jit":
            return lib.jit(lib.value_and_grad(h))(2.0)
        if how == "jvp":
            return lib.jvp(h, (1.0,), (2.0,))
        return lib.grad(lambda x: loops.scan(lambda c, v: (h(c + v), None), x, m.arange(3.0))[0])(1.0)

    close(run(fgrad, jnp, lax), run(jax, oracle, jax.lax))


def test_custom_jvp_forms():
    @fgrad.custom_jvp
    def h(x, y=2.0):
        return x * y

    h.defjvps(lambda t, out, x, y: 10 * t * y, None)
    assert fgrad.grad(h)(3.0).item() == 20.0
    assert fgrad.grad(lambda x: h(x, y=x))(3.0).item() == 30.0

    def with_static(k, x):
        return x * k

    s = fgrad.custom_jvp(with_static, nondiff_argnums=(0,))
    s.defjvp(lambda k, p, t: (s(k, *p), k * 7 * t[0]))
    assert fgrad.grad(lambda x: s(3, x))(1.0).item() == 21.0
    with pytest.raises(ValueError, match="no derivative rule"):
        fgrad.custom_jvp(jnp.sin)(1.0)
    s.defjvp(lambda k, p, t: (p[0], jnp.stack([t[0], t[0]])))
    with pytest.raises(TypeError, match=r"tangent 0 has type float32\[2\]"):
        s(3, 1.0)


@pytest.mark.parametrize("how", ["grad", "vmap", "unbatched", "jit", "second"])
def test_custom_vjp(how):
    def run(lib, m):
        h = clipped(lib, m)
        one = lib.grad(lambda x, y: h(1.0, x, y) * 3.0, (0, 1))
        if how == "grad":
            return one(2.0, 5.0)
        if how == "vmap":
            return lib.vmap(one)(m.arange(3.0), m.arange(3.0) - 1)
        if how == "unbatched":
            return lib.grad(lambda y: lib.vmap(lambda x: h(1.0, x, y))(m.arange(3.0)).sum())(2.0)
        if how == "jit":
            return lib.jit(one)(2.0, 5.0)
        return lib.grad(lambda x: one(x, 0.1)[1] ** 2)(2.0)

    close(run(fgrad, jnp), run(jax, oracle))


def test_custom_vjp_forms():
    @fgrad.custom_vjp
    def h(t):
        return {"s": t["a"] * t["b"], "n": 3}

    h.defvjp(lambda t: (h(t), t), lambda res, ct: ({"a": ct["s"] * res["b"] * 2, "b": ct["s"] * res["a"]},))
    got = fgrad.grad(lambda t: h(t)["s"])({"a": 2.0, "b": 5.0})
    assert (got["a"].item(), got["b"].item()) == (10.0, 2.0)
    with pytest.raises(TypeError, match=r"(?s)forward mode.*custom vjp"):
        fgrad.jvp(lambda x: h({"a": x, "b": x})["s"], (1.0,), (1.0,))
    h.defvjp(lambda t: (h(t), t), lambda res, ct: ct["s"])
    with pytest.raises(TypeError, match="tuple of 1 cotangents"):
        h({"a": 1.0, "b": 2.0})


def test_checkpoint_recomputes_and_keeps_draws():
    w = jnp.array(X)

    def h(x):
        return jnp.sum(jnp.sin(jnp.sin(x @ w.T)) ** 2)

    for policy in (None, fgrad.checkpoint_policies.dots_saveable, fgrad.checkpoint_policies.everything_saveable):
        c = fgrad.checkpoint(h, policy=policy)
        close(fgrad.grad(c)(X), fgrad.grad(h)(X))
        close(fgrad.jit(fgrad.hessian(c))(X[:1]), fgrad.hessian(h)(X[:1]))
        close(fgrad.vmap(fgrad.grad(c))(X[:, None]), fgrad.vmap(fgrad.grad(h))(X[:, None]))
    fgrad.random.manual_seed(0)
    x = fgrad.ones(5, requires_grad=True)
    y = fgrad.remat(lambda t: t * fgrad.rand(5))(x)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    static = fgrad.checkpoint(lambda x, n: x * n, static_argnums=1)
    assert fgrad.grad(lambda x: static(x, 3))(1.0).item() == 3.0
    with pytest.raises(ValueError, match="no policy"):
        fgrad.checkpoint(h, policy="all")


def test_pure_callback():
    def host(t):
        return {"y": np.cumsum(t["x"]), "n": np.int64(t["x"].size)}

    def h(x):
        out = {"y": fgrad.ShapeDtypeStruct(x.shape, x.dtype), "n": fgrad.ShapeDtypeStruct((), "int64")}
        return fgrad.pure_callback(host, out, {"x": x})

    want = np.cumsum(X, 1)
    close(h(X[0])["y"], want[0])
    close(fgrad.jit(h)(X[0])["y"], want[0])
    close(fgrad.vmap(h)(X)["y"], want)
    wrong = lambda x: fgrad.pure_callback(lambda a: a[:1], fgrad.ShapeDtypeStruct(x.shape, x.dtype), x)
    with pytest.raises(ValueError, match=r"returned float32\[1\] where float32\[3\] was declared"):
        wrong(jnp.array(X[0])).tolist()


def test_graphs_and_shapes_without_running():
    graph = fgrad.make_graph(lambda x: 2 * jnp.sin(x))(1.0)
    assert [v.prim.name for v in graph.values()] == ["sin", "mul"]
    out = fgrad.eval_shape(lambda t: (t["x"] @ t["x"].T, t["x"].sum(0)), {"x": fgrad.ShapeDtypeStruct((4, 3), "float32")})
    assert out == (fgrad.ShapeDtypeStruct((4, 4), "float32"), fgrad.ShapeDtypeStruct((3,), np.float32))
    assert repr(out[1]) == "ShapeDtypeStruct(shape=(3,), dtype=float32)"
    assert (out[0].ndim, out[0].size) == (2, 16)
