"""Recipes of windows: maxima, sums, and their cotangents."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from fgrad.backends.numpy.convolution import windows
from fgrad.backends.numpy.convolution.plan_direct import lanes_of
from fgrad.backends.numpy.convolution.windows import Form
from fgrad.backends.numpy.recipe import Place, Recipe, Step
from fgrad.primitives.convolve import Geometry, Shape

TAPS = 64  # of a window, at most
POINTERS = {
    "window_max": ("x", "y"), "window_sum": ("x", "y"), "window_max_pull": ("x", "w", "y"), "window_max_push": ("x", "w", "y"),
    "window_sum_pull": ("x", "y"),
}  # fmt: skip
_text = cache(windows.text)


def recipe(name: str, dtype: str, x: Shape, params: dict[str, Any]) -> Recipe | None:
    """Kernels for windows over the spatial axes of images [N, *lengths, C] of shape `x`; None if there are none.

    Arrays: "x", "y" (the result); of a maximum's cotangent or tangent "x" (that), "w" (the images), "y".
    """
    window, stride, padding, dilation = [params[p] for p in ("window", "stride", "padding", "dilation")]
    ends = [(p[0], p[-1]) for p in (window, stride, dilation)]
    if any(e != (1, 1) for e in ends) or padding[0] != (0, 0) or padding[-1] != (0, 0):
        return None
    g = Geometry(stride[1:-1], padding[1:-1], (1,) * (len(x) - 2), dilation[1:-1], 1)
    window, out = window[1:-1], g.output(x[1:-1], window[1:-1])
    if len(x) < 3 or not all((*x, *out)) or math.prod(window) > TAPS:
        return None
    padded, covers = False, True
    words: list[int] = []
    for length, o, k, s, (low, _), d in zip(x[1:-1], out, window, g.stride, g.padding, g.w_dilation, strict=True):
        padded = padded or low > 0 or (o - 1) * s - low + (k - 1) * d >= length
        covers = covers and low == 0 and s == k and d == 1 and o * s == length
        words += [length, o, s, low, d]
    form = Form(dtype, lanes_of(dtype, x[-1]), window, padded, x[-1], covers)
    places = [Place(p) for p in POINTERS[name]]
    tasks = x[0] * -(-x[-1] // form.lanes) if name.endswith("_pull") else x[0] * math.prod(out[:-1])
    return Recipe((Step(_text(form, name), (*places, *words), tasks),), 0)
