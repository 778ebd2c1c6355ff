"""Distributions over categories: one index, one-hot vectors, counts of several trials."""

from __future__ import annotations

import math
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints, draws
from fgrad.distributions.counts import Binomial, one_of
from fgrad.distributions.distribution import Distribution, MissingFormError
from fgrad.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits
from fgrad.errors import ArgumentError
from fgrad.functions.dtypes import Size
from fgrad.ir.apply import caller
from fgrad.nn import functional as f

__all__ = ["Categorical", "Multinomial", "OneHotCategorical", "OneHotCategoricalStraightThrough"]

BOTH = {"probs": constraints.simplex, "logits": constraints.real_vector}


class Categorical(Distribution):
    """An index of the last dimension with probability `probs` (normalised), or softmax(logits).

    >>> import fgrad as torch
    >>> torch.distributions.Categorical(torch.tensor([1.0, 3.0])).probs
    tensor([0.2500, 0.7500])
    """

    arg_constraints: Any = BOTH
    has_enumerate_support: Any = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of(probs, logits)
        name, x = ("logits", logits) if probs is None else ("probs", probs)
        if x.dim() < 1:
            raise ArgumentError(f"`{name}` parameter must be at least one-dimensional.", where=caller(), fix="give float[..., n]")
        self.__dict__[name] = x - x.logsumexp(-1, keepdim=True) if probs is None else x / x.sum(-1, keepdim=True)
        super().__init__(x.shape[:-1], validate_args=validate_args)

    @lazy_property
    def logits(self) -> Any:
        """log of the probabilities."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Any:
        """Probabilities that sum to 1."""
        return logits_to_probs(self.logits)

    @property
    def _param(self) -> Any:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def _num_events(self) -> int:
        return int(self._param.shape[-1])

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._param.size()

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """Indices."""
        return constraints.integer_interval(0, self._num_events - 1)

    def _mean(self) -> Any:
        return t.full(self._batch_shape, math.nan, dtype=self._param.dtype, device=self._param.device)

    def _variance(self) -> Any:
        return self._mean()

    def _mode(self) -> Any:
        return self.probs.argmax(-1)

    def _sample(self, shape: Any) -> Any:
        logits = self.__dict__["logits"] if "logits" in self.__dict__ else self.probs.log()
        return draws.index(logits.expand((*shape, self._num_events)))

    def _log_prob(self, value: Any) -> Any:
        value = value.long().unsqueeze(-1)
        value, logits = t.broadcast_tensors(value, self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def _entropy(self) -> Any:
        logits = self.logits.clamp(min=t.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def _enumerated(self, expand: bool) -> Any:
        values = t.arange(self._num_events, dtype=t.int64, device=self._param.device).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values


class ByCategorical(Distribution):
    """A distribution over vectors that keeps its probabilities in a Categorical."""

    arg_constraints: Any = BOTH
    _categorical: Categorical

    def _by(self, probs: Any, logits: Any, validate_args: bool | None) -> None:
        self._categorical = Categorical(probs, logits)
        Distribution.__init__(self, self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with parameters expanded to `batch_shape`."""
        new = super().expand(batch_shape, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def _param(self) -> Any:
        return self._categorical._param

    @property
    def probs(self) -> Any:
        """Probabilities that sum to 1."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """log of the probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._categorical.param_shape


class OneHotCategorical(ByCategorical):
    """One-hot vectors, 1 at an index drawn as Categorical's."""

    support: Any = constraints.one_hot
    has_enumerate_support: Any = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._by(probs, logits, validate_args)

    def _mean(self) -> Any:
        return self.probs

    def _mode(self) -> Any:
        return f.one_hot(self.probs.argmax(-1), self._event_shape[0]).to(self.probs)

    def _variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def _one_hot(self, shape: Any) -> Any:
        return f.one_hot(self._categorical._sample(shape[:-1]), self._event_shape[0]).to(self.probs)

    def _sample(self, shape: Any) -> Any:
        return self._one_hot(shape)

    def _log_prob(self, value: Any) -> Any:
        return self._categorical._log_prob(value.max(-1)[1])

    def _entropy(self) -> Any:
        return self._categorical.entropy()

    def _enumerated(self, expand: bool) -> Any:
        n = self._event_shape[0]
        values = t.eye(n, dtype=self._param.dtype, device=self._param.device).view((n,) + (1,) * len(self._batch_shape) + (n,))
        return values.expand((n, *self._batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot vectors whose derivatives are those of the probabilities.  Source: Bengio et al. 2013, arXiv:1308.3432."""

    has_rsample: Any = True

    def _sample(self, shape: Any) -> Any:
        return self._one_hot(shape) + (self.probs - self.probs.detach())


class Multinomial(ByCategorical):
    """How often each category is met in `total_count` trials (a Python int)."""

    _copied = ("total_count",)

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if not isinstance(total_count, int):
            raise MissingFormError("inhomogeneous total_count is not supported", where=caller(), fix="pass an int")
        self.total_count = total_count
        self._by(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Counts up to total_count in all."""
        return constraints.multinomial(self.total_count)

    def _mean(self) -> Any:
        return self.probs * self.total_count

    def _variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def _sample(self, shape: Any) -> Any:
        n = shape[-1]
        found = self._categorical._sample(Size((self.total_count, *shape[:-1])))
        return f.one_hot(found, n).sum(0).to(self.probs)

    def _log_prob(self, value: Any) -> Any:
        logits, value = broadcast_all(self.logits, value)
        powers = t.where((value == 0) & (logits == -math.inf), 0.0, logits * value)
        return t.lgamma(value.sum(-1) + 1) - t.lgamma(value + 1).sum(-1) + powers.sum(-1)

    def _entropy(self) -> Any:
        n = self.total_count
        size = (n,) + (1,) * len(self._batch_shape) + (1,)
        binomials = Binomial(n, probs=self.probs, validate_args=False)
        k = t.arange(1, n + 1, dtype=self._param.dtype, device=self._param.device).view(size)
        chance = binomials._log_prob(k).exp()
        own = n * self._categorical.entropy() - math.lgamma(n + 1)
        return own + (chance * t.lgamma(k + 1)).sum((0, -1))
