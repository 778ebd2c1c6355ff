"""PyTorch's pointwise operations: promotion around one primitive or composite each.

Every function takes tensors of any shapes that broadcast, and Python numbers; `out=` receives the result in place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager import casting
from fgrad.eager.casting import full_precision
from fgrad.eager.cell import Cell
from fgrad.eager.record import record2
from fgrad.eager.views import write
from fgrad.errors import ArgumentError, DtypeError, RuleError
from fgrad.functions import refusals as refuse
from fgrad.functions.call import R, alike, become, binary, compose, convert, is_bool, is_integer, same, unary
from fgrad.functions.dtypes import can_cast, inexact_result, result_numpy
from fgrad.functions.layouts import Sparse
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.primitives import composites as c
from fgrad.primitives import polynomials

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clamp", "clip", "copysign", "cos",
    "cosh", "digamma", "div", "divide", "eq", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "fix", "floor",
    "floor_divide", "fmod", "frac", "ge", "greater", "greater_equal", "gt", "hypot", "le", "less",
    "less_equal", "lgamma", "log", "log1p", "log2", "log10", "logaddexp", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "maximum", "minimum", "mul", "multiply", "ne", "neg", "negative", "not_equal", "pow",
    "reciprocal", "relu", "remainder", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "sub",
    "subtract", "tan", "tanh", "true_divide", "trunc", "where", "xlogy",
]  # fmt: skip

Op = Callable[..., Any]


def into(out: Any, y: Any) -> Any:
    """`y`, written to `out` if that is given; `out` takes its shape, with a warning unless it was empty."""
    if out is None:
        return y
    if not can_cast(y._type.dtype, out._type.dtype):
        raise DtypeError(f"result type {y._type.dtype.name} can't be cast to the desired output type {out._type.dtype.name}", where=caller(),
                         fix="give an out of the result's dtype")  # fmt: skip
    found = convert(y, out._type.dtype)
    if out._type.shape == y._type.shape:
        return write(out, found)
    if out._type.size:
        warnings.warn(f"An output with one or more elements was resized since it had shape {list(out._type.shape)}, which does not match the required "
                      f"output shape {list(y._type.shape)}.", stacklevel=3)  # fmt: skip
    return become(out, found)


def _unary(name: str, doc: str, *, float_only: bool = False, prim: str | None = None) -> Op:
    p, wide = R[prim or name], name in casting.WIDE_ON_CUDA

    def op(input: Any, *, out: Any = None) -> Any:
        x = casting.widen(input) if wide and casting.USED else input
        return into(out, unary(p, x, floating=float_only))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} Elementwise; {'integers become the default float' if float_only else 'keeps the dtype'}."
    return op


def _binary(name: str, doc: str, *, float_only: bool = False, prim: str | None = None, check: Any = None) -> Op:
    p = R[prim or name]

    def op(input: Any, other: Any, *, out: Any = None) -> Any:
        if check is not None:
            check(name, input, other)
        return into(out, binary(p, input, other, floating=float_only))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} Elementwise with broadcasting and type promotion."
    return op


abs, neg = _unary("abs", "|x|."), _unary("neg", "-x.")  # noqa: A001
absolute, negative = abs, neg
exp, exp2 = _unary("exp", "e^x.", float_only=True), _unary("exp2", "2^x.", float_only=True)
expm1 = _unary("expm1", "e^x - 1, accurate near 0.", float_only=True)
log, log2 = _unary("log", "Natural logarithm.", float_only=True), _unary("log2", "Logarithm to base 2.", float_only=True)
log10 = _unary("log10", "Logarithm to base 10.", float_only=True)
log1p = _unary("log1p", "log(1 + x), accurate near 0.", float_only=True)
sqrt = _unary("sqrt", "Square root.", float_only=True)
rsqrt = _unary("rsqrt", "1 / sqrt(x).", float_only=True)
sin, cos = _unary("sin", "Sine (radians).", float_only=True), _unary("cos", "Cosine (radians).", float_only=True)
tan = _unary("tan", "Tangent (radians).", float_only=True)
asin, acos = _unary("asin", "Arc sine.", float_only=True), _unary("acos", "Arc cosine.", float_only=True)
atan = _unary("atan", "Arc tangent.", float_only=True)
sinh, cosh = (_unary("sinh", "Hyperbolic sine.", float_only=True), _unary("cosh", "Hyperbolic cosine.", float_only=True))
tanh = _unary("tanh", "Hyperbolic tangent.", float_only=True)
asinh = _unary("asinh", "Inverse hyperbolic sine.", float_only=True)
acosh = _unary("acosh", "Inverse hyperbolic cosine.", float_only=True)
atanh = _unary("atanh", "Inverse hyperbolic tangent.", float_only=True)
sigmoid = _unary("sigmoid", "1 / (1 + e^-x).", float_only=True)
erf, erfc = (_unary("erf", "Error function.", float_only=True), _unary("erfc", "1 - erf(x).", float_only=True))
erfinv = _unary("erfinv", "Inverse of erf.", float_only=True)
lgamma = _unary("lgamma", "log |Gamma(x)|.", float_only=True)
digamma = _unary("digamma", "Derivative of lgamma.", float_only=True)
arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh
bitwise_not = _unary("bitwise_not", "Every bit (every truth value) inverted.")

add_, sub_, mul_ = R["add"], R["sub"], R["mul"]
maximum = _binary("maximum", "The larger; NaN if either is; gradients of ties are halved.", check=refuse.tensors_only)
minimum = _binary("minimum", "The smaller; NaN if either is; gradients of ties are halved.", check=refuse.tensors_only)
atan2 = _binary("atan2", "Angle of the point (other, input).", check=refuse.tensors_only, float_only=True)
arctan2 = atan2
hypot = _binary("hypot", "sqrt(x^2 + y^2).", float_only=True, check=refuse.float_tensors)
copysign = _binary("copysign", "|input| with the sign of other.", float_only=True)
fmod = _binary("fmod", "C's remainder: the sign of the dividend.", prim="rem", check=lambda _, x, y: refuse.divisible(x, y))
bitwise_and = _binary("bitwise_and", "Bits (truth values) of both.")
bitwise_or = _binary("bitwise_or", "Bits (truth values) of either.")
bitwise_xor = _binary("bitwise_xor", "Bits (truth values) of exactly one.")
bitwise_left_shift = _binary("bitwise_left_shift", "input * 2^other.", prim="shift_left")
bitwise_right_shift = _binary("bitwise_right_shift", "Arithmetic shift right.", prim="shift_right")
eq, ne = _binary("eq", "input == other."), _binary("ne", "input != other.")
lt, le = _binary("lt", "input < other."), _binary("le", "input <= other.")
gt, ge = _binary("gt", "input > other."), _binary("ge", "input >= other.")
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def relu(input: Any, *, out: Any = None) -> Any:
    """max(x, 0), of numbers; derivative 0 at 0."""
    if input._type.dtype.kind == "b":
        raise DtypeError("Boolean inputs not supported for relu", where=caller(), fix="convert to a number type")
    refuse.ordered("clamp", input._type.dtype)
    return into(out, compose(c.relu, input))


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha * other; of bools, or."""
    if out is None and alpha.__class__ is int and alpha == 1 and alike(input, other):
        return record2(type(input)._result, add_, input, other)
    if both_bool(input, other):
        return into(out, binary(R["bitwise_or"], input, scaled(input, other, alpha if isinstance(alpha, float) else bool(alpha))))
    return into(out, binary(add_, input, other if alpha.__class__ is int and alpha == 1 else scaled(input, other, alpha)))


