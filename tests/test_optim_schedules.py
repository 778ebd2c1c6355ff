"""Learning-rate schedulers against torch.optim.lr_scheduler: rates, momenta, restarts, composition, state."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

import fgrad

torch = pytest.importorskip("torch")


def half(epoch: int) -> float:
    return 0.5**epoch


class Falling:
    """A function that is an object with state of its own."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, epoch: int) -> float:
        return self.rate**epoch


CASES: dict[str, list[dict[str, Any]]] = {
    "LambdaLR": [{"lr_lambda": half}, {"lr_lambda": [half, Falling(0.7)]}],
    "MultiplicativeLR": [{"lr_lambda": lambda e: 0.95}, {"lr_lambda": [half, Falling(0.9)]}],
    "StepLR": [{"step_size": 3}, {"step_size": 1, "gamma": 0.5}],
    "MultiStepLR": [{"milestones": [2, 5, 5, 9]}, {"milestones": [7, 3], "gamma": 0.5}],
    "ConstantLR": [{}, {"factor": 0.5, "total_iters": 3}, {"total_iters": 0}],
    "LinearLR": [{}, {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 8}],
    "ExponentialLR": [{"gamma": 0.9}],
    "PolynomialLR": [{}, {"total_iters": 10, "power": 2.0}],
    "CosineAnnealingLR": [{"T_max": 5}, {"T_max": 4, "eta_min": 0.01}],
    "CosineAnnealingWarmRestarts": [{"T_0": 3}, {"T_0": 2, "T_mult": 2, "eta_min": 0.01}],
    "CyclicLR": [
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3}, {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "step_size_down": 4, "mode": "triangular2"},
        {"base_lr": [0.01, 0.02], "max_lr": [0.1, 0.3], "step_size_up": 3, "mode": "exp_range", "gamma": 0.9},
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "scale_fn": half, "cycle_momentum": False},
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "scale_fn": half, "scale_mode": "iterations", "base_momentum": 0.5},
    ],
    "OneCycleLR": [
        {"max_lr": 0.5, "total_steps": 14}, {"max_lr": [0.5, 0.7], "epochs": 2, "steps_per_epoch": 7, "anneal_strategy": "linear"},
        {"max_lr": 0.5, "total_steps": 14, "three_phase": True, "pct_start": 0.4, "div_factor": 5.0, "final_div_factor": 10.0},
        {"max_lr": 0.5, "total_steps": 14, "cycle_momentum": False},
    ],
}  # fmt: skip
ALL = [pytest.param(name, options, id=f"{name}-{i}") for name, cases in CASES.items() for i, options in enumerate(cases)]


def optimizer_of(T: Any, name: str = "SGD", **options: Any) -> Any:
    groups = [{"params": [T.nn.Parameter(T.ones(1))]}, {"params": [T.nn.Parameter(T.ones(1))], "lr": 0.3}]
    return getattr(T.optim, name)(groups, lr=0.1, **({"momentum": 0.7} if name == "SGD" else {}), **options)


def seen(optimizer: Any) -> list[Any]:
    return [(float(g["lr"]), g.get("momentum"), g.get("betas")) for g in optimizer.param_groups]


def flat(x: Any) -> list[float]:
    return [x] if isinstance(x, int | float) else [] if x is None else [v for y in x for v in flat(y)]


def same(ours: Any, theirs: Any) -> None:
    assert flat(ours) == pytest.approx(flat(theirs), rel=1e-9, abs=1e-15)


def rates(T: Any, make: Callable[[Any, Any], Any], n: int = 13, epochs: list[Any] | None = None, optimizer: str = "SGD") -> list[Any]:
    o = optimizer_of(T, optimizer)
    s = make(T.optim.lr_scheduler, o)
    out = [[seen(o), s.get_last_lr()]]
    for i in range(n):
        o.step()
        s.step(*([epochs[i]] if epochs else []))
        out.append([seen(o), s.get_last_lr()])
    return out


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), ALL)
def test_rates_and_momenta(name: str, options: dict[str, Any], optimizer: str) -> None:
    def make(S: Any, o: Any) -> Any:
        return getattr(S, name)(o, **copy.deepcopy(options))

    same(rates(fgrad, make, optimizer=optimizer), rates(torch, make, optimizer=optimizer))


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize(("name", "options"), [c for c in ALL if c.values[0] not in ("MultiplicativeLR",)])
def test_epochs_out_of_order(name: str, options: dict[str, Any]) -> None:
    def make(S: Any, o: Any) -> Any:
        return getattr(S, name)(o, **copy.deepcopy(options))

    epochs = [4, 2, 9, 0, 7]
    same(rates(fgrad, make, 5, epochs), rates(torch, make, 5, epochs))


def test_fractions_of_epochs() -> None:
    def make(S: Any, o: Any) -> Any:
        return S.CosineAnnealingWarmRestarts(o, 3, 2)

    epochs = [0.25, 0.5, 2.9, 3.0, 5.5, 17.25]
    same(rates(fgrad, make, 6, epochs), rates(torch, make, 6, epochs))


