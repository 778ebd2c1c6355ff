"""Relaxed distributions: numbers of [0, 1] and points of the simplex that come near to 0, 1 and corners as a temperature falls."""

from __future__ import annotations

from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints, draws
from fgrad.distributions.categories import ByCategorical
from fgrad.distributions.counts import Odds
from fgrad.distributions.distribution import parameters
from fgrad.distributions.elementwise import ExpTransform, SigmoidTransform
from fgrad.distributions.transformed_distribution import TransformedDistribution
from fgrad.distributions.utils import broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "LogitRelaxedBernoulli", "RelaxedBernoulli", "RelaxedOneHotCategorical"]


class LogitRelaxedBernoulli(Odds):
    """The logits of RelaxedBernoulli: (logits + log u - log(1 - u)) / temperature, u uniform."""

    support: Any = constraints.real
    has_rsample: Any = True
    _copied = ("temperature",)

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self.temperature = t.as_tensor(temperature)
        self._given(probs, logits, validate_args)

    def _sample(self, shape: Any) -> Any:
        p = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(draws.uniform(shape, p))
        return (u.log() - (-u).log1p() + p.log() - (-p).log1p()) / self.temperature

    def _log_prob(self, value: Any) -> Any:
        logits, value = broadcast_all(self.logits, value)
        apart = logits - value * self.temperature
        return self.temperature.log() + apart - 2 * apart.exp().log1p()


class _Tempered(TransformedDistribution):
    """What both relaxed distributions take from their base."""

    has_rsample: Any = True

    @property
    def temperature(self) -> Any:
        """The temperature: a positive tensor."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Any:
        """The base's logits."""
        return self.base_dist.logits

    @property
    def probs(self) -> Any:
        """The base's probabilities."""
        return self.base_dist.probs


class RelaxedBernoulli(_Tempered):
    """Numbers of (0, 1) near to draws of Bernoulli(probs), nearer as the temperature falls; with derivatives.

    Source: Maddison et al. 2017, arXiv:1611.00712; Jang et al. 2017, arXiv:1611.01144.
    """

    arg_constraints: Any = parameters(probs=constraints.unit_interval, logits=constraints.real)
    support: Any = constraints.unit_interval

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits), SigmoidTransform(), validate_args=validate_args)


class ExpRelaxedCategorical(ByCategorical):
    """log of RelaxedOneHotCategorical's draws: log_softmax((logits + Gumbel noise) / temperature)."""

    support: Any = constraints.real_vector
    has_rsample: Any = True
    _copied = ("temperature",)

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self.temperature = t.as_tensor(temperature)
        self._by(probs, logits, validate_args)

    def _sample(self, shape: Any) -> Any:
        u = clamp_probs(draws.uniform(shape, self.logits))
        return ((self.logits - (-u.log()).log()) / self.temperature).log_softmax(-1)

    def _log_prob(self, value: Any) -> Any:
        n = self._event_shape[0]
        logits, value = broadcast_all(self.logits, value)
        scale = t.full_like(self.temperature, float(n)).lgamma() + self.temperature.log() * (n - 1)
        return (logits - value * self.temperature).log_softmax(-1).sum(-1) + scale


class RelaxedOneHotCategorical(_Tempered):
    """Points of the simplex near to OneHotCategorical(probs)'s draws, nearer as the temperature falls; with derivatives.

    Source: as RelaxedBernoulli's.
    """

    arg_constraints: Any = parameters(probs=constraints.simplex, logits=constraints.real_vector)
    support: Any = constraints.simplex

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args), ExpTransform(), validate_args=validate_args)
