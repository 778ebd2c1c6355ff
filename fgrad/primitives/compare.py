"""Comparisons, bits, and choices of each element."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import DtypeError, Where
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_kinds, device_of, store
from fgrad.primitives.elementwise import common, elementwise, ufunc
from fgrad.primitives.shape import number

ORDERED, BITS = "buif", "bui"


def _bool(dtype: Any, **params: Any) -> Any:
    return np.dtype(bool)


@elementwise("buifc", ufunc("equal"), lambda m, x, y: m.eq(x, y), result=_bool)
def eq(x: Any, y: Any) -> Any:
    """`x == y`; NaN equals nothing."""


@elementwise("buifc", ufunc("not_equal"), lambda m, x, y: m.ne(x, y), result=_bool)
def ne(x: Any, y: Any) -> Any:
    """`x != y`; NaN differs from all."""


@elementwise(ORDERED, ufunc("less"), lambda m, x, y: m.lt(x, y), result=_bool)
def lt(x: Any, y: Any) -> Any:
    """`x < y`."""


@elementwise(ORDERED, ufunc("less_equal"), lambda m, x, y: m.le(x, y), result=_bool)
def le(x: Any, y: Any) -> Any:
    """`x <= y`."""


@elementwise(ORDERED, ufunc("greater"), lambda m, x, y: m.gt(x, y), result=_bool)
def gt(x: Any, y: Any) -> Any:
    """`x > y`."""


@elementwise(ORDERED, ufunc("greater_equal"), lambda m, x, y: m.ge(x, y), result=_bool)
def ge(x: Any, y: Any) -> Any:
    """`x >= y`."""


@elementwise("fc", ufunc("isfinite"), lambda m, x: m.lt(m.abs(x), m.const(float("inf"), x)), result=_bool)
def is_finite(x: Any) -> Any:
    """True where `x` is neither infinite nor NaN."""


@elementwise(BITS, ufunc("bitwise_and"), lambda m, x, y: m.bit_and(x, y))
def bitwise_and(x: Any, y: Any) -> Any:
    """`x & y`, of bools the logical and."""


@elementwise(BITS, ufunc("bitwise_or"), lambda m, x, y: m.bit_or(x, y))
def bitwise_or(x: Any, y: Any) -> Any:
    """`x | y`, of bools the logical or."""


@elementwise(BITS, ufunc("bitwise_xor"), lambda m, x, y: m.bit_xor(x, y))
def bitwise_xor(x: Any, y: Any) -> Any:
    """`x ^ y`, of bools `x != y`."""


@elementwise(BITS, ufunc("invert"), lambda m, x: m.bit_not(x))
def bitwise_not(x: Any) -> Any:
    """`~x`, of bools the logical not."""


@elementwise("ui", ufunc("left_shift"), lambda m, x, y: m.shift_left(x, y))
def shift_left(x: Any, y: Any) -> Any:
    """`x << y`; undefined unless 0 <= y < bits, as in C."""


@elementwise("ui", ufunc("right_shift"), lambda m, x, y: m.shift_right(x, y))
def shift_right(x: Any, y: Any) -> Any:
    """`x >> y`, keeping the sign of signed integers; undefined unless 0 <= y < bits, as in C."""


def _select_type(c: TensorType, x: TensorType, y: TensorType, *, where: Where | None) -> Type:
    check_kinds("select", "buifc", (x, y), where)
    if c.dtype != bool:
        raise DtypeError(
            f"select: the condition is {c.dtype.name}, not bool", where=where, fix="compare, or convert it to bool"
        )
    return TensorType(common("select", (c, x, y), where).shape, x.dtype, device_of((c, x, y)))


@elementwise(
    "buifc",
    lambda xp, out, c, x, y: store(xp, out, xp.where(c, x, y)),
    lambda m, c, x, y: m.select(c, x, y),
    type=_select_type,
    joint=(1, 2),
    transpose={
        1: lambda ct, c, x, y: select(c, ct, number(0, ct)),
        2: lambda ct, c, x, y: select(c, number(0, ct), ct),
    },
)
def select(c: Any, x: Any, y: Any) -> Any:
    """`x` where the bool `c`, else `y`; what is not chosen gives no derivative, not even NaN."""


def _inside(d: Value, low: Value, x: Value, high: Value) -> Any:
    return select(ge(x, low) & le(x, high), d, number(0, d))


@elementwise(
    ORDERED,
    lambda xp, out, low, x, high: ufunc("minimum")(xp, out, xp.maximum(x, low), high),
    lambda m, low, x, high: m.min(m.max(x, low), high),
    jvp={
        0: lambda d, y, low, x, high: select(lt(x, low) & lt(low, high), d, number(0, d)),
        1: lambda d, y, low, x, high: _inside(d, low, x, high),
        2: lambda d, y, low, x, high: select(gt(x, high) | lt(high, low), d, number(0, d)),
    },
    flops=lambda y, *xs: 2 * y.size,
)
def clamp(low: Any, x: Any, high: Any) -> Any:
    """`min(max(x, low), high)`; the derivative by `x` is 1 inside, bounds included, as in PyTorch."""
