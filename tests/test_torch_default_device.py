"""set_default_device and `with device:` reach everything that makes tensors, seen on the stand-in for CuPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_backends_cupy import stand_in  # noqa: F401  # the fixture of the stand-in

import fgrad as T

MADE: list[Callable[[], Any]] = [
    lambda: T.zeros(2), lambda: T.tensor([1.0]), lambda: T.tensor(np.ones(2)), lambda: T.as_tensor([1.0]), lambda: T.as_tensor(np.ones(2)), lambda: T.asarray(np.ones(2)),
    lambda: T.asarray([1.0]), lambda: T.arange(3), lambda: T.rand(2), lambda: T.randperm(3), lambda: T.linspace(0, 1, 3), lambda: T.eye(2), lambda: T.tril_indices(2, 2),
    lambda: T.hann_window(3), lambda: T.Tensor(2), lambda: T.empty_strided((2, 2), (1, 2)), lambda: T.fft.fftfreq(3), lambda: T.nn.Linear(2, 2).weight,
    lambda: T.nn.Parameter(T.ones(2)), lambda: T.nn.BatchNorm1d(2).running_mean, lambda: T.nn.LSTM(2, 2).weight_hh_l0, lambda: T.full((2,), 1.0), lambda: T.scalar_tensor(1.0),
    lambda: T.normal(0.0, 1.0, (2,)), lambda: T.as_tensor(T.zeros(2, device="cpu")), lambda: T.nn.Sequential(T.nn.Conv2d(1, 1, 2))[0].bias,
]  # fmt: skip
STAYING: list[Callable[[], Any]] = [
    lambda: T.from_numpy(np.ones(2)), lambda: T.frombuffer(bytearray(4), dtype=T.float32), lambda: T.FloatTensor(2), lambda: T.ones_like(T.zeros(2, device="cpu")),
    lambda: T.zeros(2, device="cpu").new_zeros(2), lambda: T.zeros(2).cpu(), lambda: T.nn.Linear(2, 2, device="cpu").weight, lambda: T.tensor([1.0], device="cpu"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(MADE)))
def test_what_is_made_without_a_device(number: int) -> None:
    with T.device("cuda:0"):
        x = MADE[number]()
        assert x.device == T.device("cuda:0")
        assert x.cpu().numpy(force=True).shape == tuple(x.shape)
    assert MADE[number]().device.type == "cpu"


@pytest.mark.parametrize("number", range(len(STAYING)))
def test_what_says_where_it_is(number: int) -> None:
    with T.device("cuda:0"):
        assert STAYING[number]().device.type == "cpu"


def test_set_default_device() -> None:
    try:
        T.set_default_device("cuda")
        assert (T.get_default_device(), T.zeros(1).device) == (T.device("cuda:0"), T.device("cuda:0"))
        with T.device("cpu"):
            assert T.zeros(1).device.type == "cpu"
        f = T.compile(lambda x: x + T.ones(2))
        assert f(T.zeros(2)).device.type == "cuda"
    finally:
        T.set_default_device(None)
    assert f(T.zeros(2)).device.type == "cpu"
