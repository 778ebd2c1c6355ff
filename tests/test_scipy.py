"""fgrad.scipy against SciPy: special functions, distributions, transforms, filters, interpolation, optimisation; gradients against JAX."""

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import scipy as fs

scipy = pytest.importorskip("scipy")
special = pytest.importorskip("scipy.special")
stats = pytest.importorskip("scipy.stats")
linalg = pytest.importorskip("scipy.linalg")
signal = pytest.importorskip("scipy.signal")
ndimage = pytest.importorskip("scipy.ndimage")
R = np.random.default_rng(0)
POS, ANY, UNIT = np.array([0.2, 0.9, 1.0, 2.5, 7.0, 30.0]), np.array([-4.3, -1.5, -0.2, 0.3, 1.0, 6.5]), np.array([0.01, 0.2, 0.5, 0.7, 0.9, 0.999])


def close(mine: Any, theirs: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(mine), theirs, rtol=rtol, atol=atol)


SPECIAL: list[tuple[str, tuple[Any, ...]]] = [
    *[(n, (ANY,)) for n in "erf erfc erfcx expit ndtr log_ndtr gammaln gammasgn gamma digamma psi i0 i0e i1 i1e".split()],
    *[(n, (UNIT,)) for n in "erfinv logit ndtri entr".split()], ("entr", (ANY,)), ("loggamma", (POS,)), ("factorial", (POS,)),
    ("beta", (POS, POS[::-1].copy())), ("betaln", (POS, UNIT)), ("xlogy", (np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 3.0]))),
    ("xlog1py", (ANY, POS)), ("zeta", (POS + 1, POS)), ("gammainc", (POS, POS[::-1].copy())), ("gammaincc", (POS, POS[::-1].copy())),
    ("betainc", (POS, POS[::-1].copy(), UNIT)), ("betainc", (POS[:, None], POS[None], np.array(0.3))), ("boxcox", (POS, ANY)), ("boxcox", (POS, 0.0)),
    ("boxcox1p", (POS, ANY)), ("rel_entr", (POS, UNIT)), ("rel_entr", (np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.0, 1.0]))), ("kl_div", (POS, UNIT)),
    ("comb", (np.array([5.0, 7.0, 3.0, 0.0]), np.array([2.0, 0.0, 4.0, 0.0]))), ("poch", (POS, UNIT)), ("polygamma", (2, POS)), ("polygamma", (np.array([0.0, 1.0, 3.0])[:, None], POS)), ("multigammaln", (POS + 2, 3)),
    ("logsumexp", (ANY,)), ("softmax", (ANY,)), ("log_softmax", (ANY,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), SPECIAL, ids=lambda v: v if isinstance(v, str) else "")
def test_special_functions(name: str, args: Any) -> None:
    mine = getattr(fs.special, name)
    want = getattr(special, name)(*args)
    close(mine(*args), want)
    if name not in ("polygamma", "multigammaln"):
        close(fgrad.jit(mine)(*[jnp.asarray(a) for a in args]), want)
        assert mine(*[jnp.asarray(a).astype("float32") for a in args]).dtype == "float32"


@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "betainc", "gammaln", "ndtri", "log_ndtr", "i1e", "zeta", "betaln", "entr", "rel_entr"])
def test_gradients_of_special_functions(name: str) -> None:
    args = {"gammainc": (POS, POS[::-1].copy()), "gammaincc": (POS, POS[::-1].copy()), "betainc": (POS, POS[::-1].copy(), UNIT), "zeta": (POS + 1, POS),
            "betaln": (POS, UNIT), "rel_entr": (POS, UNIT)}.get(name, (UNIT,))  # fmt: skip
    mine, theirs = getattr(fs.special, name), getattr(special, name)
    argnum = 2 if name == "betainc" else 1 if name == "zeta" else tuple(range(len(args)))
    got = fgrad.grad(lambda *xs: mine(*xs).sum(), argnums=argnum)(*[jnp.asarray(a) for a in args])
    for i, g in zip(np.atleast_1d(argnum), got if isinstance(got, tuple) else (got,), strict=True):
        e = 1e-6 * args[i]
        up, down = [a + e if j == i else a for j, a in enumerate(args)], [a - e if j == i else a for j, a in enumerate(args)]
        close(g, (theirs(*up) - theirs(*down)) / (2 * e), rtol=2e-5, atol=1e-8)


