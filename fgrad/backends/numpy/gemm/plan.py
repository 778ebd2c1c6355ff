"""From a product to its kernel: which form suits its shape, and how it is cut into tasks, by sizes alone."""

from __future__ import annotations

import math
from functools import cache

from fgrad.backends.numpy.code import lanes_for, registers
from fgrad.backends.numpy.gemm import dots, outer
from fgrad.backends.numpy.gemm.oriented import Product
from fgrad.backends.numpy.recipe import PARTS, Place, Step, Word
from fgrad.backends.numpy.split import TASK, WORTH

SPEED = 12  # flops in a nanosecond of one thread, for each number in a register
NEAR = 64  # rows, or steps of the summed axis, up to which `b` is read where it lies
FEW = 12  # rows up to which dots are quicker than turning `b` first
SOME = 48  # and where the summed axis is long
LONG = 512  # steps that are a long one
REUSE = 8  # tiles of rows by which a task multiplies what it copied, at least


@cache
def outer_text(form: outer.Form) -> str:
    """The kernel of a form."""
    return outer.Outer(form).text()


@cache
def dots_text(form: dots.Form) -> str:
    """The kernel of a form."""
    return dots.Dots(form).text()


def heights(rows: int, most: int) -> tuple[int, int, int]:
    """Tiles that rows are cut into, rows of the high ones, and how many are high; the others have one row less."""
    tiles = -(-rows // most)
    height = -(-rows // tiles)
    return tiles, height, rows - tiles * (height - 1)


def cut(p: Product, tiles: int, strips: int, reuse: int) -> tuple[int, int]:
    """Tiles and strips of a task."""
    items = math.prod(p.stack)
    time = 2 * p.m * p.n * p.k * items / (SPEED * lanes_for(p.dtype))
    if time < WORTH:
        return tiles, strips
    wanted = -(-int(min(PARTS, max(2, time // TASK))) // items)
    across = min(strips, wanted)
    down = max(1, min(-(-wanted // across), tiles // reuse))
    return -(-tiles // down), -(-strips // across)


def step(p: Product) -> Step:
    """The kernel of a product, on the places "a", "b" and "c"."""
    lanes = lanes_for(p.dtype)
    plain, rows = p.a.by_rows(p.k), p.b.by_rows(p.n)
    few = p.m <= FEW or p.n <= lanes or (p.m <= SOME and p.k >= LONG)
    return dotted(p, lanes) if plain and not rows and few else tiled(p, lanes, plain, rows)


def dotted(p: Product, lanes: int) -> Step:
    """By dots: both operands lie along the summed axis."""
    many = registers() > 16
    most = 2 if p.m <= 2 else 4
    width = min(8 if p.m <= 2 else 4, lanes) // (1 if many else 2)
    tiles, height, high = heights(p.m, most)
    form = dots.Form(p.dtype, lanes, height, high < tiles, max(width, 1), len(p.stack))
    strips = -(-p.n // form.width)
    part = cut(p, tiles, strips, 1)
    return finished(p, dots_text(form), (p.a.row, p.b.column), (p.k, tiles, high, strips), part)


def tiled(p: Product, lanes: int, plain: bool, rows: bool) -> Step:
    """By outer products of columns of `a` and strips of `b`."""
    vectors = -(-p.n // lanes)
    most, width = shape(p.m, vectors)
    width = -(-vectors // -(-vectors // width))  # strips of about the same width
    tiles, height, high = heights(p.m, most)
    b = "turned" if not rows else "direct" if p.m <= NEAR or p.k <= NEAR else "copied"
    passes = b != "direct" and p.k > outer.DEPTH
    strips, rest = -(-vectors // width), p.n % (width * lanes)
    form = outer.Form(
        p.dtype, lanes, not plain, b, height, high < tiles, width, p.n >= width * lanes, -(-rest // lanes), bool(rest % lanes), passes, len(p.stack)
    )
    stretches = -(-p.k // outer.DEPTH) if passes else 1
    depth = -(-p.k // (stretches * lanes)) * lanes
    part = cut(p, tiles, strips, 1 if b == "direct" else REUSE)
    steps = p.a.row if plain else p.a.column, p.b.row if rows else p.b.column
    return finished(p, outer_text(form), steps, (depth, tiles, high, strips), part)


def shape(rows: int, vectors: int) -> tuple[int, int]:
    """Rows of a tile at most, and vectors of a strip: what keeps the registers full."""
    full = 1 if registers() > 16 else 2
    if vectors == 1:
        return 12 // full, 1
    return (rows, {1: 16, 2: 8, 3: 6}[rows] // full) if rows < 4 else (6, 4 // full)


def finished(p: Product, text: str, steps: tuple[int, int], sizes: tuple[int, int, int, int], part: tuple[int, int]) -> Step:
    """A step from what a form found: strides of `a` and `b`; depth, tiles, high ones, strips; tiles and strips of a task."""
    depth, tiles, high, strips = sizes
    down, across = -(-tiles // part[0]), -(-strips // part[1])
    words: list[Word] = [Place("a"), Place("b"), Place("c"), *steps, p.c.row, p.n, p.k, depth, tiles, high, part[0], down, strips, part[1], across]
    for axis in zip(p.stack, p.a.stack, p.b.stack, p.c.stack, strict=True):
        words.extend(axis)
    return Step(text, tuple(words), math.prod(p.stack) * down * across)
