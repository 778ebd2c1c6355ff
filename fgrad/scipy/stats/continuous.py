"""Continuous distributions."""

from __future__ import annotations

import math
from typing import Any

import fgrad.numpy as jnp
from fgrad.eager.custom import custom_jvp
from fgrad.eager.grad import jvp
from fgrad.nn.jax_style import log_sigmoid, softplus
from fgrad.scipy import special
from fgrad.scipy.stats.laws import Continuous, at, inside

LOG_TWO_PI = math.log(2 * math.pi)


class Norm(Continuous):
    """e^(-z^2 / 2) / sqrt(2 pi)."""

    def _logpdf(self, z: Any) -> Any:
        return -(z * z + LOG_TWO_PI) / 2

    def _cdf(self, z: Any) -> Any:
        return special.ndtr(z)

    def _sf(self, z: Any) -> Any:
        return special.ndtr(-z)

    def _logcdf(self, z: Any) -> Any:
        return special.log_ndtr(z)

    def _logsf(self, z: Any) -> Any:
        return special.log_ndtr(-z)

    def _ppf(self, q: Any) -> Any:
        return special.ndtri(q)

    def _isf(self, q: Any) -> Any:
        return -special.ndtri(q)


class Uniform(Continuous):
    """1 on [0, 1]."""

    def _logpdf(self, z: Any) -> Any:
        return inside((z >= 0) & (z <= 1), jnp.zeros_like(z))

    def _cdf(self, z: Any) -> Any:
        return jnp.clip(z, 0, 1)

    def _ppf(self, q: Any) -> Any:
        return inside((q >= 0) & (q <= 1), q, jnp.nan)


class Expon(Continuous):
    """e^-z, z >= 0."""

    def _logpdf(self, z: Any) -> Any:
        return inside(z >= 0, -z)

    def _cdf(self, z: Any) -> Any:
        return -jnp.expm1(-jnp.maximum(z, 0))

    def _sf(self, z: Any) -> Any:
        return jnp.exp(-jnp.maximum(z, 0))

    def _logsf(self, z: Any) -> Any:
        return -jnp.maximum(z, 0)

    def _ppf(self, q: Any) -> Any:
        return -jnp.log1p(-q)


class Gamma(Continuous):
    """z^(a-1) e^-z / Γ(a), z >= 0."""

    shapes = ("a",)

    def _logpdf(self, z: Any, a: Any) -> Any:
        ok = z >= 0
        return inside(ok, special.xlogy(a - 1, at(ok, z, 1.0)) - z - special.gammaln(a))

    def _cdf(self, z: Any, a: Any) -> Any:
        return special.gammainc(a, jnp.maximum(z, 0))

    def _sf(self, z: Any, a: Any) -> Any:
        return special.gammaincc(a, jnp.maximum(z, 0))

    def _ppf(self, q: Any, a: Any) -> Any:
        return special.gammaincinv(a, q)


class Chi2(Continuous):
    """Sums of df squares of standard normals."""

    shapes = ("df",)

    def _logpdf(self, z: Any, df: Any) -> Any:
        return gamma._logpdf(z / 2, df / 2) - math.log(2)

    def _cdf(self, z: Any, df: Any) -> Any:
        return gamma._cdf(z / 2, df / 2)

    def _sf(self, z: Any, df: Any) -> Any:
        return gamma._sf(z / 2, df / 2)

    def _ppf(self, q: Any, df: Any) -> Any:
        return 2 * gamma._ppf(q, df / 2)


class Beta(Continuous):
    """z^(a-1) (1-z)^(b-1) / B(a, b), 0 <= z <= 1."""

    shapes = ("a", "b")

    def _logpdf(self, z: Any, a: Any, b: Any) -> Any:
        ok = (z >= 0) & (z <= 1)
        x = at(ok, z, 0.5)
        return inside(ok, special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b))

    def _cdf(self, z: Any, a: Any, b: Any) -> Any:
        return special.betainc(a, b, jnp.clip(z, 0, 1))

    def _sf(self, z: Any, a: Any, b: Any) -> Any:
        return special.betainc(b, a, 1 - jnp.clip(z, 0, 1))

    def _ppf(self, q: Any, a: Any, b: Any) -> Any:
        return special.betaincinv(a, b, q)

    def _isf(self, q: Any, a: Any, b: Any) -> Any:
        return 1 - special.betaincinv(b, a, q)


class T(Continuous):
    """Student's: (1 + z^2 / df)^(-(df + 1) / 2) / (sqrt(df) B(1/2, df/2))."""

    shapes = ("df",)

    def _logpdf(self, z: Any, df: Any) -> Any:
        return -(df + 1) / 2 * jnp.log1p(z * z / df) - jnp.log(df) / 2 - special.betaln(jnp.full_like(df, 0.5), df / 2)

    def _cdf(self, z: Any, df: Any) -> Any:
        return t_below(z, df)

    def _sf(self, z: Any, df: Any) -> Any:
        return self._cdf(-z, df)

    def _ppf(self, q: Any, df: Any) -> Any:
        return t_quantile(q, df)


