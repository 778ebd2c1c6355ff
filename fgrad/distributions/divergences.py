"""The pairs kl_divergence knows: of one family, between families by entropy and moments, and those that are infinite."""

from __future__ import annotations

import math
from typing import Any

from fgrad import functions as t
from fgrad.distributions.categories import Categorical, OneHotCategorical
from fgrad.distributions.constraint import MissingFormError
from fgrad.distributions.counts import Bernoulli, Binomial, ContinuousBernoulli, Geometric, Poisson
from fgrad.distributions.distribution import HALF_LOG_2PI, ExponentialFamily
from fgrad.distributions.independent import Independent
from fgrad.distributions.kl import Divergence, kl_divergence, register_kl
from fgrad.distributions.positive import Beta, Dirichlet, Exponential, Gamma
from fgrad.distributions.real_line import Cauchy, Laplace, Normal, Uniform
from fgrad.distributions.transformed import EULER, Gumbel, HalfNormal, Pareto
from fgrad.distributions.transformed_distribution import TransformedDistribution
from fgrad.distributions.utils import sum_rightmost
from fgrad.ir.apply import caller
from fgrad.nn import functional as f

INF = math.inf


def refuse(what: str) -> MissingFormError:
    """The error for two distributions that do not fit."""
    return MissingFormError(what, where=caller(), fix="estimate the divergence from samples of p")


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    hit = p.probs * (f.softplus(-q.logits) - f.softplus(-p.logits))
    miss = (1 - p.probs) * (f.softplus(q.logits) - f.softplus(p.logits))
    hit = t.where(p.probs == 0, 0.0, t.where(q.probs == 0, INF, hit))
    return hit + t.where(p.probs == 1, 0.0, t.where(q.probs == 1, INF, miss))


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    return _dirichlet(Dirichlet(p._both, validate_args=False), Dirichlet(q._both, validate_args=False))


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    scale = t.lgamma(a.sum(-1)) - t.lgamma(b.sum(-1)) - (t.lgamma(a) - t.lgamma(b)).sum(-1)
    return scale + ((a - b) * (t.digamma(a) - t.digamma(a.sum(-1, True)))).sum(-1)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if (p.total_count < q.total_count).any():
        raise refuse("KL between Binomials where q.total_count > p.total_count is not implemented")
    found = p.total_count * (p.probs * (p.logits - q.logits) + t.log1p(-p.probs) - t.log1p(-q.probs))
    return t.where(p.total_count > q.total_count, INF, found)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    parts = p.probs * (p.logits - q.logits)
    return t.where(p.probs == 0, 0.0, t.where(q.probs == 0, INF, parts)).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    return ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log() - (4 * p.scale * q.scale).log()


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _family(p: Any, q: Any) -> Any:
    """Bregman's divergence of the normaliser; source: Nielsen & Nock 2010."""
    if type(p) is not type(q):
        raise refuse("The cross KL-divergence between different exponential families cannot be computed using Bregman divergences")
    natural, value, slopes = p._bregman()
    others = q._natural_params
    found = q._log_normalizer(*others) - value
    for mine, theirs, slope in zip(natural, others, slopes, strict=True):
        found = found - sum_rightmost((theirs - mine) * slope, len(q.event_shape) if slope.dim() > value.dim() else 0)
    return found


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    return b * (p.rate / q.rate).log() + t.lgamma(b) - t.lgamma(a) + (a - b) * t.digamma(a) + (q.rate - p.rate) * (a / p.rate)


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return away - ratio.log() + ratio * EULER + (t.lgamma(1 + ratio) - away).exp() - (1 + EULER)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - t.log1p(-q.probs) / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return away / q.scale + ratio * (-away / p.scale).exp() - ratio.log() - 1


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio, away = (p.scale / q.scale).pow(2), ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + away - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Any:
    ratio = q.alpha / p.alpha
    found = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return t.where(p.scale < q.scale, INF, found)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    return t.where((q.low > p.low) | (q.high < p.high), INF, ((q.high - q.low) / (p.high - p.low)).log())


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise refuse("KL between distributions by different transforms")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), len(p.event_shape) - len(p.base_dist.event_shape))


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise refuse("KL between Independents of different reinterpreted_batch_ndims")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


def _x_log_x(x: Any) -> Any:
    return t.xlogy(x, x)


def _mean_log(p: Any) -> Any:
    """E[log x]."""
    if isinstance(p, Beta):
        return t.digamma(p.concentration1) - t.digamma(p.concentration1 + p.concentration0)
    if isinstance(p, Exponential):
        return -EULER - p.rate.log()
    if isinstance(p, Pareto):
        return p.alpha.reciprocal() + p.scale.log()
    return (_x_log_x(p.high) - _x_log_x(p.low)) / (p.high - p.low) - 1


