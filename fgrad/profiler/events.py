"""What a profile holds: spans of time, their sums by name, the table, and the files it is written to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg"]
UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}


def clock(us: float, unit: str | None = None) -> str:
    """Microseconds as text."""
    name = unit or ("s" if us >= 1e6 else "ms" if us >= 1e3 else "us")
    return f"{us / UNITS[name]:.3f}{name}"


class FunctionEvent:
    """One span: a range the user named, or the compilation or a run of one program. Times are microseconds."""

    def __init__(self, name: str, start: float, end: float, thread: int, *, user: bool = False, flops: int = 0, shapes: Any = (), stack: tuple[str, ...] = ()) -> None:
        self.name = self.key = name
        self.start, self.end, self.thread = start, end, thread
        self.is_user_annotation, self.flops, self.input_shapes, self.stack = user, flops, shapes, stack
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []

    count = 1
    device_time = device_time_total = self_device_time_total = cuda_time = 0.0

    @property
    def cpu_time_total(self) -> float:
        """From its start to its end."""
        return self.end - self.start

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:
        """What is not spent in spans inside."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    def __repr__(self) -> str:
        return f"<FunctionEvent name={self.name} cpu_time={clock(self.cpu_time_total)} self_cpu_time={clock(self.self_cpu_time_total)}>"


def nest(events: Iterable[FunctionEvent]) -> None:
    """Tells every span which others of its thread it lies in."""
    open_: dict[int, list[FunctionEvent]] = {}
    for event in sorted(events, key=lambda e: (e.start, -e.end)):
        around = open_.setdefault(event.thread, [])
        while around and around[-1].end < event.end:
            around.pop()
        if around:
            event.cpu_parent = around[-1]
            around[-1].cpu_children.append(event)
        around.append(event)


