"""The table of rows, by name, in the order they run."""

from __future__ import annotations

from benchmarks.rows import mlp
from benchmarks.rows.row import Row

ROWS: dict[str, Row] = {r.name: r for family in (mlp,) for r in family.ROWS}
