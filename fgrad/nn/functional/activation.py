"""Activations: PyTorch's nn.functional, each one composite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager import casting
from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions import pointwise as p
from fgrad.functions import reductions as r
from fgrad.functions.call import axis_of, compose, floating
from fgrad.functions.random import bits_for
from fgrad.functions.refusals import given, no_bools, ordered, real_floats
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives import sampling
from fgrad.primitives.reduce import argmax
from fgrad.primitives.running import cut

Op = Callable[..., Any]


def activation(x: Any, rule: Op, inplace: bool = False, **static: Any) -> Any:
    """One composite on `x`, written back if asked."""
    real_floats(rule.__name__.strip("_").removesuffix("_rule"), x, "fc" if rule is c.silu else "f")
    if inplace:  # derivatives read what stood there before
        return x.copy_(compose(rule, floating(x.clone()), **static))
    return compose(rule, floating(x), **static)


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); derivative 0 at 0."""
    given("relu", input)
    y = p.relu(input)
    return input.copy_(y) if inplace else y


def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(x, 0), 6)."""
    given("relu6", input)
    if not input._type.inexact:
        return hardtanh(input, 0, 6, inplace)
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
        raise ArgumentError(f"approximate argument must be either none or tanh, not {approximate!r}", where=caller(), fix="use 'none' or 'tanh'")
    return activation(input, c.gelu if approximate == "none" else c.gelu_tanh)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    return activation(input, c.silu, inplace)


@full_precision("cuda")
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


def _celu_rule(x: Any, *, alpha: float) -> Any:
    low = c.select(c.lt(c.number(0, x), x), c.number(0, x), x)
    return c.select(c.lt(c.number(0, x), x), x, c.number(alpha, x) * c.expm1(low * c.number(1 / alpha, x)))


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x for x > 0, else alpha * (exp(x / alpha) - 1). Source: Barron 2017."""
    if alpha == 0:
        raise ArgumentError("ZeroDivisionError: alpha cannot be 0 for CELU", where=caller(), fix="use another alpha")
    return activation(input, _celu_rule, inplace, alpha=float(alpha))


def _glu_rule(x: Any, *, axis: int) -> Any:
    half = x.shape[axis] // 2
    return cut(x, axis, 0, half) * c.sigmoid(cut(x, axis, half, 2 * half))


def glu(input: Any, dim: int = -1) -> Any:
    """a * sigmoid(b), a and b the halves of `input` along `dim`. Source: Dauphin et al. 2016."""
    real_floats("glu", input)
    if not input._type.shape:
        raise ShapeError("glu does not support 0-dimensional tensors", where=caller(), fix="give a vector")
    axis = axis_of(input, dim)
    if input._type.shape[axis] % 2:
        raise ShapeError(f"Halving dimension must be even, but dimension {axis} is size {input._type.shape[axis]}",
                         where=caller(), fix="give an even size")  # fmt: skip
    return compose(_glu_rule, floating(input), axis=axis)


def _hardshrink_rule(x: Any, *, limit: float) -> Any:
    return c.select(c.le(c.number(-limit, x), x) & c.le(x, c.number(limit, x)), c.number(0, x), x)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """x where |x| > lambd, else 0."""
    return activation(input, _hardshrink_rule, limit=float(lambd))


def _softshrink_rule(x: Any, *, limit: float) -> Any:
    b = c.number(limit, x)
    low = c.select(c.lt(x, -b), x + b, x * c.number(0, x))
    return c.select(c.lt(b, x), x - b, low)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """x - lambd above lambd, x + lambd below -lambd, else 0."""
    real_floats("softshrink", input)
    if lambd < 0:
        raise ArgumentError(f"lambda must be greater or equal to 0, but found to be {lambd}.", where=caller(), fix="use 0 or more")
    return activation(input, _softshrink_rule, limit=float(lambd))


def _tanhshrink_rule(x: Any) -> Any:
    return x - c.tanh(x)


def tanhshrink(input: Any) -> Any:
    """x - tanh(x)."""
    given("tanhshrink", input)
    if input._type.dtype.kind == "b":
        raise DtypeError("Subtraction, the `-` operator, with a bool tensor is not supported.", where=caller(), fix="convert the input first")
    return compose(_tanhshrink_rule, floating(input))


def _hardsigmoid_rule(x: Any) -> Any:
    return c.relu6(x + c.number(3, x)) * c.number(1 / 6, x)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """min(max(x + 3, 0), 6) / 6."""
    return activation(input, _hardsigmoid_rule, inplace)


