"""Datasets, samplers, DataLoader, save and load."""

from __future__ import annotations

import io
import os
import time
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import fgrad as fg
from fgrad.utils import data


class Squares(data.Dataset[Any]):
    def __init__(self, n: int = 10) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        return fg.tensor([float(i), float(i * i)]), i


class Broken(Squares):
    def __getitem__(self, i: int) -> Any:
        if i == 5:
            raise KeyError("no five here")
        return super().__getitem__(i)


class Dying(Squares):
    def __getitem__(self, i: int) -> Any:
        if i == 5:
            os._exit(3)
        return super().__getitem__(i)


class Stream(data.IterableDataset[Any]):
    def __iter__(self) -> Any:
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, 10, step))


def seen(loader: Any) -> list[int]:
    return [int(i) for _, labels in loader for i in labels]


def test_batches_in_order_with_a_short_last_one() -> None:
    loader = data.DataLoader(Squares(), batch_size=4)
    shapes = [tuple(x.shape) for x, _ in loader]
    assert shapes == [(4, 2), (4, 2), (2, 2)]
    assert len(loader) == 3
    assert len(data.DataLoader(Squares(), batch_size=4, drop_last=True)) == 2
    assert seen(loader) == list(range(10))


def test_shuffle_is_a_new_permutation_each_epoch_and_follows_the_seed() -> None:
    fg.manual_seed(3)
    loader = data.DataLoader(Squares(), batch_size=4, shuffle=True)
    a, b = seen(loader), seen(loader)
    assert sorted(a) == sorted(b) == list(range(10))
    assert a != b
    fg.manual_seed(3)
    assert seen(data.DataLoader(Squares(), batch_size=4, shuffle=True)) == a
    g = fg.Generator().manual_seed(5)
    assert seen(data.DataLoader(Squares(), shuffle=True, generator=g)) == seen(
        data.DataLoader(Squares(), shuffle=True, generator=fg.Generator().manual_seed(5))
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_keep_the_order(workers: int) -> None:
    fg.manual_seed(3)
    expected = seen(data.DataLoader(Squares(23), batch_size=4, shuffle=True))
    fg.manual_seed(3)
    assert seen(data.DataLoader(Squares(23), batch_size=4, shuffle=True, num_workers=workers)) == expected


def test_a_worker_that_raises_gives_its_traceback() -> None:
    with pytest.raises(KeyError, match="no five here") as e:
        list(data.DataLoader(Broken(), batch_size=2, num_workers=2))
    assert "worker process" in str(e.value)
    assert "__getitem__" in str(e.value)


def test_a_worker_that_dies_is_an_error_not_a_hang() -> None:
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="exited unexpectedly with exit code 3"):
        list(data.DataLoader(Dying(), batch_size=2, num_workers=2))
    assert time.monotonic() - start < 20


