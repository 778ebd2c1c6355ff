"""Convolution and the two operations it transposes to; each is linear in both operands, so they are closed."""

from __future__ import annotations

import math
from typing import Any

from fgrad.errors import ArgumentError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, Type
from fgrad.primitives import convolve
from fgrad.primitives.checks import check_kinds, device_of
from fgrad.primitives.convolve import Geometry
from fgrad.primitives.shape import move_axis, reshape

Shape = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


def _check(name: str, x: TensorType, w: TensorType, g: Geometry, where: Where | None) -> Shape:
    """Refuses operands that do not fit each other or the parameters; the spatial lengths of the result."""
    rank = x.ndim - 2
    counts = [len(p) for p in (g.stride, g.padding, g.x_dilation, g.w_dilation)]
    if rank < 0 or w.ndim != x.ndim or any(k != rank for k in counts):
        raise ShapeError(
            f"{name}: {x} by {w} with {counts} strides, paddings and dilations",
            where=where,
            fix="give batch, channels and spatial axes, and one entry of each parameter for every spatial axis",
        )
    if min(*g.stride, *g.x_dilation, *g.w_dilation, g.groups, 1) < 1:
        raise ArgumentError(f"{name}: {g}", where=where, fix="use strides, dilations and groups of at least 1")
    if x.shape[1] != w.shape[1] * g.groups or w.shape[0] % g.groups:
        raise ShapeError(
            f"{name}: {x} has {x.shape[1]} channels, the kernel {w} takes {w.shape[1]} for each of {g.groups} groups",
            where=where,
            fix="make x.shape[1] == w.shape[1] * groups, and w.shape[0] a multiple of groups",
        )
    out = g.output(x.shape[2:], w.shape[2:])
    if min(*out, *w.shape[2:], 1) < 1:
        raise ShapeError(
            f"{name}: the kernel {w} does not fit into {x} padded by {g.padding}",
            where=where,
            fix="use a smaller kernel or dilation, or more padding",
        )
    return out


def _conv_type(x: TensorType, w: TensorType, *, where: Where | None, **params: Any) -> Type:
    check_kinds("conv", "uifc", (x, w), where)
    out = _check("conv", x, w, Geometry(**params), where)
    return TensorType((x.shape[0], w.shape[0], *out), x.dtype, device_of((x, w)))


def _dual_type(
    name: str, given: TensorType, ct: TensorType, x: TensorType, w: TensorType, where: Where | None, **params: Any
) -> None:
    """Refuses a cotangent that is not of the shape of the convolution of `x` and `w`."""
    check_kinds(name, "uifc", (given, ct), where)
    shape = (x.shape[0], w.shape[0], *_check(name, x, w, Geometry(**params), where))
    if ct.shape != shape:
        raise ShapeError(f"{name}: got {ct}", where=where, fix=f"give a cotangent of shape {shape}")


def _dx_type(ct: TensorType, w: TensorType, *, x_shape: Shape, where: Where | None, **params: Any) -> Type:
    x = TensorType(x_shape, ct.dtype, device_of((ct, w)))
    _dual_type("conv_dx", w, ct, x, w, where, **params)
    return x


def _dw_type(x: TensorType, ct: TensorType, *, w_shape: Shape, where: Where | None, **params: Any) -> Type:
    w = TensorType(w_shape, ct.dtype, device_of((x, ct)))
    _dual_type("conv_dw", x, ct, x, w, where, **params)
    return w


