"""Pooling over spatial windows."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose
from fgrad.functions.pointwise import pow
from fgrad.functions.shape import view_as_shape
from fgrad.ir.apply import caller
from fgrad.nn.functional.convolution import each
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import floor_divide, rem
from fgrad.primitives.reduce import argmax
from fgrad.primitives.shape import concatenate, pad, slice_
from fgrad.primitives.window import window_max, window_sum

Pairs = tuple[tuple[int, int], ...]


def ceil_extra(size: int, k: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Extra padding at the end so that ceil_mode's last window fits; it must start inside the padded input."""
    span = dilation * (k - 1) + 1
    room = size + 2 * padding - span
    if not ceil_mode or room % stride == 0:
        return 0
    out = -(-room // stride) + 1
    if (out - 1) * stride >= size + padding:
        return 0
    return stride - room % stride


def geometry(n: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """(window, stride, padding, dilation) over all axes."""
    k = each(kernel, n, "kernel_size")
    s = k if stride is None or (isinstance(stride, tuple | list) and not stride) else each(stride, n, "stride")
    p, d = each(padding, n, "padding"), each(dilation, n, "dilation")
    if min(p) < 0:
        raise ArgumentError(f"pad must be non-negative, but got pad: {min(p)}", where=caller(), fix="use 0 or more")
    if any(2 * a > b for a, b in zip(p, k, strict=True)):
        raise ArgumentError(
            f"pad should be at most half of effective kernel size, but got pad={p} and kernel_size={k}", where=caller(),
            fix="use a smaller padding",
        )  # fmt: skip
    sizes = x._type.shape[-n:]
    extra = [ceil_extra(*v, ceil_mode) for v in zip(sizes, k, s, p, d, strict=True)]
    pads = tuple((a, a + e) for a, e in zip(p, extra, strict=True))
    return (1, 1, *k), (1, 1, *s), ((0, 0), (0, 0), *pads), (1, 1, *d)


def batched(n: int, x: Any, name: str) -> tuple[Any, bool]:
    """The input with a batch dimension, and whether it lacked one."""
    if x._type.ndim not in (n + 1, n + 2):
        raise ShapeError(f"{name}: expected {n + 1}D or {n + 2}D input, got {x._type}", where=caller(),
                         fix="give (batch, channels, ...) or (channels, ...)")  # fmt: skip
    single = x._type.ndim == n + 1
    return (view_as_shape(x, (1, *x._type.shape)) if single else x), single


def _max_rule(x: Any, *, g: Any) -> Any:
    window, stride, padding, dilation = g
    return window_max(x, window=window, stride=stride, padding=padding, dilation=dilation)


def _place_rule(x: Any, *, g: Any) -> Any:
    """Where each window's first maximum lies, as a flat position in the image."""
    window, stride, padding, dilation = (v[2:] for v in g)
    edge = ((0, 0), (0, 0), *padding)
    wide = pad(x, c.number(-np.inf if x.dtype.kind not in "iu" else np.iinfo(x.dtype).min, x), low=tuple(a for a, _ in edge),
               high=tuple(b for _, b in edge), interior=(0,) * x.ndim)  # fmt: skip
    out = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(wide.shape[2:], window, stride, dilation, strict=True)]
    seen = []
    for at in itertools.product(*map(range, window)):
        start = tuple(i * d for i, d in zip(at, dilation, strict=True))
        stop = tuple(a + (o - 1) * s + 1 for a, o, s in zip(start, out, stride, strict=True))
        part = slice_(wide, start=(0, 0, *start), stop=(*x.shape[:2], *stop), step=(1, 1, *stride))
        seen.append(c.reshape(part, shape=(*part.shape, 1)))
    place = argmax(concatenate(*seen, axis=x.ndim), axis=x.ndim)
    flat = c.broadcast_to(c.number(0, place), shape=place.shape)
    block = 1
    for k in window:
        block *= k
    for i, (k, s, d, (low, _), size) in enumerate(zip(window, stride, dilation, padding, x.shape[2:], strict=True)):
        block //= k
        own = rem(floor_divide(place, c.number(block, place)), c.number(k, place))
        first = c.iota(shape=place.shape, dtype=place.dtype, axis=i + 2, device=x.device) * c.number(s, place)
        flat = flat * c.number(size, place) + first - c.number(low, place) + own * c.number(d, place)
    return flat


def max_pool(n: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, places: bool) -> Any:
    """The largest of each window, and where it lies if `places`; its gradient goes to the first maximum."""
    x, single = batched(n, x, f"max_pool{n}d")
    g = geometry(n, x, kernel, stride, padding, dilation, ceil_mode)
    found = [compose(_max_rule, x, g=g), *([compose(_place_rule, x, g=g)] if places else [])]
    if single:
        found = [view_as_shape(y, y._type.shape[1:]) for y in found]
    return tuple(found) if places else found[0]


def max_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """The largest of each window of float[n, c, l]; with return_indices, and its position."""
    return max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """The largest of each window of float[n, c, h, w]; stride is kernel_size unless given.

    ceil_mode: a last window may hang over the edge.  return_indices: (result, int64 positions row * w + column).
    """
    return max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@full_precision("cpu")
def max_pool3d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """As max_pool2d, of float[n, c, d, h, w]."""
    return max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                            ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """(max_pool1d, positions)."""
    return max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                            ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """(max_pool2d, positions)."""
    return max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@full_precision("cpu")
def max_pool3d_with_indices(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                            ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """(max_pool3d, positions)."""
    return max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _avg_rule(x: Any, *, g: Any, include: bool, divisor: int | None) -> Any:
    window, stride, padding, dilation = g
    total = window_sum(x, window=window, stride=stride, padding=padding, dilation=dilation)
    size = 1
    for k in window:
        size *= k
    if divisor is not None:
        return total / c.number(divisor, x)
    plain = all(lo == hi == 0 for lo, hi in padding) or (include and all(lo == hi for lo, hi in padding))
    if plain:
        return total / c.number(size, x)
    ones = c.broadcast_to(c.number(1, x), shape=(1, 1, *x.shape[2:]))
    edge = tuple((lo, hi) for lo, hi in padding)
    if include:
        low = tuple(lo for lo, _ in edge)
        ones = pad(ones, c.number(1, x), low=low, high=low, interior=(0,) * len(low))
        edge = tuple((0, hi - lo) for lo, hi in edge)
    count = window_sum(ones, window=window, stride=stride, padding=edge, dilation=dilation)
    return total / count


def avg_pool(n: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any) -> Any:
    """The mean of each window."""
    if divisor == 0:
        raise ArgumentError("divisor must be not zero", where=caller(), fix="use another divisor_override")
    x, single = batched(n, x, f"avg_pool{n}d")
    g = geometry(n, x, kernel, stride, padding, 1, ceil_mode)
    y = compose(_avg_rule, x, g=g, include=include, divisor=divisor)
    return view_as_shape(y, y._type.shape[1:]) if single else y


def avg_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Any:  # fmt: skip
    """The mean of each window of float[n, c, l]."""
    return avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Any:  # fmt: skip
    """The mean of each window of float[n, c, h, w]; padding counts unless count_include_pad is False."""
    return avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@full_precision("cpu")
def avg_pool3d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Any:  # fmt: skip
    """As avg_pool2d, of float[n, c, d, h, w]."""
    return avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def lp_pool(n: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    """Norms of order norm_type of each window, as PyTorch takes them: of x, not |x|."""
    size = math.prod(each(kernel_size, n, "kernel_size"))
    mean = avg_pool(n, pow(input, norm_type), kernel_size, stride, 0, ceil_mode, True, None)
    return compose(_root_rule, mean, size=size, p=float(norm_type))


def _root_rule(x: Any, *, size: int, p: float) -> Any:
    kept = c.FUNCTIONS["sign"](x) * c.relu(abs(x))
    return (kept * c.number(size, x)) ** c.number(1 / p, x)


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """(sum x^p)^(1/p) of each window of float[n, c, l], p = norm_type."""
    return lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """(sum x^p)^(1/p) of each window of float[n, c, h, w], p = norm_type."""
    return lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """(sum x^p)^(1/p) of each window of float[n, c, d, h, w], p = norm_type."""
    return lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
