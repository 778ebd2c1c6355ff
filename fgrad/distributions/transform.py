"""Transforms of random variables: maps with an inverse and the logarithm of their derivative's size."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any, NoReturn
from weakref import ref

from fgrad import functions as t
from fgrad.distributions import constraints
from fgrad.distributions.constraint import MissingFormError
from fgrad.distributions.utils import sum_rightmost
from fgrad.errors import ArgumentError
from fgrad.functions.dtypes import Size
from fgrad.ir.apply import caller

__all__ = ["ComposeTransform", "IndependentTransform", "ReshapeTransform", "Transform", "identity_transform"]


def absent(self: Any, name: str) -> NoReturn:
    """Raises MissingFormError: the transform has no such form."""
    raise MissingFormError(f"{type(self).__name__} has no {name}", where=caller(), fix="use a transform that has one")


def short(shape: Any, ndim: int) -> None:
    """Raises ArgumentError if a shape has too few dimensions."""
    if len(shape) < ndim:
        raise ArgumentError("Too few dimensions on input", where=caller(), fix=f"give at least {ndim}")


class Transform:
    """y = f(x), elementwise or on the last dimensions; `inv` is the inverse, `log_abs_det_jacobian(x, y)` log |det dy/dx|.

    domain, codomain: constraints of x and y.  bijective: one x for each y.  sign: 1 or -1 if monotone.
    cache_size: 1 keeps the last pair (x, y), so that the inverse of what was just computed is x itself.
    A transform of one's own has `_call(x)`, `_inverse(y)`, `log_abs_det_jacobian`, `domain`, `codomain` and `bijective`.
    """

    bijective: Any = False
    domain: Any
    codomain: Any
    _sign: Any = None

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ArgumentError("cache_size must be 0 or 1", where=caller(), fix="pass 0 or 1")
        self._cache_size = cache_size
        self._inv: Any = None
        self._pair: tuple[Any, Any] = (None, None)
        super().__init__()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_inv": None, "_pair": (None, None)}

    @property
    def event_dim(self) -> int:
        """Dimensions that belong together, if as many before and after.  Raises ArgumentError otherwise."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ArgumentError("Please use either .domain.event_dim or .codomain.event_dim", where=caller(), fix="ask one of them")
        return int(self.domain.event_dim)

    @property
    def inv(self) -> Any:
        """The inverse transform, whose `inv` is this one."""
        found = self._inv() if self._inv is not None else None
        if found is None:
            found = self._inverted()
            self._inv = ref(found)
        return found

    def _inverted(self) -> Any:
        return _InverseTransform(self)

    @property
    def sign(self) -> Any:
        """1 where rising, -1 where falling.  Raises MissingFormError unless monotone."""
        return absent(self, "sign") if self._sign is None else self._sign

    def with_cache(self, cache_size: int = 1) -> Any:
        """The same transform with another cache."""
        return self if self._cache_size == cache_size else self._copy(cache_size)

    def _copy(self, cache_size: int) -> Any:
        if type(self).__init__ is not Transform.__init__:
            raise MissingFormError(f"{type(self)}.with_cache is not implemented", where=caller(), fix="define with_cache(cache_size)")
        return type(self)(cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Transform) and self._equals(other))

    __hash__ = None  # type: ignore[assignment]  # equal by value, as PyTorch's

    def _equals(self, other: Any) -> bool:
        return type(other) is type(self) and type(self).__init__ is Transform.__init__

    def __call__(self, x: Any) -> Any:
        """f(x)."""
        if self._cache_size and x is self._pair[0]:
            return self._pair[1]
        y = self._call(x)
        self._keep(x, y)
        return y

    def _inv_call(self, y: Any) -> Any:
        if self._cache_size and y is self._pair[1]:
            return self._pair[0]
        x = self._inverse(y)
        self._keep(x, y)
        return x

    def _keep(self, x: Any, y: Any) -> None:
        if self._cache_size:
            self._pair = (x, y)

    def _call(self, x: Any) -> Any:
        absent(self, "_call")

    def _inverse(self, y: Any) -> Any:
        absent(self, "_inverse")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |det dy/dx| at x with y = f(x), of x's shape without `domain.event_dim` dimensions."""
        return self._log_slope(x, y)

    def _log_slope(self, x: Any, y: Any) -> Any:
        absent(self, "log_abs_det_jacobian")

    def forward_shape(self, shape: Any) -> Any:
        """The shape of f(x) for x of `shape`.  Raises ArgumentError for one that does not fit."""
        return self._shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        """The shape of x for f(x) of `shape`.  Raises ArgumentError for one that does not fit."""
        return self._back_shape(shape)

    def _shape(self, shape: Any) -> Any:
        return shape

    def _back_shape(self, shape: Any) -> Any:
        return shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _InverseTransform(Transform):
    """The inverse of a bijective transform; it shares that one's cache."""

    def __init__(self, transform: Transform) -> None:
        super().__init__(cache_size=transform._cache_size)
        self._inv: Any = lambda: transform

    def __getstate__(self) -> dict[str, Any]:
        return {"transform": self._inv(), "_cache_size": self._cache_size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["transform"])  # type: ignore[misc]  # a fresh instance

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """The other's codomain."""
        return self._inv().codomain

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """The other's domain."""
        return self._inv().domain

    @property
    def bijective(self) -> Any:
        """Whether the other is."""
        return self._inv().bijective

    @property
    def sign(self) -> Any:
        """The other's sign."""
        return self._inv().sign

    def with_cache(self, cache_size: int = 1) -> Any:
        """The inverse of the other with that cache."""
        return self._inv().with_cache(cache_size).inv

    def _equals(self, other: Any) -> bool:
        return isinstance(other, _InverseTransform) and self._inv() == other._inv()

    def __repr__(self) -> str:
        return f"_InverseTransform({self._inv()!r})"

    def __call__(self, x: Any) -> Any:
        """The x of f(x)."""
        return self._inv()._inv_call(x)

    def _log_slope(self, x: Any, y: Any) -> Any:
        return -self._inv().log_abs_det_jacobian(y, x)

    def _shape(self, shape: Any) -> Any:
        return self._inv().inverse_shape(shape)

    def _back_shape(self, shape: Any) -> Any:
        return self._inv().forward_shape(shape)


