"""DataLoader: batches of a dataset, in this process or by workers."""

from __future__ import annotations

import itertools
import multiprocessing as mp
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import GenericAlias
from typing import Any, ClassVar

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.utils.data.collate import default_collate, default_convert
from fgrad.utils.data.dataset import IterableDataset
from fgrad.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, host_rng
from fgrad.utils.data.worker import Pool

FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class FetchMap:
    """Makes a reader of a map-style dataset: indices in, batch out."""

    def __init__(self, collate: Callable[[Any], Any], batched: bool) -> None:
        self.collate, self.batched = collate, batched

    def __call__(self, dataset: Any) -> Callable[[Any], Any]:
        """The reader."""
        self.dataset = dataset
        return self.read

    def read(self, indices: Any) -> Any:
        """One batch."""
        if not self.batched:
            return self.collate(self.dataset[indices])
        if hasattr(self.dataset, "__getitems__"):
            return self.collate(self.dataset.__getitems__(indices))
        return self.collate([self.dataset[i] for i in indices])


class FetchStream:
    """Makes a reader of an iterable dataset: each call gives the next batch."""

    def __init__(self, collate: Callable[[Any], Any], batched: bool, drop_last: bool) -> None:
        self.collate, self.batched, self.drop_last = collate, batched, drop_last

    def __call__(self, dataset: Any) -> Callable[[Any], Any]:
        """The reader."""
        self.stream = iter(dataset)
        return self.read

    def read(self, size: Any) -> Any:
        """One batch of `size` examples; StopIteration at the end."""
        if not self.batched:
            return self.collate(next(self.stream))
        batch = list(itertools.islice(self.stream, size))
        if not batch or (self.drop_last and len(batch) < size):
            raise StopIteration
        return self.collate(batch)