def scaled(x: Any, y: Any, alpha: Any) -> Any:
    """y * alpha, a factor that fits what is computed with `x`."""
    d = result_numpy(x, y)
    refuse.factor_fits(d, alpha)
    return mul(convert(y, d), alpha) if isinstance(y, Cell) else y and alpha if isinstance(y, bool) else y * alpha


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha * other."""
    if out is None and alpha.__class__ is int and alpha == 1 and alike(input, other):
        return record2(type(input)._result, sub_, input, other)
    if is_bool(input) or is_bool(other):
        raise DtypeError("Subtraction, the `-` operator, with a bool tensor is not supported.", where=caller(),
                         fix="use ^ or logical_xor, or ~ to invert a mask")  # fmt: skip
    return into(out, binary(sub_, input, other if alpha.__class__ is int and alpha == 1 else scaled(input, other, alpha)))


def both_bool(x: Any, y: Any) -> bool:
    """True if an operation on these two gives bools."""
    t = x if isinstance(x, Cell | Sparse) else y
    return bool(t._type.dtype.kind == "b" and result_numpy(x, y).kind == "b")


def mul(input: Any, other: Any, *, out: Any = None) -> Any:
    """input * other."""
    if out is None and alike(input, other):
        return record2(type(input)._result, mul_, input, other)
    if both_bool(input, other):
        return into(out, binary(R["bitwise_and"], input, other))
    return into(out, binary(mul_, input, other))


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """input / other; integers divide to the default float. rounding_mode: None, "trunc" or "floor"."""
    if rounding_mode is None:
        return into(out, binary(R["div"], input, other, floating=True))
    if rounding_mode == "floor":
        return floor_divide(input, other, out=out)
    if rounding_mode != "trunc":
        raise ArgumentError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'",
                            where=caller(), fix="choose one of the three")  # fmt: skip
    x, y = same((input, other))
    if is_integer(x):
        refuse.divisible(x, other)
        q = sub(x, binary(R["rem"], x, y))
        return into(out, binary(R["floor_divide"], q, y))
    return into(out, unary(R["trunc"], binary(R["div"], x, y)))


true_divide, divide, multiply, subtract = div, div, mul, sub


def floor_divide(input: Any, other: Any, *, out: Any = None) -> Any:
    """floor(input / other). Raises RuntimeError for an integer over a 0 that is at hand."""
    x, y = same((input, other))
    refuse.divisible(x, other)
    return into(out, binary(R["floor_divide"], x, y) if is_integer(x) else compose(c.floor_divide, x, y))


def remainder(input: Any, other: Any, *, out: Any = None) -> Any:
    """Python's %: the sign of the divisor. Raises RuntimeError for an integer over a 0 that is at hand."""
    x, y = same((input, other))
    refuse.divisible(x, other)
    return into(out, compose(c.remainder, x, y))


