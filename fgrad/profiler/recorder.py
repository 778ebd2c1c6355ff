"""PyTorch's torch.profiler on the engine's own times: each program's compilation and runs, and ranges the user names.

A program is one row: its operations are fused, so that no time is theirs alone. What is recorded is computed when a number is
asked for; while a profile records, the end of a range asks for all tensors that live then, so that they count in it.
"""

from __future__ import annotations

import functools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from fgrad.eager import engine
from fgrad.eager.tape import THREAD
from fgrad.errors import ArgumentError, quote
from fgrad.ir.apply import caller
from fgrad.ir.cost import node_cost, totals
from fgrad.ir.graph import Graph
from fgrad.ir.hash import canonical_hash
from fgrad.profiler.events import EventList, FunctionEvent, nest

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
F = TypeVar("F", bound=Callable[..., Any])
RECORDING: list[profile] = []


class ProfilerActivity(Enum):
    """What PyTorch can watch; programs are timed as they are called, on whatever device."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a profile does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: times are the engine's own."""
    return False


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0) -> Callable[[int], ProfilerAction]:
    """After skip_first steps, cycles of `wait` steps without, `warmup` whose times are dropped and `active` that are kept.

    repeat: how many cycles, 0 for no end.  skip_first_wait: 1 leaves the first cycle's `wait` out.
    Raises ArgumentError for negative numbers, or active below 1.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise ArgumentError("Invalid profiler schedule arguments", where=caller(), fix="use active >= 1 and no negative numbers")

    def action(step: int) -> ProfilerAction:
        at, cycle = step - skip_first, wait + warmup + active
        if skip_first_wait:
            at += wait
        if step < skip_first or (repeat and at // cycle >= repeat):
            return ProfilerAction.NONE
        place = at % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable[[Any], None]:
    """An on_trace_ready that writes `<worker>.<time>.pt.trace.json` into a folder."""
    if use_gzip:
        raise ArgumentError("traces are not compressed", where=caller(), fix="leave use_gzip out")

    def handler(prof: Any) -> None:
        folder = Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        prof.export_chrome_trace(str(folder / f"{worker_name or socket.gethostname()}.{time.time_ns()}.pt.trace.json"))

    return handler


class record_function:  # noqa: N801  # PyTorch's name
    """A named range, as a context or a decorator.

    >>> import fgrad as torch
    >>> with torch.profiler.profile() as prof, torch.profiler.record_function("square"):
    ...     y = torch.ones(3) ** 2
    >>> [e.key for e in prof.key_averages()][-1]
    'square'
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._starts: list[int] = []

    def __enter__(self) -> record_function:
        self._starts.append(time.perf_counter_ns())
        return self

    def __exit__(self, *error: object) -> None:
        begun = self._starts.pop()
        if RECORDING and not THREAD.tape.tracing:
            engine.flush(THREAD.tape)
            for one in RECORDING:
                one._add(self.name, begun, user=True)

    def __call__(self, function: F) -> F:
        """The function, each call of it in a range."""
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return named  # type: ignore[return-value]  # the same signature


_TITLES: WeakKeyDictionary[Graph, str] = WeakKeyDictionary()


def title(graph: Graph) -> str:
    """A program by the start of its hash and the operations that cost it most."""
    found = _TITLES.get(graph)
    if found is None:
        weights = Counter[str]()
        for v in graph.values():
            if v.prim is not None:
                weights[v.prim.name] += 1 + node_cost(v).flops
        count = sum(v.prim is not None for v in graph.values())
        shown = " ".join(n for n, _ in weights.most_common(4))
        found = _TITLES[graph] = f"{canonical_hash(graph)[:6]}: {shown}{' ...' if len(weights) > 4 else ''} ({count})"
    return found


def source(graph: Graph) -> tuple[str, ...]:
    """The line of the user's that costs the program most."""
    known = [v for v in graph.values() if v.where is not None]
    best = max(known, key=lambda v: node_cost(v).flops, default=None)
    return () if best is None or best.where is None else (quote(best.where),)


