"""Winograd's F(4x4, 3x3), channels last, lanes are channels: 36 products where direct convolution needs 144.

y = A'[(G g G') * (B'd B)]A over tiles of 4x4 results from 6x6 images (Lavin and Gray, 2016, with the points 0, 1, -1, 2,
-2). A task is a few tiles: images are transformed into working memory that stays in the processor's second cache, each of
the 36 places is a matrix product there, and the results are transformed back. Tiles at an edge are copied between zeros.
A tile with a result that is not finite is computed again directly: transforms spread infinities, and may overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.code import Code, N

POINTS = 36
APART = 16  # elements more between points: whole pages apart, all 36 would fall into one set of the cache
HEAD = ("x", "u", "y", "memory", "w", "working", "height", "width", "out_height", "out_width", "low_y", "low_x", "rows", "columns",
        "tiles", "w_out", "w_in", "w_tap", "w_start")  # fmt: skip


class Form(NamedTuple):
    """What the text of a Winograd kernel depends on."""

    dtype: str
    lanes: int
    vectors: int  # of channels out in a register tile
    block: int  # rows of a register tile: tiles, or channels in for the weights
    tiles: int  # of a task
    channels: int  # in
    out: int  # channels out

    @property
    def wide(self) -> int:
        """Channels in, whole vectors."""
        return -(-self.channels // self.lanes) * self.lanes

    @property
    def wide_out(self) -> int:
        """Channels out, whole register tiles."""
        return -(-self.out // (self.lanes * self.vectors)) * self.lanes * self.vectors

    def elements(self) -> int:
        """Working memory of a task: transformed images and results, a tile of each between zeros."""
        return POINTS * (self.image_point + self.result_point + self.wide + self.wide_out)

    @property
    def image_point(self) -> int:
        """From one point of transformed images to the next."""
        return self.tiles * self.wide + APART

    @property
    def result_point(self) -> int:
        """From one point of results to the next."""
        return self.tiles * self.wide_out + APART

    @property
    def kernel_point(self) -> int:
        """From one point of transformed kernels to the next."""
        return self.channels * self.wide_out + APART


def image_rows(k: Code, d: Sequence[E | None], half: int | None = None) -> list[E]:
    """B'd: six values from six; half 0 is the first three, which do without d[5], half 1 the others, without d[0]."""
    f, out = k.fma, []
    d0, d1, d2, d3, d4, d5 = d
    assert d1 is not None and d2 is not None and d3 is not None and d4 is not None  # noqa: PT018  # types
    if half != 1:
        assert d0 is not None
        a, b = f(d2, -4.0, d4), f(d1, -4.0, d3)
        out += [f(d0, 4.0, f(d2, -5.0, d4)), k.add(a, b), k.sub(a, b)]
    if half != 0:
        assert d5 is not None
        c, e = k.sub(d4, d2), k.sub(d3, d1)
        out += [f(e, 2.0, c), f(e, -2.0, c), f(d1, 4.0, f(d3, -5.0, d5))]
    return out


def result_rows(k: Code, m: Sequence[E]) -> list[E]:
    """A'm: four values from six."""
    f = k.fma
    a, b, c, d = k.add(m[1], m[2]), k.sub(m[1], m[2]), k.add(m[3], m[4]), k.sub(m[3], m[4])
    return [k.add(k.add(m[0], a), c), f(d, 2.0, b), f(c, 4.0, a), k.add(f(d, 8.0, b), m[5])]


def kernel_rows(k: Code, g: Sequence[E]) -> list[E]:
    """Gg: six values from three."""
    f = k.fma
    s, a = k.add(g[0], g[2]), f(g[2], 4.0, g[0])
    plus, minus = k.add(s, g[1]), k.sub(s, g[1])
    return [
        k.mul(g[0], 0.25), k.mul(plus, -1 / 6), k.mul(minus, -1 / 6), k.mul(f(g[1], 2.0, a), 1 / 24), k.mul(f(g[1], -2.0, a), 1 / 24), g[2]
    ]  # fmt: skip


