"""NumPy's parts of complex numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, call, unary
from fgrad.eager.operands import R, compose, floating
from fgrad.ir.dtypes import kind
from fgrad.ir.graph import Value
from fgrad.numpy.choices import where
from fgrad.numpy.elementwise import equal, not_equal
from fgrad.primitives import composites as c
from fgrad.primitives.compare import lt, ne
from fgrad.primitives.complex import imag as imag_part
from fgrad.primitives.complex import real as real_part
from fgrad.primitives.transcendental import atan2

__all__ = [
    "angle", "conj", "conjugate", "imag", "iscomplex", "iscomplexobj", "isreal", "isrealobj", "real", "real_if_close",
]  # fmt: skip


def is_complex(x: Any) -> bool:
    """True for an array of complex numbers."""
    return kind(x._type.dtype) == "c"


def real(val: Any, /) -> Any:
    """The real parts; a real array itself."""
    x = array_of(val)
    return unary(R["real"], x) if is_complex(x) else x


def imag(val: Any, /) -> Any:
    """The imaginary parts; zeros of a real array."""
    x = array_of(val)
    return unary(R["imag"], x) if is_complex(x) else compose(_zeros, x)


def _zeros(x: Value) -> Any:
    return c.broadcast_to(c.number(0, x), shape=x.shape)


def conj(x: Any, /) -> Any:
    """The conjugates; a real array itself."""
    x = array_of(x)
    return unary(R["conj"], x) if is_complex(x) else x


conjugate = conj


def angle(z: Any, deg: bool = False) -> Any:
    """The argument in radians (degrees if `deg`); of real numbers 0, or pi if they are negative."""
    y = compose(_angle, floating(array_of(z)))
    return y * (180 / math.pi) if deg else y


def _angle(x: Value) -> Any:
    if kind(x.dtype) == "c":
        return atan2(imag_part(x), real_part(x))
    turned = c.select(lt(x, c.number(0, x)), c.number(math.pi, x), c.number(0, x))
    return c.select(ne(x, x), x, turned)


def isreal(x: Any) -> Any:
    """True where the imaginary part is 0."""
    return equal(imag(x), 0)


def iscomplex(x: Any) -> Any:
    """True where the imaginary part is not 0."""
    return not_equal(imag(x), 0)


def iscomplexobj(x: Any) -> bool:
    """True for an array, number or dtype of complex numbers."""
    if isinstance(x, np.dtype | type):
        return bool(np.issubdtype(x, np.complexfloating))
    return is_complex(array_of(x))


def isrealobj(x: Any) -> bool:
    """not iscomplexobj(x)."""
    return not iscomplexobj(x)


def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real parts if all imaginary ones are within `tol` epsilons (below 1: within `tol`) of 0 (numbers are read)."""
    x = array_of(a)
    if not is_complex(x):
        return x
    limit = tol * float(np.finfo(x._type.dtype).eps) if tol > 1 else tol
    near = call("reduce_and", where(call("abs", imag(x)) < limit, True, False), axes=tuple(range(x._type.ndim)))
    return real(x) if near.item() else x
