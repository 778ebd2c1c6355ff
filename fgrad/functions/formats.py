"""PyTorch's memory formats: accepted everywhere, of no effect on numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

__all__ = ["channels_last", "channels_last_3d", "contiguous_format", "memory_format", "preserve_format"]


class memory_format:  # noqa: N801  # PyTorch's name
    """An order of elements in memory. Accepted wherever PyTorch takes one; numbers never depend on it, and memory stays row-major."""

    _known: ClassVar[dict[str, memory_format]] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        memory_format._known[name] = self

    def __repr__(self) -> str:
        return f"fgrad.{self.name}"

    def __reduce__(self) -> Any:
        return _named, (self.name,)


def _named(name: str) -> memory_format:
    return memory_format._known[name]


contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")
ORDERS = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}  # dimensions from the slowest to the fastest


def formatted(x: Any, wanted: Any) -> None:
    """Checks a memory format somebody asked for of `x`: TypeError unless it is one, ArgumentError if it is for another rank."""
    if wanted is None:
        return
    if not isinstance(wanted, memory_format):
        raise TypeError(f"argument 'memory_format' must be fgrad.memory_format, not {type(wanted).__name__}")
    order = ORDERS.get(wanted.name)
    if order is not None and x is not None and x._type.ndim != len(order):
        raise ArgumentError(f"required rank {len(order)} tensor to use {wanted.name} format", where=caller(), fix="leave memory_format out")
