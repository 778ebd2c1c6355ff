"""Control flow against JAX: values, gradients, higher orders, batches, and the forms their graphs take."""

from __future__ import annotations

import numpy as np
import pytest
from region_programs import ARGS, DH, DOTS, PROGRAMS, XS, H, W, close_to, grad, jax_vmap, jvp, total, value, vmap

from fgrad.errors import ForwardError

jax = pytest.importorskip("jax")
jnp = jax.numpy
lax = jax.lax


@pytest.fixture(autouse=True, scope="module")
def _x64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


every = pytest.mark.parametrize("name", PROGRAMS)


@every
def test_values_match_jax(name):
    f, g = PROGRAMS[name]
    close_to(value(f, *ARGS)[0], g(*ARGS))


@every
@pytest.mark.parametrize("i", range(3))
def test_gradients_match_jax(name, i):
    f, g = PROGRAMS[name]
    close_to(value(grad(f, i), *ARGS)[0], jax.grad(g, i)(*ARGS))


@every
@pytest.mark.parametrize("i", range(3))
def test_forward_mode_matches_jax(name, i):
    f, g = PROGRAMS[name]
    if name == "custom_vjp" and i < 2:
        with pytest.raises(ForwardError, match="custom vjp rule") as e:
            value(jvp(f, i), *ARGS, DOTS[i])
        assert isinstance(e.value, TypeError)
        return
    dots = [d if k == i else np.zeros_like(d) for k, d in enumerate(DOTS)]
    close_to(value(jvp(f, i), *ARGS, DOTS[i])[0], jax.jvp(g, ARGS, tuple(dots))[1])


@every
def test_second_and_third_derivatives_match_jax(name):
    f, g = PROGRAMS[name]

    def scaled(f, total):
        return lambda w, h, xs: total(f(w, h, xs) * h)

    jax_total = lambda v: v.sum()
    second, jax_second = grad(scaled(grad(f, 1), total), 0), jax.grad(scaled(jax.grad(g, 1), jax_total), 0)
    close_to(value(second, *ARGS, check=False)[0], jax_second(*ARGS))
    third, jax_third = (
        grad(scaled(grad(scaled(grad(f, 1), total), 1), total), 2),
        jax.grad(scaled(jax.grad(scaled(jax.grad(g, 1), jax_total), 1), jax_total), 2),
    )
    close_to(value(third, *ARGS, check=False)[0], jax_third(*ARGS))


@every
def test_forward_over_reverse_and_reverse_over_forward_match_jax(name):
    f, g = PROGRAMS[name]
    if name == "custom_vjp":
        return
    jax_jvp = lambda w, h, xs, d: jax.jvp(lambda h: g(w, h, xs), (h,), (d,))[1]
    want = jax.jvp(lambda h: jax.grad(g)(W, h, XS), (H,), (DH,))[1]
    close_to(value(jvp(grad(f), 1), *ARGS, DH, check=False)[0], want)
    close_to(value(grad(jvp(f, 1)), *ARGS, DH, check=False)[0], jax.grad(jax_jvp)(*ARGS, DH))


@every
@pytest.mark.parametrize("axes", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)], ids=str)
def test_batches_match_jax(name, axes):
    f, g = PROGRAMS[name]
    args = [np.stack([a, a * 0.5]) if b else a for a, b in zip(ARGS, axes, strict=True)]
    close_to(value(vmap(f, *axes), *args)[0], jax_vmap(g, *axes)(*args))
    close_to(value(vmap(grad(f, 1), *axes), *args)[0], jax_vmap(jax.grad(g, 1), *axes)(*args))
    through, jax_through = (lambda *xs: total(vmap(f, *axes)(*xs))), (lambda *xs: jax_vmap(g, *axes)(*xs).sum())
    for i in range(3):
        close_to(value(grad(through, i), *args)[0], jax.grad(jax_through, i)(*args))