def _into(x: Value, axis: int, groups: int) -> Any:
    """The leading batch axis joined into axis `axis` of an example, inside of its `groups`."""
    n, shape = x.shape[0], x.shape[1:]
    split = (n, *shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    x = move_axis(reshape(x, shape=split), 0, axis + 1)
    return reshape(x, shape=(*shape[:axis], n * shape[axis], *shape[axis + 1 :]))


def _out_of(y: Value, axis: int, n: int, groups: int) -> Any:
    """Undoes `_into`."""
    shape = y.shape
    y = reshape(y, shape=(*shape[:axis], groups, n, shape[axis] // (groups * n), *shape[axis + 1 :]))
    y = move_axis(y, axis + 1, 0)
    return reshape(y, shape=(n, *shape[:axis], shape[axis] // n, *shape[axis + 1 :]))


def _times(shape: Shape, axis: int, n: int) -> Shape:
    return (*shape[:axis], n * shape[axis], *shape[axis + 1 :])


def _batch_conv(n: int, batched: tuple[bool, ...], x: Value, w: Value, *, groups: int, **params: Any) -> Any:
    if not batched[1]:
        return _out_of(conv(_into(x, 0, 1), w, groups=groups, **params), 0, n, 1)
    if not batched[0]:
        return _out_of(conv(x, _into(w, 0, groups), groups=groups, **params), 1, n, groups)
    return _out_of(conv(_into(x, 1, 1), _into(w, 0, 1), groups=n * groups, **params), 1, n, 1)


def _batch_dx(
    n: int, batched: tuple[bool, ...], ct: Value, w: Value, *, x_shape: Shape, groups: int, **params: Any
) -> Any:
    if not batched[1]:
        y = conv_dx(_into(ct, 0, 1), w, x_shape=_times(x_shape, 0, n), groups=groups, **params)
        return _out_of(y, 0, n, 1)
    more = _times(x_shape, 1, n)
    if not batched[0]:
        return _out_of(conv_dx(ct, _into(w, 1, 1), x_shape=more, groups=groups, **params), 1, n, groups)
    y = conv_dx(_into(ct, 1, 1), _into(w, 0, 1), x_shape=more, groups=n * groups, **params)
    return _out_of(y, 1, n, 1)


def _batch_dw(
    n: int, batched: tuple[bool, ...], x: Value, ct: Value, *, w_shape: Shape, groups: int, **params: Any
) -> Any:
    if not batched[1]:
        y = conv_dw(_into(x, 1, groups), ct, w_shape=_times(w_shape, 1, n), groups=groups, **params)
        return _out_of(y, 1, n, 1)
    more = _times(w_shape, 0, n)
    if not batched[0]:
        return _out_of(conv_dw(x, _into(ct, 1, groups), w_shape=more, groups=groups, **params), 0, n, groups)
    y = conv_dw(_into(x, 1, 1), _into(ct, 1, 1), w_shape=more, groups=n * groups, **params)
    return _out_of(y, 0, n, 1)


def _flops(y_size: int, w: Shape) -> int:
    return 2 * y_size * math.prod(w[1:])


@primitive(
    type=_conv_type,
    lower=convolve.conv,
    transpose={
        0: lambda ct, x, w, **params: conv_dx(ct, w, x_shape=x.shape, **params),
        1: lambda ct, x, w, **params: conv_dw(x, ct, w_shape=w.shape, **params),
    },
    batch=_batch_conv,
    flops=lambda y, x, w, **params: _flops(y.size, w.shape),
)
def conv(x: Any, w: Any, *, stride: Shape, padding: Padding, x_dilation: Shape, w_dilation: Shape, groups: int) -> Any:
    """Cross-correlation of images with kernels, over any number of spatial axes.

    x: [batch, channels, *lengths].  w: [channels out, channels / groups, *kernel].  padding: (low, high) zeros for each
    spatial axis, negative ones cut.  x_dilation, w_dilation: distance between neighbours.  groups: of channels, each
    with its own kernels.
    Returns [batch, channels out, *((low + x_span + high - w_span) // stride + 1)], a span being (d - 1) * dilation + 1.
    Raises ShapeError if channels differ or the kernel does not fit.
    Cost: 2 * result size * channels / groups * kernel size FLOP.
    """


@primitive(
    type=_dx_type,
    lower=convolve.conv_dx,
    transpose={
        0: lambda dx, ct, w, *, x_shape, **params: conv(dx, w, **params),
        1: lambda dx, ct, w, *, x_shape, **params: conv_dw(dx, ct, w_shape=w.shape, **params),
    },
    batch=_batch_dx,
    flops=lambda y, ct, w, **params: _flops(ct.size, w.shape),
)
def conv_dx(
    ct: Any,
    w: Any,
    *,
    x_shape: Shape,
    stride: Shape,
    padding: Padding,
    x_dilation: Shape,
    w_dilation: Shape,
    groups: int,
) -> Any:
    """The transpose of `conv` in its images: from a cotangent of the result one of `x`, of shape `x_shape`.

    Also the transposed convolution of networks. Parameters as in `conv`.
    """


@primitive(
    type=_dw_type,
    lower=convolve.conv_dw,
    transpose={
        0: lambda dw, x, ct, *, w_shape, **params: conv_dx(ct, dw, x_shape=x.shape, **params),
        1: lambda dw, x, ct, *, w_shape, **params: conv(x, dw, **params),
    },
    batch=_batch_dw,
    flops=lambda y, x, ct, *, w_shape, **params: _flops(ct.size, w_shape),
)
def conv_dw(
    x: Any,
    ct: Any,
    *,
    w_shape: Shape,
    stride: Shape,
    padding: Padding,
    x_dilation: Shape,
    w_dilation: Shape,
    groups: int,
) -> Any:
    """The transpose of `conv` in its kernel: from images and a cotangent of the result one of `w`, of shape `w_shape`.

    Parameters as in `conv`.
    """
