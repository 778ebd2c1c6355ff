"""The line search to Wolfe's conditions, and L-BFGS with it, step for step against optax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import optim

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

LOSSES = {
    "valley": (lambda p, m: 100 * (p["y"] - p["x"] ** 2) ** 2 + (1 - p["x"]) ** 2, {"x": np.asarray(-1.2), "y": np.asarray(1.0)}),
    "bowl": (lambda p, m: m.sum((p["w"] - 1) ** 2 * m.arange(1.0, 7.0)) + m.sum(m.cosh(p["b"])), {"w": np.linspace(-2, 3, 6), "b": np.linspace(-1, 2, 4)}),
    "waves": (lambda p, m: m.sum(m.sin(3 * p["w"]) + 0.1 * p["w"] ** 2), {"w": np.linspace(-2, 2.3, 5)}),
    "quartic": (lambda p, m: m.sum((p["w"] - 0.3) ** 4) + m.sum(p["w"] ** 2) * 1e-3, {"w": np.asarray([4.0, -3.0])}),
    "logs": (lambda p, m: m.sum(p["w"] - m.log(p["w"])), {"w": np.asarray([0.01, 5.0, 0.3])}),  # NaN where a step goes too far
}
SEARCHES = [
    {"max_linesearch_steps": 15}, {"max_linesearch_steps": 20, "initial_guess_strategy": "one"}, {"max_linesearch_steps": 3},
    {"max_linesearch_steps": 12, "max_learning_rate": 0.02}, {"max_linesearch_steps": 25, "curv_rtol": 0.1, "slope_rtol": 1e-3},
    {"max_linesearch_steps": 15, "approx_dec_rtol": None, "increase_factor": 1.5}, {"max_linesearch_steps": 25, "curv_rtol": 0.01, "stepsize_precision": 0.1},
    {"max_linesearch_steps": 10, "tol": 0.5},
]  # fmt: skip


def path(lib: Any, J: Any, m: Any, loss: str, make: Any, steps: int) -> list[Any]:
    """What each step did: losses, step lengths, counts, conditions, parameters."""
    f, start = LOSSES[loss]
    params = {k: m.asarray(v) for k, v in start.items()}
    opt = make(lib)
    state = opt.init(params)
    find = lib.value_and_grad_from_state(lambda p: f(p, m))
    seen = []

    def step(params: Any, state: Any) -> Any:
        value, grad = find(params, state=state)
        updates, state = opt.update(grad, state, params, value=value, grad=grad, value_fn=lambda p: f(p, m))
        return value, lib.apply_updates(params, updates), state

    run = J.jit(step)
    for _ in range(steps):
        value, params, state = run(params, state)
        s = state[-1]
        seen.append([float(value), float(s.learning_rate), float(s.value), int(s.info.num_linesearch_steps), float(s.info.decrease_error),
                     float(s.info.curvature_error), *np.concatenate([np.ravel(np.asarray(params[k])) for k in sorted(params)]),
                     *np.concatenate([np.ravel(np.asarray(s.grad[k])) for k in sorted(params)])])  # fmt: skip
    return seen


PAIRS = [(k, loss) for k in range(len(SEARCHES)) for loss in [list(LOSSES)[k % 5]]]


@pytest.mark.parametrize(("search", "loss"), PAIRS)
def test_search_as_optax(search: int, loss: str) -> None:
    def make(lib: Any) -> Any:
        return lib.chain(lib.sgd(0.05 if loss == "valley" else 1.0), lib.scale_by_zoom_linesearch(**SEARCHES[search]))

    with jax.enable_x64(True):
        want = path(optax, jax, jax.numpy, loss, make, 6)
    np.testing.assert_allclose(path(optim, fgrad, jnp, loss, make, 6), want, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("loss", "options"), [
    ("valley", {}), ("bowl", {"memory_size": 3}), ("waves", {"scale_init_precond": False}), ("logs", {"learning_rate": 0.5}), ("quartic", {}),
], ids=str)  # fmt: skip
def test_lbfgs_as_optax(loss: str, options: dict[str, Any]) -> None:
    steps = 12 if loss == "valley" else 6  # then rounding decides
    with jax.enable_x64(True):
        want = path(optax, jax, jax.numpy, loss, lambda lib: lib.lbfgs(**options), steps)
    np.testing.assert_allclose(path(optim, fgrad, jnp, loss, lambda lib: lib.lbfgs(**options), steps), want, rtol=1e-5, atol=1e-8)


def test_lbfgs_finds_the_minimum_of_a_valley() -> None:
    f, start = LOSSES["valley"]
    params = {k: jnp.asarray(v) for k, v in start.items()}
    opt = optim.lbfgs()
    state = opt.init(params)

    @fgrad.jit
    def step(params: Any, state: Any) -> Any:
        value, grad = optim.value_and_grad_from_state(lambda p: f(p, jnp))(params, state=state)
        updates, state = opt.update(grad, state, params, value=value, grad=grad, value_fn=lambda p: f(p, jnp))
        return optim.apply_updates(params, updates), state

    for _ in range(40):
        params, state = step(params, state)
    np.testing.assert_allclose([float(params["x"]), float(params["y"])], [1, 1], rtol=1e-8)


@pytest.mark.parametrize("name", ["zoom", "backtracking"])
def test_data_of_the_loss(name: str) -> None:
    ends = []
    with jax.enable_x64(True):
        for lib, m, J in ((optim, jnp, fgrad), (optax, jax.numpy, jax)):
            search = lib.scale_by_zoom_linesearch(15) if name == "zoom" else lib.scale_by_backtracking_linesearch(15, store_grad=False)
            opt = lib.chain(lib.sgd(1.0), search)
            params = m.asarray(np.asarray([1.0, 2.0, 3.0]))
            state = opt.init(params)

            def f(p: Any, x: Any, y: Any, m: Any = m) -> Any:
                return m.sum((x @ p - y) ** 2)

            for k in range(3):
                data = {"x": m.asarray(np.asarray([3.0, 2.0, 1.0 + k])), "y": m.asarray(0.5)}
                value, grad = J.value_and_grad(f)(params, **data)
                updates, state = opt.update(grad, state, params, value=value, grad=grad, value_fn=f, **data)
                params = lib.apply_updates(params, updates)
            ends.append(np.asarray(params))
    np.testing.assert_allclose(*ends, rtol=1e-6)


def test_errors() -> None:
    p = jnp.ones(2)
    with pytest.raises(ValueError, match="guess strategy"):
        optim.scale_by_zoom_linesearch(3, initial_guess_strategy="two")
    opt = optim.scale_by_zoom_linesearch(3)
    with pytest.raises(TypeError, match="takes no z"):
        opt.update(p, opt.init(p), p, value=1.0, grad=p, value_fn=lambda p: p.sum(), z=1)
    with pytest.raises(ValueError, match="needs the parameters"):
        opt.update(p, opt.init(p), value=1.0, grad=p, value_fn=lambda p: p.sum())
