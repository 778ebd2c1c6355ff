"""The family of discrete Fourier transforms on Values: lengths, scales and symmetries around the three primitives.

axes: distinct, counted from the front, the halved one last.  sizes: the length of each before the transform; the
input is cut or padded with zeros to it.  norm: where 1/n goes: "backward", "forward", or "ortho" (its root, both ways).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.ir.dtypes import dtype_of
from fgrad.ir.graph import Value
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.complex import conj
from fgrad.primitives.fourier import fft, irfft, rfft
from fgrad.primitives.shape import number, pad, slice_

Axes = tuple[int, ...]


def resized(x: Value, axes: Axes, sizes: Axes) -> Any:
    """`x` cut, or padded with zeros, to `sizes` along `axes`."""
    want = dict(zip(axes, sizes, strict=True))
    stop = tuple([min(d, want.get(a, d)) for a, d in enumerate(x.shape)])
    if stop != x.shape:
        x = slice_(x, start=(0,) * x.ndim, stop=stop, step=(1,) * x.ndim)
    high = tuple([want.get(a, d) - d for a, d in enumerate(x.shape)])
    none = (0,) * x.ndim
    return pad(x, number(0, x), low=none, high=high, interior=none) if any(high) else x


def scaled(y: Value, n: int, norm: str, *, backward: bool, divided: bool) -> Any:
    """`y` with its sum over n terms scaled as `norm` says. divided: it has been divided by n already."""
    factor = {"ortho": n**-0.5, "forward": 1.0 if backward else 1 / n, "backward": 1 / n if backward else 1.0}[norm]
    factor = factor * n if divided else factor
    return y if factor == 1 else y * number(factor, y)


def complex_fft(x: Value, *, axes: Axes, sizes: Axes, norm: str, inverse: bool) -> Any:
    """The transform of complex (or real) numbers to complex ones."""
    y = fft(resized(as_complex(x), axes, sizes), axes=axes, inverse=inverse)
    return scaled(y, math.prod(sizes), norm, backward=inverse, divided=inverse)


def real_fft(x: Value, *, axes: Axes, sizes: Axes, norm: str) -> Any:
    """The transform of floats: non-negative frequencies along the last of `axes`."""
    return scaled(rfft(resized(x, axes, sizes), axes=axes), math.prod(sizes), norm, backward=False, divided=False)


def real_ifft(x: Value, *, axes: Axes, sizes: Axes, norm: str) -> Any:
    """The inverse of `real_fft`: floats of the given sizes."""
    half = (*sizes[:-1], sizes[-1] // 2 + 1)
    y = irfft(resized(as_complex(x), axes, half), axes=axes, n=sizes[-1])
    return scaled(y, math.prod(sizes), norm, backward=True, divided=True)


def hermitian_fft(x: Value, *, axes: Axes, sizes: Axes, norm: str) -> Any:
    """The transform of a signal that is Hermitian along the last of `axes`: floats."""
    half = (*sizes[:-1], sizes[-1] // 2 + 1)
    y = irfft(conj(resized(as_complex(x), axes, half)), axes=axes, n=sizes[-1])
    return scaled(y, math.prod(sizes), norm, backward=False, divided=True)


def hermitian_ifft(x: Value, *, axes: Axes, sizes: Axes, norm: str) -> Any:
    """The inverse of `hermitian_fft`: floats to half of a Hermitian signal."""
    y = conj(rfft(resized(x, axes, sizes), axes=axes))
    return scaled(y, math.prod(sizes), norm, backward=True, divided=False)


def as_complex(x: Value) -> Any:
    """`x` as complex numbers."""
    if x.dtype.kind == "c":
        return x
    return convert(x, dtype=dtype_of("complex128" if x.dtype == np.float64 else "complex64"))
