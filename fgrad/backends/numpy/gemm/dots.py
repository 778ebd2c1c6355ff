"""Products of few rows whose summed axis lies together in both operands: vectors run along it, one sum for each element.

No operand has to be copied first, which for few rows would take longer than the product.
"""

from __future__ import annotations

from typing import NamedTuple

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.code import N
from fgrad.backends.numpy.gemm.frame import Frame


class Form(NamedTuple):
    """What the text depends on."""

    dtype: str
    lanes: int
    height: int  # rows of the high tiles
    low: bool  # there are tiles of one row less
    width: int  # columns of a strip: a power of two, and of lanes at most
    axes: int  # of the stack


class Dots(Frame):
    """Writes the kernel of one form."""

    def __init__(self, form: Form) -> None:
        super().__init__(form.dtype, form.lanes, form.height, form.low, form.axes)
        self.form = form

    def part(self, start: N, stop: N) -> None:
        """The strips from `start` to `stop`."""
        k, f, w = self.k, self.form, self.w
        with k.each(start, stop) as s:
            first = s * f.width
            room = w["columns"] - first
            columns = [k.at(self.b, (first + k.n(j).min(room - 1)) * w["b_step"]) for j in range(f.width)]
            mask, c = k.below(room.min(f.width)), k.at(self.c, first)
            self.tiles(lambda row, height: self.tile(row, height, columns, c, mask))

    def tile(self, row: N, height: int, columns: list[str], c: str, mask: str) -> None:
        """One tile of the result."""
        k, f, w = self.k, self.form, self.w
        rows = [k.at(self.a, (row + r) * w["a_step"]) for r in range(height)]
        sums = k.cells(height * f.width)
        whole = w["k"] // f.lanes * f.lanes

        def step(i: N, inside: str | None = None) -> None:
            values = k.sums(sums)
            left = [k.read(x, i, mask=inside) for x in rows]
            for j, column in enumerate(columns):
                right = k.read(column, i, mask=inside)
                for r, x in enumerate(left):
                    values[r * f.width + j] = k.fma(x, right, values[r * f.width + j])
            k.keep(sums, values)

        with k.each(0, whole, f.lanes) as i:
            step(i)
        with k.only(whole < w["k"]):
            step(whole, k.below(w["k"] - whole))
        for r in range(height):
            found = self.together(k.sums(sums[r * f.width : (r + 1) * f.width]))
            k.write(found, k.at(c, (row + r) * w["c_step"]), 0, mask)

    def together(self, vectors: list[E]) -> E:
        """The sums over the lanes of some vectors, side by side in the first lanes of one."""
        size = self.form.lanes  # of a stretch of lanes that is still to be added up
        while size > 1:
            size //= 2
            vectors = [self.folded(x, y, size) for x, y in zip(vectors[::2], vectors[1::2], strict=True)] if len(vectors) > 1 else [
                self.folded(vectors[0], vectors[0], size)]  # fmt: skip
        return vectors[0]

    def folded(self, x: E, y: E, size: int) -> E:
        """Stretches of twice `size` lanes, of `x` and then of `y`, become `size` lanes: second half added to first."""
        k, lanes = self.k, x.lanes
        first = [i for i in range(2 * lanes) if i // size % 2 == 0]
        low, high = [", ".join(f"i32 {i + shift}" for i in first) for shift in (0, size)]
        halves = [E(k.op(f"shufflevector {x.type} {x.text}, {x.type} {y.text}, <{lanes} x i32> <{mask}>"), x.dtype, lanes) for mask in (low, high)]
        return k.add(*halves)
