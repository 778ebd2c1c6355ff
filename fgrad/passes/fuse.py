"""Groups of elementwise values, repetitions and reductions that one loop nest can compute become `fused` nodes.

Every value gets a nest (spaces.py) and a level: how many nests and library calls must be over before it. Values of one
nest and level are a group, and no path between two of them can leave it, because leaving raises the level.
Source: the idea of levels is list scheduling's (earliest start times); groups are split where nothing connects them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.rewrite import with_operands
from fgrad.ir.types import TensorType
from fgrad.passes.spaces import (
    REDUCTIONS,
    Axes,
    Home,
    Nest,
    below,
    choose_inner,
    compatible,
    default_inner,
    is_free,
    natural,
    reduced,
    root,
)

LIMIT = 200  # values in a group


class Fusion:
    """Nests and levels of one graph's values."""

    def __init__(
        self, graph: Graph, able: Callable[[Value], bool], last: frozenset[Value], again: frozenset[Value], costly: frozenset[str]
    ) -> None:
        self.order = graph.values()
        self.able, self.costly = able, costly
        self.users: dict[Value, list[Value]] = {}
        for v in self.order:
            for x in v.operands:
                self.users.setdefault(x, []).append(v)
        self.inner = choose_inner(self.order, self.users)
        self.homes: dict[Value, Home] = {}
        self.level: dict[Value, int] = {}
        self.count: dict[tuple[Nest, int], int] = {}
        self.reads: dict[Value, list[tuple[Value, bool]]] = {}  # what `needed` found
        self.tiny: set[Value] = set()  # numbers computed from inputs at little cost: repeated in every group that reads them
        for v in self.order:
            self.place(v)
        self.sink(last, again)

    # ------------------------------------------------------------------ nests
    def fusible(self, v: Value) -> bool:
        """True if a nest can compute `v` and it is not free."""
        if v.prim is None or not isinstance(v.type, TensorType) or is_free(v):
            return False
        return (v.prim.scalar is not None or v.prim.name in REDUCTIONS) and self.able(v) and all(x.size for x in (v, *v.operands))

    def above(self, x: Value) -> Home:
        """The home that a user of `x` may share; that of a nest of its own shape if there is none."""
        y = x
        while is_free(y) and y.prim is not None and y.prim.name == "reshape":
            y = y.operands[0]
        home = self.homes.get(y)
        if home is None or home.late:
            return natural(x.shape, self.inner)
        return home

    def home(self, v: Value) -> Home:
        """The nest for `v`, given those of its operands."""
        assert v.prim is not None
        if v.prim.name in REDUCTIONS:
            x = v.operands[0]
            nest, axes, _ = self.above(x)
            over = reduced(v, axes)
            if len(axes) == len(nest.space):
                if not compatible(over, nest.inner):
                    nest = Nest(nest.space, default_inner(nest.space, over))
                return Home(nest, tuple([a for a in axes if a not in over]), over != nest.inner)
            return Home(nest, tuple([a for a in axes if a not in over]), bool(over))
        plain = natural(v.shape, self.inner)
        found = [h for x in v.operands if x.type.with_dtype("bool") is v.type.with_dtype("bool") and (h := self.above(x)) != plain]  # type: ignore[union-attr]
        return max(found, key=lambda h: len(h.nest.space), default=plain)

    def needed(self, v: Value) -> list[tuple[Value, bool]]:
        """What `v`, placed, reads, free forms opened, and whether it can read each inside its nest."""
        found = self.reads.get(v)
        if found is None:
            found = self.reads[v] = list(self._needed(v))
        return found

    def _needed(self, v: Value) -> Iterable[tuple[Value, bool]]:
        home = self.homes.get(v)
        for x in v.operands:
            if home is None:
                yield root(x) if is_free(x) else x, False
                continue
            axes: Axes = home.axes
            if v.prim is not None and v.prim.name in REDUCTIONS:
                axes = self.above(x).axes
            while is_free(x) and x.operands:
                axes, x = below(x, axes), x.operands[0]
            own = self.homes.get(x)
            yield x, own is not None and own.nest == home.nest and own.axes == axes and not own.late

    # ------------------------------------------------------------------ levels
    def place(self, v: Value) -> None:
        """Nest and earliest level of `v`."""
        assert v.prim is not None
        if is_free(v) or (v.prim.view_of is not None and not self.fusible(v)):
            self.level[v] = max([self.level[x] for x in v.operands if x in self.level], default=0)
            return
        if self.fusible(v):
            if v.size == 1 and v.prim.elementwise and v.prim.name not in self.costly and all(root(x).prim is None or root(x) in self.tiny for x in v.operands):
                self.tiny.add(v)
                self.level[v] = 0
                return
            self.homes[v] = self.home(v)
        at = max([self.level[x] + (not inside and x not in self.tiny) for x, inside in self.needed(v) if x in self.level], default=0)
        if v in self.homes:
            nest = self.homes[v].nest
            while self.count.get((nest, at), 0) >= LIMIT:
                at += 1
            self.count[nest, at] = self.count.get((nest, at), 0) + 1
        self.level[v] = at

    def sink(self, last: frozenset[Value], again: frozenset[Value]) -> None:
        """Values of leaves alone, and those of `again`, wait for their first user; what only donated outputs need comes last."""
        end = max(self.level.values(), default=0)
        final: set[Value] = set()
        reads: dict[Value, list[tuple[Value, bool]]] = {}
        early: set[Value] = set()  # computed from leaves alone
        for v in self.order:
            if not is_free(v):
                needs = self.needed(v)
                for x, inside in needs:
                    reads.setdefault(x, []).append((v, inside))
                if v in self.homes and all(not x.operands or x in early or x in self.tiny for x, _ in needs):
                    early.add(v)
        for v in reversed(self.order):
            if v not in self.homes:
                continue
            users = reads.get(v, [])
            if (v in last or users) and all(u in final and inside for u, inside in users):
                final.add(v)
                self.level[v] = end
            elif users and (v in early or v in again):
                first = min([self.level[u] - (not inside) for u, inside in users])
                nest, count = self.homes[v].nest, self.count
                if first > self.level[v] and count.get((nest, first), 0) < LIMIT:
                    count[nest, self.level[v]] -= 1
                    count[nest, first] = count.get((nest, first), 0) + 1
                    self.level[v] = first

    # ------------------------------------------------------------------ groups
    def groups(self) -> list[list[Value]]:
        """Values computed together, in order."""
        parent: dict[Any, Any] = {v: v for v in self.homes}

        def find(a: Any) -> Any:
            while parent[a] is not a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            return a

        shared: dict[Any, Value] = {}
        for v in self.order:
            if v in self.homes:
                key = (self.homes[v].nest, self.level[v])
                for x, inside in self.needed(v):
                    if inside and self.level[x] == self.level[v]:
                        parent[find(v)] = find(x)
                    elif x.prim is not None or x.const is None:
                        same = shared.setdefault((key, x), v) if x.type.nbytes * 2 > v.type.nbytes else v
                        parent[find(v)] = find(same)
        found: dict[Value, list[Value]] = {}
        for v in self.order:
            if v in self.homes:
                found.setdefault(find(v), []).append(v)
        return list(found.values())


