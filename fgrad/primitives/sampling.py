"""Random bits as numbers: what both faces mean by uniform and normal draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.ir.apply import constant
from fgrad.ir.dtypes import Dtype
from fgrad.ir.graph import Value
from fgrad.primitives.arithmetic import convert, maximum, rem
from fgrad.primitives.compare import lt, shift_right
from fgrad.primitives.random_bits import random_bits
from fgrad.primitives.shape import reshape, slice_
from fgrad.primitives.transcendental import erfinv

FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


def words(dtype: Dtype) -> int:
    """32-bit words one number of `dtype` takes."""
    return 2 if dtype.name in ("float64", "int64", "uint64") else 1


def unit(bits: Value, *, dtype: Dtype) -> Any:
    """Uniform in [0, 1): the top 24 bits of a word, or 53 of a pair (last axis), times 2^-24 or 2^-53.

    bits: uint32[*shape, words(dtype)].
    """
    if dtype == FLOAT64:
        high = convert(shift_right(word(bits, 0), constant(np.uint32(5))), dtype=FLOAT64)
        low = convert(shift_right(word(bits, 1), constant(np.uint32(6))), dtype=FLOAT64)
        return (high * constant(np.float64(2.0**26)) + low) * constant(np.float64(2.0**-53))
    top = convert(shift_right(word(bits, 0), constant(np.uint32(8))), dtype=FLOAT32)
    u = top * constant(np.float32(2.0**-24))
    return u if dtype == FLOAT32 else convert(u * constant(np.float32(1 - 2.0**-8)), dtype=dtype)


def word(bits: Value, i: int) -> Any:
    """Word `i` of every group on the last axis."""
    shape = bits.shape
    n = len(shape)
    if shape[-1] == 1:
        return reshape(bits, shape=shape[:-1])
    start, stop = (*(0,) * (n - 1), i), (*shape[:-1], i + 1)
    return reshape(slice_(bits, start=start, stop=stop, step=(1,) * n), shape=shape[:-1])


def uniform(bits: Value, *, dtype: Dtype, low: float, high: float) -> Any:
    """Uniform in [low, high)."""
    u = unit(bits, dtype=dtype)
    if low == 0.0 and high == 1.0:
        return u
    return u * constant(np.asarray(high - low, dtype)) + constant(np.asarray(low, dtype))


def normal(bits: Value, *, dtype: Dtype) -> Any:
    """Standard normal: sqrt(2) erfinv(2u - 1), u uniform in (0, 1)."""
    wide = dtype if dtype == FLOAT64 else FLOAT32
    u = unit(bits, dtype=wide)
    tiny = 2.0**-54 if wide == FLOAT64 else 2.0**-25
    centred = maximum(u, constant(np.asarray(tiny, wide))) * constant(np.asarray(2, wide)) - constant(np.asarray(1, wide))
    return convert(erfinv(centred) * constant(np.asarray(math.sqrt(2), wide)), dtype=dtype)


def bernoulli(bits: Value, p: Value) -> Any:
    """True with probability `p` (float, broadcast against the draw)."""
    return lt(unit(bits, dtype=FLOAT32), convert(p, dtype=FLOAT32))


def integers(bits: Value, *, low: int, high: int, dtype: Dtype) -> Any:
    """Integers of [low, high): a 64-bit draw modulo the span (bias below 2^-32 for spans up to 2^32)."""
    u64 = np.dtype("uint64")
    wide = convert(word(bits, 0), dtype=u64) * constant(np.uint64(2**32)) + convert(word(bits, 1), dtype=u64)
    inside = rem(wide, constant(np.uint64(high - low)))
    return convert(convert(inside, dtype=np.dtype("int64")) + constant(np.int64(low)), dtype=dtype)


def key_bits(key: Value, *, shape: tuple[int, ...], block: int = 0) -> Any:
    """uint32[*shape] random bits of a key, from `block` of its stream on."""
    return random_bits(key, constant(np.uint64(block)), shape=shape)


def keys_of(key: Value, *, shape: tuple[int, ...]) -> Any:
    """uint32[*shape, 2] new keys: words 0 and 1 of blocks 2^63, 2^63 + 1, ... of the key's stream, where no draw comes."""
    words_ = random_bits(key, constant(np.uint64(2**63)), shape=(*shape, 4))
    n = len(shape)
    return slice_(words_, start=(0,) * (n + 1), stop=(*shape, 2), step=(1,) * (n + 1))


def fold(key: Value, data: Value) -> Any:
    """The key that block 2^62 + data of the stream names; data: uint32[]."""
    at = convert(data, dtype=np.dtype("uint64")) + constant(np.uint64(2**62))
    return slice_(random_bits(key, at, shape=(4,)), start=(0,), stop=(2,), step=(1,))
