"""Discrete Fourier transforms over several axes, and the real-input pair. Sums are unscaled forward, divided by n backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.errors import DtypeError, ShapeError, Where
from fgrad.ir.apply import constant, primitive
from fgrad.ir.dtypes import dtype_of, real_of
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_axes, check_kinds, is_half, store
from fgrad.primitives.complex import conj, real
from fgrad.primitives.shape import number, pad

Axes = tuple[int, ...]


def _check(name: str, x: TensorType, kinds: str, axes: Axes, where: Where | None) -> None:
    check_kinds(name, kinds, (x,), where)
    check_axes(name, x, axes, where)
    if any(x.shape[a] == 0 for a in axes):
        raise ShapeError(f"{name}: {x} has no elements along axes {axes}", where=where, fix="transform axes that have some")


def _complex_of(x: TensorType) -> Any:
    return dtype_of("complex128" if x.dtype.name == "float64" else "complex64")


def _kept(xp: Any, out: Any, y: Any, dtype: Any) -> Any:
    return xp.asarray(y).astype(dtype, copy=False) if out is None else store(xp, out, y)


def _fft_type(x: TensorType, *, axes: Axes, inverse: bool, where: Where | None) -> Type:
    _check("fft", x, "c", axes, where)
    return x


def _fft(xp: Any, out: Any, x: Any, *, axes: Axes, inverse: bool) -> Any:
    if not axes:
        return _kept(xp, out, xp.array(x), x.dtype)
    return _kept(xp, out, (xp.fft.ifftn if inverse else xp.fft.fftn)(x, axes=axes), x.dtype)


def _flops(y: TensorType, x: TensorType, *, axes: Axes, **_: Any) -> int:
    n = math.prod([max(x.shape[a], y.shape[a]) for a in axes])
    return int(5 * max(x.size, y.size) * math.log2(max(n, 2)))


@primitive(
    type=_fft_type,
    lower=_fft,
    transpose={0: lambda ct, x, *, axes, inverse: fft(ct, axes=axes, inverse=inverse)},
    batch=lambda n, batched, x, *, axes, inverse: fft(x, axes=tuple([a + 1 for a in axes]), inverse=inverse),
    flops=_flops,
)
def fft(x: Any, *, axes: Axes, inverse: bool) -> Any:
    """`sum_j x_j exp(-2 pi i j k / n)` along each of `axes`; inverse: with the other sign, divided by n."""


def _rfft_type(x: TensorType, *, axes: Axes, where: Where | None) -> Type:
    _check("rfft", x, "f", axes, where)
    if is_half(x.dtype):
        raise DtypeError(f"rfft: not defined for {x.dtype.name}", where=where, fix="convert to float32 first")
    last = axes[-1]
    shape = tuple([d // 2 + 1 if a == last else d for a, d in enumerate(x.shape)])
    return TensorType(shape, _complex_of(x), x.device)


def _rfft(xp: Any, out: Any, x: Any, *, axes: Axes) -> Any:
    return _kept(xp, out, xp.fft.rfftn(x, axes=axes), "complex128" if x.dtype == np.float64 else "complex64")


def _rfft_back(ct: Value, x: Value, *, axes: Axes) -> Any:
    """`Re sum_k ct_k exp(-2 pi i j k / n)` over the half of the frequencies there are."""
    last = axes[-1]
    high = tuple([x.shape[a] - d if a == last else 0 for a, d in enumerate(ct.shape)])
    none = (0,) * ct.ndim
    return real(fft(pad(ct, number(0, ct), low=none, high=high, interior=none), axes=axes, inverse=False))


@primitive(
    type=_rfft_type,
    lower=_rfft,
    transpose={0: _rfft_back},
    batch=lambda n, batched, x, *, axes: rfft(x, axes=tuple([a + 1 for a in axes])),
    flops=_flops,
)
def rfft(x: Any, *, axes: Axes) -> Any:
    """`fft` of floats: along the last of `axes` the frequencies 0 .. n // 2, which determine the others."""


def _irfft_type(x: TensorType, *, axes: Axes, n: int, where: Where | None) -> Type:
    _check("irfft", x, "c", axes, where)
    last = axes[-1]
    if n < 1 or x.shape[last] != n // 2 + 1:
        raise ShapeError(
            f"irfft: {x.shape[last]} frequencies along axis {last} for a length of {n}", where=where,
            fix=f"give {max(n, 1) // 2 + 1} frequencies",
        )  # fmt: skip
    return TensorType(tuple([n if a == last else d for a, d in enumerate(x.shape)]), real_of(x.dtype), x.device)


def _irfft(xp: Any, out: Any, x: Any, *, axes: Axes, n: int) -> Any:
    sizes = [n if a == axes[-1] else x.shape[a] for a in axes]
    return _kept(xp, out, xp.fft.irfftn(x, s=sizes, axes=axes), real_of(x.dtype))


def _irfft_back(ct: Value, x: Value, *, axes: Axes, n: int) -> Any:
    """Frequencies that stand for two count twice."""
    last = axes[-1]
    m = x.shape[last]
    weights = np.full(m, 2.0 / n, ct.dtype)
    weights[0] = 1.0 / n
    if n % 2 == 0:
        weights[-1] = 1.0 / n
    shape = tuple([m if a == last else 1 for a in range(x.ndim)])
    back = conj(rfft(ct, axes=(last,))) * constant(weights.reshape(shape).astype(x.dtype), device=x.device)
    return fft(back, axes=axes[:-1], inverse=True) if len(axes) > 1 else back


@primitive(
    type=_irfft_type,
    lower=_irfft,
    transpose={0: _irfft_back},
    batch=lambda k, batched, x, *, axes, n: irfft(x, axes=tuple([a + 1 for a in axes]), n=n),
    flops=_flops,
)
def irfft(x: Any, *, axes: Axes, n: int) -> Any:
    """The inverse of `rfft`: floats, `n` of them along the last of `axes`; imaginary parts that floats have not are dropped."""
