"""Draws from a key: the same key gives the same numbers, on every device and under every transform."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from fgrad.eager.arrays import (
    array_of,
    as_dtype,
    axis_of,
    broadcast_to,
    call,
    call_many,
    reshape,
    same,
    shape_of,
)
from fgrad.eager.cell import Cell
from fgrad.eager.operands import compose, convert, floating
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.ir.dtypes import Dtype, is_inexact
from fgrad.primitives import composites as c
from fgrad.primitives import sampling
from fgrad.random.keys import checked

INT64, UINT32, FLOAT32 = np.dtype("int64"), np.dtype("uint32"), np.dtype("float32")


def float_type(dtype: Any, name: str) -> Dtype:
    """A float dtype, checked; None is the default one."""
    d = as_dtype(float if dtype is None else dtype)
    if not is_inexact(d) or d.kind == "c":
        raise DtypeError(f"{name} draws floats, not {d.name}", where=caller(), fix="use dtype=float32 or another float")
    return d


def bits(key: Any, shape: Any = (), dtype: Any = UINT32) -> Any:
    """Random bits: uint32 (or uint8, uint16, uint64) of `shape`."""
    d, s = as_dtype(UINT32 if dtype is None else dtype), shape_of(shape)
    if d.kind != "u":
        raise DtypeError(f"bits draws unsigned integers, not {d.name}", where=caller(), fix="use dtype=uint32")
    return compose(_bits, checked(key), shape=s, dtype=d)


def _bits(key: Any, *, shape: tuple[int, ...], dtype: Dtype) -> Any:
    words = sampling.key_bits(key, shape=(*shape, sampling.words(dtype)))
    if dtype.itemsize < 8:
        return c.convert(sampling.word(words, 0), dtype=dtype)
    high = c.convert(sampling.word(words, 0), dtype=dtype) * c.constant(np.uint64(2**32))
    return high + c.convert(sampling.word(words, 1), dtype=dtype)


def raw(key: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
    """Words for numbers of `dtype`, on a new last axis."""
    return compose(sampling.key_bits, checked(key), shape=(*shape, sampling.words(dtype)))


def uniform(key: Any, shape: Any = (), dtype: Any = float, minval: Any = 0.0, maxval: Any = 1.0) -> Any:
    """Numbers drawn evenly from [minval, maxval); bounds may be arrays that broadcast to `shape`."""
    d, s = float_type(dtype, "uniform"), shape_of(shape)
    words = raw(key, s, d)
    if not isinstance(minval, Cell | np.ndarray) and not isinstance(maxval, Cell | np.ndarray):
        return compose(sampling.uniform, words, dtype=d, low=float(minval), high=float(maxval))
    u = compose(sampling.unit, words, dtype=d)
    low, high = same((minval, maxval), d)
    return u * (high - low) + low


def normal(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """Draws of the standard normal distribution."""
    d = float_type(dtype, "normal")
    return compose(sampling.normal, raw(key, shape_of(shape), d), dtype=d)


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Standard normal draws between lower and upper: sqrt(2) erfinv of a uniform draw between their erf values."""
    d = float_type(dtype, "truncated_normal")
    a, b = same((lower, upper), d)
    s = common(shape, a, b)
    ends = [call("erf", x * math.sqrt(0.5)) for x in (a, b)]
    u = uniform(key, s, d, ends[0], ends[1])
    x = call("erfinv", u) * math.sqrt(2)
    return call("minimum", *same((call("maximum", *same((x, a))), b)))


def common(shape: Any, *xs: Any) -> tuple[int, ...]:
    """The shape asked for, or that of the parameters."""
    if shape is not None:
        return shape_of(shape)
    found = broadcast_shapes(*[x._type.shape for x in xs])
    if found is None:
        raise ArgumentError("the parameters do not broadcast", where=caller(), fix="give shape=")
    return found


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None) -> Any:
    """True with probability `p` (a number, or an array that broadcasts to `shape`)."""
    x = floating(array_of(p))
    s = common(shape, x)
    return compose(sampling.bernoulli, raw(key, s, FLOAT32), broadcast_to(x, s))


