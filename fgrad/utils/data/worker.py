"""Worker processes of a DataLoader: each reads and collates whole batches; errors travel back with their traceback."""

from __future__ import annotations

import multiprocessing as mp
import os
import pickle
import queue
import random
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.generator import DEFAULT
from fgrad.settings import replace

POLL = 0.5  # seconds between looks at whether a silent worker still lives


class WorkerInfo(NamedTuple):
    """What a worker knows of itself: its number, how many there are, its seed, its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class Failure(NamedTuple):
    """An exception of a worker, as text and, where it can be rebuilt, as its type and message."""

    kind: type[BaseException]
    message: str
    text: str


_INFO: WorkerInfo | None = None
_END = "end"


def get_worker_info() -> WorkerInfo | None:
    """In a worker process, what it knows of itself; None in the main process.

    >>> get_worker_info() is None
    True
    """
    return _INFO


def rebuild(failure: Failure, number: int) -> BaseException:
    """The worker's exception, with its traceback in the message."""
    text = f"Caught {failure.kind.__name__} in DataLoader worker process {number}.\n{failure.text}"
    try:
        return failure.kind(text)
    except Exception:  # noqa: BLE001  # an exception with another constructor
        return RuntimeError(text)


def work(dataset: Any, fetch: Callable[..., Any], tasks: Any, results: Any, number: int, count: int, seed: int,
         init: Callable[[int], None] | None) -> None:  # fmt: skip
    """The worker's loop: (turn, place, indices) in, (turn, place, batch or Failure) out, until None comes."""
    global _INFO
    replace(kernels="plain", num_threads=1)
    DEFAULT.manual_seed(seed + number)
    random.seed(seed + number)
    np.random.seed((seed + number) % 2**32)  # noqa: NPY002  # what transforms of the dataset may draw from
    _INFO = WorkerInfo(number, count, seed + number, dataset)
    broken: Failure | None = None
    try:
        if init is not None:
            init(number)
    except Exception as e:  # noqa: BLE001  # reported to the parent, at the first batch
        broken = failure(e)
    source: Any = None
    current = -1
    while True:
        task = tasks.get()
        if task is None:
            break
        turn, place, indices = task
        if turn != current:  # a new pass over the data: streams start again
            source, current = broken or attempt(fetch, dataset), turn
        results.put(packed(turn, place, attempt(source, indices)))


def failure(e: BaseException) -> Failure:
    """An exception as it travels."""
    return Failure(type(e), str(e), "".join(traceback.format_exception(e)))


def attempt(source: Any, argument: Any) -> Any:
    """`source(argument)`: a batch, or what went wrong."""
    if isinstance(source, Failure):
        return source
    try:
        return source(argument)
    except StopIteration:
        return _END
    except Exception as e:  # noqa: BLE001  # reported to the parent
        return failure(e)


def packed(turn: int, place: int, batch: Any) -> Any:
    """A result as bytes, made here: what cannot be pickled is an error the parent sees, not a batch it waits for."""
    try:
        return bytes(ForkingPickler.dumps((turn, place, batch)))
    except Exception as e:  # noqa: BLE001  # reported to the parent
        text = batch.text if isinstance(batch, Failure) else "".join(traceback.format_exception(e))
        return bytes(ForkingPickler.dumps((turn, place, Failure(RuntimeError, str(e), text))))


class Pool:
    """Workers of one pass over the data, or of several; batches come out in order."""

    def __init__(self, loader: Any, seed: int) -> None:
        context: Any = loader.multiprocessing_context or ("fork" if hasattr(os, "fork") else "spawn")
        if isinstance(context, str):
            context = mp.get_context(context)
        self.n, self.ahead, self.limit = loader.num_workers, loader.prefetch_factor or 2, loader.timeout or None
        self.turn = 0
        self.results = context.Queue()
        self.tasks = [context.Queue() for _ in range(self.n)]
        self.processes = [
            context.Process(
                target=work, daemon=True,
                args=(loader.dataset, loader.fetcher(), q, self.results, i, self.n, seed, loader.worker_init_fn),
            )
            for i, q in enumerate(self.tasks)
        ]  # fmt: skip
        for p in self.processes:
            p.start()

    def batches(self, indices: Iterator[Any]) -> Iterator[Any]:
        """Every batch in order, `prefetch_factor` ahead for each worker."""
        self.turn += 1
        turn = self.turn
        ready: dict[int, Any] = {}
        sent = done = 0
        live = set(range(self.n))
        owner: dict[int, int] = {}
        pending = iter(indices)
        more = True
        at = 0
        while True:
            while more and live and sent - done < self.ahead * self.n:
                task = next(pending, _END)
                if task is _END:
                    more = False
                    break
                while at % self.n not in live:
                    at += 1
                owner[sent] = at % self.n
                self.tasks[at % self.n].put((turn, sent, task))
                sent, at = sent + 1, at + 1
            if done == sent:
                return
            while done not in ready:
                place, batch = self.receive(turn, owner)
                ready[place] = batch
            batch, number = ready.pop(done), owner.pop(done)
            done += 1
            if isinstance(batch, Failure):
                raise rebuild(batch, number)
            if isinstance(batch, str) and batch == _END:
                live.discard(number)
                continue
            yield batch

    def receive(self, turn: int, owner: dict[int, int]) -> tuple[int, Any]:
        """The next result of any worker in this pass; a dead one is an error, not a hang."""
        waited = 0.0
        while True:
            try:
                if turn != self.turn:
                    raise RuntimeError("another pass over this DataLoader has begun, whose workers are kept")
                found, place, batch = pickle.loads(self.results.get(timeout=POLL))  # our own workers wrote it
                if found == turn:
                    return place, batch
                continue  # of a pass that was left early
            except queue.Empty:
                waited += POLL
            dead = [(i, p) for i, p in enumerate(self.processes) if not p.is_alive() and i in owner.values()]
            if dead:
                i, p = dead[0]
                raise RuntimeError(
                    f"DataLoader worker {i} (pid {p.pid}) exited unexpectedly with exit code {p.exitcode}. "
                    "Run with num_workers=0 to see its error in this process."
                )
            if self.limit is not None and waited >= self.limit:
                raise RuntimeError(f"DataLoader timed out after {self.limit} seconds")

    def close(self) -> None:
        """Ends the workers."""
        for q, p in zip(self.tasks, self.processes, strict=True):
            if p.is_alive():
                q.put(None)
        for p in self.processes:
            p.join(timeout=1.0)
            if p.is_alive():
                p.terminate()
                p.join()
        for q in [self.results, *self.tasks]:
            q.cancel_join_thread()
            q.close()
