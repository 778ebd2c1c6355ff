"""Primitives that place elements: repeat, reshape, permute, cut, pad, join, count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, RangeError, ShapeError, Where
from fgrad.ir.apply import broadcast_shapes, constant, primitive
from fgrad.ir.dtypes import Dtype, dtype_of
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.primitive import Each
from fgrad.ir.types import CPU, Device, TensorType, Type
from fgrad.primitives.checks import check_axes, check_kinds, check_rank, device_of, listed, store

Shape = tuple[int, ...]
ALL = "buifc"


def number(value: float | complex, like: Value) -> Value:
    """A 0-d constant of the dtype of `like`."""
    return constant(value, like.type)


def full(shape: Shape, value: float | complex, like: Value) -> Any:
    """A repeated constant of the dtype and on the device of `like`."""
    c = constant(value, like.type, like.device)
    return c if not shape else broadcast_to(c, shape=shape)


def spread(n: int, batched: tuple[bool, ...], *xs: Value) -> list[Value]:
    """Operands of one batch: those without the batch axis are repeated `n` times (a view)."""
    return [x if b else broadcast_to(x, shape=(n, *x.shape)) for x, b in zip(xs, batched, strict=True)]


def move_axis(x: Value, source: int, target: int) -> Any:
    """`x` with one axis moved."""
    order = [i for i in range(x.ndim) if i != source]
    order.insert(target, source)
    return x if source == target else transpose(x, axes=tuple(order))


def _broadcast_type(x: TensorType, *, shape: Shape, where: Where | None) -> Type:
    check_kinds("broadcast_to", ALL, (x,), where)
    if len(shape) < x.ndim or broadcast_shapes(x.shape, shape) != shape:
        raise ShapeError(
            f"broadcast_to: {x} does not repeat to {shape}",
            where=where,
            fix="reshape first: aligned at the right, every axis must be 1 or equal",
        )
    return x.with_shape(shape)


def _unbroadcast(ct: Value, x: Value, *, shape: Shape) -> Any:
    lead = len(shape) - x.ndim
    grown = [i + lead for i, d in enumerate(x.shape) if d != shape[i + lead]]
    axes = (*range(lead), *grown)
    if axes:
        ct = FUNCTIONS["reduce_sum"](ct, axes=axes)
    return ct if ct.shape == x.shape else reshape(ct, shape=x.shape)


def _batch_broadcast(n: int, batched: tuple[bool, ...], x: Value, *, shape: Shape) -> Any:
    if x.ndim <= len(shape):
        x = reshape(x, shape=(n, *(1,) * (len(shape) + 1 - x.ndim), *x.shape[1:]))
    return broadcast_to(x, shape=(n, *shape))


@primitive(
    type=_broadcast_type,
    lower=lambda xp, out, x, *, shape: xp.broadcast_to(x, shape) if out is None else store(xp, out, x),
    transpose={0: _unbroadcast},
    batch=_batch_broadcast,
    view_of=0,
)
def broadcast_to(x: Any, *, shape: Shape) -> Any:
    """`x` repeated along axes of length 1 and along new leading axes (a view: no copy)."""


def _reshape_type(x: TensorType, *, shape: Shape, where: Where | None) -> Type:
    check_kinds("reshape", ALL, (x,), where)
    if math.prod(shape) != x.size or any(d < 0 for d in shape):
        raise ShapeError(
            f"reshape: {x} has {x.size} elements, {shape} has {math.prod(shape)}",
            where=where,
            fix="keep the number of elements",
        )
    return x.with_shape(shape)


@primitive(
    type=_reshape_type,
    lower=lambda xp, out, x, *, shape: x.reshape(shape) if out is None else store(xp, out, x.reshape(shape)),
    transpose={0: lambda ct, x, *, shape: reshape(ct, shape=x.shape)},
    batch=lambda n, batched, x, *, shape: reshape(x, shape=(n, *shape)),
    view_of=0,
)
def reshape(x: Any, *, shape: Shape) -> Any:
    """The same elements, the last axis running fastest, in a new shape."""


def _transpose_type(x: TensorType, *, axes: Shape, where: Where | None) -> Type:
    check_kinds("transpose", ALL, (x,), where)
    check_rank("transpose", x, where, axes=axes)
    check_axes("transpose", x, axes, where)
    return x.with_shape(tuple(x.shape[a] for a in axes))


def inverse(axes: Shape) -> Shape:
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@primitive(
    type=_transpose_type,
    lower=lambda xp, out, x, *, axes: x.transpose(axes) if out is None else store(xp, out, x.transpose(axes)),
    transpose={0: lambda ct, x, *, axes: transpose(ct, axes=inverse(axes))},
    batch=lambda n, batched, x, *, axes: transpose(x, axes=(0, *(a + 1 for a in axes))),
    view_of=0,
)
def transpose(x: Any, *, axes: Shape) -> Any:
    """Axis `i` of the result is axis `axes[i]` of `x` (a view: no copy)."""


def _flip_type(x: TensorType, *, axes: Shape, where: Where | None) -> Type:
    check_kinds("flip", ALL, (x,), where)
    check_axes("flip", x, axes, where)
    return x


def _flip(xp: Any, out: Any, x: Any, *, axes: Shape) -> Any:
    cut = tuple([slice(None, None, -1 if i in axes else 1) for i in range(x.ndim)])
    y = x[(*cut, ...)]  # the Ellipsis keeps 0-d arrays arrays
    return y if out is None else store(xp, out, y)


@primitive(
    type=_flip_type,
    lower=_flip,
    transpose={0: lambda ct, x, *, axes: flip(ct, axes=axes)},
    batch=lambda n, batched, x, *, axes: flip(x, axes=tuple(a + 1 for a in axes)),
    view_of=0,
)
def flip(x: Any, *, axes: Shape) -> Any:
    """Elements in reverse order along `axes` (a view: no copy)."""


def _slice_type(x: TensorType, *, start: Shape, stop: Shape, step: Shape, where: Where | None) -> Type:
    check_kinds("slice", ALL, (x,), where)
    check_rank("slice", x, where, start=start, stop=stop, step=step)
    for i, (a, b, s, d) in enumerate(zip(start, stop, step, x.shape, strict=True)):
        if not 0 <= a <= b <= d:
            raise RangeError(
                f"slice: {a}:{b} on axis {i} leaves {x}", where=where, fix=f"keep 0 <= start <= stop <= {d}"
            )
        if s < 1:
            raise ArgumentError(f"slice: step {s} on axis {i}", where=where, fix="use a positive step and flip")
    return x.with_shape(tuple(-(-(b - a) // s) for a, b, s in zip(start, stop, step, strict=True)))


def _cut(start: Shape, stop: Shape, step: Shape) -> tuple[Any, ...]:
    return tuple(map(slice, start, stop, step))


def _slice(xp: Any, out: Any, x: Any, *, start: Shape, stop: Shape, step: Shape) -> Any:
    y = x[(*_cut(start, stop, step), ...)]
    return y if out is None else store(xp, out, y)


def _unslice(ct: Value, x: Value, *, start: Shape, stop: Shape, step: Shape) -> Any:
    ends = [a + (n - 1) * s + 1 if n else a for a, n, s in zip(start, ct.shape, step, strict=True)]
    high = tuple(d - e for d, e in zip(x.shape, ends, strict=True))
    return pad(ct, number(0, ct), low=start, high=high, interior=tuple(s - 1 for s in step))


@primitive(
    type=_slice_type,
    lower=_slice,
    transpose={0: _unslice},
    batch=lambda n, batched, x, *, start, stop, step: slice_(x, start=(0, *start), stop=(n, *stop), step=(1, *step)),
    view_of=0,
)
def slice_(x: Any, *, start: Shape, stop: Shape, step: Shape) -> Any:
    """`x[start[0]:stop[0]:step[0], ...]`, 0 <= start <= stop <= length, step > 0 (a view: no copy)."""


def _pad_type(
    x: TensorType, value: TensorType, *, low: Shape, high: Shape, interior: Shape, where: Where | None
) -> Type:
    check_kinds("pad", ALL, (x, value), where)
    check_rank("pad", x, where, low=low, high=high, interior=interior)
    if value.shape:
        raise ShapeError(f"pad: the padding value is {value}", where=where, fix="pad with a 0-d value")
    shape = tuple(a + d + max(d - 1, 0) * i + b for a, b, i, d in zip(low, high, interior, x.shape, strict=True))
    if min(shape, default=0) < 0 or min(interior, default=0) < 0:
        raise ShapeError(
            f"pad: low={low}, high={high}, interior={interior} leave {shape} of {x}",
            where=where,
            fix="cut less than the length of every axis; interior must not be negative",
        )
    return x.with_shape(shape)


def kept(length: int, target: int, low: int, step: int) -> tuple[slice, slice]:
    """Which elements of a padded axis land in the result, and where."""
    first = max(0, -(low // step))
    last = min(length, -(-(target - low) // step))
    start = low + first * step
    return slice(first, max(first, last)), slice(start, max(start, low + (last - 1) * step + 1), step)


def _pad(xp: Any, out: Any, x: Any, value: Any, *, low: Shape, high: Shape, interior: Shape) -> Any:
    if out is None:
        lengths = zip(low, high, interior, x.shape, strict=True)
        out = xp.empty(tuple([a + d + max(d - 1, 0) * i + b for a, b, i, d in lengths]), x.dtype)
    out[...] = value
    if x.size and out.size:
        cuts = [kept(d, t, a, i + 1) for d, t, a, i in zip(x.shape, out.shape, low, interior, strict=True)]
        out[tuple([c[1] for c in cuts])] = x[tuple([c[0] for c in cuts])]
    return out


def _unpad(ct: Value, x: Value, value: Value, *, low: Shape, high: Shape, interior: Shape) -> Any:
    zero = (0,) * len(low)
    back = pad(ct, number(0, ct), low=tuple(-a for a in low), high=tuple(-b for b in high), interior=zero)
    return slice_(back, start=zero, stop=back.shape, step=tuple(i + 1 for i in interior))


def _padding_mask(shape: Shape, device: Device, low: Shape, high: Shape, interior: Shape) -> Any:
    """True where `pad` writes the padding value."""
    inside = constant(np.zeros((), bool), device=device)
    inside = inside if not shape else broadcast_to(inside, shape=shape)
    return pad(inside, constant(np.ones((), bool)), low=low, high=high, interior=interior)


def _unpad_value(ct: Value, x: Value, value: Value, *, low: Shape, high: Shape, interior: Shape) -> Any:
    there = FUNCTIONS["select"](_padding_mask(x.shape, ct.device, low, high, interior), ct, number(0, ct))
    return FUNCTIONS["reduce_sum"](there, axes=tuple(range(ct.ndim)))


def _batch_pad(
    n: int, batched: tuple[bool, ...], x: Value, value: Value, *, low: Shape, high: Shape, interior: Shape
) -> Any:
    more = {"low": (0, *low), "high": (0, *high), "interior": (0, *interior)}
    (x,) = spread(n, batched[:1], x)
    if not batched[1]:
        return pad(x, value, **more)
    y = pad(x, number(0, x), **more)
    values = broadcast_to(reshape(value, shape=(n, *(1,) * (y.ndim - 1))), shape=y.shape)
    return FUNCTIONS["select"](_padding_mask(x.shape, y.device, **more), values, y)


@primitive(type=_pad_type, lower=_pad, joint=(), transpose={0: _unpad, 1: _unpad_value}, batch=_batch_pad)
def pad(x: Any, value: Any, *, low: Shape, high: Shape, interior: Shape) -> Any:
    """`x` with `low` and `high` copies of the 0-d `value` around it and `interior` between neighbours, per axis.

    low, high: may be negative, which cuts.  Length of an axis: low + d + max(d - 1, 0) * interior + high.
    Source: XLA operation semantics, Pad.
    """


def _concatenate_type(*xs: TensorType, axis: int, where: Where | None) -> Type:
    if not xs:
        raise ShapeError("concatenate: no operands", where=where, fix="give at least one tensor")
    check_kinds("concatenate", ALL, xs, where)
    check_axes("concatenate", xs[0], (axis,), where)
    rest = {(t.ndim, t.shape[:axis], t.shape[axis + 1 :]) for t in xs}
    if len(rest) > 1:
        raise ShapeError(
            f"concatenate: {listed(xs)} differ outside axis {axis}", where=where, fix="make every other axis equal"
        )
    shape = (*xs[0].shape[:axis], sum(t.shape[axis] for t in xs), *xs[0].shape[axis + 1 :])
    return TensorType(shape, xs[0].dtype, device_of(xs))


def _part(i: int, ct: Value, *xs: Value, axis: int) -> Any:
    at = sum(x.shape[axis] for x in xs[:i])
    start, stop = [0] * ct.ndim, list(ct.shape)
    start[axis], stop[axis] = at, at + xs[i].shape[axis]
    return slice_(ct, start=tuple(start), stop=tuple(stop), step=(1,) * ct.ndim)


@primitive(
    type=_concatenate_type,
    lower=lambda xp, out, *xs, axis: xp.concatenate(xs, axis=axis, out=out),
    joint=(),
    transpose=Each(_part),
    batch=lambda n, batched, *xs, axis: concatenate(*spread(n, batched, *xs), axis=axis + 1),
)
def concatenate(*xs: Any, axis: int) -> Any:
    """The operands one after another along `axis`; every other axis is equal."""


def _iota_type(*, shape: Shape, dtype: Dtype, axis: int, device: Device, where: Where | None) -> Type:
    t = TensorType(shape, dtype, device)
    check_kinds("iota", "uifc", (t,), where)
    check_axes("iota", t, (axis,), where)
    return t


def _iota(xp: Any, out: Any, *, shape: Shape, dtype: Dtype, axis: int, device: Device) -> Any:
    row = (
        xp.arange(shape[axis])
        .astype(dtype_of(dtype))
        .reshape(tuple([-1 if i == axis else 1 for i in range(len(shape))]))
    )
    return store(xp, out, row) if out is not None else xp.array(xp.broadcast_to(row, shape))


@primitive(type=_iota_type, lower=_iota)
def iota(*, shape: Shape, dtype: Dtype, axis: int, device: Device = CPU) -> Any:
    """Every element is its own position along `axis`."""


def _update_type(x: TensorType, y: TensorType, *, start: Shape, step: Shape, where: Where | None) -> Type:
    check_kinds("update_slice", ALL, (x, y), where)
    check_rank("update_slice", x, where, start=start, step=step, shape=y.shape)
    for i, (a, s, d, n) in enumerate(zip(start, step, x.shape, y.shape, strict=True)):
        if a < 0 or s < 1 or (n and a + (n - 1) * s >= d) or a > d:
            raise RangeError(
                f"update_slice: {n} elements from {a} by {s} on axis {i} leave {x}",
                where=where,
                fix="write inside the tensor, with a positive step",
            )
    return TensorType(x.shape, x.dtype, device_of((x, y)))


def _update_cut(shape: Shape, start: Shape, step: Shape) -> dict[str, Shape]:
    stop = tuple(a + (n - 1) * s + 1 if n else a for a, s, n in zip(start, step, shape, strict=True))
    return {"start": start, "stop": stop, "step": step}


def _update(xp: Any, out: Any, x: Any, y: Any, *, start: Shape, step: Shape) -> Any:
    out = xp.array(x) if out is None else store(xp, out, x)
    out[_cut(**_update_cut(y.shape, start, step))] = y
    return out


@primitive(
    type=_update_type,
    lower=_update,
    joint=(),
    transpose={
        0: lambda ct, x, y, *, start, step: update_slice(ct, full(y.shape, 0, ct), start=start, step=step),
        1: lambda ct, x, y, *, start, step: slice_(ct, **_update_cut(y.shape, start, step)),
    },
    batch=lambda n, batched, x, y, *, start, step: update_slice(
        *spread(n, batched, x, y), start=(0, *start), step=(1, *step)
    ),
)
def update_slice(x: Any, y: Any, *, start: Shape, step: Shape) -> Any:
    """`x` with `x[start[0]::step[0], ...]`, as far as `y` reaches, replaced by `y`."""
