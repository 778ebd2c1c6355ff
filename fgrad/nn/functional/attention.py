"""Attention: the scaled dot product, and the multi-head form over it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager import casting
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose, convert
from fgrad.functions.creation import zeros
from fgrad.functions.linear import bmm
from fgrad.functions.pointwise import add, where
from fgrad.functions.random import bits_for
from fgrad.functions.reductions import mean, softmax
from fgrad.functions.shape import cat, chunk, expand, repeat, split, transpose, view_as_shape
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.nn.functional.convolution import linear
from fgrad.nn.functional.distance import check_floats
from fgrad.nn.functional.dropout import FLOAT32, check_probability, dropout
from fgrad.nn.functional.padding import pad
from fgrad.primitives import composites as c
from fgrad.primitives import sampling
from fgrad.primitives.linear import matmul

BOOL = np.dtype("bool")


def _safe_softmax(x: Any) -> Any:
    """softmax of the last axis; 0 where a whole row is -inf."""
    if not x.size:
        return x
    axes = (x.ndim - 1,)
    e = c.exp(x - c.finite_max(x, axes))
    total = c.kept(c.reduce_sum(e, axes=axes), x.shape, axes)
    return e / c.select(c.eq(total, c.number(0, total)), c.number(1, total), total)


def _repeat_heads(x: Any, times: int) -> Any:
    """Each head of axis -3 `times` times in a row."""
    lead, heads = x.shape[:-3], x.shape[-3]
    wide = c.broadcast_to(c.reshape(x, shape=(*lead, heads, 1, *x.shape[-2:])), shape=(*lead, heads, times, *x.shape[-2:]))
    return c.reshape(wide, shape=(*lead, heads * times, *x.shape[-2:]))


def _attention_rule(q: Any, k: Any, v: Any, *rest: Any, scale: float, causal: bool, masked: bool, p: float, repeats: int) -> Any:
    given = list(rest)
    if repeats > 1:
        k, v = _repeat_heads(k, repeats), _repeat_heads(v, repeats)
    rank = k.ndim
    scores = matmul(q * c.number(scale, q), c.transpose(k, axes=(*range(rank - 2), rank - 1, rank - 2)))
    low = c.number(-math.inf, scores)
    if causal:
        scores = c.select(c.tril_mask(shape=scores.shape[-2:], k=0, device=q.device), scores, low)
    if masked:
        mask = given.pop(0)
        scores = c.select(mask, scores, low) if mask.dtype.kind == "b" else scores + mask
    weights = _safe_softmax(scores)
    if p:
        keep = c.le(c.constant(np.float32(p)), sampling.unit(given.pop(0), dtype=FLOAT32))
        weights = c.select(keep, weights * c.number(1 / (1 - p) if p < 1 else 0, weights), c.number(0, weights))
    return matmul(weights, v)


def _repeats(q: Any, k: Any, v: Any) -> int:
    """How many query heads share a key head."""
    if q.ndim < 3 or q.shape[-3] % max(k.shape[-3], 1) or k.shape[-3] != v.shape[-3]:
        raise ShapeError(f"Number of heads in key and value must divide the number of heads in query, found {q}, {k}, {v}",
                         where=caller(), fix="make it a divisor")  # fmt: skip
    return int(q.shape[-3] // k.shape[-3])


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
                                 is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False) -> Any:  # fmt: skip
    """softmax(query @ key.T * scale + mask) @ value.

    query: float[..., h, l, e].  key: float[..., h, s, e].  value: float[..., h, s, v].  Returns float[..., h, l, v].
    attn_mask: bool (True takes part) or float (added), broadcasts to [..., l, s].  is_causal: position i sees 0..i.
    scale: 1/sqrt(e) unless given.  enable_gqa: key and value may have fewer heads, each for several of the query.
    dropout_p: applied always, set it to 0 in evaluation.  A row that nothing takes part in gives zeros.

    >>> import fgrad
    >>> v = fgrad.tensor([[1.], [3.]])
    >>> fgrad.nn.functional.scaled_dot_product_attention(fgrad.zeros(2, 4), fgrad.zeros(2, 4), v, is_causal=True)
    tensor([[1.], [2.]])
    """
    check_probability(dropout_p)
    query, key, value, attn_mask = casting.lower(query, key, value, attn_mask)
    q, k, v = (x._type for x in (query, key, value))
    check_floats("scaled_dot_product_attention", query, key, value)
    if min(q.ndim, k.ndim, v.ndim) < 2 or len({t.dtype for t in (q, k, v)}) > 1:
        raise ShapeError(f"scaled_dot_product_attention: query, key and value must be at least 2-d and of one dtype, found {q}, "
                         f"{k}, {v}", where=caller(), fix="give float[..., l, e], float[..., s, e], float[..., s, v]")  # fmt: skip
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(f"scaled_dot_product_attention: query {q}, key {k} and value {v} do not fit each other", where=caller(),
                         fix="make query and key of one width, key and value of one length")  # fmt: skip
    if is_causal and attn_mask is not None:
        raise ArgumentError("Explicit attn_mask should not be set when is_causal=True", where=caller(), fix="leave one out")
    extra = []
    if attn_mask is not None:
        mask = attn_mask
        extra.append(mask if mask._type.dtype == BOOL else convert(mask, q.dtype))
    if dropout_p:
        lead = broadcast_shapes(q.shape[:-2], q.shape[:-2] if enable_gqa else k.shape[:-2])
        bits = bits_for(type(query)._result, (*(lead or ()), q.shape[-2], k.shape[-2]), FLOAT32, None, query._device)
        extra.append(bits)
    by = (1 / math.sqrt(q.shape[-1]) if q.shape[-1] else 1.0) if scale is None else scale
    return compose(_attention_rule, query, key, value, *extra, scale=float(by), causal=bool(is_causal),
                   masked=attn_mask is not None, p=float(dropout_p), repeats=_repeats(q, k, v) if enable_gqa else 1)  # fmt: skip


def as_scores(mask: Any, like: Any) -> Any:
    """A mask as numbers to add: -inf where a bool one is True."""
    if mask is None or mask._type.dtype != BOOL:
        return mask if mask is None or mask._type.dtype == like._type.dtype else convert(mask, like._type.dtype)
    return where(mask, convert(zeros(()), like._type.dtype) - math.inf, convert(zeros(()), like._type.dtype))


def _projections(query: Any, key: Any, value: Any, weight: Any, bias: Any, separate: tuple[Any, ...] | None) -> list[Any]:
    """Query, key and value times their weights."""
    width = query._type.shape[-1]
    if separate is not None:
        biases = (None,) * 3 if bias is None else chunk(bias, 3)
        return [linear(x, w, b) for x, w, b in zip((query, key, value), separate, biases, strict=True)]
    if query is key and key is value:
        return list(chunk(linear(query, weight, bias), 3, -1))
    if key is value:
        sizes = [width, 2 * width]
        w, b = split(weight, sizes), (None, None) if bias is None else split(bias, sizes)
        return [linear(query, w[0], b[0]), *chunk(linear(key, w[1], b[1]), 2, -1)]
    w, b = chunk(weight, 3), (None,) * 3 if bias is None else chunk(bias, 3)
    return [linear(x, u, d) for x, u, d in zip((query, key, value), w, b, strict=True)]


def _with_one_more(mask: Any) -> Any:
    """A mask for keys with one appended that always takes part."""
    return None if mask is None else pad(mask, (0, 1))


def _heads(x: Any, n: int, head: int) -> Any:
    """[l, n, h * head] -> [n * h, l, head]."""
    length = x._type.shape[0]
    return transpose(view_as_shape(x, (length, n, head)), 0, 1)


def _check_attention(query: Any, key: Any, value: Any, embed: int, heads: int, attn_mask: Any, is_causal: bool) -> None:
    ranks = [x._type.ndim for x in (query, key, value)]
    if ranks not in ([2, 2, 2], [3, 3, 3]):
        raise ShapeError(f"query should be unbatched 2D or batched 3D, with key and value alike, but received {ranks[0]}-D query, "
                         f"{ranks[1]}-D key and {ranks[2]}-D value", where=caller(), fix="give (l, n, e) or (l, e)")  # fmt: skip
    if query._type.shape[-1] != embed:
        raise AssertionError(f"was expecting embedding dimension of {embed}, but got {query._type.shape[-1]}")
    if embed % heads:
        raise AssertionError(f"embed_dim {embed} not divisible by num_heads {heads}")
    if is_causal and attn_mask is None:
        raise ArgumentError("Need attn_mask if specifying the is_causal hint.", where=caller(), fix="pass the causal mask too")


def _merged(attn_mask: Any, padding: Any, n: int, heads: int, length: int, source: int, like: Any) -> Any:
    """One float mask [n * heads, length or 1, source] of the two, or None."""
    mask, held = as_scores(attn_mask, like), as_scores(padding, like)
    if mask is not None:
        wanted = ((length, source), (n * heads, length, source))
        if mask._type.shape not in wanted:
            raise ShapeError(f"The shape of the attn_mask is {mask._type.shape}, but should be one of {wanted}.", where=caller(),
                             fix="give (l, s) or (n * heads, l, s)")  # fmt: skip
        mask = view_as_shape(mask, (1, length, source)) if mask._type.ndim == 2 else mask
    if held is not None:
        if held._type.shape != (n, source):
            raise AssertionError(f"expecting key_padding_mask shape of {(n, source)}, but got {held._type.shape}")
        held = view_as_shape(expand(view_as_shape(held, (n, 1, 1, source)), n, heads, 1, source), (n * heads, 1, source))
        mask = held if mask is None else add(mask, held)
    return mask


def _appended(x: Any, static: Any, zero: bool) -> Any:
    """Keys or values, or those given instead, with one of zeros at the end if asked."""
    x = x if static is None else static
    if not zero:
        return x
    n, _, head = x._type.shape
    return cat([x, convert(zeros((n, 1, head)), x._type.dtype)], 1)


def _attend(q: Any, k: Any, v: Any, mask: Any, p: float) -> tuple[Any, Any]:
    """(result, weights) with weights kept."""
    scores = bmm(q * (1 / math.sqrt(q._type.shape[-1])), transpose(k, 1, 2))
    weights = softmax(scores if mask is None else add(scores, mask), -1)
    weights = dropout(weights, p) if p else weights
    return bmm(weights, v), weights


def multi_head_attention_forward(
    query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int, in_proj_weight: Any, in_proj_bias: Any,
    bias_k: Any, bias_v: Any, add_zero_attn: bool, dropout_p: float, out_proj_weight: Any, out_proj_bias: Any,
    training: bool = True, key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None, v_proj_weight: Any = None,
    static_k: Any = None, static_v: Any = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """(result [l, n, e], weights [n, l, s] or None) of attention in `num_heads` parts of the width e.

    query: float[l, n, e].  key: float[s, n, k].  value: float[s, n, v] (n may be absent from all).  key_padding_mask:
    [n, s] and attn_mask: [l, s] or [n * heads, l, s], True (or -inf) where a key takes no part.  bias_k, bias_v: one
    more key and value for all.  average_attn_weights False: weights [n, heads, l, s].  Source: Vaswani et al. 2017.
    """
    _check_attention(query, key, value, embed_dim_to_check, num_heads, attn_mask, is_causal)
    single = query._type.ndim == 2
    if single:
        query, key, value = _alone(query, key, value)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (length, n, width), head = query._type.shape, embed_dim_to_check // num_heads
    causal = is_causal and key_padding_mask is None and not need_weights
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projections(query, key, value, in_proj_weight, in_proj_bias, separate)
    attn_mask = None if causal else attn_mask
    if bias_k is not None:
        k, v = cat([k, repeat(bias_k, 1, n, 1)]), cat([v, repeat(bias_v, 1, n, 1)])
        attn_mask, key_padding_mask = _with_one_more(attn_mask), _with_one_more(key_padding_mask)
    rows = n * num_heads
    q, k, v = (_heads(x, rows, head) for x in (q, k, v))
    k, v = _appended(k, static_k, add_zero_attn), _appended(v, static_v, add_zero_attn)
    if add_zero_attn:
        attn_mask, key_padding_mask = _with_one_more(attn_mask), _with_one_more(key_padding_mask)
    source = k._type.shape[1]
    mask = _merged(attn_mask, key_padding_mask, n, num_heads, length, source, q)
    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        y, weights = _attend(q, k, v, mask, p)
        weights = view_as_shape(weights, (n, num_heads, length, source))
        weights = mean(weights, 1) if average_attn_weights else weights
        weights = view_as_shape(weights, weights._type.shape[1:]) if single else weights
    else:
        y = scaled_dot_product_attention(q, k, v, mask, p, causal)
    y = linear(view_as_shape(transpose(y, 0, 1), (length, n, width)), out_proj_weight, out_proj_bias)
    return (view_as_shape(y, (length, width)) if single else y), weights


def _alone(query: Any, key: Any, value: Any) -> list[Any]:
    """One example as a batch; what was one tensor stays one."""
    made: dict[int, Any] = {}
    for x in (query, key, value):
        made.setdefault(id(x), x.unsqueeze(1))
    return [made[id(x)] for x in (query, key, value)]

