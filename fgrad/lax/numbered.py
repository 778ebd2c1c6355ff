"""gather and scatter by dimension numbers: windows of an array read or written at positions known when the program runs.

Positions G are the axes of the indices but the last, which holds one start for each axis that the numbers list. A window
is a slice of the operand; its axes of length 1 that are collapsed (inserted) do not appear in the result (the updates).
Source: XLA, Operation Semantics (Gather, Scatter).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.arrays import array_of, broadcast_to, call, reshape
from fgrad.eager.cell import Cell
from fgrad.eager.operands import convert
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller

__all__ = [
    "GatherDimensionNumbers", "GatherScatterMode", "ScatterDimensionNumbers", "gather", "scatter", "scatter_add", "scatter_apply",
    "scatter_max", "scatter_min", "scatter_mul", "scatter_sub",
]  # fmt: skip

INT64 = np.dtype("int64")
Shape = tuple[int, ...]


class GatherScatterMode(enum.Enum):
    """What a window that reaches outside does: it is moved inside (CLIP) or reads a fill value and writes nothing.

    PROMISE_IN_BOUNDS is CLIP here; ONE_HOT, a choice of method in JAX, is FILL_OR_DROP.
    """

    CLIP = 0
    FILL_OR_DROP = 1
    PROMISE_IN_BOUNDS = 2
    ONE_HOT = 3

    @staticmethod
    def from_any(s: Any) -> GatherScatterMode:
        """A mode, its name in JAX's spelling ("clip", "fill", "drop", "promise_in_bounds") or None: FILL_OR_DROP."""
        if isinstance(s, GatherScatterMode):
            return s
        names = {"clip": "CLIP", None: "FILL_OR_DROP", "fill": "FILL_OR_DROP", "drop": "FILL_OR_DROP", "promise_in_bounds": "PROMISE_IN_BOUNDS"}
        if not isinstance(s, str | None) or s not in names:
            raise ArgumentError(f"Unknown gather mode: {s}", where=caller(), fix="use 'clip', 'fill', 'drop' or 'promise_in_bounds'")
        return GatherScatterMode[names[s]]


class GatherDimensionNumbers(NamedTuple):
    """offset_dims: axes of the result that are a window's.  collapsed_slice_dims: axes of the operand that disappear.

    start_index_map: the axis of the operand that each start is for.  *_batching_dims: axes that operand and indices share.
    """

    offset_dims: Shape
    collapsed_slice_dims: Shape
    start_index_map: Shape
    operand_batching_dims: Shape = ()
    start_indices_batching_dims: Shape = ()


class ScatterDimensionNumbers(NamedTuple):
    """update_window_dims: axes of the updates that are a window's.  inserted_window_dims: axes of the operand not among them.

    scatter_dims_to_operand_dims: the axis of the operand that each start is for.  *_batching_dims: as in a gather.
    """

    update_window_dims: Sequence[int]
    inserted_window_dims: Sequence[int]
    scatter_dims_to_operand_dims: Sequence[int]
    operand_batching_dims: Sequence[int] = ()
    scatter_indices_batching_dims: Sequence[int] = ()


class NumbersError(ShapeError, TypeError):
    """Dimension numbers, sizes and shapes that do not go together (JAX raises TypeError)."""


class IndexKindError(DtypeError, ValueError):
    """Indices that are no integers (JAX raises ValueError)."""


def _require(holds: bool, what: str, fix: str) -> None:
    if not holds:
        raise NumbersError(what, where=caller(), fix=fix)


class Windows(NamedTuple):
    """Where windows lie: what `gather` and `scatter` share."""

    axes: Shape  # of the operand, those that are indexed; the others are whole
    whole: Shape
    indices: list[Any]  # one for each of `axes`: positions, then the window's own axes of length above 1
    inside: Any  # bool over positions: does the window lie inside
    shape: Shape  # of the positions
    window: Shape  # axes of the operand a window keeps, in order


