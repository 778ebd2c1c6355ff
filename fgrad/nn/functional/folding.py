"""Windows of an image as columns, columns as an image, and channels as pixels."""

from __future__ import annotations

import itertools
import math
from typing import Any

from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose
from fgrad.functions.shape import view_as_shape
from fgrad.ir.apply import caller
from fgrad.nn.functional.convolution import each
from fgrad.primitives import composites as c
from fgrad.primitives.shape import concatenate, pad, slice_

Sizes = tuple[int, ...]


def _sizes(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    k, d, p, s = (
        each(v, 2, name)
        for v, name in ((kernel_size, "kernel_size"), (dilation, "dilation"), (padding, "padding"), (stride, "stride"))
    )
    if min(*k, *d, *s) < 1 or min(p) < 0:
        raise ArgumentError(f"kernel size, dilation and stride should be greater than zero and padding not negative, but got "
                            f"kernel_size={k}, dilation={d}, padding={p}, stride={s}", where=caller(), fix="use positive sizes")  # fmt: skip
    return k, d, p, s


def _blocks(size: Sizes, k: Sizes, d: Sizes, p: Sizes, s: Sizes) -> Sizes:
    found = tuple([(n + 2 * b - e * (w - 1) - 1) // a + 1 for n, w, e, b, a in zip(size, k, d, p, s, strict=True)])
    if min(found) < 1:
        raise ShapeError(f"windows {k} do not fit into {size} padded by {p}: the array of blocks would be {found}",
                         where=caller(), fix="use a smaller kernel or dilation, or more padding")  # fmt: skip
    return found


def tiles(size: Sizes, k: Sizes, d: Sizes, p: Sizes, s: Sizes) -> bool:
    """True if the windows tile the image without gap or overlap."""
    return d == (1, 1) and p == (0, 0) and s == k and all(n % w == 0 for n, w in zip(size, k, strict=True))


def _unfold_rule(x: Any, *, k: Sizes, d: Sizes, p: Sizes, s: Sizes) -> Any:
    n, channels, h, w = x.shape
    rows, columns = _blocks((h, w), k, d, p, s)
    shape = (n, channels * math.prod(k), rows * columns)
    if tiles((h, w), k, d, p, s):
        parts = c.reshape(x, shape=(n, channels, rows, k[0], columns, k[1]))
        return c.reshape(c.transpose(parts, axes=(0, 1, 3, 5, 2, 4)), shape=shape)
    edge = (0, 0, *p)
    wide = pad(x, c.number(0, x), low=edge, high=edge, interior=(0,) * 4)
    seen = []
    for i, j in itertools.product(*map(range, k)):
        at = (i * d[0], j * d[1])
        stop = (at[0] + (rows - 1) * s[0] + 1, at[1] + (columns - 1) * s[1] + 1)
        part = slice_(wide, start=(0, 0, *at), stop=(n, channels, *stop), step=(1, 1, *s))
        seen.append(c.reshape(part, shape=(n, channels, 1, rows * columns)))
    return c.reshape(concatenate(*seen, axis=2), shape=shape)


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Windows as columns: float[n, c, h, w] -> float[n, c * kernel, windows] (or without n)."""
    if input._type.ndim not in (3, 4):
        raise ShapeError(f"Expected 3D or 4D (batch mode) tensor with possibly 0 batch size for input, but got {input._type}",
                         where=caller(), fix="give (batch, channels, h, w) or (channels, h, w)")  # fmt: skip
    k, d, p, s = _sizes(kernel_size, dilation, padding, stride)
    _blocks(input._type.shape[-2:], k, d, p, s)
    single = input._type.ndim == 3
    x = view_as_shape(input, (1, *input._type.shape)) if single else input
    y = compose(_unfold_rule, x, k=k, d=d, p=p, s=s)
    return view_as_shape(y, y._type.shape[1:]) if single else y


def _fold_rule(x: Any, *, out: Sizes, k: Sizes, d: Sizes, p: Sizes, s: Sizes) -> Any:
    rows, columns = _blocks(out, k, d, p, s)
    n, channels = x.shape[0], x.shape[1] // math.prod(k)
    parts = c.reshape(x, shape=(n, channels, *k, rows, columns))
    if tiles(out, k, d, p, s):
        return c.reshape(c.transpose(parts, axes=(0, 1, 4, 2, 5, 3)), shape=(n, channels, *out))
    total = None
    for i, j in itertools.product(*map(range, k)):
        one = slice_(parts, start=(0, 0, i, j, 0, 0), stop=(n, channels, i + 1, j + 1, rows, columns), step=(1,) * 6)
        one = c.reshape(one, shape=(n, channels, rows, columns))
        low = (i * d[0] - p[0], j * d[1] - p[1])
        spans = ((rows - 1) * s[0] + 1, (columns - 1) * s[1] + 1)
        high = tuple(m - a - b for m, a, b in zip(out, low, spans, strict=True))
        placed = pad(one, c.number(0, x), low=(0, 0, *low), high=(0, 0, *high), interior=(0, 0, s[0] - 1, s[1] - 1))
        total = placed if total is None else total + placed
    return total


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Columns added up as windows of an image, the transpose of unfold: float[n, c * kernel, windows] -> float[n, c, h, w]."""
    k, d, p, s = _sizes(kernel_size, dilation, padding, stride)
    out = each(output_size, 2, "output_size")
    t = input._type
    if t.ndim not in (2, 3):
        raise ShapeError(f"Expected 2D or 3D (batch mode) tensor for input, but got {t}", where=caller(),
                         fix="give (batch, channels * kernel, windows)")  # fmt: skip
    if t.shape[-2] % math.prod(k) or t.shape[-1] != math.prod(_blocks(out, k, d, p, s)):
        raise ShapeError(f"fold: {t} does not hold {_blocks(out, k, d, p, s)} windows {k} of an image {out}", where=caller(),
                         fix="make the columns channels * kernel, one for each window")  # fmt: skip
    single = t.ndim == 2
    x = view_as_shape(input, (1, *t.shape)) if single else input
    y = compose(_fold_rule, x, out=out, k=k, d=d, p=p, s=s)
    return view_as_shape(y, y._type.shape[1:]) if single else y


def _moved_rule(x: Any, *, split: Sizes, order: Sizes, shape: Sizes) -> Any:
    return c.reshape(c.transpose(c.reshape(x, shape=split), axes=order), shape=shape)


def moved(x: Any, split: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The last dimensions of `x` split into `split`, put into another order and joined into `shape`."""
    lead = x._type.shape[: x._type.ndim - len(shape)]
    n = len(lead)
    every = (*range(n), *(a + n for a in order))
    return compose(_moved_rule, x, split=(*lead, *split), order=every, shape=(*lead, *shape))


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Channels as pixels: float[..., c * r^2, h, w] -> float[..., c, h * r, w * r]. Source: Shi et al. 2016."""
    r, t = upscale_factor, input._type
    if t.ndim < 3 or r < 1 or t.shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
                         f"upscale_factor={r}, but got {t}", where=caller(), fix="give (..., channels * r^2, h, w)")  # fmt: skip
    ch, h, w = t.shape[-3] // (r * r), t.shape[-2], t.shape[-1]
    return moved(input, (ch, r, r, h, w), (0, 3, 1, 4, 2), (ch, h * r, w * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Pixels as channels, the inverse of pixel_shuffle."""
    r, t = downscale_factor, input._type
    if t.ndim < 3 or r < 1 or t.shape[-1] % r or t.shape[-2] % r:
        raise ShapeError(f"pixel_unshuffle expects height and width to be divisible by downscale_factor={r}, but got {t}",
                         where=caller(), fix="give (..., channels, h * r, w * r)")  # fmt: skip
    ch, h, w = t.shape[-3], t.shape[-2] // r, t.shape[-1] // r
    return moved(input, (ch, h, r, w, r), (0, 2, 4, 1, 3), (ch * r * r, h, w))


def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels dealt out over `groups`: [n, g * k, ...] -> [n, k * g, ...]. Source: Zhang et al. 2018."""
    t = input._type
    if t.ndim < 3 or groups < 1 or t.shape[1] % groups:
        raise ShapeError(f"Number of channels must be divisible by groups. Got {t} and {groups} groups.", where=caller(),
                         fix="use a divisor of the number of channels")  # fmt: skip
    k, rest = t.shape[1] // groups, t.shape[2:]
    return moved(input, (groups, k, *rest), (1, 0, *range(2, 2 + len(rest))), (t.shape[1], *rest))
