"""What PyTorch refuses though it could be computed: numbers where its signature has a tensor, dtypes that differ."""

from __future__ import annotations

from typing import Any

from fgrad.eager.cell import Cell
from fgrad.eager.tape import THREAD
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, DtypeError, RangeError, RuleError, ShapeError
from fgrad.functions.call import is_integer
from fgrad.functions.dtypes import PYTHON, face_dtype
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.ir.types import CPU


def tensors_only(name: str, *xs: Any) -> None:
    """DtypeError for a Python number."""
    for k, x in enumerate(xs):
        if not isinstance(x, Cell) and x.__class__ in PYTHON:
            raise DtypeError(f"{name}(): argument {k + 1} must be Tensor, not {type(x).__name__}", where=caller(), fix="use fgrad.tensor(x)")


def given(name: str, x: Any) -> None:
    """DtypeError for what is no tensor."""
    if not isinstance(x, Cell):
        raise DtypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}", where=caller(), fix="use fgrad.tensor(x)")


def real_floats(name: str, x: Any, kinds: str = "f") -> None:
    """RuleError for a tensor of other numbers than floats (with "fc", or complex ones)."""
    given(name, x)
    if kind(x._type.dtype) not in kinds:
        raise RuleError(f'"{name}" not implemented for {face_dtype(x._type.dtype)}', where=caller(), fix="convert with .float()")


def one_dtype(name: str, first: Any, *rest: Any) -> None:
    """DtypeError for tensors of several dtypes."""
    for x in rest:
        if isinstance(x, Cell) and x._type.dtype != first._type.dtype:
            raise DtypeError(f"{name}: expected tensors of one dtype, found {face_dtype(first._type.dtype)} and {face_dtype(x._type.dtype)}",
                             where=caller(), fix="convert one of them")  # fmt: skip


def factor_fits(d: Any, factor: Any) -> None:
    """DtypeError for a factor (alpha) that is a float beside integers, or a bool beside numbers."""
    if isinstance(factor, bool) and d.kind != "b":
        raise DtypeError("Boolean alpha only supported for Boolean results.", where=caller(), fix="give a number")
    if isinstance(factor, float) and d.kind in "iub":
        raise DtypeError("For integral input tensors, argument alpha must not be a floating point number.", where=caller(), fix="give an int")


def floats_only(name: str, *xs: Any) -> None:
    """RuleError for tensors of integers, of which PyTorch has no such operation."""
    if both_integers(*xs):
        raise RuleError(f'"{name}" not implemented for {face_dtype(xs[0]._type.dtype)}', where=caller(), fix="convert with .float()")


def float_tensors(name: str, *xs: Any) -> None:
    """tensors_only and floats_only."""
    tensors_only(name, *xs)
    floats_only(name, *xs)


def vector_index(name: str, index: Any) -> None:
    """RangeError for an index of several dimensions."""
    if index._type.ndim > 1:
        raise RangeError(f"{name}(): Index is supposed to be a vector, but got dim: {index._type.ndim}", where=caller(), fix="flatten the index")


def single_value(name: str, value: Any) -> None:
    """ShapeError for a value that is a tensor with dimensions."""
    if isinstance(value, Cell) and value._type.ndim:
        raise ShapeError(f"{name} only supports a 0-dimensional value tensor, but got tensor with {value._type.ndim} dimension(s).",
                         where=caller(), fix="give a number")  # fmt: skip


def real_value(d: Any, value: Any) -> None:
    """DtypeError for a complex number among real ones."""
    if isinstance(value, complex) and d.kind != "c":
        raise DtypeError(f"value cannot be converted to {face_dtype(d)} without overflow: it is complex", where=caller(), fix="use value.real")


def no_negative(shape: tuple[int, ...]) -> None:
    """ArgumentError for a size below 0."""
    if min(shape, default=0) < 0:
        raise ArgumentError(f"Trying to create tensor with negative dimension: {list(shape)}", where=caller(), fix="use sizes of 0 or more")


def no_bools(name: str, *xs: Any) -> None:
    """RuleError where all are bools."""
    if all(isinstance(x, bool) if not isinstance(x, Cell) else x._type.dtype.kind == "b" for x in xs):
        raise RuleError(f'"{name}" not implemented for bool', where=caller(), fix="convert to a number type")


def numbers_of(x: Any) -> Any:
    """The numbers of a tensor on the host, or None while a function is being recorded."""
    return None if THREAD.tape.tracing else buffer_of(x)


def ordered(name: str, d: Any) -> None:
    """RuleError for complex numbers, which have no order."""
    if d.kind == "c":
        raise RuleError(f"{name} is not supported for complex types", where=caller(), fix="take real and imag, or view_as_real")


def condition_fits(condition: Any) -> None:
    """DtypeError for a condition that is neither bool nor uint8."""
    if condition._type.dtype.name not in ("bool", "uint8"):
        raise DtypeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {face_dtype(condition._type.dtype)}",
                         where=caller(), fix="use condition.bool()")  # fmt: skip


def both_integers(*xs: Any) -> bool:
    """True if no operand is a float or complex."""
    return all(is_integer(x) if isinstance(x, Cell) else isinstance(x, int) for x in xs)


def divisible(x: Any, other: Any) -> None:
    """PyTorch's error for integers divided by 0, where the divisor is a number or computed already."""
    if not is_integer(x):
        return
    zero = other == 0 if not isinstance(other, Cell) else other._data is not None and other._device is CPU and not other._data.all()
    if zero:
        raise ArgumentError("ZeroDivisionError", where=caller(), fix="mask the zeros, or divide floats")
