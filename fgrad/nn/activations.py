"""Activations as Modules; PReLU as a Layer too, since it has a weight."""

from __future__ import annotations

import warnings
from typing import Any

from fgrad.nn import functional as f
from fgrad.nn.affine import constant
from fgrad.nn.layer import Layer, LayerModule, Param, stateless
from fgrad.nn.simple import FunctionModule


class ReLU(FunctionModule, of=f.relu):
    """max(x, 0)."""


class ReLU6(FunctionModule, of=f.relu6):
    """min(max(x, 0), 6)."""

    min_val, max_val = 0.0, 6.0


class LeakyReLU(FunctionModule, of=f.leaky_relu):
    """x for x > 0, else negative_slope * x."""


class ELU(FunctionModule, of=f.elu):
    """x for x > 0, else alpha * (exp(x) - 1)."""


class SELU(FunctionModule, of=f.selu):
    """Self-normalising ELU."""


class GELU(FunctionModule, of=f.gelu):
    """x * Phi(x)."""


class SiLU(FunctionModule, of=f.silu):
    """x * sigmoid(x)."""


class Softplus(FunctionModule, of=f.softplus):
    """log(1 + exp(beta x)) / beta."""


class LogSigmoid(FunctionModule, of=f.logsigmoid):
    """log(sigmoid(x))."""


class Tanh(FunctionModule, of=f.tanh):
    """Hyperbolic tangent."""


class Sigmoid(FunctionModule, of=f.sigmoid):
    """1 / (1 + exp(-x))."""


class Softmax(FunctionModule, of=f.softmax, shown="dim"):
    """exp(x) / sum(exp(x)) along `dim`."""


class LogSoftmax(FunctionModule, of=f.log_softmax, shown="dim"):
    """log(softmax(x)) along `dim`."""


class Softmin(FunctionModule, of=f.softmin, shown="dim", hide="dtype"):
    """softmax(-x) along `dim`."""


class Softmax2d(FunctionModule):
    """softmax over the channels of float[n, c, h, w] or float[c, h, w]."""

    def forward(self, input: Any) -> Any:
        """Along dimension -3."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return f.softmax(input, -3)


class CELU(FunctionModule, of=f.celu):
    """x for x > 0, else alpha * (exp(x / alpha) - 1)."""


class GLU(FunctionModule, of=f.glu):
    """a * sigmoid(b), a and b the halves of the input along `dim`."""


class Hardtanh(FunctionModule, of=f.hardtanh):
    """x within [min_val, max_val], else the bound."""

    def __init__(self, *args: Any, min_value: float | None = None, max_value: float | None = None, **kwargs: Any) -> None:
        """min_value, max_value: the bounds under names of old."""
        old = {"min_val": min_value, "max_val": max_value}
        for name, value in old.items():
            if value is not None:
                warnings.warn(f"keyword argument `{name}ue` is deprecated and rename to `{name}`", FutureWarning, stacklevel=2)
                kwargs[name] = value
        super().__init__(*args, **kwargs)
        if self.max_val <= self.min_val:
            raise AssertionError("max_val must be larger than min_val")


class Hardsigmoid(FunctionModule, of=f.hardsigmoid, shown=""):
    """min(max(x + 3, 0), 6) / 6."""


class Hardswish(FunctionModule, of=f.hardswish, shown=""):
    """x * min(max(x + 3, 0), 6) / 6."""


class Hardshrink(FunctionModule, of=f.hardshrink):
    """x where |x| > lambd, else 0."""

    def extra_repr(self) -> str:
        """The bound."""
        return str(self.lambd)


class Softshrink(FunctionModule, of=f.softshrink):
    """x - lambd above lambd, x + lambd below -lambd, else 0."""

    def extra_repr(self) -> str:
        """The bound."""
        return str(self.lambd)


class Tanhshrink(FunctionModule, of=f.tanhshrink):
    """x - tanh(x)."""


class Softsign(FunctionModule, of=f.softsign):
    """x / (1 + |x|)."""


class Mish(FunctionModule, of=f.mish):
    """x * tanh(softplus(x))."""


class Threshold(FunctionModule, of=f.threshold):
    """x where x > threshold, else `value`."""


class RReLU(FunctionModule, of=f.rrelu, hide="training"):
    """x for x > 0, else slope * x; slopes drawn from [lower, upper) in training, else their mean."""

    def forward(self, input: Any) -> Any:
        """See nn.functional.rrelu."""
        return f.rrelu(input, self.lower, self.upper, self.training, self.inplace)


def prelu(num_parameters: int = 1, init: float = 0.25) -> Layer:
    """x for x > 0, else weight * x; weight: float[num_parameters], one or one for each channel. Source: He et al. 2015."""

    @stateless
    def apply(p: Any, x: Any) -> Any:
        return f.prelu(x, p["weight"])

    return Layer({"weight": Param((num_parameters,), constant(init))}, apply)


class PReLU(LayerModule, of=prelu):
    """Leaky ReLU with a learned slope."""

    def extra_repr(self) -> str:
        """How many slopes."""
        return f"num_parameters={self.num_parameters}"
