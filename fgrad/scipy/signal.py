"""scipy.signal: convolutions and correlations; trends and spectra are in files of their own."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.lax import conv_general_dilated
from fgrad.scipy.spectral import csd, istft, stft, welch
from fgrad.scipy.trends import detrend

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "csd", "detrend", "fftconvolve", "istft", "stft", "welch"]


def _mode(mode: str) -> None:
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"mode={mode!r}", where=caller(), fix="use 'full', 'same' or 'valid'")


def _cut(full: Any, like: tuple[int, ...], other: tuple[int, ...], mode: str) -> Any:
    """The part of a full convolution that `mode` asks for."""
    if mode == "full":
        return full
    sizes = [n if mode == "same" else max(n, m) - min(n, m) + 1 for n, m in zip(like, other, strict=True)]
    starts = [(k - n) // 2 for k, n in zip(full.shape, sizes, strict=True)]
    return full[tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))]


def _flipped(x: Any) -> Any:
    return jnp.conj(jnp.flip(x))


def _full(a: Any, b: Any, pads: list[tuple[int, int]]) -> Any:
    """Convolution with `pads` of zeros around `a`."""
    y = conv_general_dilated(a[None, None], jnp.flip(b)[None, None], (1,) * a.ndim, pads)
    return y[0, 0]


def _both(name: str, in1: Any, in2: Any) -> tuple[Any, Any]:
    a, b = jnp.asarray(in1), jnp.asarray(in2)
    if a.ndim != b.ndim:
        raise ShapeError(f"{name}: {a.shape} and {b.shape} have different ranks", where=caller(), fix="give equal ranks")
    d = jnp.result_type(a, b)
    d = d if jnp.issubdtype(d, jnp.inexact) else jnp.result_type(d, 1.0)
    return a.astype(d), b.astype(d)


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """The sum over j of in1[j] in2[i - j], of equal ranks. mode: "full", "same" (of in1's shape) or "valid" (no zeros around).

    method: "direct", "fft" or "auto" (direct). Integers become floats.
    """
    _mode(mode)
    if method not in ("auto", "direct", "fft"):
        raise ArgumentError(f"method={method!r}", where=caller(), fix="use 'auto', 'direct' or 'fft'")
    if method == "fft":
        return fftconvolve(in1, in2, mode)
    a, b = _both("convolve", in1, in2)
    if mode == "valid" and all(m >= n for n, m in zip(a.shape, b.shape, strict=True)):
        a, b = b, a
    if not a.ndim:
        return a * b
    return _cut(_full(a, b, [(m - 1, m - 1) for m in b.shape]), jnp.shape(in1), jnp.shape(in2), mode)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """convolve with in2 conjugated and turned round. Arguments as convolve."""
    return convolve(in1, _flipped(jnp.asarray(in2)), mode, method)


def _planes(name: str, in1: Any, in2: Any, boundary: str, fillvalue: Any) -> None:
    if jnp.ndim(in1) != 2 or jnp.ndim(in2) != 2:
        raise ShapeError(f"{name} takes matrices, found {jnp.shape(in1)} and {jnp.shape(in2)}", where=caller(), fix="use convolve")
    if boundary != "fill" or fillvalue != 0:
        raise ArgumentError(f"{name}(boundary={boundary!r}, fillvalue={fillvalue})", where=caller(), fix="jnp.pad first")


def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0, precision: Any = None) -> Any:
    """convolve of matrices, zeros around them. Raises ArgumentError for another boundary."""
    _planes("convolve2d", in1, in2, boundary, fillvalue)
    return convolve(in1, in2, mode)


def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0, precision: Any = None) -> Any:
    """correlate of matrices, zeros around them. Raises ArgumentError for another boundary."""
    _planes("correlate2d", in1, in2, boundary, fillvalue)
    if mode != "same":
        return correlate(in1, in2, mode)
    n, m = jnp.shape(in1), jnp.shape(in2)
    return correlate(in1, in2)[m[0] // 2 : m[0] // 2 + n[0], m[1] // 2 : m[1] // 2 + n[1]]


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """convolve by FFTs; axes: those to convolve along (all), the others broadcast."""
    _mode(mode)
    a, b = _both("fftconvolve", in1, in2)
    over = tuple(range(a.ndim)) if axes is None else tuple(i % a.ndim for i in ((axes,) if isinstance(axes, int) else axes))
    sizes = [a.shape[i] + b.shape[i] - 1 for i in over]
    complex_ = jnp.issubdtype(a.dtype, jnp.complexfloating)
    forward, back = (jnp.fft.fftn, jnp.fft.ifftn) if complex_ else (jnp.fft.rfftn, jnp.fft.irfftn)
    full = back(forward(a, sizes, over) * forward(b, sizes, over), sizes, over).astype(a.dtype)
    like = [a.shape[i] if i in over else full.shape[i] for i in range(a.ndim)]
    other = [b.shape[i] if i in over else 1 for i in range(a.ndim)]
    return _cut(full, tuple(like), tuple(other), mode)
