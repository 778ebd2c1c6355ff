"""A row of the benchmark: its sources, sizes and steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Step = Callable[[int], Any]  # step i -> a float, a tensor or a list of them
Build = Callable[..., Step]  # face, then the sizes by name


@dataclass(frozen=True)
class Row:
    """A computation, by `eager` (PyTorch's words), `functional` (JAX's words) and `byhand` (NumPy).

    sizes: keyword arguments of the sources; quick: those that `--quick` changes. steps: timed in a round; quick_steps: under `--quick`.
    without: runners for which the row has no sense. checks: results compared before timing, within `tolerance`.
    settings: of fgrad. timed: "step" (one step), "first" (the `checks` first steps of a fresh process with cold caches: all tracing
    and compiling that a user waits for) or "import".
    """

    name: str
    sizes: Mapping[str, int]
    quick: Mapping[str, int]
    steps: int
    quick_steps: int
    eager: Build | None = None
    functional: Build | None = None
    byhand: Build | None = None
    without: tuple[str, ...] = ()
    checks: int = 4
    tolerance: float = 1e-3
    settings: Mapping[str, Any] = field(default_factory=dict)
    timed: str = "step"

    def shape(self, quick: bool, changes: Mapping[str, int]) -> dict[str, int]:
        """The sizes in force: the table's, with the changes that name a size of this row."""
        sizes = {**self.sizes, **(self.quick if quick else {})}
        return {**sizes, **{k: v for k, v in changes.items() if k in sizes}}