def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:  # noqa: A001
    """input ** exponent. Integers to negative integer powers are refused."""
    x, y = (casting.widen(input), casting.widen(exponent)) if casting.USED else (input, exponent)
    if y.__class__ in (int, float) and isinstance(x, Cell) and x._value.type.inexact:
        if y == 2:
            return into(out, binary(mul_, x, x))
        if y == 0.5:
            return into(out, unary(R["sqrt"], x))
    if y.__class__ is int and y < 0 and isinstance(x, Cell) and is_integer(x):
        raise DtypeError("Integers to negative integer powers are not allowed.", where=caller(),
                         fix="convert the base to a float")  # fmt: skip
    if both_bool(x, y):
        return into(out, binary(R["bitwise_or"], x, logical_not(y) if isinstance(y, Cell) else not y))
    return into(out, binary(R["pow"], x, y))


def square(input: Any, *, out: Any = None) -> Any:
    """x * x; of bools int64."""
    if input._type.dtype.kind == "b":
        return into(out, convert(input, np.dtype("int64")))
    return mul(input, input, out=out)


@full_precision("cuda")
def reciprocal(input: Any, *, out: Any = None) -> Any:
    """1 / x."""
    return div(1, input, out=out)


def _rounding(name: str, doc: str) -> Op:
    p = R[name]

    def op(input: Any, *, out: Any = None) -> Any:
        refuse.no_bools(name, input)
        return into(out, input.clone() if is_integer(input) else unary(p, input))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


floor, ceil = _rounding("floor", "The integer at or below x."), _rounding("ceil", "The integer at or above x.")
trunc = _rounding("trunc", "x without its fraction.")
fix = trunc


def round(input: Any, *, decimals: int = 0, out: Any = None) -> Any:  # noqa: A001
    """To the nearest integer (or multiple of 10^-decimals), ties to even."""
    refuse.no_bools("round", input)
    if is_integer(input):
        if decimals:
            raise RuleError(f"round(decimals={decimals}) of {input._type}", where=caller(), fix="convert to a float")
        return into(out, input.clone())
    if not decimals:
        return into(out, unary(R["round"], input))
    scale = 10.0**decimals
    return into(out, div(unary(R["round"], mul(input, scale)), scale))


def frac(input: Any, *, out: Any = None) -> Any:
    """x - trunc(x)."""
    refuse.floats_only("frac", input)
    return sub(input, trunc(input), out=out)


def sign(input: Any, *, out: Any = None) -> Any:
    """-1, 0 or 1."""
    return into(out, input.clone() if input._type.dtype.kind == "b" else unary(R["sign"], input))


