"""What the kernels of products share: their words, and the parts of a product that a task is."""

from __future__ import annotations

from collections.abc import Callable

from fgrad.backends.numpy.code import Code, N

HEAD = ("a", "b", "c", "a_step", "b_step", "c_step", "columns", "k", "depth", "tiles", "high", "tile_part", "tile_parts", "strips",
        "strip_part", "strip_parts")  # fmt: skip

Tile = Callable[[N, int], None]  # writes one tile: its first row, how many


class Frame:
    """A kernel whose task is a part of one product of a stack: some tiles of rows by some strips of columns.

    Rows come in tiles of two heights that differ by one, the high ones first, so that none is left over.
    """

    def __init__(self, dtype: str, lanes: int, height: int, low: bool, axes: int) -> None:
        k = self.k = Code(dtype, lanes)
        self.height, self.low = height, low
        self.pointers = [k.pointer(i) for i in range(3)]
        self.w = {name: k.word(i) for i, name in enumerate(HEAD) if i > 2}
        self.axes = [k.words(4, len(HEAD) + 4 * j) for j in range(axes)]

    def text(self) -> str:
        """The module."""
        k, w = self.k, self.w
        with k.each(k.lo, k.hi) as t:
            *stack, row, column = k.split(t, [*[axis[0] for axis in self.axes[1:]], w["tile_parts"], w["strip_parts"]])
            self.a, self.b, self.c = [self.moved(p, stack, i + 1) for i, p in enumerate(self.pointers)]
            self.first = row * w["tile_part"]
            self.last = (self.first + w["tile_part"]).min(w["tiles"])
            start = column * w["strip_part"]
            self.part(start, (start + w["strip_part"]).min(w["strips"]))
        return k.text()

    def moved(self, pointer: str, stack: list[N], which: int) -> str:
        """The matrix of an item of the stack."""
        at = self.k.n(0)
        for index, axis in zip(stack if self.axes else [], self.axes, strict=True):
            at = at + index * axis[which]
        return self.k.at(pointer, at)

    def part(self, start: N, stop: N) -> None:
        """The strips from `start` to `stop`."""
        raise NotImplementedError

    def tiles(self, strip: Tile) -> None:
        """All tiles of the task, by one strip."""
        k, w = self.k, self.w
        high = w["high"] if self.low else w["tiles"]
        with k.each(self.first, self.last.min(high)) as i:
            strip(i * self.height, self.height)
        if self.low:
            with k.each(self.first.max(high), self.last) as i:
                strip(i * (self.height - 1) + high, self.height - 1)
