"""NumPy's reductions: `axis` an int, a tuple or None for all; `keepdims` keeps reduced axes at length 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, axes_of, axis_of, broadcast_to, call, call_many, reshape, same, truth
from fgrad.eager.operands import compose, convert, floating, is_integer
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import is_inexact
from fgrad.numpy.choices import isclose, isnan, where
from fgrad.numpy.elementwise import add, divide, equal, multiply, subtract
from fgrad.primitives import composites as c
from fgrad.primitives.index import gather
from fgrad.primitives.reduce import reduce_or
from fgrad.primitives.transfer import transfer

__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "array_equal", "average", "count_nonzero",
    "cumprod", "cumsum", "max", "mean", "median", "min", "nanmax", "nanmean", "nanmin", "nansum", "percentile",
    "prod", "ptp", "quantile", "std", "sum", "var",
]  # fmt: skip

Op = Callable[..., Any]


def reduce(name: str, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """One reducing primitive, with the axes kept if asked."""
    y = call(name, x, axes=axes) if axes else x
    return reshape(y, c.keep_shape(x._type.shape, axes)) if keepdims else y


def masked(x: Any, where_: Any, neutral: Any) -> Any:
    """`x` with what a reduction's `where=` leaves out replaced."""
    return x if where_ is None else where(where_, x, neutral)


def summed(x: Any, dtype: Any) -> Any:
    """An operand of sum and prod: bools and small integers become 64-bit ones, as in NumPy."""
    x = array_of(x)
    if dtype is not None:
        return convert(x, as_dtype(dtype))
    kind = x._type.dtype.kind
    return convert(x, np.dtype("uint64" if kind == "u" else "int64")) if kind in "biu" else x


def sum(  # noqa: A001
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Sum over `axis`; bools and integers sum to int64 (uint64 if unsigned). where: elements that count."""
    x = masked(summed(a, dtype), where, 0)
    y = reduce("reduce_sum", x, axes_of(x, axis), keepdims)
    return y if initial is None else add(y, initial)


def prod(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Product over `axis`; integers as in `sum`."""
    x = masked(summed(a, dtype), where, 1)
    y = reduce("reduce_prod", x, axes_of(x, axis), keepdims)
    return y if initial is None else multiply(y, initial)


def mean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = None) -> Any:
    """sum / count; integers become the default float."""
    x = floating(array_of(a)) if dtype is None else convert(array_of(a), as_dtype(dtype))
    axes = axes_of(x, axis)
    if where is None:
        return compose(c.mean, x, axes=axes, keep=keepdims)
    count = sum(broadcast_to(truth(where), x._type.shape), axes, x._type.dtype, keepdims=keepdims)
    return divide(sum(x, axes, keepdims=keepdims, where=where), count)


def var(a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, *, keepdims: bool = False,
        correction: float | None = None) -> Any:  # fmt: skip
    """sum((x - mean)^2) / (n - ddof)."""
    return moment(c.var, a, axis, dtype, ddof if correction is None else correction, keepdims)


def std(a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, *, keepdims: bool = False,
        correction: float | None = None) -> Any:  # fmt: skip
    """Square root of var."""
    return moment(c.std, a, axis, dtype, ddof if correction is None else correction, keepdims)


def moment(rule: Op, a: Any, axis: Any, dtype: Any, ddof: float, keepdims: bool) -> Any:
    """var and std."""
    x = floating(array_of(a)) if dtype is None else convert(array_of(a), as_dtype(dtype))
    return compose(rule, x, axes=axes_of(x, axis), correction=float(ddof), keep=keepdims)


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
    y = reduce(f"reduce_{name}", x, axes, keepdims)
    return y if initial is None else join(y, initial)


