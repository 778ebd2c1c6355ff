"""One row a distribution: how it is made (from the module and a function that makes a parameter), and values of its support."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Case(NamedTuple):
    name: str
    make: Callable[[Any, Any], Any]  # (distributions, parameter) -> distribution
    values: Any
    cdf: str = ""  # the name of SciPy's distribution function, as a call of s (scipy.stats)
    whole: bool = False
    rtol: float = 1e-9  # in float64


REAL = [[-2.0, 0.3], [0.0, 1.5], [4.0, -0.7]]
POSITIVE = [[0.2, 1.0], [0.01, 3.5], [6.0, 0.7]]
UNIT = [[0.2, 0.9], [0.01, 0.5], [0.6, 0.999]]
COUNTS = [[0.0, 1.0], [3.0, 2.0], [1.0, 4.0]]
BITS = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
SIMPLEX = [[0.2, 0.3, 0.5], [0.1, 0.85, 0.05]]
COVARIANCE = [[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 0.7]]
TRIANGLE = [[1.2, 0.0, 0.0], [0.5, 1.0, 0.0], [0.1, -0.3, 0.7]]
VECTORS = [[0.3, -1.0, 2.0], [0.0, 0.4, 0.1]]
DEFINITE = [[[2.0, 0.1, 0.1], [0.1, 1.0, -0.3], [0.1, -0.3, 1.7]], [[5.0, 0.5, 0.1], [0.5, 4.0, 0.3], [0.1, 0.3, 0.7]]]
CORRELATED = [[[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.48, 0.64, 0.6]]]
LOC, SCALE = [0.5, -1.0], [0.7, 2.0]

CASES = [
    Case("Normal", lambda d, p: d.Normal(p(LOC), p(SCALE)), REAL, "norm(0.5, 0.7)"),
    Case("Normal of numbers", lambda d, p: d.Normal(0, 2), REAL, rtol=1e-7),
    Case("Normal of a number and a tensor", lambda d, p: d.Normal(1.0, p(SCALE)), REAL),
    Case("Laplace", lambda d, p: d.Laplace(p(LOC), p(SCALE)), REAL, "laplace(0.5, 0.7)"),
    Case("Cauchy", lambda d, p: d.Cauchy(p(LOC), p(SCALE)), REAL, "cauchy(0.5, 0.7)"),
    Case("StudentT", lambda d, p: d.StudentT(p([3.0, 0.9]), p(LOC), p(SCALE)), REAL, "t(3.0, 0.5, 0.7)"),
    Case("StudentT of df", lambda d, p: d.StudentT(p([1.5, 8.0])), REAL, "t(1.5)"),
    Case("Uniform", lambda d, p: d.Uniform(p([-3.0, -1.0]), p([5.0, 1.6])), REAL, "uniform(-3, 8)"),
    Case("VonMises", lambda d, p: d.VonMises(p([0.0, -1.0]), p([0.5, 6.0])), REAL, "vonmises(0.5)", rtol=1e-5),  # PyTorch's I0 is a polynomial
    Case("GeneralizedPareto", lambda d, p: d.GeneralizedPareto(p([0.0, -0.5]), p([1.5, 2.0]), p([0.3, 0.6])), POSITIVE, "genpareto(0.3, 0, 1.5)"),
    Case("GeneralizedPareto of 0", lambda d, p: d.GeneralizedPareto(p([0.0, -1.0]), p([1.5, 9.0]), p([0.0, -0.2])), POSITIVE, "genpareto(0, 0, 1.5)"),
    Case("Exponential", lambda d, p: d.Exponential(p([0.5, 3.0])), POSITIVE, "expon(0, 2)"),
    Case("Gamma", lambda d, p: d.Gamma(p([0.4, 3.0]), p([2.0, 0.5])), POSITIVE, "gamma(0.4, 0, 0.5)"),
    Case("Chi2", lambda d, p: d.Chi2(p([3.0, 0.7])), POSITIVE, "chi2(3)"),
    Case("Beta", lambda d, p: d.Beta(p([0.5, 3.0]), p([2.0, 4.0])), UNIT, "beta(0.5, 2)"),
    Case("Beta below 1", lambda d, p: d.Beta(p([0.5, 0.3]), p([0.2, 0.4])), UNIT, "beta(0.5, 0.2)"),
    Case("Dirichlet", lambda d, p: d.Dirichlet(p([[0.5, 2.0, 3.0], [0.5, 0.6, 0.7]])), SIMPLEX),
    Case("FisherSnedecor", lambda d, p: d.FisherSnedecor(p([3.0, 1.0]), p([6.0, 3.0])), POSITIVE, "f(3, 6)"),
    Case("Bernoulli", lambda d, p: d.Bernoulli(p([0.3, 0.9])), BITS, "bernoulli(0.3)", True),
    Case("Bernoulli of logits", lambda d, p: d.Bernoulli(logits=p([0.3, -2.0])), BITS, "bernoulli(0.574442516811659)", True),
    Case("Bernoulli of a number", lambda d, p: d.Bernoulli(0.25), BITS, rtol=1e-7),
    Case("Geometric", lambda d, p: d.Geometric(p([0.3, 0.9])), COUNTS, "geom(0.3, -1)", True),
    Case("Geometric of logits", lambda d, p: d.Geometric(logits=p([0.3, -2.0])), COUNTS),
    Case("Binomial", lambda d, p: d.Binomial(4, p([0.3, 0.9])), COUNTS, "binom(4, 0.3)", True),
    Case("Binomial of logits", lambda d, p: d.Binomial(5, logits=p([0.3, -2.0])), COUNTS),
    Case("NegativeBinomial", lambda d, p: d.NegativeBinomial(p([2.0, 5.5]), p([0.3, 0.8])), COUNTS, "nbinom(2, 0.7)", True),
    Case("NegativeBinomial of logits", lambda d, p: d.NegativeBinomial(3, logits=p([0.3, -2.0])), COUNTS),
    Case("Poisson", lambda d, p: d.Poisson(p([0.8, 30.0])), COUNTS, "poisson(0.8)", True),
    Case("ContinuousBernoulli", lambda d, p: d.ContinuousBernoulli(p([0.3, 0.5001])), UNIT),
    Case("ContinuousBernoulli of logits", lambda d, p: d.ContinuousBernoulli(logits=p([0.3, -3.0])), UNIT),
    Case("Categorical", lambda d, p: d.Categorical(p([[0.2, 1.0, 3.0], [0.4, 0.4, 0.1]])), [[0.0, 1.0], [2.0, 2.0]]),
    Case("Categorical of logits", lambda d, p: d.Categorical(logits=p([0.2, -1.0, 3.0])), [2.0, 0.0, 1.0]),
    Case("OneHotCategorical", lambda d, p: d.OneHotCategorical(p([[0.2, 1.0, 3.0], [0.4, 0.4, 0.1]])), [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    Case("OneHotCategoricalStraightThrough", lambda d, p: d.OneHotCategoricalStraightThrough(logits=p([0.2, 1.0, 3.0])), [[0.0, 1.0, 0.0]]),
    Case("Multinomial", lambda d, p: d.Multinomial(4, p([[0.2, 1.0, 3.0], [0.4, 0.4, 0.1]])), [[1.0, 2.0, 1.0], [0.0, 4.0, 0.0]], rtol=1e-7),
    Case("Multinomial of logits", lambda d, p: d.Multinomial(3, logits=p([0.2, -1.0, 3.0])), [[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]], rtol=1e-7),
    Case("LogNormal", lambda d, p: d.LogNormal(p(LOC), p(SCALE)), POSITIVE, "lognorm(0.7, 0, 1.6487212707001282)"),
    Case("LogisticNormal", lambda d, p: d.LogisticNormal(p([[0.5, -1.0], [0.0, 0.3]]), p([[0.7, 2.0], [0.9, 1.1]])), SIMPLEX),
    Case("Gumbel", lambda d, p: d.Gumbel(p(LOC), p(SCALE)), REAL, "gumbel_r(0.5, 0.7)"),
    Case("HalfNormal", lambda d, p: d.HalfNormal(p(SCALE)), POSITIVE, "halfnorm(0, 0.7)"),
    Case("HalfCauchy", lambda d, p: d.HalfCauchy(p(SCALE)), POSITIVE, "halfcauchy(0, 0.7)"),
    Case("InverseGamma", lambda d, p: d.InverseGamma(p([5.0, 0.4]), p([2.0, 0.5])), POSITIVE, "invgamma(5, 0, 2)"),
    Case("Kumaraswamy", lambda d, p: d.Kumaraswamy(p([1.0, 3.0]), p([2.0, 0.8])), UNIT, "beta(1, 2)"),
    Case("Pareto", lambda d, p: d.Pareto(p([0.1, 0.7]), p([5.5, 1.5])), [[0.2, 1.0], [0.1, 3.5]], "pareto(5.5, 0, 0.1)"),
    Case("Weibull", lambda d, p: d.Weibull(p([0.7, 2.0]), p([0.5, 3.0])), POSITIVE, "weibull_min(0.5, 0, 0.7)"),
    Case("Weibull of numbers", lambda d, p: d.Weibull(1.0, 2.0), POSITIVE, rtol=1e-6),
    Case("RelaxedBernoulli", lambda d, p: d.RelaxedBernoulli(p(0.7), p([0.3, 0.9])), UNIT),
    Case("RelaxedBernoulli of logits", lambda d, p: d.RelaxedBernoulli(p(2.0), logits=p([0.3, -0.9])), UNIT),
    Case("RelaxedOneHotCategorical", lambda d, p: d.RelaxedOneHotCategorical(p(0.7), p([[0.2, 1.0, 3.0], [0.4, 0.4, 0.1]])), SIMPLEX),
    Case("RelaxedOneHotCategorical of logits", lambda d, p: d.RelaxedOneHotCategorical(p(0.7), logits=p([0.2, -1.0, 3.0])), SIMPLEX),
    Case("Independent", lambda d, p: d.Independent(d.Normal(p(LOC), p(SCALE)), 1), REAL),
    Case("Independent of none", lambda d, p: d.Independent(d.Bernoulli(p([0.3, 0.8])), 0), BITS),
    Case("Independent of two", lambda d, p: d.Independent(d.Gamma(p([[0.4, 3.0], [1.0, 2.0], [2.0, 2.0]]), p([2.0, 0.5])), 2), POSITIVE),
    Case("MixtureSameFamily", lambda d, p: d.MixtureSameFamily(d.Categorical(p([0.3, 0.7])), d.Normal(p(LOC), p(SCALE))), [[-2.0], [0.3], [1.0]]),
    Case("MixtureSameFamily of vectors", lambda d, p: d.MixtureSameFamily(
        d.Categorical(logits=p([[0.3, -0.7, 0.0]] * 2)), d.Independent(d.Laplace(p([[LOC] * 3] * 2), p(SCALE)), 1)), [[[0.1, 0.2], [0.3, 0.4]]]),
    Case("TransformedDistribution", lambda d, p: d.TransformedDistribution(d.Normal(p(LOC), p(SCALE)), [d.AffineTransform(p(1.0), p(-2.0)), d.SigmoidTransform()]), UNIT),
    Case("TransformedDistribution of none", lambda d, p: d.TransformedDistribution(d.Laplace(p(LOC), p(SCALE)), []), REAL),
    Case("TransformedDistribution of vectors", lambda d, p: d.TransformedDistribution(d.Normal(p([LOC]), p(SCALE)), [d.AffineTransform(0.5, 2.0), d.StickBreakingTransform()]), SIMPLEX),
    Case("MultivariateNormal", lambda d, p: d.MultivariateNormal(p([0.1, 0.2, 0.3]), p(COVARIANCE)), VECTORS),
    Case("MultivariateNormal of a precision", lambda d, p: d.MultivariateNormal(p([0.1, 0.2, 0.3]), precision_matrix=p(COVARIANCE)), VECTORS),
    Case("MultivariateNormal of a factor", lambda d, p: d.MultivariateNormal(p([[0.1, 0.2, 0.3], [1.0, 0.0, 0.0]]), scale_tril=p(TRIANGLE)), VECTORS),
    Case("MultivariateNormal of factors", lambda d, p: d.MultivariateNormal(p([0.1, 0.2, 0.3]), scale_tril=p([TRIANGLE, TRIANGLE])), VECTORS),
    Case("LowRankMultivariateNormal", lambda d, p: d.LowRankMultivariateNormal(p([0.1, 0.2, 0.3]), p([[1.0, 0.2], [0.3, 2.0], [0.0, -0.5]]), p([0.5, 1.0, 2.0])), VECTORS),
    Case("LowRankMultivariateNormal in batches", lambda d, p: d.LowRankMultivariateNormal(
        p([[0.1, 0.2, 0.3], [0.0, 1.0, 2.0]]), p([[1.0], [0.3], [0.0]]), p([0.5, 1.0, 2.0])), VECTORS),
    Case("Wishart", lambda d, p: d.Wishart(p([5.0, 3.5]), p(COVARIANCE)), DEFINITE),
    Case("Wishart of a factor", lambda d, p: d.Wishart(4, scale_tril=p(TRIANGLE).tril()), DEFINITE),
    Case("Wishart of a precision", lambda d, p: d.Wishart(p(6.0), precision_matrix=p(COVARIANCE)), DEFINITE),
    Case("LKJCholesky", lambda d, p: d.LKJCholesky(3, p([0.7, 2.0])), CORRELATED),
]  # fmt: skip