LAWS: list[tuple[str, tuple[Any, ...], str]] = [
    ("norm", (), "logpdf pdf cdf logcdf sf logsf ppf isf"), ("uniform", (), "logpdf pdf cdf sf ppf"), ("expon", (), "logpdf cdf logcdf sf logsf ppf"),
    ("gamma", (2.5,), "logpdf pdf cdf sf logsf"), ("chi2", (3.0,), "logpdf cdf sf"), ("beta", (2.0, 0.5), "logpdf cdf sf logcdf"), ("t", (3.0,), "logpdf cdf sf"),
    ("laplace", (), "logpdf cdf sf ppf isf"), ("cauchy", (), "logpdf cdf sf ppf isf"), ("logistic", (), "logpdf cdf logcdf sf logsf ppf isf"),
    ("pareto", (2.5,), "logpdf cdf sf logsf ppf"), ("truncnorm", (-1.0, 2.0), "logpdf pdf cdf logcdf sf logsf"), ("truncnorm", (3.0, 5.0), "logpdf cdf sf"),
    ("gennorm", (1.5,), "logpdf cdf sf"), ("gumbel_r", (), "logpdf cdf logcdf sf ppf"), ("gumbel_l", (), "logpdf cdf sf logsf ppf"),
    ("lognorm", (0.5,), "logpdf cdf sf ppf"), ("vonmises", (2.0,), "logpdf pdf"), ("wrapcauchy", (0.4,), "logpdf pdf"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shapes", "methods"), LAWS, ids=lambda v: str(v)[:12])
def test_continuous_distributions(name: str, shapes: Any, methods: str) -> None:
    x = np.array([-3.0, -0.7, 0.0, 0.1, 0.5, 0.9, 1.0, 1.5, 3.2, 8.0])
    if name == "vonmises":
        x = x[np.abs(x) < 3]
    for method in methods.split():
        mine, theirs = getattr(getattr(fs.stats, name), method), getattr(getattr(stats, name), method)
        for loc, scale in ((0.0, 1.0), (0.3, 2.5)):
            at = np.linspace(0.01, 0.99, 9) if method in ("ppf", "isf") else x * scale + loc
            with np.errstate(all="ignore"):
                want = theirs(at, *shapes, loc=loc, scale=scale)
            close(mine(at, *shapes, loc=loc, scale=scale), want, rtol=1e-7, atol=1e-10)
        close(fgrad.jit(mine)(jnp.asarray(at), *[jnp.asarray(np.float64(s)) for s in (*shapes, 0.3, 2.5)]), want, rtol=1e-7, atol=1e-10)


COUNTED: list[tuple[str, tuple[Any, ...], str]] = [
    ("poisson", (2.5,), "logpmf pmf cdf sf"), ("bernoulli", (0.3,), "logpmf pmf cdf"), ("binom", (7, 0.3), "logpmf pmf cdf"), ("binom", (7, 0.0), "pmf cdf"),
    ("geom", (0.3,), "logpmf pmf cdf"), ("nbinom", (3, 0.4), "logpmf pmf cdf"), ("betabinom", (7, 2.0, 3.0), "logpmf pmf"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shapes", "methods"), COUNTED, ids=lambda v: str(v)[:12])
def test_discrete_distributions(name: str, shapes: Any, methods: str) -> None:
    k = np.array([-1.0, 0, 1, 2, 2.5, 3, 7, 8])
    for method in methods.split():
        mine, theirs = getattr(getattr(fs.stats, name), method), getattr(getattr(stats, name), method)
        for loc in (0, 1):
            close(mine(k, *shapes, loc=loc), theirs(k, *shapes, loc=loc), rtol=1e-8)
    q = np.array([0.0, 0.2, 0.7, 0.71, 1.0])
    close(fs.stats.bernoulli.ppf(q, 0.3), stats.bernoulli.ppf(q, 0.3))


def test_distributions_of_vectors() -> None:
    x, mean = R.normal(size=(4, 3)), np.array([0.5, -1.0, 0.0])
    cov = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 0.7]])
    close(fs.stats.multivariate_normal.logpdf(x, mean, cov), stats.multivariate_normal(mean, cov).logpdf(x))
    close(fs.stats.multivariate_normal.pdf(x[0], mean, cov), stats.multivariate_normal(mean, cov).pdf(x[0]))
    close(fs.stats.multivariate_normal.logpdf(x, mean, np.stack([cov] * 4)), stats.multivariate_normal(mean, cov).logpdf(x))
    close(fs.stats.multivariate_normal.logpdf(0.3, 1.0, 2.0), stats.norm(1, 2**0.5).logpdf(0.3), rtol=1e-6)
    p, alpha = np.array([0.2, 0.3, 0.5]), np.array([0.5, 2.0, 3.0])
    close(fs.stats.dirichlet.logpdf(p, alpha), stats.dirichlet(alpha).logpdf(p))
    close(fs.stats.dirichlet.pdf(p[:-1], alpha), stats.dirichlet(alpha).pdf(p))
    counts = np.array([[1, 2, 3], [0, 0, 6], [1, 1, 1]])
    close(fs.stats.multinomial.pmf(counts, 6, p), stats.multinomial(6, p).pmf(counts))


def test_gradients_of_log_densities() -> None:
    """Finite everywhere, also outside the support, and the score where it is known."""
    x = jnp.array([-1.0, 0.25, 0.5, 3.0])
    for name, shapes in (("gamma", (2.0,)), ("beta", (2.0, 3.0)), ("pareto", (2.0,)), ("expon", ()), ("lognorm", (1.0,)), ("truncnorm", (-2.0, 2.0))):
        g = fgrad.grad(lambda x: jnp.sum(jnp.where(x == 0.5, getattr(fs.stats, name).logpdf(x, *shapes), 0.0)))(x)
        assert bool(jnp.isfinite(g).all()), name
    close(fgrad.grad(lambda m: fs.stats.norm.logpdf(1.5, m, 2.0))(jnp.array(0.5)), 1.0 / 4, rtol=1e-6)


def test_missing_formulas_and_wrong_arguments_say_so() -> None:
    with pytest.raises(fgrad.errors.RuleError, match=r"vonmises\.ppf has no formula"):
        fs.stats.vonmises.ppf(0.5, 3.0)
    with pytest.raises(TypeError, match="gamma takes x, a, loc, scale"):
        fs.stats.gamma.pdf(1.0)
    with pytest.raises(fgrad.errors.ArgumentError, match="type 3"):
        fs.fft.dct(np.ones(3), type=3)
    with pytest.raises(fgrad.errors.ArgumentError, match="boundary"):
        fs.signal.convolve2d(np.ones((2, 2)), np.ones((2, 2)), boundary="wrap")
    with pytest.raises(fgrad.errors.ArgumentError, match="map_coordinates"):
        fs.ndimage.map_coordinates(np.ones((2, 2)), [np.ones(1)] * 2, order=3)
    with pytest.raises(fgrad.errors.ArgumentError, match="no pivoting"):
        fs.linalg.qr(np.ones((2, 2)), pivoting=True)
    with pytest.raises(fgrad.errors.ShapeError, match="x0"):
        fs.optimize.minimize(jnp.sum, jnp.ones((2, 2)), method="BFGS")


@pytest.mark.parametrize("lower", [True, False])
def test_triangular_and_cholesky(lower: bool) -> None:
    m = R.normal(size=(4, 4))
    a, b = m @ m.T + np.eye(4), R.normal(size=(4, 2))
    half = np.tril(a) if lower else np.triu(a)
    close(fs.linalg.cholesky(half, lower=lower), linalg.cholesky(a, lower=lower))
    close(fs.linalg.cho_solve(fs.linalg.cho_factor(half, lower=lower), b), np.linalg.solve(a, b))
    close(fs.linalg.cho_solve(fs.linalg.cho_factor(half, lower=lower), b[:, 0]), np.linalg.solve(a, b[:, 0]))
    close(fs.linalg.solve(half, b, assume_a="pos", lower=lower), np.linalg.solve(a, b))
    for trans in (0, 1, 2):
        close(fs.linalg.solve_triangular(m, b, trans=trans, lower=lower), linalg.solve_triangular(m, b, trans=trans, lower=lower))
    close(fs.linalg.solve_triangular(m, b[:, 0], lower=lower, unit_diagonal=True), linalg.solve_triangular(m, b[:, 0], lower=lower, unit_diagonal=True))
    close(fs.linalg.eigh(half, lower=lower, eigvals_only=True), np.linalg.eigvalsh(a))
    w, v = fs.linalg.eigh(a, a + np.eye(4), lower=lower)
    close(w, linalg.eigh(a, a + np.eye(4))[0])
    close(a @ np.asarray(v), (a + np.eye(4)) @ np.asarray(v) * np.asarray(w), atol=1e-9)


def test_factorisations() -> None:
    a, b = R.normal(size=(4, 4)), R.normal(size=(4, 2))
    for i, want in enumerate(linalg.lu(a)):
        close(fs.linalg.lu(a)[i], want)
    close(fs.linalg.lu(a, permute_l=True)[0], linalg.lu(a, permute_l=True)[0])
    packed, pivots = fs.linalg.lu_factor(a)
    close(packed, linalg.lu_factor(a)[0])
    assert np.asarray(pivots).tolist() == linalg.lu_factor(a)[1].tolist()
    for trans in (0, 1, 2):
        close(fs.linalg.lu_solve((packed, pivots), b, trans), linalg.lu_solve(linalg.lu_factor(a), b, trans))
    z = a + 1j * R.normal(size=(4, 4))
    close(fs.linalg.lu_solve(fs.linalg.lu_factor(z), b.astype(complex), 1), np.linalg.solve(z.T, b))
    close(fs.linalg.solve(a, b), np.linalg.solve(a, b))
    tall = a[:, :2]
    for mode in ("full", "economic"):
        q, r = fs.linalg.qr(tall, mode=mode)
        close(np.asarray(q) @ np.asarray(r), tall)
        assert q.shape == linalg.qr(tall, mode=mode)[0].shape
    close(abs(np.asarray(fs.linalg.qr(tall, mode="r")[0])), abs(linalg.qr(tall, mode="r")[0]), atol=1e-9)
    u, s, vh = map(np.asarray, fs.linalg.svd(tall, full_matrices=False))
    close(u * s @ vh, tall)
    close(fs.linalg.svd(tall, compute_uv=False), linalg.svdvals(tall))
    close(fs.linalg.expm(a), linalg.expm(a))
    close(np.asarray(fs.linalg.sqrtm(a @ a.T)).real, linalg.sqrtm(a @ a.T), rtol=1e-6)
    for side in ("right", "left"):
        for x, y in zip(fs.linalg.polar(a, side), linalg.polar(a, side), strict=True):
            close(x, y)
    close(fs.linalg.inv(a), linalg.inv(a))
    close(fs.linalg.det(a), linalg.det(a))


def test_special_matrices() -> None:
    c, r = np.array([1.0, 2.0, 3.0]), np.array([9.0, 4.0, 5.0, 6.0])
    close(fs.linalg.toeplitz(c), linalg.toeplitz(c))
    close(fs.linalg.toeplitz(c, r), linalg.toeplitz(c, r))
    close(fs.linalg.hankel(c), linalg.hankel(c))
    close(fs.linalg.hankel(c, r), linalg.hankel(c, r))
    close(fs.linalg.circulant(c), linalg.circulant(c))
    close(fs.linalg.companion(c), linalg.companion(c))
    close(fs.linalg.hilbert(3), linalg.hilbert(3), rtol=1e-6)
    close(fs.linalg.hadamard(8), linalg.hadamard(8))
    for kind in ("symmetric", "lower", "upper"):
        close(fs.linalg.pascal(4, kind), linalg.pascal(4, kind))
    for scale in (None, "sqrtn", "n"):
        close(fs.linalg.dft(5, scale), linalg.dft(5, scale), rtol=1e-5, atol=1e-6)
    close(fs.linalg.block_diag(np.ones((2, 2)), 3.0, [1.0, 2.0]), linalg.block_diag(np.ones((2, 2)), 3.0, [1.0, 2.0]))


@pytest.mark.parametrize("n", [1, 4, 5])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_cosine_transforms(n: int, norm: Any) -> None:
    fft = pytest.importorskip("scipy.fft")
    x = R.normal(size=(3, 6))
    close(fs.fft.dct(x[:, :n], norm=norm), fft.dct(x[:, :n], norm=norm))
    close(fs.fft.idct(x[:, :n], norm=norm), fft.idct(x[:, :n], norm=norm))
    close(fs.fft.dct(x, n=n, axis=0, norm=norm), fft.dct(x, n=n, axis=0, norm=norm))
    close(fs.fft.dctn(x, norm=norm), fft.dctn(x, norm=norm))
    close(fs.fft.idctn(x, axes=(0,), norm=norm), fft.idctn(x, axes=(0,), norm=norm))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [((7,), (3,)), ((3,), (7,)), ((6, 5), (3, 2)), ((4, 4), (4, 4))])
