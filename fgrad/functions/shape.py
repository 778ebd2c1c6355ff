"""PyTorch's shape operations: views where PyTorch gives views, new tensors elsewhere."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.record import record
from fgrad.eager.views import view_of
from fgrad.errors import ArgumentError, RangeError, RuleError, ShapeError
from fgrad.functions.call import R, axis_of, compose, same
from fgrad.functions.dtypes import Size, result_numpy
from fgrad.functions.formats import formatted
from fgrad.functions.pointwise import into
from fgrad.ir.apply import broadcast_shapes as common_shape
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c

__all__ = [
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "cat", "chunk", "clone", "concat",
    "concatenate", "expand", "flatten", "flip", "hstack", "meshgrid", "moveaxis", "movedim",
    "narrow", "permute", "repeat", "repeat_interleave", "reshape", "roll", "select", "split", "squeeze", "stack",
    "swapaxes", "swapdims", "t", "tile", "transpose", "unbind", "unflatten", "unsqueeze", "vstack",
]  # fmt: skip


EXCHANGED: dict[tuple[int, int, int], tuple[int, ...]] = {}  # (rank, two dimensions) -> the order with them exchanged
ORDERS: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}  # (rank, an order) -> the order, counted from the front


def view_as_shape(x: Any, shape: tuple[int, ...]) -> Any:
    """A reshaping view."""
    return view_of(type(x)._result, x, R["reshape"], (shape,))


def sizes(args: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` alike."""
    given = args[0] if len(args) == 1 and isinstance(args[0], tuple | list) else args
    return tuple([int(d) for d in given])