class ComposeTransform(Transform):
    """The transforms of a list, one after the other; their caches are used."""

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else list(parts)
        super().__init__(cache_size=cache_size)

    def _equals(self, other: Any) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """The first one's domain, with as many dimensions as any later one needs."""
        if not self.parts:
            return constraints.real
        needed = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            needed = max(needed + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
        return grown(self.parts[0].domain, needed)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """The last one's codomain, with the dimensions that the former ones leave."""
        if not self.parts:
            return constraints.real
        needed = self.parts[0].domain.event_dim
        for part in self.parts:
            needed = max(needed + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
        return grown(self.parts[-1].codomain, needed)

    @property
    def bijective(self) -> bool:
        """Whether all are."""
        return all(part.bijective for part in self.parts)

    @property
    def sign(self) -> Any:
        """The product of all signs."""
        return reduce(operator.mul, [part.sign for part in self.parts], 1)

    def _inverted(self) -> Any:
        new = ComposeTransform([part.inv for part in reversed(self.parts)])
        new._inv = ref(self)
        return new

    def _copy(self, cache_size: int) -> Any:
        return ComposeTransform(self.parts, cache_size=cache_size)

    def __call__(self, x: Any) -> Any:
        """All of them on x."""
        for part in self.parts:
            x = part(x)
        return x

    def _log_slope(self, x: Any, y: Any) -> Any:
        if not self.parts:
            return t.zeros_like(x)
        points = [x]
        for part in self.parts[:-1]:
            points.append(part(points[-1]))
        ndim, found = self.domain.event_dim, []
        for part, (before, after) in zip(self.parts, pairwise([*points, y]), strict=True):
            found.append(sum_rightmost(part.log_abs_det_jacobian(before, after), ndim - part.domain.event_dim))
            ndim += part.codomain.event_dim - part.domain.event_dim
        return reduce(operator.add, found)

    def _shape(self, shape: Any) -> Any:
        return reduce(lambda s, part: part.forward_shape(s), self.parts, shape)

    def _back_shape(self, shape: Any) -> Any:
        return reduce(lambda s, part: part.inverse_shape(s), reversed(self.parts), shape)

    def __repr__(self) -> str:
        return "ComposeTransform(\n    " + ",\n    ".join(repr(p) for p in self.parts) + "\n)"


def grown(constraint: Any, event_dim: int) -> Any:
    """A constraint over `event_dim` dimensions."""
    more = event_dim - constraint.event_dim
    return constraints.independent(constraint, more) if more else constraint


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose derivatives are summed over `reinterpreted_batch_ndims` more dimensions."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def _copy(self, cache_size: int) -> Any:
        return IndependentTransform(self.base_transform, self.reinterpreted_batch_ndims, cache_size=cache_size)

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """The base's with more dimensions."""
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """The base's with more dimensions."""
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self) -> Any:
        """Whether the base is."""
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        """The base's sign."""
        return self.base_transform.sign

    def _call(self, x: Any) -> Any:
        short(x.shape, self.domain.event_dim)
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        short(y.shape, self.codomain.event_dim)
        return self.base_transform.inv(y)

    def _log_slope(self, x: Any, y: Any) -> Any:
        return sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def _shape(self, shape: Any) -> Any:
        return self.base_transform.forward_shape(shape)

    def _back_shape(self, shape: Any) -> Any:
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """The last dimensions of shape `in_shape` as `out_shape`.  Raises ArgumentError unless they have as many elements."""

    bijective: Any = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0) -> None:
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ArgumentError("in_shape, out_shape have different numbers of elements", where=caller(), fix="use shapes of one size")
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self) -> Any:
        """Real numbers of in_shape's dimensions."""
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Real numbers of out_shape's dimensions."""
        return constraints.independent(constraints.real, len(self.out_shape))

    def _copy(self, cache_size: int) -> Any:
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x: Any) -> Any:
        return x.reshape(x.shape[: x.dim() - len(self.in_shape)] + self.out_shape)

    def _inverse(self, y: Any) -> Any:
        return y.reshape(y.shape[: y.dim() - len(self.out_shape)] + self.in_shape)

    def _log_slope(self, x: Any, y: Any) -> Any:
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    def _exchanged(self, shape: Any, old: Any, new: Any) -> Any:
        short(shape, len(old))
        cut = len(shape) - len(old)
        if tuple(shape[cut:]) != tuple(old):
            raise ArgumentError(f"Shape mismatch: expected {shape[cut:]} but got {old}", where=caller(), fix="give a shape that ends so")
        return Size(shape[:cut]) + new

    def _shape(self, shape: Any) -> Any:
        return self._exchanged(shape, self.in_shape, self.out_shape)

    def _back_shape(self, shape: Any) -> Any:
        return self._exchanged(shape, self.out_shape, self.in_shape)