class DataLoader:
    """Iterates over batches of a dataset.

    batch_size: examples a batch (None: single examples).  shuffle, sampler, batch_sampler: the order.  num_workers:
    processes that read ahead (0: this one).  collate_fn: examples to batch.  drop_last: no short last batch.
    generator: source of the order and of the workers' seeds.  worker_init_fn(i): run in each worker first.
    persistent_workers: they and their datasets stay for the next pass.  prefetch_factor: batches each reads ahead (2).
    timeout: seconds to wait for a batch (0: for ever).  multiprocessing_context: how workers start, "fork", "spawn" or
    "forkserver", or such a context.  pin_memory, pin_memory_device, in_order: accepted; batches always come in order.
    The order depends on the seed alone, not on num_workers.  A worker that raises or dies raises here.
    Raises ArgumentError for options that exclude each other.

    >>> [batch.tolist() for batch in DataLoader(range(5), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    _ready = False
    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # DataLoader[int] in annotations, as PyTorch's

    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None, sampler: Any = None,
                 batch_sampler: Any = None, num_workers: int = 0, collate_fn: Callable[[Any], Any] | None = None,
                 pin_memory: bool = False, drop_last: bool = False, timeout: float = 0,
                 worker_init_fn: Callable[[int], None] | None = None, multiprocessing_context: Any = None,
                 generator: Any = None, *, prefetch_factor: int | None = None, persistent_workers: bool = False,
                 pin_memory_device: str = "", in_order: bool = True) -> None:  # fmt: skip
        self._check(dataset, batch_size, shuffle, sampler, batch_sampler, num_workers, drop_last)
        self._check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.worker_init_fn, self.generator = worker_init_fn, generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device, self.in_order = pin_memory, pin_memory_device, in_order
        self.persistent_workers, self.multiprocessing_context = persistent_workers, multiprocessing_context
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        self.stream = isinstance(dataset, IterableDataset)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if not self.stream and sampler is None and batch_sampler is None:
            self.sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if not self.stream and batch_sampler is None and batch_size is not None:
            self.batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        batched = self.batch_sampler is not None or (self.stream and batch_size is not None)
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self._batched = batched
        self._pool: Pool | None = None
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in FIXED:
            raise ArgumentError(f"{name} attribute should not be set after {type(self).__name__} is initialized",
                                where=caller(), fix="make another DataLoader")  # fmt: skip
        super().__setattr__(name, value)

    @staticmethod
    def _check(dataset: Any, batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, workers: int, drop: bool) -> None:
        """PyTorch's refusals of arguments that exclude each other."""
        problem = None
        if workers < 0:
            problem = "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing"
        elif sampler is not None and shuffle:
            problem = "sampler option is mutually exclusive with shuffle"
        elif batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop):
            problem = "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
        elif batch_size is None and drop:
            problem = "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        elif isinstance(dataset, IterableDataset) and (shuffle or sampler is not None or batch_sampler is not None):
            problem = "DataLoader with IterableDataset: expected unspecified shuffle, sampler and batch_sampler options"
        elif not isinstance(dataset, IterableDataset) and not hasattr(dataset, "__getitem__"):
            problem = f"a dataset needs __getitem__ or __iter__, {type(dataset).__name__} has neither"
        if problem:
            raise ArgumentError(problem, where=caller(), fix="drop one of the options")

    @staticmethod
    def _check_workers(workers: int, timeout: float, prefetch: int | None, persistent: bool, context: Any) -> None:
        """PyTorch's refusals of options that workers alone have."""
        problem = None
        if timeout < 0:
            problem = "timeout option should be non-negative"
        elif workers == 0 and prefetch is not None:
            problem = "prefetch_factor option could only be specified in multiprocessing: let num_workers > 0"
        elif prefetch is not None and prefetch < 0:
            problem = "prefetch_factor option should be non-negative"
        elif prefetch == 0:
            raise AssertionError("prefetch_factor must be greater than 0")
        elif workers == 0 and persistent:
            problem = "persistent_workers option needs num_workers > 0"
        elif workers == 0 and context is not None:
            problem = "multiprocessing_context can only be used with multi-process loading (num_workers > 0)"
        elif isinstance(context, str) and context not in (known := mp.get_all_start_methods()):
            problem = f"multiprocessing_context option should specify a valid start method in {known}, but got {context!r}"
        elif not isinstance(context, str | mp.context.BaseContext | None):
            raise TypeError(f"multiprocessing_context option should be a context object or the name of one, but got {context!r}")
        if problem:
            raise ArgumentError(problem, where=caller(), fix="drop the option, or use workers")

    def fetcher(self) -> Any:
        """What turns indices into batches, here or in a worker."""
        if self.stream:
            return FetchStream(self.collate_fn, self._batched, self.drop_last)
        return FetchMap(self.collate_fn, self._batched)

    def _tasks(self) -> Iterator[Any]:
        if self.stream:
            return itertools.repeat(self.batch_size)
        source: Iterable[Any] = self.batch_sampler if self.batch_sampler is not None else self.sampler
        return iter(source)

    def __iter__(self) -> Iterator[Any]:
        seed = int(host_rng(self.generator).integers(0, 2**62))
        return self._by_workers(seed) if self.num_workers else self._here()

    def _here(self) -> Iterator[Any]:
        read = self.fetcher()(self.dataset)
        for task in self._tasks():
            try:
                batch = read(task)
            except StopIteration:
                return
            yield batch

    def _by_workers(self, seed: int) -> Iterator[Any]:
        pool = self._pool or Pool(self, seed)
        if self.persistent_workers and self._pool is None:
            self._pool = pool
            weakref.finalize(self, pool.close)
        try:
            yield from pool.batches(self._tasks())
        except GeneratorExit:
            raise  # left early: kept workers go on to the next pass
        except BaseException:
            self._pool = None
            pool.close()
            raise
        finally:
            if self._pool is not pool:
                pool.close()

    def __len__(self) -> int:
        if self.stream:
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)
