"""PyTorch's torch.distributions: probability distributions, their constraints and transforms, and divergences between them."""

from __future__ import annotations

from fgrad.distributions import constraints as constraints
from fgrad.distributions import utils as utils
from fgrad.distributions.categories import Categorical, Multinomial, OneHotCategorical, OneHotCategoricalStraightThrough
from fgrad.distributions.counts import Bernoulli, Binomial, ContinuousBernoulli, Geometric, NegativeBinomial, Poisson
from fgrad.distributions.distribution import Distribution, ExponentialFamily
from fgrad.distributions.positive import Beta, Chi2, Dirichlet, Exponential, FisherSnedecor, Gamma
from fgrad.distributions.real_line import Cauchy, GeneralizedPareto, Laplace, Normal, StudentT, Uniform, VonMises

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ContinuousBernoulli",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Laplace",
    "Multinomial",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Poisson",
    "StudentT",
    "Uniform",
    "VonMises",
]
