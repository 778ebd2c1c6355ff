"""Averaged models against torch.optim.swa_utils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")


def net(T: Any) -> Any:
    m = T.nn.Sequential(T.nn.Linear(3, 4), T.nn.BatchNorm1d(4), T.nn.ReLU(), T.nn.Linear(4, 1))
    with T.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(T.tensor(np.sin(np.arange(p.numel()) + i).reshape(tuple(p.shape)).astype("float32")))
    return m


def batch(T: Any, seed: int) -> Any:
    return T.tensor(np.random.default_rng(seed).normal(size=(8, 3)).astype("float32"))


def trained(T: Any, **options: Any) -> Any:
    m = net(T)
    average = T.optim.swa_utils.AveragedModel(m, **options)
    o = T.optim.SGD(m.parameters(), lr=0.05)
    for i in range(5):
        o.zero_grad()
        (m(batch(T, i)) ** 2).mean().backward()
        o.step()
        average.update_parameters(m)
    return m, average


KINDS: list[Callable[[Any], dict[str, Any]]] = [
    lambda S: {}, lambda S: {"use_buffers": True}, lambda S: {"avg_fn": S.get_ema_avg_fn(0.5)},
    lambda S: {"multi_avg_fn": S.get_ema_multi_avg_fn(0.9), "use_buffers": True}, lambda S: {"multi_avg_fn": S.get_swa_multi_avg_fn()},
    lambda S: {"avg_fn": lambda a, p, n: 0.25 * a + 0.75 * p},
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_averages(kind: Callable[[Any], dict[str, Any]]) -> None:
    states = []
    for T in (fgrad, torch):
        m, average = trained(T, **kind(T.optim.swa_utils))
        T.optim.swa_utils.update_bn([batch(T, 7), (batch(T, 8), None)], average)
        assert average.training
        assert [x.momentum for x in average.modules() if isinstance(x, T.nn.BatchNorm1d)] == [0.1]
        average.eval()
        out = average(batch(T, 9)).detach()
        states.append({**{k: v.numpy() for k, v in average.state_dict().items()}, "out": out.numpy()})
    ours, theirs = states
    assert list(ours) == list(theirs)
    for k in ours:
        np.testing.assert_allclose(ours[k], theirs[k], 1e-5, 1e-6, err_msg=k)


@pytest.mark.parametrize("options", [{"swa_lr": 0.01}, {"swa_lr": [0.01, 0.5], "anneal_strategy": "linear", "anneal_epochs": 4},
                                     {"swa_lr": 0.5, "anneal_epochs": 0}, {"swa_lr": 0.01, "anneal_epochs": 3}])  # fmt: skip
def test_rates(options: dict[str, Any]) -> None:
    def go(T: Any) -> Any:
        o = T.optim.SGD([{"params": [T.nn.Parameter(T.ones(1))]}, {"params": [T.nn.Parameter(T.ones(1))], "lr": 0.3}], lr=0.1)
        s = T.optim.swa_utils.SWALR(o, **options)
        out = [s.get_last_lr()]
        for _ in range(12):
            o.step()
            s.step()
            out.append(s.get_last_lr())
        return out

    np.testing.assert_allclose(go(fgrad), go(torch), 1e-9)


def test_a_model_without_batch_norm_is_left_alone() -> None:
    m = fgrad.nn.Linear(3, 1)
    m.eval()
    fgrad.optim.swa_utils.update_bn([batch(fgrad, 0)], m)
    assert not m.training


def test_arguments_that_make_no_sense() -> None:
    S = fgrad.optim.swa_utils
    o = fgrad.optim.SGD([fgrad.nn.Parameter(fgrad.ones(1))], lr=0.1)
    for bad in (lambda: S.get_ema_avg_fn(1.5), lambda: S.SWALR(o, 0.1, anneal_strategy="x"), lambda: S.SWALR(o, 0.1, -1),
                lambda: S.SWALR(o, [0.1, 0.2]), lambda: S.AveragedModel(net(fgrad), avg_fn=min, multi_avg_fn=min)):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011  one test for all of them
            bad()
