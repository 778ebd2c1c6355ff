"""Sorting and the largest elements; NaN is larger than all, as in PyTorch."""

from __future__ import annotations

from typing import Any

from fgrad.errors import ArgumentError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.primitive import Each
from fgrad.ir.types import INT64, TensorType, TupleType, Type
from fgrad.primitives.checks import check_axes, check_kinds, device_of, is_half, listed, store
from fgrad.primitives.index import along
from fgrad.primitives.shape import iota, spread
from fgrad.primitives.structure import item


def _sort_type(*xs: TensorType, axis: int, num_keys: int, descending: bool, where: Where | None) -> Type:
    if not 1 <= num_keys <= len(xs):
        raise ArgumentError(f"sort: {num_keys} keys of {len(xs)} operands", where=where, fix="use at least one key")
    for i, x in enumerate(xs):
        check_kinds("sort", "buif" if i < num_keys else "buifc", (x,), where)
    check_axes("sort", xs[0], (axis,), where)
    if any(x.shape != xs[0].shape for x in xs):
        raise ShapeError(f"sort: shapes differ in {listed(xs)}", where=where, fix="give operands of one shape")
    return TupleType(tuple([TensorType(x.shape, x.dtype, device_of(xs)) for x in xs]))


def _order(xp: Any, key: Any, axis: int, descending: bool) -> Any:
    """Stable positions that sort `key`."""
    if is_half(key.dtype):
        key = key.astype("float32")
    if not descending:
        return xp.argsort(key, axis=axis, kind="stable")
    last = key.shape[axis] - 1
    return last - xp.flip(xp.argsort(xp.flip(key, axis), axis=axis, kind="stable"), axis)


def _sort(xp: Any, out: Any, *xs: Any, axis: int, num_keys: int, descending: bool) -> Any:
    order = None
    for key in xs[num_keys - 1 :: -1]:  # the last key first: later, stable sorts keep its order among equals
        if order is None:
            order = _order(xp, key, axis, descending)
        else:
            then = _order(xp, xp.take_along_axis(key, order, axis), axis, descending)
            order = xp.take_along_axis(order, then, axis)
    outs = (None,) * len(xs) if out is None else out
    return tuple([store(xp, o, xp.take_along_axis(x, order, axis)) for o, x in zip(outs, xs, strict=True)])


def _sort_x(i: int, d: Value, y: Value, *xs: Value, axis: int, num_keys: int, descending: bool) -> tuple[Any, ...]:
    """The tangent in the order of the keys; a counter among the operands is that order already."""
    params = {"axis": axis, "num_keys": num_keys, "descending": descending}
    counters = [k for k, x in enumerate(xs) if k >= num_keys and x.prim is not None and x.prim.name == "iota"]
    counters = [k for k in counters if xs[k].named_params["axis"] == axis and xs[k].dtype == INT64]
    if counters:
        order = item(y, index=counters[0])
    else:
        count = iota(shape=d.shape, dtype=INT64, axis=axis, device=d.device)
        order = item(sort(*xs[:num_keys], count, **params), index=num_keys)
    moved = along(d, order, axis)
    return tuple([moved if k == i else None for k in range(len(xs))])


@primitive(
    type=_sort_type,
    lower=_sort,
    jvp=Each(_sort_x),
    batch=lambda n, batched, *xs, axis, **params: sort(*spread(n, batched, *xs), axis=axis + 1, **params),
    flops=lambda y, *xs, num_keys, **params: num_keys * xs[0].size * max(1, xs[0].size.bit_length()),
)
def sort(*xs: Any, axis: int, num_keys: int, descending: bool) -> Any:
    """The operands in the order that sorts the first `num_keys` of them along `axis`, the first key counting most.

    Stable, descending too.  Returns a tuple: every operand in that order.
    """


def _top_type(x: TensorType, *, k: int, axis: int, largest: bool, where: Where | None) -> Type:
    check_kinds("top_k", "buif", (x,), where)
    check_axes("top_k", x, (axis,), where)
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(
            f"top_k: k={k} of axis {axis} of {x}", where=where, fix="ask for at most the length of the axis"
        )
    t = x.with_shape((*x.shape[:axis], k, *x.shape[axis + 1 :]))
    return TupleType((t, t.with_dtype(INT64)))


def _top(xp: Any, out: Any, x: Any, *, k: int, axis: int, largest: bool) -> Any:
    order = _order(xp, x, axis, largest)[(*(slice(None),) * axis, slice(0, k))]
    values, positions = (None, None) if out is None else out
    return store(xp, values, xp.take_along_axis(x, order, axis)), store(xp, positions, order)


@primitive(
    type=_top_type,
    lower=_top,
    jvp={0: lambda dx, y, x, *, k, axis, largest: (along(dx, item(y, index=1), axis), None)},
    batch=lambda n, batched, x, *, k, axis, largest: top_k(x, k=k, axis=axis + 1, largest=largest),
    flops=lambda y, x, **params: x.size * max(1, x.size.bit_length()),
)
def top_k(x: Any, *, k: int, axis: int, largest: bool) -> Any:
    """The `k` largest (or smallest) elements along `axis`, in order, and their int64 positions; the first of equals.

    Returns a tuple (values, positions).
    """
