"""Sets of numbers that parameters and samples belong to: each tells which elements are inside.

A constraint has `is_discrete`, `event_dim` (how many dimensions on the right make one element) and `check(value)`, a bool tensor
of value's shape without those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad import functions as t
from fgrad.distributions.constraint import (
    Constraint,
    MixtureSameFamilyConstraint,
    _Dependent,
    _DependentProperty,
    _IndependentConstraint,
    is_dependent,
)
from fgrad.eager.views import buffer_of
from fgrad.functions import linalg

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property", "greater_than",
    "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent", "less_than",
    "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex", "square", "stack",
    "symmetric", "unit_interval",
]  # fmt: skip


class _Boolean(Constraint):
    """0 and 1."""

    is_discrete, _by_operators = True, True

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
    _by_operators = True

    def _hosted(self) -> Any:
        given = {n: getattr(self, n) for n in self._fields}
        if not any(isinstance(x, t.Tensor) for x in given.values()):
            return self
        return type(self)(**{n: buffer_of(x) if isinstance(x, t.Tensor) else x for n, x in given.items()})


class _IntegerInterval(_Bounded):
    """Whole numbers from lower_bound to upper_bound."""

    is_discrete, _by_operators, _fields = True, False, ("lower_bound", "upper_bound")

    def _inside(self, value: Any) -> Any:
        return (value % 1 == 0) & (self.lower_bound <= value) & (value <= self.upper_bound)


class _IntegerLessThan(_Bounded):
    """Whole numbers up to upper_bound."""

    is_discrete, _by_operators, _fields = True, False, ("upper_bound",)

    def _inside(self, value: Any) -> Any:
        return (value % 1 == 0) & (value <= self.upper_bound)


class _IntegerGreaterThan(_Bounded):
    """Whole numbers from lower_bound on."""

    is_discrete, _by_operators, _fields = True, False, ("lower_bound",)

    def _inside(self, value: Any) -> Any:
        return (value % 1 == 0) & (value >= self.lower_bound)


class _Real(Constraint):
    """All numbers."""

    _by_operators = True

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

    event_dim, _by_operators = 1, True

    def _inside(self, value: Any) -> Any:
        return (value >= 0).all(-1) & (abs(value.sum(-1) - 1) < 1e-6)


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
