"""Along one axis as native code: positions of extremes, running sums, products and extremes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from fgrad.backends.numpy.asm import FLOATS, INTEGERS, NBYTES, TYPES, Asm, E
from fgrad.backends.numpy.machine import LLVM
from fgrad.backends.numpy.runs import Memory, Mover, Run, contiguous, together
from fgrad.backends.numpy.tasks import spread
from fgrad.ir.graph import Value

RUNNING = {"cumsum": "add", "cumprod": "mul", "cummax": "max", "cummin": "min"}
UNITS = 4  # vectors, or rows, side by side: their additions do not wait for one another


class Along:
    """Writes one node into a function."""

    def __init__(self, asm: Asm, v: Value, lanes: int) -> None:
        self.asm, self.v = asm, v
        self.x = v.operands[0]
        self.dtype = self.x.dtype.name
        self.axis: int = v.named_params["axis"]
        self.length = self.x.shape[self.axis]
        self.lanes = max(min(lanes, lanes * 4 // NBYTES[self.dtype]), 2)

    def rest(self, shape: Sequence[int]) -> list[int]:
        """All axes but the one."""
        return [d for i, d in enumerate(shape) if i != self.axis]

    # ------------------------------------------------------------------ what lies beside each other
    def columns(self, target: str, x: Memory, strides: Sequence[int], column: Callable[[Asm, list[str], list[str], int], None]) -> None:
        """`column(asm, sources, targets, lanes)` for all rows of the axis, several at a time: neighbours in vectors."""
        runs = together(self.rest(self.x.shape), self.rest(x.strides), strides) or [Run(1, (1, 1))]
        *outer, run = runs
        lanes = self.lanes if run.strides == (1, 1) else 1
        width = UNITS * lanes
        blocks = -(-run.size // width)
        nbytes = (NBYTES[self.dtype], self.v.dtype.itemsize)

        def item(asm: Asm, names: Mapping[str, str], t: str) -> None:
            start = asm.op(f"mul nuw nsw i64 {asm.op(f'urem i64 {t}, {blocks}')}, {width}")
            t = asm.op(f"udiv i64 {t}, {blocks}")
            movers = [Mover(asm, n, lanes) for n in nbytes]
            heads = [
                m.place(t, [Run(r.size, r.strides[k : k + 1]) for r in outer], names[p])[0]
                for k, (m, p) in enumerate(zip(movers, (x.pointer, target), strict=True))
            ]

            def several(at: str, units: int, lanes: int) -> None:
                ats = [at if not u else asm.op(f"add nuw nsw i64 {at}, {u * lanes}") for u in range(units)]
                sources, targets = ([m.at(h, i, s) for i in ats] for m, h, s in zip(movers, heads, run.strides, strict=True))
                column(asm, sources, targets, lanes)

            full = asm.op(f"icmp sle i64 {start}, {run.size - width}")
            asm.when(full, lambda: several(start, UNITS, lanes))
            if run.size % width:
                middle = run.size - run.size % lanes
                first = run.size - run.size % width

                def tail() -> None:
                    asm.loop(first, middle, lanes, lambda i: several(i, 1, lanes))
                    if lanes > 1:
                        asm.loop(middle, run.size, 1, lambda i: several(i, 1, 1))

                asm.when(asm.op(f"xor i1 {full}, true"), tail)

        count = math.prod([r.size for r in outer]) * blocks
        time = self.x.size * (1.0 if lanes == 1 else 0.1 * NBYTES[self.dtype])
        spread(self.asm, (x.pointer, target), count, time, item)

    def at(self, asm: Asm, pointer: str, k: str, step: int) -> str:
        """The element `k` further along the axis."""
        return Mover(asm, NBYTES[self.dtype], self.lanes).at(pointer, k, step)

    # ------------------------------------------------------------------ running
    def cumulate(self, target: str, x: Memory) -> None:
        """Running sums, products or extremes, in NumPy's order."""
        out = contiguous(self.v.shape)
        steps = [x.strides[self.axis], out[self.axis]]
        assert self.v.prim is not None
        combine = RUNNING[self.v.prim.name]
        reverse = self.v.named_params["reverse"]

        def column(asm: Asm, sources: list[str], targets: list[str], lanes: int) -> None:
            m = LLVM(asm)
            moves = [-s if reverse else s for s in steps]
            if reverse:
                last = str(self.length - 1)
                sources = [self.at(asm, p, last, steps[0]) for p in sources]
                targets = [self.at(asm, p, last, steps[1]) for p in targets]
            cells = [asm.variable(self.dtype, lanes) for _ in sources]
            for cell, p, q in zip(cells, sources, targets, strict=True):
                first = asm.load(p, self.dtype, lanes)
                asm.set(cell, first)
                asm.store(first, q)

            def one(k: str) -> None:
                for cell, p, q in zip(cells, sources, targets, strict=True):
                    y = getattr(m, combine)(asm.get(cell, self.dtype, lanes), asm.load(self.at(asm, p, k, moves[0]), self.dtype, lanes))
                    asm.set(cell, y)
                    asm.store(y, self.at(asm, q, k, moves[1]))

            asm.loop(1, self.length, 1, one)

        self.columns(target, x, self.rest(out), column)

    # ------------------------------------------------------------------ positions of extremes
    def better(self, m: LLVM, x: E, y: E) -> E:
        """True where `x` is to be preferred to `y`, which comes before it: NaN to any number."""
        largest = self.v.prim is not None and self.v.prim.name == "argmax"
        if self.dtype not in FLOATS:
            return m.gt(x, y) if largest else m.lt(x, y)
        over = E(m.asm.op(f"fcmp {'ugt' if largest else 'ult'} {x.type} {x.text}, {y.text}"), "bool", x.lanes)
        return m.bit_and(over, m.eq(y, y))

    def position(self, target: str, x: Memory) -> None:
        """The first largest, or smallest, of each row."""
        step = x.strides[self.axis]
        if step == 1 and self.length >= 2 * self.lanes:
            self.rows(target, x)
            return
        kind = "int64" if self.length >= 2**31 else "int32"

        def column(asm: Asm, sources: list[str], targets: list[str], lanes: int) -> None:
            m = LLVM(asm)
            cells = [(asm.variable(self.dtype, lanes), asm.variable(kind, lanes)) for _ in sources]
            for (best, at), p in zip(cells, sources, strict=True):
                asm.set(best, asm.load(p, self.dtype, lanes))
                asm.set(at, m.const(0, E("", kind, lanes)))

            def one(k: str) -> None:
                for (best, at), p in zip(cells, sources, strict=True):
                    here = asm.splat(m.convert(E(k, "int64", 1), kind), lanes)
                    self.update(asm, best, at, asm.load(self.at(asm, p, k, step), self.dtype, lanes), here)

            asm.loop(1, self.length, 1, one)
            for (_, at), q in zip(cells, targets, strict=True):
                asm.store(m.convert(asm.get(at, kind, lanes), "int64"), q)

        self.columns(target, x, contiguous(self.rest(self.x.shape)), column)

    def update(self, asm: Asm, best: str, at: str, x: E, here: E) -> None:
        """The better of what was found and another element."""
        m = LLVM(asm)
        before, place = asm.get(best, x.dtype, x.lanes), asm.get(at, here.dtype, x.lanes)
        c = self.better(m, x, before)
        asm.set(best, m.select(c, x, before))
        asm.set(at, m.select(c, here, place))

    def merge(self, asm: Asm, cells: tuple[str, str], x: E, k: E) -> None:
        """The better of two that were found apart; the first in the row of equal ones."""
        m = LLVM(asm)
        y, best = asm.get(cells[0], x.dtype, x.lanes), asm.get(cells[1], k.dtype, x.lanes)
        equal = m.bit_and(m.bit_not(self.better(m, y, x)), m.lt(k, best))
        c = m.bit_or(self.better(m, x, y), equal)
        asm.set(cells[0], m.select(c, x, y))
        asm.set(cells[1], m.select(c, k, best))

    def rows(self, target: str, x: Memory) -> None:
        """Rows of neighbours: each lane searches its part, then the lanes are compared."""
        runs = together(self.rest(self.x.shape), self.rest(x.strides), contiguous(self.rest(self.x.shape)))
        kind = "int64" if self.length >= 2**31 else "int32"
        units = UNITS if self.length >= 4 * UNITS * self.lanes else 1
        width = units * self.lanes
        full = self.length // width * width

        def item(asm: Asm, names: Mapping[str, str], t: str) -> None:
            m, lanes = LLVM(asm), self.lanes
            (source,) = Mover(asm, NBYTES[self.dtype], lanes).place(t, [Run(r.size, r.strides[:1]) for r in runs], names[x.pointer])
            (to,) = Mover(asm, 8, lanes).place(t, [Run(r.size, r.strides[1:]) for r in runs], names[target])
            cells = [(asm.variable(self.dtype, lanes), asm.variable(kind, lanes)) for _ in range(units)]
            first = E("<" + ", ".join(f"{TYPES[kind]} {i}" for i in range(lanes)) + ">", kind, lanes)

            def several(k: str, use: Callable[[tuple[str, str], E, E], None]) -> None:
                for u, cell in enumerate(cells):
                    i = asm.op(f"add nuw nsw i64 {k}, {u * lanes}")
                    here = m.add(first, asm.splat(m.convert(E(i, "int64", 1), kind), lanes))
                    use(cell, asm.load(self.at(asm, source, i, 1), self.dtype, lanes), here)

            def begin(cell: tuple[str, str], x: E, here: E) -> None:
                asm.set(cell[0], x)
                asm.set(cell[1], here)

            several("0", begin)
            asm.loop(width, full, width, lambda k: several(k, lambda cell, x, here: self.update(asm, *cell, x, here)))
            for other in cells[1:]:
                self.merge(asm, cells[0], asm.get(other[0], self.dtype, lanes), asm.get(other[1], kind, lanes))
            one, place = asm.variable(self.dtype, 1), asm.variable(kind, 1)
            self.fold(asm, cells[0], (one, place), kind)
            asm.loop(full, self.length, 1, lambda k: self.update(
                asm, one, place, asm.load(self.at(asm, source, k, 1), self.dtype, 1), m.convert(E(k, "int64", 1), kind)))  # fmt: skip
            asm.store(m.convert(asm.get(place, kind, 1), "int64"), to)

        time = self.x.size * 0.05 * NBYTES[self.dtype]
        spread(self.asm, (x.pointer, target), math.prod([r.size for r in runs]), time, item)

    def fold(self, asm: Asm, lanes: tuple[str, str], one: tuple[str, str], kind: str) -> None:
        """The best of all lanes, of equal ones the first in the row."""
        for cell, to, dtype in zip(lanes, one, (self.dtype, kind), strict=True):
            asm.set(to, asm.load(cell, dtype, 1))

        def lane(i: str) -> None:
            x, k = asm.load(asm.offset(lanes[0], i, self.dtype), self.dtype, 1), asm.load(asm.offset(lanes[1], i, kind), kind, 1)
            self.merge(asm, one, x, k)

        asm.loop(1, self.lanes, 1, lane)


NODES: dict[str, Callable[[Along, str, Memory], None]] = {
    "argmax": Along.position, "argmin": Along.position, **dict.fromkeys(RUNNING, Along.cumulate),
}  # fmt: skip


def able(v: Value) -> bool:
    """True if the node can be written."""
    name = v.prim.name if v.prim is not None else ""
    return name in NODES and bool(v.size) and v.operands[0].dtype.name in (*FLOATS, *INTEGERS)
