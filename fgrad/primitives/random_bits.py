"""Random bits: a counter-based generator, the same stream on every device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.errors import DtypeError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_kinds, device_of, store
from fgrad.primitives.elementwise import elementwise
from fgrad.primitives.shape import spread
from fgrad.primitives.workspace import Workspace, workspace

Shape = tuple[int, ...]
UINT32 = np.dtype("uint32")
ROUNDS = 10
_MULTIPLY = (0xD2511F53, 0xCD9E8D57)
_BUMP = (0x9E3779B9, 0xBB67AE85)
_CHUNK = 8192  # blocks at a time: the working set stays in the second-level cache


def philox(ws: Workspace, counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10 of 32-bit words held in uint64: a counter of four arrays of one shape, which the result overwrites.

    key: two arrays, which broadcast.
    Source: Salmon, Moraes, Dror & Shaw 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    xp, (c0, c1, c2, c3), (k0, k1) = ws.xp, counter, key
    p0, p1 = ws.empty(c0.shape, "uint64"), ws.empty(c0.shape, "uint64")
    low, shift = xp.uint64(0xFFFFFFFF), xp.uint64(32)
    m0, m1, b0, b1 = [xp.uint64(x) for x in (*_MULTIPLY, *_BUMP)]
    for _ in range(ROUNDS):
        xp.multiply(c0, m0, out=p0)
        xp.multiply(c2, m1, out=p1)
        xp.right_shift(p1, shift, out=c0)
        c0 ^= c1
        c0 ^= k0
        xp.right_shift(p0, shift, out=c2)
        c2 ^= c3
        c2 ^= k1
        xp.bitwise_and(p1, low, out=c1)
        xp.bitwise_and(p0, low, out=c3)
        k0, k1 = (k0 + b0) & low, (k1 + b1) & low
    return c0, c1, c2, c3


def _blocks(ws: Workspace, first: Any, start: int, stop: int) -> tuple[Any, Any, Any, Any]:
    """The counters of blocks `first + start` to `first + stop`."""
    xp, shape = ws.xp, (first.shape[0], stop - start)
    block, high = ws.empty(shape, "uint64"), ws.empty(shape, "uint64")
    block[:, :1] = first + xp.uint64(start)
    done = 1
    while done < shape[1]:  # a range, in memory that is there
        more = min(done, shape[1] - done)
        xp.add(block[:, :more], xp.uint64(done), out=block[:, done : done + more])
        done += more
    xp.right_shift(block, xp.uint64(32), out=high)
    block &= xp.uint64(0xFFFFFFFF)
    return block, high, ws.full(shape, "uint64", 0), ws.full(shape, "uint64", 0)


def _type(key: TensorType, offset: TensorType, *, shape: Shape, where: Where | None) -> Type:
    check_kinds("random_bits", "u", (key,), where)
    check_kinds("random_bits", "u", (offset,), where)
    if key.dtype.name != "uint32" or offset.dtype.name != "uint64":
        raise DtypeError(
            f"random_bits: got a key {key} and an offset {offset}",
            where=where,
            fix="use a uint32 key and a uint64 offset",
        )
    if not key.shape or key.shape != (*offset.shape, 2):
        raise ShapeError(
            f"random_bits: a key of shape {key.shape} with an offset of shape {offset.shape}",
            where=where,
            fix="use a key of shape (2,) and a 0-d offset, or a batch of both",
        )
    return TensorType((*offset.shape, *shape), key.dtype, device_of((key, offset)))


def _lower(xp: Any, out: Any, key: Any, offset: Any, *, shape: Shape) -> Any:
    lead, n = offset.shape, math.prod(shape)
    if out is None:
        out = xp.empty((*lead, *shape), "uint32")
    key = key.reshape(-1, 2).astype("uint64")
    k0, k1, first, blocks = key[:, :1], key[:, 1:], offset.reshape(-1, 1), -(-n // 4)
    with workspace(xp) as ws:
        flat = (out if out.flags.c_contiguous else ws.empty(out.shape, "uint32")).reshape(offset.size, n)
        for start in range(0, blocks, _CHUNK):
            with workspace(xp) as inner:
                words = philox(inner, _blocks(inner, first, start, min(start + _CHUNK, blocks)), (k0, k1))
                for i, word in enumerate(words):
                    part = flat[:, 4 * start + i : 4 * (start + _CHUNK) : 4]
                    part[...] = word[:, : part.shape[1]]
        if not out.flags.c_contiguous:
            out[...] = flat.reshape(out.shape)
    return out


def _word(xp: Any, out: Any, index: Any, offset: Any, low: Any, high: Any) -> Any:
    """Blocks of all words, of which one of four is kept."""
    shape = xp.broadcast_shapes(index.shape, offset.shape, low.shape, high.shape)
    block, mask = xp.empty(shape or (1,), "uint64"), xp.uint64(0xFFFFFFFF)  # 0-d arrays would become numbers, which hold no results
    block[...] = offset + (index >> xp.uint64(2))
    with workspace(xp) as ws:
        words = philox(ws, (block & mask, block >> xp.uint64(32), xp.zeros_like(block), xp.zeros_like(block)), (low, high))
        place = xp.broadcast_to((index & xp.uint64(3)).astype("int64"), block.shape)
        return store(xp, out, xp.choose(place, words).astype("uint32").reshape(shape))


def rounds(m: Any, block: Any, low: Any, high: Any) -> tuple[Any, Any, Any, Any]:
    """The four words of a block, all uint64: what a product leaves above a word is masked when it matters, and not at the end."""
    mask, half, zero = m.const(0xFFFFFFFF, block), m.const(32, block), m.const(0, block)
    c0, c1, c2, c3 = block, m.shift_right(block, half), zero, zero
    for _ in range(ROUNDS):
        p0 = m.mul(m.bit_and(c0, mask), m.const(_MULTIPLY[0], block))
        p1 = m.mul(m.bit_and(c2, mask), m.const(_MULTIPLY[1], block))
        c0 = m.bit_xor(m.bit_xor(m.shift_right(p1, half), c1), low)
        c2 = m.bit_xor(m.bit_xor(m.shift_right(p0, half), c3), high)
        c1, c3 = p1, p0
        low, high = m.add(low, m.const(_BUMP[0], block)), m.add(high, m.const(_BUMP[1], block))
    return c0, c1, c2, c3


def _word_body(m: Any, index: Any, offset: Any, low: Any, high: Any) -> Any:
    """One word of four."""
    c0, c1, c2, c3 = rounds(m, m.add(offset, m.shift_right(index, m.const(2, index))), low, high)
    second, upper = (m.ne(m.bit_and(index, m.const(k, index)), m.const(0, index)) for k in (1, 2))
    return m.convert(m.select(upper, m.select(second, c3, c2), m.select(second, c1, c0)), "uint32")


@elementwise("u", _word, _word_body, result=lambda dtype: UINT32, flops=lambda y, *xs: 80 * y.size, smooth=False)
def random_word(index: Any, offset: Any, low: Any, high: Any) -> Any:
    """uint32: word `index` of the stream of random_bits that starts at block `offset`. All uint64; low, high: the key's words."""


def _batch(n: int, batched: tuple[bool, ...], key: Value, offset: Value, *, shape: Shape) -> Any:
    return random_bits(*spread(n, batched, key, offset), shape=shape)


@primitive(type=_type, lower=_lower, batch=_batch, flops=lambda y, key, offset, *, shape: 20 * y.size)
def random_bits(key: Any, offset: Any, *, shape: Shape) -> Any:
    """uint32 random words: word `i` is word `i % 4` of Philox4x32-10 block `offset + i // 4`.

    key: uint32[2].  offset: uint64[], the low and high words of the counter, whose other two are 0.  Both may have the
    same leading axes, which the result gets too.
    """
