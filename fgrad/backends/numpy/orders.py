"""Sorting and the largest elements of rows as native code.

A row's keys become unsigned integers in the order of the keys, each with its place in the low half of a wider one. Long
rows are sorted by the bytes of the keys, from the last to the first, short ones by insertion; both are stable.
Source: Knuth, The Art of Computer Programming 3, sections 5.2.1 and 5.2.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fgrad.backends.numpy import halves
from fgrad.backends.numpy.asm import FLOATS, HALVES, NBYTES, TYPES, Asm, E
from fgrad.backends.numpy.machine import LLVM
from fgrad.backends.numpy.runs import Memory, Mover, Run, contiguous
from fgrad.backends.numpy.tasks import spread
from fgrad.ir.dtypes import KINDS
from fgrad.ir.graph import Value
from fgrad.passes.plan import padded

SHORT = 40  # elements up to which a row is sorted by insertion
FEW = 32  # of the largest, up to which they are collected in one pass
TASKS = 16  # and each has working memory of its own
INSERT = """
define internal void @fgrad_insert_{t}(ptr %a, i64 %n) #0 {{
entry:
  br label %outer
outer:
  %i = phi i64 [ 1, %entry ], [ %i1, %placed ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %take, label %end
take:
  %p = getelementptr inbounds {t}, ptr %a, i64 %i
  %e = load {t}, ptr %p
  %k = lshr {t} %e, {s}
  br label %inner
inner:
  %j = phi i64 [ %i, %take ], [ %j1, %move ]
  %some = icmp ne i64 %j, 0
  br i1 %some, label %look, label %placed
look:
  %j1 = sub i64 %j, 1
  %q = getelementptr inbounds {t}, ptr %a, i64 %j1
  %f = load {t}, ptr %q
  %l = lshr {t} %f, {s}
  %larger = icmp ugt {t} %l, %k
  br i1 %larger, label %move, label %placed
move:
  %to = getelementptr inbounds {t}, ptr %a, i64 %j
  store {t} %f, ptr %to
  br label %inner
placed:
  %r = getelementptr inbounds {t}, ptr %a, i64 %j
  store {t} %e, ptr %r
  %i1 = add i64 %i, 1
  br label %outer
end:
  ret void
}}
"""
COUNT = """\
  %x_{i} = getelementptr inbounds {t}, ptr %from, i64 %{i}
  %e_{i} = load {t}, ptr %x_{i}
  %h_{i} = lshr {t} %e_{i}, %shift_t
  %d_{i} = trunc {t} %h_{i} to i8
  %w_{i} = zext i8 %d_{i} to i64
  %c_{i} = getelementptr inbounds i64, ptr %count, i64 %w_{i}
  %old_{i} = load i64, ptr %c_{i}
  %new_{i} = add i64 %old_{i}, 1
  store i64 %new_{i}, ptr %c_{i}
"""  # one more at the digit of element `i`
RADIX = """
define internal ptr @fgrad_radix_{t}(ptr %a, ptr %b, i64 %n, i64 %passes) #0 {{
entry:
  %count = alloca [256 x i64], align 64
  br label %pass
pass:
  %p = phi i64 [ 0, %entry ], [ %p1, %next ]
  %from = phi ptr [ %a, %entry ], [ %from1, %next ]
  %to = phi ptr [ %b, %entry ], [ %to1, %next ]
  %more = icmp ult i64 %p, %passes
  br i1 %more, label %clear, label %end
clear:
  call void @llvm.memset.p0.i64(ptr align 64 %count, i8 0, i64 2048, i1 false)
  %p8 = shl i64 %p, 3
  %by = add i64 %p8, {s}
  %shift_t = {w} %by to {t}
  br label %counting
counting:
  %i = phi i64 [ 0, %clear ], [ %i1, %counting ]
{counted}  %i1 = add i64 %i, 1
  %again = icmp ult i64 %i1, %n
  br i1 %again, label %counting, label %check
check:
  %all = icmp eq i64 %new_i, %n
  br i1 %all, label %next, label %adding
