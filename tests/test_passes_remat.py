"""Rematerialisation: less memory, the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_graphs import random_graph

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import interpret
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.passes.remat import peak_bytes, remat
from fgrad.transforms.inline import trace


def stored(x: Any) -> Any:
    """Ten masks of `x` made first and read last, a wide value in between."""
    masks = [F["mul"](x, float(k)) for k in range(2, 12)]
    middle = x
    for m in masks:
        middle = F["add"](middle, F["exp"](m))
    wide = F["reduce_sum"](F["broadcast_to"](F["reshape"](F["exp"](middle), shape=(1, 100)), shape=(4, 100)), axes=(0,))
    for m in masks:
        wide = F["mul"](wide, m)
    return wide


def test_cheap_values_are_computed_again() -> None:
    graph = trace(stored, TensorType((100,), "float32"))
    small = remat(graph, 0)
    assert peak_bytes(graph) >= 11 * 400
    assert peak_bytes(small) <= 5 * 400
    x = np.random.default_rng(0).normal(size=100).astype("float32")
    np.testing.assert_array_equal(interpret(small, [x])[0], interpret(graph, [x])[0])


def test_a_budget_that_is_kept_changes_nothing() -> None:
    graph = trace(stored, TensorType((100,), "float32"))
    assert remat(graph, 10**6) is graph


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_keep_their_values(seed: int) -> None:
    graph = random_graph(seed, 40)
    small = remat(graph, 0)
    assert peak_bytes(small) <= peak_bytes(graph)
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=t.shape).astype(t.dtype) for t in graph.input_types]  # type: ignore[union-attr]
    for a, b in zip(interpret(small, inputs), interpret(graph, inputs), strict=True):
        np.testing.assert_array_equal(a, b)
