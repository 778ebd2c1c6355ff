"""NumPy's functions of each element: promotion around one primitive or composite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fgrad.eager.arrays import another, array_of, as_dtype, binary, call, loose, result_dtype, same, truth, unary
from fgrad.eager.cell import Cell
from fgrad.eager.operands import R, compose, convert, floating, is_integer
from fgrad.errors import ArgumentError, DtypeError
from fgrad.ir.apply import caller
from fgrad.ir.types import Device
from fgrad.numpy import special_cases
from fgrad.numpy.complex_order import with_complex
from fgrad.primitives import composites as c
from fgrad.primitives.transcendental import sin as sin_values

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "around",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clip",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "divide",
    "divmod",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmod",
    "greater",
    "greater_equal",
    "hypot",
    "invert",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "negative",
    "not_equal",
    "positive",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "round",
    "sign",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]  # fmt: skip

Op = Callable[..., Any]


def _unary(name: str, doc: str, prim: str | None = None, *, floats: bool = True) -> Op:
    p = R[prim or name]

    def op(x: Any, /) -> Any:
        return unary(p, x, floating=floats)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} Elementwise; {'integers become the default float' if floats else 'keeps the dtype'}."
    return op


def _binary(name: str, doc: str, prim: str | None = None, *, floats: bool = False) -> Op:
    p = R[prim or name]

    def op(x: Any, y: Any, /) -> Any:
        return binary(p, x, y, floating=floats)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} Elementwise with broadcasting and promotion."
    return op


def _lattice(name: str, doc: str, prim: str, truths: str) -> Op:
    """An operation that bools take by another primitive."""
    p, q = R[prim], R[truths]

    def op(x: Any, y: Any, /) -> Any:
        if isinstance(x, Cell) and x._value.type.inexact:
            return binary(p, x, y)
        x, y = loose(x), loose(y)
        return binary(q if result_dtype(x, y).kind == "b" else p, x, y)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} Elementwise with broadcasting and promotion; of bools, {truths.removeprefix('bitwise_')}."
    return op


exp, exp2, _expm1 = _unary("exp", "e^x."), _unary("exp2", "2^x."), _unary("expm1", "e^x - 1, accurate near 0.")


def expm1(x: Any, /) -> Any:
    """e^x - 1, accurate near 0."""
    a = array_of(x)
    return compose(special_cases.complex_expm1, a) if a._type.dtype.kind == "c" else _expm1(a)

log, log2, log10 = _unary("log", "Natural logarithm."), _unary("log2", "Base 2."), _unary("log10", "Base 10.")
log1p, sqrt, cbrt = _unary("log1p", "log(1 + x)."), _unary("sqrt", "Square root."), _unary("cbrt", "Cube root.")
sin, cos, tan = _unary("sin", "Sine."), _unary("cos", "Cosine."), _unary("tan", "Tangent.")
arcsin, arccos, arctan = (
    _unary("arcsin", "Inverse sine.", "asin"), _unary("arccos", "Inverse cosine.", "acos"),
    _unary("arctan", "Inverse tangent.", "atan"),
)  # fmt: skip
sinh, cosh, tanh = _unary("sinh", "(e^x - e^-x) / 2."), _unary("cosh", "(e^x + e^-x) / 2."), _unary("tanh", "sinh / cosh.")
arcsinh, arccosh, arctanh = (
    _unary("arcsinh", "Inverse of sinh.", "asinh"), _unary("arccosh", "Inverse of cosh.", "acosh"),
    _unary("arctanh", "Inverse of tanh.", "atanh"),
)  # fmt: skip
asin, acos, atan, asinh, acosh, atanh = arcsin, arccos, arctan, arcsinh, arccosh, arctanh
negative = _unary("negative", "-x.", "neg", floats=False)
invert = _unary("invert", "Every bit (every truth value) inverted.", "bitwise_not", floats=False)
bitwise_not = bitwise_invert = invert

add = _lattice("add", "x + y.", "add", "bitwise_or")
multiply = _lattice("multiply", "x * y.", "mul", "bitwise_and")
maximum, minimum = map(with_complex, (
    _lattice("maximum", "The larger; NaN if either is; gradients of ties are halved.", "maximum", "bitwise_or"),
    _lattice("minimum", "The smaller; NaN if either is; gradients of ties are halved.", "minimum", "bitwise_and"),
))  # fmt: skip
subtract = _binary("subtract", "x - y.", "sub")
divide = _binary("divide", "x / y; integers become the default float.", "div", floats=True)
true_divide = divide
arctan2 = _binary("arctan2", "The angle of the point (y, x).", "atan2", floats=True)
atan2 = arctan2
hypot = _binary("hypot", "sqrt(x^2 + y^2).", floats=True)
copysign = _binary("copysign", "|x| with the sign of y.", floats=True)
fmod = _binary("fmod", "C's remainder, of the sign of x.", "rem")
bitwise_and, bitwise_or = _binary("bitwise_and", "Bits of both."), _binary("bitwise_or", "Bits of either.")
bitwise_xor = _binary("bitwise_xor", "Bits of exactly one.")
left_shift = _binary("left_shift", "x * 2^y.", "shift_left")
right_shift = _binary("right_shift", "Arithmetic shift right.", "shift_right")
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift
equal, not_equal = _binary("equal", "x == y.", "eq"), _binary("not_equal", "x != y.", "ne")
less, less_equal, greater, greater_equal = map(with_complex, (
    _binary("less", "x < y.", "lt"), _binary("less_equal", "x <= y.", "le"),
    _binary("greater", "x > y.", "gt"), _binary("greater_equal", "x >= y.", "ge"),
))  # fmt: skip


def _logical(name: str, prim: str) -> Op:
    def op(x: Any, y: Any, /) -> Any:
        return binary(R[prim], truth(x), truth(y))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"Elementwise {name.removeprefix('logical_')} of truth values, non-zero being true."
    return op


logical_and, logical_or = _logical("logical_and", "bitwise_and"), _logical("logical_or", "bitwise_or")
logical_xor = _logical("logical_xor", "bitwise_xor")


def logical_not(x: Any, /) -> Any:
    """Not x, non-zero being true."""
    return call("bitwise_not", truth(x))


def absolute(x: Any, /) -> Any:
    """|x|; of complex numbers a real one."""
    x = array_of(x)
    return x if x._type.dtype.kind in "bu" else call("abs", x)


def positive(x: Any, /) -> Any:
    """x."""
    return array_of(x)


def sign(x: Any, /) -> Any:
    """-1, 0 or 1 (x / |x| of complex numbers)."""
    x = array_of(x)
    return x if x._type.dtype.kind == "b" else compose(c.sgn, x)


def _rounding(name: str, doc: str, prim: str) -> Op:
    p = R[prim]

    def op(x: Any, /) -> Any:
        x = array_of(x)
        return x if is_integer(x) else unary(p, x)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} Integers keep their dtype."
    return op


floor, ceil = _rounding("floor", "The integer at or below x.", "floor"), _rounding("ceil", "The one at or above.", "ceil")
trunc, _rint = _rounding("trunc", "x without its fraction.", "trunc"), _rounding("rint", "To even on ties.", "round")


def rint(x: Any, /) -> Any:
    """To the nearest integer, to even on ties; both parts of complex numbers. Integers keep their dtype."""
    a = array_of(x)
    return compose(special_cases.complex_rint, a) if a._type.dtype.kind == "c" else _rint(a)


fix = trunc


def round(x: Any, decimals: int = 0, out: None = None) -> Any:  # noqa: A001
    """To the nearest multiple of 10^-decimals, ties to even."""
    x = array_of(x)
    if is_integer(x) and decimals < 0 and x._type.dtype.kind != "b":
        unit = 10**-decimals
        below = floor_divide(x, unit)
        left = subtract(x, multiply(below, unit)) * 2
        up = (left > unit) | ((left == unit) & (below % 2 == 1))
        return multiply(add(below, astype(up, x._type.dtype)), unit)
    if is_integer(x) or not decimals:
        return rint(x)
    scale = 10.0**decimals
    return divide(rint(multiply(x, scale)), scale)


around = round


def floor_divide(x: Any, y: Any, /) -> Any:
    """floor(x / y); of floats, the array API standard's special cases: inf // 1 is inf, 1 // -inf is -0."""
    a, b = same((x, y))
    return binary(R["floor_divide"], a, b) if is_integer(a) else compose(special_cases.floor_divide, a, b)


