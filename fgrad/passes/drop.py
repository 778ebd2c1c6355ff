"""Results that nobody reads: a group need not compute them."""

from __future__ import annotations

from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.rewrite import with_operands
from fgrad.passes.nests import is_fused
from fgrad.passes.regions import deep


def _used(graph: Graph) -> dict[Value, set[int]]:
    """The results of each tuple-typed node that are read."""
    used: dict[Value, set[int]] = {}
    for v in graph.values():
        if v.prim is not None and v.prim.name == "item":
            used.setdefault(v.operands[0], set()).add(v.params[0])
    return used


@deep
def drop_dead(graph: Graph) -> Graph:
    """Fused groups compute only what is read. Whole values that nothing needs are no part of a graph."""
    used = _used(graph)
    new: dict[Value, Value] = {}
    items: dict[tuple[Value, int], Value] = {}
    for old in graph.values():
        assert old.prim is not None
        if old.prim.name == "item" and (old.operands[0], old.params[0]) in items:
            new[old] = items[old.operands[0], old.params[0]]
            continue
        v = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
        if is_fused(v) and len(v.params[0].outputs) > len(used.get(old, ())) > 0:
            kept = sorted(used[old])
            inner = Graph(v.params[0].inputs, tuple(v.params[0].outputs[k] for k in kept))
            v = FUNCTIONS["fused"](*v.operands, graph=inner)
            for n, k in enumerate(kept):
                items[old, k] = v if len(kept) == 1 else FUNCTIONS["item"](v, index=n)
        if v is not old:
            new[old] = v
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs])) if new else graph
