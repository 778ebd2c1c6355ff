"""compile: what it must leave as it is."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import fgrad as fg


def test_arguments_written_in_place_are_written() -> None:
    @fg.compile
    def f(x: Any) -> Any:
        x.add_(1)
        return x * 2

    x = fg.zeros(2)
    for i in range(1, 4):
        assert f(x).tolist() == [2.0 * i] * 2
        assert x.tolist() == [float(i)] * 2


def test_arguments_written_through_a_view_are_written() -> None:
    @fg.compile
    def f(x: Any) -> Any:
        x[0] = 5.0
        return x.sum()

    x = fg.zeros(2)
    assert f(x).item() == 5.0
    assert x.tolist() == [5.0, 0.0]


def test_fullgraph_refuses_writes_to_arguments() -> None:
    f = fg.compile(lambda x: x.add_(1), fullgraph=True)
    with pytest.raises(TypeError, match="written in place"):
        f(fg.zeros(2))


def test_python_numbers_stay_python_numbers() -> None:
    @fg.compile
    def f(x: Any) -> Any:
        return {"y": x + 1, "n": 3, "flag": True, "none": None, "half": 0.5}

    for _ in range(2):
        out = f(fg.zeros(1))
        assert (type(out["n"]), out["flag"], out["none"], out["half"]) == (int, True, None, 0.5)
        assert out["y"].tolist() == [1.0]


def test_compiled_modules_are_copied_and_pickled() -> None:
    m = fg.compile(fg.nn.Linear(2, 1))
    x = fg.ones(1, 2)
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert twin(x).tolist() == m(x).tolist()
        with fg.no_grad():
            twin.weight.zero_()
        assert m.weight.tolist() != twin.weight.tolist()