def remainder(x: Any, y: Any, /) -> Any:
    """Python's %: the sign of the divisor, that of zeros too."""
    a, b = same((x, y))
    return compose(c.remainder if is_integer(a) else special_cases.remainder, a, b)


mod = remainder


def divmod(x: Any, y: Any, /) -> tuple[Any, Any]:  # noqa: A001
    """(floor_divide, remainder)."""
    return floor_divide(x, y), remainder(x, y)


def modf(x: Any, /) -> tuple[Any, Any]:
    """(fraction, whole part), both of the sign of x."""
    x = floating(array_of(x))
    whole = trunc(x)
    return subtract(x, whole), whole


def power(x: Any, y: Any, /) -> Any:
    """x ** y. A small whole Python exponent is a product; integers to negative powers are refused."""
    if y.__class__ in (int, float) and isinstance(x, Cell):
        if y == 2:
            return multiply(x, x)
        if y == 0.5 and x._value.type.inexact:
            return sqrt(x)
        if y.__class__ is int and y < 0 and is_integer(x):
            raise PowerError("Integers to negative integer powers are not allowed.", where=caller(),
                             fix="convert the base to a float")  # fmt: skip
    return binary(R["pow"], x, y)


class PowerError(DtypeError, ArgumentError):
    """An integer to a negative power (NumPy raises ValueError)."""


