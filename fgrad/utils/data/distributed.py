"""A share of the examples for each of several processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fgrad.eager.generator import Generator
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.utils.data.sampler import Sampler, host_rng


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index from `rank` on, so that processes read disjoint parts of equal length.

    num_replicas, rank: how many processes there are and which this one is; both must be given.  shuffle: a new order
    for each `set_epoch`, the same in every process.  seed: what that order follows, equal in all processes.
    drop_last: leave the odd examples out; without it the first ones are read twice, so that parts are equal.
    Raises ArgumentError if `rank` is none of 0 .. num_replicas - 1.

    >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(self, dataset: Any, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
                 seed: int = 0, drop_last: bool = False) -> None:  # fmt: skip
        super().__init__()
        if num_replicas is None or rank is None:
            raise ArgumentError(
                f"DistributedSampler: num_replicas={num_replicas}, rank={rank}, and there is no process group to ask",
                where=caller(), fix="pass both, e.g. from the environment: int(os.environ['WORLD_SIZE']), int(os.environ['RANK'])",
            )  # fmt: skip
        if not 0 <= rank < num_replicas:
            raise ArgumentError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]",
                                where=caller(), fix="count ranks from 0")  # fmt: skip
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else -(-n // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = list(range(n))
        if self.shuffle:
            order = host_rng(Generator().manual_seed(self.seed + self.epoch)).permutation(n).tolist()
        if n:
            order = (order * -(-self.total_size // n))[: self.total_size]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next pass: call it before each epoch, or every epoch has the same."""
        self.epoch = epoch
