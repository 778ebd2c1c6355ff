"""NaN, infinities and closeness: PyTorch's tests of what a number is."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.functions.call import R, floating, is_integer, same, unary
from fgrad.functions.pointwise import abs, add, eq, into, le, logical_and, logical_or, mul, ne, sub, where
from fgrad.functions.refusals import one_dtype, tensors_only

__all__ = ["isclose", "isfinite", "isinf", "isnan", "nan_to_num"]


def isnan(input: Any) -> Any:
    """True where x is NaN."""
    return ne(input, input)


def isfinite(input: Any) -> Any:
    """True where x is neither infinite nor NaN."""
    return eq(input, input) if is_integer(input) else unary(R["is_finite"], input)


def isinf(input: Any) -> Any:
    """True where x is infinite."""
    return ne(input, input) if is_integer(input) else eq(abs(input), float("inf"))


def isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """|input - other| <= atol + rtol * |other|, equal infinities included."""
    tensors_only("isclose", input, other)
    one_dtype("isclose", input, other)
    x, y = same((input, other))
    close = eq(x, y)
    if x._type.dtype.kind == "b":
        return close
    if not is_integer(x):
        near = le(abs(sub(x, y)), add(mul(abs(y), rtol), atol))
        close = logical_or(close, logical_and(near, isfinite(y)))
        if equal_nan:
            close = logical_or(close, logical_and(isnan(x), isnan(y)))
    elif rtol or atol:
        x, y = floating(x), floating(y)  # differences of integers may overflow
        close = le(abs(sub(x, y)), add(mul(abs(y), rtol), atol))
    return close


def nan_to_num(input: Any, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None, *, out: Any = None) -> Any:
    """NaN, +inf and -inf replaced by numbers (the largest and smallest finite ones by default)."""
    if is_integer(input):
        return into(out, input.clone())
    nan = 0.0 if nan is None else nan
    info = np.finfo(input._type.dtype) if input._type.dtype.kind != "V" else None
    top = float(info.max) if info is not None else 3.3895313892515355e38
    y = where(isnan(input), nan, input)
    y = where(eq(y, float("inf")), top if posinf is None else posinf, y)
    return into(out, where(eq(y, float("-inf")), -top if neginf is None else neginf, y))
