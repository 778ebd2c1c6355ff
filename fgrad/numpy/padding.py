"""NumPy's pad, with every mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, call, reshape, same
from fgrad.eager.operands import convert
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.numpy.elementwise import rint
from fgrad.numpy.quantiles import median
from fgrad.numpy.reductions import max, mean, min
from fgrad.numpy.shape import broadcast_to, concatenate, flip

__all__ = ["pad"]

STATISTICS: dict[str, Callable[..., Any]] = {"maximum": max, "mean": mean, "median": median, "minimum": min}
MIRRORS = ("edge", "reflect", "symmetric", "wrap")
OPTIONS = {"constant": ("constant_values",), "linear_ramp": ("end_values",), "reflect": ("reflect_type",),
           "symmetric": ("reflect_type",), **dict.fromkeys(STATISTICS, ("stat_length",))}  # fmt: skip


class PadModeError(ArgumentError, NotImplementedError):
    """A mode that NumPy's pad has not (JAX raises NotImplementedError)."""


def _pairs(value: Any, rank: int) -> list[list[Any]]:
    """(before, after) for each axis, of anything that broadcasts to that."""
    return np.broadcast_to(np.asarray(value), (rank, 2)).tolist()  # type: ignore[no-any-return]


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """The array with margins: pad_width is an int, (before, after), one such pair for each axis, or {axis: width}.

    mode: "constant" (constant_values=0), "edge", "reflect" and "symmetric" (reflect_type="even" or "odd"), "wrap",
    "linear_ramp" (end_values=0), "maximum", "mean", "median" and "minimum" (stat_length=None), "empty" (zeros), or a
    function of the padded vector, its widths, the axis and the keywords. Values may be pairs, as pad_width.
    """
    x = array_of(array)
    rank = x._type.ndim
    if isinstance(pad_width, dict):
        given: list[Any] = [(0, 0)] * rank
        for axis, width in pad_width.items():
            given[axis_of(x, axis)] = (width, width) if isinstance(width, int) else tuple(width)
        pad_width = given if rank else 0
    widths = [[int(w) for w in pair] for pair in _pairs(pad_width, rank)]
    if any(w < 0 for pair in widths for w in pair):
        raise ArgumentError("index can't contain negative values", where=caller(), fix="use widths of 0 or more")
    if callable(mode):
        return _by_function(x, widths, mode, kwargs)
    if mode not in (*OPTIONS, *MIRRORS, "empty"):
        raise PadModeError(f"no pad mode {mode!r}", where=caller(), fix="use one NumPy has")
    unknown = set(kwargs) - set(OPTIONS.get(mode, ()))
    if unknown:
        raise ArgumentError(f"unsupported keyword arguments for mode {mode!r}: {unknown}", where=caller(), fix="leave them out")
    if mode in ("constant", "empty"):
        return _constant(x, widths, kwargs.get("constant_values", 0))
    if mode in MIRRORS:
        return _mirrored(x, widths, mode, kwargs.get("reflect_type", "even"))
    if mode == "linear_ramp":
        return _ramp(x, widths, _pairs(kwargs.get("end_values", 0), rank))
    length = kwargs.get("stat_length")
    return _statistic(x, widths, STATISTICS[mode], [[None, None]] * rank if length is None else _pairs(length, rank))


def _constant(x: Any, widths: list[list[int]], values: Any) -> Any:
    rank = x._type.ndim
    value = array_of(values) if not isinstance(values, tuple | list) or np.ndim(values) == 0 else None
    if value is not None and not value._type.ndim:
        return call("pad", x, convert(value, x._type.dtype), low=tuple([w[0] for w in widths]), high=tuple([w[1] for w in widths]),
                    interior=(0,) * rank)  # fmt: skip
    for at, (pair, fills) in enumerate(zip(widths, _pairs(values, rank), strict=True)):
        for side in (0, 1):
            low, high = [0] * rank, [0] * rank
            (low, high)[side][at] = pair[side]
            (fill,) = same([fills[side]], x._type.dtype)
            x = call("pad", x, fill, low=tuple(low), high=tuple(high), interior=(0,) * rank)
    return x


