"""PyTorch's torch.fft: transforms over one axis, two, or any, and the frequencies that belong to their results.

Every transform takes real or complex tensors (integers become the default float), cuts or pads with zeros to the
length asked for (`n`, or `s` for several axes), and has `norm`: "backward" (the default: 1/n in the inverse),
"forward" (1/n in the forward) or "ortho" (1/sqrt(n) in both).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions.call import axis_of, compose, floating
from fgrad.functions.creation import tensor
from fgrad.functions.dtypes import as_numpy
from fgrad.functions.pointwise import into
from fgrad.functions.shape import clone, roll
from fgrad.ir.apply import caller
from fgrad.primitives import spectra

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft",
    "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Rule = Callable[..., Any]
NORMS = ("backward", "ortho", "forward")


def _axes(x: Any, s: Any, dim: Any) -> tuple[tuple[int, ...], list[int | None]]:
    """Axes from the front, and the length asked for along each (None: its own)."""
    many = not isinstance(s, int)  # a list may say -1: its own length
    s = s if many else (s,)
    if dim is None:
        count = x._type.ndim if s is None else len(s)
        if count > x._type.ndim:
            raise ShapeError(f"Got s with {count} entries for a tensor of {x._type.ndim} dimensions", where=caller(),
                             fix="give one length for each dimension to transform")  # fmt: skip
        axes = tuple(range(x._type.ndim - count, x._type.ndim))
    else:
        axes = tuple(axis_of(x, d) for d in ((dim,) if isinstance(dim, int) else dim))
    if len(set(axes)) != len(axes):
        raise ArgumentError("FFT dims must be unique", where=caller(), fix="name each dimension once")
    lengths: list[int | None] = [None] * len(axes) if s is None else [None if n == -1 and many else n for n in s]
    if len(lengths) != len(axes):
        raise ArgumentError(f"When given, dim and s arguments must have the same length, got {len(axes)} and {len(lengths)}",
                            where=caller(), fix="give one length for each dimension")  # fmt: skip
    return axes, lengths


def _transform(rule: Rule, x: Any, s: Any, dim: Any, norm: str | None, out: Any, *, halved: bool = False, **static: Any) -> Any:
    """One transform. halved: the input's last axis holds n // 2 + 1 of n frequencies."""
    x = floating(x)
    if x._type.dtype.itemsize == 2:
        raise DtypeError(f"Unsupported dtype {x.dtype} for fft", where=caller(), fix="convert to float32 first")
    if norm is not None and norm not in NORMS:
        raise ArgumentError(f'Invalid normalization mode: "{norm}"', where=caller(), fix=f"use one of {', '.join(NORMS)}")
    axes, lengths = _axes(x, s, dim)
    if not axes and rule is spectra.complex_fft:
        return into(out, clone(x) if x._type.dtype.kind == "c" else compose(spectra.as_complex, x))
    if not axes:
        raise ArgumentError("a transform needs at least one dimension", where=caller(), fix="give a tensor that has one")
    sizes = [x._type.shape[a] if n is None else n for a, n in zip(axes, lengths, strict=True)]
    if halved and lengths[-1] is None:
        sizes[-1] = 2 * (sizes[-1] - 1)
    if any(n < 1 for n in sizes):
        raise ArgumentError(f"Invalid number of data points ({min(sizes)}) specified", where=caller(),
                            fix="transform at least one point")  # fmt: skip
    return into(out, compose(rule, x, axes=axes, sizes=tuple(map(int, sizes)), norm=norm or "backward", **static))


def _floats(name: str, x: Any) -> Any:
    """Refuses complex input of a transform of floats."""
    if x._type.dtype.kind == "c":
        raise DtypeError(f"{name} expects a real input tensor, but got {x.dtype}", where=caller(), fix="take .real, or use fft")
    return x


@full_precision("cpu", "cuda")
def fft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """y_k = sum_j x_j exp(-2 pi i j k / n) along `dim`: complex[..., n].

    >>> import fgrad
    >>> fgrad.fft.fft(fgrad.tensor([1.0, 0.0, 0.0, 0.0])).real
    tensor([1., 1., 1., 1.])
    """
    return _transform(spectra.complex_fft, input, n, dim, norm, out, inverse=False)


@full_precision("cpu", "cuda")
def ifft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `fft`: complex."""
    return _transform(spectra.complex_fft, input, n, dim, norm, out, inverse=True)


@full_precision("cpu", "cuda")
def fftn(input: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """`fft` along every one of `dim` (default: the last len(s), or all)."""
    return _transform(spectra.complex_fft, input, s, dim, norm, out, inverse=False)


@full_precision("cpu", "cuda")
def ifftn(input: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `fftn`."""
    return _transform(spectra.complex_fft, input, s, dim, norm, out, inverse=True)


