"""PyTorch's order statistics and counting: quantiles, modes, the k-th, places in sorted rows, histograms.

`dim`: the dimension the rows run along; `keepdim` keeps it at length 1. Results with places are (values, indices).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.eager.cell import Cell
from fgrad.eager.record import record, record_items
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, DtypeError, RangeError, RuleError, ShapeError
from fgrad.functions import return_types as rt
from fgrad.functions.call import R, axis_of, coerce, compose, compose_many, convert, same, tensor_of
from fgrad.functions.exchange import placed
from fgrad.functions.pointwise import into
from fgrad.functions.reductions import drop, non_empty, sum, zero_index
from fgrad.functions.refusals import no_bools, numbers_of
from fgrad.functions.return_types import MinMax
from fgrad.functions.shape import flatten, reshape
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.primitives import composites as c
from fgrad.primitives import quantiles as order

__all__ = [
    "argsort", "bucketize", "histc", "histogram", "histogramdd", "kthvalue", "median", "mode", "msort", "nanmedian",
    "nanquantile", "quantile", "searchsorted", "sort", "sum_to_size", "topk", "unique_consecutive",
]  # fmt: skip

_numbers = range  # functions here have an argument of that name
RULES = ("linear", "lower", "higher", "midpoint", "nearest")


class Histogram(NamedTuple):
    """Counts and the edges between bins."""

    hist: Any
    bin_edges: Any


@rt.returns(rt.sort)
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> MinMax:
    """(values, indices) in order along `dim`; equal elements keep their order."""
    axis = axis_of(input, dim)
    if not input._type.shape:
        return MinMax(input.clone(), zero_index(input))
    index = compose(_positions, input, axis=axis)
    values, indices = record_items(type(input)._result, R["sort"], (input, index), sort_params(axis, descending))
    return MinMax(values, indices)


def sort_params(axis: int, descending: bool) -> tuple[Any, ...]:
    """Parameters of the sort primitive, in its declared order, with one key."""
    given = {"axis": axis, "num_keys": 1, "descending": descending}
    return tuple([given[n] for n in R["sort"].params])


def _positions(x: Any, *, axis: int) -> Any:
    return c.iota(shape=x.shape, dtype=np.dtype("int64"), axis=axis, device=x.device)


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The indices that sort along `dim`."""
    return sort(input, dim, descending).indices


@rt.returns(rt.topk)
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> MinMax:
    """(values, indices) of the `k` largest (smallest) along `dim`, in order."""
    axis, k = axis_of(input, dim), operator.index(k)
    n = input._type.shape[axis] if input._type.shape else 1
    if not 0 <= k <= n:
        raise ArgumentError(f"selected index k out of range: k={k} of {n}", where=caller(), fix=f"use k from 0 to {n}")
    if not input._type.shape:
        return MinMax(input.clone(), zero_index(input))
    values, indices = record_items(type(input)._result, R["top_k"], (input,), (k, axis, largest))
    return MinMax(values, indices)


