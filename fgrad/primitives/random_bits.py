"""Random bits: a counter-based generator, the same stream on every device."""

from __future__ import annotations

import math
from typing import Any

from fgrad.errors import DtypeError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_kinds, device_of
from fgrad.primitives.shape import spread

Shape = tuple[int, ...]
ROUNDS = 10
_MULTIPLY = (0xD2511F53, 0xCD9E8D57)
_BUMP = (0x9E3779B9, 0xBB67AE85)
_CHUNK = 8192  # blocks at a time: the working set stays in the second-level cache


def philox(xp: Any, counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10 of arrays of 32-bit words held in uint64, which broadcast.

    Source: Salmon, Moraes, Dror & Shaw 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    low, shift = xp.uint64(0xFFFFFFFF), xp.uint64(32)
    m0, m1, b0, b1 = [xp.uint64(x) for x in (*_MULTIPLY, *_BUMP)]
    for _ in range(ROUNDS):
        p0, p1 = c0 * m0, c2 * m1
        c0, c1, c2, c3 = (p1 >> shift) ^ c1 ^ k0, p1 & low, (p0 >> shift) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + b0) & low, (k1 + b1) & low
    return c0, c1, c2, c3


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
    flat = out.reshape(offset.size, n) if out.flags.c_contiguous else xp.empty((offset.size, n), "uint32")
    key = key.reshape(-1, 2).astype("uint64")
    k0, k1, first = key[:, :1], key[:, 1:], offset.reshape(-1, 1)
    zero, low, shift = xp.zeros((1, 1), "uint64"), xp.uint64(0xFFFFFFFF), xp.uint64(32)
    for start in range(0, -(-n // 4), _CHUNK):
        block = first + xp.arange(start, min(start + _CHUNK, -(-n // 4)), dtype="uint64")
        words = philox(xp, (block & low, block >> shift, zero, zero), (k0, k1))
        for i, word in enumerate(words):
            part = flat[:, 4 * start + i : 4 * (start + _CHUNK) : 4]
            part[...] = word[:, : part.shape[1]]
    if not out.flags.c_contiguous:
        out[...] = flat.reshape(out.shape)
    return out


def _batch(n: int, batched: tuple[bool, ...], key: Value, offset: Value, *, shape: Shape) -> Any:
    return random_bits(*spread(n, batched, key, offset), shape=shape)


@primitive(type=_type, lower=_lower, batch=_batch, flops=lambda y, key, offset, *, shape: 20 * y.size)
def random_bits(key: Any, offset: Any, *, shape: Shape) -> Any:
    """uint32 random words: word `i` is word `i % 4` of Philox4x32-10 block `offset + i // 4`.

    key: uint32[2].  offset: uint64[], the low and high words of the counter, whose other two are 0.  Both may have the
    same leading axes, which the result gets too.
    """
