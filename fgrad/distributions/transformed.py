"""Distributions that are another one's transform: log-normal, Gumbel, half-normal, inverse gamma, Pareto, Weibull and others."""

from __future__ import annotations

import math
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints
from fgrad.distributions.distribution import parameters
from fgrad.distributions.elementwise import AbsTransform, AffineTransform, ExpTransform, PowerTransform
from fgrad.distributions.positive import Exponential, Gamma
from fgrad.distributions.real_line import Cauchy, Normal, Uniform
from fgrad.distributions.transformed_distribution import TransformedDistribution
from fgrad.distributions.utils import broadcast_all
from fgrad.distributions.vectors import StickBreakingTransform

__all__ = ["Gumbel", "HalfCauchy", "HalfNormal", "InverseGamma", "Kumaraswamy", "LogNormal", "LogisticNormal", "Pareto", "Weibull"]
EULER = 0.57721566490153286060


class LogNormal(TransformedDistribution):
    """exp of a normal number: log x has mean loc and standard deviation scale."""

    arg_constraints: Any = parameters(loc=constraints.real, scale=constraints.positive)
    support: Any = constraints.positive
    has_rsample: Any = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args=validate_args), ExpTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Any:
        """The mean of log x."""
        return self.base_dist.loc

    @property
    def scale(self) -> Any:
        """The standard deviation of log x."""
        return self.base_dist.scale

    def _mean(self) -> Any:
        return (self.loc + self.scale.pow(2) / 2).exp()

    def _mode(self) -> Any:
        return (self.loc - self.scale.square()).exp()

    def _variance(self) -> Any:
        square = self.scale.pow(2)
        return square.expm1() * (2 * self.loc + square).exp()

    def _entropy(self) -> Any:
        return self.base_dist.entropy() + self.loc


class LogisticNormal(TransformedDistribution):
    """Points of the simplex of n + 1: n normal numbers through StickBreakingTransform."""

    arg_constraints: Any = parameters(loc=constraints.real, scale=constraints.positive)
    support: Any = constraints.simplex
    has_rsample: Any = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        super().__init__(base if base.batch_shape else base.expand((1,)), StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Any:
        """The means of the normal numbers."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Any:
        """Their standard deviations."""
        return self.base_dist.base_dist.scale


class Gumbel(TransformedDistribution):
    """The Gumbel distribution: loc - scale log(-log u), u uniform."""

    arg_constraints: Any = parameters(loc=constraints.real, scale=constraints.positive)
    support: Any = constraints.real
    loc: Any
    scale: Any

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = t.finfo(self.loc.dtype)
        base = Uniform(t.full_like(self.loc, limits.tiny), t.full_like(self.loc, 1 - limits.eps), validate_args=validate_args)
        steps = [ExpTransform().inv, AffineTransform(0, -t.ones_like(self.scale)), ExpTransform().inv, AffineTransform(self.loc, -self.scale)]
        super().__init__(base, steps, validate_args=validate_args)

    def _log_prob(self, value: Any) -> Any:
        y = (self.loc - value) / self.scale
        return y - y.exp() - self.scale.log()

    def _mean(self) -> Any:
        return self.loc + self.scale * EULER

    def _mode(self) -> Any:
        return self.loc

    @property
    def stddev(self) -> Any:
        """π / sqrt(6) times the scale."""
        return math.pi / math.sqrt(6) * self.scale

    def _variance(self) -> Any:
        return self.stddev.pow(2)

    def _entropy(self) -> Any:
        return self.scale.log() + (1 + EULER)


class _Folded(TransformedDistribution):
    """|x| for x of a distribution symmetric around 0."""

    arg_constraints: Any = parameters(scale=constraints.positive)
    support: Any = constraints.nonnegative
    has_rsample: Any = True

    @property
    def scale(self) -> Any:
        """The base's scale."""
        return self.base_dist.scale

    def _mode(self) -> Any:
        return t.zeros_like(self.scale)

    def _log_prob(self, value: Any) -> Any:
        return t.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def _cdf(self, value: Any) -> Any:
        return 2 * self.base_dist.cdf(value) - 1

    def _icdf(self, value: Any) -> Any:
        return self.base_dist.icdf((value + 1) / 2)

    def _entropy(self) -> Any:
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Folded):
    """|x| for x normal around 0 with standard deviation `scale`."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    def _mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    def _variance(self) -> Any:
        return self.scale.pow(2) * (1 - 2 / math.pi)


class HalfCauchy(_Folded):
    """|x| for x of a Cauchy distribution around 0."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    def _mean(self) -> Any:
        return t.full_like(self.scale, math.inf)

    def _variance(self) -> Any:
        return self.base_dist.variance


