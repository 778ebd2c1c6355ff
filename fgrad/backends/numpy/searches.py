"""Binary search in sorted rows as native code, without branches. Source: Knuth, The Art of Computer Programming 3, section 6.2.1."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fgrad.backends.numpy.asm import FLOATS, INTEGERS, NBYTES, Asm, E
from fgrad.backends.numpy.machine import LLVM
from fgrad.backends.numpy.runs import Memory, Mover, Run, contiguous
from fgrad.backends.numpy.tasks import spread
from fgrad.ir.graph import Value

BLOCK = 256  # values that one item looks for


class Search:
    """Writes one node into a function."""

    def __init__(self, asm: Asm, v: Value, lanes: int) -> None:
        self.asm, self.v, self.lanes = asm, v, lanes
        self.dtype = v.operands[0].dtype.name
        self.length = v.operands[0].shape[-1]

    def write(self, target: str, rows: Memory, values: Memory) -> None:
        """Every value's place in its row."""
        *lead, count = self.v.shape
        out = contiguous(self.v.shape)
        blocks = -(-count // BLOCK)

        def item(asm: Asm, names: Mapping[str, str], t: str) -> None:
            r = asm.op(f"udiv i64 {t}, {blocks}")
            start = asm.op(f"mul nuw nsw i64 {asm.op(f'urem i64 {t}, {blocks}')}, {BLOCK}")
            stop = asm.least(asm.op(f"add nuw nsw i64 {start}, {BLOCK}"), count)
            own, wide = Mover(asm, NBYTES[self.dtype], self.lanes), Mover(asm, 8, self.lanes)
            row, at, to = (
                m.place(r, [Run(d, (s,)) for d, s in zip(lead, strides[:-1], strict=True)], names[p])[0]
                for m, p, strides in ((own, rows.pointer, rows.strides), (own, values.pointer, values.strides), (wide, target, out))
            )

            def one(i: str) -> None:
                value = asm.load(own.at(at, i, values.strides[-1]), self.dtype, 1)
                wide.store(self.found(asm, own, row, rows.strides[-1], value), wide.at(to, i))

            asm.loop(start, stop, 1, one)

        time = self.v.size * (4.0 + 2 * self.length.bit_length())
        spread(self.asm, (rows.pointer, values.pointer, target), math.prod(lead) * blocks, time, item)

    def found(self, asm: Asm, mover: Mover, row: str, step: int, value: E) -> str:
        """How many elements of a row come before a value."""
        base, left = "0", self.length
        while left:
            half = (left + 1) // 2
            last = asm.op(f"add nuw nsw i64 {base}, {half - 1}")
            x = asm.load(mover.at(row, last, step), self.dtype, 1)
            over = asm.op(f"add nuw nsw i64 {base}, {half}")
            base = asm.op(f"select i1 {self.before(LLVM(asm), x, value).text}, i64 {over}, i64 {base}")
            left -= half
        return base

    def before(self, m: LLVM, x: E, value: E) -> E:
        """True if an element of the row comes before the value."""
        right = self.v.named_params["right"]
        return m.bit_not(self.less(m, value, x)) if right else self.less(m, x, value)

    def less(self, m: LLVM, x: E, y: E) -> E:
        """`x < y`, NaN larger than all else."""
        if self.dtype not in FLOATS:
            return m.lt(x, y)
        return m.bit_or(m.lt(x, y), m.bit_and(m.eq(x, x), m.ne(y, y)))


def able(v: Value) -> bool:
    """True if the node can be written."""
    return v.prim is not None and v.prim.name == "searchsorted" and bool(v.size) and v.operands[0].dtype.name in (*FLOATS, *INTEGERS, "bool")
