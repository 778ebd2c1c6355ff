"""Recipes of Winograd's convolutions: where they apply, and their kernels."""

from __future__ import annotations

from functools import cache

from fgrad.backends.numpy.asm import NBYTES
from fgrad.backends.numpy.code import lanes_for, registers
from fgrad.backends.numpy.convolution import winograd, winograd_weight
from fgrad.backends.numpy.convolution.plan_weight import block_of
from fgrad.backends.numpy.convolution.shapes import Problem
from fgrad.backends.numpy.convolution.winograd import APART, HEAD, POINTS, Form
from fgrad.backends.numpy.convolution.winograd_weight import ALL, FOLD
from fgrad.backends.numpy.convolution.winograd_weight import HEAD as HEAD_OF_WEIGHT
from fgrad.backends.numpy.recipe import Memory, Place, Recipe, Step, Word

LEAST = 16  # channels from which the transforms pay
CACHE = 600_000  # bytes of working memory that stay in the second cache
SUMS = 3_000_000  # and of the sums of all parts of a weight gradient
ENOUGH = 16  # tiles below which transforming the kernels costs more than it saves
_forward = cache(lambda form: winograd.Forward(form).text())
_kernels = cache(winograd.kernels)
_fused_text, _apart_text, _joined, _fold = [
    cache(f) for f in (winograd_weight.fused, winograd_weight.apart, winograd_weight.joined, winograd_weight.fold)
]