@rt.returns(rt.median)
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median: of all elements, or (values, indices) along `dim`."""
    no_bools("median", input)
    flat = record(type(input)._result, R["reshape"], (input,), ((input._type.size,),)) if dim is None else input
    axis = 0 if dim is None else axis_of(flat, dim)
    if dim is None and not input._type.size:
        return compose(_nan, flat)
    if not flat._type.shape:
        return MinMax(flat.clone(), zero_index(flat))
    n = flat._type.shape[axis]
    non_empty(flat, (axis,), "median")
    found = topk(flat, (n + 1) // 2, axis, largest=False)
    values, indices = (last(t, axis) for t in found)
    if dim is None:
        return shared(flat, drop(values, 0))
    return MinMax(values, indices) if keepdim else MinMax(drop(values, axis), drop(indices, axis))


def last(x: Any, axis: int) -> Any:
    """The last slice along an axis, kept at length 1."""
    s = x._type.shape
    start = tuple(s[axis] - 1 if i == axis else 0 for i in range(len(s)))
    return record(type(x)._result, R["slice"], (x,), (start, s, (1,) * len(s)))


def _pair(rule: Callable[..., Any], name: str, x: Any, dim: int, keepdim: bool, **static: Any) -> MinMax:
    """A rule that gives (values, places) with the dimension kept."""
    axis = axis_of(x, dim)
    if kind(x._type.dtype) == "c":
        raise DtypeError(f'"{name}" not implemented for {x.dtype}', where=caller(), fix="order real numbers")
    if not x._type.shape:
        found = (x.clone(), zero_index(x))
    elif not x._type.shape[axis]:
        raise RangeError(f"{name}(): Expected reduction dim {axis} to have non-zero size", where=caller(), fix="give elements")
    else:
        found = compose_many(rule, x, axis=axis, **static)
        found = found if keepdim else tuple(drop(t, axis) for t in found)
    return MinMax(*found)


@rt.returns(rt.mode)
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> MinMax:
    """(the most frequent value of each row, the smallest of several; the place of its last occurrence)."""
    if kind(input._type.dtype) != "b":
        return _pair(order.mode, "mode", input, dim, keepdim)
    values, places = _pair(order.mode, "mode", convert(input, np.dtype("uint8")), dim, keepdim)
    return MinMax(convert(values, np.dtype("bool")), places)


@rt.returns(rt.kthvalue)
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> MinMax:
    """(the k-th smallest of each row, k counted from 1; its place)."""
    axis, n = axis_of(input, dim), 1
    no_bools("kthvalue", input)
    if input._type.shape:
        non_empty(input, (axis,), "kthvalue")
        n = input._type.shape[axis]
    if not 1 <= k <= n:
        raise ArgumentError(f"kthvalue(): selected number k out of range for dimension {dim}", where=caller(), fix=f"use 1 to {n}")
    return _pair(order.kth, "kthvalue", input, dim, keepdim, k=int(k))


@rt.returns(rt.nanmedian)
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of what is not NaN: of all elements, or (values, indices) along `dim`."""
    no_bools("nanmedian", input)
    if dim is not None:
        return _pair(order.nan_median, "nanmedian", input, dim, keepdim)
    flat = flatten(input)
    if not flat._type.size:
        return compose(_nan, flat)
    return shared(flat, drop(compose_many(order.nan_median, flat, axis=0)[0], 0))


def shared(flat: Any, value: Any) -> Any:
    """A median of all elements whose derivative goes to each that is equal to it, evenly, as PyTorch's."""
    return compose(_shared, flat, value) if flat._value.needs and flat._type.inexact else value


def _shared(x: Any, value: Any) -> Any:
    y = c.broadcast_to(c.stop_gradient(value), shape=x.shape)
    equal = c.select(c.eq(y, y), c.eq(x, y), c.ne(x, x))
    return c.reduce_max(c.select(equal, x, c.broadcast_to(c.number(-math.inf, x), shape=x.shape)), axes=(0,))


def _nan(x: Any) -> Any:
    return order.number(float("nan"), x)


def _quantile(name: str, x: Any, q: Any, dim: int | None, keepdim: bool, rule: str, out: Any, *, skip: bool) -> Any:
    if x._type.dtype.name not in ("float32", "float64"):
        raise DtypeError(f"{name}() input tensor must be either float or double dtype", where=caller(), fix="convert it")
    if rule not in RULES:
        raise ArgumentError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {rule}",
            where=caller(), fix="choose one of the five",
        )  # fmt: skip
    at = q if isinstance(q, Cell) else tensor_of(np.asarray(q, x._type.dtype), x)
    if at._type.dtype != x._type.dtype:
        raise DtypeError(f"{name}() q tensor must be same dtype as the input tensor", where=caller(), fix="convert q")
    if at._type.ndim > 1:
        raise ShapeError(f"{name}() q must be a scalar or 1D tensor", where=caller(), fix="flatten q")
    if not isinstance(q, Cell) and not 0 <= float(q) <= 1:
        raise ArgumentError(f"{name}() q must be in the range [0, 1] but got {q}", where=caller(), fix="use 0 to 1")
    if isinstance(q, Cell) and (known := numbers_of(q)) is not None and not ((known >= 0) & (known <= 1)).all():
        raise ArgumentError(f"{name}() q values must be in the range [0, 1]", where=caller(), fix="use 0 to 1")
    axis = 0 if dim is None else axis_of(x, dim)
    rows = flatten(x) if dim is None or not x._type.ndim else x
    if not rows._type.size:
        raise ArgumentError(f"{name}() input tensor must be non-empty", where=caller(), fix="give elements")
    y = compose(order.quantile, rows, reshape(at, (-1,)), axis=axis, between=rule, skip=skip)
    if not keepdim or not x._type.ndim:
        y = drop(y, axis + 1)
    elif dim is None:
        y = reshape(y, (y._type.shape[0], *(1,) * x._type.ndim))
    return into(out, y if at._type.ndim else drop(y, 0))


