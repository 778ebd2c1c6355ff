"""Every optimiser of torch.optim, step for step: parameters and state after ten steps, options one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import optim

torch = pytest.importorskip("torch")

COMMON: list[dict[str, Any]] = [{}, {"maximize": True}, {"weight_decay": 0.1}, {"lr": 0.05}]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [*COMMON, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.5}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}],
    "Adam": [*COMMON, {"amsgrad": True}, {"betas": (0.5, 0.6), "eps": 1e-3}, {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "AdamW": [*COMMON, {"amsgrad": True, "maximize": True}],
    "Adamax": [*COMMON, {"betas": (0.5, 0.6), "eps": 1e-3}],
    "NAdam": [*COMMON, {"momentum_decay": 0.5}, {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "RAdam": [*COMMON, {"betas": (0.5, 0.6)}, {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "RMSprop": [*COMMON, {"momentum": 0.9}, {"centered": True}, {"centered": True, "momentum": 0.5, "alpha": 0.5, "weight_decay": 0.1}],
    "Adagrad": [*COMMON, {"lr_decay": 0.1, "initial_accumulator_value": 0.5}],
    "Adadelta": [*COMMON, {"rho": 0.5, "eps": 1e-2}],
    "ASGD": [*COMMON, {"t0": 3, "lambd": 0.1, "alpha": 0.5}],
    "Rprop": [{}, {"maximize": True}, {"etas": (0.3, 1.7), "step_sizes": (1e-3, 0.05)}],
    "Adafactor": [*COMMON, {"d": 2.0, "eps": (1e-4, 1e-2), "beta2_decay": -0.5}],
    "Muon": [{}, {"nesterov": False, "momentum": 0.5}, {"adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.5}, {"ns_steps": 3}],
}
CASES = [pytest.param(name, options, id=f"{name}-{'-'.join(map(str, options)) or 'plain'}") for name, all_ in OPTIONS.items() for options in all_]
SHAPES = [(3, 4), (5,), (), (2, 3, 4), (0,), (4, 2)]


def arrays(dtype: str, shapes: list[tuple[int, ...]]) -> list[Any]:
    """Parameters to start from; the same for both."""
    draw = np.random.default_rng(0)
    values = [draw.normal(size=s) + (1j * draw.normal(size=s) if dtype.startswith("c") else 0) for s in shapes]
    return [np.asarray(v, dtype) for v in values]


def leaf(T: Any, a: Any, dtype: Any = None) -> Any:
    x = T.tensor(a) if dtype is None else T.tensor(a, dtype=dtype)
    return x.detach().requires_grad_()


def loss_of(T: Any, params: list[Any], step: int) -> Any:
    """Each element has a curvature of its own, and a gradient that turns."""
    total: Any = 0.0
    for i, p in enumerate(params):
        size = p * p if not p.is_complex() else T.view_as_real(p) ** 2
        total = total + (size * (i + 1)).sum() + T.sin(2 * T.sqrt(size + 0.1) + step).sum()
    return total


def run(T: Any, name: str, options: dict[str, Any], params: list[Any], steps: int = 10, start: Any = None) -> tuple[list[Any], Any]:
    optimizer = getattr(T.optim, name)(params, **options)
    if start is not None:
        optimizer.load_state_dict(start)
    for i in range(steps):
        optimizer.zero_grad()
        loss_of(T, params, i).backward()
        optimizer.step()
    return params, optimizer


def leaves(state: Any) -> Iterator[tuple[Any, Any, Any]]:
    for index, entries in state.items():
        for k, v in entries.items():
            yield index, k, v


def numpy(x: Any) -> Any:
    return x.detach().numpy() if hasattr(x, "detach") else np.asarray(x)


def close(ours: Any, theirs: Any, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(numpy(ours), numpy(theirs), rtol, atol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_ten_steps(name: str, options: dict[str, Any], dtype: str) -> None:
    shapes = [s for s in SHAPES if len(s) == 2] if name == "Muon" else [s for s in SHAPES if s != (0,)] if name == "Adafactor" else SHAPES
    given = arrays(dtype, shapes)
    ours, optimizer = run(fgrad, name, options, [leaf(fgrad, a) for a in given])
    theirs, reference = run(torch, name, options, [leaf(torch, a) for a in given])
    rtol = 2e-2 if name == "Muon" else 1e-4  # Muon's iteration is in bfloat16
    for x, y in zip(ours, theirs, strict=True):
        close(x, y, rtol, rtol / 10)
    state, expected = optimizer.state_dict(), reference.state_dict()
    assert {(i, k) for i, k, v in leaves(state["state"])} == {(i, k) for i, k, v in leaves(expected["state"]) if v is not None}
    for i, k, v in leaves(state["state"]):
        close(v, expected["state"][i][k], rtol, rtol / 10)
    assert set(state["param_groups"][0]) == set(expected["param_groups"][0])


@pytest.mark.parametrize("name", [n for n in OPTIONS if n not in ("Adafactor", "Muon")])
def test_complex_parameters(name: str) -> None:
    given = arrays("complex64", [(3, 2), ()])
    for options in ({}, {"weight_decay": 0.1} if name != "Rprop" else {}):
        ours, _ = run(fgrad, name, options, [leaf(fgrad, a) for a in given])
        theirs, _ = run(torch, name, options, [leaf(torch, a) for a in given])
        for x, y in zip(ours, theirs, strict=True):
            close(x, y)


@pytest.mark.parametrize("name", list(OPTIONS))
def test_half_precision_keeps_its_betas(name: str) -> None:
    given = arrays("float32", [(3, 4)])
    ours, _ = run(fgrad, name, {}, [leaf(fgrad, a, fgrad.bfloat16) for a in given])
    theirs, _ = run(torch, name, {}, [leaf(torch, a, torch.bfloat16) for a in given])
    assert ours[0].dtype is fgrad.bfloat16
    close(ours[0].float(), theirs[0].float(), 3e-2, 3e-2)


def test_a_group_of_several_dtypes() -> None:
    given = arrays("float32", [(3,), (2,)])
    ours, _ = run(fgrad, "Adam", {"lr": 0.1}, [leaf(fgrad, given[0]), leaf(fgrad, given[1].astype("float64"))])
    theirs, _ = run(torch, "Adam", {"lr": 0.1}, [leaf(torch, given[0]), leaf(torch, given[1].astype("float64"))])
    for x, y in zip(ours, theirs, strict=True):
        close(x, y)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_state_loads_from_torch_and_training_goes_on(name: str, options: dict[str, Any]) -> None:
    given = arrays("float32", [(3, 4), (2, 2)])
    theirs, reference = run(torch, name, options, [leaf(torch, a) for a in given], 4)
    saved = copy.deepcopy(reference.state_dict())

    def ours_of(v: Any) -> Any:
        return fgrad.tensor(v.numpy()) if isinstance(v, torch.Tensor) else v

    start = {"state": {i: {k: ours_of(v) for k, v in s.items()} for i, s in saved["state"].items()}, "param_groups": saved["param_groups"]}
    here = [leaf(fgrad, p.detach().numpy().copy()) for p in theirs]
    ours, _ = run(fgrad, name, options, here, 4, start)
    theirs, _ = run(torch, name, options, theirs, 4, reference.state_dict())
    rtol = 2e-2 if name == "Muon" else 1e-4
    for x, y in zip(ours, theirs, strict=True):
        close(x, y, rtol, rtol / 10)


def test_state_dict_shares_nothing_after_loading() -> None:
    _, first = run(fgrad, "Adam", {}, [leaf(fgrad, np.ones(3, "float32"))], 2)
    x, second = run(fgrad, "Adam", {}, [leaf(fgrad, np.ones(3, "float32"))], 3, first.state_dict())
    assert int(first.state_dict()["state"][0]["step"]) == 2
    assert int(second.state_dict()["state"][0]["step"]) == 5


def test_options_changed_between_steps() -> None:
    def go(T: Any) -> Any:
        p = leaf(T, np.arange(3, dtype="float32"))
        o = T.optim.SGD([p], lr=0.1)
        for momentum in (0.0, 0.9, 0.9):
            o.param_groups[0]["momentum"] = momentum
            o.zero_grad()
            (p * p).sum().backward()
            o.step()
        return numpy(p)

    close(go(fgrad), go(torch))


def test_a_learning_rate_that_is_a_tensor() -> None:
    for name in OPTIONS:
        given = arrays("float32", [(3, 4)])
        ours, _ = run(fgrad, name, {"lr": fgrad.tensor(0.05)}, [leaf(fgrad, a) for a in given], 3)
        theirs, _ = run(torch, name, {"lr": 0.05}, [leaf(torch, a) for a in given], 3)
        close(ours[0], theirs[0], 2e-2 if name == "Muon" else 1e-4, 1e-3)


# L-BFGS ------------------------------------------------------------------------------------------------------------------
def rosenbrock(T: Any, options: dict[str, Any], steps: int) -> Any:
    x, y = leaf(T, np.array([-1.5, 0.5])), leaf(T, np.array(2.0))
    optimizer = T.optim.LBFGS([x, y], **options)

    def closure() -> Any:
        optimizer.zero_grad()
        v = T.cat([x, y.reshape(1)])
        loss = (100 * (v[1:] - v[:-1] ** 2) ** 2 + (1 - v[:-1]) ** 2).sum()
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach()) for _ in range(steps)]
    state = optimizer.state_dict()["state"][0]
    return losses, x, y, state


@pytest.mark.filterwarnings("ignore:Converting a tensor")  # torch's own
@pytest.mark.parametrize("options", [
    {"line_search_fn": "strong_wolfe"}, {"line_search_fn": "strong_wolfe", "max_iter": 5, "history_size": 3}, {"lr": 1e-3},
    {"line_search_fn": "strong_wolfe", "lr": 0.1, "max_iter": 4, "max_eval": 6}, {"lr": 1e-2, "max_iter": 3, "history_size": 2},
])  # fmt: skip
def test_lbfgs_as_torchs(options: dict[str, Any]) -> None:
    losses, x, y, state = rosenbrock(fgrad, options, 6)
    expected, x_, y_, state_ = rosenbrock(torch, options, 6)
    np.testing.assert_allclose(losses, expected, 1e-6, 1e-12)
    close(x, x_, 1e-6)
    close(y, y_, 1e-6)
    assert (state["func_evals"], state["n_iter"]) == (state_["func_evals"], state_["n_iter"])
    assert set(state) == set(state_)
    assert len(state["old_dirs"]) == len(state_["old_dirs"])


def test_lbfgs_finds_the_minimum() -> None:
    losses, x, y, _ = rosenbrock(fgrad, {"line_search_fn": "strong_wolfe", "max_iter": 100}, 3)
    assert losses[-1] < 1e-12
    np.testing.assert_allclose([*numpy(x), float(y)], [1, 1, 1], 1e-5)


def test_lbfgs_refuses() -> None:
    p = leaf(fgrad, np.ones(2, "float32"))
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [p]}, {"params": [leaf(fgrad, np.ones(2, "float32"))]}])
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        optim.LBFGS([p], line_search_fn="armijo")
    with pytest.raises(TypeError, match="closure"):
        optim.LBFGS([p]).step()


def test_views_of_constants_can_be_parameters() -> None:
    def go(T: Any) -> Any:
        flat = T.arange(6.0)
        parts = [flat[:2].requires_grad_(), flat[2:].view(2, 2).requires_grad_()]
        o = T.optim.Adam(parts, lr=0.1)
        for _ in range(3):
            o.zero_grad()
            sum((p * p).sum() for p in parts).backward()
            o.step()
        return flat

    close(go(fgrad), go(torch))


# errors ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "options"), [
    ("Adamax", {"betas": (1.0, 0.9)}), ("NAdam", {"momentum_decay": -1.0}), ("RAdam", {"eps": -1.0}), ("RMSprop", {"alpha": -1.0}),
    ("Adagrad", {"lr_decay": -1.0}), ("Adadelta", {"rho": 1.5}), ("ASGD", {"lr": -1.0}), ("Rprop", {"etas": (1.2, 1.3)}),
    ("Adafactor", {"d": 0.5}), ("Adafactor", {"beta2_decay": 0.1}), ("Muon", {"adjust_lr_fn": "other"}), ("Muon", {"momentum": -1.0}),
    ("LBFGS", {"lr": -1.0}),
])  # fmt: skip
def test_options_that_make_no_sense(name: str, options: dict[str, Any]) -> None:
    for T in (fgrad, torch):
        with pytest.raises(ValueError):  # noqa: PT011  the messages differ
            getattr(T.optim, name)([leaf(T, np.ones((2, 2), "float32"))], **options)


def test_parameters_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="2D"):
        optim.Muon([leaf(fgrad, np.ones(2, "float32"))])
    with pytest.raises(RuntimeError, match="complex"):
        optim.Adafactor([leaf(fgrad, np.ones(2, "complex64"))])
    with pytest.raises(NotImplementedError, match="use Adam"):
        optim.SparseAdam([leaf(fgrad, np.ones(2, "float32"))])
