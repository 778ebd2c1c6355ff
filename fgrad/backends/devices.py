"""CUDA devices as CuPy sees them, and arrays between them and the host; nothing is imported until asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fgrad.errors import DeviceError, MissingError, need
from fgrad.ir.types import CPU, Device, TensorType


def library(device: Device) -> Any:
    """The array library of a device: NumPy, or CuPy if that device answers.

    Raises DeviceError saying what is missing.
    """
    if device is CPU:
        return np
    try:
        cupy = need("cupy", "cuda13")
    except MissingError as e:
        raise DeviceError("a CUDA device was asked for, but CuPy is not installed", fix='pip install "fgrad[cuda13]"') from e
    found = count()
    if found == 0:
        raise DeviceError("a CUDA device was asked for, but no CUDA driver or device answers",
                          fix="install the NVIDIA driver, or use device='cpu'")  # fmt: skip
    if device.index >= found:
        raise DeviceError(f"{device} was asked for, but {found} CUDA device{'s answer' if found > 1 else ' answers'}",
                          fix=f"use an index below {found}")  # fmt: skip
    return cupy


@contextmanager
def on(device: Device) -> Iterator[Any]:
    """Makes a CUDA device the current one; gives its library."""
    xp = library(device)
    if device is CPU:
        yield xp
    else:
        with xp.cuda.Device(device.index):
            yield xp


def host(a: Any) -> Any:
    """A NumPy array of the same numbers: itself, or a copy of a device's."""
    return a.get() if hasattr(a, "get") else a


def put(a: Any, device: Device) -> Any:
    """A copy of an array in row-major order on `device`."""
    if device is CPU:
        return np.array(host(a), order="C")
    with on(device) as xp:
        return xp.array(a, order="C")


def zeros(kind: TensorType) -> Any:
    """An array of zeros of a type, where it says."""
    with on(kind.device) as xp:
        return xp.zeros(kind.shape, kind.dtype)


def count() -> int:
    """Number of devices that answer."""
    try:
        cupy = need("cupy", "cuda13")
    except MissingError:
        return 0
    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


def current() -> int:
    """The index of the current device."""
    return int(library(Device("cuda")).cuda.runtime.getDevice())


def index_of(device: Any) -> int:
    """What a user gave as a CUDA device: None for the current one, an index, or a device."""
    if device is None:
        return current()
    return device if isinstance(device, int) else (device if isinstance(device, Device) else Device(device)).index


def name(device: Any) -> str:
    """The device's name."""
    index = index_of(device)
    cupy = library(Device("cuda", index))
    return str(cupy.cuda.runtime.getDeviceProperties(index)["name"].decode())


def synchronize(device: Any = None) -> None:
    """Waits for the device's queued work."""
    with on(Device("cuda", index_of(device))) as cupy:
        cupy.cuda.runtime.deviceSynchronize()


def memory(device: Any = None) -> int:
    """Bytes of the device that arrays hold now."""
    with on(Device("cuda", index_of(device))) as cupy:
        return int(cupy.get_default_memory_pool().used_bytes())


def empty_cache() -> None:
    """Gives the pool's unused memory back."""
    if count():
        library(Device("cuda")).get_default_memory_pool().free_all_blocks()
