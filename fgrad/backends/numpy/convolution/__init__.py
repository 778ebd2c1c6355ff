"""Convolutions, channels last, as native kernels: which algorithm suits, and what there is to call."""

from __future__ import annotations

from fgrad.backends.numpy.asm import NBYTES
from fgrad.backends.numpy.convolution import plan_direct, plan_weight, plan_winograd
from fgrad.backends.numpy.convolution.shapes import backward, forward
from fgrad.backends.numpy.recipe import Recipe
from fgrad.primitives.convolve import Geometry, Shape

DTYPES = ("float32", "float64")


def supported(dtype: str, x: Shape, w: Shape, y: Shape) -> bool:
    """True if kernels can compute it: float32 or float64, something to compute, and at least one spatial axis."""
    return dtype in DTYPES and dtype in NBYTES and len(x) > 2 and all((*x, *w, *y))


def conv(x: Shape, w: Shape, g: Geometry, dtype: str, *, winograd: bool) -> Recipe:
    """y [N, *lengths, K] from x [N, *lengths, C] and w [K, C / groups, *taps]; arrays "x", "w", "y"."""
    p = forward(x, w, g)
    f = plan_winograd.convolve if winograd and plan_winograd.applies(p, dtype) else plan_direct.convolve
    return f(p, dtype, "x", "y", transposed=False)


def conv_dx(x: Shape, w: Shape, g: Geometry, dtype: str, *, winograd: bool) -> Recipe:
    """dx, of the shape `x`, from a cotangent of y and w; arrays "x" (the cotangent), "w", "y" (what is computed)."""
    p = backward(x, w, g)
    f = plan_winograd.convolve if winograd and plan_winograd.applies(p, dtype) else plan_direct.convolve
    return f(p, dtype, "x", "y", transposed=True)


def conv_dw(x: Shape, w: Shape, g: Geometry, dtype: str, *, winograd: bool) -> Recipe:
    """dw, of the shape `w`, from x and a cotangent of y; arrays "x", "y" (the cotangent), "w" (what is computed)."""
    p = forward(x, w, g)
    f = plan_winograd.kernel if winograd and plan_winograd.applies(p, dtype) else plan_weight.kernel
    return f(p, dtype, "x", "y")
