"""Convolution of arrays: the array side of conv, conv_dx, conv_dw.

Windows are copied into rows and multiplied as one matrix: with channels last where there are several (long runs to
copy; 64x16x8x8 by 3x3: 0.21 ms against 0.39 channels first and 0.27 for one product per tap), channels first where
there are few, tap by tap and without a product where every channel has its own kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from fgrad.primitives.checks import is_half, store
from fgrad.primitives.shape import kept

Shape = tuple[int, ...]
_FEW = 8  # channels of a group under which windows are copied channels first
_BUFFER = 1 << 22  # elements of copied windows at a time


class Geometry(NamedTuple):
    """How a kernel moves: the static parameters of the three operations."""

    stride: Shape
    padding: tuple[tuple[int, int], ...]
    x_dilation: Shape
    w_dilation: Shape
    groups: int

    def padded(self, x: Shape) -> Shape:
        """Spatial lengths after dilation and padding."""
        lengths = zip(x, self.x_dilation, self.padding, strict=True)
        return tuple([max((d - 1) * s + 1, 0) + low + high for d, s, (low, high) in lengths])

    def output(self, x: Shape, w: Shape) -> Shape:
        """Spatial lengths of the result; negative or 0 if the kernel does not fit."""
        spans = [(k - 1) * s + 1 for k, s in zip(w, self.w_dilation, strict=True)]
        grid = self.padded(x)
        return tuple([(d - k) // s + 1 for d, k, s in zip(grid, spans, self.stride, strict=True)])

    def cuts(self, x: Shape) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Which spatial elements stand on the padded grid, and where."""
        parts = [
            kept(d, t, low, s)
            for d, t, (low, _), s in zip(x, self.padded(x), self.padding, self.x_dilation, strict=True)
        ]
        return tuple([p[0] for p in parts]), tuple([p[1] for p in parts])

    def taps(self, w: Shape, out: Shape) -> Iterator[tuple[Shape, tuple[Any, ...]]]:
        """Every kernel position with the part of the padded grid it meets."""
        for tap in product(*map(range, w)):
            first = [t * s for t, s in zip(tap, self.w_dilation, strict=True)]
            yield (
                tap,
                tuple([slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(first, out, self.stride, strict=True)]),
            )


def _grid(xp: Any, x: Any, g: Geometry, *, last: bool) -> Any:
    """`x` dilated and padded with zeros, contiguous; channels last or first."""
    spatial = x.shape[2:]
    source, target = g.cuts(spatial)
    if last:
        x = x.transpose((0, *range(2, x.ndim), 1))
        source, target = (slice(None), *source), (slice(None), *target)
        shape = (x.shape[0], *g.padded(spatial), x.shape[-1])
    else:
        source, target = (slice(None), slice(None), *source), (slice(None), slice(None), *target)
        shape = (*x.shape[:2], *g.padded(spatial))
    if shape == x.shape:
        return xp.ascontiguousarray(x)
    grid = xp.zeros(shape, x.dtype)
    grid[target] = x[source]
    return grid


def _from_grid(xp: Any, grid: Any, shape: Shape, g: Geometry) -> Any:
    """Transpose of `_grid`, channels last: what stands on the grid for each element of x."""
    source, target = g.cuts(shape[2:])
    y = xp.zeros((shape[0], *shape[2:], shape[1]), grid.dtype)
    y[(slice(None), *source)] = grid[(slice(None), *target)]
    return y.transpose((0, y.ndim - 1, *range(1, y.ndim - 1)))


def _rows(xp: Any, grid: Any, w: Shape, out: Shape, g: Geometry) -> Any:
    """Windows of a channels-last grid: [group, image and position, tap and channel]."""
    n, c, s = grid.shape[0], grid.shape[-1] // g.groups, grid.strides
    moves = [a * b for a, b in zip(s[1:-1], g.stride, strict=True)]
    steps = [a * b for a, b in zip(s[1:-1], g.w_dilation, strict=True)]
    windows = xp.lib.stride_tricks.as_strided(
        grid, (g.groups, n, *out, *w, c), (s[-1] * c, s[0], *moves, *steps, s[-1])
    )
    return xp.ascontiguousarray(windows).reshape(g.groups, n * math.prod(out), math.prod(w) * c)


