"""Operations that only move elements, as native code: views made contiguous, padding, joining, reading and writing by index."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fgrad.backends.numpy.asm import FLOATS, INTEGERS, Asm, E
from fgrad.backends.numpy.block import Block
from fgrad.backends.numpy.machine import LLVM
from fgrad.backends.numpy.runs import BLOCK, SPEED, Memory, Mover, Run, contiguous, copy, joined, together
from fgrad.backends.numpy.tasks import spread
from fgrad.ir.graph import Value

STEP = 64  # columns of a task of a scatter: what it writes is its own
COMBINE = {"add": "add", "mul": "mul", "min": "min", "max": "max"}


class Moves:
    """Writes one node into a function."""

    def __init__(self, asm: Asm, v: Value, lanes: int) -> None:
        self.asm, self.v, self.lanes = asm, v, lanes
        self.nbytes = v.dtype.itemsize
        self.mover = Mover(asm, self.nbytes, lanes)
        self.out = contiguous(v.shape)

    def copy(self, shape: Sequence[int], x: Memory, target: str, strides: Sequence[int]) -> None:
        """All elements of `x` to where they have these strides."""
        runs = together(shape, x.strides, strides)
        copy(self.asm, runs, x.pointer, target, self.nbytes, self.lanes)

    def fill(self, value: str, target: str) -> None:
        """One element all over the result; value: its pointer."""
        size, nbytes, lanes = self.v.size, self.nbytes, self.lanes

        def body(asm: Asm, names: Mapping[str, str], t: str) -> None:
            m = Mover(asm, nbytes, lanes)
            start = asm.op(f"mul nuw nsw i64 {t}, {BLOCK}")
            m.fill(m.load(names[value]), names[target], start, asm.least(asm.op(f"add nuw nsw i64 {start}, {BLOCK}"), size))

        spread(self.asm, (value, target), -(-size // BLOCK), size * nbytes / SPEED, body)

    # ------------------------------------------------------------------ by fixed places
    def reshape(self, target: str, x: Memory) -> None:
        """An array that is no view in its new shape."""
        self.copy(self.v.operands[0].shape, x, target, contiguous(self.v.operands[0].shape))

    def pad(self, target: str, x: Memory, value: Memory) -> None:
        """Interior elements between copies of a number."""
        low, high, interior = self.v.params
        shape = self.v.operands[0].shape
        if any((a, b, c) != (0, 0, 0) for a, b, c in zip(low, high, interior, strict=True)):
            self.fill(value.pointer, target)
        counts, first, to = [], x.pointer, target
        for d, n, a, c, sx, sy in zip(shape, self.v.shape, low, interior, x.strides, self.out, strict=True):
            start = -(a // (c + 1)) if a < 0 else 0  # elements that lie before the result
            stop = min(d, (n - 1 - a) // (c + 1) + 1)
            counts.append(max(stop - start, 0))
            first, to = self.mover.at(first, start * sx), self.mover.at(to, (a + start * (c + 1)) * sy)
        steps = [s * (c + 1) for s, c in zip(self.out, interior, strict=True)]
        if all(counts):
            self.copy(counts, x._replace(pointer=first), to, steps)

    def concatenate(self, target: str, *xs: Memory) -> None:
        """Arrays one after the other along an axis."""
        (axis,) = self.v.params
        at = 0
        for x, v in zip(xs, self.v.operands, strict=True):
            if v.size:
                self.copy(v.shape, x, self.mover.at(target, at * self.out[axis]), self.out)
            at += v.shape[axis]

    def update_slice(self, target: str, x: Memory, y: Memory) -> None:
        """An array with some of its elements replaced."""
        start, step = self.v.params
        self.copy(self.v.shape, x, target, self.out)
        first = self.mover.at(target, sum([a * s for a, s in zip(start, self.out, strict=True)]))
        self.copy(self.v.operands[1].shape, y, first, [a * s for a, s in zip(step, self.out, strict=True)])

    # ------------------------------------------------------------------ by places known at run time
    def moved(self, pointer: str, starts: Sequence[Memory], strides: Sequence[int], sizes: Sequence[int], shape: Sequence[int]) -> str:
        """A pointer to where a slice starts that is moved to fit into the array."""
        values = self.v.operands[len(self.v.operands) - len(starts) :]
        for at, v, stride, n, d in zip(starts, values, strides, sizes, shape, strict=True):
            i = self.index(self.asm, at.pointer, v)
            i = self.clipped(self.asm, i, d - n)
            pointer = self.mover.at(pointer, i, stride)
        return pointer

    def dynamic_slice(self, target: str, x: Memory, *starts: Memory) -> None:
        """A slice."""
        shape = self.v.operands[0].shape
        first = self.moved(x.pointer, starts, x.strides, self.v.shape, shape)
        self.copy(self.v.shape, x._replace(pointer=first), target, self.out)

    def dynamic_update_slice(self, target: str, x: Memory, y: Memory, *starts: Memory) -> None:
        """An array with a slice replaced; it may lie where the old one did."""
        shape = self.v.operands[1].shape
        if x.pointer != target:
            self.copy(self.v.shape, x, target, self.out)
        self.copy(shape, y, self.moved(target, starts, self.out, shape, self.v.shape), self.out)

    @staticmethod
    def index(asm: Asm, pointer: str, v: Value) -> str:
        """An index as 64 bits."""
        m = LLVM(asm)
        return m.convert(asm.load(pointer, v.dtype.name, 1), "int64").text

    @staticmethod
    def clipped(asm: Asm, i: str, high: int) -> str:
        """An index moved into 0 to `high`."""
        low = asm.op(asm.intrinsic("llvm.smax.i64", "i64", ("i64", i), ("i64", "0")))
        return asm.least(low, high)

    def located(self, asm: Asm, places: Sequence[str], indices: Sequence[Value], shape: Sequence[int], mode: str) -> tuple[list[str], str | None]:
        """Indices of one element, wrapped and made valid, and whether they were; None: they are."""
        found, valid = [], None
        for p, v, d in zip(places, indices, shape, strict=True):
            i = self.index(asm, p, v)
            negative = asm.op(f"icmp slt i64 {i}, 0")
            i = asm.op(f"select i1 {negative}, i64 {asm.op(f'add i64 {i}, {d}')}, i64 {i}")
            if mode in ("fill", "drop"):
                inside = asm.op(f"icmp ult i64 {i}, {d}")
                valid = inside if valid is None else asm.op(f"and i1 {valid}, {inside}")
            else:
                i = self.clipped(asm, i, d - 1)
            found.append(i)
        return found, valid

    def gather(self, target: str, x: Memory, *indices: Memory) -> None:
        """Elements by index, all of the other axes."""
        axes, mode = self.v.params
        values, shape = self.v.operands[1:], self.v.operands[0].shape
        n = values[0].ndim
        rest = joined([Run(shape[i], (x.strides[i], s)) for i, s in zip(
            [i for i in range(len(shape)) if i not in axes], self.out[n:], strict=True)])  # fmt: skip
        runs = together(values[0].shape, *[i.strides for i in indices], self.out[:n])
        pointers = [x.pointer, target, *[i.pointer for i in indices]]

        def body(asm: Asm, names: Mapping[str, str], t: str) -> None:
            places, m = self.walk(asm, t, runs, [names[p] for p in pointers[2:]], values), Mover(asm, self.nbytes, self.lanes)
            (to,) = m.place(t, [Run(r.size, r.strides[-1:]) for r in runs], names[target])
            found, valid = self.located(asm, places, values, [shape[a] for a in axes], mode)

            def read() -> None:
                source = names[x.pointer]
                for i, a in zip(found, axes, strict=True):
                    source = m.at(source, i, x.strides[a])
                m.all(rest, source, to)

            if valid is None:
                read()
            else:
                asm.when(valid, read)
                asm.when(asm.op(f"xor i1 {valid}, true"), lambda: m.fill("0", to, 0, math.prod([r.size for r in rest])))

        size = values[0].size
        spread(self.asm, pointers, size, self.v.size * self.nbytes / SPEED + 2 * size, body)

    def walk(self, asm: Asm, t: str, runs: Sequence[Run], pointers: Sequence[str], values: Sequence[Value]) -> list[str]:
        """Where item `t` is in each of some index arrays."""
        return [
            Mover(asm, v.dtype.itemsize, self.lanes).place(t, [Run(r.size, r.strides[k : k + 1]) for r in runs], p)[0]
            for k, (p, v) in enumerate(zip(pointers, values, strict=True))
        ]

    def scatter(self, target: str, x: Memory, updates: Memory, *indices: Memory) -> None:
        """Updates written or combined in one after the other; tasks have columns of their own."""
        axes, op, mode = self.v.params
        values, shape = self.v.operands[2:], self.v.shape
        if x.pointer != target:
            self.copy(shape, x, target, self.out)
        n = values[0].ndim
        others = [i for i in range(len(shape)) if i not in axes]
        rest = joined([Run(shape[i], (s, self.out[i])) for i, s in zip(others, updates.strides[n:], strict=True)])
        runs = together(values[0].shape, *[i.strides for i in indices], updates.strides[:n])
        pointers = [target, updates.pointer, *[i.pointer for i in indices]]
        last = rest[-1] if rest else Run(1, (1, 1))
        pieces = -(-last.size // STEP)

        def body(asm: Asm, names: Mapping[str, str], t: str) -> None:
            m = Mover(asm, self.nbytes, self.lanes)
            start = asm.op(f"mul nuw nsw i64 {t}, {STEP}")
            part = (start, asm.least(asm.op(f"add nuw nsw i64 {start}, {STEP}"), last.size)) if pieces > 1 else (0, last.size)

            def one(s: str) -> None:
                places = self.walk(asm, s, runs, [names[p] for p in pointers[2:]], values)
                (source,) = m.place(s, [Run(r.size, r.strides[-1:]) for r in runs], names[updates.pointer])
                found, valid = self.located(asm, places, values, [shape[a] for a in axes], mode)
                to = names[target]

                def write() -> None:
                    where = to
                    for i, a in zip(found, axes, strict=True):
                        where = m.at(where, i, self.out[a])
                    self.combine(m, op, [*rest[:-1]], last, part, source, where)

                if valid is None:
                    write()
                else:
                    asm.when(valid, write)

            asm.loop(0, values[0].size, 1, one)

        work = self.v.operands[1].size * self.nbytes / SPEED + 2 * values[0].size
        spread(self.asm, pointers, pieces, work, body)

    def combine(
        self, m: Mover, op: str, runs: Sequence[Run], last: Run, part: tuple[int | str, int | str], source: str, target: str
    ) -> None:
        """One update."""
        if runs:
            size, (step, to) = runs[0]
            m.asm.loop(0, size, 1, lambda i: self.combine(m, op, runs[1:], last, part, m.at(source, i, step), m.at(target, i, to)))
            return
        step, to = last.strides
        if op == "set":
            m.row(last.size, source, step, target, to, part)
            return
        machine, name = LLVM(m.asm), self.v.dtype.name

        def block(i: str, lanes: int) -> None:
            at = m.at(target, i, to)
            x, y = m.asm.load(at, name, lanes), m.asm.load(m.at(source, i, step), name, lanes)
            result: E = getattr(machine, COMBINE[op])(x, y)
            m.asm.store(result, at)

        if step == to == 1:
            m.vectors(*part, block)
        else:
            m.asm.loop(*part, 1, lambda i: block(i, 1))


NODES: dict[str, Callable[..., None]] = {
    "reshape": Moves.reshape, "pad": Moves.pad, "concatenate": Moves.concatenate, "update_slice": Moves.update_slice,
    "dynamic_slice": Moves.dynamic_slice, "dynamic_update_slice": Moves.dynamic_update_slice, "gather": Moves.gather,
    "scatter": Moves.scatter,
}  # fmt: skip


def able(v: Value) -> bool:
    """True if the node can be written: sizes are not 0, and indices and sums are of types that kernels know."""
    name: Any = v.prim.name if v.prim is not None else ""
    if name not in NODES or not v.size or v.dtype.itemsize not in (1, 2, 4, 8, 16):
        return False
    first = {"gather": 1, "scatter": 2, "dynamic_slice": 1, "dynamic_update_slice": 2}.get(name, len(v.operands))
    indices = v.operands[first:]
    if any(i.dtype.name not in ("int32", "int64") for i in indices) or (name != "pad" and not all(x.size for x in v.operands)):
        return False
    if name == "pad" and not v.operands[0].size:
        return False
    return name != "scatter" or v.params[1] == "set" or v.dtype.name in (*FLOATS, *INTEGERS)


def early_check(block: Block, v: Value) -> bool:
    """Writes the check of a gather or scatter at the start of the program, if its indices are inputs in any form."""
    assert v.prim is not None
    first = {"gather": 1, "scatter": 2}.get(v.prim.name, 0)
    indices = []
    for x in v.operands[first:]:
        while x.prim is not None and x.prim.name in ("reshape", "transpose", "broadcast_to"):
            x = x.operands[0]  # the same numbers
        if x.prim is not None or not first:
            return False
        indices.append(block.name(x))
    like = [np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in v.operands[:first]]
    block.text.early.append(block.checking(v, [*[block.text.bind("like", a) for a in like], *indices]))
    return True
