"""torch.cond and torch.while_loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad


def test_cond_runs_one_branch() -> None:
    seen: list[str] = []

    def yes(x: Any, y: Any) -> Any:
        seen.append("yes")
        return {"out": x * y}

    def no(x: Any, y: Any) -> Any:
        seen.append("no")
        return {"out": x - y}

    a, b = fgrad.tensor([1.0, 2.0], requires_grad=True), fgrad.tensor([3.0, 4.0])
    assert fgrad.cond(True, yes, no, (a, b))["out"].tolist() == [3.0, 8.0]
    assert seen == ["yes"]
    assert fgrad.cond(a.sum() > 5, yes, no, (a, b))["out"].tolist() == [-2.0, -2.0]
    assert fgrad.cond(fgrad.tensor([True]), yes, no, [a, b])["out"].tolist() == [3.0, 8.0]
    fgrad.cond(a.sum() > 0, yes, no, (a, b))["out"].sum().backward()
    assert a.grad.tolist() == [3.0, 4.0]
    f = fgrad.jit(lambda p, x: fgrad.cond(p, lambda v: v + 1, lambda v: v - 1, (x,)))
    assert [float(f(fgrad.tensor(p), b)[0]) for p in (True, False)] == [4.0, 2.0]


def test_while_loop_goes_on_while_it_may() -> None:
    def halve(x: Any) -> Any:
        return fgrad.while_loop(lambda n, v: v.sum() > 1, lambda n, v: (n + 1, v / 2), (fgrad.tensor(0), x))

    n, v = halve(fgrad.tensor([8.0, 8.0]))
    assert n.item() == 4
    assert v.tolist() == [0.5, 0.5]
    _, tangent = fgrad.func.jvp(lambda x: halve(x)[1], (fgrad.tensor([8.0, 8.0]),), (fgrad.tensor([1.0, 0.0]),))
    np.testing.assert_allclose(tangent.numpy(), [1 / 16, 0])
    (x,) = fgrad.while_loop(lambda v: v < 5, lambda v: v + 2, (fgrad.tensor(0),))
    assert x.item() == 6


@pytest.mark.parametrize("wrong", [
    lambda: fgrad.cond(3, abs, abs, ()), lambda: fgrad.cond(fgrad.ones(2) > 0, abs, abs, ()), lambda: fgrad.cond(fgrad.tensor(True), 1, abs, ()),
    lambda: fgrad.cond(fgrad.tensor(True), abs, abs, 3), lambda: fgrad.while_loop(abs, abs, 3),
])  # fmt: skip
def test_wrong_use_is_refused(wrong: Any) -> None:
    with pytest.raises(RuntimeError):
        wrong()
