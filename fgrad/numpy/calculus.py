"""NumPy's sums of neighbours: integrals, differences, convolutions, interpolation, phases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, call, reshape, same
from fgrad.eager.operands import convert, floating, is_integer
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.choices import where
from fgrad.numpy.complexes import conj, imag, real
from fgrad.numpy.elementwise import add, divide, multiply, remainder
from fgrad.numpy.reductions import cumsum, sum
from fgrad.numpy.search import argsort, diff, searchsorted
from fgrad.numpy.shape import concatenate, flip, moveaxis, ravel

__all__ = ["convolve", "correlate", "ediff1d", "gradient", "interp", "trapezoid", "unwrap"]

MODES = ("full", "same", "valid")


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral along `axis` by the trapezoidal rule, at points `x` or `dx` apart."""
    v = moveaxis(floating(array_of(y)), axis, -1)
    if x is None:
        step: Any = dx
    else:
        at = array_of(x)
        at = at if at._type.ndim == 1 else moveaxis(at, axis, -1)
        step = at[..., 1:] - at[..., :-1]
    return sum(multiply(v[..., 1:] + v[..., :-1], step), -1) * 0.5


def _slope(v: Any, h: Any, edge_order: int) -> Any:
    """The derivative along axis 0. h: the distance between points, a number or one for each pair."""
    n, rank = v._type.shape[0], v._type.ndim
    if n < edge_order + 1:
        raise ShapeError(f"gradient needs {edge_order + 1} elements along an axis, found {n}", where=caller(),
                         fix="leave that axis out")  # fmt: skip
    h = h if isinstance(h, float | int) else convert(array_of(h), v._type.dtype)
    uniform = isinstance(h, float | int) or not h._type.ndim
    steps = None if uniform else reshape(array_of(h), (n - 1, *(1,) * (rank - 1)))
    if steps is None:
        inside = divide(v[2:] - v[:-2], h * 2)
    else:
        a, b = steps[:-1], steps[1:]
        inside = divide(v[2:] * a * a - v[:-2] * b * b + v[1:-1] * (b * b - a * a), a * b * (a + b))
    ends = []
    for back in (False, True):
        w = flip(v, 0) if back else v
        d = (h, h) if steps is None else ((steps[-1:], steps[-2:-1]) if back else (steps[:1], steps[1:2]))
        if edge_order == 1:
            y = divide(w[1:2] - w[:1], d[0])
        else:
            p, q = d
            y = add(add(multiply(w[:1], -(2 * p + q) / (p * (p + q))), multiply(w[1:2], (p + q) / (p * q))),
                    multiply(w[2:3], -p / (q * (p + q))))  # fmt: skip
        ends.append(-y if back else y)
    return concatenate([ends[0], inside, ends[1]], 0)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided at the ends; a list of them for several axes.

    varargs: the distance between points for all axes, or one for each axis: a number, or the points' coordinates.
    edge_order: 1 or 2, the order of the ends.
    """
    x = floating(array_of(f))
    axes = range(x._type.ndim) if axis is None else (axis if isinstance(axis, tuple | list) else (axis,))
    if edge_order not in (1, 2):
        raise ArgumentError(f"edge_order={edge_order}", where=caller(), fix="use 1 or 2")
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError(f"gradient: {len(varargs)} distances for {len(axes)} axes")
    steps = [1.0] * len(axes) if not varargs else list(varargs) * (len(axes) if len(varargs) == 1 else 1)
    found = []
    for a, h in zip(axes, steps, strict=True):
        at = axis_of(x, a)
        d = diff(convert(array_of(h), x._type.dtype)) if np.ndim(h) else h
        found.append(moveaxis(_slope(moveaxis(x, at, 0), d, edge_order), 0, at))
    return found[0] if len(found) == 1 else found


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours of the flattened array, with what is given before and after."""
    x = ravel(ary)
    parts = [None if to_begin is None else ravel(to_begin), x[1:] - x[:-1], None if to_end is None else ravel(to_end)]
    return concatenate([convert(p, x._type.dtype) for p in parts if p is not None])


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """sum_k a[k] v[n - k] of two vectors, integers as floats; mode "full", "same" or "valid"."""
    return correlation(a, flip(v), mode, "convolve")


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """sum_k a[n + k] conj(v[k]) of two vectors, integers as floats; mode "full", "same" or "valid"."""
    return correlation(a, conj(v), mode, "correlate")


