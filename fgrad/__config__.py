"""PyTorch's __config__ namespace: what this installation computes with."""

from __future__ import annotations

from fgrad.functions.preferences import get_num_interop_threads, get_num_threads
from fgrad.inspector.doctor import facts

__all__ = ["parallel_info", "show"]


def show() -> str:
    """One fact a line, as `fgrad doctor` prints them."""
    return "fgrad runs on:\n" + "".join(f"  - {name}: {text}\n" for name, text in facts().items())


def parallel_info() -> str:
    """The numbers of threads."""
    return f"fgrad:\n\tget_num_threads() : {get_num_threads()}\n\tget_num_interop_threads() : {get_num_interop_threads()}\n"
