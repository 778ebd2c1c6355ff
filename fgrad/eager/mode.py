"""Whether derivatives are recorded: a mode of the thread, kept across flushes."""

from __future__ import annotations

from typing import Any

from fgrad.eager.tape import THREAD
from fgrad.settings import current


def set_grad(on: bool) -> bool:
    """Switches recording of derivatives on or off; returns what it was."""
    before, THREAD.grad = THREAD.grad, on
    THREAD.tape.switch(on)
    return before


def grad_enabled() -> bool:
    """True if derivatives are being recorded."""
    return THREAD.grad


def ambient() -> tuple[Any, ...]:
    """What a recording depends on beside its arguments: autocast, the default dtype and device."""
    chosen = current()
    return THREAD.casting, chosen.default_dtype, chosen.default_device
