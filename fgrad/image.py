"""jax.image: resizing by weights along each axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller

__all__ = ["ResizeMethod", "resize", "scale_and_translate"]


class ResizeMethod(Enum):
    """How resize blends."""

    NEAREST = "nearest"
    LINEAR = "linear"
    CUBIC = "cubic"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"


def _triangle(x: Any) -> Any:
    return np.maximum(0, 1 - x)


def _keys(x: Any) -> Any:
    near = ((1.5 * x - 2.5) * x) * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x >= 2, 0.0, np.where(x >= 1, far, near))


def _lanczos(radius: float) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        y = radius * np.sin(math.pi * x) * np.sin(math.pi * x / radius)
        safe = np.where(x > 1e-3, math.pi**2 * x**2, 1.0)
        return np.where(x > radius, 0.0, np.where(x > 1e-3, y / safe, 1.0))

    return kernel


KERNELS: dict[str, Callable[[Any], Any]] = {
    "linear": _triangle, "bilinear": _triangle, "trilinear": _triangle, "triangle": _triangle, "cubic": _keys, "bicubic": _keys, "tricubic": _keys,
    "lanczos3": _lanczos(3.0), "lanczos5": _lanczos(5.0),
}  # fmt: skip


def _named(method: Any) -> str:
    name = str(method.value if isinstance(method, ResizeMethod) else method)
    if name not in KERNELS and name != "nearest":
        raise ArgumentError(f"resize method {name!r}", where=caller(), fix=f"use 'nearest' or one of {sorted(KERNELS)}")
    return name


def _weights(n: int, m: int, scale: float, shift: float, kernel: Callable[[Any], Any], antialias: bool) -> Any:
    """float64[n, m]: how much each of n old elements counts for each of m new ones."""
    inverse = 1.0 / scale
    width = max(inverse, 1.0) if antialias else 1.0
    at = (np.arange(m) + 0.5) * inverse - shift * inverse - 0.5
    w = kernel(np.abs(at[None, :] - np.arange(n)[:, None]) / width)
    total = w.sum(0, keepdims=True)
    w = np.where(np.abs(total) > 1000 * np.finfo("float32").eps, w / np.where(total != 0, total, 1), 0)
    return np.where((at >= -0.5) & (at <= n - 0.5), w, 0.0)


def _weighted(x: Any, axis: int, w: Any) -> Any:
    return jnp.moveaxis(jnp.tensordot(x, jnp.asarray(w.astype(x.dtype)), axes=((axis,), (0,))), -1, axis)


def resize(image: Any, shape: Sequence[int], method: str | ResizeMethod, antialias: bool = True, precision: Any = None) -> Any:
    """`image` in another shape of the same rank: "nearest", "linear" (bilinear, ...), "cubic" (Keys), "lanczos3" or "lanczos5".

    antialias: kernels are widened where an axis shrinks. Source: Keys 1981; Duchon 1979.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.image.resize(jnp.array([0.0, 1.0]), (4,), "linear")
    Array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    """
    x, name = jnp.asarray(image), _named(method)
    if len(shape) != x.ndim:
        raise ShapeError(f"resize of {x.shape} to {tuple(shape)}", where=caller(), fix="give one size for each axis")
    if name == "nearest":
        for axis, (n, m) in enumerate(zip(x.shape, shape, strict=True)):
            if n != m:
                x = jnp.take(x, jnp.asarray(np.floor((np.arange(m) + 0.5) * n / m).astype(np.int64)), axis=axis)
        return x
    x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(float)
    for axis, (n, m) in enumerate(zip(x.shape, shape, strict=True)):
        if n != m:
            x = _weighted(x, axis, _weights(n, m, m / n, 0.0, KERNELS[name], antialias))
    return x


def scale_and_translate(image: Any, shape: Sequence[int], spatial_dims: Sequence[int], scale: Any, translation: Any,
                        method: str | ResizeMethod, antialias: bool = True, precision: Any = None) -> Any:  # fmt: skip
    """`image` scaled and moved along spatial_dims: new = old * scale + translation, in pixels; zeros where nothing was.

    scale, translation: numbers for each of these axes, known while recording.
    """
    x, name = jnp.asarray(image), _named(method)
    if name == "nearest":
        raise ArgumentError("scale_and_translate with 'nearest'", where=caller(), fix="use a kernel, e.g. 'linear'")
    for axis, s, t in zip(spatial_dims, np.asarray(scale).tolist(), np.asarray(translation).tolist(), strict=True):
        x = _weighted(x, axis % x.ndim, _weights(x.shape[axis], shape[axis], s, t, KERNELS[name], antialias))
    return x