def test_convolutions(n: Any, m: Any, mode: str) -> None:
    a, b = R.normal(size=n), R.normal(size=m)
    for name in ("convolve", "correlate", "fftconvolve", *(("convolve2d", "correlate2d") if len(n) == 2 else ())):
        if name in ("correlate", "correlate2d") and n < m:
            continue  # SciPy turns its result round here; JAX does not
        close(getattr(fs.signal, name)(a, b, mode=mode), getattr(signal, name)(a, b, mode=mode), rtol=1e-7, atol=1e-10)
    close(fs.signal.convolve(a, b, mode=mode, method="fft"), signal.convolve(a, b, mode=mode), rtol=1e-7, atol=1e-10)


def test_trends() -> None:
    x = R.normal(size=(3, 10))
    close(fs.signal.detrend(x), signal.detrend(x))
    close(fs.signal.detrend(x, axis=0, type="constant"), signal.detrend(x, axis=0, type="constant"))
    close(fs.signal.detrend(x, bp=[4]), signal.detrend(x, bp=[4]))


@pytest.mark.parametrize("mode", ["constant", "nearest", "wrap", "mirror", "reflect"])
@pytest.mark.parametrize("order", [0, 1])
def test_images_between_pixels(mode: str, order: int) -> None:
    image = R.normal(size=(5, 6))
    where = [R.uniform(0.1, 3.8, size=20), R.uniform(0.1, 4.8, size=20)]
    if mode not in ("constant", "wrap"):
        where = [w * 3 - 4 for w in where]
    want = ndimage.map_coordinates(image, where, order=order, mode=mode, cval=0.5)
    close(fs.ndimage.map_coordinates(image, where, order=order, mode=mode, cval=0.5), want)
    outside = [np.array([-3.0, 2.0, 9.0]), np.array([1.0, -2.0, 9.5])]
    close(fs.ndimage.map_coordinates(image, outside, order, "constant", 0.5), [0.5] * 3)


