"""Memory plan: where every result of a schedule lives, by liveness, in place where that is safe, donated buffers last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType, TupleType

Slot = tuple[Value, int]  # a node and the number of one of its results
ALIGN = 64


def padded(nbytes: int) -> int:
    """Bytes up to the next line of the cache, at least one line."""
    return -(-max(nbytes, 1) // ALIGN) * ALIGN


class Home(NamedTuple):
    """Where a result lives: `arena` at a byte offset, `output` or `input` by number, `fresh`: made by the call."""

    kind: str
    at: int


class Plan(NamedTuple):
    """The schedule and a home for every slot it writes."""

    order: tuple[Value, ...]
    homes: Mapping[Slot, Home]
    roots: Mapping[Value, Slot]  # values that share the memory of a slot (views, items, leaves), themselves included
    arena_bytes: int
    peak_bytes: int  # arena and outputs
    copies: tuple[int, ...]  # outputs that are copied from elsewhere at the end
    layout: Mapping[Value, Any]  # views: an array with the strides the view has
    scratch: Mapping[Value, int]  # arena offset of a node's working memory

    def commits(self, v: Value) -> bool:
        """True if a node writes a donated buffer."""
        kinds = range(len(v.type.items) if isinstance(v.type, TupleType) else 1)
        return any(home is not None and home.kind == "input" for home in [self.homes.get((v, k)) for k in kinds])


class Target(NamedTuple):
    """What a backend can do that matters to the plan."""

    multiple: Callable[[Value], bool]  # writes its tuple of results into given buffers
    in_place: Callable[[Value, int], Iterable[Value]]  # operands whose memory a result may overwrite
    safe: Callable[[Value], bool]  # cannot fail, and may write donated buffers directly
    scratch: Callable[[Value], int] = lambda v: 0  # bytes of working memory


def results(v: Value, target: Target) -> tuple[Any, ...]:
    """Types of the buffers a node writes; empty if the call makes its own."""
    if isinstance(v.type, TupleType):
        return v.type.items if target.multiple(v) else ()
    return (v.type,) if isinstance(v.type, TensorType) else ()


def trace_views(order: Sequence[Value], leaves: Iterable[Value]) -> tuple[dict[Value, Slot], dict[Value, Any]]:
    """Which slot each value's memory belongs to, and the strides of views, found by lowering empty arrays."""
    roots: dict[Value, Slot] = {x: (x, 0) for x in leaves}
    layout: dict[Value, Any] = {}

    def example(x: Value) -> Any:
        a = layout.get(x)
        if a is None:
            a = layout[x] = x.const if x.const is not None else np.empty(x.shape, x.dtype)
        return a

    for v in order:
        prim = v.prim
        assert prim is not None
        roots[v] = (v, 0)
        if prim.view_of is None:
            continue
        x = v.operands[prim.view_of]
        if isinstance(x.type, TupleType):
            roots[v] = (roots[x][0], v.params[0])
        elif isinstance(x.type, TensorType) and prim.lower is not None:
            before = example(x)
            after = prim.lower(np, None, *[example(y) for y in v.operands], **v.named_params)
            if (isinstance(after, np.ndarray) and np.may_share_memory(before, after)) or not v.size:
                roots[v], layout[v] = roots.get(x, (x, 0)), after
    return roots, layout


