"""Normal vectors: by a covariance, a precision or a Cholesky factor, and by a covariance of low rank plus a diagonal."""

from __future__ import annotations

import math
from typing import Any

from fgrad import functions as t
from fgrad.distributions import constraints, draws
from fgrad.distributions.distribution import Distribution, parameters
from fgrad.distributions.kl import register_kl
from fgrad.distributions.utils import lazy_property
from fgrad.errors import ArgumentError
from fgrad.functions.shape import broadcast_shapes
from fgrad.functions.solving import solve_triangular
from fgrad.ir.apply import caller

__all__ = ["LowRankMultivariateNormal", "MultivariateNormal"]
MATRICES = parameters(
    covariance_matrix=constraints.positive_definite, precision_matrix=constraints.positive_definite, scale_tril=constraints.lower_cholesky,
)  # fmt: skip


def mahalanobis(factor: Any, x: Any) -> Any:
    """|L^-1 x|^2 of vectors [..., n] and triangles [..., n, n]; one triangle serves all vectors by one solution."""
    if factor.dim() == 2:
        found = solve_triangular(factor, x.reshape(-1, x.shape[-1]).mT, upper=False)
        return found.square().sum(0).reshape(x.shape[:-1])
    return solve_triangular(factor, x.unsqueeze(-1), upper=False).squeeze(-1).square().sum(-1)


def half_log_det(factor: Any) -> Any:
    """The sum of the logarithms of a triangle's diagonal."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def factor_of_inverse(precision: Any) -> Any:
    """The Cholesky factor of a matrix's inverse: of the matrix turned around, turned around and inverted."""
    turned = t.cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    eye = t.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return solve_triangular(turned, eye.expand(precision.shape), upper=False)


class MatrixError(ArgumentError, AssertionError):
    """None or several matrices where one was asked for (PyTorch raises ValueError or, for Wishart, AssertionError)."""


def one_matrix(where: dict[str, Any]) -> str:
    """The name of the one matrix given.  Raises MatrixError for none or several, ArgumentError for one of fewer than two dimensions."""
    given = [n for n, x in where.items() if x is not None]
    if len(given) != 1:
        raise MatrixError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.", where=caller(), fix="pass one of them")
    if where[given[0]].dim() < 2:
        raise ArgumentError(f"{given[0]} must be at least two-dimensional, with optional leading batch dimensions", where=caller(), fix="give float[..., n, n]")
    return given[0]


