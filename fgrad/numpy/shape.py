"""NumPy's shape operations."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fgrad.eager import arrays
from fgrad.eager.arrays import array_of, axes_of, axis_of, call, face, same, shape_of
from fgrad.eager.operands import compose
from fgrad.eager.record import record
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import broadcast_shapes as common_shape
from fgrad.ir.apply import caller
from fgrad.ir.primitive import REGISTRY as R
from fgrad.primitives import composites as c

__all__ = [
    "append", "array_split", "atleast_1d", "atleast_2d", "broadcast_arrays", "broadcast_shapes", "broadcast_to",
    "column_stack", "concat", "concatenate", "delete", "dsplit", "dstack", "expand_dims", "flip", "fliplr", "flipud", "hsplit",
    "hstack", "matrix_transpose", "moveaxis", "ndim", "permute_dims", "ravel", "repeat", "reshape", "roll",
    "rollaxis", "rot90", "shape", "size", "split", "squeeze", "stack", "swapaxes", "tile", "transpose", "unstack",
    "vsplit", "vstack",
]  # fmt: skip


def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """The same elements in another shape; -1 stands for what is left. order: which axis is read and written fastest, "C" the last, "F" the first."""
    x = array_of(a)
    if order not in ("C", "F"):
        raise ArgumentError(f"reshape with order={order!r}", where=caller(), fix='use "C" or "F"')
    if order == "F":
        turned = tuple(shape)[::-1] if isinstance(shape, tuple | list) else shape
        return transpose(reshape(transpose(x), turned))
    given = tuple(map(operator.index, shape)) if isinstance(shape, tuple | list) else (operator.index(shape),)
    n = x._type.size
    known = math.prod(d for d in given if d != -1)
    if given.count(-1) == 1 and known and not n % known:
        given = tuple(n // known if d == -1 else d for d in given)
    if -1 in given or math.prod(given) != n:
        raise ShapeError(f"cannot reshape array of size {n} into shape {given}", where=caller(),
                         fix="choose sizes whose product is the number of elements, -1 at most once")  # fmt: skip
    return arrays.reshape(x, given)


def ravel(a: Any, order: str = "C") -> Any:
    """The elements as a vector, the last axis fastest ("F": the first)."""
    return reshape(a, (-1,) if array_of(a)._type.size else (0,), order)


def transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    """Axes in another order; reversed if none is given."""
    x = array_of(a)
    order = tuple(reversed(range(x._type.ndim))) if axes is None else tuple(axis_of(x, k) for k in axes)
    if sorted(order) != list(range(x._type.ndim)):
        raise ShapeError(f"axes {axes} don't match an array with {x._type.ndim} axes", where=caller(),
                         fix="give a permutation of all axes")  # fmt: skip
    return x if order == tuple(range(len(order))) else call("transpose", x, axes=order)


permute_dims = transpose


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    return swapaxes(x, -2, -1)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = array_of(a)
    i, j = axis_of(x, axis1), axis_of(x, axis2)
    order = list(range(x._type.ndim))
    order[i], order[j] = j, i
    return transpose(x, order)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved from `source` to `destination`, the others keep their order."""
    x = array_of(a)
    src = [axis_of(x, k) for k in (source if isinstance(source, tuple | list) else (source,))]
    dst = [axis_of(x, k) for k in (destination if isinstance(destination, tuple | list) else (destination,))]
    if len(src) != len(dst):
        raise ArgumentError("moveaxis: source and destination differ in length", where=caller(), fix="pair them")
    order = [i for i in range(x._type.ndim) if i not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return transpose(x, order)


def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of length 1 at `axis` of the result."""
    x = array_of(a)
    given = axis if isinstance(axis, tuple | list) else (axis,)
    at = {axis_of(x, k, len(given)) for k in given}
    if len(at) != len(given):
        raise ArgumentError("repeated axis in expand_dims", where=caller(), fix="name each axis once")
    rest = iter(x._type.shape)
    return arrays.reshape(x, tuple(1 if i in at else next(rest) for i in range(x._type.ndim + len(at))))


def squeeze(a: Any, axis: Any = None) -> Any:
    """Without axes of length 1 (those of `axis`, if given)."""
    x = array_of(a)
    s = x._type.shape
    gone = {i for i, d in enumerate(s) if d == 1} if axis is None else set(axes_of(x, axis))
    if any(s[k] != 1 for k in gone):
        raise ArgumentError(
            "cannot select an axis to squeeze out which has size not equal to one", where=caller(),
            fix=f"squeeze axes of length 1 of {s}",
        )  # fmt: skip
    return arrays.reshape(x, tuple(d for i, d in enumerate(s) if i not in gone))


def broadcast_to(array: Any, shape: Any) -> Any:
    """The array repeated to `shape`."""
    x, full = array_of(array), shape_of(shape)
    if len(full) < x._type.ndim or common_shape(x._type.shape, full) != full:
        raise ShapeError(f"Incompatible shapes for broadcasting: {x._type.shape} and requested shape {full}",
                         where=caller(), fix="axes must be equal or 1")  # fmt: skip
    return arrays.broadcast_to(x, full)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that all broadcast to."""
    found = common_shape(*[shape_of(s) for s in shapes]) if shapes else ()
    if found is None:
        raise ShapeError(f"Incompatible shapes for broadcasting: {shapes}", where=caller(), fix="axes must be equal or 1")
    return found


def broadcast_arrays(*args: Any) -> list[Any]:
    """Each array repeated to the common shape."""
    xs = [array_of(x) for x in args]
    shape = broadcast_shapes(*[x._type.shape for x in xs])
    return [broadcast_to(x, shape) for x in xs]


def concatenate(arrays: Any, /, axis: int | None = 0, dtype: Any = None) -> Any:
    """Arrays joined along `axis` (flattened first if None), promoted to one dtype."""
    given = _sequence(arrays, "concatenate")
    if axis is None:
        given, axis = [ravel(x) for x in given], 0
    xs = same(given, None if dtype is None else np.dtype(dtype))
    if not xs[0]._type.ndim:
        raise ShapeError("Zero-dimensional arrays cannot be concatenated", where=caller(), fix="use stack")
    at = axis_of(xs[0], axis)
    return record(face(), R["concatenate"], tuple(xs), (at,)) if len(xs) > 1 else xs[0]


concat = concatenate


def _sequence(arrays: Any, name: str) -> list[Any]:
    xs = [array_of(x) for x in arrays]
    if not xs:
        raise ArgumentError(f"Need at least one array to {name}.", where=caller(), fix="give some")
    return xs


def stack(arrays: Any, /, axis: int = 0, out: None = None, dtype: Any = None) -> Any:
    """Arrays of one shape joined along a new axis."""
    xs = _sequence(arrays, "stack")
    if any(x._type.shape != xs[0]._type.shape for x in xs):
        raise ShapeError(
            f"All input arrays must have the same shape: {[x._type.shape for x in xs]}", where=caller(),
            fix="give arrays of one shape",
        )  # fmt: skip
    return concatenate([expand_dims(x, axis) for x in xs], axis, dtype)


def atleast_1d(*arys: Any) -> Any:
    """Numbers as vectors of length 1."""
    found = [x if x._type.ndim else reshape(x, (1,)) for x in map(array_of, arys)]
    return found[0] if len(found) == 1 else found


def atleast_2d(*arys: Any) -> Any:
    """Vectors as rows."""
    found = [x if x._type.ndim > 1 else reshape(x, (1, x._type.size)) for x in map(array_of, arys)]
    return found[0] if len(found) == 1 else found


def hstack(tup: Any) -> Any:
    """Joined along axis 1 (0 for vectors)."""
    xs = [atleast_1d(x) for x in tup]
    return concatenate(xs, 0 if xs[0]._type.ndim == 1 else 1)


def vstack(tup: Any) -> Any:
    """Joined along axis 0, vectors being rows."""
    return concatenate([atleast_2d(x) for x in tup], 0)


def column_stack(tup: Any) -> Any:
    """Vectors as columns, joined along axis 1."""
    return concatenate([x if x._type.ndim > 1 else reshape(x, (-1, 1)) for x in map(array_of, tup)], 1)


def dstack(tup: Any) -> Any:
    """Joined along axis 2."""
    return concatenate([x if x._type.ndim > 2 else expand_dims(atleast_2d(x), 2) for x in map(array_of, tup)], 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """All slices along `axis`."""
    moved = moveaxis(x, axis, 0)
    return tuple(moved[i] for i in range(moved._type.shape[0]))


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """x[..., start:stop, ...] along `axis`."""
    return x[(slice(None),) * axis + (slice(start, stop),)]


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Pieces along `axis`: a number of nearly equal ones, or cut at the given indices."""
    x = array_of(ary)
    at = axis_of(x, axis)
    n = x._type.shape[at]
    if isinstance(indices_or_sections, int | np.integer):
        k = int(indices_or_sections)
        if k < 1:
            raise ArgumentError("number sections must be larger than 0.", where=caller(), fix="use 1 or more")
        sizes = [n // k + (i < n % k) for i in range(k)]
        cuts = [0, *np.cumsum(sizes).tolist()]
    else:
        cuts = [0, *[int(i) for i in indices_or_sections], n]
    return [part(x, at, a, max(a, b) if b >= 0 else b) for a, b in pairwise(cuts)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """As array_split; a number of sections must divide the axis."""
    x = array_of(ary)
    n = x._type.shape[axis_of(x, axis)]
    if isinstance(indices_or_sections, int | np.integer) and n % indices_or_sections:
        raise ArgumentError("array split does not result in an equal division", where=caller(), fix="use array_split")
    return array_split(x, indices_or_sections, axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """split along axis 1 (0 for vectors)."""
    return split(ary, indices_or_sections, 1 if array_of(ary)._type.ndim > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """split along axis 0."""
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """split along axis 2."""
    return split(ary, indices_or_sections, 2)


def tile(A: Any, reps: Any) -> Any:  # noqa: N803  # NumPy's name
    """The array repeated `reps` times along each axis."""
    x, counts = array_of(A), shape_of(reps)
    rank = max(x._type.ndim, len(counts))
    return compose(_tile, x, counts=(1,) * (rank - len(counts)) + counts)


def _tile(x: Any, *, counts: tuple[int, ...]) -> Any:
    shape = (1,) * (len(counts) - x.ndim) + x.shape
    inner = tuple(d for s in shape for d in (1, s))
    outer = tuple(d for k, s in zip(counts, shape, strict=True) for d in (k, s))
    grown = c.broadcast_to(c.reshape(x, shape=inner), shape=outer)
    return c.reshape(grown, shape=tuple(k * s for k, s in zip(counts, shape, strict=True)))


def repeat(a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None) -> Any:
    """Each element `repeats` times in a row along `axis` (of the flattened array if None).

    repeats: an int, or one for each element (its numbers are read).
    """
    x = ravel(a) if axis is None else array_of(a)
    at = axis_of(x, axis or 0) if x._type.ndim else 0
    s = x._type.shape
    if isinstance(repeats, int | np.integer):
        wide = broadcast_to(expand_dims(x, at + 1), (*s[: at + 1], int(repeats), *s[at + 1 :]))
        return reshape(wide, (*s[:at], s[at] * int(repeats), *s[at + 1 :]))
    index = np.repeat(np.arange(s[at]), np.asarray(repeats))
    return x[(slice(None),) * at + (index[:total_repeat_length],)]


def flip(m: Any, axis: Any = None) -> Any:
    """Reversed along `axis`, along all if None."""
    x = array_of(m)
    axes = axes_of(x, axis)
    return call("flip", x, axes=axes) if axes else x


def fliplr(m: Any) -> Any:
    """flip along axis 1."""
    return flip(m, 1)


def flipud(m: Any) -> Any:
    """flip along axis 0."""
    return flip(m, 0)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Rotated by k quarter turns from the first of `axes` towards the second."""
    x, (a, b) = array_of(m), axes
    if k % 4 == 1:
        return flip(swapaxes(x, a, b), a)
    if k % 4 == 3:
        return swapaxes(flip(x, a), a, b)
    return flip(x, (a, b)) if k % 4 else x


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Elements moved by `shift` (ints) along `axis`, those pushed out coming in at the other end."""
    x = array_of(a)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x._type.shape)
    pairs = np.broadcast(np.asarray(shift, np.int64), np.asarray(axis, np.int64))
    for k, ax in pairs:
        at = axis_of(x, int(ax))
        n = x._type.shape[at]
        if n and int(k) % n:
            cut = n - int(k) % n
            x = concatenate([part(x, at, cut, n), part(x, at, 0, cut)], at)
    return x


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """An axis moved back until it lies before `start`."""
    x = array_of(a)
    at, to = axis_of(x, axis), start + x._type.ndim if start < 0 else start
    return moveaxis(x, at, to - 1 if at < to else to)


def size(a: Any, axis: int | None = None) -> int:
    """Number of elements, of one axis if given."""
    t = array_of(a)._type
    return int(t.size if axis is None else t.shape[axis])


def shape(a: Any) -> tuple[int, ...]:
    """The shape."""
    found: tuple[int, ...] = array_of(a)._type.shape
    return found


def ndim(a: Any) -> int:
    """Number of axes."""
    return int(array_of(a)._type.ndim)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Without the slices at `obj` (ints, known while recording) along `axis`."""
    x = ravel(arr) if axis is None else array_of(arr)
    at = axis_of(x, axis or 0)
    kept = np.delete(np.arange(x._type.shape[at]), obj)
    return x[(slice(None),) * at + (kept,)]


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """concatenate((arr, values), axis)."""
    return concatenate([arr, values], axis)