@full_precision("cpu")
def quantile(input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
             out: Any = None) -> Any:  # fmt: skip
    """What lies at the fraction `q` (a number, or a tensor of several, first in the result's shape) of each sorted row.

    interpolation between neighbours: linear, lower, higher, midpoint or nearest. A row with NaN gives NaN.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out, skip=False)


@full_precision("cpu")
def nanquantile(input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
                out: Any = None) -> Any:  # fmt: skip
    """As `quantile`, of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out, skip=True)


def msort(input: Any, *, out: Any = None) -> Any:
    """Sorted along the first dimension."""
    return into(out, sort(input, 0).values)


def searchsorted(sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
                 sorter: Any = None, out: Any = None) -> Any:  # fmt: skip
    """Places at which the values keep each sorted row sorted: before equal elements, or after (`right`, side="right").

    sorted_sequence: x[..., n], or one row for all.  input: x[..., m] or a number.  sorter: int64 order that sorts the rows.
    Returns int64 (int32 if `out_int32`) of the shape of `input`.
    """
    rows = sorted_sequence
    if side is not None and side not in ("left", "right"):
        raise ArgumentError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}", where=caller(), fix="choose one")
    if side == "left" and right:
        raise ArgumentError("torch.searchsorted(): side and right can't be set to opposites", where=caller(), fix="give one of them")
    if sorter is not None:
        rows = rows.gather(-1, sorter)
    values = tensor_of(coerce(input, rows), rows)
    if rows._type.ndim > 1 and rows._type.shape[:-1] != values._type.shape[:-1]:
        raise ShapeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, but we got {rows._type} and {values._type}", where=caller(), fix="match the rows",
        )  # fmt: skip
    keys, wanted = same((rows, values))
    if kind(keys._type.dtype) == "c":
        raise DtypeError("torch.searchsorted(): complex numbers have no order", where=caller(), fix="search real numbers")
    if keys._type.dtype.itemsize == 2 and kind(keys._type.dtype) == "f":
        keys, wanted = convert(keys, np.dtype("float32")), convert(wanted, np.dtype("float32"))
    shape = wanted._type.shape
    flat = reshape(wanted, (-1,)) if keys._type.ndim == 1 else wanted
    y = reshape(record(type(rows)._result, R["searchsorted"], (keys, flat), (right or side == "right",)), shape)
    return into(out, convert(y, np.dtype("int32")) if out_int32 else y)


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False, out: Any = None) -> Any:
    """The bucket each value falls into: boundaries[i - 1] < v <= boundaries[i] (`right`: <= and <)."""
    if boundaries._type.ndim != 1:
        raise ShapeError(f"bucketize: boundaries tensor must be 1 dimension, but got dim({boundaries._type.ndim})", where=caller(),
                         fix="give one row of boundaries")  # fmt: skip
    return searchsorted(boundaries, tensor_of(coerce(input, boundaries), boundaries), out_int32=out_int32, right=right, out=out)


def histc(input: Any, bins: int = 100, min: Any = 0, max: Any = 0, *, out: Any = None) -> Any:
    """Counts (in the input's dtype) of `bins` equal intervals of [min, max]; of the extremes if both are 0. Reads the numbers."""
    if kind(input._type.dtype) not in "f":
        raise DtypeError(f'"histogram_cpu" not implemented for {input.dtype}', where=caller(), fix="convert with .float()")
    if bins <= 0:
        raise ArgumentError("bins must be > 0", where=caller(), fix="ask for at least one")
    a = buffer_of(input).astype("float64").reshape(-1)
    low, high = float(min), float(max)
    if low == high and a.size:
        low, high = float(a.min()), float(a.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ArgumentError(f"range of [{low}, {high}] is not finite", where=caller(), fix="give min and max")
    if low > high:
        raise ArgumentError("max must be larger than min", where=caller(), fix="swap them")
    if low == high:
        low, high = low - 1, high + 1
    found = np.histogram(a, bins, (low, high))[0].astype(input._type.dtype)
    return into(out, placed(type(input)._result, found, input._device))


def _edges(x: Any, bins: Any, limits: Any) -> Any:
    """Edges as NumPy wants them, in float64."""
    if isinstance(bins, Cell):
        return buffer_of(bins).astype("float64")
    a = buffer_of(x).astype("float64")
    low, high = (a.min(), a.max()) if limits is None and a.size else (0.0, 1.0) if limits is None else limits
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, int(bins) + 1)


