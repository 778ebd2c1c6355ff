"""Distributions of 0 and 1 and of counts: Bernoulli, geometric, binomial, negative binomial, Poisson; and the continuous Bernoulli."""

from __future__ import annotations

import math
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints, draws
from fgrad.distributions.distribution import Distribution, ExponentialFamily, MissingFormError, parameters
from fgrad.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
    tracing,
)
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.nn import functional as f

__all__ = ["Bernoulli", "Binomial", "ContinuousBernoulli", "Geometric", "NegativeBinomial", "Poisson"]


def one_of(probs: Any, logits: Any) -> None:
    """Raises ArgumentError unless one of both is given."""
    if (probs is None) == (logits is None):
        raise ArgumentError("Either `probs` or `logits` must be specified, but not both.", where=caller(), fix="pass one of them")


class Odds(Distribution):
    """A distribution told by the probability of a success or by its logits, log(p / (1 - p)): one is given, the other follows."""

    arg_constraints: Any = parameters(probs=constraints.unit_interval, logits=constraints.real)

    def _given(self, probs: Any, logits: Any, validate_args: bool | None, **others: Any) -> None:
        one_of(probs, logits)
        given = {"logits": logits} if probs is None else {"probs": probs}
        self._broadcast(validate_args, **others, **given)

    @lazy_property
    def logits(self) -> Any:
        """log(p / (1 - p))."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability of a success."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Any:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._param.size()


def log_likelihood(logits: Any, value: Any) -> Any:
    """value log p + (1 - value) log(1 - p)."""
    logits, value = broadcast_all(logits, value)
    return -f.binary_cross_entropy_with_logits(logits, value, reduction="none")


class Bernoulli(Odds, ExponentialFamily):
    """1 with probability `probs`, else 0.

    >>> import fgrad as torch
    >>> torch.distributions.Bernoulli(0.3).variance
    tensor(0.2100)
    """

    support: Any = constraints.boolean
    has_enumerate_support: Any = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._given(probs, logits, validate_args)

    def _mean(self) -> Any:
        return self.probs

    def _mode(self) -> Any:
        mode = (self.probs >= 0.5).to(self.probs)
        return t.where(self.probs == 0.5, math.nan, mode)

    def _variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def _sample(self, shape: Any) -> Any:
        return t.bernoulli(self.probs.expand(shape))

    def _log_prob(self, value: Any) -> Any:
        return log_likelihood(self.logits, value)

    def _entropy(self) -> Any:
        return f.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def _enumerated(self, expand: bool) -> Any:
        values = t.arange(2, dtype=self._param.dtype, device=self._param.device).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> Any:
        return (t.logit(self.probs),)

    def _log_normalizer(self, *natural_params: Any) -> Any:
        return t.log1p(t.exp(natural_params[0]))


class Geometric(Odds):
    """The number k of failures before the first success: probability (1 - p)^k p."""

    support: Any = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._given(probs, logits, validate_args)
        if self._validate_args and probs is not None and not tracing() and not (self.probs > 0).all():
            wrong = self.probs[~(self.probs > 0)]
            raise ArgumentError(f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of distribution {self!r} "
                                f"to be positive but found invalid values:\n{wrong}", where=caller(), fix="give probabilities above 0")  # fmt: skip

    def _mean(self) -> Any:
        return 1.0 / self.probs - 1.0

    def _mode(self) -> Any:
        return t.zeros_like(self.probs)

    def _variance(self) -> Any:
        return (1.0 / self.probs - 1.0) / self.probs

    def _sample(self, shape: Any) -> Any:
        p = self.probs.expand(shape)
        return (draws.inside(shape, p).log() / (-p).log1p()).floor()

    def _log_prob(self, value: Any) -> Any:
        value, probs = broadcast_all(value, self.probs)
        probs = t.where((probs == 1) & (value == 0), 0.0, probs)
        return value * (-probs).log1p() + self.probs.log()

    def _entropy(self) -> Any:
        return f.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Binomial(Odds):
    """The number of successes in `total_count` trials (a number or tensor of whole numbers)."""

    arg_constraints: Any = parameters(total_count=constraints.nonnegative_integer, **Odds.arg_constraints)
    has_enumerate_support: Any = True
    total_count: Any

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of(probs, logits)
        self._given(probs, logits, validate_args, total_count=t.as_tensor(total_count).to(_tensor(probs, logits)))

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """Whole numbers from 0 to total_count."""
        return constraints.integer_interval(0, self.total_count)

    def _mean(self) -> Any:
        return self.total_count * self.probs

    def _mode(self) -> Any:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    def _variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def _sample(self, shape: Any) -> Any:
        return draws.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def _log_prob(self, value: Any) -> Any:
        n, logits = self.total_count, self.logits
        ways = t.lgamma(n + 1) - t.lgamma(value + 1) - t.lgamma(n - value + 1)
        return ways + value * logits - n * f.softplus(logits)

    def _count(self, what: str) -> int:
        n = int(self.total_count.max())
        if not self.total_count.min() == n:
            raise MissingFormError(f"Inhomogeneous total count not supported by `{what}`.", where=caller(), fix="use one total_count")
        return n

    def _entropy(self) -> Any:
        self._count("entropy")
        log_prob = self._log_prob(self._enumerated(False))
        return -(t.exp(log_prob) * log_prob).sum(0)

    def _enumerated(self, expand: bool) -> Any:
        n = self._count("enumerate_support")
        values = t.arange(1 + n, dtype=self._param.dtype, device=self._param.device).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values


def _tensor(probs: Any, logits: Any) -> Any:
    return broadcast_all(logits if probs is None else probs)[0]


class NegativeBinomial(Odds):
    """The number of successes, each of probability `probs`, before `total_count` failures (a positive number)."""

    arg_constraints: Any = parameters(total_count=constraints.greater_than_eq(0), probs=constraints.half_open_interval(0.0, 1.0), logits=constraints.real)
    support: Any = constraints.nonnegative_integer
    total_count: Any

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of(probs, logits)
        self._given(probs, logits, validate_args, total_count=t.as_tensor(total_count).to(_tensor(probs, logits)))

    def _mean(self) -> Any:
        return self.total_count * t.exp(self.logits)

    def _mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    def _variance(self) -> Any:
        return self.mean / t.sigmoid(-self.logits)

    def _sample(self, shape: Any) -> Any:
        rate = draws.gamma(self.total_count.expand(shape)) * t.exp(self.logits)
        return draws.poisson(rate)

    def _log_prob(self, value: Any) -> Any:
        n = self.total_count
        chances = n * f.logsigmoid(-self.logits) + value * f.logsigmoid(self.logits)
        both = n + value
        ways = -t.lgamma(both) + t.lgamma(1.0 + value) + t.lgamma(n)
        return chances - t.where(both == 0.0, 0.0, ways)


class Poisson(ExponentialFamily):
    """Counts k with probability rate^k exp(-rate) / k!; for rate 0 all are 0."""

    arg_constraints: Any = parameters(rate=constraints.nonnegative)
    support: Any = constraints.nonnegative_integer
    rate: Any

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._broadcast(validate_args, rate=rate)

    def _mean(self) -> Any:
        return self.rate

    def _mode(self) -> Any:
        return self.rate.floor()

    def _variance(self) -> Any:
        return self.rate

    def _sample(self, shape: Any) -> Any:
        return draws.poisson(self.rate.expand(shape))

    def _log_prob(self, value: Any) -> Any:
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> Any:
        return (t.log(self.rate),)

    def _log_normalizer(self, *natural_params: Any) -> Any:
        return t.exp(natural_params[0])


class ContinuousBernoulli(Odds, ExponentialFamily):
    """Numbers of [0, 1] with density proportional to p^x (1 - p)^(1 - x).

    lims: probabilities near 1/2 between which Taylor's series stands for the formulas.
    Source: Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845.
    """

    support: Any = constraints.unit_interval
    has_rsample: Any = True
    _copied = ("_lims",)

    def __init__(self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501), validate_args: bool | None = None) -> None:
        self._given(probs, logits, validate_args)
        self._lims = lims
        if probs is not None:
            self.probs = clamp_probs(self.probs)

    def _outside(self) -> Any:
        """Where the formulas hold."""
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut(self) -> Any:
        """Probabilities where the formulas hold, else the lower limit."""
        return t.where(self._outside(), self.probs, self._lims[0])

    def _log_norm(self) -> Any:
        """log of 2 artanh(1 - 2p) / (1 - 2p)."""
        p = self._cut()
        odd = t.log1p(-p) - t.log(p)
        low = t.where(p <= 0.5, p, 0.0)
        high = t.where(p >= 0.5, p, 1.0)
        whole = t.log(t.abs(odd)) - t.where(p <= 0.5, t.log1p(-2.0 * low), t.log(2.0 * high - 1.0))
        x = (self.probs - 0.5).square()
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return t.where(self._outside(), whole, series)

    def _mean(self) -> Any:
        p, x = self._cut(), self.probs - 0.5
        whole = p / (2.0 * p - 1.0) + 1.0 / (t.log1p(-p) - t.log(p))
        return t.where(self._outside(), whole, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.square()) * x)

    def _variance(self) -> Any:
        p, x = self._cut(), (self.probs - 0.5).square()
        whole = p * (p - 1.0) / (1.0 - 2.0 * p).square() + 1.0 / (t.log1p(-p) - t.log(p)).square()
        return t.where(self._outside(), whole, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def _sample(self, shape: Any) -> Any:
        return self._icdf(draws.inside(shape, self.probs))

    def _log_prob(self, value: Any) -> Any:
        return log_likelihood(self.logits, value) + self._log_norm()

    def _cdf(self, value: Any) -> Any:
        p = self._cut()
        whole = (p**value * (1.0 - p) ** (1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inner = t.where(self._outside(), whole, value)
        return t.where(value <= 0.0, 0.0, t.where(value >= 1.0, 1.0, inner))

    def _icdf(self, value: Any) -> Any:
        p = self._cut()
        whole = (t.log1p(-p + value * (2.0 * p - 1.0)) - t.log1p(-p)) / (t.log(p) - t.log1p(-p))
        return t.where(self._outside(), whole, value)

    def _entropy(self) -> Any:
        fail, success = t.log1p(-self.probs), t.log(self.probs)
        return self.mean * (fail - success) - self._log_norm() - fail

    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> Any:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Any) -> Any:
        x = natural_params[0]
        outside = (x <= math.log(self._lims[0] / (1 - self._lims[0]))) | (x > math.log(self._lims[1] / (1 - self._lims[1])))
        cut = t.where(outside, x, 1.0)
        return t.where(outside, t.log(t.abs(t.expm1(cut))) - t.log(t.abs(cut)), 0.5 * x + x.square() / 24.0 - x**4 / 2880.0)
