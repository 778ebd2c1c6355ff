"""kl_divergence: every pair PyTorch registers, values and derivatives against torch; dispatch by the nearest classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore::UserWarning")]
LIBRARIES = (fgrad, torch)
COVARIANCE, OTHER = [[2.0, 0.5], [0.5, 1.0]], [[1.0, -0.3], [-0.3, 0.7]]
Make = Callable[[Any, Any], Any]

SAMPLES: dict[str, list[Make]] = {  # class -> some distributions
    "Bernoulli": [lambda d, p: d.Bernoulli(p([0.3, 0.0, 1.0, 0.8])), lambda d, p: d.Bernoulli(p([0.6, 0.2, 0.0, 1.0]))],
    "Beta": [lambda d, p: d.Beta(p([0.5, 3.0]), p([2.0, 4.0])), lambda d, p: d.Beta(p([1.5, 2.0]), p([2.5, 0.7]))],
    "Binomial": [lambda d, p: d.Binomial(4, p([0.3, 0.9])), lambda d, p: d.Binomial(4, p([0.5, 0.2])), lambda d, p: d.Binomial(p([3.0, 4.0]), p([0.5, 0.2]))],
    "Categorical": [lambda d, p: d.Categorical(p([[0.2, 1.0, 3.0], [0.5, 0.5, 0.0]])), lambda d, p: d.Categorical(logits=p([[0.2, 1.0, -3.0]] * 2)),
                    lambda d, p: d.Categorical(p([[0.2, 1.0, 0.0], [0.5, 0.1, 0.5]]))],
    "Cauchy": [lambda d, p: d.Cauchy(p([0.5, -1.0]), p([0.7, 2.0])), lambda d, p: d.Cauchy(p([0.0, 1.0]), p([1.7, 0.3]))],
    "ContinuousBernoulli": [lambda d, p: d.ContinuousBernoulli(p([0.3, 0.5001])), lambda d, p: d.ContinuousBernoulli(p([0.8, 0.2]))],
    "Dirichlet": [lambda d, p: d.Dirichlet(p([[0.5, 2.0, 3.0]])), lambda d, p: d.Dirichlet(p([1.5, 0.4, 3.0]))],
    "Exponential": [lambda d, p: d.Exponential(p([0.5, 3.0])), lambda d, p: d.Exponential(p([1.5, 0.4]))],
    "Gamma": [lambda d, p: d.Gamma(p([0.4, 3.0]), p([2.0, 0.5])), lambda d, p: d.Gamma(p([1.4, 2.0]), p([0.7, 1.5]))],
    "Chi2": [lambda d, p: d.Chi2(p([3.0, 0.7])), lambda d, p: d.Chi2(p([1.0, 2.0]))],
    "Geometric": [lambda d, p: d.Geometric(p([0.3, 0.9])), lambda d, p: d.Geometric(logits=p([0.3, -0.9]))],
    "Gumbel": [lambda d, p: d.Gumbel(p([0.5, -1.0]), p([0.7, 2.0])), lambda d, p: d.Gumbel(p([0.0, 1.0]), p([1.7, 0.9]))],
    "HalfNormal": [lambda d, p: d.HalfNormal(p([0.7, 2.0])), lambda d, p: d.HalfNormal(p([1.7, 0.9]))],
    "Laplace": [lambda d, p: d.Laplace(p([0.5, -1.0]), p([0.7, 2.0])), lambda d, p: d.Laplace(p([0.0, 1.0]), p([1.7, 0.9]))],
    "LogNormal": [lambda d, p: d.LogNormal(p([0.5, -1.0]), p([0.7, 2.0])), lambda d, p: d.LogNormal(p([0.0, 1.0]), p([1.7, 0.9]))],
    "Normal": [lambda d, p: d.Normal(p([0.5, -1.0]), p([0.7, 2.0])), lambda d, p: d.Normal(p([0.0, 1.0]), p([1.7, 0.9])), lambda d, p: d.Normal(p(0.2), p(1.0))],
    "MultivariateNormal": [lambda d, p: d.MultivariateNormal(p([0.1, 0.2]), p(COVARIANCE)), lambda d, p: d.MultivariateNormal(p([[0.5, -0.2]] * 3), p(OTHER)),
                           lambda d, p: d.MultivariateNormal(p([0.5, -0.2]), p([OTHER] * 3))],
    "LowRankMultivariateNormal": [lambda d, p: d.LowRankMultivariateNormal(p([0.1, 0.2]), p([[1.0], [0.3]]), p([0.5, 1.0])),
                                  lambda d, p: d.LowRankMultivariateNormal(p([0.5, -0.2]), p([[0.1], [-0.3]]), p([[1.5, 0.7]] * 3))],
    "OneHotCategorical": [lambda d, p: d.OneHotCategorical(p([0.2, 1.0, 3.0])), lambda d, p: d.OneHotCategorical(logits=p([0.2, 1.0, -3.0]))],
    "Pareto": [lambda d, p: d.Pareto(p([0.5, 2.0]), p([3.5, 1.5])), lambda d, p: d.Pareto(p([0.7, 1.0]), p([2.5, 3.0]))],
    "Poisson": [lambda d, p: d.Poisson(p(0.8)), lambda d, p: d.Poisson(p(1.8))],
    "Uniform": [lambda d, p: d.Uniform(p([0.25, 0.5]), p([0.5, 0.75])), lambda d, p: d.Uniform(p([-1.0, 0.3]), p([1.5, 4.0])), lambda d, p: d.Uniform(p([2.5, -1.0]), p([3.0, 4.0]))],
    "Wishart": [lambda d, p: d.Wishart(p(5.0), p(COVARIANCE)), lambda d, p: d.Wishart(p(4.0), p(OTHER))],
    "Independent": [lambda d, p: d.Independent(d.Normal(p([[0.5, -1.0]] * 2), p([0.7, 2.0])), 1), lambda d, p: d.Independent(d.Laplace(p([0.0, 1.0]), p([1.7, 0.9])), 1),
                    lambda d, p: d.Independent(d.Normal(p([[0.0, 1.0]] * 2), p([1.7, 0.9])), 1), lambda d, p: d.Independent(d.Normal(p([[0.0, 1.0]] * 2), p([1.7, 0.9])), 2)],
    "TransformedDistribution": [lambda d, p: d.TransformedDistribution(d.Normal(p([0.5, -1.0]), p([0.7, 2.0])), [d.ExpTransform()]),
                                lambda d, p: d.TransformedDistribution(d.Normal(p([0.1, 1.0]), p([1.7, 0.4])), [d.ExpTransform()]),
                                lambda d, p: d.TransformedDistribution(d.Normal(p([0.1, 1.0]), p([1.7, 0.4])), [d.TanhTransform()])],
}  # fmt: skip
PAIRS = sorted({(a.__name__, b.__name__) for a, b in torch.distributions.kl._KL_REGISTRY} - {("ExponentialFamily", "ExponentialFamily")}
               | {("Wishart", "Wishart"), ("Chi2", "Gamma"), ("LogNormal", "LogNormal"), ("Gamma", "Chi2"), ("Poisson", "Gamma"), ("Cauchy", "Normal"), ("Normal", "Beta")})  # fmt: skip


def divergence(t: Any, one: Make, other: Make) -> Any:
    """The value and its derivatives by all parameters, or the error's class."""
    leaves: list[Any] = []

    def parameter(x: Any) -> Any:
        leaves.append(t.tensor(x, dtype=t.float64, requires_grad=True))
        return leaves[-1]

    try:
        y = t.distributions.kl_divergence(one(t.distributions, parameter), other(t.distributions, parameter))
    except NotImplementedError:
        return NotImplementedError
    except RuntimeError:
        assert t is torch  # it does not broadcast factors there
        return RuntimeError
    finite = y[t.isfinite(y)].sum()
    if finite.requires_grad:
        finite.backward()
    return y.detach().numpy(), [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in leaves]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_values_and_derivatives(pair: tuple[str, str]) -> None:
    for one in SAMPLES[pair[0]]:
        for other in SAMPLES[pair[1]]:
            ours, theirs = (divergence(t, one, other) for t in LIBRARIES)
            if theirs is RuntimeError:
                continue
            if isinstance(theirs, type):
                assert ours is theirs
                continue
            np.testing.assert_allclose(ours[0], theirs[0], 1e-7, 1e-7)
            assert ours[0].shape == theirs[0].shape
            for a, b in zip(ours[1], theirs[1], strict=True):
                known = np.isfinite(b)
                np.testing.assert_allclose(a[known], b[known], 1e-7, 1e-7)


