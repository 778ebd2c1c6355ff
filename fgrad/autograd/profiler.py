"""PyTorch's autograd.profiler: the former form of fgrad.profiler."""

from __future__ import annotations

from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.profiler import profile as _profile
from fgrad.profiler import record_function
from fgrad.profiler.events import EventList, FunctionEventAvg

__all__ = ["profile", "record_function"]


class profile:  # noqa: N801  # PyTorch's name
    """Times what a block runs, if `enabled`: `with profile() as prof: ...`, then `prof.table()`.

    record_shapes, with_flops, with_stack: as fgrad.profiler.profile's; the others are accepted.
    """

    def __init__(self, enabled: bool = True, *, use_cuda: bool = False, use_device: str | None = None, record_shapes: bool = False, with_flops: bool = False,
                 profile_memory: bool = False, with_stack: bool = False, with_modules: bool = False, use_kineto: bool = False, use_cpu: bool = True,
                 **others: Any) -> None:  # fmt: skip
        self.enabled = enabled
        self._profile = _profile(record_shapes=record_shapes, with_flops=with_flops, with_stack=with_stack)
        self._used = False

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self._used:
            raise ArgumentError("Profiler context manager is not reentrant", where=caller(), fix="make another profile")
        self._used = True
        self._profile.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._profile.stop()

    @property
    def function_events(self) -> EventList:
        """All spans.  Raises ArgumentError before the block has ended."""
        return self._profile.events()

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all spans, in microseconds."""
        return self.function_events.self_cpu_time_total

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False) -> EventList:
        """Sums by name."""
        return self._profile.key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        return self.function_events.total_average()

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75, max_name_column_width: int = 55,
              max_shapes_column_width: int = 80, header: str | None = None, top_level_events_only: bool = False) -> str:  # fmt: skip
        """See EventList.table."""
        return self.function_events.table(sort_by, row_limit, max_src_column_width, max_name_column_width, max_shapes_column_width, header, top_level_events_only)

    def export_chrome_trace(self, path: str) -> None:
        """A JSON file that chrome://tracing and Perfetto show."""
        self._profile.export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """A line for each source line of a program with its time (with_stack)."""
        self._profile.export_stacks(path, metric)
