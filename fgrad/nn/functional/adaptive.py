"""Pooling with windows chosen for an output size, at random, and its inverse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose, compose_many, convert
from fgrad.functions.random import uniform_values
from fgrad.functions.shape import clone, view_as_shape
from fgrad.ir.apply import caller
from fgrad.nn.functional.convolution import each
from fgrad.nn.functional.pooling import batched, max_pool
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import floor
from fgrad.primitives.index import along, scatter
from fgrad.primitives.reduce import argmax
from fgrad.primitives.shape import concatenate, slice_

INT64 = np.dtype("int64")
Sizes = tuple[int, ...]


def _adaptive_rule(x: Any, *, axis: int, out: int) -> Any:
    size = x.shape[axis]
    if not out:
        return slice_(x, start=(0,) * x.ndim, stop=tuple(0 if k == axis else d for k, d in enumerate(x.shape)), step=(1,) * x.ndim)
    if size % out == 0:
        shape = (*x.shape[:axis], out, size // out, *x.shape[axis + 1 :])
        return c.mean(c.reshape(x, shape=shape), axes=(axis + 1,))
    parts = []
    for i in range(out):
        lo, hi = i * size // out, -(-(i + 1) * size // out)
        start = tuple(lo if k == axis else 0 for k in range(x.ndim))
        stop = tuple(hi if k == axis else d for k, d in enumerate(x.shape))
        parts.append(c.mean(slice_(x, start=start, stop=stop, step=(1,) * x.ndim), axes=(axis,), keep=True))
    return concatenate(*parts, axis=axis)


def adaptive_avg_pool(n: int, input: Any, output_size: Any) -> Any:
    """Means of windows chosen so that the result has `output_size`; None keeps a dimension."""
    x = input
    asked = (output_size,) * n if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(asked) != n or x._type.ndim not in (n + 1, n + 2):
        raise ShapeError(f"adaptive_avg_pool{n}d: Expected {n + 1}D or {n + 2}D tensor and {n} sizes, but got {x._type} and {asked}", where=caller(),
                         fix="give (batch, channels, ...) or (channels, ...)")  # fmt: skip
    if 0 in x._type.shape[-n - 1 :]:
        raise ShapeError(f"adaptive_avg_pool{n}d(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                         f"{x._type.shape}", where=caller(), fix="give elements")  # fmt: skip
    for i, size in enumerate(asked):
        axis = x._type.ndim - n + i
        if size is not None and size != x._type.shape[axis]:
            x = compose(_adaptive_rule, x, axis=axis, out=int(size))
    return x if x is not input else clone(x)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Means of windows chosen so that the length is output_size."""
    return adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Means of windows chosen so that the image is output_size."""
    return adaptive_avg_pool(2, input, output_size)


@full_precision("cpu")
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Means of windows chosen so that the volume is output_size."""
    return adaptive_avg_pool(3, input, output_size)


def asked_sizes(n: int, x: Any, output_size: Any) -> Sizes:
    """The output size of each spatial dimension; None keeps it."""
    given = (output_size,) * n if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(given) != n:
        raise ArgumentError(f"output_size must have {n} entries, found {given}", where=caller(), fix="give one for each dimension")
    return tuple([d if a is None else int(a) for a, d in zip(given, x._type.shape[-n:], strict=True)])


def _first_places(x: Any, tables: list[Any]) -> tuple[Any, Any]:
    """(maxima, flat positions) of windows given by the positions of their elements along each spatial axis.

    tables: int64, each broadcasts against [n, c, out1, k1, out2, k2, ...].
    """
    n, channels, *sizes = x.shape
    rank = len(sizes)
    places = tables[0]
    for table, size in zip(tables[1:], sizes[1:], strict=True):
        places = places * c.number(size, places) + table
    shape = (n, channels, *places.shape[2:])
    places = c.broadcast_to(places, shape=shape)
    order = (0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2))
    out, taps = shape[2::2], math.prod(shape[3::2])
    places = c.reshape(c.transpose(places, axes=order), shape=(n, channels, math.prod(out), taps))
    flat = c.reshape(x, shape=(n, channels, math.prod(sizes)))
    seen = along(flat, c.reshape(places, shape=(n, channels, math.prod(out) * taps)), 2)
    best = argmax(c.reshape(seen, shape=places.shape), axis=3)
    index = along(places, c.reshape(best, shape=(*best.shape, 1)), 3)
    index = c.reshape(index, shape=best.shape)
    return c.reshape(along(flat, index, 2), shape=(n, channels, *out)), c.reshape(index, shape=(n, channels, *out))


