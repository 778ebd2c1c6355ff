"""Reading and writing by index: gather and scatter, which transpose to each other, and slices that start at run time."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, RangeError, ShapeError, Where
from fgrad.ir.apply import constant, primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import INT64, TensorType, Type
from fgrad.primitives import indexing
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.checks import check_axes, check_kinds, check_rank, device_of, listed, store
from fgrad.primitives.compare import clamp, eq, select
from fgrad.primitives.shape import ALL, broadcast_to, full, inverse, iota, move_axis, number, reshape, spread, transpose

Axes = tuple[int, ...]
_TO_SCATTER = {"raise": "clip", "clip": "clip", "fill": "drop"}  # a "raise" that came so far is in range
_TO_GATHER = {"raise": "clip", "clip": "clip", "drop": "fill"}


def _other(ndim: int, axes: Axes) -> Axes:
    return tuple([i for i in range(ndim) if i not in axes])


def _check_indices(
    name: str, x: TensorType, indices: tuple[TensorType, ...], axes: Axes, mode: str, modes: str, where: Where | None
) -> None:
    check_axes(name, x, axes, where)
    if not axes or len(axes) != len(indices) or list(axes) != sorted(axes):
        raise ArgumentError(
            f"{name}: {len(indices)} index tensors for axes {axes}",
            where=where,
            fix="give one index tensor for each axis, the axes ascending",
        )
    check_kinds(name, "ui", indices, where)
    if any(t.shape != indices[0].shape for t in indices):
        raise ShapeError(
            f"{name}: index shapes differ in {listed(indices)}", where=where, fix="broadcast_to one shape first"
        )
    if mode not in modes.split():
        raise ArgumentError(f"{name}: no mode {mode!r}", where=where, fix=f"use one of {modes}")
    if mode == "clip" and indices[0].size and any(x.shape[a] == 0 for a in axes):
        raise RangeError(f"{name}: nothing to clip to in {x}", where=where, fix="index a tensor that has elements")


def _gather_type(x: TensorType, *indices: TensorType, axes: Axes, mode: str, where: Where | None) -> Type:
    check_kinds("gather", ALL, (x,), where)
    _check_indices("gather", x, indices, axes, mode, "raise clip fill", where)
    shape = (*indices[0].shape, *[x.shape[i] for i in _other(x.ndim, axes)])
    return TensorType(shape, x.dtype, device_of((x, *indices)))


def _gather_back(ct: Value, x: Value, *indices: Value, axes: Axes, mode: str) -> Any:
    zeros = full(x.shape, 0, ct)
    return scatter(zeros, ct, *indices, axes=axes, op="add", mode=_TO_SCATTER[mode])


def _numbered(n: int, indices: list[Value]) -> tuple[Value, ...]:
    """Batched indices, preceded by the number of the example."""
    first = indices[0]
    return (iota(shape=first.shape, dtype=first.dtype, axis=0, device=first.device), *indices)


def _batch_gather(n: int, batched: tuple[bool, ...], x: Value, *indices: Value, axes: Axes, mode: str) -> Any:
    if not any(batched[1:]):
        y = gather(x, *indices, axes=tuple([a + 1 for a in axes]), mode=mode)
        return move_axis(y, indices[0].ndim, 0)
    indices = tuple(spread(n, batched[1:], *indices))
    if not batched[0]:
        return gather(x, *indices, axes=axes, mode=mode)
    return gather(x, *_numbered(n, list(indices)), axes=(0, *[a + 1 for a in axes]), mode=mode)


@primitive(
    type=_gather_type,
    lower=indexing.gather,
    transpose={0: _gather_back},
    batch=_batch_gather,
    check=lambda xp, x, *indices, axes, mode: indexing.bad_index(xp, x, indices, axes),
)
def gather(x: Any, *indices: Any, axes: Axes, mode: str) -> Any:
    """Elements of `x` at `indices` along `axes`, all of the other axes.

    indices: integers of one shape S, one tensor for each of the ascending `axes`; negative ones count from the end.
    mode: an index out of range is an error ("raise"), goes to the nearest ("clip"), or gives 0 ("fill").
    Returns S followed by the other axes of `x`.
    """


def along(x: Value, positions: Value, axis: int) -> Any:
    """Elements of `x` at `positions` along one axis, all other axes in step."""
    axes = tuple(range(positions.ndim))
    shape, device = positions.shape, positions.device
    places = [positions if a == axis else iota(shape=shape, dtype=INT64, axis=a, device=device) for a in axes]
    return gather(x, *places, axes=axes, mode="clip")


_OPS = "set add mul min max"


def _scatter_type(
    x: TensorType, updates: TensorType, *indices: TensorType, axes: Axes, op: str, mode: str, where: Where | None
) -> Type:
    if op not in _OPS.split():
        raise ArgumentError(f"scatter: no op {op!r}", where=where, fix=f"use one of {_OPS}")
    kinds = {"set": ALL, "add": "uifc", "mul": "uifc"}.get(op, "buif")
    check_kinds("scatter", kinds, (x, updates), where)
    _check_indices("scatter", x, indices, axes, mode, "raise clip drop", where)
    shape = (*indices[0].shape, *[x.shape[i] for i in _other(x.ndim, axes)])
    if updates.shape != shape:
        raise ShapeError(
            f"scatter: updates {updates} for {x} at {listed(indices)} along axes {axes}",
            where=where,
            fix=f"give updates of shape {shape}",
        )
    return TensorType(x.shape, x.dtype, device_of((x, updates, *indices)))


def _last_writers(updates: Value, x: Value, indices: tuple[Value, ...], axes: Axes, mode: str) -> Any:
    """True for the updates of a "set" that remain: the last of those that write one place. None: all do."""
    shape = indices[0].shape
    if indices[0].size <= 1:
        return None
    device = x.device
    mine = reshape(iota(shape=(indices[0].size,), dtype=INT64, axis=0, device=device), shape=shape)
    places = tuple([x.shape[a] for a in axes])
    every = tuple(range(len(axes)))
    nobody = broadcast_to(constant(np.int64(-1), device=device), shape=places)
    owner = scatter(nobody, mine, *indices, axes=every, op="set", mode=mode)
    won = eq(gather(owner, *indices, axes=every, mode=_TO_GATHER[mode]), mine)
    return broadcast_to(reshape(won, shape=(*shape, *(1,) * (updates.ndim - len(shape)))), shape=updates.shape)


def _weights(x: Value, updates: Value, indices: tuple[Value, ...], **params: Any) -> tuple[Any, Any]:
    """d y / d x and, at the updates, d y / d updates, for mul, min and max."""
    axes, op, mode = params["axes"], params["op"], params["mode"]

    def write(base: Any, values: Any, how: str) -> Any:
        return scatter(base, values, *indices, axes=axes, op=how, mode=mode)

    def read(values: Any) -> Any:
        return gather(values, *indices, axes=axes, mode=_TO_GATHER[mode])

    zero, one = number(0, x), number(1, x)
    if op == "mul":
        is_zero = eq(updates, zero)
        product = read(write(x, select(is_zero, one, updates), "mul"))  # of all but the zeros
        others = read(write(full(x.shape, 0, x), convert(is_zero, dtype=x.dtype), "add"))
        at_zero = select(eq(others, one), product, zero)
        elsewhere = select(eq(others, zero), product / select(is_zero, one, updates), zero)
        return write(full(x.shape, 1, x), updates, "mul"), select(is_zero, at_zero, elsewhere)
    y = write(x, updates, op)
    mine = convert(eq(x, y), dtype=x.dtype)
    theirs = convert(eq(updates, read(y)), dtype=x.dtype)
    count = write(mine, theirs, "add")
    shared = read(count)  # 0 at an update that is left out
    return mine / count, theirs / select(eq(shared, zero), one, shared)


def _scatter_x(d: Value, x: Value, updates: Value, *indices: Value, axes: Axes, op: str, mode: str) -> Any:
    """Both the tangent of the result and the cotangent of `x`: the map is diagonal."""
    if op == "add":
        return d
    if op == "set":
        return scatter(d, full(updates.shape, 0, d), *indices, axes=axes, op=op, mode=mode)
    return d * _weights(x, updates, indices, axes=axes, op=op, mode=mode)[0]


def _push_updates(d: Value, y: Value, x: Value, updates: Value, *indices: Value, axes: Axes, op: str, mode: str) -> Any:
    if op in ("mul", "min", "max"):
        d = d * _weights(x, updates, indices, axes=axes, op=op, mode=mode)[1]
    how = "set" if op == "set" else "add"
    return scatter(full(x.shape, 0, d), d, *indices, axes=axes, op=how, mode=_TO_SCATTER.get(mode, mode))


def _pull_updates(ct: Value, x: Value, updates: Value, *indices: Value, axes: Axes, op: str, mode: str) -> Any:
    back = gather(ct, *indices, axes=axes, mode=_TO_GATHER[mode])
    if op == "add":
        return back
    if op == "set":
        won = _last_writers(updates, x, indices, axes, mode)
        return back if won is None else select(won, back, number(0, ct))
    return back * _weights(x, updates, indices, axes=axes, op=op, mode=mode)[1]


def _batch_scatter(
    n: int, batched: tuple[bool, ...], x: Value, updates: Value, *indices: Value, axes: Axes, op: str, mode: str
) -> Any:
    x, updates = spread(n, batched[:2], x, updates)
    shifted = tuple([a + 1 for a in axes])
    if not any(batched[2:]):
        updates = move_axis(updates, 0, indices[0].ndim)
        return scatter(x, updates, *indices, axes=shifted, op=op, mode=mode)
    every = _numbered(n, spread(n, batched[2:], *indices))
    return scatter(x, updates, *every, axes=(0, *shifted), op=op, mode=mode)


def _check_scatter(xp: Any, x: Any, updates: Any, *indices: Any, axes: Axes, op: str, mode: str) -> str | None:
    return indexing.bad_index(xp, x, indices, axes)


@primitive(
    type=_scatter_type,
    lower=indexing.scatter,
    jvp={0: lambda d, y, *xs, **params: _scatter_x(d, *xs, **params), 1: _push_updates},
    transpose={0: _scatter_x, 1: _pull_updates},
    batch=_batch_scatter,
    check=_check_scatter,
)
def scatter(x: Any, updates: Any, *indices: Any, axes: Axes, op: str, mode: str) -> Any:
    """`x` with `updates` written, added, multiplied, or compared in at `indices` along `axes`.

    updates: the shape S of the indices followed by the other axes of `x`.  op: "set" (the last update of a place
    remains), "add", "mul", "min", "max".  mode: an index out of range is an error ("raise"), goes to the nearest
    ("clip"), or is left out ("drop").
    Derivatives: ties of min and max share evenly, as PyTorch's scatter_reduce; mul is right at zeros, but its second
    derivative is not where two zeros multiply one place.
    """


def _dynamic_type(name: str, x: TensorType, starts: tuple[TensorType, ...], sizes: Axes, where: Where | None) -> None:
    check_rank(name, x, where, starts=starts, sizes=sizes)
    if starts:
        check_kinds(name, "ui", starts, where)
    if any(t.shape for t in starts):
        raise ShapeError(f"{name}: starts {listed(starts)}", where=where, fix="give one 0-d integer for each axis")
    for i, (n, d) in enumerate(zip(sizes, x.shape, strict=True)):
        if not 0 <= n <= d:
            raise RangeError(
                f"{name}: {n} elements of axis {i} of {x}", where=where, fix=f"take between 0 and {d} elements"
            )


def _slice_type(x: TensorType, *starts: TensorType, sizes: Axes, where: Where | None) -> Type:
    check_kinds("dynamic_slice", ALL, (x,), where)
    _dynamic_type("dynamic_slice", x, starts, sizes, where)
    return TensorType(sizes, x.dtype, device_of((x, *starts)))


def _window(shape: Axes, starts: tuple[Any, ...], sizes: Axes) -> tuple[Any, ...]:
    firsts = [min(max(int(s), 0), d - n) for s, d, n in zip(starts, shape, sizes, strict=True)]
    return (*[slice(a, a + n) for a, n in zip(firsts, sizes, strict=True)], ...)


def _dynamic_slice(xp: Any, out: Any, x: Any, *starts: Any, sizes: Axes) -> Any:
    y = x[_window(x.shape, starts, sizes)]
    return xp.array(y) if out is None else store(xp, out, y)


def _moved(n: int, batched: tuple[bool, ...], x: Value, starts: tuple[Value, ...], sizes: Axes) -> tuple[Axes, Any]:
    """For batched starts: the axes that are cut, and their index tensors of shape (n, *cut lengths)."""
    axes = tuple([i for i, (d, m) in enumerate(zip(x.shape, sizes, strict=True)) if m != d])
    shape = (n, *[sizes[i] for i in axes])
    indices = []
    for k, i in enumerate(axes):
        start = convert(starts[i], dtype=INT64)
        start = clamp(number(0, start), start, number(x.shape[i] - sizes[i], start))
        start = reshape(start, shape=(n, *(1,) * len(axes))) if batched[i] else start
        indices.append(broadcast_to(start, shape=shape) + iota(shape=shape, dtype=INT64, axis=k + 1, device=start.device))
    return axes, tuple(indices)


def _batch_slice(n: int, batched: tuple[bool, ...], x: Value, *starts: Value, sizes: Axes) -> Any:
    if not any(batched[1:]):
        zero = constant(np.zeros((), starts[0].dtype if starts else INT64))
        return dynamic_slice(x, zero, *starts, sizes=(n, *sizes))
    (x,) = spread(n, batched[:1], x)
    axes, indices = _moved(n, batched[1:], _one(x), starts, sizes)
    if not axes:
        return x
    y = gather(x, *_numbered(n, list(indices)), axes=(0, *[a + 1 for a in axes]), mode="clip")
    order = (*axes, *_other(len(sizes), axes))
    return transpose(y, axes=(0, *[a + 1 for a in inverse(order)]))


def _one(x: Value) -> Any:
    """A stand-in of the shape of one example of a batch."""
    return full(x.shape[1:], 0, x)


@primitive(
    type=_slice_type,
    lower=_dynamic_slice,
    transpose={0: lambda ct, x, *starts, sizes: dynamic_update_slice(full(x.shape, 0, ct), ct, *starts)},
    batch=_batch_slice,
)
def dynamic_slice(x: Any, *starts: Any, sizes: Axes) -> Any:
    """`sizes` elements of each axis from `starts` on.

    starts: one 0-d integer for each axis, moved so that all elements exist (JAX's rule; negatives start at 0).
    """


def _update_type(x: TensorType, y: TensorType, *starts: TensorType, where: Where | None) -> Type:
    check_kinds("dynamic_update_slice", ALL, (x, y), where)
    _dynamic_type("dynamic_update_slice", x, starts, y.shape, where)
    return TensorType(x.shape, x.dtype, device_of((x, y, *starts)))


def _dynamic_update(xp: Any, out: Any, x: Any, y: Any, *starts: Any) -> Any:
    out = xp.array(x) if out is None else store(xp, out, x)
    out[_window(x.shape, starts, y.shape)] = y
    return out


def _batch_update(n: int, batched: tuple[bool, ...], x: Value, y: Value, *starts: Value) -> Any:
    x, y = spread(n, batched[:2], x, y)
    if not any(batched[2:]):
        zero = constant(np.zeros((), starts[0].dtype if starts else INT64))
        return dynamic_update_slice(x, y, zero, *starts)
    axes, indices = _moved(n, batched[2:], _one(x), starts, y.shape[1:])
    if not axes:
        return y
    y = transpose(y, axes=(0, *[a + 1 for a in (*axes, *_other(y.ndim - 1, axes))]))
    every = _numbered(n, list(indices))
    return scatter(x, y, *every, axes=(0, *[a + 1 for a in axes]), op="set", mode="clip")


@primitive(
    type=_update_type,
    lower=_dynamic_update,
    joint=(0, 1),
    transpose={
        0: lambda ct, x, y, *starts: dynamic_update_slice(ct, full(y.shape, 0, ct), *starts),
        1: lambda ct, x, y, *starts: dynamic_slice(ct, *starts, sizes=y.shape),
    },
    batch=_batch_update,
)
def dynamic_update_slice(x: Any, y: Any, *starts: Any) -> Any:
    """`x` with `y` written from `starts` on; starts as in dynamic_slice."""
