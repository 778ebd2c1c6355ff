"""NumPy's sorting, searching and selecting."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, call, call_many, reshape, same
from fgrad.eager.operands import compose, convert
from fgrad.eager.updates import READ, resolve_mode
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.numpy.choices import where
from fgrad.numpy.reductions import sum
from fgrad.numpy.shape import broadcast_to, moveaxis, ravel
from fgrad.primitives import composites as c
from fgrad.primitives.index import gather

__all__ = [
    "argsort", "argwhere", "bincount", "compress", "diff", "digitize", "extract", "flatnonzero", "interp", "lexsort",
    "nonzero", "searchsorted", "sort", "take", "take_along_axis", "unique",
]  # fmt: skip

INT64 = np.dtype("int64")


def sort(a: Any, axis: int | None = -1, *, descending: bool = False, stable: bool = True) -> Any:
    """In order along `axis` (flattened if None), stable; NaN last."""
    x = ravel(a) if axis is None else array_of(a)
    at = axis_of(x, -1 if axis is None else axis)
    return call_many("sort", x, axis=at, num_keys=1, descending=descending)[0]


def argsort(a: Any, axis: int | None = -1, *, descending: bool = False, stable: bool = True) -> Any:
    """int64 indices that sort along `axis`; equal elements keep their order."""
    x = ravel(a) if axis is None else array_of(a)
    at = axis_of(x, -1 if axis is None else axis)
    index = compose(positions, x, axis=at)
    return call_many("sort", x, index, axis=at, num_keys=1, descending=descending)[1]


def positions(x: Any, *, axis: int) -> Any:
    """The index of each element along `axis`."""
    return c.iota(shape=x.shape, dtype=INT64, axis=axis, device=x.device)


def lexsort(keys: Any, axis: int = -1) -> Any:
    """Indices that sort by several keys, the last one counting most."""
    xs = [array_of(k) for k in keys][::-1]
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


def searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    """Where elements of `v` go into the sorted vector `a`: int64, the count of elements before (side "left") or not after.

    Cost: one comparison for each pair.
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"no side {side!r}", where=caller(), fix='use "left" or "right"')
    x, y = same((a, v))
    wide = reshape(y, (*y._type.shape, 1))
    before = call("lt" if side == "left" else "le", x, wide)
    return sum(before, -1)


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The bin (between increasing edges) each element falls in."""
    return searchsorted(bins, x, "left" if right else "right")


def nonzero(a: Any, *, size: int | None = None, fill_value: int = 0) -> tuple[Any, ...]:
    """Indices of non-zero elements, one int64 vector an axis.

    Their number depends on values, so numbers are read, unless `size` fixes it: missing ones are `fill_value`.
    """
    x = array_of(a)
    if size is None:
        return tuple(array_of(i) for i in np.nonzero(np.atleast_1d(np.asarray(x))))
    flat = convert(call("ne", *same((ravel(x), 0))), np.dtype("bool"))
    order = argsort(call("bitwise_not", flat))[:size]
    order = order if order._type.size == size else call(
        "pad", order, array_of(0), low=(0,), high=(size - order._type.size,), interior=(0,))  # fmt: skip
    valid = call("lt", *same((array_of(np.arange(size)), broadcast_to(sum(flat), (size,)))))
    found = []
    for k, d in enumerate(x._type.shape):
        step = int(np.prod(x._type.shape[k + 1 :], dtype=np.int64))
        found.append(where(valid, order // max(step, 1) % max(d, 1), fill_value))
    return tuple(found)


def flatnonzero(a: Any) -> Any:
    """Indices of non-zero elements of the flattened array (its numbers are read)."""
    return nonzero(ravel(a))[0]


def argwhere(a: Any) -> Any:
    """int64[n, ndim]: indices of non-zero elements (its numbers are read)."""
    return array_of(np.argwhere(np.asarray(array_of(a))))


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: int | None = None) -> Any:  # fmt: skip
    """The distinct elements in order, with first indices, inverse and counts if asked (numbers are read)."""
    given: Any = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
    found = np.unique(np.asarray(array_of(ar)), axis=axis, **given)
    return tuple(array_of(x) for x in found) if isinstance(found, tuple) else array_of(found)


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


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours along `axis`, `n` times."""
    x = array_of(a)
    at = axis_of(x, axis)
    for _ in range(n):
        head = (slice(None),) * at
        later, sooner = x[(*head, slice(1, None))], x[(*head, slice(None, -1))]
        x = call("ne", later, sooner) if x._type.dtype.kind == "b" else later - sooner
    return x


def interp(x: Any, xp: Any, fp: Any) -> Any:
    """Linear interpolation between the points (xp, fp), xp increasing; constant outside."""
    at, knots, values = same((x, xp, fp), floating=True)
    n = knots._type.shape[0]
    i = searchsorted(knots, at, "right").clip(1, n - 1)
    low, high = knots[i - 1], knots[i]
    y = values[i - 1] + (at - low) * (values[i] - values[i - 1]) / (high - low)
    y = where(at < knots[0], values[0], y)
    return where(at > knots[n - 1], values[n - 1], y)
