"""The same module in fgrad and in torch, trained side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")


def to_theirs(state: Any) -> dict[str, Any]:
    return {k: torch.tensor(np.asarray(v.numpy())) for k, v in state.items()}


def to_ours(state: Any) -> dict[str, Any]:
    return {k: fgrad.tensor(v.detach().numpy().copy()) for k, v in state.items()}


def same_state(ours: Any, theirs: Any, tol: float = 2e-5) -> None:
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b)
    for k in a:
        np.testing.assert_allclose(a[k].numpy(), b[k].numpy(), rtol=tol, atol=tol, err_msg=k)


def train_both(ours: Any, theirs: Any, x: Any, steps: int = 3) -> None:
    """The same steps of SGD on both; outputs, gradients and states agree."""
    theirs.load_state_dict(to_theirs(ours.state_dict()))
    ours.load_state_dict(to_ours(theirs.state_dict()))
    a = fgrad.optim.SGD(ours.parameters(), lr=0.1)
    b = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for _ in range(steps):
        a.zero_grad()
        b.zero_grad()
        ya, yb = ours(fgrad.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(ya.detach().numpy(), yb.detach().numpy(), rtol=2e-5, atol=2e-5)
        (ya**2).mean().backward()
        (yb**2).mean().backward()
        for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)
        a.step()
        b.step()
    same_state(ours, theirs, 1e-4)


X2 = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
X4 = np.random.default_rng(1).standard_normal((2, 3, 5, 5)).astype(np.float32)
MAKERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "linear": (lambda nn: nn.Linear(3, 5), X2),
    "conv": (lambda nn: nn.Conv2d(3, 4, 3), X4),
    "transposed": (lambda nn: nn.ConvTranspose2d(3, 4, 3), X4),
}
every_layer = pytest.mark.parametrize("kind", MAKERS)


def quiet(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)
