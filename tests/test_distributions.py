"""Every distribution against torch: values and derivatives of its methods, shapes, prints; samples by moments and against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from distribution_cases import CASES, Case

import fgrad

torch = pytest.importorskip("torch")
stats: Any = pytest.importorskip("scipy.stats")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore::UserWarning")]
every = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


class Made:
    """A distribution of one library and its leaves."""

    def __init__(self, t: Any, case: Case, dtype: str, needs: bool = True) -> None:
        self.t, self.leaves, self.dtype, self.needs = t, [], getattr(t, dtype), needs
        self.d = case.make(t.distributions, self.leaf)
        self.value = self.leaf(case.values)

    def leaf(self, x: Any) -> Any:
        self.leaves.append(self.t.tensor(x, dtype=self.dtype, requires_grad=self.needs))
        return self.leaves[-1]

    def ask(self, name: str) -> Any:
        """What a method or property gives, or the class of its error."""
        try:
            found = getattr(self.d, name)
            if name in ("log_prob", "cdf"):
                found = found(self.value.long() if "Categorical(" in repr(self.d) and "OneHot" not in repr(self.d) else self.value)
            elif name == "icdf":
                found = found(self.t.tensor(0.37, dtype=self.dtype))
            elif callable(found):
                found = found()
        except Exception as e:  # noqa: BLE001
            return next(c for c in (NotImplementedError, TypeError, ValueError, RuntimeError) if isinstance(e, c))
        return found


ASKED = ("log_prob", "cdf", "icdf", "entropy", "perplexity", "mean", "mode", "variance", "stddev", "enumerate_support")


def same(found: Any, wanted: Any, rtol: float, what: str) -> None:
    if isinstance(wanted, type):
        assert found is wanted, what
        return
    assert not isinstance(found, type), f"{what}: {found}"
    assert tuple(found.shape) == tuple(wanted.shape), what
    assert str(found.dtype).split(".")[1] == str(wanted.dtype).split(".")[1], what
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol, rtol, err_msg=what)


def slopes(made: Made, y: Any) -> list[Any]:
    """Derivatives of a weighted sum by all leaves that have one."""
    for x in made.leaves:
        x.grad = None
    if not y.requires_grad:
        return []
    weights: Any = made.t.tensor(np.linspace(0.5, 2.0, int(np.prod(y.shape))).reshape(tuple(y.shape)), dtype=made.dtype)
    try:
        (y * weights).sum().backward()
    except RuntimeError:
        return [RuntimeError]
    return [x.grad for x in made.leaves]


@every
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_methods_agree(case: Case, dtype: str) -> None:
    rtol = case.rtol if dtype == "float64" else 5e-5
    for name in ASKED:
        ours, theirs = Made(fgrad, case, dtype), Made(torch, case, dtype)
        found, wanted = ours.ask(name), theirs.ask(name)
        if wanted is RuntimeError and isinstance(ours.d, fgrad.distributions.GeneralizedPareto):  # PyTorch's works in float32 alone
            continue
        if name == "mode" and type(ours.d).__name__ == "Kumaraswamy":  # PyTorch's is NaN for any parameters
            continue
        same(found, wanted, rtol, name)
        if dtype == "float64" and not isinstance(wanted, type) and wanted.dtype == torch.float64:
            for i, (g, w) in enumerate(zip(slopes(ours, found), slopes(theirs, wanted), strict=True)):
                if w is not None:
                    same(w.new_zeros(w.shape) if g is None and w is not RuntimeError else g, w, max(1e-8, rtol), f"{name}, derivative {i}")


@every
def test_shapes_and_prints(case: Case) -> None:
    ours, theirs = Made(fgrad, case, "float32", False).d, Made(torch, case, "float32", False).d
    for a, b in ((ours, theirs), (ours.expand((3, *ours.batch_shape)), theirs.expand((3, *theirs.batch_shape)))):
        assert repr(a) == repr(b).replace("torch.", "fgrad.")
        for name in ("batch_shape", "event_shape", "has_rsample", "has_enumerate_support"):
            assert getattr(a, name) == getattr(b, name), name
        assert repr(a.support) == repr(b.support).replace("torch.", "fgrad.")
        assert repr(a.arg_constraints) == repr(b.arg_constraints)
        assert type(a).__name__ == type(b).__name__
        for n in ((), (4,), (2, 3)):
            x, y = a.sample(n), b.sample(n)
            assert tuple(x.shape) == tuple(y.shape)
            assert str(x.dtype).split(".")[1] == str(y.dtype).split(".")[1]
            assert not x.requires_grad
            assert bool(a.support.check(x).all())
        assert tuple(a.log_prob(a.sample((5,))).shape) == tuple(b.log_prob(b.sample((5,))).shape)


@every
def test_samples_have_the_moments(case: Case) -> None:
    fgrad.manual_seed(3)
    made = Made(fgrad, case, "float64")
    d = made.d
    x = d.sample((20_000,)).double()
    if type(d).__name__ in ("VonMises", "Categorical") or isinstance(made.ask("mean"), type):
        return
    mean, var = d.mean.detach().numpy(), d.variance.detach().numpy()
    with np.errstate(invalid="ignore"):
        far = np.abs(x.mean(0).numpy() - mean) / np.sqrt(var / 20_000)
    assert np.all((far < 5) | ~np.isfinite(var) | ~np.isfinite(mean)), far


@pytest.mark.parametrize("case", [c for c in CASES if c.cdf], ids=lambda c: c.name)
def test_samples_follow_the_law(case: Case) -> None:
    fgrad.manual_seed(5)
    d = Made(fgrad, case, "float64").d
    x = d.sample((4000,))
    x = x.reshape(4000, -1)[:, 0].numpy()
    law = eval(case.cdf, {}, vars(stats))
    if case.whole:
        k = np.arange(0, 40)
        expected = law.pmf(k) * 4000
        keep = expected > 5
        counts = np.array([(x == i).sum() for i in k])
        found, wanted = np.append(counts[keep], 4000 - counts[keep].sum()), np.append(expected[keep], 4000 - expected[keep].sum())
        assert stats.chisquare(found[wanted > 1e-6], wanted[wanted > 1e-6] * found[wanted > 1e-6].sum() / wanted[wanted > 1e-6].sum()).pvalue > 1e-3
    else:
        assert stats.kstest(x, law.cdf).pvalue > 1e-3


def test_the_mode_of_kumaraswamy_is_where_the_density_is_highest() -> None:
    d = fgrad.distributions.Kumaraswamy(fgrad.tensor([2.0, 3.0, 0.5, 1.0]), fgrad.tensor([3.0, 1.5, 2.0, 2.0]))
    x = fgrad.linspace(0.0005, 0.9995, 1999)
    best = x[d.log_prob(x[:, None]).argmax(0)]
    np.testing.assert_allclose(d.mode[:2].numpy(), best[:2].numpy(), atol=1e-3)
    assert fgrad.isnan(d.mode[2])
    assert d.mode[3] == 0


def test_von_mises_around_another_angle() -> None:
    fgrad.manual_seed(8)
    x = fgrad.distributions.VonMises(fgrad.tensor(3.0), fgrad.tensor(4.0)).sample((4000,))
    assert bool(((x >= -np.pi) & (x < np.pi)).all())
    assert stats.kstest((x.numpy() - 3.0 + np.pi) % (2 * np.pi) - np.pi, stats.vonmises(4.0).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("dim", "concentration"), [(2, 0.7), (3, 2.0), (4, 1.0)])
def test_correlations_of_lkj_are_beta(dim: int, concentration: float) -> None:
    fgrad.manual_seed(8)
    factor = fgrad.distributions.LKJCholesky(dim, concentration).sample((4000,))
    r = (factor @ factor.mT).numpy()
    law = stats.beta(concentration + dim / 2 - 1, concentration + dim / 2 - 1)
    for i in range(dim):
        for j in range(i):
            assert stats.kstest((r[:, i, j] + 1) / 2, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["MultivariateNormal", "MultivariateNormal of a precision", "LowRankMultivariateNormal"])
def test_normal_vectors_have_their_covariance(name: str) -> None:
    fgrad.manual_seed(8)
    d = Made(fgrad, next(c for c in CASES if c.name == name), "float64", False).d
    np.testing.assert_allclose(np.cov(d.sample((40_000,)).numpy().T), d.covariance_matrix.numpy(), atol=0.06)


def test_marginals_of_dirichlet_and_relaxed_draws() -> None:
    fgrad.manual_seed(8)
    x = fgrad.distributions.Dirichlet(fgrad.tensor([0.5, 2.0, 3.0])).sample((4000,)).numpy()
    for i, a in enumerate((0.5, 2.0, 3.0)):
        assert stats.kstest(x[:, i], stats.beta(a, 5.5 - a).cdf).pvalue > 1e-3
    logit = fgrad.distributions.RelaxedBernoulli(fgrad.tensor(0.5), probs=fgrad.tensor(0.3)).sample((4000,)).logit()
    assert stats.kstest(logit.numpy(), stats.logistic(np.log(0.3 / 0.7) / 0.5, 2.0).cdf).pvalue > 1e-3
    p = fgrad.tensor([0.2, 0.3, 0.5])
    best = fgrad.distributions.RelaxedOneHotCategorical(fgrad.tensor(0.5), p).sample((6000,)).argmax(-1)
    index = fgrad.distributions.Categorical(p).sample((6000,))
    counts = fgrad.distributions.Multinomial(6000, p).sample()
    for found in (best.bincount(), index.bincount(), counts):
        assert stats.chisquare(found.numpy(), 6000 * np.array([0.2, 0.3, 0.5])).pvalue > 1e-3