class Tiles:
    """Parts that the kernels share: where a tile is, and its transforms."""

    def __init__(self, form: Form) -> None:
        self.form, self.k = form, Code(form.dtype, form.lanes)
        self.cell = self.k.entry("alloca [4 x i64]")  # where a tile is read or written, and its pitch

    def position(self, tile: N, rows: N, columns: N) -> tuple[N, N, N]:
        """(image, first row, first column) of a tile's results."""
        n, ty, tx = self.k.split(tile, [rows, columns])
        return n, ty * 4, tx * 4

    def source(self, x: str, at: tuple[N, N, N], shape: tuple[N, N], size: int, channels: int, wide: int, spare: str) -> tuple[str, N]:
        """Address and pitch of a tile of `size` x `size` pixels: where it lies, or copied between zeros to `spare`."""
        k = self.k
        (n, h, w), (height, width) = at, shape
        inside = k.both(k.both(h >= 0, h + size < height + 1), k.both(w >= 0, w + size < width + 1))
        if channels != wide:
            inside = "false"
        start = k.at(x, ((n * height + h) * width + w) * channels)
        k.set_cell(self.cell, 0, k.op(f"ptrtoint ptr {start} to i64"))
        k.set_cell(self.cell, 1, width * channels)
        with k.only(k.op(f"xor i1 {inside}, true")):
            self.gather(start, (h, w), shape, size, channels, wide, spare)
            k.set_cell(self.cell, 0, k.op(f"ptrtoint ptr {spare} to i64"))
            k.set_cell(self.cell, 1, k.n(size * wide))
        return k.op(f"inttoptr i64 {k.cell(self.cell, 0)} to ptr"), k.cell(self.cell, 1)

    def gather(self, start: str, at: tuple[N, N], shape: tuple[N, N], size: int, channels: int, wide: int, spare: str) -> None:
        """A tile between zeros."""
        k, lanes = self.k, self.form.lanes
        zero = k.value(0.0)
        first, last = clipped(k, at[1], shape[1], size)
        top, bottom = clipped(k, at[0], shape[0], size)
        mask = k.below(channels % lanes) if channels % lanes else None

        def clear(i: N, j: N) -> None:
            with k.each(0, wide, lanes) as c:
                k.write(zero, k.at(spare, (i * size + j) * wide + c))

        def move(i: N, j: N) -> None:
            source, target = k.at(start, (i * shape[1] + j) * channels), k.at(spare, (i * size + j) * wide)
            full = channels // lanes * lanes
            with k.each(0, full, lanes) as c:
                k.write(k.read(source, c), target, c)
            if mask is not None:
                k.write(k.read(source, full, mask=mask), target, full)

        for start_row, stop_row in ((k.n(0), top), (bottom, k.n(size))):
            with k.each(start_row, stop_row) as i, k.each(0, size) as j:
                clear(i, j)
        with k.each(top, bottom) as i:
            for start_column, stop_column in ((k.n(0), first), (last, k.n(size))):
                with k.each(start_column, stop_column) as j:
                    clear(i, j)
            with k.each(first, last) as j:
                move(i, j)

    def images(self, x: str, pitch: N, to: str, apart: N) -> None:
        """B'dB of one tile, to places `apart` elements from each other."""
        k, f = self.k, self.form
        with k.each(0, f.wide, f.lanes) as c:
            rows = [k.at(x, pitch * i + c) for i in range(6)]
            target = k.at(to, c)
            for half in (0, 1):
                rows = [k.opaque(r) for r in rows] if half else rows
                used = range(5) if half == 0 else range(1, 6)
                columns = [
                    image_rows(k, [k.read(rows[i], j * f.wide) if i in used else None for i in range(6)], half) for j in range(6)
                ]
                for i in range(3):
                    for j, value in enumerate(image_rows(k, [column[i] for column in columns])):
                        k.write(value, target, apart * ((half * 3 + i) * 6 + j))


def clipped(k: Code, start: N, length: N, size: int) -> tuple[N, N]:
    """Which of `size` places from `start` on are inside of an axis: (first, past the last)."""
    low = k.n(0) - start
    first = k.select(low < 0, k.n(0), low).min(size)
    last = (length - start).min(size)
    return first, k.select(last < first, first, last)


