"""One row: its runners started, compared, and timed in turn."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks import load
from benchmarks.rows.row import Row
from benchmarks.runners import RUNNERS

PAUSE = (0.5, 0.1)  # seconds (the second: --quick): thread pools of the runner before go on spinning for a while
REPEATS = 3  # of a disturbed round
CACHES = ("FGRAD_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")


class Options(NamedTuple):
    """How to measure."""

    rounds: int
    quick: bool
    runners: tuple[str, ...]
    changes: Mapping[str, int]


class FailedRunnerError(Exception):
    """A runner that cannot go on, and why, in one line."""


class Worker:
    """The process of one runner."""

    def __init__(self, row: Row, name: str, options: Options) -> None:
        self.name, self.steps = name, row.quick_steps if options.quick else row.steps
        self.limit = 120.0 if options.quick else 600.0  # seconds for an answer
        self.folder = tempfile.TemporaryDirectory() if row.timed == "first" else None
        told = {"row": row.name, "runner": name, "sizes": row.shape(options.quick, options.changes), "quick": options.quick}
        cold = {} if self.folder is None else dict.fromkeys(CACHES, self.folder.name)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **cold},
        )  # fmt: skip
        self.answers: queue.Queue[str] = queue.Queue()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self) -> None:
        """Puts lines where read() can wait for them with a limit."""
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.answers.put(line)
        self.answers.put("")

    def read(self) -> dict[str, Any]:
        """One answer. Raises FailedRunnerError for an error, an end, or none in time."""
        try:
            line = self.answers.get(timeout=self.limit)
        except queue.Empty:
            raise FailedRunnerError(f"no answer in {self.limit:.0f} s") from None
        if not line:
            raise FailedRunnerError(ending(self.process.wait()))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FailedRunnerError(answer["error"])
        return answer

    def round(self) -> dict[str, Any]:
        """Times a round."""
        assert self.process.stdin is not None
        print(json.dumps({"round": self.steps}), file=self.process.stdin, flush=True)
        return self.read()

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.join(timeout=1)
        if self.folder is not None:
            self.folder.cleanup()


def ending(code: int) -> str:
    """How a process ended that said nothing."""
    return f"the process was ended by {signal.Signals(-code).name}" if code < 0 else f"the process ended with code {code}"


class Measured:
    """What is known of a runner in a row."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error = ""
        self.about: dict[str, Any] = {}
        self.rounds: list[tuple[float, list[float]]] = []  # foreign share, seconds
        self.peak_mb = 0.0

    def report(self, row: str) -> dict[str, Any]:
        """Flat: for tables and JSON. Times come from the rounds that were not disturbed, or else the quietest."""
        base: dict[str, Any] = {"row": row, "runner": self.name, "error": self.error}
        if self.error:
            return base
        times = clean(self.rounds)
        return {
            **base,
            "min_ms": 1e3 * min(times), "median_ms": 1e3 * statistics.median(times), "steps": len(times),
            **{k: self.about[k] for k in ("import_s", "build_s", "first_s", "checks_s")},
            "peak_mb": self.peak_mb, "foreign": max(f for f, _ in self.rounds), "results": self.about["results"],
        }  # fmt: skip


def clean(rounds: list[tuple[float, list[float]]]) -> list[float]:
    """The times of rounds whose foreign share is within the limit; of the quietest round if there is none."""
    quiet = [t for f, t in rounds if f <= load.LIMIT] or [min(rounds)[1]]
    return [t for times in quiet for t in times]


def differs(found: list[list[float]], wanted: list[list[float]], tolerance: float) -> str:
    """What is wrong with results, in one line; "" if they agree."""
    for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
        size = max((abs(v) for v in b), default=1.0)
        if len(a) != len(b) or not np.allclose(a, b, rtol=tolerance, atol=tolerance * size):
            return f"step {i} computes {shortened(a)}, not {shortened(b)}"
    return ""


def shortened(values: list[float]) -> str:
    """A few numbers of a digest."""
    return ", ".join(f"{v:.6g}" for v in values[:4]) + (", ..." if len(values) > 4 else "")


def told(m: Measured, worker: Worker) -> bool:
    """Waits for what the worker computed; False, with `m.error` set, if it failed."""
    try:
        m.about = worker.read()
    except FailedRunnerError as error:
        m.error = str(error)
        return False
    m.peak_mb = m.about["peak_mb"]
    return True


def once(row: Row, m: Measured, worker: Worker | None, options: Options) -> None:
    """One round, again while others use the processors; `worker` None: a fresh process is what is timed."""
    repeats = 1 if options.quick else REPEATS
    for _ in range(repeats):
        time.sleep(PAUSE[options.quick])
        before = load.sample()
        if worker is None:
            fresh = Worker(row, m.name, options)
            answered = told(m, fresh)
            fresh.close()
            if not answered:
                return
            times = [m.about["import_s" if row.timed == "import" else "checks_s"]]
        else:
            answer = worker.round()
            times, m.peak_mb = answer["times"], answer["peak_mb"]
        m.rounds.append((load.foreign(before, load.sample()), times))
        if m.rounds[-1][0] <= load.LIMIT:
            return


def compare(row: Row, measured: list[Measured]) -> None:
    """Sets the error of every runner that computes something else than the first peer that works."""
    order = ("torch", "jax.jit", "torch.compile", "numpy", "fgrad", "fgrad.compile", "fgrad.jit")
    working = sorted((m for m in measured if not m.error), key=lambda m: order.index(m.name))
    for m in working[1:]:
        wrong = differs(m.about["results"], working[0].about["results"], row.tolerance)
        m.error = f"{wrong} as {working[0].name}" if wrong else ""


def start(row: Row, measured: list[Measured], options: Options) -> dict[str, Worker]:
    """The workers that have said what they computed. One after another, so that first steps are timed alone; --quick: all at once."""
    workers: dict[str, Worker] = {}
    for m in measured:
        if missing := RUNNERS[m.name].missing:
            m.error = f"{missing} is not installed"
            continue
        workers[m.name] = Worker(row, m.name, options)
        if not options.quick:
            told(m, workers[m.name])
    if options.quick:
        for m in measured:
            if m.name in workers:
                told(m, workers[m.name])
    return workers


def measure(row: Row, options: Options) -> list[dict[str, Any]]:
    """All runners of a row: results compared, then rounds in turn. Those that fail say so in `error`."""
    names = [n for n, r in RUNNERS.items() if n in options.runners and n not in row.without and getattr(row, r.source)]
    measured = [Measured(n) for n in names]
    workers = start(row, measured, options)
    try:
        compare(row, measured)
        if row.timed != "step":
            while workers:
                workers.popitem()[1].close()
        for _ in range(options.rounds):
            for m in measured:
                if not m.error:
                    attempt(row, m, workers.get(m.name), options)
    finally:
        for worker in workers.values():
            worker.close()
    return [m.report(row.name) for m in measured]


def attempt(row: Row, m: Measured, worker: Worker | None, options: Options) -> None:
    """once(), with a failure noted."""
    try:
        once(row, m, worker, options)
    except (FailedRunnerError, OSError) as error:
        m.error = str(error)
