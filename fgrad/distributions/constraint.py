"""Constraint, the base of all, and constraints that stand on others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, FgradError
from fgrad.ir.apply import caller

__all__ = ["Constraint", "MissingFormError", "MixtureSameFamilyConstraint", "is_dependent"]


class MissingFormError(FgradError, NotImplementedError):
    """A distribution, transform or constraint that has no such form."""


class Constraint:
    """The base of all; a constraint of one's own has `check`, and `is_discrete` and `event_dim` if they are not False and 0."""

    is_discrete: Any = False
    event_dim: Any = 0
    _fields: tuple[str, ...] = ()
    _by_operators = False  # _inside is of operators that the host's arrays have too

    def check(self, value: Any) -> Any:
        """Whether each element is inside: a bool tensor of `value`'s shape without the last `event_dim` dimensions."""
        return self._inside(value)

    def _holds(self, value: Any) -> bool:
        """Whether all of `value` is inside; where operators do, they are asked of the host's array, without a program."""
        if self._by_operators and type(self).check is Constraint.check and value.device.type == "cpu":
            return bool(self._hosted()._inside(buffer_of(value)).all())
        return bool(self.check(value).all())

    def _hosted(self) -> Any:
        return self

    def _inside(self, value: Any) -> Any:
        raise MissingFormError(f"{self!r} has no check", where=caller(), fix="define check(self, value)")

    def __repr__(self) -> str:
        return f"{type(self).__name__.lstrip('_')}({', '.join(f'{n}={getattr(self, n)}' for n in self._fields)})"


class _Dependent(Constraint):
    """A set that depends on other arguments; is_discrete and event_dim may be told beforehand."""

    def __init__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> None:
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def _told(self, name: str) -> Any:
        value = getattr(self, f"_{name}")
        if value is NotImplemented:
            raise MissingFormError(f".{name} cannot be determined statically", where=caller(), fix=f"pass {name}= to dependent")
        return value

    @property
    def is_discrete(self) -> Any:
        """Whether the set is of whole numbers."""
        return self._told("is_discrete")

    @property
    def event_dim(self) -> Any:
        """Dimensions of one element."""
        return self._told("event_dim")

    def __call__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> _Dependent:
        given = [old if new is NotImplemented else new for old, new in ((self._is_discrete, is_discrete), (self._event_dim, event_dim))]
        return _Dependent(is_discrete=given[0], event_dim=given[1])

    def _inside(self, value: Any) -> Any:
        raise ArgumentError("Cannot determine validity of dependent constraint", where=caller(), fix="ask the object that has the property")


class _DependentProperty(property, _Dependent):
    """A property that gives a constraint, and a dependent constraint where it is read from the class."""

    def __init__(self, fn: Callable[..., Any] | None = None, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> None:
        property.__init__(self, fn)
        _Dependent.__init__(self, is_discrete=is_discrete, event_dim=event_dim)

    def __call__(self, fn: Callable[..., Any]) -> Any:  # type: ignore[override]  # PyTorch's decorator
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint: Any) -> bool:
    """True for a constraint that depends on other arguments."""
    return isinstance(constraint, _Dependent)


class _IndependentConstraint(Constraint):
    """A constraint whose elements take `reinterpreted_batch_ndims` more dimensions: all must be there and inside."""

    def __init__(self, base_constraint: Any, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims

    @property
    def is_discrete(self) -> Any:
        """That of the base."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> Any:
        """That of the base and the dimensions added."""
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def _holds(self, value: Any) -> bool:
        """That of the base."""
        return self.base_constraint._holds(value) if value.dim() >= self.event_dim else super()._holds(value)

    def _inside(self, value: Any) -> Any:
        found = self.base_constraint.check(value)
        n = self.reinterpreted_batch_ndims
        if found.dim() < n:
            wanted = self.base_constraint.event_dim + n
            raise ArgumentError(f"Expected value.dim() >= {wanted} but got {value.dim()}", where=caller(), fix="give a value with those dimensions")
        return found.reshape(*found.shape[: found.dim() - n], -1).all(-1)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """The set of samples of a mixture: those that any component can give."""

    def __init__(self, base_constraint: Any) -> None:
        self.base_constraint = base_constraint

    @property
    def is_discrete(self) -> Any:
        """That of the components."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> Any:
        """That of the components."""
        return self.base_constraint.event_dim

    def _inside(self, value: Any) -> Any:
        at = value.dim() - self.event_dim
        found = self.base_constraint.check(value.unsqueeze(at))
        return found.reshape(*found.shape[:at], -1).all(-1)

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"
