"""scipy.ndimage: values of an image between its pixels."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

__all__ = ["map_coordinates"]


def _mirror(i: Any, n: int) -> Any:
    period = max(2 * n - 2, 1)
    at = i % period
    return jnp.where(at >= n, period - at, at)


def _reflect(i: Any, n: int) -> Any:
    at = i % (2 * n)
    return jnp.where(at >= n, 2 * n - 1 - at, at)


PLACES: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda i, n: jnp.clip(i, 0, n - 1), "nearest": lambda i, n: jnp.clip(i, 0, n - 1), "wrap": lambda i, n: i % n,
    "mirror": _mirror, "reflect": _reflect,
}  # fmt: skip


def map_coordinates(input: Any, coordinates: Sequence[Any], order: int, mode: str = "constant", cval: Any = 0.0) -> Any:
    """The values of `input` at coordinates (one array for each axis): of the nearest pixel (order 0), or linear between pixels (1).

    mode: what lies outside: "constant" (cval), "nearest", "wrap", "mirror" (about the middle of the last pixel) or "reflect" (its edge).
    Differentiable in both. Raises ArgumentError for another order or mode.
    """
    x, at = jnp.asarray(input), [jnp.asarray(c) for c in coordinates]
    if len(at) != x.ndim or order not in (0, 1) or mode not in PLACES:
        raise ArgumentError(f"map_coordinates of {x.ndim} axes with {len(at)} coordinates, order={order}, mode={mode!r}", where=caller(),
                            fix=f"give one array for each axis, order 0 or 1, mode of {sorted(PLACES)}")  # fmt: skip
    choices = [_corners(c, n, order, mode) for c, n in zip(at, x.shape, strict=True)]
    total = 0
    for corner in itertools.product(*choices):
        value = x[tuple(index for index, _, _ in corner)]
        if mode == "constant":
            value = jnp.where(functools.reduce(operator.and_, [inside for _, inside, _ in corner]), value, cval)
        total = total + value * functools.reduce(operator.mul, [weight for _, _, weight in corner])
    out = jnp.asarray(total)
    return jnp.round(out).astype(x.dtype) if jnp.issubdtype(x.dtype, jnp.integer) else out.astype(x.dtype)


def _corners(c: Any, n: int, order: int, mode: str) -> list[tuple[Any, Any, Any]]:
    """(index, whether it is inside, weight) of the pixels around a coordinate."""
    c = c if jnp.issubdtype(c.dtype, jnp.floating) else c.astype(float)
    if order == 0:
        found = [(jnp.floor(c + 0.5), jnp.ones_like(c))]
    else:
        low = jnp.floor(c)
        found = [(low, 1 - (c - low)), (low + 1, c - low)]
    pixels = [(i.astype("int64"), weight) for i, weight in found]
    return [(PLACES[mode](i, n), (i >= 0) & (i < n), weight) for i, weight in pixels]
