"""Graphs on NumPy: op by op at first sight (`interpret`), a generated program after (`compile`)."""

from __future__ import annotations

import gc
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from fgrad.backends.numpy import calls, pool
from fgrad.backends.numpy.blas import Threads
from fgrad.backends.numpy.capable import able
from fgrad.backends.numpy.interpret import interpret
from fgrad.backends.numpy.locks import ForkLock
from fgrad.backends.numpy.native import Native
from fgrad.backends.numpy.program import Code, Frames
from fgrad.backends.numpy.split import COSTLY
from fgrad.backends.numpy.tiled import Tiler
from fgrad.backends.numpy.writer import Writer
from fgrad.errors import MissingError
from fgrad.ir.graph import Graph, Value
from fgrad.ir.hash import canonical_hash
from fgrad.ir.types import TensorType
from fgrad.passes.forms import native_forms
from fgrad.passes.fuse import fuse
from fgrad.passes.pipeline import NUMPY, run
from fgrad.passes.plan import Plan, Target, plan_memory
from fgrad.passes.recompute import recompute
from fgrad.passes.schedule import schedule
from fgrad.settings import current

__all__ = ["Program", "compile", "interpret", "run_once"]

HOT = 2  # calls before native code is worth its compilation
KEPT = 512  # programs in the table
BYTES = 2 << 30  # and the memory they may plan for
LARGE = 1 << 28  # bytes that a graph computes, from which on its compilation is soon paid for
COMPILER = ThreadPoolExecutor(1, "fgrad-compile")
LOCK = ForkLock()
PROGRAMS: OrderedDict[Any, Program] = OrderedDict()


def forked() -> None:
    """A child process has no thread of its parent's that compiles."""
    global COMPILER
    COMPILER = ThreadPoolExecutor(1, "fgrad-compile")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forked)
PLAIN = Target(multiple=lambda v: False, in_place=calls.in_place, safe=lambda v: False)


def build(graph: Graph, donated: Mapping[int, int], kernels: str) -> tuple[Threads, Code]:
    """Code for a graph after passes, and the threads of NumPy's that suit it. kernels: as in Settings; auto is tiled, until native is there."""
    if kernels == "plain":
        return Threads(graph.values()), Writer(graph, donated, plan_memory(graph, donated, graph.values(), PLAIN)).code()
    again: frozenset[Value] = frozenset()
    if kernels == "native":
        graph = native_forms(graph)
    if kernels != "tiled":
        graph, again = recompute(graph, able, COSTLY)
    last = frozenset(graph.outputs[i] for i in donated)
    graph = fuse(graph, able, last, again, COSTLY)
    order = schedule(graph, last)
    if kernels != "native":
        tiler = Tiler()
        return Threads(order), Writer(graph, donated, plan_memory(graph, donated, order, tiler.target), tiler.step).code()
    native = Native()
    plan = plan_memory(graph, donated, order, native.target)
    code = Writer(graph, donated, plan, native.step, native.flush).code()
    functions, table = native.compiled()
    code.scope.update(functions)
    return Threads(native.left), code._replace(words=np.array(table.words, np.int64), relative=np.array(table.relative, np.int64))


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for cycles meanwhile: passes make many objects that live on, and looking through them all takes a third of their time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


class Program:
    """`program(buffers) -> results`: immutable but for its code, which is replaced whole when better code is ready."""

    def __init__(self, graph: Graph, donated: Mapping[int, int], kernels: str) -> None:
        self.donated, self.kernels = dict(donated), kernels
        self.graph = run(graph, NUMPY)
        self.calls = 0
        self.compiled: Future[None] | None = None  # the native code, once asked for
        self.threads, code = build(self.graph, self.donated, kernels)
        self.frames = Frames(code)

    @property
    def source(self) -> str:
        """The generated Python."""
        return self.frames.code.source

    @property
    def plan(self) -> Plan:
        """Schedule and memory."""
        return self.frames.code.plan

    def specialise(self) -> None:
        """Swaps native code in; without llvmlite, the tiled code stays."""
        try:
            threads, code = build(self.graph, self.donated, "native")
            self.threads, self.frames = threads, Frames(code)  # in this order: calls go on meanwhile
        except MissingError:
            self.kernels = "tiled"
        except Exception as e:  # noqa: BLE001  # tiled code computes the same: say so once, and go on
            self.kernels = "tiled"
            warnings.warn(f"native code could not be made, tiled NumPy runs on: {e}", RuntimeWarning, stacklevel=1)

    def __call__(self, buffers: Sequence[Any]) -> list[Any]:
        """The outputs. buffers: contiguous arrays of the types of `graph.inputs`, in order."""
        if self.compiled is None and self.kernels == "auto":
            self.calls += 1
            if self.calls > HOT:
                self.compiled = COMPILER.submit(self.specialise)
        pool.ready()
        if not self.threads.calls:  # kernels alone, which raise no warnings
            return self.frames(buffers)
        with np.errstate(all="ignore"):
            found: list[Any] = self.threads.run(self.frames, buffers)
            return found


def compile(graph: Graph, donated: Mapping[int, int] | None = None, kernels: str | None = None) -> Program:  # noqa: A001  # the name says it
    """The program for `graph`, from a table of the last ones by structure.

    donated: output index -> input index whose buffer receives that output, written after all that can fail.
    kernels: as in Settings, whose current value is the default.
    """
    how = kernels or current().kernels
    key = (canonical_hash(graph), tuple(sorted((donated or {}).items())), how, current().winograd)
    with LOCK:
        found = PROGRAMS.get(key)
        if found is not None:
            PROGRAMS.move_to_end(key)
            return found
    with uncollected():
        made = Program(graph, donated or {}, how)
    with LOCK:
        found = PROGRAMS.setdefault(key, made)
        while len(PROGRAMS) > KEPT or (len(PROGRAMS) > 1 and sum([p.plan.peak_bytes for p in PROGRAMS.values()]) > BYTES):
            PROGRAMS.popitem(last=False)
    return found


def run_once(graph: Graph, buffers: Sequence[Any], donated: Mapping[int, int]) -> list[Any]:
    """The outputs of `graph` at first sight: op by op, which keeps all that is computed in memory, so a large one is compiled.

    Nothing but the caller has the outputs then: what comes next may overwrite them.
    """
    if sum([v.type.nbytes for v in graph.values() if isinstance(v.type, TensorType)]) < LARGE:
        return interpret(graph, buffers, donated)
    program = compile(graph, donated)
    found = program(buffers)
    program.frames = Frames(program.frames.code)
    return found
