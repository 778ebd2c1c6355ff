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


@pytest.mark.parametrize("run", [
    lambda g: lax.scan(lambda c, x: (g(c), x), 0.0, jnp.arange(3.0)),
    lambda g: lax.cond(jnp.array(True), g, lambda x: x, 1.0),
    lambda g: fgrad.vmap(g)(jnp.arange(3.0)),
    lambda g: fgrad.checkpoint(g)(1.0),
])  # fmt: skip
def test_inside_regions_it_is_an_error(run):
    def g(x):
        fgrad.debug_print("{}", x)
        return x

    with pytest.raises(TypeError, match=r"(?s)an effect .* inside .*print them outside"):
        run(g)
