"""jax.nn's activations, with its names of arguments and defaults; arrays, Tensors, NumPy data or numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from fgrad.eager.convert import as_cell
from fgrad.functions.call import axes_of, compose, convert, same
from fgrad.functions.call import floating as as_float
from fgrad.functions.dtypes import as_numpy, default_float
from fgrad.ir.graph import Value
from fgrad.nn.functional import activation as torch_style
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import maximum, minimum
from fgrad.primitives.compare import gt, le, lt
from fgrad.primitives.reduce import reduce_max, reduce_sum
from fgrad.primitives.transcendental import expm1, log1p

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "log1mexp",
    "log_sigmoid",
    "log_softmax",
    "logmeanexp",
    "logsumexp",
    "mish",
    "one_hot",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_sign",
    "softmax",
    "softplus",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "standardize",
    "swish",
    "tanh",
]


def floating(x: Any) -> Any:
    """Anything as a cell of floats."""
    return as_float(as_cell(x))


def _of(f: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """An activation of one argument, of floats."""

    @wraps(f)
    def op(x: Any) -> Any:
        return f(floating(x))

    op.__doc__ = doc
    del op.__wrapped__  # its own signature
    return op


def _composed(name: str, rule: Callable[..., Any], doc: str) -> Callable[..., Any]:
    def op(x: Any) -> Any:
        return compose(rule, floating(x))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


def _number(x: Value, value: float) -> Any:
    return c.number(value, x)


def _clamped(x: Value, low: float, high: float) -> Any:
    """Between two numbers; outside the derivative is 0."""
    a, b = c.number(low, x), c.number(high, x)
    return c.select(lt(a, x), c.select(lt(x, b), x, b), a)


def _hard_sigmoid(x: Value) -> Any:
    return _clamped(x + _number(x, 3), 0, 6) / _number(x, 6)


def _hard_tanh(x: Value) -> Any:
    low, high = _number(x, -1), _number(x, 1)
    return c.select(lt(high, x), high, c.select(lt(x, low), low, x))


def _sparse_sigmoid(x: Value) -> Any:
    y = (x + _number(x, 1)) * _number(x, 0.5)
    return minimum(maximum(y, _number(x, 0)), _number(x, 1))


def _sparse_plus(x: Value) -> Any:
    one = _number(x, 1)
    y = (x + one) * (x + one) * _number(x, 0.25)
    return c.select(le(x, -one), _number(x, 0), c.select(le(one, x), x, y))


def _log1mexp(x: Value) -> Any:
    near = lt(x, _number(x, math.log(2)))
    safe = c.select(near, x, _number(x, 0.5)), c.select(near, _number(x, 1), x)
    return c.select(near, c.log(-expm1(-safe[0])), log1p(-c.exp(-safe[1])))


def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0; integers stay integers."""
    return torch_style.relu(as_cell(x))


def _relu6(x: Value) -> Any:
    return _clamped(x, 0, 6)


relu6 = _composed("relu6", _relu6, "min(max(x, 0), 6).")
selu = _of(torch_style.selu, "1.0507 (max(x, 0) + 1.6733 (e^min(x, 0) - 1)).")
silu = _of(torch_style.silu, "x / (1 + e^-x).")
swish = silu
mish = _of(torch_style.mish, "x tanh(log(1 + e^x)).")
sigmoid = _of(torch_style.sigmoid, "1 / (1 + e^-x).")
tanh = _of(torch_style.tanh, "(e^x - e^-x) / (e^x + e^-x).")
softplus = _composed("softplus", c.softplus, "log(1 + e^x).")
log_sigmoid = _composed("log_sigmoid", c.log_sigmoid, "log(sigmoid(x)).")
hard_sigmoid = _composed("hard_sigmoid", _hard_sigmoid, "relu6(x + 3) / 6.")
hard_silu = hard_swish = _composed("hard_silu", lambda x: x * _hard_sigmoid(x), "x relu6(x + 3) / 6.")
hard_tanh = _composed("hard_tanh", _hard_tanh, "min(max(x, -1), 1).")
soft_sign = _composed("soft_sign", lambda x: x / (abs(x) + _number(x, 1)), "x / (1 + |x|).")
sparse_plus = _composed("sparse_plus", _sparse_plus, "0 below -1, x above 1, (x + 1)^2 / 4 between.")
sparse_sigmoid = _composed("sparse_sigmoid", _sparse_sigmoid, "(x + 1) / 2 between 0 and 1.")
log1mexp = _composed("log1mexp", _log1mexp, "log(1 - e^-x) of x > 0, accurate near 0 and far from it.")


