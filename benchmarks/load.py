"""Other processes' use of the processors, from /proc: a round that was disturbed is measured again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

LIMIT = 0.1  # of all processors: the foreign share from which a round counts as disturbed


class Sample(NamedTuple):
    """Clock ticks since start: spent by anybody, by ours, and passed on all processors."""

    busy: int
    ours: int
    total: int


def processors(stat: str) -> tuple[int, int]:
    """(busy, total) of the first line of /proc/stat: idle and waiting are not busy, guests are counted in user."""
    fields = [int(n) for n in stat.split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def ticks(stat: str) -> int:
    """User and system time of a process and its ended children, from /proc/PID/stat; names may hold spaces and brackets."""
    return sum(int(n) for n in stat.rsplit(")", 1)[1].split()[11:15])


def family(pid: int) -> list[int]:
    """A process and its living descendants."""
    found = [pid]
    for p in found:
        for task in Path(f"/proc/{p}/task").glob("*/children"):
            try:
                found += [int(c) for c in task.read_text().split()]
            except OSError:
                continue
    return found


def sample() -> Sample | None:
    """Now, with this process's family as ours; None where there is no /proc."""
    try:
        busy, total = processors(Path("/proc/stat").read_text())
        ours = 0
        for pid in family(os.getpid()):
            try:
                ours += ticks(Path(f"/proc/{pid}/stat").read_text())
            except OSError:
                continue  # it ended meanwhile: its parent's sum has it
    except OSError:
        return None
    return Sample(busy, ours, total)


def foreign(before: Sample | None, after: Sample | None) -> float:
    """The share of all processors' time that others used between two samples; 0 if unknown."""
    if before is None or after is None or after.total <= before.total:
        return 0.0
    spent = (after.busy - before.busy) - (after.ours - before.ours)
    return max(0.0, spent / (after.total - before.total))