def _adaptive_max_rule(x: Any, *, out: Sizes) -> tuple[Any, Any]:
    rank, tables = len(out), []
    for i, (size, count) in enumerate(zip(x.shape[2:], out, strict=True)):
        spans = [(k * size // count, -(-(k + 1) * size // count)) for k in range(count)]
        width = max(b - a for a, b in spans)
        table = np.asarray([[min(a + t, b - 1) for t in range(width)] for a, b in spans], np.int64)
        shape = (1, 1, *(1,) * (2 * i), count, width, *(1,) * (2 * (rank - i - 1)))
        tables.append(c.constant(table.reshape(shape)))
    return _first_places(x, tables)


def adaptive_max_pool(n: int, input: Any, output_size: Any, places: bool) -> Any:
    """Maxima of windows chosen so that the result has `output_size`, and where they lie if `places`."""
    x, single = batched(n, input, f"adaptive_max_pool{n}d")
    out = asked_sizes(n, x, output_size)
    sizes = x._type.shape[2:]
    if min(sizes) < 1 or min(out) < 1:
        raise ShapeError(f"adaptive_max_pool{n}d(): Expected input to have non-zero size for non-batch dimensions, but input has "
                         f"sizes {x._type.shape}", where=caller(), fix="give elements")  # fmt: skip
    if all(d % k == 0 for d, k in zip(sizes, out, strict=True)):
        kernel = tuple([d // k for d, k in zip(sizes, out, strict=True)])
        found = max_pool(n, x, kernel, None, 0, 1, False, True)
    else:
        found = compose_many(_adaptive_max_rule, x, out=out)
    found = [view_as_shape(y, y._type.shape[1:]) if single else y for y in found]
    return tuple(found) if places else found[0]


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows chosen so that the length is output_size; with return_indices, and their positions."""
    return adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows chosen so that the image is output_size; with return_indices, and their positions."""
    return adaptive_max_pool(2, input, output_size, return_indices)


@full_precision("cpu")
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows chosen so that the volume is output_size; with return_indices, and their positions."""
    return adaptive_max_pool(3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """(adaptive_max_pool1d, positions)."""
    return adaptive_max_pool(1, input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """(adaptive_max_pool2d, positions)."""
    return adaptive_max_pool(2, input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """(adaptive_max_pool3d, positions)."""
    return adaptive_max_pool(3, input, output_size, True)


def _fractional_rule(x: Any, samples: Any, *, kernel: Sizes, out: Sizes) -> tuple[Any, Any]:
    """Windows start at floor((i + u) * a) - floor(u * a), a = (size - kernel) / (out - 1), the last one at the end."""
    rank, tables = len(out), []
    n, channels = x.shape[:2]
    for i, (size, k, count) in enumerate(zip(x.shape[2:], kernel, out, strict=True)):
        which = 1 - i if rank == 2 else i  # PyTorch draws the column of an image first
        u = slice_(samples, start=(0, 0, which), stop=(n, channels, which + 1), step=(1, 1, 1))
        alpha = c.number((size - k) / max(count - 1, 1), u)
        place = c.iota(shape=(n, channels, count), dtype=u.dtype, axis=2, device=x.device)
        start = floor((place + u) * alpha) - floor(u * alpha)
        start = c.convert(c.select(c.eq(place, c.number(count - 1, u)), c.number(size - k, u), start), dtype=INT64)
        shape = (n, channels, *(1,) * (2 * i), count, k, *(1,) * (2 * (rank - i - 1)))
        wide = c.broadcast_to(c.reshape(start, shape=(n, channels, count, 1)), shape=(n, channels, count, k))
        tables.append(c.reshape(wide + c.iota(shape=wide.shape, dtype=INT64, axis=3, device=x.device), shape=shape))
    return _first_places(x, tables)


def fractional_max_pool(n: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, places: bool, samples: Any) -> Any:
    """Maxima of windows whose starts are drawn, and where they lie if `places`. Source: Graham 2014."""
    if output_size is None and output_ratio is None:
        raise ArgumentError(f"fractional_max_pool{n}d requires specifying either an output_size or an output_ratio", where=caller(),
                            fix="give one of them")  # fmt: skip
    x, single = batched(n, input, f"fractional_max_pool{n}d")
    sizes, kernel = x._type.shape[2:], each(kernel_size, n, "kernel_size")
    if output_size is None:
        ratio = (output_ratio,) * n if isinstance(output_ratio, int | float) else tuple(output_ratio)
        output_size = tuple([int(d * r) for d, r in zip(sizes, ratio, strict=True)])
    out = each(output_size, n, "output_size")
    if any(o + k - 1 > d - (n == 3) or o < 1 for o, k, d in zip(out, kernel, sizes, strict=True)):
        raise ShapeError(f"fractional_max_pool{n}d(): pool {kernel} too large relative to input {input._type}", where=caller(),
                         fix="use a smaller kernel_size or output_size")  # fmt: skip
    if samples is None:
        shape = (*x._type.shape[:2], n)
        samples = uniform_values(type(x)._result, shape, 0.0, 1.0, None, x._type.dtype, x._device)
    found = compose_many(_fractional_rule, x, convert(samples, x._type.dtype), kernel=kernel, out=out)
    found = tuple([view_as_shape(y, y._type.shape[1:]) if single else y for y in found])
    return found if places else found[0]


@full_precision("cpu")
def fractional_max_pool2d(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                          return_indices: bool = False, _random_samples: Any = None) -> Any:  # fmt: skip
    """Maxima of windows whose starts are drawn for output_size, or for output_ratio times the image. Source: Graham 2014."""
    return fractional_max_pool(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


@full_precision("cpu")
def fractional_max_pool3d(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                          return_indices: bool = False, _random_samples: Any = None) -> Any:  # fmt: skip
    """As fractional_max_pool2d, of float[n, c, d, h, w]."""
    return fractional_max_pool(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool2d_with_indices(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                                       return_indices: bool = False, _random_samples: Any = None) -> Any:  # fmt: skip
    """(fractional_max_pool2d, positions)."""
    return fractional_max_pool(2, input, kernel_size, output_size, output_ratio, True, _random_samples)


def fractional_max_pool3d_with_indices(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                                       return_indices: bool = False, _random_samples: Any = None) -> Any:  # fmt: skip
    """(fractional_max_pool3d, positions)."""
    return fractional_max_pool(3, input, kernel_size, output_size, output_ratio, True, _random_samples)


def _unpool_rule(x: Any, index: Any, *, out: Sizes) -> Any:
    n, channels = x.shape[:2]
    count = math.prod(x.shape[2:])
    zeros = c.broadcast_to(c.number(0, x), shape=(n, channels, math.prod(out)))
    shape = (n, channels, count)
    at = [c.iota(shape=shape, dtype=INT64, axis=a, device=x.device) for a in (0, 1)]
    y = scatter(zeros, c.reshape(x, shape=shape), *at, c.reshape(index, shape=shape), axes=(0, 1, 2), op="set", mode="drop")
    return c.reshape(y, shape=(n, channels, *out))


def max_unpool(n: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    """Values at the positions they were pooled from, zeros elsewhere."""
    kernel = each(kernel_size, n, "kernel_size")
    step = kernel if stride is None else each(stride, n, "stride")
    edge = each(padding, n, "padding")
    if indices._type.dtype != INT64 or indices._type.shape != input._type.shape:
        raise ShapeError(f"Expected shape of indices to be same as that of the input tensor, and int64, but got {indices._type} for "
                         f"{input._type}", where=caller(), fix="pass the positions max_pool returned")  # fmt: skip
    x, single = batched(n, input, f"max_unpool{n}d")
    places, _ = batched(n, indices, f"max_unpool{n}d")
    usual = [(d - 1) * s + k - 2 * p for d, s, k, p in zip(x._type.shape[2:], step, kernel, edge, strict=True)]
    out = tuple(usual) if output_size is None else tuple([int(d) for d in output_size][-n:])
    if any(not d - s < o < d + s for o, d, s in zip(out, usual, step, strict=True)):
        raise ArgumentError(f"invalid output_size {out} (each dimension must be within a stride {step} of {tuple(usual)})",
                            where=caller(), fix="pass the size of what was pooled")  # fmt: skip
    check_places(places, math.prod(out))
    y = compose(_unpool_rule, x, places, out=out)
    return view_as_shape(y, y._type.shape[1:]) if single else y


def check_places(indices: Any, size: int) -> None:
    """PyTorch's error for a position out of range, where positions are numbers on the host."""
    data = indices._data
    if isinstance(data, np.ndarray) and data.size and (data.min() < 0 or data.max() >= size):
        raise ArgumentError(f"Found an invalid max index: {data.max()} (output volumes are of size {size})", where=caller(),
                            fix="pass the size of what was pooled")  # fmt: skip


def max_unpool1d(input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Any:
    """The values of max_pool1d back at their positions, zeros elsewhere."""
    return max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@full_precision("cpu")
def max_unpool2d(input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Any:
    """The values of max_pool2d back at their positions, zeros elsewhere."""
    return max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@full_precision("cpu")
def max_unpool3d(input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Any:
    """The values of max_pool3d back at their positions, zeros elsewhere."""
    return max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
