"""Maxima and sums of windows and their cotangents, channels last: lanes are channels, the taps of a window are in the text.

Taps that a window has outside of the image read what changes nothing from beside it, and write there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.code import Code, N

AXIS = ("inside", "outside", "stride", "low", "dilation")


class Form(NamedTuple):
    """What the text of a kernel of windows depends on."""

    dtype: str
    lanes: int
    window: tuple[int, ...]  # along the spatial axes
    padded: bool  # windows leave the image
    channels: int
    covers: bool  # every element of an image is in one window: cotangents are written, not added


class Windows:
    """Parts that the kernels share."""

    def __init__(self, form: Form, pointers: int, start: float) -> None:
        self.form = form
        k = self.k = Code(form.dtype, form.lanes)
        self.pointers = [k.pointer(i) for i in range(pointers)]
        rank = len(form.window)
        self.axes = [dict(zip(AXIS, k.words(len(AXIS), pointers + j * len(AXIS)), strict=True)) for j in range(rank)]
        self.taps = list(product(*map(range, form.window)))
        self.beside = k.entry(f"alloca [{form.lanes} x {k.kind}], align 64")  # where taps outside of the image read
        self.unread = k.entry(f"alloca [{form.lanes} x {k.kind}], align 64")  # and write
        k.write(k.value(start), self.beside)

    def found(self, place: Sequence[N], image: N) -> list[tuple[N, str | None]]:
        """For each tap of the window at `place`: where its pixel is, and whether it is inside; None if it always is."""
        k, f = self.k, self.form
        out: list[tuple[N, str | None]] = []
        starts = [o * a["stride"] - a["low"] for o, a in zip(place, self.axes, strict=True)]
        lines = []
        for start, axis, length in zip(starts, self.axes, f.window, strict=True):
            wheres = [start + axis["dilation"] * t for t in range(length)]
            lines.append([(w, k.both(w >= 0, w < axis["inside"]) if f.padded else None) for w in wheres])
        for tap in self.taps:
            at, inside = image, None
            for axis, line, t in zip(self.axes, lines, tap, strict=True):
                at = at * axis["inside"] + line[t][0]
                own = line[t][1]
                inside = own if inside is None or own is None else k.both(inside, own)
            out.append((at * f.channels, inside))
        return out

    def pointer(self, base: str, at: N, inside: str | None, other: str) -> str:
        """The address of a tap's elements, or another one if it is outside."""
        p = self.k.at(base, at)
        return p if inside is None else self.k.op(f"select i1 {inside}, ptr {p}, ptr {other}")

    def largest(self, values: Sequence[E]) -> E:
        """The maximum, NaN if there is one."""
        m = values[0]
        for v in values[1:]:
            m = self.k.call("maximum", m, v)
        return m

    def mask(self, c: N) -> str | None:
        """The channels of a vector."""
        return self.k.below(self.k.n(self.form.channels) - c) if self.form.channels % self.form.lanes else None

    def forward(self, *, maximum: bool) -> str:
        """Pointers x, y, between them the images if `x` is their tangent; tasks are rows of the result."""
        k, f = self.k, self.form
        x, y = self.pointers[0], self.pointers[-1]
        last = self.axes[-1]
        with k.each(k.lo, k.hi) as t:
            image, *place = k.split(t, [a["outside"] for a in self.axes[:-1]])
            with k.each(0, last["outside"]) as o:
                taps = self.found([*place, o], image)
                to = k.at(y, (t * last["outside"] + o) * f.channels)
                with k.each(0, f.channels, f.lanes) as c:
                    mask = self.mask(c)
                    here = [(at + c, inside) for at, inside in taps]
                    k.write(self.total(x, here, mask, maximum=maximum), to, c, mask)
        return k.text()

    def total(self, x: str, taps: Sequence[tuple[N, str | None]], mask: str | None, *, maximum: bool) -> E:
        """What becomes of one window: its maximum, its sum, or, with images at pointer 1, the element at their first maximum."""
        k = self.k
        values = [k.read(self.pointer(x, at, inside, self.beside), mask=mask) for at, inside in taps]
        if len(self.pointers) == 3:
            y = k.value(0.0)
            for v, hit in zip(values, self.first(taps, mask), strict=True):
                y = self.select(hit, v, y)
            return y
        if maximum:
            return self.largest(values)
        total = values[0]
        for v in values[1:]:
            total = k.add(total, v)
        return total

    def backward(self, *, maximum: bool) -> str:
        """Pointers ct, x (of maxima alone), dx; tasks are images x vectors of channels."""
        k, f = self.k, self.form
        ct, dx = self.pointers[0], self.pointers[-1]
        with k.each(k.lo, k.hi) as t:
            image, b = k.split(t, [-(-f.channels // f.lanes)])
            c = b * f.lanes
            mask = self.mask(c)
            if not f.covers:
                self.clear(dx, image, c, mask)
            self.visit([], image, image, c, mask, ct, dx, maximum)
        return k.text()

    def clear(self, dx: str, image: N, c: N, mask: str | None) -> None:
        """Zeros to one vector of channels of an image."""
        k, pixels = self.k, self.k.n(1)
        for a in self.axes:
            pixels = pixels * a["inside"]
        start = k.at(dx, image * pixels * self.form.channels + c)
        with k.each(0, pixels) as i:
            k.write(k.value(0.0), start, i * self.form.channels, mask)

    def visit(self, place: list[N], image: N, at: N, c: N, mask: str | None, ct: str, dx: str, maximum: bool) -> None:
        """All windows of an image, one after the other."""
        k = self.k
        if len(place) < len(self.axes):
            outside = self.axes[len(place)]["outside"]
            with k.each(0, outside) as o:
                self.visit([*place, o], image, at * outside + o, c, mask, ct, dx, maximum)
            return
        given = k.read(k.at(ct, at * self.form.channels + c), mask=mask)
        taps = [(where + c, inside) for where, inside in self.found(place, image)]
        parts = self.chosen(taps, given, mask) if maximum else [given] * len(taps)
        for (where, inside), part in zip(taps, parts, strict=True):
            to = self.pointer(dx, where, inside, self.unread)
            k.write(part if self.form.covers else k.add(k.read(to, mask=mask), part), to, mask=mask)

    def chosen(self, taps: Sequence[tuple[N, str | None]], given: E, mask: str | None) -> list[E]:
        """The cotangent for the first maximum, zeros for the others."""
        zero = self.k.value(0.0)
        return [self.select(hit, given, zero) for hit in self.first(taps, mask)]

    def select(self, hit: str, x: E, y: E) -> E:
        """`x` in the lanes of a mask, `y` in the others."""
        flags = f"<{self.form.lanes} x i1>"
        return E(self.k.op(f"select {flags} {hit}, {x.type} {x.text}, {y.type} {y.text}"), x.dtype, x.lanes)

    def first(self, taps: Sequence[tuple[N, str | None]], mask: str | None) -> list[str]:
        """For each tap of a window of the images, which are pointer 1, the lanes where it is the first maximum."""
        k, lanes = self.k, self.form.lanes
        flags = f"<{lanes} x i1>"
        values = [k.read(self.pointer(self.pointers[1], at, inside, self.beside), mask=mask) for at, inside in taps]
        m = self.largest(values)
        odd = k.op(f"fcmp uno {m.type} {m.text}, {m.text}")
        left = "splat (i1 true)"
        out = []
        for (_, inside), v in zip(taps, values, strict=True):
            hit = k.op(f"fcmp oeq {v.type} {v.text}, {m.text}")
            nan = k.op(f"and {flags} {odd}, {k.op(f'fcmp uno {v.type} {v.text}, {v.text}')}")
            hit = k.op(f"and {flags} {left}, {k.op(f'or {flags} {hit}, {nan}')}")
            if inside is not None:
                one = k.op(f"insertelement {flags} poison, i1 {inside}, i32 0")
                hit = k.op(f"and {flags} {hit}, {k.op(f'shufflevector {flags} {one}, {flags} poison, <{lanes} x i32> zeroinitializer')}")
            left = k.op(f"and {flags} {left}, {k.op(f'xor {flags} {hit}, splat (i1 true)')}")
            out.append(hit)
        return out


def text(form: Form, name: str) -> str:
    """The module for a primitive."""
    maximum = name.startswith("window_max")
    start = float("-inf") if maximum else 0.0
    if name.endswith("_pull"):
        return Windows(form, 3 if maximum else 2, start).backward(maximum=maximum)
    return Windows(form, 3 if name.endswith("_push") else 2, start).forward(maximum=maximum)
