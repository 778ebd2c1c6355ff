"""Cotangents of kernels by Winograd's F(4x4, 3x3): dw = G'[sum over tiles of (B'dB) * (A ct A')]G.

Either a task is a part of the tiles, with sums of its own that are added in order afterwards; or, where kernels are
large, all tiles are transformed first, and a task is one of the 36 products and a block of channels in.
"""

from __future__ import annotations

from collections.abc import Sequence

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.code import Code, N
from fgrad.backends.numpy.convolution.winograd import APART, POINTS, Form, Tiles, is_odd

PLACE = ("height", "width", "out_height", "out_width", "low_y", "low_x", "rows", "columns", "tiles")
HEAD = ("x", "ct", "sums", "memory", "working", "parts", *PLACE)
ALL = ("x", "ct", "images", "results", "memory", "working", *PLACE)
FOLD = ("sums", "w", "x", "ct", "parts", "images", *PLACE[:6])


def ct_rows(k: Code, y: Sequence[E]) -> list[E]:
    """Ay: six values from four."""
    f = k.fma
    a, b, c, d = k.add(y[0], y[2]), k.add(y[1], y[3]), f(y[2], 4.0, y[0]), f(y[3], 4.0, y[1])
    return [y[0], k.add(a, b), k.sub(a, b), f(d, 2.0, c), f(d, -2.0, c), y[3]]


def weight_rows(k: Code, m: Sequence[E]) -> list[E]:
    """G'm: three values from six."""
    f = k.fma
    a, b, c, d = k.add(m[1], m[2]), k.sub(m[2], m[1]), k.add(m[3], m[4]), k.sub(m[3], m[4])
    last = f(a, -1 / 6, m[5])
    return [f(c, 1 / 24, f(a, -1 / 6, k.mul(m[0], 0.25))), f(b, 1 / 6, k.mul(d, 1 / 12)), f(c, 1 / 6, last)]


class Weight(Tiles):
    """Kernels of one form; `block` of it counts channels in."""

    def __init__(self, form: Form, names: Sequence[str], pointers: int) -> None:
        super().__init__(form)
        k = self.k
        self.pointer = {name: k.pointer(i) for i, name in enumerate(names[:pointers])}
        self.size = dict(zip(names[pointers:], k.words(len(names) - pointers, pointers), strict=True))

    def transform(self, tile: N, images: str, results: str, apart: tuple[N, N], spare: str) -> None:
        """One tile of images and of cotangents."""
        k, f, size = self.k, self.form, self.size
        n, h, w = self.position(tile, size["rows"], size["columns"])
        at = (n, h - size["low_y"], w - size["low_x"])
        x, pitch = self.source(self.pointer["x"], at, (size["height"], size["width"]), 6, f.channels, f.wide, spare)
        self.images(x, pitch, images, apart[0])
        ct, pitch = self.source(self.pointer["ct"], (n, h, w), (size["out_height"], size["out_width"]), 4, f.out, f.wide_out, spare)
        with k.each(0, f.wide_out, f.lanes) as c:
            start, to = k.at(ct, c), k.at(results, c)
            rows = [k.at(start, pitch * i) for i in range(4)]
            columns = [ct_rows(k, [k.read(rows[i], j * f.wide_out) for i in range(4)]) for j in range(4)]
            for i in range(6):
                for j, value in enumerate(ct_rows(k, [column[i] for column in columns])):
                    k.write(value, to, apart[1] * (i * 6 + j))

    def product(self, v: str, d: str, sums: str, count: N, *, add: bool, rows: int) -> None:
        """Tiles of `rows` channels in by all channels out, into a place of the sums."""
        k, f = self.k, self.form
        step = f.vectors * f.lanes
        with k.each(0, f.wide_out, step) as o:
            to = k.at(sums, o)
            places = [(i, e) for i in range(rows) for e in range(f.vectors)]
            cells = k.cells(len(places))
            if add:
                k.keep(cells, [k.read(to, i * f.wide_out + e * f.lanes) for i, e in places])
            with k.each(0, count) as t:
                values, at, row = k.sums(cells), k.opaque(k.at(v, t * f.wide)), k.at(d, t * f.wide_out + o)
                columns = [k.read(row, e * f.lanes) for e in range(f.vectors)]
                for i in range(rows):
                    one = k.repeat(at, i)
                    for e in range(f.vectors):
                        values[i * f.vectors + e] = k.fma(one, columns[e], values[i * f.vectors + e])
                k.keep(cells, values)
            for (i, e), value in zip(places, k.sums(cells), strict=True):
                k.write(value, to, i * f.wide_out + e * f.lanes)

    def products(self, v: str, d: str, sums: str, count: N) -> None:
        """All channels in of one of the 36 products, added."""
        k, f = self.k, self.form
        full = f.channels // f.block * f.block
        with k.each(0, full, f.block) as c:
            self.product(k.at(v, c), d, k.at(sums, c * f.wide_out), count, add=True, rows=f.block)
        if full < f.channels:
            self.product(k.at(v, full), d, k.at(sums, full * f.wide_out), count, add=True, rows=f.channels - full)


