"""The old place of functional_call."""

from __future__ import annotations

from typing import Any

from fgrad.nn import pytree

__all__ = ["functional_call"]


def functional_call(module: Any, parameters_and_buffers: Any, args: Any = None, kwargs: Any = None, *, tie_weights: bool = True,
                    strict: bool = False) -> Any:  # fmt: skip
    """nn.functional_call; tie_weights is accepted: tied tensors stay tied."""
    return pytree.functional_call(module, parameters_and_buffers, () if args is None else args, kwargs, strict=strict)
