"""PyTorch's autograd.function: Function and its decorator."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from fgrad.eager.function import Context as FunctionCtx
from fgrad.eager.function import Function
from fgrad.eager.mode import grad_enabled, set_grad
from fgrad.functions.tensor import Tensor

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class _Once(Function):
    """The identity of gradients that may not be differentiated again."""

    @staticmethod
    def forward(ctx: Any, x: Any, *sources: Any) -> Any:
        """The gradient itself."""
        return x.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """PyTorch's error."""
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """For a Function's backward: it runs unrecorded, and differentiating its results is an error."""

    @wraps(fn)
    def backward(ctx: Any, *grads: Any) -> Any:
        again = grad_enabled()
        before = set_grad(False)
        try:
            out = fn(ctx, *grads)
        finally:
            set_grad(before)
        sources = [g for g in (*grads, *ctx.saved_tensors) if isinstance(g, Tensor) and g.requires_grad]
        if not again or not sources:
            return out
        results = out if isinstance(out, tuple) else (out,)
        marked = tuple(_Once.apply(x, *sources) if isinstance(x, Tensor) else x for x in results)
        return marked if isinstance(out, tuple) else marked[0]

    return backward
