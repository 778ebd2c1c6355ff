"""Tensors print as PyTorch's do, under every option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")

ARRAYS = [
    [0.2, 2.1271, 1.231], [1.0, 2.0, -3.0], [[0.1], [-12.5]], [0.0], [1e-5, 1.0], [1.0, 2000.0], [1e9], [0.5, 1e-3, 300.0],
    [float("nan"), 1.5, float("inf")], [-0.25, 100.0], [[1.5, -2.25], [3.0, 1e4]], [0.593], 0.593, 3.0, -1e-6, [], [[1, -22]],
    [True, False], [-5.0, 5.0], [1e-8, 0.0], [float("-inf")], np.sin(np.arange(30.0)).reshape(2, 3, 5).tolist(), [float("nan"), 2.0],
    [[], []], [-0.0, 0.0], [1e20, 1.5], [999.0, 1.0], [1000.5, 1.0], list(range(40)), [[10**12, -1]], [float("inf"), 1e-5],
]  # fmt: skip


@pytest.fixture(autouse=True)
def _options() -> Iterator[None]:
    yield
    for T in (fgrad, torch):
        T.set_printoptions(profile="default")


@pytest.mark.parametrize("numbers", ARRAYS, ids=str)
def test_numbers(numbers: object) -> None:
    assert repr(fgrad.tensor(numbers)) == repr(torch.tensor(numbers))
    if "True" not in str(numbers):
        for kind in ("float64", "float16", "complex64", "int32"):
            if kind == "int32" and ("e" in str(numbers) or "n" in str(numbers) or "000" in str(numbers)):
                continue
            ours, theirs = (T.tensor(numbers).to(getattr(T, kind)) for T in (fgrad, torch))
            assert repr(ours) == repr(theirs).replace("torch.", "fgrad.")


SHAPES = [(), (1,), (0,), (0, 3), (3, 0), (7,), (30,), (3, 4), (2, 3, 4), (2, 1, 2, 3), (1001,), (6, 7), (8, 200), (3, 400), (7, 7, 30), (1, 1, 1)]
OPTIONS = [
    {}, {"precision": 2}, {"precision": 0}, {"precision": 7}, {"threshold": 5}, {"threshold": 5, "edgeitems": 1}, {"threshold": 5, "edgeitems": 2, "linewidth": 30},
    {"linewidth": 20}, {"linewidth": 200}, {"sci_mode": True}, {"sci_mode": False}, {"profile": "short"}, {"profile": "full"}, {"profile": "short", "precision": 3},
    {"threshold": 0, "edgeitems": 4},
]  # fmt: skip
DRAWS = {
    "float32": lambda r, s: r.standard_normal(s), "float64": lambda r, s: r.standard_normal(s) * 10.0 ** r.integers(-5, 6), "int64": lambda r, s: r.integers(-1000, 1000, s),
    "uint8": lambda r, s: r.integers(0, 255, s), "bool": lambda r, s: r.integers(0, 2, s).astype(bool), "float16": lambda r, s: r.integers(-9, 9, s) / 1.0,
    "bfloat16": lambda r, s: r.standard_normal(s), "complex64": lambda r, s: r.standard_normal(s) + 1j * r.standard_normal(s),
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(OPTIONS)))
@pytest.mark.parametrize("kind", DRAWS)
def test_options(number: int, kind: str) -> None:
    r = np.random.default_rng(number)
    for T in (fgrad, torch):
        T.set_printoptions(**OPTIONS[number])
    for shape in SHAPES:
        if OPTIONS[number].get("profile") == "full" and np.prod(shape) > 1000 and shape != (1001,):
            continue
        a = np.asarray(DRAWS[kind](r, shape))
        ours, theirs = (T.tensor(a).to(getattr(T, kind)) for T in (fgrad, torch))
        assert repr(ours) == repr(theirs).replace("torch.", "fgrad.")
        assert str(ours) == repr(ours)


def test_what_follows_the_numbers() -> None:
    def shown(T: Any) -> list[str]:
        x = T.ones(3, requires_grad=True)
        wide = T.arange(60.0, dtype=T.float64, requires_grad=True)
        return [repr(x), repr(wide), repr(T.zeros(2, 0, dtype=T.int32)), repr(x * 2), repr(T.nn.Parameter(T.ones(2))), repr(T.zeros(0, dtype=T.int64)), f"{T.tensor(1.5):.3f}",
                repr(T.ones(2, 9, dtype=T.float64) / 3)]  # fmt: skip

    assert shown(fgrad) == [t.replace("torch.", "fgrad.") for t in shown(torch)]


def test_default_dtype_is_not_named() -> None:
    try:
        found = []
        for T in (fgrad, torch):
            T.set_default_dtype(T.float64)
            found.append([repr(T.ones(1)), repr(T.ones(1, dtype=T.float32)).replace("torch.", "fgrad."), repr(T.ones(1, dtype=T.complex128))])
        assert found[0] == found[1]
    finally:
        for T in (fgrad, torch):
            T.set_default_dtype(T.float32)


def test_options_stay_until_changed() -> None:
    for T in (fgrad, torch):
        T.set_printoptions(precision=2, sci_mode=True)
        T.set_printoptions(edgeitems=1, threshold=2)
    assert repr(fgrad.tensor([1.2345, 2, 3])) == repr(torch.tensor([1.2345, 2, 3])) == "tensor([1.23,  ..., 3.00])"
    for T in (fgrad, torch):
        T.set_printoptions(profile="no such profile")
    assert repr(fgrad.tensor([1.2345, 2, 3])) == repr(torch.tensor([1.2345, 2, 3]))


def test_a_number_is_formatted_as_a_number() -> None:
    for t in (torch, fgrad):
        x = t.tensor(1.5, requires_grad=True)
        assert (f"{x}", f"{x * 2}", f"{x:.2f}", f"{t.nn.Parameter(x)}".split("\n")[0]) == ("1.5", "3.0", "1.50", "Parameter containing:")
        assert f"{t.ones(1)}" == "tensor([1.])"
