"""JAX's lax operations: strict about dtypes, a thin name over one primitive each.

Operands are arrays of one dtype and of shapes that broadcast; a Python number takes the dtype beside it.
"""

from __future__ import annotations

import builtins
import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.arrays import (
    AxisError,
    array_of,
    as_dtype,
    axes_of,
    axis_of,
    binary,
    call,
    call_many,
    face,
    reshape,
    same,
    shape_of,
    unary,
)
from fgrad.eager.cell import Cell
from fgrad.eager.operands import R, compose, convert, recorded
from fgrad.eager.record import record
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import trunc
from fgrad.primitives.linear import dot_general as dot_values

__all__ = [
    "RoundingMethod", "abs", "acos", "acosh", "add", "argmax", "argmin", "asin", "asinh", "atan", "atan2", "atanh", "batch_matmul",
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "broadcast",
    "broadcast_in_dim", "broadcasted_iota", "cbrt", "ceil", "clamp", "concatenate", "convert_element_type", "cos",
    "cosh", "cummax", "cummin", "cumprod", "cumsum", "digamma", "div", "dot", "dot_general", "eq",
    "erf", "erf_inv", "erfc", "exp", "exp2", "expand_dims", "expm1", "floor", "full", "full_like", "ge", "gt",
    "integer_pow", "iota", "is_finite", "le", "lgamma", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne",
    "neg", "pad", "pow", "reciprocal", "reduce_max", "reduce_min", "reduce_prod",
    "reduce_sum", "rem", "rev", "round", "rsqrt", "select", "select_n", "shift_left", "shift_right_arithmetic",
    "sign", "sin", "sinh", "sort", "sort_key_val", "sqrt", "square", "squeeze", "stop_gradient", "sub", "tan", "tanh",
    "top_k", "transpose",
]  # fmt: skip
Op = Callable[..., Any]


def _unary(name: str, prim: str | None = None) -> Op:
    p = R[prim or name]

    def op(x: Any) -> Any:
        return unary(p, x)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"The primitive {p.name}, elementwise."
    return op


def _binary(name: str, prim: str | None = None) -> Op:
    p = R[prim or name]

    def op(x: Any, y: Any) -> Any:
        return binary(p, *strict(name, x, y))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"The primitive {p.name}, elementwise, of operands of one dtype."
    return op


