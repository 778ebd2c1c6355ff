"""Elementwise functions made of others, on Values, and the few that need an array call of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.errors import Where
from fgrad.ir.apply import primitive
from fgrad.ir.dtypes import kind
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.arithmetic import convert, copysign, div, floor_divide, mul, pow_
from fgrad.primitives.checks import check_kinds, store
from fgrad.primitives.compare import bitwise_or, clamp, eq, ge, gt, lt, ne, select
from fgrad.primitives.composites import below
from fgrad.primitives.elementwise import elementwise, ufunc
from fgrad.primitives.shape import number
from fgrad.primitives.structure import item, stop_gradient
from fgrad.primitives.transcendental import exp2, log, log1p, sin

_INT32 = np.dtype("int32")


@elementwise("ui", ufunc("gcd"), lambda m, x, y: m.call("gcd", x, y), smooth=False)
def gcd(x: Any, y: Any) -> Any:
    """The greatest common divisor, not negative; gcd(0, 0) is 0."""


@elementwise(
    "f",
    ufunc("nextafter"),
    lambda m, x, y: m.call("nextafter", x, y),
    jvp={0: lambda d, z, x, y: select(ne(x, y), d, number(0, d)), 1: lambda d, z, x, y: None},
)
def nextafter(x: Any, y: Any) -> Any:
    """The next number of the type from `x` towards `y`."""


def _frexp_type(x: TensorType, *, where: Where | None) -> Type:
    check_kinds("frexp", "f", (x,), where)
    return TupleType((x, x.with_dtype(_INT32)))


def _frexp(xp: Any, out: Any, x: Any) -> Any:
    wide = x.astype("float32") if x.dtype.itemsize == 2 else x
    m, e = xp.frexp(wide)
    e = xp.where(xp.isfinite(wide), e, xp.zeros((), _INT32))
    mantissa, exponent = (None, None) if out is None else out
    return store(xp, mantissa, xp.asarray(m).astype(x.dtype, copy=False)), store(xp, exponent, e.astype(_INT32, copy=False))


@primitive(
    type=_frexp_type,
    lower=_frexp,
    jvp={0: lambda dx, y, x: (div(dx, exp2(convert(item(y, index=1), dtype=x.dtype))), None)},
    batch=lambda n, batched, x: frexp(x),
    flops=lambda y, x: x.size,
)
def frexp(x: Any) -> Any:
    """(m, e) with x = m * 2^e, 0.5 <= |m| < 1, e int32; of 0, infinities and NaN themselves and 0."""


def lcm(x: Value, y: Value) -> Any:
    """The least common multiple, not negative; 0 if either is."""
    d = gcd(x, y)
    y = mul(floor_divide(x, select(eq(d, number(0, d)), number(1, d), d)), y)
    return select(lt(y, number(0, y)), -y, y) if kind(y.dtype) == "i" else y


def signbit(x: Value) -> Any:
    """True where the sign is minus, of zeros and NaN too."""
    if kind(x.dtype) == "f":
        return lt(copysign(number(1, stop_gradient(x)), stop_gradient(x)), number(0, x))
    return lt(x, number(0, x))


def scaled(x: Value, *, by: float) -> Any:
    """x times a number."""
    return x * number(by, x)


def fmax(x: Value, y: Value) -> Any:
    """The larger, a number rather than NaN; the derivative of ties goes to `x`, as PyTorch's."""
    return select(bitwise_or(ge(x, y), ne(y, y)), x, y) if kind(x.dtype) == "f" else select(ge(x, y), x, y)


def fmin(x: Value, y: Value) -> Any:
    """The smaller, a number rather than NaN; the derivative of ties goes to `x`, as PyTorch's."""
    return select(bitwise_or(ge(y, x), ne(y, y)), x, y) if kind(x.dtype) == "f" else select(ge(y, x), x, y)


def heaviside(x: Value, values: Value) -> Any:
    """0 below 0 (and of NaN), 1 above, `values` at 0; no derivative."""
    x, values = stop_gradient(x), stop_gradient(values)
    zero = number(0, x)
    return select(eq(x, zero), values, select(gt(x, zero), number(1, x), zero))


def logaddexp2(x: Value, y: Value) -> Any:
    """log2(2^x + 2^y) without overflow; equal infinities stay."""
    gap, top = x - y, select(ge(x, y), x, y)
    y2 = top + log1p(exp2(below(gap))) * number(1 / math.log(2), x)
    return select(ne(gap, gap), x + y, y2)


def logit(x: Value, *, eps: float | None) -> Any:
    """log(x / (1 - x)), x first clamped to [eps, 1 - eps]."""
    if eps is not None:
        x = clamp(number(eps, x), x, number(1 - eps, x))
    return log(x / (number(1, x) - x))


def sinc(x: Value) -> Any:
    """sin(pi x) / (pi x), 1 at 0."""
    zero = eq(x, number(0, x))
    z = select(zero, number(1, x), x) * number(math.pi, x)
    # near 0 the series, so that the derivatives there are right: 1 - (pi x)^2 / 6
    w = x * number(math.pi, x)
    return select(zero, number(1, x) - w * w * number(1 / 6, x), sin(z) / z)


def spherical_bessel_j0(x: Value) -> Any:
    """sin(x) / x, 1 at 0 and 0 at infinity."""
    zero = eq(x, number(0, x))
    y = select(zero, number(1, x) - x * x * number(1 / 6, x), sin(x) / select(zero, number(1, x), x))
    return select(bitwise_or(eq(x, number(math.inf, x)), eq(x, number(-math.inf, x))), number(0, x), y)


def ldexp(x: Value, other: Value) -> Any:
    """x * 2^other."""
    return x * pow_(number(2, x), other)


def is_infinite(x: Value, *, sign: int) -> Any:
    """True where x is plus (or minus) infinity."""
    return eq(x, number(sign * math.inf, x))
