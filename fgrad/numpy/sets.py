"""NumPy's operations on sets of elements. The size of a result depends on values, so numbers are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, call, call_many, same
from fgrad.numpy.choices import where
from fgrad.numpy.creation import full
from fgrad.numpy.elementwise import equal, minimum
from fgrad.numpy.reductions import any, argmax
from fgrad.numpy.search import argsort, nonzero, sort, take, unique
from fgrad.numpy.shape import concatenate, expand_dims, ravel

__all__ = ["array_equiv", "intersect1d", "isin", "setdiff1d", "setxor1d", "sort_complex", "union1d"]


def isin(element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, method: str = "auto") -> Any:
    """True where an element is among `test_elements`. Cost: one comparison for each pair."""
    x, t = same((element, ravel(test_elements)))
    found = any(equal(expand_dims(x, -1), t), axis=-1)
    return call("bitwise_not", found) if invert else found


def _read(*xs: Any) -> tuple[Any, Any]:
    x, y = [np.asarray(x) for x in same([ravel(x) for x in xs])]
    return x, y


def _sized(x: Any, keep: Any, size: int, fill_value: Any) -> tuple[Any, Any]:
    """(the first `size` of the sorted elements to keep, their places); missing ones are fill_value, or the first."""
    n: int = x._type.size
    at = nonzero(keep, size=size, fill_value=n)[0]
    if not n or not size:
        return full((size,), 0 if fill_value is None else fill_value, x._type.dtype), at
    found = take(x, minimum(at, n - 1))
    return where(at < n, found, found[0] if fill_value is None else fill_value), at


def _new(x: Any) -> Any:
    """True where a sorted vector differs from the element before."""
    return concatenate((array_of(np.ones(min(x._type.size, 1), bool)), x[1:] != x[:-1]))


def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False, *, size: int | None = None,
                fill_value: Any = None) -> Any:  # fmt: skip
    """The distinct elements of both, in order; with their first places in each if asked. size, fill_value: as in `unique`."""
    if size is None:
        x, y = _read(ar1, ar2)
        found: Any = np.intersect1d(x, y, assume_unique=assume_unique, return_indices=return_indices)  # type: ignore[call-overload]
        return tuple(array_of(v) for v in found) if return_indices else array_of(found)
    a, b = same([ravel(ar1), ravel(ar2)])
    order = argsort(a)
    s = take(a, order)
    values, at = _sized(s, _new(s) & isin(s, b), size, fill_value)
    if not return_indices:
        return values
    n, m = a._type.size, b._type.size
    first = where(at < n, take(order, minimum(at, n - 1)), n)
    second = where(at < n, argmax(equal(expand_dims(values, -1), b), axis=-1), m)
    return values, first, second


def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The distinct elements of the first that are not in the second, in order. size, fill_value: as in `unique`."""
    if size is None:
        return array_of(np.setdiff1d(*_read(ar1, ar2), assume_unique))
    x, y = same([ravel(ar1), ravel(ar2)])
    s = sort(x)
    return _sized(s, _new(s) & isin(s, y, invert=True), size, 0 if fill_value is None else fill_value)[0]


def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The distinct elements of exactly one, in order. size, fill_value: as in `unique`."""
    if size is None:
        return array_of(np.setxor1d(*_read(ar1, ar2), assume_unique))
    x, y = same([ravel(ar1), ravel(ar2)])
    s = sort(concatenate((x, y)))
    return _sized(s, _new(s) & (isin(s, x) != isin(s, y)), size, fill_value)[0]


def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The distinct elements of either, in order; `size` fixes their number, as in `unique`."""
    return unique(concatenate(same([ravel(ar1), ravel(ar2)])), size=size, fill_value=fill_value)


def sort_complex(a: Any) -> Any:
    """Complex numbers sorted by real part, then imaginary part, along the last axis."""
    x = array_of(a)
    if x._type.dtype.kind != "c":
        wide = np.dtype("complex128" if x._type.dtype.name in ("float64", "int64", "uint64") else "complex64")
        x = x.astype(wide)
    parts = same((call("real", x), call("imag", x)))
    at = x._type.ndim - 1
    return call("complex", *call_many("sort", *parts, axis=at, num_keys=2, descending=False))


def array_equiv(a1: Any, a2: Any) -> Any:
    """True if both broadcast to one shape and are equal."""
    x, y = array_of(a1), array_of(a2)
    try:
        np.broadcast_shapes(x._type.shape, y._type.shape)
    except ValueError:
        return array_of(np.asarray(False))
    return equal(x, y).all()
