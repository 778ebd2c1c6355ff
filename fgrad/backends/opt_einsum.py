"""PyTorch's flags of opt_einsum, which orders every einsum here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["enabled", "get_opt_einsum", "is_available", "strategy"]

enabled, strategy = True, "auto"


def is_available() -> bool:
    """True: it is one of fgrad's own requirements."""
    return True


def get_opt_einsum() -> Any:
    """The package."""
    return import_module("opt_einsum")
