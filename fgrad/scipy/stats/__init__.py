"""scipy.stats: distributions, each with logpdf, pdf, cdf, ... as functions of (x, *shapes, loc=0, scale=1); ranks.

>>> import fgrad
>>> fgrad.scipy.stats.norm.logpdf(0.0).round(4)
Array(-0.9189, dtype=float32)
"""

from fgrad.scipy.stats.continuous import (
    beta,
    cauchy,
    chi2,
    expon,
    gamma,
    gennorm,
    gumbel_l,
    gumbel_r,
    laplace,
    logistic,
    lognorm,
    norm,
    pareto,
    t,
    truncnorm,
    uniform,
    vonmises,
    wrapcauchy,
)
from fgrad.scipy.stats.descriptive import ModeResult, mode, rankdata, sem
from fgrad.scipy.stats.discrete import (
    bernoulli,
    betabinom,
    binom,
    dirichlet,
    geom,
    multinomial,
    multivariate_normal,
    nbinom,
    poisson,
)
from fgrad.scipy.stats.kde import gaussian_kde

__all__ = [
    "ModeResult", "bernoulli", "beta", "betabinom", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma", "gaussian_kde", "gennorm", "geom", "gumbel_l", "gumbel_r",
    "laplace", "logistic", "lognorm", "mode", "multinomial", "multivariate_normal", "nbinom", "norm", "pareto", "poisson", "rankdata", "sem", "t",
    "truncnorm", "uniform", "vonmises", "wrapcauchy",
]  # fmt: skip
