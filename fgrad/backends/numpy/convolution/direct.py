"""Direct convolution, channels last: a tile of pixels by a few vectors of channels stays in registers.

A task is one row of the result. Which rows of the images it meets is found at run time, so that any padding, stride or
dilation of the outer axes is the same code; along the row, pixels fall into classes that meet the same taps at the same
distances (one class unless the images are dilated). Rows that a window leaves are copied between zeros first, once each.
Only what shapes the inner loop is in the text: tile, channels in, step between pixels.
"""

from __future__ import annotations

from typing import NamedTuple

from fgrad.backends.numpy.code import Code, N

AXIS = ("inside", "outside", "stride", "low", "x_dilation", "w_dilation", "taps", "w_step", "span")
HEAD = ("x", "w", "y", "memory", "working", "row", "padded", "margin", "blocks", "block", "channels", "y_pixel", "y_row",
        "groups", "w_start", "y_step", "classes")  # fmt: skip
CLASS = 4  # words of a class: pixels, offset in the result, number of taps, where in the words they start


class Form(NamedTuple):
    """What the text of a direct convolution depends on."""

    dtype: str
    lanes: int
    pixels: int  # of a tile
    vectors: int  # of channels out in a tile
    channels: int  # in, of a group
    step: int  # elements from one pixel to the next
    outer: int  # spatial axes but the last
    padded: bool  # rows are copied between zeros
    ragged: bool  # channels out do not fill the last tile
    depthwise: bool  # a kernel for each channel: lanes are channels of both


