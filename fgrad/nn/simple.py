"""Modules without parameters: activations, pooling, flatten, losses. Each forwards to nn.functional."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from fgrad.functions.shape import flatten
from fgrad.functions.tensor import Tensor
from fgrad.nn import functional as f
from fgrad.nn.module import Module


class FunctionModule(Module):
    """A Module over one function: its keyword arguments are the constructor's; tensors are called with."""

    function: ClassVar[Callable[..., Any]]
    names: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[tuple[str, ...]] = ()  # arguments that the text names

    def __init_subclass__(cls, of: Callable[..., Any] | None = None, skip: int = 1, shown: str | None = None,
                          last: str = "") -> None:  # fmt: skip
        super().__init_subclass__()
        if of is not None:
            cls.function = staticmethod(of)
            params = [p for p in list(inspect.signature(of).parameters.values())[skip:] if p.name not in HIDDEN]
            params.sort(key=lambda p: p.name == last)  # PyTorch's order, where it is not the function's
            cls.names = tuple(p.name for p in params)
            cls.shown = cls.names if shown is None else tuple(shown.split())
            cls.__signature__ = inspect.Signature(params)  # type: ignore[attr-defined]
            cls.__doc__ = cls.__doc__ or of.__doc__

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        given = inspect.signature(type(self)).bind(*args, **{k: v for k, v in kwargs.items() if k not in HIDDEN})
        given.apply_defaults()
        for name, value in given.arguments.items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                object.__setattr__(self, name, value)
        if "kernel_size" in self.__dict__ and self.__dict__["stride"] is None:
            object.__setattr__(self, "stride", self.__dict__["kernel_size"])

    def forward(self, *xs: Any) -> Any:
        """The function on tensors, with the constructor's arguments."""
        return type(self).function(*xs, **{n: getattr(self, n) for n in self.names})

    def extra_repr(self) -> str:
        """The arguments that PyTorch shows."""
        return ", ".join(f"{n}={getattr(self, n)!r}" for n in self.shown if n != "inplace" or self.inplace)


HIDDEN = ("_stacklevel", "size_average", "reduce")


class ReLU(FunctionModule, of=f.relu):
    """max(x, 0)."""


class ReLU6(FunctionModule, of=f.relu6):
    """min(max(x, 0), 6)."""


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


class MaxPool1d(FunctionModule, of=f.max_pool1d, last="ceil_mode",
                shown="kernel_size stride padding dilation ceil_mode"):
    """The largest of each window of a sequence."""


class MaxPool2d(FunctionModule, of=f.max_pool2d, last="ceil_mode",
                shown="kernel_size stride padding dilation ceil_mode"):
    """The largest of each window of an image."""


class AvgPool1d(FunctionModule, of=f.avg_pool1d, shown="kernel_size stride padding"):
    """The mean of each window of a sequence."""


class AvgPool2d(FunctionModule, of=f.avg_pool2d, shown="kernel_size stride padding"):
    """The mean of each window of an image."""


class AdaptiveAvgPool1d(FunctionModule, of=f.adaptive_avg_pool1d):
    """Means of windows chosen for an output length."""


class AdaptiveAvgPool2d(FunctionModule, of=f.adaptive_avg_pool2d):
    """Means of windows chosen for an output size."""


def _flatten(input: Any, start_dim: int = 1, end_dim: int = -1) -> Any:
    return flatten(input, start_dim, end_dim)


class Flatten(FunctionModule, of=_flatten):
    """Dimensions start_dim to end_dim as one (all but the batch, by default)."""


class Identity(Module):
    """Its input. Arguments are accepted and ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input itself."""
        return input


class MSELoss(FunctionModule, of=f.mse_loss, skip=2, shown=""):
    """(input - target)^2."""


class L1Loss(FunctionModule, of=f.l1_loss, skip=2, shown=""):
    """|input - target|."""


class SmoothL1Loss(FunctionModule, of=f.smooth_l1_loss, skip=2, shown=""):
    """Squared near 0, absolute elsewhere."""


class HuberLoss(FunctionModule, of=f.huber_loss, skip=2, shown=""):
    """Squared within delta, linear outside."""


class BCELoss(FunctionModule, of=f.binary_cross_entropy, skip=2, shown=""):
    """-(y log x + (1 - y) log(1 - x))."""


class BCEWithLogitsLoss(FunctionModule, of=f.binary_cross_entropy_with_logits, skip=2, shown=""):
    """Binary cross-entropy of sigmoid(input)."""


class NLLLoss(FunctionModule, of=f.nll_loss, skip=2, shown=""):
    """-input[target], for log-probabilities."""


class CrossEntropyLoss(FunctionModule, of=f.cross_entropy, skip=2, shown=""):
    """-log softmax(input)[target]; see nn.functional.cross_entropy."""


class KLDivLoss(FunctionModule, of=f.kl_div, skip=2, shown=""):
    """target (log target - input)."""
