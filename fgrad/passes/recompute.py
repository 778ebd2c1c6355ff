"""What is cheap is computed again where it is read much later, instead of waiting in memory from forward to backward.

A value waits if a group reads it that comes two library calls or more after its own. It is given up if what it is
computed from waits anyway, or takes less memory; so of a GELU's values only its operand stays. Which values pay is
decided greedily from the last to the first, and for all values together that share what they are computed from.
Source: the idea is the recomputation of activations (Chen et al. 2016), value by value as in functorch's partitioner.
"""

from __future__ import annotations

from collections.abc import Callable

from fgrad.ir.graph import Graph, Value
from fgrad.ir.rewrite import with_operands
from fgrad.ir.types import TensorType
from fgrad.passes.spaces import REDUCTIONS, is_free, root

SMALL = 1 << 16  # bytes that are not worth it
SHARE = 16  # what is so many times smaller than a value waits without being counted
FAR = 2  # library calls between a value and a late reader, at least
BYTE = 0.1  # nanoseconds that a byte costs that is written, and read when it has left the cache
READ = 0.04  # what a byte costs that is read once more
STEP = 0.02  # and those of a step of arithmetic on one number


class Waiting:
    """Which values wait, which may be given up, and what that saves."""

    def __init__(self, graph: Graph, able: Callable[[Value], bool], costly: frozenset[str]) -> None:
        self.able, self.costly = able, costly
        self.order = graph.values()
        self.outputs = frozenset(graph.outputs)
        self.depth: dict[Value, int] = {}
        self.read: dict[Value, int] = {}  # value -> depth of the last library call that reads it
        self.late: dict[Value, int] = {}  # value that waits -> depth of its last reader
        for v in self.order:
            heavy = not self.light(v)
            self.depth[v] = depth = max([self.depth.get(x, 0) for x in v.operands], default=0) + heavy
            for x in v.operands:
                if heavy:
                    self.read[root(x)] = self.read[x] = depth
                elif depth >= self.depth.get(x, depth) + FAR:
                    self.late[x] = depth
        self.given: dict[Value, Value] = {}  # value that is given up -> another of those decided together with it
        self.saved: dict[Value, float] = {}  # nanoseconds, by the last of them

    def light(self, v: Value) -> bool:
        """True for what a group computes or shows."""
        assert v.prim is not None
        return is_free(v) or v.prim.view_of is not None or ((v.prim.elementwise or v.prim.name in REDUCTIONS) and self.able(v))

    def cheap(self, v: Value) -> bool:
        """True for what can be computed again."""
        prim = v.prim
        return prim is not None and prim.elementwise and isinstance(v.type, TensorType) and v not in self.outputs and v.type.nbytes >= SMALL and self.able(v)

    def kept(self, x: Value, depth: int) -> bool:
        """True for what is in memory at that depth whatever happens."""
        return x.prim is None or x in self.outputs or self.read.get(x, -1) >= depth - FAR

    def find(self, v: Value) -> Value:
        """The value that stands for those decided together with `v`."""
        while self.given.get(v, v) is not v:
            v = self.given[v]
        return v

    def choose(self) -> frozenset[Value]:
        """The values that are given up."""
        chosen: list[Value] = []
        brought: dict[Value, Value] = {}  # value that waits for others now -> one of those
        copies: dict[Value, int] = dict.fromkeys(self.late, 1)  # how often a value would be computed again, at most
        for v in reversed(self.order):
            depth = self.late.get(v)
            if depth is None or not self.cheap(v) or self.kept(v, depth):
                continue
            needs = [x for x in dict.fromkeys(root(x) for x in v.operands) if x.const is None and x.type.nbytes * SHARE > v.type.nbytes]
            more = [x for x in needs if not self.kept(x, depth) and x not in self.late]
            gain = v.type.nbytes - sum([x.type.nbytes for x in more])
            if gain < 0:
                continue
            again = copies[v] * sum([x.type.nbytes for x in needs if self.kept(x, depth) or not self.cheap(x)])
            steps = copies[v] * (12 if v.prim is not None and v.prim.name in self.costly else 1)
            saved = gain * BYTE - max(again - v.type.nbytes, 0) * READ - v.size * steps * STEP
            if saved < 0 and copies[v] > 1:
                continue  # it is what ends a chain: sums of sums over layers would be added up anew in each
            chosen.append(v)
            self.given[v], self.saved[v] = v, saved
            for x in needs:
                if not self.kept(x, depth):
                    self.late[x] = max(self.late.get(x, 0), depth)
                    copies[x] = copies.get(x, 0) + copies[v]
                    self.join(v, brought.setdefault(x, v))
            if v in brought:
                self.join(v, brought[v])
        return frozenset([v for v in chosen if self.saved[self.find(v)] > 0])

    def join(self, v: Value, w: Value) -> None:
        """Decides `v` and `w` together."""
        a, b = self.find(v), self.find(w)
        if a is not b:
            self.given[a] = b
            self.saved[b] += self.saved[a]


def recompute(graph: Graph, able: Callable[[Value], bool], costly: frozenset[str] = frozenset()) -> tuple[Graph, frozenset[Value]]:
    """`graph` with values computed again for late readers, and those copies: `fuse` has them where they are read.

    able: can a group compute this value?  costly: names of primitives that take about twelve steps.
    """
    waiting = Waiting(graph, able, costly)
    chosen = waiting.choose()
    if not chosen:
        return graph, frozenset()
    new: dict[Value, Value] = {}
    copies: dict[tuple[Value, int], Value] = {}

    def copy(x: Value, depth: int) -> Value:
        if x not in chosen:
            return with_operands(x, tuple([copy(y, depth) for y in x.operands])) if is_free(x) and x.operands else new.get(x, x)
        found = copies.get((x, depth))
        if found is None:
            found = Value(x.prim, tuple([copy(y, depth) for y in x.operands]), x.params, x.type, x.where, None, x.needs)
            copies[x, depth] = found
        return found

    for v in waiting.order:
        depth = waiting.depth[v]
        far = [x in chosen and depth >= waiting.depth[x] + FAR and waiting.light(v) for x in v.operands]
        new[v] = with_operands(v, tuple([copy(x, depth) if f else new.get(x, x) for x, f in zip(v.operands, far, strict=True)]))
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs])), frozenset(copies.values())
