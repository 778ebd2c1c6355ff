"""Recipes of cotangents of kernels, directly."""

from __future__ import annotations

import math
from functools import cache

from fgrad.backends.numpy.asm import NBYTES
from fgrad.backends.numpy.code import registers
from fgrad.backends.numpy.convolution import weight
from fgrad.backends.numpy.convolution.plan_direct import flat, lanes_of
from fgrad.backends.numpy.convolution.shapes import Axis, Problem
from fgrad.backends.numpy.convolution.weight import AXIS, HEAD, Form
from fgrad.backends.numpy.recipe import Memory, Place, Recipe, Step, Word

TASKS = 32  # parts, taps and blocks together: as many as keep threads busy
BYTES = 1 << 24  # of all parts' sums
CACHE = 1 << 19  # of images and cotangents of a part, where sums have room: all its tasks read them
FEW = 16  # channels in below which the taps of a row count as channels: they lie one after the other
_text = cache(lambda form: weight.Weight(form).text())
_fold, _pad = cache(weight.fold), cache(weight.pad)


def block_of(channels: int, most: int) -> tuple[int, int, int]:
    """(length, number, length of the last) of blocks of channels."""
    if channels <= most:
        return channels, 1, channels
    even = next((d for d in range(most, most // 2, -1) if channels % d == 0), 0)
    if even:
        return even, channels // even, even
    count = -(-channels // most)
    length = -(-channels // count)
    count = -(-channels // length)
    return length, count, channels - (count - 1) * length


def kernel(p: Problem, dtype: str, x: str, ct: str) -> Recipe:
    """The cotangent of w, from x and a cotangent of the result."""
    memory = Memory()
    steps: list[Step] = []
    source: Place = Place(x)
    whole, p = p, flat(p)
    depthwise = p.groups > 1 and p.c == p.k == p.groups
    groups = 1 if depthwise else p.groups
    channels, inner = p.k // groups, 1 if depthwise else p.c // groups
    last = p.axes[-1]
    pixel, row, merged = p.c, last.inside * p.c, 1
    if not depthwise and groups == 1 and inner < FEW and last.taps > 1 and last.w_dilation == last.x_dilation == 1:
        width = (last.outside - 1) * last.stride + last.taps
        row, merged = width * p.c, last.taps
        source = memory.take(p.n * _rows(p) * row * NBYTES[dtype])
        steps.append(_padding(p, dtype, Place(x), source, row))
        inner *= merged
        p = p._replace(axes=(*p.axes[:-1], Axis(last.outside, last.outside, 1, 1, 0, 1, 1, back=False)))
        pixel = last.stride * p.c
    lanes = lanes_of(dtype, channels)
    blocks = -(-channels // lanes)
    vectors = 2 if blocks % 2 == 0 and not depthwise else 1
    length, count, rest = block_of(inner, (registers() - 4) // vectors if inner > 1 else 1)
    wide = blocks * lanes
    size = groups * p.taps * inner * wide
    parts = parts_of(p.n, 1 if depthwise else groups * p.taps * count, size * NBYTES[dtype], (math.prod(p.x_shape) + math.prod(p.y_shape)) * NBYTES[dtype])
    sums = memory.take(parts * size * NBYTES[dtype])
    values: dict[str, Word] = {
        "x": source, "ct": Place(ct), "sums": sums, "images": p.n, "parts": parts, "groups": groups, "taps": p.taps, "c_blocks": count,
        "channels": channels, "x_row": row, "x_pixel": pixel, "y_row": last.outside * p.k, "y_pixel": p.k, "inner": inner,
        "lanes_out": wide, "k_blocks": blocks // vectors,
    }  # fmt: skip
    form = Form(dtype, lanes, vectors, length, rest, len(p.axes), channels % lanes > 0, depthwise)
    words = [*[values[name] for name in HEAD], *_axes(p)]
    steps.append(Step(_text(form), tuple(words), parts * groups * p.taps * count))
    taps, inner = whole.taps, inner // merged
    folded = (sums, Place("w"), parts, taps, inner, channels, wide, size)
    steps.append(Step(_fold(dtype, lanes), folded, groups * blocks * inner))
    return Recipe(tuple(steps), memory.nbytes)


def parts_of(images: int, blocks: int, nbytes: int, data: int) -> int:
    """Parts of the images: enough tasks for threads, small enough for the cache, not too many sums; by sizes alone.

    blocks: tasks of a part.  nbytes: of a part's sums.  data: bytes of all images and cotangents.
    """
    return max(1, min(images, max(-(-TASKS // max(1, blocks)), -(-data // CACHE)), BYTES // max(1, nbytes)))


def _rows(p: Problem) -> int:
    """Rows of an image."""
    rows = 1
    for a in p.axes[:-1]:
        rows *= a.inside
    return rows


def _padding(p: Problem, dtype: str, x: Place, to: Place, row: int) -> Step:
    """Rows of images between zeros, or cut."""
    last = p.axes[-1]
    cut = max(0, -last.low)
    first = Place(x.name, x.offset + cut * p.c * NBYTES[dtype])
    words = (first, to, last.inside * p.c, row, max(0, last.low) * p.c, max(0, last.inside - cut) * p.c)
    return Step(_pad(dtype), words, p.n * _rows(p))


def _axes(p: Problem) -> list[int]:
    """Words of all axes, then what each of their taps joins."""
    head: list[int] = []
    tail: list[int] = []
    first = len(HEAD) + len(AXIS) * len(p.axes)
    for a in p.axes:
        head += [a.inside, a.outside, a.taps, a.period, a.step, first + len(tail)]
        for t in range(a.taps):
            tail += a.meets(t)
    return head + tail
