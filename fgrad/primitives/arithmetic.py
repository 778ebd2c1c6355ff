"""Arithmetic on each element: sums, products, quotients, powers, roots, rounding, conversion."""

from __future__ import annotations

from typing import Any

from fgrad.errors import DtypeError, Where
from fgrad.ir.dtypes import Dtype, dtype_of, kind, real_of
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_kinds, store
from fgrad.primitives.elementwise import elementwise, ufunc, wide
from fgrad.primitives.shape import number

NUMBERS, REALS = "uifc", "uif"
FLAT = {0: lambda dx, y, x: None}  # steps: the derivative is zero where there is one


def select(c: Any, x: Any, y: Any) -> Any:
    """`compare.select`, which the rules here share; that file builds on this one."""
    return FUNCTIONS["select"](c, x, y)


def equal(x: Any, y: Any) -> Any:
    """`compare.eq`, likewise."""
    return FUNCTIONS["eq"](x, y)


@elementwise(
    NUMBERS,
    ufunc("add"),
    lambda m, x, y: m.add(x, y),
    jvp={0: lambda d, z, x, y: d, 1: lambda d, z, x, y: d},
    transpose={0: lambda ct, x, y: ct, 1: lambda ct, x, y: ct},
)
def add(x: Any, y: Any) -> Any:
    """`x + y`; integers wrap."""


@elementwise(
    NUMBERS,
    ufunc("subtract"),
    lambda m, x, y: m.sub(x, y),
    jvp={0: lambda d, z, x, y: d, 1: lambda d, z, x, y: -d},
    transpose={0: lambda ct, x, y: ct, 1: lambda ct, x, y: -ct},
)
def sub(x: Any, y: Any) -> Any:
    """`x - y`; integers wrap."""


@elementwise(
    NUMBERS,
    ufunc("multiply"),
    lambda m, x, y: m.mul(x, y),
    transpose={0: lambda ct, x, y: ct * y, 1: lambda ct, x, y: ct * x},
)
def mul(x: Any, y: Any) -> Any:
    """`x * y`; integers wrap."""


@elementwise(
    "fc",
    ufunc("true_divide"),
    lambda m, x, y: m.div(x, y),
    jvp={1: lambda dy, z, x, y: -dy * (z / y)},
    transpose={0: lambda ct, x, y: ct / y},
)
def div(x: Any, y: Any) -> Any:
    """`x / y` of floats."""


def _floor_divide_body(m: Any, x: Any, y: Any) -> Any:
    zero, one, r = m.const(0, x), m.const(1, x), m.rem(x, y)
    apart = m.bit_and(m.ne(r, zero), m.bit_xor(m.lt(r, zero), m.lt(y, zero)))
    if m.kind(x) != "f":
        q = m.div(x, y)
        return m.select(apart, m.sub(q, one), q)
    q = m.div(m.sub(x, r), y)  # a whole number but for rounding
    whole = m.rint(m.select(apart, m.sub(q, one), q))
    plain = m.div(x, y)
    whole = m.select(m.eq(whole, zero), m.copysign(zero, plain), whole)
    return m.select(m.eq(y, zero), plain, whole)


@elementwise(REALS, ufunc("floor_divide"), _floor_divide_body, smooth=False)
def floor_divide(x: Any, y: Any) -> Any:
    """`x / y` rounded down; an integer by zero gives 0."""


def _rem(xp: Any, out: Any, x: Any, y: Any) -> Any:
    if xp.__name__ == "numpy" or x.dtype.kind not in "ui":
        return ufunc("fmod")(xp, out, x, y)
    r = xp.remainder(x, y)  # CuPy's fmod of integers goes through doubles
    return store(xp, out, r if x.dtype.kind == "u" else xp.where((r != 0) & ((r < 0) != (x < 0)), r - y, r))