class _Inner:
    """The graph of one group being built."""

    def __init__(self, fusion: Fusion, values: list[Value]) -> None:
        self.fusion, self.members = fusion, set(values)
        self.made: dict[Any, Value] = {}
        self.inputs: dict[tuple[Value, Axes], Value] = {}

    def read(self, x: Value, axes: Axes) -> Value:
        """`x` inside the group: a member, a copy of a free form, a 0-d constant or an input."""
        if x in self.members:
            return self.made[x]
        if x.const is not None and not x.shape:
            return x
        key = (x, axes)
        if key in self.made:
            return self.made[key]
        if is_free(x):
            operands = tuple(self.read(y, below(x, axes)) for y in x.operands)
            made = with_operands(x, operands)
        elif x in self.fusion.tiny:
            made = with_operands(x, tuple(self.read(y, ()) for y in x.operands))
        else:
            made = self.inputs[key] = leaf(x.type)
        self.made[key] = made
        return made

    def add(self, v: Value) -> None:
        """Copies a member."""
        axes = self.fusion.homes[v].axes
        assert v.prim is not None
        if v.prim.name in REDUCTIONS:
            axes = self.fusion.above(v.operands[0]).axes
        self.made[v] = with_operands(v, tuple(self.read(x, axes) for x in v.operands))


def fuse(
    graph: Graph, able: Callable[[Value], bool], last: frozenset[Value] = frozenset(), again: frozenset[Value] = frozenset(),
    costly: frozenset[str] = frozenset(),
) -> Graph:  # fmt: skip
    """`graph` with groups as `fused` nodes.

    able: can the backend compute this value inside a nest?  last: outputs whose buffers are donated, computed last.
    again: copies that `recompute` made, computed where they are read.  costly: names of primitives that are not repeated in groups.
    """
    fusion = Fusion(graph, able, last, again, costly)
    groups = fusion.groups()
    outside = read_outside(graph, fusion, groups)
    inners = {}
    of: dict[Value, int] = {}
    for n, values in enumerate(groups):
        inner = _Inner(fusion, values)
        for v in values:
            inner.add(v)
            of[v] = n
        kept = [v for v in values if v in outside]
        inners[n] = (inner, kept)
    return assemble(graph, inners, of)


def read_outside(graph: Graph, fusion: Fusion, groups: list[list[Value]]) -> set[Value]:
    """Members that something outside their group reads."""
    of = {v: n for n, values in enumerate(groups) for v in values}
    found = {root(v) for v in graph.outputs}
    for v in fusion.order:
        if is_free(v):
            continue
        for x, inside in fusion.needed(v):
            if not inside or of.get(x) != of.get(v):
                found.add(x)
    return found


def assemble(graph: Graph, inners: Mapping[int, tuple[_Inner, list[Value]]], of: Mapping[Value, int]) -> Graph:
    """The outer graph, each group one node; iterative, because graphs are deep."""
    new: dict[Value, Value] = {}
    done: set[int] = set()
    stack: list[Value] = [v for v in reversed(graph.outputs) if v.prim is not None]
    while stack:
        v = stack[-1]
        n = of.get(v)
        if v in new or (n is not None and n in done):
            stack.pop()
            continue
        reads = list(v.operands) if n is None else [x for x, _ in inners[n][0].inputs]
        missing = [x for x in reads if x.prim is not None and x not in new]
        if missing:
            stack.extend(reversed(missing))
            continue
        stack.pop()
        if n is None:
            new[v] = with_operands(v, tuple([new.get(x, x) for x in v.operands]))
            continue
        done.add(n)
        inner, kept = inners[n]
        inside = Graph(tuple(inner.inputs.values()), tuple(inner.made[v] for v in kept))
        node = FUNCTIONS["fused"](*[new.get(x, x) for x, _ in inner.inputs], graph=inside)
        for k, w in enumerate(kept):
            new[w] = node if len(kept) == 1 else FUNCTIONS["item"](node, index=k)
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs]))
