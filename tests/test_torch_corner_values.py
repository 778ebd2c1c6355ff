"""torch.special's polynomials, torch.masked and torch.autograd against PyTorch where operands are unusual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
NAMESPACES = (torch, fgrad)
POLYNOMIALS = (
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w", "hermite_polynomial_h",
    "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
)  # fmt: skip


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_degrees_are_rounded_to_zero(name: str) -> None:
    x, n = [0.3, -0.4, 2.0, 0.5, 1.5, 0.7, -3.0], [-0.5, 0.9, 1.5, 2.7, -1.0, -3.2, 3.0]
    want, got = (getattr(t.special, name)(t.tensor(x), t.tensor(n)).tolist() for t in NAMESPACES)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_degrees_that_are_no_numbers() -> None:
    for t in NAMESPACES:
        y = t.special.hermite_polynomial_h(t.tensor([0.5, 2.0, float("nan")]), t.tensor([float("nan"), 2.0, 0.0]))
        assert y.tolist() == [0.0, 14.0, 1.0]


MASKED: dict[str, Any] = {
    "mask of integers": lambda t, x: t.masked.sum(x, 0, mask=t.tensor([0, 2, 1])),
    "mean, mask of integers": lambda t, x: t.masked.mean(x, 1, mask=t.tensor([0, 2, 1])),
    "var of integers": lambda t, x: t.masked.var(x.long(), 0, False),
    "std of integers": lambda t, x: t.masked.std(x.long(), 1, mask=t.tensor([True, False, True])),
    "var of complex": lambda t, x: t.masked.var(x + 1j * x * x, 0, True),
    "std of complex": lambda t, x: t.masked.std(x + 1j * x * x, 1, False, mask=t.tensor([True, False, True])),
}


@pytest.mark.parametrize("name", MASKED)
def test_masked_reductions_are_pytorchs(name: str) -> None:
    want, got = (MASKED[name](t, t.tensor([[1.0, -2.0, 3.0], [5.0, 0.5, -1.0], [2.0, 2.0, 4.0]])) for t in NAMESPACES)
    assert str(got.dtype).split(".")[-1] == str(want.dtype).split(".")[-1]
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=1e-6)


def _leaf(t: Any) -> Any:
    return t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True)


REFUSED: dict[str, Any] = {
    "masked mean of integers": lambda t: t.masked.mean(t.tensor([1, 2]), mask=t.tensor([True, False])),
    "grad by nothing": lambda t: t.autograd.grad(_leaf(t).sum(), []),
    "too few gradients": lambda t: (lambda x: t.autograd.grad([x * 2, x.sum()], x, [t.ones(2, dtype=t.float64)]))(_leaf(t)),
    "retain_grad of a constant": lambda t: t.ones(2).retain_grad(),
    "gradcheck of nothing": lambda t: t.autograd.gradcheck(lambda x: x, _leaf(t), check_backward_ad=False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_pytorchs(name: str) -> None:
    with pytest.raises(Exception) as asked:  # noqa: PT011  # whatever PyTorch raises
        REFUSED[name](torch)
    with pytest.raises(asked.type):
        REFUSED[name](fgrad)


def test_gradients_of_outputs_take_their_dtype() -> None:
    for t in NAMESPACES:
        x = _leaf(t)
        (g,) = t.autograd.grad(x * 2, x, t.ones(2))
        assert (str(g.dtype).split(".")[-1], g.tolist()) == ("float64", [2.0, 2.0])
        (x * x).backward(t.ones(2))
        assert x.grad.tolist() == [2.0, 4.0]
