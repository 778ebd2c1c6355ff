"""fgrad.random's distributions against SciPy's (fixed keys), under vmap and jit, and their derivatives against JAX's."""

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import random

scipy = pytest.importorskip("scipy")
stats = pytest.importorskip("scipy.stats")
KEY, N = random.key(11), (20_000,)

CONTINUOUS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("gamma", (0.2,), stats.gamma(0.2)), ("gamma", (1.0,), stats.gamma(1.0)), ("gamma", (7.5,), stats.gamma(7.5)),
    ("gamma", (3000.0,), stats.gamma(3000.0)), ("loggamma", (0.5,), stats.loggamma(0.5)), ("beta", (0.5, 2.0), stats.beta(0.5, 2.0)),
    ("chisquare", (3.0,), stats.chi2(3)), ("f", (3.0, 7.0), stats.f(3, 7)), ("t", (2.5,), stats.t(2.5)), ("wald", (2.0,), stats.invgauss(2.0)),
    ("pareto", (3.0,), stats.pareto(3.0)), ("rayleigh", (2.0,), stats.rayleigh(scale=2.0)), ("lognormal", (0.5,), stats.lognorm(0.5)),
    ("triangular", (1.0, 2.0, 5.0), stats.triang(0.25, 1, 4)), ("weibull_min", (2.0, 1.5), stats.weibull_min(1.5, scale=2.0)),
    ("maxwell", (), stats.maxwell()), ("generalized_normal", (1.5,), stats.gennorm(1.5)), ("generalized_normal", (4.0,), stats.gennorm(4.0)),
    ("cauchy", (), stats.cauchy()), ("laplace", (), stats.laplace()), ("logistic", (), stats.logistic()), ("gumbel", (), stats.gumbel_r()),
    ("truncated_normal", (-1.0, 2.0), stats.truncnorm(-1, 2)), ("exponential", (), stats.expon()), ("normal", (), stats.norm()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "law"), CONTINUOUS, ids=lambda v: str(v)[:20])
def test_distribution_functions(name: str, args: Any, law: Any) -> None:
    for seed, dtype in ((KEY, "float32"), (random.key(5), "float64")):
        x = getattr(random, name)(seed, *args, shape=N, dtype=dtype)
        assert x.dtype == dtype
        assert stats.kstest(np.asarray(x, np.float64), law.cdf).pvalue > 1e-3


COUNTS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("poisson", (0.3,), stats.poisson(0.3)), ("poisson", (9.5,), stats.poisson(9.5)), ("poisson", (10.5,), stats.poisson(10.5)),
    ("poisson", (300.0,), stats.poisson(300)), ("geometric", (0.3,), stats.geom(0.3)), ("geometric", (1.0,), stats.geom(1.0)),
    ("binomial", (20, 0.2), stats.binom(20, 0.2)), ("binomial", (20, 0.9), stats.binom(20, 0.9)), ("binomial", (100, 0.3), stats.binom(100, 0.3)),
    ("binomial", (1000, 0.96), stats.binom(1000, 0.96)), ("binomial", (7, 0.0), stats.binom(7, 0.0)), ("binomial", (7, 1.0), stats.binom(7, 1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "law"), COUNTS, ids=lambda v: str(v)[:20])
def test_counts(name: str, args: Any, law: Any) -> None:
    x = np.asarray(getattr(random, name)(KEY, *args, shape=N)).astype(int)
    values = np.arange(x.min(), x.max() + 1)
    expected, seen = law.pmf(values) * x.size, np.array([(x == v).sum() for v in values])
    usual = expected > 5
    assert ((seen - expected)[usual] ** 2 / expected[usual]).sum() < usual.sum() + 5 * np.sqrt(2 * usual.sum()) + 1
    assert expected.sum() > 0.999 * x.size
    mean = law.pmf(values) @ values
    assert abs(x.mean() - mean) <= 3.5 * np.sqrt(law.pmf(values) @ (values - mean) ** 2 / x.size) + 1e-9


