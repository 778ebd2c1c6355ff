"""Operands of the functional face (numpy, lax, random): JAX's promotion, axes, and one record."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.enter import enter
from fgrad.eager.operands import NUMBER, R, convert, default_complex, default_float, number, number_dtype, plain
from fgrad.eager.record import record, record1, record2, record_items, record_scalar, wrap
from fgrad.eager.tape import THREAD
from fgrad.errors import ArgumentError, DtypeError, RangeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype, dtype_of, is_inexact, kind, promote
from fgrad.ir.primitive import Primitive
from fgrad.ir.types import TensorType


def face() -> type[Any]:
    """The array class of the functional face."""
    return FACES["array"]


def array_of(x: Any) -> Any:
    """`x` as an array of the functional face: itself, another face's tensor, NumPy data or numbers."""
    cls = FACES["array"]
    if x.__class__ is cls:
        return x
    if isinstance(x, Cell):
        tape = THREAD.tape
        return wrap(cls, tape, x._value if x._tape is tape else enter(tape, x))
    if isinstance(x, list | tuple) and any_cell(x):
        return stack_nested(x)
    return as_cell(x)


def another(x: Any) -> Any:
    """A second array of the same numbers: an object of its own."""
    if x._tape is None and x._data is not None:
        return concrete(type(x)._result, x._data, x._type)
    return wrap(type(x)._result, THREAD.tape, enter(THREAD.tape, x))


def any_cell(data: Any) -> bool:
    """True if a nested sequence holds tensors."""
    return any(isinstance(x, Cell) or (isinstance(x, list | tuple) and any_cell(x)) for x in data)


def stack_nested(data: Sequence[Any]) -> Any:
    """A nested sequence with tensors inside, recorded as one concatenation a level."""
    parts = same([array_of(x) for x in data])
    grown = [reshape(x, (1, *x._type.shape)) for x in parts]
    return record(face(), R["concatenate"], tuple(grown), (0,))


def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """The primitive, left out where nothing changes."""
    return x if x._type.shape == shape else record(face(), R["reshape"], (x,), (shape,))


def moved_last(x: Any, axes: tuple[int, ...]) -> Any:
    """`axes` joined into one, the last."""
    rest = tuple([i for i in range(x._type.ndim) if i not in axes])
    order, s = (*rest, *axes), x._type.shape
    if order != tuple(range(len(order))):
        x = record(face(), R["transpose"], (x,), (order,))
    return reshape(x, (*[s[i] for i in rest], math.prod([s[i] for i in axes])))


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """The primitive, left out where nothing changes."""
    return x if x._type.shape == shape else record(face(), R["broadcast_to"], (x,), (shape,))


def as_dtype(d: Any) -> Dtype:
    """What a user gave as a dtype; Python's float and complex are the default ones."""
    if d is float:
        return default_float()
    if d is complex:
        return default_complex()
    found = getattr(d, "numpy", None)
    try:
        return found if isinstance(found, np.dtype) else dtype_of(d)
    except DtypeError as e:
        raise DtypeError(f"{d!r} is not a dtype", where=caller(), fix="use e.g. fgrad.numpy.float32") from e


def result_dtype(*xs: Any) -> Dtype:
    """The dtype an operation computes in: arrays by the table, numbers (NumPy scalars too) only if their kind is higher."""
    out: Dtype | None = None
    for x in xs:
        if isinstance(x, Cell):
            d = x._type.dtype
            out = d if out is None else promote(out, d)
    for x in xs:
        if not isinstance(x, Cell):
            out = number_dtype(x, out)
    assert out is not None
    return out


PYTHON = (np.float64, np.int64, np.complex128, np.bool_)


def loose(x: Any) -> Any:
    """Arrays of the face, and Python numbers as they are; NumPy's scalars of Python's own types (as np.sqrt(2.0) gives) count as such."""
    if x.__class__ is FACES["array"] or x.__class__ in NUMBER:
        return x
    return x.item() if x.__class__ in PYTHON else array_of(x)


