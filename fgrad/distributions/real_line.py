"""Distributions of the real line by location and scale: normal, Laplace, Cauchy, Student's t, uniform, von Mises, generalised Pareto."""

from __future__ import annotations

import math
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints, draws
from fgrad.distributions.distribution import HALF_LOG_2PI, Distribution, ExponentialFamily, parameters
from fgrad.functions import special

__all__ = ["Cauchy", "GeneralizedPareto", "Laplace", "Normal", "StudentT", "Uniform", "VonMises"]


class _Located(Distribution):
    """A distribution with a location and a positive scale."""

    arg_constraints: Any = parameters(loc=constraints.real, scale=constraints.positive)
    support: Any = constraints.real
    has_rsample: Any = True
    loc: Any
    scale: Any

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, loc=loc, scale=scale)

    def _mean(self) -> Any:
        return self.loc

    def _mode(self) -> Any:
        return self.loc


class Normal(_Located, ExponentialFamily):
    """The normal distribution: density exp(-((x - loc) / scale)^2 / 2) / (scale sqrt(2π)).

    >>> import fgrad as torch
    >>> torch.distributions.Normal(0.0, 2.0).entropy()
    tensor(2.1121)
    """

    def _variance(self) -> Any:
        return self.stddev.square()

    @property
    def stddev(self) -> Any:
        """The scale."""
        return self.scale

    def _sample(self, shape: Any) -> Any:
        return self.loc + self.scale * draws.normal(shape, self.loc)

    def _log_prob(self, value: Any) -> Any:
        return -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - HALF_LOG_2PI

    def _cdf(self, value: Any) -> Any:
        return 0.5 * (1 + t.erf((value - self.loc) / self.scale / math.sqrt(2)))

    def _icdf(self, value: Any) -> Any:
        return self.loc + self.scale * t.erfinv(2 * value - 1) * math.sqrt(2)

    def _entropy(self) -> Any:
        return 0.5 + HALF_LOG_2PI + self.scale.log()

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> Any:
        return self.loc / self.scale**2, -0.5 / self.scale**2

    def _log_normalizer(self, *natural_params: Any) -> Any:
        x, y = natural_params
        return -0.25 * x**2 / y + 0.5 * t.log(-math.pi / y)


class Laplace(_Located):
    """The Laplace distribution: density exp(-|x - loc| / scale) / (2 scale)."""

    def _variance(self) -> Any:
        return 2 * self.scale**2

    @property
    def stddev(self) -> Any:
        """sqrt(2) times the scale."""
        return math.sqrt(2) * self.scale

    def _sample(self, shape: Any) -> Any:
        u = 2 * draws.inside(shape, self.loc) - 1
        return self.loc - self.scale * u.sign() * t.log1p(-u.abs())

    def _log_prob(self, value: Any) -> Any:
        return -t.log(2 * self.scale) - (value - self.loc).abs() / self.scale

    def _cdf(self, value: Any) -> Any:
        far = value - self.loc
        return 0.5 - 0.5 * far.sign() * t.expm1(-far.abs() / self.scale)

    def _icdf(self, value: Any) -> Any:
        u = value - 0.5
        return self.loc - self.scale * u.sign() * t.log1p(-2 * u.abs())

    def _entropy(self) -> Any:
        return 1 + t.log(2 * self.scale)