def _tail(z: Any, df: Any) -> Any:
    """The probability of more than |z|."""
    return special.betainc(df / 2, jnp.full_like(df, 0.5), df / (df + z * z)) / 2


@custom_jvp
def t_below(z: Any, df: Any) -> Any:
    """Student's distribution function; its derivative by z is the density, at 0 too, where the beta function has none."""
    tail = _tail(z, df)
    return jnp.where(z < 0, tail, 1 - tail)


@t_below.defjvp
def _t_below_rule(primals: Any, tangents: Any) -> Any:
    (z, df), (dz, ddf) = primals, tangents
    away = jnp.where(z == 0, 1.0, z)
    moved = jvp(lambda v: _tail(away, v), (df,), (ddf,))[1]
    return t_below(z, df), jnp.exp(t._logpdf(z, df)) * dz + jnp.where(z == 0, 0.0, -jnp.sign(z) * moved)


@custom_jvp
def t_quantile(q: Any, df: Any) -> Any:
    """The inverse of t_below by z: from the tail, or near the middle from its complement."""
    low = jnp.minimum(q, 1 - q)
    half = jnp.full_like(df, 0.5)
    outer = special.betaincinv(df / 2, half, jnp.clip(2 * low, 0, 1))
    inner = special.betaincinv(half, df / 2, jnp.clip(1 - 2 * low, 0, 1))
    far = low < 0.25
    size = jnp.where(far, (1 - outer) / jnp.where(far, outer, 1.0), inner / jnp.where(far, 1.0, 1 - inner))
    return jnp.where((q >= 0) & (q <= 1), jnp.sign(q - 0.5) * jnp.sqrt(df * size), jnp.nan)


@t_quantile.defjvp
def _t_quantile_rule(primals: Any, tangents: Any) -> Any:
    (q, df), (dq, ddf) = primals, tangents
    z = t_quantile(q, df)
    moved = jvp(lambda v: t_below(z, v), (df,), (ddf,))[1]
    return z, (dq - moved) * jnp.exp(-t._logpdf(z, df))


class Laplace(Continuous):
    """e^-|z| / 2."""

    def _logpdf(self, z: Any) -> Any:
        return -jnp.abs(z) - math.log(2)

    def _cdf(self, z: Any) -> Any:
        half = jnp.exp(-jnp.abs(z)) / 2
        return jnp.where(z < 0, half, 1 - half)

    def _sf(self, z: Any) -> Any:
        return self._cdf(-z)

    def _ppf(self, q: Any) -> Any:
        return jnp.where(q < 0.5, jnp.log(2 * q), -jnp.log(2 * (1 - q)))


class Cauchy(Continuous):
    """1 / (pi (1 + z^2))."""

    def _logpdf(self, z: Any) -> Any:
        return -jnp.log1p(z * z) - math.log(math.pi)

    def _cdf(self, z: Any) -> Any:
        return jnp.arctan2(jnp.ones_like(z), -z) / math.pi

    def _sf(self, z: Any) -> Any:
        return self._cdf(-z)

    def _ppf(self, q: Any) -> Any:
        return jnp.tan(math.pi * (q - 0.5))

    def _isf(self, q: Any) -> Any:
        return -self._ppf(q)


class Logistic(Continuous):
    """e^-z / (1 + e^-z)^2."""

    def _logpdf(self, z: Any) -> Any:
        return -z - 2 * softplus(-z)

    def _cdf(self, z: Any) -> Any:
        return special.expit(z)

    def _sf(self, z: Any) -> Any:
        return special.expit(-z)

    def _logcdf(self, z: Any) -> Any:
        return log_sigmoid(z)

    def _logsf(self, z: Any) -> Any:
        return log_sigmoid(-z)

    def _ppf(self, q: Any) -> Any:
        return special.logit(q)

    def _isf(self, q: Any) -> Any:
        return -special.logit(q)


class Pareto(Continuous):
    """b z^-(b+1), z >= 1."""

    shapes = ("b",)

    def _logpdf(self, z: Any, b: Any) -> Any:
        return inside(z >= 1, jnp.log(b) - (b + 1) * jnp.log(jnp.maximum(z, 1)))

    def _cdf(self, z: Any, b: Any) -> Any:
        return -jnp.expm1(self._logsf(z, b))

    def _sf(self, z: Any, b: Any) -> Any:
        return jnp.exp(self._logsf(z, b))

    def _logsf(self, z: Any, b: Any) -> Any:
        return -b * jnp.log(jnp.maximum(z, 1))

    def _ppf(self, q: Any, b: Any) -> Any:
        return jnp.exp(-jnp.log1p(-q) / b)


