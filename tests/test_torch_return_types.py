"""Named results: fields, text, `out`, and life in transforms and pickles, against PyTorch."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
X = np.random.default_rng(0).permutation(12).reshape(3, 4).astype(np.float32)
CALLS: dict[str, tuple[Any, ...]] = {
    "max": (1,), "min": (0,), "median": (1,), "nanmedian": (1,), "mode": (1,), "kthvalue": (2, 1), "sort": (1,), "topk": (2, 1), "cummax": (1,), "cummin": (0,),
    "aminmax": (),
}  # fmt: skip
every = pytest.mark.parametrize("name", CALLS)


def found(T: Any, name: str, **options: Any) -> Any:
    return getattr(T, name)(T.tensor(X), *CALLS[name], **options)


@every
def test_fields_and_text(name: str) -> None:
    ours, theirs = found(fgrad, name), found(torch, name)
    assert repr(ours) == repr(theirs).replace("torch.", "fgrad.")
    assert isinstance(ours, tuple)
    assert type(ours) is getattr(fgrad.return_types, name)
    assert type(getattr(fgrad.tensor(X), name)(*CALLS[name])) is type(ours)
    fields = ("min", "max") if name == "aminmax" else ("values", "indices")
    for field, item in zip(fields, ours, strict=True):
        assert getattr(ours, field) is item
        assert item.tolist() == getattr(theirs, field).tolist()
    again = pickle.loads(pickle.dumps(ours))
    assert type(again) is type(ours)
    assert again[0].tolist() == ours[0].tolist()
    assert "out" in inspect.signature(getattr(fgrad, name)).parameters


@every
def test_results_in_given_tensors(name: str) -> None:
    for T in (fgrad, torch):
        places = (T.empty(0), T.empty(0) if name == "aminmax" else T.empty(0, dtype=T.int64))
        y = found(T, name, out=places)
        assert y[0] is places[0]
        assert y[1].tolist() == found(T, name)[1].tolist()
        assert type(y).__name__ in (name, f"{name}_out")


def test_of_all_elements_there_is_one_number() -> None:
    for T in (fgrad, torch):
        x = T.tensor(X)
        for name in ("max", "min"):
            out = T.empty(())
            assert getattr(T, name)(x, out=out) is out
            assert out.item() == getattr(x, name)().item()
        assert T.max(x, x + 1, out=T.empty(0)).tolist() == (x + 1).tolist()


def test_named_results_pass_through_transforms() -> None:
    x = fgrad.tensor(X)
    assert type(fgrad.jit(lambda x: fgrad.max(x, 1))(x)) is fgrad.return_types.max
    assert type(fgrad.compile(lambda x: x.sort(1))(x)) is fgrad.return_types.sort
    assert fgrad.vmap(lambda row: fgrad.topk(row, 2))(x).indices.tolist() == fgrad.topk(x, 2).indices.tolist()
    assert fgrad.grad(lambda x: x.max(1).values.sum())(x).sum().item() == 3.0
