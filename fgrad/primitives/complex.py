"""Complex numbers and their parts. Transposes follow JAX: nothing is conjugated; the PyTorch face does that at its borders."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import DtypeError
from fgrad.ir.dtypes import Dtype, real_of
from fgrad.primitives.checks import store
from fgrad.primitives.elementwise import elementwise, ufunc
from fgrad.primitives.shape import number

_COMPLEX: dict[str, Dtype] = {"float32": np.dtype("complex64"), "float64": np.dtype("complex128")}


def _complex_of(dtype: Dtype) -> Dtype:
    found = _COMPLEX.get(dtype.name)
    if found is None:
        raise DtypeError(f"complex: not defined for {dtype.name}", fix="convert the parts to float32 or float64")
    return found


def _part(name: str) -> Any:
    def lower(xp: Any, out: Any, x: Any) -> Any:
        y = getattr(x, name)
        return xp.array(y) if out is None else store(xp, out, y)

    return lower


def _join(xp: Any, out: Any, x: Any, y: Any) -> Any:
    if out is None:
        out = xp.empty((x if x.ndim else y).shape, _complex_of(x.dtype))
    out.real = x
    out.imag = y
    return out


@elementwise(
    "c",
    _part("real"),
    lambda m, x: m.call("real", x),
    result=real_of,
    transpose={0: lambda ct, x: complex_(ct, number(0, ct))},
)
def real(x: Any) -> Any:
    """The real part, as floats."""


@elementwise(
    "c",
    _part("imag"),
    lambda m, x: m.call("imag", x),
    result=real_of,
    transpose={0: lambda ct, x: complex_(number(0, ct), -ct)},
)
def imag(x: Any) -> Any:
    """The imaginary part, as floats."""


@elementwise(
    "f",
    _join,
    lambda m, x, y: m.call("complex", x, y),
    result=_complex_of,
    joint=(0, 1),
    transpose={0: lambda ct, x, y: real(ct), 1: lambda ct, x, y: -imag(ct)},
)
def complex_(x: Any, y: Any) -> Any:
    """`x + iy` of floats; NaN and infinities stay where they are."""


@elementwise("c", ufunc("conjugate"), lambda m, x: m.call("conj", x), transpose={0: lambda ct, x: conj(ct)})
def conj(x: Any) -> Any:
    """The conjugate."""
