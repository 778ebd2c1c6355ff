"""Transforms of each number by itself: exp, power, sigmoid, softplus, tanh, abs, affine maps, distribution functions."""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints
from fgrad.distributions.distribution import Distribution
from fgrad.distributions.transform import Transform
from fgrad.distributions.utils import sum_rightmost
from fgrad.functions.dtypes import Size
from fgrad.functions.shape import broadcast_shapes
from fgrad.nn import functional as f

__all__ = [
    "AbsTransform", "AffineTransform", "CumulativeDistributionTransform", "ExpTransform", "PowerTransform", "SigmoidTransform",
    "SoftplusTransform", "TanhTransform",
]  # fmt: skip


def clipped_sigmoid(x: Any) -> Any:
    """The sigmoid, kept off 0 and 1."""
    limits = t.finfo(x.dtype)
    return x.sigmoid().clamp(min=limits.tiny, max=1 - limits.eps)


class ExpTransform(Transform):
    """y = exp(x)."""

    domain: Any = constraints.real
    codomain: Any = constraints.positive
    bijective: Any = True
    _sign = 1

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def _log_slope(self, x: Any, y: Any) -> Any:
        return x


class PowerTransform(Transform):
    """y = x^exponent for x > 0."""

    domain: Any = constraints.positive
    codomain: Any = constraints.positive
    bijective: Any = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.exponent = t.as_tensor(exponent, dtype=None if isinstance(exponent, t.Tensor) else t.get_default_dtype())

    def _copy(self, cache_size: int) -> Any:
        return PowerTransform(self.exponent, cache_size=cache_size)

    @property
    def sign(self) -> Any:
        """The sign of the exponent."""
        return self.exponent.sign()

    def _equals(self, other: Any) -> bool:
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def _log_slope(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()

    def _shape(self, shape: Any) -> Any:
        return broadcast_shapes(shape, self.exponent.shape)

    _back_shape = _shape


class SigmoidTransform(Transform):
    """y = 1 / (1 + exp(-x))."""

    domain: Any = constraints.real
    codomain: Any = constraints.unit_interval
    bijective: Any = True
    _sign = 1

    def _call(self, x: Any) -> Any:
        return clipped_sigmoid(x)

    def _inverse(self, y: Any) -> Any:
        limits = t.finfo(y.dtype)
        y = y.clamp(min=limits.tiny, max=1 - limits.eps)
        return y.log() - (-y).log1p()

    def _log_slope(self, x: Any, y: Any) -> Any:
        return -f.softplus(-x) - f.softplus(x)


class SoftplusTransform(Transform):
    """y = log(1 + exp(x))."""

    domain: Any = constraints.real
    codomain: Any = constraints.positive
    bijective: Any = True
    _sign = 1

    def _call(self, x: Any) -> Any:
        return f.softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-(-y).expm1()).log() + y

    def _log_slope(self, x: Any, y: Any) -> Any:
        return -f.softplus(-x)


class TanhTransform(Transform):
    """y = tanh(x)."""

    domain: Any = constraints.real
    codomain: Any = constraints.interval(-1.0, 1.0)
    bijective: Any = True
    _sign = 1

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return y.atanh()

    def _log_slope(self, x: Any, y: Any) -> Any:
        return 2.0 * (math.log(2.0) - x - f.softplus(-2.0 * x))


class AbsTransform(Transform):
    """y = |x|; y is taken for the x it came from."""

    domain: Any = constraints.real
    codomain: Any = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class AffineTransform(Transform):
    """y = loc + scale x, on elements or, with event_dim, on the last dimensions."""

    bijective: Any = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        """As given."""
        return self._event_dim

    def _real(self) -> Any:
        return constraints.independent(constraints.real, self._event_dim) if self._event_dim else constraints.real

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """Real numbers."""
        return self._real()

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """Real numbers."""
        return self._real()

    def _copy(self, cache_size: int) -> Any:
        return AffineTransform(self.loc, self.scale, self._event_dim, cache_size=cache_size)

    def _equals(self, other: Any) -> bool:
        return isinstance(other, AffineTransform) and _alike(self.loc, other.loc) and _alike(self.scale, other.scale)

    @property
    def sign(self) -> Any:
        """The sign of the scale."""
        if isinstance(self.scale, Number):
            return 1 if float(self.scale) > 0 else -1 if float(self.scale) < 0 else 0  # type: ignore[arg-type]  # a real number
        return self.scale.sign()

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def _log_slope(self, x: Any, y: Any) -> Any:
        if isinstance(self.scale, Number):
            found = t.full_like(x, math.log(abs(self.scale)))  # type: ignore[arg-type]  # a real number
        else:
            found = self.scale.abs().log()
        return sum_rightmost(found.expand(broadcast_shapes(found.shape, x.shape)), self._event_dim) if self._event_dim else found.expand(x.shape)

    def _shape(self, shape: Any) -> Any:
        return broadcast_shapes(shape, getattr(self.loc, "shape", Size()), getattr(self.scale, "shape", Size()))

    _back_shape = _shape


def _alike(x: Any, y: Any) -> bool:
    return x == y if isinstance(x, Number) and isinstance(y, Number) else bool(t.as_tensor(x == y).all())


class CumulativeDistributionTransform(Transform):
    """y = the distribution function of `distribution` at x: numbers of [0, 1]."""

    bijective: Any = True
    codomain: Any = constraints.unit_interval
    _sign = 1

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:
        """The distribution's support."""
        return self.distribution.support

    def _copy(self, cache_size: int) -> Any:
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def _log_slope(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)