def randint(key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = INT64) -> Any:
    """Integers drawn evenly from [minval, maxval); int64 unless given. Bounds may be arrays."""
    d, s = as_dtype(INT64 if dtype is None else dtype), shape_of(shape)
    if is_inexact(d) or d.kind == "b":
        raise DtypeError(f"randint draws integers, not {d.name}", where=caller(), fix="use dtype=int64")
    words = raw(key, s, INT64)
    if not isinstance(minval, Cell | np.ndarray) and not isinstance(maxval, Cell | np.ndarray):
        low, high = operator.index(minval), operator.index(maxval)
        if low >= high:  # as JAX: the lower bound
            return broadcast_to(array_of(np.asarray(low, d)), s)
        return compose(sampling.integers, words, low=low, high=high, dtype=d)
    low_, high_ = same((minval, maxval), INT64)
    return compose(_integers, words, broadcast_to(low_, s), broadcast_to(high_, s), dtype=d)


def _integers(words: Any, low: Any, high: Any, *, dtype: Dtype) -> Any:
    u64 = np.dtype("uint64")
    wide = c.convert(sampling.word(words, 0), dtype=u64) * c.constant(np.uint64(2**32))
    wide = wide + c.convert(sampling.word(words, 1), dtype=u64)
    span = c.convert(c.maximum(high - low, c.number(1, low)), dtype=u64)
    return c.convert(c.convert(c.rem(wide, span), dtype=INT64) + low, dtype=dtype)


def open_unit(key: Any, shape: tuple[int, ...], d: Dtype) -> Any:
    """Uniform in (0, 1)."""
    return compose(_open, raw(key, shape, d), dtype=d)


def _open(words: Any, *, dtype: Dtype) -> Any:
    u = sampling.unit(words, dtype=dtype)
    tiny = {"float64": 2.0**-54, "float32": 2.0**-25}.get(dtype.name, 2.0**-14)
    return c.maximum(u, c.number(tiny, u))


