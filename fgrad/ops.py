"""jax.ops: sums, products and extremes over segments of an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as jnp
from fgrad.errors import TraceError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import is_inexact

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]


def _segments(data: Any, segment_ids: Any, num_segments: int | None, start: Callable[[Any], Any], method: str) -> Any:
    x, ids = jnp.asarray(data), jnp.asarray(segment_ids)
    if num_segments is None:
        try:
            num_segments = int(np.max(np.asarray(ids), initial=-1)) + 1
        except TraceError as e:
            raise TraceError("num_segments is not known while a function is recorded", where=caller(), fix="give num_segments=") from e
    out = jnp.full((num_segments, *x.shape[1:]), start(x.dtype), x.dtype)
    inside = (ids >= 0) & (ids < num_segments)
    place = jnp.where(inside, ids, num_segments)
    grown = jnp.concatenate([out, out[:1] if num_segments else jnp.full((1, *x.shape[1:]), start(x.dtype), x.dtype)])
    return getattr(grown.at[place], method)(x)[:num_segments]


def _least(d: Any) -> Any:
    return -np.inf if is_inexact(d) else np.iinfo(d).min


def _most(d: Any) -> Any:
    return np.inf if is_inexact(d) else np.iinfo(d).max


def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, indices_are_sorted: bool = False,
                unique_indices: bool = False, bucket_size: int | None = None, mode: Any = None) -> Any:  # fmt: skip
    """out[s] = the sum of data[i] with segment_ids[i] == s, for s < num_segments; ids outside are dropped.

    num_segments: the largest id + 1 unless given (needed inside jit). indices_are_sorted, unique_indices, bucket_size, mode are accepted.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.ops.segment_sum(jnp.array([1, 2, 3]), jnp.array([0, 0, 1]))
    Array([3, 3], dtype=int64)
    """
    return _segments(data, segment_ids, num_segments, lambda d: 0, "add")


def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, indices_are_sorted: bool = False,
                 unique_indices: bool = False, bucket_size: int | None = None, mode: Any = None) -> Any:  # fmt: skip
    """As segment_sum, products; 1 for empty segments."""
    return _segments(data, segment_ids, num_segments, lambda d: 1, "multiply")


def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, indices_are_sorted: bool = False,
                unique_indices: bool = False, bucket_size: int | None = None, mode: Any = None) -> Any:  # fmt: skip
    """As segment_sum, the largest; -inf or the least integer for empty segments."""
    return _segments(data, segment_ids, num_segments, _least, "max")


def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, indices_are_sorted: bool = False,
                unique_indices: bool = False, bucket_size: int | None = None, mode: Any = None) -> Any:  # fmt: skip
    """As segment_sum, the smallest; inf or the largest integer for empty segments."""
    return _segments(data, segment_ids, num_segments, _most, "min")