def test_vectors() -> None:
    cov = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]], "f4")
    for method in ("cholesky", "eigh", "svd"):
        x = np.asarray(random.multivariate_normal(KEY, jnp.array([1.0, 0.0, -1.0]), cov, N, method=method))
        np.testing.assert_allclose(np.cov(x.T), cov, atol=0.08)
        np.testing.assert_allclose(x.mean(0), [1, 0, -1], atol=0.05)
    assert random.multivariate_normal(KEY, jnp.zeros((4, 3)), cov).shape == (4, 3)
    assert random.multivariate_normal(KEY, jnp.zeros(3), jnp.asarray(np.stack([cov] * 5))).shape == (5, 3)
    alpha = jnp.array([0.5, 2.0, 3.0])
    x = np.asarray(random.dirichlet(KEY, alpha, N))
    np.testing.assert_allclose(x.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(x.mean(0), np.asarray(alpha) / 5.5, atol=0.01)
    assert stats.kstest(x[:, 1].astype(float), stats.beta(2.0, 3.5).cdf).pvalue > 1e-3
    counts = np.asarray(random.multinomial(KEY, 50, jnp.array([0.2, 0.3, 0.5]), shape=(4000, 3)))
    assert (counts.sum(-1) == 50).all()
    np.testing.assert_allclose(counts.mean(0), [10, 15, 25], atol=0.25)
    np.testing.assert_allclose(np.cov(counts.T)[0, 1], -50 * 0.2 * 0.3, atol=0.5)
    assert np.asarray(random.multinomial(KEY, jnp.array([3, 9]), jnp.array([0.5, 0.5]))).sum(-1).tolist() == [3, 9]


def test_balls_and_orthogonal_matrices() -> None:
    for p in (1, 2, 4):
        x = np.abs(np.asarray(random.ball(KEY, 3, p, (5000,)), np.float64))
        radius = (x**p).sum(-1) ** (1 / p)
        assert stats.kstest(radius, lambda r: r**3).pvalue > 1e-3
    for n, m in ((4, 4), (4, 2), (2, 4)):
        q = np.asarray(random.orthogonal(KEY, n, (3,), m=m))
        assert q.shape == (3, n, m)
        small = q @ q.mT if n < m else q.mT @ q
        np.testing.assert_allclose(small, np.broadcast_to(np.eye(min(n, m)), small.shape), atol=1e-6)
    q = np.asarray(random.orthogonal(KEY, 2, (4000,)))
    assert abs(q[:, 0, 0].mean()) < 0.05
    assert abs((np.linalg.det(q) > 0).mean() - 0.5) < 0.04
    x = np.asarray(random.double_sided_maxwell(KEY, 1.0, 2.0, N), np.float64)
    assert stats.kstest(np.abs(x - 1) / 2, stats.maxwell().cdf).pvalue > 1e-3
    assert abs((x > 1).mean() - 0.5) < 0.02


@pytest.mark.parametrize("draw", [
    lambda k: random.gamma(k, 2.0), lambda k: random.poisson(k, 20.0), lambda k: random.poisson(k, 2.0), lambda k: random.beta(k, 2.0, 3.0),
    lambda k: random.binomial(k, 50, 0.4), lambda k: random.dirichlet(k, jnp.ones(3)), lambda k: random.t(k, 3.0, (2,)),
    lambda k: random.multivariate_normal(k, jnp.zeros(2), jnp.eye(2)), lambda k: random.orthogonal(k, 3), lambda k: random.multinomial(k, 9, jnp.ones(3) / 3),
])  # fmt: skip
def test_one_draw_a_key_under_vmap_and_jit(draw: Any) -> None:
    keys = random.split(KEY, 6)
    wanted = np.stack([np.asarray(draw(k)) for k in keys])
    np.testing.assert_allclose(np.asarray(fgrad.vmap(draw)(keys)), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(fgrad.jit(fgrad.vmap(draw))(keys)), wanted, rtol=1e-5, atol=1e-6)


def test_derivatives_of_gamma_draws() -> None:
    jax = pytest.importorskip("jax")
    a = np.array([0.03, 0.3, 1.0, 3.0, 40.0, 900.0])
    x = np.asarray(random.gamma(KEY, a, dtype="float64"))
    with jax.enable_x64(True):
        want = np.asarray(jax.lax.random_gamma_grad(a, x))
    got = fgrad.grad(lambda a: random.gamma(KEY, a, dtype="float64").sum())(jnp.asarray(a))
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-7)
    e = 1e-4  # and the definition: P(a, x(a)) stays
    for ai, xi, g in zip(a, x, np.asarray(got), strict=True):
        p = stats.gamma(ai).cdf(xi)
        moved = (stats.gamma(ai * (1 + e)).ppf(p) - stats.gamma(ai * (1 - e)).ppf(p)) / (2 * e * ai)
        np.testing.assert_allclose(g, moved, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("draw", "slope"), [
    (lambda a: random.beta(KEY, a, 2.0, (8000,)), 2 / 3.5**2), (lambda a: random.t(KEY, a + 8, (8000,)) ** 2, -2 / 7.5**2),
    (lambda a: random.chisquare(KEY, a, (8000,)), 1.0), (lambda a: random.f(KEY, 4.0, a + 8, (8000,)), -2 / 7.5**2),
    (lambda a: random.dirichlet(KEY, jnp.stack([a, a * 0 + 2.0]), (8000,))[:, 0], 2 / 3.5**2),
])  # fmt: skip
def test_gradients_of_means(draw: Any, slope: float) -> None:
    """The gradient of a mean over draws is near that of the true mean."""
    got = float(fgrad.grad(lambda a: draw(a).mean())(jnp.array(1.5)))
    assert abs(got - slope) < 0.1 * abs(slope)


def test_location_and_scale_are_differentiable() -> None:
    z = fgrad.grad(lambda s: random.rayleigh(KEY, s, (3,)).sum())(jnp.array(2.0))
    np.testing.assert_allclose(float(z), float(random.rayleigh(KEY, 1.0, (3,)).sum()), rtol=1e-5)
    m, v = jnp.zeros(2), jnp.array([[2.0, 0.5], [0.5, 1.0]])
    g = fgrad.grad(lambda m: random.multivariate_normal(KEY, m, v).sum())(m)
    assert g.tolist() == [1.0, 1.0]


def test_keys() -> None:
    assert random.key_impl(KEY) == "philox4x32"
    assert jnp.array_equal(random.clone(KEY), KEY)
    assert random.key(3, impl="philox4x32").tolist() == random.PRNGKey(3).tolist()
    assert random.wrap_key_data(random.key_data(KEY)).tolist() == KEY.tolist()
    with pytest.raises(fgrad.errors.ArgumentError, match="no generator 'rbg'"):
        random.key(3, impl="rbg")


def test_errors() -> None:
    with pytest.raises(fgrad.errors.ShapeError, match="multivariate_normal"):
        random.multivariate_normal(KEY, jnp.zeros(2), jnp.eye(3))
    with pytest.raises(fgrad.errors.ArgumentError, match="method is 'lu'"):
        random.multivariate_normal(KEY, jnp.zeros(2), jnp.eye(2), method="lu")
    with pytest.raises(fgrad.errors.ArgumentError, match="alpha is a vector"):
        random.dirichlet(KEY, 1.0)
    with pytest.raises(fgrad.errors.DtypeError, match="draws floats"):
        random.gamma(KEY, 1.0, dtype="int32")
