"""Images read at given places, and the places of an affine map. Source: Jaderberg et al. 2015."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.errors import ShapeError
from fgrad.functions.call import compose
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.arithmetic import floor, round_
from fgrad.primitives.index import gather
from fgrad.primitives.linear import dot_general
from fgrad.primitives.shape import concatenate, move_axis, slice_

INT64 = np.dtype("int64")
Sizes = tuple[int, ...]


def _clipped(x: Any, size: int) -> Any:
    """Within 0 and size - 1, with derivative 0 at both."""
    low, high = c.number(0, x), c.number(size - 1, x)
    return c.select(c.le(x, low), low, c.select(c.le(high, x), high, x))


def _reflected(x: Any, size: int, align: bool) -> Any:
    """Mirrored at the centres of the outer elements, or at their edges."""
    low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
    if span == 0:
        return x * c.number(0, x)
    d = abs(x - c.number(low, x))
    flips = floor(d / c.number(span, x))
    extra = d - c.stop_gradient(flips) * c.number(span, x)
    odd = c.ne(flips - c.number(2, x) * floor(flips * c.number(0.5, x)), c.number(0, x))
    return _clipped(c.select(odd, c.number(span + low, x) - extra, extra + c.number(low, x)), size)


def _placed(x: Any, size: int, padding: str, align: bool) -> Any:
    if padding == "border":
        return _clipped(x, size)
    return _reflected(x, size, align) if padding == "reflection" else x


def _read(x: Any, places: list[Any]) -> Any:
    """[n, c, p] elements at int-valued places [n, p] of each spatial axis, 0 outside."""
    n, sizes = x.shape[0], x.shape[2:]
    inside, at = None, None
    for place, size in zip(places, sizes, strict=True):
        ok = c.le(c.number(0, place), place) & c.le(place, c.number(size - 1, place))
        inside = ok if inside is None else inside & ok
        i = c.convert(c.select(ok, place, c.number(0, place)), dtype=INT64)
        at = i if at is None else at * c.number(size, at) + i
    assert at is not None
    assert inside is not None
    flat = c.reshape(x, shape=(n, x.shape[1], math.prod(x.shape[2:])))
    which = c.iota(shape=at.shape, dtype=INT64, axis=0, device=x.device)
    y = move_axis(gather(flat, which, at, axes=(0, 2), mode="clip"), 2, 1)
    shape = (n, 1, at.shape[1])
    return c.select(c.broadcast_to(c.reshape(inside, shape=shape), shape=y.shape), y, c.number(0, y))


def _wide(w: Any) -> Any:
    """Weights [n, p] against [n, c, p]."""
    return c.reshape(w, shape=(w.shape[0], 1, w.shape[1]))


def _cubic_weights(t: Any) -> list[Any]:
    """Of the elements at -1, 0, 1 and 2 for a place t of [0, 1), by Keys' kernel with a = -3/4."""
    a = -0.75

    def number(v: float) -> Any:
        return c.number(v, t)

    def near(s: Any) -> Any:
        return (number(a + 2) * s - number(a + 3)) * s * s + number(1)

    def far(s: Any) -> Any:
        return ((number(a) * s - number(5 * a)) * s + number(8 * a)) * s - number(4 * a)

    one = number(1)
    return [far(t + one), near(t), near(one - t), far(number(2) - t)]


def _sample_rule(x: Any, grid: Any, *, mode: str, padding: str, align: bool) -> Any:
    """grid: [n, *out, rank], the last axis of the image first."""
    rank, n, out = grid.shape[-1], x.shape[0], grid.shape[1:-1]
    count = grid.size // max(n * rank, 1)
    flat, sizes, places = c.reshape(grid, shape=(n, count, rank)), x.shape[2:], []
    for axis, size in enumerate(sizes):
        k = rank - 1 - axis
        g = c.reshape(slice_(flat, start=(0, 0, k), stop=(n, count, k + 1), step=(1, 1, 1)), shape=(n, count))
        one, half = c.number(1, g), c.number(0.5, g)
        at = (g + one) * half * c.number(size - 1, g) if align else ((g + one) * c.number(size, g) - one) * half
        places.append(at if mode == "bicubic" else _placed(at, size, padding, align))
    if mode == "nearest":
        y = _read(x, [round_(p) for p in places])
    else:
        y = _blended(x, places, sizes, mode, padding, align)
    return c.reshape(y, shape=(n, x.shape[1], *out))


