"""cond, while, custom rules and callbacks: their own forms, against JAX; refused signatures, costs."""

from __future__ import annotations

import numpy as np
import pytest
from evaluate import evaluate
from region_programs import DH, H, R, clipped, close_to, f64, grad, jax_vmap, jvp, total, value, vmap

from fgrad.errors import ArgumentError, DtypeError, GradError, RangeError, RuleError, ShapeError
from fgrad.ir.apply import constant
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, leaf
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TOKEN, TensorType
from fgrad.ir.verify import verify
from fgrad.primitives.regions import (
    callback,
    close,
    cond,
    cond_values,
    custom_jvp,
    custom_vjp,
    items,
    pure_callback,
    scan,
    scan_values,
    while_loop,
    while_values,
)
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import trace

jax = pytest.importorskip("jax")
jnp = jax.numpy
lax = jax.lax


@pytest.fixture(autouse=True, scope="module")
def _x64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


# ---------------------------------------------------------------- cond
def chosen(p, x, w):
    return total(
        cond_values(
            p, [lambda v: [F["sin"](v[0])], lambda v: [v[0] * v[1] * v[1]], lambda v: [F["exp"](v[1])]], [x, w]
        )[0]
    )


def jax_chosen(p, x, w):
    return lax.switch(p, [lambda: jnp.sin(x), lambda: x * w * w, lambda: jnp.exp(w)]).sum()


@pytest.mark.parametrize("p", [-1, 0, 1, 2, 5])
def test_switch_clamps_its_index(p):
    p = np.int64(p)
    close_to(value(chosen, p, H, DH)[0], jax_chosen(p, H, DH))
    for i in (1, 2):
        close_to(value(grad(chosen, i), p, H, DH)[0], jax.grad(jax_chosen, i)(p, H, DH))


def test_batched_predicate_selects():
    p, h = np.array([-3, 0, 1, 2, 9]), R.normal(size=(5, 3))
    close_to(value(vmap(chosen, 1, 1, 0), p, h, DH)[0], jax_vmap(jax_chosen, 1, 1, 0)(p, h, DH))
    close_to(value(vmap(chosen, 1, 0, 0), p, H, DH)[0], jax_vmap(jax_chosen, 1, 0, 0)(p, H, DH))
    close_to(value(vmap(grad(chosen, 2), 1, 1, 0), p, h, DH)[0], jax_vmap(jax.grad(jax_chosen, 2), 1, 1, 0)(p, h, DH))


def test_branches_share_residual_slots():
    g = trace(grad(chosen, 1), TensorType((), "int64"), f64(3), f64(3))
    conds = [v for v in g.values() if v.prim is not None and v.prim.name == "cond"]
    forward = max(conds, key=lambda v: len(v.type.items) if v.type.items[0].shape else 0)
    assert len(forward.type.items) == 2  # one residual slot: cos(x) in one branch, w*w in another, zeros in the third


# ---------------------------------------------------------------- while
def halving(x, t):
    return while_values(
        lambda c: F["gt"](total(c[0] * c[0]), t),
        lambda c: [c[0] * 0.5 + t, c[1] + 1],
        [x, constant(np.zeros((), "int64"))],
    )


def jax_halving(x, t):
    return lax.while_loop(lambda c: (c[0] * c[0]).sum() > t, lambda c: (c[0] * 0.5 + t, c[1] + 1), (x, 0))


def test_while_values_and_forward_mode_match_jax():
    x, t = H * 10, np.float64(0.01)
    for a, b in zip(value(halving, x, t), jax_halving(x, t), strict=True):
        close_to(a, b)
    f, g = (lambda x, t: total(halving(x, t)[0])), (lambda x, t: jax_halving(x, t)[0].sum())
    close_to(value(jvp(f), x, t, DH)[0], jax.jvp(g, (x, t), (DH, 0.0))[1])
    close_to(value(jvp(f, 1), x, t, np.float64(1))[0], jax.jvp(g, (x, t), (np.zeros(3), 1.0))[1])
    twice = value(jvp(jvp(f, 1), 1), x, t, np.float64(1), np.float64(1))[0]
    close_to(twice, jax.jvp(lambda t: jax.jvp(lambda t: g(x, t), (t,), (1.0,))[1], (t,), (1.0,))[1])


@pytest.mark.parametrize("axes", [(1, 0), (0, 1), (1, 1)], ids=str)
def test_batched_while_runs_until_all_lanes_are_done(axes):
    x = np.stack([H, H * 100, H * 0]) if axes[0] else H * 10
    t = np.array([0.01, 0.05, 0.02]) if axes[1] else np.float64(0.01)
    for k in range(2):
        f, g = (lambda x, t: halving(x, t)[k]), (lambda x, t: jax_halving(x, t)[k])
        close_to(value(vmap(f, *axes), x, t)[0], jax_vmap(g, *axes)(x, t))