class Cauchy(_Located):
    """The Cauchy distribution: density 1 / (π scale (1 + ((x - loc) / scale)^2)); it has no mean (NaN) and no variance (inf)."""

    def _mean(self) -> Any:
        return t.full_like(self.loc, math.nan)

    def _variance(self) -> Any:
        return t.full_like(self.loc, math.inf)

    def _sample(self, shape: Any) -> Any:
        return self.loc + self.scale * t.tan(math.pi * (draws.inside(shape, self.loc) - 0.5))

    def _log_prob(self, value: Any) -> Any:
        return -math.log(math.pi) - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()

    def _cdf(self, value: Any) -> Any:
        return t.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def _icdf(self, value: Any) -> Any:
        return t.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def _entropy(self) -> Any:
        return math.log(4 * math.pi) + self.scale.log()


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom, by location and scale: loc + scale z / sqrt(chi2(df) / df)."""

    arg_constraints: Any = parameters(df=constraints.positive, loc=constraints.real, scale=constraints.positive)
    support: Any = constraints.real
    has_rsample: Any = True
    df: Any
    loc: Any
    scale: Any

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, df=df, loc=loc, scale=scale)

    def _mean(self) -> Any:
        return t.where(self.df <= 1, math.nan, self.loc)

    def _mode(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        df = self.df
        some = t.where(df > 2, self.scale**2 * df / t.where(df > 2, df - 2, 1.0), math.inf)
        return t.where(df <= 1, math.nan, some)

    def _sample(self, shape: Any) -> Any:
        half = self.df.expand(shape) / 2
        return self.loc + self.scale * draws.normal(shape, self.df) * t.rsqrt(draws.gamma(half) / half)

    def _log_prob(self, value: Any) -> Any:
        y, df = (value - self.loc) / self.scale, self.df
        z = self.scale.log() + 0.5 * df.log() + 0.5 * math.log(math.pi) + t.lgamma(0.5 * df) - t.lgamma(0.5 * (df + 1))
        return -0.5 * (df + 1) * t.log1p(y**2 / df) - z

    def _entropy(self) -> Any:
        df = self.df
        beta = t.lgamma(0.5 * df) + math.lgamma(0.5) - t.lgamma(0.5 * (1 + df))
        return self.scale.log() + 0.5 * (df + 1) * (t.digamma(0.5 * (df + 1)) - t.digamma(0.5 * df)) + 0.5 * df.log() + beta


class Uniform(Distribution):
    """Evenly from [low, high)."""

    has_rsample: Any = True
    low: Any
    high: Any

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, low=low, high=high)

    @property
    def arg_constraints(self) -> Any:
        """low below high."""
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """The interval from low to high."""
        return constraints.interval(self.low, self.high)

    def _mean(self) -> Any:
        return (self.high + self.low) / 2

    def _mode(self) -> Any:
        return math.nan * self.high

    @property
    def stddev(self) -> Any:
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / math.sqrt(12)

    def _variance(self) -> Any:
        return (self.high - self.low).square() / 12

    def _sample(self, shape: Any) -> Any:
        return self.low + draws.uniform(shape, self.low) * (self.high - self.low)

    def _log_prob(self, value: Any) -> Any:
        within = (self.low <= value) & (self.high > value)
        return within.type_as(self.low).log() - t.log(self.high - self.low)

    def _cdf(self, value: Any) -> Any:
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def _icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    def _entropy(self) -> Any:
        return t.log(self.high - self.low)


class VonMises(Distribution):
    """Angles of [-π, π) with density exp(concentration cos(x - loc)) / (2π I0(concentration)).

    `variance` is the circular one, 1 - I1 / I0.  Source: Best & Fisher 1979 (draws by rejection).
    """

    arg_constraints: Any = parameters(loc=constraints.real, concentration=constraints.positive)
    support: Any = constraints.real
    has_rsample: Any = False
    loc: Any
    concentration: Any

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, loc=loc, concentration=concentration)

    def _mean(self) -> Any:
        return self.loc

    def _mode(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)

    def _log_prob(self, value: Any) -> Any:
        scaled = self.concentration * (t.cos(value - self.loc) - 1)
        return scaled - math.log(2 * math.pi) - special.i0e(self.concentration).log()

    def _sample(self, shape: Any) -> Any:
        kappa = self.concentration.double()
        tau = 1 + t.sqrt(1 + 4 * kappa**2)
        rho = (tau - t.sqrt(2 * tau)) / (2 * kappa)
        r = t.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho)).expand(shape)
        cosine = draws.cosine(kappa.expand(shape), r)
        angle = (draws.uniform(shape, kappa) - 0.5).sign() * cosine.clamp(-1, 1).acos()
        return ((angle + math.pi + self.loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)


class GeneralizedPareto(Distribution):
    """Excesses over a threshold: cdf 1 - (1 + c z)^(-1/c) with z = (x - loc) / scale and c the concentration; 1 - exp(-z) for c = 0."""

    arg_constraints: Any = parameters(loc=constraints.real, scale=constraints.positive, concentration=constraints.real)
    has_rsample: Any = True
    loc: Any
    scale: Any
    concentration: Any

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, loc=loc, scale=scale, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From loc on, up to loc - scale / concentration where that is negative."""
        top = t.where(self._flat(), -1.0, self.concentration)
        return constraints.interval(self.loc, t.where(self.concentration < 0, self.loc - self.scale / top, math.inf))

    def _flat(self) -> Any:
        return t.isclose(self.concentration, t.zeros_like(self.concentration))

    def _shape(self) -> Any:
        """The concentration, 1 where it counts as 0."""
        return t.where(self._flat(), 1.0, self.concentration)

    def _mean(self) -> Any:
        c = self.concentration
        return t.where(c < 1, self.loc + self.scale / t.where(c < 1, 1 - c, 1.0), math.nan)

    def _mode(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        c = self.concentration
        known = t.where(c < 0.5, c, 0.0)
        return t.where(c < 0.5, self.scale**2 / ((1 - known) ** 2 * (1 - 2 * known)), math.nan)

    def _sample(self, shape: Any) -> Any:
        return self._icdf(draws.uniform(shape, self.loc))

    def _log_survival(self, value: Any) -> Any:
        z, c = (value - self.loc) / self.scale, self._shape()
        return t.where(self._flat(), -z, -t.log1p(z * c) / c)

    def log_survival_function(self, value: Any) -> Any:
        """log(1 - cdf(value))."""
        self._check(value)
        return self._log_survival(value)

    def log_cdf(self, value: Any) -> Any:
        """log(cdf(value))."""
        self._check(value)
        return t.log1p(-t.exp(self._log_survival(value)))

    def _log_prob(self, value: Any) -> Any:
        z, c = (value - self.loc) / self.scale, self._shape()
        return t.where(self._flat(), -z, -(1 + 1 / c) * t.log1p(z * c)) - self.scale.log()

    def _cdf(self, value: Any) -> Any:
        return -t.expm1(self._log_survival(value))

    def _icdf(self, value: Any) -> Any:
        c = self._shape()
        return self.loc + self.scale * t.where(self._flat(), -t.log1p(-value), t.expm1(-c * t.log1p(-value)) / c)

    def _entropy(self) -> Any:
        return self.scale.log() + self.concentration + 1
