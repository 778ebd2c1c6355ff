"""Maxima and sums of sliding windows, their tangents and cotangents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fgrad.errors import ArgumentError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.dtypes import kind
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_kinds, check_rank, is_half, store
from fgrad.primitives.convolve import Geometry
from fgrad.primitives.shape import kept, spread
from fgrad.primitives.workspace import Workspace, workspace

Shape = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


def _geometry(stride: Shape, padding: Padding, dilation: Shape) -> Geometry:
    return Geometry(stride, padding, (1,) * len(stride), dilation, 1)


def _output(name: str, x: TensorType, where: Where | None, window: Shape, **moves: Any) -> Shape:
    check_rank(name, x, where, window=window, **moves)
    if min((*window, *moves["stride"], *moves["dilation"]), default=1) < 1:
        raise ArgumentError(
            f"{name}: window={window}, {moves}", where=where, fix="use windows, strides and dilations of at least 1"
        )
    out = _geometry(**moves).output(x.shape, window)
    if any(o < 1 and (d or k > 1) for o, d, k in zip(out, x.shape, window, strict=True)):  # an empty batch stays empty
        raise ShapeError(
            f"{name}: a window {window} does not fit into {x} padded by {moves['padding']}",
            where=where,
            fix="use a smaller window or dilation, or more padding",
        )
    return out


def _type(name: str, kinds: str) -> Any:
    def infer(x: TensorType, *, where: Where | None, window: Shape, **moves: Any) -> Type:
        check_kinds(name, kinds, (x,), where)
        return x.with_shape(_output(name, x, where, window, **moves))

    return infer


def _lowest(xp: Any, dtype: Any) -> Any:
    """What never wins a maximum."""
    k = kind(dtype)
    return False if k == "b" else -float("inf") if k == "f" else xp.iinfo(dtype).min


def _line(ws: Workspace, x: Any, axis: int, padding: tuple[int, int], value: Any) -> Any:
    """`x` padded along one axis."""
    if padding == (0, 0):
        return x
    shape = list(x.shape)
    shape[axis] += sum(padding)
    y = ws.full(tuple(shape), x.dtype, value)
    source, target = kept(x.shape[axis], shape[axis], padding[0], 1)
    lead = (slice(None),) * axis
    y[(*lead, target)] = x[(*lead, source)]
    return y


def _shifts(k: int, count: int, stride: int, dilation: int, axis: int) -> Iterator[tuple[Any, ...]]:
    """Along one axis, what each tap of a window meets."""
    for t in range(k):
        yield (*(slice(None),) * axis, slice(t * dilation, t * dilation + (count - 1) * stride + 1, stride))


def _fold(
    ws: Workspace, x: Any, f: Any, value: Any, window: Shape, stride: Shape, padding: Padding, dilation: Shape
) -> Any:
    """`f` over the windows, axis after axis: a window costs the sum of its lengths, not their product."""
    out = _geometry(stride, padding, dilation).output(x.shape, window)
    for axis, k in enumerate(window):
        if k == 1 and stride[axis] == 1 and padding[axis] == (0, 0):
            continue
        x = _line(ws, x, axis, padding[axis], value)
        first, *rest = _shifts(k, out[axis], stride[axis], dilation[axis], axis)
        y = ws.copy(x[first])
        part = ws.empty(y.shape, x.dtype)
        for cut in rest:
            part[...] = x[cut]  # a ufunc is slow on short strided runs, and makes buffers for them
            f(y, part, out=y)
        x = y
    return x


def _copied(xp: Any, out: Any, y: Any, dtype: Any) -> Any:
    """`y` in memory of the result's own."""
    return store(xp, xp.empty(y.shape, dtype) if out is None else out, y)


def _max(xp: Any, out: Any, x: Any, **params: Any) -> Any:
    with workspace(xp) as ws:
        return _copied(xp, out, _fold(ws, x, xp.maximum, _lowest(xp, x.dtype), **params), x.dtype)


def _sum(xp: Any, out: Any, x: Any, **params: Any) -> Any:
    with workspace(xp) as ws:
        wide = ws.copy(x, "float32") if is_half(x.dtype) else x
        return _copied(xp, out, _fold(ws, wide, xp.add, 0, **params), x.dtype)


