"""Reading and writing arrays by index arrays: the array side of gather and scatter."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from fgrad.errors import RangeError
from fgrad.primitives.checks import is_half, store

Axes = tuple[int, ...]
_INT64 = np.dtype(np.int64)
_UFUNC = {"add": "add", "mul": "multiply", "min": "minimum", "max": "maximum"}


def _plain(xp: Any, i: Any, d: int) -> bool:
    """True if NumPy finds at once that no index is negative or too large: as uint64, negative ones are large."""
    return xp is np and i.dtype == _INT64 and i.size > 0 and int(xp.maximum.reduce(i.view(xp.uint64), None)) < d


def bad_index(xp: Any, x: Any, indices: tuple[Any, ...], axes: Axes) -> str | None:
    """What is wrong with the first index out of range, or None."""
    for i, axis in zip(indices, axes, strict=True):
        d = x.shape[axis]
        if i.size and not _plain(xp, i, d) and (int(i.min()) < -d or int(i.max()) >= d):
            wrong = i[(i < -d) | (i >= d)]
            return f"index {int(wrong.reshape(-1)[0])} is out of range for axis {axis} of length {d}"
    return None


def locate(xp: Any, name: str, x: Any, indices: tuple[Any, ...], axes: Axes, mode: str) -> tuple[list[Any], Any]:
    """Indices wrapped and made valid, and which were (None: all)."""
    if mode == "raise":
        text = bad_index(xp, x, indices, axes)
        if text is not None:
            raise RangeError(f"{name}: {text}", fix='keep indices in range, or use mode "clip" or another')
    found, valid = [], None
    for i, axis in zip(indices, axes, strict=True):
        d = x.shape[axis]
        if i.dtype != _INT64:
            i = i.astype(_INT64)
        if _plain(xp, i, d):
            found.append(i)
            continue
        i = xp.where(i < 0, i + d, i)
        if mode == "clip":
            i = xp.clip(i, 0, d - 1)
        elif mode != "raise":
            inside = (i >= 0) & (i < d)
            valid = inside if valid is None else valid & inside
            i = xp.where(inside, i, 0)
        found.append(i)
    return found, valid


def _front(x: Any, axes: Axes) -> Any:
    """`x` with `axes` first (a view)."""
    return x.transpose((*axes, *[i for i in range(x.ndim) if i not in axes]))


def _pick(xp: Any, x: Any, indices: Sequence[Any], axes: Axes) -> Any:
    """The library's own indexing."""
    return xp.take(x, indices[0], axis=0) if axes == (0,) else _front(x, axes)[tuple(indices)]


def gather(xp: Any, out: Any, x: Any, *indices: Any, axes: Axes, mode: str) -> Any:
    """The lowering of index.gather."""
    shape = indices[0].shape
    result = (*shape, *[d for i, d in enumerate(x.shape) if i not in axes])
    if xp is np:
        try:
            return store(xp, out, _pick(xp, x, indices, axes))
        except IndexError:
            pass  # NumPy wraps negative indices itself; for one out of range it is the mode that tells what happens
    if mode == "fill" and not math.prod([x.shape[a] for a in axes]):
        return store(xp, out, xp.zeros(result, x.dtype))
    found, valid = locate(xp, "gather", x, indices, axes, mode)
    y = _pick(xp, x, found, axes)
    if valid is not None:
        y = xp.where(valid.reshape(shape + (1,) * (y.ndim - len(shape))), y, xp.zeros((), x.dtype))
    return store(xp, out, y)


def scatter(xp: Any, out: Any, x: Any, updates: Any, *indices: Any, axes: Axes, op: str, mode: str) -> Any:
    """The lowering of index.scatter."""
    found, valid = locate(xp, "scatter", x, indices, axes, mode)
    found = [i.reshape(-1) for i in found]
    updates = updates.reshape((indices[0].size, *updates.shape[indices[0].ndim :]))
    if valid is not None:
        keep = valid.reshape(-1)
        found, updates = [i[keep] for i in found], updates[keep]
    if xp is not np and updates.size:
        found, updates = reduced(xp, x, updates, found, axes, op)
    if op == "add" and is_half(x.dtype):
        y = x.astype("float32", order="C")
    elif out is None or not out.flags.c_contiguous:
        y = xp.array(x, order="C")
    else:
        y = store(xp, out, x)
    if op == "set":
        _front(y, axes)[tuple(found)] = updates
    elif updates.size and xp is np:
        at = _positions(xp, x.shape, found, axes)
        getattr(xp, _UFUNC[op]).at(y.reshape(-1), at.reshape(-1), updates.astype(y.dtype, copy=False).reshape(-1))
    elif updates.size:
        front = _front(y, axes)
        front[tuple(found)] = getattr(xp, _UFUNC[op])(front[tuple(found)], updates.astype(y.dtype, copy=False))
    return store(xp, out, y) if out is not None else y.astype(x.dtype, copy=False)


def reduced(xp: Any, x: Any, updates: Any, found: list[Any], axes: Axes, op: str) -> tuple[list[Any], Any]:
    """The same scatter with one update for each place, as rows sorted by place.

    For CuPy, which writes equal places in any order and has ufunc.at for few dtypes. Rows of one place are combined by
    doubling over the sorted rows (Hillis & Steele 1986): the same bits in every run.
    """
    flat = _positions(xp, tuple([x.shape[a] for a in axes]), found, tuple(range(len(axes))))
    order = xp.argsort(flat, kind="stable")
    flat = flat[order]
    last = xp.ones(flat.shape, bool)
    last[:-1] = flat[1:] != flat[:-1]
    rows, step = updates[order], 1
    if op != "set":
        f = getattr(xp, _UFUNC[op])
        rows = rows.astype("float32") if is_half(rows.dtype) else rows
        while step < len(flat) and bool((flat[step:] == flat[:-step]).any()):
            same = (flat[step:] == flat[:-step]).reshape(-1, *(1,) * (rows.ndim - 1))
            rows = xp.concatenate((rows[:step], xp.where(same, f(rows[step:], rows[:-step]), rows[step:])))
            step *= 2
    return [i[order][last] for i in found], rows[last]


def _positions(xp: Any, shape: Axes, found: list[Any], axes: Axes) -> Any:
    """Positions in C order of what a scatter writes: one row per index.

    One flat ufunc.at is 3 times as fast as one of rows, and as fast as sorting first.
    """
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    parts = [i if steps[a] == 1 else i * steps[a] for i, a in zip(found, axes, strict=True)]
    at = reduce(operator.add, parts)
    for i in [i for i in range(len(shape)) if i not in axes]:
        at = at[..., None] + xp.arange(shape[i]) * steps[i]
    return at
