"""PyTorch's mps namespace: Apple's devices are not there, and it says so."""

from __future__ import annotations

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """False: CPU and CUDA are the devices."""
    return False


def device_count() -> int:
    """0."""
    return 0
