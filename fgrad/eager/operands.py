"""What both faces do to operands before recording: Python numbers, conversion, composite rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.cell import Cell, concrete
from fgrad.eager.enter import enter
from fgrad.eager.record import composite, ready, record, record1, wrap
from fgrad.eager.tape import THREAD
from fgrad.ir.dtypes import ORDER, Dtype, dtype_of, is_inexact, kind
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.types import TensorType
from fgrad.settings import current

R = REGISTRY
NUMBER = (bool, int, float, complex)


def default_float() -> Dtype:
    """The type Python floats become."""
    return np.dtype(current().default_dtype)


def default_complex() -> Dtype:
    """The type Python complex numbers become."""
    return np.dtype("complex128" if current().default_dtype == "float64" else "complex64")


def number_dtype(x: Any, beside: Dtype | None) -> Dtype:
    """The type a Python number takes beside a tensor: the tensor's, unless its kind is higher."""
    if isinstance(x, bool | np.bool_):
        rank, own = "b", dtype_of("bool")
    elif isinstance(x, int | np.integer):
        rank, own = "i", dtype_of("int64")
    elif isinstance(x, float | np.floating):
        rank, own = "f", default_float()
    else:
        rank, own = "c", default_complex()
    if beside is None:
        return own
    k = kind(beside)
    if ORDER.index("i" if k == "u" else k) >= ORDER.index(rank):
        return beside
    if rank == "c" and k == "f":
        return np.dtype("complex128" if beside.name == "float64" else "complex64")
    return own


def plain(t: Any, number: Any, floating: bool) -> bool:
    """True if a Python number simply takes the dtype of `t`."""
    kind = t._value.type
    if kind.inexact:
        return number.__class__ is not complex or kind.dtype.kind == "c"
    return not floating and number.__class__ is int and kind.dtype.kind in "iu" and abs(number) < 128


def convert(x: Any, d: Dtype) -> Any:
    """`x` in dtype `d`."""
    if x._value.type.dtype == d:
        return x
    return record(type(x)._result, R["convert"], (x,), (d,))


def number(x: Any, d: Dtype, like: Any) -> Any:
    """A Python number as a 0-d cell of dtype `d`."""
    return concrete(type(like)._result, np.asarray(x).astype(d), TensorType((), d))


def unary(prim: Primitive, x: Any, *, floating: bool = False) -> Any:
    """One operand; `floating`: integers become the default float first."""
    if floating and not x._value.type.inexact:
        x = convert(x, default_float())
    return record1(type(x)._result, prim, x)


def floating(x: Any) -> Any:
    """`x`, integers as the default float."""
    return x if is_inexact(x._type.dtype) else convert(x, default_float())


def is_integer(x: Any) -> bool:
    """True for integer and bool tensors."""
    return kind(x._type.dtype) in "bui"


def static_key(x: Any) -> Any:
    """A static argument as a key: floats by text, since -0.0 == 0.0 and nan != nan."""
    return str(x) if x.__class__ is float else x


def enter_operands(xs: tuple[Cell, ...]) -> tuple[Any, ...]:
    """Values of cells on the current tape."""
    tape = THREAD.tape
    return tuple([x._value if x._tape is tape else enter(tape, x) for x in xs])


def compose(rule: Callable[..., Any], *xs: Any, **static: Any) -> Any:
    """A composite rule on cells, recorded by one look-up: `rule(*values, **static) -> value`."""
    key = (rule, *map(static_key, static.values())) if static else rule
    tape = ready()
    (v,) = composite(key, lambda *given: (rule(*given, **static),), enter_operands(xs), tape)
    return wrap(type(xs[0])._result, tape, v)


def compose_many(rule: Callable[..., Any], *xs: Any, **static: Any) -> tuple[Any, ...]:
    """As `compose`, for a rule that returns several values."""
    tape = ready()
    key = (rule, *map(static_key, static.values()))
    found = composite(key, lambda *given: rule(*given, **static), enter_operands(xs), tape)
    return tuple([wrap(type(xs[0])._result, tape, v) for v in found])


def recorded(cls: type[Any], key: Any, rule: Callable[[], Any]) -> Any:
    """A tensor without operands, recorded once for `key`."""
    tape = ready()
    v = tape.memo.get(key)
    if v is None:
        v = tape.memo[key] = rule()
    return wrap(cls, tape, v)