def correlation(a: Any, v: Any, mode: str, name: str) -> Any:
    """One convolution primitive over vectors, the longer one first; complex ones by parts."""
    x, w = same((a, v), floating=True)
    if x._type.ndim != 1 or w._type.ndim != 1:
        raise ShapeError(f"{name} takes vectors, found {x._type} and {w._type}", where=caller(), fix="ravel them")
    if not x._type.size or not w._type.size:
        raise ArgumentError(f"{name}: a vector is empty", where=caller(), fix="give at least one element")
    if mode not in MODES:
        raise ArgumentError(f"no mode {mode!r}", where=caller(), fix=f"use one of {', '.join(MODES)}")
    if x._type.dtype.kind == "c":
        p, q, r, s = real(x), imag(x), real(w), imag(w)
        parts = [correlation(f, g, mode, name) for f, g in ((p, r), (q, s), (p, s), (q, r))]
        return call("complex", parts[0] - parts[1], parts[2] + parts[3])
    return _slide(x, w, mode, name)


def _slide(x: Any, w: Any, mode: str, name: str) -> Any:
    swap = x._type.size < w._type.size
    if swap:
        x, w = flip(w), flip(x)
    n, k = x._type.size, w._type.size
    edge = 0 if mode == "valid" else k - 1
    y = call("conv", reshape(x, (1, 1, n)), reshape(w, (1, 1, k)), stride=(1,), padding=((edge, edge),), x_dilation=(1,),
             w_dilation=(1,), groups=1)  # fmt: skip
    y = ravel(y)
    if mode == "same":
        start = k // 2 if swap and name == "correlate" else (k - 1) // 2  # NumPy centres the operands as given
        y = y[start : start + n]
    return y


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Linear interpolation between the points (xp, fp), xp increasing.

    Outside: `left` and `right`, or the first and last of fp; with `period` both axes repeat.
    """
    at, knots, values = same((x, xp, fp), floating=True)
    if period is not None:
        at, knots = remainder(at, period), remainder(knots, period)
        order = argsort(knots)
        knots, values = knots[order], values[order]
        knots = concatenate([knots[-1:] - period, knots, knots[:1] + period])
        values = concatenate([values[-1:], values, values[:1]])
    n = knots._type.shape[0]
    i = searchsorted(knots, at, "right").clip(1, max(n - 1, 1))
    low, high = knots[i - 1], knots[i]
    gap = high - low
    flat = call("eq", *same((gap, 0)))
    y = values[i - 1] + where(flat, 0, (at - low) / where(flat, 1, gap)) * (values[i] - values[i - 1])
    if period is not None:
        return y
    y = where(at < knots[0], values[0] if left is None else left, y)
    return where(at > knots[n - 1], values[n - 1] if right is None else right, y)


def unwrap(p: Any, discont: Any = None, axis: int = -1, period: float = 2 * math.pi) -> Any:
    """Phases with jumps beyond `discont` (half the period unless given) taken back by whole periods."""
    x = array_of(p)
    x = x if is_integer(x) and isinstance(period, int) else floating(x)
    at = axis_of(x, axis)
    d = diff(x, axis=at)
    half = period // 2 if is_integer(x) else period / 2
    folded = remainder(d + half, period) - half
    if not is_integer(x) or period % 2 == 0:
        folded = where((folded == -half) & (d > 0), half, folded)
    limit = half if discont is None else discont
    moved = where(call("lt", *same((abs(d), limit))), 0, folded - d)
    head, rest = x[(slice(None),) * at + (slice(0, 1),)], x[(slice(None),) * at + (slice(1, None),)]
    return concatenate([head, rest + cumsum(moved, at)], at)
