"""`x.at[index]`: functional reads and updates, the same index rules as `x[index]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.indexing import (
    along,
    as_value,
    broadcast_indices,
    expand,
    layout,
    parse,
    path_of,
    result_shape,
    select_mask,
    spread_to,
    whole_mask,
)
from fgrad.eager.record import record
from fgrad.errors import ArgumentError, RangeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype, kind
from fgrad.ir.primitive import REGISTRY

R = REGISTRY
OPS: dict[str, str] = {"add": "add", "mul": "mul", "min": "minimum", "max": "maximum"}
READ = {None: "clip", "promise_in_bounds": "clip", "clip": "clip", "fill": "fill", "drop": "fill", "raise": "raise"}
WRITE = {None: "drop", "promise_in_bounds": "drop", "clip": "clip", "fill": "drop", "drop": "drop", "raise": "raise"}


def resolve_mode(mode: str | None, table: dict[Any, str]) -> str:
    """JAX's name of a mode as the primitive's."""
    if mode not in table:
        raise ArgumentError(f"no index mode {mode!r}", where=caller(), fix=f"use one of {', '.join(map(str, table))}")
    return table[mode]


def updated(x: Any, index: Any, value: Any, op: str, mode: str | None = None) -> Any:
    """A copy of `x` with `x[index]` combined with `value`: op "set", "add", "mul", "min" or "max".

    An index that occurs several times counts each time ("set": the last). mode: what happens to an index out of range,
    "drop" (the default: nothing), "clip" or "raise".
    """
    items = index if isinstance(index, tuple) else (index,)
    value = as_value(x, value)
    mask = whole_mask(x, items)
    cls = type(x)._result
    if mask is not None and value._type.ndim == 0:
        new = value if op == "set" else record(cls, R[OPS[op]], (x, spread_to(value, x._type.shape)))
        return select_mask(x, mask, new) if op == "set" else chosen(x, mask, new)
    basic = parse(x, expand(x, items))
    view = along(x, path_of(x._type.shape, basic))
    if not basic.arrays:
        shown = spread_to(value, view._type.shape)
        new = shown if op == "set" else record(cls, R[OPS[op]], (view, shown))
        return put_basic(x, basic, new)
    order, axes, arrays = layout(view, basic.arrays)
    indices = broadcast_indices(arrays)
    updates = spread_to(value, result_shape(view, order, axes, indices))
    if order is not None:
        updates = record(cls, R["transpose"], (updates,), (order,))
    new = record(cls, R["scatter"], (view, updates, *indices), (tuple(axes), op, resolve_mode(mode, WRITE)))
    return put_basic(x, basic, new)


def chosen(x: Any, mask: Any, new: Any) -> Any:
    """`new` where the mask over leading axes, else `x`."""
    cls, shape = type(x)._result, x._type.shape
    m = mask._type.shape
    full = record(cls, R["reshape"], (mask,), (m + (1,) * (len(shape) - len(m)),))
    return record(cls, R["select"], (record(cls, R["broadcast_to"], (full,), (shape,)), new, x))


def put_basic(x: Any, basic: Any, new: Any) -> Any:
    """`x` with the part a basic index shows replaced by `new`."""
    cls, shape = type(x)._result, x._type.shape
    start, stop, step = tuple(basic.start), tuple(basic.stop), tuple(basic.step)
    inner = tuple(len(range(a, b, s)) for a, b, s in zip(start, stop, step, strict=True))
    if new._type.shape != inner:
        new = record(cls, R["reshape"], (new,), (inner,))
    if basic.flips:
        new = record(cls, R["flip"], (new,), (tuple(basic.flips),))
    if inner == shape:
        return new
    return record(cls, R["update_slice"], (x, new), (start, step))


class At:
    """What `x.at` is: `x.at[index].set(value)` and its kin give a new array; `x` stays as it is."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> Place:
        return Place(self._x, loosened(self._x, index))


def loosened(x: Any, index: Any) -> Any:
    """The index with ints out of range as arrays, for which a mode says what happens."""
    items = index if isinstance(index, tuple) else (index,)
    if not any(i.__class__ is int for i in items):
        return index
    try:
        parse(x, expand(x, items))
    except RangeError:
        return tuple([np.asarray(i) if i.__class__ is int else i for i in items])
    return index


HINTS = ("indices_are_sorted", "unique_indices", "wrap_negative_indices", "out_sharding")


def check_hints(method: str, hints: dict[str, Any]) -> None:
    """Refuses keywords that are none of JAX's hints; the hints themselves change nothing."""
    for name in hints:
        if name not in HINTS:
            raise KeywordError(f"x.at[...].{method}() got an unexpected keyword argument {name!r}", where=caller(),
                               fix="use mode=, " + "=, ".join(HINTS) + "=" + (", fill_value=" if method == "get" else ""))  # fmt: skip


class KeywordError(ArgumentError, TypeError):
    """A keyword that a method does not have."""


class Place:
    """`x.at[index]`."""

    __slots__ = ("_index", "_x")

    def __init__(self, x: Any, index: Any) -> None:
        self._x, self._index = x, index

    def set(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] = values."""
        check_hints("set", hints)
        return updated(self._x, self._index, values, "set", mode)

    def add(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] += values; an index that occurs several times adds each time."""
        check_hints("add", hints)
        return updated(self._x, self._index, values, "add", mode)

    def subtract(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] -= values."""
        check_hints("subtract", hints)
        return updated(self._x, self._index, -as_value(self._x, values), "add", mode)

    def multiply(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] *= values."""
        check_hints("multiply", hints)
        return updated(self._x, self._index, values, "mul", mode)

    mul = multiply

    def divide(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] /= values."""
        check_hints("divide", hints)
        return updated(self._x, self._index, 1 / as_value(self._x, values), "mul", mode)

    def min(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] = minimum(x[index], values)."""
        check_hints("min", hints)
        return updated(self._x, self._index, values, "min", mode)

    def max(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] = maximum(x[index], values)."""
        check_hints("max", hints)
        return updated(self._x, self._index, values, "max", mode)

    def power(self, values: Any, *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] **= values."""
        check_hints("power", hints)
        return self.apply(lambda part: part**values, mode=mode)

    def apply(self, f: Callable[[Any], Any], *, mode: str | None = None, **hints: Any) -> Any:
        """x with x[index] = f(x[index])."""
        check_hints("apply", hints)
        return self.set(f(self.get(mode=mode)), mode=mode)

    def get(self, *, mode: str | None = None, fill_value: Any = None, **hints: Any) -> Any:
        """x[index]; an index out of range is clipped, or with mode="fill" gives fill_value.

        fill_value: NaN unless given; the least number of a signed type, the largest of an unsigned one, True.
        """
        check_hints("get", hints)
        x, how = self._x, resolve_mode(mode, READ)
        found = x._read(self._index, how)
        if how != "fill":
            return found
        cls = type(x)._result
        ones = record(cls, R["broadcast_to"], (as_value(x, 1),), (x._type.shape,))
        inside = record(cls, R["ne"], (ones._read(self._index, how), spread_to(as_value(x, 0), found._type.shape)))
        fill = as_value(x, default_fill(x._type.dtype) if fill_value is None else fill_value)
        return record(cls, R["select"], (inside, found, spread_to(fill, found._type.shape)))


def default_fill(dtype: Dtype) -> Any:
    """What an index out of range gives."""
    k = kind(dtype)
    if k == "b":
        return True
    if k in "iu":
        return np.iinfo(dtype).min if k == "i" else np.iinfo(dtype).max
    return np.nan
