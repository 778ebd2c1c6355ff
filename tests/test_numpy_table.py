"""One table of fgrad.numpy against jax.numpy (or NumPy): values and dtypes, jit, vmap, first derivatives.

A row is a call written once for both: `f(np, *arrays)`. Float rows run under jit and vmap and are differentiated unless
they say otherwise; the oracle computes in float64, fgrad in float32 and float64.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp

jax = pytest.importorskip("jax")

pytestmark = pytest.mark.oracle

rng = np.random.default_rng(7)
A = rng.normal(size=(3, 4))
B = rng.normal(size=(3, 4))
V, W = rng.normal(size=5), rng.normal(size=3)
N = np.where(rng.uniform(size=(3, 4)) < 0.3, np.nan, A)
N[0, 0] = 0.5
S = rng.normal(size=(2, 3, 3))
SPD = S @ S.swapaxes(-1, -2) + 3 * np.eye(3)
C = A + 1j * B
I = rng.integers(-9, 9, size=(3, 4))
J = rng.integers(1, 9, size=(3, 4))
U = rng.integers(0, 255, size=(3, 4)).astype(np.uint8)
M = A > 0
EDGES = np.array([-1.0, -0.2, 0.4, 1.5])
UP = np.sort(V)


@dataclasses.dataclass(frozen=True)
class Row:
    """A call `f(np, *arrays)`; grad: derivatives too; fixed: sizes depend on no values (jit, vmap); own: against NumPy."""

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    grad: bool = True
    fixed: bool = True
    own: bool = False
    kinds: bool = True


def row(name: str, f: Callable[..., Any], *args: Any, **given: Any) -> Row:
    floats = all(a.dtype.kind in "f" for a in args)
    given.setdefault("grad", floats)
    return Row(name, f, args, **given)


def simple(names: str, *args: Any, **given: Any) -> list[Row]:
    """Rows that call each name on the arguments."""
    return [row(f"{n}-{'-'.join(a.dtype.name for a in args)}", lambda np, *xs, n=n: getattr(np, n)(*xs), *args, **given) for n in names.split()]


ROWS = [
    *simple("real imag conj conjugate angle isreal iscomplex", A), *simple("real imag conj angle isreal iscomplex", C),
    *simple("fabs spacing", A, grad=False), *simple("nextafter", A, B, grad=False), *simple("gcd lcm", I, J),
    *simple("frexp", A, grad=False), *simple("bitwise_count", J, own=True), *simple("packbits unpackbits", U),
    row("packbits axis", lambda np, x: np.packbits(x, axis=1, bitorder="little"), M),
    row("unpackbits count", lambda np, x: np.unpackbits(x, axis=1, count=5), U),
    row("ldexp", lambda np, x, n: np.ldexp(x, n), A, I, grad=False),
    *simple("cumulative_sum cumulative_prod", V), row("cumulative_sum initial", lambda np, x: np.cumulative_sum(x, axis=1, include_initial=True), A),
    row("cumulative_prod initial", lambda np, x: np.cumulative_prod(x, axis=0, include_initial=True), A),
    *simple("nansum nanmean nanmax nanmin nanvar nanstd nanprod nanmedian nancumsum nancumprod nanargmax nanargmin", N, grad=False),
    *[row(f"{n} axis", lambda np, x, n=n: getattr(np, n)(x, axis=1), N, grad=False) for n in
      "nansum nanmean nanmax nanmin nanvar nanstd nanprod nanmedian nancumsum nancumprod nanargmax nanargmin".split()],
    row("nanvar ddof", lambda np, x: np.nanvar(x, axis=0, ddof=1, keepdims=True), N, grad=False),
    *[row(f"quantile {m}", lambda np, x, m=m: np.quantile(x, np.array([0.125, 0.5625]), axis=1, method=m), A, grad=m == "linear")
      for m in ("linear", "lower", "higher", "midpoint", "nearest")],
    row("quantile axes", lambda np, x: np.quantile(x, 0.3, axis=(0, 2), keepdims=True), S),
    row("percentile", lambda np, x: np.percentile(x, 30.0, axis=0), A), row("median", lambda np, x: np.median(x, axis=(0, 1)), A),
    row("nanquantile", lambda np, x: np.nanquantile(x, 0.4, axis=1), N, grad=False),
    row("nanpercentile", lambda np, x: np.nanpercentile(x, np.array([20.0, 60.0])), N, grad=False),
    row("sum out", lambda np, x: np.sum(x, 0, None, None, True), A), row("var where", lambda np, x: np.var(x, axis=1, where=x > -1), A, grad=False),
    row("std correction", lambda np, x: np.std(x, axis=0, correction=1), A), row("var complex", lambda np, x: np.var(x, axis=0), C),
    row("all where", lambda np, x, m: np.all(x, axis=1, where=m), M, I > 0),
    row("cov", lambda np, x: np.cov(x), A), row("cov y", lambda np, x, y: np.cov(x, y, ddof=0), A, B), row("cov complex", lambda np, x: np.cov(x), C),
    row("cov weights", lambda np, x: np.cov(x, fweights=np.array([1, 2, 1, 3]), aweights=np.array([0.125, 0.25, 0.375, 0.5])), A),
    row("cov columns", lambda np, x: np.cov(x, rowvar=False, bias=True), A), row("corrcoef", lambda np, x: np.corrcoef(x), A),
    row("corrcoef y", lambda np, x, y: np.corrcoef(x, y), A, B),
    row("histogram", lambda np, x: np.histogram(x, bins=np.array(EDGES)), A, grad=False), row("histogram 5", lambda np, x: np.histogram(x, 5), A, grad=False),
    row("histogram range", lambda np, x: np.histogram(x, 4, range=(-1.0, 1.0), density=True), A, grad=False),
    row("histogram weights", lambda np, x, w: np.histogram(x, 4, weights=w), A, B, grad=False),
    row("histogram_bin_edges", lambda np, x: np.histogram_bin_edges(x, 3), A, grad=False),
    row("histogram2d", lambda np, x, y: np.histogram2d(x, y, 3), V, UP, grad=False, kinds=False),
    row("histogramdd", lambda np, x: np.histogramdd(x, (2, 3)), A[:, :2], grad=False, kinds=False),
    *[row(f"searchsorted {s}", lambda np, x, v, s=s: np.searchsorted(x, v, side=s), UP, A, grad=False) for s in ("left", "right")],
    row("digitize", lambda np, x: np.digitize(x, np.array(EDGES)), A, grad=False),
    row("digitize falling", lambda np, x: np.digitize(x, np.array(EDGES[::-1].copy()), right=True), A, grad=False),
    *[row(f"convolve {m}", lambda np, x, y, m=m: np.convolve(x, y, m), V, W) for m in ("full", "same", "valid")],
    *[row(f"correlate {m}", lambda np, x, y, m=m: np.correlate(x, y, m), V, W) for m in ("full", "same", "valid")],
    row("convolve int", lambda np, x, y: np.convolve(x, y), I[0], J[1, :2]), row("correlate complex", lambda np, x, y: np.correlate(x, y, "full"), C[0], C[1]),
    row("polyval", lambda np, p, x: np.polyval(p, x), W, A), row("polyadd", lambda np, p, q: np.polyadd(p, q), W, V), row("polysub", lambda np, p, q: np.polysub(p, q), W, V),
    row("polymul", lambda np, p, q: np.polymul(p, q), W, V), row("polydiv", lambda np, p, q: np.polydiv(p, q), V, W), row("polyder", lambda np, p: np.polyder(p, 2), V),
    row("polyint", lambda np, p: np.polyint(p, 2), V), row("polyint k", lambda np, p: np.polyint(p, 2, k=np.array([1.0, 2.0])), V), row("poly", lambda np, p: np.poly(p), W),
    row("vander", lambda np, x: np.vander(x, 3, increasing=True), V), row("interp", lambda np, x, y: np.interp(x, y, y * 2, left=-1.0, right=7.0), A, UP, grad=False),
    row("interp period", lambda np, x, y: np.interp(x, y, y**2, period=1.3), A, UP, grad=False),
    row("gradient", lambda np, x: np.gradient(x), A), row("gradient spacing", lambda np, x: np.gradient(x, 2.0, 0.5), A),
    row("gradient points", lambda np, x: np.gradient(x, np.array([0.0, 1.0, 3.0, 3.5]), axis=1), A), row("gradient 2", lambda np, x: np.gradient(x, axis=1, edge_order=2), A, own=True),
    row("gradient points 2", lambda np, x: np.gradient(x, np.array([0.0, 1.0, 3.0, 3.5]), axis=1, edge_order=2), A, own=True),
    row("trapezoid", lambda np, y: np.trapezoid(y, dx=0.3, axis=0), A), row("trapezoid x", lambda np, y, x: np.trapezoid(y, x), A, B),
    row("ediff1d", lambda np, x: np.ediff1d(x, to_end=np.array([9.0]), to_begin=np.array([1.0])), A), row("unwrap", lambda np, x: np.unwrap(x * 5), A),
    row("diff ends", lambda np, x: np.diff(x, n=2, prepend=0.0, append=np.ones((3, 2))), A), row("diff axis", lambda np, x: np.diff(x, axis=0), A),
    *[row(f"pad {m}", lambda np, x, m=m: np.pad(x, ((1, 2), (2, 1)), mode=m), A) for m in "constant edge reflect symmetric wrap mean minimum maximum linear_ramp".split()],
    row("pad median", lambda np, x: np.pad(x, ((1, 2), (0, 1)), mode="median"), A), row("pad odd", lambda np, x: np.pad(x, 2, mode="reflect", reflect_type="odd"), A),
    row("pad values", lambda np, x: np.pad(x, ((1, 2), (0, 3)), constant_values=((1.0, 2.0), (3.0, 4.0))), A),
    row("pad length", lambda np, x: np.pad(x, ((0, 0), (3, 3)), mode="mean", stat_length=2), A), row("pad ramp", lambda np, x: np.pad(x, 2, mode="linear_ramp", end_values=5.0), A),
    row("pad dict", lambda np, x: np.pad(x, {-1: (1, 2)}), A, own=True),
    row("insert", lambda np, x: np.insert(x, 1, 5.0, axis=1), A), row("insert row", lambda np, x, y: np.insert(x, 2, y[0], axis=0), A, B),
    row("insert many", lambda np, x: np.insert(x, np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0]), axis=1), A), row("insert flat", lambda np, x: np.insert(x, 3, np.array([7.0, 8.0])), A),
    row("insert block", lambda np, x, y: np.insert(x, 1, y[:, :2].T, axis=1), A, B), row("insert one", lambda np, x, y: np.insert(x, np.array([1]), y[:, :2], axis=1), A, B),
    row("delete", lambda np, x: np.delete(x, np.array([0, 2]), axis=1), A), row("delete slice", lambda np, x: np.delete(x, slice(1, 3)), A), row("append", lambda np, x, y: np.append(x, y, axis=1), A, B),
    row("put_along_axis", lambda np, x: np.put_along_axis(x, np.array([[1], [3], [0]]), 9.0, axis=1, inplace=False), A),
    row("put", lambda np, x: np.put(x, np.array([1, 5, -1]), np.array([7.0, 8.0]), inplace=False), A), row("place", lambda np, x, m: np.place(x, m, np.array([1.0, 2.0]), inplace=False), A, M),
    row("fill_diagonal", lambda np, x: np.fill_diagonal(x, 3.0, inplace=False), A), row("fill_diagonal list", lambda np, x: np.fill_diagonal(x, np.array([1.0, 2.0]), inplace=False), A),
    row("choose", lambda np, i, x, y: np.choose(i, [x, y], mode="clip"), J % 2, A, B), row("resize", lambda np, x: np.resize(x, (2, 7)), A),
    row("select", lambda np, x, y: np.select([x > 1, x > 0], [y, x * 2], 7.0), A, B), row("piecewise", lambda np, x: np.piecewise(x, [x < 0, x > 1], [lambda v: -v, 3.0, lambda v: v * v]), A),
    row("apply_over_axes", lambda np, x: np.apply_over_axes(np.sum, x, (0, 2)), S), row("apply_along_axis", lambda np, x: np.apply_along_axis(lambda v: v * v.sum(), 0, x), A),
    row("argpartition", lambda np, x: np.take_along_axis(x, np.argpartition(x, 1, axis=1), 1)[:, :1], A, grad=False),
    row("lexsort", lambda np, x, y: np.lexsort((x, y)), I[0], J[1]), row("rot90", lambda np, x: np.rot90(x, 3), A), row("roll", lambda np, x: np.roll(x, (1, -2), (0, 1)), A),
    row("bincount", lambda np, i, w: np.bincount(i, w, length=9) if hasattr(np.bincount, "__wrapped__") or np is jnp else np.bincount(i, w, minlength=9), J[0], V[:4]),
    row("take_along_axis", lambda np, x: np.take_along_axis(x, np.array([[0, 2, 1, 1]]), 0), A), row("block", lambda np, x, y: np.block([[x, y], [y, x]]), A, B),
    row("kron", lambda np, x, y: np.kron(x, y), V, A), row("kron 3", lambda np, x, y: np.kron(x, y), S, A), row("cross", lambda np, x, y: np.cross(x, y), A[:, :3], B[:, 1:]),
    row("cross 2", lambda np, x, y: np.cross(x, y, axis=0), A[:2], B[:2], own=False), row("cross axes", lambda np, x, y: np.cross(x, y, axisa=0, axisb=1, axisc=0), A[:, :3], B[:, :3]),
    row("matvec", lambda np, x, y: np.matvec(x, y), A, V[:4]), row("vecmat", lambda np, x, y: np.vecmat(x, y), W, A), row("vecdot", lambda np, x, y: np.vecdot(x, y), C, C), row("vdot", lambda np, x, y: np.vdot(x, y), C, C),
    row("einsum lists", lambda np, x, y: np.einsum(x, [0, 1], y, [2, 1], [0, 2]), A, B), row("einsum", lambda np, x: np.einsum("bij,bjk->", x, x), S), row("trace", lambda np, x: np.trace(x, 1), A),
    row("vectorize", lambda np, x, y: np.vectorize(np.dot, signature="(n),(n)->()")(x, y), A, V[:4]), row("vectorize numbers", lambda np, x, y: np.vectorize(lambda a, b: a * b)(x, y), A, V[:4]),
    row("isin", lambda np, x: np.isin(x, np.array([1, 5]), invert=True), I), row("sort_complex", lambda np, x: np.sort_complex(x), C), row("array_equiv", lambda np, x: np.array_equiv(x, x[:1]), A, grad=False),
    row("unique size", lambda np, x: np.unique(x, True, True, True, size=6), I), row("unique fill", lambda np, x: np.unique(x, size=20, fill_value=-1), I), row("union1d", lambda np, x, y: np.union1d(x, y, size=9, fill_value=0), I, J),
    row("nonzero size", lambda np, x: np.nonzero(x, size=4, fill_value=7), M), row("argwhere size", lambda np, x: np.argwhere(x, size=20, fill_value=-1), M), row("flatnonzero size", lambda np, x: np.flatnonzero(x, size=3), M),
    *simple("unique argwhere flatnonzero nonzero trim_zeros", I.ravel(), fixed=False), row("intersect1d", lambda np, x, y: np.intersect1d(x, y, return_indices=True), I, J, fixed=False),
    *simple("setdiff1d setxor1d union1d", I, J, fixed=False), row("unique axis", lambda np, x: np.unique(x, axis=0), I, fixed=False), row("compress", lambda np, x, m: np.compress(m, x, axis=0), A, M[:, 0], fixed=False),
    row("fromfunction", lambda np: np.fromfunction(lambda i, j: i * 3 + j, (2, 3)), fixed=False), row("meshgrid", lambda np, x, y: np.meshgrid(x, y, sparse=True), V, W), row("ix_", lambda np, x, y: np.ix_(x, y), I[0], J[0]),
    *[row(f"{n} index", lambda np, n=n: getattr(np, n)[0:3, 1:4:2], fixed=False, kinds=False) for n in ("mgrid", "ogrid")], row("mgrid points", lambda np: np.mgrid[0:1:5j, 0:2], fixed=False),
    row("r_", lambda np, x: np.r_[x, 0, 1:3], V), row("c_", lambda np, x, y: np.c_[x, y], V, UP), row("r_ text", lambda np, x: np.r_["0,2", x, x], V),
    *[row(n, lambda np, n=n: getattr(np, n)(6), fixed=False) for n in ("bartlett", "blackman", "hamming", "hanning")], row("kaiser", lambda np: np.kaiser(6, 3.0), fixed=False),
    row("tril_indices_from", lambda np, x: np.tril_indices_from(x), A, grad=False), row("mask_indices", lambda np: np.mask_indices(3, np.triu), fixed=False), row("dsplit", lambda np, x: np.dsplit(x, 3), S),
    row("polyfit", lambda np, x, y: np.polyfit(x, y, 2), UP, V), row("i0", lambda np, x: np.i0(x), A),
    # linalg
    row("cholesky", lambda np, x: np.linalg.cholesky(x), SPD), row("cholesky upper", lambda np, x: np.linalg.cholesky(x, upper=True), SPD), row("qr", lambda np, x: np.linalg.qr(x), S),
    row("qr complete", lambda np, x: np.linalg.qr(x, mode="complete").R[:3] ** 2, A.T, grad=False), row("svd", lambda np, x: np.linalg.svd(x, full_matrices=False).S, A), row("svdvals", lambda np, x: np.linalg.svdvals(x), S),
    row("svd product", lambda np, x: (lambda u, s, v: (u * s) @ v)(*np.linalg.svd(x, full_matrices=False)), A), row("eigh", lambda np, x: np.linalg.eigh(x).eigenvalues, SPD), row("eigvalsh", lambda np, x: np.linalg.eigvalsh(x), S),
    row("eigh lower", lambda np, x: np.linalg.eigh(x, "L").eigenvectors ** 2, S, own=True, grad=False), row("eigvals", lambda np, x: np.sort_complex(np.linalg.eigvals(x)), S, grad=False), row("det", lambda np, x: np.linalg.det(x), S),
    row("slogdet", lambda np, x: np.linalg.slogdet(x), S), row("inv", lambda np, x: np.linalg.inv(x), S), row("solve", lambda np, x, y: np.linalg.solve(x, y), SPD, A), row("solve vector", lambda np, x, y: np.linalg.solve(x, y), SPD, W),
    row("pinv", lambda np, x: np.linalg.pinv(x), A), row("matrix_rank", lambda np, x: np.linalg.matrix_rank(x), S, grad=False), row("lstsq", lambda np, x, y: np.linalg.lstsq(x, y)[0], A.T, B.T), row("lstsq all", lambda np, x, y: np.linalg.lstsq(x, y), A.T, B.T, grad=False),
    *[row(f"matrix_power {n}", lambda np, x, n=n: np.linalg.matrix_power(x, n), S) for n in (0, 1, 3, -2)], row("multi_dot", lambda np, x, y, z: np.linalg.multi_dot([x, y, z]), A, B.T, A),
    *[row(f"norm {o}", lambda np, x, o=o: np.linalg.norm(x, o), A) for o in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)], *[row(f"norm axis {o}", lambda np, x, o=o: np.linalg.norm(x, o, 1, True), A) for o in (1, 2, 3, np.inf, -np.inf)],
    row("norm axes", lambda np, x: np.linalg.norm(x, 1, (2, 0)), S), row("matrix_norm", lambda np, x: np.linalg.matrix_norm(x, ord="nuc", keepdims=True), S), row("vector_norm", lambda np, x: np.linalg.vector_norm(x, axis=(0, 1), ord=3), S),
    *[row(f"cond {p}", lambda np, x, p=p: np.linalg.cond(x, p), S) for p in (None, 1, -2, np.inf)], row("linalg diagonal", lambda np, x: np.linalg.diagonal(x, offset=1), S), row("linalg trace", lambda np, x: np.linalg.trace(x), S),
    row("tensorsolve", lambda np, x, y: np.linalg.tensorsolve(x.reshape(3, 3, 9), y), np.eye(9) * 3 + rng.normal(size=(9, 9)) * 0.2, S[0]), row("tensorinv", lambda np, x: np.linalg.tensorinv(x.reshape(3, 3, 9)), np.eye(9) * 3 + rng.normal(size=(9, 9)) * 0.2),
    # fft
    *[row(f"fft.{n}", lambda np, x, n=n: getattr(np.fft, n)(x), C) for n in "fft ifft fftn ifftn fft2 ifft2 irfft irfftn irfft2 hfft fftshift ifftshift".split()],
    *[row(f"fft.{n} real", lambda np, x, n=n: getattr(np.fft, n)(x), A, grad=False) for n in "fft rfft rfftn rfft2 ihfft irfft".split()], *[row(f"fft.fft {m}", lambda np, x, m=m: np.fft.fft(x, 6, 0, m), C) for m in ("ortho", "forward", "backward")],
    row("fft.irfft n", lambda np, x: np.fft.irfft(x, n=5, axis=0), C), row("fft.rfftn s", lambda np, x: np.fft.rfftn(x, s=(2, 5), axes=(1, 0)), A, grad=False), row("fft.fft abs", lambda np, x: np.abs(np.fft.fft(x)) ** 2, A),
    row("fft.fftfreq", lambda np: np.fft.fftfreq(5, 0.1), fixed=False), row("fft.rfftfreq", lambda np: np.fft.rfftfreq(6), fixed=False),
]  # fmt: skip
every_row = pytest.mark.parametrize("r", ROWS, ids=[r.name for r in ROWS])


@functools.cache
def expected(name: str) -> Any:
    """The oracle's results in 64 bits."""
    r = next(r for r in ROWS if r.name == name)
    with jax.enable_x64(True):
        found = flat(r.f(np if r.own else jax.numpy, *[a if r.own else jax.numpy.asarray(a) for a in cast(r, True)]))
    return tuple(np.asarray(x) for x in found)


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({r.name for r in ROWS}) == len(ROWS)


