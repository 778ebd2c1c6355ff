"""How a public function reaches the engine: promotion, then one record."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from fgrad.backends import devices
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import host_array
from fgrad.eager.operands import (
    NUMBER,
    R,
    compose,
    compose_many,
    convert,
    floating,
    is_integer,
    number,
    plain,
    unary,
)
from fgrad.eager.record import record, record2, record_scalar
from fgrad.errors import ArgumentError, RangeError
from fgrad.functions.dtypes import inexact_result, result_numpy
from fgrad.functions.layouts import USED, sparse
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype
from fgrad.ir.primitive import Primitive
from fgrad.ir.types import CPU, Device, TensorType
from fgrad.settings import current

__all__ = [
    "NUMBER",
    "R",
    "alike",
    "axes_of",
    "axis_of",
    "become",
    "binary",
    "coerce",
    "compose",
    "compose_many",
    "convert",
    "device_of",
    "elsewhere",
    "floating",
    "is_bool",
    "is_integer",
    "number",
    "plain",
    "promoted",
    "same",
    "tensor_of",
    "unary",
]


def tensor_of(x: Any, like: Any) -> Any:
    """`x` as a cell beside `like`: a Python number takes the dtype PyTorch would give it."""
    if isinstance(x, Cell):
        return x
    a = host_array(x)
    device = like._device if a.ndim else CPU
    data = a if device is CPU else devices.put(a, device)
    return concrete(type(like)._result, data, TensorType(a.shape, a.dtype, device))


def alike(x: Any, y: Any) -> bool:
    """True for two tensors of one dtype, not bool: what most operations are given, and need not look into further."""
    if isinstance(x, Cell) and isinstance(y, Cell):
        d = x._value.type.dtype  # type: ignore[union-attr]  # a tensor type
        return d is y._value.type.dtype and d.kind != "b"  # type: ignore[union-attr]
    return False


def is_bool(x: Any) -> bool:
    """True for a bool and a tensor of bools."""
    return bool(x._type.dtype.kind == "b") if isinstance(x, Cell) else x is True or x is False


def binary(prim: Primitive, x: Any, y: Any, *, floating: bool = False) -> Any:
    """Two operands, at least one a tensor, with PyTorch's promotion and broadcasting."""
    if isinstance(x, Cell):
        if isinstance(y, Cell):
            d = x._value.type.dtype  # type: ignore[union-attr]  # a tensor type
            if d is y._value.type.dtype and (not floating or x._value.type.inexact):  # type: ignore[union-attr]
                return record2(type(x)._result, prim, x, y)
        elif y.__class__ in NUMBER and plain(x, y, floating):
            return record_scalar(type(x)._result, prim, x, y)
    elif isinstance(y, Cell) and x.__class__ in NUMBER and plain(y, x, floating):
        return record_scalar(type(y)._result, prim, y, x, True)
    return promoted(prim, x, y, floating)


def promoted(prim: Primitive, x: Any, y: Any, floating: bool) -> Any:
    """The general case of `binary`."""
    if USED and sparse(x, y):
        if prim.name not in USED:
            raise ArgumentError(f"{prim.name} of a sparse tensor is not there: zeros would not stay zeros", where=caller(), fix="use to_dense()")
        return USED[prim.name](x, y)
    d = inexact_result(x, y) if floating else result_numpy(x, y)
    like = x if isinstance(x, Cell) else y
    cls = type(like)._result
    xs = [convert(t, d) if isinstance(t, Cell) else number(t, d, like) for t in (coerce(x, like), coerce(y, like))]
    return record2(cls, prim, *xs)


def coerce(x: Any, like: Any) -> Any:
    """Arrays beside tensors become tensors; Python and NumPy scalars stay numbers."""
    if isinstance(x, Cell) or x.__class__ in NUMBER:
        return x
    if isinstance(x, np.generic):
        return x.item()
    return tensor_of(x, like)


def same(xs: Sequence[Any], d: Dtype | None = None) -> list[Any]:
    """Operands as cells of one dtype."""
    if d is None and all([isinstance(x, Cell) for x in xs]) and len({x._type.dtype for x in xs}) == 1:
        return list(xs)
    like = next(x for x in xs if isinstance(x, Cell))
    d = result_numpy(*[coerce(x, like) for x in xs]) if d is None else d
    return [convert(c, d) if isinstance(c, Cell) else number(c, d, like) for c in (coerce(x, like) for x in xs)]


def become(x: Any, y: Any) -> Any:
    """`x` takes the shape and numbers of `y`, leaving its former storage."""
    made = record(type(x)._result, R["mark"], (y,), (0,))
    extra = x.extra
    extra.base, extra.path, extra.history = None, (), None
    extra.version += 1
    x._tape, x._value, x._data = made._tape, made._value, made._data
    made._tape.refs.append(ref(x))
    return x


def axis_of(x: Any, dim: int, extra: int = 0) -> int:
    """A dimension counted from the front, checked; `extra` for axes about to be added."""
    rank = x._type.ndim + extra  # a sparse tensor has a type, but no value
    limit = max(rank, 1)
    if dim.__class__ is int and -limit <= dim < limit:
        return int(dim % limit)
    if isinstance(dim, Cell) and not dim._type.shape:
        dim = operator.index(dim)
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool):
        raise TypeError(f"dim must be an int, not {type(dim).__name__}")
    if not -limit <= dim < limit:
        raise RangeError(
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})",
            where=caller(),
            fix="use a dimension the tensor has",
        )
    return int(dim % limit)


def axes_of(x: Any, dim: Any) -> tuple[int, ...]:
    """Dimensions as a sorted tuple; None or () means all."""
    rank = x._type.ndim
    if dim.__class__ is int:
        axis = axis_of(x, dim)
        return (axis,) if rank else ()
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(rank))
    given = (dim,) if isinstance(dim, int | np.integer) or (isinstance(dim, Cell) and not dim._type.shape) else tuple(dim)
    found = [axis_of(x, d) for d in given]
    if len(set(found)) != len(found):
        raise ArgumentError(f"dim {found[0]} appears multiple times in the list of dims", where=caller(),
                            fix="name each dimension once")  # fmt: skip
    return tuple(sorted(a for a in found if a < rank))


def elsewhere() -> Device | None:
    """The default device if somebody chose another than the CPU."""
    name = current().default_device
    return None if name == "cpu" else Device(name)


def device_of(device: Any) -> Device:
    """What a user gave as a device, None being the default one; DeviceError at once if a CUDA device does not answer."""
    if device is None:
        device = current().default_device
        if device == "cpu":
            return CPU
    if not isinstance(device, Device):
        device = Device("cuda", device) if isinstance(device, int) else Device(device)
    devices.library(device)
    found: Device = device
    return found
