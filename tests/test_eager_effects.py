"""debug_print and debug_callback: at once, inside jit, under grad; in order, once a run."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax


@pytest.fixture
def seen():
    return []


def noted(seen):
    return lambda tag, x: seen.append((str(tag["t"]), np.asarray(x).tolist()))


def test_prints_at_once_outside_jit(capsys):
    fgrad.debug_print("{} and {y:.1f}", jnp.arange(2), y=2.5)
    assert capsys.readouterr().out == "[0 1] and 2.5\n"


def test_prints_at_every_run_of_a_jitted_function(capsys):
    @fgrad.jit
    def f(x):
        fgrad.debug_print("x={}", x)
        y = x * 2
        fgrad.debug_print("y={}", y)
        return y

    for i in range(4):
        f(float(i))
        assert capsys.readouterr().out == f"x={float(i)}\ny={float(2 * i)}\n"
    assert f.cache_size() == 1


def test_runs_once_with_pending_arguments_under_grad_and_in_nested_jit(seen):
    note = noted(seen)

    @fgrad.jit
    def inner(x):
        fgrad.debug_callback(lambda v: seen.append(float(v)), x)
        return x**2

    f = fgrad.jit(lambda x: inner(x) + inner(x + 1))
    for i in range(3):
        y = f(jnp.array(float(i)) * 1)
        assert seen == [i, i + 1]
        assert float(y) == i**2 + (i + 1) ** 2
        seen.clear()
    assert float(fgrad.grad(f)(1.0)) == 6.0
    assert seen == [1.0, 2.0]
    seen.clear()
    assert float(fgrad.jit(fgrad.grad(f))(1.0)) == 6.0
    assert seen == [1.0, 2.0]
    seen.clear()
    fgrad.grad(lambda x: (fgrad.debug_callback(note, {"t": 1.0}, x), x)[1])(5.0)
    assert seen == [("1.0", 5.0)]


def test_a_program_with_effects_does_not_stand_in_for_one_without(seen):
    x = jnp.arange(3.0).block_until_ready()
    f = fgrad.jit(lambda v: (fgrad.debug_callback(lambda a: seen.append(a.sum()), v), v + 1)[1])
    (f(x * 3) * 2).tolist()
    assert len(seen) == 1
    ((x * 3 + 1) * 2).tolist()
    (x * 3).tolist()
    assert len(seen) == 1


def say(m, text, *args):
    m.debug.print(text, *args, ordered=True)


def scanned(m, n, L):
    def step(c, x):
        say(m, "{} {}", c, x)
        return c + x, c

    return [L.scan(step, 0.0, n.arange(3.0)), m.jit(lambda a: L.scan(step, a, n.arange(3.0)))(1.0), m.grad(lambda a: L.scan(step, a, n.arange(2.0))[0] ** 2)(2.0)]


def branched(m, n, L):
    def f(x):
        return L.cond(x > 0, lambda y: (say(m, "up {}", y), y)[1], lambda y: (say(m, "down {}", y), -y)[1], x)

    L.cond(True, lambda: say(m, "yes"), lambda: say(m, "no"))
    return [f(n.array(1.0)), m.jit(f)(-2.0), m.grad(f)(-3.0), m.jit(m.grad(f))(4.0), L.switch(n.array(1), [lambda: 0, lambda: (say(m, "one"), 1)[1]])]


def looped(m, n, L):
    def body(x):
        m.debug.print("w {}", x)
        return x + 1

    L.fori_loop(0, 2, lambda i, x: say(m, "alone {}", i), None)
    return [L.while_loop(lambda x: x < 3, body, 0), m.jit(lambda a: L.while_loop(lambda x: x < 3, body, a))(1)]


def nested(m, n, L):
    def step(c, x):
        c = L.cond(x > 1, lambda c: (say(m, "in {}", c), c * 2)[1], lambda c: c, c)
        L.fori_loop(0, 2, lambda i, _: say(m, "i {}", i), None)
        return c + x, None

    return [m.jit(lambda a: L.scan(step, a, n.arange(3.0)))(1.0)]


def mapped(m, n, L):
    def f(x):
        m.debug.print("x {}", x)
        m.debug.print("y {}", x * 2)
        return x + 1

    g = m.vmap(lambda x: L.cond(x > 0, lambda y: (m.debug.print("up {}", y), y)[1], lambda y: -y, x))
    return [m.vmap(f)(n.arange(3)), m.jit(m.vmap(f))(n.arange(2)), g(n.array([1.0, -1.0]))]


def ruled(m, n, L):
    @m.custom_vjp
    def seen(x):
        return x

    def backward(_, g):
        m.debug.print("g {}", g)
        return (g,)

    seen.defvjp(lambda x: (x, None), backward)
    f = m.grad(lambda x: seen(n.sin(x)) * 2)
    return [np.asarray(f(1.0)), np.asarray(m.jit(f)(1.0)), np.asarray(m.jit(m.vmap(f))(n.arange(2.0))), m.jit(m.checkpoint(lambda x: (m.debug.print("r {}", x), n.sin(x))[1]))(0.0)]


@pytest.mark.oracle
@pytest.mark.parametrize("program", [scanned, branched, looped, nested, mapped, ruled])
def test_prints_in_regions_as_jax(program, capsys):
    jax = pytest.importorskip("jax")
    want = program(jax, jax.numpy, jax.lax)
    jax.effects_barrier()
    text = capsys.readouterr().out
    got = program(fgrad, jnp, lax)
    assert capsys.readouterr().out == text != ""
    for a, b in zip(fgrad.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_what_a_region_may_not_do():
    with pytest.raises(TypeError, match="the condition of while_loop"):
        fgrad.jit(lambda a: lax.while_loop(lambda x: (a.add_(1), x < 3)[1], lambda x: x + 1, 0))(fgrad.zeros(1))