def cast(r: Row, wide: bool) -> list[Any]:
    """The arguments in 32 or 64 bits."""
    names = {"f": ("float32", "float64"), "c": ("complex64", "complex128"), "i": ("int32", "int64")}
    return [a.astype(names[a.dtype.kind][wide]) if a.dtype.kind in names else a for a in r.args]


def same(got: Any, want: Any, tol: float, kinds: bool = True) -> None:
    got, want = ([np.asarray(x) for x in (v if isinstance(v, tuple | list) else [v])] for v in (got, want))
    got, want = ([y for x in v for y in (x if isinstance(x, tuple | list) else [x])] for v in (got, want))
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape
        assert not kinds or g.dtype.kind == w.dtype.kind or {g.dtype.kind, w.dtype.kind} <= set("iu"), (g.dtype, w.dtype)
        np.testing.assert_allclose(g, w, rtol=tol, atol=tol)


def flat(v: Any) -> Any:
    return tuple(y for x in v for y in flat(x)) if isinstance(v, tuple | list) else (v,)


@every_row
@pytest.mark.parametrize("wide", [False, True], ids=["32", "64"])
@pytest.mark.filterwarnings("ignore")  # of the oracles
def test_values(r: Row, wide: bool) -> None:
    want = expected(r.name)
    given = [jnp.asarray(a) for a in cast(r, wide)]
    got = flat(r.f(jnp, *given))
    if r.name != "spacing-float64" or wide:  # a digit of another size
        same(got, want, 1e-9 if wide and r.args else 2e-4, r.kinds)
    for g, w in zip(got, want, strict=True):
        if np.asarray(w).dtype.kind in "fc" and r.args and any(a.dtype.kind in "fc" for a in r.args):
            assert np.asarray(g).dtype.itemsize == np.asarray(w).dtype.itemsize // (1 if wide else 2)
    if r.fixed and wide:
        same(fgrad.jit(lambda *xs: flat(r.f(jnp, *xs)))(*given), want, 1e-9, r.kinds)
        twice = fgrad.vmap(lambda *xs: flat(r.f(jnp, *xs)))(*[jnp.stack([x, x]) for x in given])
        same([t[1] for t in twice], want, 1e-9, r.kinds)


