"""Draws from a key: further distributions of one uniform or normal number, and of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, broadcast_to, call, call_many, reshape, shape_of
from fgrad.eager.operands import compose
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.primitives import composites as c
from fgrad.random.draws import common, exponential, float_type, normal, open_unit, uniform
from fgrad.random.gammas import pick, shaped

INT64 = np.dtype("int64")


def pareto(key: Any, b: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Density b x^-(b+1), x >= 1: e to the power of an exponential draw over b."""
    d = float_type(dtype, "pareto")
    s = common(shape, array_of(b))
    return call("exp", exponential(key, s, d) / shaped(b, s, d))


def rayleigh(key: Any, scale: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Density x / scale^2 e^(-x^2 / (2 scale^2)), x >= 0."""
    d = float_type(dtype, "rayleigh")
    s = common(shape, array_of(scale))
    return call("sqrt", 2 * exponential(key, s, d)) * shaped(scale, s, d)


def weibull_min(key: Any, scale: Any, concentration: Any, shape: Any = (), dtype: Any = float) -> Any:
    """scale times an exponential draw to the power 1 / concentration; shape: in front of that of the parameters."""
    d = float_type(dtype, "weibull_min")
    s = (*shape_of(shape), *common(None, array_of(scale), array_of(concentration)))
    power = 1 / shaped(concentration, s, d)
    return call("pow", -call("log", open_unit(key, s, d)), power) * shaped(scale, s, d)


def lognormal(key: Any, sigma: Any = 1.0, shape: Any = None, dtype: Any = float) -> Any:
    """e to the power of a normal draw of standard deviation sigma."""
    d = float_type(dtype, "lognormal")
    s = common(shape, array_of(sigma))
    return call("exp", normal(key, s, d) * shaped(sigma, s, d))


def triangular(key: Any, left: Any, mode: Any, right: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Density that rises linearly from left to mode and falls to right."""
    d = float_type(dtype, "triangular")
    s = common(shape, *map(array_of, (left, mode, right)))
    low, top, high = (shaped(x, s, d) for x in (left, mode, right))
    u, span = uniform(key, s, d), high - low
    rising = low + call("sqrt", u * span * (top - low))
    falling = high - call("sqrt", (1 - u) * span * (high - top))
    return pick(u < (top - low) / span, rising, falling)


def multivariate_normal(key: Any, mean: Any, cov: Any, shape: Any = None, dtype: Any = float, method: str = "cholesky") -> Any:
    """mean + L z with L L' = cov, z standard normal. mean: float[..., n]; cov: float[..., n, n]; shape: of the leading axes.

    method: "cholesky", "eigh" or "svd" (the latter two for singular matrices).
    Raises ShapeError where sizes differ, ArgumentError for another method.
    """
    d = float_type(dtype, "multivariate_normal")
    m, v = array_of(mean), array_of(cov)
    n = m._type.shape[-1] if m._type.ndim else 0
    if not m._type.ndim or v._type.ndim < 2 or v._type.shape[-2:] != (n, n):
        raise ShapeError(f"multivariate_normal: mean {m._type} and cov {v._type}", where=caller(), fix="give [..., n] and [..., n, n]")
    lead = broadcast_shapes(m._type.shape[:-1], v._type.shape[:-2]) if shape is None else shape_of(shape)
    if lead is None:
        raise ShapeError(f"multivariate_normal: mean {m._type} and cov {v._type} do not broadcast", where=caller(), fix="give shape=")
    factor = broadcast_to(factor_of(shaped(v, v._type.shape, d), method), (*lead, n, n))
    z = reshape(normal(key, (*lead, n), d), (*lead, n, 1))
    return shaped(m, (*lead, n), d) + reshape(factor @ z, (*lead, n))


def factor_of(v: Any, method: str) -> Any:
    """A matrix L with L L' = v."""
    if method == "cholesky":
        return call_many("cholesky", v)[0]
    shape = v._type.shape
    if method == "eigh":
        w, q = call_many("eigh", v)[:2]
        return q * reshape(call("sqrt", call("maximum", w, w * 0)), (*shape[:-2], 1, shape[-1]))
    if method == "svd":
        u, w = call_many("svd", v, full=False)[:2]
        return u * reshape(call("sqrt", w), (*shape[:-2], 1, shape[-1]))
    raise ArgumentError(f"method is {method!r}", where=caller(), fix="use 'cholesky', 'eigh' or 'svd'")


def orthogonal(key: Any, n: int, shape: Any = (), dtype: Any = float, m: int | None = None) -> Any:
    """float[*shape, n, m] matrices with orthonormal rows or columns, drawn evenly (Haar): Q of a normal matrix, signs by R's diagonal.

    m: n unless given.
    """
    d, s = float_type(dtype, "orthogonal"), shape_of(shape)
    columns = n if m is None else m
    tall, thin = max(n, columns), min(n, columns)
    q, r = call_many("qr", normal(key, (*s, tall, thin), d), full=False)[:2]
    q = q * compose(_signs, r)
    return q if n >= columns else call("transpose", q, axes=(*range(len(s)), len(s) + 1, len(s)))


def _signs(r: Any) -> Any:
    """The signs of R's diagonal, as a row."""
    n = r.shape[-1]
    rows, columns = (c.iota(shape=(n, n), dtype=INT64, axis=i) for i in (0, 1))
    diagonal = c.reduce_sum(r * c.convert(c.eq(rows, columns), dtype=r.dtype), axes=(r.ndim - 2,))
    return c.reshape(c.sign(diagonal), shape=(*r.shape[:-2], 1, n))
