"""scipy.signal's spectra: transforms of windows of a signal, their inverse, and averages of their powers (Welch 1967)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError, need
from fgrad.ir.apply import caller
from fgrad.scipy.trends import detrend as remove_trend

BOUNDARIES = {"even": "reflect", "odd": "odd", "constant": "edge", "zeros": "constant"}


class Frames(NamedTuple):
    """How a signal is cut: window values, points between starts, points that consecutive windows share, and of a transform."""

    window: np.ndarray[Any, Any]
    hop: int
    overlap: int
    n_fft: int

    @property
    def size(self) -> int:
        """Points of a window."""
        return len(self.window)


def _refuse(what: str, fix: str) -> None:
    raise ArgumentError(what, where=caller(), fix=fix)


def frames_of(name: str, window: Any, nperseg: int | None, noverlap: int | None, nfft: int | None, length: int | None) -> Frames:
    """The arguments checked; a window longer than the signal is cut to it."""
    if isinstance(window, str | tuple):
        size = 256 if nperseg is None else int(nperseg)
        size = size if length is None else min(size, length)
        values = np.asarray(need("scipy.signal", "scipy").get_window(window, size)) if size > 0 else np.zeros(0)
    else:
        values = np.asarray(window)
        size = values.shape[0] if values.ndim == 1 else -1
        if size < 0 or (nperseg is not None and nperseg != size) or (length is not None and size > length):
            _refuse(f"{name}: a window of shape {values.shape} for nperseg={nperseg} and {length} points", "give a vector of nperseg values, no longer than the signal")
    if size < 1:
        _refuse(f"{name}: nperseg={nperseg}", "use a positive integer")
    points = size if nfft is None else int(nfft)
    shared = size // 2 if noverlap is None else int(noverlap)
    if points < size or shared >= size:
        _refuse(f"{name}: nfft={nfft}, noverlap={noverlap} for nperseg={size}", "use nfft >= nperseg > noverlap")
    return Frames(values, size - shared, shared, points)


def floating(x: Any) -> Any:
    """An array, integers as the default float."""
    a = jnp.asarray(x)
    return a if jnp.issubdtype(a.dtype, jnp.inexact) else a.astype(float)


def extended(x: Any, boundary: str | None, n: int) -> Any:
    """The last axis with n points more at both ends."""
    if boundary is None:
        return x
    if boundary not in BOUNDARIES:
        _refuse(f"Unknown boundary option '{boundary}'", "use 'even', 'odd', 'constant', 'zeros' or None")
    if boundary == "odd":
        left, right = 2 * x[..., :1] - jnp.flip(x[..., 1 : n + 1], -1), 2 * x[..., -1:] - jnp.flip(x[..., -(n + 1) : -1], -1)
        return jnp.concatenate([left, x, right], axis=-1)
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(n, n)], mode=BOUNDARIES[boundary])


def cut(x: Any, f: Frames, trend: Any, onesided: bool) -> Any:
    """[..., frames, frequencies]: windows of the last axis, their trend removed, weighted and transformed."""
    starts = np.arange(0, x.shape[-1] - f.size + 1, f.hop)
    parts = x[..., starts[:, None] + np.arange(f.size)]
    if callable(trend):
        parts = trend(parts)
    elif trend:
        parts = remove_trend(parts, axis=-1, type=trend)
    real = jnp.finfo(parts.dtype).dtype
    parts = parts * jnp.asarray(f.window.astype(real) if not np.iscomplexobj(f.window) else f.window)
    return (jnp.fft.rfft if onesided else jnp.fft.fft)(parts, n=f.n_fft)


def weight(f: Frames, fs: Any, scaling: str) -> Any:
    """What powers are multiplied by."""
    if scaling not in ("density", "spectrum"):
        _refuse(f"Unknown scaling: '{scaling}'", "use 'density' or 'spectrum'")
    w = f.window
    return 1 / (fs * (w * w).sum()) if scaling == "density" else 1 / w.sum() ** 2


def axes_of(f: Frames, fs: Any, onesided: bool, count: int, d: Any, boundary: bool) -> tuple[Any, Any]:
    """(frequencies, times of the windows' middles)."""
    k = np.fft.rfftfreq(f.n_fft) if onesided else np.fft.fftfreq(f.n_fft)
    middles = np.arange(count) * f.hop + (0 if boundary else f.size / 2)
    return jnp.asarray(k.astype(d)) * fs, jnp.asarray(middles.astype(d)) / fs


def stft(x: Any, fs: Any = 1.0, window: Any = "hann", nperseg: int = 256, noverlap: int | None = None, nfft: int | None = None,
         detrend: Any = False, return_onesided: bool = True, boundary: str | None = "zeros", padded: bool = True,
         axis: int = -1) -> tuple[Any, Any, Any]:  # fmt: skip
    """(frequencies, times, Z): transforms of windows nperseg - noverlap apart, over the window's sum. Frequencies at `axis`, times last.

    window: SciPy's name (and arguments, in a tuple), or values.  detrend: False, "constant", "linear" or a function.
    boundary: what is added at both ends ("even", "odd", "constant", "zeros", None); padded: zeros to a whole number of
    windows.  return_onesided: no negative frequencies, of real signals.
    """
    a = jnp.moveaxis(floating(x), axis, -1)
    f = frames_of("stft", window, nperseg, noverlap, nfft, a.shape[-1])
    onesided = return_onesided and not jnp.iscomplexobj(a)
    a = extended(a, boundary, f.size // 2)
    if padded:
        a = jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, -(a.shape[-1] - f.size) % f.hop % f.size)])
    z = cut(a, f, detrend, onesided) * (1 / abs(f.window.sum()))
    freq, times = axes_of(f, fs, onesided, z.shape[-2], jnp.finfo(a.dtype).dtype, boundary is not None)
    return freq, times, jnp.moveaxis(z.astype(jnp.result_type(a.dtype, jnp.complex64)), -1, axis - 1 if axis < 0 else axis)