pow = power  # noqa: A001


def float_power(x: Any, y: Any, /) -> Any:
    """x ** y with integers as floats."""
    return binary(R["pow"], *same((x, y), floating=True))


def square(x: Any, /) -> Any:
    """x * x; of bools int32, as in JAX."""
    x = array_of(x)
    x = convert(x, as_dtype("int32")) if x._type.dtype.kind == "b" else x
    return multiply(x, x)


def reciprocal(x: Any, /) -> Any:
    """1 / x."""
    return divide(1, array_of(x))


def logaddexp(x: Any, y: Any, /) -> Any:
    """log(e^x + e^y), finite where it can be."""
    a, b = same((x, y), floating=True)
    return compose(c.logaddexp, a, b)


def sinc(x: Any, /) -> Any:
    """sin(pi x) / (pi x), 1 at 0."""
    return compose(_sinc, floating(array_of(x)))


def _sinc(x: Any) -> Any:
    zero, a = c.eq(x, c.number(0, x)), x * c.number(math.pi, x)
    safe = c.select(zero, c.number(1, a), a)
    near = c.number(1, a) - a * a / c.number(6, a)  # keeps derivatives right at 0
    return c.select(zero, near, sin_values(safe) / safe)


def deg2rad(x: Any, /) -> Any:
    """Degrees as radians."""
    return multiply(x, math.pi / 180)


def rad2deg(x: Any, /) -> Any:
    """Radians as degrees."""
    return multiply(x, 180 / math.pi)


radians, degrees = deg2rad, rad2deg


class OrderError(DtypeError, ArgumentError):
    """Complex numbers where an order is needed."""


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """minimum(maximum(x, min), max); a bound may be None. Raises ValueError for complex numbers."""
    y = array_of(x)
    if any(v is not None and result_dtype(loose(v)).kind == "c" for v in (y, min, max)):
        raise OrderError(f"clip of complex numbers ({y._type}): they have no bounds", where=caller(), fix="take .real or .imag")
    y = y if min is None else maximum(y, min)
    return y if max is None else minimum(y, max)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The array in another dtype, on another device if given; copy=False: itself if it has that dtype."""
    y = convert(array_of(x), as_dtype(dtype))
    y = another(y) if copy and y is x else y
    return y if device is None else call("transfer", y, device=Device(str(device)))


abs = absolute  # noqa: A001
