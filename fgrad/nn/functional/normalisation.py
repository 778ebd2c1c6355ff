"""Normalisation, dropout and embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose, compose_many
from fgrad.functions.inplace import set_grad
from fgrad.functions.random import bits_for
from fgrad.functions.reductions import norm
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives import sampling
from fgrad.primitives.arithmetic import rsqrt

FLOAT32 = np.dtype("float32")


def channel_shape(x: Any) -> tuple[int, ...]:
    """The shape in which a per-channel vector broadcasts."""
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


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


def _eval_rule(x: Any, mean: Any, var: Any, *affine: Any, eps: float) -> Any:
    shape = channel_shape(x)
    scale = c.reshape(rsqrt(var + c.number(eps, x)), shape=shape)
    return scaled((x - c.reshape(mean, shape=shape)) * scale, affine)


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
        return compose(_eval_rule, input, running_mean, running_var, *affine_pair(weight, bias), eps=float(eps))
    n = input._type.size // max(input._type.shape[1], 1)
    if n <= 1:
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


def _layer_rule(x: Any, *affine: Any, n: int, eps: float, has: tuple[bool, bool]) -> Any:
    y = c.normalise(x, axes=tuple(range(x.ndim - n, x.ndim)), eps=eps)
    rest = list(affine)
    if has[0]:
        y = y * rest.pop(0)
    return y + rest.pop(0) if has[1] else y


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions. Source: Ba et al. 2016."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if input._type.shape[input._type.ndim - len(shape) :] != shape:
        raise ShapeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got "
            f"input of size {list(input._type.shape)}", where=caller(), fix="normalise the trailing dimensions",
        )  # fmt: skip
    affine = [t for t in (weight, bias) if t is not None]
    has = (weight is not None, bias is not None)
    return compose(_layer_rule, input, *affine, n=len(shape), eps=float(eps), has=has)


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """x / max(norm(x), eps)."""
    return input / norm(input, p, dim, True).clamp(min=eps)


def _dropout_rule(x: Any, bits: Any, *, p: float) -> Any:
    keep = c.le(c.constant(np.float32(p)), sampling.unit(bits, dtype=FLOAT32))
    return c.select(keep, x * c.number(1 / (1 - p), x), c.number(0, x))


def check_probability(p: float) -> None:
    """PyTorch's error."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}", where=caller(), fix="use 0 to 1")


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Each element zeroed with probability `p`, the others divided by 1 - p; the input itself in evaluation."""
    check_probability(p)
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    bits = bits_for(type(input)._result, input._type.shape, FLOAT32, None, input._device)
    y = compose(_dropout_rule, input, bits, p=float(p))
    return input.copy_(y) if inplace else y


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """As dropout, whole channels at a time."""
    check_probability(p)
    if not training or p == 0:
        return input
    shape = (*input._type.shape[: input._type.ndim - 2], 1, 1)
    bits = bits_for(type(input)._result, shape, FLOAT32, None, input._device)
    y = compose(_channel_rule, input, bits, p=float(p))
    return input.copy_(y) if inplace else y


def _channel_rule(x: Any, bits: Any, *, p: float) -> Any:
    keep = c.le(c.constant(np.float32(p)), sampling.unit(bits, dtype=FLOAT32))
    scale = c.select(keep, c.constant(np.float32(1 / (1 - p) if p < 1 else 0.0)), c.constant(np.float32(0.0)))
    return x * c.convert(scale, dtype=x.dtype)