class ByMatrix(Distribution):
    """A distribution told by a covariance, a precision or a Cholesky factor: one is given, the others follow."""

    _factor: Any  # the Cholesky factor, its batch dimensions not expanded
    _copied = ("_factor",)

    def _found_factor(self, name: str, x: Any) -> Any:
        return x if name == "scale_tril" else t.cholesky(x) if name == "covariance_matrix" else factor_of_inverse(x)

    def _wide(self, x: Any) -> Any:
        n = self._factor.shape[-1]
        return x.expand((*self._batch_shape, n, n))

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        return self._wide(self._factor)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance L L'."""
        return self._wide(self._factor @ self._factor.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return self._wide(t.cholesky_inverse(self._factor))


class MultivariateNormal(ByMatrix):
    """Normal vectors [..., n] of mean `loc`, by one of covariance_matrix, precision_matrix and scale_tril ([..., n, n]).

    Raises ArgumentError unless one of these is given, of two dimensions or more.

    >>> import fgrad as torch
    >>> torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints: Any = parameters(loc=constraints.real_vector, **MATRICES)
    support: Any = constraints.real_vector
    has_rsample: Any = True

    def __init__(self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if loc.dim() < 1:
            raise ArgumentError("loc must be at least one-dimensional.", where=caller(), fix="give float[..., n]")
        matrices = {"covariance_matrix": covariance_matrix, "scale_tril": scale_tril, "precision_matrix": precision_matrix}
        name = one_matrix(matrices)
        x = matrices[name]
        batch_shape = broadcast_shapes(x.shape[:-2], loc.shape[:-1])
        self.__dict__[name] = x.expand((*batch_shape, *x.shape[-2:]))
        self.loc = loc.expand((*batch_shape, loc.shape[-1]))
        super().__init__(batch_shape, loc.shape[-1:], validate_args=validate_args)
        self._factor = self._found_factor(name, x)

    def _mean(self) -> Any:
        return self.loc

    def _mode(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        return self._factor.square().sum(-1).expand(self._batch_shape + self._event_shape)

    def _sample(self, shape: Any) -> Any:
        return self.loc + (self._factor @ draws.normal(shape, self.loc).unsqueeze(-1)).squeeze(-1)

    def _log_prob(self, value: Any) -> Any:
        far = mahalanobis(self._factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + far) - half_log_det(self._factor)

    def _entropy(self) -> Any:
        found = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + half_log_det(self._factor)
        return found.expand(self._batch_shape)


class LowRankMultivariateNormal(Distribution):
    """Normal vectors of covariance W W' + diag(d): W = cov_factor [..., n, m] and d = cov_diag [..., n], for m far below n.

    Determinants and solutions are of the m x m matrix I + W' diag(d)^-1 W (Woodbury's identity).
    Raises ArgumentError for shapes that do not fit.
    """

    arg_constraints: Any = parameters(
        loc=constraints.real_vector, cov_factor=constraints.independent(constraints.real, 2), cov_diag=constraints.independent(constraints.positive, 1),
    )  # fmt: skip
    support: Any = constraints.real_vector
    has_rsample: Any = True
    _copied = ("_parts",)

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ArgumentError("loc must be at least one-dimensional.", where=caller(), fix="give float[..., n]")
        n = loc.shape[-1]
        if cov_factor.dim() < 2:
            raise ArgumentError("cov_factor must be at least two-dimensional, with optional leading batch dimensions", where=caller(), fix="give float[..., n, m]")
        if cov_factor.shape[-2] != n:
            raise ArgumentError(f"cov_factor must be a batch of matrices with shape {n} x m", where=caller(), fix="give float[..., n, m]")
        if cov_diag.shape[-1:] != (n,):
            raise ArgumentError(f"cov_diag must be a batch of vectors with shape {(n,)}", where=caller(), fix="give float[..., n]")
        batch_shape = broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        self.loc, self.cov_diag = loc.expand((*batch_shape, n)), cov_diag.expand((*batch_shape, n))
        self.cov_factor = cov_factor.expand((*batch_shape, *cov_factor.shape[-2:]))
        super().__init__(batch_shape, (n,), validate_args=validate_args)
        scaled = cov_factor.mT / cov_diag.unsqueeze(-2)
        eye = t.eye(cov_factor.shape[-1], dtype=loc.dtype, device=loc.device)
        self._parts = (cov_factor, cov_diag, scaled, t.cholesky(scaled @ cov_factor + eye))

    def _mean(self) -> Any:
        return self.loc

    def _mode(self) -> Any:
        return self.loc

    def _variance(self) -> Any:
        w, d, _, _ = self._parts
        return (w.square().sum(-1) + d).expand(self._batch_shape + self._event_shape)

    def _wide(self, x: Any) -> Any:
        return x.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        w, d, _, _ = self._parts
        root = d.sqrt().unsqueeze(-1)
        inner = (w / root) @ (w / root).mT + t.eye(self._event_shape[0], dtype=w.dtype, device=w.device)
        return self._wide(root * t.cholesky(inner))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance W W' + diag(d)."""
        w, d, _, _ = self._parts
        return self._wide(w @ w.mT + d.diag_embed())

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        _, d, scaled, factor = self._parts
        part = solve_triangular(factor, scaled, upper=False)
        return self._wide(d.reciprocal().diag_embed() - part.mT @ part)

    def _sample(self, shape: Any) -> Any:
        w, d, _, _ = self._parts
        noise = draws.normal((*shape[:-1], w.shape[-1]), self.loc)
        return self.loc + (w @ noise.unsqueeze(-1)).squeeze(-1) + d.sqrt() * draws.normal(shape, self.loc)

    def _log_det(self) -> Any:
        _, d, _, factor = self._parts
        return 2 * half_log_det(factor) + d.log().sum(-1)

    def _log_prob(self, value: Any) -> Any:
        far = value - self.loc
        distance = low_rank_mahalanobis(self._parts, far)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + distance)

    def _entropy(self) -> Any:
        found = 0.5 * (self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._log_det())
        return found.expand(self._batch_shape)


def low_rank_mahalanobis(parts: Any, x: Any) -> Any:
    """x' (W W' + diag(d))^-1 x, from the parts a LowRankMultivariateNormal keeps."""
    _, d, scaled, factor = parts
    return (x.square() / d).sum(-1) - mahalanobis(factor, (scaled @ x.unsqueeze(-1)).squeeze(-1))


def _squares(x: Any) -> Any:
    """The sum of the squares of a matrix's elements."""
    return x.square().sum((-2, -1))


def _whitened(q: Any, matrix: Any) -> Any:
    """The sum of squares of S^-1/2 times a matrix, S the covariance of q."""
    if isinstance(q, MultivariateNormal):
        lead = broadcast_shapes(q._factor.shape[:-2], matrix.shape[:-2])
        factor = q._factor.expand((*lead, *q._factor.shape[-2:]))
        return _squares(solve_triangular(factor, matrix.expand((*lead, *matrix.shape[-2:])), upper=False))
    _, d, scaled, factor = q._parts
    inner = scaled @ matrix
    lead = broadcast_shapes(factor.shape[:-2], inner.shape[:-2])
    part = solve_triangular(factor.expand((*lead, *factor.shape[-2:])), inner.expand((*lead, *inner.shape[-2:])), upper=False)
    return _squares(matrix / d.sqrt().unsqueeze(-1)) - _squares(part)


def _halves(p: Any) -> tuple[Any, ...]:
    """Matrices A, B, ... whose A A' + B B' + ... is the covariance."""
    return (p._factor,) if isinstance(p, MultivariateNormal) else (p._parts[0], p._parts[1].sqrt().diag_embed())


def _log_det(p: Any) -> Any:
    return 2 * half_log_det(p._factor) if isinstance(p, MultivariateNormal) else p._log_det()


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _normals(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ArgumentError("KL-divergence between two normal vectors with different event shapes cannot be computed", where=caller(), fix="use one size")
    away = q.loc - p.loc
    distance = mahalanobis(q._factor, away) if isinstance(q, MultivariateNormal) else low_rank_mahalanobis(q._parts, away)
    trace = sum(_whitened(q, half) for half in _halves(p))
    return 0.5 * (_log_det(q) - _log_det(p) + trace + distance - p.event_shape[0])
