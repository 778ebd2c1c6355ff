"""JAX's slices at positions known only when the program runs; starts are clamped so that the slice stays inside."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, call, reshape, same
from fgrad.eager.cell import Cell
from fgrad.eager.operands import convert
from fgrad.errors import RangeError, ShapeError
from fgrad.ir.apply import caller

INT64 = np.dtype("int64")


def positions(starts: Any, rank: int) -> list[Any]:
    """One int64 array of shape () for each axis."""
    if isinstance(starts, Cell | np.ndarray):
        x = array_of(starts)
        found = [x[i] for i in range(x._type.shape[0])] if x._type.ndim else [x]
    else:
        found = [array_of(s) for s in starts]
    if len(found) != rank:
        raise ShapeError(f"{len(found)} start indices for {rank} axes", where=caller(), fix="give one for each axis")
    return [convert(s, INT64) for s in found]


def dynamic_slice(operand: Any, start_indices: Any, slice_sizes: Sequence[int]) -> Any:
    """operand[start : start + size] along each axis, starts clamped."""
    x = array_of(operand)
    return call("dynamic_slice", x, *wrapped(x, positions(start_indices, x._type.ndim)), sizes=tuple(map(int, slice_sizes)))


def wrapped(x: Any, starts: list[Any]) -> list[Any]:
    """Negative starts counted from the end."""
    out = []
    for s, d in zip(starts, x._type.shape, strict=True):
        if s._data is not None and s._tape is None:  # known now
            at = int(s._data)
            out.append(array_of(np.int64(at + d)) if at < 0 else s)
        else:
            below = call("lt", s, array_of(np.int64(0)))
            out.append(call("select", below, s + d, s))
    return out


def dynamic_update_slice(operand: Any, update: Any, start_indices: Any) -> Any:
    """Operand with update written at start, clamped so that it fits."""
    x, y = same((array_of(operand), array_of(update)), array_of(operand)._type.dtype)
    return call("dynamic_update_slice", x, y, *wrapped(x, positions(start_indices, x._type.ndim)))


def along(x: Any, start: Any, axis: int) -> list[Any]:
    """Starts that are 0 but for one axis."""
    zero = array_of(np.int64(0))
    return [convert(array_of(start), INT64) if i == axis else zero for i in range(x._type.ndim)]


def dynamic_slice_in_dim(operand: Any, start_index: Any, slice_size: int, axis: int = 0) -> Any:
    """`slice_size` elements of one axis from start_index, clamped."""
    x = array_of(operand)
    at = axis_of(x, axis)
    sizes = tuple(slice_size if i == at else d for i, d in enumerate(x._type.shape))
    return dynamic_slice(x, along(x, start_index, at), sizes)


def dynamic_index_in_dim(operand: Any, index: Any, axis: int = 0, keepdims: bool = True) -> Any:
    """One slice of an axis, clamped; the axis stays with length 1 unless keepdims is False."""
    y = dynamic_slice_in_dim(operand, index, 1, axis)
    at = axis_of(y, axis)
    s = y._type.shape
    return y if keepdims else reshape(y, s[:at] + s[at + 1 :])


def dynamic_update_slice_in_dim(operand: Any, update: Any, start_index: Any, axis: int) -> Any:
    """Operand with update written along one axis from start_index, clamped."""
    x = array_of(operand)
    return dynamic_update_slice(x, update, along(x, start_index, axis_of(x, axis)))


def dynamic_update_index_in_dim(operand: Any, update: Any, index: Any, axis: int) -> Any:
    """Operand with one slice of an axis replaced, clamped."""
    x, y = array_of(operand), array_of(update)
    at = axis_of(x, axis)
    s = x._type.shape
    return dynamic_update_slice_in_dim(x, reshape(y, (*s[:at], 1, *s[at + 1 :])), index, at)


def slice(operand: Any, start_indices: Sequence[int], limit_indices: Sequence[int],  # noqa: A001  # JAX's name
          strides: Sequence[int] | None = None) -> Any:  # fmt: skip
    """operand[start:limit:stride] along each axis, all known ints."""
    x = array_of(operand)
    step = (1,) * x._type.ndim if strides is None else tuple(map(int, strides))
    return call("slice", x, start=tuple(map(int, start_indices)), stop=tuple(map(int, limit_indices)), step=step)


def slice_in_dim(operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0) -> Any:
    """operand[start:limit:stride] along one axis."""
    x = array_of(operand)
    at = axis_of(x, axis)
    whole = builtins.slice(None)
    return x[(whole,) * at + (builtins.slice(start_index, limit_index, stride),)]


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """One slice of an axis at a known index."""
    x = array_of(operand)
    at = axis_of(x, axis)
    n = x._type.shape[at]
    if not -n <= index < n:
        raise RangeError(f"index_in_dim: {index} on axis {at} of {x._type}", where=caller(), fix="use an index it has")
    i = int(index) % n
    y = slice_in_dim(x, i, i + 1, 1, at)
    s = y._type.shape
    return y if keepdims else reshape(y, s[:at] + s[at + 1 :])
