"""Rules whose special cases are the array API standard's, where NumPy's own arithmetic has others; and the limits of dtypes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.arrays import as_dtype
from fgrad.eager.cell import Cell
from fgrad.errors import DtypeError, need
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import is_inexact
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import abs_, copysign, round_
from fgrad.primitives.compare import bitwise_and, bitwise_not, eq, lt, select
from fgrad.primitives.complex import complex_, imag, real
from fgrad.primitives.transcendental import exp, expm1


def floor_divide(x: Any, y: Any) -> Any:
    """Infinite where x alone is, a zero of the quotient's sign where y alone is."""
    exact, infinite = x / y, c.number(math.inf, x)
    large, far = eq(abs_(x), infinite), eq(abs_(y), infinite)
    tiny = select(bitwise_and(far, lt(abs_(x), infinite)), copysign(c.number(0, x), exact), c.floor_divide(x, y))
    return select(bitwise_and(large, bitwise_not(far)), exact, tiny)


def remainder(x: Any, y: Any) -> Any:
    """Python's %, a zero with the sign of the divisor."""
    r = c.remainder(x, y)
    return select(eq(r, c.number(0, r)), copysign(r, y), r)


def complex_expm1(z: Any) -> Any:
    """C99's special cases come with exp; near 0, where it would cancel, expm1."""
    size = abs_(real(z))
    return select(lt(size, c.number(0.5, size)), expm1(z) + c.number(0, z), exp(z) - c.number(1, z))


def complex_rint(z: Any) -> Any:
    """Both parts to the nearest integer."""
    return complex_(round_(real(z)), round_(imag(z)))


class finfo:  # noqa: N801  # NumPy's name
    """The limits of a floating dtype, or of a complex dtype's parts, as Python floats.

    bits, eps (the gap above 1), max, min (the most negative), smallest_normal (also tiny), smallest_subnormal, resolution, dtype.

    >>> import fgrad.numpy as jnp
    >>> jnp.finfo(jnp.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, dtype: Any) -> None:
        kind = dtype._type.dtype if isinstance(dtype, Cell) else as_dtype(dtype)
        if not is_inexact(kind):
            raise DtypeError(f"finfo of {kind.name}: it is no floating or complex dtype", where=caller(), fix="use iinfo for integers")
        found: Any = np.finfo(kind) if kind.kind in "fc" else _limits()(kind)
        self.dtype, self.bits = np.dtype(found.dtype), int(found.bits)
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.smallest_normal = self.tiny = float(found.smallest_normal)
        self.smallest_subnormal, self.resolution = float(found.smallest_subnormal), float(found.resolution)

    def __repr__(self) -> str:
        return f"finfo(resolution={self.resolution}, min={self.min}, max={self.max}, dtype={self.dtype.name})"


def _limits() -> Any:
    from_types: Any = need("ml_dtypes").finfo
    return from_types