def gumbel(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """-log(-log(u)), u uniform in (0, 1)."""
    u = open_unit(key, shape_of(shape), float_type(dtype, "gumbel"))
    return -call("log", -call("log", u))


def exponential(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """-log(1 - u): density e^-x, x >= 0."""
    d = float_type(dtype, "exponential")
    u = compose(sampling.unit, raw(key, shape_of(shape), d), dtype=d)
    return -call("log1p", -u)


def laplace(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """Density e^-|x| / 2."""
    u = open_unit(key, shape_of(shape), float_type(dtype, "laplace")) * 2.0 - 1.0
    return call("sign", u) * -call("log1p", -call("abs", u))


def logistic(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """log(u / (1 - u)), u uniform in (0, 1)."""
    u = open_unit(key, shape_of(shape), float_type(dtype, "logistic"))
    return call("log", u) - call("log1p", -u)


def cauchy(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """tan(pi (u - 1/2)), u uniform in (0, 1)."""
    u = open_unit(key, shape_of(shape), float_type(dtype, "cauchy"))
    return call("tan", (u - 0.5) * math.pi)


def rademacher(key: Any, shape: Any = (), dtype: Any = INT64) -> Any:
    """-1 or 1, evenly."""
    return convert(bernoulli(key, 0.5, shape_of(shape)), as_dtype(INT64 if dtype is None else dtype)) * 2 - 1


def categorical(key: Any, logits: Any, axis: int = -1, shape: Any = None, replace: bool = True) -> Any:
    """int64 indices along `axis`, with probability proportional to e^logits (the Gumbel argmax rule).

    shape: that of the result; its last axes are those of `logits` without `axis`.
    With replace=False the leading axes of `shape` are distinct draws (Gumbel top-k, Vieira 2014).
    """
    x = floating(array_of(logits))
    at = axis_of(x, axis)
    rest = tuple(d for i, d in enumerate(x._type.shape) if i != at)
    s = rest if shape is None else shape_of(shape)
    lead = s[: len(s) - len(rest)]
    if shape is not None and s[len(lead) :] != rest:
        raise ArgumentError(f"categorical: shape {s} does not end with {rest}", where=caller(), fix=f"use (..., *{rest})")
    if not replace:
        return distinct(key, x, at, lead, rest)
    noise = gumbel(key, (*lead, *x._type.shape), x._type.dtype)
    return call("argmax", noise + x, axis=at + len(lead))


def distinct(key: Any, x: Any, at: int, lead: tuple[int, ...], rest: tuple[int, ...]) -> Any:
    """Draws without replacement."""
    k = math.prod(lead)
    if k > x._type.shape[at]:
        raise ArgumentError(f"{k} distinct draws of {x._type.shape[at]} categories", where=caller(), fix="draw fewer")
    noisy = gumbel(key, x._type.shape, x._type.dtype) + x
    found = call_many("top_k", noisy, k=k, axis=at, largest=True)[1]
    order = (at, *(i for i in range(x._type.ndim) if i != at))
    moved = call("transpose", found, axes=order) if x._type.ndim > 1 else found
    return reshape(moved, (*lead, *rest))


def order_of(key: Any, n: int) -> Any:
    """A random order of 0..n-1: positions sorted by 64 random bits."""
    words = compose(sampling.key_bits, checked(key), shape=(n, 2))
    first, second, count = (compose(_column, words, index=i) for i in range(3))
    return call_many("sort", first, second, count, axis=0, num_keys=2, descending=False)[2]


def _column(words: Any, *, index: int) -> Any:
    return sampling.word(words, index) if index < 2 else c.iota(
        shape=words.shape[:1], dtype=INT64, axis=0, device=words.device
    )


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """The slices of `x` along `axis` in random order (0..x-1, int64, for an int); `independent`: each line on its own."""
    if not isinstance(x, Cell | np.ndarray | list | tuple):
        return order_of(key, operator.index(x))
    a = array_of(x)
    at = axis_of(a, axis)
    if not independent:
        return a[(slice(None),) * at + (order_of(key, a._type.shape[at]),)]
    words = raw(key, a._type.shape, INT64)
    keys = [compose(sampling.word, words, i=i) for i in range(2)]
    return call_many("sort", *keys, a, axis=at, num_keys=2, descending=False)[2]


shuffle = permutation


def choice(key: Any, a: Any, shape: Any = (), replace: bool = True, p: Any = None, axis: int = 0) -> Any:
    """Slices of `a` along `axis` (of 0..a-1 for an int), evenly or with probabilities `p`, with or without replacement."""
    whole = not isinstance(a, Cell | np.ndarray | list | tuple)
    x = None if whole else array_of(a)
    at = 0 if x is None else axis_of(x, axis)
    n = operator.index(a) if x is None else x._type.shape[at]
    s = shape_of(shape)
    k = math.prod(s)
    if n < 1 and k:
        raise ArgumentError(f"choice: {k} draws of nothing", where=caller(), fix="give at least one element to choose")
    if p is not None and array_of(p)._type.shape != (n,):
        raise ShapeError(f"choice: p is {array_of(p)._type} for {n} elements", where=caller(), fix="give one probability each")
    if not replace and k > n:
        raise ArgumentError("Cannot take a larger sample than population when replace=False", where=caller(),
                            fix="draw fewer, or with replacement")  # fmt: skip
    if p is not None:
        index = categorical(key, call("log", floating(array_of(p))), shape=s, replace=replace)
    elif replace:
        index = randint(key, s, 0, n)
    else:
        index = reshape(order_of(key, n)[:k], s)
    return index if x is None else x[(slice(None),) * at + (index,)]
