"""Datasets: things with `__getitem__` and `__len__`, or things to iterate over."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from fgrad.errors import ArgumentError, RangeError
from fgrad.ir.apply import caller
from fgrad.utils.data.sampler import host_rng

T = TypeVar("T", covariant=True)


class DatasetError(ArgumentError, AssertionError):
    """Datasets that do not go together (PyTorch asserts that they do)."""


class PlaceError(RangeError, ValueError):
    """An index that a dataset does not have."""


class Dataset(Generic[T]):
    """Examples by index: define `__getitem__(i)` and `__len__()`."""

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Examples in a stream: define `__iter__()`."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset[Any]) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Tensors paired along dimension 0: example i is the tuple of their rows i.

    >>> import fgrad
    >>> TensorDataset(fgrad.tensor([1, 2]), fgrad.tensor([3, 4]))[1]
    (tensor(2), tensor(4))
    """

    def __init__(self, *tensors: Any) -> None:
        if len({t.shape[0] for t in tensors}) > 1:
            raise DatasetError(
                f"Size mismatch between tensors: {[t._type for t in tensors]}", where=caller(),
                fix="give tensors of one first dimension",
            )  # fmt: skip
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class StackDataset(Dataset[Any]):
    """Datasets of one length side by side: example i is the tuple (or dict, for keywords) of their examples i.

    >>> StackDataset(images=[1, 2], labels="ab")[1]
    {'images': 2, 'labels': 'b'}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            problem = "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like input, "
            problem += "but both types are given" if args else "At least one dataset should be passed"
            raise ArgumentError(problem, where=caller(), fix="give datasets by position, or all by name")
        self.datasets: Any = kwargs or args
        sizes = [len(d) for d in self._parts()]
        if len(set(sizes)) > 1:
            raise ArgumentError(f"Size mismatch between datasets: {sizes}", where=caller(), fix="give datasets of one length")
        self._length = sizes[0]

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _joined(self, parts: Iterable[Any]) -> Any:
        return dict(zip(self.datasets, parts, strict=True)) if isinstance(self.datasets, dict) else tuple(parts)

    def __getitem__(self, index: Any) -> Any:
        return self._joined(d[index] for d in self._parts())

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Several examples, by the datasets' own `__getitems__` where they have one."""
        columns = [
            d.__getitems__(indices) if callable(getattr(d, "__getitems__", None)) else [d[i] for i in indices]
            for d in self._parts()
        ]
        for column in columns:
            if len(column) != len(indices):
                raise ArgumentError(f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(column)}",
                                    where=caller(), fix="let __getitems__ return one example an index")  # fmt: skip
        return [self._joined(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """Datasets one after the other.

    >>> len(ConcatDataset([range(3), range(4)]))
    7
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise DatasetError("datasets should not be an empty iterable", where=caller(), fix="give at least one")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise DatasetError("ConcatDataset does not support IterableDataset", where=caller(), fix="use ChainDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """The number of examples up to the end of each dataset."""
        return list(itertools.accumulate(len(d) for d in sequence))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if not -n <= index < n:
            problem = "absolute value of index should not exceed dataset length: " if index < 0 else ""
            raise PlaceError(f"{problem}index {index} of a dataset of {n}", where=caller(), fix=f"use {-n} to {n - 1}")
        index %= n
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[Any]):
    """Streams one after the other.

    >>> class Count(IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(3))
    >>> list(ChainDataset([Count(), Count()]))
    [0, 1, 2, 0, 1, 2]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        for d in self.datasets:
            self._check(d)
            yield from d

    @staticmethod
    def _check(dataset: Any) -> None:
        if not isinstance(dataset, IterableDataset):
            raise DatasetError(f"ChainDataset only supports IterableDataset, found {type(dataset).__name__}",
                                where=caller(), fix="use ConcatDataset for datasets with indices")  # fmt: skip

    def __len__(self) -> int:
        for d in self.datasets:
            self._check(d)
        return sum(len(d) for d in self.datasets)


class Subset(Dataset[Any]):
    """Some examples of a dataset, by index.

    >>> list(Subset("abcd", [3, 1]))
    ['d', 'b']
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> Any:
        """Several examples, by the dataset's own `__getitems__` where it has one."""
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__([self.indices[i] for i in indices])
        return [self.dataset[self.indices[i]] for i in indices]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Disjoint random subsets of given lengths, or of fractions that sum to 1.

    Fractions are rounded down, and what is left over goes to the first subsets, one example each.  Warns of a
    fraction that comes to no example.  Raises ArgumentError if the lengths don't add up to the dataset's.

    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)
    sizes = [int(x) for x in lengths]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1 + 1e-9:
        for i, x in enumerate(lengths):
            if not 0 <= x <= 1:
                raise ArgumentError(f"Fraction at index {i} is not between 0 and 1", where=caller(), fix="use fractions of the whole")
        sizes = [math.floor(n * x) for x in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
        for i in (i for i, k in enumerate(sizes) if not k):
            warnings.warn(f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=2)
    if sum(sizes) != n:
        raise ArgumentError(
            f"Sum of input lengths {sum(sizes)} does not equal the length of the input dataset {n}", where=caller(),
            fix="make the lengths add up, or give fractions that sum to 1",
        )  # fmt: skip
    order = host_rng(generator).permutation(n).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[e - k : e]) for e, k in zip(ends, sizes, strict=True)]
