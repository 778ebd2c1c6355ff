"""Distributions made of gamma draws: gamma, chi-square, beta, Dirichlet, Fisher-Snedecor; and the exponential."""

from __future__ import annotations

import math
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints, draws
from fgrad.distributions.distribution import Distribution, ExponentialFamily, parameters
from fgrad.distributions.utils import broadcast_all
from fgrad.errors import ArgumentError
from fgrad.functions import special
from fgrad.ir.apply import caller

__all__ = ["Beta", "Chi2", "Dirichlet", "Exponential", "FisherSnedecor", "Gamma"]


class Exponential(ExponentialFamily):
    """The exponential distribution: density rate exp(-rate x) for x >= 0."""

    arg_constraints: Any = parameters(rate=constraints.positive)
    support: Any = constraints.nonnegative
    has_rsample: Any = True
    rate: Any

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, rate=rate)

    def _mean(self) -> Any:
        return self.rate.reciprocal()

    def _mode(self) -> Any:
        return t.zeros_like(self.rate)

    @property
    def stddev(self) -> Any:
        """1 / rate."""
        return self.rate.reciprocal()

    def _variance(self) -> Any:
        return self.rate.pow(-2)

    def _sample(self, shape: Any) -> Any:
        return -t.log1p(-draws.uniform(shape, self.rate)) / self.rate

    def _log_prob(self, value: Any) -> Any:
        return self.rate.log() - self.rate * value

    def _cdf(self, value: Any) -> Any:
        return -t.expm1(-self.rate * value)

    def _icdf(self, value: Any) -> Any:
        return -t.log1p(-value) / self.rate

    def _entropy(self) -> Any:
        return 1 - self.rate.log()

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> Any:
        return (-self.rate,)

    def _log_normalizer(self, *natural_params: Any) -> Any:
        return -t.log(-natural_params[0])


class Gamma(ExponentialFamily):
    """The gamma distribution: density rate^a x^(a-1) exp(-rate x) / Γ(a), a the concentration.

    Draws have derivatives by both parameters.  Source: Marsaglia & Tsang 2000; Figurnov et al. 2018.
    """

    arg_constraints: Any = parameters(concentration=constraints.positive, rate=constraints.positive)
    support: Any = constraints.nonnegative
    has_rsample: Any = True
    concentration: Any
    rate: Any

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, concentration=concentration, rate=rate)

    def _mean(self) -> Any:
        return self.concentration / self.rate

    def _mode(self) -> Any:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    def _variance(self) -> Any:
        return self.concentration / self.rate**2

    def _sample(self, shape: Any) -> Any:
        x = draws.gamma(self.concentration.expand(shape)) / self.rate
        return x.clamp(min=t.finfo(x.dtype).tiny)

    def _log_prob(self, value: Any) -> Any:
        value = t.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        a = self.concentration
        return t.xlogy(a, self.rate) + t.xlogy(a - 1, value) - self.rate * value - t.lgamma(a)

    def _cdf(self, value: Any) -> Any:
        return special.gammainc(self.concentration, self.rate * value)

    def _entropy(self) -> Any:
        a = self.concentration
        return a - self.rate.log() + t.lgamma(a) + (1 - a) * t.digamma(a)

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> Any:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, *natural_params: Any) -> Any:
        x, y = natural_params
        return t.lgamma(x + 1) + (x + 1) * t.log(-y.reciprocal())


class Chi2(Gamma):
    """The distribution of a sum of `df` squares of standard normal numbers: Gamma(df / 2, 1 / 2)."""

    arg_constraints: Any = parameters(df=constraints.positive)
    _expanded: Any = Gamma.arg_constraints

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Any:
        """Degrees of freedom."""
        return self.concentration * 2


