"""Keys: uint32[2], made from a seed, split and folded without any hidden state.

The words a key draws are Philox4x32-10 blocks 0, 1, ... of its stream. New keys come from the same stream at places
that no draw reaches: split reads blocks from 2^63 on, fold_in reads block 2^62 + data.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, call, shape_of
from fgrad.eager.cell import Cell
from fgrad.eager.generator import key_data as words_of_seed
from fgrad.eager.operands import compose, convert, is_integer
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.primitives import sampling

UINT32 = np.dtype("uint32")


IMPL = "philox4x32"  # the one generator there is


def known(impl: Any) -> None:
    """Raises ArgumentError for a generator of another name."""
    if impl not in (None, IMPL):
        raise ArgumentError(f"there is no generator {impl!r}", where=caller(), fix=f"leave impl out: it is {IMPL!r}")


def key(seed: Any, *, impl: str | None = None) -> Any:
    """The key of a seed: a Python integer (its low 64 bits count) or an integer array of shape (). impl: None or "philox4x32"."""
    known(impl)
    if not isinstance(seed, Cell):
        return array_of(words_of_seed(operator.index(seed)))
    x = array_of(seed)
    if x._type.shape or not is_integer(x):
        raise DtypeError(f"a seed is one integer, found {x._type}", where=caller(), fix="use an integer of shape ()")
    low = convert(x, UINT32)
    wide = x._type.dtype.itemsize == 8
    high = convert(x >> 32, UINT32) if wide else convert(x * 0, UINT32)
    parts = [call("reshape", p, shape=(1,)) for p in (low, high)]
    return call("concatenate", *parts, axis=0)


PRNGKey = key


def checked(k: Any) -> Any:
    """A key, or an error that says what was found."""
    x = array_of(k)
    if x._type.shape != (2,) or x._type.dtype != UINT32:
        raise ShapeError(
            f"a key of type uint32[2] was expected, found {x._type}", where=caller(),
            fix="make one with random.key(seed) or random.split(key); use vmap over several keys",
        )  # fmt: skip
    return x


def split(key: Any, num: Any = 2) -> Any:
    """uint32[num, 2]: `num` (an int or a shape) independent new keys; do not use the old one again."""
    return compose(sampling.keys_of, checked(key), shape=shape_of(num))


def fold_in(key: Any, data: Any) -> Any:
    """A new key from a key and an integer (its low 32 bits count), e.g. the number of a step."""
    if not isinstance(data, Cell):
        data = array_of(np.asarray(operator.index(data) & 0xFFFFFFFF, np.uint32))
    return compose(sampling.fold, checked(key), convert(array_of(data), UINT32))


def wrap_key_data(data: Any, *, impl: str | None = None) -> Any:
    """A key from its two words."""
    known(impl)
    return checked(data)


def key_impl(keys: Any) -> str:
    """The name of the generator: "philox4x32"."""
    return IMPL


def clone(key: Any) -> Any:
    """The same key, for a use that is meant to give the same numbers again."""
    return array_of(key)


def key_data(keys: Any) -> Any:
    """The words of a key or of several, uint32[..., 2]; here that is what a key is."""
    return array_of(keys)
