"""`x[index]` and `x[index] = value`: basic indices are views, arrays of integers gather, masks become either.

Both faces share this: NumPy's rules, but for `selects` of `parse`.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import as_cell, host_array
from fgrad.eager.record import record
from fgrad.eager.views import buffer_of, view_along, write
from fgrad.errors import ArgumentError, DtypeError, NonConcreteBooleanIndexError, RangeError, ShapeError, TraceError
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.ir.dtypes import kind
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.types import TensorType

R = REGISTRY


Path = tuple[tuple[Primitive, tuple[Any, ...]], ...]  # views, one of the other
PATHS: dict[Any, Path] = {}  # of indices that hold no tensors
KEPT = 20_000


class Basic(NamedTuple):
    """The slicing part of an index, in terms of the indexed tensor's axes."""

    start: list[int]
    stop: list[int]
    step: list[int]
    flips: list[int]
    shape: list[int]  # after dropping integer axes and inserting new ones; arrays' axes kept
    arrays: list[tuple[int, Any]]  # (axis in `shape`, index cell)


def getitem(x: Any, index: Any, mode: str = "raise", *, selects: bool = False) -> Any:
    """`x[index]`: a view where it can be one. mode: what index arrays out of range do ("raise", "clip" or "fill")."""
    items = index if isinstance(index, tuple) else (index,)
    key = plain_key(x._type.shape, items, selects)
    path = PATHS.get(key) if key is not None else None
    if path is not None:
        return along(x, path)
    basic = parse(x, expand(x, items), selects)
    path = path_of(x._type.shape, basic)
    if key is not None:
        if len(PATHS) > KEPT:
            PATHS.clear()
        PATHS[key] = path
    return take(along(x, path), basic.arrays, mode) if basic.arrays else along(x, path)


def plain_key(shape: tuple[int, ...], items: tuple[Any, ...], selects: bool) -> Any:
    """A key for what an index of numbers, slices of numbers, None and Ellipsis comes to; None for any other index."""
    key: list[Any] = [shape, selects]
    for i in items:
        if i.__class__ is slice:
            bounds = i.start, i.stop, i.step
            if not all([b is None or b.__class__ is int for b in bounds]):
                return None
            key.append(bounds)
        elif i.__class__ is int or i is None or i is Ellipsis:
            key.append(i)
        else:
            return None
    return tuple(key)


def setitem(x: Any, index: Any, value: Any, *, selects: bool = False) -> None:
    """`x[index] = value`, in place, through views, with gradients to both."""
    items = index if isinstance(index, tuple) else (index,)
    mask = whole_mask(x, items)
    given, value = value, as_value(x, value)
    if mask is not None and value._type.ndim == 0:
        write(x, select_mask(x, mask, value))
        return
    basic = parse(x, expand(x, items), selects)
    strict = selects and basic.arrays and isinstance(given, Cell) and given._type.dtype != x._type.dtype
    if strict and (given._type.size != 1 or not one_mask(x, items)):
        raise DtypeError(f"Index put requires the source and destination dtypes match, got {x._type} for the destination and {given._type} for the "
                         "source.", where=caller(), fix="convert the value")  # fmt: skip
    view = along(x, path_of(x._type.shape, basic))
    if not basic.arrays:
        write(view, spread_to(value, view._type.shape))
        return
    order, axes, arrays = layout(view, basic.arrays)
    indices = broadcast_indices(arrays)
    shape = result_shape(view, order, axes, indices)
    updates = spread_to(value, shape)
    if order is not None:
        updates = record(type(x)._result, R["transpose"], (updates,), (order,))
    write(view, record(type(x)._result, R["scatter"], (view, updates, *indices), (tuple(axes), "set", "raise")))


def one_mask(x: Any, items: tuple[Any, ...]) -> bool:
    """True if a single boolean array is all that gathers."""
    found = [index_cell(x, i) for i in items if i is not None and i is not Ellipsis and not isinstance(i, slice)]
    kinds = [kind(c._type.dtype) for c in found if c is not None and c._type.ndim]
    return kinds == ["b"]