COMPOSED: list[Callable[[Any, Any], Any]] = [
    lambda S, o: S.SequentialLR(o, [S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)], [3]),
    lambda S, o: S.SequentialLR(o, [S.LinearLR(o, 0.1, total_iters=4), S.CosineAnnealingLR(o, 6)], milestones=[4]),
    lambda S, o: S.SequentialLR(o, [S.ExponentialLR(o, 0.5), S.LambdaLR(o, half), S.StepLR(o, 1)], [2, 4]),
    lambda S, o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)], optimizer=o),
    lambda S, o: S.ChainedScheduler([S.LinearLR(o, 0.5, total_iters=3), S.StepLR(o, 4), S.CosineAnnealingLR(o, 5)]),
    lambda S, o: S.SequentialLR(o, [S.ChainedScheduler([S.LinearLR(o), S.StepLR(o, 2)]), S.ExponentialLR(o, 0.9)], [5]),
]


@pytest.mark.filterwarnings("ignore:Detected call")  # torch's, of chains in sequences
@pytest.mark.parametrize("make", COMPOSED)
def test_composed(make: Callable[[Any, Any], Any]) -> None:
    same(rates(fgrad, make), rates(torch, make))


def test_sequences_in_sequences() -> None:
    """PyTorch is one epoch ahead in the first, and raises NotImplementedError in a later one."""

    def first(S: Any, o: Any) -> Any:
        return S.SequentialLR(o, [S.SequentialLR(o, [S.ConstantLR(o, 0.5, 9), S.StepLR(o, 1, 0.1)], [2]), S.StepLR(o, 1)], [4])

    assert [r[1][0] for r in rates(fgrad, first, 5)] == pytest.approx([0.05, 0.05, 0.1, 0.01, 0.1, 0.01])

    def make(S: Any, o: Any) -> Any:
        return S.SequentialLR(o, [S.StepLR(o, 9), S.SequentialLR(o, [S.ConstantLR(o, 0.5, 9), S.StepLR(o, 1, 0.1)], [2])], [3])

    assert [r[1][0] for r in rates(fgrad, make, 7)] == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.1, 0.01, 0.001])


@pytest.mark.parametrize("options", [
    {"patience": 1}, {"patience": 0, "cooldown": 2, "factor": 0.5}, {"mode": "max", "threshold_mode": "abs", "threshold": 0.3, "patience": 1},
    {"min_lr": [0.05, 0.2], "patience": 0}, {"threshold": 0.2, "patience": 1}, {"eps": 0.05, "patience": 0},
])  # fmt: skip
def test_plateau(options: dict[str, Any]) -> None:
    def go(T: Any) -> Any:
        o = optimizer_of(T)
        s = T.optim.lr_scheduler.ReduceLROnPlateau(o, **options)
        out = []
        for metric in [1.0, 0.9, 0.95, 0.9, 0.9, 0.8, T.tensor(1.5), 1.5, 1.0, 2.0, 2.0, 2.0]:
            s.step(metric)
            out.append([seen(o), s.get_last_lr(), s.num_bad_epochs, s.best])
        return out

    same(go(fgrad), go(torch))


def plain(x: Any) -> Any:
    return {k: plain(v) for k, v in x.items()} if isinstance(x, dict) else [plain(v) for v in x] if isinstance(x, list | tuple) else x


@pytest.mark.parametrize(("name", "options"), ALL)
def test_state_goes_on_where_it_was(name: str, options: dict[str, Any]) -> None:
    S = fgrad.optim.lr_scheduler
    o = optimizer_of(fgrad)
    s = getattr(S, name)(o, **copy.deepcopy(options))
    for _ in range(4):
        o.step()
        s.step()
    saved = copy.deepcopy((s.state_dict(), o.state_dict()["param_groups"]))
    json.dumps(plain(saved[0]))  # plain containers and numbers only
    other = optimizer_of(fgrad)
    t = getattr(S, name)(other, **copy.deepcopy(options))
    t.load_state_dict(saved[0])
    for g, h in zip(other.param_groups, saved[1], strict=True):
        g.update({k: v for k, v in h.items() if k != "params"})
    for _ in range(5):
        for a, b in ((o, s), (other, t)):
            a.step()
            b.step()
        assert seen(o) == seen(other)


def test_the_state_of_functions_that_are_objects() -> None:
    S = fgrad.optim.lr_scheduler
    s = S.LambdaLR(optimizer_of(fgrad), [half, Falling(0.7)])
    assert s.state_dict()["lr_lambdas"] == [None, {"rate": 0.7}]
    t = S.LambdaLR(optimizer_of(fgrad), [half, Falling(0.1)])
    t.load_state_dict(s.state_dict())
    assert t.lr_lambdas[1].rate == 0.7


