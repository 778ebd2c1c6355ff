"""Recipes of direct convolutions: images by kernels, and the cotangents of images."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from fgrad.backends.numpy.asm import NBYTES
from fgrad.backends.numpy.code import lanes_for, registers
from fgrad.backends.numpy.convolution import direct
from fgrad.backends.numpy.convolution.direct import CLASS, HEAD, Form
from fgrad.backends.numpy.convolution.shapes import Axis, Problem, best_length
from fgrad.backends.numpy.recipe import Memory, Place, Recipe, Step, Word

_text = cache(lambda form: direct.Direct(form).text())
_pack = cache(direct.pack)


class Tile(NamedTuple):
    """Register tile: lanes of a vector, vectors of channels, pixels."""

    lanes: int
    vectors: int
    pixels: int


def lanes_of(dtype: str, channels: int) -> int:
    """Lanes of a vector for so many channels: no wider than they need."""
    lanes = lanes_for(dtype)
    while lanes > 4 and lanes // 2 >= channels:
        lanes //= 2
    return lanes


def tile_of(dtype: str, channels: int, counts: list[int], *, depthwise: bool) -> Tile:
    """A tile whose sums fill the registers, for rows of the given lengths."""
    lanes = lanes_of(dtype, channels)
    blocks, room = -(-channels // lanes), registers() - 4
    if depthwise:
        return Tile(lanes, 1, best_length(counts, min(8, room)))
    found = []
    for vectors in (1, 2, 3, 4):
        if blocks % vectors == 0 or vectors == 1:
            most = 16 if vectors == 1 else room // vectors
            found.append(Tile(lanes, vectors, best_length(counts, min(most, room))))
    return max(found, key=lambda t: (min(t.pixels * t.vectors, 12), -t.vectors))


def flat(p: Problem) -> Problem:
    """A product without neighbours as rows of a useful length, whatever its axes are."""
    plain = all(a.taps == a.stride == a.x_dilation == 1 and not a.low and a.inside == a.outside for a in p.axes)
    pixels = p.n
    for a in p.axes:
        pixels *= a.inside
    if not plain or not pixels:
        return p
    width = next((w for w in (*range(64, 16, -1), *range(65, 129)) if pixels % w == 0), 0)
    if not width:
        return p
    return p._replace(n=pixels // width, axes=(Axis(width, width, 1, 1, 0, 1, 1, back=False),))


def rows_of(p: Problem) -> tuple[list[tuple[int, int, list[tuple[int, int]]]], int, int]:
    """Classes of the last axis, and how far windows reach before a row and behind its start."""
    last = p.axes[-1]
    classes = last.classes()
    reach = [(where, where + (count - 1) * last.step) for _, count, taps in classes for _, where in taps if count]
    low = min([a for a, _ in reach], default=0)
    high = max([b + 1 for _, b in reach], default=0)
    return classes, max(0, -low), high


def convolve(p: Problem, dtype: str, x: str, y: str, *, transposed: bool) -> Recipe:
    """y from x and w. transposed: channels in are the kernels' first axis."""
    p = flat(p)
    depthwise = p.groups > 1 and p.c == p.k == p.groups
    groups = 1 if depthwise else p.groups
    channels, inner = p.k // groups, 1 if depthwise else p.c // groups
    classes, margin, high = rows_of(p)
    tile = tile_of(dtype, channels, [count for _, count, _ in classes], depthwise=depthwise)
    last, outer = p.axes[-1], p.axes[:-1]
    padded = margin > 0 or high > last.inside
    wide = tile.vectors * tile.lanes
    blocks = -(-channels // wide)
    memory = Memory()
    packed = memory.take(groups * blocks * p.taps * inner * wide * NBYTES[dtype])
    packing = _packing(p, dtype, tile, packed, groups, inner, blocks, depthwise=depthwise, transposed=transposed)
    length = (margin + max(high, last.inside)) * p.c
    spans = 1
    for a in outer:
        spans *= _span(a)
    working, each = memory.working((spans * 8 + spans * length * NBYTES[dtype]) if padded else 0)
    block = p.taps * inner * wide
    form = Form(dtype, tile.lanes, tile.pixels, tile.vectors, inner, last.step * p.c, len(outer), padded, channels % wide > 0, depthwise)
    values: dict[str, Word] = {
        "x": Place(x), "w": packed, "y": Place(y), "memory": working, "working": each // NBYTES[dtype], "row": last.inside * p.c,
        "padded": length, "margin": margin * p.c, "blocks": blocks, "block": block, "channels": channels,
        "y_pixel": p.k, "y_row": last.outside * p.k, "groups": groups, "w_start": 0, "y_step": last.period * p.k, "classes": len(classes),
    }  # fmt: skip
    outer_words, values["w_start"] = _outer(p, inner * wide)
    words = [*[values[name] for name in HEAD], *outer_words, *_classes(p, classes, margin, inner * wide, len(outer_words))]
    tasks = p.n
    for a in outer:
        tasks *= a.outside
    step = Step(_text(form), tuple(words), tasks, working.offset if padded else -1)
    return Recipe((packing, step), memory.nbytes)


def _span(a: Axis) -> int:
    """Rows between the first and the last that one row of the result meets."""
    return (a.taps - 1) * a.w_dilation // a.x_dilation + 1


def _packing(
    p: Problem, dtype: str, tile: Tile, to: Place, groups: int, inner: int, blocks: int, *, depthwise: bool, transposed: bool
) -> Step:
    """Kernels [K, C / groups, *taps] in the order in which tiles read them."""
    channels, taps = p.k // groups, p.taps
    swapped = transposed and not depthwise
    o_step, c_step = (taps, channels * taps) if swapped else (inner * taps, taps)
    g_step = inner * channels * taps
    words = (Place("w"), to, inner, taps, channels, blocks, tile.vectors, c_step, o_step, g_step)
    return Step(_pack(dtype, tile.lanes), words, groups * blocks * inner)


def _outer(p: Problem, tap: int) -> tuple[list[int], int]:
    """Words of the outer axes, and where the kernel of their first tap is. tap: elements of one tap of one block."""
    words: list[int] = []
    start, step = 0, tap * p.axes[-1].taps
    sizes = []
    for a in reversed(p.axes[:-1]):
        sizes.append(step)
        step *= a.taps
    for a, size in zip(p.axes[:-1], reversed(sizes), strict=True):
        start += a.tap(0) * size
        w_step = -size if a.back else size
        words += [a.inside, a.outside, a.stride, a.low, a.x_dilation, a.w_dilation, a.taps, w_step, _span(a)]
    return words, start


def _classes(p: Problem, classes: list[tuple[int, int, list[tuple[int, int]]]], margin: int, tap: int, before: int) -> list[int]:
    """Words of the classes of pixels along a row, then those of their taps."""
    head: list[int] = []
    tail: list[int] = []
    first = len(HEAD) + before + CLASS * len(classes)
    for start, count, taps in classes:
        head += [count, start * p.k, len(taps), first + len(tail)]
        for t, where in taps:
            tail += [(margin + where) * p.c, p.axes[-1].tap(t) * tap]
    return head + tail
