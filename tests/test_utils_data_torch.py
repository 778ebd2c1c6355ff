"""utils.data against PyTorch, where no draw is involved."""

from __future__ import annotations

import multiprocessing
import random
import warnings
from collections import OrderedDict, UserDict, UserList, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.utils.data
from fgrad.utils import data

torch = pytest.importorskip("torch")
BOTH = ((torch, torch.utils.data), (fgrad, fgrad.utils.data))
Point = namedtuple("Point", "x y")


def plain(x: Any) -> Any:
    """Types, dtypes and numbers, without the library's own classes."""
    if hasattr(x, "tolist") and not isinstance(x, np.ndarray | np.generic):
        return str(x.dtype).split(".")[-1], tuple(x.shape), x.tolist()
    if isinstance(x, dict | UserDict):
        return type(x).__name__, [(k, plain(v)) for k, v in x.items()]
    if isinstance(x, list | tuple | UserList):
        return type(x).__name__, [plain(v) for v in x]
    return type(x).__name__, str(x)


EXAMPLES: list[Any] = [
    1, True, 2.5, "text", b"bytes", np.float32(1.5), np.int64(3), np.float64(1), np.bool_(True), np.str_("s"), np.ones((2, 1)),
    np.arange(3, dtype=np.uint8), (1, "a"), [1, 2.0], [[1], [2.0]], Point(1, [2.0]), {"a": 1, "b": {"c": (1, 2)}},
    OrderedDict(z=1, a=2), defaultdict(list, a=1), UserDict(a=1), UserList([1, 2]), range(2), {}, [],
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda x: f"{type(x).__name__}-{x}"[:30])
def test_collate_and_convert_as_torch(example: Any) -> None:
    found = [(plain(D.default_collate([example, example])), plain(D.default_convert(example))) for _, D in BOTH]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("error", "batch"),
    [
        (TypeError, [None, None]),
        (TypeError, [np.array(["a"]), np.array(["b"])]),
        (TypeError, [{1}, {2}]),
        (RuntimeError, [[1, 2], [1]]),
        (KeyError, [{"a": 1}, {"b": 1}]),
    ],
)
def test_batches_that_cannot_be_collated(error: type[Exception], batch: Any) -> None:
    for _, D in BOTH:
        with pytest.raises(error):
            D.default_collate(batch)


@pytest.mark.parametrize("n", [0, 1, 5, 10, 11])
@pytest.mark.parametrize("replicas", [1, 3, 4])
@pytest.mark.parametrize("drop", [False, True])
def test_distributed_sampler_reads_what_torchs_reads(n: int, replicas: int, drop: bool) -> None:
    for rank in range(replicas):
        if n == 0:
            assert list(data.DistributedSampler([], replicas, rank, drop_last=drop)) == []
            continue
        a, b = (D.DistributedSampler(range(n), replicas, rank, shuffle=False, drop_last=drop) for _, D in BOTH)
        assert list(a) == list(b)
        assert (len(a), a.total_size) == (len(b), b.total_size)


def test_distributed_orders_are_shared_and_follow_the_epoch() -> None:
    parts = [data.DistributedSampler(range(12), 3, rank, seed=4) for rank in range(3)]
    first = [list(p) for p in parts]
    assert sorted(i for p in first for i in p) == list(range(12))
    assert [list(p) for p in parts] == first
    for p in parts:
        p.set_epoch(1)
    assert [list(p) for p in parts] != first
    with pytest.raises(ValueError, match="Invalid rank 3"):
        data.DistributedSampler(range(3), 3, 3)
    with pytest.raises(RuntimeError, match="num_replicas"):
        data.DistributedSampler(range(3))


def test_stacked_datasets() -> None:
    class Rows(data.Dataset[int]):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, i: int) -> int:
            return 10 * i

        def __getitems__(self, indices: list[int]) -> list[int]:
            return [10 * i + 1 for i in indices]

    for _, D in BOTH:
        both = D.StackDataset(Rows(), [5, 6, 7])
        assert (len(both), both[1], both.__getitems__([0, 2])) == (3, (10, 6), [(1, 5), (21, 7)])
        named = D.StackDataset(a=Rows(), b=[5, 6, 7])
        assert (named[1], named.__getitems__([2])) == ({"a": 10, "b": 6}, [{"a": 21, "b": 7}])
        (batch,) = D.DataLoader(D.Subset(named, [2, 0]), batch_size=2)
        assert {k: v.tolist() for k, v in batch.items()} == {"a": [21, 1], "b": [7, 5]}
        for args, kwargs in (((), {}), (([1],), {"a": [1]}), (([1], [1, 2]), {})):
            with pytest.raises(ValueError, match=r"dataset|tuple"):
                D.StackDataset(*args, **kwargs)


class Stream(data.IterableDataset[int]):
    def __iter__(self) -> Any:
        return iter(range(3))


def test_streams_do_not_mix_with_indexed_datasets() -> None:
    assert list(Stream() + Stream()) == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match="IterableDataset"):
        data.ConcatDataset([Stream()])
    with pytest.raises(ValueError, match="IterableDataset"):
        list(data.ChainDataset([[1]]))
    with pytest.raises(IndexError, match="use -2 to 1"):
        data.ConcatDataset([[1, 2]])[2]


