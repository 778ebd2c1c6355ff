"""NumPy's sorting, searching and selecting."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, call, call_many, reshape, same
from fgrad.eager.operands import compose, convert
from fgrad.eager.updates import READ, resolve_mode
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.choices import where
from fgrad.numpy.complex_order import ordered
from fgrad.numpy.elementwise import clip, less, less_equal
from fgrad.numpy.reductions import sum
from fgrad.numpy.shape import broadcast_to, concatenate, moveaxis, ravel, stack
from fgrad.primitives import composites as c
from fgrad.primitives.index import gather

__all__ = [
    "argsort", "argwhere", "bincount", "compress", "diff", "digitize", "extract", "flatnonzero", "lexsort",
    "nonzero", "searchsorted", "sort", "take", "take_along_axis", "unique",
]  # fmt: skip

INT64 = np.dtype("int64")


def sort(a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool = True,
         descending: bool = False) -> Any:
    """In order along `axis` (flattened if None), stable; NaN last. Complex numbers by real part, then by imaginary part."""
    x = ravel(a) if axis is None else array_of(a)
    return ordered(x, axis_of(x, -1 if axis is None else axis), descending, x)[0]


def argsort(a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool = True,
         descending: bool = False) -> Any:
    """int64 indices that sort along `axis`; equal elements keep their order."""
    x = ravel(a) if axis is None else array_of(a)
    at = axis_of(x, -1 if axis is None else axis)
    return ordered(x, at, descending, compose(positions, x, axis=at))[0]


def positions(x: Any, *, axis: int) -> Any:
    """The index of each element along `axis`."""
    return c.iota(shape=x.shape, dtype=INT64, axis=axis, device=x.device)


def lexsort(keys: Any, axis: int = -1) -> Any:
    """Indices that sort by several keys, the last one counting most."""
    xs = [part for k in map(array_of, [*keys][::-1]) for part in ((call("real", k), call("imag", k)) if k._type.dtype.kind == "c" else (k,))]
    at = axis_of(xs[0], axis)
    index = compose(positions, xs[0], axis=at)
    return call_many("sort", *xs, index, axis=at, num_keys=len(xs), descending=False)[-1]


def take(a: Any, indices: Any, axis: int | None = None, mode: str | None = None, fill_value: Any = None) -> Any:
    """Slices along `axis` (of the flattened array if None) at `indices`.

    mode for indices out of range: "fill" (the default: `fill_value`, or NaN; see `x.at[].get`), "clip" or "wrap".
    """
    x = ravel(a) if axis is None else array_of(a)
    at, i = axis_of(x, axis or 0), array_of(indices)
    n = x._type.shape[at]
    place = (slice(None),) * at
    if mode == "wrap":
        return x._read((*place, i % n), "clip")
    if mode == "clip":  # negative ones are out of range, as in NumPy
        return x._read((*place, clip(i, 0, max(n - 1, 0))), "clip")
    return x.at[(*place, i)].get(mode="fill" if mode is None else mode, fill_value=fill_value)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1, mode: str | None = None) -> Any:
    """out[i][j] = arr[indices[i][j]][j] along axis 0 and so on; the other axes broadcast. mode: "clip" or "fill"."""
    x, i = array_of(arr), array_of(indices)
    if axis is None:
        x, axis = ravel(x), 0
    at = axis_of(x, axis)
    if i._type.ndim != x._type.ndim:
        raise ArgumentError(
            f"take_along_axis indices must have the same number of dimensions: {i._type} for {x._type}", where=caller(),
            fix="add axes of length 1 to the indices",
        )  # fmt: skip
    common = tuple(
        d if k == at else max(d, e) if 0 not in (d, e) else 0
        for k, (d, e) in enumerate(zip(i._type.shape, x._type.shape, strict=True))
    )
    source = broadcast_to(x, tuple(x._type.shape[k] if k == at else d for k, d in enumerate(common)))
    how = resolve_mode(mode, {**READ, None: "clip"})
    return compose(along, source, convert(broadcast_to(i, common), INT64), axis=at, mode=how)


def along(x: Any, index: Any, *, axis: int, mode: str) -> Any:
    """Gather along one axis, the others paired."""
    shape, device = index.shape, index.device
    where_ = [index if k == axis else c.iota(shape=shape, dtype=INT64, axis=k, device=device) for k in range(len(shape))]
    return gather(x, *where_, axes=tuple(range(x.ndim)), mode=mode)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: str = "scan") -> Any:
    """Where elements of `v` go into the sorted vector `a`: int64, before equal elements (side "left") or after them.

    sorter: indices that sort `a`.  method: accepted, it is always a binary search. NaN counts as the largest.
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"no side {side!r}", where=caller(), fix='use "left" or "right"')
    x, y = same((a, v))
    if x._type.ndim != 1:
        raise ShapeError(f"searchsorted takes a sorted vector, found {x._type}", where=caller(), fix="use vmap for several")
    if sorter is not None:
        x = x[array_of(sorter)]
    if x._type.dtype.kind == "c":  # by comparing every pair
        before = (less if side == "left" else less_equal)(x, reshape(y, (*y._type.shape, 1)))
        return sum(before, axis=-1, dtype=INT64)
    if x._type.dtype.itemsize == 2 and x._type.dtype.kind not in "iu":
        x, y = (convert(t, np.dtype("float32")) for t in (x, y))
    return reshape(call("searchsorted", x, reshape(y, (y._type.size,)), right=side == "right"), y._type.shape)


