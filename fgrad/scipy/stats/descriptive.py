"""Statistics of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.lax import cummax

__all__ = ["ModeResult", "mode", "rankdata", "sem"]


class ModeResult(NamedTuple):
    """The commonest element, and how often it is there."""

    mode: Any
    count: Any


def mode(a: Any, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False) -> ModeResult:
    """The commonest element along an axis (the smallest of several) and its count. Raises ArgumentError for nan_policy "omit"."""
    if nan_policy != "propagate":
        raise ArgumentError(f"nan_policy={nan_policy!r}", where=caller(), fix="use 'propagate'")
    x = jnp.asarray(a)
    lines = jnp.ravel(x) if axis is None else jnp.moveaxis(x, axis, -1)
    ordered = jnp.sort(lines, axis=-1)
    counts = jnp.sum(ordered[..., :, None] == ordered[..., None, :], axis=-1)
    at = jnp.argmax(counts, axis=-1, keepdims=True)
    found = [jnp.take_along_axis(v, at, axis=-1) for v in (ordered, counts)]
    if axis is None:
        return ModeResult(*[v.reshape((1,) * x.ndim if keepdims else ()) for v in found])
    return ModeResult(*[jnp.moveaxis(v, -1, axis) if keepdims else v[..., 0] for v in found])


def sem(a: Any, axis: int | None = 0, ddof: int = 1, nan_policy: str = "propagate", *, keepdims: bool = False) -> Any:
    """The standard error of the mean: std / sqrt(n). nan_policy: "propagate", or "omit" NaNs."""
    x = jnp.asarray(a)
    if nan_policy not in ("propagate", "omit"):
        raise ArgumentError(f"nan_policy={nan_policy!r}", where=caller(), fix="use 'propagate' or 'omit'")
    if nan_policy == "propagate":
        n = x.size if axis is None else x.shape[axis]
        return jnp.std(x, axis=axis, ddof=ddof, keepdims=keepdims) / n**0.5
    known = jnp.sum(~jnp.isnan(x), axis=axis, keepdims=keepdims)
    return jnp.nanstd(x, axis=axis, ddof=ddof, keepdims=keepdims) / jnp.sqrt(known.astype(x.dtype))


def rankdata(a: Any, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate") -> Any:
    """Ranks from 1. Equal elements: "average", "min" or "max" of their ranks, or "dense" (without gaps), "ordinal" (in order)."""
    if method not in ("average", "min", "max", "dense", "ordinal"):
        raise ArgumentError(f"method={method!r}", where=caller(), fix="use 'average', 'min', 'max', 'dense' or 'ordinal'")
    x = jnp.asarray(a)
    lines = jnp.ravel(x) if axis is None else jnp.moveaxis(x, axis, -1)
    order = jnp.argsort(lines, axis=-1)
    place = jnp.argsort(order, axis=-1)
    if method == "ordinal":
        ranks = place + 1
    else:
        ordered = jnp.sort(lines, axis=-1)
        new = jnp.concatenate([jnp.ones_like(ordered[..., :1], dtype=bool), ordered[..., 1:] != ordered[..., :-1]], axis=-1)
        ranks = jnp.take_along_axis(_tied(new, method), place, axis=-1)
    return ranks.reshape(x.shape) if axis is None else jnp.moveaxis(ranks, -1, axis)


def _tied(new: Any, method: str) -> Any:
    """Ranks of sorted elements; `new` where one differs from that before it."""
    n = new.shape[-1]
    if method == "dense":
        return jnp.cumsum(new, axis=-1)
    at = jnp.arange(n)
    first = _latest(new, at) + 1
    ends = jnp.concatenate([new[..., 1:], jnp.ones_like(new[..., :1])], axis=-1)
    last = jnp.flip(n - _latest(jnp.flip(ends, -1), at), -1)
    return first if method == "min" else last if method == "max" else (first + last) / 2


def _latest(mark: Any, at: Any) -> Any:
    """The last position so far that is marked."""
    return cummax(jnp.where(mark, at, 0), axis=mark.ndim - 1)
