"""Random matrices: Wishart's positive-definite ones, and Cholesky factors of correlation matrices."""

from __future__ import annotations

import math
import warnings
from numbers import Number
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints, draws
from fgrad.distributions.distribution import Distribution, ExponentialFamily, parameters
from fgrad.distributions.multivariate import MATRICES, ByMatrix, half_log_det, one_matrix
from fgrad.distributions.utils import broadcast_all, tracing
from fgrad.errors import ArgumentError
from fgrad.functions.shape import broadcast_shapes
from fgrad.functions.solving import slogdet
from fgrad.ir.apply import caller

__all__ = ["LKJCholesky", "Wishart"]


class Wishart(ByMatrix, ExponentialFamily):
    """The distribution of X' X, X of `df` normal rows of covariance V, by one of V's covariance_matrix, precision_matrix and scale_tril.

    df: a number or tensor above n - 1.  Raises ArgumentError unless one matrix is given, and for a smaller df.
    Source: Bartlett 1933 (the draws).
    """

    support: Any = constraints.positive_definite
    has_rsample: Any = True
    _mean_carrier_measure = 0

    def __init__(self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        matrices = {"covariance_matrix": covariance_matrix, "scale_tril": scale_tril, "precision_matrix": precision_matrix}
        name = one_matrix(matrices)
        x = matrices[name]
        n = x.shape[-1]
        df = t.tensor(df, dtype=x.dtype, device=x.device) if isinstance(df, Number) else df
        batch_shape = broadcast_shapes(x.shape[:-2], df.shape)
        self.df, self.__dict__[name] = df.expand(batch_shape), x.expand((*batch_shape, *x.shape[-2:]))
        if not tracing():
            if (df <= n - 1).any():
                raise ArgumentError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.", where=caller(), fix="use a larger df")
            if (df < n).any():
                warnings.warn("Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.", stacklevel=2)
        super().__init__(batch_shape, x.shape[-2:], validate_args=validate_args)
        self._factor = self._found_factor(name, x)

    @property
    def arg_constraints(self) -> Any:
        """The matrices', and df above n - 1."""
        return {**MATRICES, "df": constraints.greater_than(self._event_shape[0] - 1)}

    def _mean(self) -> Any:
        return self.df[..., None, None] * self.covariance_matrix

    def _mode(self) -> Any:
        factor = self.df - self._event_shape[0] - 1
        return t.where(factor <= 0, math.nan, factor)[..., None, None] * self.covariance_matrix

    def _variance(self) -> Any:
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        return self.df[..., None, None] * (v.square() + diagonal[..., None] * diagonal[..., None, :])

    def _sample(self, shape: Any) -> Any:
        n = shape[-1]
        half = (self.df[..., None] - t.arange(n, dtype=self.df.dtype, device=self.df.device)) / 2
        roots = (2 * draws.gamma(half.expand(shape[:-1]))).clamp(min=t.finfo(half.dtype).tiny).sqrt()
        factor = self._factor @ (draws.normal(shape, self._factor).tril(-1) + roots.diag_embed())
        return factor @ factor.mT

    def _log_prob(self, value: Any) -> Any:
        nu, n = self.df, self._event_shape[0]
        trace = t.cholesky_solve(value, self._factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        scale = -nu * (n * math.log(2) / 2 + half_log_det(self._factor)) - t.mvlgamma(nu / 2, n)
        return scale + (nu - n - 1) / 2 * slogdet(value)[1] - trace / 2

    def _entropy(self) -> Any:
        nu, n = self.df, self._event_shape[0]
        digammas = t.digamma(nu[..., None] / 2 - t.arange(n, dtype=nu.dtype, device=nu.device) / 2).sum(-1)
        volume = (n + 1) * (n * math.log(2) / 2 + half_log_det(self._factor))
        return volume + t.mvlgamma(nu / 2, n) - (nu - n - 1) / 2 * digammas + nu * n / 2

    @property
    def _natural_params(self) -> Any:
        return -self.precision_matrix / 2, (self.df - self._event_shape[0] - 1) / 2

    def _log_normalizer(self, *natural_params: Any) -> Any:
        x, y = natural_params
        n = self._event_shape[0]
        half = y + (n + 1) / 2
        return half * (-slogdet(-2 * x)[1] + math.log(2) * n) + t.mvlgamma(half, n)


class LKJCholesky(Distribution):
    """Cholesky factors L of correlation matrices of dimension `dim`: the density of L L' is proportional to det^(concentration - 1).

    Raises ArgumentError for dim below 2.  Source: Lewandowski, Kurowicka & Joe 2009 (the onion method).
    """

    arg_constraints: Any = parameters(concentration=constraints.positive)
    support: Any = constraints.corr_cholesky
    _copied = ("dim",)

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ArgumentError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.", where=caller(), fix="use 2 or more")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)

    def _sample(self, shape: Any) -> Any:
        c, dim = self.concentration, self.dim
        row = t.arange(dim, dtype=c.dtype, device=c.device).sub(1).clamp(min=0)
        a, b = (0.5 * row + 0.5).expand(shape[:-1]), (c[..., None] + 0.5 * (dim - 2) - 0.5 * row).expand(shape[:-1])
        radius = draws.dirichlet(t.stack([a, b], -1))[..., :1].sqrt()
        z = draws.normal(shape, c).tril(-1)
        below = radius * z / z.square().sum(-1, keepdim=True).clamp(min=t.finfo(c.dtype).tiny).sqrt()
        left = (1 - below.square().sum(-1)).clamp(min=t.finfo(c.dtype).tiny).sqrt()
        return below + left.diag_embed()

    def _log_prob(self, value: Any) -> Any:
        c, dim = self.concentration, self.dim
        order = 2 * (c - 1)[..., None] + dim - t.arange(2, dim + 1, dtype=c.dtype, device=c.device)
        powers = (order * value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()).sum(-1)
        alpha = c + 0.5 * (dim - 1)
        scale = 0.5 * (dim - 1) * math.log(math.pi) + t.mvlgamma(alpha - 0.5, dim - 1) - t.lgamma(alpha) * (dim - 1)
        return powers - scale