class Forward(Tiles):
    """The convolution."""

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        k = self.k
        self.x, self.u, self.y, self.memory, self.w = [k.pointer(i) for i in range(5)]
        self.size = dict(zip(HEAD[5:], k.words(len(HEAD) - 5, 5), strict=True))

    def text(self) -> str:
        """The module."""
        k, f, size = self.k, self.form, self.size
        with k.working(self.memory, size["working"]) as own:
            images = own
            results = k.at(own, POINTS * f.image_point)
            spare = k.at(results, POINTS * f.result_point)
            with k.each(k.lo, k.hi) as t:
                first = t * f.tiles
                count = (size["tiles"] - first).min(f.tiles)
                with k.each(0, count) as i:
                    n, h, w = self.position(first + i, size["rows"], size["columns"])
                    at = (n, h - size["low_y"], w - size["low_x"])
                    x, pitch = self.source(self.x, at, (size["height"], size["width"]), 6, f.channels, f.wide, spare)
                    self.images(x, pitch, k.at(images, i * f.wide), k.n(f.image_point))
                self.products(images, results, count)
                with k.each(0, count) as i:
                    self.finish(first + i, k.at(results, i * f.wide_out), spare)
        return k.text()

    def products(self, images: str, results: str, count: N) -> None:
        """36 matrix products, tiles by channels."""
        k, f = self.k, self.form
        step = f.vectors * f.lanes
        blocks = f.wide_out // step
        unroll = next(u for u in (4, 2, 1) if f.channels % u == 0)
        with k.each(0, POINTS) as p, k.each(0, blocks) as b:
            u = k.at(self.u, p * f.kernel_point + b * (f.channels * step))
            with k.each(0, count, f.block) as start:
                sums = k.cells(f.block * f.vectors)
                v = k.at(images, p * f.image_point + start * f.wide)
                with k.each(0, f.channels, unroll) as c:
                    values, at, w = k.sums(sums), k.opaque(k.at(v, c)), k.at(u, c * step)
                    for j in range(unroll):
                        weights = [k.read(w, j * step + e * f.lanes) for e in range(f.vectors)]
                        for i in range(f.block):
                            one = k.repeat(at, i * f.wide + j)
                            for e in range(f.vectors):
                                values[i * f.vectors + e] = k.fma(one, weights[e], values[i * f.vectors + e])
                    k.keep(sums, values)
                to = k.at(results, p * f.result_point + start * f.wide_out + b * step)
                for i in range(f.block):
                    for e, value in enumerate(k.sums(sums[i * f.vectors : (i + 1) * f.vectors])):
                        k.write(value, to, i * f.wide_out + e * f.lanes)

    def finish(self, tile: N, m: str, spare: str) -> None:
        """A'mA of one tile to its place in the result."""
        k, f, size = self.k, self.form, self.size
        n, h, w = self.position(tile, size["rows"], size["columns"])
        whole = k.both(h + 4 < size["out_height"] + 1, w + 4 < size["out_width"] + 1) if f.out % f.lanes == 0 else "false"
        start = k.at(self.y, ((n * size["out_height"] + h) * size["out_width"] + w) * f.out)
        width = f.out if f.out % f.lanes == 0 else f.wide_out  # elements of a pixel where results go first
        k.set_cell(self.cell, 2, k.op(f"ptrtoint ptr {start} to i64"))
        k.set_cell(self.cell, 3, size["out_width"] * f.out)
        with k.only(k.op(f"xor i1 {whole}, true")):
            k.set_cell(self.cell, 2, k.op(f"ptrtoint ptr {spare} to i64"))
            k.set_cell(self.cell, 3, k.n(4 * width))
        to, pitch = k.op(f"inttoptr i64 {k.cell(self.cell, 2)} to ptr"), k.cell(self.cell, 3)
        odd = k.cells(1)
        apart = f.result_point
        with k.each(0, -(-f.out // f.lanes) * f.lanes, f.lanes) as c:
            at = k.at(m, c)
            columns = [result_rows(k, [k.read(at, (i * 6 + j) * apart) for i in range(6)]) for j in range(6)]
            for i in range(4):
                row = k.at(to, pitch * i + c)
                for j, value in enumerate(result_rows(k, [column[i] for column in columns])):
                    k.write(value, row, j * width)
                    k.keep(odd, [k.fma(value, 0.0, k.sums(odd)[0])])
        rows, columns_ = (size["out_height"] - h).min(4), (size["out_width"] - w).min(4)
        with k.only(k.op(f"xor i1 {whole}, true")):
            self.place(spare, start, rows, columns_, width)
        with k.only(is_odd(k, k.sums(odd)[0])):
            self.again(n, h, w, rows, columns_, start)

    def place(self, spare: str, start: str, rows: N, columns: N, width: int) -> None:
        """What is inside of the result, from a tile beside it."""
        k, f = self.k, self.form
        full = f.out // f.lanes * f.lanes
        mask = k.below(f.out - full) if full < f.out else None
        with k.each(0, rows) as i, k.each(0, columns) as j:
            source, target = k.at(spare, (i * 4 + j) * width), k.at(start, (i * self.size["out_width"] + j) * f.out)
            with k.each(0, full, f.lanes) as c:
                k.write(k.read(source, c), target, c)
            if mask is not None:
                k.write(k.read(source, full), target, full, mask)

    def again(self, n: N, h: N, w: N, rows: N, columns: N, start: str) -> None:
        """One tile directly, number by number."""
        k, f, size = self.k, self.form, self.size
        total = k.variable(f.dtype, 1)
        with k.each(0, rows) as i, k.each(0, columns) as j, k.each(0, f.out) as o:
            k.set(total, k.value(0.0, 1))
            with k.each(0, 3) as r, k.each(0, 3) as s:
                y, x = h + i + r - size["low_y"], w + j + s - size["low_x"]
                with k.only(k.both(k.both(y >= 0, y < size["height"]), k.both(x >= 0, x < size["width"]))):
                    pixel = k.at(self.x, ((n * size["height"] + y) * size["width"] + x) * f.channels)
                    weights = k.at(self.w, size["w_start"] + (r * 3 + s) * size["w_tap"] + o * size["w_out"])
                    with k.each(0, f.channels) as c:
                        a, b = k.read(pixel, c, 1), k.read(weights, c * size["w_in"], 1)
                        k.set(total, k.fma(a, b, k.get(total, f.dtype, 1)))
            k.write(k.get(total, f.dtype, 1), start, (i * size["out_width"] + j) * f.out + o)


def is_odd(k: Code, x: E) -> str:
    """True if a lane is NaN."""
    flags = k.op(f"fcmp uno {x.type} {x.text}, {x.text}")
    return k.op(k.intrinsic(f"llvm.vector.reduce.or.v{x.lanes}i1", "i1", (f"<{x.lanes} x i1>", flags)))


def kernels(dtype: str, lanes: int) -> str:
    """GgG' of all kernels: [point][block][channel in][channel out of the block], zeros past the last.

    Words: w, target, channels in and out, vectors of a block, blocks, and steps in w of a channel out and in, of a tap,
    and where the first tap is; tasks are vectors of channels out x channels in.
    """
    k = Code(dtype, lanes)
    w, target = k.pointer(0), k.pointer(1)
    inner, channels, vectors, blocks, o_step, c_step, tap, start = k.words(8, 2)
    with k.each(k.lo, k.hi) as t:
        b, c = k.split(t, [inner])
        mask = k.below(channels - b * lanes)
        source = k.at(w, start + b * lanes * o_step + c * c_step)
        taps = [[k.gather(k.spread(k.at(source, tap * (i * 3 + j)), o_step), mask) for i in range(3)] for j in range(3)]
        columns = [kernel_rows(k, column) for column in taps]
        block, v = b // vectors, b % vectors
        to = k.at(target, ((block * inner + c) * vectors + v) * lanes)
        apart = blocks * inner * vectors * lanes + APART
        for i in range(6):
            for j, value in enumerate(kernel_rows(k, [column[i] for column in columns])):
                k.write(value, to, apart * (i * 6 + j))
    return k.text()