class TruncNorm(Continuous):
    """The normal distribution on [a, b]."""

    shapes = ("a", "b")

    def _mass(self, a: Any, b: Any) -> Any:
        """log of the normal probability between a and b: by the tail that is nearer."""
        low, high = jnp.where(a > 0, -b, a), jnp.where(a > 0, -a, b)
        top = special.log_ndtr(high)
        return top + jnp.log1p(-jnp.exp(special.log_ndtr(low) - top))

    def _logpdf(self, z: Any, a: Any, b: Any) -> Any:
        return inside((z >= a) & (z <= b), norm._logpdf(z) - self._mass(a, b))

    def _logcdf(self, z: Any, a: Any, b: Any) -> Any:
        x = at((z > a) & (z < b), z, 0.0) + jnp.where((z > a) & (z < b), 0.0, b)
        return jnp.where(z <= a, -jnp.inf, jnp.where(z >= b, 0.0, self._mass(a, x) - self._mass(a, b)))

    def _logsf(self, z: Any, a: Any, b: Any) -> Any:
        return self._logcdf(-z, -b, -a)

    def _cdf(self, z: Any, a: Any, b: Any) -> Any:
        return jnp.exp(self._logcdf(z, a, b))

    def _sf(self, z: Any, a: Any, b: Any) -> Any:
        return jnp.exp(self._logsf(z, a, b))


class GenNorm(Continuous):
    """beta e^(-|z|^beta) / (2 Γ(1 / beta))."""

    shapes = ("beta",)

    def _logpdf(self, z: Any, beta: Any) -> Any:
        return jnp.log(beta / 2) - special.gammaln(1 / beta) - jnp.abs(z) ** beta

    def _cdf(self, z: Any, beta: Any) -> Any:
        return 0.5 + jnp.sign(z) / 2 * special.gammainc(1 / beta, jnp.abs(z) ** beta)

    def _ppf(self, q: Any, beta: Any) -> Any:
        return jnp.sign(q - 0.5) * special.gammaincinv(1 / beta, jnp.abs(2 * q - 1)) ** (1 / beta)


class GumbelR(Continuous):
    """e^(-z - e^-z)."""

    def _logpdf(self, z: Any) -> Any:
        return -z - jnp.exp(-z)

    def _cdf(self, z: Any) -> Any:
        return jnp.exp(-jnp.exp(-z))

    def _sf(self, z: Any) -> Any:
        return -jnp.expm1(-jnp.exp(-z))

    def _logcdf(self, z: Any) -> Any:
        return -jnp.exp(-z)

    def _ppf(self, q: Any) -> Any:
        return -jnp.log(-jnp.log(q))


class GumbelL(Continuous):
    """e^(z - e^z)."""

    def _logpdf(self, z: Any) -> Any:
        return z - jnp.exp(z)

    def _cdf(self, z: Any) -> Any:
        return -jnp.expm1(-jnp.exp(z))

    def _sf(self, z: Any) -> Any:
        return jnp.exp(-jnp.exp(z))

    def _logsf(self, z: Any) -> Any:
        return -jnp.exp(z)

    def _ppf(self, q: Any) -> Any:
        return jnp.log(-jnp.log1p(-q))


class LogNorm(Continuous):
    """e to the power of normal numbers of standard deviation s."""

    shapes = ("s",)

    def _log(self, z: Any) -> Any:
        return jnp.log(at(z > 0, z, 1.0))

    def _logpdf(self, z: Any, s: Any) -> Any:
        x = self._log(z)
        return inside(z > 0, norm._logpdf(x / s) - jnp.log(s) - x)

    def _cdf(self, z: Any, s: Any) -> Any:
        return inside(z > 0, special.ndtr(self._log(z) / s), 0.0)

    def _sf(self, z: Any, s: Any) -> Any:
        return inside(z > 0, special.ndtr(-self._log(z) / s), 1.0)

    def _ppf(self, q: Any, s: Any) -> Any:
        return jnp.exp(s * special.ndtri(q))


class VonMises(Continuous):
    """e^(kappa cos z) / (2 pi I0(kappa))."""

    shapes = ("kappa",)

    def _logpdf(self, z: Any, kappa: Any) -> Any:
        return kappa * (jnp.cos(z) - 1) - LOG_TWO_PI - jnp.log(special.i0e(kappa))


class WrapCauchy(Continuous):
    """(1 - c^2) / (2 pi (1 + c^2 - 2 c cos z)), 0 <= z <= 2 pi."""

    shapes = ("c",)

    def _logpdf(self, z: Any, c: Any) -> Any:
        return inside((z >= 0) & (z <= 2 * math.pi), jnp.log1p(-c * c) - LOG_TWO_PI - jnp.log(1 + c * c - 2 * c * jnp.cos(z)))


norm, uniform, expon, gamma, chi2, beta, t, laplace = Norm(), Uniform(), Expon(), Gamma(), Chi2(), Beta(), T(), Laplace()
cauchy, logistic, pareto, truncnorm, gennorm, gumbel_r, gumbel_l = Cauchy(), Logistic(), Pareto(), TruncNorm(), GenNorm(), GumbelR(), GumbelL()
lognorm, vonmises, wrapcauchy = LogNorm(), VonMises(), WrapCauchy()