def test_all_pairs_are_registered() -> None:
    ours = {(a.__name__, b.__name__) for a, b in fgrad.distributions.kl._PAIRS}
    assert ours == {(a.__name__, b.__name__) for a, b in torch.distributions.kl._KL_REGISTRY}


def test_the_nearest_classes_win() -> None:
    for t in LIBRARIES:
        d = t.distributions

        class Mine(d.Normal):  # type: ignore[misc, name-defined]  # of either library
            pass

        class Other(d.Normal):  # type: ignore[misc, name-defined]  # of either library
            pass

        d.register_kl(Mine, d.Normal)(lambda p, q: "mine")
        assert d.kl_divergence(Mine(0.0, 1.0), d.Normal(0.0, 1.0)) == "mine"
        assert d.kl_divergence(Other(0.0, 1.0), d.Normal(0.0, 1.0)) == 0
        d.register_kl(d.Normal, Other)(lambda p, q: "other")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert d.kl_divergence(Mine(0.0, 1.0), Other(0.0, 1.0)) == "mine"
        assert "register_kl(Mine, Other)" in str(caught[-1].message)
    fgrad.distributions.kl._PAIRS = {k: v for k, v in fgrad.distributions.kl._PAIRS.items() if k[0].__module__.startswith("fgrad") and k[1].__module__.startswith("fgrad")}
    with pytest.raises(TypeError, match="Distribution"):
        fgrad.distributions.register_kl(int, fgrad.distributions.Normal)


def test_wisharts_in_batches_are_as_one_by_one() -> None:
    """PyTorch adds the terms of df over the batch."""
    d = fgrad.distributions
    one, other = fgrad.tensor(COVARIANCE), fgrad.tensor(OTHER)
    found = d.kl_divergence(d.Wishart(fgrad.tensor([5.0, 3.5]), one), d.Wishart(fgrad.tensor([4.0, 4.5]), other))
    wanted = [d.kl_divergence(d.Wishart(a, one), d.Wishart(b, other)).item() for a, b in ((5.0, 4.0), (3.5, 4.5))]
    np.testing.assert_allclose(found.tolist(), wanted, 1e-5)
