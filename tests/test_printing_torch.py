"""Tensors print as PyTorch's do."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")

ARRAYS = [
    [0.2, 2.1271, 1.231], [1.0, 2.0, -3.0], [[0.1], [-12.5]], [0.0], [1e-5, 1.0], [1.0, 2000.0], [1e9], [0.5, 1e-3, 300.0],
    [float("nan"), 1.5, float("inf")], [-0.25, 100.0], [[1.5, -2.25], [3.0, 1e4]], [0.593], 0.593, 3.0, -1e-6, [], [[1, -22]],
    [True, False], [-5.0, 5.0], [1e-8, 0.0], [float("-inf")], np.sin(np.arange(30.0)).reshape(2, 3, 5).tolist(),
]  # fmt: skip


@pytest.mark.parametrize("numbers", ARRAYS, ids=str)
def test_numbers(numbers: object) -> None:
    assert repr(fgrad.tensor(numbers)) == repr(torch.tensor(numbers))
    if "True" not in str(numbers):
        wanted = repr(torch.tensor(numbers, dtype=torch.float64)).replace("torch.", "fgrad.")
        assert repr(fgrad.tensor(numbers, dtype=fgrad.float64)) == wanted
