"""NumPy's changes of parts, as new arrays: insert, put, fill_diagonal, choose, partition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, reshape, same
from fgrad.eager.operands import convert
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.choices import where
from fgrad.numpy.elementwise import clip, remainder
from fgrad.numpy.search import argsort, sort
from fgrad.numpy.shape import broadcast_arrays, broadcast_to, concatenate, expand_dims, moveaxis, ravel

__all__ = [
    "argpartition", "choose", "fill_diagonal", "insert", "partition", "place", "put", "put_along_axis", "resize", "trim_zeros",
]  # fmt: skip


def _copied(name: str, inplace: bool) -> None:
    """Refuses to change an array in place, as JAX."""
    if inplace:
        raise ArgumentError(f"{name}: arrays of fgrad.numpy are immutable", where=caller(),
                            fix="pass inplace=False and use the result")  # fmt: skip


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """`values` put before the places `obj` (an int, ints or a slice, known while recording) along `axis`."""
    x = ravel(arr) if axis is None else array_of(arr)
    at = axis_of(x, axis or 0)
    n = x._type.shape[at]
    place = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    v = convert(array_of(values), x._type.dtype)
    if not place.ndim or place.size == 1:
        count = 1
        if v._type.ndim and (place.ndim or axis is None or v._type.ndim == x._type.ndim):
            lead = (1,) * (x._type.ndim - v._type.ndim) + v._type.shape
            v = moveaxis(reshape(v, lead), 0, at) if not place.ndim and v._type.ndim == x._type.ndim else reshape(v, lead)
            count = v._type.shape[at]
        elif v._type.ndim:
            v = expand_dims(v, at)
        start = int(place.reshape(-1)[0])
        if not -n <= start <= n:
            raise ArgumentError(f"index {start} is out of bounds for axis {at} with size {n}", where=caller(), fix="use one it has")
        start += n if start < 0 else 0
        piece = broadcast_to(v, tuple(count if i == at else d for i, d in enumerate(x._type.shape)))
        head, tail = (x[(slice(None),) * at + (part,)] for part in (slice(None, start), slice(start, None)))
        return concatenate([head, piece, tail], at)
    where_ = np.where(place < 0, place + n, place).astype(np.int64)
    order = np.argsort(where_, kind="stable")
    slots = where_.copy()
    slots[order] += np.arange(len(order))
    old = np.ones(n + len(slots), bool)
    old[slots] = False
    shape = tuple(len(old) if i == at else d for i, d in enumerate(x._type.shape))
    inner = tuple(len(slots) if i == at else d for i, d in enumerate(x._type.shape))
    out = array_of(np.zeros(shape, x._type.dtype))
    lead_ = (slice(None),) * at
    return out.at[(*lead_, np.nonzero(old)[0])].set(x).at[(*lead_, slots)].set(broadcast_to(v, inner))


def put(a: Any, ind: Any, v: Any, mode: str | None = None, *, inplace: bool = True) -> Any:
    """The array with elements of its flattened form replaced; `inplace=False` must be given, as in JAX.

    mode: "clip" (the default) or "wrap" for indices out of range.
    """
    _copied("put", inplace)
    x, i, values = array_of(a), ravel(ind), ravel(v)
    n = x._type.size
    if not i._type.size or not values._type.size:
        return x
    if mode not in (None, "clip", "wrap"):
        raise ArgumentError(f"put: no mode {mode!r}", where=caller(), fix='use "clip" or "wrap"')
    i = remainder(i, n) if mode == "wrap" else clip(where(i < 0, i + n, i), 0, n - 1)
    reps = -(-i._type.size // values._type.size)
    full = concatenate([values] * reps)[: i._type.size]
    return reshape(ravel(x).at[i].set(convert(full, x._type.dtype)), x._type.shape)


def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = True) -> Any:
    """The array with the elements where `mask` holds replaced by `vals` in order, repeated; `inplace=False` must be given."""
    _copied("place", inplace)
    x, values = array_of(arr), convert(ravel(vals), array_of(arr)._type.dtype)
    m = reshape(array_of(mask).astype(bool), x._type.shape)
    if not values._type.size:
        raise ArgumentError("Cannot place values from an empty array", where=caller(), fix="give at least one value")
    flat = ravel(m)
    at = remainder(flat.astype("int64").cumsum() - 1, values._type.size)
    return where(m, reshape(values[at], x._type.shape), x)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None, inplace: bool = True, *, mode: str | None = None) -> Any:
    """The array with arr[indices[i, j], j] (along axis 0, and so on) replaced; `inplace=False` must be given, as in JAX."""
    _copied("put_along_axis", inplace)
    x, i = array_of(arr), array_of(indices)
    if axis is None:
        y = put_along_axis(ravel(x), ravel(i), values, 0, inplace=False, mode=mode)
        return reshape(y, x._type.shape)
    at = axis_of(x, axis)
    if i._type.ndim != x._type.ndim:
        raise ShapeError(f"put_along_axis: indices {i._type} for {x._type}", where=caller(), fix="give as many axes")
    full = tuple(n if k == at else d for k, (n, d) in enumerate(zip(i._type.shape, x._type.shape, strict=True)))
    i = broadcast_to(i, full)
    grid = [reshape(array_of(np.arange(d)), (1,) * k + (d,) + (1,) * (len(full) - k - 1)) for k, d in enumerate(full)]
    places = tuple(i if k == at else broadcast_to(g, full) for k, g in enumerate(grid))
    return x.at[places].set(broadcast_to(convert(array_of(values), x._type.dtype), full), mode=mode)


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """The array with its main diagonal replaced; `inplace=False` must be given. wrap: not available, as in JAX."""
    _copied("fill_diagonal", inplace)
    if wrap:
        raise ArgumentError("fill_diagonal with wrap=True", where=caller(), fix="leave wrap out")
    x = array_of(a)
    if x._type.ndim < 2 or (x._type.ndim > 2 and len(set(x._type.shape)) > 1):
        raise ShapeError(f"fill_diagonal takes matrices, or equal axes, found {x._type}", where=caller(), fix="reshape it")
    n = min(x._type.shape)
    values = ravel(val)
    full = broadcast_to(values, (n,)) if values._type.size == 1 else concatenate([values] * -(-n // values._type.size))[:n]
    i = np.arange(n)
    return x.at[(i,) * x._type.ndim].set(convert(full, x._type.dtype))


def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """choices[a[i]][i], all broadcast. mode: "raise" (the indices are read), "clip" or "wrap"."""
    i = array_of(a)
    xs = same([array_of(c) for c in choices])
    n = len(xs)
    if mode == "wrap":
        i = remainder(i, n)
    elif mode == "clip":
        i = clip(i, 0, n - 1)
    elif mode == "raise":
        if i._type.size and (i.min().item() < 0 or i.max().item() >= n):
            raise ArgumentError("invalid entry in choice array", where=caller(), fix='use mode="clip" or "wrap"')
    else:
        raise ArgumentError(f"choose: no mode {mode!r}", where=caller(), fix='use "raise", "clip" or "wrap"')
    i, *xs = broadcast_arrays(i, *xs)
    y = xs[-1]
    for k in range(n - 2, -1, -1):
        y = where(i == k, xs[k], y)
    return y


def partition(a: Any, kth: int, axis: int = -1) -> Any:
    """An order with element `kth` in its sorted place, smaller ones before it (a whole sort)."""
    return sort(a, axis)


def argpartition(a: Any, kth: int, axis: int = -1) -> Any:
    """Indices of an order with element `kth` in its sorted place (a whole sort)."""
    return argsort(a, axis)


def resize(a: Any, new_shape: Any) -> Any:
    """The elements in another shape, repeated or cut as needed."""
    x = ravel(a)
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    n = math.prod(shape)
    if not x._type.size or not n:
        return array_of(np.zeros(shape, x._type.dtype))
    return reshape(concatenate([x] * -(-n // x._type.size))[:n], shape)


def trim_zeros(filt: Any, trim: str = "fb") -> Any:
    """A vector without zeros at its front ("f" in trim) and back ("b"); its numbers are read."""
    x = array_of(filt)
    found = np.nonzero(np.asarray(x))[0]
    first, last = (int(found[0]), int(found[-1]) + 1) if found.size else (x._type.size, x._type.size)
    how = trim.lower()
    return x[first if "f" in how else 0 : last if "b" in how else x._type.size]
