"""Products of matrices whose columns fill vectors: a tile of rows by a strip of columns stays in registers.

The summed axis is walked once for every tile; each step multiplies one number of a row by the strip's vectors. A strip of
`b` is first copied, or turned, to where its rows follow each other, unless so few tiles use it that this does not pay.
"""

from __future__ import annotations

from typing import NamedTuple

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.code import N
from fgrad.backends.numpy.gemm.frame import Frame

DEPTH = 512  # steps of the summed axis that a copied strip holds


class Form(NamedTuple):
    """What the text depends on."""

    dtype: str
    lanes: int
    turned: bool  # numbers of a column of `a` are neighbours, not those of a row
    b: str  # direct: read where it lies; copied; turned: copied from where numbers of a column are neighbours
    height: int  # rows of the high tiles
    low: bool  # there are tiles of one row less
    vectors: int  # of a strip
    whole: bool  # there are strips of that width
    tail: int  # vectors of the last, narrower strip; 0 if there is none
    ragged: bool  # columns do not fill the last vector of it
    passes: bool  # the summed axis is longer than a copied strip
    axes: int  # of the stack


class Outer(Frame):
    """Writes the kernel of one form."""

    def __init__(self, form: Form) -> None:
        super().__init__(form.dtype, form.lanes, form.height, form.low, form.axes)
        self.form = form
        size = DEPTH * (form.vectors if form.whole else form.tail) * form.lanes
        self.own = "" if form.b == "direct" else self.k.entry(f"alloca [{size} x {self.k.kind}], align 64")

    def part(self, start: N, stop: N) -> None:
        """The strips from `start` to `stop`, stretch by stretch of the summed axis."""
        k, w = self.k, self.w
        if not self.form.passes:
            self.strips(start, stop, k.n(0), w["k"])
            return
        with k.each(0, w["k"], w["depth"]) as before:
            self.strips(start, stop, before, (w["k"] - before).min(w["depth"]))

    def strips(self, start: N, stop: N, before: N, depth: N) -> None:
        """All strips of a part, over `depth` steps of the summed axis."""
        k, f = self.k, self.form
        full = self.w["strips"] - 1 if f.tail else self.w["strips"]
        if f.whole:
            with k.each(start, stop.min(full)) as s:
                self.strip(s, f.vectors, before, depth, ragged=False)
        if f.tail:
            with k.each(start.max(full), stop) as s:
                self.strip(s, f.tail, before, depth, ragged=f.ragged)

    def strip(self, s: N, vectors: int, before: N, depth: N, *, ragged: bool) -> None:
        """One strip by all tiles of rows."""
        k, f, step = self.k, self.form, self.w["b_step"]
        column = s * (f.vectors * f.lanes)
        room = self.w["columns"] - column
        masks: list[str | None] = [None] * vectors
        if ragged:
            masks[-1] = k.below(room - (vectors - 1) * f.lanes)
        if f.b == "turned":
            self.turned(k.at(self.b, column * step + before), vectors, depth, room - 1 if ragged else None)
        rows = k.at(self.b, before * step + column)
        if f.b == "copied":
            self.copied(rows, depth, masks)
        c = k.at(self.c, column)
        if f.b == "direct":
            self.tiles(lambda row, height: self.tile(row, height, (rows, step), c, before, depth, masks, masks))
        else:
            near = self.own, k.n(vectors * f.lanes)
            self.tiles(lambda row, height: self.tile(row, height, near, c, before, depth, [None] * vectors, masks))

    def copied(self, source: str, depth: N, masks: list[str | None]) -> None:
        """Rows of the strip, one after the other."""
        k, lanes = self.k, self.form.lanes
        with k.each(0, depth) as i:
            x, y = k.at(source, i * self.w["b_step"]), k.at(self.own, i * (len(masks) * lanes))
            for v, mask in enumerate(masks):
                k.write(k.read(x, v * lanes, mask=mask), y, v * lanes)

    def turned(self, source: str, vectors: int, depth: N, last: N | None) -> None:
        """Columns of the strip become its rows, block by block; past the last column it is repeated, past the last step is 0."""
        k, f, L = self.k, self.form, self.form.lanes  # noqa: N806
        with k.each(0, vectors) as v:
            columns = [v * L + j for j in range(L)]
            starts = [k.at(source, (j if last is None else j.min(last)) * self.w["b_step"]) for j in columns]
            to = k.at(self.own, v * L)
            whole = depth // L * L

            def block(i: N, mask: str | None = None) -> None:
                rows = k.turned([k.read(start, i, mask=mask).text for start in starts], k.kind)
                for j, x in enumerate(rows):
                    k.write(E(x, f.dtype, L), to, (i + j) * (vectors * L))

            with k.each(0, whole, L) as i:
                block(i)
            with k.only(whole < depth):
                block(whole, k.below(depth - whole))

    def tile(self, row: N, height: int, b: tuple[str, N], c: str, before: N, depth: N, b_masks: list[str | None], masks: list[str | None]) -> None:
        """One tile of the result. b: the strip, and elements from one row of it to the next."""
        k, f, count = self.k, self.form, len(masks)
        step = self.w["a_step"]
        if f.turned:
            start = k.at(self.a, row + before * step)
            starts = [k.at(start, r) for r in range(height)]
        else:
            starts, step = [k.at(self.a, (row + r) * step + before) for r in range(height)], k.n(1)
        sums = k.cells(height * count)
        with k.each(0, depth) as i:
            values = k.sums(sums)
            near = k.at(b[0], i * b[1])
            weights = [k.read(near, v * f.lanes, mask=mask) for v, mask in enumerate(b_masks)]
            for r, start in enumerate(starts):
                one = k.repeat(start, i * step)
                for v in range(count):
                    values[r * count + v] = k.fma(one, weights[v], values[r * count + v])
            k.keep(sums, values)
        for r in range(height):
            y = k.at(c, (row + r) * self.w["c_step"])
            for v, (value, mask) in enumerate(zip(k.sums(sums[r * count : (r + 1) * count]), masks, strict=True)):
                k.write(self.total(value, y, v * f.lanes, before, mask), y, v * f.lanes, mask)

    def total(self, value: E, y: str, at: int, before: N, mask: str | None) -> E:
        """A sum, on top of what the stretches before it came to."""
        k = self.k
        if not self.form.passes:
            return value
        cell = k.variable(value.dtype, value.lanes)
        k.set(cell, value)
        with k.only(before >= 1):
            k.set(cell, k.add(k.read(y, at, mask=mask), value))
        return k.get(cell, value.dtype, value.lanes)
