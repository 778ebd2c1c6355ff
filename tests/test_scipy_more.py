"""fgrad.scipy, continued, against SciPy: integrals, hypergeometric functions, quantiles, spectra, matrices; derivatives against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import scipy as fs

special = pytest.importorskip("scipy.special")
stats = pytest.importorskip("scipy.stats")
linalg = pytest.importorskip("scipy.linalg")
signal = pytest.importorskip("scipy.signal")
R = np.random.default_rng(0)
A, B, X, Q = R.uniform(0.2, 9, 30), R.uniform(0.2, 9, 30), R.uniform(0.02, 0.98, 30), R.uniform(0.02, 0.98, 30)
Z = R.uniform(-6, 6, 30)


def close(got: Any, want: Any, tol: float = 1e-9) -> None:
    got, want = got if isinstance(got, tuple) else (got,), want if isinstance(want, tuple) else (want,)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert np.shape(g) == np.shape(w)
        np.testing.assert_allclose(np.asarray(g), w, rtol=tol, atol=tol)


def difference(f: Any, args: Any, i: int) -> Any:
    e = 1e-6 * np.maximum(abs(args[i]), 0.1)
    up, down = [[a + s * e if j == i else a for j, a in enumerate(args)] for s in (1, -1)]
    return (f(*up) - f(*down)) / (2 * e)


SPECIAL: dict[str, tuple[Any, tuple[int, ...]]] = {
    "betainc": ((A, B, X), (0, 1, 2)), "betaincinv": ((A, B, Q), (0, 1, 2)), "gammaincinv": ((A, Q), (0, 1)), "hyp1f1": ((A, B, Z), (0, 1, 2)),
    "owens_t": ((Z, A), (0, 1)), "expn": ((np.full(30, 3.0), A), (1,)), "exp1": ((A,), (0,)), "expi": ((Z,), (0,)), "dawsn": ((Z,), (0,)),
    "spence": ((A,), (0,)), "hyp2f1": ((A, B, A + 1, X * 0.9), (3,)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(SPECIAL))
def test_special_functions_and_their_derivatives(name: str) -> None:
    args, wrt = SPECIAL[name]
    mine, theirs = getattr(fs.special, name), getattr(special, name)
    close(mine(*args), theirs(*args), 1e-12)
    for i in wrt:
        got = fgrad.grad(lambda *a: mine(*a).sum(), i)(*map(jnp.asarray, args))
        np.testing.assert_allclose(np.asarray(got), difference(theirs, args, i), rtol=5e-5, atol=1e-6)


def test_special_functions_of_several_results() -> None:
    close(fs.special.sici(A), special.sici(A))
    close(fs.special.fresnel(Z), special.fresnel(Z))
    close(fs.special.wofz(Z + 1j * A), special.wofz(Z + 1j * A))
    close(fs.special.wofz(Z), special.wofz(Z))
    close(fs.special.bernoulli(12), special.bernoulli(12), 1e-6)
    close(fs.special.bessel_jn(A, v=4), np.stack([special.jv(k, A) for k in range(5)]))
    n, m = np.array([0, 1, 2, 3, 3, 5, 5]), np.array([0, 1, -1, 2, -3, 0, -4])
    close(fs.special.sph_harm_y(n, m, A[:7] / 3, Z[:7]), special.sph_harm_y(n, m, A[:7] / 3, Z[:7]))
    got = fgrad.jit(lambda a, b: fs.special.sph_harm_y(n, m, a, b, n_max=5))(A[:7] / 3, Z[:7])
    close(got, special.sph_harm_y(n, m, A[:7] / 3, Z[:7]))
    for f in (lambda: fs.special.bernoulli(-1), lambda: fs.special.bessel_jn(A, v=-1), lambda: fs.special.sph_harm_y(1, 0, 0.0, 0.0, diff_n=1)):
        with pytest.raises(fgrad.errors.ArgumentError):
            f()


@pytest.mark.parametrize(("name", "shapes"), [("t", (A,)), ("gamma", (A,)), ("beta", (A, B)), ("chi2", (A,)), ("gennorm", (A,))])
def test_quantiles(name: str, shapes: Any) -> None:
    mine, theirs = getattr(fs.stats, name), getattr(stats, name)
    close(mine.ppf(Q, *shapes), theirs.ppf(Q, *shapes))
    close(mine.isf(Q, *shapes), theirs.isf(Q, *shapes), 1e-7)
    for method, first in (("ppf", Q), ("cdf", X if name == "beta" else Z)):
        args = (first, *shapes)
        for i in range(len(args)):
            got = fgrad.grad(lambda *a, method=method: getattr(mine, method)(*a).sum(), i)(*map(jnp.asarray, args))
            np.testing.assert_allclose(np.asarray(got), difference(getattr(theirs, method), args, i), rtol=1e-4, atol=1e-6)


def test_the_middle_of_the_t_distribution_and_the_entropy_of_poissons() -> None:
    z = np.float64(0)
    close(fgrad.grad(lambda z: fs.stats.t.cdf(z, 3.0))(z), stats.t.pdf(0, 3))
    close(fgrad.grad(lambda q: fs.stats.t.ppf(q, 3.0))(z + 0.5), 1 / stats.t.pdf(0, 3))
    mu = np.array([0.0, 0.5, 3, 50, 99, 101, 1000.0])
    close(fs.stats.poisson.entropy(mu), stats.poisson.entropy(mu), 1e-7)


SIGNALS = R.normal(size=(3, 100))
FRAMES: list[dict[str, Any]] = [
    {"nperseg": 64}, {"nperseg": 16}, {"nperseg": 16, "noverlap": 4, "nfft": 32, "fs": 10.0}, {"nperseg": 15},
    {"window": ("tukey", 0.3), "nperseg": 20}, {"window": np.arange(1.0, 11), "nperseg": 10}, {"return_onesided": False, "nperseg": 16},
]  # fmt: skip


@pytest.mark.parametrize("options", FRAMES, ids=lambda o: "-".join(o))
def test_spectra(options: dict[str, Any]) -> None:
    for boundary in ("even", "odd", "constant", "zeros", None):
        for padded in (True, False):
            more = {"boundary": boundary, "padded": padded, **options}
            close(fs.signal.stft(SIGNALS, **more), signal.stft(SIGNALS, **more))
            more["return_onesided"] = False
            close(fs.signal.stft(SIGNALS * (1 + 2j), detrend="linear", **more), signal.stft(SIGNALS * (1 + 2j), detrend="linear", **more))
    for more in ({}, {"average": "median"}, {"scaling": "spectrum"}, {"detrend": "linear"}, {"detrend": False}):
        close(fs.signal.welch(SIGNALS, **options, **more), signal.welch(SIGNALS, **options, **more))
        close(fs.signal.csd(SIGNALS, SIGNALS[:, :90] ** 2, **options, **more), signal.csd(SIGNALS, SIGNALS[:, :90] ** 2, **options, **more))
    close(fs.signal.welch(SIGNALS.T, axis=0, **options), signal.welch(SIGNALS.T, axis=0, **options))
    close(fs.signal.stft(SIGNALS.T, axis=0, **options), signal.stft(SIGNALS.T, axis=0, **options))


@pytest.mark.filterwarnings("ignore:NOLA")  # SciPy's, of ends without a boundary
@pytest.mark.parametrize("options", FRAMES, ids=lambda o: "-".join(o))
def test_inverse_of_stft(options: dict[str, Any]) -> None:
    _, _, z = signal.stft(SIGNALS, **options)
    given = {k: v for k, v in options.items() if k != "return_onesided"} | {"input_onesided": options.get("return_onesided", True)}
    for more, order in (({}, (0, 1, 2)), ({"boundary": False}, (0, 1, 2)), ({"time_axis": 0, "freq_axis": 2}, (2, 0, 1)), ({"time_axis": 2, "freq_axis": 0}, (1, 0, 2))):
        y = z.transpose(order)
        times, x = fs.signal.istft(y, **given, **more)
        close(x, signal.istft(y, **given, **more)[1])
        assert times.shape == (x.shape[0 if more.get("time_axis") == 0 else -1],)  # SciPy counts the first axis


def test_spectra_refuse_and_differentiate() -> None:
    for f in (lambda: fs.signal.stft(SIGNALS, nperseg=0), lambda: fs.signal.stft(SIGNALS, nperseg=8, noverlap=8), lambda: fs.signal.stft(SIGNALS, boundary="x"),
              lambda: fs.signal.welch(SIGNALS, scaling="x"), lambda: fs.signal.welch(SIGNALS, average="x"), lambda: fs.signal.welch(SIGNALS, nfft=8),
              lambda: fs.signal.welch(SIGNALS, window=np.ones((2, 2))), lambda: fs.signal.istft(np.ones(3))):  # fmt: skip
        with pytest.raises(fgrad.errors.ArgumentError):
            f()
    loss = lambda x: (fs.signal.welch(x, nperseg=16)[1] ** 2).sum()
    g = fgrad.grad(loss)(jnp.asarray(SIGNALS[0]))
    v = R.normal(size=100)
    theirs = lambda x: (signal.welch(x, nperseg=16)[1] ** 2).sum()
    np.testing.assert_allclose(np.asarray(g) @ v, (theirs(SIGNALS[0] + 1e-6 * v) - theirs(SIGNALS[0] - 1e-6 * v)) / 2e-6, rtol=1e-5)


M, C3, TALL = R.normal(size=(5, 5)), R.normal(size=(3, 3)), R.normal(size=(5, 3))
D, E4 = R.normal(size=5), R.normal(size=4)
MATRICES: dict[str, Any] = {
    "schur": lambda L: L.schur(M), "schur-complex": lambda L: L.schur(M, "complex"), "hessenberg": lambda L: L.hessenberg(M, calc_q=True),
    "hessenberg-complex": lambda L: L.hessenberg(M * (1 + 1j)), "sylvester": lambda L: L.solve_sylvester(M, C3, TALL),
    "tridiagonal": lambda L: L.eigh_tridiagonal(D, E4, eigvals_only=True),
    "tridiagonal-some": lambda L: L.eigh_tridiagonal(D, E4, eigvals_only=True, select="i", select_range=(1, 3)),
    "frechet": lambda L: L.expm_frechet(M, M @ M), "funm": lambda L: L.funm(M, lambda x: x**2).real,
    "convolution": lambda L: tuple(L.convolution_matrix(D, n, m) for n in (1, 3, 7) for m in ("full", "same", "valid")),
    "fiedler": lambda L: L.fiedler(D), "companion": lambda L: tuple(L.fiedler_companion(np.arange(2.0, 2 + n)) for n in range(2, 9)),
    "invpascal": lambda L: tuple(L.invpascal(4, k) for k in ("symmetric", "lower", "upper")), "invhilbert": lambda L: L.invhilbert(5),
    "leslie": lambda L: L.leslie(D, E4),
    "qr_multiply": lambda L: (*L.qr_multiply(M, TALL, "left"), *L.qr_multiply(M, TALL.T, pivoting=True), *L.qr_multiply(TALL, D),
                              *L.qr_multiply(TALL, D[:3], "left"), *L.qr_multiply(M, D, "left"),
                              *L.qr_multiply(M * (1 + 1j), TALL.T, conjugate=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MATRICES))
def test_matrices(name: str) -> None:
    close(MATRICES[name](fs.linalg), MATRICES[name](linalg))


def test_more_matrices() -> None:
    t, z = (np.asarray(y) for y in fs.linalg.rsf2csf(*linalg.schur(M)))
    close(z @ t @ z.conj().T, M.astype(complex))
    close(np.tril(t, -1), np.zeros((5, 5)))
    close(fs.linalg.helmert(5, True), linalg.helmert(5, True), 1e-6)
    close(fs.linalg.helmert(5), linalg.helmert(5), 1e-6)
    value, error = fs.linalg.funm(M, lambda x: x**2, disp=False)
    close(np.asarray(value).real, M @ M)
    assert 0 < float(error) < 1e-10
    for f in (lambda: fs.linalg.schur(M, "x"), lambda: fs.linalg.solve_sylvester(M, C3, M), lambda: fs.linalg.leslie(D, D), lambda: fs.linalg.rsf2csf(M, C3),
              lambda: fs.linalg.eigh_tridiagonal(D, E4, select="v"), lambda: fs.linalg.eigh_tridiagonal(D, E4, select="i"),
              lambda: fs.linalg.qr_multiply(M, D, "x"), lambda: fs.linalg.convolution_matrix(D, 0), lambda: fs.linalg.invpascal(3, "x"),
              lambda: fs.linalg.solve_sylvester(M, C3, TALL, method="x"), lambda: fs.linalg.fiedler_companion(M)):  # fmt: skip
        with pytest.raises(fgrad.errors.FgradError):
            f()