def histogram(input: Any, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False, out: Any = None) -> Histogram:
    """(counts, edges) of a number of equal bins of `range`, or of given edges; `density`: an integral of 1. Reads the numbers."""
    if isinstance(bins, int) and bins <= 0:
        raise ArgumentError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0", where=caller(), fix="use 1 or more")
    if isinstance(bins, Cell) and bins._type.ndim != 1:
        raise ShapeError(f"torch.histogram(): bins tensor should have one dimension, but got {bins._type}", where=caller(), fix="give a vector of edges")
    hist, edges = histogramdd(
        reshape(input, (-1, 1)), [bins], range=None if range is None else list(range),
        weight=None if weight is None else flatten(weight), density=density,
    )  # fmt: skip
    found = Histogram(hist, edges[0])
    return found if out is None else Histogram(into(out[0], hist), into(out[1], edges[0]))


def histogramdd(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """(counts, edges for each dimension) of points float[n, d], as `histogram` counts them."""
    if kind(input._type.dtype) != "f":
        raise RuleError(f'"histogramdd" not implemented for {input.dtype}', where=caller(), fix="convert with .float()")
    n = input._type.shape[-1]
    each = [bins] * n if isinstance(bins, int) else list(bins)
    if len(each) != n:
        raise ArgumentError(f"torch.histogramdd: expected one bins for each of the {n} dimensions", where=caller(), fix="give one each")
    limits = [None] * n if range is None else [tuple(range[2 * k : 2 * k + 2]) for k in _numbers(n)]
    points = reshape(input, (-1, n))
    edges = [_edges(points[:, k], each[k], limits[k]) for k in _numbers(n)]
    a = buffer_of(points).astype("float64")
    w = None if weight is None else buffer_of(weight).astype("float64").reshape(-1)
    hist = np.histogramdd(a, edges, weights=w, density=density)[0]
    cls, d = type(input)._result, input._type.dtype
    made = [placed(cls, np.ascontiguousarray(x.astype(d)), input._device) for x in (hist, *edges)]
    return Histogram(made[0], tuple(made[1:]))




def unique_consecutive(input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The first of each run of equal elements (slices along `dim`), with inverse places and run lengths if asked."""
    a = buffer_of(input)
    rows = a.reshape(-1) if dim is None else np.moveaxis(a, axis_of(input, dim), 0)
    n = rows.shape[0]
    new = np.ones(n, bool)
    if rows.size:
        new[1:] = (rows[1:] != rows[:-1]).reshape(n - 1, -1).any(1) if n > 1 else True
    kept = rows[new]
    inverse = np.cumsum(new) - 1
    counts = np.diff(np.append(np.flatnonzero(new), n))
    values = kept if dim is None else np.moveaxis(kept, 0, axis_of(input, dim))
    shaped = inverse.reshape(a.shape) if dim is None else inverse
    cls, device = type(input)._result, input._device
    made = [placed(cls, np.array(x, order="C"), device) for x in (values, shaped.astype("int64"), counts.astype("int64"))]
    chosen = [made[0], *([made[1]] if return_inverse else []), *([made[2]] if return_counts else [])]
    return tuple(chosen) if len(chosen) > 1 else chosen[0]


def sum_to_size(input: Any, *size: Any) -> Any:
    """Summed to a shape that broadcasts to the tensor's."""
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], Sequence) else tuple(size)
    own = input._type.shape
    lead = len(own) - len(shape)
    if lead < 0 or any(d not in (1, own[lead + i]) for i, d in enumerate(shape)):
        raise ShapeError(f"size {{{list(shape)}}} is not expandable to size {{{list(own)}}}.", where=caller(),
                         fix="give a shape that broadcasts to the tensor's")  # fmt: skip
    axes = [i for i, d in enumerate(own) if i < lead or (shape[i - lead] == 1 and d != 1)]
    return reshape(sum(input, axes) if axes else input, shape)


class OrderingMethods:
    """Tensor's methods of these operations."""

    __slots__ = ()
    sort, argsort, topk, median = sort, argsort, topk, median
    mode, kthvalue, nanmedian, quantile, nanquantile, msort = mode, kthvalue, nanmedian, quantile, nanquantile, msort
    histc, histogram, unique_consecutive, sum_to_size = histc, histogram, unique_consecutive, sum_to_size