adding:
  %k = phi i64 [ 0, %check ], [ %k1, %adding ]
  %sum = phi i64 [ 0, %check ], [ %sum1, %adding ]
  %ck = getelementptr inbounds i64, ptr %count, i64 %k
  %here = load i64, ptr %ck
  store i64 %sum, ptr %ck
  %sum1 = add i64 %sum, %here
  %k1 = add i64 %k, 1
  %adds = icmp ult i64 %k1, 256
  br i1 %adds, label %adding, label %moving
moving:
  %m = phi i64 [ 0, %adding ], [ %m1, %moving ]
{moved}  %z = getelementptr inbounds {t}, ptr %to, i64 %old_m
  store {t} %e_m, ptr %z
  %m1 = add i64 %m, 1
  %moves = icmp ult i64 %m1, %n
  br i1 %moves, label %moving, label %next
next:
  %from1 = phi ptr [ %from, %check ], [ %to, %moving ]
  %to1 = phi ptr [ %to, %check ], [ %from, %moving ]
  %p1 = add i64 %p, 1
  br label %pass
end:
  ret ptr %from
}}
"""
PUSH = """
define internal void @fgrad_push_{t}(ptr %a, i64 %n, {t} %e) #0 {{
entry:
  %last = sub i64 %n, 1
  br label %inner
inner:
  %j = phi i64 [ %last, %entry ], [ %j1, %move ]
  %some = icmp ne i64 %j, 0
  br i1 %some, label %look, label %placed
look:
  %j1 = sub i64 %j, 1
  %q = getelementptr inbounds {t}, ptr %a, i64 %j1
  %f = load {t}, ptr %q
  %larger = icmp ugt {t} %f, %e
  br i1 %larger, label %move, label %placed
move:
  %to = getelementptr inbounds {t}, ptr %a, i64 %j
  store {t} %f, ptr %to
  br label %inner
