"""TransformedDistribution: what becomes of draws under transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints
from fgrad.distributions.distribution import Distribution, parameters
from fgrad.distributions.independent import Independent
from fgrad.distributions.transform import ComposeTransform, Transform
from fgrad.distributions.utils import sum_rightmost
from fgrad.errors import ArgumentError
from fgrad.functions.dtypes import Size
from fgrad.ir.apply import caller

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of f(x), x drawn from `base_distribution` and f a transform or a list of them, applied in order.

    log_prob(y) = base.log_prob(x) - log |det dy/dx| at x = f^-1(y).
    Raises ArgumentError for other transforms, or a base with too few dimensions.

    >>> import fgrad as torch
    >>> d = torch.distributions
    >>> d.TransformedDistribution(d.Normal(0.0, 1.0), [d.ExpTransform()]).log_prob(torch.tensor(1.0))
    tensor(-0.9189)
    """

    arg_constraints: Any = parameters()
    base_dist: Any

    def __init__(self, base_distribution: Any, transforms: Transform | Sequence[Transform], validate_args: bool | None = None) -> None:
        if isinstance(transforms, Transform):
            self.transforms = [transforms]
        elif isinstance(transforms, list) and all(isinstance(one, Transform) for one in transforms):
            self.transforms = transforms
        else:
            raise ArgumentError(f"transforms must be a Transform or list, but was {transforms}", where=caller(), fix="pass Transforms")
        whole = ComposeTransform(self.transforms)
        shape = base_distribution.batch_shape + base_distribution.event_shape
        if len(shape) < whole.domain.event_dim:
            raise ArgumentError(f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, but got {shape}.", where=caller(),
                                fix="expand the base")  # fmt: skip
        after = whole.forward_shape(shape)
        before, ndim = whole.inverse_shape(after), len(base_distribution.event_shape)
        if tuple(before) != tuple(shape):
            base_distribution = base_distribution.expand(before[: len(before) - ndim])
        more = whole.domain.event_dim - ndim
        self.base_dist = Independent(base_distribution, more) if more > 0 else base_distribution
        event_dim = max(whole.codomain.event_dim, ndim + whole.codomain.event_dim - whole.domain.event_dim)
        cut = len(after) - event_dim
        super().__init__(after[:cut], after[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with the base, and parameters, expanded."""
        new = super().expand(batch_shape, _instance)
        shape = Size(batch_shape) + self._event_shape
        for one in reversed(self.transforms):
            shape = one.inverse_shape(shape)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        new.transforms = self.transforms
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        """The last transform's codomain."""
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        more = len(self._event_shape) - found.event_dim
        return constraints.independent(found, more) if more > 0 else found

    @property
    def has_rsample(self) -> Any:
        """Whether the base has."""
        return self.base_dist.has_rsample

    def _forward(self, x: Any) -> Any:
        for one in self.transforms:
            x = one(x)
        return x

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws of the base, transformed, without derivatives."""
        with t.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws of the base, transformed, with derivatives by all parameters."""
        return self._forward(self.base_dist.rsample(sample_shape))

    def _log_prob(self, value: Any) -> Any:
        ndim, total, y = len(self._event_shape), 0, value
        for one in reversed(self.transforms):
            x = one.inv(y)
            ndim += one.domain.event_dim - one.codomain.event_dim
            total = total - sum_rightmost(one.log_abs_det_jacobian(x, y), ndim - one.domain.event_dim)
            y = x
        return total + sum_rightmost(self.base_dist.log_prob(y), ndim - len(self.base_dist.event_shape))

    def _monotone(self, value: Any) -> Any:
        """p, or 1 - p where the transforms fall."""
        sign = ComposeTransform(self.transforms).sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def _cdf(self, value: Any) -> Any:
        for one in reversed(self.transforms):
            value = one.inv(value)
        return self._monotone(self.base_dist.cdf(value))

    def _icdf(self, value: Any) -> Any:
        return self._forward(self.base_dist.icdf(self._monotone(value)))
