"""NumPy's reductions: `axis` an int, a tuple or None for all; `keepdims` keeps reduced axes at length 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, axes_of, axis_of, broadcast_to, call, reshape, same, truth
from fgrad.eager.operands import compose, convert, floating, is_integer
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import is_inexact
from fgrad.numpy import complex_order
from fgrad.numpy.choices import isclose, isnan, where
from fgrad.numpy.elementwise import absolute, add, divide, equal, maximum, minimum, multiply, sqrt, subtract
from fgrad.primitives import composites as c

__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "array_equal", "average", "count_nonzero",
    "cumprod", "cumsum", "max", "mean", "min", "nanmax", "nanmean", "nanmin", "nansum",
    "prod", "ptp", "std", "sum", "var",
]  # fmt: skip

Op = Callable[..., Any]


def reduce(name: str, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """One reducing primitive, with the axes kept if asked."""
    y = call(name, x, axes=axes) if axes else x
    return reshape(y, c.keep_shape(x._type.shape, axes)) if keepdims else y


def masked(x: Any, where_: Any, neutral: Any) -> Any:
    """`x` with what a reduction's `where=` leaves out replaced."""
    return x if where_ is None else where(where_, x, neutral)


def no_out(out: Any) -> None:
    """Refuses `out=`, which NumPy's signatures have: arrays never change."""
    if out is not None:
        raise OutError("out= is not supported: arrays of fgrad.numpy are immutable", where=caller(), fix="use the result")


class OutError(ArgumentError, NotImplementedError):
    """An array to write to was given."""


def summed(x: Any, dtype: Any) -> Any:
    """An operand of sum and prod: bools and small integers become 64-bit ones, as in NumPy."""
    x = array_of(x)
    if dtype is not None:
        return convert(x, as_dtype(dtype))
    kind = x._type.dtype.kind
    return convert(x, np.dtype("uint64" if kind == "u" else "int64")) if kind in "biu" else x


def sum(  # noqa: A001
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, initial: Any = None, where: Any = None
) -> Any:
    """Sum over `axis`; bools and integers sum to int64 (uint64 if unsigned). where: elements that count."""
    no_out(out)
    x = masked(summed(a, dtype), where, 0)
    y = reduce("reduce_sum", x, axes_of(x, axis), keepdims)
    return y if initial is None else add(y, initial)


def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, initial: Any = None, where: Any = None
) -> Any:
    """Product over `axis`; integers as in `sum`."""
    no_out(out)
    x = masked(summed(a, dtype), where, 1)
    y = reduce("reduce_prod", x, axes_of(x, axis), keepdims)
    return y if initial is None else multiply(y, initial)


