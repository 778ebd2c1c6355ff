"""Whole training runs against PyTorch: same weights, same batches, same losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad as fg
from fgrad import nn, optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def mlp(t: Any) -> Any:
    return t.nn.Sequential(t.nn.Linear(64, 32), t.nn.Tanh(), t.nn.LayerNorm(32), t.nn.Linear(32, 10))


def cnn(t: Any) -> Any:
    return t.nn.Sequential(
        t.nn.Conv2d(1, 8, 3, padding=1), t.nn.BatchNorm2d(8), t.nn.GELU(), t.nn.MaxPool2d(2),
        t.nn.Conv2d(8, 8, 3, stride=2, padding=1), t.nn.Sigmoid(), t.nn.AdaptiveAvgPool2d(2), t.nn.Flatten(),
        t.nn.Linear(32, 10),
    )  # fmt: skip


def twins(make: Callable[[Any], Any]) -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs = make(torch)
    ours = make(fg)
    result = ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    assert not result.missing_keys
    assert not result.unexpected_keys
    assert list(ours.state_dict()) == list(theirs.state_dict())
    return ours, theirs


def batches(shape: tuple[int, ...], n: int, size: int = 16) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(size, *shape)).astype("float32"), rng.integers(0, 10, size)) for _ in range(n)]


def losses(t: Any, model: Any, optimizer: Any, scheduler: Any, data: list[tuple[Any, Any]], kernels: str = "auto") -> list[float]:
    criterion = t.nn.CrossEntropyLoss(label_smoothing=0.1)
    out = []
    with fg.settings(kernels=kernels):
        for x, y in data:
            optimizer.zero_grad()
            loss = criterion(model(t.tensor(x)), t.tensor(y))
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            out.append(loss.item())
    return out


@pytest.mark.parametrize("kernels", ["plain", "tiled", "native"])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_loss_curve_of_50_steps_matches_torch(name: str, kernels: str) -> None:
    make, shape = (mlp, (64,)) if name == "mlp" else (cnn, (1, 8, 8))
    ours, theirs = twins(make)
    data = batches(shape, 50)
    a = losses(fg, ours, optim.Adam(ours.parameters(), lr=1e-3), None, data, kernels)
    b = losses(torch, theirs, torch.optim.Adam(theirs.parameters(), lr=1e-3), None, data)
    np.testing.assert_allclose(a, b, rtol=1e-4)


OPTIMISERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 1e-2, "weight_decay": 1e-2}),
    ("Adam", {"lr": 1e-2, "amsgrad": True, "betas": (0.8, 0.9), "eps": 1e-4}),
    ("AdamW", {"lr": 1e-2, "weight_decay": 0.1}),
    ("AdamW", {"lr": 1e-2, "maximize": True}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMISERS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(OPTIMISERS)])
def test_optimiser_follows_torch(name: str, options: dict[str, Any]) -> None:
    ours, theirs = twins(mlp)
    data = batches((64,), 10)
    opts = [getattr(t.optim, name)(m.parameters(), **options) for t, m in ((fg, ours), (torch, theirs))]
    np.testing.assert_allclose(losses(fg, ours, opts[0], None, data), losses(torch, theirs, opts[1], None, data), rtol=1e-4)
    for (k, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-5, err_msg=k)
    a, b = (o.state_dict() for o in opts)
    assert a["param_groups"][0]["params"] == b["param_groups"][0]["params"]
    for i, state in b["state"].items():
        assert set(a["state"][i]) == set(state)


def test_param_groups_and_state_dict_round_trip() -> None:
    ours, theirs = twins(mlp)
    data = batches((64,), 12)

    def groups(m: Any) -> list[dict[str, Any]]:
        return [{"params": m[0].parameters(), "lr": 1e-2}, {"params": [*m[2].parameters(), *m[3].parameters()]}]

    opts = [t.optim.Adam(groups(m), lr=1e-3) for t, m in ((fg, ours), (torch, theirs))]
    np.testing.assert_allclose(losses(fg, ours, opts[0], None, data[:6]), losses(torch, theirs, opts[1], None, data[:6]), rtol=1e-4)
    fresh = optim.Adam(groups(ours), lr=1e-3)
    fresh.load_state_dict(opts[0].state_dict())
    np.testing.assert_allclose(losses(fg, ours, fresh, None, data[6:]), losses(torch, theirs, opts[1], None, data[6:]), rtol=1e-4)


SCHEDULERS = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5]}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 4, "eta_min": 1e-3}),
    ("LambdaLR", {"lr_lambda": lambda e: 1 / (1 + e)}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULERS, ids=[n for n, _ in SCHEDULERS])
def test_scheduler_follows_torch(name: str, options: dict[str, Any]) -> None:
    ours, theirs = fg.optim.SGD([nn.Parameter(fg.ones(1))], lr=0.1), torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    a = getattr(fg.optim.lr_scheduler, name)(ours, **options)
    b = getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for _ in range(12):
        np.testing.assert_allclose(a.get_last_lr(), b.get_last_lr(), rtol=1e-9)
        ours.step()
        theirs.step()
        a.step()
        b.step()


def test_reduce_on_plateau_follows_torch() -> None:
    ours, theirs = fg.optim.SGD([nn.Parameter(fg.ones(1))], lr=0.1), torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    a = fg.optim.lr_scheduler.ReduceLROnPlateau(ours, patience=1, cooldown=1)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, patience=1, cooldown=1)
    for metric in [1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0]:
        a.step(metric)
        b.step(metric)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])


def test_rates_of_a_schedule_do_not_recompile() -> None:
    from fgrad.eager import explain

    ours, _ = twins(mlp)
    opt = optim.SGD(ours.parameters(), lr=0.1)
    scheduler = optim.lr_scheduler.ExponentialLR(opt, 0.9)
    data = batches((64,), 12)
    losses(fg, ours, opt, scheduler, data[:3])
    before = explain.count()
    losses(fg, ours, opt, scheduler, data[3:])
    assert explain.count() == before
