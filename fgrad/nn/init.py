"""Starting values, in place: PyTorch's nn.init."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from fgrad.eager.views import buffer_of
from fgrad.functions.creation import eye as identity
from fgrad.functions.creation import tensor, zeros
from fgrad.functions.inplace import set_grad

GAINS: dict[str, float] = {"sigmoid": 1, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75, "linear": 1}
GAINS.update({f"conv{kind}{n}d": 1 for kind in ("", "_transpose") for n in (1, 2, 3)})


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through an activation."""
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not isinstance(param, int | float | None):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return GAINS[nonlinearity]


def _quiet(f: Callable[..., Any]) -> Callable[..., Any]:
    """Runs an initialiser without recording derivatives; returns the tensor."""

    @wraps(f)
    def run(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        before = set_grad(False)
        try:
            f(tensor, *args, **kwargs)
        finally:
            set_grad(before)
        return tensor

    return run


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """PyTorch's name of `fans`, which libraries call."""
    return fans(tensor)


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    """PyTorch's name of the choice of a fan, which libraries call."""
    return _fan(tensor, mode)


def fans(x: Any) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: channels times the size of the receptive field."""
    shape = x._type.shape
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


@_quiet
def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> None:
    """Numbers of [a, b)."""
    tensor.uniform_(a, b, generator=generator)


@_quiet
def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> None:
    """Normal draws."""
    tensor.normal_(mean, std, generator=generator)


@_quiet
def trunc_normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: Any = None) -> None:  # fmt: skip
    """Normal draws within [a, b], by the inverse distribution function; in float64 where the tails count."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
                      stacklevel=3)  # fmt: skip
    low, high = (math.erf((v - mean) / (std * math.sqrt(2))) for v in (a, b))
    wide = tensor.detach().double() if high - low < 0.6 else tensor
    wide.uniform_(low, high, generator=generator)
    wide.erfinv_().mul_(std * math.sqrt(2)).add_(mean).clamp_(a, b)
    if wide is not tensor:
        tensor.copy_(wide)


@_quiet
def constant_(tensor: Any, val: float) -> None:
    """One number everywhere."""
    tensor.fill_(val)


@_quiet
def ones_(tensor: Any) -> None:
    """Ones."""
    tensor.fill_(1.0)


@_quiet
def zeros_(tensor: Any) -> None:
    """Zeros."""
    tensor.fill_(0.0)


@_quiet
def eye_(tensor: Any) -> None:
    """The identity matrix."""
    ranked(tensor, (2,))
    tensor.copy_(identity(*tensor._type.shape, dtype=tensor._type.dtype))


@_quiet
def dirac_(tensor: Any, groups: int = 1) -> None:
    """A convolution kernel that keeps its input channels."""
    shape = tensor._type.shape
    ranked(tensor, (3, 4, 5))
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    out = shape[0] // groups
    kernel = zeros(shape, dtype=tensor._type.dtype)
    for g in range(groups):
        for d in range(min(out, shape[1])):
            kernel[(g * out + d, d, *(k // 2 for k in shape[2:]))] = 1.0
    tensor.copy_(kernel)


@_quiet
def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> None:
    """Uniform within gain * sqrt(6 / (fan_in + fan_out)). Source: Glorot & Bengio 2010."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    tensor.uniform_(-bound, bound, generator=generator)


@_quiet
def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> None:
    """Normal with std gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot & Bengio 2010."""
    tensor.normal_(0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator=generator)


def ranked(x: Any, ranks: tuple[int, ...]) -> None:
    """PyTorch's refusal of other ranks."""
    if x._type.ndim not in ranks:
        raise ValueError(f"Only tensors with {', '.join(map(str, ranks))} dimensions are supported")


def _empty(x: Any) -> bool:
    """Warns of a tensor without elements."""
    if not x._type.size:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=4)
    return not x._type.size


def _fan(x: Any, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of fan_in, fan_out")
    return fans(x)[0 if mode == "fan_in" else 1]


@_quiet
def kaiming_uniform_(tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Any = None) -> None:  # fmt: skip
    """Uniform within gain * sqrt(3 / fan). Source: He et al. 2015."""
    if _empty(tensor):
        return
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / _fan(tensor, mode))
    tensor.uniform_(-bound, bound, generator=generator)


@_quiet
def kaiming_normal_(tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Any = None) -> None:  # fmt: skip
    """Normal with std gain / sqrt(fan). Source: He et al. 2015."""
    if _empty(tensor):
        return
    tensor.normal_(0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator=generator)


@_quiet
def orthogonal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> None:
    """A random (semi-)orthogonal matrix of the flattened weight, from a QR decomposition. Source: Saxe et al. 2013."""
    shape = tensor._type.shape
    if len(shape) < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor._type.size:
        return
    rows, cols = shape[0], math.prod(shape[1:])
    tensor.normal_(0.0, 1.0, generator=generator)
    flat = np.asarray(buffer_of(tensor), np.float64).reshape(rows, cols)
    q, r = np.linalg.qr(flat.T if rows < cols else flat)
    q = q * np.sign(np.diag(r))
    tensor.copy_(from_array((q.T if rows < cols else q).reshape(shape) * gain))


@_quiet
def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> None:
    """Normal draws with a fraction of each column zeroed. Source: Martens 2010."""
    ranked(tensor, (2,))
    rows, cols = tensor._type.shape
    tensor.normal_(0.0, std, generator=generator)
    keys = np.asarray(buffer_of(zeros(rows, cols).uniform_(generator=generator)))
    order = np.argsort(keys, axis=0)
    mask = np.ones((rows, cols), np.float32)
    np.put_along_axis(mask, order[: math.ceil(sparsity * rows)], 0.0, axis=0)
    tensor.mul_(from_array(mask).to(tensor.device))


def from_array(a: Any) -> Any:
    """An array as a tensor of its own."""
    return tensor(np.asarray(a))


def _older(f: Callable[..., Any]) -> Callable[..., Any]:
    """An initialiser under its name of old, with PyTorch's warning."""
    name = f.__name__.removesuffix("_")

    @wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning, stacklevel=2)
        return f(*args, **kwargs)

    run.__name__ = run.__qualname__ = name
    return run


uniform, normal, constant, eye, dirac = map(_older, (uniform_, normal_, constant_, eye_, dirac_))
orthogonal, sparse = _older(orthogonal_), _older(sparse_)
xavier_uniform, xavier_normal = _older(xavier_uniform_), _older(xavier_normal_)
kaiming_uniform, kaiming_normal = _older(kaiming_uniform_), _older(kaiming_normal_)