def as_value(x: Any, value: Any) -> Any:
    """The assigned value as a cell of the dtype of `x`."""
    if value.__class__ in (float, complex):  # in the precision of `x`, not of the default type
        value = np.asarray(value)[()]
    cell = value if isinstance(value, Cell) else as_cell(value, type(x)._result)
    if cell._type.dtype != x._type.dtype:
        cell = record(type(x)._result, R["convert"], (cell,), (x._type.dtype,))
    return cell if cell._device is x._device else record(type(x)._result, R["transfer"], (cell,), (x._device,))


def spread_to(value: Any, shape: tuple[int, ...]) -> Any:
    """`value` broadcast to `shape`, leading axes of length 1 dropped where there are too many."""
    own = value._type.shape
    while len(own) > len(shape) and own[0] == 1:
        own = own[1:]
    if own != value._type.shape:
        value = record(type(value)._result, R["reshape"], (value,), (own,))
    if own == shape:
        return value
    if broadcast_shapes(own, shape) != shape:
        raise ShapeError(
            f"shape mismatch: a value of shape {value._type.shape} cannot be broadcast to the indexed shape {shape}",
            where=caller(),
            fix="give a value of that shape, or one that broadcasts to it",
        )
    return record(type(value)._result, R["broadcast_to"], (value,), (shape,))


def whole_mask(x: Any, items: tuple[Any, ...]) -> Any:
    """The mask, if the index is one boolean array over leading axes of `x` and nothing else."""
    if len(items) != 1 or isinstance(items[0], bool | int | slice | type(None)) or items[0] is Ellipsis:
        return None
    found = index_cell(x, items[0])
    return found if found is not None and kind(found._type.dtype) == "b" and found._type.ndim else None


def select_mask(x: Any, mask: Any, value: Any) -> Any:
    """`x` with one number where `mask`: no data-dependent shape."""
    shape, m = x._type.shape, mask._type.shape
    check_mask(shape, m, 0)
    cls = type(x)._result
    full = record(cls, R["reshape"], (mask,), (m + (1,) * (len(shape) - len(m)),))
    full = record(cls, R["broadcast_to"], (full,), (shape,))
    return record(cls, R["select"], (full, spread_to(value, shape), x))


def check_mask(shape: tuple[int, ...], mask: tuple[int, ...], at: int) -> None:
    """PyTorch's and NumPy's error for a mask that does not fit."""
    if shape[at : at + len(mask)] != mask:
        raise RangeError(
            f"the shape of the mask {mask} at index {at} does not match the shape of the indexed tensor {shape}",
            where=caller(),
            fix="make the mask from the tensor it indexes",
        )


def index_cell(x: Any, i: Any) -> Any:
    """An index given as a tensor, an array or a list, as a cell; None for anything else."""
    if isinstance(i, Cell):
        return i
    if isinstance(i, np.ndarray | list | range):
        a = host_array(list(i) if isinstance(i, range) else i)
        if a.size == 0 and not isinstance(i, np.ndarray):
            a = a.astype(np.int64)
        return concrete(type(x)._result, a, TensorType(a.shape, a.dtype))
    return None


def rank_used(x: Any, i: Any) -> int:
    """Axes of the indexed tensor that one item consumes."""
    if i is None or i is Ellipsis or isinstance(i, bool | np.bool_):
        return 0
    cell = index_cell(x, i)
    return cell._type.ndim if cell is not None and kind(cell._type.dtype) == "b" else 1


def expand(x: Any, items: tuple[Any, ...]) -> list[Any]:
    """The index with its Ellipsis written out and missing axes filled."""
    dots = sum(i is Ellipsis for i in items)
    if dots > 1:
        raise RangeError("an index can only have a single ellipsis ('...')", where=caller(), fix="drop all but one")
    used, rank = sum(rank_used(x, i) for i in items), x._type.ndim
    if used > rank:
        raise RangeError(
            f"too many indices for tensor of dimension {rank}: {used} were given", where=caller(), fix="index fewer axes"
        )
    fill = [slice(None)] * (rank - used)
    out: list[Any] = []
    for i in items:
        out += fill if i is Ellipsis else [i]
    return out if dots else out + fill