def clamp(input: Any, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """min(max(x, min), max); gradient 1 inside and on the bounds, NaN kept."""
    if min is None and max is None:
        raise ArgumentError("torch.clamp: At least one of 'min' or 'max' must not be None", where=caller(), fix="give a bound")
    given = [b for b in (min, max) if b is not None]
    d = result_numpy(input, *given)
    refuse.ordered("clamp", d)
    if all_numbers(given):
        low, high = limits(min, max, d)
        x = convert(input, d)
        return into(out, record_clamp(low, x, high))
    y = input if min is None else select_bound(input, min, d, upper=False)
    return into(out, y if max is None else select_bound(y, max, d, upper=True))


clip = clamp


def all_numbers(xs: list[Any]) -> bool:
    """True if none of the bounds is a tensor."""
    return not any(isinstance(x, Cell) for x in xs)


def limits(low: Any, high: Any, d: np.dtype[Any]) -> tuple[Any, Any]:
    """Both bounds as numbers, the missing one the dtype's own."""
    if kind(d) in "fc":
        return (-np.inf if low is None else float(low)), (np.inf if high is None else float(high))
    info = np.iinfo(d)
    if any(b is not None and not info.min <= int(b) <= info.max for b in (low, high)):
        raise DtypeError(f"clamp: a bound of {low}, {high} is no {d.name}", where=caller(), fix="convert the tensor first")
    return (info.min if low is None else int(low)), (info.max if high is None else int(high))


def record_clamp(low: Any, x: Any, high: Any) -> Any:
    """The primitive on constant bounds."""
    return compose(_clamp_rule, x, low=low, high=high)


def _clamp_rule(x: Any, *, low: Any, high: Any) -> Any:
    y = c.select(c.lt(x, c.number(low, x)), c.number(low, x), x)
    return c.select(c.lt(c.number(high, y), y), c.number(high, y), y)


def select_bound(x: Any, bound: Any, d: np.dtype[Any], *, upper: bool) -> Any:
    """One tensor bound: the gradient goes to x inside and on it, else to the bound."""
    a, b = same((x, bound), d)
    outside = binary(R["lt"], b, a) if upper else binary(R["lt"], a, b)
    return where(outside, b, a)


def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """input where condition, else other; with the condition alone, the indices where it holds (as nonzero does)."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    refuse.condition_fits(condition)
    mask = condition if condition._type.dtype.kind == "b" else ne(condition, 0)
    if not isinstance(input, Cell) and not isinstance(other, Cell):
        d = result_numpy(input, other)
        x, y = (_like(mask, v, d) for v in (input, other))
    else:
        x, y = same((input, other))
    return into(out, compose(c.select, mask, x, y))


def _like(mask: Any, value: Any, d: np.dtype[Any]) -> Any:
    return compose(_full_rule, mask, value=value, dtype=d)


def _full_rule(mask: Any, *, value: Any, dtype: Any) -> Any:
    return c.broadcast_to(c.constant(np.asarray(value, dtype), device=mask.device), shape=mask.shape)


def logical_not(input: Any, *, out: Any = None) -> Any:
    """not x, non-zero being true."""
    return into(out, eq(input, 0) if input._type.dtype.kind != "b" else bitwise_not(input))


def _logical(name: str, prim: str) -> Op:
    def op(input: Any, other: Any, *, out: Any = None) -> Any:
        refuse.tensors_only(name, input, other)
        return into(out, binary(R[prim], truth(input), truth(other)))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"Elementwise {name.removeprefix('logical_')} of truth values, non-zero being true."
    return op


def truth(x: Any) -> Any:
    """A tensor as bool."""
    return x if not isinstance(x, Cell) or x._value.type.dtype.kind == "b" else ne(x, 0)  # type: ignore[union-attr]


logical_and, logical_or, logical_xor = (
    _logical("logical_and", "bitwise_and"), _logical("logical_or", "bitwise_or"), _logical("logical_xor", "bitwise_xor"),
)  # fmt: skip


def xlogy(input: Any, other: Any, *, out: Any = None) -> Any:
    """input * log(other), 0 where input is 0 (NaN if other is NaN)."""
    d = inexact_result(input, other)
    return into(out, compose(polynomials.xlogy, *same((input, other), d)))



def logaddexp(input: Any, other: Any, *, out: Any = None) -> Any:
    """log(exp(input) + exp(other))."""
    refuse.float_tensors("logaddexp", input, other)
    return into(out, compose(c.logaddexp, *same((input, other), inexact_result(input, other))))


def swap(op: Op) -> Op:
    """A reflected operator: `op(other, self)`."""
    return lambda self, other: op(other, self)


def comparable(other: object) -> bool:
    """True for what == can compare elementwise."""
    return isinstance(other, Cell | bool | int | float | complex | np.generic | np.ndarray)