def binary(prim: Primitive, x: Any, y: Any, *, floating: bool = False) -> Any:
    """Two operands with promotion and broadcasting; `floating`: integers become the default float."""
    cls: Any = FACES["array"]
    if x.__class__ is cls:
        if y.__class__ is cls:
            kind = x._value.type
            if kind.dtype is y._value.type.dtype and (not floating or kind.inexact):
                return record2(cls, prim, x, y)
        elif y.__class__ in NUMBER and plain(x, y, floating):
            return record_scalar(cls, prim, x, y)
    elif y.__class__ is cls and x.__class__ in NUMBER and plain(y, x, floating):
        return record_scalar(cls, prim, y, x, True)
    return record2(cls, prim, *same((x, y), floating=floating))


def same(xs: Sequence[Any], d: Dtype | None = None, *, floating: bool = False) -> list[Any]:
    """Operands as arrays of one dtype."""
    given = [loose(x) for x in xs]
    if d is None:
        d = result_dtype(*given)
    if floating and not is_inexact(d):
        d = default_float()
    cls = FACES["array"]
    like = next((x for x in given if isinstance(x, Cell)), None)
    if like is None:
        return [concrete(cls, np.asarray(x).astype(d), TensorType((), d)) for x in given]
    return [convert(x, d) if isinstance(x, Cell) else number(x, d, like) for x in given]


def unary(prim: Primitive, x: Any, *, floating: bool = False) -> Any:
    """One operand; `floating`: integers become the default float."""
    x = array_of(x)
    if floating and not x._value.type.inexact:
        x = convert(x, default_float())
    return record1(FACES["array"], prim, x)


def call(name: str, *xs: Any, **params: Any) -> Any:
    """A primitive by name on arrays, parameters in any order."""
    prim = R[name]
    return record(FACES["array"], prim, xs, tuple([params[n] if n in params else prim.defaults[n] for n in prim.params]))


def call_many(name: str, *xs: Any, **params: Any) -> tuple[Any, ...]:
    """As `call`, for a primitive with several results."""
    prim = R[name]
    given = tuple([params[n] if n in params else prim.defaults[n] for n in prim.params])
    return record_items(FACES["array"], prim, xs, given)


def truth(x: Any) -> Any:
    """An array as bool, non-zero being true."""
    x = array_of(x)
    return x if x._type.dtype.kind == "b" else binary(R["ne"], x, 0)


def axis_of(x: Any, axis: Any, extra: int = 0) -> int:
    """An axis counted from the front, checked; `extra` for axes about to be added."""
    rank: int = x._type.ndim + extra
    at: int = operator.index(axis)
    if not -rank <= at < rank:
        raise AxisError(f"axis {at} is out of bounds for array of dimension {rank}", where=caller(),
                        fix="use an axis the array has")  # fmt: skip
    return at % rank


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """Axes as a sorted tuple; None means all."""
    if axis is None:
        return tuple(range(x._type.ndim))
    found = [axis_of(x, a) for a in (axis if isinstance(axis, tuple | list) else (axis,))]
    if len(set(found)) != len(found):
        raise ArgumentError("duplicate value in 'axis'", where=caller(), fix="name each axis once")
    return tuple(sorted(found))


class AxisError(RangeError, ValueError):
    """An axis the array does not have (NumPy's is both IndexError and ValueError)."""


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape given as an int or a sequence of ints."""
    try:
        found = tuple([operator.index(d) for d in shape]) if isinstance(shape, tuple | list) else (operator.index(shape),)
    except TypeError as e:
        raise DtypeError(f"a shape is made of ints, found {shape!r}", where=caller(), fix="give ints") from e
    if any(d < 0 for d in found):
        raise ArgumentError(f"negative dimensions are not allowed: {found}", where=caller(), fix="use sizes of 0 or more")
    return found


def is_float(x: Any) -> bool:
    """True for float dtypes."""
    return kind(x._type.dtype) == "f"
