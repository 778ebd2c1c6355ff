"""Fused groups in NumPy: the group's own operations on tiles that stay in cache."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from fgrad.backends.numpy import calls
from fgrad.backends.numpy.block import Block
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.types import TensorType
from fgrad.passes.nests import Shape, is_fused, is_reduction, nest_of
from fgrad.passes.plan import Plan, Target, padded, plan_memory
from fgrad.passes.spaces import is_free

TILE = 262144  # elements of the space in a tile: smaller ones cost more in calls than they save in L2 (64k: softmax 13% slower)
INNER = Target(multiple=lambda v: False, in_place=calls.in_place, safe=lambda v: False)
COMBINE = {"reduce_sum": np.add, "reduce_prod": np.multiply, "reduce_max": np.maximum, "reduce_min": np.minimum}


class Tiling(NamedTuple):
    """How a group is cut: along one axis of its space, `rows` at a time; whole if `axis` is None."""

    axis: int | None
    rows: int
    full: tuple[Graph, Plan]
    rest: tuple[Graph, Plan] | None
    nest: Shape
    sums: tuple[int, ...]  # outputs that are combined over tiles
    offsets: dict[int, int]  # where the part of one tile lies in the working memory
    nbytes: int


def planned(graph: Graph) -> tuple[Graph, Plan]:
    """A graph with the plan of its intermediates."""
    return graph, plan_memory(graph, {}, graph.values(), INNER)


def dimension(v: Value, nest: Shape, axis: int) -> int | None:
    """Which dimension of `v` is this axis of the space."""
    if axis not in nest.axes[v]:
        return None
    place = nest.axes[v].index(axis)
    return [i for i, d in enumerate(v.shape) if d != 1][place]


def cut(graph: Graph, nest: Shape, axis: int, rows: int) -> Graph:
    """The group on `rows` of the axis."""

    def small(v: Value) -> TensorType:
        assert isinstance(v.type, TensorType)
        i = dimension(v, nest, axis)
        return v.type if i is None else v.type.with_shape((*v.shape[:i], rows, *v.shape[i + 1 :]))

    new: dict[Value, Value] = {x: leaf(small(x)) for x in graph.inputs}
    for v in graph.values():
        assert v.prim is not None
        kind = small(v)
        params = v.params
        if "shape" in v.prim.params:
            k = v.prim.params.index("shape")
            params = (*params[:k], kind.shape, *params[k + 1 :])
        new[v] = Value(v.prim, tuple([new.get(x, x) for x in v.operands]), params, kind, v.where)
    return Graph(tuple(new[x] for x in graph.inputs), tuple(new[v] for v in graph.outputs))


def choose_axis(graph: Graph, nest: Shape) -> int | None:
    """The first axis along which rows are independent but for combined sums; None if cutting gains nothing."""
    order = graph.values()
    size = 1
    for d in nest.space:
        size *= d
    if size < 4 * TILE or sum(not is_free(v) for v in order) < 2:
        return None
    ready = [nest.over[v] for v in order if is_reduction(v) and v not in nest.late]
    for axis, d in enumerate(nest.space):
        counted = any(
            v.prim is not None and v.prim.name == "iota" and v.shape[v.named_params["axis"]] > 1
            and dimension(v, nest, axis) == v.named_params["axis"]
            for v in order
        )  # fmt: skip
        if d > 1 and not counted and not any(axis in over for over in ready):
            return axis
    return None


def tiling_of(graph: Graph) -> Tiling:
    """How to cut a group: about TILE elements at a time, evenly if a near divisor allows."""
    nest = nest_of(graph)
    axis = choose_axis(graph, nest)
    if axis is None:
        full = planned(graph)
        return Tiling(None, 0, full, None, nest, (), {}, full[1].arena_bytes)
    n = nest.space[axis]
    size = 1
    for d in nest.space:
        size *= d
    rows = max(min(TILE * n // size, n), 1)
    rows = next((r for r in range(rows, rows // 2, -1) if n % r == 0), rows)
    full = planned(cut(graph, nest, axis, rows))
    rest = planned(cut(graph, nest, axis, n % rows)) if n % rows else None
    sums = tuple(
        k for k, v in enumerate(graph.outputs) if v in nest.late and axis in nest.over[v]
    )
    nbytes = max(full[1].arena_bytes, rest[1].arena_bytes if rest else 0)
    offsets = {}
    for k in sums:
        offsets[k] = nbytes
        nbytes += padded(graph.outputs[k].type.nbytes)
    return Tiling(axis, rows, full, rest, nest, sums, offsets, nbytes)


class Reads(NamedTuple):
    """Where a group reads and writes: steps by number, values by what they are a view of."""

    roots: dict[Value, Value]
    last: dict[Value, int]  # the last step that reads it
    given: set[Value]  # what its results are views of
    writes: dict[int, int]  # result -> the first step that writes its buffer


def reads_of(t: Tiling, graph: Graph) -> Reads:
    """The reads and writes of a group that is not cut."""
    roots: dict[Value, Value] = {}
    last: dict[Value, int] = {}
    for n, v in enumerate(graph.values()):
        last.update(dict.fromkeys([roots.get(y, y) for y in v.operands], n))
        if v.prim is not None and v.prim.view_of is not None:
            x = v.operands[v.prim.view_of]
            roots[v] = roots.get(x, x)
    writes: dict[int, int] = {}
    plan = t.full[1]
    for n, v in enumerate(plan.order):
        home = plan.homes.get((v, 0))
        if home is not None and home.kind == "output":
            writes.setdefault(home.at, n)
    return Reads(roots, last, {roots.get(v, v) for v in graph.outputs}, writes)


class Tiler:
    """Writes fused nodes; remembers their tilings between planning and writing."""

    def __init__(self) -> None:
        self.known: dict[Value, Tiling] = {}
        self.reads: dict[Graph, Reads] = {}
        self.target = Target(
            multiple=is_fused,
            in_place=self.in_place,
            safe=self.safe,
            scratch=lambda v: self.of(v).nbytes if is_fused(v) else 0,
        )

    def of(self, v: Value) -> Tiling:
        """The tiling of a fused node."""
        found = self.known.get(v)
        if found is None:
            found = self.known[v] = tiling_of(v.params[0])
        return found

    def safe(self, v: Value) -> bool:
        """True for a group of steps that cannot fail, and for reading one of its results."""
        if v.prim is not None and v.prim.name == "item":
            v = v.operands[0]
        return is_fused(v) and all(map(calls.silent, v.params[0].values()))

    def in_place(self, v: Value, result: int) -> tuple[Value, ...]:
        """Operands a result may overwrite: read for the last time by the call that writes it, or before."""
        if not is_fused(v):
            return calls.in_place(v, result)
        t, graph = self.of(v), v.params[0]
        nest, out = t.nest, graph.outputs[result]
        if t.axis is not None and (result in t.sums or dimension(out, nest, t.axis) is None):
            return ()
        times = Counter(v.operands)
        return tuple(
            x for x, inner in zip(v.operands, graph.inputs, strict=True)
            if x.type is out.type and nest.axes[inner] == nest.axes[out] and times[x] == 1
            and self.spent(t, graph, result, inner)
        )  # fmt: skip

    def spent(self, t: Tiling, graph: Graph, result: int, x: Value) -> bool:
        """True if nothing in the group reads `x`, itself or as a view, after or beside the first write of a result."""
        reads = self.reads.get(graph)
        if reads is None:
            reads = self.reads[graph] = reads_of(t, graph)
        order = graph.values()
        first = reads.writes.get(result, len(order))  # a copy at the end
        last = reads.last.get(x, -1)
        if x in reads.given or last > first:
            return False
        return last < first or (
            all(y is x for y in order[first].operands if reads.roots.get(y, y) is x) and x in calls.in_place(order[first], 0)
        )

    def step(self, block: Block, v: Value) -> None:
        """The lines of one node of the program."""
        if not is_fused(v):
            block.step(v)
            return
        t, graph = self.of(v), v.params[0]
        if block.plan.commits(v):
            block.text.defer()
        given = [block.name(x) for x in v.operands]
        made = [block.slot((v, k), out) for k, out in enumerate(graph.outputs)]
        if t.axis is None:
            self.tile(block, v, t.full, given, made)
            return
        text, n = block.text, t.nest.space[t.axis]
        stop = n - n % t.rows
        for k in t.sums:
            text.call(np.copyto, made[k], self.start(graph.outputs[k]))
        text.add(f"for lo in range(0, {stop}, {t.rows}):")
        text.indent = "    "
        text.add(f"hi = lo + {t.rows}")
        self.tile(block, v, t.full, *self.slices(block, v, given, made, "lo:hi"))
        self.combine(block, v, made)
        text.indent = ""
        if t.rest is not None:
            self.tile(block, v, t.rest, *self.slices(block, v, given, made, f"{stop}:"))
            self.combine(block, v, made)

    def start(self, v: Value) -> str:
        """What a combined reduction starts from."""
        assert v.prim is not None
        if v.prim.name in ("reduce_sum", "reduce_prod"):
            return "0" if v.prim.name == "reduce_sum" else "1"
        low = v.prim.name == "reduce_max"
        if v.dtype.kind == "f":
            return "-inf" if low else "inf"
        if v.dtype.kind == "b":
            return str(not low)
        info = np.iinfo(v.dtype)
        return str(info.min if low else info.max)

    def slices(self, block: Block, v: Value, given: list[str], made: list[str], part: str) -> tuple[list[str], list[str]]:
        """Names for the parts of operands and results that a tile works on."""
        t, graph, text = self.of(v), v.params[0], block.text
        assert t.axis is not None
        outs = []
        for k, (name, out) in enumerate(zip(made, graph.outputs, strict=True)):
            i = dimension(out, t.nest, t.axis)
            if k in t.sums:
                outs.append(text.buffer(block.plan.scratch[v] + t.offsets[k], out.shape, out.dtype))
            else:
                outs.append(name if i is None else _part(block, name, i, part))
        ins = []
        for name, x in zip(given, graph.inputs, strict=True):
            i = dimension(x, t.nest, t.axis)
            ins.append(name if i is None else _part(block, name, i, part))
        self.parts = outs
        return ins, outs

    def tile(self, block: Block, v: Value, small: tuple[Graph, Plan], given: list[str], made: list[str]) -> None:
        """The operations of the group on one tile."""
        graph, plan = small
        names = dict(zip(graph.inputs, given, strict=True))
        inner = Block(block.text, graph, plan, names, made.__getitem__, block.plan.scratch.get(v, 0))
        for w in plan.order:
            inner.step(w)
        for i in plan.copies:
            block.text.call(np.copyto, made[i], inner.name(graph.outputs[i]))

    def combine(self, block: Block, v: Value, made: list[str]) -> None:
        """Adds the parts of one tile to the sums."""
        for k in self.of(v).sums:
            block.text.call(COMBINE[v.params[0].outputs[k].prim.name], made[k], self.parts[k], made[k])


def _part(block: Block, name: str, i: int, part: str) -> str:
    own = block.text.new("p")
    block.text.add(f"{own} = {name}[{':, ' * i}{part}]")
    return own
