"""Normalisation: over batches, layers, groups, instances and neighbouring channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from fgrad.eager import casting
from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose, compose_many
from fgrad.functions.inplace import set_grad
from fgrad.functions.pointwise import into
from fgrad.functions.reductions import norm
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import rsqrt
from fgrad.primitives.window import window_sum

FLOAT32 = np.dtype("float32")


def in_float32(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that computes operands of half precision in float32; its first result has the dtype of its first operand."""

    @wraps(rule)
    def run(x: Any, *rest: Any, **static: Any) -> Any:
        wide = [c.convert(t, dtype=FLOAT32) if t.dtype.itemsize == 2 else t for t in (x, *rest)]
        found = rule(*wide, **static)
        y, others = (found[0], found[1:]) if isinstance(found, tuple) else (found, None)
        y = y if y.dtype == x.dtype else c.convert(y, dtype=x.dtype)
        return y if others is None else (y, *others)

    return run


def channel_shape(x: Any) -> tuple[int, ...]:
    """The shape in which a per-channel vector broadcasts."""
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


@in_float32
def _train_rule(x: Any, *affine: Any, eps: float) -> tuple[Any, Any, Any]:
    axes = (0, *range(2, x.ndim))
    mean = c.mean(x, axes=axes)
    d = x - c.reshape(mean, shape=channel_shape(x))
    var = c.mean(d * d, axes=axes)
    y = d * c.reshape(rsqrt(var + c.number(eps, x)), shape=channel_shape(x))
    return scaled(y, affine), mean, var


def scaled(y: Any, affine: tuple[Any, ...]) -> Any:
    """y * weight + bias, per channel."""
    if affine:
        y = y * c.reshape(affine[0], shape=channel_shape(y)) + c.reshape(affine[1], shape=channel_shape(y))
    return y


@in_float32
def _eval_rule(x: Any, mean: Any, var: Any, *affine: Any, eps: float) -> Any:
    shape = channel_shape(x)
    scale = c.reshape(rsqrt(var + c.number(eps, x)), shape=shape)
    return scaled((x - c.reshape(mean, shape=shape)) * scale, affine)


@in_float32
def _affine_rule(x: Any, *affine: Any) -> Any:
    return scaled(x * c.number(1, x), affine)


def affine_pair(weight: Any, bias: Any) -> tuple[Any, ...]:
    """(weight, bias), the missing one neutral; () if there is neither."""
    if weight is None and bias is None:
        return ()
    w = bias * 0 + 1 if weight is None else weight
    return w, weight * 0 if bias is None else bias


def batch_statistics(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """(y, mean, biased variance) of batch normalisation over all axes but 1."""
    return compose_many(_train_rule, x, *affine_pair(weight, bias), eps=float(eps))


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Any:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias, per channel (axis 1).

    training: mean and biased variance of the batch, and the running ones move by `momentum` (variance unbiased);
    otherwise the running ones.  Source: Ioffe & Szegedy 2015.
    """
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError("Expected running_mean and running_var to be defined when evaluating", where=caller(), fix="pass training=True")
        return compose(_eval_rule, input, running_mean, running_var, *affine_pair(weight, bias), eps=float(eps))
    n = input._type.size // max(input._type.shape[1], 1)
    if eps <= 0:
        raise ArgumentError(f"batch_norm eps must be positive during training, but got {eps}", where=caller(), fix="use 1e-5")
    if not n:  # of no examples there are no statistics
        return compose(_affine_rule, input, *affine_pair(weight, bias))
    if n == 1:
        raise ShapeError(
            f"Expected more than 1 value per channel when training, got input size {input._type.shape}", where=caller(),
            fix="use a larger batch, or eval()",
        )  # fmt: skip
    y, mean, var = batch_statistics(input, weight, bias, eps)
    if running_mean is not None:
        before = set_grad(False)
        try:
            running_mean.copy_(running_mean * (1 - momentum) + mean * momentum)
            running_var.copy_(running_var * (1 - momentum) + var * (momentum * n / (n - 1)))
        finally:
            set_grad(before)
    return y


@in_float32
def _layer_rule(x: Any, *affine: Any, n: int, eps: float, has: tuple[bool, bool]) -> Any:
    y = c.normalise(x, axes=tuple(range(x.ndim - n, x.ndim)), eps=eps)
    rest = list(affine)
    if has[0]:
        y = y * rest.pop(0)
    return y + rest.pop(0) if has[1] else y


def check_trailing(input: Any, normalized_shape: Any) -> tuple[int, ...]:
    """The sizes to normalise over; ShapeError unless the input ends in them."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input._type.shape[max(input._type.ndim - len(shape), 0) :] != shape:
        raise ShapeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got "
            f"input of size {list(input._type.shape)}", where=caller(), fix="normalise the trailing dimensions",
        )  # fmt: skip
    return shape


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions. Source: Ba et al. 2016."""
    shape = check_trailing(input, normalized_shape)
    xs = [t for t in (input, weight, bias) if t is not None]
    if casting.USED:
        xs = [casting.widen(t) for t in xs]
    has = (weight is not None, bias is not None)
    return compose(_layer_rule, *xs, n=len(shape), eps=float(eps), has=has)


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """x / max(norm(x), eps)."""
    return into(out, input / norm(input, p, dim, True).clamp(min=eps))


@in_float32
def _group_rule(x: Any, *affine: Any, groups: int, eps: float, has: tuple[bool, bool]) -> Any:
    """Channels in `groups`, each normalised over its channels and positions."""
    n, channels = x.shape[:2]
    y = c.reshape(x, shape=(n, groups, channels // groups, *x.shape[2:]))
    y = c.normalise(y, axes=tuple(range(2, y.ndim)), eps=eps)
    rest = [c.reshape(w, shape=(1, groups, channels // groups, *(1,) * (x.ndim - 2))) for w in affine]  # one shape: one kernel
    if has[0]:
        y = y * rest.pop(0)
    return c.reshape(y + rest.pop(0) if has[1] else y, shape=x.shape)


def check_channels(name: str, x: Any, weight: Any, bias: Any) -> None:
    """Refuses inputs without channels, and vectors of another length."""
    if x._type.ndim < 2:
        raise ShapeError(f"Expected at least 2 dimensions for input tensor but received {x._type.ndim}", where=caller(),
                         fix="give (batch, channels, ...)")  # fmt: skip
    for what, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._type.shape != (x._type.shape[1],):
            raise ShapeError(f"{name}: expected {what} to be a vector of size equal to the number of channels in input, but got "
                             f"{t._type} and input {x._type}", where=caller(), fix="give one number for each channel")  # fmt: skip


@full_precision("cuda")
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over each group of channels of each example. Source: Wu & He 2018.

    >>> import fgrad
    >>> fgrad.nn.functional.group_norm(fgrad.tensor([[1., 3., 10., 30.]]), 2, eps=0.)
    tensor([[-1.,  1., -1.,  1.]])
    """
    check_channels("group_norm", input, weight, bias)
    if num_groups < 1 or input._type.shape[1] % num_groups:
        raise ShapeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {input._type.shape} "
            f"and num_groups={num_groups}", where=caller(), fix="use a divisor of the number of channels",
        )  # fmt: skip
    affine = [t for t in (weight, bias) if t is not None]
    has = (weight is not None, bias is not None)
    return compose(_group_rule, input, *affine, groups=num_groups, eps=float(eps), has=has)


