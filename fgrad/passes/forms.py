"""What kernels can hold in the place of what they cannot: random words by their index, sums of halves in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.ir.graph import Graph, Value
from fgrad.ir.rewrite import rebuild, rewrite
from fgrad.passes.regions import deep
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.compare import ne
from fgrad.primitives.cumulative import cummax, cummin, cumprod, cumsum
from fgrad.primitives.random_bits import random_bits, random_word
from fgrad.primitives.reduce import (
    argmax,
    argmin,
    reduce_and,
    reduce_max,
    reduce_min,
    reduce_or,
    reduce_prod,
    reduce_sum,
)
from fgrad.primitives.shape import broadcast_to, full, iota, number, reshape, slice_

Shape = tuple[int, ...]
FLOAT32, UINT8, UINT64 = np.dtype("float32"), np.dtype("uint8"), np.dtype("uint64")


def words(key: Value, offset: Value, shape: Shape, start: int, steps: Sequence[int]) -> Any:
    """Random words whose index is `start` plus, for each axis, its count times a step."""
    low, high = (
        convert(reshape(slice_(key, start=(k,), stop=(k + 1,), step=(1,)), shape=()), dtype=UINT64) for k in (0, 1)
    )
    index = full(shape, start, offset)
    for axis, step in enumerate(steps):
        if shape[axis] > 1:
            index = index + iota(shape=shape, dtype=UINT64, axis=axis, device=key.device) * number(step, offset)
    return random_word(index, *[broadcast_to(x, shape=shape) for x in (offset, low, high)])


def strides(shape: Shape) -> list[int]:
    """Elements from one index of each axis to the next."""
    found = [1]
    for d in reversed(shape[1:]):
        found.insert(0, found[0] * d)
    return found[: len(shape)]


def one_stream(key: Value, offset: Value, *rest: Any) -> bool:
    """True for the words of one key."""
    return key.ndim == 1


def all_words(key: Value, offset: Value, s: Shape) -> Any:
    """All random bits."""
    return words(key, offset, s, 0, strides(s))


def some_words(key: Value, offset: Value, s: Shape, a: Shape, b: Shape, c: Shape) -> Any:
    """A slice of random bits."""
    by = strides(s)
    shape = tuple([max(-(-(stop - start) // step), 0) for start, stop, step in zip(a, b, c, strict=True)])
    first = sum([start * k for start, k in zip(a, by, strict=True)])
    return words(key, offset, shape, first, [step * k for step, k in zip(c, by, strict=True)])


def is_half(x: Value, *rest: Any) -> bool:
    """True for 16-bit floats."""
    return x.dtype.name in ("float16", "bfloat16")


def is_bool(x: Value, *rest: Any) -> bool:
    """True for bools."""
    return x.dtype.name == "bool"


def over(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of anything over any axes."""
    return lambda x, a: reduce(x, axes=a)


def in_float32(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of halves in float32, rounded once."""
    return lambda x, a: convert(reduce(convert(x, dtype=FLOAT32), axes=a), dtype=x.dtype)


def positions(f: Callable[..., Any]) -> Callable[..., Any]:
    """Positions of extremes along any axis."""
    return lambda x, a: f(x, axis=a)


def of_wider(f: Callable[..., Any], dtype: Any) -> Callable[..., Any]:
    """Positions in another type, which holds all values."""
    return lambda x, a: f(convert(x, dtype=dtype), axis=a)


def running(f: Callable[..., Any]) -> Callable[..., Any]:
    """Running values along any axis."""
    return lambda x, a, r: f(x, axis=a, reverse=r)


def running_wider(f: Callable[..., Any], dtype: Any) -> Callable[..., Any]:
    """Running values in another type, each rounded once."""
    return lambda x, a, r: convert(f(convert(x, dtype=dtype), axis=a, reverse=r), dtype=x.dtype)


def of_bytes(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of bools as that of bytes."""

    def right(x: Value, a: Shape) -> Any:
        found = reduce(convert(x, dtype=UINT8), axes=a)
        return ne(found, number(0, found))

    return right


RULES = (
    rewrite("some words", lambda key, offset, s, a, b, c: slice_(random_bits(key, offset, shape=s), start=a, stop=b, step=c), some_words,
            when=one_stream),
    rewrite("words in a shape", lambda key, offset, s, t: reshape(random_bits(key, offset, shape=s), shape=t),
            lambda key, offset, s, t: all_words(key, offset, t), when=one_stream),
    *[rewrite(f"{f.__name__} of halves", over(f), in_float32(f), when=is_half) for f in (reduce_sum, reduce_prod, reduce_max, reduce_min)],
    *[rewrite(f"{f.__name__} of bools", over(f), of_bytes(g), when=is_bool)
      for f, g in ((reduce_max, reduce_max), (reduce_min, reduce_min), (reduce_or, reduce_max), (reduce_and, reduce_min))],
)  # fmt: skip
RULES = (*RULES, *[rewrite(f"{f.__name__} of {name}", positions(f), of_wider(f, to), when=when) for f in (argmax, argmin)
                   for name, to, when in (("halves", FLOAT32, is_half), ("bools", UINT8, is_bool))],
         *[rewrite(f"{f.__name__} of {name}", running(f), running_wider(f, to), when=when) for f in (cumsum, cumprod, cummax, cummin)
           for name, to, when in (("halves", FLOAT32, is_half), ("bools", UINT8, is_bool))])  # fmt: skip
LAST = (rewrite("words", lambda key, offset, s: random_bits(key, offset, shape=s), all_words, when=one_stream),)


@deep
def native_forms(graph: Graph) -> Graph:
    """`graph` in the forms that kernels hold; the same values."""
    return rebuild(rebuild(graph, RULES), LAST)