def identity(x: Any) -> Any:
    """`x`."""
    return as_cell(x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x above 0, alpha (e^x - 1) below."""
    return torch_style.elu(floating(x), float(alpha))


def celu(x: Any, alpha: float = 1.0) -> Any:
    """x above 0, alpha (e^(x / alpha) - 1) below."""
    return torch_style.celu(floating(x), float(alpha))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x above 0, negative_slope x below; derivative 1 at 0."""
    return compose(_leaky, floating(x), slope=float(negative_slope))


def _leaky(x: Value, *, slope: float) -> Any:
    return c.select(le(c.number(0, x), x), x, x * c.number(slope, x))


def glu(x: Any, axis: int = -1) -> Any:
    """The first half along `axis` times the sigmoid of the second."""
    return torch_style.glu(floating(x), axis)


def squareplus(x: Any, b: float = 4) -> Any:
    """(x + sqrt(x^2 + b)) / 2."""
    return compose(_squareplus, floating(x), b=float(b))


def _squareplus(x: Value, *, b: float) -> Any:
    return (x + c.sqrt(x * x + c.number(b, x))) * c.number(0.5, x)


def gelu(x: Any, approximate: bool = True) -> Any:
    """x * Phi(x), by the tanh form unless approximate is False."""
    return compose(c.gelu_tanh if approximate else c.gelu, floating(x))


def _shown(x: Any, where: Any) -> Any:
    """A mask beside `x`."""
    m = as_cell(where, type(x))
    return convert(m, np.dtype("bool"))


def softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """exp(x) / sum(exp(x)) over `axis`; where: the elements that count, the others give 0."""
    x = floating(x)
    if where is None:
        return compose(c.softmax, x, axes=axes_of(x, axis))
    return compose(_masked_softmax, x, _shown(x, where), axes=axes_of(x, axis))


def _masked(x: Value, m: Value, value: float) -> Any:
    return c.select(c.broadcast_to(m, shape=x.shape), x, c.number(value, x))


def _masked_softmax(x: Value, m: Value, *, axes: tuple[int, ...]) -> Any:
    lone = _masked(x, m, -np.inf)
    top = c.stop_gradient(c.kept(reduce_max(lone, axes=axes), x.shape, axes))
    top = c.select(c.is_finite(top), top, c.number(0, top))
    e = _masked(c.exp(_masked(x - top, m, -np.inf)), m, 0)
    total = c.kept(reduce_sum(e, axes=axes), x.shape, axes)
    return e / c.select(gt(total, c.number(0, total)), total, c.number(1, total))


def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """log(softmax(x)) over `axis`; where: the elements that count, the others give -inf."""
    x = floating(x)
    if where is None:
        return compose(c.log_softmax, x, axes=axes_of(x, axis))
    return compose(_masked_log_softmax, x, _shown(x, where), axes=axes_of(x, axis))


def _masked_log_softmax(x: Value, m: Value, *, axes: tuple[int, ...]) -> Any:
    total = c.logsumexp(_masked(x, m, -np.inf), axes=axes, keep=True)
    return _masked(x - c.broadcast_to(total, shape=x.shape), m, -np.inf)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False,
              where: Any = None) -> Any:  # fmt: skip
    """log(sum(b exp(a))), `b` ones unless given; where: the elements that count.

    return_sign: also the sign of the sum, whose logarithm is of its absolute value; without it a negative sum is NaN.
    """
    x = floating(a)
    axes = axes_of(x, axis)
    if where is not None:
        x = compose(_masked, x, _shown(x, where), value=-np.inf)
    if b is None and not return_sign:
        return compose(c.logsumexp, x, axes=axes, keep=keepdims)
    x, weight = same((x, as_cell(1.0 if b is None else b, type(x))))
    parts = [compose(_signed, x, weight, axes=axes, keep=keepdims, part=k) for k in (0, 1)]
    if return_sign:
        return tuple(parts)
    return compose(lambda y, s: c.select(lt(s, c.number(0, s)), c.number(np.nan, y), y), *parts)


