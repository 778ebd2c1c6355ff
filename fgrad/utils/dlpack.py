"""PyTorch's utils.dlpack: tensors of other libraries without a copy."""

from __future__ import annotations

from typing import Any

from fgrad.functions.creation import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Any) -> Any:
    """A DLPack capsule of a tensor's memory.

    >>> import fgrad
    >>> from_dlpack(to_dlpack(fgrad.ones(2)))
    tensor([1., 1.])
    """
    return tensor.__dlpack__()