@in_float32
def _instance_rule(x: Any, *affine: Any, eps: float) -> tuple[Any, Any, Any]:
    axes = tuple(range(2, x.ndim))
    mean = c.mean(x, axes=axes, keep=True)
    d = x - mean
    var = c.mean(d * d, axes=axes, keep=True)
    y = scaled(d * rsqrt(var + c.number(eps, x)), affine)
    return y, c.reshape(mean, shape=x.shape[:2]), c.reshape(var, shape=x.shape[:2])


def instance_statistics(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """(y, mean, biased variance) of instance normalisation, the latter [n, c]."""
    return compose_many(_instance_rule, x, *affine_pair(weight, bias), eps=float(eps))


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
                  use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> Any:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of each example. Source: Ulyanov et al. 2016.

    use_input_stats False: the running statistics instead.  Otherwise those, if given, move by `momentum` towards the
    batch's mean of means and of unbiased variances.
    """
    check_channels("instance_norm", input, weight, bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError("Expected running_mean and running_var to be defined when use_input_stats is false",
                                where=caller(), fix="pass them")  # fmt: skip
        return compose(_eval_rule, input, running_mean, running_var, *affine_pair(weight, bias), eps=float(eps))
    n = math.prod(input._type.shape[2:])
    if n == 1:
        raise ShapeError(f"Expected more than 1 spatial element when training, got input size {list(input._type.shape)}",
                         where=caller(), fix="give larger inputs")  # fmt: skip
    y, mean, var = instance_statistics(input, weight, bias, eps)
    if running_mean is not None:
        move(running_mean, mean.mean(0), momentum)
    if running_var is not None:
        move(running_var, var.mean(0) * (n / max(n - 1, 1)), momentum)
    return y


def move(running: Any, found: Any, momentum: float) -> None:
    """A running statistic moves towards what was found, in place."""
    before = set_grad(False)
    try:
        running.copy_(running * (1 - momentum) + found * momentum)
    finally:
        set_grad(before)


@in_float32
def _rms_rule(x: Any, *weight: Any, n: int, eps: float) -> Any:
    size = c.mean(x * x, axes=tuple(range(x.ndim - n, x.ndim)), keep=True)
    y = x * rsqrt(size + c.number(eps, x))
    return y * (weight[0] if weight[0].dtype == y.dtype else c.convert(weight[0], dtype=y.dtype)) if weight else y


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions; eps: the dtype's unless given. Source: Zhang & Sennrich 2019."""
    shape = check_trailing(input, normalized_shape)
    d = input._type.dtype
    if eps is None:
        eps = EPSILON.get("float32" if d.itemsize == 2 else d.name, 2.0**-23)
    return compose(_rms_rule, input, *([] if weight is None else [weight]), n=len(shape), eps=float(eps))


EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}


def _neighbour_rule(x: Any, *, size: int, alpha: float, beta: float, k: float) -> Any:
    window = tuple(size if i == 1 else 1 for i in range(x.ndim))
    padding = tuple((size // 2, (size - 1) // 2) if i == 1 else (0, 0) for i in range(x.ndim))
    ones = (1,) * x.ndim
    total = window_sum(x * x, window=window, stride=ones, padding=padding, dilation=ones)
    return x / (total * c.number(alpha / size, x) + c.number(k, x)) ** c.number(beta, x)


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels)^beta. Source: Krizhevsky et al. 2012."""
    if input._type.ndim < 3:
        raise ShapeError(f"Expected 3D or higher dimensionality input (got {input._type.ndim} dimensions)", where=caller(),
                         fix="give (batch, channels, ...)")  # fmt: skip
    if not input._type.size:
        return input
    return compose(_neighbour_rule, input, size=int(size), alpha=float(alpha), beta=float(beta), k=float(k))