placed:
  %r = getelementptr inbounds {t}, ptr %a, i64 %j
  store {t} %e, ptr %r
  ret void
}}
"""


def width(v: Value) -> int:
    """Bits of a key and, again, of a place."""
    keys = v.operands[: v.named_params.get("num_keys", 1)]
    return 64 if max([NBYTES[x.dtype.name] for x in keys]) == 8 or length(v) >= 2**32 else 32


def length(v: Value) -> int:
    """Elements of a row."""
    axis: int = v.named_params["axis"]
    return v.operands[0].shape[axis]


def tasks(v: Value) -> tuple[int, int]:
    """How many tasks, and how many rows each sorts."""
    rows = v.operands[0].size // length(v)
    each = -(-rows // TASKS)
    return -(-rows // each), each


def scratch(v: Value) -> int:
    """Working memory: two rows for each task."""
    return tasks(v)[0] * 2 * padded(length(v) * width(v) // 4) if able(v) else 0


def able(v: Value) -> bool:
    """True if the node can be written."""
    return (
        v.prim is not None and v.prim.name in ("sort", "top_k") and bool(v.operands[0].size) and v.named_params.get("k", 1) > 0
        and all(x.dtype.name in TYPES for x in v.operands)
    )  # fmt: skip


class Orders:
    """Writes one node into a function."""

    def __init__(self, asm: Asm, v: Value, lanes: int) -> None:
        self.asm, self.v, self.lanes = asm, v, lanes
        params = v.named_params
        self.axis, self.length = params["axis"], length(v)
        self.down = params["descending"] if "descending" in params else params["largest"]
        self.half = width(v)
        self.type = f"i{2 * self.half}"

    def write(self, targets: Sequence[str], room: str, *xs: Memory) -> None:
        """All rows. room: a pointer to working memory."""
        v = self.v
        shape = [d for i, d in enumerate(v.operands[0].shape) if i != self.axis]
        number, each = tasks(v)
        rows = math.prod(shape)
        outs = [contiguous((*shape[: self.axis], self.results(), *shape[self.axis :])) for _ in targets]
        pointers = [room, *[x.pointer for x in xs], *targets]

        def item(asm: Asm, names: Mapping[str, str], t: str) -> None:
            start = asm.op(f"mul nuw nsw i64 {t}, {each}")
            stop = asm.least(asm.op(f"add nuw nsw i64 {start}, {each}"), rows)
            nbytes = padded(self.length * self.half // 4)
            first = asm.offset(names[room], asm.op(f"mul nuw nsw i64 {t}, {2 * nbytes}"), "bool")
            second = asm.offset(first, str(nbytes), "bool")

            def row(r: str) -> None:
                given = [self.place(asm, r, shape, names[x.pointer], x.strides, o.dtype.itemsize) for x, o in zip(xs, v.operands, strict=True)]
                made = [
                    self.place(asm, r, shape, names[p], s, n) for p, s, n in zip(targets, outs, self.sizes(), strict=True)
                ]
                self.row(asm, [*zip(given, [x.strides[self.axis] for x in xs], strict=True)], first, second,
                         [*zip(made, [s[self.axis] for s in outs], strict=True)])  # fmt: skip

            asm.loop(start, stop, 1, row)

        time = v.operands[0].size * (1.0 if v.prim is not None and v.prim.name == "top_k" else 5.0)
        spread(self.asm, pointers, number, time, item)

    def results(self) -> int:
        """Elements of a row of results."""
        return int(self.v.named_params.get("k", self.length))

    def sizes(self) -> list[int]:
        """Bytes of an element of each result."""
        own = [x.dtype.itemsize for x in self.v.operands]
        return [*own, 8] if "k" in self.v.named_params else own

    def place(self, asm: Asm, r: str, shape: Sequence[int], pointer: str, strides: Sequence[int], nbytes: int) -> str:
        """Where row `r` starts."""
        others = [s for i, s in enumerate(strides) if i != self.axis]
        return Mover(asm, nbytes, self.lanes).place(r, [Run(d, (s,)) for d, s in zip(shape, others, strict=True)], pointer)[0]

    # ------------------------------------------------------------------ one row
    def row(self, asm: Asm, xs: list[tuple[str, int]], a: str, b: str, outs: list[tuple[str, int]]) -> None:
        """Sorts places by keys, then moves the operands."""
        k = self.results()
        if self.v.named_params.get("k", FEW + 1) <= FEW and self.length > 2 * k:
            self.collect(asm, xs[0], a, k)
            cell = self.held(asm, a)
        else:
            cell = self.order(asm, xs, a, b)
        order = asm.op(f"load ptr, ptr {cell}")
        dtypes = [x.dtype.name for x in self.v.operands]

        def move(i: str) -> None:
            place = self.index(asm, self.element(asm, order, i))
            for (p, s), (q, t), dtype in zip(xs, outs, dtypes, strict=False):
                mover = Mover(asm, NBYTES[dtype], self.lanes)
                mover.store(mover.load(mover.at(p, place, s)), mover.at(q, i, t))
            if "k" in self.v.named_params:
                mover = Mover(asm, 8, self.lanes)
                mover.store(place, mover.at(outs[1][0], i, outs[1][1]))

        asm.loop(0, k, 1, move)

    def held(self, asm: Asm, pointer: str) -> str:
        """A cell that holds a pointer."""
        cell = asm.entry("alloca ptr")
        asm.do(f"store ptr {pointer}, ptr {cell}")
        return cell

    def element(self, asm: Asm, pointer: str, i: str) -> str:
        """An element of working memory."""
        return asm.op(f"load {self.type}, ptr {asm.op(f'getelementptr inbounds {self.type}, ptr {pointer}, i64 {i}')}")

    def index(self, asm: Asm, element: str) -> str:
        """The place in the row that it carries."""
        low = asm.op(f"trunc {self.type} {element} to i{self.half}")
        return low if self.half == 64 else asm.op(f"zext i32 {low} to i64")

    def order(self, asm: Asm, xs: list[tuple[str, int]], a: str, b: str) -> str:
        """A cell with a pointer to the sorted places; the last key is sorted first."""
        now, other = self.held(asm, a), self.held(asm, b)
        keys = self.v.named_params.get("num_keys", 1)
        for n, j in enumerate(reversed(range(keys))):
            source, target = asm.op(f"load ptr, ptr {now}"), asm.op(f"load ptr, ptr {other}") if n else a

            def fill(i: str, j: int = j, n: int = n, source: str = source, target: str = target) -> None:
                place = self.index(asm, self.element(asm, source, i)) if n else i
                e = self.composed(asm, xs[j], self.v.operands[j].dtype.name, place)
                asm.do(f"store {self.type} {e}, ptr {asm.op(f'getelementptr inbounds {self.type}, ptr {target}, i64 {i}')}")

            asm.loop(0, self.length, 1, fill)
            dtype = self.v.operands[j].dtype.name
            self.sort(asm, target, source if n else b, 4 if dtype in HALVES else NBYTES[dtype], now, other)
        return now

    def sort(self, asm: Asm, a: str, b: str, nbytes: int, now: str, other: str) -> None:
        """Sorts `a`, with `b` as working memory; where the result is goes into `now`."""
        values = {"t": self.type, "s": self.half, "w": "bitcast i64" if self.half == 32 else "zext i64"}
        if self.length <= SHORT:
            asm.declares[f"@fgrad_insert_{self.type}"] = INSERT.format(**values)
            asm.do(f"call void @fgrad_insert_{self.type}(ptr {a}, i64 {self.length})")
            found = a
        else:
            asm.intrinsic("llvm.memset.p0.i64", "void", ("ptr", ""), ("i8", ""), ("i64", ""), ("i1", ""))
            asm.declares[f"@fgrad_radix_{self.type}"] = RADIX.format(counted=COUNT.format(i="i", **values), moved=COUNT.format(i="m", **values), **values)
            found = asm.op(f"call ptr @fgrad_radix_{self.type}(ptr {a}, ptr {b}, i64 {self.length}, i64 {nbytes})")
        same = asm.op(f"icmp eq ptr {found}, {a}")
        asm.do(f"store ptr {found}, ptr {now}")
        asm.do(f"store ptr {asm.op(f'select i1 {same}, ptr {b}, ptr {a}')}, ptr {other}")

    def collect(self, asm: Asm, x: tuple[str, int], a: str, k: int) -> None:
        """The first `k` in order, by one pass over the row."""
        t = self.type
        asm.declares[f"@fgrad_push_{t}"] = PUSH.format(t=t)
        asm.loop(0, k, 1, lambda i: asm.do(f"store {t} -1, ptr {asm.op(f'getelementptr inbounds {t}, ptr {a}, i64 {i}')}"))

        def look(i: str) -> None:
            e = self.composed(asm, x, self.v.operands[0].dtype.name, i)
            asm.when(asm.op(f"icmp ult {t} {e}, {self.element(asm, a, str(k - 1))}"),
                     lambda: asm.do(f"call void @fgrad_push_{t}(ptr {a}, i64 {k}, {t} {e})"))  # fmt: skip

        asm.loop(0, self.length, 1, look)

    # ------------------------------------------------------------------ keys
    def composed(self, asm: Asm, x: tuple[str, int], dtype: str, place: str) -> str:
        """Key and place of an element as one number."""
        m = LLVM(asm)
        pointer = Mover(asm, NBYTES[dtype], self.lanes).at(x[0], place, x[1])
        key = self.ordered(m, asm.load(pointer, dtype, 1))
        if self.down:
            key = m.bit_not(key)
        wide = asm.op(f"zext {key.type} {key.text} to {self.type}")
        high = asm.op(f"shl {self.type} {wide}, {self.half}")
        low = asm.op(f"zext i64 {place} to {self.type}") if self.half == 64 else place
        return asm.op(f"or {self.type} {high}, {low}")

    def ordered(self, m: LLVM, x: E) -> E:
        """An unsigned integer in the order of numbers: zeros are equal, NaN is the largest."""
        if x.dtype == "bool":
            return m.convert(x, "uint8")
        if KINDS[x.dtype] == "u":
            return x
        if x.dtype in HALVES:
            x = halves.widen(m, x)
        bits = 8 * NBYTES[x.dtype]
        if x.dtype not in FLOATS:
            return m.bitcast(m.bit_xor(x, m.const(-(1 << bits - 1), x)), f"u{x.dtype}")
        whole = m.bitcast(m.select(m.eq(x, m.const(0, x)), m.const(0, x), x), f"int{bits}")
        sign = m.shift_right(whole, m.const(bits - 1, whole))
        flipped = m.bit_xor(whole, m.bit_or(sign, m.const(-(1 << bits - 1), whole)))
        return m.bitcast(m.select(m.ne(x, x), m.const(-1, flipped), flipped), f"uint{bits}")
