"""Hooks of all modules, on registrations, on gradients, and what state dicts say of versions, as PyTorch's."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import fgrad

torch = pytest.importorskip("torch")
both = pytest.mark.parametrize("T", [torch, fgrad], ids=["torch", "fgrad"])
pytestmark = pytest.mark.oracle


def named(T: Any) -> Any:
    return importlib.import_module(f"{T.__name__}.nn.modules.module")


@both
def test_hooks_of_all_modules(T: Any) -> None:
    log: list[tuple[str, str]] = []
    net = T.nn.Sequential(T.nn.Linear(2, 3), T.nn.ReLU())
    net[1].register_forward_pre_hook(lambda m, a: log.append(("own", "ReLU")))
    x = T.ones(1, 2, requires_grad=True)
    handles = [
        getattr(named(T), f"register_module_{kind}_hook")(lambda m, *rest, kind=kind: log.append((kind, type(m).__name__)))
        for kind in ("forward_pre", "forward", "full_backward", "full_backward_pre")
    ]
    try:
        net(x).sum().backward()
    finally:
        for h in handles:
            h.remove()
    whole = "Sequential"
    assert log[:6] == [("forward_pre", whole), ("forward_pre", "Linear"), ("forward", "Linear"), ("forward_pre", "ReLU"), ("own", "ReLU"), ("forward", "ReLU")]
    assert log[6:] == [("forward", whole), ("full_backward_pre", whole), ("full_backward_pre", "ReLU"), ("full_backward", "ReLU"),
                       ("full_backward_pre", "Linear"), ("full_backward", "Linear"), ("full_backward", whole)]  # fmt: skip
    del log[:]
    net(x)
    assert log == [("own", "ReLU")]


@both
def test_a_hook_of_all_modules_replaces_results(T: Any) -> None:
    handle = named(T).register_module_forward_hook(lambda m, args, kwargs, out: out + len(kwargs), with_kwargs=True)
    try:
        assert T.nn.Identity()(input=T.zeros(1)).tolist() == [1.0]
    finally:
        handle.remove()


@both
def test_hooks_on_registrations(T: Any) -> None:
    log: list[tuple[str, str]] = []
    handles = [
        getattr(named(T), f"register_module_{kind}_registration_hook")(lambda m, name, x, kind=kind: log.append((kind, name)))
        for kind in ("parameter", "buffer", "module")
    ]
    handles.append(named(T).register_module_buffer_registration_hook(lambda m, name, x: x + 5 if name == "own" else None))
    try:
        net = T.nn.Sequential(T.nn.BatchNorm1d(1))
        net.extra = T.nn.Parameter(T.ones(1))
        net.register_buffer("own", T.zeros(1))
    finally:
        for h in handles:
            h.remove()
    held = [("parameter", "weight"), ("parameter", "bias"), ("buffer", "running_mean"), ("buffer", "running_var"), ("buffer", "num_batches_tracked")]
    assert sorted(log) == sorted([*held, ("module", "0"), ("parameter", "extra"), ("buffer", "own")])
    assert net.own.tolist() == [5.0]


@both
@pytest.mark.filterwarnings("ignore:For backward hooks")
def test_backward_hooks_need_tensors_as_results(T: Any) -> None:
    class Named(T.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"y": x * 2}

    m, log = Named(), []
    m.register_full_backward_hook(lambda *a: log.append(1))
    x = T.ones(1, requires_grad=True)
    m(x)["y"].sum().backward()
    assert (log, x.grad.tolist()) == ([], [2.0])


@both
@pytest.mark.parametrize(("hook", "error"), [(lambda g: g.sum(), RuntimeError), (lambda g: 3, TypeError)])
def test_hooks_return_gradients_of_the_same_shape(T: Any, hook: Any, error: type[Exception]) -> None:
    x = T.ones(2, requires_grad=True)
    x.register_hook(hook)
    with pytest.raises(error, match="hook"):
        (x * 2).sum().backward()


@both
def test_state_dicts_tell_versions(T: Any) -> None:
    net = T.nn.Sequential(T.nn.BatchNorm1d(2), T.nn.ReLU())
    state = net.state_dict()
    assert list(state._metadata.items()) == [("", {"version": 1}), ("0", {"version": 2}), ("1", {"version": 1})]
    old = {k: v for k, v in state.items() if "num" not in k}
    net.load_state_dict(old)  # as from before batches were counted
    del state["0.num_batches_tracked"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0.num_batches_tracked"'):
        net.load_state_dict(state)


@both
def test_functional_call_ignores_other_names_unless_strict(T: Any) -> None:
    net, x = T.nn.Linear(2, 1), T.ones(1, 2)
    assert T.func.functional_call(net, {"other": x}, x).tolist() == net(x).tolist()
    with pytest.raises(RuntimeError):
        T.func.functional_call(net, {"other": x}, x, strict=True)


@both
def test_tables_of_hooks_hold_the_hooks_themselves(T: Any) -> None:
    prune = importlib.import_module(f"{T.__name__}.nn.utils.prune")
    net = T.nn.Linear(4, 3)
    prune.random_unstructured(net, name="weight", amount=0.3)
    prune.ln_structured(net, name="weight", amount=0.5, n=2, dim=0)
    hook = next(h for h in net._forward_pre_hooks.values() if h._tensor_name == "weight")
    assert [type(h).__name__ for h in hook] == ["RandomUnstructured", "LnStructured"]
    net.register_forward_pre_hook(print, prepend=True)
    assert list(net._forward_pre_hooks.values()) == [print, hook]