class Direct:
    """Writes the kernel of one form."""

    def __init__(self, form: Form) -> None:
        self.form = form
        k = self.k = Code(form.dtype, form.lanes)
        self.x, self.w, self.y, self.memory = [k.pointer(i) for i in range(4)]
        self.size, self.row, self.length, self.margin, self.blocks, self.block, self.channels = k.words(7, 4)
        self.y_pixel, self.y_row, self.groups, self.w_start, self.y_step, self.classes = k.words(6, 11)
        self.axes = [dict(zip(AXIS, k.words(len(AXIS), len(HEAD) + j * len(AXIS)), strict=True)) for j in range(form.outer)]
        self.first_class = len(HEAD) + form.outer * len(AXIS)
        self.spans = k.n(1)
        rows = k.n(1)
        for axis in self.axes:
            rows, self.spans = N(k, k.entry(f"mul i64 {rows}, {axis['taps']}")), N(k, k.entry(f"mul i64 {self.spans}, {axis['span']}"))
        self.rows = k.entry(f"alloca [2 x i64], i64 {rows}")
        self.count = k.entry("alloca i64")

    def text(self) -> str:
        """The module."""
        k = self.k
        if not self.form.padded:
            self.tasks("")
            return k.text()
        with k.working(self.memory, self.size) as own:
            words = 8 // k.bytes  # elements in a word; tags come first
            k.clear(own, self.spans * words)
            with k.each(0, self.spans) as i:
                start = k.at(own, self.spans * words + i * self.length)
                k.clear(start, self.margin)
                end = self.margin + self.row
                k.clear(k.at(start, end), self.length - end)
            self.tasks(own)
        return k.text()

    def tasks(self, own: str) -> None:
        """All rows of the result that were asked for."""
        k = self.k
        with k.each(k.lo, k.hi) as t:
            image, *place = k.split(t, [axis["outside"] for axis in self.axes])
            k.set_cell(self.count, 0, k.n(0))
            self.find(own, place, image, self.w_start, k.n(0))
            with k.each(0, self.classes) as c:
                entry = c * CLASS + self.first_class
                pixels, offset, taps, first = [k.argument(entry + i) for i in range(CLASS)]
                y = k.at(self.y, t * self.y_row + offset)
                with k.each(0, self.groups) as g, k.each(0, self.blocks) as b:
                    self.tiles(y, g, b, pixels, taps, first)

    def find(self, own: str, place: list[N], at: N, w: N, slot: N) -> None:
        """Enters the rows of the images that the taps of the outer axes meet, and their kernels, in the table."""
        k, j = self.k, len(self.axes) - len(place)
        if not place:
            self.enter(own, at * self.row, w, slot)
            return
        axis = self.axes[j]
        with k.each(0, axis["taps"]) as tap:
            where = place[0] * axis["stride"] + tap * axis["w_dilation"] - axis["low"]
            index = where // axis["x_dilation"]
            hit = k.both(where >= 0, k.both((index * axis["x_dilation"]).same(where), index < axis["inside"]))
            with k.only(hit):
                turn = slot * axis["span"] + index % axis["span"]
                self.find(own, place[1:], at * axis["inside"] + index, w + tap * axis["w_step"], turn)

    def enter(self, own: str, offset: N, w: N, slot: N) -> None:
        """One more row: as it lies, or copied between zeros unless that was done for the row before."""
        k = self.k
        n = k.cell(self.count, 0)
        row = k.at(self.x, offset)
        if self.form.padded:
            words = 8 // k.bytes
            source = N(k, k.op(f"ptrtoint ptr {row} to i64"))
            row = k.at(own, self.spans * words + slot * self.length)
            known = k.cell(own, slot)
            with k.only(k.op(f"icmp ne i64 {known}, {source}")):
                k.copy(k.at(row, self.margin), k.op(f"inttoptr i64 {source} to ptr"), self.row)
                k.set_cell(own, slot, source)
        k.set_cell(self.rows, n * 2, k.op(f"ptrtoint ptr {row} to i64"))
        k.set_cell(self.rows, n * 2 + 1, w)
        k.set_cell(self.count, 0, n + 1)

    def tiles(self, y: str, g: N, b: N, pixels: N, taps: N, first: N) -> None:
        """One block of channels of a row, tile by tile; the last tile begins earlier if pixels do not fill it."""
        k, f = self.k, self.form
        wide = f.vectors * f.lanes
        x_channel = b * wide if f.depthwise else g * f.channels
        w = k.at(self.w, (g * self.blocks + b) * self.block)
        to = k.at(y, g * self.channels + b * wide)
        room = self.channels - b * wide
        masks = [k.below(room - v * f.lanes) if f.ragged else None for v in range(f.vectors)]
        with k.each(0, pixels, f.pixels) as start:
            q = start.min(pixels - f.pixels)
            sums = k.cells(f.pixels * f.vectors)
            with k.each(0, k.cell(self.count, 0)) as r:
                row = k.at(k.op(f"inttoptr i64 {k.cell(self.rows, r * 2)} to ptr"), q * f.step + x_channel)
                part = k.at(w, k.cell(self.rows, r * 2 + 1))
                with k.each(0, taps) as tap:
                    x = k.at(row, k.argument(first + tap * 2))
                    self.multiply(sums, x, k.at(part, k.argument(first + tap * 2 + 1)), masks)
            end = k.at(to, q * self.y_step)
            for i in range(f.pixels):
                for v, value in enumerate(k.sums(sums[i * f.vectors : (i + 1) * f.vectors])):
                    k.write(value, end if not i else k.at(end, self.y_step * i), v * f.lanes, masks[v])

    def multiply(self, sums: list[str], x: str, w: str, masks: list[str | None]) -> None:
        """All channels of one tap."""
        k, f = self.k, self.form
        if f.depthwise:
            weights = k.read(w)
            found = [k.fma(k.read(x, i * f.step, mask=masks[0]), weights, a) for i, a in enumerate(k.sums(sums))]
            k.keep(sums, found)
            return
        unroll = next((u for u in (4, 3, 2) if f.channels % u == 0), min(f.channels, 4))
        full = f.channels // unroll * unroll
        with k.each(0, full, unroll) as c:
            self.channel(sums, k.at(x, c), k.at(w, c * (f.vectors * f.lanes)), unroll)
        if full < f.channels:
            self.channel(sums, k.at(x, full), k.at(w, full * f.vectors * f.lanes), f.channels - full)

    def channel(self, sums: list[str], x: str, w: str, count: int) -> None:
        """A few channels: every weight is read once, every pixel's number is repeated by the multiplication."""
        k, f = self.k, self.form
        values = k.sums(sums)
        for c in range(count):
            if c == 0 or f.vectors > 1:
                x = k.opaque(x)
            weights = [k.read(w, (c * f.vectors + v) * f.lanes) for v in range(f.vectors)]
            for i in range(f.pixels):
                one = k.repeat(x, i * f.step + c)
                for v in range(f.vectors):
                    at = i * f.vectors + v
                    values[at] = k.fma(one, weights[v], values[at])
        k.keep(sums, values)


def pack(dtype: str, lanes: int) -> str:
    """Kernels rearranged for `Direct`: [group, block][tap][channel in][channel out of the block], zeros past the last.

    Words: w, target, channels in, taps, channels out of a group, blocks, and steps in w of a channel in, a channel out, a
    group; tasks are groups x blocks x channels in. The vectors of a block are done one after the other.
    """
    k = Code(dtype, lanes)
    w, target = k.pointer(0), k.pointer(1)
    inner, taps, channels, blocks, vectors, c_step, o_step, g_step = k.words(8, 2)
    with k.each(k.lo, k.hi) as t:
        g, b, c = k.split(t, [blocks, inner])
        source = k.at(w, g * g_step + c * c_step)
        to = k.at(target, ((g * blocks + b) * taps * inner + c) * vectors * lanes)
        with k.each(0, vectors) as v:
            first = (b * vectors + v) * lanes
            mask = k.below(channels - first)
            start = k.at(source, first * o_step)
            with k.each(0, taps) as tap:
                found = k.gather(k.spread(k.at(start, tap), o_step), mask)
                k.write(found, k.at(to, (tap * inner * vectors + v) * lanes))
    return k.text()
