"""Optimisers and nn.utils in the ways PyTorch users call them, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")


def net(T: Any) -> Any:
    m = T.nn.Linear(3, 1)
    with T.no_grad():
        m.weight.copy_(T.tensor([[0.5, -1.5, 0.25]]))
        m.bias.copy_(T.tensor([0.25]))
    return m


def inputs(T: Any) -> Any:
    return T.tensor(np.sin(np.arange(12)).reshape(4, 3).astype("float32"))


def loss_of(T: Any, m: Any) -> Any:
    return (m(inputs(T)) ** 2).sum()


def numbers(x: Any) -> Any:
    return x.detach().numpy().round(4).tolist()


def closure_under_no_grad(T: Any) -> Any:
    m = net(T)
    optimizer = T.optim.SGD(m.parameters(), lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of(T, m)
        loss.backward()
        return loss

    with T.no_grad():
        loss = optimizer.step(closure)
        inside = T.is_grad_enabled()
    return [numbers(loss), inside, numbers(m.weight)]


def named_parameters(T: Any) -> Any:
    m = net(T)
    optimizer = T.optim.SGD(m.named_parameters(), lr=0.1)
    loss_of(T, m).backward()
    optimizer.step()
    return [numbers(m.weight), optimizer.state_dict()["param_groups"][0]["param_names"], optimizer.state_dict()["state"]]


def step_hooks(T: Any) -> Any:
    seen: list[int] = []
    optimizer = T.optim.SGD(net(T).parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda *a: seen.append(1))
    handle = optimizer.register_step_post_hook(lambda *a: seen.append(2))
    optimizer.step()
    handle.remove()
    optimizer.step()
    return seen


def decoupled(T: Any) -> Any:
    m = net(T)
    optimizer = T.optim.Adam(m.parameters(), lr=0.1, weight_decay=0.5, decoupled_weight_decay=True)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(T, m).backward()
        optimizer.step()
    return [numbers(m.weight), sorted(optimizer.param_groups[0]), repr(optimizer)]


def clipped(T: Any) -> Any:
    out = []
    for order in (2.0, 1.0, float("inf")):
        for limit in (0.1, 1e6):
            m = net(T)
            loss_of(T, m).backward()
            total = T.nn.utils.clip_grad_norm_(m.parameters(), limit, norm_type=order)
            out.append([numbers(total), numbers(m.weight.grad), numbers(m.bias.grad)])
    T.nn.utils.clip_grad_value_(m.parameters(), 0.01)
    return [*out, numbers(m.weight.grad), numbers(T.nn.utils.clip_grad_norm_(net(T).parameters(), 1.0))]


def vectors(T: Any) -> Any:
    m = net(T)
    v = T.nn.utils.parameters_to_vector(m.parameters())
    T.nn.utils.vector_to_parameters(v * 2, m.parameters())
    return [numbers(v), numbers(m.weight), m.weight.requires_grad, m.weight.is_leaf]


@pytest.mark.parametrize("case", [closure_under_no_grad, named_parameters, step_hooks, decoupled, clipped, vectors])
def test_as_in_torch(case: Callable[[Any], Any]) -> None:
    assert case(fgrad) == case(torch)


@pytest.mark.parametrize("T", [torch, fgrad])
def test_norm_that_is_not_finite(T: Any) -> None:
    m = net(T)
    (loss_of(T, m) * float("inf")).backward()
    with pytest.raises(RuntimeError, match="non-finite"):
        T.nn.utils.clip_grad_norm_(m.parameters(), 1.0, error_if_nonfinite=True)


@pytest.mark.parametrize("T", [torch, fgrad])
def test_sets_of_parameters_are_refused(T: Any) -> None:
    with pytest.raises(TypeError, match="ordered"):
        T.optim.SGD([{"params": {net(T).weight}}], lr=0.1)


def test_hooks_around_states_as_torchs() -> None:
    seen = []
    for t in (fgrad, torch):
        log: list[Any] = []
        opt = t.optim.SGD([t.ones(2, requires_grad=True)], 0.1, momentum=0.9)
        opt.register_state_dict_pre_hook(lambda o, log=log: log.append("save"))
        opt.register_state_dict_post_hook(lambda o, s, log=log: log.append(sorted(s)))
        opt.register_state_dict_post_hook(lambda o, s: {**s, "x": 1})
        opt.register_load_state_dict_pre_hook(lambda o, s, log=log: log.append(["load", *sorted(s)]))
        opt.register_load_state_dict_pre_hook(lambda o, s: {**s, "param_groups": [{**s["param_groups"][0], "lr": 0.5}]})
        opt.register_load_state_dict_post_hook(lambda o, log=log: log.append("loaded"))
        opt.register_load_state_dict_post_hook(lambda o, log=log: log.append("first"), prepend=True)
        opt.register_state_dict_pre_hook(lambda o, log=log: log.append("never")).remove()
        opt.load_state_dict(opt.state_dict())
        seen.append((log, opt.param_groups[0]["lr"]))
    assert seen[0] == seen[1]
