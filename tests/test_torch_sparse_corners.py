"""Sparse tensors' items and sizes, and in-place running sums, against PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import fgrad

torch = pytest.importorskip("torch")
NAMESPACES = (torch, fgrad)
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning")  # PyTorch's of its own


def _coo(t: Any) -> Any:
    return t.sparse_coo_tensor(t.tensor([[0, 1, 1, 0], [2, 0, 2, 2]]), t.tensor([3.0, 4.0, 5.0, 6.0]), (2, 3))


def test_items_lengths_and_empty_tensors() -> None:
    for t in NAMESPACES:
        s = _coo(t)
        for x in (s, s.to_sparse_csr()):
            assert (x[0, 2].item(), x[1, -3].item(), x[1, 1].item(), len(x)) == (9.0, 4.0, 0.0, 2)
        assert t.sparse_coo_tensor(size=(2, 3)).to_dense().tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("name", ["cumsum_", "cumprod_"])
def test_running_sums_in_place_keep_the_dtype(name: str) -> None:
    for t in NAMESPACES:
        with pytest.raises(RuntimeError, match="Bad in-place call"):
            getattr(t.ones(3), name)(0, dtype=t.float64)
        assert getattr(t.ones(3), name)(0, dtype=t.float32).dtype == t.float32