def test_while_has_no_reverse_mode():
    with pytest.raises(GradError, match="a while loop has no reverse-mode derivative") as e:
        value(grad(lambda x, t: total(halving(x, t)[0])), H, np.float64(0.01))
    assert "fori_loop with static bounds" in str(e.value)
    assert "test_primitives_branches.py" in str(e.value)


def test_while_with_an_unbatched_condition_stays_one_loop():
    def f(x, n):
        return while_values(
            lambda c: F["lt"](c[1], n), lambda c: [c[0] * 2.0, c[1] + 1], [x, constant(np.zeros((), "int64"))]
        )[0]

    g = trace(vmap(f, 1, 0), f64(2, 3), TensorType((), "int64"))
    assert not any(v.prim is not None and v.prim.name == "select" for v in g.values())
    np.testing.assert_array_equal(evaluate(g, np.ones((2, 3)), np.int64(3))[0], np.full((2, 3), 8.0))


# ---------------------------------------------------------------- custom rules and callbacks
def test_custom_rules_are_used_as_given():
    x = f64(3)
    f = trace(lambda a: a * a, x)
    rule = trace(lambda a, da: da * 100.0, x, x)
    made = lambda a: total(items(custom_jvp(a, graph=f, jvp=rule, wrt=(0,)))[0])
    close_to(value(grad(made), H)[0], np.full(3, 100.0))
    bwd = trace(lambda ct: ct * 7.0, x)
    made = lambda a: total(items(custom_vjp(a, graph=f, fwd=f, bwd=bwd, wrt=(0,)))[0])
    close_to(value(grad(made), H)[0], np.full(3, 7.0))


def test_custom_vjp_sums_over_a_batch_for_an_unbatched_operand():
    x = np.stack([H, DH])
    f = lambda x, s: total(vmap(clipped, 1, 0)(x, s))
    close_to(value(grad(f, 1), x, H)[0], np.sin(x).sum(0))


def host(x, y):
    return np.sin(x) * y, x.sum()


def called(x, y, vmap="sequential"):
    return items(pure_callback(x, y, function=host, results=(x.type, x.type.with_shape(())), vmap=vmap))


def test_pure_callback_runs_and_batches():
    a, b = value(lambda x, y: called(x, y), H, DH)
    close_to(a, np.sin(H) * DH)
    close_to(b, H.sum())
    x = np.stack([H, 2 * H])
    close_to(value(vmap(lambda x, y: called(x, y)[0], 1, 0), x, DH)[0], np.sin(x) * DH)
    close_to(value(vmap(lambda x, y: called(x, y)[1], 1, 1), x, x)[0], x.sum(1))


def whole(x, y):
    return np.sin(x) * y


def test_pure_callback_takes_a_batch_at_once():
    f = lambda x, y: items(pure_callback(x, y, function=whole, results=(x.type,), vmap="expand_dims"))[0]
    x = np.stack([H, 2 * H])
    close_to(value(vmap(f, 1, 0), x, DH)[0], np.sin(x) * DH)


def wrong_count(x):
    return x, x


def wrong_shape(x):
    return x[:1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (wrong_count, "wrong_count returned 2 results, 1 were declared"),
        (wrong_shape, r"wrong_shape returned float64\[1\] where float64\[3\] was declared"),
    ],
)
def test_callback_results_are_checked(function, message):
    with pytest.raises(ShapeError, match=message):
        value(lambda x: items(pure_callback(x, function=function, results=(x.type,)))[0], H)


def test_pure_callback_is_not_differentiable():
    with pytest.raises(RuleError, match="pure_callback has no"):
        value(grad(lambda x, y: total(called(x, y)[0])), H, DH)


SEEN: list = []


def record(x):
    SEEN.append(x.tolist())


def test_effects_run_in_order_also_in_loops_and_batches():
    def step(c, x):
        (t,) = items(callback(c[1], c[0], function=record))
        return [c[0] * x[0], t], []

    t, x = leaf(TOKEN), leaf(f64())
    c, _ = scan_values(step, [x, t], [constant(np.array([2.0, 3.0]))])
    g = Graph((t, x), tuple(c))
    verify(g)
    SEEN.clear()
    assert float(evaluate_tokens(g, None, np.float64(5) * np.ones(()))[0]) == 30.0
    assert SEEN == [5.0, 10.0]
    n = leaf(f64(2))
    (y, _), (last, _) = batch(c, {x: n}, 2, [t])
    g = Graph((t, n), (y, last))
    verify(g)
    SEEN.clear()
    np.testing.assert_array_equal(evaluate_tokens(g, None, np.array([1.0, 5.0]))[0], [6.0, 30.0])
    assert SEEN == [1.0, 5.0, 2.0, 10.0]


