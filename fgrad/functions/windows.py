"""PyTorch's torch.signal.windows, and the older hann_window and kin. Made at once, in float64, then rounded."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError
from fgrad.functions.creation import tensor
from fgrad.functions.dtypes import as_numpy, default_float
from fgrad.functions.layouts import strided
from fgrad.ir.apply import caller

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann", "kaiser",
    "nuttall",
]  # fmt: skip

Floats = Sequence[float]


def _checked(m: int, dtype: Any, layout: Any = None) -> Any:
    """The dtype of a window of `m` points."""
    if layout not in (None, strided):
        raise ArgumentError(f"windows are implemented for strided tensors only, got: {layout}", where=caller(), fix="leave layout out")
    if operator.index(m) < 0:
        raise ArgumentError(f"requires non-negative window length, got M={m}", where=caller(), fix="ask for 0 or more points")
    d = default_float() if dtype is None else as_numpy(dtype)
    if d.name not in ("float32", "float64"):
        raise ArgumentError(f"windows are of float32 or float64 dtypes, got: {dtype}", where=caller(), fix="use float32 or float64")
    return d


def _made(values: Any, dtype: Any, device: Any, requires_grad: bool) -> Any:
    return tensor(np.asarray(values).astype(dtype), device=device, requires_grad=requires_grad)


def _steps(m: int, sym: bool) -> tuple[Any, float]:
    """(0, 1, .., m - 1; the length they are measured by)."""
    return np.arange(m, dtype=float), float(max((m if not sym else m - 1), 1))


def general_cosine(M: int, *, a: Floats, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
                   requires_grad: bool = False) -> Any:  # fmt: skip
    """sum_k (-1)^k a_k cos(2 pi k n / N), N = M - 1 (M if not `sym`: one period)."""
    d = _checked(M, dtype, layout)
    n, size = _steps(M, sym)
    if M == 1:
        return _made([1.0], d, device, requires_grad)
    if M and not len(a):
        raise ArgumentError("Coefficients cannot be empty", where=caller(), fix="give one or more")
    terms = [(-1) ** k * c * np.cos(2 * math.pi * k * n / size) for k, c in enumerate(a)]
    return _made(np.sum(terms, 0) if M else np.zeros(0), d, device, requires_grad)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Any:
    """alpha - (1 - alpha) cos(2 pi n / N)."""
    return general_cosine(M, a=[alpha, 1 - alpha], sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Any:
    """general_hamming with alpha 0.54."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Any:
    """general_hamming with alpha 0.5.

    >>> import fgrad
    >>> fgrad.signal.windows.hann(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Any:
    """general_cosine with 0.42, 0.5, 0.08."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Any:
    """general_cosine with Nuttall's minimal four terms."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A triangle from 0 over 1 to 0."""
    d = _checked(M, dtype, layout)
    n, size = _steps(M, sym)
    return _made([1.0] if M == 1 else 1 - np.abs(2 * n / size - 1), d, device, requires_grad)


def cosine(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """sin(pi (n + 1/2) / M), M one more if not `sym`."""
    d = _checked(M, dtype, layout)
    return _made([1.0] if M == 1 else np.sin(math.pi * (np.arange(M) + 0.5) / (M if sym else M + 1)) if M else [], d, device, requires_grad)


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
                device: Any = None, requires_grad: bool = False) -> Any:  # fmt: skip
    """exp(-|n - center| / tau)."""
    d = _checked(M, dtype, layout)
    if tau <= 0:
        raise ArgumentError(f"Tau must be positive, got: {tau} instead.", where=caller(), fix="use a positive tau")
    if sym and center is not None:
        raise ArgumentError("Center must be None for symmetric windows", where=caller(), fix="leave it out, or pass sym=False")
    middle = (M if not sym and M > 1 else M - 1) / 2 if center is None else center
    return _made(np.exp(-np.abs(np.arange(M) - middle) / tau), d, device, requires_grad)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Any:  # fmt: skip
    """exp(-(n - middle)^2 / (2 std^2))."""
    d = _checked(M, dtype, layout)
    if std <= 0:
        raise ArgumentError(f"Standard deviation must be positive, got: {std} instead.", where=caller(), fix="use a positive std")
    middle = (M if not sym and M > 1 else M - 1) / 2
    return _made(np.exp(-0.5 * ((np.arange(M) - middle) / std) ** 2), d, device, requires_grad)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
           requires_grad: bool = False) -> Any:  # fmt: skip
    """I0(beta sqrt(1 - (2n / N - 1)^2)) / I0(beta)."""
    d = _checked(M, dtype, layout)
    if beta < 0:
        raise ArgumentError(f"beta must be non-negative, got: {beta} instead.", where=caller(), fix="use a beta of 0 or more")
    n, size = _steps(M, sym)
    inside = np.maximum(1 - (2 * n / size - 1) ** 2, 0)
    return _made([1.0] if M == 1 else np.i0(beta * np.sqrt(inside)) / np.i0(beta), d, device, requires_grad)
