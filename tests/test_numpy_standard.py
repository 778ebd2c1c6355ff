"""fgrad.numpy as an array namespace: the array API standard 2024.12, NumPy's protocols, empty and 0-d arrays, refusals."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import fgrad
import fgrad.numpy as xp

NAMES = """
abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh bitwise_and bitwise_invert
bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor bool broadcast_arrays broadcast_to can_cast ceil clip complex128
complex64 concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e empty empty_like equal exp
expand_dims expm1 eye finfo flip float32 float64 floor floor_divide from_dlpack full full_like greater greater_equal hypot iinfo
imag inf int16 int32 int64 int8 isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2 logaddexp logical_and
logical_not logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply nan negative
newaxis nextafter nonzero not_equal ones ones_like permute_dims pi positive pow prod real reciprocal remainder repeat reshape
result_type roll round searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract sum take take_along_axis
tan tanh tensordot tile tril triu trunc uint16 uint32 uint64 uint8 unique_all unique_counts unique_inverse unique_values unstack
var vecdot where zeros zeros_like __array_namespace_info__
linalg.cholesky linalg.cross linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv linalg.matmul linalg.matrix_norm
linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose linalg.outer linalg.pinv linalg.qr linalg.slogdet linalg.solve
linalg.svd linalg.svdvals linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm
fft.fft fft.ifft fft.fftn fft.ifftn fft.rfft fft.irfft fft.rfftn fft.irfftn fft.hfft fft.ihfft fft.fftfreq fft.rfftfreq
fft.fftshift fft.ifftshift
""".split()
METHODS = """
__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__ __eq__ __float__ __floordiv__ __ge__
__getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__
__pow__ __rshift__ __setitem__ __sub__ __truediv__ __xor__ __radd__ __rmatmul__ to_device dtype device mT ndim shape size T
""".split()
KEYWORDS = {  # keyword-only arguments of the standard
    "arange": "dtype device", "asarray": "dtype device copy", "empty": "dtype device", "empty_like": "dtype device",
    "eye": "k dtype device", "full": "dtype device", "full_like": "dtype device", "linspace": "dtype device endpoint",
    "ones": "dtype device", "ones_like": "dtype device", "zeros": "dtype device", "zeros_like": "dtype device", "tril": "k",
    "triu": "k", "meshgrid": "indexing", "astype": "copy device", "concat": "axis", "expand_dims": "axis", "flip": "axis",
    "repeat": "axis", "reshape": "copy", "roll": "axis", "stack": "axis", "unstack": "axis", "argmax": "axis keepdims",
    "argmin": "axis keepdims", "count_nonzero": "axis keepdims", "searchsorted": "side sorter", "take": "axis",
    "take_along_axis": "axis", "argsort": "axis descending stable", "sort": "axis descending stable",
    "cumulative_sum": "axis dtype include_initial", "cumulative_prod": "axis dtype include_initial", "max": "axis keepdims",
    "min": "axis keepdims", "mean": "axis keepdims", "prod": "axis dtype keepdims", "std": "axis correction keepdims",
    "sum": "axis dtype keepdims", "var": "axis correction keepdims", "all": "axis keepdims", "any": "axis keepdims",
    "diff": "axis n prepend append", "vecdot": "axis", "tensordot": "axes", "from_dlpack": "device copy", "clip": "min max",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_standard_has(name):
    found = xp
    for part in name.split("."):
        assert hasattr(found, part)
        found = getattr(found, part)
    if name in KEYWORDS:
        assert set(KEYWORDS[name].split()) <= set(inspect.signature(found).parameters)


def test_the_class_has_the_standards_methods():
    assert [m for m in METHODS if not hasattr(xp.ndarray, m)] == []
    x = xp.ones(2)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match=r"2024\.12"):
        x.__array_namespace__(api_version="1999.01")
    assert (x.to_device("cpu") is x, x.to_device(x.device) is x) == (True, True)
    assert complex(xp.asarray(1 + 2j)) == 1 + 2j


def test_inquiry():
    info = xp.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"]
    assert info.default_device() in info.devices()
    assert info.default_dtypes(device="cpu")["integral"] == xp.int64
    assert set(info.dtypes()) == set("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split())
    assert list(info.dtypes(kind="real floating")) == ["float32", "float64"]
    assert list(info.dtypes(kind=("bool", "complex floating"))) == ["bool", "complex64", "complex128"]
    with pytest.raises(ValueError, match="no kind"):
        info.dtypes(kind="text")
    assert xp.isdtype(xp.float32, "real floating")
    assert xp.isdtype(np.dtype("int8"), ("bool", "integral"))
    assert not xp.isdtype(xp.uint8, "signed integer")
    assert xp.isdtype(xp.uint8, xp.uint8)
    with pytest.raises(ValueError, match="no kind"):
        xp.isdtype(xp.uint8, "text")
    assert xp.can_cast(xp.int32, xp.int64)
    assert not xp.can_cast(xp.ones(2, dtype=xp.float64), xp.float32)


def test_dlpack_both_ways():
    x = xp.asarray([[1.0, 2.0]])
    assert np.array_equal(np.from_dlpack(x), [[1.0, 2.0]])
    a = np.arange(3.0)
    y = xp.from_dlpack(a)
    a[0] = 9
    assert y.tolist() == [0.0, 1.0, 2.0]
    assert xp.from_dlpack(x) is x
    with pytest.raises(TypeError, match="does not speak DLPack"):
        xp.from_dlpack([1])
    with pytest.raises(ValueError, match="never shared"):
        xp.from_dlpack(a, copy=False)


def test_unique_of_the_standard_keeps_every_nan():
    x = xp.asarray([2.0, float("nan"), 1.0, float("nan"), 2.0])
    found = xp.unique_all(x)
    assert (found.values.shape, found.counts.tolist(), found.indices.tolist()) == ((4,), [1, 2, 1, 1], [2, 0, 1, 3])
    assert xp.unique_inverse(x.reshape(5, 1)).inverse_indices.shape == (5, 1)
    assert xp.unique_values(xp.asarray([3, 1, 3])).tolist() == xp.unique_counts(xp.asarray([3, 1])).values.tolist() == [1, 3]


def test_empty_and_0d_arrays():
    none, one = xp.zeros((0, 3)), xp.asarray(2.0)
    assert xp.cumulative_sum(none, axis=0, include_initial=True).shape == (1, 3)
    assert xp.cov(xp.zeros((2, 3))).shape == (2, 2)
    assert xp.linalg.inv(xp.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert xp.fft.fft(xp.zeros((0, 4))).shape == (0, 4)
    assert xp.gcd(xp.zeros(0, dtype=int), 3).shape == xp.interp(xp.zeros(0), xp.ones(2), xp.ones(2)).shape == (0,)
    assert xp.unique(xp.zeros(0), size=2).tolist() == [0.0, 0.0]
    assert xp.histogram(xp.zeros(0), 2)[0].tolist() == [0.0, 0.0]
    assert (xp.real(one).shape, xp.angle(one).shape, xp.quantile(one, 0.5).shape, xp.pad(one, 0).shape) == ((),) * 4
    assert (xp.median(one).item(), xp.linalg.norm(one).item(), xp.cov(xp.asarray([1.0, 3.0])).item()) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="zero-size"):
        xp.quantile(none, 0.5, axis=0)


def test_numpys_functions_of_arrays_of_the_face():
    x = xp.asarray([1.0, 4.0])
    assert isinstance(np.sqrt(x), xp.ndarray)
    assert np.add(np.ones(2, "float32"), x).tolist() == (np.ones(2, "float32") + x).tolist() == [2.0, 5.0]
    assert np.sum(x) == 5.0
    assert np.mean(x, axis=0) == 2.5
    assert float(fgrad.grad(lambda v: np.sin(v) * v)(0.0)) == 0.0
    with pytest.raises(TypeError, match="immutable"):
        np.add(x, x, out=np.zeros(2))
    with pytest.raises(TypeError, match=r"np\.add\.reduce"):
        np.add.reduce(x)
    with pytest.raises(TypeError, match="immutable"):
        xp.zeros(2)[0] = 1
    with pytest.raises(NotImplementedError, match="immutable"):
        xp.sum(x, out=np.zeros(()))


def test_refusals():
    x = xp.ones((2, 3))
    for f in (lambda: xp.put(x, 0, 1), lambda: xp.place(x, x > 0, 1.0), lambda: xp.fill_diagonal(x, 1.0), lambda: xp.put_along_axis(x, xp.zeros((2, 1), int), 1.0, 1)):
        with pytest.raises(ValueError, match="inplace=False"):
            f()
    with pytest.raises(ValueError, match="no quantile method"):
        xp.quantile(x, 0.5, method="hazen")
    with pytest.raises(ValueError, match="square"):
        xp.linalg.inv(x)
    with pytest.raises(ValueError, match="signature"):
        xp.vectorize(xp.dot, signature="n,n")(x, x)
    with pytest.raises(ValueError, match="invalid entry"):
        xp.choose(xp.asarray([5]), [x[0], x[1]])
    with pytest.raises(TypeError, match="real numbers"):
        xp.fft.rfft(xp.asarray([1j]))
    assert np.isnan(np.asarray(xp.linalg.cholesky(-xp.eye(2)))).any()


def test_files_and_text(tmp_path):
    x = xp.asarray([1.0, 2.5])
    xp.save(tmp_path / "x.npy", x)
    assert xp.load(tmp_path / "x.npy").tolist() == x.tolist()
    xp.savez(tmp_path / "x.npz", x, b=x)
    assert sorted(xp.load(tmp_path / "x.npz")) == ["arr_0", "b"]
    assert xp.array_repr(x) == repr(x)
    assert xp.array_str(xp.asarray([1 / 3]), precision=2) == "[0.33]"
    assert xp.frombuffer(b"\x01\x02", xp.uint8).tolist() == xp.fromiter([1, 2], int).tolist() == [1, 2]
    assert xp.arange(4, dtype=xp.int32).view(xp.float32).dtype == xp.float32
    assert xp.roots(xp.asarray([0.0, 1.0, -3.0, 2.0, 0.0])).shape == (3,)
    assert float(xp.polyfit(xp.arange(4.0), xp.arange(4.0) * 2, 1, full=True)[0][0]) == pytest.approx(2)


SKLEARN = [
    lambda p, X, y: p.preprocessing.StandardScaler().fit_transform(X), lambda p, X, y: p.preprocessing.MinMaxScaler().fit_transform(X),
    lambda p, X, y: p.preprocessing.Normalizer().fit_transform(X), lambda p, X, y: p.preprocessing.Binarizer().fit_transform(X),
    lambda p, X, y: p.decomposition.PCA(2, svd_solver="full", whiten=True).fit_transform(X) ** 2,
    lambda p, X, y: p.linear_model.Ridge(solver="svd").fit(X, X[:, 0] + 1).predict(X), lambda p, X, y: p.naive_bayes.GaussianNB().fit(X, y).predict_proba(X),
    lambda p, X, y: p.discriminant_analysis.LinearDiscriminantAnalysis().fit(X, y).predict_proba(X), lambda p, X, y: p.metrics.f1_score(y, 1 - y),
    lambda p, X, y: p.metrics.r2_score(X[:, 0], X[:, 1]), lambda p, X, y: p.metrics.pairwise.rbf_kernel(X, X), lambda p, X, y: p.metrics.log_loss(y, X[:, 0] ** 2 / 20),
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("case", range(len(SKLEARN)))
def test_scikit_learn_dispatches(case, monkeypatch):
    sklearn = pytest.importorskip("sklearn")
    for name in ("decomposition", "discriminant_analysis", "linear_model", "metrics", "naive_bayes", "preprocessing"):
        pytest.importorskip(f"sklearn.{name}")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    rng = np.random.default_rng(0)
    data = rng.normal(size=(30, 4)).astype("f4")
    labels = (data[:, 0] > 0).astype("i8")
    want = SKLEARN[case](sklearn, data, labels)
    with sklearn.config_context(array_api_dispatch=True):
        got = SKLEARN[case](sklearn, xp.asarray(data), xp.asarray(labels))
    assert isinstance(got, float | xp.ndarray)
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-3, atol=1e-4)


def test_copies_are_arrays_of_their_own():
    x = xp.arange(3)
    for y in (xp.asarray(x, copy=True), xp.astype(x, xp.int64), x.copy(), xp.asarray(x + 1, copy=True) - 1):
        assert y is not x
        assert y.tolist() == [0, 1, 2]
    assert xp.asarray(x, copy=False) is xp.asarray(x) is xp.astype(x, xp.int64, copy=False) is x
    for data in ([1, 2], np.arange(3)):
        with pytest.raises(ValueError, match="takes a copy"):
            xp.asarray(data, copy=False)
    with pytest.raises(BufferError):
        x.__dlpack__(dl_device=(2, 0))
    assert float(fgrad.grad(lambda v: xp.asarray(v, copy=True) ** 2)(3.0)) == 6.0
    writer = {"__name__": "array_api_extra.writer"}
    exec("def write(x, i, v): x[i] = v", writer)
    y, z = xp.asarray(x, copy=True), x * 2
    writer["write"](y, y > 1, 7.9)
    writer["write"](z, slice(None, 2), xp.asarray([5, 6]))
    assert (x.tolist(), y.tolist(), z.tolist(), (y + z).tolist()) == ([0, 1, 2], [0, 1, 7], [5, 6, 4], [5, 7, 11])
    with pytest.raises(TypeError, match="immutable"):
        fgrad.jit(lambda v: writer["write"](v, 0, 1))(x)


def test_products_of_vectors_alone():
    with pytest.raises(ValueError, match=r"linalg\.cross"):
        xp.linalg.cross(xp.ones(2), xp.ones(2))
    with pytest.raises(ValueError, match=r"linalg\.outer"):
        xp.linalg.outer(xp.ones((2, 2)), xp.ones(2))
    assert xp.linalg.cross(xp.asarray([1.0, 0, 0]), xp.asarray([0, 1.0, 0])).tolist() == [0, 0, 1]
    assert xp.linalg.outer(xp.asarray([1, 2]), xp.asarray([3])).tolist() == [[3], [6]]
