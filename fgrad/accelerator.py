"""PyTorch's accelerator namespace: CUDA where CuPy and a device are there, else nothing."""

from __future__ import annotations

from typing import Any

from fgrad.backends import devices
from fgrad.errors import DeviceError
from fgrad.ir.apply import caller
from fgrad.ir.types import Device

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "device_count", "empty_cache", "is_available", "memory_allocated",
    "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """True if a CUDA device answers.

    >>> import fgrad
    >>> device = fgrad.accelerator.current_accelerator() if fgrad.accelerator.is_available() else fgrad.device("cpu")
    """
    return device_count() > 0


def device_count() -> int:
    """Number of CUDA devices that answer."""
    return devices.count()


def current_accelerator(check_available: bool = False) -> Device | None:
    """The CUDA device, or None if there is none."""
    return Device("cuda") if is_available() else None


def _needed() -> None:
    if not is_available():
        raise DeviceError("Cannot access accelerator device when none is available.", where=caller(), fix="ask is_available() first")


def current_device_index() -> int:
    """The index of the current device.  Raises DeviceError if there is none."""
    _needed()
    return devices.current()


current_device_idx = current_device_index


def synchronize(device: Any = None) -> None:
    """Waits for the device's queued work.  Raises DeviceError if there is none."""
    _needed()
    devices.synchronize(device)


def empty_cache() -> None:
    """Gives the pool's unused memory back, if there is a device."""
    if is_available():
        devices.empty_cache()


def memory_allocated(device_index: Any = None) -> int:
    """Bytes of the device that arrays hold now; 0 if there is none."""
    return devices.memory(device_index) if is_available() else 0