def _signed(x: Value, b: Value, *, axes: tuple[int, ...], keep: bool, part: int) -> Any:
    weight = c.broadcast_to(b, shape=x.shape)
    top = c.stop_gradient(c.kept(reduce_max(x, axes=axes), x.shape, axes))
    top = c.select(c.is_finite(top), top, c.number(0, top))
    total = reduce_sum(weight * c.exp(x - top), axes=axes)
    shown = c.kept(total, x.shape, axes) if keep else total
    if part:
        return c.sgn(shown)
    size = c.log(abs(c.kept(total, x.shape, axes))) + top
    return size if keep else c.reshape(size, shape=total.shape)


def logmeanexp(x: Any, axis: Any = None, where: Any = None, keepdims: bool = False) -> Any:
    """log(mean(exp(x))); where: the elements that count."""
    a = floating(x)
    axes = axes_of(a, axis)
    total = logsumexp(a, axis, keepdims=keepdims, where=where)
    if where is None:
        n = math.prod([a._type.shape[k] for k in axes])
        return total - (math.log(n) if n else -math.inf)
    m = compose(c.broadcast_to, _shown(a, where), shape=a._type.shape)
    return total - compose(_count, convert(m, a._type.dtype), axes=axes, keep=keepdims)


def _count(m: Value, *, axes: tuple[int, ...], keep: bool) -> Any:
    n = reduce_sum(m, axes=axes)
    return c.log(c.kept(n, m.shape, axes) if keep else n)


def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Any:
    """A new axis (the last one) with 1 at the index; all zeros for an index out of range. Float unless `dtype` is given."""
    index = as_cell(x)
    d = default_float() if dtype is None else as_numpy(dtype) if not isinstance(dtype, type | np.dtype) else np.dtype(dtype)
    index = index if index._type.dtype == np.int64 else convert(index, np.dtype("int64"))
    return compose(_one_hot, index, classes=int(num_classes), dtype=d, axis=axis % (index._type.ndim + 1))


def _one_hot(index: Value, *, classes: int, dtype: Any, axis: int) -> Any:
    y = c.one_hot(index, classes=classes, dtype=dtype)
    last = y.ndim - 1
    return y if axis == last else c.transpose(y, axes=(*range(axis), last, *range(axis, last)))


def standardize(x: Any, axis: Any = -1, mean: Any = None, variance: Any = None, epsilon: float = 1e-5,
                where: Any = None) -> Any:  # fmt: skip
    """(x - mean) / sqrt(variance + epsilon), both over `axis` unless given; where: the elements that count in them."""
    a = floating(x)
    axes = axes_of(a, axis)
    m = as_cell(np.ones((), bool) if where is None else where, type(a))
    given = [m if v is None else convert(as_cell(v, type(a)), a._type.dtype) for v in (mean, variance)]
    return compose(_standardize, a, convert(m, np.dtype("bool")), *given, axes=axes, epsilon=float(epsilon),
                   own=(mean is None, variance is None))  # fmt: skip


def _standardize(x: Value, m: Value, mean: Value, variance: Value, *, axes: tuple[int, ...], epsilon: float, own: Any) -> Any:
    ones = _masked(c.broadcast_to(c.number(1, x), shape=x.shape), m, 0)
    n = c.kept(reduce_sum(ones, axes=axes), x.shape, axes)
    middle = c.kept(reduce_sum(_masked(x, m, 0), axes=axes), x.shape, axes) / n if own[0] else mean
    gap = x - c.broadcast_to(middle, shape=x.shape)
    spread = c.kept(reduce_sum(_masked(gap * gap, m, 0), axes=axes), x.shape, axes) / n if own[1] else variance
    return gap / c.broadcast_to(c.sqrt(spread + c.number(epsilon, spread)), shape=x.shape)
