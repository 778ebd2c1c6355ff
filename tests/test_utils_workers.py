"""Workers that stay, workers that fail to answer, and refusals, against PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import fgrad.utils.data
from fgrad.utils.data import DataLoader, Dataset, IterableDataset

torch = pytest.importorskip("torch")


class Counting(Dataset[int]):
    """Counts its own reads, in the worker's copy."""

    reads = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        self.reads += 1
        return self.reads


def test_persistent_workers_keep_their_datasets() -> None:
    options: dict[str, Any] = {"batch_size": 2, "num_workers": 1, "prefetch_factor": 3}
    kept = DataLoader(Counting(), persistent_workers=True, **options)
    assert [b.tolist() for b in kept] == [[1, 2], [3, 4]]
    first = iter(kept)
    assert next(first).tolist() == [5, 6]
    del first  # left early: what was read ahead is dropped
    assert [b.tolist() for b in kept] == [[9, 10], [11, 12]]
    fresh = DataLoader(Counting(), **options)
    assert [b.tolist() for b in fresh] == [b.tolist() for b in fresh]


class Numbers(IterableDataset[int]):
    def __iter__(self) -> Any:
        return iter(range(5))


def test_persistent_workers_start_streams_again() -> None:
    kept = DataLoader(Numbers(), batch_size=2, num_workers=1, persistent_workers=True)
    assert [b.tolist() for b in kept] == [b.tolist() for b in kept] == [[0, 1], [2, 3], [4]]


def test_what_a_worker_cannot_send_is_an_error_and_no_hang() -> None:
    class Local(Exception):
        pass

    class Raises(Counting):
        def __getitem__(self, index: int) -> int:
            raise Local("of this function")

    unsendable = DataLoader(Counting(), num_workers=1, timeout=20, collate_fn=lambda batch: lambda: 0)
    with pytest.raises(RuntimeError, match="pickle"):
        list(unsendable)
    with pytest.raises(RuntimeError, match="of this function"):
        list(DataLoader(Raises(), num_workers=1, timeout=20))


@pytest.mark.parametrize(
    ("error", "f"),
    [
        (ValueError, lambda D: D.DataLoader([1], prefetch_factor=2)),
        (ValueError, lambda D: D.DataLoader([1], persistent_workers=True)),
        (ValueError, lambda D: D.DataLoader([1], timeout=-1)),
        (ValueError, lambda D: D.DataLoader([1], batch_size=None, drop_last=True)),
        (ValueError, lambda D: D.DataLoader([], shuffle=True)),
        (ValueError, lambda D: D.random_split(range(10), [1.5, -0.5])),
        (ValueError, lambda D: D.WeightedRandomSampler([1.0], 0)),
        (TypeError, lambda D: D.RandomSampler(range(3), replacement="x")),
    ],
)
def test_refusals_as_in_torch(error: type[Exception], f: Any) -> None:
    for D in (torch.utils.data, fgrad.utils.data):
        with pytest.raises(error):
            f(D)


def test_examples_that_are_tuples_become_lists_as_in_torch() -> None:
    pairs = [(1, 2.0), (3, 4.0)]
    for D in (torch.utils.data, fgrad.utils.data):
        (batch,) = D.DataLoader(pairs, batch_size=2)
        assert type(batch) is list
        assert [x.tolist() for x in batch] == [[1, 3], [2.0, 4.0]]
        assert type(next(iter(D.DataLoader(pairs, batch_size=None)))) is list