class profile:  # noqa: N801  # PyTorch's name
    """Times what a block runs: `with profile() as prof: ...`, then `prof.key_averages().table()`.

    schedule: which steps are kept; `prof.step()` ends one.  on_trace_ready: called with the profile at the end of each cycle.
    record_shapes, with_flops, with_stack: columns for the shapes a program reads, its floating-point operations, and the costliest line.
    activities, profile_memory, with_modules and the others are accepted, and change nothing.
    """

    def __init__(self, *, activities: Iterable[ProfilerActivity] | None = None, schedule: Callable[[int], ProfilerAction] | None = None,
                 on_trace_ready: Callable[..., Any] | None = None, record_shapes: bool = False, profile_memory: bool = False, with_stack: bool = False,
                 with_flops: bool = False, with_modules: bool = False, experimental_config: Any = None, execution_trace_observer: Any = None,
                 acc_events: bool = False, use_cuda: bool | None = None, custom_trace_id_callback: Any = None,
                 post_processing_timeout_s: float | None = None) -> None:  # fmt: skip
        self.activities = set(activities) if activities is not None else supported_activities()
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self._by_steps = schedule is not None
        self.on_trace_ready, self.record_shapes, self.with_stack, self.with_flops = on_trace_ready, record_shapes, with_stack, with_flops
        self.acc_events = acc_events
        self.step_num = 0
        self.current_action = ProfilerAction.NONE
        self._events: list[FunctionEvent] = []
        self._done: list[FunctionEvent] | None = None
        self._metadata: dict[str, Any] = {}
        self._step_begun = 0

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins with step 0."""
        engine.flush(THREAD.tape)
        engine.TIMERS.append(self._timer)
        RECORDING.append(self)
        self.current_action = self.schedule(self.step_num)
        self._step_begun = time.perf_counter_ns()

    def stop(self) -> None:
        """Computes what is pending, and ends; what was kept is handed to on_trace_ready."""
        if self not in RECORDING:
            return
        if not THREAD.tape.tracing:
            engine.flush(THREAD.tape)
        engine.TIMERS.remove(self._timer)
        RECORDING.remove(self)
        if self._keeps():
            self._end_step()
            self._ready()
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """Ends a step; with a schedule the next one may begin or end a cycle."""
        engine.flush(THREAD.tape)
        self._end_step()
        before, self.step_num = self.current_action, self.step_num + 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._ready()
        elif before is ProfilerAction.WARMUP and self._keeps():
            self._events = []

    def _keeps(self) -> bool:
        return self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def _end_step(self) -> None:
        if self._by_steps:
            self._add(f"ProfilerStep#{self.step_num}", self._step_begun, user=True)
        self._step_begun = time.perf_counter_ns()

    def _ready(self) -> None:
        nest(self._events)
        kept = self._done if self.acc_events and self._done else []
        self._done, self._events = [*kept, *self._events], []
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _timer(self, stage: str, graph: Graph) -> Callable[[], None]:
        begun = time.perf_counter_ns()

        def end() -> None:
            ended = time.perf_counter_ns()
            if self._keeps():
                flops = totals(graph)[0] if self.with_flops and stage != "compile" else 0
                shapes = [list(v.type.shape) for v in graph.inputs if hasattr(v.type, "shape")] if self.record_shapes else []
                self._add(f"{stage} {title(graph)}", begun, ended, flops=flops, shapes=shapes, stack=source(graph) if self.with_stack else ())

        return end

    def _add(self, name: str, begun: int, ended: int | None = None, **facts: Any) -> None:
        if self._keeps():
            end = time.perf_counter_ns() if ended is None else ended
            self._events.append(FunctionEvent(name, begun / 1e3, end / 1e3, threading.get_native_id(), **facts))

    def events(self) -> EventList:
        """All spans that were kept.  Raises ArgumentError before the profile has ended."""
        if self._done is None:
            raise ArgumentError("Profiler didn't finish running", where=caller(), fix="ask after the block, or in on_trace_ready")
        return EventList(self._done)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False) -> EventList:
        """Sums by name; see EventList.table."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """A JSON file that chrome://tracing and Perfetto show."""
        self.events().export_chrome_trace(path, self._metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """A line for each source line of a program with its time (with_stack)."""
        self.events().export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """Text that is written to the trace."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """JSON text that is written to the trace."""
        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json
