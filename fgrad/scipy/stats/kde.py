"""Densities estimated from samples by Gaussian kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import fgrad.numpy as jnp
from fgrad import random, tree
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.nn.jax_style import logsumexp
from fgrad.scipy.linalg import solve_triangular
from fgrad.scipy.special import floats

__all__ = ["gaussian_kde"]


class gaussian_kde:  # noqa: N801  # SciPy's name
    """The mean of normal densities around samples. dataset: float[d, n], or [n].

    bw_method: "scott" (n_eff^(-1 / (d + 4)), None), "silverman", a number, or a function of the estimate. weights: float[n].
    Raises ArgumentError for another method, ShapeError for a single sample or weights of another length. An estimate is a pytree.
    Source: Scott 1992; Silverman 1986.

    >>> import fgrad, fgrad.numpy as jnp
    >>> kde = fgrad.scipy.stats.gaussian_kde(jnp.array([0.0, 1.0, 3.0]))
    >>> kde.pdf(jnp.array([1.0])).round(3)
    Array([0.215], dtype=float32)
    """

    def __init__(self, dataset: Any, bw_method: str | float | Callable[[Any], Any] | None = None, weights: Any = None) -> None:
        self.dataset = jnp.atleast_2d(floats(dataset)[0])
        self.d, self.n = self.dataset.shape
        if self.n < 2:
            raise ShapeError(f"gaussian_kde of {self.dataset.shape}", where=caller(), fix="give float[d, n] with n > 1")
        w = jnp.full(self.n, 1 / self.n, self.dataset.dtype) if weights is None else floats(weights)[0]
        if w.shape != (self.n,):
            raise ShapeError(f"weights {w.shape} for {self.n} samples", where=caller(), fix="give one weight each")
        self.weights = w / jnp.sum(w)
        self.neff = 1 / jnp.sum(self.weights**2)
        self.factor = self._factor(bw_method)
        apart = self.dataset - (self.dataset @ self.weights)[:, None]
        whole = (apart * self.weights) @ apart.T / (1 - jnp.sum(self.weights**2))
        self.covariance = whole * self.factor**2

    def _factor(self, method: Any) -> Any:
        if method in (None, "scott"):
            return self.neff ** (-1 / (self.d + 4))
        if method == "silverman":
            return (self.neff * (self.d + 2) / 4) ** (-1 / (self.d + 4))
        if callable(method):
            return method(self)
        if isinstance(method, str):
            raise ArgumentError(f"bw_method={method!r}", where=caller(), fix="use 'scott', 'silverman', a number or a function")
        return method

    def logpdf(self, x: Any) -> Any:
        """log of the density at points: float[d, m], [m] if d is 1, or [d] for one."""
        points = jnp.atleast_2d(floats(x)[0])
        points = points.reshape(self.d, 1) if self.d > 1 and points.shape == (1, self.d) else points
        if points.shape[0] != self.d:
            raise ShapeError(f"points {points.shape} of {self.d} dimensions", where=caller(), fix="give float[d, m]")
        low = jnp.linalg.cholesky(self.covariance)
        a, b = (solve_triangular(low, v, lower=True) for v in (self.dataset, points))
        far = jnp.sum((a[:, :, None] - b[:, None, :]) ** 2, axis=0)
        scale = self.d / 2 * math.log(2 * math.pi) + jnp.sum(jnp.log(jnp.diag(low)))
        return logsumexp(-far / 2, axis=0, b=jnp.broadcast_to(self.weights[:, None], far.shape)) - scale

    def pdf(self, x: Any) -> Any:
        """The density at points, as logpdf."""
        return jnp.exp(self.logpdf(x))

    evaluate = __call__ = pdf

    def resample(self, key: Any, shape: Any = ()) -> Any:
        """float[d, *shape] draws from the density."""
        first, second = random.split(key)
        at = random.categorical(first, jnp.log(self.weights), shape=shape)
        noise = random.multivariate_normal(second, jnp.zeros(self.d, self.dataset.dtype), self.covariance, at.shape, self.dataset.dtype)
        return self.dataset[:, at] + jnp.moveaxis(noise, -1, 0)


def _unflatten(aux: Any, parts: Any) -> gaussian_kde:
    made = object.__new__(gaussian_kde)
    made.d, made.n = aux
    made.dataset, made.weights, made.neff, made.factor, made.covariance = parts
    return made


tree.register(gaussian_kde, lambda k: ((k.dataset, k.weights, k.neff, k.factor, k.covariance), (k.d, k.n)), _unflatten)
