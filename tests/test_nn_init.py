"""nn.init against PyTorch: exact where nothing is drawn, moments and structure where something is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
SHAPE = (60, 50)
DRAWN: list[tuple[str, dict[str, Any]]] = [
    ("uniform_", {}), ("uniform_", {"a": -2.0, "b": 0.5}), ("normal_", {"mean": 1.0, "std": 0.5}), ("trunc_normal_", {}),
    ("trunc_normal_", {"mean": 0.5, "std": 2.0, "a": 1.0, "b": 1.5}), ("trunc_normal_", {"a": 3.0, "b": 4.0}), ("xavier_uniform_", {}),
    ("xavier_uniform_", {"gain": 2.0}), ("xavier_normal_", {}), ("kaiming_uniform_", {}), ("kaiming_uniform_", {"a": math.sqrt(5)}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}), ("kaiming_normal_", {"nonlinearity": "tanh"}), ("sparse_", {"sparsity": 0.3, "std": 0.5}),
    ("orthogonal_", {"gain": 2.0}),
]  # fmt: skip


def filled(T: Any, name: str, shape: tuple[int, ...], dtype: str = "float64", **options: Any) -> np.ndarray:
    T.manual_seed(3)
    x = T.zeros(shape, dtype=getattr(T, dtype), requires_grad=True)
    y = getattr(T.nn.init, name)(x, **options)
    assert y is x
    assert x.is_leaf
    assert x.requires_grad
    return np.asarray(x.detach().numpy())


@pytest.mark.filterwarnings("ignore:mean is more")
@pytest.mark.parametrize(("name", "options"), DRAWN)
@pytest.mark.parametrize("shape", [SHAPE, (50, 6, 5, 3)])
def test_draws_have_pytorchs_moments(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    if name == "sparse_" and len(shape) != 2:
        return
    ours, theirs = filled(fgrad, name, shape, **options), filled(torch, name, shape, **options)
    spread = theirs.std()
    assert abs(ours.mean() - theirs.mean()) < 0.12 * spread
    np.testing.assert_allclose(ours.std(), spread, rtol=0.08)
    np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], atol=1.2 * spread)


def test_structure() -> None:
    for shape in ((6, 4), (4, 6), (4, 2, 3)):
        for dtype, tol in (("float64", 1e-12), ("float32", 1e-5)):
            q = filled(fgrad, "orthogonal_", shape, dtype).reshape(shape[0], -1)
            q = q if q.shape[0] <= q.shape[1] else q.T
            np.testing.assert_allclose(q @ q.T, np.eye(q.shape[0]), atol=tol)
    assert ((filled(fgrad, "sparse_", (10, 7), sparsity=0.3) == 0).sum(0) == 3).all()
    y = filled(fgrad, "trunc_normal_", SHAPE, a=-0.5, b=0.25)
    assert -0.5 <= y.min() < y.max() <= 0.25


def test_exact_ones() -> None:
    for name, shape, options in [
        ("eye_", (3, 4), {}), ("dirac_", (4, 2, 3), {}), ("dirac_", (4, 2, 3, 5), {"groups": 2}), ("dirac_", (2, 3, 3, 3, 2), {}),
        ("constant_", (2, 3), {"val": 0.3}), ("ones_", (2,), {}), ("zeros_", (2,), {}),
    ]:  # fmt: skip
        np.testing.assert_array_equal(filled(fgrad, name, shape, **options), filled(torch, name, shape, **options))


def test_gains_and_fans() -> None:
    names = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu"]
    for name in names:
        assert fgrad.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    for slope in (None, 0.2, 1):
        assert fgrad.nn.init.calculate_gain("leaky_relu", slope) == torch.nn.init.calculate_gain("leaky_relu", slope)
    for shape in ((3, 4), (3, 4, 5), (3, 4, 5, 6)):
        assert fgrad.nn.init._calculate_fan_in_and_fan_out(fgrad.zeros(shape)) == torch.nn.init._calculate_fan_in_and_fan_out(torch.zeros(shape))
    assert fgrad.nn.init._calculate_correct_fan(fgrad.zeros(3, 4), "FAN_OUT") == 3


WRONG = [
    lambda T: T.nn.init.calculate_gain("swish"), lambda T: T.nn.init.calculate_gain("leaky_relu", True), lambda T: T.nn.init.eye_(T.zeros(3)),
    lambda T: T.nn.init.dirac_(T.zeros(3, 3)), lambda T: T.nn.init.dirac_(T.zeros(3, 3, 3), groups=2), lambda T: T.nn.init.orthogonal_(T.zeros(3)),
    lambda T: T.nn.init.sparse_(T.zeros(3), 0.1), lambda T: T.nn.init.xavier_normal_(T.zeros(3)), lambda T: T.nn.init.kaiming_normal_(T.zeros(3, 3), mode="fan"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_refusals(wrong: Any) -> None:
    for T in (torch, fgrad):
        with pytest.raises(ValueError, match=r"."):
            wrong(T)


def test_old_names_warn_and_empty_tensors_stay() -> None:
    for T in (torch, fgrad):
        x = T.zeros(3, 3)
        with pytest.warns(FutureWarning, match="deprecated"):
            T.nn.init.constant(x, 2.0)
        assert x.tolist() == [[2.0] * 3] * 3
        with pytest.warns(UserWarning, match="zero-element"):
            T.nn.init.kaiming_uniform_(T.zeros(0, 3))
        assert T.nn.init.orthogonal_(T.zeros(0, 3)).shape == (0, 3)
