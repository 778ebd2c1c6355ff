"""Memory formats of convolution weights: accepted, as the compiler chooses layouts itself."""

from __future__ import annotations

from typing import Any

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """The module as it is: compiled programs choose the layout of weights themselves."""
    return module


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """The module as it is: compiled programs choose the layout of weights themselves."""
    return module