def test_worker_init_and_info() -> None:
    class Ids(data.Dataset[Any]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> Any:
            info = data.get_worker_info()
            assert info is not None
            return info.id, info.num_workers, int(os.environ["MARK"])

    def init(i: int) -> None:
        os.environ["MARK"] = str(10 + i)

    rows = [tuple(int(v) for v in b) for b in data.DataLoader(Ids(), num_workers=2, worker_init_fn=init)]
    assert rows == [(0, 2, 10), (1, 2, 11), (0, 2, 10), (1, 2, 11)]
    assert data.get_worker_info() is None


def test_streams_with_and_without_workers() -> None:
    assert [b.tolist() for b in data.DataLoader(Stream(), batch_size=4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    found = [v for b in data.DataLoader(Stream(), batch_size=2, num_workers=2) for v in b.tolist()]
    assert sorted(found) == list(range(10))
    assert len(list(data.DataLoader(Stream(), batch_size=4, drop_last=True))) == 2


def test_leaving_a_loader_early_ends_its_workers() -> None:
    loader = iter(data.DataLoader(Squares(100), num_workers=2))
    next(loader)
    loader.close()  # type: ignore[attr-defined]


def test_splits_subsets_and_concatenation() -> None:
    a, b = data.random_split(Squares(10), [0.7, 0.3], generator=fg.Generator().manual_seed(0))
    assert (len(a), len(b)) == (7, 3)
    assert sorted([i for _, i in a] + [i for _, i in b]) == list(range(10))
    both = Squares(2) + Squares(3)
    assert [i for _, i in (both[k] for k in range(5))] == [0, 1, 0, 1, 2]
    assert both[-1][1] == 2
    with pytest.raises(ValueError, match="does not equal"):
        data.random_split(Squares(10), [5, 6])
    with pytest.raises(RuntimeError, match="Size mismatch"):
        data.TensorDataset(fg.ones(2), fg.ones(3))


def test_samplers() -> None:
    fg.manual_seed(0)
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(data.SubsetRandomSampler([4, 5, 6])) == [4, 5, 6]
    drawn = list(data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    assert drawn.count(0) == 0
    assert drawn.count(2) / 4000 == pytest.approx(0.75, abs=0.03)
    assert len(list(data.RandomSampler(range(5), replacement=True, num_samples=12))) == 12
    assert list(data.BatchSampler(range(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="positive integer"):
        data.BatchSampler(range(3), 0, drop_last=False)
    with pytest.raises(ValueError, match="mutually exclusive"):
        data.DataLoader(Squares(), shuffle=True, sampler=data.SequentialSampler(range(3)))


def test_collate_keeps_structure() -> None:
    Point = namedtuple("Point", "x y")
    batch = [{"a": 1, "b": (2.0, "s"), "c": Point(np.ones(2), fg.ones(3))} for _ in range(2)]
    out = data.default_collate(batch)
    assert out["a"].dtype is fg.int64
    assert out["b"][0].dtype is fg.float64
    assert out["b"][1] == ("s", "s")
    assert isinstance(out["c"], Point)
    assert tuple(out["c"].y.shape) == (2, 3)
    with pytest.raises(TypeError, match="default_collate"):
        data.default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
        data.default_collate([fg.ones(2), fg.ones(3)])
    loader = data.DataLoader(Squares(), batch_size=None)
    assert next(iter(loader))[1] == 0


TREE = {
    "t": fg.tensor([[1.0, 2.0]]), "p": fg.nn.Parameter(fg.ones(2)), "i": fg.tensor(3), "b": fg.ones(2, dtype=fg.bfloat16),
    "n": [1, 2.5, True, None, "text", float("inf")], 7: (fg.zeros(0, 3),), "o": OrderedDict(a=1), "d": fg.float32,
    "array": np.arange(3), "e": fg.tensor(1.0, dtype=fg.float64),
}  # fmt: skip


def same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, fg.Tensor):
        assert a.dtype is b.dtype
        assert a.requires_grad == b.requires_grad
        assert a.tolist() == b.tolist()
        assert a.shape == b.shape
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for k in a:
            same(a[k], b[k])
    elif isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


def test_save_and_load_keep_everything(tmp_path: Any) -> None:
    path = tmp_path / "tree.pt"
    fg.save(TREE, path)
    same(TREE, fg.load(path))
    buffer = io.BytesIO()
    fg.save(TREE, buffer)
    buffer.seek(0)
    same(TREE, fg.load(buffer))
    assert list(tmp_path.iterdir()) == [path]


def test_tied_tensors_stay_tied(tmp_path: Any) -> None:
    x = fg.ones(2)
    fg.save([x, x], tmp_path / "tied")
    a, b = fg.load(tmp_path / "tied")
    assert a is b


def test_saving_what_needs_code_is_refused_and_leaves_the_old_file(tmp_path: Any) -> None:
    path = tmp_path / "file"
    fg.save({"a": 1}, path)
    with pytest.raises(RuntimeError, match="state_dict"):
        fg.save({"f": lambda: 1}, path)
    assert fg.load(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"PK\x03\x04zip", b"\x80\x04pickle", b"", b"nothing", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_other_files_are_named_not_read(content: bytes, tmp_path: Any) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="load: .* is "):
        fg.load(path)


def test_optimiser_state_survives_a_file(tmp_path: Any) -> None:
    w = fg.nn.Parameter(fg.ones(3))
    opt = fg.optim.Adam([w], lr=0.1)
    (w * w).sum().backward()
    opt.step()
    fg.save(opt.state_dict(), tmp_path / "opt")
    again = fg.optim.Adam([w], lr=0.5)
    again.load_state_dict(fg.load(tmp_path / "opt"))
    assert again.param_groups[0]["lr"] == 0.1
    assert again.state[w]["step"] == 1
    assert again.state[w]["exp_avg"].tolist() == opt.state[w]["exp_avg"].tolist()


def test_files_whose_header_length_looks_like_a_pickle_load() -> None:
    for n in range(300):  # the length is a multiple of 8: one in 32 begins with 0x80
        buffer = io.BytesIO()
        fg.save({"a" * n: fg.ones(1)}, buffer)
        buffer.seek(0)
        assert list(fg.load(buffer, map_location=lambda storage, place: storage)) == ["a" * n]