def test_regular_grids() -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    grid = (np.array([0.0, 1.0, 3.0]), np.array([-1.0, 0.0, 2.0, 5.0]))
    values = R.normal(size=(3, 4, 2))
    at = np.array([[0.2, 0.5], [1.0, 2.0], [2.9, 4.0], [3.0, 5.0], [4.0, 0.0], [-1.0, -2.0]])
    for method in ("linear", "nearest"):
        for fill in (np.nan, None, 7.0):
            mine = fs.interpolate.RegularGridInterpolator(grid, values, method, fill_value=fill)
            theirs = interpolate.RegularGridInterpolator(grid, values, method, bounds_error=False, fill_value=fill)
            close(mine(at), theirs(at))
    assert fs.integrate.trapezoid(jnp.array([1.0, 2.0, 3.0])).tolist() == 4.0


def test_ranks_and_errors_of_means() -> None:
    x = np.array([[3.0, 1.0, 3.0, 2.0, 1.0], [0.0, 0.0, 0.0, 5.0, -1.0]])
    for method in ("average", "min", "max", "dense", "ordinal"):
        close(fs.stats.rankdata(x, method), stats.rankdata(x, method).reshape(x.shape))
        close(fs.stats.rankdata(x, method, axis=1), stats.rankdata(x, method, axis=1))
    close(fs.stats.sem(x, axis=1), stats.sem(x, axis=1))
    x[0, 0] = np.nan
    close(fs.stats.sem(x, axis=1, nan_policy="omit"), stats.sem(x, axis=1, nan_policy="omit"))


