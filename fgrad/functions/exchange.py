"""Numbers out of tensors and into them: NumPy, DLPack, other CUDA libraries, pickles."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fgrad.backends import devices
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import host_array
from fgrad.eager.views import buffer_of, held
from fgrad.errors import ArgumentError, FgradError, GradError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import promote
from fgrad.ir.types import CPU, Device, TensorType


class HostError(FgradError, TypeError):
    """A host array was asked of a tensor that is elsewhere."""


def numbers(data: Any, kind: Any = None) -> Any:
    """Numbers, nested sequences (of tensors too) or an array as a new host array, of dtype `kind` if given.

    Sequences take the default dtypes of Python's numbers, arrays keep theirs.  Raises ArgumentError for a Python number
    that an integer dtype cannot hold, and TypeError for a complex one in a real dtype.
    """
    if isinstance(data, Cell):
        data = buffer_of(data)
    if isinstance(data, np.ndarray | np.generic):
        return host_array(data, kind)
    if isinstance(data, list | tuple) and _any_cell(data):
        data = _nested(data)
    if kind is not None and kind.kind in "iufV" and not isinstance(data, np.ndarray | np.generic):
        _fits(np.array(data), kind)
    return host_array(data, kind)


def _any_cell(data: Any) -> bool:
    return any(isinstance(x, Cell) or (isinstance(x, list | tuple) and _any_cell(x)) for x in data)


def _nested(data: Any) -> Any:
    """Nested sequences with tensors as one array; a tensor of one element is a number."""
    parts = [buffer_of(x) if isinstance(x, Cell) else _nested(x) if isinstance(x, list | tuple) else host_array(x) for x in data]
    if all(a.size == 1 and a.ndim < 2 for a in parts if a.ndim):
        parts = [a.reshape(()) for a in parts]
    kind = functools.reduce(promote, [a.dtype for a in parts])
    return np.stack([a.astype(kind) for a in parts])


def _fits(a: Any, kind: Any) -> None:
    """Refuses numbers outside an integer dtype (negative ones wrap in unsigned dtypes, as in PyTorch), complex ones in a real one."""
    if a.dtype.kind == "c":
        raise TypeError("must be real number, not complex")
    if kind.kind in "iu" and a.size and a.dtype.kind in "iufO":
        top = int(np.iinfo(kind).max)
        low, high = a.min(), a.max()
        if not (-top - (kind.kind == "i") <= low and high <= top):
            raise ArgumentError(f"value cannot be converted to type {kind.name} without overflow", where=caller(), fix="use a wider dtype")


def placed(cls: type[Any], a: Any, device: Device = CPU, needs: bool = False) -> Any:
    """A host array as a tensor of class `cls` on a device (a CPU tensor keeps the array itself)."""
    data = a if device is CPU else devices.put(a, device)
    return concrete(cls, data, TensorType(a.shape, a.dtype, device), needs)


def numpy_of(x: Any, force: bool) -> Any:
    """What `Tensor.numpy()` gives: the buffer itself, which both sides then share; forced, a copy from anywhere."""
    if force and x._device is not CPU:
        return buffer_of(x)
    if x._value.needs and not force:
        raise GradError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
            where=caller(), fix="call detach() first",
        )  # fmt: skip
    if x._device is not CPU:
        raise HostError(
            f"can't convert {x._device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.",
            where=caller(), fix="call cpu() first, or numpy(force=True)",
        )  # fmt: skip
    return shared(x)


def shared(x: Any) -> Any:
    """The array of `x` where it lives, which somebody outside may hold from now on."""
    base = x._extra.base if x._extra is not None and x._extra.base is not None else x
    base.extra.exposed = True
    return held(x)


def copy_of(x: Any) -> Any:
    """A copy of the array of `x`, where it lives."""
    return devices.put(held(x), x._device)


def rebuild(cls: type[Any], data: Any, needs: Any, device: Device = CPU) -> Any:
    """A tensor from its numbers, for pickle."""
    return placed(cls, data, device, needs)


def copied(x: Any) -> Any:
    """A leaf with the numbers of `x`, for deepcopy."""
    return concrete(type(x), copy_of(x), x._type, x._value.needs)


class _Capsule:
    """A capsule of memory on the host, as an object that speaks DLPack."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def imported(ext_tensor: Any) -> tuple[Any, Device]:
    """The array behind an object that speaks DLPack (or a capsule of the host's), and its device; memory is shared unless it is read-only."""
    ext_tensor = _Capsule(ext_tensor) if type(ext_tensor).__name__ == "PyCapsule" else ext_tensor
    kind, index = ext_tensor.__dlpack_device__()
    device = CPU if kind == 1 else Device("cuda", index)
    with devices.on(device) as xp:
        a = xp.from_dlpack(ext_tensor)
    if device is CPU and not a.flags.writeable:
        a = np.array(a)
    return a, device
