"""A fused group as LLVM text: row loops outside; inside, one pass over the inner axes for each stage of reductions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fgrad.backends.numpy.asm import FLOATS, SUFFIX, TYPES, Asm, E, number, vector
from fgrad.backends.numpy.folds import COMBINE, FOLD, counted_axes, start_of
from fgrad.backends.numpy.loops import Loops, Ref, depends, loops_of
from fgrad.backends.numpy.machine import LLVM, evaluate
from fgrad.backends.numpy.split import COSTLY, Split
from fgrad.backends.numpy.words import UNROLL, aligned, four_vectors
from fgrad.ir.graph import Graph, Value
from fgrad.passes.nests import Shape, is_reduction
from fgrad.passes.spaces import is_free


class Kernel:
    """Code for one group, appended to an Asm."""

    def __init__(
        self, asm: Asm, graph: Graph, nest: Shape, refs: Mapping[Value, Ref], lanes: int, split: Split | None = None
    ) -> None:
        self.asm, self.graph, self.nest, self.refs, self.split = asm, graph, nest, dict(refs), split
        self.m = LLVM(asm)
        self.order = graph.values()
        self.outputs = set(graph.outputs)
        self.loops: Loops = loops_of(nest, list(refs.values()), counted_axes(graph, nest))
        self.depends = depends(graph, nest, self.loops)
        self.depth = {v: max(d, default=-1) + 1 for v, d in self.depends.items()}
        self.lanes = lanes
        self.last = len(self.loops.all)  # depth of the vector loop's body
        self.stages = max(nest.stage.values(), default=0)
        self.until = self.last_pass()
        self.scalars: dict[Value, E] = {}  # in force at this point of the code, by value
        self.splats: dict[Value, E] = {}
        self.bases: dict[Value, str] = {v: r.pointer for v, r in self.refs.items()}
        self.index: dict[int, str] = {}
        self.totals: dict[Value, str] = {}
        self.stage = 0  # of the pass being written
        self.aligned = aligned(self.order, nest, self.loops, self.depends, lanes)
        self.words: dict[Value, list[E]] = {}  # random words of the present vector and those after it
        self.part = ("0", "0")  # of the loop that is split: what the present task runs over

    # ------------------------------------------------------------------ analysis
    def last_pass(self) -> dict[Value, int]:
        """The last pass in which each value is evaluated."""
        until: dict[Value, int] = {v: self.nest.stage[v] for v in self.graph.outputs}
        for v in reversed(self.order):
            at = until.get(v, 0)
            if is_reduction(v):
                at = self.nest.stage.get(v.operands[0], 0)
            for x in v.operands:
                until[x] = max(until.get(x, 0), at)
        return until

    def scratch_values(self) -> list[Value]:
        """Costly values of a row that later passes read again."""
        if not self.stages or self.loops.rows == self.last:
            return []
        return [
            v for v in self.order
            if v.prim is not None and v.prim.name in COSTLY and self.until.get(v, 0) > self.nest.stage[v]
            and v not in self.outputs and self.last - 1 in self.depends[v]
        ]  # fmt: skip

    def row_size(self) -> int:
        """Elements that the inner loops run over."""
        size = 1
        for loop in self.loops.all[self.loops.rows :]:
            size *= loop.size
        return size

    def keep(self, v: Value, pointer: str) -> None:
        """Gives a row of working memory to a value."""
        strides, step = {}, 1
        for loop in reversed(self.loops.all[self.loops.rows :]):
            strides[loop.axes[-1]] = step
            step *= loop.size
        self.refs[v] = Ref(pointer, v.dtype.name, strides)
        self.bases[v] = pointer

    # ------------------------------------------------------------------ loops
    def emit(self, sums: list[Value]) -> None:
        """All of the group, or of one task. sums: the late reductions to start anew."""
        self.prepare_all(sums)
        self.enter(0)
        self.rows(0)
        for v, cell in self.totals.items():
            lanes = self.total_lanes(v)
            self.asm.store(self.folded(v, self.asm.get(cell, v.dtype.name, lanes)), self.bases[v])

    def rows(self, k: int) -> None:
        """Row loop `k` and all inside it."""
        if k == self.loops.rows:
            self.row()
        else:
            self.inside(k, lambda: self.rows(k + 1))

    def inside(self, k: int, body: Callable[[], None]) -> None:
        """A loop, with addresses and invariant values at the top of its body."""

        def run(i: str) -> None:
            saved = (dict(self.scalars), dict(self.splats), dict(self.bases), dict(self.index))
            self.index[k] = i
            for v, ref in self.refs.items():
                move = self.loops.step(ref, k)
                if move:
                    at = i if move == 1 else self.asm.op(f"mul nsw i64 {i}, {move}")
                    self.bases[v] = self.asm.offset(self.bases[v], at, ref.dtype)
            self.enter(k + 1, self.stage if k >= self.loops.rows else 0)
            body()
            self.scalars, self.splats, self.bases, self.index = saved

        start, stop = self.bounds(k)
        self.asm.loop(start, stop, 1, run)

    def bounds(self, k: int) -> tuple[int | str, int | str]:
        """From where to where a loop runs."""
        return self.part if self.split is not None and self.split.loop == k else (0, self.loops.all[k].size)

    def enter(self, depth: int, stage: int = 0) -> None:
        """Computes the values that change no deeper than here and are ready by now, and repeats them over lanes."""
        for v in (*self.graph.inputs, *self.order):
            if self.depth[v] != depth or self.depth[v] == self.last > self.loops.rows or v in self.scalars:
                continue
            if self.nest.stage[v] <= stage and not self.nest.over.get(v):
                self.define(v, self.scalar(v))

    def define(self, v: Value, x: E) -> None:
        """Makes `x` the value of `v` from here on."""
        self.scalars[v] = x
        if self.last > self.loops.rows:
            self.splats[v] = self.asm.splat(x, self.lanes)

    def row(self) -> None:
        """One row: a pass for each stage."""
        for s in range(self.stages + 1):
            if s:
                self.enter(self.loops.rows, s)
            self.stage = s
            self.row_results(s)
            self.one_pass(s)

    def row_results(self, s: int) -> None:
        """Stores what a row has one of, and adds such values to late sums."""
        for v in dict.fromkeys(self.graph.outputs):
            if v not in self.nest.late and self.nest.stage[v] == s and not self.inner(v):
                self.asm.store(self.read(v), self.bases[v])
        for v in self.order:
            x = v.operands[0] if v in self.nest.late else None
            if x is not None and self.nest.stage.get(x, 0) == s and not self.inner(x):
                self.accumulate_row(v, self.read(x))

    def inner(self, v: Value) -> bool:
        """True if `v` has an axis among the inner ones."""
        return any(a in self.nest.inner for a in self.nest.axes.get(v, ()))

    def one_pass(self, s: int) -> None:
        """Everything over the inner axes whose operands are ready at stage `s`."""
        nest = self.nest
        sums = [v for v in self.order if nest.over.get(v) and v not in nest.late and nest.stage[v] == s + 1]
        late = [v for v in self.order if v in nest.late and nest.stage.get(v.operands[0], 0) == s and self.inner(v.operands[0])]
        kept = [v for v in self.scratch_values() if nest.stage[v] == s]
        outs = [v for v in dict.fromkeys(self.graph.outputs) if v not in nest.late and nest.stage[v] == s and self.inner(v)]
        in_rows = [v for v in late if self.in_row(v)]
        if not (sums or late or outs or kept):
            return
        folding = [*sums, *in_rows, *[v for v in late if v in self.totals]]
        size = self.loops.all[-1].size
        unroll = 1 if not folding or size < 4 * self.lanes else 4 if len(self.order) <= 16 else 2
        if self.aligned and size >= UNROLL * self.lanes:
            unroll = UNROLL
        cells = {
            (v, u): self.totals[v] if v in self.totals and u == 0 else self.asm.variable(v.dtype.name, self.lanes)
            for v in folding
            for u in range(unroll)
        }
        for (v, u), cell in cells.items():
            if not (v in self.totals and u == 0):
                self.asm.set(cell, self.constant(start_of(v), v, self.lanes))
        self.inner_loops(self.loops.rows, s, cells, late, [*kept, *outs], unroll)
        for v in folding:
            total = self.asm.get(cells[v, 0], v.dtype.name, self.lanes)
            for u in range(1, unroll):
                total = self.combine(v, total, self.asm.get(cells[v, u], v.dtype.name, self.lanes))
            if v in self.totals:
                self.asm.set(self.totals[v], total)
            elif v in in_rows:
                self.accumulate_row(v, self.folded(v, total))
            else:
                self.define(v, self.folded(v, total))

    def inner_loops(
        self, k: int, s: int, cells: Mapping[Any, str], late: list[Value], stores: list[Value], unroll: int
    ) -> None:
        """The inner loops; the last in vectors, `unroll` at a time, then one by one, then a masked rest."""
        if k < self.last - 1:
            self.inside(k, lambda: self.inner_loops(k + 1, s, cells, late, stores, unroll))
            return
        size, lanes = self.loops.all[k].size, self.lanes
        start, stop = self.bounds(k)
        many, full = self.whole(stop, lanes * unroll), self.whole(stop, lanes)

        def block(j: str, u: int, mask: str | None, ahead: bool = False) -> None:
            self.ahead = u if ahead and unroll == UNROLL else None
            self.block(k, j, s, {v: c for (v, n), c in cells.items() if n == u}, late, stores, mask)

        def unrolled(j: str) -> None:
            for u in range(unroll):
                block(j if not u else self.asm.op(f"add nuw nsw i64 {j}, {u * lanes}"), u, None, ahead=True)

        self.asm.loop(start, many, lanes * unroll, unrolled)
        if unroll > 1:
            self.asm.loop(many, full, lanes, lambda j: block(j, 0, None))
        if size % lanes:
            mask = "<" + ", ".join(f"i1 {int(i < size % lanes)}" for i in range(lanes)) + ">"
            rest = partial(block, str(size // lanes * lanes), 0, mask)
            if isinstance(stop, int):
                rest()
            else:
                self.asm.when(self.asm.op(f"icmp eq i64 {stop}, {size}"), rest)

    def whole(self, stop: int | str, step: int) -> int | str:
        """The last multiple of `step`, a power of 2, up to `stop`."""
        return stop // step * step if isinstance(stop, int) else self.asm.op(f"and i64 {stop}, {-step}")

    # ------------------------------------------------------------------ one vector of elements
    def block(
        self, k: int, j: str, s: int, cells: Mapping[Value, str], late: list[Value], stores: list[Value], mask: str | None
    ) -> None:
        """One vector: everything is read before anything is written, so that a result may overwrite an operand."""
        self.cache: dict[Value, E] = {}
        self.at, self.mask, self.k = j, mask, k
        values = {v: self.vector(v, s) for v in stores}
        parts = {v: self.vector(v.operands[0], s) for v in (*cells, *late)}
        for v, x in values.items():
            self.asm.store(x, self.address(v), None if v in self.refs and v not in self.outputs else mask)
        for v, x in parts.items():
            if v in cells:
                x = self.masked(x, start_of(v))
                self.asm.set(cells[v], self.combine(v, self.asm.get(cells[v], v.dtype.name, self.lanes), x))
            else:
                at = self.address(v)
                before = self.asm.load(at, v.dtype.name, self.lanes, mask)
                self.asm.store(self.combine(v, before, x), at, mask)

    def address(self, v: Value) -> str:
        """Where this vector of an array starts."""
        move = self.loops.step(self.refs[v], self.k)
        return self.bases[v] if not move else self.asm.offset(self.bases[v], self.at, self.refs[v].dtype)

    def masked(self, x: E, other: float) -> E:
        """`x`, but `other` outside the mask."""
        if self.mask is None:
            return x
        return self.m.select(E(self.mask, "bool", self.lanes), x, self.m.const(other, x))

    def vector(self, v: Value, s: int) -> E:
        """This vector of a value, computed, read or repeated."""
        if v.const is not None:
            return self.asm.splat(self.read(v), self.lanes)
        if self.last - 1 not in self.depends[v]:
            return self.splats[v]
        known = self.cache.get(v)
        if known is None:
            again = v in self.refs and v not in self.nest.late and (v.prim is None or self.nest.stage[v] < s)
            known = self.cache[v] = self.reload(v) if again else self.compute(v, s)
        return known

    def reload(self, v: Value) -> E:
        """A vector from memory; one element repeated where the array does not move."""
        if not self.loops.step(self.refs[v], self.k):
            return self.asm.splat(self.asm.load(self.bases[v], v.dtype.name, 1), self.lanes)
        return self.asm.load(self.address(v), v.dtype.name, self.lanes, self.mask)

    def compute(self, v: Value, s: int) -> E:
        """A vector from its operands."""
        assert v.prim is not None
        if v.prim.name == "iota":
            lanes = f"<{', '.join(f'i64 {i}' for i in range(self.lanes))}>"
            first = self.asm.splat(E(self.at, "int64", 1), self.lanes)
            return self.m.convert(E(self.asm.op(f"add {first.type} {first.text}, {lanes}"), "int64", self.lanes), v.dtype.name)
        xs = [self.vector(x, s) for x in v.operands]
        if v in self.aligned and self.ahead is not None:
            if not self.ahead:
                self.words[v] = four_vectors(self.m, *xs)
            return self.words[v][self.ahead]
        if is_free(v) or is_reduction(v):
            return xs[0]
        return evaluate(self.m, v, xs)

    # ------------------------------------------------------------------ single elements
    def read(self, v: Value) -> E:
        """A value of one element that is known here."""
        if v.const is not None:
            return E(number(v.const.item(), v.dtype.name), v.dtype.name, 1, float(v.const))
        known = self.scalars.get(v)
        return known if known is not None else self.scalar(v)

    def scalar(self, v: Value) -> E:
        """One element, from memory or its operands."""
        if v.prim is None:
            return self.asm.load(self.bases[v], v.dtype.name, 1)
        if v.prim.name == "iota":
            loop = next(iter(self.depends[v]), None)
            index = E("0" if loop is None else self.index[loop], "int64", 1)
            return self.m.convert(index, v.dtype.name)
        xs = [self.read(x) for x in v.operands]
        if is_free(v) or is_reduction(v):
            return xs[0]
        return evaluate(self.m, v, xs)

    def constant(self, value: float, like: Value, lanes: int) -> E:
        """A number of the dtype of a value."""
        return self.asm.splat(E(number(value, like.dtype.name), like.dtype.name, 1, value), lanes)

    # ------------------------------------------------------------------ reductions
    def combine(self, v: Value, x: E, y: E) -> E:
        """One step of a reduction."""
        assert v.prim is not None
        name = COMBINE[v.prim.name]
        if name in ("max", "min") and x.dtype in FLOATS:
            return self.m.further(x, y, largest=name == "max")
        result: E = getattr(self.m, name)(x, y)
        return result

    def folded(self, v: Value, x: E) -> E:
        """All lanes as one."""
        assert v.prim is not None
        if x.lanes == 1:
            return x
        real = x.dtype in FLOATS
        op = FOLD[v.prim.name][not real]
        if v.dtype.kind == "u":
            op = op.replace("smax", "umax").replace("smin", "umin")
        name = f"llvm.vector.reduce.{op}.v{x.lanes}{SUFFIX[x.dtype]}"
        kind, flags = TYPES[x.dtype], ""
        args = [(vector(kind, x.lanes), x.text)]
        if op in ("fadd", "fmul"):
            flags = "reassoc "
            args = [(kind, number(-0.0 if op == "fadd" else 1.0, x.dtype)), *args]
        return E(self.asm.op(self.asm.intrinsic(name, kind, *args, flags=flags)), x.dtype, 1)

    def in_row(self, v: Value) -> bool:
        """True for a late reduction over all inner axes that keeps row axes: one number a row is added in memory."""
        return v in self.nest.late and v not in self.totals and self.nest.inner <= self.nest.over[v]

    def total_lanes(self, v: Value) -> int:
        """Lanes of a total's accumulator."""
        return self.lanes if self.inner(v.operands[0]) else 1

    def prepare_all(self, sums: list[Value]) -> None:
        """Sets late reductions to their starts."""
        for v in sums:
            self.prepare(v)

    def prepare(self, v: Value) -> None:
        """Sets a late reduction to its start: a register for a total, else its memory."""
        dtype = v.dtype.name
        if not self.nest.axes[v]:
            lanes = self.total_lanes(v)
            self.totals[v] = self.asm.variable(dtype, lanes)
            self.asm.set(self.totals[v], self.constant(start_of(v), v, lanes))
            return
        size, lanes, pointer = v.size, self.lanes, self.bases[v]
        full = size // lanes * lanes
        start = self.constant(start_of(v), v, lanes)
        self.asm.loop(0, full, lanes, lambda i: self.asm.store(start, self.asm.offset(pointer, i, dtype)))
        one = self.constant(start_of(v), v, 1)
        self.asm.loop(full, size, 1, lambda i: self.asm.store(one, self.asm.offset(pointer, i, dtype)))

    def accumulate_row(self, v: Value, x: E) -> None:
        """Adds one number to a late reduction."""
        if v in self.totals:
            self.asm.set(self.totals[v], self.combine(v, self.asm.get(self.totals[v], v.dtype.name, 1), x))
        else:
            before = self.asm.load(self.bases[v], v.dtype.name, 1)
            self.asm.store(self.combine(v, before, x), self.bases[v])

