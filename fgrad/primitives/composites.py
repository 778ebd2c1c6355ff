"""Functions of several primitives, on Values: what both faces mean by softmax, variance, GELU and the like.

Axes are non-negative tuples; `keep` keeps reduced axes at length 1. The fuse pass makes one loop of each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.ir.apply import constant
from fgrad.ir.dtypes import real_of
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import CPU, Device
from fgrad.primitives.arithmetic import convert, copysign, floor, rem, rsqrt, sign, sqrt
from fgrad.primitives.arithmetic import maximum as maximum
from fgrad.primitives.compare import eq, is_finite, le, lt, ne, select
from fgrad.primitives.reduce import reduce_max, reduce_sum
from fgrad.primitives.shape import broadcast_to, iota, reshape
from fgrad.primitives.shape import transpose as transpose
from fgrad.primitives.structure import stop_gradient
from fgrad.primitives.transcendental import erf, exp, expm1, log, log1p, sigmoid, tanh

Axes = tuple[int, ...]


def keep_shape(shape: Axes, axes: Axes) -> Axes:
    """A shape with `axes` of length 1."""
    return tuple(1 if i in axes else d for i, d in enumerate(shape))


def kept(y: Value, shape: Axes, axes: Axes) -> Any:
    """A reduced value with its axes back, of length 1."""
    return reshape(y, shape=keep_shape(shape, axes))


def mean(x: Value, *, axes: Axes, keep: bool = False) -> Any:
    """sum / count."""
    n = math.prod(x.shape[a] for a in axes)
    y = reduce_sum(x, axes=axes) / number(n, x)
    return kept(y, x.shape, axes) if keep else y


def number(value: float, like: Value) -> Any:
    """A 0-d constant of the dtype of `like`."""
    return constant(np.asarray(value, like.dtype))


def var(x: Value, *, axes: Axes, correction: float, keep: bool = False) -> Any:
    """sum((x - mean)^2) / max(0, n - correction), by the two-pass formula."""
    n = math.prod(x.shape[a] for a in axes)
    d = x - mean(x, axes=axes, keep=True)
    square = d * d if d.dtype.kind != "c" else abs(d) * abs(d)
    y = reduce_sum(square, axes=axes) / number(max(0.0, n - correction), square)
    return kept(y, x.shape, axes) if keep else y


def std(x: Value, *, axes: Axes, correction: float, keep: bool = False) -> Any:
    """sqrt(var), its derivative 0 where it is 0."""
    v = var(x, axes=axes, correction=correction, keep=keep)
    flat = eq(v, number(0, v))
    return select(flat, number(0, v), sqrt(select(flat, number(1, v), v)))


def finite_max(x: Value, axes: Axes) -> Any:
    """The maximum with its axes kept, 0 where it is infinite or NaN: a shift that changes no derivative."""
    top = stop_gradient(kept(reduce_max(x, axes=axes), x.shape, axes))
    return select(is_finite(top), top, number(0.0, top))


def softmax(x: Value, *, axes: Axes) -> Any:
    """exp(x - max) / sum(exp(x - max))."""
    top = stop_gradient(kept(reduce_max(x, axes=axes), x.shape, axes))
    e = exp(x - top)
    return e / kept(reduce_sum(e, axes=axes), x.shape, axes)


def log_softmax(x: Value, *, axes: Axes) -> Any:
    """x - max - log(sum(exp(x - max)))."""
    shifted = x - stop_gradient(kept(reduce_max(x, axes=axes), x.shape, axes))
    return shifted - log(kept(reduce_sum(exp(shifted), axes=axes), x.shape, axes))


def logsumexp(x: Value, *, axes: Axes, keep: bool = False) -> Any:
    """log(sum(exp(x))), finite where it can be; -inf for an empty or all -inf row."""
    top = finite_max(x, axes) if x.dtype.kind != "c" else convert(finite_max(FUNCTIONS["real"](x), axes), dtype=x.dtype)
    y = log(kept(reduce_sum(exp(x - top), axes=axes), x.shape, axes)) + top
    return y if keep else reshape(y, shape=tuple(d for i, d in enumerate(x.shape) if i not in axes))


def relu(x: Value) -> Any:
    """max(x, 0), NaN kept; derivative 0 at 0."""
    return select(le(x, number(0, x)), number(0, x), x)


def relu6(x: Value) -> Any:
    """min(max(x, 0), 6); derivative 0 at both ends."""
    low = select(le(x, number(0, x)), number(0, x), x)
    return select(le(number(6, x), low), number(6, x), low)


def leaky_relu(x: Value, *, slope: float) -> Any:
    """x where x > 0, else slope * x."""
    return select(lt(number(0, x), x), x, x * number(slope, x))


def elu(x: Value, *, alpha: float, scale: float = 1.0) -> Any:
    """scale * (x where x > 0, else alpha * (exp(x) - 1))."""
    zero = number(0, x)
    above = lt(zero, x)
    y = select(above, x, number(alpha, x) * expm1(select(above, zero, x)))
    return y if scale == 1.0 else y * number(scale, x)


def gelu(x: Value) -> Any:
    """x * Phi(x), Phi the normal distribution function (Hendrycks & Gimpel 2016)."""
    return number(0.5, x) * x * (number(1, x) + erf(x * number(math.sqrt(0.5), x)))


def gelu_tanh(x: Value) -> Any:
    """0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    inner = number(math.sqrt(2 / math.pi), x) * (x + number(0.044715, x) * (x * x * x))
    return number(0.5, x) * x * (number(1, x) + tanh(inner))


