"""jax.nn's attention: heads behind the sequence, masks by lengths and windows."""

from __future__ import annotations

import math
from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.nn.functional.attention import scaled_dot_product_attention
from fgrad.nn.jax_style import logsumexp

__all__ = ["dot_product_attention"]


def dot_product_attention(query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, *, scale: float | None = None,
                          is_causal: bool = False, query_seq_lengths: Any = None, key_value_seq_lengths: Any = None,
                          local_window_size: int | tuple[int, int] | None = None, implementation: str | None = None,
                          return_residual: bool = False) -> Any:  # fmt: skip
    """softmax(query key' * scale + bias, where mask) value.

    query: float[b, t, n, h] (or without b).  key, value: float[b, s, k, h], n a multiple of k (grouped heads).  Returns query's shape.
    bias: added to the scores, mask: bool, True takes part; both broadcast to [b, n, t, s].  scale: 1 / sqrt(h) unless given.
    is_causal: position i sees 0..i.  query_seq_lengths, key_value_seq_lengths: int[b], what is behind them is padding.
    local_window_size: how far to the left and right a position sees, one number or two.  implementation: "xla" or "cudnn", accepted.
    return_residual: (result, logsumexp of the scores [b, t, n]).  A row that nothing takes part in gives zeros.

    >>> import fgrad, fgrad.numpy as jnp
    >>> x = jnp.ones((1, 4, 2, 8))
    >>> fgrad.nn.dot_product_attention(x, x, x, is_causal=True).shape
    (1, 4, 2, 8)
    """
    q, k, v = (jnp.asarray(x) for x in (query, key, value))
    if implementation not in (None, "xla", "cudnn"):
        raise ArgumentError(f"implementation={implementation!r}", where=caller(), fix="leave it out")
    single = q.ndim == 3
    q, k, v = (x[None] if x.ndim == 3 else x for x in (q, k, v))
    if not q.ndim == k.ndim == v.ndim == 4 or q.shape[2] % k.shape[2] or k.shape[:3] != v.shape[:3]:
        raise ShapeError(f"dot_product_attention: {q.shape}, {k.shape}, {v.shape} do not fit each other", where=caller(),
                         fix="give [b, t, n, h], [b, s, k, h], [b, s, k, h] with n a multiple of k")  # fmt: skip
    shown = _shown(q.shape[1], k.shape[1], is_causal, query_seq_lengths, key_value_seq_lengths, local_window_size)
    shown = shown if mask is None else _four(mask) if shown is None else shown & _four(mask)
    extra = None if bias is None else _four(bias).astype(q.dtype)
    added = shown if extra is None else extra if shown is None else jnp.where(shown, extra, -jnp.inf)
    heads = [jnp.swapaxes(x, 1, 2) for x in (q, k, v)]
    out = scaled_dot_product_attention(heads[0], heads[1], heads[2], added, scale=scale, enable_gqa=q.shape[2] != k.shape[2])
    out = jnp.swapaxes(out, 1, 2)
    if query_seq_lengths is not None:
        inside = jnp.arange(q.shape[1])[None] < jnp.asarray(query_seq_lengths)[:, None]
        out = jnp.where(inside[:, :, None, None], out, 0.0)
    out = out[0] if single else out
    return (out, _residual(heads, added, scale, single)) if return_residual else out


def _four(x: Any) -> Any:
    a = jnp.asarray(x)
    return a.reshape((1,) * (4 - a.ndim) + a.shape)


def _shown(t: int, s: int, causal: bool, queries: Any, keys: Any, window: int | tuple[int, int] | None) -> Any:
    """bool[b or 1, 1, t, s] of what takes part, None for everything."""
    i, j = jnp.arange(t)[:, None], jnp.arange(s)[None, :]
    tests = []
    if causal:
        tests.append((j <= i)[None, None])
    if window is not None:
        left, right = (window, window) if isinstance(window, int) else window
        tests.append(((j >= i - left) & (j <= i + right))[None, None])
    if keys is not None:
        tests.append((j[None] < jnp.asarray(keys)[:, None, None])[:, None])
    if queries is not None:
        tests.append((i[None] < jnp.asarray(queries)[:, None, None])[:, None])
    found = None
    for test in tests:
        found = test if found is None else found & test
    return found


def _residual(heads: list[Any], added: Any, scale: float | None, single: bool) -> Any:
    q, k, _ = heads
    k = jnp.repeat(k, q.shape[1] // k.shape[1], axis=1)
    scores = (q @ jnp.swapaxes(k, -1, -2)) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if added is not None:
        scores = jnp.where(added, scores, -jnp.inf) if added.dtype == bool else scores + added
    found = jnp.swapaxes(logsumexp(scores, axis=-1), 1, 2)
    return found[0] if single else found