def _light(p: Any, moment: int) -> tuple[Any, Any]:
    """`p`, a Pareto distribution without the moment replaced by one that has it, and where that was."""
    if not isinstance(p, Pareto):
        return p, False
    heavy = p.alpha <= moment
    return Pareto(p.scale, t.where(heavy, moment + 1.0, p.alpha), validate_args=False), heavy


def _or_infinite(found: Any, where: Any) -> Any:
    return found if where is False else t.where(where, INF, found)


def _inside(p: Any, found: Any, low: Any = 0.0, high: Any = INF) -> Any:
    """`found`, inf where a uniform distribution goes beyond the bounds."""
    return t.where((p.low < low) | (p.high > high), INF, found) if isinstance(p, Uniform) else found


def _to_normal(p: Any, q: Any) -> Any:
    p, heavy = _light(p, 2)
    spread = ((p.mean - q.loc).square() + p.variance) / (2 * q.scale.square())
    found = -p.entropy() + HALF_LOG_2PI + q.scale.log() + spread
    return _or_infinite(found, heavy)


def _to_exponential(p: Any, q: Any) -> Any:
    p, heavy = _light(p, 1)
    found = _inside(p, -p.entropy() - q.rate.log() + q.rate * p.mean)
    return _or_infinite(found, heavy)


def _to_gamma(p: Any, q: Any) -> Any:
    (p, heavy), a = _light(p, 1), q.concentration
    found = _inside(p, -p.entropy() + t.lgamma(a) - a * q.rate.log() - (a - 1) * _mean_log(p) + q.rate * p.mean)
    return _or_infinite(found, heavy)


def _to_continuous_bernoulli(p: Any, q: Any) -> Any:
    return _inside(p, -p.entropy() - p.mean * q.logits - t.log1p(-q.probs) - q._log_norm(), high=1.0)


def _to_uniform(p: Any, q: Any) -> Any:
    return t.where((q.low > 0) | (q.high < 1), INF, -p.entropy() + (q.high - q.low).log())


def _to_gumbel(p: Any, q: Any) -> Any:
    return -p.entropy() + q.scale.log() + (p.mean - q.loc) / q.scale + _mean_exp(p, q.scale) * (q.loc / q.scale).exp()


def _mean_exp(p: Any, scale: Any) -> Any:
    """E[exp(-x / scale)]."""
    if isinstance(p, Exponential):
        return p.rate / (p.rate + 1 / scale)
    if isinstance(p, Gamma):
        return (1 + 1 / (scale * p.rate)).pow(-p.concentration)
    if isinstance(p, Normal):
        return (0.5 * (p.scale / scale).square() - p.loc / scale).exp()
    return ((-p.low / scale).exp() - (-p.high / scale).exp()) * scale / (p.high - p.low)


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    away = p.loc - q.loc
    z = away / p.scale
    size = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.pow(2)).exp() + away * t.erf(math.sqrt(0.5) * z)
    return -p.entropy() + (2 * q.scale).log() + size / q.scale


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    other = (_x_log_x(1 - p.low) - _x_log_x(1 - p.high)) / (p.high - p.low) - 1  # E[log(1 - x)]
    found = -p.entropy() - (a - 1) * _mean_log(p) - (b - 1) * other + t.lgamma(a) + t.lgamma(b) - t.lgamma(a + b)
    return _inside(p, found, high=1.0)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Any:
    return _inside(p, -p.entropy() - q.alpha.log() - q.alpha * q.scale.log() + (q.alpha + 1) * _mean_log(p), low=q.scale)


def _infinite(p: Any, q: Any) -> Any:
    return t.full_like(p.mean, INF)


BY_MOMENTS: dict[Divergence, tuple[type, tuple[type, ...]]] = {
    _to_normal: (Normal, (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform)),
    _to_exponential: (Exponential, (Beta, ContinuousBernoulli, Gamma, Pareto, Uniform)),
    _to_gamma: (Gamma, (Beta, Exponential, Pareto, Uniform)),
    _to_continuous_bernoulli: (ContinuousBernoulli, (Beta, ContinuousBernoulli, Uniform)),
    _to_uniform: (Uniform, (Beta, ContinuousBernoulli)),
    _to_gumbel: (Gumbel, (Exponential, Gamma, Normal, Uniform)),
}
for _function, (_q, _ps) in BY_MOMENTS.items():
    for _p in _ps:
        register_kl(_p, _q)(_function)
_BOUNDED = (Uniform, Pareto, ContinuousBernoulli, Beta)
for _p, _qs in {
    Beta: (Pareto,), ContinuousBernoulli: (Pareto,), Exponential: _BOUNDED, Gamma: _BOUNDED, Gumbel: (*_BOUNDED, Gamma, Exponential),
    Laplace: (*_BOUNDED, Gamma, Exponential), Normal: (*_BOUNDED, Gamma, Exponential), Pareto: (Uniform, ContinuousBernoulli, Beta),
    Poisson: (Binomial, Bernoulli),
}.items():  # fmt: skip
    for _q in _qs:
        register_kl(_p, _q)(_infinite)