class Dirichlet(ExponentialFamily):
    """The Dirichlet distribution over the simplex of the last dimension: density ∏ x_i^(a_i - 1) Γ(Σ a) / ∏ Γ(a_i).

    concentration: float[..., n].
    """

    arg_constraints: Any = parameters(concentration=constraints.independent(constraints.positive, 1))
    support: Any = constraints.simplex
    has_rsample: Any = True

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ArgumentError("`concentration` parameter must be at least one-dimensional.", where=caller(), fix="give float[..., n]")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def _mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    def _mode(self) -> Any:
        a = self.concentration
        inner = (a - 1).clamp(min=0)
        corner = (a < 1).all(-1, keepdim=True)
        top = (t.arange(a.shape[-1], device=a.device) == 0).to(a.dtype)  # PyTorch names the first corner
        return t.where(corner, top, inner / t.where(corner, 1.0, inner.sum(-1, True)))

    def _variance(self) -> Any:
        a, total = self.concentration, self.concentration.sum(-1, True)
        return a * (total - a) / (total**2 * (total + 1))

    def _sample(self, shape: Any) -> Any:
        return draws.dirichlet(self.concentration.expand(shape))

    def _log_prob(self, value: Any) -> Any:
        a = self.concentration
        return t.xlogy(a - 1, value).sum(-1) + t.lgamma(a.sum(-1)) - t.lgamma(a).sum(-1)

    def _entropy(self) -> Any:
        a = self.concentration
        total, n = a.sum(-1), a.shape[-1]
        return t.lgamma(a).sum(-1) - t.lgamma(total) - (n - total) * t.digamma(total) - ((a - 1) * t.digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> Any:
        return (self.concentration,)

    def _log_normalizer(self, *natural_params: Any) -> Any:
        x = natural_params[0]
        return t.lgamma(x).sum(-1) - t.lgamma(x.sum(-1))


class Beta(ExponentialFamily):
    """The beta distribution: density x^(a-1) (1-x)^(b-1) / B(a, b) with a = concentration1, b = concentration0.

    >>> import fgrad as torch
    >>> torch.distributions.Beta(2.0, 3.0).mean
    tensor(0.4000)
    """

    arg_constraints: Any = parameters(concentration1=constraints.positive, concentration0=constraints.positive)
    support: Any = constraints.unit_interval
    has_rsample: Any = True
    _both: Any
    _expanded: Any = parameters(_both=constraints.independent(constraints.positive, 1))

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self._both = t.stack(broadcast_all(concentration1, concentration0), -1)
        super().__init__(self._both.shape[:-1], validate_args=validate_args)

    @property
    def concentration1(self) -> Any:
        """The first parameter."""
        return self._both[..., 0]

    @property
    def concentration0(self) -> Any:
        """The second parameter."""
        return self._both[..., 1]

    def _mean(self) -> Any:
        return self.concentration1 / self._both.sum(-1)

    def _mode(self) -> Any:
        return Dirichlet(self._both, validate_args=False).mode[..., 0]

    def _variance(self) -> Any:
        total = self._both.sum(-1)
        return self.concentration1 * self.concentration0 / (total**2 * (total + 1))

    def _sample(self, shape: Any) -> Any:
        return draws.dirichlet(self._both.expand((*shape, 2)))[..., 0]

    def _log_prob(self, value: Any) -> Any:
        a, b = self.concentration1, self.concentration0
        return t.xlogy(a - 1, value) + t.xlogy(b - 1, 1 - value) + t.lgamma(a + b) - t.lgamma(a) - t.lgamma(b)

    def _entropy(self) -> Any:
        return Dirichlet(self._both, validate_args=False).entropy()

    @property
    def _natural_params(self) -> Any:
        return self.concentration1, self.concentration0

    def _log_normalizer(self, *natural_params: Any) -> Any:
        x, y = natural_params
        return t.lgamma(x) + t.lgamma(y) - t.lgamma(x + y)


class FisherSnedecor(Distribution):
    """The distribution of (X1 / df1) / (X2 / df2), X1 and X2 chi-square of df1 and df2 degrees of freedom."""

    arg_constraints: Any = parameters(df1=constraints.positive, df2=constraints.positive)
    support: Any = constraints.positive
    has_rsample: Any = True
    df1: Any
    df2: Any

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, df1=df1, df2=df2)

    def _mean(self) -> Any:
        df2 = t.where(self.df2 <= 2, math.nan, self.df2)
        return df2 / (df2 - 2)

    def _mode(self) -> Any:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return t.where(self.df1 <= 2, math.nan, mode)

    def _variance(self) -> Any:
        df2 = t.where(self.df2 <= 4, math.nan, self.df2)
        return 2 * df2**2 * (self.df1 + df2 - 2) / (self.df1 * (df2 - 2) ** 2 * (df2 - 4))

    def _sample(self, shape: Any) -> Any:
        half1, half2 = self.df1.expand(shape) / 2, self.df2.expand(shape) / 2
        tiny = t.finfo(half1.dtype).tiny
        x1, x2 = draws.gamma(half1) / half1, draws.gamma(half2) / half2
        return (x1 / x2.clamp(min=tiny)).clamp(min=tiny)

    def _log_prob(self, value: Any) -> Any:
        half1, half2, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        scale = t.lgamma(half1 + half2) - t.lgamma(half1) - t.lgamma(half2)
        return scale + half1 * ratio.log() + (half1 - 1) * value.log() - (half1 + half2) * t.log1p(ratio * value)
