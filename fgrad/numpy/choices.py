"""NumPy's tests and choices of elements: where, isnan, isclose and the like."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, is_float, same, truth, unary
from fgrad.eager.operands import R, compose, floating, is_integer
from fgrad.numpy.elementwise import (
    absolute,
    add,
    copysign,
    equal,
    less,
    less_equal,
    logical_and,
    logical_or,
    multiply,
    not_equal,
    subtract,
)
from fgrad.primitives import composites as c

__all__ = [
    "heaviside", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "nan_to_num", "signbit", "where",
]  # fmt: skip


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """`x` where condition, else `y`; with the condition alone, the indices where it holds (its numbers are read)."""
    mask = truth(condition)
    if x is None and y is None:
        return tuple(array_of(i) for i in np.nonzero(np.asarray(mask)))
    a, b = same((x, y))
    return compose(c.select, mask, a, b)


def isnan(x: Any, /) -> Any:
    """True where x is NaN."""
    x = array_of(x)
    return not_equal(x, x)


def isfinite(x: Any, /) -> Any:
    """True where x is neither infinite nor NaN."""
    x = array_of(x)
    return equal(x, x) if is_integer(x) else unary(R["is_finite"], x)


def isinf(x: Any, /) -> Any:
    """True where x is infinite."""
    x = array_of(x)
    return not_equal(x, x) if is_integer(x) else equal(absolute(x), math.inf)


def isposinf(x: Any, /) -> Any:
    """True where x is +inf."""
    return equal(floating(array_of(x)), math.inf)


def isneginf(x: Any, /) -> Any:
    """True where x is -inf."""
    return equal(floating(array_of(x)), -math.inf)


def signbit(x: Any, /) -> Any:
    """True where the sign is minus, that of -0.0 too."""
    x = floating(array_of(x))
    return less(copysign(call_like(1.0, x), x), 0)


def call_like(value: float, x: Any) -> Any:
    """A 0-d array of the dtype of `x`."""
    return array_of(np.asarray(value, x._type.dtype))


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """|a - b| <= atol + rtol * |b|, equal infinities included."""
    x, y = same((a, b), floating=True)
    near = less_equal(absolute(subtract(x, y)), add(multiply(absolute(y), rtol), atol))
    close = logical_or(equal(x, y), logical_and(near, isfinite(y)))
    return logical_or(close, logical_and(isnan(x), isnan(y))) if equal_nan else close


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """NaN as `nan`, infinities as the given numbers, or the largest finite ones."""
    x = array_of(x)
    if is_integer(x):
        return x
    top = largest(x if is_float(x) else floating(x))
    y = where(isnan(x), nan, x)
    y = where(equal(y, math.inf), top if posinf is None else posinf, y)
    return where(equal(y, -math.inf), -top if neginf is None else neginf, y)


def largest(x: Any) -> float:
    """The largest finite number of a float array's dtype."""
    if x._type.dtype.name == "bfloat16":
        return float.fromhex("0x1.fep127")
    return float(np.finfo(x._type.dtype).max)


def heaviside(x: Any, y: Any, /) -> Any:
    """0 below 0, 1 above, y at 0."""
    a, b = same((x, y), floating=True)
    return where(equal(a, 0), b, where(less(a, 0), 0.0, where(isnan(a), a, 1.0)))