@elementwise(
    REALS,
    _rem,
    lambda m, x, y: m.rem(x, y),
    jvp={0: lambda d, z, x, y: d, 1: lambda d, z, x, y: -d * trunc(x / y)},
)
def rem(x: Any, y: Any) -> Any:
    """C's remainder, of the sign of `x`; an integer by zero gives 0."""


def _pow(xp: Any, out: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind != "i":
        return store(xp, out, xp.power(x, y)) if out is None else xp.power(x, y, out=out)
    z = xp.power(x, xp.maximum(y, 0))
    inverse = xp.where(x == 1, 1, xp.where(x == -1, 1 - 2 * (y & 1), 0))
    return store(xp, out, xp.where(y < 0, inverse, z).astype(x.dtype))


def _pow_x(dx: Value, z: Value, x: Value, y: Value) -> Any:
    if y.const is not None and not y.shape:
        e = y.const.item()
        if e in (0, 1, 2):
            return None if e == 0 else dx if e == 1 else dx * (x + x)
        return dx * (pow_(x, number(e - 1, y)) * y)
    lower = select(equal(y, number(0, y)), number(1, y), y - number(1, y))  # 0 * x**1 where y is 0
    return dx * (y * pow_(x, lower))


def _pow_y(dy: Value, z: Value, x: Value, y: Value) -> Any:
    zero = number(0, x)
    there = equal(x, zero)
    if kind(x.dtype) != "c":
        there = there & FUNCTIONS["ge"](y, zero)
    return dy * (z * FUNCTIONS["log"](select(there, number(1, x), x)))


@elementwise(NUMBERS, _pow, lambda m, x, y: m.call("pow", x, y), jvp={0: _pow_x, 1: _pow_y})
def pow_(x: Any, y: Any) -> Any:
    """`x ** y`; of integers 1/x**-y truncated if y < 0.

    The derivative by `x` is 0 at y = 0, that by `y` is 0 at x = 0, y >= 0.
    """


@elementwise(NUMBERS, ufunc("negative"), lambda m, x: m.neg(x), transpose={0: lambda ct, x: -ct})
def neg(x: Any) -> Any:
    """`-x`; integers wrap."""


def _abs_x(dx: Value, y: Value, x: Value) -> Any:
    if kind(x.dtype) != "c":
        return dx * sign(x)
    unit = select(equal(y, number(0, y)), number(1, y), y)
    return FUNCTIONS["real"](dx * FUNCTIONS["conj"](x)) / unit


@elementwise(
    NUMBERS,
    ufunc("absolute"),
    lambda m, x: x if m.kind(x) == "u" else m.abs(x),
    result=real_of,
    jvp={0: _abs_x},
)
def abs_(x: Any) -> Any:
    """`|x|`; the derivative at 0 is 0."""


def _sign_body(m: Any, x: Any) -> Any:
    zero, one = m.const(0, x), m.const(1, x)
    positive = m.select(m.gt(x, zero), one, m.select(m.eq(x, zero), zero, x))
    return positive if m.kind(x) == "u" else m.select(m.lt(x, zero), m.neg(one), positive)


@elementwise(REALS, ufunc("sign"), _sign_body, jvp=FLAT)
def sign(x: Any) -> Any:
    """-1, 0 or 1; NaN of NaN."""


@elementwise("f", ufunc("floor"), lambda m, x: m.floor(x), jvp=FLAT)
def floor(x: Any) -> Any:
    """The largest whole number <= x."""


@elementwise("f", ufunc("ceil"), lambda m, x: m.ceil(x), jvp=FLAT)
def ceil(x: Any) -> Any:
    """The smallest whole number >= x."""


@elementwise("f", ufunc("trunc"), lambda m, x: m.trunc(x), jvp=FLAT)
def trunc(x: Any) -> Any:
    """`x` without its fraction."""


@elementwise("f", ufunc("rint"), lambda m, x: m.rint(x), jvp=FLAT)
def round_(x: Any) -> Any:
    """The nearest whole number, ties to even."""


@elementwise("fc", ufunc("sqrt"), lambda m, x: m.sqrt(x), jvp={0: lambda dx, y, x: dx * (0.5 / y)})
def sqrt(x: Any) -> Any:
    """Square root; the derivative at 0 is inf."""


@elementwise(
    "fc",
    wide(lambda xp, x: 1 / xp.sqrt(x)),
    lambda m, x: m.div(m.const(1, x), m.sqrt(x)),
    jvp={0: lambda dx, y, x: dx * (-0.5 * y / x)},
)
def rsqrt(x: Any) -> Any:
    """`1 / sqrt(x)`."""


def _share(d: Value, mine: Value, other: Value, lost: str) -> Any:
    """`d` where `mine` is the result, half of it at a tie."""
    tied = select(equal(mine, other), d * 0.5, d)
    return select(FUNCTIONS[lost](mine, other), number(0, d), tied)


@elementwise(
    "buif",
    ufunc("maximum"),
    lambda m, x, y: m.max(x, y),
    jvp={0: lambda d, z, x, y: _share(d, x, y, "lt"), 1: lambda d, z, x, y: _share(d, y, x, "lt")},
)
def maximum(x: Any, y: Any) -> Any:
    """The larger; NaN if either is. A tie shares the derivative evenly, as PyTorch does."""


@elementwise(
    "buif",
    ufunc("minimum"),
    lambda m, x, y: m.min(x, y),
    jvp={0: lambda d, z, x, y: _share(d, x, y, "gt"), 1: lambda d, z, x, y: _share(d, y, x, "gt")},
)
def minimum(x: Any, y: Any) -> Any:
    """The smaller; NaN if either is. A tie shares the derivative evenly, as PyTorch does."""


@elementwise(
    "f",
    ufunc("copysign"),
    lambda m, x, y: m.copysign(x, y),
    jvp={0: lambda d, z, x, y: d * (sign(x) * copysign(number(1, x), y)), 1: lambda d, z, x, y: None},
)
def copysign(x: Any, y: Any) -> Any:
    """`|x|` with the sign of `y`; the derivative at x = 0 is 0."""


def _convert_type(x: TensorType, *, dtype: Dtype, where: Where | None) -> Type:
    check_kinds("convert", "buifc", (x,), where)
    return x.with_dtype(dtype)


def _convert(xp: Any, out: Any, x: Any, *, dtype: Dtype) -> Any:
    target = dtype_of(dtype)
    if x.dtype.kind == "c" and target.kind not in "cb":
        x = x.real
    return x.astype(target) if out is None else store(xp, out, x)


@elementwise(
    "buifc",
    _convert,
    lambda m, x, *, dtype: m.convert(x, dtype_of(dtype).name),
    type=_convert_type,
    transpose={0: lambda ct, x, *, dtype: convert(ct, dtype=x.dtype)},
)
def convert(x: Any, *, dtype: Dtype) -> Any:
    """`x` as another dtype: float to integer truncates, complex to real drops the imaginary part, bool is x != 0."""


def _bitcast_type(x: TensorType, *, dtype: Dtype, where: Where | None) -> Type:
    check_kinds("bitcast", "buifc", (x,), where)
    if dtype_of(dtype).itemsize != x.dtype.itemsize:
        raise DtypeError(
            f"bitcast: {x.dtype.name} and {dtype_of(dtype).name} differ in width",
            where=where,
            fix="use a dtype of as many bytes",
        )
    return x.with_dtype(dtype)


def _bitcast(xp: Any, out: Any, x: Any, *, dtype: Dtype) -> Any:
    y = x.view(dtype_of(dtype))
    return xp.array(y) if out is None else store(xp, out, y)


@elementwise(
    "buifc",
    _bitcast,
    lambda m, x, *, dtype: m.bitcast(x, dtype_of(dtype).name),
    type=_bitcast_type,
    smooth=False,
)
def bitcast(x: Any, *, dtype: Dtype) -> Any:
    """The bits of `x` read as another dtype of the same width."""
