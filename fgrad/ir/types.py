"""Static types of values: interned, compared with `is`."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from fgrad.errors import DeviceError
from fgrad.ir.dtypes import Dtype, dtype_of, is_inexact
from fgrad.settings import replace


class Device:
    """Where a buffer lives: `cpu` or `cuda:index`. Interned. `with device:` is the place of what creation functions make inside."""

    __slots__ = ("index", "type")
    type: str
    index: int
    _known: ClassVar[dict[tuple[str, int], Device]] = {}
    _entered: ClassVar[list[str]] = []  # the default devices outside of blocks

    def __new__(cls, type: str | int | Device, index: int = 0) -> Device:  # noqa: D102
        if not isinstance(type, str):
            return cls("cuda", type) if isinstance(type, int) else type
        found = cls._known.get((type, index))
        if found is None:
            kind, _, digits = type.partition(":")
            at = int(digits) if digits.isdigit() else index
            if kind not in ("cpu", "cuda") or at < 0 or (digits and not digits.isdigit()):
                raise DeviceError(f"no device {type}", fix="use cpu, cuda or cuda:index")
            found = cls._known.get((kind, at))
            if found is None:
                found = cls._known[kind, at] = super().__new__(cls)
                found.type, found.index = kind, at
        return found

    @classmethod
    def cuda_named(cls) -> bool:
        """True once a CUDA device was named in this process."""
        return len(cls._known) > 1

    def __reduce__(self) -> Any:
        return Device, (self.type, self.index)

    def __enter__(self) -> Device:
        Device._entered.append(replace(default_device=str(self)).default_device)
        return self

    def __exit__(self, *error: object) -> None:
        replace(default_device=Device._entered.pop())

    def __str__(self) -> str:
        return "cpu" if self.type == "cpu" else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (")" if self.type == "cpu" else f", index={self.index})")


CPU = Device("cpu")


class TensorType:
    """`shape` in elements per axis, `dtype` as a NumPy dtype, `device`. Interned; text `float32[2,3]@cuda:0`."""

    __slots__ = ("device", "dtype", "inexact", "name", "nbytes", "shape", "size")
    shape: tuple[int, ...]
    dtype: Dtype
    device: Device
    size: int
    nbytes: int
    inexact: bool
    name: str  # of the dtype: NumPy makes it anew each time it is asked
    _known: ClassVar[dict[Any, TensorType]] = {}

    def __new__(cls, shape: tuple[int, ...], dtype: Any, device: Device = CPU) -> TensorType:  # noqa: D102
        found = cls._known.get((shape, dtype, device))
        if found is None:
            kind = dtype_of(dtype)
            shape = tuple(map(int, shape))
            found = cls._known.get((shape, kind, device))
            if found is None:
                found = super().__new__(cls)
                found.shape, found.dtype, found.device = shape, kind, device
                found.size, found.inexact = math.prod(shape), is_inexact(kind)
                found.nbytes, found.name = found.size * kind.itemsize, kind.name
                cls._known[shape, kind, device] = found
        return found

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def with_shape(self, shape: tuple[int, ...]) -> TensorType:
        """The same dtype and device in another shape."""
        return TensorType(shape, self.dtype, self.device)

    def with_dtype(self, dtype: Any) -> TensorType:
        """The same shape and device in another dtype."""
        return TensorType(self.shape, dtype, self.device)

    def __reduce__(self) -> Any:
        return TensorType, (self.shape, self.dtype, self.device)

    def __str__(self) -> str:
        at = "" if self.device is CPU else f"@{self.device}"
        return f"{self.name}[{','.join(map(str, self.shape))}]{at}"

    __repr__ = __str__


class TupleType:
    """Several results of one node; `item` reads them. Interned; text `(float32[2], int64[2])`."""

    __slots__ = ("inexact", "items")
    items: tuple[Type, ...]
    inexact: bool
    name: str  # of the dtype: NumPy makes it anew each time it is asked
    _known: ClassVar[dict[tuple[Any, ...], TupleType]] = {}

    def __new__(cls, items: tuple[Type, ...]) -> TupleType:  # noqa: D102
        found = cls._known.get(items)
        if found is None:
            found = cls._known[items] = super().__new__(cls)
            found.items, found.inexact = items, any(t.inexact for t in items)
        return found

    @property
    def nbytes(self) -> int:
        """Size in bytes of all items."""
        return sum(t.nbytes for t in self.items)

    def __reduce__(self) -> Any:
        return TupleType, (self.items,)

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))}{',' if len(self.items) == 1 else ''})"

    __repr__ = __str__


class TokenType:
    """Orders effects: an effectful node takes one and returns one."""

    __slots__ = ()
    inexact = False
    nbytes = 0

    def __reduce__(self) -> Any:
        return "TOKEN"

    def __str__(self) -> str:
        return "token"

    __repr__ = __str__


TOKEN = TokenType()
Type = TensorType | TupleType | TokenType


def type_of_array(x: Any, device: Device = CPU) -> TensorType:
    """The type of a NumPy or CuPy array."""
    return TensorType(x.shape, x.dtype, device)


BOOL, INT64, FLOAT32 = np.dtype("bool"), np.dtype("int64"), np.dtype("float32")
