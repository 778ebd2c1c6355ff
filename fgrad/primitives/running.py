"""Running operations made of others, on Values: extremes with their places, sums of exponentials, differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.ir.graph import Value
from fgrad.primitives.arithmetic import mul, sub
from fgrad.primitives.compare import bitwise_or, bitwise_xor, eq, lt, ne, select
from fgrad.primitives.cumulative import cummax, cummin
from fgrad.primitives.shape import iota, number, pad, slice_
from fgrad.primitives.structure import stop_gradient
from fgrad.primitives.transcendental import exp, log1p

_INT64 = np.dtype("int64")


def extreme(x: Value, *, axis: int, largest: bool) -> tuple[Any, Any]:
    """(running extreme, int64 place of the latest element that equals it); NaN from the first one on, at the latest."""
    y = (cummax if largest else cummin)(x, axis=axis)
    hit = eq(x, y)
    if x.dtype.kind in "fV":
        hit = bitwise_or(hit, ne(x, x))
    here = iota(shape=x.shape, dtype=_INT64, axis=axis, device=x.device)
    return y, cummax(select(hit, here, number(0, here)), axis=axis)


def moved(x: Value, axis: int, by: int, fill: float) -> Any:
    """`x` moved towards larger indices of `axis`, filled with a number."""
    low = tuple([by if i == axis else 0 for i in range(x.ndim)])
    return pad(x, number(fill, x), low=low, high=tuple([-a for a in low]), interior=(0,) * x.ndim)


def log_add(x: Value, y: Value) -> Any:
    """log(e^x + e^y); equal infinities stay."""
    top, least = select(lt(x, y), y, x), select(lt(x, y), x, y)
    gap = select(eq(x, y), number(0, x), sub(least, top))
    return top + log1p(exp(gap))


def log_cumsum_exp(x: Value, *, axis: int) -> Any:
    """log of the running sum of e^x, by doubling (Hillis & Steele 1986): log2(n) steps without overflow."""
    step = 1
    while step < x.shape[axis]:
        x = log_add(x, moved(x, axis, step, -np.inf))
        step *= 2
    return x


def cut(x: Value, axis: int, start: int, stop: int) -> Any:
    """Elements start..stop of one axis."""
    low = tuple([start if i == axis else 0 for i in range(x.ndim)])
    high = tuple([stop if i == axis else d for i, d in enumerate(x.shape)])
    return slice_(x, start=low, stop=high, step=(1,) * x.ndim)


def difference(x: Value, *, axis: int) -> Any:
    """x[i + 1] - x[i]; of bools whether they differ."""
    n = x.shape[axis]
    a, b = cut(x, axis, min(1, n), n), cut(x, axis, 0, max(n - 1, 0))
    return bitwise_xor(a, b) if x.dtype.kind == "b" else sub(a, b)


def halves(y: Value, *, axis: int, dx: float) -> Any:
    """Areas of the trapezoids between neighbours at distance `dx`."""
    n = y.shape[axis]
    return mul(cut(y, axis, min(1, n), n) + cut(y, axis, 0, max(n - 1, 0)), number(dx / 2, y))


def runs(x: Value, *, axis: int) -> Any:
    """For sorted `x`: how many equal elements in a row end at each place (int64)."""
    here = iota(shape=x.shape, dtype=_INT64, axis=axis, device=x.device)
    fixed = stop_gradient(x)
    before = moved(fixed, axis, 1, 0)
    new = bitwise_or(ne(fixed, before), eq(here, number(0, here)))
    start = cummax(select(new, here, number(0, here)), axis=axis)
    return here - start + number(1, here)
