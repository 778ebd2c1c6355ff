"""Sets of numbers that parameters and samples belong to: each tells which elements are inside.

A constraint has `is_discrete`, `event_dim` (how many dimensions on the right make one element) and `check(value)`, a bool tensor
of value's shape without those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad import functions as t
from fgrad.errors import ArgumentError, FgradError
from fgrad.functions import linalg
from fgrad.ir.apply import caller

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property", "greater_than",
    "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent", "less_than",
    "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex", "square", "stack",
    "symmetric", "unit_interval",
]  # fmt: skip


class MissingFormError(FgradError, NotImplementedError):
    """A distribution, transform or constraint that has no such form."""


class Constraint:
    """The base of all; a constraint of one's own has `check`, and `is_discrete` and `event_dim` if they are not False and 0."""

    is_discrete: Any = False
    event_dim: Any = 0
    _fields: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """Whether each element is inside: a bool tensor of `value`'s shape without the last `event_dim` dimensions."""
        return self._inside(value)

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


class _Boolean(Constraint):
    """0 and 1."""

    is_discrete = True

    def _inside(self, value: Any) -> Any:
        return (value == 0) | (value == 1)


class _OneHot(Constraint):
    """Vectors of one 1 and else 0."""

    is_discrete, event_dim = True, 1

    def _inside(self, value: Any) -> Any:
        return ((value == 0) | (value == 1)).all(-1) & value.sum(-1).eq(1)


