"""Programs in the functional style, each run by fgrad and by JAX: the same source, the library as an argument."""

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
pytest.importorskip("jax.flatten_util")
pytest.importorskip("jax.scipy.optimize")

from functional import derivatives, models  # noqa: E402, F401  # they fill PROGRAMS
from functional.registry import PROGRAMS, numbers  # noqa: E402


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(f: Any) -> None:
    got, want = numbers(f(fgrad, fgrad.numpy)), numbers(f(jax, jax.numpy))
    assert len(got) == len(want) > 0
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-3 if a.dtype.kind in "fc" else 0, atol=2e-4 if a.dtype.kind in "fc" else 0)


def test_dropout_by_keys() -> None:
    """Other numbers than JAX's, the same meaning: one key, one mask; the mean stays."""
    from fgrad import random

    def drop(key: Any, x: Any, rate: float) -> Any:
        keep = random.bernoulli(key, 1 - rate, x.shape)
        return fgrad.numpy.where(keep, x / (1 - rate), 0.0)

    x, keys = fgrad.numpy.ones((200, 50)), random.split(random.key(1), 3)
    a, b, c = (np.asarray(fgrad.jit(drop, static_argnums=2)(k, x, 0.25)) for k in (keys[0], keys[0], keys[1]))
    assert (a == b).all()
    assert (a != c).any()
    assert abs(a.mean() - 1) < 0.02
    masks = np.asarray(fgrad.vmap(lambda k: drop(k, x, 0.25))(keys))
    assert (masks[0] == a).all()


def test_flat_vectors_of_another_size_are_refused() -> None:
    _, unravel = fgrad.flatten_util.ravel_pytree({"a": fgrad.numpy.ones(2)})
    with pytest.raises(fgrad.errors.ShapeError, match="tree of 2 numbers"):
        unravel(fgrad.numpy.ones(3))