def _columns(xp: Any, grid: Any, w: Shape, out: Shape, g: Geometry) -> Any:
    """Windows of a channels-first grid: [image, group, channel and tap, position]."""
    n, c, s = grid.shape[0], grid.shape[1] // g.groups, grid.strides
    moves = [a * b for a, b in zip(s[2:], g.stride, strict=True)]
    steps = [a * b for a, b in zip(s[2:], g.w_dilation, strict=True)]
    windows = xp.lib.stride_tricks.as_strided(grid, (n, g.groups, c, *w, *out), (s[0], s[1] * c, s[1], *steps, *moves))
    return xp.ascontiguousarray(windows).reshape(n, g.groups, c * math.prod(w), math.prod(out))


def _kernel_rows(xp: Any, w: Any, groups: int) -> Any:
    """The kernel as [group, tap and channel in, channel out]."""
    o, c = w.shape[:2]
    return w.reshape(groups, o // groups, c, -1).transpose(0, 3, 2, 1).reshape(groups, -1, o // groups)


def _image_rows(xp: Any, y: Any, groups: int) -> Any:
    """An image batch as [group, image and position, channel]."""
    n, o = y.shape[:2]
    return y.reshape(n, groups, o // groups, -1).transpose(1, 0, 3, 2).reshape(groups, -1, o // groups)


def _chunks(n: int, each: int) -> Iterator[slice]:
    """The batch in parts whose windows fit the buffer."""
    count = max(1, _BUFFER // max(1, each))
    for start in range(0, n, count):
        yield slice(start, start + count)


def _wide(x: Any, w: Any) -> tuple[Any, Any]:
    return (x.astype("float32"), w.astype("float32")) if is_half(x.dtype) else (x, w)


def conv(xp: Any, out: Any, x: Any, w: Any, **params: Any) -> Any:
    """The lowering of conv.conv."""
    g, own = Geometry(**params), x.dtype
    x, w = _wide(x, w)
    n, o, spatial = x.shape[0], w.shape[0], g.output(x.shape[2:], w.shape[2:])
    direct = out is not None and out.dtype == x.dtype and out.flags.c_contiguous
    y = out if direct else xp.empty((n, o, *spatial), x.dtype)
    if not y.size or not w.size:
        y[...] = 0
    elif w.shape[1] == 1 and g.groups > 1:
        _conv_taps(xp, y, x, w, g)
    else:
        stacked = y.reshape(n, g.groups, o // g.groups, -1)
        few = w.shape[1] < _FEW
        for part in _chunks(n, math.prod(spatial) * x.shape[1] * math.prod(w.shape[2:])):
            grid = _grid(xp, x[part], g, last=not few)
            if few:
                columns = _columns(xp, grid, w.shape[2:], spatial, g)
                xp.matmul(w.reshape(g.groups, o // g.groups, -1), columns, out=stacked[part])
            else:
                z = xp.matmul(_rows(xp, grid, w.shape[2:], spatial, g), _kernel_rows(xp, w, g.groups))
                stacked[part] = z.reshape(g.groups, grid.shape[0], -1, o // g.groups).transpose(1, 0, 3, 2)
    if direct:
        return out
    return store(xp, out, y) if out is not None else y.astype(own, copy=False)


def _per_channel(w: Any, tap: Shape, groups: int, rank: int) -> Any:
    """One tap of a kernel with one channel in: [group, channel out of the group, 1...]."""
    return w[(slice(None), 0, *tap)].reshape(groups, -1, *(1,) * rank)


def _conv_taps(xp: Any, y: Any, x: Any, w: Any, g: Geometry) -> None:
    """One kernel for each channel: a sum of scaled shifts."""
    grid = _grid(xp, x, g, last=False)
    z = y.reshape(y.shape[0], g.groups, -1, *y.shape[2:])
    z[...] = 0
    for tap, cut in g.taps(w.shape[2:], y.shape[2:]):
        z += grid[(slice(None), slice(None), None, *cut)] * _per_channel(w, tap, g.groups, y.ndim - 2)


def _reversed(g: Geometry, x: Shape, w: Shape, ct: Shape) -> Geometry:
    """The convolution of cotangents that gives those of x: what was a stride dilates them, and the other way round."""
    padding = []
    for k, s, (low, _), move, apart, d, n in zip(
        w, g.w_dilation, g.padding, g.stride, g.x_dilation, x, ct, strict=True
    ):
        span = (k - 1) * s + 1
        first = span - 1 - low
        padding.append((first, (d - 1) * apart + span - ((n - 1) * move + 1) - first))
    return Geometry(g.x_dilation, tuple(padding), g.stride, g.w_dilation, g.groups)


def _reversed_kernel(xp: Any, w: Any, groups: int) -> Any:
    """The kernel back to front, channels in and out exchanged."""
    o, c, taps = w.shape[0], w.shape[1], w.shape[2:]
    w = w.reshape(groups, o // groups, c, *taps).swapaxes(1, 2)
    cut = (slice(None),) * 3 + (slice(None, None, -1),) * len(taps)
    return w[cut].reshape(groups * c, o // groups, *taps)


def conv_dx(xp: Any, out: Any, ct: Any, w: Any, *, x_shape: Shape, **params: Any) -> Any:
    """The lowering of conv.conv_dx: a convolution if the stride is 1; else one product, then a sum over the taps."""
    g, own = Geometry(**params), ct.dtype
    if max(g.stride, default=1) == 1:
        back = _reversed(g, x_shape[2:], w.shape[2:], ct.shape[2:])
        return conv(xp, out, ct, _reversed_kernel(xp, w, g.groups), **back._asdict())
    ct, w = _wide(ct, w)
    n, c, taps, spatial = x_shape[0], x_shape[1], w.shape[2:], ct.shape[2:]
    grid = xp.zeros((n, *g.padded(x_shape[2:]), c), ct.dtype)
    kernel = _kernel_rows(xp, w, g.groups).swapaxes(1, 2)
    if ct.size and w.size:
        for part in _chunks(n, math.prod(spatial) * c * math.prod(taps)):
            rows = xp.matmul(_image_rows(xp, ct[part], g.groups), kernel)
            rows = rows.reshape(g.groups, -1, *spatial, *taps, c // g.groups)
            rows = rows.transpose((*range(1, rows.ndim - 1), 0, rows.ndim - 1))
            rows = rows.reshape(*rows.shape[:-2], c)
            target = grid[part]
            for tap, cut in g.taps(taps, spatial):
                target[(slice(None), *cut)] += rows[(*(slice(None),) * (1 + len(spatial)), *tap)]
    y = _from_grid(xp, grid, x_shape, g)
    return store(xp, out, y) if out is not None else xp.ascontiguousarray(y).astype(own, copy=False)


def conv_dw(xp: Any, out: Any, x: Any, ct: Any, *, w_shape: Shape, **params: Any) -> Any:
    """The lowering of conv.conv_dw: windows against cotangents, summed over images and positions."""
    g, own = Geometry(**params), ct.dtype
    x, ct = _wide(x, ct)
    o, c, taps, spatial = w_shape[0], w_shape[1], w_shape[2:], ct.shape[2:]
    if c == 1 and g.groups > 1:
        return store(xp, out, _dw_taps(xp, x, ct, w_shape, g).astype(own, copy=False))
    total = xp.zeros((g.groups, o // g.groups, math.prod(taps), c), ct.dtype)
    few = c < _FEW
    for part in _chunks(ct.shape[0], math.prod(spatial) * x.shape[1] * math.prod(taps)) if ct.size and x.size else ():
        grid = _grid(xp, x[part], g, last=not few)
        if few:
            columns = _columns(xp, grid, taps, spatial, g).swapaxes(2, 3)
            z = xp.matmul(ct[part].reshape(grid.shape[0], g.groups, o // g.groups, -1), columns).sum(axis=0)
            total += z.reshape(g.groups, o // g.groups, c, -1).swapaxes(2, 3)
        else:
            rows = _rows(xp, grid, taps, spatial, g)
            z = xp.matmul(_image_rows(xp, ct[part], g.groups).swapaxes(1, 2), rows)
            total += z.reshape(total.shape)
    y = total.swapaxes(2, 3).reshape(w_shape)
    return store(xp, out, y) if out is not None else xp.ascontiguousarray(y).astype(own, copy=False)


def _dw_taps(xp: Any, x: Any, ct: Any, w_shape: Shape, g: Geometry) -> Any:
    """One kernel for each channel: a sum for each tap."""
    grid = _grid(xp, x, g, last=False)
    z = ct.reshape(ct.shape[0], g.groups, -1, *ct.shape[2:])
    y = xp.empty(w_shape, ct.dtype)
    axes = (0, *range(3, z.ndim))
    for tap, cut in g.taps(w_shape[2:], ct.shape[2:]):
        terms = grid[(slice(None), slice(None), None, *cut)] * z
        y[(slice(None), 0, *tap)] = terms.sum(axis=axes, dtype=ct.dtype).reshape(-1)
    return y
