"""NumPy's fft: discrete Fourier transforms over one axis, two, or any.

Every transform takes real or complex arrays (integers become the default float), cuts or pads with zeros to the length
asked for (`n`, or `s` for several axes), and has `norm`: "backward" (the default: 1/n in the inverse), "forward" (1/n in
the forward) or "ortho" (1/sqrt(n) in both). complex64 of float32, complex128 of float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, axis_of
from fgrad.eager.operands import compose, convert, default_float, floating
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.creation import on
from fgrad.numpy.shape import roll
from fgrad.primitives import spectra

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2",
    "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Axes = Sequence[int] | None
NORMS = ("backward", "ortho", "forward")


def _places(x: Any, s: Any, axes: Any) -> tuple[tuple[int, ...], list[int | None]]:
    """Axes from the front, and the length asked for along each (None: its own)."""
    rank = x._type.ndim
    if axes is None:
        count = rank if s is None else len(s)
        if count > rank:
            raise ShapeError(f"s has {count} entries for an array of {rank} axes", where=caller(),
                             fix="give one length for each axis to transform")  # fmt: skip
        at = tuple(range(rank - count, rank))
    else:
        at = tuple(axis_of(x, a) for a in axes)
    if len(set(at)) != len(at):
        raise ArgumentError(f"axes {axes} name an axis twice", where=caller(), fix="name each axis once")
    lengths = [None] * len(at) if s is None else list(s)
    if len(lengths) != len(at):
        raise ArgumentError(f"axes and s differ in length: {len(at)} and {len(lengths)}", where=caller(),
                            fix="give one length for each axis")  # fmt: skip
    return at, lengths


def _transform(rule: Callable[..., Any], a: Any, s: Any, axes: Any, norm: str | None, *, halved: bool = False,
               real: str = "", **static: Any) -> Any:  # fmt: skip
    """One transform. halved: the input's last axis holds n // 2 + 1 of n frequencies.  real: refuses complex input."""
    x = floating(array_of(a))
    if real and x._type.dtype.kind == "c":
        raise DtypeError(f"{real} takes real numbers, found {x._type}", where=caller(), fix="take .real, or use fft")
    if x._type.dtype.itemsize == 2:
        x = convert(x, np.dtype("float32"))
    if norm is not None and norm not in NORMS:
        raise ArgumentError(f"Invalid norm value {norm!r}", where=caller(), fix=f"use one of {', '.join(NORMS)}")
    at, lengths = _places(x, s, axes)
    if not at:
        return x
    sizes = [x._type.shape[k] if n is None else int(n) for k, n in zip(at, lengths, strict=True)]
    if halved and lengths[-1] is None:
        sizes[-1] = 2 * (sizes[-1] - 1)
    if any(n < 1 for n in sizes):
        raise ArgumentError(f"Invalid number of FFT data points ({min(sizes)}) specified.", where=caller(),
                            fix="transform at least one point")  # fmt: skip
    return compose(rule, x, axes=at, sizes=tuple(sizes), norm=norm or "backward", **static)


def _one(n: int | None) -> Any:
    return None if n is None else (n,)


def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """y_k = sum_j x_j exp(-2 pi i j k / n) along `axis`: complex[..., n].

    >>> import fgrad.numpy as jnp
    >>> jnp.fft.fft(jnp.array([1.0, 0.0, 0.0, 0.0])).real
    Array([1., 1., 1., 1.], dtype=float32)
    """
    return _transform(spectra.complex_fft, a, _one(n), (axis,), norm, inverse=False)


def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `fft`."""
    return _transform(spectra.complex_fft, a, _one(n), (axis,), norm, inverse=True)


def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """`fft` of real numbers: frequencies 0 .. n // 2 along `axis`, complex[..., n // 2 + 1]."""
    return _transform(spectra.real_fft, a, _one(n), (axis,), norm, real="rfft")


def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `rfft`: real[..., n], n by default 2 (m - 1) for m frequencies."""
    return _transform(spectra.real_ifft, a, _one(n), (axis,), norm, halved=True)


def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """`fft` of a signal given by the first half of its Hermitian-symmetric values: real[..., n]."""
    return _transform(spectra.hermitian_fft, a, _one(n), (axis,), norm, halved=True)


def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `hfft`: complex[..., n // 2 + 1]."""
    return _transform(spectra.hermitian_ifft, a, _one(n), (axis,), norm, real="ihfft")


def fftn(a: Any, s: Axes = None, axes: Axes = None, norm: str | None = None) -> Any:
    """`fft` along every one of `axes` (default: the last len(s), or all)."""
    return _transform(spectra.complex_fft, a, s, axes, norm, inverse=False)


def ifftn(a: Any, s: Axes = None, axes: Axes = None, norm: str | None = None) -> Any:
    """The inverse of `fftn`."""
    return _transform(spectra.complex_fft, a, s, axes, norm, inverse=True)


def rfftn(a: Any, s: Axes = None, axes: Axes = None, norm: str | None = None) -> Any:
    """`fftn` of real numbers: non-negative frequencies along the last of `axes`."""
    return _transform(spectra.real_fft, a, s, axes, norm, real="rfftn")


def irfftn(a: Any, s: Axes = None, axes: Axes = None, norm: str | None = None) -> Any:
    """The inverse of `rfftn`."""
    return _transform(spectra.real_ifft, a, s, axes, norm, halved=True)


def fft2(a: Any, s: Axes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Any:
    """`fftn` over two axes."""
    return fftn(a, s, axes, norm)


def ifft2(a: Any, s: Axes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Any:
    """`ifftn` over two axes."""
    return ifftn(a, s, axes, norm)


def rfft2(a: Any, s: Axes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Any:
    """`rfftn` over two axes."""
    return rfftn(a, s, axes, norm)


def irfft2(a: Any, s: Axes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Any:
    """`irfftn` over two axes."""
    return irfftn(a, s, axes, norm)


def _frequencies(counts: Sequence[int], n: int, d: float, dtype: Any, device: Any) -> Any:
    x = array_of(np.asarray([k / (n * d) for k in counts], np.float64))
    return on(convert(x, default_float() if dtype is None else as_dtype(dtype)), device)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of `fft`'s result in cycles per unit, for samples `d` apart: [0, 1, .., -2, -1] / (d n)."""
    return _frequencies([*range((n + 1) // 2), *range(-(n // 2), 0)], n, d, dtype, device)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of `rfft`'s result: [0, 1, .., n // 2] / (d n)."""
    return _frequencies(range(n // 2 + 1), n, d, dtype, device)


def _shifted(x: Any, axes: Any, half: Callable[[int], int]) -> Any:
    x = array_of(x)
    at = tuple(range(x._type.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    return roll(x, tuple(half(x._type.shape[k]) for k in at), at) if at else x


def fftshift(x: Any, axes: Any = None) -> Any:
    """The zero frequency moved to the middle of `axes` (all by default)."""
    return _shifted(x, axes, lambda n: n // 2)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, lambda n: (n + 1) // 2)
