"""Programs about derivatives, batches and trees: the library is an argument."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pytest
from functional.registry import FEATURES, LABELS, R, f4, program

import fgrad
import fgrad.numpy
from fgrad import optim

optax = pytest.importorskip("optax")


@program
def activations_and_their_slopes(jx: Any, np_: Any) -> Any:
    def soft(x: Any, a: float = 1.67, b: float = 1.05) -> Any:
        return b * np_.where(x > 0, x, a * np_.exp(x) - a)

    x = np_.arange(-3.0, 3.0, 0.5)
    slopes = jx.vmap(jx.grad(soft))(x)
    curvature = jx.jit(jx.vmap(jx.grad(jx.grad(lambda t: np_.tanh(t) * soft(t)))))(x)
    return jx.jit(soft)(x), slopes, curvature, jx.jit(jx.jacfwd(jx.jacrev(lambda v: np_.sum(np_.tanh(v) ** 3))))(x)


@program
def logistic_regression(jx: Any, np_: Any) -> Any:
    def chance(p: Any, x: Any) -> Any:
        return jx.nn.sigmoid(x @ p["w"] + p["b"])

    def loss(p: Any, x: Any, y: Any) -> Any:
        guess = chance(p, x)
        return -np_.mean(np_.log(np_.where(y, guess, 1 - guess))), guess.mean()

    @jx.jit
    def step(p: Any, rate: Any) -> Any:
        (value, mean), g = jx.value_and_grad(loss, has_aux=True)(p, FEATURES, LABELS)
        return jx.tree.map(lambda a, b: a - rate * b, p, g), (value, mean)

    p, seen = {"w": np_.zeros(3), "b": 0.0}, []
    for i in range(12):
        p, values = step(p, 1.0 / (i + 1))
        seen.append(values)
    each = jx.vmap(jx.grad(lambda p, x, y: loss(p, x[None], y[None])[0]), in_axes=(None, 0, 0))(p, FEATURES, LABELS)
    return p, seen, each


@program
def products_with_hessians(jx: Any, np_: Any) -> Any:
    def f(x: Any) -> Any:
        return np_.sum(np_.sin(x) * np_.roll(x, 1) ** 2)

    def hvp(f: Any, primals: Any, tangents: Any) -> Any:
        return jx.jvp(jx.grad(f), primals, tangents)[1]

    x, v = np_.asarray(FEATURES[:, 0]), np_.asarray(FEATURES[:, 1])
    whole = jx.hessian(f)(x)
    value, pull = jx.vjp(lambda x: (x**2, np_.cumsum(x)), x)
    return hvp(f, (x,), (v,)), whole @ v, jx.grad(lambda x: np_.vdot(jx.grad(f)(x), v))(x), value, pull((v, x)), jx.linearize(f, x)[1](v)


@program
def jacobians_of_trees(jx: Any, np_: Any) -> Any:
    def predict(p: Any, x: Any) -> Any:
        return np_.tanh(x @ p["w"] + p["b"])

    p = {"w": np_.asarray(FEATURES[:3, :2]), "b": np_.ones(2)}
    j = jx.jacrev(predict)(p, FEATURES[:5])
    return j, jx.jacfwd(predict)(p, FEATURES[:5]), jx.hessian(lambda p: np_.sum(predict(p, FEATURES[:2])))(p)


@program
def rules_of_ones_own(jx: Any, np_: Any) -> Any:
    @jx.custom_jvp
    def log1pexp(x: Any) -> Any:
        return np_.log(1.0 + np_.exp(x))

    @log1pexp.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return log1pexp(x), (1 - 1 / (1 + np_.exp(x))) * dx

    @partial(jx.custom_vjp, nondiff_argnums=(0, 1))
    def bounded(low: Any, high: Any, x: Any) -> Any:
        return x

    bounded.defvjp(lambda low, high, x: (x, None), lambda low, high, res, g: (np_.clip(g, low, high),))
    x = np_.asarray(FEATURES[:4, 0])
    return jx.grad(log1pexp)(100.0), jx.vmap(jx.grad(jx.grad(log1pexp)))(x), jx.grad(lambda x: np_.sum(np_.exp(bounded(-0.5, 1.5, x * 3))))(x)


@program
def implicit_fixed_points(jx: Any, np_: Any) -> Any:
    @partial(jx.custom_vjp, nondiff_argnums=(0,))
    def fixed_point(f: Any, a: Any, guess: Any) -> Any:
        def going(carry: Any) -> Any:
            before, now = carry
            return np_.abs(before - now) > 1e-6

        return jx.lax.while_loop(going, lambda c: (c[1], f(a, c[1])), (guess, f(a, guess)))[1]

    def forward(f: Any, a: Any, guess: Any) -> Any:
        x = fixed_point(f, a, guess)
        return x, (a, x)

    def backward(f: Any, res: Any, ct: Any) -> Any:
        a, x = res
        pull_a = jx.vjp(lambda a: f(a, x), a)[1]
        pull_x = jx.vjp(lambda x: f(a, x), x)[1]
        (ct_a,) = pull_a(fixed_point(lambda _, u: ct + pull_x(u)[0], a, ct))
        return ct_a, np_.zeros_like(x)

    fixed_point.defvjp(forward, backward)

    def root(a: Any) -> Any:
        return fixed_point(lambda a, x: 0.5 * (x + a / x), a, a)

    return root(2.0), jx.grad(root)(2.0), jx.vmap(root)(np_.array([1.0, 2.0, 9.0]))


class Params(NamedTuple):
    weight: Any
    bias: Any


@program
def state_that_is_handed_on(jx: Any, np_: Any) -> Any:
    class Counter:
        def count(self, n: Any) -> Any:
            return n + 1, n + 1

    counter, n, seen = Counter(), 0, []
    for _ in range(3):
        value, n = jx.jit(counter.count)(n)
        seen.append(value)

    x, noise = FEATURES[:, 0], FEATURES[:, 1] * 0.1
    y = 3 * x - 1 + noise

    def loss(p: Params, x: Any, y: Any) -> Any:
        return ((p.weight * x + p.bias - y) ** 2).mean()

    def update(p: Params, batch: Any) -> Any:
        value, g = jx.value_and_grad(loss)(p, *batch)
        return jx.tree.map(lambda p, g: p - 0.1 * g, p, g), value

    start = Params(np_.array(0.3), np_.array(0.0))
    batches = (np_.asarray(x.reshape(8, 5)), np_.asarray(y.reshape(8, 5)))
    end, losses = jx.jit(lambda p: jx.lax.scan(update, p, batches))(start)
    return seen, end, losses, type(end) is Params


@program
def control_flow(jx: Any, np_: Any) -> Any:
    lax = jx.lax

    def branches(x: Any, i: Any) -> Any:
        a = lax.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, x)
        return lax.switch(i, [lambda x: x, lambda x: np_.sin(x), lambda x: x**3], a)

    x = np_.asarray(FEATURES[:3, 0])
    def power(x: Any) -> Any:
        return lax.fori_loop(0, 5, lambda i, y: y * x + i, np_.ones_like(x))

    def collatz(n: Any) -> Any:
        return lax.while_loop(lambda s: s[0] != 1, lambda s: (np_.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0))[1]

    sums = lax.associative_scan(np_.add, x)
    running, path = lax.scan(lambda c, v: (c * 0.9 + v, c), 0.0, x, reverse=True)
    grads = [jx.grad(lambda x: np_.sum(branches(x, i)))(x) for i in range(3)]
    return grads, jx.grad(lambda x: power(x).sum())(x), jx.jit(jx.vmap(collatz))(np_.array([6, 7, 27])), sums, running, path, lax.map(lambda v: v**2, x)


@program
def indexed_updates(jx: Any, np_: Any) -> Any:
    x = np_.zeros((5, 4)).at[1].set(2.0).at[:, 2].add(np_.arange(5.0)).at[np_.array([0, 0, 3]), 1].add(1.0).at[-1, -1].multiply(3.0)
    x = x.at[2:4, ::2].max(1.5).at[4].apply(np_.exp)
    part = jx.lax.dynamic_slice(x, (1, 1), (2, 2))
    moved = jx.lax.dynamic_update_slice(x, part * 10, (3, 0))
    def f(v: Any) -> Any:
        return np_.sum(np_.zeros(4).at[np_.array([1, 1, 2])].add(v) ** 2 * v.sum())

    safe = jx.grad(lambda v: np_.sum(np_.where(v > 0, np_.sqrt(np_.where(v > 0, v, 1.0)), 0.0)))(np_.array([-1.0, 0.0, 4.0]))
    return x, part, moved, jx.grad(f)(np_.array([1.0, 2.0, 3.0])), safe, np_.argsort(-x[:, 2]), np_.unique(np_.array([3, 1, 3]), size=2)


IMAGES, CLASSES = f4(16, 8), R.integers(0, 4, 16).astype("i4")
LAYERS = [(f4(8, 12) * 0.3, f4(12)), (f4(12, 12) * 0.3, f4(12)), (f4(12, 4) * 0.3, f4(4))]


def network(jx: Any, np_: Any, params: Any, x: Any) -> Any:
    for w, b in params[:-1]:
        x = jx.nn.gelu(x @ w + b)
    w, b = params[-1]
    return x @ w + b


@program
def a_classifier_and_adamw(jx: Any, np_: Any) -> Any:
    T = optim if jx is fgrad else optax
    opt = T.chain(T.clip_by_global_norm(1.0), T.adamw(T.cosine_decay_schedule(0.05, 15), weight_decay=0.01))

    def loss(params: Any) -> Any:
        return T.softmax_cross_entropy_with_integer_labels(network(jx, np_, params, IMAGES), CLASSES).mean()

    @jx.jit
    def step(params: Any, state: Any) -> Any:
        value, g = jx.value_and_grad(loss)(params)
        updates, state = opt.update(g, state, params)
        return T.apply_updates(params, updates), state, value

    params = jx.tree.map(np_.asarray, LAYERS)
    state, losses = opt.init(params), []
    for _ in range(15):
        params, state, value = step(params, state)
        losses.append(value)
    return losses, params


@program
def a_recurrent_net_by_scan(jx: Any, np_: Any) -> Any:
    def cell(p: Any, h: Any, x: Any) -> Any:
        z = jx.nn.sigmoid(x @ p["z"][0] + h @ p["z"][1])
        h = (1 - z) * h + z * np_.tanh(x @ p["h"][0] + h @ p["h"][1])
        return h, h

    p = jx.tree.map(np_.asarray, {"z": (FEATURES[:3, :3], FEATURES[3:6]), "h": (FEATURES[6:9], FEATURES[9:12])})

    def loss(p: Any) -> Any:
        h, hs = jx.lax.scan(partial(cell, p), np_.zeros((4, 3)), np_.asarray(FEATURES.reshape(10, 4, 3)))
        return np_.mean(hs**2) + h.sum()

    return jx.jit(jx.value_and_grad(loss))(p), jx.grad(jx.checkpoint(loss))(p)


R2 = f4(4, 12, 12) * 0.3


@program
def an_attention_block(jx: Any, np_: Any) -> Any:
    x = np_.asarray(FEATURES.reshape(2, 5, 12))
    keys = ["q", "k", "v", "o"]
    p = {k: np_.asarray(R2[i]) for i, k in enumerate(keys)}

    def block(p: Any, x: Any) -> Any:
        q, k, v = (np_.einsum("btd,de->bte", x, p[n]).reshape(2, 5, 3, 4) for n in "qkv")
        a = jx.nn.dot_product_attention(q, k, v, is_causal=True)
        y = x + np_.einsum("bte,ed->btd", a.reshape(2, 5, 12), p["o"])
        return (y - y.mean(-1, keepdims=True)) / np_.sqrt(y.var(-1, keepdims=True) + 1e-5)

    return block(p, x), jx.jit(jx.grad(lambda p: np_.sum(block(p, x) ** 3)))(p)


@program
def hessians_through_reverse_rules(jx: Any, np_: Any) -> Any:
    """A custom_vjp whose fwd rule is written out can be differentiated once more, in either mode."""

    @jx.custom_vjp
    def f(x: Any) -> Any:
        return np_.sin(x)

    f.defvjp(lambda x: (np_.sin(x), np_.cos(x)), lambda c, g: (2 * c * g,))
    x = np_.asarray([0.3, 0.7])

    def total(x: Any) -> Any:
        return np_.sum(f(x) ** 2)

    once = jx.grad(total)
    return [once(x), jx.hessian(total)(x), jx.jit(jx.hessian(total))(x), jx.jvp(once, (x,), (x,)), jx.grad(lambda x: np_.sum(once(x) ** 2))(x), jx.jacrev(once)(x)]
