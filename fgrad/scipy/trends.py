"""Trends taken from signals."""

from __future__ import annotations

import itertools
from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller


def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: None = None) -> Any:
    """`data` less its mean ("constant") or its least-squares line ("linear") along an axis; bp: where pieces of their own begin."""
    x = jnp.asarray(data)
    x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(float)
    if type == "constant":
        return x - jnp.mean(x, axis=axis, keepdims=True)
    if type != "linear":
        raise ArgumentError(f"type={type!r}", where=caller(), fix="use 'constant' or 'linear'")
    a = jnp.moveaxis(x, axis, -1)
    cuts = sorted({0, a.shape[-1], *((bp,) if isinstance(bp, int) else bp)})
    parts = []
    for i, j in itertools.pairwise(cuts):
        t = jnp.arange(j - i).astype(x.dtype)
        t, piece = t - (j - i - 1) / 2, a[..., i:j]
        middle = piece - jnp.mean(piece, axis=-1, keepdims=True)
        slope = jnp.sum(middle * t, axis=-1, keepdims=True) / max((j - i) * ((j - i) ** 2 - 1) / 12, 1e-30)
        parts.append(middle - slope * t)
    return jnp.moveaxis(jnp.concatenate(parts, axis=-1), -1, axis)
