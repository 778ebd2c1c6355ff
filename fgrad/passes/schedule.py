"""The order in which a program computes its values."""

from __future__ import annotations

from fgrad.ir.graph import Graph, Value


def schedule(graph: Graph, last: frozenset[Value] = frozenset()) -> list[Value]:
    """Values after their operands, as near to their first use as the outputs' order gives; `last` at the end.

    last: outputs whose buffers are donated. Groups that compute them and nothing that anything else reads come after
    everything that can fail.
    """
    order = graph.values()
    readers: dict[Value, list[Value]] = {}
    for v in order:
        for x in v.operands:
            readers.setdefault(x, []).append(v)
    tail: set[Value] = set()
    for v in reversed(order):
        users = readers.get(v, [])
        if v.prim is not None and v.prim.name in ("fused", "item") and all(u in tail for u in users):
            tail.add(v)
    return [v for v in order if v not in tail] + [v for v in order if v in tail]