def max(a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:  # noqa: A001
    """The largest; NaN if any is; gradients of ties are shared evenly."""
    return extreme("max", a, axis, keepdims, initial, where, _larger)


def min(a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:  # noqa: A001
    """The smallest; NaN if any is; gradients of ties are shared evenly."""
    return extreme("min", a, axis, keepdims, initial, where, _smaller)


def _larger(x: Any, y: Any) -> Any:
    return call("maximum", *same((x, y)))


def _smaller(x: Any, y: Any) -> Any:
    return call("minimum", *same((x, y)))


amax, amin = max, min


def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """max - min."""
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


def argmax(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """int64 index of the first largest, of the flattened array if axis is None."""
    return arg("argmax", a, axis, keepdims)


def argmin(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """int64 index of the first smallest, of the flattened array if axis is None."""
    return arg("argmin", a, axis, keepdims)


def all(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:  # noqa: A001
    """True where every element is non-zero."""
    x = truth(a)
    return reduce("reduce_and", x, axes_of(x, axis), keepdims)


def any(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:  # noqa: A001
    """True where some element is non-zero."""
    x = truth(a)
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
    """cumsum and cumprod."""
    x = summed(a, dtype)
    if axis is None:
        return call(name, reshape(x, (x._type.size,)), axis=0)
    return call(name, x, axis=axis_of(x, axis))


def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sum along `axis`, of the flattened array if None."""
    return cumulative("cumsum", a, axis, dtype)


def cumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running product along `axis`, of the flattened array if None."""
    return cumulative("cumprod", a, axis, dtype)


def nansum(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """Sum with NaN as 0."""
    x = array_of(a)
    return sum(x if is_integer(x) else where(isnan(x), 0, x), axis, dtype, keepdims=keepdims)


def nanmean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """Mean of what is not NaN."""
    x = floating(array_of(a))
    present = convert(equal(x, x), x._type.dtype)
    return divide(nansum(x, axis, dtype, keepdims=keepdims), sum(present, axis, keepdims=keepdims))


def nanmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Largest of what is not NaN."""
    x = array_of(a)
    return max(x if is_integer(x) else where(isnan(x), -math.inf, x), axis, keepdims=keepdims)


def nanmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Smallest of what is not NaN."""
    x = array_of(a)
    return min(x if is_integer(x) else where(isnan(x), math.inf, x), axis, keepdims=keepdims)


def quantile(a: Any, q: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The q-quantile (Python numbers in [0, 1]), by linear interpolation between neighbours."""
    x = floating(array_of(a))
    if axis is None:
        shape = (1,) * x._type.ndim
        y = _quantile(reshape(x, (x._type.size,)), q, 0)
        return reshape(y, (*np.shape(q), *shape)) if keepdims else y
    at = axis_of(x, axis)
    y = _quantile(x, q, at)
    kept = tuple(1 if i == at else d for i, d in enumerate(x._type.shape))
    return reshape(y, (*np.shape(q), *kept)) if keepdims else y


def _quantile(x: Any, q: Any, axis: int) -> Any:
    n = x._type.shape[axis]
    non_empty(x, (axis,), "quantile")
    (ordered,) = call_many("sort", x, axis=axis, num_keys=1, descending=False)
    at = np.asarray(q, np.float64) * (n - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, n - 1)
    share = np.asarray(at - low, x._type.dtype)
    return compose(_between, ordered, array_of(share), axis=axis, low=tuple(low.reshape(-1).tolist()),
                   high=tuple(high.reshape(-1).tolist()), shape=at.shape)  # fmt: skip


def _between(x: Any, share: Any, *, axis: int, low: Any, high: Any, shape: tuple[int, ...]) -> Any:
    moved = c.transpose(x, axes=(axis, *(i for i in range(x.ndim) if i != axis)))
    places = [c.constant(np.asarray(k, np.int64).reshape(shape), device=x.device) for k in (low, high)]
    a, b = (gather(moved, k, axes=(0,), mode="raise") for k in places)
    share = share if share.device is x.device else transfer(share, device=x.device)
    w = c.reshape(share, shape=(*share.shape, *(1,) * (a.ndim - share.ndim)))
    w = c.broadcast_to(w, shape=a.shape)
    bad = c.ne(moved, moved)
    some = reduce_or(bad, axes=(0,))
    y = a + (b - a) * w
    return c.select(c.broadcast_to(some, shape=y.shape), c.number(math.nan, y), y)


def median(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The middle value; the mean of the two middle ones of an even number."""
    return quantile(a, 0.5, axis, keepdims=keepdims)


def percentile(a: Any, q: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """quantile(a, q / 100)."""
    return quantile(a, np.asarray(q, np.float64) / 100, axis, keepdims=keepdims)


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