def parse(x: Any, items: list[Any], selects: bool = False) -> Basic:
    """Separates slices from arrays, with sizes and ranges checked.

    selects: PyTorch's rules, where integers beside arrays drop their axes first and steps are positive; else NumPy's.
    """
    shape = x._type.shape
    basic = Basic([], [], [], [], [], [])
    has_arrays = not selects and any(isinstance(i, bool | np.bool_) or index_cell(x, i) is not None for i in items if i is not None)
    axis = 0
    for i in items:
        if i is None:
            basic.shape.append(1)
        elif isinstance(i, slice):
            if selects and i.step is not None and operator.index(i.step) <= 0:
                raise ArgumentError("slice step must be positive", where=caller(), fix="use flip")
            add_slice(basic, i, shape[axis], axis)
            axis += 1
        elif isinstance(i, bool | np.bool_) or is_truth(i):
            basic.arrays.append((len(basic.shape), as_cell(np.arange(int(concrete_mask(i) if isinstance(i, Cell) else i)), type(x)._result)))
            basic.shape.append(1)
        else:
            axis += add_item(x, basic, i, axis, has_arrays)
    return basic


def is_truth(i: Any) -> bool:
    """True for a 0-d boolean tensor: like a Python bool it adds an axis."""
    return isinstance(i, Cell) and not i._type.ndim and kind(i._type.dtype) == "b"