@pytest.mark.parametrize("r", [r for r in ROWS if r.grad and r.fixed], ids=[r.name for r in ROWS if r.grad and r.fixed])
@pytest.mark.filterwarnings("ignore")
def test_gradients(r: Row) -> None:
    """Against central differences in float64, one random direction."""
    weights: list[Any] = []

    def loss(xs: Any) -> Any:
        found = [y for y in flat(r.f(jnp, *xs)) if y.dtype.kind == "f"]
        if not weights:
            weights.extend(np.random.default_rng(1).normal(size=y.shape) for y in found)
        return sum((jnp.sum(y * w) for y, w in zip(found, weights, strict=True)), 0.0 * jnp.sum(xs[0]))

    xs = tuple(jnp.asarray(a) for a in cast(r, True))
    move = tuple(np.random.default_rng(2).normal(size=a.shape) for a in r.args)
    h = 1e-6
    ends = [float(loss(tuple(jnp.asarray(a + s * h * d) for a, d in zip(r.args, move, strict=True)))) for s in (1, -1)]
    grads = fgrad.grad(loss)(xs)
    got = sum(float(np.sum(np.asarray(g) * d)) for g, d in zip(grads, move, strict=True))
    np.testing.assert_allclose(got, (ends[0] - ends[1]) / (2 * h), rtol=1e-4, atol=1e-5)
