"""The old names of mixed precision on the CPU."""

from __future__ import annotations

from typing import Any

from fgrad import amp
from fgrad.functions import autocast as plain
from fgrad.functions import bfloat16

__all__ = ["GradScaler", "autocast"]


class autocast(plain):  # noqa: N801  # PyTorch's name
    """`fgrad.autocast("cpu", ...)`."""

    def __init__(self, enabled: bool = True, dtype: Any = bfloat16, cache_enabled: bool = True) -> None:
        super().__init__("cpu", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`fgrad.amp.GradScaler("cpu", ...)`."""

    def __init__(self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True) -> None:  # fmt: skip
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
