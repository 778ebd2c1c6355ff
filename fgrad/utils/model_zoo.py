"""PyTorch's utils.model_zoo, refused: fgrad opens no network connection."""

from __future__ import annotations

from typing import Any

from fgrad.errors import MissingError
from fgrad.ir.apply import caller

__all__ = ["load_url", "refused"]


def refused(what: str, fix: str) -> MissingError:
    """The error of what would need the network."""
    return MissingError(f"{what} downloads, and fgrad opens no network connection", where=caller(), fix=fix)


def load_url(url: str, *args: Any, **kwargs: Any) -> Any:
    """Raises MissingError: download the file yourself and `fgrad.load` it."""
    raise refused(f"load_url({url!r})", "download the file yourself, then fgrad.load(path)")
