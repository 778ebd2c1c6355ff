"""Embeddings: rows of a table at integer indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.mode import grad_enabled
from fgrad.errors import DtypeError
from fgrad.functions.call import compose
from fgrad.functions.inplace import set_grad
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.index import gather, scatter
from fgrad.primitives.structure import stop_gradient

INT64 = np.dtype("int64")


def _counts(index: Any, weight: Any) -> Any:
    """How often each row is looked up, in the dtype of the table."""
    at = c.reshape(c.convert(index, dtype=INT64), shape=(index.size,))
    zeros = c.broadcast_to(c.number(0, weight), shape=(weight.shape[0],))
    return scatter(zeros, c.broadcast_to(c.number(1, weight), shape=(index.size,)), at, axes=(0,), op="add", mode="drop")


def rows_at(index: Any, weight: Any, by_count: bool) -> Any:
    """Rows of a table; by_count: their gradients are divided by how often they are looked up."""
    at = index if index.dtype == INT64 else c.convert(index, dtype=INT64)
    rows = gather(weight, at, axes=(0,), mode="raise")
    if not by_count:
        return rows
    n = gather(_counts(index, weight), at, axes=(0,), mode="clip")
    share = rows / c.reshape(n, shape=(*n.shape, 1))
    return c.stop_gradient(rows) + (share - c.stop_gradient(share))  # the value of rows, the gradient of share


def _embedding_rule(index: Any, weight: Any, *, by_count: bool) -> Any:
    return rows_at(index, weight, by_count)


def held(weight: Any, row: int) -> Any:
    """The table, without gradient to one row."""
    return compose(_hold_row, weight, row=row)


def embedding(input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
              scale_grad_by_freq: bool = False, sparse: bool = False) -> Any:  # fmt: skip
    """Rows of `weight` at the indices: int[...] -> float[..., dim]. No gradient to row padding_idx.

    max_norm: rows that are looked up are first scaled down, in `weight` itself, to this norm of order norm_type.
    scale_grad_by_freq: a row's gradient is divided by how often it was looked up.  sparse: accepted, gradients are dense.
    """
    if input._type.dtype.kind not in "iu":
        raise DtypeError(f"embedding: indices must be integers, got {input._type}", where=caller(), fix="use .long()")
    if max_norm is not None:
        limit_rows(input, weight, max_norm, norm_type)
    if padding_idx is not None and grad_enabled():
        weight = held(weight, padding_idx % weight._type.shape[0])
    return compose(_embedding_rule, input, weight, by_count=scale_grad_by_freq and weight._type.inexact)


def _hold_row(w: Any, *, row: int) -> Any:
    at = c.iota(shape=w.shape, dtype=INT64, axis=0, device=w.device)
    return c.select(c.eq(at, c.constant(np.int64(row))), c.stop_gradient(w), w)


def _limit_rule(index: Any, weight: Any, *, limit: float, order: float) -> Any:
    size = c.norm(weight, axes=(1,), p=order)
    scale = c.number(limit, weight) / (size + c.number(1e-7, weight))
    seen = c.lt(c.number(0, weight), _counts(index, weight)) & c.lt(c.number(limit, weight), size)
    return weight * c.reshape(c.select(seen, scale, c.number(1, weight)), shape=(weight.shape[0], 1))


def limited(index: Any, weight: Any, max_norm: float, norm_type: float) -> Any:
    """The table with the rows that are looked up scaled down to norm max_norm."""
    return compose(_limit_rule, index, weight, limit=float(max_norm), order=float(norm_type))


def limit_rows(index: Any, weight: Any, max_norm: float, norm_type: float) -> None:
    """Scales rows that are looked up down, in the table itself."""
    before = set_grad(False)
    try:
        weight.copy_(limited(index, weight, max_norm, norm_type))
    finally:
        set_grad(before)


def stop(x: Any) -> Any:
    """`x` without history."""
    return compose(stop_gradient, x)
