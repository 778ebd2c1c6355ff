"""jax.nn.initializers: starting values from a key, `initializer(key, shape, dtype) -> array`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from fgrad import numpy as jnp
from fgrad import random
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller

__all__ = [
    "constant", "delta_orthogonal", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal", "kaiming_uniform",
    "lecun_normal", "lecun_uniform", "normal", "ones", "orthogonal", "truncated_normal", "uniform", "variance_scaling",
    "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Initializer = Callable[..., Any]
Axes = int | Sequence[int]
FANS: dict[str, Callable[[float, float], float]] = {
    "fan_in": lambda i, o: i, "fan_out": lambda i, o: o, "fan_avg": lambda i, o: (i + o) / 2,
    "fan_geo_avg": lambda i, o: math.sqrt(i * o),
}  # fmt: skip
CUT = 0.87962566103423978  # standard deviation of a normal number cut at 2


def zeros(key: Any, shape: Any, dtype: Any = float) -> Any:
    """All 0; the key does not matter."""
    return jnp.zeros(shape, dtype)


def ones(key: Any, shape: Any, dtype: Any = float) -> Any:
    """Ones; the key does not matter."""
    return jnp.ones(shape, dtype)


def constant(value: Any, dtype: Any = float) -> Initializer:
    """`value` everywhere."""
    own = dtype
    return lambda key, shape, dtype=own: jnp.full(shape, value, dtype)


def uniform(scale: float = 0.01, dtype: Any = float) -> Initializer:
    """Uniform numbers in [0, scale)."""
    own = dtype
    return lambda key, shape, dtype=own: random.uniform(key, shape, dtype) * scale


def normal(stddev: float = 0.01, dtype: Any = float) -> Initializer:
    """Normal numbers of this standard deviation."""
    own = dtype
    return lambda key, shape, dtype=own: random.normal(key, shape, dtype) * stddev


def truncated_normal(stddev: float = 0.01, dtype: Any = float, lower: float = -2.0, upper: float = 2.0) -> Initializer:
    """Normal numbers cut at `lower` and `upper` times this standard deviation."""
    own = dtype
    return lambda key, shape, dtype=own: random.truncated_normal(key, lower, upper, shape, dtype) * stddev


def _size(shape: Sequence[int], axes: Axes) -> int:
    return math.prod([shape[a] for a in ((axes,) if isinstance(axes, int) else axes)])


def variance_scaling(scale: float, mode: str, distribution: str, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
                     dtype: Any = float) -> Initializer:  # fmt: skip
    """Numbers of variance scale / fan; fan: "fan_in", "fan_out", "fan_avg" or "fan_geo_avg" of the shape.

    distribution: "normal", "truncated_normal" (cut at 2 standard deviations) or "uniform".
    """
    if mode not in FANS or distribution not in ("normal", "truncated_normal", "uniform"):
        raise ArgumentError(f"variance_scaling: no mode {mode!r} with distribution {distribution!r}", where=caller(),
                            fix=f'use one of {", ".join(FANS)} with "normal", "truncated_normal" or "uniform"')  # fmt: skip
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own) -> Any:
        if len(shape) < 2:
            raise ShapeError(f"fans of a shape of {len(shape)} axes are not defined: {shape}", where=caller(), fix="use normal or uniform")
        field = math.prod(shape) / (_size(shape, in_axis) * _size(shape, out_axis) * _size(shape, batch_axis))
        spread = math.sqrt(scale / max(1.0, FANS[mode](_size(shape, in_axis) * field, _size(shape, out_axis) * field)))
        if distribution == "uniform":
            return random.uniform(key, shape, dtype, -1.0, 1.0) * (math.sqrt(3) * spread)
        if distribution == "normal":
            return random.normal(key, shape, dtype) * spread
        return random.truncated_normal(key, -2.0, 2.0, shape, dtype) * (spread / CUT)

    return init


def _scaled(name: str, scale: float, mode: str, distribution: str) -> Callable[..., Initializer]:
    def make(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = float) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"variance_scaling({scale}, {mode!r}, {distribution!r})."
    return make


glorot_uniform = xavier_uniform = _scaled("glorot_uniform", 1.0, "fan_avg", "uniform")
glorot_normal = xavier_normal = _scaled("glorot_normal", 1.0, "fan_avg", "truncated_normal")
lecun_uniform = _scaled("lecun_uniform", 1.0, "fan_in", "uniform")
lecun_normal = _scaled("lecun_normal", 1.0, "fan_in", "truncated_normal")
he_uniform = kaiming_uniform = _scaled("he_uniform", 2.0, "fan_in", "uniform")
he_normal = kaiming_normal = _scaled("he_normal", 2.0, "fan_in", "truncated_normal")


def orthogonal(scale: float = 1.0, column_axis: int = -1, dtype: Any = float) -> Initializer:
    """`scale` times a random matrix whose rows or columns are orthonormal; axes but `column_axis` are the rows."""
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own) -> Any:
        if len(shape) < 2:
            raise ShapeError(f"orthogonal needs two axes or more, found {shape}", where=caller(), fix="give a longer shape")
        columns = shape[column_axis]
        rows = math.prod(shape) // columns
        q, r = jnp.linalg.qr(random.normal(key, (max(rows, columns), min(rows, columns)), dtype))
        q = q * jnp.sign(jnp.linalg.diagonal(r))
        q = q.T if rows < columns else q
        rest = [d for i, d in enumerate(shape) if i != column_axis % len(shape)]
        return jnp.moveaxis(q.reshape((*rest, columns)), -1, column_axis) * scale

    return init


def delta_orthogonal(scale: float = 1.0, column_axis: int = -1, dtype: Any = float) -> Initializer:
    """A kernel [*window, n_in, n_out] of zeros but for its centre, which is orthogonal(scale). Source: Xiao et al. 2018, arXiv:1806.05393.

    Raises ValueError for other than 3 to 5 axes, and for n_out < n_in.
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own) -> Any:
        if len(shape) not in (3, 4, 5) or shape[-1] < shape[-2]:
            raise ShapeError(f"delta_orthogonal of shape {shape}", where=caller(), fix="give 3 to 5 axes, the last not shorter than the one before")
        centre = tuple((k - 1) // 2 for k in shape[:-2])
        return jnp.zeros(shape, dtype).at[centre].set(orthogonal(scale, column_axis, dtype)(key, shape[-2:]))

    return init
