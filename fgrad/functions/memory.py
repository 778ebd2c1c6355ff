"""Where a tensor's numbers lie: strides, memory formats, storages and addresses."""

from __future__ import annotations

import math
from typing import Any, ClassVar
from weakref import ref

import numpy as np

from fgrad.eager.views import buffer_of, view_of
from fgrad.errors import ArgumentError
from fgrad.functions.call import R
from fgrad.functions.dtypes import dtype, face_dtype
from fgrad.functions.exchange import placed, shared
from fgrad.functions.formats import ORDERS, contiguous_format, formatted
from fgrad.functions.shape import clone, flatten
from fgrad.ir.apply import caller
from fgrad.ir.types import CPU, Device

__all__ = ["TypedStorage", "UntypedStorage", "is_storage"]


def probe(x: Any) -> tuple[tuple[int, ...], int]:
    """Elements between neighbours along each dimension of the logical view path, and where it begins in its base."""
    base, path = (x, ()) if x._extra is None or x._extra.base is None else (x._extra.base, x._extra.path)
    whole = part = np.empty(base._type.shape, np.uint8)
    for prim, params, _ in path:
        part = prim.lower(np, None, part, **dict(zip(prim.params, params, strict=True)))
    return part.strides, part.ctypes.data - whole.ctypes.data


def _in_order(shape: tuple[int, ...], strides: tuple[int, ...], order: Any) -> bool:
    """True if elements lie without gaps, the last dimension of `order` fastest."""
    if 0 in shape:
        return True
    step = 1
    for axis in reversed(order):
        if shape[axis] > 1 and strides[axis] != step:
            return False
        step *= shape[axis]
    return True


