"""Independent: batch dimensions of a distribution counted as dimensions of one sample; and mixtures of one family."""

from __future__ import annotations

from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints
from fgrad.distributions.categories import Categorical
from fgrad.distributions.distribution import Distribution, MissingFormError, parameters
from fgrad.distributions.utils import sum_rightmost
from fgrad.errors import ArgumentError
from fgrad.functions.dtypes import Size
from fgrad.ir.apply import caller

__all__ = ["Independent", "MixtureSameFamily"]


class Independent(Distribution):
    """The last `reinterpreted_batch_ndims` batch dimensions of a distribution as event dimensions: log_prob is summed over them.

    >>> import fgrad as torch
    >>> base = torch.distributions.Normal(torch.zeros(3), 1.0)
    >>> torch.distributions.Independent(base, 1).log_prob(torch.zeros(3))
    tensor(-2.7568)
    """

    arg_constraints: Any = parameters()

    def __init__(self, base_distribution: Any, reinterpreted_batch_ndims: int, validate_args: bool | None = None) -> None:
        n = reinterpreted_batch_ndims
        if n > len(base_distribution.batch_shape):
            raise ArgumentError("Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), "
                                f"actual {n} vs {len(base_distribution.batch_shape)}", where=caller(), fix="use fewer dimensions")  # fmt: skip
        shape = base_distribution.batch_shape + base_distribution.event_shape
        cut = len(base_distribution.batch_shape) - n
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with batch dimensions expanded."""
        new = self._get_checked_instance(Independent, _instance)
        shape, n = Size(batch_shape), self.reinterpreted_batch_ndims
        new.base_dist, new.reinterpreted_batch_ndims = self.base_dist.expand(shape + self._event_shape[:n]), n
        return self._as_expanded(new, shape)

    @property
    def has_rsample(self) -> Any:
        """Whether the base has."""
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self) -> Any:
        """Whether the base has, and no dimension is reinterpreted."""
        return self.base_dist.has_enumerate_support and self.reinterpreted_batch_ndims == 0

    @constraints.dependent_property
    def support(self) -> Any:
        """The base's over more dimensions."""
        found, n = self.base_dist.support, self.reinterpreted_batch_ndims
        return constraints.independent(found, n) if n else found

    def _mean(self) -> Any:
        return self.base_dist.mean

    def _mode(self) -> Any:
        return self.base_dist.mode

    def _variance(self) -> Any:
        return self.base_dist.variance

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws of the base."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws of the base, with derivatives."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Any:
        """The base's, summed over the reinterpreted dimensions."""
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def _entropy(self) -> Any:
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def _enumerated(self, expand: bool) -> Any:
        if self.reinterpreted_batch_ndims > 0:
            raise MissingFormError("Enumeration over cartesian product is not implemented", where=caller(), fix="enumerate the base")
        return self.base_dist.enumerate_support(expand=expand)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamily(Distribution):
    """A mixture: a component, drawn by a Categorical, of the last batch dimension of `component_distribution`.

    Raises ArgumentError unless the first is a Categorical, the second a Distribution, and their batch shapes fit.
    """

    arg_constraints: Any = parameters()

    def __init__(self, mixture_distribution: Any, component_distribution: Any, validate_args: bool | None = None) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ArgumentError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical", where=caller(), fix="pass a Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ArgumentError("The Component distribution need to be an instance of torch.distributions.Distribution", where=caller(), fix="pass a Distribution")
        mixed, parts = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        if any(m not in (1, p) and p != 1 for m, p in zip(reversed(mixed), reversed(parts), strict=False)):
            raise ArgumentError(f"`mixture_distribution.batch_shape` ({mixed}) is not compatible with `component_distribution.batch_shape`({parts})",
                                where=caller(), fix="use batch shapes that broadcast")  # fmt: skip
        km, kc = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if km != kc:
            raise ArgumentError(f"`mixture_distribution component` ({km}) does not equal `component_distribution.batch_shape[-1]` ({kc})",
                                where=caller(), fix="use as many components as weights")  # fmt: skip
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        super().__init__(parts, component_distribution.event_shape, validate_args=validate_args)

    has_rsample: Any = False

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same mixture with batch dimensions expanded."""
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        shape = Size(batch_shape)
        new._component_distribution = self._component_distribution.expand((*shape, self._component_distribution.batch_shape[-1]))
        new._mixture_distribution = self._mixture_distribution.expand(shape)
        return self._as_expanded(new, shape)

    @constraints.dependent_property
    def support(self) -> Any:
        """What any component can give."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Any:
        """The Categorical over components."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """The components."""
        return self._component_distribution

    def _axis(self) -> int:
        """Where the components stand."""
        return -1 - len(self._event_shape)

    def _weights(self) -> Any:
        probs = self._mixture_distribution.probs
        return probs.reshape(probs.shape + (1,) * len(self._event_shape))

    def _mean(self) -> Any:
        return (self._weights() * self._component_distribution.mean).sum(self._axis())

    def _variance(self) -> Any:
        weights, parts, axis = self._weights(), self._component_distribution, self._axis()
        away = parts.mean - self.mean.unsqueeze(axis)
        return (weights * parts.variance).sum(axis) + (weights * away.square()).sum(axis)

    def _cdf(self, value: Any) -> Any:
        return (self._component_distribution.cdf(value.unsqueeze(self._axis())) * self._mixture_distribution.probs).sum(-1)

    def _log_prob(self, value: Any) -> Any:
        parts = self._component_distribution.log_prob(value.unsqueeze(self._axis()))
        return (parts + self._mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        """A draw of each component, of which one is taken."""
        with t.no_grad():
            which = self._mixture_distribution.expand(self._batch_shape).sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            at = which.reshape(which.shape + (1,) * (1 + len(self._event_shape)))
            wanted = (*drawn.shape[: drawn.dim() + self._axis()], 1, *self._event_shape)
            return drawn.gather(self._axis(), at.expand(wanted)).squeeze(self._axis())

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
