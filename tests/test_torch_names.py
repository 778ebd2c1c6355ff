"""Top-level functions that stand on nn and random, against PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
both = pytest.mark.parametrize("T", [fgrad, torch])


def draw(T: Any, *shape: int, seed: int = 0, low: float = -1.0) -> Any:
    return T.tensor(np.random.default_rng(seed + len(shape)).uniform(low, 1, shape).astype(np.float32))


CALLS = [
    lambda T: T.conv_tbc(draw(T, 5, 2, 3), draw(T, 2, 3, 4), draw(T, 4), 1), lambda T: T.conv_tbc(draw(T, 5, 2, 3), draw(T, 2, 3, 4), draw(T, 4)),
    lambda T: T.norm_except_dim(draw(T, 2, 3)), lambda T: T.norm_except_dim(draw(T, 2, 3, 4), 2, 1), lambda T: T.norm_except_dim(draw(T, 2, 3), 3, 1),
    lambda T: T.norm_except_dim(draw(T, 2, 3), 1, -1), lambda T: T.frobenius_norm(draw(T, 2, 3), [0, 1], True), lambda T: T.frobenius_norm(draw(T, 2, 3), 1),
    lambda T: T.frobenius_norm(draw(T, 2, 3), dim=[0], out=T.empty(3)), lambda T: T.nuclear_norm(draw(T, 2, 3)), lambda T: T.nuclear_norm(draw(T, 2, 3), True),
    lambda T: T.nuclear_norm(draw(T, 2, 3, 4), (0, 1)), lambda T: T.nuclear_norm(draw(T, 2, 3, 4), (0, 2), keepdim=True),
    lambda T: T.grid_sampler(draw(T, 1, 2, 4, 4), draw(T, 1, 3, 3, 2), 0, 0, False), lambda T: T.grid_sampler_2d(draw(T, 1, 2, 4, 4), draw(T, 1, 3, 3, 2), 2, 2, True),
    lambda T: T.grid_sampler(draw(T, 1, 2, 4, 4), draw(T, 1, 3, 3, 2), 1, 1, False), lambda T: T.grid_sampler_3d(draw(T, 1, 2, 3, 3, 3), draw(T, 1, 2, 2, 2, 3), 0, 1, False),
    lambda T: T.affine_grid_generator(draw(T, 1, 2, 3), (1, 1, 2, 2), False), lambda T: T.native_channel_shuffle(draw(T, 1, 4, 2, 2), 2),
    lambda T: T.native_batch_norm(draw(T, 4, 3), draw(T, 3), draw(T, 3, seed=1), T.zeros(3), T.ones(3), True, 0.1, 1e-5),
    lambda T: T.native_batch_norm(draw(T, 4, 3, 2), None, None, None, None, True, 0.1, 1e-3), lambda T: T.native_batch_norm(draw(T, 4, 3), None, None, T.zeros(3), T.ones(3), False, 0.1, 1e-5),
    lambda T: T.native_layer_norm(draw(T, 2, 3, 4), [3, 4], None, None, 1e-5), lambda T: T.native_layer_norm(draw(T, 2, 3), [3], draw(T, 3), draw(T, 3, seed=2), 1e-5),
    lambda T: T.native_group_norm(draw(T, 2, 4, 3), draw(T, 4), draw(T, 4, seed=1), 2, 4, 3, 2, 1e-5), lambda T: T.native_dropout(draw(T, 3), 0.5, False),
    lambda T: T.native_dropout(draw(T, 3), 0.0, True), lambda T: T.native_dropout(draw(T, 3), 1.0, True), lambda T: T.dropout_(draw(T, 3), 0.0, True),
    lambda T: T.alpha_dropout_(draw(T, 3), 0.5, False), lambda T: T.feature_dropout(draw(T, 2, 3), 0.5, False), lambda T: T.feature_dropout_(draw(T, 2, 3), 1.0, True),
    lambda T: T.feature_alpha_dropout_(draw(T, 2, 3), 0.0, True), lambda T: T.embedding_renorm_(draw(T, 4, 2) * 3, T.tensor([0, 2]), 1.0, 2.0),
    lambda T: T.convolution(draw(T, 1, 2, 5), draw(T, 3, 2, 2), draw(T, 3), [2], [1], [1], False, [0], 1),
    lambda T: T.convolution(draw(T, 1, 2, 5, 4), draw(T, 2, 1, 2, 2), None, [1, 2], [1, 0], [2, 1], False, [0, 0], 2),
    lambda T: T.convolution(draw(T, 1, 2, 5), draw(T, 2, 3, 3), None, [2], [1], [1], True, [1], 1),
    lambda T: T.convolution(draw(T, 1, 2, 3, 3), draw(T, 2, 1, 2, 2), draw(T, 2), [2, 2], [0, 0], [1, 2], True, [0, 1], 2),
    lambda T: T.binomial(T.tensor([[10.0], [2.0]]).expand(2, 2), T.tensor([1.0, 0.0])), lambda T: T.binomial(T.tensor([-10.0, 3.0]), T.tensor([1.0, 7.0])),
    lambda T: T.binomial(T.tensor([10.0]), T.tensor([float("nan")])), lambda T: T.poisson(T.zeros(2, 3)), lambda T: T.poisson(T.zeros(2, dtype=T.float64)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*(nuclear|frobenius)_norm is deprecated")
@pytest.mark.parametrize("number", range(len(CALLS)))
def test_values(number: int) -> None:
    ours, theirs = (CALLS[number](T) for T in (fgrad, torch))
    many = isinstance(theirs, tuple)
    for a, b in zip(ours if many else [ours], theirs if many else [theirs], strict=True):
        assert (tuple(a.shape), str(a.dtype)[6:]) == (tuple(b.shape), str(b.dtype)[6:])
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


REFUSED = [
    (lambda T: T.poisson(-T.ones(3)), RuntimeError), (lambda T: T.poisson(T.tensor([float("nan")])), RuntimeError),
    (lambda T: T.binomial(T.tensor([10]), T.tensor([1.0])), ValueError), (lambda T: T.binomial(T.tensor([10.0]), T.tensor([1])), ValueError),
    (lambda T: T.binomial(T.tensor([10.0]), T.tensor([0.5], dtype=T.float64)), RuntimeError), (lambda T: T.feature_dropout(T.ones(2), 0.5, True), RuntimeError),
    (lambda T: T.empty_permuted((2, 3, 4), (2, 0)), RuntimeError), (lambda T: T.get_device_module("foo"), RuntimeError),
    (lambda T: T.conv_tbc(T.ones(2, 3), T.ones(2, 3, 4), T.zeros(4)), RuntimeError),
]  # fmt: skip


@both
@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_refused(T: Any, number: int) -> None:
    call, error = REFUSED[number]
    with pytest.raises(error):
        call(T)


@both
def test_counts_are_distributed_as_told(T: Any) -> None:
    T.manual_seed(0)
    n = 4000
    for rate in (0.7, 4.0, 60.0):
        x = T.poisson(T.full((n,), rate))
        assert x.dtype is T.float32
        assert abs(x.mean().item() - rate) < 5 * (rate / n) ** 0.5
        assert abs(x.var().item() / rate - 1) < 0.2
        assert (x == x.floor()).all()
    for count, p in ((5.0, 0.3), (200.0, 0.9)):
        x = T.binomial(T.full((n,), count), T.full((n,), p))
        assert abs(x.mean().item() - count * p) < 5 * (count * p * (1 - p) / n) ** 0.5
        assert x.max().item() <= count
    g = T.Generator().manual_seed(4)
    first = T.poisson(T.full((9,), 5.0), generator=g)
    assert not T.equal(first, T.poisson(T.full((9,), 5.0), generator=g))
    assert T.equal(first, T.poisson(T.full((9,), 5.0), generator=g.manual_seed(4)))
    first = T.binomial(T.full((9,), 5.0), T.full((9,), 0.5), generator=g.manual_seed(4))
    assert T.equal(first, T.binomial(T.full((9,), 5.0), T.full((9,), 0.5), generator=g.manual_seed(4)))


@both
def test_dropped_features(T: Any) -> None:
    T.manual_seed(0)
    x = T.ones(50, 40, 3)
    y = T.feature_dropout(x, 0.25, True)
    assert ((y == y[:, :, :1]).all()).item()
    assert sorted({round(v, 4) for v in y.flatten().tolist()}) == [0.0, 1.3333]
    assert abs((y == 0).float().mean().item() - 0.25) < 0.05
    kept = T.native_dropout(T.ones(4000), 0.25, None)[1]
    assert kept.dtype is T.bool
    assert abs(kept.float().mean().item() - 0.75) < 0.05
    z = T.ones(4)
    assert T.feature_alpha_dropout_(x, 0.0, True) is x
    assert T.dropout_(z, 1.0, True) is z
    assert z.tolist() == [0.0] * 4


def test_gradients_flow() -> None:
    for f in (
        lambda T, x: T.conv_tbc(x.reshape(4, 1, 3), T.ones(2, 3, 2), T.zeros(2), 1), lambda T, x: T.norm_except_dim(x.reshape(3, 4), 2, 0),
        lambda T, x: T.native_layer_norm(x.reshape(3, 4), [4], None, None, 1e-5)[0] ** 3, lambda T, x: T.native_batch_norm(x.reshape(4, 3), None, None, None, None, True, 0.1, 1e-5)[0] ** 3,
    ):  # fmt: skip
        grads = []
        for T in (fgrad, torch):
            x = draw(T, 12).requires_grad_()
            f(T, x).sum().backward()
            grads.append(x.grad.numpy())
        np.testing.assert_allclose(*grads, rtol=1e-4, atol=1e-5)


@both
def test_strides_that_were_asked_for(T: Any) -> None:
    assert T.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == (3, 1, 6)
    x = T.empty_strided((2, 3), (1, 2), dtype=T.float64)
    assert (x.stride(), x.is_contiguous(), x.dtype, tuple(x.shape)) == ((1, 2), False, T.float64, (2, 3))
    x[0, 1] = 5
    assert x[0, 1].item() == 5


@both
def test_files_as_tensors(T: Any, tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    np.arange(4, dtype=np.float32).tofile(path)
    own = T.from_file(str(path), size=3)
    own += 1
    assert own.tolist() == [1, 2, 3]
    shared = T.from_file(str(path), shared=True, size=4, dtype=T.float32)
    shared[0] = 9
    assert np.fromfile(path, np.float32).tolist() == [9, 1, 2, 3]
    made = T.from_file(str(tmp_path / "made"), shared=True, size=4, dtype=T.int16)
    assert (made.tolist(), made.dtype, (tmp_path / "made").stat().st_size) == ([0] * 4, T.int16, 8)
    with pytest.raises(RuntimeError):
        T.from_file(str(path), shared=False, size=400)


@both
def test_small_names(T: Any) -> None:
    assert T.get_device_module("cpu") is T.cpu
    assert (T.is_inference(T.ones(1)), T.is_distributed(T.ones(1)), T.has_lapack) == (False, False, True)
    assert [T.sym_int(2.5), T.sym_float(2), T.sym_max(2, 3), T.sym_min(2, 3.5), T.sym_not(True), T.sym_ite(True, 1, 2), T.sym_sum([1, 2]), T.sym_sqrt(4)] == [
        2, 2.0, 3, 2.0, False, 1, 3, 2.0]  # fmt: skip
    assert isinstance(T.sym_min(2, 3.5), float)
    assert T.GradScaler is T.amp.GradScaler
    T.set_anomaly_enabled(True)
    assert (T.is_anomaly_enabled(), T.is_anomaly_check_nan_enabled()) == (True, True)
    T.set_anomaly_enabled(False)
    assert not T.is_anomaly_enabled()


def test_every_name_is_pytorchs_and_documented() -> None:
    for name in sorted(n for n, module in fgrad._ELSEWHERE.items() if module == "fgrad.torch_names"):
        x = getattr(fgrad, name)
        assert hasattr(torch, name), name
        assert isinstance(x, bool) or x.__doc__, name