def rosenbrock(x: Any) -> Any:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def himmelblau(x: Any, shift: Any) -> Any:
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7 + shift) ** 2


def test_minimize_finds_minima() -> None:
    x0 = np.array([1.3, 0.7, 0.8, 1.9])
    found = fs.optimize.minimize(rosenbrock, x0, method="BFGS", tol=1e-7)
    assert bool(found.success)
    assert int(found.status) == 0
    assert int(found.nit) < 80
    close(found.x, np.ones(4), rtol=1e-6)
    found = fgrad.jit(lambda x, s: fs.optimize.minimize(himmelblau, x, (s,), method="BFGS"))(jnp.array([1.0, 1.0]), 0.0)
    close(found.x, [3.0, 2.0], rtol=1e-4)
    rows = fgrad.vmap(lambda x: fs.optimize.minimize(lambda z: jnp.sum((z - 2) ** 4 + z**2), x, method="BFGS").x)(jnp.array([[0.0, 5.0], [1.0, -3.0]]))
    close(rows, np.full((2, 2), float(rows[0, 0])), rtol=1e-3)
    short = fs.optimize.minimize(rosenbrock, x0, method="BFGS", options={"maxiter": 2})
    assert not bool(short.success)
    assert int(short.status) == 1
    assert int(short.nit) == 2