def mean(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """sum / count; integers become the default float."""
    no_out(out)
    x = floating(array_of(a)) if dtype is None else convert(array_of(a), as_dtype(dtype))
    axes = axes_of(x, axis)
    if where is None:
        return compose(c.mean, x, axes=axes, keep=keepdims)
    count = sum(broadcast_to(truth(where), x._type.shape), axes, x._type.dtype, keepdims=keepdims)
    return divide(sum(x, axes, keepdims=keepdims, where=where), count)


def var(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
        keepdims: bool = False, *, where: Any = None, mean: Any = None,        correction: float | None = None) -> Any:  # fmt: skip
    """sum((x - mean)^2) / (n - ddof)."""
    no_out(out)
    return spread_of(False, a, axis, dtype, ddof if correction is None else correction, keepdims, where, mean)


def std(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
        keepdims: bool = False, *, where: Any = None, mean: Any = None,        correction: float | None = None) -> Any:  # fmt: skip
    """Square root of var."""
    no_out(out)
    return spread_of(True, a, axis, dtype, ddof if correction is None else correction, keepdims, where, mean)


def spread_of(root: bool, a: Any, axis: Any, dtype: Any, ddof: float, keepdims: bool, where_: Any, center: Any) -> Any:
    """var and std."""
    x = floating(array_of(a)) if dtype is None else convert(array_of(a), as_dtype(dtype))
    axes = axes_of(x, axis)
    if where_ is None and center is None and x._type.dtype.kind != "c":
        return compose(c.std if root else c.var, x, axes=axes, correction=float(ddof), keep=keepdims)
    middle = mean(x, axes, keepdims=True, where=where_) if center is None else center
    gap = absolute(subtract(x, middle))
    ones = broadcast_to(array_of(np.ones((), gap._type.dtype)), x._type.shape)
    count = sum(ones, axes, keepdims=keepdims, where=where_)
    y = divide(sum(multiply(gap, gap), axes, keepdims=keepdims, where=where_), maximum(subtract(count, ddof), 0))
    return sqrt(y) if root else y


def non_empty(x: Any, axes: tuple[int, ...], name: str) -> None:
    """NumPy's error for the extreme of nothing."""
    if 0 in [x._type.shape[a] for a in axes]:
        raise ArgumentError(f"zero-size array to reduction operation {name} which has no identity", where=caller(),
                            fix="check that the array is not empty, or pass initial=")  # fmt: skip


def extreme(name: str, a: Any, axis: Any, keepdims: bool, initial: Any, where_: Any, join: Op) -> Any:
    """max and min."""
    x = array_of(a)
    axes = axes_of(x, axis)
    if where_ is not None:
        if initial is None:
            raise ArgumentError(f"{name} with where= has no identity", where=caller(), fix="pass initial=")
        x = masked(x, where_, initial)
    if initial is None:
        non_empty(x, axes, name)
    elif 0 in [x._type.shape[k] for k in axes]:
        kept = c.keep_shape(x._type.shape, axes)
        full = broadcast_to(convert(array_of(initial), x._type.dtype), kept)
        return full if keepdims else reduce(f"reduce_{name}", full, axes, False)
    if x._type.dtype.kind == "b":
        return reduce("reduce_or" if name == "max" else "reduce_and", x, axes, keepdims)
    if x._type.dtype.kind == "c":
        y = complex_order.extreme(x, axes, name == "max")
        y = reshape(y, c.keep_shape(x._type.shape, axes)) if keepdims else y
    else:
        y = reduce(f"reduce_{name}", x, axes, keepdims)
    return y if initial is None else join(y, initial)


def max(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:  # noqa: A001
    """The largest; NaN if any is; gradients of ties are shared evenly."""
    no_out(out)
    return extreme("max", a, axis, keepdims, initial, where, _larger)


def min(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:  # noqa: A001
    """The smallest; NaN if any is; gradients of ties are shared evenly."""
    no_out(out)
    return extreme("min", a, axis, keepdims, initial, where, _smaller)


def _larger(x: Any, y: Any) -> Any:
    return maximum(x, y)


def _smaller(x: Any, y: Any) -> Any:
    return minimum(x, y)


amax, amin = max, min


def ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """max - min."""
    no_out(out)
    return subtract(max(a, axis, keepdims=keepdims), min(a, axis, keepdims=keepdims))


def arg(name: str, a: Any, axis: int | None, keepdims: bool) -> Any:
    """argmax and argmin."""
    x = array_of(a)
    x = convert(x, np.dtype("uint8")) if x._type.dtype.kind == "b" else x
    rank = x._type.ndim
    if axis is None:
        flat = reshape(x, (x._type.size,))
        non_empty(flat, (0,), name)
        y = call(name, flat, axis=0)
        return reshape(y, (1,) * rank) if keepdims else y
    at = axis_of(x, axis)
    non_empty(x, (at,), name)
    y = call(name, x, axis=at)
    return reshape(y, c.keep_shape(x._type.shape, (at,))) if keepdims else y


def argmax(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """int64 index of the first largest, of the flattened array if axis is None."""
    no_out(out)
    return arg("argmax", a, axis, keepdims)


def argmin(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """int64 index of the first smallest, of the flattened array if axis is None."""
    no_out(out)
    return arg("argmin", a, axis, keepdims)


def all(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:  # noqa: A001
    """True where every element is non-zero."""
    no_out(out)
    x = truth(masked(a, where, True))
    return reduce("reduce_and", x, axes_of(x, axis), keepdims)


def any(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:  # noqa: A001
    """True where some element is non-zero."""
    no_out(out)
    x = truth(masked(a, where, False))
    return reduce("reduce_or", x, axes_of(x, axis), keepdims)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Number of non-zero elements, int64."""
    return sum(truth(a), axis, keepdims=keepdims)


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """sum(a * weights) / sum(weights); with `returned` also the sum of the weights."""
    x = floating(array_of(a))
    if weights is None:
        y = mean(x, axis, keepdims=keepdims)
        n = math.prod(x._type.shape[k] for k in axes_of(x, axis))
        return (y, broadcast_to(array_of(np.asarray(n, y._type.dtype)), y._type.shape)) if returned else y
    w = array_of(weights)
    if w._type.shape != x._type.shape:
        at = axis_of(x, axis)
        w = reshape(w, tuple(d if i == at else 1 for i, d in enumerate(x._type.shape)))
        w = broadcast_to(w, x._type.shape)
    total = sum(w, axis, keepdims=keepdims)
    y = divide(sum(multiply(x, w), axis, keepdims=keepdims), total)
    return (y, total) if returned else y


def cumulative(name: str, a: Any, axis: int | None, dtype: Any) -> Any:
    """cumsum and cumprod: bools become int64, other integers keep their dtype, as in JAX."""
    x = array_of(a)
    x = summed(x, dtype) if dtype is not None or x._type.dtype.kind == "b" else x
    if axis is None:
        return call(name, reshape(x, (x._type.size,)), axis=0)
    return call(name, x, axis=axis_of(x, axis))


def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running sum along `axis`, of the flattened array if None."""
    no_out(out)
    return cumulative("cumsum", a, axis, dtype)


def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running product along `axis`, of the flattened array if None."""
    no_out(out)
    return cumulative("cumprod", a, axis, dtype)


def replaced(x: Any, value: float) -> Any:
    """`x` with `value` for NaN."""
    return x if is_integer(x) else where(isnan(x), value, x)


def all_missing(x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """NaN where nothing but NaN was reduced, else `y`."""
    return where(all(isnan(x), axis, keepdims=keepdims), math.nan, y)


def nansum(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Sum with NaN as 0."""
    no_out(out)
    x = array_of(a)
    return sum(replaced(x, 0), axis, dtype, keepdims=keepdims, where=where)


def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Mean of what is not NaN."""
    no_out(out)
    x = floating(array_of(a))
    present = convert(equal(x, x), x._type.dtype)
    return divide(nansum(x, axis, dtype, keepdims=keepdims, where=where), sum(present, axis, keepdims=keepdims, where=where))


def nanmax(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:
    """Largest of what is not NaN."""
    no_out(out)
    x = array_of(a)
    y = max(replaced(x, -math.inf), axis, keepdims=keepdims, initial=initial, where=where)
    return y if is_integer(x) else all_missing(x, y, axis, keepdims)


def nanmin(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:
    """Smallest of what is not NaN."""
    no_out(out)
    x = array_of(a)
    y = min(replaced(x, math.inf), axis, keepdims=keepdims, initial=initial, where=where)
    return y if is_integer(x) else all_missing(x, y, axis, keepdims)


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """True if every pair is close (see isclose)."""
    return all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """True if both have one shape and equal elements."""
    x, y = same((array_of(a1), array_of(a2)))
    if x._type.shape != y._type.shape:
        return array_of(np.asarray(False))
    close = equal(x, y)
    if equal_nan and is_inexact(x._type.dtype):
        close = call("bitwise_or", close, call("bitwise_and", isnan(x), isnan(y)))
    return all(close)
