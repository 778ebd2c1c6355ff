"""Convolutions, channels last, as numbers: what a kernel meets along each axis, and the tiles that suit it."""

from __future__ import annotations

import math
from typing import NamedTuple

from fgrad.primitives.convolve import Geometry, Shape


class Axis(NamedTuple):
    """One spatial axis: o * stride + tap * w_dilation - low == i * x_dilation."""

    inside: int
    outside: int
    taps: int
    stride: int
    low: int
    x_dilation: int
    w_dilation: int
    back: bool  # taps are stored back to front

    def tap(self, t: int) -> int:
        """The number under which a tap is stored."""
        return self.taps - 1 - t if self.back else t

    @property
    def period(self) -> int:
        """Distance between elements of the result that meet the same taps."""
        return self.x_dilation // math.gcd(self.x_dilation, self.stride)

    def classes(self) -> list[tuple[int, int, list[tuple[int, int]]]]:
        """(first element, count, (tap, where its first element stands) of every tap that is met) by class."""
        found = []
        for a in range(min(self.period, self.outside)):
            taps = []
            for t in range(self.taps):
                where, rest = divmod(a * self.stride + t * self.w_dilation - self.low, self.x_dilation)
                if not rest:
                    taps.append((t, where))
            found.append((a, -(-(self.outside - a) // self.period), taps))
        return found

    @property
    def step(self) -> int:
        """Distance between what neighbours of a class meet."""
        return self.period * self.stride // self.x_dilation

    def meets(self, tap: int) -> tuple[int, int, int]:
        """(first o, first i, count) of what a tap joins, o moving by `period` and i by `step`."""
        for o in range(self.period):
            where, rest = divmod(o * self.stride + tap * self.w_dilation - self.low, self.x_dilation)
            if not rest:
                skip = max(0, -(where // self.step)) if where < 0 else 0
                o, where = o + skip * self.period, where + skip * self.step
                count = min(-(-(self.outside - o) // self.period), -(-(self.inside - where) // self.step))
                return o, where, max(0, count)
        return 0, 0, 0


class Problem(NamedTuple):
    """A convolution y of x and w: N images, C channels in and K out in G groups, axes in order."""

    n: int
    c: int
    k: int
    groups: int
    axes: tuple[Axis, ...]

    @property
    def x_shape(self) -> Shape:
        """[N, *lengths, C]."""
        return (self.n, *[a.inside for a in self.axes], self.c)

    @property
    def y_shape(self) -> Shape:
        """[N, *lengths, K]."""
        return (self.n, *[a.outside for a in self.axes], self.k)

    @property
    def taps(self) -> int:
        """Elements of a kernel."""
        return math.prod([a.taps for a in self.axes])


def forward(x: Shape, w: Shape, g: Geometry) -> Problem:
    """The convolution of images [N, *lengths, C] with kernels [K, C / groups, *taps]."""
    out = g.output(x[1:-1], w[2:])
    rows = zip(x[1:-1], out, w[2:], g.stride, g.padding, g.x_dilation, g.w_dilation, strict=True)
    axes = [Axis(i, o, t, s, p[0], d, e, back=False) for i, o, t, s, p, d, e in rows]
    return Problem(x[0], x[-1], w[0], g.groups, tuple(axes))


def backward(x: Shape, w: Shape, g: Geometry) -> Problem:
    """The convolution of cotangents that gives those of x: strides and dilations of images change places."""
    p = forward(x, w, g)
    axes = [
        Axis(a.outside, a.inside, a.taps, a.x_dilation, (a.taps - 1) * a.w_dilation - a.low, a.stride, a.w_dilation, back=True)
        for a in p.axes
    ]
    return Problem(p.n, p.k, p.c, p.groups, tuple(axes))


def best_length(counts: list[int], most: int) -> int:
    """Pixels of a tile so that tiles fit rows of these lengths with least to do twice; long tiles rather than short ones."""
    counts = [c for c in counts if c]
    if not counts:
        return 1
    most = min(most, *counts)

    def waste(p: int) -> tuple[float, int]:
        done = sum([-(-c // p) * p for c in counts])
        return done * (1 + 1.0 / p), -p

    return min(range(1, most + 1), key=waste)
