"""Sums of parts: tensors that are zero but for one part each, as the gradients of slices are, lie side by side instead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.rewrite import splat, with_operands
from fgrad.passes.regions import deep
from fgrad.primitives.shape import number


class Part(NamedTuple):
    """A tensor from `start` on along `axis`, zeros around it."""

    axis: int
    start: int
    x: Value

    @property
    def stop(self) -> int:
        """Where it ends."""
        return self.start + self.x.shape[self.axis]


def part(v: Value) -> Part | None:
    """What a pad with zeros along one axis puts where; None for anything else."""
    if v.prim is None or v.prim.name != "pad":
        return None
    x, value = v.operands
    low, high, interior = v.params
    zero = splat(value)
    moved = [a for a in range(v.ndim) if low[a] or high[a]]
    if zero is None or zero != 0 or any(interior) or len(moved) != 1 or min(*low, *high) < 0:
        return None
    return Part(moved[0], low[moved[0]], x)


def side_by_side(parts: Sequence[Part], size: int) -> Value | None:
    """The sum of parts of an axis; None if some overlap or most of the axis is zero."""
    parts = sorted(parts, key=lambda p: p.start)
    axis = parts[0].axis
    if any(p.stop > q.start for p, q in pairwise(parts)) or sum([p.x.shape[axis] for p in parts]) * 2 < size:
        return None
    found: list[Value] = []
    at = 0
    for p in [*parts, None]:
        gap = (size if p is None else p.start) - at
        if gap:
            like = parts[0].x
            found.append(F["broadcast_to"](number(0, like), shape=(*like.shape[:axis], gap, *like.shape[axis + 1 :])))
        if p is not None:
            found.append(p.x)
            at = p.stop
    joined: Value = F["concatenate"](*found, axis=axis)
    return joined


def summands(v: Value, inner: set[Value]) -> list[Value]:
    """What a tree of additions adds up, `inner` ones opened."""
    found: list[Value] = []
    stack = [v]
    while stack:
        x = stack.pop()
        if x is v or x in inner:
            stack.extend(reversed(x.operands))
        else:
            found.append(x)
    return found


def joined(terms: Sequence[Value]) -> Value | None:
    """A sum with its parts side by side; None if it has none that can lie so."""
    groups: dict[int, dict[int, Part]] = {}
    for k, x in enumerate(terms):
        p = part(x)
        if p is not None:
            groups.setdefault(p.axis, {})[k] = p
    for axis, group in groups.items():
        made = side_by_side(list(group.values()), terms[0].shape[axis]) if len(group) > 1 else None
        if made is not None:
            first = min(group)
            rest = [made if k == first else x for k, x in enumerate(terms) if k == first or k not in group]
            total = rest[0]
            for x in rest[1:]:
                total = F["add"](total, x)
            return total
    return None


@deep
def join_parts(graph: Graph) -> Graph:
    """Sums of pads with zeros that do not overlap become concatenations; a zero may have another sign than before."""
    order = graph.values()
    users: dict[Value, list[Value]] = {}
    for v in order:
        for x in v.operands:
            users.setdefault(x, []).append(v)
    sums = {v for v in order if v.prim is not None and v.prim.name == "add"}
    outputs = set(graph.outputs)
    inner = {v for v in sums if v not in outputs and len(users[v]) == 1 and users[v][0] in sums}
    new: dict[Value, Value] = {}
    for old in order:
        v = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
        if old in sums and old not in inner:
            v = joined([new.get(x, x) for x in summands(old, inner)]) or v
        if v is not old:
            new[old] = v
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs])) if new else graph