def add_slice(basic: Basic, s: slice, n: int, axis: int) -> None:
    """One slice; a negative step is a flipped slice."""
    try:
        lo, hi, step = s.indices(n)
    except ValueError as e:
        raise RangeError("slice step must not be zero", where=caller(), fix="use a step of 1 or more") from e
    count = max(0, -(-(hi - lo) // step)) if step > 0 else max(0, -(-(lo - hi) // -step))
    if step < 0:
        lo, step = lo + (count - 1) * step if count else 0, -step
        basic.flips.append(axis)
    basic.start.append(lo if count else 0)
    basic.stop.append(basic.start[-1] + (count - 1) * step + 1 if count else basic.start[-1])
    basic.step.append(step)
    basic.shape.append(count)


def add_item(x: Any, basic: Basic, i: Any, axis: int, has_arrays: bool) -> int:
    """An integer, an array of integers or a mask at `axis`; returns the axes consumed."""
    shape = x._type.shape
    cell = index_cell(x, i)
    if cell is None or (not cell._type.ndim and kind(cell._type.dtype) in "ui" and cell._data is not None and not has_arrays):
        at = integer(i if cell is None else cell, shape[axis], axis)
        if not has_arrays:
            basic.start.append(at)
            basic.stop.append(at + 1)
            basic.step.append(1)
            return 1
        cell = as_cell(np.array(at), type(x)._result)
    if kind(cell._type.dtype) == "b":
        check_mask(shape, cell._type.shape, axis)
        found = np.nonzero(concrete_mask(cell))
        arrays = [concrete(type(x)._result, a, TensorType(a.shape, a.dtype)) for a in found]
    elif kind(cell._type.dtype) in "ui":
        arrays = [cell]
    else:
        raise RangeError(
            f"tensors used as indices must be integers or booleans, found {cell._type}", where=caller(),
            fix="convert the index with .long()",
        )  # fmt: skip
    for k, a in enumerate(arrays):
        a = a if a._device is x._device else record(type(a)._result, R["transfer"], (a,), (x._device,))
        basic.arrays.append((len(basic.shape), a))
        add_slice(basic, slice(None), shape[axis + k], axis + k)
    return len(arrays)


def concrete_mask(cell: Any) -> Any:
    """The numbers of a mask: how many are true is the shape of the result."""
    try:
        return buffer_of(cell)
    except TraceError as e:
        raise NonConcreteBooleanIndexError(
            f"a boolean index of type {cell._type} gives a result whose size depends on values", where=caller(),
            fix="use where(mask, x, other), or nonzero with a fixed size",
        ) from e  # fmt: skip


def integer(i: Any, n: int, axis: int) -> int:
    """A Python integer index in range."""
    try:
        at = int(buffer_of(i)) if isinstance(i, Cell) else operator.index(i)
    except TypeError as e:
        raise RangeError(
            f"only integers, slices, ellipsis, None and arrays are valid indices (got {type(i).__name__})",
            where=caller(), fix="convert the index to int",
        ) from e  # fmt: skip
    if not -n <= at < n:
        raise RangeError(
            f"index {at} is out of bounds for dimension {axis} with size {n}", where=caller(),
            fix=f"use an index from {-n} to {n - 1}",
        )  # fmt: skip
    return at % n


def path_of(shape: tuple[int, ...], basic: Basic) -> Path:
    """The views that the slicing part of an index comes to."""
    path: list[tuple[Primitive, tuple[Any, ...]]] = []
    start, stop, step, final = tuple(basic.start), tuple(basic.stop), tuple(basic.step), tuple(basic.shape)
    if start != (0,) * len(shape) or stop != shape or step != (1,) * len(shape):
        path.append((R["slice"], (start, stop, step)))
    if basic.flips:
        path.append((R["flip"], (tuple(basic.flips),)))
    sliced = tuple([-(-(hi - lo) // s) for lo, hi, s in zip(start, stop, step, strict=True)])
    if sliced != final or not path:
        path.append((R["reshape"], (final,)))
    return tuple(path)


def along(x: Any, path: Path) -> Any:
    """The view at the end of a path."""
    return view_along(type(x)._result, x, path)


def layout(view: Any, arrays: list[tuple[int, Any]]) -> tuple[tuple[int, ...] | None, list[int], list[Any]]:
    """(permutation from the result to gather's order, axes, indices): adjacent arrays stay where the first one is."""
    axes = [a for a, _ in arrays]
    cells = [c for _, c in arrays]
    shape = broadcast_shapes(*[c._type.shape for c in cells])
    if shape is None:
        raise RangeError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(c._type.shape) for c in cells),
            where=caller(), fix="give index arrays of one shape",
        )  # fmt: skip
    first, rank = axes[0], len(shape)
    if axes != list(range(first, first + len(axes))) or not first:
        return None, axes, cells
    total = view._type.ndim - len(axes) + rank
    order = (*range(first, first + rank), *range(first), *range(first + rank, total))
    return order, axes, cells


def broadcast_indices(cells: list[Any]) -> list[Any]:
    """Index cells of one shape and dtype int64."""
    shape = broadcast_shapes(*[c._type.shape for c in cells]) or ()
    out = []
    for c in cells:
        if c._type.dtype != np.int64:
            c = record(type(c)._result, R["convert"], (c,), (np.dtype("int64"),))
        out.append(spread_to(c, shape))
    return out


def result_shape(view: Any, order: Any, axes: list[int], indices: list[Any]) -> tuple[int, ...]:
    """The shape of `view[arrays]` as the user sees it."""
    shape, s = view._type.shape, indices[0]._type.shape
    rest = [d for i, d in enumerate(shape) if i not in axes]
    at = axes[0] if order is not None else 0
    return (*rest[:at], *s, *rest[at:])


def take(view: Any, arrays: list[tuple[int, Any]], mode: str) -> Any:
    """Gathers along the axes of index arrays."""
    order, axes, cells = layout(view, arrays)
    indices = broadcast_indices(cells)
    cls = type(view)._result
    y = record(cls, R["gather"], (view, *indices), (tuple(axes), mode))
    if order is not None:
        back = tuple(sorted(range(len(order)), key=order.__getitem__))
        y = record(cls, R["transpose"], (y,), (back,))
    return y