def strict(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Operands of one dtype: arrays that differ are refused."""
    xs = [v if isinstance(v, bool | int | float | complex) else array_of(v) for v in (x, y)]
    cells = [v for v in xs if isinstance(v, Cell)]
    if not cells and type(x) is not type(y):  # two Python numbers
        cells = [array_of(v) for v in xs]
    if len(cells) == 2 and cells[0]._type.dtype != cells[1]._type.dtype:
        raise DtypeError(
            f"lax.{name} requires arguments to have the same dtypes, got {cells[0]._type}, {cells[1]._type}",
            where=caller(), fix="convert one of them, or use fgrad.numpy, which promotes",
        )  # fmt: skip
    return xs[0], xs[1]


neg, abs, floor, ceil = _unary("neg"), _unary("abs"), _unary("floor"), _unary("ceil")  # noqa: A001  # JAX's names
exp, exp2, expm1, log, log1p = _unary("exp"), _unary("exp2"), _unary("expm1"), _unary("log"), _unary("log1p")
sqrt, rsqrt, cbrt, logistic = _unary("sqrt"), _unary("rsqrt"), _unary("cbrt"), _unary("logistic", "sigmoid")
sin, cos, tan, asin, acos, atan = (
    _unary("sin"), _unary("cos"), _unary("tan"), _unary("asin"), _unary("acos"), _unary("atan"),
)  # fmt: skip
sinh, cosh, tanh, asinh, acosh, atanh = (
    _unary("sinh"), _unary("cosh"), _unary("tanh"), _unary("asinh"), _unary("acosh"), _unary("atanh"),
)  # fmt: skip
erf, erfc, erf_inv, lgamma, digamma = (
    _unary("erf"), _unary("erfc"), _unary("erf_inv", "erfinv"), _unary("lgamma"), _unary("digamma"),
)  # fmt: skip
is_finite, bitwise_not = _unary("is_finite"), _unary("bitwise_not")
add, sub, mul, rem, _pow = _binary("add"), _binary("sub"), _binary("mul"), _binary("rem"), _binary("pow")
max, min, atan2 = _binary("max", "maximum"), _binary("min", "minimum"), _binary("atan2")  # noqa: A001
eq, ne, lt, le, gt, ge = _binary("eq"), _binary("ne"), _binary("lt"), _binary("le"), _binary("gt"), _binary("ge")
bitwise_and, bitwise_or, bitwise_xor = _binary("bitwise_and"), _binary("bitwise_or"), _binary("bitwise_xor")
shift_left, shift_right_arithmetic = _binary("shift_left"), _binary("shift_right_arithmetic", "shift_right")


def sign(x: Any) -> Any:
    """-1, 0 or 1; of complex numbers x / |x|, 0 for 0."""
    a = array_of(x)
    return compose(c.sgn, a) if a._type.dtype.kind == "c" else call("sign", a)


def pow(x: Any, y: Any) -> Any:  # noqa: A001  # JAX's name
    """x ** y, elementwise, of one dtype; an exponent of integers goes with any."""
    a, n = array_of(x), y if isinstance(y, bool | int | float | complex) else array_of(y)
    if isinstance(n, Cell) and n._type.dtype.kind in "iu" and a._type.inexact:
        n = convert(n, a._type.dtype)
    return _pow(a if isinstance(x, Cell) or isinstance(n, Cell) else x, n)


class RoundingMethod(enum.IntEnum):
    """Where `round` puts halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def round(x: Any, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Any:  # noqa: A001  # JAX's name
    """The nearest whole number, halves away from 0 or to the even one."""
    a = array_of(x)
    return call("round", a) if RoundingMethod(rounding_method) else compose(_round_away, a)


def _round_away(x: Any) -> Any:
    whole = trunc(x)
    half = c.le(c.number(0.5, x), builtins.abs(x - whole))  # exact; of infinities NaN, which stays False
    return c.select(half, whole + c.sign(x), whole)


def div(x: Any, y: Any) -> Any:
    """x / y; of integers the quotient rounded towards 0."""
    a, b = strict("div", x, y)
    if any(v._type.inexact for v in (a, b) if isinstance(v, Cell)) or not any(isinstance(v, Cell) for v in (a, b)):
        return binary(R["div"], a, b)
    return binary(R["floor_divide"], sub(a, rem(a, b)), b)


def square(x: Any) -> Any:
    """x * x."""
    return mul(x, x)


def reciprocal(x: Any) -> Any:
    """1 / x."""
    return div(1.0, array_of(x))


def integer_pow(x: Any, y: int) -> Any:
    """x ** y for a known int, of integers not a negative one."""
    if y < 0 and not array_of(x)._type.inexact:
        raise DtypeError(f"lax.integer_pow: {array_of(x)._type} to the power {y}", where=caller(), fix="convert it to a float")
    return binary(R["pow"], array_of(x), y)


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """on_true where pred, else on_false; shapes and dtypes equal (a scalar pred is repeated)."""
    p, (a, b) = array_of(pred), same((on_true, on_false))
    if a._type is not b._type:
        raise ShapeError(f"select: cases have types {a._type} and {b._type}", where=caller(), fix="use numpy.where")
    return compose(c.select, p, a, b)


def select_n(which: Any, *cases: Any) -> Any:
    """cases[which], elementwise; which is a bool or an integer array."""
    w, xs = array_of(which), same(cases)
    if w._type.dtype.kind == "b":
        return compose(c.select, w, xs[1], xs[0]) if len(xs) > 1 else xs[0]
    y = xs[0]
    for k, x in enumerate(xs[1:], 1):
        y = compose(c.select, binary(R["ge"], w, k), x, y)
    return y


def clamp(min: Any, x: Any, max: Any) -> Any:
    """min(max(x, min), max); its gradient goes to one of the three, to x at the bounds."""
    y = array_of(x)
    low, high = same([min], y._type.dtype)[0], same([max], y._type.dtype)[0]
    return call("clamp", low, y, high)


def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """The array in another dtype."""
    return convert(array_of(operand), as_dtype(new_dtype))


def stop_gradient(x: Any) -> Any:
    """A tree of arrays with derivative 0."""
    return tree.map(lambda v: call("stop_gradient", array_of(v)), x)


def reshape_(operand: Any, new_sizes: Sequence[int], dimensions: Any = None) -> Any:
    """The same elements in another shape; dimensions: the order in which the axes are read first."""
    x = array_of(operand)
    x = x if dimensions is None else transpose(x, dimensions)
    return reshape(x, shape_of(tuple(new_sizes)))


def broadcast(operand: Any, sizes: Sequence[int]) -> Any:
    """New leading axes of the given sizes."""
    x = array_of(operand)
    return call("broadcast_to", x, shape=(*map(int, sizes), *x._type.shape))


def broadcast_in_dim(operand: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int]) -> Any:
    """Axis i of the operand becomes axis broadcast_dimensions[i] of the result, lengths of 1 repeated."""
    x = array_of(operand)
    if len(broadcast_dimensions) != x._type.ndim:
        raise ShapeError(f"broadcast_in_dim broadcast_dimensions {tuple(broadcast_dimensions)} for {x._type}", where=caller(), fix="name one axis for each")
    at = dict(zip(broadcast_dimensions, x._type.shape, strict=True))
    wide = reshape(x, tuple(at.get(i, 1) for i in range(len(shape))))
    return call("broadcast_to", wide, shape=tuple(map(int, shape)))


def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """Axes in another order."""
    x, axes = array_of(operand), tuple(map(int, permutation))
    if sorted(axes) != list(range(x._type.ndim)):
        raise ShapeError(f"transpose permutation isn't a permutation of operand dimensions, got {axes} for {x._type}", where=caller(),
                         fix="name every axis once")  # fmt: skip
    return call("transpose", x, axes=axes)


def rev(operand: Any, dimensions: Sequence[int]) -> Any:
    """Reversed along axes."""
    x = array_of(operand)
    if len(set(dimensions)) != len(dimensions) or not all(0 <= d < x._type.ndim for d in dimensions):
        raise ShapeError(f"lax.rev: dimensions {tuple(dimensions)} of {x._type}", where=caller(), fix="name axes it has, counted from the front, each once")
    return call("flip", x, axes=tuple(sorted(dimensions))) if dimensions else x


def expand_dims(array: Any, dimensions: Sequence[int]) -> Any:
    """New axes of length 1."""
    x = array_of(array)
    at = {axis_of(x, d, len(dimensions)) for d in dimensions}
    if len(at) != len(dimensions):
        raise ArgumentError(f"repeated axis in lax.expand_dims: {tuple(dimensions)}", where=caller(), fix="name each axis once")
    rest = iter(x._type.shape)
    return reshape(x, tuple(1 if i in at else next(rest) for i in range(x._type.ndim + len(at))))


def squeeze(array: Any, dimensions: Sequence[int]) -> Any:
    """Without axes of length 1."""
    x = array_of(array)
    gone = set(axes_of(x, tuple(dimensions)))
    if any(x._type.shape[i] != 1 for i in gone):
        raise ShapeError(f"squeeze: dimensions {tuple(dimensions)} of {x._type} are not all 1", where=caller(),
                         fix="name axes of length 1")  # fmt: skip
    return reshape(x, tuple(d for i, d in enumerate(x._type.shape) if i not in gone))


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Arrays of one dtype joined along an axis."""
    xs = tuple(map(array_of, operands))
    if xs and not 0 <= dimension < xs[0]._type.ndim:
        raise ShapeError(f"lax.concatenate: dimension {dimension} of {xs[0]._type}", where=caller(), fix="count axes from the front")
    return record(face(), R["concatenate"], xs, (dimension,))


def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """(low, high, interior) padding for each axis; low and high may be negative."""
    x = array_of(operand)
    (value,) = same([padding_value], x._type.dtype)
    low, high, interior = zip(*padding_config, strict=True) if padding_config else ((), (), ())
    return call("pad", x, value, low=tuple(low), high=tuple(high), interior=tuple(interior))


def iota(dtype: Any, size: int) -> Any:
    """0, 1, ... size - 1."""
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int) -> Any:
    """The index along one axis, everywhere."""
    d, s = as_dtype(dtype), tuple(shape)
    return recorded(face(), ("iota", s, dimension, d), lambda: c.iota(shape=s, dtype=d, axis=dimension))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """One number everywhere."""
    x = array_of(fill_value)
    return call("broadcast_to", x if dtype is None else convert(x, as_dtype(dtype)), shape=shape_of(shape))


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """One number in the shape and dtype of `x` unless given."""
    t = array_of(x)._type
    return full(t.shape if shape is None else shape, fill_value, t.dtype if dtype is None else dtype)


def dims_of(name: str, x: Any, axes: Any) -> tuple[int, ...]:
    """Axes as a sorted tuple; here none is counted from the back, as in JAX."""
    given = tuple(axes)
    if any(a < 0 for a in given):
        raise AxisError(f"lax.{name}: axes {given} of {x._type} contain a negative one", where=caller(),
                            fix="count axes from the front, or use fgrad.numpy")  # fmt: skip
    return axes_of(x, given)


def _reduction(name: str, prim: str) -> Op:
    def op(operand: Any, axes: Sequence[int]) -> Any:
        x = array_of(operand)
        return call(prim, x, axes=dims_of(name, x, axes))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{prim} over `axes`, which are dropped."
    return op


reduce_sum, reduce_prod = _reduction("reduce_sum", "reduce_sum"), _reduction("reduce_prod", "reduce_prod")
reduce_max, reduce_min = _reduction("reduce_max", "reduce_max"), _reduction("reduce_min", "reduce_min")
reduce_and, reduce_or = _reduction("reduce_and", "reduce_and"), _reduction("reduce_or", "reduce_or")


def argmax(operand: Any, axis: int, index_dtype: Any = np.int64) -> Any:
    """Index of the first largest along `axis`."""
    x = array_of(operand)
    return convert(call("argmax", x, axis=dims_of("argmax", x, (axis,))[0]), as_dtype(index_dtype))


def argmin(operand: Any, axis: int, index_dtype: Any = np.int64) -> Any:
    """Index of the first smallest along `axis`."""
    x = array_of(operand)
    return convert(call("argmin", x, axis=dims_of("argmin", x, (axis,))[0]), as_dtype(index_dtype))


def _cumulative(name: str) -> Op:
    def op(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
        x = array_of(operand)
        return call(name, x, axis=dims_of(name, x, (axis,))[0], reverse=bool(reverse))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{name} along `axis`; reverse: from the end."
    return op


cumsum, cumprod, cummax, cummin = (
    _cumulative("cumsum"), _cumulative("cumprod"), _cumulative("cummax"), _cumulative("cummin"),
)  # fmt: skip


def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """In order along `dimension`; several operands are ordered by the first `num_keys`."""
    xs = [array_of(x) for x in (operand if isinstance(operand, tuple | list) else (operand,))]
    keys = [k for x in xs[:num_keys] for k in ((call("real", x), call("imag", x)) if x._type.dtype.kind == "c" else (x,))]
    own = len(keys) > num_keys  # complex numbers are ordered by their parts
    moved = [*keys, *xs] if own else xs
    found = call_many("sort", *moved, axis=axis_of(xs[0], dimension), num_keys=len(keys), descending=False)[len(keys) if own else 0 :]
    return found if isinstance(operand, tuple | list) else found[0]


def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> Any:
    """Keys in order and values in the same order."""
    return sort((keys, values), dimension)


def top_k(operand: Any, k: int, *, axis: int = -1) -> tuple[Any, Any]:
    """(values, int64 indices) of the k largest along `axis`, in order."""
    x = array_of(operand)
    values, indices = call_many("top_k", x, k=int(k), axis=axis_of(x, axis), largest=True)
    return values, indices


def dot_general(lhs: Any, rhs: Any, dimension_numbers: Any, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Products summed over axes: dimension_numbers = ((lhs contracting, rhs contracting), (lhs batch, rhs batch)).

    The result's axes: batch, free ones of lhs, free ones of rhs.  preferred_element_type: the dtype of the sum.
    """
    (lc, rc), (lb, rb) = dimension_numbers
    a, b = same((lhs, rhs))
    wanted = a._type.dtype if preferred_element_type is None else as_dtype(preferred_element_type)
    if wanted.itemsize > a._type.dtype.itemsize:  # the sum is taken in the wider type
        a, b = convert(a, wanted), convert(b, wanted)
    y = compose(dot_values, a, b, contract=(tuple(lc), tuple(rc)), batch=(tuple(lb), tuple(rb)))
    return convert(y, wanted)


def dot(lhs: Any, rhs: Any, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Product of vectors and matrices."""
    a, b = same((lhs, rhs))
    return dot_general(a, b, (((a._type.ndim - 1,), (0,)), ((), ())), None, preferred_element_type)


def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Any:
    """Matrix products over equal leading axes."""
    lead = tuple(range(n := array_of(lhs)._type.ndim - 2))
    return dot_general(lhs, rhs, (((n + 1,), (n,)), (lead, lead)))