def _checked(name: str, x: Any, starts: Any, numbers: GatherDimensionNumbers, sizes: Shape) -> None:
    """Refuses numbers that do not fit the operand, as JAX's rule does."""
    rank, kind = x._type.ndim, starts._type
    if kind.dtype.kind not in "iu":
        raise IndexKindError(f"{name}: indices must have an integer type, found {kind.dtype}", where=caller(), fix="use integers")
    _require(kind.ndim > 0, f"{name}: indices of shape ()", "give them a last axis, one start for each listed axis")
    listed = numbers.start_index_map
    _require(len(listed) == kind.shape[-1], f"{name}: {kind.shape[-1]} starts for the axes {tuple(listed)}", "list one axis for each start")
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    for axes, what in ((listed, "axes of starts"), (gone, "collapsed and batching axes"), (numbers.offset_dims, "window axes")):
        _require(len(set(axes)) == len(axes), f"{name}: {what} {tuple(axes)} repeat", "name each once")
    _require(all(0 <= a < rank for a in (*listed, *gone)), f"{name}: {numbers} for {x._type}", "use axes the operand has")
    _require(not set(listed) & set(numbers.operand_batching_dims), f"{name}: batching axes among those of starts", "name each once")
    _require(list(numbers.offset_dims) == sorted(numbers.offset_dims), f"{name}: window axes {tuple(numbers.offset_dims)}", "sort them")
    _require(len(sizes) == rank and all(0 <= s <= d for s, d in zip(sizes, x._type.shape, strict=True)),
             f"{name}: windows of sizes {sizes} in {x._type}", "give a size for each axis, no longer than it")  # fmt: skip
    _require(all(sizes[a] <= 1 for a in gone), f"{name}: sizes {sizes}, but axes {gone} do not appear", "make those sizes 1")
    _require(len(numbers.offset_dims) == rank - len(gone), f"{name}: {len(numbers.offset_dims)} window axes for {rank - len(gone)}",
             "name one for each axis of the operand that is not collapsed")  # fmt: skip
    pairs = list(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    _require(all(b < kind.ndim - 1 and x._type.shape[a] == kind.shape[b] for a, b in pairs), f"{name}: batching axes {pairs} of {x._type} and {kind}",
             "name axes of one length")  # fmt: skip


def _windows(name: str, x: Any, starts: Any, numbers: GatherDimensionNumbers, sizes: Shape) -> Windows:
    """The index tensors of every window, moved inside."""
    _checked(name, x, starts, numbers, sizes)
    dims = x._type.shape
    shape = starts._type.shape[:-1]
    begin = convert(starts, INT64)
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    window = tuple([a for a in range(len(dims)) if a not in gone])
    moving = {*numbers.start_index_map, *numbers.operand_batching_dims}
    axes = tuple([a for a in range(len(dims)) if a in moving or sizes[a] != dims[a]])
    long = [a for a in axes if a in window]
    full = (*shape, *[sizes[a] for a in long])
    inside = broadcast_to(array_of(np.array(True)), shape)
    indices = []
    for a in axes:
        at = array_of(np.zeros((1,) * len(full), INT64))
        if a in numbers.start_index_map:
            one = begin[..., tuple(numbers.start_index_map).index(a)]
            last = dims[a] - sizes[a]
            ok = call("bitwise_and", call("ge", one, _like(0, one)), call("le", one, _like(last, one)))
            inside = call("bitwise_and", inside, ok)
            at = reshape(call("clamp", _like(0, one), one, _like(last, one)), (*shape, *(1,) * len(long)))
        elif a in numbers.operand_batching_dims:
            k = numbers.start_indices_batching_dims[tuple(numbers.operand_batching_dims).index(a)]
            at = array_of(np.arange(dims[a]).reshape([-1 if i == k else 1 for i in range(len(full))]))
        if a in long:
            k = len(shape) + long.index(a)
            at = at + array_of(np.arange(sizes[a]).reshape([-1 if i == k else 1 for i in range(len(full))]))
        indices.append(broadcast_to(at, full))
    return Windows(axes, tuple([a for a in range(len(dims)) if a not in axes]), indices, inside, shape, window)


def _like(value: int, x: Any) -> Any:
    """A number broadcast to the shape of `x`."""
    return broadcast_to(array_of(np.array(value, x._type.dtype)), x._type.shape)


def _order(w: Windows, offsets: Sequence[int]) -> Shape:
    """For each axis of the result, its place in what the gather primitive gives: positions, indexed axes, whole ones."""
    found = [*[a for a in w.axes if a in w.window], *w.whole]
    place = {a: len(w.shape) + i for i, a in enumerate(found)}
    rank = len(w.shape) + len(w.window)
    _require(all(0 <= o < rank for o in offsets), f"window axes {tuple(offsets)} of {rank}", "use axes the result has")
    mine, batch = iter([place[a] for a in w.window]), iter(range(len(w.shape)))
    return tuple([next(mine) if i in offsets else next(batch) for i in range(rank)])


def _fill(fill_value: Any, d: Any) -> Any:
    """What JAX reads outside: NaN, the least signed or greatest unsigned integer, True."""
    if fill_value is not None:
        return fill_value if isinstance(fill_value, Cell) else np.asarray(fill_value)
    if d.kind in "iu":
        return np.array(np.iinfo(d).min if d.kind == "i" else np.iinfo(d).max)
    return np.array(True) if d.kind == "b" else np.array(np.nan)


def gather(operand: Any, start_indices: Any, dimension_numbers: GatherDimensionNumbers, slice_sizes: Sequence[int], *,
           unique_indices: bool = False, indices_are_sorted: bool = False, mode: Any = None, fill_value: Any = None) -> Any:  # fmt: skip
    """Windows of slice_sizes of the operand, one for each position: batch axes of the result are those not in offset_dims.

    mode: see GatherScatterMode; None is "promise_in_bounds".  fill_value: what a window outside reads (NaN; the least signed, greatest
    unsigned integer; True).  unique_indices, indices_are_sorted: accepted, not needed.  Raises NumbersError (a TypeError).

    >>> import fgrad.numpy as jnp
    >>> from fgrad import lax
    >>> rows = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
    >>> lax.gather(jnp.arange(6.0).reshape(3, 2), jnp.array([[2], [0]]), rows, slice_sizes=(1, 2))
    Array([[4., 5.],
           [0., 1.]], dtype=float32)
    """
    x, starts = array_of(operand), array_of(start_indices)
    sizes = tuple([int(s) for s in slice_sizes])
    how = GatherScatterMode.from_any("promise_in_bounds" if mode is None else mode)
    w = _windows("gather", x, starts, dimension_numbers, sizes)
    order = _order(w, dimension_numbers.offset_dims)
    empty = any(x._type.shape[a] == 0 for a in w.axes)
    if empty or not w.axes:
        extent = (*w.shape, *[sizes[a] for a in (*[a for a in w.axes if a in w.window], *w.whole)])
        found = broadcast_to(reshape(x, (*(1,) * len(w.shape), *x._type.shape)), extent) if not empty else broadcast_to(
            array_of(np.zeros((), x._type.dtype)), extent)  # fmt: skip
    else:
        found = call("gather", x, *w.indices, axes=w.axes, mode="clip")
    y = call("transpose", found, axes=order)
    if how in (GatherScatterMode.CLIP, GatherScatterMode.PROMISE_IN_BOUNDS):
        return y
    sides = [1 if i in dimension_numbers.offset_dims else y._type.shape[i] for i in range(len(order))]
    mask = broadcast_to(reshape(w.inside, tuple(sides)), y._type.shape)
    other = convert(array_of(_fill(fill_value, x._type.dtype)), x._type.dtype)
    return call("select", mask, y, broadcast_to(other, y._type.shape))


def _numbers(d: ScatterDimensionNumbers) -> GatherDimensionNumbers:
    """The gather that reads what a scatter writes."""
    return GatherDimensionNumbers(tuple(d.update_window_dims), tuple(d.inserted_window_dims), tuple(d.scatter_dims_to_operand_dims),
                                  tuple(d.operand_batching_dims), tuple(d.scatter_indices_batching_dims))  # fmt: skip


def _sizes(name: str, x: Any, updates_shape: Shape, numbers: GatherDimensionNumbers) -> Shape:
    """The sizes of the windows that the updates have."""
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    kept = [a for a in range(x._type.ndim) if a not in gone]
    _require(len(kept) == len(numbers.offset_dims) and all(0 <= o < len(updates_shape) for o in numbers.offset_dims),
             f"{name}: {numbers} for {x._type} and updates of shape {updates_shape}", "name a window axis for each axis that is not inserted")  # fmt: skip
    size = dict(zip(kept, [updates_shape[o] for o in sorted(numbers.offset_dims)], strict=True))
    return tuple([size.get(a, 1) for a in range(x._type.ndim)])


def _write(name: str, op: str, operand: Any, scatter_indices: Any, updates: Any, d: ScatterDimensionNumbers, mode: Any) -> Any:
    """A scatter of `op`."""
    x, starts = array_of(operand), array_of(scatter_indices)
    y = array_of(updates)
    if isinstance(updates, bool | int | float | complex):
        y = convert(y, x._type.dtype)
    if x._type.dtype != y._type.dtype:
        raise DtypeError(f"{name} requires arguments to have matching dtypes, got {x._type.dtype}, {y._type.dtype}",
                         where=caller(), fix="convert the updates with astype")  # fmt: skip
    numbers, how = _numbers(d), GatherScatterMode.from_any(mode)
    w = _windows(name, x, starts, numbers, _sizes(name, x, y._type.shape, numbers))
    order = _order(w, numbers.offset_dims)
    batch = tuple([n for i, n in enumerate(y._type.shape) if i not in numbers.offset_dims])
    _require(batch == w.shape, f"{name}: updates {y._type} for positions of shape {w.shape}", "make the axes outside windows those of the positions")
    if not x._type.size or not y._type.size:
        return x
    if not w.axes:
        return _without_indices(op, x, y, w, order)
    y = call("transpose", y, axes=tuple(np.argsort(order).tolist()))
    indices = w.indices
    if how in (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT):
        inside = broadcast_to(reshape(w.inside, (*w.shape, *(1,) * (len(indices[0]._type.shape) - len(w.shape)))), indices[0]._type.shape)
        indices = [call("select", inside, indices[0], _like(x._type.shape[w.axes[0]], indices[0])), *indices[1:]]
    return call("scatter", x, y, *indices, axes=w.axes, op=op, mode="drop")


def _without_indices(op: str, x: Any, y: Any, w: Windows, order: Shape) -> Any:
    """Updates that are as large as the operand: through an axis of length 1 in front, indexed by 0."""
    y = call("transpose", y, axes=tuple(np.argsort(order).tolist()))
    zeros = array_of(np.zeros(w.shape, INT64))
    return reshape(call("scatter", reshape(x, (1, *x._type.shape)), y, zeros, axes=(0,), op=op, mode="clip"), x._type.shape)


def scatter(operand: Any, scatter_indices: Any, updates: Any, dimension_numbers: ScatterDimensionNumbers, *, indices_are_sorted: bool = False,
            unique_indices: bool = False, mode: Any = None) -> Any:  # fmt: skip
    """The operand with windows replaced by updates, one for each position; of those that write one place, the last stays.

    mode: see GatherScatterMode; None is "drop".  indices_are_sorted, unique_indices: accepted, not needed.  Raises
    NumbersError (a TypeError) for shapes that do not fit, DtypeError for other dtypes.

    >>> import fgrad.numpy as jnp
    >>> from fgrad import lax
    >>> rows = lax.ScatterDimensionNumbers(update_window_dims=(), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    >>> lax.scatter_add(jnp.zeros(3), jnp.array([[2], [0], [2]]), jnp.array([1.0, 2.0, 3.0]), rows)
    Array([2., 0., 4.], dtype=float32)
    """
    return _write("scatter", "set", operand, scatter_indices, updates, dimension_numbers, mode)


def scatter_add(operand: Any, scatter_indices: Any, updates: Any, dimension_numbers: ScatterDimensionNumbers, *, indices_are_sorted: bool = False,
                unique_indices: bool = False, mode: Any = None) -> Any:  # fmt: skip
    """The operand with updates added to its windows. Arguments as in scatter."""
    return _write("scatter_add", "add", operand, scatter_indices, updates, dimension_numbers, mode)


def scatter_sub(operand: Any, scatter_indices: Any, updates: Any, dimension_numbers: ScatterDimensionNumbers, *, indices_are_sorted: bool = False,
                unique_indices: bool = False, mode: Any = None) -> Any:  # fmt: skip
    """The operand with updates taken from its windows. Arguments as in scatter."""
    return _write("scatter_sub", "add", operand, scatter_indices, 0 - array_of(updates), dimension_numbers, mode)


def scatter_mul(operand: Any, scatter_indices: Any, updates: Any, dimension_numbers: ScatterDimensionNumbers, *, indices_are_sorted: bool = False,
                unique_indices: bool = False, mode: Any = None) -> Any:  # fmt: skip
    """The operand with its windows multiplied by updates. Arguments as in scatter; differentiable for repeated places too."""
    return _write("scatter_mul", "mul", operand, scatter_indices, updates, dimension_numbers, mode)


def scatter_min(operand: Any, scatter_indices: Any, updates: Any, dimension_numbers: ScatterDimensionNumbers, *, indices_are_sorted: bool = False,
                unique_indices: bool = False, mode: Any = None) -> Any:  # fmt: skip
    """The operand with the smaller of its windows and updates. Arguments as in scatter."""
    return _write("scatter_min", "min", operand, scatter_indices, updates, dimension_numbers, mode)


def scatter_max(operand: Any, scatter_indices: Any, updates: Any, dimension_numbers: ScatterDimensionNumbers, *, indices_are_sorted: bool = False,
                unique_indices: bool = False, mode: Any = None) -> Any:  # fmt: skip
    """The operand with the greater of its windows and updates. Arguments as in scatter."""
    return _write("scatter_max", "max", operand, scatter_indices, updates, dimension_numbers, mode)


def scatter_apply(operand: Any, scatter_indices: Any, func: Callable[[Any], Any], dimension_numbers: ScatterDimensionNumbers, *,
                  update_shape: Sequence[int] = (), indices_are_sorted: bool = False, unique_indices: bool = False,
                  mode: Any = None) -> Any:  # fmt: skip
    """The operand with its windows replaced by `func` of them. update_shape: that of the updates a scatter would take.

    A place that several windows cover is changed once.  func: elementwise, of one array.
    """
    x, numbers = array_of(operand), _numbers(dimension_numbers)
    sizes = _sizes("scatter_apply", x, tuple(update_shape), numbers)
    old = gather(x, scatter_indices, numbers, sizes, mode="clip")
    return scatter(x, scatter_indices, convert(array_of(func(old)), x._type.dtype), dimension_numbers, mode=mode)
