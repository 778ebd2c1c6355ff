"""capture: the graphs that a block of eager code came to, with the user's own lines."""

from __future__ import annotations

from typing import NamedTuple

from fgrad.eager import engine
from fgrad.eager.tape import THREAD, Interned, Tape
from fgrad.ir.graph import Graph


class Step(NamedTuple):
    """One flush: its graph, and which outputs overwrite which inputs."""

    graph: Graph
    donated: dict[int, int]


class capture:  # noqa: N801  # used as `with fgrad.capture() as c:`
    """Collects every program a block runs: `c.steps` in order, `c.graph` the largest.

    Structures are recorded anew inside, so that each operation carries the line it stands on.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __enter__(self) -> capture:
        engine.flush(THREAD.tape)
        self._before = THREAD.tape.interned
        THREAD.tape = Tape(Interned(), smooth=THREAD.grad)
        engine.WATCHERS.append(self._watch)
        return self

    def _watch(self, graph: Graph, donated: dict[int, int]) -> None:
        self.steps.append(Step(graph, donated))

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                engine.flush(THREAD.tape)
        finally:
            engine.WATCHERS.remove(self._watch)
            THREAD.tape = Tape(self._before, smooth=THREAD.grad)

    @property
    def graph(self) -> Graph:
        """The largest graph captured."""
        return max((s.graph for s in self.steps), key=lambda g: len(g.values()))
