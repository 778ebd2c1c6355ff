"""PyTorch's autograd.graph: what concerns saved tensors and hooks on several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["disable_saved_tensors_hooks", "register_multi_grad_hook", "save_on_cpu"]


class _Handle:
    """Removes the hooks it stands for."""

    def __init__(self, handles: Sequence[Any]) -> None:
        self._handles = list(handles)

    def remove(self) -> None:
        """Takes them out."""
        for h in self._handles:
            h.remove()

    def __enter__(self) -> _Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Any], fn: Callable[..., None], *, mode: str = "all") -> _Handle:
    """Calls `fn` in every backward with the gradients of several tensors that require grad.

    mode "all": once all gradients are there, with the list of them.  mode "any": with the first one.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    found: list[Any] = [None] * len(tensors)
    count = [0]

    def hook(i: int, g: Any) -> None:
        if mode == "any":
            if not count[0]:
                fn(g)
            count[0] = (count[0] + 1) % len(tensors)
            return
        found[i] = g
        count[0] += 1
        if count[0] == len(tensors):
            count[0], now = 0, list(found)
            found[:] = [None] * len(tensors)
            fn(now)

    return _Handle([t.register_hook(lambda g, i=i: hook(i, g)) for i, t in enumerate(tensors)])


@contextmanager
def save_on_cpu(pin_memory: bool = False, device_type: str = "cuda") -> Any:
    """Accepted: what backward reads is chosen by the compiler, and on the CPU it is there already."""
    yield


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Any:
    """Accepted: there are no such hooks to refuse."""
    yield
