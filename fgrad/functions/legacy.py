"""PyTorch's old constructors: `Tensor(2, 3)`, `FloatTensor([1, 2])` and kin, which are also classes to `isinstance`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.convert import FACES
from fgrad.eager.operands import default_float
from fgrad.errors import ArgumentError, DeviceError
from fgrad.functions.call import device_of
from fgrad.functions.dtypes import Size, dtype, face_dtype
from fgrad.functions.exchange import numbers, placed
from fgrad.functions.layouts import strided
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype
from fgrad.ir.types import CPU, Device
from fgrad.settings import replace

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor", "set_default_tensor_type",
]  # fmt: skip

TENSOR_NAMES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long", "int32": "Int", "int16": "Short",
    "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def made(cls: type[Any], args: tuple[Any, ...], kind: Dtype | None, device: Device = CPU) -> Any:
    """`(2, 3)`: zeros of that shape; a Size likewise; a tensor: itself under another name; else data in dtype `kind`.

    Raises TypeError for anything else.
    """
    d = default_float() if kind is None else kind
    if not args or (isinstance(args[0], int | np.integer) and not isinstance(args[0], bool)):
        return _zeros(cls, args or (0,), d, device)
    (data, *more) = args
    if more:
        raise TypeError(f"new(): {len(args)} arguments beginning with {type(data).__name__}, where sizes or one sequence were expected")
    if isinstance(data, Size):
        return _zeros(cls, data, d, device)
    if isinstance(data, Cell):
        return _renamed(data, kind, device)
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if isinstance(data, dict) or not isinstance(data, Iterable):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    return placed(cls, numbers(data, d), device)


def _zeros(cls: type[Any], shape: Any, d: Dtype, device: Device) -> Any:
    for i, n in enumerate(shape):
        if isinstance(n, bool) or not isinstance(n, int | np.integer):
            raise TypeError(f"new(): argument 'size' failed to unpack the object at pos {i + 1}: type must be tuple of ints, but got {type(n).__name__}")
        if n < 0:
            raise ArgumentError(f"Trying to create tensor with negative dimension {n}: {list(shape)}", where=caller(), fix="use sizes of 0 or more")
    return placed(cls, np.zeros(tuple(map(int, shape)), d), device)


def _renamed(x: Any, kind: Dtype | None, device: Device) -> Any:
    if kind is not None and x._type.dtype != kind:
        raise TypeError(f"expected a tensor of dtype {kind.name}, got one of {x._type.dtype.name}")
    if x._device is not device and kind is not None:
        raise TypeError(f"expected a tensor on {device}, got one on {x._device}")
    return x.view(x._type.shape)


class tensortype(type):  # noqa: N801  # PyTorch's name
    """The class of FloatTensor and kin: calling one makes a tensor, `isinstance` asks a tensor's dtype and device."""

    dtype: dtype
    place: str

    def __call__(cls, *args: Any, device: Any = None, size: Any = None) -> Any:
        if device is not None and device_of(device).type != cls.place:
            raise DeviceError(f"legacy constructor expects device type: {cls.place} but device type: {device_of(device).type} was passed",
                              where=caller(), fix="use fgrad.tensor(data, device=...)")  # fmt: skip
        given = args if size is None else (Size(size),)
        return made(FACES["tensor"], given, cls.dtype.numpy, device_of(device or cls.place))

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, FACES["tensor"]) and x._type.dtype == cls.dtype.numpy and x._device.type == cls.place

    @property
    def layout(cls) -> Any:
        """Strided: dense tensors."""
        return strided

    @property
    def is_cuda(cls) -> bool:
        """True of fgrad.cuda's."""
        return cls.place == "cuda"

    @property
    def is_sparse(cls) -> bool:
        """False."""
        return False


def named(kind: str, place: str = "cpu") -> Any:
    """The class `FloatTensor` of a dtype named `kind`, of tensors on `place`."""
    name = f"{TENSOR_NAMES[kind]}Tensor"
    module = "fgrad" if place == "cpu" else f"fgrad.{place}"
    about = (f"Tensors of dtype {kind} ({place}): `{name}(2, 3)` is one of that shape, `{name}(sequence)` holds its numbers, and "
             f"`isinstance(x, {name})` is true of any of that dtype.")  # fmt: skip
    return tensortype(name, (), {"dtype": face_dtype(kind), "place": place, "__module__": module, "__doc__": about})


FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor = (named(k) for k in ("float32", "float64", "float16", "bfloat16"))
LongTensor, IntTensor, ShortTensor, CharTensor = (named(k) for k in ("int64", "int32", "int16", "int8"))
ByteTensor, BoolTensor = named("uint8"), named("bool")


def named_type(kind: Any) -> tuple[Any, str | None]:
    """The dtype and device that FloatTensor or "torch.FloatTensor" stands for; anything else as it is."""
    if isinstance(kind, tensortype):
        return kind.dtype, kind.place
    if isinstance(kind, str):
        *path, name = kind.split(".")
        for d, stem in TENSOR_NAMES.items():
            if name == f"{stem}Tensor" and path in (["torch"], ["torch", "cuda"], ["fgrad"], ["fgrad", "cuda"]):
                return face_dtype(d), "cuda" if path[-1] == "cuda" else "cpu"
        raise ArgumentError(f"invalid type: {kind!r}", where=caller(), fix='use a dtype, or a name such as "torch.FloatTensor"')
    return kind, None


def set_default_tensor_type(t: Any) -> None:
    """As set_default_dtype of the dtype that FloatTensor, "torch.DoubleTensor" or another stands for.

    Raises TypeError for what is no tensor type, or one of integers.
    """
    found, place = named_type(t)
    if place is None or not found.is_floating_point:
        raise TypeError(f"invalid type object: only floating-point types are supported as the default type, got {t!r}")
    replace(default_dtype=found.name)
