"""scipy.interpolate: values between the points of a regular grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller

__all__ = ["RegularGridInterpolator"]


class RegularGridInterpolator:
    """`f(xi)`: values given on the grid of `points` (one rising vector for each axis), read at xi: float[..., axes].

    method: "linear" or "nearest". Outside: fill_value, or if that is None what the outermost cell continues to.
    Raises ArgumentError for bounds_error=True (values are not known while recording) or another method, ShapeError where sizes differ.

    >>> import fgrad, fgrad.numpy as jnp
    >>> f = fgrad.scipy.interpolate.RegularGridInterpolator([jnp.array([0.0, 1.0, 3.0])], jnp.array([0.0, 2.0, 4.0]))
    >>> f(jnp.array([[0.5], [2.0]]))
    Array([1., 3.], dtype=float32)
    """

    def __init__(self, points: Sequence[Any], values: Any, method: str = "linear", bounds_error: bool = False,
                 fill_value: Any = math.nan) -> None:  # fmt: skip
        if method not in ("linear", "nearest") or bounds_error:
            raise ArgumentError(f"RegularGridInterpolator(method={method!r}, bounds_error={bounds_error})", where=caller(),
                                fix="use 'linear' or 'nearest', bounds_error=False and fill_value=")  # fmt: skip
        self.grid = [jnp.asarray(p) for p in points]
        self.values = jnp.asarray(values)
        if tuple(p.shape[0] for p in self.grid) != self.values.shape[: len(self.grid)]:
            raise ShapeError(f"grid {[p.shape for p in self.grid]} for values {self.values.shape}", where=caller(), fix="match them")
        self.method = method
        self.fill_value = fill_value

    def __call__(self, xi: Any, method: str | None = None) -> Any:
        """Values at xi, a float[..., axes] array (a vector for one axis) or a tuple of arrays, one for each axis."""
        x = jnp.stack(jnp.broadcast_arrays(*xi), axis=-1) if isinstance(xi, tuple) else jnp.asarray(xi)
        if x.ndim == 1 and len(self.grid) == 1:
            x = x[:, None]
        if not x.ndim or x.shape[-1] != len(self.grid):
            raise ShapeError(f"{x.shape} for a grid of {len(self.grid)} axes", where=caller(), fix="give float[..., axes]")
        sides = [self._cell(x[..., i], p) for i, p in enumerate(self.grid)]
        trailing = (1,) * (self.values.ndim - len(self.grid))
        total: Any = 0
        if (method or self.method) == "nearest":
            total = self.values[tuple(jnp.where(w <= 0.5, i, i + 1) for i, w, _ in sides)]
        else:
            for corner in itertools.product((0, 1), repeat=len(sides)):
                weight = math.prod([w if up else 1 - w for up, (_, w, _) in zip(corner, sides, strict=True)], start=1)
                value = self.values[tuple(i + up for up, (i, _, _) in zip(corner, sides, strict=True))]
                total = total + value * jnp.reshape(weight, (*jnp.shape(weight), *trailing))
        if self.fill_value is None:
            return total
        outside = jnp.any(jnp.stack([o for _, _, o in sides]), axis=0)
        return jnp.where(outside.reshape(*outside.shape, *trailing), self.fill_value, total)

    @staticmethod
    def _cell(x: Any, p: Any) -> tuple[Any, Any, Any]:
        """(the cell's index, how far along it, whether outside)."""
        i = jnp.clip(jnp.searchsorted(p, x, side="right") - 1, 0, p.shape[0] - 2)
        return i, (x - p[i]) / (p[i + 1] - p[i]), (x < p[0]) | (x > p[-1])
