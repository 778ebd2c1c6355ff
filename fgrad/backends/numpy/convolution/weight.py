"""Cotangents of kernels, directly: products of images and cotangents summed over pixels, channels out in lanes.

A task is a part of the images, one tap and one block of channels in; its sums stay in registers while pixels go by. Each
part has a place of its own for its sums, and they are added in order, so that threads change no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fgrad.backends.numpy.code import Code, N

AXIS = ("inside", "outside", "taps", "period", "step", "table")
HEAD = ("x", "ct", "sums", "images", "parts", "groups", "taps", "c_blocks", "channels", "x_row", "x_pixel", "y_row", "y_pixel",
        "inner", "lanes_out", "k_blocks")  # fmt: skip


class Form(NamedTuple):
    """What the text of a direct weight gradient depends on."""

    dtype: str
    lanes: int
    vectors: int  # of channels out
    rows: int  # channels in
    rest: int  # channels in of the last block
    rank: int
    ragged: bool  # channels out do not fill the last vector
    depthwise: bool


class Weight:
    """Writes the kernel of one form."""

    def __init__(self, form: Form) -> None:
        self.form = form
        k = self.k = Code(form.dtype, form.lanes)
        self.x, self.ct, self.out = [k.pointer(i) for i in range(3)]
        names = HEAD[3:]
        self.size = dict(zip(names, k.words(len(names), 3), strict=True))
        self.axes = [dict(zip(AXIS, k.words(len(AXIS), len(HEAD) + j * len(AXIS)), strict=True)) for j in range(form.rank)]

    def text(self) -> str:
        """The module."""
        k, size = self.k, self.size
        with k.each(k.lo, k.hi) as t:
            part, g, *taps, block = k.split(t, [size["groups"], *[a["taps"] for a in self.axes], size["c_blocks"]])
            first, last = part * size["images"] // size["parts"], (part + 1) * size["images"] // size["parts"]
            tap = k.n(0)
            for a, own in zip(self.axes, taps, strict=True):
                tap = tap * a["taps"] + own
            to = k.at(self.out, ((part * size["groups"] + g) * size["taps"] + tap) * size["inner"] * size["lanes_out"])
            meets = [[k.argument(a["table"] + own * 3 + i) for i in range(3)] for a, own in zip(self.axes, taps, strict=True)]
            if self.form.depthwise:
                self.channels(to, first, last, meets)
            elif self.form.rest == self.form.rows:
                self.block(to, g, block, first, last, meets, self.form.rows)
            else:
                final = block.same(size["c_blocks"] - 1)
                with k.only(k.op(f"xor i1 {final}, true")):
                    self.block(to, g, block, first, last, meets, self.form.rows)
                with k.only(final):
                    self.block(to, g, block, first, last, meets, self.form.rest)
        return k.text()

    def block(self, to: str, g: N, block: N, first: N, last: N, meets: list[list[N]], rows: int) -> None:
        """One block of channels in by all channels out of the group."""
        k, f, size = self.k, self.form, self.size
        wide = f.vectors * f.lanes
        with k.each(0, size["k_blocks"]) as b:
            masks = [k.below(size["channels"] - b * wide - v * f.lanes) if f.ragged else None for v in range(f.vectors)]
            sums = k.cells(rows * f.vectors)
            x = k.at(self.x, g * size["inner"] + block * f.rows)
            ct = k.at(self.ct, g * size["channels"] + b * wide)

            def pixel(x: str, ct: str) -> None:
                values = k.sums(sums)
                x = k.opaque(x)
                columns = [k.read(ct, v * f.lanes, mask=masks[v]) for v in range(f.vectors)]
                for i in range(rows):
                    one = k.repeat(x, i)
                    for v in range(f.vectors):
                        values[i * f.vectors + v] = k.fma(one, columns[v], values[i * f.vectors + v])
                k.keep(sums, values)

            self.pixels(x, ct, first, last, meets, pixel)
            at = k.at(to, block * f.rows * size["lanes_out"] + b * wide)
            for i in range(rows):
                for v, value in enumerate(k.sums(sums[i * f.vectors : (i + 1) * f.vectors])):
                    k.write(value, at if not i else k.at(at, size["lanes_out"] * i), v * f.lanes)

    def channels(self, to: str, first: N, last: N, meets: list[list[N]]) -> None:
        """A kernel for each channel: lanes are channels of both. Sums wait in memory from one row to the next."""
        k, f, size = self.k, self.form, self.size
        with k.each(0, size["k_blocks"]) as b:
            k.write(k.value(0.0), to, b * f.lanes)

        def row(x: str, ct: str, count: N, steps: tuple[N, N]) -> None:
            with k.each(0, size["k_blocks"]) as b:
                mask = k.below(size["channels"] - b * f.lanes) if f.ragged else None
                sums = k.cells(4)
                x_first, ct_first = k.at(x, b * f.lanes), k.at(ct, b * f.lanes)
                with k.each(0, count) as q:
                    values = k.sums(sums)
                    one, two = k.read(x_first, q * steps[0], mask=mask), k.read(ct_first, q * steps[1], mask=mask)
                    k.keep(sums, [*values[1:], k.fma(one, two, values[0])])  # four sums take turns
                one, two, three, four = k.sums(sums)
                place = k.at(to, b * f.lanes)
                k.write(k.add(k.read(place), k.add(k.add(one, two), k.add(three, four))), place)

        self.rows(self.x, self.ct, first, last, meets, row)

    def pixels(self, x: str, ct: str, first: N, last: N, meets: list[list[N]], pixel: Callable[[str, str], None]) -> None:
        """`pixel` for all pairs of pixels that the tap joins."""
        k = self.k

        def row(x: str, ct: str, count: N, steps: tuple[N, N]) -> None:
            with k.each(0, count) as q:
                pixel(k.at(x, q * steps[0]), k.at(ct, q * steps[1]))

        self.rows(x, ct, first, last, meets, row)

    def rows(
        self, x: str, ct: str, first: N, last: N, meets: list[list[N]], row: Callable[[str, str, N, tuple[N, N]], None]
    ) -> None:
        """`row` for all pairs of rows: where both start, how many pixels, and the steps between them."""
        k, size = self.k, self.size

        def axis(j: int, at_x: N, at_y: N) -> None:
            a, (o, i, count) = self.axes[j], meets[j]
            if j < self.form.rank - 1:
                with k.each(0, count) as q:
                    axis(j + 1, at_x * a["inside"] + i + q * a["step"], at_y * a["outside"] + o + q * a["period"])
                return
            x_row = k.at(x, at_x * size["x_row"] + i * size["x_pixel"])
            y_row = k.at(ct, at_y * size["y_row"] + o * size["y_pixel"])
            row(x_row, y_row, count, (a["step"] * size["x_pixel"], a["period"] * size["y_pixel"]))

        with k.each(first, last) as n:
            axis(0, n, n)


def fold(dtype: str, lanes: int) -> str:
    """Sums of parts added in order, as kernels [K, C / groups, *taps].

    Words: sums [part][group][tap][channel in][lane out], target, parts, taps, channels in, channels out of a group, lanes
    out, size of a part; tasks are groups x vectors of channels out x channels in, so that what is written stays near.
    """
    k = Code(dtype, lanes)
    sums, target = k.pointer(0), k.pointer(1)
    parts, taps, inner, channels, wide, size = k.words(6, 2)
    with k.each(k.lo, k.hi) as t:
        g, b, c = k.split(t, [wide // lanes, inner])
        o = b * lanes
        mask = k.below(channels - o)
        with k.each(0, taps) as tap:
            at = k.at(sums, ((g * taps + tap) * inner + c) * wide + o)
            total = k.cells(1)
            k.keep(total, [k.read(at)])
            with k.each(1, parts) as p:
                k.keep(total, [k.add(k.sums(total)[0], k.read(at, p * size))])
            to = k.at(target, ((g * channels + o) * inner + c) * taps + tap)
            k.scatter(k.sums(total)[0], k.spread(to, inner * taps), mask)
    return k.text()


def pad(dtype: str) -> str:
    """Rows copied between zeros.

    Words: source, target, elements from row to row, padded row, elements before, elements of a row; tasks are rows. Less
    is copied where the padded row is shorter.
    """
    k = Code(dtype, 2)
    source, target = k.pointer(0), k.pointer(1)
    step, padded, margin, row = k.words(4, 2)
    with k.each(k.lo, k.hi) as t:
        to = k.at(target, t * padded)
        margin = margin.min(padded)
        room = row.min(padded - margin)
        k.clear(to, margin)
        k.copy(k.at(to, margin), k.at(source, t * step), room)
        k.clear(k.at(to, margin + room), padded - margin - room)
    return k.text()