def test_state_of_composed() -> None:
    for make in COMPOSED:
        o, other = optimizer_of(fgrad), optimizer_of(fgrad)
        s, t = make(fgrad.optim.lr_scheduler, o), make(fgrad.optim.lr_scheduler, other)
        for _ in range(3):
            o.step()
            s.step()
        t.load_state_dict(copy.deepcopy(s.state_dict()))
        for g, h in zip(other.param_groups, o.param_groups, strict=True):
            g["lr"] = h["lr"]
        for _ in range(4):
            for a, b in ((o, s), (other, t)):
                a.step()
                b.step()
            assert seen(o) == seen(other)


def test_resuming_from_an_epoch() -> None:
    def go(T: Any, name: str, options: dict[str, Any]) -> Any:
        o = optimizer_of(T)
        with pytest.raises(KeyError, match="initial_lr"):
            getattr(T.optim.lr_scheduler, name)(o, **options, last_epoch=3)
        for g in o.param_groups:
            g["initial_lr"] = 0.5
        s = getattr(T.optim.lr_scheduler, name)(o, **options, last_epoch=3)
        out = [seen(o)]
        for _ in range(4):
            o.step()
            s.step()
            out.append(seen(o))
        return out

    for name in ("StepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "LambdaLR", "PolynomialLR", "MultiStepLR"):
        options = CASES[name][0]
        same(go(fgrad, name, options), go(torch, name, options))


def test_a_rate_that_is_a_tensor_is_written_to() -> None:
    p = fgrad.nn.Parameter(fgrad.ones(1))
    lr = fgrad.tensor(0.1)
    o = fgrad.optim.SGD([p], lr=lr)
    s = fgrad.optim.lr_scheduler.ExponentialLR(o, 0.5)
    o.step()
    s.step()
    assert o.param_groups[0]["lr"] is lr
    assert float(lr) == pytest.approx(0.05)


@pytest.mark.parametrize("T", [fgrad, torch])
def test_a_step_before_the_optimiser_s_is_warned_of(T: Any) -> None:
    s = T.optim.lr_scheduler.StepLR(optimizer_of(T), 2)
    with pytest.warns(UserWarning, match="before"):
        s.step()


BAD: list[Callable[[Any, Any, Any], Any]] = [
    lambda T, S, o: S.LambdaLR(o, [half]), lambda T, S, o: S.ConstantLR(o, 1.5), lambda T, S, o: S.LinearLR(o, 0.0),
    lambda T, S, o: S.LinearLR(o, end_factor=2.0), lambda T, S, o: S.CosineAnnealingWarmRestarts(o, 0),
    lambda T, S, o: S.CosineAnnealingWarmRestarts(o, 2, 0), lambda T, S, o: S.CyclicLR(o, [0.1], 1.0),
    lambda T, S, o: S.CyclicLR(o, 0.1, 1.0, mode="square"), lambda T, S, o: S.OneCycleLR(o, 0.1), lambda T, S, o: S.OneCycleLR(o, 0.1, -3),
    lambda T, S, o: S.OneCycleLR(o, 0.1, 3, pct_start=2.0), lambda T, S, o: S.OneCycleLR(o, 0.1, 3, anneal_strategy="x"),
    lambda T, S, o: S.CyclicLR(T.optim.Adagrad([T.nn.Parameter(T.ones(1))]), 0.1, 1.0), lambda T, S, o: S.SequentialLR(o, [], []),
    lambda T, S, o: S.SequentialLR(o, [S.StepLR(o, 1)], [3]), lambda T, S, o: S.ChainedScheduler([S.ReduceLROnPlateau(o)]),
    lambda T, S, o: S.SequentialLR(o, [S.StepLR(optimizer_of(T), 1)], []), lambda T, S, o: S.ReduceLROnPlateau(o, factor=1.0),
    lambda T, S, o: S.ReduceLROnPlateau(o, "mid"), lambda T, S, o: S.ReduceLROnPlateau(o, min_lr=[0.1]),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("T", [fgrad, torch])
def test_arguments_that_make_no_sense(T: Any, bad: Callable[[Any, Any, Any], Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the messages differ
        bad(T, T.optim.lr_scheduler, optimizer_of(T))


@pytest.mark.parametrize("name", ["StepLR", "CyclicLR", "OneCycleLR", "ReduceLROnPlateau", "LambdaLR"])
def test_no_optimiser(name: str) -> None:
    options: dict[str, Any] = {"ReduceLROnPlateau": {}}.get(name) or CASES.get(name, [{}])[0]
    with pytest.raises(TypeError, match="not an Optimizer"):
        getattr(fgrad.optim.lr_scheduler, name)(3, **options)


def test_one_cycle_ends() -> None:
    o = optimizer_of(fgrad)
    s = fgrad.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=3)
    o.step()
    for _ in range(3):
        s.step()
    with pytest.raises(ValueError, match="total steps is 3"):
        s.step()
