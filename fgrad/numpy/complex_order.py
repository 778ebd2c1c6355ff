"""Complex numbers in order, as NumPy has them: by real part, then by imaginary part."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from fgrad.eager.arrays import broadcast_to, call, call_many, moved_last, same
from fgrad.eager.operands import compose
from fgrad.errors import DtypeError
from fgrad.ir.apply import broadcast_shapes
from fgrad.ir.graph import Value
from fgrad.primitives import composites as c
from fgrad.primitives.compare import bitwise_and, bitwise_not, bitwise_or, eq, lt
from fgrad.primitives.complex import imag, real

Op = Callable[..., Any]


def _less(x: Value, y: Value) -> Any:
    (a, b), (p, q) = (real(x), imag(x)), (real(y), imag(y))
    return bitwise_or(lt(a, p), bitwise_and(eq(a, p), lt(b, q)))


def _number(x: Value) -> Any:
    return bitwise_and(eq(real(x), real(x)), eq(imag(x), imag(x)))


def _less_equal(x: Value, y: Value) -> Any:
    return bitwise_and(bitwise_not(_less(y, x)), bitwise_and(_number(x), _number(y)))


def _maximum(x: Value, y: Value) -> Any:
    return c.select(bitwise_or(bitwise_not(_number(x)), _less(y, x)), x, y)


def _minimum(x: Value, y: Value) -> Any:
    return c.select(bitwise_or(bitwise_not(_number(x)), _less(x, y)), x, y)


RULES: dict[str, Callable[[Any, Any], Any]] = {
    "less": _less, "less_equal": _less_equal, "greater": lambda x, y: _less(y, x), "greater_equal": lambda x, y: _less_equal(y, x),
    "maximum": _maximum, "minimum": _minimum,
}  # fmt: skip


def with_complex(plain: Op) -> Op:
    """An operation of real numbers that orders complex ones too."""
    rule = RULES[plain.__name__]

    @wraps(plain)
    def op(x: Any, y: Any, /) -> Any:
        try:
            return plain(x, y)
        except DtypeError:
            a, b = same((x, y))
            shape = broadcast_shapes(a._type.shape, b._type.shape)
            if a._type.dtype.kind != "c" or shape is None:
                raise
            return compose(rule, broadcast_to(a, shape), broadcast_to(b, shape))

    return op


def ordered(x: Any, axis: int, descending: bool, *carried: Any) -> tuple[Any, ...]:
    """`carried` in the order that sorts `x` along an axis."""
    if x._type.dtype.kind == "c":
        return call_many("sort", call("real", x), call("imag", x), *carried, axis=axis, num_keys=2, descending=descending)[2:]
    if carried[0] is x:
        return call_many("sort", *carried, axis=axis, num_keys=1, descending=descending)
    return call_many("sort", x, *carried, axis=axis, num_keys=1, descending=descending)[1:]


def extreme(x: Any, axes: tuple[int, ...], largest: bool) -> Any:
    """The last (or first) over `axes`, which are dropped."""
    line = moved_last(x, axes)
    return ordered(line, line._type.ndim - 1, largest, line)[0][..., 0]