class _Bounded(Constraint):
    """Numbers told by one or two bounds (numbers or tensors)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = {**dict(zip(self._fields, args, strict=False)), **kwargs}
        if set(given) != set(self._fields) or len(args) + len(kwargs) != len(given):
            raise TypeError(f"{type(self).__name__.lstrip('_')} takes {', '.join(self._fields)}")
        self.__dict__.update(given)

    lower_bound: Any
    upper_bound: Any


class _IntegerInterval(_Bounded):
    """Whole numbers from lower_bound to upper_bound."""

    is_discrete, _fields = True, ("lower_bound", "upper_bound")

    def _inside(self, value: Any) -> Any:
        return (value % 1 == 0) & (self.lower_bound <= value) & (value <= self.upper_bound)


class _IntegerLessThan(_Bounded):
    """Whole numbers up to upper_bound."""

    is_discrete, _fields = True, ("upper_bound",)

    def _inside(self, value: Any) -> Any:
        return (value % 1 == 0) & (value <= self.upper_bound)


class _IntegerGreaterThan(_Bounded):
    """Whole numbers from lower_bound on."""

    is_discrete, _fields = True, ("lower_bound",)

    def _inside(self, value: Any) -> Any:
        return (value % 1 == 0) & (value >= self.lower_bound)


class _Real(Constraint):
    """All numbers."""

    def _inside(self, value: Any) -> Any:
        return value == value


class _GreaterThan(_Bounded):
    """Numbers above lower_bound."""

    _fields = ("lower_bound",)

    def _inside(self, value: Any) -> Any:
        return self.lower_bound < value


class _GreaterThanEq(_Bounded):
    """Numbers from lower_bound on."""

    _fields = ("lower_bound",)

    def _inside(self, value: Any) -> Any:
        return self.lower_bound <= value


class _LessThan(_Bounded):
    """Numbers below upper_bound."""

    _fields = ("upper_bound",)

    def _inside(self, value: Any) -> Any:
        return value < self.upper_bound


class _Interval(_Bounded):
    """Numbers from lower_bound to upper_bound."""

    _fields = ("lower_bound", "upper_bound")

    def _inside(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value <= self.upper_bound)


class _HalfOpenInterval(_Bounded):
    """Numbers from lower_bound to below upper_bound."""

    _fields = ("lower_bound", "upper_bound")

    def _inside(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value < self.upper_bound)


class _Simplex(Constraint):
    """Vectors of numbers of at least 0 whose sum is 1 (to 1e-6)."""

    event_dim = 1

    def _inside(self, value: Any) -> Any:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _Multinomial(Constraint):
    """Vectors of counts whose sum is at most upper_bound."""

    is_discrete, event_dim = True, 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def _inside(self, value: Any) -> Any:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


class _LowerTriangular(Constraint):
    """Square matrices of zeros above the diagonal."""

    event_dim = 2

    def _inside(self, value: Any) -> Any:
        return (value.tril() == value).all(-1).all(-1)


class _LowerCholesky(_LowerTriangular):
    """Lower triangles with a positive diagonal."""

    def _inside(self, value: Any) -> Any:
        return super()._inside(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    """Lower triangles with a positive diagonal and rows of norm 1: the factors of correlation matrices."""

    def _inside(self, value: Any) -> Any:
        tolerance = t.finfo(value.dtype).eps * value.shape[-1] * 10
        norms = linalg.vector_norm(value.detach(), dim=-1)
        return ((norms - 1).abs() <= tolerance).all(-1) & super()._inside(value)


class _Square(Constraint):
    """Square matrices."""

    event_dim = 2

    def _inside(self, value: Any) -> Any:
        return t.full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=t.bool, device=value.device)


class _Symmetric(_Square):
    """Matrices equal to their transpose (to 1e-6)."""

    def _inside(self, value: Any) -> Any:
        square = super()._inside(value)
        return square if not square.all() else t.isclose(value, value.mT, atol=1e-6).all(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    """Symmetric matrices without negative eigenvalues."""

    def _inside(self, value: Any) -> Any:
        symmetric = super()._inside(value)
        return symmetric if not symmetric.all() else (linalg.eigvalsh(value) >= 0).all(-1)


class _PositiveDefinite(_Symmetric):
    """Symmetric matrices with positive eigenvalues."""

    def _inside(self, value: Any) -> Any:
        symmetric = super()._inside(value)
        return symmetric if not symmetric.all() else linalg.cholesky_ex(value).info.eq(0)


class _Parts(Constraint):
    """Several constraints side by side along a dimension."""

    def __init__(self, cseq: Sequence[Any], dim: int) -> None:
        if not all(isinstance(c, Constraint) for c in cseq):
            raise AssertionError("All elements of cseq must be Constraint instances")
        self.cseq, self.dim = list(cseq), dim

    @property
    def is_discrete(self) -> Any:
        """True if one of them is."""
        return any(c.is_discrete for c in self.cseq)


class _Cat(_Parts):
    """Constraints of slices of `lengths` (1 each unless given) along `dim`."""

    def __init__(self, cseq: Sequence[Any], dim: int = 0, lengths: Sequence[int] | None = None) -> None:
        super().__init__(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match cseq ({len(self.cseq)})")

    @property
    def event_dim(self) -> Any:
        """The most dimensions of any."""
        return max(c.event_dim for c in self.cseq)

    def _inside(self, value: Any) -> Any:
        parts = value.split(self.lengths, self.dim)
        return t.cat([c.check(part) for c, part in zip(self.cseq, parts, strict=True)], self.dim)


class _Stack(_Parts):
    """Constraints of the elements along `dim`."""

    def __init__(self, cseq: Sequence[Any], dim: int = 0) -> None:
        super().__init__(cseq, dim)

    @property
    def event_dim(self) -> Any:
        """The most dimensions of any, one more for those left of `dim`."""
        most = max(c.event_dim for c in self.cseq)
        return max(most, -self.dim) if self.dim + most < 0 else most

    def _inside(self, value: Any) -> Any:
        parts = [value.select(self.dim, i) for i in range(value.shape[self.dim])]
        return t.stack([c.check(part) for c, part in zip(self.cseq, parts, strict=True)], self.dim)


dependent = _Dependent()
dependent_property = _DependentProperty
independent = _IndependentConstraint
boolean, one_hot = _Boolean(), _OneHot()
nonnegative_integer, positive_integer = _IntegerGreaterThan(0), _IntegerGreaterThan(1)
integer_interval, multinomial = _IntegerInterval, _Multinomial
real, positive, nonnegative = _Real(), _GreaterThan(0.0), _GreaterThanEq(0.0)
real_vector = independent(real, 1)
greater_than, greater_than_eq, less_than = _GreaterThan, _GreaterThanEq, _LessThan
interval, half_open_interval, unit_interval = _Interval, _HalfOpenInterval, _Interval(0.0, 1.0)
simplex, lower_triangular, lower_cholesky, corr_cholesky = _Simplex(), _LowerTriangular(), _LowerCholesky(), _CorrCholesky()
square, symmetric = _Square(), _Symmetric()
positive_semidefinite, positive_definite = _PositiveSemidefinite(), _PositiveDefinite()
cat, stack = _Cat, _Stack