@full_precision("cpu", "cuda")
def fft2(input: Any, s: Sequence[int] | None = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`fftn` over two axes."""
    return fftn(input, s, dim, norm, out=out)


@full_precision("cpu", "cuda")
def ifft2(input: Any, s: Sequence[int] | None = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`ifftn` over two axes."""
    return ifftn(input, s, dim, norm, out=out)


@full_precision("cpu", "cuda")
def rfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """`fft` of a real tensor: frequencies 0 .. n // 2 along `dim`, complex[..., n // 2 + 1]."""
    return _transform(spectra.real_fft, _floats("rfft", input), n, dim, norm, out)


@full_precision("cpu", "cuda")
def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `rfft`: real[..., n], n by default 2 (m - 1) for m frequencies."""
    return _transform(spectra.real_ifft, input, n, dim, norm, out, halved=True)


@full_precision("cpu", "cuda")
def rfftn(input: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """`fftn` of a real tensor: non-negative frequencies along the last of `dim`."""
    return _transform(spectra.real_fft, _floats("rfftn", input), s, dim, norm, out)


@full_precision("cpu", "cuda")
def irfftn(input: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `rfftn`."""
    return _transform(spectra.real_ifft, input, s, dim, norm, out, halved=True)


@full_precision("cpu", "cuda")
def rfft2(input: Any, s: Sequence[int] | None = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`rfftn` over two axes."""
    return rfftn(input, s, dim, norm, out=out)


@full_precision("cpu", "cuda")
def irfft2(input: Any, s: Sequence[int] | None = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`irfftn` over two axes."""
    return irfftn(input, s, dim, norm, out=out)


@full_precision("cpu", "cuda")
def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """`fft` of a signal given by the first half of its Hermitian-symmetric values: real[..., n]."""
    return _transform(spectra.hermitian_fft, input, n, dim, norm, out, halved=True)


@full_precision("cpu", "cuda")
def ihfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `hfft`: complex[..., n // 2 + 1]."""
    return _transform(spectra.hermitian_ifft, _floats("ihfft", input), n, dim, norm, out)


@full_precision("cpu", "cuda")
def hfftn(input: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """`hfft` along the last of `dim`, `fft` along the others."""
    return _transform(spectra.hermitian_fft, input, s, dim, norm, out, halved=True)


@full_precision("cpu", "cuda")
def ihfftn(input: Any, s: Sequence[int] | None = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `hfftn`."""
    return _transform(spectra.hermitian_ifft, _floats("ihfftn", input), s, dim, norm, out)


@full_precision("cpu", "cuda")
def hfft2(input: Any, s: Sequence[int] | None = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`hfftn` over two axes."""
    return hfftn(input, s, dim, norm, out=out)


@full_precision("cpu", "cuda")
def ihfft2(input: Any, s: Sequence[int] | None = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`ihfftn` over two axes."""
    return ihfftn(input, s, dim, norm, out=out)


def _frequencies(name: str, counts: Sequence[int], n: int, d: float, dtype: Any) -> list[float]:
    """counts / (n d); by 0 as of floats: infinite, NaN for 0."""
    if n < 0:
        raise ArgumentError(f"{name}: Trying to create tensor with negative dimension {n}", where=caller(), fix="use n >= 0")
    if dtype is not None and as_numpy(dtype).kind in "iub":
        raise DtypeError(f"{name} requires a floating point or complex dtype, got {dtype}", where=caller(), fix="use a float dtype")
    step = n * d
    return [k / step if step else math.copysign(math.inf, k) if k else math.nan for k in counts]


def fftfreq(n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False) -> Any:  # fmt: skip
    """The frequencies of `fft`'s result in cycles per unit, for samples `d` apart: [0, 1, .., -2, -1] / (d n)."""
    counts = [*range((n + 1) // 2), *range(-(n // 2), 0)]
    return into(out, tensor(_frequencies("fftfreq", counts, n, d, dtype), dtype=dtype, device=device, requires_grad=requires_grad))


def rfftfreq(n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Any:  # fmt: skip
    """The frequencies of `rfft`'s result: [0, 1, .., n // 2] / (d n)."""
    return into(out, tensor(_frequencies("rfftfreq", range(n // 2 + 1), n, d, dtype), dtype=dtype, device=device, requires_grad=requires_grad))


def fftshift(input: Any, dim: Any = None) -> Any:
    """The zero frequency moved to the middle of `dim` (all by default)."""
    axes = tuple(range(input._type.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    return roll(input, tuple(input._type.shape[a] // 2 for a in axes), axes)


def ifftshift(input: Any, dim: Any = None) -> Any:
    """The inverse of `fftshift`."""
    axes = tuple(range(input._type.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    return roll(input, tuple((input._type.shape[a] + 1) // 2 for a in axes), axes)
