"""Sums, means and maxima of rows of a table, bag by bag."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from fgrad.eager.mode import grad_enabled
from fgrad.errors import ArgumentError, DtypeError
from fgrad.functions.call import compose
from fgrad.functions.creation import as_tensor
from fgrad.functions.shape import flatten
from fgrad.ir.apply import caller
from fgrad.nn.functional.lookup import INT64, held, limit_rows, rows_at
from fgrad.primitives import composites as c
from fgrad.primitives.cumulative import cumsum
from fgrad.primitives.index import scatter


def _bag_rule(index: Any, offsets: Any, weight: Any, *scale: Any, bags: int, mode: str, by_count: bool, padding: int | None) -> Any:
    """offsets: where each bag starts (and, if there is one more, where the last ends)."""
    n, width = index.shape[0], weight.shape[1]
    index, offsets = (c.convert(t, dtype=INT64) for t in (index, offsets))
    one = c.constant(np.int64(1))
    marks = scatter(c.broadcast_to(c.constant(np.int64(0)), shape=(n + 1,)), c.broadcast_to(one, shape=offsets.shape), offsets,
                    axes=(0,), op="add", mode="drop")  # fmt: skip
    bag = c.reshape(cumsum(c.FUNCTIONS["slice"](marks, start=(0,), stop=(n,), step=(1,)), axis=0), shape=(n,)) - one
    counted = c.lt(bag, c.constant(np.int64(bags)))
    if padding is not None:
        counted = counted & c.ne(index, c.constant(np.int64(padding)))
    bag = c.select(counted, bag, c.constant(np.int64(bags)))  # outside: left out
    rows = rows_at(index, weight, by_count)
    rows = rows * c.reshape(scale[0], shape=(n, 1)) if scale else rows
    start = -math.inf if mode == "max" else 0.0
    base = c.broadcast_to(c.number(start, weight), shape=(bags, width))
    y = scatter(base, rows, bag, axes=(0,), op="max" if mode == "max" else "add", mode="drop")
    if mode == "sum":
        return y
    count = scatter(c.broadcast_to(c.number(0, weight), shape=(bags,)), c.broadcast_to(c.number(1, weight), shape=(n,)), bag,
                    axes=(0,), op="add", mode="drop")  # fmt: skip
    count = c.reshape(count, shape=(bags, 1))
    if mode == "mean":
        return y / c.maximum(count, c.number(1, count))
    return c.select(c.broadcast_to(c.eq(count, c.number(0, count)), shape=y.shape), c.number(0, y), y)


def _bags(input: Any, offsets: Any, weights: Any) -> tuple[Any, Any, Any]:
    """(flat indices, offsets, flat weights) of one row, or of rows of equal length."""
    if input._type.ndim == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                             f"sequences. However, found offsets of type {type(offsets)}")  # fmt: skip
        n, size = input._type.shape
        offsets = as_tensor(np.asarray([i * size for i in range(n)], np.int64)).to(input.device)
        return flatten(input), offsets, None if weights is None else flatten(weights)
    if input._type.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input._type.ndim}")
    if offsets is None or offsets._type.ndim != 1:
        raise ValueError(f"offsets has to be a 1D Tensor{' but got None' if offsets is None else ''}")
    return input, offsets, weights


def _check_offsets(offsets: Any, n: int) -> None:
    """PyTorch's errors, where offsets are already numbers on the host."""
    data = offsets._data
    if isinstance(data, np.ndarray) and data.size and (data[0] != 0 or data[-1] > n):
        raise ArgumentError(f"offsets[0] has to be 0, and offsets[-1] can not be greater than input's length {n}, found {data[0]} and "
                            f"{data[-1]}", where=caller(), fix="let the first bag start at 0")  # fmt: skip


def embedding_bag(input: Any, weight: Any, offsets: Any = None, max_norm: float | None = None, norm_type: float = 2,
                  scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Any = None,
                  include_last_offset: bool = False, padding_idx: int | None = None) -> Any:  # fmt: skip
    """The "sum", "mean" or "max" of rows of `weight`, one bag after the other: float[bags, dim].

    input: int[bags, size], or int[n] with offsets: int[bags], where each bag starts.  include_last_offset: one offset
    more, where the last bag ends.  per_sample_weights: factors of the rows, with "sum".  Rows padding_idx are left out.
    An empty bag gives zeros.  max_norm, scale_grad_by_freq: as in embedding.  sparse: accepted, gradients are dense.
    """
    if weight._type.dtype == INT64 and input._type.inexact:
        warnings.warn("Argument order of nn.functional.embedding_bag was changed.", stacklevel=2)
        return embedding_bag(weight, input, offsets, max_norm, norm_type, scale_grad_by_freq, mode, sparse, per_sample_weights,
                             include_last_offset, padding_idx)  # fmt: skip
    if per_sample_weights is not None and input._type.shape != per_sample_weights._type.shape:
        raise ValueError(f"embedding_bag: If per_sample_weights ({per_sample_weights._type.shape}) is not None, then it must have the "
                         f"same shape as the input ({input._type.shape})")  # fmt: skip
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError("mode has to be one of sum, mean or max; max does not support scaling the gradient by the frequency")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"embedding_bag: per_sample_weights is only supported for mode='sum' (got mode='{mode}').")
    if input._type.dtype.kind not in "iu" or weight._type.ndim != 2:
        raise DtypeError(f"embedding_bag: expected integer indices and a 2-d weight, got {input._type} and {weight._type}", where=caller(),
                         fix="use .long()")  # fmt: skip
    flat, starts, factors = _bags(input, offsets, per_sample_weights)
    _check_offsets(starts, flat._type.size)
    if max_norm is not None:
        limit_rows(flat, weight, max_norm, norm_type)
    padding = None if padding_idx is None else padding_idx % weight._type.shape[0]
    if padding is not None and grad_enabled():
        weight = held(weight, padding)
    bags = starts._type.size - bool(include_last_offset and input._type.ndim == 1)
    return compose(_bag_rule, flat, starts, weight, *([] if factors is None else [factors]), bags=bags, mode=mode,
                   by_count=bool(scale_grad_by_freq), padding=padding)  # fmt: skip
