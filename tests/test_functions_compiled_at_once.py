"""Compiled functions whose operands are computed: run at once, unless a derivative, a draw or a write is wanted."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad as fg
from fgrad import nn
from fgrad.eager.tape import THREAD


@pytest.fixture(autouse=True)
def idle() -> None:
    """Nothing of other tests waits."""
    fg.block_until_ready(fg.ones(1))


def waits() -> bool:
    return not THREAD.tape.idle()


def test_results_are_there_and_nothing_waits() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).eval()
    run = fg.compile(model)
    x = fg.randn(3, 4)
    fg.block_until_ready(x)
    with fg.no_grad():
        want = model(x).numpy()
        run(x).numpy()  # the first call runs in Python
        for _ in range(4):
            found = run(x)
            assert not waits()
            np.testing.assert_allclose(found.numpy(), want, rtol=1e-6)
        model[0].weight.mul_(2.0)
        np.testing.assert_allclose(run(x).numpy(), model(x).numpy(), rtol=1e-6)


def test_what_waits_is_recorded_with_it() -> None:
    run = fg.compile(lambda x: x * 2 + 1)
    x = fg.arange(5.0)
    fg.block_until_ready(x)
    run(x)
    y = x * 3
    z = run(y)
    assert waits()
    np.testing.assert_array_equal(z.numpy(), np.arange(5.0) * 6 + 1)


def test_a_derivative_is_recorded() -> None:
    run = fg.compile(lambda x, w: (x * w).sum())
    x, w = fg.arange(3.0), fg.ones(3, requires_grad=True)
    fg.block_until_ready((x, w))
    for _ in range(3):
        w.grad = None
        run(x, w).backward()
        np.testing.assert_array_equal(w.grad.numpy(), [0.0, 1.0, 2.0])
    with fg.no_grad():
        assert not run(x, w).requires_grad


def test_draws_go_on_and_arguments_come_back_themselves() -> None:
    drop = fg.compile(lambda x: nn.functional.dropout(x, 0.5))
    x = fg.ones(1000)
    fg.block_until_ready(x)
    draws = [drop(x).numpy() for _ in range(3)]
    assert not np.array_equal(draws[1], draws[2])
    same = fg.compile(lambda x: (x, x, 5))
    a, b, five = same(x)
    a, b, five = same(x)
    a.add_(1)
    assert (x[0].item(), b[0].item(), a[0].item(), five) == (2.0, 2.0, 2.0, 5)  # as PyTorch's
