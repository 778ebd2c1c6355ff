"""The one current set of choices: frozen, replaced whole, read where it matters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fgrad.errors import ArgumentError

KERNELS = ("auto", "plain", "tiled", "native")


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What a user may choose about compilation.

    kernels: "auto" (tiled NumPy first, native code swapped in when it is ready), "plain" (one library call a node),
    "tiled" (fused groups in NumPy only) or "native" (compiled before the first run).
    num_threads: threads of kernels and of matrix products (0: OMP_NUM_THREADS, else one for each processor; small work uses one).
    winograd: 3x3 convolutions in float32 by fewer multiplications, with rounding errors up to some 6e-6 of the largest results.
    default_dtype: what Python floats become.
    default_device: where PyTorch's creation functions put tensors.
    jit: False runs what `jit` and the loops and branches of lax are given as the Python it is.
    refuse: "nan", "inf" or both; a program whose results hold one is a FloatingPointError.
    """

    kernels: str = "auto"
    num_threads: int = 0
    winograd: bool = True
    default_dtype: str = "float32"
    default_device: str = "cpu"
    jit: bool = True
    refuse: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse unknown choices."""
        if self.kernels not in KERNELS:
            raise ArgumentError(f"kernels={self.kernels!r} is not a choice", fix=f"use one of {', '.join(KERNELS)}")
        if self.num_threads < 0:
            raise ArgumentError(f"num_threads={self.num_threads}", fix="use 1 or more, or 0 for one thread a processor")


_CURRENT = Settings()


def current() -> Settings:
    """The settings in force."""
    return _CURRENT


def replace(**changes: Any) -> Settings:
    """Puts changed settings in force and returns the former ones."""
    global _CURRENT
    before, _CURRENT = _CURRENT, dataclasses.replace(_CURRENT, **changes)
    return before


@contextmanager
def use(**changes: Any) -> Iterator[Settings]:
    """Settings for a block: `with use(kernels="plain"):`."""
    global _CURRENT
    before = replace(**changes)
    try:
        yield _CURRENT
    finally:
        _CURRENT = before
