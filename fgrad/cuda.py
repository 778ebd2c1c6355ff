"""PyTorch's cuda namespace. Nothing is imported until it is asked for."""

from __future__ import annotations

from typing import Any

from fgrad.backends import devices

__all__ = ["current_device", "device_count", "empty_cache", "get_device_name", "is_available", "manual_seed_all", "synchronize"]


def is_available() -> bool:
    """True if CuPy is installed and a CUDA device answers."""
    return device_count() > 0


def device_count() -> int:
    """Number of CUDA devices that answer."""
    return devices.count()


def current_device() -> int:
    """The index of the current device."""
    return devices.current()


def get_device_name(device: Any = None) -> str:
    """The device's name."""
    return devices.name(device)


def synchronize(device: Any = None) -> None:
    """Waits for the device's queued work."""
    devices.synchronize()


def empty_cache() -> None:
    """Gives the pool's unused memory back."""
    devices.empty_cache()


def manual_seed_all(seed: int) -> None:
    """Accepted: manual_seed seeds every device's stream."""
