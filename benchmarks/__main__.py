"""`python -m benchmarks [ROW ...]`: runs every runner that is installed, interleaved, and prints ratios to the best peer."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from typing import Any

from benchmarks.measure import Options, measure
from benchmarks.report import show_row, show_summary, summary
from benchmarks.rows import ROWS
from benchmarks.rows.row import Row
from benchmarks.runners import RUNNERS


def change(text: str) -> tuple[str, int]:
    """"batch=48" as a pair."""
    name, _, value = text.partition("=")
    if not value.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER")
    return name, int(value)


def machine() -> dict[str, Any]:
    """What the figures were measured with."""
    packages = [p for p in ("numpy", "llvmlite", "torch", "jax", "optax") if importlib.util.find_spec(p)]
    versions = {p: importlib.metadata.version(p) for p in packages}
    return {"python": platform.python_version(), "processors": os.cpu_count(), "machine": platform.machine(), **versions}


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help="row names or their beginnings (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of each runner (8; 2 with --quick)")
    parser.add_argument("--runners", nargs="+", choices=RUNNERS, default=list(RUNNERS), help="default: all that are installed")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: shows that rows work")
    parser.add_argument("--shape", nargs="+", type=change, default=[], metavar="NAME=N", help="other sizes, e.g. batch=48")
    parser.add_argument("--memory", action="store_true", help="peak memory of each process, and its ratio")
    parser.add_argument("--json", action="store_true", help="everything as JSON instead of tables")
    parser.add_argument("--list", action="store_true", help="names the rows with their sizes and ends")
    return parser.parse_args()


def chosen(names: list[str], changes: dict[str, int]) -> list[Row]:
    """The rows that begin with one of the names, exact names first meant. Ends the program for a name or size nobody has."""
    exact = {n for n in names if n in ROWS}
    rows = [r for n, r in ROWS.items() if not names or n in exact or any(n.startswith(p) for p in names if p not in exact)]
    unknown = [p for p in names if not any(n.startswith(p) for n in ROWS)]
    unknown += [k for k in changes if not any(k in r.sizes for r in rows)]
    if unknown:
        sys.exit(f"no row or size {', '.join(unknown)}: see --list")
    return rows


def main() -> None:
    """Runs the rows and prints as they end; JSON at the end."""
    asked = parsed()
    changes = dict(asked.shape)
    rows = chosen(asked.rows, changes)
    if asked.list:
        for r in rows:
            sizes = " ".join(f"{k}={v}" + (f"({r.quick[k]})" if k in r.quick else "") for k, v in r.sizes.items())
            print(f"{r.name:<19}{r.steps}({r.quick_steps}) steps  {sizes}")
        return
    options = Options(asked.rounds or (2 if asked.quick else 8), asked.quick, tuple(asked.runners), changes)
    results = {}
    for row in rows:
        results[row.name] = measure(row, options)
        if not asked.json:
            show_row(row.name, row.shape(asked.quick, changes), results[row.name], asked.memory)
    if asked.json:
        print(json.dumps({"machine": machine(), "rows": results, "summary": summary(results)}, indent=1))
    else:
        show_summary(results)


if __name__ == "__main__":
    main()