class FunctionEventAvg:
    """All spans of one name: `count`, `cpu_time_total`, `self_cpu_time_total`, `cpu_time` (the mean), `flops`, in microseconds."""

    def __init__(self, first: FunctionEvent) -> None:
        self.key, self.input_shapes, self.stack = first.key, first.input_shapes, first.stack
        self.is_user_annotation = first.is_user_annotation
        self.count, self.flops = 0, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0

    device_time = device_time_total = self_device_time_total = cuda_time = 0.0

    def add(self, event: Any) -> FunctionEventAvg:
        """With one more span, or the sum of another's."""
        inside = event
        while getattr(inside, "cpu_parent", None) is not None:  # a span inside one of its own name is counted there
            inside = inside.cpu_parent
            if inside.key == event.key:
                break
        else:
            self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.count += event.count
        self.flops += event.flops
        return self

    @property
    def cpu_time(self) -> float:
        """The mean."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """The mean, as text."""
        return clock(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """The sum, as text."""
        return clock(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """What is not spent in spans inside, as text."""
        return clock(self.self_cpu_time_total)

    def __repr__(self) -> str:
        return (f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} cpu_time={self.cpu_time_str} "
                f"calls={self.count} input_shapes={self.input_shapes or ''}>")  # fmt: skip


class EventList(list[Any]):
    """Spans, or their sums: a list with a table."""

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all spans, none counted twice."""
        return float(sum(e.self_cpu_time_total for e in self))

    def key_averages(self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False) -> EventList:
        """Sums by name (and by the shapes of inputs, by source lines, if asked for)."""
        found: dict[Any, FunctionEventAvg] = {}
        for event in self:
            key = (event.key, str(event.input_shapes) if group_by_input_shapes else "", event.stack[:group_by_stack_n])
            found.setdefault(key, FunctionEventAvg(event)).add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        total = FunctionEventAvg(FunctionEvent("Total", 0.0, 0.0, 0))
        for event in self:
            total.add(event)
        return total

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75, max_name_column_width: int = 55,
              max_shapes_column_width: int = 80, header: str | None = None, top_level_events_only: bool = False, time_unit: str | None = None) -> str:  # fmt: skip
        """The spans as text. sort_by: an attribute in microseconds ("cpu_time_total", "self_cpu_time_total", "count", "flops", ...), largest first.

        Raises ArgumentError for another.
        """
        rows = [e for e in self if not top_level_events_only or getattr(e, "cpu_parent", None) is None]
        if sort_by is not None:
            name = sort_by.replace("cuda", "device")
            if rows and not hasattr(rows[0], name):
                raise ArgumentError(f"no column {sort_by!r} to sort by", where=caller(), fix="use cpu_time_total, self_cpu_time_total, cpu_time, count or flops")
            rows.sort(key=lambda e: getattr(e, name), reverse=True)
        total = self.self_cpu_time_total
        columns: dict[str, Callable[[Any], str]] = {
            "Name": lambda e: cut(e.key, max_name_column_width),
            "Self CPU %": lambda e: share(e.self_cpu_time_total, total),
            "Self CPU": lambda e: clock(e.self_cpu_time_total, time_unit),
            "CPU total %": lambda e: share(e.cpu_time_total, total),
            "CPU total": lambda e: clock(e.cpu_time_total, time_unit),
            "CPU time avg": lambda e: clock(e.cpu_time, time_unit),
            "# of Calls": lambda e: str(e.count),
        }
        if any(e.flops for e in rows):
            columns["Total MFLOPs"] = lambda e: f"{e.flops / 1e6:.3f}" if e.flops else "--"
        if any(e.input_shapes for e in rows):
            columns["Input Shapes"] = lambda e: cut(str(e.input_shapes), max_shapes_column_width)
        if any(e.stack for e in rows):
            columns["Source Location"] = lambda e: cut(e.stack[0] if e.stack else "", max_src_column_width)
        text = drawn(columns, rows[: row_limit if row_limit >= 0 else None])
        return "\n".join([*([header] if header else []), *text, f"Self CPU time total: {clock(total, time_unit)}", ""])

    def __str__(self) -> str:
        return self.table()

    def export_stacks(self, path: str | Path, metric: str = "self_cpu_time_total") -> None:
        """A line for each source line of a program with its time, for flame graphs."""
        lines = [f"{e.stack[0].replace(' ', '_').replace(';', ',')} {int(getattr(e, metric))}" for e in self if e.stack]
        Path(path).write_text("\n".join(lines) + "\n")

    def export_chrome_trace(self, path: str | Path, metadata: Mapping[str, Any] | None = None) -> None:
        """A JSON file that chrome://tracing and Perfetto show."""
        pid = os.getpid()
        spans = [{"ph": "X", "cat": "user_annotation" if e.is_user_annotation else "cpu_op", "name": e.name, "pid": pid, "tid": e.thread, "ts": e.start,
                  "dur": e.cpu_time_total, "args": {"flops": e.flops, "Input Dims": e.input_shapes, "where": e.stack[0] if e.stack else ""}} for e in self]  # fmt: skip
        Path(path).write_text(json.dumps({"schemaVersion": 1, "displayTimeUnit": "ms", **(metadata or {}), "traceEvents": spans}))


def cut(text: str, width: int | None) -> str:
    """A text of at most `width` letters."""
    return text if width is None or len(text) <= width else text[: width - 3] + "..."


def share(part: float, total: float) -> str:
    """A part in percent."""
    return f"{100 * part / total:.2f}%" if total else "--"


def drawn(columns: Mapping[str, Callable[[Any], str]], rows: list[Any]) -> list[str]:
    """The lines of a table, columns to the right."""
    cells = [[column(e) for column in columns.values()] for e in rows]
    widths = [max(12, len(name), *(len(row[i]) for row in cells)) if cells else max(12, len(name)) for i, name in enumerate(columns)]
    rule = "  ".join("-" * w for w in widths)

    def line(texts: Iterable[str]) -> str:
        return "  ".join(text.rjust(w) for text, w in zip(texts, widths, strict=True))

    return [rule, line(columns), rule, *map(line, cells), rule]
