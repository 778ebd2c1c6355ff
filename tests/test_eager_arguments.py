"""Arguments of the transforms as JAX documents them: names, defaults, positions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp

A = np.arange(12.0).reshape(3, 4) / 7 + 0.1


def ready(x):
    return jnp.array(x).block_until_ready()


@pytest.mark.parametrize("given", [
    {"static_argnums": 0, "donate_argnums": 2}, {"static_argnums": (-3,), "donate_argnums": (-1,)},
    {"static_argnames": "n", "donate_argnames": ("y",)}, {"static_argnums": 0, "donate_argnames": "y"},
])  # fmt: skip
@pytest.mark.parametrize("by_name", [False, True])
def test_donation_counts_static_arguments_too(given, by_name):
    f = fgrad.jit(lambda n, x, y: y + n * x, **given)
    x, y = ready(A), ready(A)
    assert np.allclose(f(n=2, x=x, y=y) if by_name else f(2, x, y), 3 * A)
    assert np.allclose(x, A)
    with pytest.raises(TypeError, match="was donated to a jitted call"):
        y.tolist()


def test_static_positions_are_those_of_the_signature():
    last = fgrad.jit(lambda x, n=0: x * n if n else x, static_argnums=-1)
    assert np.allclose(last(A, n=3), 3 * A)
    assert np.allclose(last(A, 3), 3 * A)
    rest = fgrad.jit(lambda x, *more, n=0: x * n + more[1] if n else x, static_argnames="n")
    assert np.allclose(rest(A, A, A, n=3), 4 * A)
    plain = fgrad.jit(lambda x: x, static_argnums=None, static_argnames=None, donate_argnums=None, donate_argnames=None)
    assert np.allclose(plain(A), A)


@pytest.mark.parametrize("given", [
    {"static_argnums": 3}, {"static_argnames": "zzz"}, {"donate_argnums": (0, -3)}, {"donate_argnames": ["x", "zzz"]},
])  # fmt: skip
def test_jit_refuses_arguments_that_are_not_there(given):
    with pytest.raises(ValueError, match=r"but the function takes \(x, y\)"):
        fgrad.jit(lambda x, y: x, **given)