def evaluate_tokens(g: Graph, *arrays):
    from fgrad.primitives.regions.run import runner

    return runner(g, np)(arrays)


# ---------------------------------------------------------------- errors, costs, helpers
X, I64, B = f64(3), TensorType((), "int64"), TensorType((), "bool")
ONE = trace(lambda x: x * 2.0, X)
TWO = trace(lambda x: total(x), X)
REFUSED = {
    "pred": (lambda: cond(leaf(X), leaf(X), branches=(ONE, ONE)), DtypeError, "cond: the predicate is float64[3]"),
    "two": (lambda: cond(leaf(B), leaf(X), branches=(ONE,)), ShapeError, "cond: 1 branches for bool[]"),
    "operands": (
        lambda: cond(leaf(B), leaf(B), branches=(ONE, ONE)),
        ShapeError,
        "cond: branch 0 takes (float64[3]), its operands are (bool[])",
    ),
    "results": (
        lambda: cond(leaf(B), leaf(X), branches=(ONE, TWO)),
        ShapeError,
        "cond: branch 1 gives (float64[]), wanted is (float64[3])",
    ),
    "axis": (lambda: scan(leaf(X), leaf(f64(4)), body=ONE, length=5, n_carry=1), ShapeError, "scan: float64[4] has no leading axis of 5 steps"),
    "carry": (lambda: scan(leaf(X), body=TWO, length=5, n_carry=1), ShapeError, "scan: the carry of the body gives (float64[]), wanted is (float64[3])"),
    "condition": (lambda: while_loop(leaf(X), condition=TWO, body=ONE), DtypeError, "while_loop: the condition gives (float64[])"),
    "policy": (lambda: F["checkpoint"](leaf(X), graph=ONE, policy="all"), ArgumentError, "checkpoint: no policy 'all'"),
    "vmap": (lambda: pure_callback(leaf(X), function=whole, results=(X,), vmap="no"), ArgumentError, "pure_callback: no vmap method 'no'"),
    "token": (lambda: callback(leaf(X), function=whole), ShapeError, "callback: the first operand is float64[3], not a token"),
    "jvp": (lambda: custom_jvp(leaf(X), graph=ONE, jvp=ONE, wrt=(0,)), ShapeError, "custom_jvp: its jvp rule takes (float64[3]), its operands are (float64[3], float64[3])"),
    "bwd": (lambda: custom_vjp(leaf(X), graph=ONE, fwd=ONE, bwd=TWO, wrt=(0,)), ShapeError, "custom_vjp: the bwd rule gives (float64[]), wanted is (float64[3])"),
    "length": (lambda: scan_values(lambda c, x: (c, ()), [leaf(X)]), ArgumentError, "scan: neither xs nor length is given"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_signatures_are_refused(name):
    make, kind, message = REFUSED[name]
    with pytest.raises(kind) as e:
        make()
    assert str(e.value).splitlines()[0] == message
    assert "fix: " in str(e.value)


def test_costs_count_the_trips():
    x = leaf(X)
    g = Graph((x,), (items(scan(x, body=ONE, length=7, n_carry=1))[0],))
    assert totals(ONE) == (3, 56)
    assert totals(g) == (21, 7 * 56)
    p = leaf(B)
    both = Graph((p, x), (items(cond(p, x, branches=(ONE, trace(lambda x: x * 2.0 + x, X))))[0],))
    assert totals(both)[0] == 6


def test_close_captures_what_does_not_change():
    a, b, c = leaf(X), leaf(X), leaf(X)
    outside = a * b
    graph, captured = close([c], [c + outside + constant(2.0, X)])
    assert captured == [outside]
    assert len(graph.values()) == 2
    graph, captured = close([c], [c + outside], captures=())
    assert captured == [a, b]
    assert len(graph.values()) == 2


def test_checks_inside_a_region_name_the_line():
    index = leaf(I64)
    body = trace(lambda x, i: F["gather"](x, i, axes=(0,), mode="raise") * 1.0, X, I64)
    g = Graph((x := leaf(X), index), (items(cond(constant(np.bool_(True)), x, index, branches=(body, body)))[0],))
    with pytest.raises(RangeError, match=r"test_primitives_branches\.py"):
        evaluate(g, H, np.asarray(np.int64(5)))