def _first(ws: Workspace, x: Any, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Iterator[Any]:
    """For each tap, the part of the padded grid it meets, and where it is the first maximum of its window."""
    xp, g, lowest = ws.xp, _geometry(stride, padding, dilation), _lowest(ws.xp, x.dtype)
    top = ws.contiguous(_fold(ws, x, xp.maximum, lowest, window, stride, padding, dilation))
    grid, inside = x, None
    if any(p != (0, 0) for p in padding):
        grid, inside = ws.full(g.padded(x.shape), x.dtype, lowest), ws.full(g.padded(x.shape), "bool", False)
        source, target = g.cuts(x.shape)
        grid[target], inside[target] = x[source], True
    left, here, odd = ws.full(top.shape, "bool", True), ws.empty(top.shape, "bool"), ws.empty(top.shape, "bool")
    nan = xp.not_equal(top, top, out=ws.empty(top.shape, "bool")) if kind(x.dtype) == "f" else None
    part = ws.empty(top.shape, x.dtype)
    for _, cut in g.taps(window, top.shape):
        part[...] = grid[cut]
        xp.equal(part, top, out=here)
        if nan is not None:  # it wins
            xp.not_equal(part, part, out=odd)
            odd &= nan
            here |= odd
        if inside is not None:
            odd[...] = inside[cut]
            here &= odd
        here &= left
        left ^= here
        yield cut, here


def _pull(xp: Any, out: Any, ct: Any, x: Any, *, window: Shape, **moves: Any) -> Any:
    g = _geometry(**moves)
    apart = all(s > (k - 1) * d for k, s, d in zip(window, g.stride, g.w_dilation, strict=True))
    with workspace(xp) as ws:
        grid = ws.full(g.padded(x.shape), "float32" if is_half(ct.dtype) else ct.dtype, 0)
        chosen = None if apart else ws.empty(ct.shape, ct.dtype)
        for cut, here in _first(ws, x, window=window, **moves):
            if chosen is None:  # an element is in one window at most
                xp.copyto(grid[cut], ct, where=here)
            else:
                chosen[...] = 0
                xp.copyto(chosen, ct, where=here)
                grid[cut] += chosen
        return _cut(xp, out, grid, g, x.shape, ct.dtype)


def _cut(xp: Any, out: Any, grid: Any, g: Geometry, shape: Shape, dtype: Any) -> Any:
    """What stands on the padded grid for each element of an array of `shape`."""
    y = xp.empty(shape, dtype) if out is None else out
    source, target = g.cuts(shape)
    y[...] = 0
    y[source] = grid[target]
    return y


def _push(xp: Any, out: Any, dx: Any, x: Any, **params: Any) -> Any:
    g = _geometry(params["stride"], params["padding"], params["dilation"])
    with workspace(xp) as ws:
        grid = ws.full(g.padded(x.shape), dx.dtype, 0)
        source, target = g.cuts(x.shape)
        grid[target] = dx[source]
        y = ws.full(g.output(x.shape, params["window"]), dx.dtype, 0)
        for cut, here in _first(ws, x, **params):
            xp.copyto(y, grid[cut], where=here)
        return _copied(xp, out, y, dx.dtype)


def _sum_pull(xp: Any, out: Any, ct: Any, *, x_shape: Shape, window: Shape, **moves: Any) -> Any:
    g = _geometry(**moves)
    lengths = g.padded(x_shape)
    with workspace(xp) as ws:
        y = ws.copy(ct, "float32") if is_half(ct.dtype) else ct
        for axis, k in enumerate(window):
            grid = ws.full((*y.shape[:axis], lengths[axis], *y.shape[axis + 1 :]), y.dtype, 0)
            for cut in _shifts(k, y.shape[axis], moves["stride"][axis], moves["dilation"][axis], axis):
                grid[cut] += y
            y = grid
        return _cut(xp, out, y, g, x_shape, ct.dtype)


def _batch(name: str) -> Any:
    def rule(n: int, batched: tuple[bool, ...], *xs: Value, **params: Any) -> Any:
        one = {"window": 1, "stride": 1, "dilation": 1, "padding": (0, 0), "x_shape": n}
        more = {k: (one[k], *v) for k, v in params.items()}
        return FUNCTIONS[name](*spread(n, batched, *xs), **more)

    return rule


def _cost(x: Any, window: Shape) -> int:
    return int(x.size * sum(window))


@primitive(
    type=_type("window_max", "buif"),
    lower=_max,
    jvp={0: lambda dx, y, x, **params: window_max_push(dx, x, **params)},
    batch=_batch("window_max"),
    flops=lambda y, x, *, window, **moves: _cost(y, window),
)
def window_max(x: Any, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Any:
    """The largest element of every window, over all axes; NaN if there is one.

    window, stride, dilation: one number for each axis.  padding: (low, high) for each axis, with what never wins.
    Length of an axis: (low + d + high - (window - 1) * dilation - 1) // stride + 1.  The derivative goes to the first
    maximum in row-major order, as in PyTorch.
    """


def _pull_type(ct: TensorType, x: TensorType, *, where: Where | None, window: Shape, **moves: Any) -> Type:
    check_kinds("window_max_pull", "uif", (ct, x), where)
    shape = _output("window_max_pull", x, where, window, **moves)
    if ct.shape != shape:
        raise ShapeError(f"window_max_pull: got {ct} for {x}", where=where, fix=f"give a cotangent of shape {shape}")
    return x


@primitive(
    type=_pull_type,
    lower=_pull,
    jvp={1: lambda d, y, ct, x, **params: None},
    transpose={0: lambda dx, ct, x, **params: window_max_push(dx, x, **params)},
    batch=_batch("window_max_pull"),
    flops=lambda y, ct, x, **params: y.size,
)
def window_max_pull(ct: Any, x: Any, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Any:
    """The cotangent of every window of `x` given to its first maximum."""


def _push_type(dx: TensorType, x: TensorType, *, where: Where | None, window: Shape, **moves: Any) -> Type:
    check_kinds("window_max_push", "uif", (dx, x), where)
    if dx.shape != x.shape:
        raise ShapeError(f"window_max_push: got {dx} for {x}", where=where, fix=f"give a tangent of shape {x.shape}")
    return x.with_shape(_output("window_max_push", x, where, window, **moves))


@primitive(
    type=_push_type,
    lower=_push,
    jvp={1: lambda d, y, dx, x, **params: None},
    transpose={0: lambda ct, dx, x, **params: window_max_pull(ct, x, **params)},
    batch=_batch("window_max_push"),
    flops=lambda y, dx, x, **params: x.size,
)
def window_max_push(dx: Any, x: Any, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Any:
    """The tangent of the first maximum of every window of `x`."""


@primitive(
    type=_type("window_sum", "uifc"),
    lower=_sum,
    transpose={0: lambda ct, x, **params: window_sum_pull(ct, x_shape=x.shape, **params)},
    batch=_batch("window_sum"),
    flops=lambda y, x, *, window, **moves: _cost(y, window),
)
def window_sum(x: Any, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Any:
    """The sum of every window, over all axes, padded with zeros. Parameters as in window_max."""


def _sum_pull_type(ct: TensorType, *, x_shape: Shape, where: Where | None, window: Shape, **moves: Any) -> Type:
    check_kinds("window_sum_pull", "uifc", (ct,), where)
    shape = _output("window_sum_pull", ct.with_shape(x_shape), where, window, **moves)
    if ct.shape != shape:
        raise ShapeError(f"window_sum_pull: got {ct}", where=where, fix=f"give a cotangent of shape {shape}")
    return ct.with_shape(x_shape)


@primitive(
    type=_sum_pull_type,
    lower=_sum_pull,
    transpose={0: lambda dx, ct, *, x_shape, **params: window_sum(dx, **params)},
    batch=_batch("window_sum_pull"),
    flops=lambda y, ct, *, x_shape, window, **moves: _cost(ct, window),
)
def window_sum_pull(ct: Any, *, x_shape: Shape, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Any:
    """The cotangent of every window given to all its elements: the transpose of window_sum."""