class UntypedStorage:
    """The bytes that a tensor and all its views share; those of equal storages are the same."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    @property
    def device(self) -> Device:
        """Where the bytes are."""
        return self._owner.device  # type: ignore[no-any-return]

    @property
    def is_cuda(self) -> bool:
        """True on a CUDA device."""
        return self.device.type == "cuda"

    def nbytes(self) -> int:
        """Bytes."""
        return int(self._owner._type.nbytes)

    size = nbytes

    def element_size(self) -> int:
        """1."""
        return 1

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return int(_address(self._owner))

    def is_shared(self) -> bool:
        """False: worker processes get their own copies."""
        return False

    def tolist(self) -> list[int]:
        """The bytes as Python numbers."""
        return list(np.ascontiguousarray(buffer_of(self._owner)).tobytes())

    def __len__(self) -> int:
        return self.nbytes()

    def __getitem__(self, i: Any) -> Any:
        return self.tolist()[i]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._owner is self._owner

    def __hash__(self) -> int:
        return id(self._owner)

    def __repr__(self) -> str:
        return f"[fgrad.UntypedStorage(device={self.device}) of size {self.nbytes()}]"


class TypedStorage:
    """The elements that a tensor and all its views share, in memory order."""

    def __init__(self, owner: Any) -> None:
        self._flat = flatten(owner.detach())
        self._bytes = UntypedStorage(owner)

    @property
    def dtype(self) -> dtype:
        """Number type."""
        return face_dtype(self._flat._type.dtype)

    @property
    def device(self) -> Device:
        """Where the elements are."""
        return self._bytes.device

    def untyped(self) -> UntypedStorage:
        """The same as bytes."""
        return self._bytes

    def size(self) -> int:
        """Elements."""
        return int(self._flat._type.size)

    def nbytes(self) -> int:
        """Bytes."""
        return self._bytes.nbytes()

    def element_size(self) -> int:
        """Bytes of one element."""
        return int(self._flat.element_size())

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._bytes.data_ptr()

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return self._flat.tolist()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return self.size()

    def __getitem__(self, i: Any) -> Any:
        return self.tolist()[i]

    def __setitem__(self, i: Any, value: Any) -> None:
        self._flat[i] = value

    def __repr__(self) -> str:
        return f"{self.tolist()}\n[fgrad.TypedStorage(dtype={self.dtype}, device={self.device}) of size {self.size()}]"


def is_storage(obj: Any) -> bool:
    """True for what `untyped_storage()` and `storage()` give."""
    return isinstance(obj, UntypedStorage | TypedStorage)


def _address(x: Any) -> int:
    if not x._type.size:
        return 0
    a = shared(x)
    return int(a.ctypes.data if x._device is CPU else a.data.ptr)


class MemoryMethods:
    """Tensor's methods about memory."""

    __slots__ = ()
    _type: Any
    _extra: Any
    _value: Any
    _result: ClassVar[type[Any]]

    def stride(self, dim: int | None = None) -> Any:
        """Elements between neighbours along each dimension, by the logical view path."""
        shape = self._type.shape
        strides = probe(self)[0] if 0 not in shape else tuple(math.prod(max(n, 1) for n in shape[i + 1 :]) for i in range(len(shape)))
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Where the tensor begins in its storage, in elements."""
        return probe(self)[1]

    def dim_order(self, *, ambiguity_check: Any = False) -> tuple[int, ...]:
        """Dimensions from the slowest to the fastest in memory."""
        strides = probe(self)[0]
        return tuple(sorted(range(self._type.ndim), key=lambda i: (-strides[i], i)))

    def is_contiguous(self, memory_format: Any = contiguous_format) -> bool:
        """True if elements lie in row-major order (in the order of a memory format, if one is named)."""
        strides, shape = probe(self)[0], self._type.shape
        order = ORDERS.get(getattr(memory_format, "name", ""), tuple(range(len(shape))))
        return len(order) == len(shape) and _in_order(shape, strides, order)

    def contiguous(self, memory_format: Any = contiguous_format) -> Any:
        """A tensor in row-major order: itself, or a copy. A memory format is accepted and changes nothing."""
        formatted(self, memory_format)
        return self if self.is_contiguous() else clone(self)

    def data_ptr(self) -> int:
        """The address of the first element; from then on the tensor keeps its memory. 0 if it has none."""
        return _address(self)

    const_data_ptr = mutable_data_ptr = data_ptr

    def untyped_storage(self) -> UntypedStorage:
        """The bytes shared with all views."""
        return UntypedStorage(_base(self))

    def storage(self) -> TypedStorage:
        """The elements shared with all views."""
        return TypedStorage(_base(self))

    def is_set_to(self, tensor: Any) -> bool:
        """True if both are the same elements of one storage in the same shape."""
        return _base(self) is _base(tensor) and self._type is tensor._type and probe(self) == probe(tensor)

    def set_(self, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Any:
        """Takes the storage and shape of another tensor, from then on shared; without arguments it becomes empty.

        Raises ArgumentError for another dtype or device, and for storages: only tensors know their dtype.
        """
        if is_storage(source) or size is not None or stride is not None:
            raise ArgumentError("set_ of a storage with sizes and strides is not there", where=caller(), fix="set_ a view of the tensor, by slices or as_strided")
        other = placed(self._result, np.zeros(0, self._type.dtype)) if source is None else source
        if other._type.dtype != self._type.dtype or (source is not None and other._device is not self._type.device):
            raise ArgumentError(f"Could not set tensor of type {other._type.dtype} on {other._device} to a tensor of type {self._type.dtype}", where=caller(),
                                fix="convert it first")  # fmt: skip
        x: Any = self
        y = view_of(self._result, other, R["reshape"], (other._type.shape,))
        x._extra, x._tape, x._value, x._data = y._extra, y._tape, y._value, y._data
        y._extra.base.extra.views.append(ref(x))
        if y._tape is not None:
            y._tape.refs.append(ref(x))
        return self

    def share_memory_(self) -> Any:
        """Accepted: worker processes get their own copies."""
        return self

    def is_shared(self) -> bool:
        """False: see share_memory_."""
        return False

    def pin_memory(self, device: Any = None) -> Any:
        """Accepted: host memory needs no pinning here."""
        return self

    def is_pinned(self, device: Any = None) -> bool:
        """False: see pin_memory."""
        return False

    def record_stream(self, stream: Any) -> None:
        """Accepted: memory is not given back while work on it is pending."""

    def as_subclass(self, cls: Any) -> Any:
        """The same elements as a tensor of a class of yours.  Raises TypeError unless it is a class of tensors."""
        if not (isinstance(cls, type) and issubclass(cls, self._result)):
            raise TypeError(f"as_subclass(): argument 'cls' must be a class of tensors, not {cls!r}")
        return view_of(cls, self, R["reshape"], (self._type.shape,))  # type: ignore[arg-type]  # a Cell


def _base(x: Any) -> Any:
    """The tensor whose memory this one shows."""
    return x if x._extra is None or x._extra.base is None else x._extra.base
