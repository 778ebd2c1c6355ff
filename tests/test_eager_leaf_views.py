"""Views of constants that require grad themselves are leaves which share storage, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")


def detached(T: Any) -> Any:
    y = T.tensor([1.0, 2.0, 3.0])
    z = y.detach().requires_grad_()
    out = [z.is_leaf, z.requires_grad, z.grad_fn]
    (z * z).sum().backward()
    out += [z.grad.tolist(), y.requires_grad]
    with T.no_grad():
        z.sub_(0.5 * z.grad)
    out += [y.tolist(), z.tolist(), z.is_leaf, z.requires_grad]
    y.add_(10)
    (z * z).sum().backward()
    return [*out, z.tolist(), z.grad.tolist(), z.grad_fn]


def part(T: Any) -> Any:
    y = T.arange(6.0).reshape(2, 3)
    z = y[1].requires_grad_()
    out = [y.tolist(), z.tolist()]
    (z * z).sum().backward()
    with T.no_grad():
        z += 1
    return [*out, z.grad.tolist(), y.tolist(), z.is_leaf]


def cut(T: Any) -> Any:
    w = T.tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    z = h.detach().requires_grad_()
    (z**3).sum().backward()
    h.backward(z.grad)
    return [z.grad.tolist(), w.grad.tolist(), z.is_leaf, h.is_leaf]


def switched(T: Any) -> Any:
    z = T.tensor([1.0, 2.0]).detach()
    z.requires_grad = True
    z.requires_grad_(False)
    out = [z.is_leaf, z.requires_grad]
    z.requires_grad_()
    v = z[0]
    (v * v).backward()
    return [*out, v.is_leaf, v.requires_grad, z.grad.tolist(), T.autograd.grad((z**2).sum(), z)[0].tolist()]


@pytest.mark.parametrize("case", [detached, part, cut, switched])
def test_as_in_torch(case: Callable[[Any], Any]) -> None:
    assert case(fgrad) == case(torch)


@pytest.mark.parametrize("T", [fgrad, torch])
def test_writes_to_such_a_leaf_are_refused(T: Any) -> None:
    z = T.tensor([1.0, 2.0]).detach().requires_grad_()
    with pytest.raises(RuntimeError, match="leaf"):
        z.add_(1)


def test_a_view_first_used_under_no_grad_stays_differentiable() -> None:
    w = fgrad.ones(2, 2, requires_grad=True)
    v = w.reshape(4)
    with fgrad.no_grad():
        v.sum().item()
        inside = v * 2
    assert v.requires_grad
    assert not inside.requires_grad
    (v * v).sum().backward()
    assert w.grad.tolist() == [[2, 2], [2, 2]]


@pytest.mark.parametrize("asks", ["nothing", "value", "values of both"])
def test_a_leaf_may_be_a_view_of_what_was_just_computed(asks: str) -> None:
    found = []
    for t in (fgrad, torch):
        a = t.arange(6.0).reshape(2, 3).requires_grad_()
        x = (-a * 2).sin()
        n = x.detach().requires_grad_()
        y = (n * n).exp()
        m = y.detach().requires_grad_()
        z = (x * n + y * m).sum(-1)
        if asks != "nothing":
            z.tolist()
        if asks == "values of both":
            (x.tolist(), n.tolist(), m.tolist())
        kept = z[t.isfinite(z)]
        (slope,) = t.autograd.grad(kept.sum(), [n], create_graph=True)
        (kept.sum() + (slope * slope).sum() + n.sum()).backward()
        found.append([z.tolist(), slope.tolist(), a.grad.tolist(), n.grad.tolist(), m.grad.tolist()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-5)
