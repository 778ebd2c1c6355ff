"""PyTorch's flags of oneDNN: kept and without effect, kernels are the compiler's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["allow_tf32", "deterministic", "enabled", "flags", "is_available"]

enabled, deterministic, allow_tf32 = True, False, True


def is_available() -> bool:
    """False: oneDNN is not used."""
    return False


@contextmanager
def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none") -> Iterator[None]:
    """Flags for a block."""
    own = globals()
    before = {k: own[k] for k in ("enabled", "deterministic", "allow_tf32")}
    own.update(enabled=enabled, deterministic=deterministic, allow_tf32=allow_tf32)
    try:
        yield
    finally:
        own.update(before)