def _mirrored(x: Any, widths: list[list[int]], mode: str, kind: str) -> Any:
    if kind not in ("even", "odd"):
        raise ArgumentError(f"no reflect_type {kind!r}", where=caller(), fix='use "even" or "odd"')
    for at, (low, high) in enumerate(widths):
        n = x._type.shape[at]
        if not (low or high):
            continue
        if not n:
            raise ArgumentError(f"can't extend empty axis {at} using modes other than 'constant' or 'empty'", where=caller(),
                                fix='use mode="constant"')  # fmt: skip
        if kind == "odd":
            x = _odd(x, at, low, high, mode)
        else:
            index = np.pad(np.arange(n), (low, high), mode)  # type: ignore[call-overload]
            x = x[(slice(None),) * at + (index,)]
    return x


def _odd(x: Any, at: int, low: int, high: int, mode: str) -> Any:
    """Mirrored through the point at the edge: 2 edge - x, over and over for wide margins."""
    skip = 1 if mode == "reflect" else 0
    while low or high:
        n = x._type.shape[at]
        if n == 1:
            index = np.zeros(low + 1 + high, np.int64)
            return x[(slice(None),) * at + (index,)]
        take = n - skip
        parts = [x]
        for side, width in ((0, low), (1, high)):
            k = width if width < take else take
            if not k:
                continue
            edge = _cut(x, at, 0, 1) if side == 0 else _cut(x, at, n - 1, n)
            part = _cut(x, at, skip, skip + k) if side == 0 else _cut(x, at, n - skip - k, n - skip)
            margin = 2 * edge - flip(part, at)
            parts = [margin, *parts] if side == 0 else [*parts, margin]
        low, high = low - (low if low < take else take), high - (high if high < take else take)
        x = concatenate(parts, at)
    return x


def _cut(x: Any, at: int, start: int, stop: int) -> Any:
    return x[(slice(None),) * at + (slice(start, stop),)]


def _ramp(x: Any, widths: list[list[int]], ends: list[list[Any]]) -> Any:
    for at, ((low, high), (first, last)) in enumerate(zip(widths, ends, strict=True)):
        n, rank = x._type.shape[at], x._type.ndim
        parts = [x]
        for side, width, end in ((0, low, first), (1, high, last)):
            if not width:
                continue
            share = np.arange(width) / width
            share = share if side == 0 else share[::-1]
            edge = _cut(x, at, 0, 1) if side == 0 else _cut(x, at, n - 1, n)
            floats = np.dtype("float64") if x._type.dtype.kind in "iu" else x._type.dtype
            way = reshape(array_of(share.astype(floats)), (1,) * at + (width,) + (1,) * (rank - at - 1))
            margin = convert(end + (convert(edge, floats) - end) * way, x._type.dtype)
            parts = [margin, *parts] if side == 0 else [*parts, margin]
        x = concatenate(parts, at)
    return x


def _statistic(x: Any, widths: list[list[int]], rule: Callable[..., Any], lengths: list[list[Any]]) -> Any:
    for at, ((low, high), (first, last)) in enumerate(zip(widths, lengths, strict=True)):
        n = x._type.shape[at]
        margins = []
        for side, width, length in ((0, low, first), (1, high, last)):
            k = n if length is None or length > n else int(length)
            y = rule(_cut(x, at, 0, k) if side == 0 else _cut(x, at, n - k, n), axis=at, keepdims=True)
            y = convert(rint(y), x._type.dtype) if x._type.dtype.kind in "iu" else y
            margins.append(broadcast_to(y, tuple(width if i == at else d for i, d in enumerate(x._type.shape))))
        x = concatenate([margins[0], x, margins[1]], at)
    return x


def _by_function(x: Any, widths: list[list[int]], f: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """`f(vector, widths, axis, kwargs)` returns each padded vector along each axis; the numbers are read."""
    padded = np.pad(np.asarray(x), widths)
    for at in range(padded.ndim):
        for place in np.ndindex(*padded.shape[:at], *padded.shape[at + 1 :]):
            where = (*place[:at], slice(None), *place[at:])
            row = padded[where].copy()
            found = f(row, widths[at], at, kwargs)
            padded[where] = row if found is None else np.asarray(found)
    return array_of(padded)
