"""PyTorch's torch.distributions: probability distributions, their constraints and transforms, and divergences between them."""

from __future__ import annotations

from fgrad.distributions import constraint_registry as constraint_registry
from fgrad.distributions import constraints as constraints
from fgrad.distributions import divergences as _divergences  # noqa: F401  # fills kl's pairs
from fgrad.distributions import relaxed as _relaxed
from fgrad.distributions import transforms as transforms
from fgrad.distributions import utils as utils
from fgrad.distributions.categories import Categorical, Multinomial, OneHotCategorical, OneHotCategoricalStraightThrough
from fgrad.distributions.constraint_registry import biject_to, transform_to
from fgrad.distributions.counts import Bernoulli, Binomial, ContinuousBernoulli, Geometric, NegativeBinomial, Poisson
from fgrad.distributions.distribution import Distribution, ExponentialFamily
from fgrad.distributions.independent import Independent, MixtureSameFamily
from fgrad.distributions.kl import kl_divergence, register_kl
from fgrad.distributions.matrices import LKJCholesky, Wishart
from fgrad.distributions.multivariate import LowRankMultivariateNormal, MultivariateNormal
from fgrad.distributions.positive import Beta, Chi2, Dirichlet, Exponential, FisherSnedecor, Gamma
from fgrad.distributions.real_line import Cauchy, GeneralizedPareto, Laplace, Normal, StudentT, Uniform, VonMises
from fgrad.distributions.relaxed import RelaxedBernoulli, RelaxedOneHotCategorical
from fgrad.distributions.transformed import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    InverseGamma,
    Kumaraswamy,
    LogisticNormal,
    LogNormal,
    Pareto,
    Weibull,
)
from fgrad.distributions.transformed_distribution import TransformedDistribution
from fgrad.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from fgrad.functions.spellings import spelled as _spelled

_FILES = """bernoulli:Bernoulli beta:Beta binomial:Binomial categorical:Categorical cauchy:Cauchy chi2:Chi2 continuous_bernoulli:ContinuousBernoulli
    dirichlet:Dirichlet exp_family:ExponentialFamily exponential:Exponential fishersnedecor:FisherSnedecor gamma:Gamma
    generalized_pareto:GeneralizedPareto geometric:Geometric gumbel:Gumbel half_cauchy:HalfCauchy half_normal:HalfNormal
    inverse_gamma:InverseGamma kumaraswamy:Kumaraswamy laplace:Laplace lkj_cholesky:LKJCholesky log_normal:LogNormal
    logistic_normal:LogisticNormal lowrank_multivariate_normal:LowRankMultivariateNormal mixture_same_family:MixtureSameFamily
    multinomial:Multinomial multivariate_normal:MultivariateNormal negative_binomial:NegativeBinomial normal:Normal
    one_hot_categorical:OneHotCategorical,OneHotCategoricalStraightThrough pareto:Pareto poisson:Poisson
    relaxed_bernoulli:LogitRelaxedBernoulli,RelaxedBernoulli relaxed_categorical:ExpRelaxedCategorical,RelaxedOneHotCategorical
    studentT:StudentT uniform:Uniform von_mises:VonMises weibull:Weibull wishart:Wishart"""
_OTHERS = {"LogitRelaxedBernoulli": _relaxed.LogitRelaxedBernoulli, "ExpRelaxedCategorical": _relaxed.ExpRelaxedCategorical}
for _entry in _FILES.split():
    _file, _names = _entry.split(":")
    globals()[_file] = _spelled(f"{__name__}.{_file}", {n: {**globals(), **_OTHERS}[n] for n in _names.split(",")})

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
]
