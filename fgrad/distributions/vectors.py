"""Transforms of vectors: to the simplex, to matrices, and several transforms side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints
from fgrad.distributions.elementwise import clipped_sigmoid
from fgrad.distributions.transform import Transform, short
from fgrad.distributions.utils import sum_rightmost, tril_matrix_to_vec, vec_to_tril_matrix
from fgrad.errors import ArgumentError
from fgrad.functions.dtypes import Size
from fgrad.ir.apply import caller
from fgrad.nn import functional as f

__all__ = [
    "CatTransform", "CorrCholeskyTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform", "SoftmaxTransform", "StackTransform",
    "StickBreakingTransform",
]  # fmt: skip


class SoftmaxTransform(Transform):
    """y = softmax(x) over the last dimension; x = log(y) is one of the vectors that give y."""

    domain: Any = constraints.real_vector
    codomain: Any = constraints.simplex

    def _call(self, x: Any) -> Any:
        return f.softmax(x, -1)

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def _shape(self, shape: Any) -> Any:
        short(shape, 1)
        return shape

    _back_shape = _shape


class StickBreakingTransform(Transform):
    """[..., n] to the simplex of n + 1: each number breaks its part, a sigmoid, off what is left of a stick."""

    domain: Any = constraints.real_vector
    codomain: Any = constraints.simplex
    bijective: Any = True

    def _offset(self, x: Any) -> Any:
        """log of n, ..., 1: with it, zeros give equal parts."""
        n = x.shape[-1]
        return t.arange(n, 0, -1, dtype=x.dtype, device=x.device).log()

    def _call(self, x: Any) -> Any:
        part = clipped_sigmoid(x - self._offset(x))
        left = (1 - part).cumprod(-1)
        return f.pad(part, [0, 1], value=1) * f.pad(left, [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        parts = y[..., :-1]
        left = (1 - parts.cumsum(-1)).clamp(min=t.finfo(y.dtype).tiny)
        return parts.log() - left.log() + self._offset(parts)

    def _log_slope(self, x: Any, y: Any) -> Any:
        x = x - self._offset(x)
        return (-x + f.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def _shape(self, shape: Any) -> Any:
        short(shape, 1)
        return Size((*shape[:-1], shape[-1] + 1))

    def _back_shape(self, shape: Any) -> Any:
        short(shape, 1)
        return Size((*shape[:-1], shape[-1] - 1))


class LowerCholeskyTransform(Transform):
    """[..., n, n] to lower triangles with a positive diagonal: what stands above is dropped, the diagonal is exp of what stood there."""

    domain: Any = constraints.independent(constraints.real, 2)
    codomain: Any = constraints.lower_cholesky

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """[..., n, n] to positive-definite matrices L L', L by LowerCholeskyTransform."""

    domain: Any = constraints.independent(constraints.real, 2)
    codomain: Any = constraints.positive_definite

    def _call(self, x: Any) -> Any:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Any) -> Any:
        return LowerCholeskyTransform().inv(t.cholesky(y))


class CorrCholeskyTransform(Transform):
    """[..., n (n - 1) / 2] to Cholesky factors of correlation matrices [..., n, n]: tanh, then stick breaking of each row's squares.

    Source: Lewandowski, Kurowicka & Joe 2009.
    """

    domain: Any = constraints.real_vector
    codomain: Any = constraints.corr_cholesky
    bijective: Any = True

    def _call(self, x: Any) -> Any:
        eps = t.finfo(x.dtype).eps
        r = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r**2).sqrt().cumprod(-1)
        r = r + t.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * f.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        left = f.pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        part = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (part.log1p() - (-part).log1p()) / 2

    def _log_slope(self, x: Any, y: Any) -> Any:
        left = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        broken = 0.5 * left.log().sum(-1)
        return broken - 2 * (x + f.softplus(-2 * x) - math.log(2.0)).sum(-1)

    def _shape(self, shape: Any) -> Any:
        short(shape, 1)
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ArgumentError("Input is not a flattened lower-diagonal number", where=caller(), fix="give n (n - 1) / 2 numbers")
        return Size((*shape[:-1], n, n))

    def _back_shape(self, shape: Any) -> Any:
        short(shape, 2)
        if shape[-2] != shape[-1]:
            raise ArgumentError("Input is not square", where=caller(), fix="give square matrices")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))


class _Side(Transform):
    """Several transforms, each on its part along `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int, cache_size: int) -> None:
        if not all(isinstance(one, Transform) for one in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        super().__init__(cache_size=cache_size)
        self.transforms = [one.with_cache(cache_size) for one in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self) -> bool:
        """Whether all are."""
        return all(one.bijective for one in self.transforms)

    def _split(self, x: Any) -> Any:
        raise NotImplementedError

    def _join(self, parts: list[Any]) -> Any:
        raise NotImplementedError

    def _each(self, use: Callable[..., Any], *xs: Any) -> list[Any]:
        return [use(one, *part) for one, *part in zip(self.transforms, *map(self._split, xs), strict=True)]

    def _call(self, x: Any) -> Any:
        return self._join(self._each(lambda one, x: one(x), x))

    def _inverse(self, y: Any) -> Any:
        return self._join(self._each(lambda one, y: one.inv(y), y))


class CatTransform(_Side):
    """Transforms of slices of `lengths` (1 each unless given) along `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match tseq ({len(self.transforms)})")

    @property
    def event_dim(self) -> int:
        """The most dimensions of any."""
        return max(one.event_dim for one in self.transforms)

    @property
    def length(self) -> int:
        """The length of the dimension."""
        return sum(self.lengths)

    @constraints.dependent_property
    def domain(self) -> Any:
        """The domains side by side."""
        return constraints.cat([one.domain for one in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """The codomains side by side."""
        return constraints.cat([one.codomain for one in self.transforms], self.dim, self.lengths)

    def _copy(self, cache_size: int) -> Any:
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _split(self, x: Any) -> Any:
        return x.split(self.lengths, self.dim)

    def _join(self, parts: list[Any]) -> Any:
        return t.cat(parts, self.dim)

    def _log_slope(self, x: Any, y: Any) -> Any:
        def slope(one: Transform, x: Any, y: Any) -> Any:
            return sum_rightmost(one.log_abs_det_jacobian(x, y), self.event_dim - one.event_dim)

        found = self._each(slope, x, y)
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return t.cat(found, dim) if dim < 0 else sum(found)


class StackTransform(_Side):
    """Transforms of the elements along `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)

    @constraints.dependent_property
    def domain(self) -> Any:
        """The domains, stacked."""
        return constraints.stack([one.domain for one in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """The codomains, stacked."""
        return constraints.stack([one.codomain for one in self.transforms], self.dim)

    def _copy(self, cache_size: int) -> Any:
        return StackTransform(self.transforms, self.dim, cache_size)

    def _split(self, x: Any) -> Any:
        return x.unbind(self.dim)

    def _join(self, parts: list[Any]) -> Any:
        return t.stack(parts, self.dim)

    def _log_slope(self, x: Any, y: Any) -> Any:
        return self._join(self._each(lambda one, x, y: one.log_abs_det_jacobian(x, y), x, y))
