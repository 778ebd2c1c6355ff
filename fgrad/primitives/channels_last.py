"""Convolution of images with channels last: what the layout pass makes of conv, conv_dx and conv_dw.

Made when nothing will be differentiated or batched any more, so they have no such rules. Kernels stay [K, C / groups, *taps].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.errors import Where
from fgrad.ir.apply import primitive
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TensorType, Type
from fgrad.primitives import convolve
from fgrad.primitives.conv import Padding, Shape
from fgrad.primitives.convolve import Geometry


def to_first(shape: Shape) -> Shape:
    """[N, *lengths, C] as [N, C, *lengths]."""
    return (shape[0], shape[-1], *shape[1:-1])


def to_last(shape: Shape) -> Shape:
    """[N, C, *lengths] as [N, *lengths, C]."""
    return (shape[0], *shape[2:], shape[1])


def _type(name: str, images: tuple[int, ...], *, last: bool) -> Callable[..., Type]:
    """The type rule of the operation channels first. images: operands that are images.  last: so is the result."""

    def rule(*types: TensorType, where: Where | None, winograd: bool, **params: Any) -> Type:
        given = [t.with_shape(to_first(t.shape)) if i in images else t for i, t in enumerate(types)]
        if "x_shape" in params:
            params["x_shape"] = to_first(params["x_shape"])
        found: TensorType = REGISTRY[name].type(*given, where=where, **params)
        return found.with_shape(to_last(found.shape)) if last else found

    return rule


def _first(x: Any) -> Any:
    """A view with channels behind the batch."""
    return x.transpose((0, x.ndim - 1, *range(1, x.ndim - 1)))


def _conv(xp: Any, out: Any, x: Any, w: Any, *, winograd: bool, **params: Any) -> Any:
    if out is None:
        lengths = Geometry(**params).output(x.shape[1:-1], w.shape[2:])
        out = xp.empty((x.shape[0], *lengths, w.shape[0]), x.dtype)
    convolve.conv(xp, _first(out), _first(x), w, **params)
    return out


def _dx(xp: Any, out: Any, ct: Any, w: Any, *, x_shape: Shape, winograd: bool, **params: Any) -> Any:
    if out is None:
        out = xp.empty(x_shape, ct.dtype)
    convolve.conv_dx(xp, _first(out), _first(ct), w, x_shape=to_first(x_shape), **params)
    return out


def _dw(xp: Any, out: Any, x: Any, ct: Any, *, winograd: bool, **params: Any) -> Any:
    return convolve.conv_dw(xp, out, _first(x), _first(ct), **params)


@primitive(
    type=_type("conv", (0,), last=True),
    lower=_conv,
    flops=REGISTRY["conv"].flops,
)
def conv_last(
    x: Any,
    w: Any,
    *,
    stride: Shape,
    padding: Padding,
    x_dilation: Shape,
    w_dilation: Shape,
    groups: int,
    winograd: bool,
) -> Any:
    """`conv` of [N, *lengths, C], giving [N, *lengths, K]. winograd: allows F(4x4, 3x3) where it applies."""


@primitive(
    type=_type("conv_dx", (0,), last=True),
    lower=_dx,
    flops=REGISTRY["conv_dx"].flops,
)
def conv_last_dx(
    ct: Any,
    w: Any,
    *,
    x_shape: Shape,
    stride: Shape,
    padding: Padding,
    x_dilation: Shape,
    w_dilation: Shape,
    groups: int,
    winograd: bool,
) -> Any:
    """`conv_dx` of a cotangent [N, *lengths, K], giving one of x, [N, *lengths, C] (`x_shape`)."""


@primitive(
    type=_type("conv_dw", (0, 1), last=False),
    lower=_dw,
    flops=REGISTRY["conv_dw"].flops,
)
def conv_last_dw(
    x: Any,
    ct: Any,
    *,
    w_shape: Shape,
    stride: Shape,
    padding: Padding,
    x_dilation: Shape,
    w_dilation: Shape,
    groups: int,
    winograd: bool,
) -> Any:
    """`conv_dw` of x [N, *lengths, C] and a cotangent [N, *lengths, K], giving one of w, [K, C / groups, *taps]."""
