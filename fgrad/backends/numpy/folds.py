"""What reductions start from, combine with, and fold lanes with; axes of a group's space that are counted."""

from __future__ import annotations

import numpy as np

from fgrad.backends.numpy.asm import INTEGERS
from fgrad.ir.graph import Graph, Value
from fgrad.passes.nests import Shape

START = {"reduce_sum": 0.0, "reduce_prod": 1.0, "reduce_max": float("-inf"), "reduce_min": float("inf")}
COMBINE = {"reduce_sum": "add", "reduce_prod": "mul", "reduce_max": "max", "reduce_min": "min"}
FOLD = {
    "reduce_sum": ("fadd", "add"),
    "reduce_prod": ("fmul", "mul"),
    "reduce_max": ("fmaximum", "smax"),
    "reduce_min": ("fminimum", "smin"),
}


def start_of(v: Value) -> float:
    """What a reduction starts from."""
    assert v.prim is not None
    if v.dtype.name in INTEGERS and v.prim.name in ("reduce_max", "reduce_min"):
        limits = np.iinfo(v.dtype)
        return int(limits.max if v.prim.name == "reduce_min" else limits.min)
    return START[v.prim.name]


def counted_axes(graph: Graph, nest: Shape) -> set[int]:
    """Axes of the space whose index is a value."""
    found = set()
    for v in graph.values():
        if v.prim is not None and v.prim.name == "iota" and v.shape[v.named_params["axis"]] != 1:
            found.add(nest.axes[v][sum(d != 1 for d in v.shape[: v.named_params["axis"]])])
    return found
