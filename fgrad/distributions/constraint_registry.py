"""biject_to and transform_to: the transform from all real numbers to those of a constraint."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from fgrad.distributions import constraints as c
from fgrad.distributions import transforms as x
from fgrad.distributions.constraint import MissingFormError
from fgrad.ir.apply import caller

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]

Factory = Callable[[Any], x.Transform]


class ConstraintRegistry:
    """Transforms by the class of a constraint: `registry(constraint)` makes one, `register(class, factory)` adds one.

    >>> import fgrad as torch
    >>> positive = torch.distributions.constraints.positive
    >>> torch.distributions.transform_to(positive)(torch.tensor(0.0))
    tensor(1.)
    """

    def __init__(self) -> None:
        self._registry: dict[type, Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Adds `factory(constraint) -> Transform` for a class of constraints (or an instance's class); a decorator without `factory`.

        Raises TypeError for what is no constraint.
        """
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        kind = type(constraint) if isinstance(constraint, c.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, c.Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> x.Transform:
        """The transform for a constraint.  Raises MissingFormError for one of an unknown class."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise MissingFormError(f"Cannot transform {type(constraint).__name__} constraints", where=caller(), fix="register a factory")
        return factory(constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _both(*kinds: type) -> Callable[[Factory], Factory]:
    def add(factory: Factory) -> Factory:
        for kind in kinds:
            biject_to.register(kind, factory)
            transform_to.register(kind, factory)
        return factory

    return add


@_both(type(c.real))
def _real(constraint: Any) -> x.Transform:
    return x.identity_transform


@_both(c.greater_than, c.greater_than_eq)
def _above(constraint: Any) -> x.Transform:
    return x.ComposeTransform([x.ExpTransform(), x.AffineTransform(constraint.lower_bound, 1)])


@_both(c.less_than)
def _below(constraint: Any) -> x.Transform:
    return x.ComposeTransform([x.ExpTransform(), x.AffineTransform(constraint.upper_bound, -1)])


@_both(c.interval, c.half_open_interval)
def _between(constraint: Any) -> x.Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if all(isinstance(bound, Number) for bound in (low, high)) and (low, high) == (0, 1):
        return x.SigmoidTransform()
    return x.ComposeTransform([x.SigmoidTransform(), x.AffineTransform(low, high - low)])


@_both(type(c.corr_cholesky))
def _correlations(constraint: Any) -> x.Transform:
    return x.CorrCholeskyTransform()


@biject_to.register(type(c.simplex))  # type: ignore[untyped-decorator]  # register's two forms
def _sticks(constraint: Any) -> x.Transform:
    return x.StickBreakingTransform()


@transform_to.register(type(c.simplex))  # type: ignore[untyped-decorator]  # register's two forms
def _softmax(constraint: Any) -> x.Transform:
    return x.SoftmaxTransform()


@transform_to.register(type(c.lower_cholesky))  # type: ignore[untyped-decorator]  # register's two forms
def _triangle(constraint: Any) -> x.Transform:
    return x.LowerCholeskyTransform()


@transform_to.register(type(c.positive_semidefinite))  # type: ignore[untyped-decorator]  # register's two forms
@transform_to.register(type(c.positive_definite))  # type: ignore[untyped-decorator]  # register's two forms
def _definite(constraint: Any) -> x.Transform:
    return x.PositiveDefiniteTransform()


def _parts(registry: ConstraintRegistry) -> None:
    """Constraints made of others, by the same registry."""
    registry.register(c.independent, lambda k: x.IndependentTransform(registry(k.base_constraint), k.reinterpreted_batch_ndims))
    registry.register(c.cat, lambda k: x.CatTransform([registry(one) for one in k.cseq], k.dim, k.lengths))
    registry.register(c.stack, lambda k: x.StackTransform([registry(one) for one in k.cseq], k.dim))


_parts(biject_to)
_parts(transform_to)