class Arena:
    """Offsets by best fit in a list of free stretches."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = []  # start, stop; in order, never touching
        self.end = 0

    def take(self, nbytes: int) -> tuple[int, int]:
        """A stretch of at least `nbytes`, aligned."""
        need = padded(nbytes)
        fits = [(stop - start, k) for k, (start, stop) in enumerate(self.free) if stop - start >= need]
        if fits:
            _, k = min(fits)
            start, stop = self.free.pop(k)
            if stop - start > need:
                self.free.insert(k, (start + need, stop))
            return start, start + need
        start = self.end
        if self.free and self.free[-1][1] == self.end:
            start = self.free.pop()[0]
        self.end = start + need
        return start, self.end

    def give(self, stretch: tuple[int, int]) -> None:
        """Returns a stretch, joined with its neighbours."""
        merged: list[tuple[int, int]] = []
        for start, stop in sorted([*self.free, stretch]):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        self.free = merged


class _Planner:
    """State of one sweep over the schedule."""

    def __init__(self, graph: Graph, donated: Mapping[int, int], order: Sequence[Value], target: Target) -> None:
        self.graph, self.donated, self.order, self.target = graph, donated, order, target
        consts = [x for v in order for x in v.operands if x.prim is None]
        self.roots, self.layout = trace_views(order, [*graph.inputs, *consts, *[v for v in graph.outputs if v.prim is None]])
        self.last: dict[Slot, int] = {}
        for n, v in enumerate(order):
            for x in v.operands:
                if isinstance(x.type, TupleType) and v.prim is not None and v.prim.name != "item":
                    for k in range(len(x.type.items)):
                        self.last[self.roots[x][0], k] = n
                self.last[self.roots[x]] = n
        self.homes: dict[Slot, Home] = {}
        self.stretch: dict[Slot, tuple[int, int]] = {}
        self.scratch: dict[Value, int] = {}
        self.arena = Arena()
        self.copies = self.assign_outputs()

    def assign_outputs(self) -> tuple[int, ...]:
        """Gives output buffers to the slots that can be computed straight into them; the rest are copied."""
        copies = []
        commit = len(self.order)
        while commit and self.target.safe(self.order[commit - 1]):
            commit -= 1
        place = {v: n for n, v in enumerate(self.order)}
        for i, v in enumerate(self.graph.outputs):
            slot = self.roots[v]
            node = slot[0]
            if not isinstance(v.type, TensorType):
                continue
            free = node.prim is not None and slot not in self.homes and bool(results(node, self.target))
            if i in self.donated:
                free = free and not self.is_view(v) and self.direct(slot, place[node], self.donated[i], commit)
                home = Home("input", self.donated[i])
            else:
                free = free and self.whole(v)
                home = Home("output", i)
            if free:
                self.homes[slot] = home
            else:
                copies.append(i)
            self.last[slot] = len(self.order)
        for slot in list(self.homes):
            self.extend(slot, place, commit)
        return tuple(copies)

    def extend(self, slot: Slot, place: Mapping[Value, int], commit: int) -> None:
        """Lets what is computed on the way to an output, and overwritten by it, lie in the output's buffer too."""
        home = self.homes[slot]
        while True:
            n = place[slot[0]]
            operands = [x for x in self.target.in_place(*slot) if self.overwrites(x, slot)]
            if any(self.roots[x][0].prim is None for x in operands):
                return  # it may be an operand's own buffer that the output is written to
            before = next((self.roots[x] for x in operands if self.vanishes(x, n)), None)
            if before is None or (home.kind == "input" and not self.direct(before, place[before[0]], home.at, commit)):
                return
            self.homes[before] = home
            slot = before

    def vanishes(self, x: Value, n: int) -> bool:
        """True if step `n` is the last to read `x`, a whole result without a home."""
        slot = self.roots[x]
        planned = slot[0].prim is not None and slot not in self.homes and bool(results(slot[0], self.target))
        return planned and self.last.get(slot) == n and not self.is_view(x)

    def whole(self, v: Value) -> bool:
        """True if `v` is all of its slot, in order."""
        a = self.layout.get(v)
        return a is None or (a.flags.c_contiguous and a.nbytes == results(self.roots[v][0], self.target)[self.roots[v][1]].nbytes)

    def direct(self, slot: Slot, n: int, number: int, commit: int) -> bool:
        """True if step `n` may write its result over donated input `number`."""
        x = self.graph.inputs[number]
        if n < commit or any(self.roots[o] == (x, 0) for o in self.graph.outputs):
            return False
        end = self.last.get((x, 0), -1)
        return end < n or (end == n and self.overwrites(x, slot))

    def is_view(self, x: Value) -> bool:
        """True if `x` is another form of a slot; results of a node are slots themselves."""
        return self.roots[x][0] is not x and not (x.prim is not None and x.prim.name == "item")

    def overwrites(self, x: Value, slot: Slot) -> bool:
        """True if the node of `slot` may write it over its operand `x`, which it reads in no other form."""
        same = self.roots[x]
        return x in set(self.target.in_place(*slot)) and all(
            y is x or self.roots[y] != same for y in slot[0].operands
        )

    def run(self) -> Plan:
        """Homes for all slots, in order of the schedule."""
        ends: dict[int, list[Slot]] = {}
        for slot, n in self.last.items():
            ends.setdefault(n, []).append(slot)
        for n, v in enumerate(self.order):
            if self.roots[v] == (v, 0):
                for k, kind in enumerate(results(v, self.target)):
                    self.place((v, k), kind.nbytes, n)
                if not results(v, self.target):
                    self.homes[v, 0] = Home("fresh", 0)
            self.work(v)
            unread = [(v, k) for k in range(len(results(v, self.target))) if (v, k) not in self.last]
            for slot in (*ends.get(n, ()), *unread):
                if slot in self.stretch:
                    self.arena.give(self.stretch.pop(slot))
        outputs = sum(v.type.nbytes for i, v in enumerate(self.graph.outputs) if i not in self.donated)
        return Plan(
            tuple(self.order), self.homes, self.roots, self.arena.end, self.arena.end + outputs, self.copies, self.layout, self.scratch
        )

    def work(self, v: Value) -> None:
        """Working memory of one step, free again after it."""
        nbytes = self.target.scratch(v)
        if nbytes:
            stretch = self.arena.take(nbytes)
            self.scratch[v] = stretch[0]
            self.arena.give(stretch)

    def place(self, slot: Slot, nbytes: int, n: int) -> None:
        """A home for one result: given already, in place of a dying operand, or a free stretch."""
        if slot in self.homes:
            return
        for x in self.target.in_place(slot[0], slot[1]):
            old = self.roots[x]
            fits = old in self.stretch and x.type.nbytes == nbytes and not self.is_view(x)
            if fits and self.last.get(old) == n and self.overwrites(x, slot):
                self.stretch[slot] = self.stretch.pop(old)
                break
        else:
            self.stretch[slot] = self.arena.take(nbytes)
        self.homes[slot] = Home("arena", self.stretch[slot][0])


def plan_memory(graph: Graph, donated: Mapping[int, int], order: Sequence[Value], target: Target) -> Plan:
    """Homes for the results of `order`, a topological order of `graph`.

    donated: output index -> input index whose buffer should receive it.  target: what the backend can do.
    An output gets its own buffer; an intermediate a stretch of one arena, shared by values that never live together.
    """
    return _Planner(graph, donated, order, target).run()
