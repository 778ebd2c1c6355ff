"""PyTorch's cpu namespace: questions every device answers. `fgrad.cpu.amp` has the old names of mixed precision."""

from __future__ import annotations

from typing import Any

from fgrad.cpu import amp as amp

__all__ = ["amp", "current_device", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """ "cpu"."""
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Does nothing: the CPU's work is done when a number is read."""