def _hardswish_rule(x: Any) -> Any:
    three = c.number(3, x)
    middle = c.select(c.lt(x, three), x * (x + three) * c.number(1 / 6, x), x)
    return c.select(c.le(x, -three), c.number(0, x), middle)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x * min(max(x + 3, 0), 6) / 6. Source: Howard et al. 2019."""
    return activation(input, _hardswish_rule, inplace)


def _hardtanh_rule(x: Any, *, low: float, high: float) -> Any:
    a, b = c.number(low, x), c.number(high, x)
    return c.select(c.le(x, a), a, c.select(c.le(b, x), b, x))


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """x within [min_val, max_val], else the bound."""
    given("hardtanh", input)
    ordered("hardtanh", input._type.dtype)
    if min_val > max_val:
        raise ArgumentError("min_val cannot be greater than max_val", where=caller(), fix="swap them")
    if input._type.dtype.kind in "bc" or (input._type.dtype.kind == "u" and int(min_val) < 0):
        raise DtypeError(f"cannot do hardtanh on an unsigned type with negative limits, found {input._type}", where=caller(),
                         fix="convert the input first")  # fmt: skip
    y = compose(_hardtanh_rule, input, low=min_val, high=max_val)
    return input.copy_(y) if inplace else y


def _mish_rule(x: Any) -> Any:
    return x * c.tanh(c.softplus(x))


def mish(input: Any, inplace: bool = False) -> Any:
    """x * tanh(softplus(x)). Source: Misra 2019."""
    return activation(input, _mish_rule, inplace)


def _prelu_rule(x: Any, w: Any) -> Any:
    if w.size == 1:
        w = c.reshape(w, shape=())
    elif x.ndim > 1:
        w = c.reshape(w, shape=(1, w.size, *(1,) * (x.ndim - 2)))
    return c.select(c.lt(c.number(0, x), x), x, w * x)


def prelu(input: Any, weight: Any) -> Any:
    """x for x > 0, else weight * x; weight: one number, or one for each channel (dimension 1). Source: He et al. 2015."""
    real_floats("prelu", input)
    given("prelu", weight)
    t, w = input._type, weight._type
    if w.ndim > 1 or w.size not in (1, t.shape[1] if t.ndim > 1 else 1):
        raise ShapeError(f"Mismatch of parameter numbers and input channel size. Found weight {w} for input {t}", where=caller(),
                         fix="give one weight, or one for each channel")  # fmt: skip
    return compose(_prelu_rule, *casting.lower(input, weight))


def _rrelu_rule(x: Any, bits: Any, *, low: float, high: float) -> Any:
    slope = c.convert(sampling.uniform(bits, dtype=np.dtype("float32"), low=low, high=high), dtype=x.dtype)
    return c.select(c.le(x, c.number(0, x)), x * slope, x)


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:
    """x for x > 0, else slope * x; slopes drawn from [lower, upper) in training, else their mean. Source: Xu et al. 2015."""
    if lower > upper:
        raise ArgumentError("Lower bound should be less than or equal to the upper bound", where=caller(), fix="swap them")
    if not training:
        return activation(input, c.leaky_relu, inplace, slope=(lower + upper) / 2)
    real_floats("rrelu", input)
    bits = bits_for(type(input)._result, input._type.shape, np.dtype("float32"), None, input._device)
    y = compose(_rrelu_rule, floating(input), bits, low=float(lower), high=float(upper))
    return input.copy_(y) if inplace else y


def _softsign_rule(x: Any) -> Any:
    return x / (c.number(1, x) + c.convert(abs(x), dtype=x.dtype))  # |x| of complex numbers is real


def softsign(input: Any) -> Any:
    """x / (1 + |x|)."""
    given("softsign", input)
    no_bools("softsign", input)
    return compose(_softsign_rule, floating(input))


def _threshold_rule(x: Any, *, threshold: float, value: float) -> Any:
    return c.select(c.le(x, c.number(threshold, x)), c.number(value, x), x)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x where x > threshold, else `value`."""
    given("threshold", input)
    ordered("threshold", input._type.dtype)
    no_bools("threshold", input)
    y = compose(_threshold_rule, input, threshold=threshold, value=value)
    return input.copy_(y) if inplace else y


def _gumbel_rule(x: Any, bits: Any, *, tau: float, hard: bool, axis: int) -> Any:
    u = c.maximum(sampling.unit(bits, dtype=np.dtype("float32")), c.constant(np.float32(2.0**-25)))
    noise = c.convert(-c.log(-c.log(u)), dtype=x.dtype)
    soft = c.softmax((x + noise) * c.number(1 / tau, x), axes=(axis,))
    if not hard:
        return soft
    best = argmax(soft, axis=axis)
    wide = c.broadcast_to(c.reshape(best, shape=c.keep_shape(x.shape, (axis,))), shape=x.shape)
    one = c.eq(wide, c.iota(shape=x.shape, dtype=best.dtype, axis=axis, device=x.device))
    return c.convert(one, dtype=x.dtype) - c.stop_gradient(soft) + soft


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """softmax((logits + Gumbel noise) / tau); hard: one-hot of the largest, with the gradient of the soft one.

    Source: Jang et al. 2016.
    """
    bits = bits_for(type(logits)._result, logits._type.shape, np.dtype("float32"), None, logits._device)
    return compose(_gumbel_rule, logits, bits, tau=float(tau), hard=bool(hard), axis=axis_of(logits, dim))


def relu_(input: Any) -> Any:
    """relu, in place."""
    return relu(input, True)


def elu_(input: Any, alpha: float = 1.0) -> Any:
    """elu, in place."""
    return elu(input, alpha, True)


def celu_(input: Any, alpha: float = 1.0) -> Any:
    """celu, in place."""
    return celu(input, alpha, True)


def selu_(input: Any) -> Any:
    """selu, in place."""
    return selu(input, True)


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
    """leaky_relu, in place."""
    return leaky_relu(input, negative_slope, True)


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """hardtanh, in place."""
    return hardtanh(input, min_val, max_val, True)


def rrelu_(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """rrelu, in place."""
    return rrelu(input, lower, upper, training, True)


def threshold_(input: Any, threshold: float, value: float) -> Any:
    """threshold, in place."""
    return _threshold(input, threshold, value, True)


_threshold = threshold
