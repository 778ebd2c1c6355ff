"""Autograd as PyTorch users know it, compared with PyTorch where it says something of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def both(scenario: Any) -> None:
    ours, theirs = scenario(fg), scenario(torch)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(b, bool | str | int | type(None)):
            assert a == b
        else:
            x, y = (v.detach().numpy() if hasattr(v, "detach") else np.asarray(v) for v in (a, b))
            np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def scenario_accumulates(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    first = x.grad.clone()
    (3 * x).sum().backward()
    return [first, x.grad]


def scenario_retain(t: Any) -> list[Any]:
    x = t.tensor(2.0, requires_grad=True)
    y = x**3
    y.backward(retain_graph=True)
    y.backward()
    return [x.grad]


def scenario_read_between(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x * x).sum()
    value = y.item()
    y.backward()
    return [value, x.grad]


def scenario_double(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = (x**3).sum()
    (g,) = t.autograd.grad(y, x, create_graph=True)
    printed = g.tolist()
    (h,) = t.autograd.grad((g * g).sum(), x)
    return [*printed, h]


def scenario_double_across_reads(t: Any) -> list[Any]:
    x = t.tensor([0.5, 1.5], requires_grad=True)
    y = (x.sin() * x).sum()
    y.item()
    (g,) = t.autograd.grad(y, x, create_graph=True)
    g.tolist()
    z = (g * g).sum()
    z.item()
    z.backward()
    return [x.grad]


def scenario_intermediate(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    h = x * 2
    y = (h * h).sum()
    gh, gx = t.autograd.grad(y, [h, x])
    return [gh, gx]


def scenario_inputs(t: Any) -> list[Any]:
    x, w = (t.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 4.0]))
    (x * w).sum().backward(inputs=[w])
    return [w.grad, x.grad is None]


def scenario_detach(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    (x * d).sum().backward()
    return [x.grad, d.requires_grad, d.is_leaf, x.is_leaf, (x * 2).is_leaf]


def scenario_no_grad(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    with t.no_grad():
        y = x * 2
        with t.enable_grad():
            z = x * 3
    z.sum().backward()
    same = x * 2
    return [y.requires_grad, z.requires_grad, same.requires_grad, x.grad, t.is_grad_enabled()]


def scenario_set_grad(t: Any) -> list[Any]:
    x = t.ones(2, requires_grad=True)
    with t.set_grad_enabled(False):
        a = x * 2
    b = x * 2

    @t.no_grad()
    def f() -> Any:
        return x * 2

    with t.inference_mode():
        c = x + 1
    return [a.requires_grad, b.requires_grad, f().requires_grad, c.requires_grad]


def scenario_inplace(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[1] = 10.0
    y[2:] *= x[:1]
    y.add_(1)
    y.sum().backward()
    return [y, x.grad]


def scenario_views(t: Any) -> list[Any]:
    a = t.zeros(3, 4)
    b = a[1:, ::2]
    b.fill_(5)
    a.t()[0, 0] = 7
    c = a.view(-1)
    c[5] = 9
    a[2] = a[1]
    return [a, b, c, b.T]


def scenario_parameter_update(t: Any) -> list[Any]:
    w = t.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        loss = (w * w).sum()
        loss.backward()
        with t.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return [w, w.requires_grad, w.is_leaf]


def scenario_data(t: Any) -> list[Any]:
    w = t.tensor([1.0, 2.0], requires_grad=True)
    w.data.mul_(3)
    w.data = t.tensor([5.0, 6.0])
    (w * w).sum().backward()
    return [w, w.grad]


def scenario_hooks(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    h = x * x
    handle = h.register_hook(lambda g: seen.append(g.sum().item()))
    h.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    h.sum().backward()
    first = x.grad.clone()
    handle.remove()
    x.grad = None
    (x * x).sum().backward()
    return [first, x.grad, *seen]


def scenario_retain_grad(t: Any) -> list[Any]:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    h = x * 3
    h.retain_grad()
    (h * h).sum().backward()
    return [h.grad, x.grad, h.retains_grad]


def scenario_function(t: Any) -> list[Any]:
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, k: float) -> Any:
            ctx.save_for_backward(x)
            ctx.k = k
            return x * x * x * k

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * x * x * ctx.k, None

    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = Cube.apply(x * 2, 0.5)
    z = Cube.apply(x, 1.0)
    ((y + z) * x).sum().backward()
    return [y, x.grad]


def scenario_function_outputs(t: Any) -> list[Any]:
    class Two(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            return x * y, x + y

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, y = ctx.saved_tensors
            return g * y + h, g * x + h

    x, y = (t.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    a, b = Two.apply(x, y)
    (a * a).backward()
    b.item()
    return [a, b, x.grad, y.grad]


def scenario_grad_outputs(t: Any) -> list[Any]:
    x = t.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x @ x
    y.backward(t.tensor([[1.0, 0.0], [2.0, 1.0]]))
    return [x.grad]


def scenario_unused(t: Any) -> list[Any]:
    x, w = (t.ones(2, requires_grad=True) for _ in range(2))
    g = t.autograd.grad((x * 2).sum(), [x, w], allow_unused=True)
    return [g[0], g[1] is None]


def scenario_shared(t: Any) -> list[Any]:
    x = t.tensor([1.0, -2.0], requires_grad=True)
    h = x.relu()
    a, b = (h * 2).sum(), (h * h).sum()
    (a + b).backward()
    return [x.grad]


def scenario_hidden_state(t: Any) -> list[Any]:
    w = t.tensor([[0.5, 0.1], [0.2, 0.3]], requires_grad=True)
    h = t.zeros(2)
    out = []
    for _ in range(4):
        h = (h.detach() @ w + 1).tanh()
        h.sum().backward()
        out.append(h.sum().item())
    return [w.grad, *out]


def scenario_zero_grad(t: Any) -> list[Any]:
    x = t.tensor([1.5, -0.5], requires_grad=True)
    (x.round() + x).sum().backward()
    y = x.sign()
    y.sum().backward()
    return [x.grad, y.requires_grad]


def scenario_setitem_gradient(t: Any) -> list[Any]:
    v = t.tensor([1.0, 2.0], requires_grad=True)
    a = t.zeros(4)
    a[1:3] = v * 3
    a[[0, 3]] = v
    (a * t.arange(4.0)).sum().backward()
    return [a, v.grad]


def scenario_requires_grad_(t: Any) -> list[Any]:
    x = (t.ones(3) * 2).requires_grad_()
    (x * x).sum().backward()
    return [x.grad, x.is_leaf]


def scenario_pending_leaf_used_again(t: Any) -> list[Any]:
    x = t.arange(3.0).requires_grad_()
    for _ in range(3):
        (x * x).sum().backward()
    return [x.grad]


SCENARIOS = {k.removeprefix("scenario_"): v for k, v in list(globals().items()) if k.startswith("scenario_")}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_matches_torch(name: str) -> None:
    for _ in range(3):  # first sight, second sight, steady
        both(SCENARIOS[name])


def test_a_gradient_is_summed_in_place() -> None:
    """Whoever holds .grad sees what later backwards add; with create_graph the sum is a new tensor, as in PyTorch."""
    x = fg.tensor([1.0, 2.0], requires_grad=True)
    x.sum().backward()
    held = x.grad
    part = held[:1]
    (x * 3).sum().backward()
    assert x.grad is held
    assert held.tolist() == [4, 4]
    assert part.tolist() == [4]
    (x**2).sum().backward(create_graph=True)
    assert x.grad is not held
    assert held.tolist() == [4, 4]
