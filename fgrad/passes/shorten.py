"""Loops that do only what needs the step before."""

from __future__ import annotations

from fgrad.ir.graph import Graph, Value, topological
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.rewrite import with_operands
from fgrad.passes.hoist import hoist
from fgrad.passes.loops import Loop, opened, sink
from fgrad.passes.postpone import finished, postpone
from fgrad.passes.regions import deep


def live(loop: Loop, ends: set[int], stacks: set[int]) -> set[Value]:
    """Carries that what is read of a scan depends on: last values and stacks, by number."""
    found = {c for k, c in enumerate(loop.carries) if k in ends}
    while True:
        outputs = [*[loop.nexts[c] for c in found], *[y for k, y in enumerate(loop.ys) if k in stacks]]
        reads = {x for v in topological(outputs) for x in v.operands}.union(outputs)
        more = found | {c for c in loop.carries if c in reads}
        if more == found:
            return found
        found = more


def shortened(v: Value, read: set[int]) -> dict[int, Value] | None:
    """The results of a scan that are read, by number, from a shorter one; None if it is as short as can be."""
    loop = opened(v)
    if loop is None:
        return None
    carries, count = list(loop.carries), len(loop.outputs())
    wanted = sorted(k - len(carries) for k in read if k >= len(carries))
    kept = live(loop, read, set(wanted))
    loop.carries = {c: x for c, x in loop.carries.items() if c in kept}
    loop.nexts = {c: n for c, n in loop.nexts.items() if c in kept}
    loop.ys = [loop.ys[k] for k in wanted]
    sunk = sink(loop)
    before = loop.outputs()
    early = hoist(loop)
    later = postpone(loop)
    if not sunk and len(before) == count and before == loop.outputs() and not later.totals and not later.stacks:
        return None
    ends, stacks = finished(loop, later)
    rest = iter(stacks)
    made = [early[k] if k in early else next(rest) for k in range(len(wanted))]
    results = {k: ends[c] for k, c in enumerate(carries) if c in ends}
    return {**results, **{k + len(carries): y for k, y in zip(wanted, made, strict=True)}}


def _reads(graph: Graph) -> dict[Value, set[int] | None]:
    """The results of each scan that are read; None if all of it is."""
    found: dict[Value, set[int] | None] = dict.fromkeys(graph.outputs)
    for v in graph.values():
        for x in v.operands:
            if x.prim is not None and x.prim.name == "scan":
                before = found.setdefault(x, set())
                if v.prim is None or v.prim.name != "item":
                    found[x] = None
                elif before is not None:
                    before.add(v.params[0])
    return found


def merged(v: Value, sums: set[Value]) -> Value:
    """A sum of one of `sums` as one; any other value itself."""
    if not is_sum(v) or v.operands[0] not in sums or not is_sum(v.operands[0]):
        return v
    x, axes = v.operands[0].operands[0], v.operands[0].params[0]
    kept = [a for a in range(x.ndim) if a not in axes]
    made: Value = F["reduce_sum"](x, axes=tuple(sorted([*axes, *[kept[a] for a in v.params[0]]])))
    return made


def is_sum(v: Value) -> bool:
    """True for a sum over axes."""
    return v.prim is not None and v.prim.name == "reduce_sum"


@deep
def shorten_loops(graph: Graph) -> Graph:
    """Scans without products that can be computed for all steps at once, before or after them, and without what nobody reads.

    Sums over the steps and over rows are added in another order than before.
    """
    reads = _reads(graph)
    new: dict[Value, Value] = {}
    results: dict[Value, dict[int, Value]] = {}
    sums: set[Value] = set()
    for old in graph.values():
        assert old.prim is not None
        if old.prim.name == "item" and old.operands[0] in results:
            new[old] = results[old.operands[0]][old.params[0]]
            continue
        v = merged(with_operands(old, tuple([new.get(x, x) for x in old.operands])), sums)
        read = reads.get(old)
        found = shortened(v, read) if old.prim.name == "scan" and read is not None else None
        if found is not None:
            results[old] = found
            sums.update(found.values())
        elif v is not old:
            new[old] = v
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs])) if new else graph
