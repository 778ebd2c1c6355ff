"""Passes inside region nodes: one way down."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from fgrad.ir.graph import Graph, Value
from fgrad.ir.hash import intern
from fgrad.ir.regions import map_regions, subgraphs
from fgrad.ir.rewrite import with_operands

Pass = Callable[[Graph], Graph]


def deep(step: Pass) -> Pass:
    """`step` on a graph and on every graph inside its nodes, innermost first; fused groups are left as they are."""

    @wraps(step)
    def apply(graph: Graph) -> Graph:
        new: dict[Value, Value] = {}
        for v in graph.values():
            w = with_operands(v, tuple([new.get(x, x) for x in v.operands]))
            if v.params and v.prim is not None and v.prim.name != "fused" and subgraphs(v):
                w = map_regions(w, lambda g: intern(apply(g)))  # equal regions stay one object
            if w is not v:
                new[v] = w
        if new:
            graph = Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs]))
        return step(graph)

    return apply
