"""What became of a graph: its nodes with costs and source lines, what each pass changed, the program, its memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fgrad.backends import cupy
from fgrad.backends.numpy import Program, compile
from fgrad.backends.numpy.capable import able
from fgrad.backends.numpy.split import COSTLY
from fgrad.eager.capture import Step, capture
from fgrad.errors import ArgumentError
from fgrad.inspector.listing import Labels, amount, diff, listing, rows
from fgrad.ir.cost import Cost, cost
from fgrad.ir.dot import to_dot
from fgrad.ir.graph import Graph
from fgrad.ir.json import to_json
from fgrad.passes.fuse import fuse
from fgrad.passes.pipeline import CUPY, NUMPY, run
from fgrad.passes.regions import Pass
from fgrad.passes.remat import peak_bytes


class Stage(NamedTuple):
    """One pass: its name, the graph before and after, and how long it took."""

    name: str
    before: Graph
    after: Graph
    seconds: float


def fusing(donated: Iterable[int]) -> Pass:
    """The last stage shown: groups of nodes that one loop nest computes, those of donated outputs apart."""

    def fuse_groups(graph: Graph) -> Graph:
        return fuse(graph, able, frozenset([graph.outputs[i] for i in donated]), costly=COSTLY)

    return fuse_groups


@dataclass(frozen=True)
class Report:
    """`str(report)` is the text; `.ir` the graph, `.cost` its costs, `.stages` the passes, `.program`, `.plan`, `.peak_bytes`."""

    name: str
    ir: Graph
    stages: tuple[Stage, ...]
    compiled: Program | cupy.Program

    @property
    def final(self) -> Graph:
        """The graph after the last pass."""
        return self.stages[-1].after if self.stages else self.ir

    @property
    def cost(self) -> Cost:
        """Flops and bytes of the graph as recorded."""
        return cost(self.ir)

    @property
    def program(self) -> str:
        """The generated Python."""
        return self.compiled.source

    @property
    def plan(self) -> Any:
        """Schedule and memory of the program; None on a CUDA device, where CuPy's pool is the memory."""
        return self.compiled.plan if isinstance(self.compiled, Program) else None

    @property
    def peak_bytes(self) -> int:
        """The most bytes the program holds, arguments apart: arena and outputs; on a CUDA device what lives at once."""
        return int(self.plan.peak_bytes) if self.plan is not None else peak_bytes(self.final)

    def __str__(self) -> str:
        labels = Labels()
        whole = self.cost
        head = (
            f"{self.name}: {len(whole.nodes)} nodes, {amount(whole.flops, 'FLOP')}, {amount(whole.nbytes, 'B')} moved"
        )
        lines = [head, "", *listing(self.ir, labels.number(self.ir), self.name)]
        for stage in self.stages:
            changes = diff(stage.before, stage.after, labels)
            counts = f"{len(stage.before.values())} -> {len(stage.after.values())} nodes"
            lines += [
                "",
                f"pass {stage.name}: {counts if changes else 'no change'}, {stage.seconds * 1e3:.2f} ms",
                *changes,
            ]
        pool = "CuPy's pool" if self.plan is None else f"of it {amount(self.plan.arena_bytes, 'B')} reused within a call"
        peak = f"peak {amount(self.peak_bytes, 'B')}, {pool}"
        return "\n".join([*lines, "", f"program: {peak}", "", self.program.rstrip()])

    def to_json(self, *, indent: int | None = 2) -> str:
        """All of it as JSON; `graph` and `final` are readable by `ir.json.from_json`."""
        labels = Labels()
        whole = self.cost
        stages = [
            {
                "name": s.name,
                "seconds": s.seconds,
                "nodes_before": len(s.before.values()),
                "nodes_after": len(s.after.values()),
                "diff": diff(s.before, s.after, labels),
            }
            for s in self.stages
        ]
        report: Mapping[str, Any] = {
            "name": self.name,
            "flops": whole.flops,
            "nbytes": whole.nbytes,
            "peak_bytes": self.peak_bytes,
            "arena_bytes": self.plan.arena_bytes if self.plan is not None else None,
            "nodes": [r._asdict() for r in rows(self.ir, Labels().number(self.ir))],
            "stages": stages,
            "program": self.program,
            "graph": json.loads(to_json(self.ir)),
            "final": json.loads(to_json(self.final)),
        }
        return json.dumps(report, indent=indent)

    def to_dot(self) -> str:
        """The graph after all passes, for Graphviz."""
        return to_dot(self.final, name=self.name)

    def only(self, name: str) -> Report:
        """This report with the stages of one pass alone ("all": every one). Raises ArgumentError if there is none."""
        chosen = tuple([s for s in self.stages if name in (s.name, "all")])
        if not chosen:
            known = ", ".join(dict.fromkeys(s.name for s in self.stages))
            raise ArgumentError(f"there is no pass {name!r}", fix=f"use all or one of {known}")
        return replace(self, stages=chosen)

    def passes(self) -> str:
        """Each stage as text: the graph before, the graph after, and what changed."""
        labels, lines = Labels(), []
        for stage in self.stages:
            changes = diff(stage.before, stage.after, labels)
            lines.append(f"pass {stage.name}: {stage.seconds * 1e3:.2f} ms")
            for word, graph in (("before", stage.before), ("after", stage.after)):
                lines += [f"{word}: {len(graph.values())} nodes", *listing(graph, labels.number(graph), self.name)]
            lines += ["diff:", *changes, ""] if changes else ["no change", ""]
        return "\n".join(lines).rstrip()


def largest(steps: Iterable[Step]) -> Step | None:
    """The step with the most nodes; None if none computes anything."""
    return max((s for s in steps if s.graph.values()), key=lambda s: len(s.graph.values()), default=None)


def report(
    graph: Graph | capture,
    passes: tuple[Pass, ...] | None = None,
    *,
    name: str = "graph",
    donated: Mapping[int, int] | None = None,
) -> Report:
    """Runs `passes` on `graph`, watching, and compiles it; runs no program.

    passes: those of a program for the graph's device unless given.  graph: of `with fgrad.capture() as c:` the largest program.  donated: output index -> input index whose buffer
    receives it; a capture knows.  Raises ArgumentError if a capture has no program.
    """
    if isinstance(graph, capture):
        step = largest(graph.steps)
        if step is None:
            raise ArgumentError("the block recorded no operation", fix="compute something inside `with fgrad.capture()`")
        graph, donated = step.graph, step.donated if donated is None else donated
    donated = donated or {}
    stages: list[Stage] = []
    start = time.perf_counter()

    def observe(step: str, before: Graph, after: Graph) -> None:
        nonlocal start
        now = time.perf_counter()
        stages.append(Stage(step, before, after, now - start))
        start = time.perf_counter()

    host = cupy.device_in(graph) is None
    if passes is None:
        passes = (*NUMPY, fusing(donated)) if host else CUPY
    run(graph, passes, observe)
    compiled = compile(graph, donated, "tiled") if host else cupy.compile(graph, donated)
    return Report(name, graph, tuple(stages), compiled)
