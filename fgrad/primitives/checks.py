"""What type rules ask: one dtype, the right kind of number, axes in range, one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.errors import ArgumentError, DtypeError, RangeError, ShapeError, Where
from fgrad.ir.dtypes import kind
from fgrad.ir.types import CPU, Device, TensorType

_KINDS = {"b": "bool", "u": "unsigned integers", "i": "signed integers", "f": "floats", "c": "complex numbers"}


def listed(types: Sequence[Any]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    texts = [str(t) for t in types]
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " and " + texts[-1]


def check_kinds(name: str, kinds: str, types: Sequence[Any], where: Where | None) -> None:
    """Refuses operands that are not tensors of one dtype whose kind is in `kinds`."""
    for t in types:
        if not isinstance(t, TensorType):
            raise DtypeError(f"{name}: wants tensors, got {t}", where=where, fix="read one result with item() first")
    dtype = types[0].dtype
    if any(t.dtype != dtype for t in types):
        raise DtypeError(
            f"{name}: operands must have one dtype, got {listed(types)}", where=where, fix="convert one of them first"
        )
    if kind(dtype) not in kinds:
        allowed = listed([_KINDS[k] for k in kinds])
        raise DtypeError(
            f"{name}: not defined for {dtype.name}", where=where, fix=f"convert the operand; {name} takes {allowed}"
        )


def check_axes(name: str, x: TensorType, axes: Sequence[int], where: Where | None) -> None:
    """Refuses axes that are repeated or outside 0..ndim-1 of `x`."""
    for a in axes:
        if not 0 <= a < x.ndim:
            fix = f"use axes from 0 to {x.ndim - 1}" if x.ndim else "a 0-d tensor has no axes"
            raise RangeError(f"{name}: axis {a} is out of range for {x}", where=where, fix=fix)
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"{name}: axes {tuple(axes)} repeat", where=where, fix="name every axis once")


def check_rank(name: str, x: TensorType, where: Where | None, **given: Sequence[Any]) -> None:
    """Refuses parameters that have not one entry per axis of `x`."""
    for what, values in given.items():
        if len(values) != x.ndim:
            raise ShapeError(
                f"{name}: {what}={tuple(values)} has {len(values)} entries, {x} has {x.ndim} axes",
                where=where,
                fix="give one entry per axis",
            )


def device_of(types: Sequence[TensorType]) -> Device:
    """The device of the result: that of the operands, a 0-d CPU one aside."""
    for t in types:
        if t.device is not CPU:
            return t.device
    return CPU


def store(xp: Any, out: Any, y: Any) -> Any:
    """`y` written to `out`; without `out`, `y` as an array."""
    if out is None:
        return xp.asarray(y)
    if out is not y:
        xp.copyto(out, y, casting="unsafe")
    return out


def is_half(dtype: Any) -> bool:
    """True for float16 and bfloat16, which are computed through float32."""
    return bool(dtype.itemsize == 2 and dtype.kind in "fV")