def applies(p: Problem, dtype: str) -> bool:
    """True for 3x3 kernels that move by one pixel, in float32, with channels and tiles enough."""
    if dtype != "float32" or p.groups != 1 or len(p.axes) != 2 or min(p.c, p.k) < LEAST or not p.n:
        return False
    plain = all(a.taps == 3 and a.stride == a.x_dilation == a.w_dilation == 1 for a in p.axes)
    a, b = p.axes
    done = 1.0 * -(-a.outside // 4) * -(-b.outside // 4) * POINTS
    return plain and counts(p)[2] >= ENOUGH and done < 0.75 * 9 * a.outside * b.outside


def counts(p: Problem) -> tuple[int, int, int]:
    """Rows and columns of tiles, and tiles in all."""
    rows, columns = [-(-a.outside // 4) for a in p.axes]
    return rows, columns, p.n * rows * columns


def form_of(p: Problem, dtype: str) -> Form:
    """Register tile, and tiles of a task: few enough for the cache, and not more than there are."""
    lanes, tiles = lanes_for(dtype), counts(p)[2]
    vectors = 2 if -(-p.k // lanes) % 2 == 0 else 1
    most = (8 if registers() == 32 else 4) * (2 if vectors == 1 else 1)
    wide = 36 * (p.c + p.k) * NBYTES[dtype]
    count = 32 if p.c > 32 and 32 * wide <= CACHE else 16
    while count > 4 and count // 2 >= tiles:
        count //= 2
    return Form(dtype, lanes, vectors, min(most, count), count, p.c, p.k)


def steps_of_w(p: Problem, *, transposed: bool) -> tuple[int, int, int, int]:
    """Steps in w of a channel out, a channel in and a tap, and where the first tap is."""
    out, inner = (9, p.k * 9) if transposed else (p.c * 9, 9)
    return (out, inner, -1, 8) if p.axes[0].back else (out, inner, 1, 0)


def convolve(p: Problem, dtype: str, x: str, y: str, *, transposed: bool) -> Recipe:
    """y from x and w. transposed: channels in are the kernels' first axis."""
    form, memory = form_of(p, dtype), Memory()
    a, b = p.axes
    rows, columns, tiles = counts(p)
    blocks = form.wide_out // (form.lanes * form.vectors)
    u = memory.take(POINTS * form.kernel_point * NBYTES[dtype])
    working, each = memory.working(form.elements() * NBYTES[dtype])
    out, inner, tap, start = steps_of_w(p, transposed=transposed)
    packing: tuple[Word, ...] = (Place("w"), u, p.c, p.k, form.vectors, blocks, out, inner, tap, start)
    values: dict[str, Word] = {
        "x": Place(x), "u": u, "y": Place(y), "memory": working, "w": Place("w"), "working": each // NBYTES[dtype], "height": a.inside,
        "width": b.inside, "out_height": a.outside, "out_width": b.outside, "low_y": a.low, "low_x": b.low, "rows": rows,
        "columns": columns, "tiles": tiles, "w_out": out, "w_in": inner, "w_tap": tap, "w_start": start,
    }  # fmt: skip
    steps = (
        Step(_kernels(dtype, form.lanes), packing, form.wide_out // form.lanes * p.c),
        Step(_forward(form), tuple([values[name] for name in HEAD]), -(-tiles // form.tiles), working.offset),
    )
    return Recipe(steps, memory.nbytes)


def weight_form(p: Problem, dtype: str) -> Form:
    """Register tile, and tiles of a step."""
    form = form_of(p, dtype)
    room = (16 if registers() == 32 else 8) // form.vectors
    return form._replace(block=block_of(p.c, room)[0], tiles=min(form.tiles, 16) if p.c <= 32 else form.tiles)


def kernel(p: Problem, dtype: str, x: str, ct: str) -> Recipe:
    """The cotangent of w, from x and a cotangent of the result."""
    form, memory = weight_form(p, dtype), Memory()
    a, b = p.axes
    rows, columns, tiles = counts(p)
    place = {
        "height": a.inside, "width": b.inside, "out_height": a.outside, "out_width": b.outside, "low_y": a.low, "low_x": b.low,
        "rows": rows, "columns": columns, "tiles": tiles,
    }  # fmt: skip
    each = POINTS * form.kernel_point * NBYTES[dtype]
    parts = max(1, min(tiles // form.tiles, SUMS // each, 8))
    large = parts < 4 and p.c % form.block == 0
    parts = 1 if large else parts
    sums = memory.take(parts * each)
    f = _apart if large else _fused
    steps = f(p, form, memory, sums, parts, {**place, "x": Place(x), "ct": Place(ct)})
    values: dict[str, Word] = {**place, "sums": sums, "w": Place("w"), "x": Place(x), "ct": Place(ct), "parts": parts, "images": p.n}
    last = Step(_fold(form), tuple([values[name] for name in FOLD]), -(-p.k // form.lanes) * p.c)
    return Recipe((*steps, last), memory.nbytes)


def _fused(p: Problem, form: Form, memory: Memory, sums: Place, parts: int, place: dict[str, Word]) -> tuple[Step, ...]:
    """Parts of the tiles, each with its sums."""
    working, each = memory.working(form.elements() * NBYTES[form.dtype])
    values = {**place, "sums": sums, "memory": working, "working": each // NBYTES[form.dtype], "parts": parts}
    return (Step(_fused_text(form), tuple([values[name] for name in HEAD_OF_WEIGHT]), parts, working.offset),)


def _apart(p: Problem, form: Form, memory: Memory, sums: Place, parts: int, place: dict[str, Word]) -> tuple[Step, ...]:
    """All tiles transformed, then multiplied."""
    item, tiles = NBYTES[form.dtype], counts(p)[2]
    working, each = memory.working(POINTS * (form.wide + form.wide_out) * item)
    images = memory.take(POINTS * (tiles * form.wide + APART) * item)
    results = memory.take(POINTS * (tiles * form.wide_out + APART) * item)
    few = form._replace(tiles=4)
    values = {**place, "images": images, "results": results, "memory": working, "working": each // item}
    words: tuple[Word, ...] = (images, results, sums, tiles, p.c // form.block)
    return (
        Step(_apart_text(few), tuple([values[name] for name in ALL]), -(-tiles // few.tiles), working.offset),
        Step(_joined(form._replace(tiles=0)), words, POINTS * (p.c // form.block)),
    )