def _blended(x: Any, places: list[Any], sizes: Sizes, mode: str, padding: str, align: bool) -> Any:
    """The neighbours of each place times their weights."""
    lows = [c.stop_gradient(floor(p)) for p in places]
    taps: list[list[tuple[Any, Any]]] = []
    for place, low, size in zip(places, lows, sizes, strict=True):
        t = place - low
        if mode == "bicubic":
            at = [low + c.number(k, low) for k in range(-1, 3)]
            taps.append([(_placed(a, size, padding, align), w) for a, w in zip(at, _cubic_weights(t), strict=True)])
        else:
            taps.append([(low, c.number(1, t) - t), (low + c.number(1, low), t)])
    total = None
    for corner in itertools.product(*taps):
        weight = corner[0][1]
        for _, w in corner[1:]:
            weight = weight * w
        part = _read(x, [round_(a) for a, _ in corner]) * _wide(weight)
        total = part if total is None else total + part
    return total


@full_precision("cpu")
def grid_sample(input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None) -> Any:
    """float[n, c, h, w] read at grid: float[n, h2, w2, 2] -> float[n, c, h2, w2]; or volumes, at float[..., 3].

    grid: (x, y) (and z), from -1 at the left (upper) end to 1: at the centres of the outer elements if align_corners,
    otherwise at their edges.  mode: "bilinear", "nearest", "bicubic" (images only).  padding_mode: outside are zeros,
    or "border", or "reflection".
    """
    for what, value, known in (("mode", mode, ("bilinear", "nearest", "bicubic")), ("padding_mode", padding_mode, ("zeros", "border", "reflection"))):
        if value not in known:
            raise ValueError(f"nn.functional.grid_sample(): expected {what} to be one of {known}, but got: '{value}'")
    if align_corners is None:
        warn_corners()
    x, g = input._type, grid._type
    rank = x.ndim - 2
    if rank not in (2, 3) or (mode == "bicubic" and rank == 3):
        raise ShapeError(f"grid_sampler(): expected 4D or 5D input (bicubic: 4D), got {x}", where=caller(), fix="give float[n, c, h, w]")
    if g.ndim != x.ndim or g.shape[0] != x.shape[0] or g.shape[-1] != rank or x.dtype != g.dtype:
        raise ShapeError(f"grid_sampler(): expected grid to have size {rank} in last dimension and input and grid to have same batch size "
                         f"and dtype, but got input {x} and grid {g}", where=caller(), fix=f"give float[n, ..., {rank}]")  # fmt: skip
    if min(x.shape[2:]) < 1:
        raise ShapeError(f"grid_sampler(): expected input to have non-empty spatial dimensions, but got {x}", where=caller(), fix="give elements")
    return compose(_sample_rule, input, grid, mode=mode, padding=padding_mode, align=bool(align_corners))


def warn_corners() -> None:
    """PyTorch's warning."""
    warnings.warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
                  "align_corners=True if the old behavior is desired.", stacklevel=3)  # fmt: skip


def _affine_rule(theta: Any, *, sizes: Sizes, align: bool) -> Any:
    """[n, *sizes, rank]: theta times (x, y, 1) of each place."""
    rank, parts = len(sizes), []
    for axis in reversed(range(rank)):
        d = sizes[axis]
        at = c.iota(shape=(*sizes, 1), dtype=theta.dtype, axis=axis, device=theta.device)
        if align:
            scale, shift = (2 / (d - 1), -1.0) if d > 1 else (0.0, 0.0)
        else:
            scale, shift = 2 / d, 1 / d - 1
        parts.append(at * c.number(scale, at) + c.number(shift, at))
    ones = c.broadcast_to(c.number(1, theta), shape=(*sizes, 1))
    base = concatenate(*parts, ones, axis=rank)
    return move_axis(dot_general(base, theta, contract=((rank,), (2,)), batch=((), ())), rank, 0)


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid of an affine map for grid_sample: theta float[n, 2, 3] and size (n, c, h, w), or [n, 3, 4] and (n, c, d, h, w)."""
    if align_corners is None:
        warn_corners()
    t, rank = theta._type, len(size) - 2
    if not t.inexact:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if rank not in (2, 3):
        raise NotImplementedError(f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {size}.")
    if t.shape != (size[0], rank, rank + 1):
        raise ValueError(f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {tuple(size)}. Got {t}.")
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return compose(_affine_rule, theta, sizes=tuple([int(d) for d in size][2:]), align=bool(align_corners))
