"""L-BFGS, line searches, Polyak's steps and arithmetic of trees against optax."""

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import optim

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
pytest.importorskip("optax.contrib")

from optax_pairs import agree, exact, gradients, start  # noqa: E402, F401


def bowl(p: Any, np_: Any) -> Any:
    return np_.sum((p["w"] - 1) ** 2 * np_.arange(1.0, 13.0).reshape(4, 3)) + sum(np_.sum(np_.cosh(x)) for x in p["deep"])


@pytest.mark.parametrize("options", [{}, {"learning_rate": 0.5, "memory_size": 3}, {"scale_init_precond": False, "learning_rate": 0.02}], ids=str)
def test_lbfgs_as_optax(options: dict[str, Any]) -> None:
    ends = []
    for T, J, np_ in ((optim, fgrad, jnp), (optax, jax, jax.numpy)):
        opt = T.lbfgs(linesearch=None, **options)
        params = jax.tree.map(np_.asarray, start())
        state = opt.init(params)
        step = J.jit(lambda g, s, p, opt=opt: opt.update(g, s, p))
        for _ in range(8):
            g = J.grad(lambda p, np_=np_: bowl(p, np_))(params)
            updates, state = step(g, state, params)
            params = T.apply_updates(params, updates)
        ends.append(params)
    agree(*ends, rtol=2e-3, atol=1e-4)


def test_line_search_as_optax() -> None:
    ends = []
    for T, np_ in ((optim, jnp), (optax, jax.numpy)):
        opt = T.chain(T.sgd(1.0), T.scale_by_backtracking_linesearch(15, store_grad=True))
        params = jax.tree.map(np_.asarray, start())
        with jax.enable_x64(False):
            state = opt.init(params)

        def f(p: Any, np_: Any = np_) -> Any:
            return bowl(p, np_)

        seen = []
        for _ in range(6):
            with jax.enable_x64(False):  # optax's has float64 and float32 meet there
                value, g = T.value_and_grad_from_state(f)(params, state=state)
                updates, state = opt.update(g, state, params, value=value, grad=g, value_fn=f)
            params = T.apply_updates(params, updates)
            seen.append((float(value), float(state[-1].learning_rate)))
        ends.append((params, seen))
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-4)
    agree(ends[0][0], ends[1][0], rtol=1e-4, atol=1e-5)


def test_lbfgs_with_a_line_search_converges() -> None:
    opt = optim.lbfgs(linesearch=optim.scale_by_backtracking_linesearch(20, store_grad=True))
    params = jax.tree.map(jnp.asarray, start())
    state = opt.init(params)
    for _ in range(40):
        value, g = optim.value_and_grad_from_state(lambda p: bowl(p, jnp))(params, state=state)
        updates, state = opt.update(g, state, params, value=value, grad=g, value_fn=lambda p: bowl(p, jnp))
        params = optim.apply_updates(params, updates)
    np.testing.assert_allclose(np.asarray(params["w"]), np.ones((4, 3)), atol=1e-3)


@pytest.mark.parametrize("variant", ["sps", "sps+"])
def test_polyak_as_optax(variant: str) -> None:
    ends = []
    for T, J, np_ in ((optim, fgrad, jnp), (optax, jax, jax.numpy)):
        opt = T.polyak_sgd(max_learning_rate=0.3, f_min=23.0, variant=variant)
        params = jax.tree.map(np_.asarray, start())
        state = opt.init(params)
        for _ in range(8):
            value, g = J.value_and_grad(lambda p, np_=np_: bowl(p, np_))(params)
            updates, state = opt.update(g, state, params, value=value)
            params = T.apply_updates(params, updates)
        ends.append(params)
    agree(*ends, rtol=1e-4, atol=1e-5)


def test_arithmetic_of_trees_as_optax() -> None:
    x, y = start(), gradients()[0]
    calls = [
        lambda t: t.add(x, y), lambda t: t.sub(x, y), lambda t: t.mul(x, y), lambda t: t.div(x, y), lambda t: t.scale(0.3, x), lambda t: t.add_scale(x, 0.3, y),
        lambda t: t.vdot(x, y), lambda t: t.sum(x), lambda t: t.norm(x), lambda t: t.norm(x, squared=True), lambda t: t.norm(x, ord=1), lambda t: t.norm(x, ord="inf"),
        lambda t: t.max(x), lambda t: t.min(x), lambda t: t.size(x), lambda t: t.zeros_like(x), lambda t: t.ones_like(x), lambda t: t.full_like(x, 3.0),
        lambda t: t.cast(x, "float16"), lambda t: t.clip(x, -0.1, 0.2), lambda t: t.where(True, x, y), lambda t: t.cast_like(x, y), lambda t: t.allclose(x, x),
    ]  # fmt: skip
    for call in calls:
        got, want = jax.tree.leaves(jax.tree.map(np.asarray, call(optim.tree))), jax.tree.leaves(call(optax.tree))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, np.asarray(b), rtol=1e-5, atol=1e-6)
    draws = optim.tree.random_like(fgrad.random.key(1), x)
    assert [d.shape for d in fgrad.tree.leaves(draws)] == [p.shape for p in jax.tree.leaves(x)]


def test_fields_of_states_are_found_and_replaced() -> None:
    opt = optim.inject_hyperparams(optim.adam)(0.1)
    state = opt.init(start())
    assert abs(float(optim.tree.get(state, "learning_rate")) - 0.1) < 1e-6
    changed = optim.tree.set(state, learning_rate=jnp.asarray(0.5))
    assert float(optim.tree.get(changed, "learning_rate")) == 0.5
    assert fgrad.tree.structure(changed) == fgrad.tree.structure(state)
    assert optim.tree.get(state, "nothing", 7) == 7
    with pytest.raises(fgrad.errors.ArgumentError, match="is found at"):
        optim.tree.get(state, "count")
    with pytest.raises(fgrad.errors.ArgumentError, match="nowhere"):
        optim.tree.set(state, nothing=1)
