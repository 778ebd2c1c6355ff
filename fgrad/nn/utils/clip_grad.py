"""Gradients limited in their norm or their values."""

from __future__ import annotations

from typing import Any

from fgrad.errors import ArgumentError
from fgrad.functions.creation import zeros
from fgrad.functions.inplace import set_grad
from fgrad.functions.reductions import norm
from fgrad.functions.shape import stack
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def gradients(parameters: Any) -> list[Any]:
    """The gradients that are there, of one parameter or several."""
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in given if p.grad is not None]


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None) -> Any:
    """The norm of several tensors taken as one vector; 0 of none. RuntimeError if asked and it is not finite."""
    xs = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    before = set_grad(False)
    try:
        total = norm(stack([norm(x, float(norm_type)) for x in xs]), float(norm_type)) if xs else zeros(())
    finally:
        set_grad(before)
    if error_if_nonfinite and not total.isfinite().item():
        raise ArgumentError(f"The total norm of order {float(norm_type)} for gradients from `parameters` is non-finite, so it "
                            "cannot be clipped.", where=caller(), fix="set error_if_nonfinite=False to scale by it anyway")  # fmt: skip
    return total


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Gradients times max_norm / (total_norm + 1e-6) where that is below 1, in place."""
    before = set_grad(False)
    try:
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for g in gradients(parameters):
            g.mul_(scale.to(g.dtype))
    finally:
        set_grad(before)


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                    foreach: bool | None = None) -> Any:  # fmt: skip
    """Scales gradients down, in place, so that their norm as one vector is at most max_norm; returns it as it was."""
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(gradients(given), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(given, max_norm, total)
    return total


clip_grad_norm = clip_grad_norm_  # PyTorch's old name


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Gradients clamped to [-clip_value, clip_value], in place."""
    before = set_grad(False)
    try:
        for g in gradients(parameters):
            g.clamp_(-float(clip_value), float(clip_value))
    finally:
        set_grad(before)
