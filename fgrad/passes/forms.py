"""What kernels can hold in the place of what they cannot: random words by their index, sums of halves in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.ir.apply import located
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.rewrite import rebuild, rewrite, with_operands
from fgrad.ir.types import TensorType
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.random_bits import random_bits, random_word
from fgrad.primitives.shape import broadcast_to, full, iota, number, reshape, slice_

Shape = tuple[int, ...]
IN_FLOAT32 = frozenset((
    "reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin", "cumsum", "cumprod", "cummax", "cummin", "dot_general",
    "conv", "conv_dx", "conv_dw", "conv_last", "conv_last_dx", "conv_last_dw", "window_max", "window_max_pull", "window_max_push",
    "window_sum", "window_sum_pull", "scatter",
))  # fmt: skip
IN_BYTES = {
    "reduce_or": "reduce_max", "reduce_and": "reduce_min", **{name: name for name in ("reduce_max", "reduce_min", "argmax", "argmin", "cummax", "cummin")},
}  # fmt: skip
FLOAT32, UINT8, UINT64 = np.dtype("float32"), np.dtype("uint8"), np.dtype("uint64")


def words(key: Value, offset: Value, shape: Shape, start: int, steps: Sequence[int]) -> Any:
    """Random words whose index is `start` plus, for each axis of `shape`, its count times a step; keys are leading axes."""
    lead = offset.shape
    n, full_shape = len(lead), (*lead, *shape)
    low, high = (
        convert(reshape(slice_(key, start=(*(0,) * n, k), stop=(*lead, k + 1), step=(1,) * (n + 1)), shape=lead), dtype=UINT64)
        for k in (0, 1)
    )
    index = full(full_shape, start, offset)
    for axis, step in enumerate(steps):
        if shape[axis] > 1:
            index = index + iota(shape=full_shape, dtype=UINT64, axis=n + axis, device=key.device) * number(step, offset)
    unit = (*lead, *(1,) * len(shape))
    return random_word(index, *[broadcast_to(reshape(x, shape=unit), shape=full_shape) for x in (offset, low, high)])


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


RULES = (
    rewrite("some words", lambda key, offset, s, a, b, c: slice_(random_bits(key, offset, shape=s), start=a, stop=b, step=c), some_words,
            when=one_stream),
    rewrite("words in a shape", lambda key, offset, s, t: reshape(random_bits(key, offset, shape=s), shape=t),
            lambda key, offset, s, t: all_words(key, offset, t), when=one_stream),
)  # fmt: skip
LAST = (rewrite("words", lambda key, offset, s: random_bits(key, offset, shape=s), all_words),)


def substitute(v: Value) -> tuple[str, np.dtype[Any]] | None:
    """The operation that stands for `v`, and the type it reads instead of halves or bools; None if `v` is as it should be."""
    assert v.prim is not None
    if not all(isinstance(x.type, TensorType) and x.size for x in v.operands):
        return None
    kinds, name = {x.dtype.name for x in v.operands}, v.prim.name
    if kinds & {"float16", "bfloat16"} and name in IN_FLOAT32 and v.named_params.get("op") != "mul":
        return name, FLOAT32
    return (IN_BYTES[name], UINT8) if "bool" in kinds and name in IN_BYTES else None


def widened(graph: Graph) -> Graph:
    """Operations on halves in float32, rounded once, as their lowerings do it, and on bools as bytes."""
    new: dict[Value, Value] = {}
    for old in graph.values():
        v = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
        found = substitute(v)
        if found is not None:
            name, dtype = found
            with located(v.where):
                narrow = [x.dtype.name in ("float16", "bfloat16", "bool") for x in v.operands]
                xs = [convert(x, dtype=dtype) if n else x for x, n in zip(v.operands, narrow, strict=True)]
                y = FUNCTIONS[name](*xs, **v.named_params)
                v = y if y.type is v.type else convert(y, dtype=v.dtype)
        new[old] = v
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs]))


def native_forms(graph: Graph) -> Graph:
    """`graph` in the forms that kernels hold; the same values. Graphs inside nodes are left as they are: who writes them asks for theirs."""
    return widened(rebuild(rebuild(graph, RULES), LAST))