def fused(form: Form) -> str:
    """Sums of parts of the tiles: [part][point][channel in][lane out]; tasks are parts."""
    own = Weight(form, HEAD, 4)
    k, f, size = own.k, form, own.size
    each = POINTS * f.kernel_point
    with k.working(own.pointer["memory"], size["working"]) as memory:
        results = k.at(memory, POINTS * f.image_point)
        spare = k.at(results, POINTS * f.result_point)
        with k.each(k.lo, k.hi) as part:
            first, last = part * size["tiles"] // size["parts"], (part + 1) * size["tiles"] // size["parts"]
            sums = k.at(own.pointer["sums"], part * each)
            k.clear(sums, each)
            with k.each(first, last, f.tiles) as start:
                count = (last - start).min(f.tiles)
                with k.each(0, count) as i:
                    apart = (k.n(f.image_point), k.n(f.result_point))
                    own.transform(start + i, k.at(memory, i * f.wide), k.at(results, i * f.wide_out), apart, spare)
                with k.each(0, POINTS) as p:
                    v, d = k.at(memory, p * f.image_point), k.at(results, p * f.result_point)
                    own.products(v, d, k.at(sums, p * f.kernel_point), count)
    return k.text()


def apart(form: Form) -> str:
    """All tiles transformed: [point][tile][channel] of images and of cotangents; tasks are groups of tiles."""
    own = Weight(form, ALL, 5)
    k, f, size = own.k, form, own.size
    with k.working(own.pointer["memory"], size["working"]) as spare:
        end = (k.hi * f.tiles).min(size["tiles"])
        with k.each(k.lo * f.tiles, end) as i:
            images, results = k.at(own.pointer["images"], i * f.wide), k.at(own.pointer["results"], i * f.wide_out)
            own.transform(i, images, results, (size["tiles"] * f.wide + APART, size["tiles"] * f.wide_out + APART), spare)
    return k.text()


def joined(form: Form) -> str:
    """Products of what `apart` made: [point][channel in][lane out]; tasks are points x blocks of channels in.

    Words: images, results, sums, tiles, blocks. The channels are a multiple of a block.
    """
    own = Weight(form, ("images", "results", "sums", "tiles", "blocks"), 3)
    k, f, tiles = own.k, form, own.size["tiles"]
    with k.each(k.lo, k.hi) as t:
        p, b = k.split(t, [own.size["blocks"]])
        v = k.at(own.pointer["images"], p * (tiles * f.wide + APART) + b * f.block)
        d = k.at(own.pointer["results"], p * (tiles * f.wide_out + APART))
        sums = k.at(own.pointer["sums"], p * f.kernel_point + b * (f.block * f.wide_out))
        own.product(v, d, sums, tiles, add=False, rows=f.block)
    return k.text()


class Fold:
    """Kernels from the sums of all parts, added in order; tasks are channels in x vectors of channels out.

    What is not finite is computed again directly.
    """

    def __init__(self, form: Form) -> None:
        self.form, k = form, Code(form.dtype, form.lanes)
        self.k = k
        self.sums, self.w, self.x, self.ct = [k.pointer(i) for i in range(4)]
        self.size = dict(zip(FOLD[4:], k.words(len(FOLD) - 4, 4), strict=True))

    def text(self) -> str:
        """The module."""
        k, f, size = self.k, self.form, self.size
        each = POINTS * f.kernel_point
        with k.each(k.lo, k.hi) as t:
            c, b = k.split(t, [-(-f.out // f.lanes)])
            mask = k.below(k.n(f.out) - b * f.lanes)
            source = k.at(self.sums, c * f.wide_out + b * f.lanes)
            columns = []
            for j in range(6):
                cells = k.cells(6)
                with k.each(0, size["parts"]) as p:
                    at = k.at(source, p * each)
                    found = [k.read(at, (i * 6 + j) * f.kernel_point) for i in range(6)]
                    k.keep(cells, [k.add(a, b_) for a, b_ in zip(k.sums(cells), found, strict=True)])
                columns.append(weight_rows(k, k.sums(cells)))
            to = k.at(self.w, (b * f.lanes * f.channels + c) * 9)
            odd = k.value(0.0)
            for r in range(3):
                for s, value in enumerate(weight_rows(k, [column[r] for column in columns])):
                    k.scatter(value, k.spread(k.at(to, r * 3 + s), k.n(f.channels * 9)), mask)
                    odd = k.fma(value, 0.0, odd)
            with k.only(is_odd(k, odd)):
                self.again(to, b, c, mask)
        return k.text()

    def again(self, to: str, b: N, c: N, mask: str) -> None:
        """A vector of kernels directly."""
        k, f, size = self.k, self.form, self.size
        total = k.cells(1)
        with k.each(0, 3) as r, k.each(0, 3) as s:
            k.keep(total, [k.value(0.0)])
            with k.each(0, size["images"]) as n, k.each(0, size["out_height"]) as h, k.each(0, size["out_width"]) as w:
                y, x = h + r - size["low_y"], w + s - size["low_x"]
                with k.only(k.both(k.both(y >= 0, y < size["height"]), k.both(x >= 0, x < size["width"]))):
                    one = k.repeat(self.x, ((n * size["height"] + y) * size["width"] + x) * f.channels + c)
                    at = ((n * size["out_height"] + h) * size["out_width"] + w) * f.out + b * f.lanes
                    k.keep(total, [k.fma(one, k.read(self.ct, at, mask=mask), k.sums(total)[0])])
            k.scatter(k.sums(total)[0], k.spread(k.at(to, r * 3 + s), k.n(f.channels * 9)), mask)


def fold(form: Form) -> str:
    """The module of `Fold`."""
    return Fold(form).text()