def istft(Zxx: Any, fs: Any = 1.0, window: Any = "hann", nperseg: int | None = None, noverlap: int | None = None,  # noqa: N803  # SciPy's name
          nfft: int | None = None, input_onesided: bool = True, boundary: bool = True, time_axis: int = -1,
          freq_axis: int = -2) -> tuple[Any, Any]:  # fmt: skip
    """(times, x): the inverse of stft by windows added where they overlap, over the sum of their squares. Arguments as there."""
    z = jnp.asarray(Zxx)
    if z.ndim < 2 or time_axis % z.ndim == freq_axis % z.ndim:
        _refuse(f"istft: {z.shape} with time_axis={time_axis}, freq_axis={freq_axis}", "give two different axes")
    z = jnp.moveaxis(z, (time_axis, freq_axis), (-2, -1))
    bins, count = z.shape[-1], z.shape[-2]
    default = 2 * (bins - 1) if input_onesided else bins
    size = default if nperseg is None else int(nperseg)
    points = (size if input_onesided and nperseg is not None and size == default + 1 else default) if nfft is None else int(nfft)
    f = frames_of("istft", window, size, noverlap, points, None)
    parts = (jnp.fft.irfft if input_onesided else jnp.fft.ifft)(z, n=f.n_fft)[..., : f.size]
    w = f.window.astype(jnp.finfo(parts.dtype).dtype)
    places = (np.arange(count) * f.hop)[:, None] + np.arange(f.size)
    total = f.size + (count - 1) * f.hop
    parts = parts * jnp.asarray(w * f.window.sum())
    x = jnp.zeros((*parts.shape[:-2], total), parts.dtype).at[..., places].add(parts)
    norm = np.bincount(places.ravel(), np.tile(f.window**2, count), total)
    half = f.size // 2 if boundary else 0
    x, norm = x[..., half : total - half], norm[half : total - half]
    x = x / jnp.asarray(np.where(norm > 1e-10, norm, 1).astype(w.dtype))
    at, other = time_axis % z.ndim, freq_axis % z.ndim
    x = jnp.moveaxis(x, -1, at - (other < at))
    axis_length = total - 2 * half
    return jnp.asarray(np.arange(axis_length).astype(w.dtype)) / fs, x


def csd(x: Any, y: Any, fs: Any = 1.0, window: Any = "hann", nperseg: int | None = None, noverlap: int | None = None, nfft: int | None = None,
        detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density", axis: int = -1,
        average: str = "mean") -> tuple[Any, Any]:  # fmt: skip
    """(frequencies, P): the average of conj(X) Y over windows; y: None for `x` itself. Shorter signals get zeros at their end.

    scaling: "density" (per unit of frequency) or "spectrum".  average: "mean" or "median" (less its bias).
    """
    a = jnp.moveaxis(floating(x), axis, -1)
    b = a if y is None else jnp.moveaxis(floating(y), axis, -1)
    n = max(a.shape[-1], b.shape[-1])
    a, b = [jnp.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, n - v.shape[-1])]) for v in (a, b)]
    d = jnp.result_type(a, b)
    f = frames_of("csd", window, nperseg, noverlap, nfft, n)
    onesided = return_onesided and not jnp.issubdtype(d, jnp.complexfloating)
    left = cut(a, f, detrend, onesided)
    power = jnp.conj(left) * (left if y is None else cut(b, f, detrend, onesided)) * weight(f, fs, scaling)
    power = power.real if y is None else power
    if onesided:
        twice = np.full(power.shape[-1], 2.0)
        twice[0] = 1
        twice[-1] = 1 if f.n_fft % 2 == 0 else twice[-1]
        power = power * jnp.asarray(twice.astype(jnp.finfo(d).dtype))
    power = averaged(power, average)
    freq = axes_of(f, fs, onesided, 1, jnp.finfo(d).dtype, False)[0]
    return freq, jnp.moveaxis(power.astype(jnp.finfo(d).dtype if y is None else jnp.result_type(d, jnp.complex64)), -1, axis)


def averaged(power: Any, average: str) -> Any:
    """The mean, or the median over its bias, of the axis but one."""
    if average == "mean":
        return jnp.mean(power, axis=-2)
    if average != "median":
        _refuse(f"average must be 'median' or 'mean', got {average}", "use one of them")
    n = np.arange(2, power.shape[-2], 2)
    bias = 1 + np.sum(1 / (n + 1) - 1 / n)
    middle = jnp.median(power.real, axis=-2) / bias
    return middle + 1j * jnp.median(power.imag, axis=-2) / bias if jnp.iscomplexobj(power) else middle


def welch(x: Any, fs: Any = 1.0, window: Any = "hann", nperseg: int | None = None, noverlap: int | None = None, nfft: int | None = None,
          detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density", axis: int = -1,
          average: str = "mean") -> tuple[Any, Any]:  # fmt: skip
    """(frequencies, P): the power spectrum of `x` by Welch's method, csd(x, None)."""
    return csd(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)
