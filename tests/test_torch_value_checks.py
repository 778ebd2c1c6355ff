"""Errors that depend on numbers, and capsules, against torch."""

from __future__ import annotations

from typing import Any

import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

CASES = [
    lambda t: t.nn.functional.one_hot(t.tensor([3]), 2), lambda t: t.nn.functional.one_hot(t.tensor([-1]), 2),
    lambda t: t.nn.functional.one_hot(t.tensor([-1])), lambda t: t.nn.functional.one_hot(t.tensor([1], dtype=t.int32), 2),
    lambda t: t.nn.functional.one_hot(t.zeros(0, dtype=t.long)), lambda t: t.tensor([-1]).bincount(), lambda t: t.tensor([1, 2]).bincount(minlength=-1),
    lambda t: t.tensor([1, 2]).bincount(t.ones(1)), lambda t: t.zeros(2, 3).gather(1, t.tensor([[9]])).sum().item(),
    lambda t: t.arange(3) // 0, lambda t: t.arange(3) % t.tensor(0), lambda t: t.div(t.arange(3), t.tensor([1, 0, 2]), rounding_mode="trunc"),
    lambda t: t.round(t.arange(3), decimals=-1),
    lambda t: t.zeros(2, 3).scatter(1, t.tensor([[9]]), 1.0).sum().item(), lambda t: t.zeros(2, 3)[:, 9], lambda t: t.zeros(2, 3)[t.tensor([5])].sum().item(),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_errors_are_of_torchs_classes(case: int) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        CASES[case](torch)
    with pytest.raises(theirs.type):
        CASES[case](fgrad)


VALUES = [
    lambda t: t.nn.functional.one_hot(t.tensor([[1, 0], [2, 2]])), lambda t: t.nn.functional.one_hot(t.zeros(0, dtype=t.long), 3),
    lambda t: t.tensor([1, 2, 2, 7]).bincount(), lambda t: t.tensor([1, 2, 2, 7]).bincount(t.tensor([1.0, 2, 3, 4]), minlength=12),
    lambda t: t.tensor([1, 2, 2], dtype=t.uint8).bincount(t.tensor([1, 2, 3])), lambda t: t.zeros(0, dtype=t.long).bincount(minlength=3),
    lambda t: t.from_dlpack(t.utils.dlpack.to_dlpack(t.arange(3.0))),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(VALUES)))
def test_values(case: int) -> None:
    found: Any = VALUES[case](fgrad)
    wanted = VALUES[case](torch)
    assert (found.tolist(), str(found.dtype), tuple(found.shape)) == (wanted.tolist(), str(wanted.dtype).replace("torch", "fgrad"), tuple(wanted.shape))


def test_bincount_needs_no_table() -> None:
    counts = fgrad.arange(20_000).bincount()  # a table of all pairs would be 3 GB
    assert counts.sum().item() == 20_000


@pytest.mark.parametrize("f", [lambda v: v.median(), lambda v: v.nanmedian(), lambda v: v.median(0)[0].sum()])
@pytest.mark.parametrize("data", [[2.0, 1, 2], [3.0, 1, 2, 2], [5.0], [float("inf"), 1.0, float("inf")]])
def test_gradients_of_medians_are_shared_as_torchs(f: Any, data: list[float]) -> None:
    grads = []
    for t in (fgrad, torch):
        v = t.tensor(data, requires_grad=True)
        y = f(v)
        y.backward()
        grads.append((y.item(), v.grad.tolist()))
    assert grads[0] == grads[1]


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_the_derivative_of_a_product_with_a_logarithm_is_that_logarithm_at_0(name: str) -> None:
    grads = []
    for t in (fgrad, torch):
        x, y = t.tensor([0.0, 0.0, 2.0, 0.0], requires_grad=True), t.tensor([2.0, 0.5, 3.0, -2.0], requires_grad=True)
        getattr(t.special, name)(x, y).sum().backward()
        grads.append([x.grad.tolist(), y.grad.tolist()])
    assert grads[0][0] == pytest.approx(grads[1][0])
    assert grads[0][1] == pytest.approx(grads[1][1])
