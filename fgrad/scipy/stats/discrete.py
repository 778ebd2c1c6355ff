"""Distributions of whole numbers, and of vectors."""

from __future__ import annotations

import math
from typing import Any

import fgrad.numpy as jnp
from fgrad.scipy import special
from fgrad.scipy.linalg import solve_triangular
from fgrad.scipy.stats.continuous import LOG_TWO_PI
from fgrad.scipy.stats.laws import Discrete, at, inside


def log_choose(n: Any, k: Any) -> Any:
    """log of the binomial coefficient."""
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


class Poisson(Discrete):
    """mu^k e^-mu / k!."""

    shapes = ("mu",)

    def _logpmf(self, k: Any, mu: Any) -> Any:
        n = at(k >= 0, k, 0.0)
        return inside(k >= 0, special.xlogy(n, mu) - mu - special.gammaln(n + 1))

    def _cdf(self, k: Any, mu: Any) -> Any:
        return inside(k >= 0, special.gammaincc(at(k >= 0, k, 0.0) + 1, mu), 0.0)

    def entropy(self, mu: Any, loc: Any = 0) -> Any:
        """-sum p log p in nats: over k up to 300 for mu below 100, beyond it by its asymptotic series (error < 1e-8)."""
        (m,) = special.floats(mu)
        small = m < 100
        x = jnp.where(small, m, 1.0)[..., None]
        logs = self._logpmf(jnp.arange(300.0, dtype=m.dtype), x)
        direct = -jnp.sum(jnp.where(jnp.isfinite(logs), jnp.exp(logs) * jnp.where(jnp.isfinite(logs), logs, 0.0), 0.0), axis=-1)
        y = jnp.where(small, 100.0, m)
        far = jnp.log(2 * math.pi * math.e * y) / 2 - 1 / (12 * y) - 1 / (24 * y**2) - 19 / (360 * y**3)
        return jnp.where(m < 0, jnp.nan, jnp.where(small, direct, far))


class Bernoulli(Discrete):
    """p of 1, 1 - p of 0."""

    shapes = ("p",)

    def _logpmf(self, k: Any, p: Any) -> Any:
        return inside((k == 0) | (k == 1), special.xlogy(k, p) + special.xlog1py(1 - k, -p))

    def _cdf(self, k: Any, p: Any) -> Any:
        return jnp.where(k < 0, 0.0, jnp.where(k < 1, 1 - p, 1.0))

    def ppf(self, q: Any, p: Any) -> Any:
        """The least k whose cdf reaches q; NaN outside [0, 1]."""
        x, y = special.floats(q, p)
        found = jnp.where(x == 0, -1.0, jnp.where(x <= 1 - y, 0.0, 1.0))
        return inside((x >= 0) & (x <= 1) & (y >= 0) & (y <= 1), found, jnp.nan)


class Binom(Discrete):
    """The number of successes of n trials of probability p."""

    shapes = ("n", "p")

    def _logpmf(self, k: Any, n: Any, p: Any) -> Any:
        ok = (k >= 0) & (k <= n)
        x = at(ok, k, 0.0)
        return inside(ok, log_choose(n, x) + special.xlogy(x, p) + special.xlog1py(n - x, -p))

    def _cdf(self, k: Any, n: Any, p: Any) -> Any:
        x = jnp.clip(k, 0, jnp.maximum(n - 1, 0))
        return jnp.where(k < 0, 0.0, jnp.where(k >= n, 1.0, special.betainc(jnp.maximum(n - x, 1), x + 1, 1 - p)))


class Geom(Discrete):
    """(1 - p)^(k-1) p, k >= 1."""

    shapes = ("p",)

    def _logpmf(self, k: Any, p: Any) -> Any:
        return inside(k >= 1, special.xlog1py(at(k >= 1, k, 1.0) - 1, -p) + jnp.log(p))

    def _cdf(self, k: Any, p: Any) -> Any:
        return -jnp.expm1(jnp.maximum(k, 0) * jnp.log1p(-p))


class NBinom(Discrete):
    """The number of failures before n successes of probability p."""

    shapes = ("n", "p")

    def _logpmf(self, k: Any, n: Any, p: Any) -> Any:
        x = at(k >= 0, k, 0.0)
        coefficient = special.gammaln(n + x) - special.gammaln(x + 1) - special.gammaln(n)
        return inside(k >= 0, coefficient + special.xlogy(n, p) + special.xlog1py(x, -p))

    def _cdf(self, k: Any, n: Any, p: Any) -> Any:
        return inside(k >= 0, special.betainc(n, at(k >= 0, k, 0.0) + 1, p), 0.0)


