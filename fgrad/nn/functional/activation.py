"""Activations: PyTorch's nn.functional, each one composite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.functions import pointwise as p
from fgrad.functions import reductions as r
from fgrad.functions.call import compose, floating
from fgrad.primitives import composites as c

Op = Callable[..., Any]


def activation(x: Any, rule: Op, inplace: bool = False, **static: Any) -> Any:
    """One composite on `x`, written back if asked."""
    y = compose(rule, floating(x), **static)
    return x.copy_(y) if inplace else y


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); derivative 0 at 0."""
    y = p.relu(input)
    return input.copy_(y) if inplace else y


def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(x, 0), 6)."""
    return activation(input, c.relu6, inplace)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x for x > 0, else negative_slope * x."""
    return activation(input, c.leaky_relu, inplace, slope=float(negative_slope))


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x for x > 0, else alpha * (exp(x) - 1)."""
    return activation(input, c.elu, inplace, alpha=float(alpha))


def selu(input: Any, inplace: bool = False) -> Any:
    """scale * elu(x, alpha) with the constants of Klambauer et al. 2017."""
    return activation(input, c.elu, inplace, alpha=1.6732632423543772, scale=1.0507009873554805)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x * Phi(x); approximate="tanh" for the tanh form."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate argument must be either none or tanh, not {approximate!r}")
    return activation(input, c.gelu if approximate == "none" else c.gelu_tanh)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    return activation(input, c.silu, inplace)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    return activation(input, c.softplus, beta=float(beta), threshold=float(threshold))


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(x))."""
    return activation(input, c.log_sigmoid)


def tanh(input: Any) -> Any:
    """Hyperbolic tangent."""
    return p.tanh(input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return p.sigmoid(input)


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along `dim`."""
    return r.softmax(input, dim, dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """log(softmax(x)) along `dim`."""
    return r.log_softmax(input, dim, dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """softmax(-x)."""
    return r.softmax(p.neg(input), dim, dtype)
