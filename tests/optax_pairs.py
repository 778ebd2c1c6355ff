"""The pure optimisers beside optax's: parameters, gradients, steps and what agreement means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fgrad import optim

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
contrib = pytest.importorskip("optax.contrib")
STEPS = 10


@pytest.fixture(autouse=True)
def exact() -> Any:
    """Parameters are float32; optax's 1 - b2^t in float32 would have but three digits."""
    with jax.enable_x64(True):
        yield


def start() -> dict[str, Any]:
    r = np.random.default_rng(3)
    return {"w": r.normal(size=(4, 3)).astype("f4"), "deep": [r.normal(size=(3,)).astype("f4"), r.normal(size=(2, 2, 5)).astype("f4")]}


def gradients() -> list[Any]:
    r = np.random.default_rng(7)
    return [jax.tree.map(lambda p: r.normal(size=p.shape).astype("f4"), start()) for _ in range(STEPS)]


def both(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    theirs = getattr(optax, name, None) or getattr(contrib, name)
    return getattr(optim, name)(*args, **options), theirs(*args, **options)


def run(opt: Any, T: Any, params: Any, jit: Any = None) -> Any:
    state = opt.init(params)
    step = jit(opt.update) if jit else opt.update
    for g in gradients():
        updates, state = step(g, state, params)
        params = T.apply_updates(params, updates)
    return params


def agree(mine: Any, theirs: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    left, right = jax.tree.leaves(jax.tree.map(np.asarray, mine)), jax.tree.leaves(theirs)
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, np.asarray(b), rtol=rtol, atol=atol)