def silu(x: Value) -> Any:
    """x * sigmoid(x)."""
    return x * sigmoid(x)


def below(x: Value) -> Any:
    """-|x|, with the derivative -1 at 0: beside a choice by x >= 0 the kinks cancel, in higher derivatives too."""
    return select(le(number(0, x), x), -x, x)


def logaddexp(x: Value, y: Value) -> Any:
    """log(e^x + e^y), finite where it can be: the larger + log(1 + e^-|x - y|)."""
    if x.dtype.kind == "c":
        first = le(FUNCTIONS["real"](y), FUNCTIONS["real"](x))
        top = select(first, x, y)
        return top + log(number(1, x) + exp(select(first, y, x) - top))
    gap = x - y
    top = select(le(y, x), x, y)
    return select(ne(gap, gap), x + y, top + log1p(exp(below(gap))))


def softplus(x: Value, *, beta: float = 1.0, threshold: float = math.inf) -> Any:
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    z = x * number(beta, x) if beta != 1.0 else x
    y = select(le(number(0, z), z), z, number(0, z)) + log1p(exp(below(z)))
    y = y / number(beta, x) if beta != 1.0 else y
    return y if math.isinf(threshold) else select(lt(number(threshold, x), z), x, y)


def log_sigmoid(x: Value) -> Any:
    """log(1 / (1 + exp(-x))) = min(x, 0) - log(1 + exp(-|x|))."""
    return select(le(number(0, x), x), number(0, x), x) - log1p(exp(below(x)))


def remainder(x: Value, y: Value) -> Any:
    """Python's %: the sign of the divisor, 0 for an integer divisor of 0."""
    r = rem(x, y)
    zero = number(0, r)
    wrong = ne(r, zero) & (lt(r, zero) ^ lt(y, number(0, y)))
    return select(wrong, r + y, r)


def floor_divide(x: Value, y: Value) -> Any:
    """floor(x / y) of floats, exact where the quotient is near an integer; x / y for y = 0, NaN for infinite x, as in C10."""
    zero, exact = number(0, x), x / y
    r = rem(x, y)
    q = (x - r) / y
    q = select(ne(r, zero) & (lt(r, zero) ^ lt(y, number(0, y))), q - number(1, q), q)
    near = floor(q)
    near = select(lt(number(0.5, q), q - near), near + number(1, q), near)
    return select(eq(y, number(0, y)), exact, select(eq(q, zero), copysign(zero, exact), near))


def one_hot(index: Value, *, classes: int, dtype: Any) -> Any:
    """A new last axis with 1 at the index."""
    shape = (*index.shape, classes)
    wide = broadcast_to(reshape(index, shape=(*index.shape, 1)), shape=shape)
    return convert(eq(wide, iota(shape=shape, dtype=index.dtype, axis=len(shape) - 1, device=index.device)), dtype=dtype)


def tril_mask(*, shape: Axes, k: int, upper: bool = False, device: Device = CPU) -> Any:
    """bool[*shape]: True on and below (with `upper`, above) diagonal `k` of the last two axes."""
    rank = len(shape)
    row = iota(shape=shape, dtype=np.dtype("int64"), axis=rank - 2, device=device)
    column = iota(shape=shape, dtype=np.dtype("int64"), axis=rank - 1, device=device)
    offset = constant(np.asarray(k, np.int64))
    return le(row + offset, column) if upper else le(column, row + offset)


def normalise(x: Value, *, axes: Axes, eps: float) -> Any:
    """(x - mean) / sqrt(var + eps) over `axes` (biased variance)."""
    d = x - mean(x, axes=axes, keep=True)
    return d * rsqrt(mean(d * d, axes=axes, keep=True) + number(eps, x))


def _power_norm(size: Value, axes: Axes, p: float) -> Any:
    """(sum size^p)^(1/p), with the derivative 0 where it is 0, and by elements that are 0 if p < 1."""
    zero = number(0, size)
    if 0 < p < 1:
        none = eq(size, zero)
        total = reduce_sum(select(none, zero, select(none, number(1, size), size) ** number(p, size)), axes=axes)
    else:
        total = reduce_sum(size ** number(p, size), axes=axes)
    if p < 0:
        return total ** number(1 / p, size)
    none = eq(total, zero)
    return select(none, zero, select(none, number(1, size), total) ** number(1 / p, size))


def norm(x: Value, *, axes: Axes, p: float, keep: bool = False) -> Any:
    """(sum |x|^p)^(1/p); the largest or smallest |x| for +-inf, the count of non-zeros for 0. Derivative 0 at 0 for p > 0."""
    size = abs(x)
    if math.isinf(p):
        y = reduce_max(size, axes=axes) if p > 0 else -reduce_max(-size, axes=axes)
    elif p == 0:
        y = reduce_sum(convert(ne(size, number(0, size)), dtype=size.dtype), axes=axes)
    elif p == 1:
        y = reduce_sum(size, axes=axes)
    elif p == 2:
        total = reduce_sum(size * size, axes=axes)
        zero = eq(total, number(0, total))
        y = select(zero, number(0, total), sqrt(select(zero, number(1, total), total)))
    else:
        y = _power_norm(size, axes, p)
    return kept(y, x.shape, axes) if keep else y


def sgn(x: Value) -> Any:
    """The sign; x / |x| of complex numbers, 0 at 0."""
    if x.dtype.kind != "c":
        return sign(x)
    size = abs(x)
    zero = eq(size, constant(np.zeros((), real_of(x.dtype))))
    return select(zero, number(0, x), x / convert(select(zero, number(1, size), size), dtype=x.dtype))
