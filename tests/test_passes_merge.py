"""What differentiating scan and checkpoint makes: size, residuals, memory, and one forward pass."""

from __future__ import annotations

import gc
import time
import weakref

import numpy as np
import pytest
from evaluate import evaluate
from region_programs import DH, PROGRAMS, XS, H, W, close_to, f64, grad, remat, rnn, total, value

from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, leaf
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.passes.merge import merge_extensions
from fgrad.primitives.regions import checkpoint_values, scan_values
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import trace
from fgrad.transforms.jvp import push
from fgrad.transforms.vjp import pull

jax = pytest.importorskip("jax")
jnp = jax.numpy
lax = jax.lax


@pytest.fixture(autouse=True, scope="module")
def _x64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


# ---------------------------------------------------------------- scan
def test_scan_of_no_steps_and_no_operands():
    def f(h, xs):
        c, ys = scan_values(lambda c, x: ([c[0] * x[0]], [c[0] + 1.0]), [h], [xs])
        return total(c[0]) + total(ys[0])

    close_to(value(f, H, np.zeros((0, 3)))[0], H.sum())
    close_to(value(grad(f), H, np.zeros((0, 3)))[0], np.ones(3))
    assert value(lambda: scan_values(lambda c, x: ([], [constant(np.ones(2))]), [], length=3)[1][0])[0].shape == (3, 2)


def test_scan_results_share_no_memory():
    g = trace(
        lambda h, g: tuple(scan_values(lambda c, x: ([c[0], c[0], c[1]], []), [h, g, h], length=2)[0]), f64(3), f64(3)
    )
    out = evaluate(g, H, DH)
    bases = [id(a if a.base is None else a.base) for a in (*out, H, DH)]
    assert len(set(bases)) == len(bases)


def count(g: Graph) -> int:
    return sum(1 + sum(count(s) for p in v.params if isinstance(s := p, Graph)) for v in g.values())


def test_gradient_is_independent_of_the_length_and_fast():
    sizes = {count(trace(grad(rnn, 0), f64(3, 3), f64(3), f64(n, 3))) for n in (1, 10, 10_000)}
    assert len(sizes) == 1
    start = time.process_time()
    g = merge_extensions(trace(grad(rnn, 0), f64(3, 3), f64(3), f64(10_000, 3)))
    assert time.process_time() - start < 0.5
    start = time.process_time()
    evaluate(g, W * 0.1, H, np.zeros((10_000, 3)))
    assert time.process_time() - start < 3


def test_invariant_residuals_are_hoisted():
    def f(w, h):
        return total(scan_values(lambda c, x: ([F["mul"](F["exp"](w) * 2.0, c[0])], []), [h], length=5)[0][0])

    g = merge_extensions(trace(grad(f, 1), f64(3), f64(3)))
    scans = [v for v in g.values() if v.prim is not None and v.prim.name == "scan"]
    assert [t.shape for v in scans for t in v.type.items] == [(3,)]  # nothing stacked; the forward one is not needed
    close_to(evaluate(g, H, H)[0], (2 * np.exp(H)) ** 5)


def scans(g: Graph) -> int:
    return sum(v.prim is not None and v.prim.name in ("scan", "cond", "while_loop", "checkpoint") for v in g.values())


def value_and_grad(f):
    return lambda *xs: (f(*xs), *[grad(f, i)(*xs) for i in range(3)])


@pytest.mark.parametrize("name", ["scan", "reverse scan", "scan of cond", "scan of scan", "checkpoint dots"])
def test_forward_pass_runs_once(name):
    f = PROGRAMS[name][0]
    g = trace(lambda *xs: (y := f(*xs), *pull([y], [constant(np.ones(()))], xs)), f64(3, 3), f64(3), f64(4, 3))
    assert (scans(g), scans(merge_extensions(g))) == (3, 2)
    g = trace(lambda *xs: (y := f(*xs[:3]), push([y], {xs[0]: xs[3]})[0]), f64(3, 3), f64(3), f64(4, 3), f64(3, 3))
    assert (scans(g), scans(merge_extensions(g))) == (2, 1)


def test_forward_pass_of_a_batch_runs_once():
    def f(w, h, xs):
        inner = [w, leaf(h.type.with_shape((3,))), leaf(xs.type.with_shape((4, 3)))]
        y = rnn(*inner)
        outputs = [y, *pull([y], [constant(np.ones(()))], inner)]
        return [v for v, _ in batch(outputs, {inner[1]: h, inner[2]: xs}, 2, [w])]

    g = trace(f, f64(3, 3), f64(2, 3), f64(2, 4, 3))
    assert (scans(g), scans(merge_extensions(g))) == (3, 2)


def test_merge_leaves_a_tangent_that_needs_the_result():
    def f(h, xs):
        y = scan_values(lambda c, x: ([F["sin"](c[0]) * x[0]], []), [h], [xs])[0][0]
        return y, push([y], {h: y})[0]

    g = trace(f, f64(3), f64(4, 3))
    assert scans(merge_extensions(g)) == 2
    value(f, H, XS)


def test_plans_die_with_their_graph():
    g = trace(grad(rnn, 0), f64(3, 3), f64(3), f64(7, 3))
    refs = [weakref.ref(p) for v in g.values() for p in v.params if isinstance(p, Graph)]
    assert refs
    del g
    gc.collect()
    assert all(r() is None for r in refs)


# ---------------------------------------------------------------- checkpoint
def products(g: Graph) -> int:
    return sum(
        (v.prim is not None and v.prim.name == "dot_general")
        + sum(products(p) for p in v.params if isinstance(p, Graph))
        for v in g.values()
    )


def test_policies_keep_what_they_say():
    found = {}
    for policy in ("nothing", "dots", "everything"):
        f = remat(policy)
        g = merge_extensions(
            trace(lambda *xs: (y := f(*xs), *pull([y], [constant(np.ones(()))], xs)), f64(3, 3), f64(3), f64(4, 3))
        )
        forward = next(v for v in g.values() if v.prim is not None and v.prim.name == "checkpoint")
        found[policy] = (products(g), len(forward.type.items))
    assert found == {"nothing": (4, 1), "dots": (3, 2), "everything": (3, 4)}


def test_a_policy_may_leave_out_products_with_batch_axes():
    def f(q, k, w):
        scores = F["dot_general"](q, k, contract=((2,), (2,)), batch=((0,), (0,)))
        y = F["dot_general"](F["tanh"](scores), w, contract=((2,), (0,)), batch=((), ()))
        return F["tanh"](y)

    found = {}
    for policy in ("nothing", "unbatched_dots", "dots"):
        y = f64(2, 3, 4)
        g = merge_extensions(trace(lambda *xs, p=policy: _checkpointed(f, p, xs), y, y, f64(3, 3)))
        forward = next(v for v in g.values() if v.prim is not None and v.prim.name == "checkpoint")
        found[policy] = len(forward.type.items)
    assert found == {"nothing": 1, "unbatched_dots": 2, "dots": 3}


def _checkpointed(f, policy, xs):
    y = checkpoint_values(lambda v: [f(*v)], list(xs), policy)[0]
    one = F["broadcast_to"](constant(np.ones(())), shape=y.shape)
    return y, *pull([y], [one], xs)
