"""Programs with control flow, on Values and in JAX; how a test runs, differentiates and batches them."""

from __future__ import annotations

import numpy as np
import pytest
from evaluate import evaluate

from fgrad.backends.numpy import compile
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.json import from_json, to_json
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.types import TensorType
from fgrad.ir.verify import verify
from fgrad.passes.merge import merge_extensions
from fgrad.primitives.regions import (
    checkpoint_values,
    cond_values,
    custom_jvp,
    custom_vjp,
    fori_values,
    items,
    scan_values,
)
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import trace
from fgrad.transforms.jvp import instantiate, push
from fgrad.transforms.vjp import pull

jax = pytest.importorskip("jax")
jnp = jax.numpy
lax = jax.lax


def f64(*shape: int) -> TensorType:
    return TensorType(shape, "float64")


def total(x: Value) -> Value:
    return F["reduce_sum"](x, axes=tuple(range(x.ndim)))


def matvec(w: Value, x: Value) -> Value:
    return F["dot_general"](w, x, contract=((1,), (0,)), batch=((), ()))


def value(f, *arrays, check=True):
    """`f` on Values traced, verified, printed and read back, run."""
    g = f if isinstance(f, Graph) else trace(f, *[TensorType(np.shape(a), np.asarray(a).dtype) for a in arrays])
    verify(g)
    merged = merge_extensions(g)
    verify(merged)
    out = evaluate(g, *map(np.asarray, arrays))
    for a, b in zip(evaluate(merged, *map(np.asarray, arrays)), out, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(compile(g)([np.array(a, order="C") for a in arrays]), out, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    if check:
        text = str(merged)
        assert str(parse_graph(text)) == text == str(from_json(to_json(merged)))
    return out


def grad(f, i=0):
    """The gradient of a scalar function of Values."""

    def g(*xs):
        y = f(*xs)
        return instantiate(pull([y], [constant(np.ones((), y.dtype))], [xs[i]])[0], xs[i].type)

    return g


def jvp(f, i=0):
    """The directional derivative by operand `i`: the tangent is the last argument."""

    def g(*xs):
        *xs, dx = xs
        y = f(*xs)
        return instantiate(push([y], {xs[i]: dx})[0], y.type)

    return g


def vmap(f, *axes):
    """`f` on a batch, operands with True have axis 0."""

    def g(*xs):
        n = next(x.shape[0] for x, b in zip(xs, axes, strict=True) if b)
        inner = [leaf(x.type.with_shape(x.shape[1:])) if b else x for x, b in zip(xs, axes, strict=True)]
        ((y, has),) = batch(
            [f(*inner)],
            {v: x for v, x, b in zip(inner, xs, axes, strict=True) if b},
            n,
            [x for x, b in zip(xs, axes, strict=True) if not b],
        )
        return y if has else F["broadcast_to"](y, shape=(n, *y.shape))

    return g


def jax_vmap(f, *axes):
    return jax.vmap(f, in_axes=tuple(0 if b else None for b in axes))


# ---------------------------------------------------------------- the programs
def rnn(w, h, xs):
    c, ys = scan_values(lambda c, x: ([F["tanh"](matvec(w, c[0]) + x[0])], [c[0] * x[0]]), [h], [xs])
    return total(ys[0] * ys[0]) + total(c[0])


def jax_rnn(w, h, xs):
    c, ys = lax.scan(lambda c, x: (jnp.tanh(w @ c + x), c * x), h, xs)
    return (ys * ys).sum() + c.sum()


def rnn_back(w, h, xs):
    c, ys = scan_values(lambda c, x: ([F["sin"](matvec(w, c[0])) * x[0]], [F["exp"](x[0])]), [h], [xs], reverse=True)
    return total(ys[0] * c[0])


def jax_rnn_back(w, h, xs):
    c, ys = lax.scan(lambda c, x: (jnp.sin(w @ c) * x, jnp.exp(x)), h, xs, reverse=True)
    return (ys * c).sum()


def branchy(w, h, xs):
    """scan of cond, captures in both, an integer carry."""

    def step(c, x):
        odd = F["eq"](F["rem"](c[1], constant(np.int64(2))), 1)
        y = cond_values(
            odd, [lambda v: [F["sin"](v[0]) * v[1]], lambda v: [matvec(v[2], F["exp"](-v[0] * v[0]))]], [c[0], x[0], w]
        )[0]
        return [y, c[1] + 1], [y * x[0]]

    c, ys = scan_values(step, [h, constant(np.zeros((), "int64"))], [xs])
    return total(ys[0]) + total(c[0] * c[0])


def jax_branchy(w, h, xs):
    def step(c, x):
        h, i = c
        y = lax.cond(i % 2 == 1, lambda: w @ jnp.exp(-h * h), lambda: jnp.sin(h) * x)
        return (y, i + 1), y * x

    (c, _), ys = lax.scan(step, (h, 0), xs)
    return ys.sum() + (c * c).sum()


def counted(w, h, xs):
    return total(
        fori_values(1, 4, lambda i, c: [F["sin"](matvec(w, c[0])) * F["convert"](i, dtype=np.dtype("float64"))], [h])[0]
        * xs
    )


def jax_counted(w, h, xs):
    return (lax.fori_loop(1, 4, lambda i, c: jnp.sin(w @ c) * i, h) * xs).sum()


def remat(policy):
    def f(w, h, xs):
        y = checkpoint_values(lambda v: [F["tanh"](matvec(v[0], F["sin"](v[1])))], [w, h], policy)[0]
        return total(y * y * xs)

    return f


def jax_remat(w, h, xs):
    y = jnp.tanh(w @ jnp.sin(h))
    return (y * y * xs).sum()


def nested(w, h, xs):
    """scan in scan, the inner one capturing the outer carry."""

    def outer(c, x):
        inner = scan_values(lambda d, z: ([F["sin"](d[0] * z[0]) + c[0]], [d[0]]), [x[0]], [w])
        return [inner[0][0]], [total(inner[1][0] * inner[1][0])]

    c, ys = scan_values(outer, [h], [xs])
    return total(c[0]) + total(ys[0])


def jax_nested(w, h, xs):
    def outer(c, x):
        d, ys = lax.scan(lambda d, z: (jnp.sin(d * z) + c, d), x, w)
        return d, (ys * ys).sum()

    c, ys = lax.scan(outer, h, xs)
    return c.sum() + ys.sum()


def soft(x):
    """log(1 + e**x), its derivative given as a rule."""
    f = trace(lambda a: F["log1p"](F["exp"](a)), x.type)
    rule = trace(lambda a, da: da * F["sigmoid"](a), x.type, x.type)
    return items(custom_jvp(x, graph=f, jvp=rule, wrt=(0,)))[0]


def custom(w, h, xs):
    return total(F["sin"](soft(matvec(w, h))) * xs)


def jax_custom(w, h, xs):
    return (jnp.sin(jnp.log1p(jnp.exp(w @ h))) * xs).sum()


def clipped(x, s):
    """sin(x)*s, its reverse rule given."""
    f = trace(lambda a, b: F["sin"](a) * b, x.type, s.type)
    fwd = trace(lambda a, b: (F["sin"](a) * b, a, b), x.type, s.type)
    bwd = trace(lambda a, b, ct: (ct * F["cos"](a) * b, ct * F["sin"](a)), x.type, s.type, x.type)
    return items(custom_vjp(x, s, graph=f, fwd=fwd, bwd=bwd, wrt=(0, 1)))[0]


def custom_back(w, h, xs):
    return total(clipped(matvec(w, h), h) * xs)


def jax_custom_back(w, h, xs):
    return (jnp.sin(w @ h) * h * xs).sum()


PROGRAMS = {
    "scan": (rnn, jax_rnn),
    "reverse scan": (rnn_back, jax_rnn_back),
    "scan of cond": (branchy, jax_branchy),
    "fori": (counted, jax_counted),
    "checkpoint nothing": (remat("nothing"), jax_remat),
    "checkpoint dots": (remat("dots"), jax_remat),
    "checkpoint everything": (remat("everything"), jax_remat),
    "scan of scan": (nested, jax_nested),
    "custom_jvp": (custom, jax_custom),
    "custom_vjp": (custom_back, jax_custom_back),
}
R = np.random.default_rng(0)
W, H, XS, DW, DH, DXS = (
    R.normal(size=(3, 3)),
    R.normal(size=3),
    R.normal(size=(4, 3)),
    R.normal(size=(3, 3)),
    R.normal(size=3),
    R.normal(size=(4, 3)),
)
ARGS, DOTS = (W, H, XS), (DW, DH, DXS)


def close_to(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
