"""fgrad.testing against torch.testing: what passes, what fails and how it is told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
both = pytest.mark.parametrize("T", [fgrad, torch])

PAIRS = [
    lambda T: (T.ones(2), T.ones(2)), lambda T: (T.ones(2), T.ones(2) * 1.1), lambda T: (T.ones(2), T.ones(2) + 1e-6), lambda T: (T.ones(2), T.ones(3)),
    lambda T: (T.ones(2), T.ones(2, dtype=T.float64)), lambda T: (1.0, 1.1), lambda T: (1.0, 1.0 + 1e-9), lambda T: (1, 2), lambda T: (1, 1),
    lambda T: ([T.ones(2), 1], [T.ones(2), 2]), lambda T: ({"a": T.ones(2)}, {"b": T.ones(2)}), lambda T: ({"a": [T.ones(2)]}, {"a": [T.zeros(2)]}),
    lambda T: (T.tensor([math.nan]), T.tensor([math.nan])), lambda T: (T.tensor([1, 2]), T.tensor([1, 3])), lambda T: ([1], [1, 2]), lambda T: (None, None),
    lambda T: (np.ones(2), np.ones(2) * 2), lambda T: (np.ones(2), np.ones(2)), lambda T: (T.tensor([True]), T.tensor([False])), lambda T: (T.tensor(1.0), T.tensor(2.0)),
    lambda T: ((1,), [1]), lambda T: (T.ones(2, 3, dtype=T.float16), T.ones(2, 3, dtype=T.float16) * 1.01), lambda T: (T.tensor([math.inf]), T.tensor([math.inf])),
    lambda T: (T.tensor([[1.0, 5.0], [2.0, 3.0]]), T.tensor([[1.0, 2.0], [2.0, 4.0]])), lambda T: (T.tensor([1 + 2j]), T.tensor([1 + 2j])), lambda T: (1j, 2j),
    lambda T: (T.tensor([1 + 2j]), T.tensor([1 + 3j])), lambda T: (T.ones(0), T.ones(0)), lambda T: (T.tensor([200], dtype=T.uint8), T.tensor([1], dtype=T.uint8)),
]  # fmt: skip
OPTIONS: list[dict[str, Any]] = [{}, {"rtol": 0.2, "atol": 0.0}, {"rtol": 0.0, "atol": 0.0}, {"equal_nan": True}, {"check_dtype": False}, {"msg": "told"}]


def outcome(T: Any, x: Any, y: Any, options: dict[str, Any]) -> str:
    try:
        T.testing.assert_close(x, y, **options)
    except AssertionError as e:
        return str(e)
    return "passes"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_outcomes_and_messages(number: int, options: dict[str, Any]) -> None:
    ours, theirs = (outcome(T, *PAIRS[number](T), options) for T in (fgrad, torch))
    if "msg" in options and theirs.startswith("The"):  # PyTorch keeps its own words about lengths and keys
        theirs = "told"
    assert ours.replace("fgrad.", "torch.") == theirs


@both
def test_messages_options_and_misuse(T: Any) -> None:
    x = T.ones(2)
    with pytest.raises(AssertionError, match="^note: Tensor-likes"):
        T.testing.assert_close(x, x * 2, msg=lambda m: f"note: {m}")
    with pytest.raises(ValueError, match="Both 'rtol' and 'atol'"):
        T.testing.assert_close(x, x, rtol=1.0)
    for a, b in ((x, 1.0), ("a", "a")):
        with pytest.raises(TypeError, match="No comparison pair"):
            T.testing.assert_close(a, b)
    with pytest.raises(AssertionError, match="None mismatch"):
        T.testing.assert_close(x, None)
    with pytest.raises(TypeError, match="No comparison pair"):
        T.testing.assert_close(x, T.nn.Parameter(x), allow_subclasses=False)
    T.testing.assert_close(x, T.nn.Parameter(x))
    T.testing.assert_close(T.ones(2, 3).T, T.ones(3, 2))
    with pytest.raises(AssertionError, match="stride"):
        T.testing.assert_close(T.ones(2, 3).T, T.ones(3, 2), check_stride=True)


@pytest.mark.filterwarnings("ignore")
@both
def test_the_older_comparison(T: Any) -> None:
    T.testing.assert_allclose(T.ones(2), [1.0, 1.0])
    T.testing.assert_allclose(T.tensor([math.nan]), np.array([math.nan]))
    with pytest.raises(AssertionError):
        T.testing.assert_allclose(T.ones(2), T.zeros(2))


@both
@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16", "complex64", "int64", "uint8", "bool"])
def test_made_tensors(T: Any, kind: str) -> None:
    d = getattr(T, kind)
    x = T.testing.make_tensor((300, 4), dtype=d, device="cpu")
    assert (tuple(x.shape), x.dtype) == ((300, 4), d)
    real = T.view_as_real(x) if x.is_complex() else x.double()
    low, high = {"uint8": (0, 10), "bool": (0, 2), "int64": (-9, 10)}.get(kind, (-9, 9))
    assert low <= real.min().item() < low + 1.5
    assert high - 2.5 < real.max().item() <= high
    if kind != "bool":
        near = T.testing.make_tensor(500, dtype=d, device="cpu", low=2, high=4)
        values = (T.view_as_real(near) if near.is_complex() else near.double()).flatten()
        assert 2 <= values.min().item() <= values.max().item() <= 4
        assert (T.testing.make_tensor(500, dtype=d, device="cpu", low=0, high=3, exclude_zero=True) != 0).all()
    gaps = T.testing.make_tensor(3, 4, dtype=d, device="cpu", noncontiguous=True)
    assert (gaps.is_contiguous(), tuple(gaps.shape)) == (False, (3, 4))
    if d.is_floating_point:
        assert T.testing.make_tensor(2, dtype=d, device="cpu", requires_grad=True).is_leaf
    with pytest.raises(ValueError, match="low"):
        T.testing.make_tensor(2, dtype=d, device="cpu", low=3, high=2)