def test_densities_of_samples() -> None:
    data, w = R.normal(size=(2, 30)), R.uniform(0.1, 1, size=30)
    at = R.normal(size=(2, 7))
    for method in (None, "silverman", 0.4, lambda k: k.neff ** (-1.0 / 5)):
        for weights in (None, w):
            mine, theirs = fs.stats.gaussian_kde(data, method, weights), stats.gaussian_kde(data, method, weights)
            close(mine.pdf(at), theirs.pdf(at), rtol=1e-8)
            close(mine.logpdf(at[:, 0]), theirs.logpdf(at[:, 0]), rtol=1e-8)
    line = fs.stats.gaussian_kde(data[0])
    close(fgrad.jit(lambda k, x: k(x))(line, jnp.asarray(at[0])), stats.gaussian_kde(data[0])(at[0]), rtol=1e-8)
    draws = np.asarray(mine.resample(fgrad.random.key(2), (4000,)))
    assert draws.shape == (2, 4000)
    close(draws.mean(1), (data * w).sum(1) / w.sum(), atol=0.1)
    close(np.cov(draws) / (np.asarray(mine.covariance) + np.cov(data, aweights=w, bias=True)), np.ones((2, 2)), atol=0.3)
    with pytest.raises(fgrad.errors.ArgumentError, match="bw_method='half'"):
        fs.stats.gaussian_kde(data, "half")
    with pytest.raises(fgrad.errors.ShapeError, match="weights"):
        fs.stats.gaussian_kde(data, weights=w[1:])


def test_modes() -> None:
    x = np.array([[3, 1, 3, 2, 1], [0, 0, 0, 5, 5]])
    for axis in (0, 1, None):
        for keep in (False, True):
            for a, b in zip(fs.stats.mode(x, axis, keepdims=keep), stats.mode(x, axis, keepdims=keep), strict=True):
                close(a, b)
    assert fs.special.comb(4.0, 2.0, repetition=True).round(3).tolist() == 10.0
