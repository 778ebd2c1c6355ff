"""Distributions: errors, derivatives through draws, recorded programs, vmap, copies, classes of one's own, PyTorch's paths."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
from typing import Any

import numpy as np
import pytest
from distribution_cases import CASES, Case

import fgrad

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore::UserWarning")]
LIBRARIES = (fgrad, torch)

WRONG = [
    lambda d, t: d.Normal(t.tensor([0.0, float("nan")]), 1), lambda d, t: d.Normal(0.0, 1.0).log_prob(t.tensor([1.0, float("nan")])), lambda d, t: d.Normal(0.0, 1.0).log_prob(1.0),
    lambda d, t: d.Bernoulli(), lambda d, t: d.Bernoulli(0.1, logits=0.2), lambda d, t: d.Bernoulli(1.1), lambda d, t: d.Categorical(t.tensor(1.0)), lambda d, t: d.Categorical(t.ones(2), t.ones(2)),
    lambda d, t: d.Normal(t.zeros(2), t.ones(3)), lambda d, t: d.Normal(t.zeros(2), 1.0).log_prob(t.zeros(3)), lambda d, t: d.Normal(t.zeros(2), -1.0), lambda d, t: d.Uniform(1.0, 0.0),
    lambda d, t: d.Uniform(0.0, 1.0).log_prob(t.tensor(2.0)), lambda d, t: d.Gamma(1.0, 1.0).icdf(t.tensor(0.5)), lambda d, t: d.Gamma(-1.0, 1.0), lambda d, t: d.Normal("a", 1),
    lambda d, t: d.MultivariateNormal(t.zeros(2)), lambda d, t: d.MultivariateNormal(t.tensor(0.0), t.eye(2)), lambda d, t: d.MultivariateNormal(t.zeros(2), t.zeros(2)),
    lambda d, t: d.MultivariateNormal(t.zeros(2), t.eye(2), scale_tril=t.eye(2)), lambda d, t: d.MultivariateNormal(t.zeros(2), -t.eye(2)), lambda d, t: d.Poisson(1.0).rsample(),
    lambda d, t: d.Poisson(1.0).entropy(), lambda d, t: d.Poisson(1.0).enumerate_support(), lambda d, t: d.Poisson(-1.0), lambda d, t: d.Poisson(1.0).log_prob(t.tensor(0.5)),
    lambda d, t: d.Multinomial(t.tensor(2), t.ones(3)), lambda d, t: d.Multinomial(2, t.ones(3)).log_prob(t.tensor([2.0, 1.0, 1.0])), lambda d, t: d.Binomial(t.tensor([2.0, 3.0]), t.tensor([0.5, 0.5])).enumerate_support(),
    lambda d, t: d.Independent(d.Normal(0.0, 1.0), 1), lambda d, t: d.Independent(d.Bernoulli(t.ones(2) / 2), 1).enumerate_support(), lambda d, t: d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(0.0, 1.0)),
    lambda d, t: d.MixtureSameFamily(d.Categorical(t.ones(2)), 3), lambda d, t: d.MixtureSameFamily(d.Categorical(t.ones(2)), d.Normal(t.zeros(3), 1.0)), lambda d, t: d.MixtureSameFamily(d.Categorical(t.ones(2)), d.Normal(t.zeros(2), 1.0)).mode,
    lambda d, t: d.LKJCholesky(1), lambda d, t: d.Dirichlet(t.tensor(1.0)), lambda d, t: d.Dirichlet(t.tensor([1.0, 2.0])).log_prob(t.tensor([0.5, 0.4])), lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), "x"),
    lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), d.SoftmaxTransform()), lambda d, t: d.StudentT(1.0).cdf(t.ones(1)), lambda d, t: d.Weibull(1.0, 1.0).log_prob(t.tensor(-1.0)), lambda d, t: d.Geometric(0.0),
    lambda d, t: d.Distribution.set_default_validate_args(3), lambda d, t: d.OneHotCategorical(t.ones(3)).log_prob(t.ones(3)), lambda d, t: d.Wishart(t.tensor(1.0), t.eye(3)), lambda d, t: d.Wishart(4.0),
    lambda d, t: d.LowRankMultivariateNormal(t.zeros(2), t.ones(3, 1), t.ones(2)), lambda d, t: d.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(3)), lambda d, t: d.LowRankMultivariateNormal(t.zeros(2), t.ones(2), t.ones(2)),
    lambda d, t: d.RelaxedOneHotCategorical(t.tensor(1.0), t.ones(3)).entropy(), lambda d, t: d.VonMises(0.0, 1.0).rsample(), lambda d, t: d.Distribution().mean, lambda d, t: d.Distribution(validate_args=False).sample(),
    lambda d, t: d.Distribution(validate_args=False).expand((2,)), lambda d, t: d.NegativeBinomial(2.0, 1.0), lambda d, t: d.Normal(t.zeros(3), 1.0).expand((2,)),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_errors_are_of_torchs_classes(case: int) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        WRONG[case](torch.distributions, torch)
    with pytest.raises(theirs.type) as ours:
        WRONG[case](fgrad.distributions, fgrad)
    first = str(theirs.value).split("\n")[0]
    if first.startswith(("Expected", "Either", "Exactly", "The value", "No KL")):
        assert str(ours.value).startswith(first.replace("torch.", "fgrad."))


def test_validation_can_be_left_out() -> None:
    d = fgrad.distributions
    assert d.Normal(0.0, -1.0, validate_args=False).log_prob(fgrad.tensor(0.0)).isnan()
    d.Distribution.set_default_validate_args(False)
    try:
        assert d.Uniform(0.0, 1.0).log_prob(fgrad.tensor(2.0)) == -float("inf")
    finally:
        d.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="support"):
        d.Uniform(0.0, 1.0).log_prob(fgrad.tensor(2.0))


RSAMPLED = [c for c in CASES if c.make(torch.distributions, lambda x: torch.tensor(x, dtype=torch.float64)).has_rsample]


@pytest.mark.parametrize("case", RSAMPLED, ids=lambda c: c.name)
def test_draws_have_derivatives(case: Case) -> None:
    """d/dθ E[x] of one large draw against the derivative of the mean in closed form; else that every parameter moves the draw."""
    fgrad.manual_seed(11)
    leaves: list[Any] = []

    def parameter(x: Any) -> Any:
        leaves.append(fgrad.tensor(x, dtype=fgrad.float64, requires_grad=True))
        return leaves[-1]

    d = case.make(fgrad.distributions, parameter)
    x = d.rsample((5000,))
    assert x.requires_grad or not leaves
    if not leaves:
        return
    n = x.mean(0)
    weights = fgrad.tensor(np.linspace(0.5, 2.0, n.numel()).reshape(n.shape))
    found = fgrad.autograd.grad((n * weights).sum(), leaves, allow_unused=True)
    assert any(g is not None and bool((g != 0).any()) for g in found)
    if case.name not in SMOOTH:
        return
    wanted = fgrad.autograd.grad((d.mean * weights).sum(), leaves, allow_unused=True)
    for g, w in zip(found, wanted, strict=True):
        if w is not None:
            scale = 0.15 * max(1.0, float(w.abs().max()))
            np.testing.assert_allclose(g.numpy(), w.numpy(), atol=scale)


SMOOTH = {"Normal", "Laplace", "Uniform", "Exponential", "Gamma", "Chi2", "Beta", "Dirichlet", "Gumbel", "HalfNormal", "Kumaraswamy", "ContinuousBernoulli",
          "Independent of two", "MultivariateNormal", "LowRankMultivariateNormal"}  # fmt: skip


@pytest.mark.parametrize("case", [c for c in CASES if "Wishart" not in c.name], ids=lambda c: c.name)
def test_recorded_programs_agree(case: Case) -> None:
    leaves = []

    def kept(x: Any) -> Any:
        leaves.append(fgrad.tensor(x, dtype=fgrad.float64))
        return leaves[-1]

    d = case.make(fgrad.distributions, kept)
    value = fgrad.tensor(case.values, dtype=fgrad.float64)

    def density(value: Any, *given: Any) -> Any:
        left = list(given)
        return case.make(fgrad.distributions, lambda x: left.pop(0)).log_prob(value)

    np.testing.assert_allclose(fgrad.compile(density)(value, *leaves).numpy(), d.log_prob(value).numpy(), 1e-9)

    def drawn(*given: Any) -> Any:
        left = list(given)
        return case.make(fgrad.distributions, lambda x: left.pop(0)).sample((3,))

    program = fgrad.compile(drawn)
    one, two = program(*leaves), program(*leaves)
    assert one.shape == d.sample((3,)).shape
    assert bool(d.support.check(one).all())
    if one.is_floating_point() and not set(one.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}:
        assert not fgrad.equal(one, two)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_log_prob_under_vmap(case: Case) -> None:
    values = fgrad.tensor(case.values, dtype=fgrad.float64)
    d = case.make(fgrad.distributions, lambda x: fgrad.tensor(x, dtype=fgrad.float64))
    batch = fgrad.stack([values, values, values])
    np.testing.assert_allclose(fgrad.vmap(d.log_prob)(batch).numpy(), d.log_prob(values).expand(3, *d.log_prob(values).shape).numpy(), 1e-9)


def test_parameters_under_vmap_and_grad() -> None:
    def loss(loc: Any, scale: Any) -> Any:
        d = fgrad.distributions
        return d.kl_divergence(d.Normal(loc, scale), d.Normal(0.0, 1.0)).sum()

    slopes = fgrad.vmap(fgrad.func.grad(loss, argnums=(0, 1)))(fgrad.tensor([0.5, 1.0]), fgrad.tensor([2.0, 3.0]))
    np.testing.assert_allclose([g.tolist() for g in slopes], [[0.5, 1.0], [1.5, 3 - 1 / 3]], 1e-5)
    drawn = fgrad.vmap(lambda loc: fgrad.distributions.Normal(loc, 1.0).sample((4,)), randomness="different")(fgrad.tensor([0.0, 1.0]))
    assert tuple(drawn.shape) == (2, 4)
    assert len(set(drawn.flatten().tolist())) == 8


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_copies(case: Case) -> None:
    d = case.make(fgrad.distributions, lambda x: fgrad.tensor(x, dtype=fgrad.float64))
    value = fgrad.tensor(case.values, dtype=fgrad.float64)
    for other in (copy.deepcopy(d), copy.copy(d), pickle.loads(pickle.dumps(d))):
        np.testing.assert_allclose(other.log_prob(value).numpy(), d.log_prob(value).numpy(), 1e-12)


def test_a_seed_gives_the_same_draws() -> None:
    def draws() -> list[Any]:
        fgrad.manual_seed(4)
        return [c.make(fgrad.distributions, fgrad.tensor).sample((2,)).numpy() for c in CASES if "Wishart" not in c.name]

    for one, two in zip(draws(), draws(), strict=True):
        np.testing.assert_allclose(one, two, 1e-4, 1e-5)  # native code may arrive between


def test_a_distribution_of_ones_own() -> None:
    for t in LIBRARIES:
        d = t.distributions

        class Doubled(d.Distribution):  # type: ignore[misc, name-defined]  # of either library
            arg_constraints = {"scale": d.constraints.positive}  # noqa: RUF012
            support = d.constraints.real
            has_rsample = True

            def __init__(self, scale: Any, validate_args: Any = None) -> None:
                self.scale = scale
                super().__init__(scale.shape, validate_args=validate_args)

            def rsample(self, sample_shape: Any = ()) -> Any:
                return 2 * self.scale * t.ones(self._extended_shape(sample_shape))

            def log_prob(self, value: Any) -> Any:
                if self._validate_args:
                    self._validate_sample(value)
                return -value / self.scale

            @property
            def variance(self) -> Any:
                return 4 * self.scale

        own = Doubled(t.tensor([1.0, 4.0], requires_grad=True))
        assert own.sample((3,)).shape == (3, 2)
        assert not own.sample().requires_grad
        assert own.rsample().requires_grad
        assert own.stddev.tolist() == [2.0, 4.0]
        assert d.Independent(own, 1).log_prob(t.tensor([1.0, 4.0])).item() == -2.0
        with pytest.raises(ValueError, match="constraint GreaterThan"):
            Doubled(t.tensor([-1.0]))
        with pytest.raises(ValueError, match="support"):
            own.log_prob(t.tensor([float("nan"), 1.0]))
        with pytest.raises(NotImplementedError):
            own.expand((3, 2))

        class Shifted(d.Normal):  # type: ignore[misc, name-defined]  # of either library
            def __init__(self, loc: Any) -> None:
                super().__init__(loc, 1.0)

        with pytest.raises(NotImplementedError, match="Shifted"):
            Shifted(t.tensor(0.0)).expand((2,))
        with pytest.warns(UserWarning, match="support"):
            type("Bare", (d.Distribution,), {"arg_constraints": {}})()._validate_sample(t.tensor(0.0))
        with pytest.warns(UserWarning, match="arg_constraints"):
            type("Bare", (d.Distribution,), {})()


def test_exponential_families_know_their_entropy() -> None:
    d = fgrad.distributions
    for one in (d.Normal(0.5, 2.0), d.Gamma(2.0, 3.0), d.Bernoulli(0.3), d.Exponential(2.0),
                d.Wishart(fgrad.tensor(4.0), fgrad.eye(2) + 0.1), d.ContinuousBernoulli(0.3)):  # fmt: skip
        found = d.ExponentialFamily._entropy(one)
        np.testing.assert_allclose(found.item(), one.entropy().item(), 1e-4)


def test_paths_are_pytorchs() -> None:
    for m in pkgutil.iter_modules(torch.distributions.__path__):
        theirs = importlib.import_module(f"torch.distributions.{m.name}")
        ours = importlib.import_module(f"fgrad.distributions.{m.name}")
        for name, x in vars(theirs).items():
            if isinstance(x, type) and x.__module__ == theirs.__name__ and not name.startswith("_"):
                assert isinstance(getattr(ours, name), type), (m.name, name)
    assert fgrad.distributions.normal.Normal is fgrad.distributions.Normal
    assert set(torch.distributions.__all__) == set(fgrad.distributions.__all__)
    assert set(torch.distributions.constraints.__all__) == set(fgrad.distributions.constraints.__all__)
    assert set(torch.distributions.transforms.__all__) == set(fgrad.distributions.transforms.__all__)


def test_checks_of_parameters_record_no_program() -> None:
    from fgrad.eager.capture import capture

    d, x = fgrad.distributions, fgrad.tensor([0.25, 0.75])
    with capture() as seen:
        (d.Normal(x, x), d.Bernoulli(x), d.Dirichlet(x), d.Uniform(x - 1, 2.0).support.check(x))
    assert len(seen.steps) <= 1

    class Mine(type(d.constraints.positive)):  # type: ignore[misc]  # a check of one's own counts
        def check(self, value: Any) -> Any:
            return value > 100

    assert not Mine(0.0)._holds(x)
