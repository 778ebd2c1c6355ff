"""PyTorch's flags of cuDNN: kept and without effect, convolutions are the compiler's own choice and repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["allow_tf32", "benchmark", "benchmark_limit", "deterministic", "enabled", "flags", "is_acceptable", "is_available", "version"]

enabled, benchmark, benchmark_limit, deterministic, allow_tf32 = True, False, 10, False, True


def is_available() -> bool:
    """False: cuDNN is not used."""
    return False


def version() -> None:
    """None, for the same reason."""


def is_acceptable(tensor: object) -> bool:
    """False, for the same reason."""
    return False


@contextmanager
def flags(enabled: bool = False, benchmark: bool = False, benchmark_limit: int = 10, deterministic: bool = False,
          allow_tf32: bool = True, fp32_precision: str = "none") -> Iterator[None]:  # fmt: skip
    """Flags for a block."""
    own = globals()
    new = {"enabled": enabled, "benchmark": benchmark, "benchmark_limit": benchmark_limit, "deterministic": deterministic,
           "allow_tf32": allow_tf32}  # fmt: skip
    before = {k: own[k] for k in new}
    own.update(new)
    try:
        yield
    finally:
        own.update(before)