class BetaBinom(Discrete):
    """binom(n, p), p drawn from beta(a, b)."""

    shapes = ("n", "a", "b")

    def _logpmf(self, k: Any, n: Any, a: Any, b: Any) -> Any:
        ok = (k >= 0) & (k <= n)
        x = at(ok, k, 0.0)
        return inside(ok, log_choose(n, x) + special.betaln(x + a, n - x + b) - special.betaln(a, b))


class Multinomial:
    """How n trials fall on categories of probabilities p, on the last axis."""

    def logpmf(self, x: Any, n: Any, p: Any) -> Any:
        """log of the probability of counts x, -inf where they do not sum to n."""
        a, b = special.floats(x, p)
        total = jnp.sum(a, axis=-1)
        value = special.gammaln(total + 1) + jnp.sum(special.xlogy(a, b) - special.gammaln(a + 1), axis=-1)
        return inside(total == jnp.asarray(n), value)

    def pmf(self, x: Any, n: Any, p: Any) -> Any:
        """The probability of counts x."""
        return jnp.exp(self.logpmf(x, n, p))


class Dirichlet:
    """Points of the simplex along the first axis (as SciPy): proportional to the product of x_i^(alpha_i - 1)."""

    def logpdf(self, x: Any, alpha: Any) -> Any:
        """log of the density; x may leave out its last coordinate."""
        a, v = special.floats(jnp.asarray(alpha))[0], special.floats(jnp.asarray(x))[0]
        if v.shape[0] == a.shape[0] - 1:
            v = jnp.concatenate([v, 1 - jnp.sum(v, axis=0, keepdims=True)])
        powers = jnp.reshape(a - 1, (-1, *(1,) * (v.ndim - 1)))
        scale = special.gammaln(jnp.sum(a)) - jnp.sum(special.gammaln(a))
        value = scale + jnp.sum(special.xlogy(jnp.broadcast_to(powers, v.shape), at(v >= 0, v, 1.0)), axis=0)
        ok = jnp.all((v > 0) & (v < 1), axis=0) & (jnp.abs(jnp.sum(v, axis=0) - 1) < 1e-6)
        return inside(ok, value)

    def pdf(self, x: Any, alpha: Any) -> Any:
        """The density."""
        return jnp.exp(self.logpdf(x, alpha))


class MultivariateNormal:
    """e^(-(x - mean)' cov^-1 (x - mean) / 2) / sqrt(det(2 pi cov)), vectors on the last axis."""

    def logpdf(self, x: Any, mean: Any, cov: Any, allow_singular: None = None) -> Any:
        """log of the density; NaN where cov is not positive definite. Numbers are a distribution of one dimension."""
        v, m = special.floats(jnp.asarray(x))[0], jnp.asarray(mean)
        c = special.floats(jnp.asarray(cov))[0]
        if not m.ndim and not c.ndim:
            return -((v - m) ** 2 / c + jnp.log(c) + LOG_TWO_PI) / 2
        n = c.shape[-1] if c.ndim else m.shape[-1]
        c = c if c.ndim else jnp.eye(n, dtype=c.dtype) * c
        low = jnp.linalg.cholesky(c)
        apart = jnp.broadcast_to(v - m, jnp.broadcast_shapes((v - m).shape, (*c.shape[:-2], n)))
        if c.ndim == 2:
            flat = apart.reshape(-1, n)
            z = solve_triangular(low, flat.T, lower=True).T.reshape(apart.shape)
        else:
            z = solve_triangular(low, apart[..., None], lower=True)[..., 0]
        root = jnp.sum(jnp.log(jnp.diagonal(low, axis1=-2, axis2=-1)), axis=-1)
        return -(jnp.sum(z * z, axis=-1) + n * LOG_TWO_PI) / 2 - root

    def pdf(self, x: Any, mean: Any, cov: Any) -> Any:
        """The density."""
        return jnp.exp(self.logpdf(x, mean, cov))


poisson, bernoulli, binom, geom, nbinom, betabinom = Poisson(), Bernoulli(), Binom(), Geom(), NBinom(), BetaBinom()
multinomial, dirichlet, multivariate_normal = Multinomial(), Dirichlet(), MultivariateNormal()
