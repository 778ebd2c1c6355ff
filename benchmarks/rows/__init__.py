"""The table of rows, by name, in the order they run."""

from __future__ import annotations

from benchmarks.rows import decode, derivatives, images, kernels, mlp, sequences, transformers, unet, upkeep
from benchmarks.rows.row import Row

FAMILIES = (mlp, images, unet, transformers, decode, sequences, kernels, derivatives, upkeep)
ROWS: dict[str, Row] = {r.name: r for family in FAMILIES for r in family.ROWS}