class InverseGamma(TransformedDistribution):
    """1 / x for x of Gamma(concentration, rate)."""

    arg_constraints: Any = parameters(concentration=constraints.positive, rate=constraints.positive)
    support: Any = constraints.positive
    has_rsample: Any = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(-t.ones((), dtype=base.rate.dtype, device=base.rate.device)), validate_args=validate_args)

    @property
    def concentration(self) -> Any:
        """The base's concentration."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Any:
        """The base's rate."""
        return self.base_dist.rate

    def _mean(self) -> Any:
        a = self.concentration
        return t.where(a > 1, self.rate / t.where(a > 1, a - 1, 1.0), math.inf)

    def _mode(self) -> Any:
        return self.rate / (self.concentration + 1)

    def _variance(self) -> Any:
        known = self.concentration > 2
        a = t.where(known, self.concentration, 3.0)
        return t.where(known, self.rate.square() / ((a - 1).square() * (a - 2)), math.inf)

    def _entropy(self) -> Any:
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()


class Kumaraswamy(TransformedDistribution):
    """Kumaraswamy's distribution: cdf 1 - (1 - x^a)^b with a = concentration1, b = concentration0."""

    arg_constraints: Any = parameters(concentration1=constraints.positive, concentration0=constraints.positive)
    support: Any = constraints.unit_interval
    has_rsample: Any = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        a, b = self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        base = Uniform(t.full_like(b, 0), t.full_like(b, 1), validate_args=validate_args)
        steps = [PowerTransform(b.reciprocal()), AffineTransform(1.0, -1.0), PowerTransform(a.reciprocal())]
        super().__init__(base, steps, validate_args=validate_args)

    def _moment(self, n: int) -> Any:
        a, b = self.concentration1, self.concentration0
        return b * (t.lgamma(1 + n / a) + t.lgamma(b) - t.lgamma(1 + n / a + b)).exp()

    def _mean(self) -> Any:
        return self._moment(1)

    def _mode(self) -> Any:
        a, b = self.concentration1, self.concentration0
        some = (a >= 1) & (b >= 1) & (a * b > 1)
        known = t.where(some, (a - 1) / t.where(some, a * b - 1, 1.0), 0.5)
        return t.where(some, known ** (1 / a), math.nan)

    def _variance(self) -> Any:
        return self._moment(2) - self.mean.pow(2)

    def _entropy(self) -> Any:
        a, b = self.concentration1, self.concentration0
        return 1 - 1 / b + (1 - 1 / a) * (t.digamma(b + 1) + EULER) - a.log() - b.log()


class Pareto(TransformedDistribution):
    """The Pareto distribution: cdf 1 - (scale / x)^alpha for x >= scale."""

    arg_constraints: Any = parameters(alpha=constraints.positive, scale=constraints.positive)

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        super().__init__(base, [ExpTransform(), AffineTransform(0, self.scale)], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From the scale on."""
        return constraints.greater_than_eq(self.scale)

    def _mean(self) -> Any:
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    def _mode(self) -> Any:
        return self.scale

    def _variance(self) -> Any:
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    def _entropy(self) -> Any:
        return (self.scale / self.alpha).log() + 1 + self.alpha.reciprocal()


class Weibull(TransformedDistribution):
    """The Weibull distribution: cdf 1 - exp(-(x / scale)^concentration)."""

    arg_constraints: Any = parameters(scale=constraints.positive, concentration=constraints.positive)
    support: Any = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(t.ones_like(self.scale), validate_args=validate_args)
        steps = [PowerTransform(self.concentration.reciprocal()), AffineTransform(0, self.scale)]
        super().__init__(base, steps, validate_args=validate_args)

    def _power(self, n: int) -> Any:
        """log of the n-th moment at scale 1."""
        return t.lgamma(1 + n / self.concentration)

    def _mean(self) -> Any:
        return self.scale * self._power(1).exp()

    def _mode(self) -> Any:
        c = self.concentration
        return self.scale * ((c - 1) / c) ** c.reciprocal()

    def _variance(self) -> Any:
        return self.scale.pow(2) * (self._power(2).exp() - (2 * self._power(1)).exp())

    def _entropy(self) -> Any:
        c = self.concentration.reciprocal()
        return EULER * (1 - c) + (self.scale * c).log() + 1