@pytest.mark.parametrize(("n", "parts"), [(10, [0.33, 0.33, 0.34]), (7, [0.5, 0.5]), (9, [4, 5]), (5, [0.2, 0.3, 0.5])])
def test_split_sizes_as_torch(n: int, parts: list[float]) -> None:
    a, b = ([len(s) for s in D.random_split(range(n), parts)] for _, D in BOTH)
    assert a == b


def test_an_empty_split_warns_as_torch() -> None:
    for _, D in BOTH:
        with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
            D.random_split(range(1), [0.9, 0.1])


def test_samplers_refuse_what_torch_refuses() -> None:
    for F, D in BOTH:
        with pytest.raises(ValueError, match="1d sequence"):
            D.WeightedRandomSampler(F.ones(2, 2), 1)
        with pytest.raises(RuntimeError):
            list(D.WeightedRandomSampler([1.0, 2.0], 3, replacement=False))
        with pytest.raises(ValueError, match="num_samples=0"):
            list(D.RandomSampler([], replacement=True))
        loader = D.DataLoader([1, 2], batch_size=2)
        with pytest.raises(ValueError, match="should not be set"):
            loader.batch_size = 3
        for context, workers in (("fork", 0), ("thread", 1)):
            with pytest.raises(ValueError, match="multiprocessing_context"):
                D.DataLoader([1], num_workers=workers, multiprocessing_context=context)


class Pairs(data.Sampler[list[int]]):
    def __iter__(self) -> Any:
        return iter([[3, 1], [0]])

    def __len__(self) -> int:
        return 2


def test_a_batch_sampler_of_ones_own_and_a_context() -> None:
    context = multiprocessing.get_context("fork")
    for workers, how in ((0, None), (2, context)):
        loader = data.DataLoader[Any](
            range(5), batch_sampler=Pairs(), num_workers=workers, multiprocessing_context=how, collate_fn=tuple, pin_memory=True
        )
        assert list(loader) == [(3, 1), (0,)]
        assert (len(loader), loader.batch_size) == (2, None)


class Draws(data.Dataset[float]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(fgrad.rand(()))  # noqa: NPY002  # what is seeded


def test_workers_draw_by_the_seed() -> None:
    def read(seed: int) -> Any:
        generator = fgrad.Generator().manual_seed(seed)
        loader = data.DataLoader(Draws(), batch_size=2, num_workers=2, generator=generator)
        return [column.tolist() for batch in loader for column in batch]

    first = read(1)
    assert first == read(1) != read(2)
    assert len({x for column in first for x in column}) == 12


@pytest.mark.parametrize("sampler", [None, "weighted", "subset"])
def test_any_sampler_gives_one_order_for_any_number_of_workers(sampler: str | None) -> None:
    def read(workers: int) -> list[int]:
        g = fgrad.Generator().manual_seed(7)
        own: Any = {
            "weighted": data.WeightedRandomSampler(range(1, 12), 9, generator=g),
            "subset": data.SubsetRandomSampler(range(3, 11), generator=g),
        }.get(sampler or "")
        loader = data.DataLoader(range(11), 2, shuffle=own is None, sampler=own, num_workers=workers, generator=g)
        return [x for batch in loader for x in batch.tolist()]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read(0) == read(1) == read(3)


class Ten:
    def __len__(self) -> int:
        return 10

    def __getitem__(self, i: int) -> int:
        return i


REFUSED: list[Any] = [
    lambda m, d: d.default_collate([np.ones(2), np.ones(3)]), lambda m, d: list(d.ChainDataset([Ten()])), lambda m, d: d.TensorDataset(m.arange(3), m.ones(2)),
    lambda m, d: d.ConcatDataset([Ten(), Ten()])[-21], lambda m, d: d.ConcatDataset([Ten(), Ten()])[20], lambda m, d: d.ConcatDataset([]),
    lambda m, d: d.WeightedRandomSampler([0, 1], 2, replacement=3), lambda m, d: d.BatchSampler(range(5), 2, 3), lambda m, d: d.RandomSampler(Ten(), replacement=2),
    lambda m, d: d.DataLoader(Ten(), num_workers=1, multiprocessing_context=3), lambda m, d: d.DataLoader(Ten(), prefetch_factor=2),
    lambda m, d: d.DataLoader(Ten(), num_workers=1, multiprocessing_context="nope"), lambda m, d: d.DataLoader(Ten(), timeout=-1),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_refusals_are_of_torchs_classes(case: int) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        REFUSED[case](torch, torch.utils.data)
    with pytest.raises(theirs.type):
        REFUSED[case](fgrad, fgrad.utils.data)


def test_sizes_of_datasets_together() -> None:
    assert fgrad.utils.data.ConcatDataset.cumsum([Ten(), Ten()]) == torch.utils.data.ConcatDataset.cumsum([Ten(), Ten()]) == [10, 20]
    with pytest.raises(AssertionError, match="prefetch_factor"):
        fgrad.utils.data.DataLoader(Ten(), num_workers=1, prefetch_factor=0)
