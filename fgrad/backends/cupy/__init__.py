"""Graphs on CUDA devices through CuPy: op by op at first sight (`interpret`), a generated program after (`compile`).

CPU nodes of the same graph run through NumPy; `transfer` stands between them. Temporaries and results come from CuPy's
memory pool, which hands a freed block to the next call: a program frees each name after its last use and has no arena.
A donated buffer is written where the last operation can do it; elsewhere the new buffer takes its place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np

from fgrad.backends import devices
from fgrad.backends.cupy.nodes import Steps, cuda_of, finish
from fgrad.backends.cupy.writer import Writer
from fgrad.ir.graph import Graph
from fgrad.ir.hash import canonical_hash
from fgrad.ir.types import CPU, Device
from fgrad.passes.pipeline import CUPY, run

__all__ = ["Program", "compile", "device_in", "interpret", "run_once"]

KEPT = 512  # programs in the table
LOCK = Lock()
PROGRAMS: OrderedDict[Any, Program] = OrderedDict()


def device_in(graph: Graph) -> Device | None:
    """The first CUDA device of a graph; None if it runs on the host alone."""
    found = cuda_of([*graph.input_types, *graph.output_types])
    return found or cuda_of([v.type for v in graph.values()])


class Program:
    """`program(buffers) -> results`: immutable; calls share nothing, so threads and recursion are safe."""

    def __init__(self, graph: Graph, donated: Mapping[int, int]) -> None:
        self.donated = dict(donated)
        self.graph = run(graph, CUPY)
        self.device = device_in(graph) or CPU
        with devices.on(self.device):
            code = Writer(self.graph, self.donated).code()
        self.source = code.source
        exec(code.compiled, code.scope)
        self.run = code.scope["program"]

    def __call__(self, buffers: Sequence[Any]) -> list[Any]:
        """The outputs. buffers: contiguous arrays of the types of `graph.inputs`, in order."""
        with devices.on(self.device), np.errstate(all="ignore"):
            found: list[Any] = self.run(buffers)
            return found


def compile(graph: Graph, donated: Mapping[int, int] | None = None) -> Program:  # noqa: A001  # the name says it
    """The program for `graph`, from a table of the last ones by structure.

    donated: output index -> input index whose buffer may receive that output.
    """
    key = (canonical_hash(graph), tuple(sorted((donated or {}).items())))
    with LOCK:
        found = PROGRAMS.get(key)
        if found is not None:
            PROGRAMS.move_to_end(key)
            return found
    made = Program(graph, donated or {})
    with LOCK:
        found = PROGRAMS.setdefault(key, made)
        while len(PROGRAMS) > KEPT:
            PROGRAMS.popitem(last=False)
    return found


def interpret(graph: Graph, buffers: Sequence[Any], donated: Mapping[int, int] | None = None) -> list[Any]:
    """The outputs of `graph` node by node, in memory of their own; donated buffers are left alone."""
    with devices.on(device_in(graph) or CPU), np.errstate(all="ignore"):
        steps = Steps(graph)
        return finish(graph, steps(buffers), [*[b for b in buffers if hasattr(b, "dtype")], *steps.constants])


run_once = interpret
