"""What PyTorch refuses though it could be computed: numbers where its signature has a tensor, dtypes that differ."""

from __future__ import annotations

from typing import Any

from fgrad.eager.cell import Cell
from fgrad.errors import ArgumentError, DtypeError
from fgrad.functions.call import is_integer
from fgrad.functions.dtypes import PYTHON, face_dtype
from fgrad.ir.apply import caller
from fgrad.ir.types import CPU


def tensors_only(name: str, *xs: Any) -> None:
    """DtypeError for a Python number."""
    for k, x in enumerate(xs):
        if not isinstance(x, Cell) and x.__class__ in PYTHON:
            raise DtypeError(f"{name}(): argument {k + 1} must be Tensor, not {type(x).__name__}", where=caller(), fix="use fgrad.tensor(x)")


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
