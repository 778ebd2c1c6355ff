"""The order in which examples are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from fgrad.eager.generator import DEFAULT, Generator
from fgrad.errors import ArgumentError, DtypeError
from fgrad.ir.apply import caller

T = TypeVar("T", covariant=True)


def host_rng(generator: Generator | None) -> np.random.Generator:
    """A host-side stream that a Generator's seed and position determine; the Generator moves on by one block."""
    g = generator or DEFAULT
    return np.random.Generator(np.random.Philox(key=g.initial_seed(), counter=[g.advance(1), 0, 0, 1]))


def check_flag(name: str, value: Any) -> None:
    """PyTorch's refusal of what is no bool."""
    if not isinstance(value, bool):
        raise FlagError(f"{name} should be a boolean value, but got {name}={value}", where=caller(), fix="use True or False")


class FlagError(DtypeError, ValueError):
    """No bool where one is asked for (PyTorch's samplers raise TypeError or ValueError)."""


class Sampler(Generic[T]):
    """Base: `__iter__` gives indices, or lists of them for `batch_sampler=`."""

    def __init__(self, data_source: Any = None) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ...

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new random order at each pass; with replacement, `num_samples` independent draws."""

    def __init__(self, data_source: Any, replacement: bool = False, num_samples: int | None = None,
                 generator: Generator | None = None) -> None:  # fmt: skip
        super().__init__(data_source)
        if num_samples is not None and num_samples <= 0:
            raise ArgumentError(f"num_samples should be a positive integer value, but got num_samples={num_samples}",
                                where=caller(), fix="use 1 or more")  # fmt: skip
        check_flag("replacement", replacement)
        if num_samples is None and hasattr(data_source, "__len__") and len(data_source) == 0:
            raise ArgumentError("num_samples should be a positive integer value, but got num_samples=0", where=caller(),
                                fix="shuffle a dataset that has examples")  # fmt: skip
        self.replacement, self._num_samples, self.generator = replacement, num_samples, generator

    @property
    def num_samples(self) -> int:
        """Indices per pass."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count = len(self.data_source), self.num_samples
        rng = host_rng(self.generator)
        if self.replacement:
            return iter(rng.integers(0, n, count).tolist())
        orders = [rng.permutation(n) for _ in range(-(-count // max(n, 1)))]
        return iter(np.concatenate(orders)[:count].tolist() if orders else [])

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        super().__init__()
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return iter([self.indices[i] for i in host_rng(self.generator).permutation(len(self.indices))])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probability proportional to weights, which need not sum to 1.

    >>> list(WeightedRandomSampler([0.0, 2.0], 3))
    [1, 1, 1]
    """

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True,
                 generator: Generator | None = None) -> None:  # fmt: skip
        super().__init__()
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ArgumentError(f"num_samples should be a positive integer value, but got num_samples={num_samples}",
                                where=caller(), fix="use 1 or more")  # fmt: skip
        check_flag("replacement", replacement)
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1:
            raise ArgumentError(f"weights should be a 1d sequence but given weights have shape {self.weights.shape}",
                                where=caller(), fix="give one weight an example")  # fmt: skip
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        p = self.weights / self.weights.sum()
        possible = np.count_nonzero(p)
        if not self.replacement and self.num_samples > possible:
            raise ArgumentError(
                f"{self.num_samples} samples without replacement of {possible} examples with a weight above 0", where=caller(),
                fix="draw fewer, or use replacement=True",
            )  # fmt: skip
        drawn = host_rng(self.generator).choice(len(p), self.num_samples, self.replacement, p)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of another sampler; the last one may be short unless `drop_last`.

    >>> list(BatchSampler(range(5), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        super().__init__()
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ArgumentError(f"batch_size should be a positive integer value, but got batch_size={batch_size}",
                                where=caller(), fix="use 1 or more")  # fmt: skip
        check_flag("drop_last", drop_last)
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for i in self.sampler:
            batch.append(i)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]  # samplers have lengths
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
