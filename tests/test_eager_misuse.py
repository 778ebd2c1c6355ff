"""Misuse of autograd raises what PyTorch raises."""

from __future__ import annotations

from typing import Any

import pytest

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def wrong_second_backward(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


def wrong_second_backward_after_read(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.item()
    y.backward()


def wrong_shared_graph(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    h = x.exp() * x
    a, b = h.sum(), (h * h).sum()
    a.backward()
    b.backward()


def wrong_saved_written(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    z = y * y
    y.add_(1)
    z.sum().backward()


def wrong_leaf_written(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    w = t.ones(2, requires_grad=True)
    y = (x * w).sum()
    with t.no_grad():
        w.add_(1)
    y.backward()


def wrong_leaf_written_after_read(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    w = t.ones(2, requires_grad=True)
    y = (x * w).sum()
    y.item()
    with t.no_grad():
        w.add_(1)
    y.backward()


def wrong_unused(t: Any) -> None:
    x, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    t.autograd.grad((x * 2).sum(), [x, w])


def wrong_view_of_leaf(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    x[0] = 5.0


def wrong_gradient_shape(t: Any) -> None:
    (t.ones(2, requires_grad=True) * 2).backward(t.ones(3))


def wrong_expanded_write(t: Any) -> None:
    t.ones(1).expand(3).add_(1)


WRONG = {k.removeprefix("wrong_"): v for k, v in list(globals().items()) if k.startswith("wrong_")}


@pytest.mark.parametrize("name", WRONG)
def test_misuse_raises_as_torch_does(name: str) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011
        WRONG[name](torch)
    for _ in range(2):
        with pytest.raises(Exception) as found:  # noqa: PT011
            WRONG[name](fg)
        assert isinstance(found.value, expected.type)
        assert "fix:" in str(found.value)
