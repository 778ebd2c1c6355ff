"""Order statistics on Values: quantiles, the most frequent value, the k-th in order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.primitives.arithmetic import ceil, convert, floor, maximum, minimum, sub
from fgrad.primitives.compare import eq, lt, ne, select
from fgrad.primitives.index import along
from fgrad.primitives.reduce import argmax, reduce_or, reduce_sum
from fgrad.primitives.running import runs
from fgrad.primitives.shape import broadcast_to, iota, number, reshape
from fgrad.primitives.structure import item, stop_gradient

_INT64 = np.dtype("int64")


def ordered(x: Value, axis: int) -> tuple[Any, Any]:
    """(`x` ascending along an axis, NaN last; the int64 places its elements came from)."""
    here = iota(shape=x.shape, dtype=_INT64, axis=axis, device=x.device)
    found = FUNCTIONS["sort"](x, here, axis=axis, num_keys=1, descending=False)
    return item(found, index=0), item(found, index=1)


def at(x: Value, place: Value, axis: int) -> Any:
    """`x` at one place of each row of `axis`, kept at length 1."""
    return along(x, place, axis)


def quantile(x: Value, q: Value, *, axis: int, between: str, skip: bool) -> Any:
    """float[len(q), ..., 1, ...]: for each of `q`, what lies at that fraction of the sorted row.

    between: linear, lower, higher, midpoint or nearest.  skip: NaN do not count (a row of NaN alone gives NaN); otherwise
    a row with NaN gives NaN.
    """
    kept = tuple([1 if i == axis else d for i, d in enumerate(x.shape)])
    missing = ne(stop_gradient(x), stop_gradient(x))
    rows = ordered(x, axis)[0]
    count = reduce_sum(convert(eq(stop_gradient(x), stop_gradient(x)), dtype=x.dtype), axes=(axis,))
    last = reshape(count, shape=kept) - number(1, count) if skip else broadcast_to(number(x.shape[axis] - 1, x), shape=kept)
    wide = (q.shape[0], *kept)
    place = broadcast_to(reshape(q, shape=(q.shape[0], *(1,) * x.ndim)), shape=wide) * broadcast_to(last, shape=wide)
    place = maximum(place, number(0, place))
    below = floor(place) if between != "nearest" else FUNCTIONS["round"](place)
    above = ceil(place)
    rows = broadcast_to(rows, shape=(q.shape[0], *rows.shape))

    def read(where: Any) -> Any:
        return along(rows, convert(stop_gradient(where), dtype=_INT64), axis + 1)

    low = read(above if between == "higher" else below)
    if between in ("linear", "midpoint"):
        high = read(above)
        weight = number(0.5, place) if between == "midpoint" else sub(place, below)
        low = select(eq(above, below), low, low + (high - low) * weight)
    if skip:
        none = broadcast_to(lt(reshape(count, shape=kept), number(1, count)), shape=wide)
    else:
        none = broadcast_to(reshape(reduce_or(missing, axes=(axis,)), shape=kept), shape=wide)
    return select(none, number(math.nan, low), low)


def mode(x: Value, *, axis: int) -> tuple[Any, Any]:
    """(the most frequent value of each row, the smallest of several; the place of its last occurrence), rows kept."""
    rows, places = ordered(x, axis)
    length = runs(rows, axis=axis)
    best = argmax(length, axis=axis)
    best = reshape(best, shape=tuple([1 if i == axis else d for i, d in enumerate(x.shape)]))
    place = at(places, best, axis)
    return at(x, place, axis), place


def kth(x: Value, *, axis: int, k: int) -> tuple[Any, Any]:
    """(the k-th smallest of each row, counted from 1; its place), rows kept."""
    _, places = ordered(x, axis)
    kept = tuple([1 if i == axis else d for i, d in enumerate(x.shape)])
    place = at(places, broadcast_to(number(k - 1, places), shape=kept), axis)
    return at(x, place, axis), place


def nan_median(x: Value, *, axis: int) -> tuple[Any, Any]:
    """(the lower median of what is not NaN in each row; its place), rows kept."""
    _, places = ordered(x, axis)
    kept = tuple([1 if i == axis else d for i, d in enumerate(x.shape)])
    there = convert(eq(stop_gradient(x), stop_gradient(x)), dtype=_INT64)
    count = reshape(reduce_sum(there, axes=(axis,)), shape=kept)
    half = maximum(FUNCTIONS["floor_divide"](count - number(1, count), number(2, count)), number(0, count))
    place = at(places, minimum(half, number(max(x.shape[axis] - 1, 0), half)), axis)
    return at(x, place, axis), place
