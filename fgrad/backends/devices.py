"""CUDA devices as CuPy sees them; nothing is imported until asked."""

from __future__ import annotations

from typing import Any

from fgrad.errors import DeviceError, MissingError, need


def library() -> Any:
    """CuPy, or an error that says what is missing."""
    try:
        cupy = need("cupy", "cuda13")
    except MissingError as e:
        raise DeviceError("a CUDA device was asked for, but CuPy is not installed", fix='pip install "fgrad[cuda13]"') from e
    if count() == 0:
        raise DeviceError("a CUDA device was asked for, but no CUDA driver or device answers",
                          fix="install the NVIDIA driver, or use device='cpu'")  # fmt: skip
    return cupy


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
    return int(library().cuda.runtime.getDevice())


def name(device: Any) -> str:
    """The device's name."""
    cupy = library()
    index = current() if device is None else getattr(device, "index", device)
    return str(cupy.cuda.runtime.getDeviceProperties(index)["name"].decode())


def synchronize() -> None:
    """Waits for queued work."""
    library().cuda.runtime.deviceSynchronize()


def empty_cache() -> None:
    """Gives the pool's unused memory back."""
    if count():
        library().get_default_memory_pool().free_all_blocks()
