"""Axes of arrays that are walked together, and elements moved along them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fgrad.backends.numpy.asm import Asm
from fgrad.backends.numpy.tasks import spread
from fgrad.ir.graph import Value
from fgrad.passes.nests import Shape

BLOCK = 1 << 14  # elements that one item of a long move takes
SPEED = 10  # bytes moved in a nanosecond, of one thread


class Run(NamedTuple):
    """Axes that lie in memory as one: a length, and a stride in each array it is an axis of (0 elsewhere)."""

    size: int
    strides: tuple[int, ...]


def joined(runs: Sequence[Run]) -> list[Run]:
    """Neighbouring axes as one where every array allows it; axes of length 1 are gone."""
    found: list[Run] = []
    for r in runs:
        if r.size == 1:
            continue
        last = found[-1] if found else None
        if last is not None and all(a == b * r.size for a, b in zip(last.strides, r.strides, strict=True)):
            found[-1] = Run(last.size * r.size, r.strides)
        else:
            found.append(r)
    return found


class Memory(NamedTuple):
    """An array: a pointer, and strides in elements."""

    pointer: str
    strides: tuple[int, ...]


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of an array whose elements lie one after the other."""
    return tuple([math.prod(shape[i + 1 :]) for i in range(len(shape))])


def elements(v: Value, nbytes: tuple[int, ...] | None) -> tuple[int, ...]:
    """Strides of a value in elements, from those in bytes; of a contiguous array if none are given."""
    return contiguous(v.shape) if nbytes is None else tuple([s // v.dtype.itemsize for s in nbytes])


def strides_of(v: Value, nest: Shape, nbytes: tuple[int, ...] | None) -> dict[int, int]:
    """Strides in elements by axis of the space; of a contiguous array if none are given."""
    given = elements(v, nbytes)
    return dict(zip(nest.axes[v], [s for s, d in zip(given, v.shape, strict=True) if d != 1], strict=True))


def together(shape: Sequence[int], *arrays: Sequence[int]) -> list[Run]:
    """The axes of a shape, given its strides in several arrays."""
    return joined([Run(d, tuple(s)) for d, *s in zip(shape, *arrays, strict=True)])


class Mover:
    """Writes code that moves elements of one size, whatever they mean."""

    def __init__(self, asm: Asm, nbytes: int, lanes: int) -> None:
        self.asm, self.nbytes, self.kind = asm, nbytes, f"i{8 * nbytes}"
        self.lanes = max(lanes * 4 // nbytes, 2)

    def at(self, pointer: str, index: str | int, stride: int = 1) -> str:
        """The address so many strides on."""
        if stride == 0 or index in (0, "0"):
            return pointer
        if stride != 1:
            index = int(index) * stride if str(index).isdigit() else self.asm.op(f"mul nsw i64 {index}, {stride}")
        return self.asm.op(f"getelementptr inbounds {self.kind}, ptr {pointer}, i64 {index}")

    def load(self, pointer: str, lanes: int = 1) -> str:
        """One element, or several neighbours."""
        kind = self.kind if lanes == 1 else f"<{lanes} x {self.kind}>"
        return self.asm.op(f"load {kind}, ptr {pointer}, align {self.nbytes}")

    def store(self, x: str, pointer: str, lanes: int = 1) -> None:
        """One element, or several neighbours."""
        kind = self.kind if lanes == 1 else f"<{lanes} x {self.kind}>"
        self.asm.do(f"store {kind} {x}, ptr {pointer}, align {self.nbytes}")

    def vectors(self, start: int | str, stop: int | str, body: Callable[[str, int], None]) -> None:
        """`body(index, lanes)` over a range: in vectors, then one by one."""
        if isinstance(start, int) and isinstance(stop, int):
            full: int | str = start + (stop - start) // self.lanes * self.lanes
        else:
            count = self.asm.op(f"and i64 {self.asm.op(f'sub i64 {stop}, {start}')}, {-self.lanes}")
            full = self.asm.op(f"add i64 {start}, {count}")
        self.asm.loop(start, full, self.lanes, lambda i: body(i, self.lanes))
        self.asm.loop(full, stop, 1, lambda i: body(i, 1))

    def fill(self, x: str, pointer: str, start: int | str, stop: int | str) -> None:
        """One element repeated."""
        many = f"<{self.lanes} x {self.kind}>"
        one = self.asm.op(f"insertelement {many} poison, {self.kind} {x}, i32 0")
        splat = self.asm.op(f"shufflevector {many} {one}, {many} poison, <{self.lanes} x i32> zeroinitializer")
        self.vectors(start, stop, lambda i, lanes: self.store(splat if lanes > 1 else x, self.at(pointer, i), lanes))

    def row(self, size: int, source: str, step: int, target: str, to: int, part: tuple[int | str, int | str] | None = None) -> None:
        """Elements a stride apart to where they are a stride apart."""
        start, stop = part or (0, size)
        if step == 0 and to == 1:
            self.fill(self.load(source), target, start, stop)
        elif step == to == 1:
            self.vectors(start, stop, lambda i, lanes: self.store(self.load(self.at(source, i), lanes), self.at(target, i), lanes))
        else:
            self.asm.loop(start, stop, 1, lambda i: self.store(self.load(self.at(source, i, step)), self.at(target, i, to)))

    def all(self, runs: Sequence[Run], source: str, target: str) -> None:
        """Every element of some axes, whose strides are those of source and target."""
        if not runs:
            self.store(self.load(source), target)
        elif len(runs) == 1:
            self.row(runs[0].size, source, runs[0].strides[0], target, runs[0].strides[1])
        else:
            size, (step, to) = runs[0]
            self.asm.loop(0, size, 1, lambda i: self.all(runs[1:], self.at(source, i, step), self.at(target, i, to)))

    def place(self, t: str, runs: Sequence[Run], *pointers: str) -> list[str]:
        """Where item `t` of some axes is in each array; pointers count elements of this size."""
        found = list(pointers)
        for n, r in enumerate(reversed(runs)):
            index = t
            if n < len(runs) - 1:
                index, t = self.asm.op(f"urem i64 {t}, {r.size}"), self.asm.op(f"udiv i64 {t}, {r.size}")
            found = [self.at(p, index, s) for p, s in zip(found, r.strides, strict=True)]
        return found

    def turn(self, source: str, step: int, target: str, to: int) -> None:
        """A block of `lanes` by `lanes`: rows that are `step` apart become columns of rows that are `to` apart."""
        n = self.lanes
        rows = [self.load(self.at(source, k, step), n) for k in range(n)]
        for k, x in enumerate(self.asm.turned(rows, self.kind)):
            self.store(x, self.at(target, k, to), n)


def copy(asm: Asm, runs: Sequence[Run], source: str, target: str, nbytes: int, lanes: int) -> None:
    """Moves elements along axes, over threads if they are many."""
    runs = joined(sorted(runs, key=lambda r: -abs(r.strides[1])))
    time = nbytes * math.prod([r.size for r in runs]) / SPEED
    last = runs[-1] if runs else Run(1, (1, 1))
    turned = next((r for r in runs[:-1] if r.strides[0] == 1), None)
    many = Mover(asm, nbytes, lanes).lanes
    if turned is not None and last.strides[1] == 1 and nbytes in (4, 8) and min(turned.size, last.size) >= many:
        outer = [r for r in runs[:-1] if r is not turned]
        blocks = -(-turned.size // many)

        def block(inner: Asm, names: Mapping[str, str], t: str) -> None:
            m = Mover(inner, nbytes, lanes)
            b = inner.op(f"urem i64 {t}, {blocks}")
            start = inner.op(f"mul nuw nsw i64 {b}, {many}")
            x, y = m.place(inner.op(f"udiv i64 {t}, {blocks}"), outer, names[source], names[target])
            turn_block(m, x, y, turned, last, start)

        spread(asm, (source, target), math.prod([r.size for r in outer]) * blocks, time, block)
        return
    if len(runs) < 2 or runs[0].size * 8 < last.size:
        pieces = -(-last.size // BLOCK)
        outer = list(runs[:-1])

        def piece(inner: Asm, names: Mapping[str, str], t: str) -> None:
            m = Mover(inner, nbytes, lanes)
            start = inner.op(f"mul nuw nsw i64 {inner.op(f'urem i64 {t}, {pieces}')}, {BLOCK}")
            stop = inner.least(inner.op(f"add nuw nsw i64 {start}, {BLOCK}"), last.size)
            x, y = m.place(inner.op(f"udiv i64 {t}, {pieces}"), outer, names[source], names[target])
            m.row(last.size, x, last.strides[0], y, last.strides[1], (start, stop))

        spread(asm, (source, target), math.prod([r.size for r in outer]) * pieces, time, piece)
        return
    first, rest = runs[:1], runs[1:]

    def item(inner: Asm, names: Mapping[str, str], t: str) -> None:
        m = Mover(inner, nbytes, lanes)
        m.all(rest, *m.place(t, first, names[source], names[target]))

    spread(asm, (source, target), first[0].size, time, item)


def turn_block(m: Mover, source: str, target: str, across: Run, along: Run, start: str) -> None:
    """Up to `lanes` counts of `across` from `start`, whose elements are neighbours in the source, over all of `along`."""
    n, asm = m.lanes, m.asm
    x, y = m.at(source, start), m.at(target, start, across.strides[1])
    full = along.size // n * n

    def single(stop: str | int, first: int) -> None:
        asm.loop(0, stop, 1, lambda i: asm.loop(first, along.size, 1, lambda j: m.store(
            m.load(m.at(m.at(x, i), j, along.strides[0])), m.at(m.at(y, i, across.strides[1]), j))))  # fmt: skip

    def whole() -> None:
        asm.loop(0, full, n, lambda j: m.turn(m.at(x, j, along.strides[0]), along.strides[0], m.at(y, j), across.strides[1]))
        single(n, full)

    asm.when(asm.op(f"icmp sle i64 {start}, {across.size - n}"), whole)
    rest = across.size % n
    if rest:
        asm.when(asm.op(f"icmp sgt i64 {start}, {across.size - n}"), lambda: single(rest, 0))