def resolve(x: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with its -1 filled in, checked against the number of elements."""
    n = x._type.size
    if n == math.prod(shape) and -1 not in shape:
        return shape
    if shape.count(-1) > 1:
        raise ArgumentError("only one dimension can be inferred", where=caller(), fix="use -1 once")
    known = math.prod(d for d in shape if d != -1)
    if -1 in shape:
        if not known or n % known:
            raise ShapeError(f"shape '{list(shape)}' is invalid for input of size {n}", where=caller(),
                             fix="choose sizes whose product divides the number of elements")  # fmt: skip
        shape = tuple(n // known if d == -1 else d for d in shape)
    elif known != n:
        raise ShapeError(f"shape '{list(shape)}' is invalid for input of size {n}", where=caller(),
                         fix="choose sizes whose product is the number of elements")  # fmt: skip
    return shape


def reshape(input: Any, *shape: Any) -> Any:
    """The same elements in another shape; -1 stands for what is left. A view."""
    return view_as_shape(input, resolve(input, sizes(shape)))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions start_dim to end_dim as one."""
    s = input._type.shape
    a, b = axis_of(input, start_dim), axis_of(input, end_dim)
    if not s:
        return view_as_shape(input, (1,))
    if a > b:
        raise ArgumentError("flatten() has invalid args: start_dim cannot come after end_dim", where=caller(),
                            fix="swap them")  # fmt: skip
    return view_as_shape(input, (*s[:a], math.prod(s[a : b + 1]), *s[b + 1 :]))


def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """One dimension as several; one of `sizes` may be -1."""
    s, a = input._type.shape, axis_of(input, dim)
    inner = tuple(sizes) if isinstance(sizes, Iterable) else ()
    if not inner:
        raise ArgumentError("unflatten: sizes must be non-empty", where=caller(), fix="give a tuple of sizes")
    if -1 in inner:
        rest = math.prod(d for d in inner if d != -1)
        inner = tuple(s[a] // rest if d == -1 else d for d in inner)
    return view_as_shape(input, resolve(input, (*s[:a], *inner, *s[a + 1 :])))


def squeeze(input: Any, dim: Any = None, *more: int) -> Any:
    """Without dimensions of length 1 (only those of `dim`, if given)."""
    s = input._type.shape
    if dim is None:
        gone = {i for i, d in enumerate(s) if d == 1}
    else:
        asked = [axis_of(input, d) for d in (dim if isinstance(dim, tuple | list) else (dim, *more))]
        if len({*asked}) != len(asked):
            raise ArgumentError(f"dim {asked[0]} appears multiple times in the list of dims", where=caller(), fix="name each once")
        gone = {a for a in asked if s and s[a] == 1}
    return view_as_shape(input, tuple(d for i, d in enumerate(s) if i not in gone))


def unsqueeze(input: Any, dim: int) -> Any:
    """A new dimension of length 1 at `dim`."""
    s, a = input._type.shape, axis_of(input, dim, 1)
    return view_as_shape(input, (*s[:a], 1, *s[a:]))


def permute(input: Any, *dims: Any) -> Any:
    """Dimensions in another order. A view."""
    given, rank = sizes(dims), input._type.ndim
    order = ORDERS.get((rank, given))
    if order is None:
        order = tuple([axis_of(input, d) for d in given]) if len(given) == rank else (-1,)
        if sorted(order) != list(range(rank)):
            raise ShapeError(f"permute(dims={list(given)}) does not name each of the {rank} dimensions once", where=caller(),
                             fix="give a permutation of all dimensions")  # fmt: skip
        ORDERS[rank, given] = order
    return view_of(type(input)._result, input, R["transpose"], (order,))


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged. A view."""
    rank = input._type.ndim
    order = EXCHANGED.get((rank, dim0, dim1)) if dim0.__class__ is dim1.__class__ is int else None
    if order is None:
        a, b = axis_of(input, dim0), axis_of(input, dim1)
        if not rank:
            return view_as_shape(input, ())
        axes = list(range(rank))
        axes[a], axes[b] = axes[b], axes[a]
        order = EXCHANGED[rank, int(dim0), int(dim1)] = tuple(axes)
    return view_of(type(input)._result, input, R["transpose"], (order,))


swapaxes = swapdims = transpose


def t(input: Any) -> Any:
    """The transpose of a matrix; vectors are returned as they are."""
    if input._type.ndim > 2:
        raise ShapeError(f"t() expects a tensor with <= 2 dimensions, but self is {input._type.ndim}D", where=caller(),
                         fix="use mT or transpose(-2, -1)")  # fmt: skip
    return transpose(input, 0, 1) if input._type.ndim == 2 else view_as_shape(input, input._type.shape)


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved from `source` to `destination`, the others keep their order."""
    src = [axis_of(input, d) for d in (source if isinstance(source, tuple | list) else (source,))]
    dst = [axis_of(input, d) for d in (destination if isinstance(destination, tuple | list) else (destination,))]
    if not input._type.shape:
        return view_as_shape(input, ())
    order = [i for i in range(input._type.ndim) if i not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return permute(input, order)


moveaxis = movedim


def expand(input: Any, *shape: Any) -> Any:
    """Dimensions of length 1 repeated (-1: as it is); new leading ones added. A view."""
    asked, s = sizes(shape), input._type.shape
    extra = len(asked) - len(s)
    full = tuple(s[i - extra] if d == -1 and i >= extra else d for i, d in enumerate(asked))
    if extra < 0 or min(full, default=0) < 0 or common_shape(s, full) != full:
        raise ShapeError(f"expand: the requested shape {list(asked)} does not fit a tensor of shape {list(s)}", where=caller(),
                         fix="only dimensions of length 1 can be repeated")  # fmt: skip
    if full == s:
        return permute(input, tuple(range(len(s))))
    return view_of(type(input)._result, input, R["broadcast_to"], (full,))


def broadcast_to(input: Any, *size: Any) -> Any:
    """expand(*size)."""
    return expand(input, *size)


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that all broadcast to."""
    found = common_shape(*[tuple(s) if isinstance(s, tuple | list) else (s,) for s in shapes])
    if found is None:
        raise ShapeError(f"Shape mismatch: {shapes} cannot be broadcast to a single shape", where=caller(),
                         fix="dimensions must be equal or 1")  # fmt: skip
    return Size(found)


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Each tensor expanded to the common shape."""
    shape = broadcast_shapes(*[t._type.shape for t in tensors])
    return tuple(expand(t, shape) for t in tensors)


def repeat(input: Any, *repeats: Any) -> Any:
    """The tensor tiled: dimension i `repeats[i]` times."""
    counts = sizes(repeats)
    if len(counts) < input._type.ndim:
        raise ShapeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor", where=caller(),
                         fix="give one count for each dimension")  # fmt: skip
    return compose(_tile_rule, input, counts=counts)


def _tile_rule(x: Any, *, counts: tuple[int, ...]) -> Any:
    shape = (1,) * (len(counts) - x.ndim) + x.shape
    inner = tuple(d for s in shape for d in (1, s))
    outer = tuple(d for k, s in zip(counts, shape, strict=True) for d in (k, s))
    grown = c.broadcast_to(c.reshape(x, shape=inner), shape=outer)
    return c.reshape(grown, shape=tuple(k * s for k, s in zip(counts, shape, strict=True)))


def tile(input: Any, *dims: Any) -> Any:
    """As repeat, missing leading counts being 1."""
    counts = sizes(dims)
    return repeat(input, (1,) * (input._type.ndim - len(counts)) + counts)


def repeat_interleave(input: Any, repeats: int, dim: int | None = None) -> Any:
    """Each element `repeats` times in a row along `dim` (of the flattened tensor if None)."""
    if isinstance(repeats, Cell):
        base = flatten(input) if dim is None else input
        axis = axis_of(base, dim or 0)
        if repeats._type.dtype.kind not in "iu":
            raise RuleError(f'"repeat_interleave" not implemented for {repeats._type.dtype}', where=caller(), fix="use .long()")
        if repeats._type.ndim > 1 or repeats._type.size not in (1, base._type.shape[axis]):
            raise ShapeError(f"repeats must have the same size as input along dim, but got repeats of {repeats._type} for {base._type}",
                             where=caller(), fix="give a number for each slice, or one")  # fmt: skip
        counts = repeats.numpy()
        index = np.repeat(np.arange(base._type.shape[axis]), counts)
        return base[(slice(None),) * axis + (index,)]
    x = flatten(input) if dim is None else input
    axis = axis_of(x, dim or 0)
    return compose(_interleaved, x, axis=axis, k=operator.index(repeats))


def _interleaved(x: Any, *, axis: int, k: int) -> Any:
    s, rest = x.shape[: axis + 1], x.shape[axis + 1 :]
    wide = c.broadcast_to(c.reshape(x, shape=(*s, 1, *rest)), shape=(*s, k, *rest))
    return c.reshape(wide, shape=(*s[:-1], s[-1] * k, *rest))


def cat(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Tensors joined along `dim`; the others must be equal. 1-d empty tensors are skipped, as in PyTorch."""
    given = list(tensors)
    if not given:
        raise ArgumentError("torch.cat(): expected a non-empty list of Tensors", where=caller(), fix="give some")
    if not all([x._type.shape for x in given]):
        raise ShapeError("zero-dimensional tensor cannot be concatenated", where=caller(), fix="use stack")
    kept = [x for x in given if x._type.shape != (0,)] or given[:1]
    axis = axis_of(kept[0], dim)
    xs = same(kept, None if len(kept) == len(given) else result_numpy(*given))  # the type of what is skipped counts too
    return into(out, record(type(xs[0])._result, R["concatenate"], tuple(xs), (axis,)))


concat = concatenate = cat


def stack(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Equal-shaped tensors joined along a new dimension."""
    given = list(tensors)
    if not given:
        raise ArgumentError("stack expects a non-empty TensorList", where=caller(), fix="give some tensors")
    first = given[0]._type.shape
    if any(x._type.shape != first for x in given):
        raise ShapeError(
            f"stack expects each tensor to be equal size, but got {[list(x._type.shape) for x in given]}",
            where=caller(), fix="give tensors of one shape",
        )  # fmt: skip
    axis = axis_of(given[0], dim, 1)
    shape = (*first[:axis], 1, *first[axis:])
    return into(out, cat([record(type(x)._result, R["reshape"], (x,), (shape,)) for x in given], axis))


def hstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Joined along dimension 1 (0 for vectors)."""
    xs = [view_as_shape(x, (1,)) if not x._type.shape else x for x in tensors]
    return cat(xs, 0 if xs[0]._type.ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Joined along dimension 0 after making rows of vectors."""
    return cat([view_as_shape(x, (1, x._type.size)) if x._type.ndim < 2 else x for x in tensors], 0, out=out)


def axis_along(name: str, x: Any, dim: int) -> int:
    """A dimension that can be cut: 0-d tensors have none."""
    if not x._type.shape:
        raise ShapeError(f"{name} expects at least a 1-dimensional tensor", where=caller(), fix="reshape it to a vector")
    return axis_of(x, dim)


def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """`length` elements of dimension `dim` from `start`. A view."""
    a = axis_along("narrow", input, dim)
    n = input._type.shape[a]
    at = int(start) + n if start < 0 else int(start)
    if not 0 <= at <= n:
        raise RangeError(f"start out of range (expected to be in range of [-{n}, {n}], but got {start})", where=caller(), fix="stay inside")
    if at + length > n or length < 0:
        raise ArgumentError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).", where=caller(), fix="stay inside")
    return input[(slice(None),) * a + (slice(at, at + length),)]


def select(input: Any, dim: int, index: int) -> Any:
    """The slice at `index` of dimension `dim`, without that dimension. A view."""
    return input[(slice(None),) * axis_of(input, dim) + (index,)]


def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Pieces of one size (the last may be smaller) or of given sizes along `dim`."""
    n = tensor._type.shape[axis_along("split", tensor, dim)]
    if isinstance(split_size_or_sections, Cell) and not split_size_or_sections._type.shape:
        split_size_or_sections = int(split_size_or_sections)  # type: ignore[call-overload]  # a tensor
    if isinstance(split_size_or_sections, int):
        k = split_size_or_sections
        if k <= 0:
            raise ArgumentError(f"split expects a positive split size, got {k}", where=caller(), fix="use 1 or more")
        parts = [min(k, n - i) for i in range(0, n, k)] or [0]
    else:
        parts = list(split_size_or_sections)
        if any(k < 0 for k in parts):
            raise ArgumentError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={parts}",
                                where=caller(), fix="use 0 or more")  # fmt: skip
        if sum(parts) != n:
            raise ShapeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n}, but got {parts}", where=caller(),
                fix="make the sizes add up",
            )  # fmt: skip
    before = (slice(None),) * axis_of(tensor, dim)
    ends = list(accumulate(parts))
    return tuple([tensor[(*before, slice(end - k, end))] for k, end in zip(parts, ends, strict=True)])


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most `chunks` pieces of equal size (the last may be smaller)."""
    n, chunks = input._type.shape[axis_along("chunk", input, dim)], operator.index(chunks)
    if chunks <= 0:
        raise ArgumentError(f"chunk expects `chunks` to be greater than 0, got: {chunks}", where=caller(), fix="use 1 or more")
    if not n:
        return split(input, [0] * chunks, dim)
    return split(input, max(1, -(-n // chunks)), dim)


def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """All slices along `dim`."""
    if not input._type.shape:
        raise RangeError("Dimension specified as 0 but tensor has no dimensions", where=caller(), fix="reshape it to a vector")
    return tuple(select(input, dim, i) for i in range(input._type.shape[axis_of(input, dim)]))


def flip(input: Any, *dims: Any) -> Any:
    """Reversed along `dims`."""
    axes = tuple(sorted(axis_of(input, d) for d in sizes(dims)))
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"dim {axes[0]} appears multiple times in the list of dims", where=caller(), fix="name each once")
    if not input._type.shape:
        return input.clone()
    return record(type(input)._result, R["flip"], (input,), (axes,)) if axes else input.clone()


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Elements moved along `dims`, those pushed out coming in at the other end."""
    if dims is None or dims == ():
        if isinstance(shifts, tuple | list) and len(shifts) != 1:
            raise ArgumentError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims: 0", where=caller(), fix="name the dimensions")
        return reshape(roll(flatten(input), shifts, 0), input._type.shape)
    x = input
    moves, along = (v if isinstance(v, tuple | list) else (v,) for v in (shifts, dims))
    if len(moves) != len(along):
        raise ArgumentError(f"shifts and dimensions must align. shifts: {len(moves)}, dims: {len(along)}", where=caller(), fix="give one shift a dimension")
    for k, d in zip(moves, along, strict=True):
        n = x._type.shape[axis_of(x, d)]
        if n and k % n:
            x = cat([narrow(x, d, n - k % n, k % n), narrow(x, d, 0, n - k % n)], d)
    return x if x is not input else clone(x)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Coordinate grids of vectors; indexing "ij" (rows first) or "xy"."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    n = len(given)
    shape = tuple(x._type.size for x in given)
    grids = [expand(reshape(x, tuple(-1 if k == i else 1 for k in range(n))), shape) for i, x in enumerate(given)]
    return tuple(transpose(g, 0, 1) for g in grids) if indexing == "xy" and n > 1 else tuple(grids)


def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy that gradients flow through."""
    formatted(input, memory_format)
    return record(type(input)._result, R["mark"], (input,), (0,))


