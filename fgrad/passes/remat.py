"""Less memory for more work: cheap values are computed again after the peak instead of being kept over it."""

from __future__ import annotations

from fgrad.ir.graph import Graph, Value
from fgrad.ir.rewrite import with_operands

ROUNDS = 256  # values that are given up, one a round


def profile(graph: Graph) -> tuple[list[int], dict[Value, int], dict[Value, int]]:
    """Bytes of intermediates alive during each step, the step that makes each value and the last that reads it."""
    order = graph.values()
    made = {v: n for n, v in enumerate(order)}
    last = dict(made)
    for n, v in enumerate(order):
        for x in v.operands:
            if x in made:
                last[x] = n
    for v in graph.outputs:
        if v in made:
            last[v] = len(order)
    change = [0] * (len(order) + 2)
    for v, n in made.items():
        if v.prim is not None and v.prim.view_of is None:
            change[n] += v.type.nbytes
            change[last[v] + 1] -= v.type.nbytes
    alive, total = [], 0
    for c in change[: len(order)]:
        total += c
        alive.append(total)
    return alive, made, last


def peak_bytes(graph: Graph) -> int:
    """The most bytes of intermediates and outputs alive at once, run in the graph's own order."""
    return max(profile(graph)[0], default=0)


def _victim(graph: Graph) -> tuple[Value, int] | None:
    """The largest cheap value that only waits at the peak and whose operands wait with it, and the step of the peak."""
    alive, made, last = profile(graph)
    if not alive:
        return None
    peak = max(range(len(alive)), key=alive.__getitem__)
    readers: dict[Value, list[int]] = {}
    for n, v in enumerate(graph.values()):
        for x in v.operands:
            readers.setdefault(x, []).append(n)
    found: list[Value] = []
    for v, n in made.items():
        if v.prim is None or not v.prim.elementwise or last[v] > len(alive) - 1 or not n < peak < last[v]:
            continue
        if peak not in readers[v] and all(x not in made or last[x] >= last[v] for x in v.operands):
            found.append(v)
    return (max(found, key=lambda v: v.type.nbytes), peak) if found else None


def remat(graph: Graph, budget: int) -> Graph:
    """`graph` with elementwise values computed twice, until at most `budget` bytes live at once or nothing helps.

    A value is given up only if what it is computed from is kept to its last reader anyway, so no round adds memory
    elsewhere. To be run after `share`, which would join the copies again.
    """
    for _ in range(ROUNDS):
        if peak_bytes(graph) <= budget:
            break
        choice = _victim(graph)
        if choice is None:
            break
        victim, peak = choice
        copy = Value(victim.prim, victim.operands, victim.params, victim.type, victim.where, None, victim.needs)
        new: dict[Value, Value] = {}
        for n, v in enumerate(graph.values()):
            operands = tuple([copy if x is victim and n > peak else new.get(x, x) for x in v.operands])
            new[v] = with_operands(v, operands)
        smaller = Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs]))
        if peak_bytes(smaller) > peak_bytes(graph):
            break
        graph = smaller
    return graph
