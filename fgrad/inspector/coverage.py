"""`fgrad coverage`: how many of PyTorch's functions there are, family by family, and why the others are not."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any, NamedTuple

import fgrad.functions as functions
from fgrad.inspector.torch_names import FAMILIES

REASONS = {
    "__rdiv__": "a name of Python 2",
    "empty_permuted": "memory is always in row-major order, so that there is nothing to choose",
    "empty_strided": "memory is always in row-major order, so that there is nothing to choose",
    "hash_tensor": "a checksum of memory whose value PyTorch does not document",
    "chalf": "no complex numbers of two halves",
}
PLACES = ("fft", "linalg", "masked", "nn", "signal", "special")


class Family(NamedTuple):
    """One row: names that are there, and those that are not."""

    name: str
    found: tuple[str, ...]
    missing: tuple[str, ...]


def has(path: str) -> bool:
    """True if `fgrad.path`, or a method of Tensor of that name (or its in-place form), exists."""
    first, *rest = path.split(".")
    place: Any = importlib.import_module(f"fgrad.{first}") if first in PLACES and rest else functions
    for part in rest if first in PLACES and rest else [path]:
        place = getattr(place, part, None)
    tensor = functions.Tensor
    return place is not None or hasattr(tensor, path) or hasattr(tensor, f"{path}_")


def families() -> list[Family]:
    """Every family's row."""
    rows = []
    for name, (prefix, names) in FAMILIES.items():
        found = {n: has(f"{prefix}{n}") for n in names.split()}
        rows.append(Family(name, tuple(n for n, ok in found.items() if ok), tuple(n for n, ok in found.items() if not ok)))
    return rows


def table(markdown: bool = False) -> str:
    """The rows as text, or as the page docs/coverage.md."""
    rows = families()
    total, have = sum(len(r.found) + len(r.missing) for r in rows), sum(len(r.found) for r in rows)
    reasons = [f"{n}: {REASONS.get(n, 'not yet')}" for r in rows for n in r.missing]
    if not markdown:
        lines = [f"{r.name:<32} {len(r.found):>4} of {len(r.found) + len(r.missing):>3}  {' '.join(r.missing)}".rstrip() for r in rows]
        return "\n".join([*lines, f"{'all':<32} {have:>4} of {total:>3}", "", *reasons]).rstrip()
    lines = [f"| {r.name} | {len(r.found)} of {len(r.found) + len(r.missing)} | {', '.join(f'`{n}`' for n in r.missing)} |" for r in rows]
    head = [
        "# Coverage of PyTorch's names", "",
        "Written by `fgrad coverage --markdown`. A name counts when it is there; what it does is held against PyTorch by",
        "`tests/test_oracle_table.py` (values in nine dtypes, derivatives, layouts, empty and 0-d operands, in-place forms).", "",
        "| family | there | not there |", "|---|---|---|",
    ]  # fmt: skip
    why = ["", "Why not:", "", *[f"- `{n}`: {REASONS.get(n, 'not yet')}" for r in rows for n in r.missing]]
    return "\n".join([*head, *lines, f"| all | {have} of {total} | |", *why]) + "\n"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.add_argument("--markdown", action="store_true", help="the page docs/coverage.md")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the rows."""
    sys.stdout.write(table(options.markdown) + ("" if options.markdown else "\n"))
    return 0
