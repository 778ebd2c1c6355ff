"""The ways to compute a row. Imports nothing heavy: import times are measured behind it."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple


class Runner(NamedTuple):
    """The packages a runner needs, and which of a row's sources it runs."""

    packages: tuple[str, ...]
    source: str  # "eager", "functional" or "byhand"

    @property
    def missing(self) -> str:
        """The packages that are not installed."""
        return ", ".join(p for p in self.packages if importlib.util.find_spec(p) is None)


RUNNERS = {
    "fgrad": Runner(("fgrad",), "eager"),
    "fgrad.compile": Runner(("fgrad",), "eager"),
    "fgrad.jit": Runner(("fgrad",), "functional"),
    "torch": Runner(("torch",), "eager"),
    "torch.compile": Runner(("torch",), "eager"),
    "jax.jit": Runner(("jax", "optax"), "functional"),
    "numpy": Runner(("numpy",), "byhand"),
}