def digitize(x: Any, bins: Any, right: bool = False, *, method: str | None = None) -> Any:
    """The bin (between edges that rise or fall) each element falls in. right: bins hold their upper edge."""
    edges = array_of(bins)
    n = edges._type.shape[0]
    up = searchsorted(edges, x, "left" if right else "right")
    if n < 2:
        return up
    down = n - searchsorted(edges[::-1], x, "right" if right else "left")
    return where(edges[-1] >= edges[0], up, down)


def nonzero(a: Any, *, size: int | None = None, fill_value: Any = 0) -> tuple[Any, ...]:
    """Indices of non-zero elements, one int64 vector an axis.

    Their number depends on values, so numbers are read, unless `size` fixes it: missing ones are `fill_value`.
    """
    x = array_of(a)
    if not x._type.shape:
        raise ShapeError("nonzero of a 0-d array: there is no axis to count along", where=caller(), fix="use atleast_1d(x) first")
    if size is None:
        return tuple(array_of(i) for i in np.nonzero(np.asarray(x)))
    flat = convert(call("ne", *same((ravel(x), 0))), np.dtype("bool"))
    shape = x._type.shape or (1,)
    order = argsort(call("bitwise_not", flat))[:size]
    order = order if order._type.size == size else call(
        "pad", order, array_of(0), low=(0,), high=(size - order._type.size,), interior=(0,))  # fmt: skip
    valid = call("lt", *same((array_of(np.arange(size)), broadcast_to(sum(flat), (size,)))))
    found = []
    for k, d in enumerate(shape):
        step = int(np.prod(shape[k + 1 :], dtype=np.int64))
        fill = fill_value[k] if isinstance(fill_value, tuple | list) else fill_value
        found.append(where(valid, order // max(step, 1) % max(d, 1), 0 if fill is None else fill))
    return tuple(found)


def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """Indices of non-zero elements of the flattened array (its numbers are read unless `size` is given)."""
    return nonzero(ravel(a), size=size, fill_value=fill_value)[0]


def argwhere(a: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """int64[n, ndim]: indices of non-zero elements (its numbers are read unless `size` is given)."""
    if size is not None:
        found = nonzero(a, size=size, fill_value=fill_value)
        return stack(found, 1) if found else array_of(np.zeros((size, 0), np.int64))
    return array_of(np.argwhere(np.asarray(array_of(a))))


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: int | None = None, *, equal_nan: bool = True, size: int | None = None, fill_value: Any = None,
           sorted: bool = True) -> Any:  # fmt: skip
    """The distinct elements in order, with first indices, inverse and counts if asked.

    Their number depends on values, so numbers are read, unless `size` fixes it (of the flattened array): missing ones
    are `fill_value`, or the least. equal_nan: all NaN are one.
    """
    if size is not None:
        if axis is not None:
            raise ArgumentError("unique with both size and axis", where=caller(), fix="leave one out")
        found = fixed_unique(ravel(ar), size, fill_value, equal_nan)
        inverse = reshape(found[2], array_of(ar)._type.shape)
        asked = zip((found[1], inverse, found[3]), (return_index, return_inverse, return_counts), strict=True)
        extra = tuple([x for x, wanted in asked if wanted])
        return (found[0], *extra) if extra else found[0]
    given: Any = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
    host = np.unique(np.asarray(array_of(ar)), axis=axis, equal_nan=equal_nan, **given)
    return tuple(array_of(x) for x in host) if isinstance(host, tuple) else array_of(host)


def fixed_unique(x: Any, size: int, fill_value: Any, equal_nan: bool) -> tuple[Any, Any, Any, Any]:
    """(values, first indices, inverse, counts) of a vector, `size` of them."""
    n = x._type.size
    if not n:
        empty = array_of(np.zeros(size, np.int64))
        full = convert(broadcast_to(array_of(0 if fill_value is None else fill_value), (size,)), x._type.dtype)
        return full, empty, array_of(np.zeros(0, np.int64)), empty
    order = argsort(x)
    rows = x[order]
    new = call("ne", rows[1:], rows[:-1])
    if equal_nan:
        new = call("bitwise_and", new, call("eq", rows[:-1], rows[:-1]))
    first = call("pad", new, array_of(np.asarray(True)), low=(1,), high=(0,), interior=(0,))
    bounds = nonzero(first, size=size + 1, fill_value=n)[0]
    at, following = bounds[:-1], bounds[1:]
    there = call("lt", *same((at, n)))
    fill = rows[0] if fill_value is None else fill_value
    values = where(there, rows[at], convert(array_of(fill), x._type.dtype))
    counts = where(there, following - at, 0)
    inverse = array_of(np.zeros(n, np.int64)).at[order].set(call("cumsum", convert(first, INT64), axis=0) - 1)
    return values, where(there, order[at], order[0]), inverse, counts


def bincount(x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None) -> Any:
    """How often each integer occurs, or the sum of its weights. The largest is read unless `length` fixes the size."""
    i = array_of(x)
    n = length if length is not None else max(int(np.asarray(i).max(initial=-1)) + 1, minlength)
    w = array_of(np.ones((), np.int64)) if weights is None else array_of(weights)
    w = broadcast_to(w, i._type.shape)
    zero = call("sub", *same((w[:0], w[:0])))
    start = call("pad", zero, array_of(np.zeros((), w._type.dtype)), low=(0,), high=(n,), interior=(0,))
    return start.at[i].add(w, mode="drop")


def extract(condition: Any, arr: Any) -> Any:
    """Elements where the condition holds (its numbers are read)."""
    return ravel(arr)[nonzero(ravel(condition))[0]]


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Slices along `axis` where the condition vector holds (its numbers are read)."""
    x = ravel(a) if axis is None else array_of(a)
    found = nonzero(condition)[0]
    return moveaxis(moveaxis(x, axis or 0, 0)[found], 0, axis or 0)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along `axis`, `n` times, after putting `prepend` and `append` at the ends."""
    x = array_of(a)
    if not x._type.ndim:
        raise ArgumentError("diff requires input that is at least one dimensional", where=caller(), fix="give a vector")
    at = axis_of(x, axis)
    if prepend is not None or append is not None:
        row = tuple(1 if i == at else d for i, d in enumerate(x._type.shape))
        ends = [None if e is None else array_of(e) if array_of(e)._type.ndim else broadcast_to(e, row) for e in (prepend, append)]
        x = concatenate([e for e in (ends[0], x, ends[1]) if e is not None], at)
    for _ in range(n):
        head = (slice(None),) * at
        later, sooner = x[(*head, slice(1, None))], x[(*head, slice(None, -1))]
        x = call("ne", later, sooner) if x._type.dtype.kind == "b" else later - sooner
    return x
