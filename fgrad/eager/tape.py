"""The thread's tape: what was asked for and not yet computed.

Values are interned: the same primitive on the same Values is the same Value, so a structure's key is the identity of its
living outputs, and knowing a structure again costs one dictionary look-up an operation.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from fgrad.errors import Where
from fgrad.ir.graph import Value, leaf
from fgrad.ir.types import TensorType, Type

LIMIT = 1024  # operations recorded before a flush is sought
BYTES = 256 << 20  # bytes of inputs held before a flush is sought
TABLE = 100_000  # interned values a thread keeps (some 375 bytes each)
DONATION = "a call that donated it"  # what the tape of a donated tensor is called


class Interned:
    """All a thread has recorded before. Dropping it costs a re-record, never a recompile."""

    __slots__ = ("cut", "joints", "leaves", "near", "programs", "tables", "templates")

    def __init__(self) -> None:
        self.tables: list[tuple[dict[Any, Any], dict[Any, Any]]] = []  # by generation: see `table`
        self.leaves: dict[Any, Value] = {}  # (slot, type, needs) -> graph input
        self.templates: dict[Any, Any] = {}  # (composite, types of its operands) -> what it made of such operands
        self.joints: dict[Any, Any] = {}  # what a transform made of recorded values
        self.programs: dict[Any, Any] = {}  # (outputs, donated, consumed, bound) -> Entry
        self.near: dict[Any, list[Any]] = {}  # (donated, consumed, bound) -> entries, for supersets of outputs
        self.cut: Where | None = None  # where the last overlong tape was cut

    def table(self, generation: int, smooth: bool) -> dict[Any, Any]:
        """(prim, *operands[, params]) -> Value, one table under grad, one under no_grad.

        A generation ends when backward() frees a graph: what is recorded after that is another graph, though the
        operations be the same.
        """
        while len(self.tables) <= generation:
            self.tables.append(({}, {}))
        return self.tables[generation][0 if smooth else 1]

    def size(self) -> int:
        """Values held."""
        return sum([len(a) + len(b) for a, b in self.tables])


class Tape:
    """One stretch of recording, from a flush to the next, or the recording of one function (`tracing`)."""

    __slots__ = (
        "__weakref__", "adopted", "bound", "busy", "captured", "cells", "closed", "consumed", "functions", "generation", "generators",
        "held", "hooked", "inputs", "interned", "lock", "memo", "overwritten", "rebound", "refs", "smooth", "stale",
        "tracing", "writes",
    )  # fmt: skip

    def __init__(self, interned: Interned, *, smooth: bool = True, tracing: str = "") -> None:
        self.interned = interned
        self.generation, self.smooth = 0, smooth
        self.memo = interned.table(0, smooth)
        self.inputs: list[Any] = []  # buffers read, by slot
        self.held = 0  # their bytes
        self.cells: dict[Value, Any] = {}  # variable (leaf or mark) -> its cell
        self.refs: list[Any] = []  # weak references to every cell recorded
        self.rebound: dict[Any, int] = {}  # cell written in place -> slot of its old buffer
        self.consumed: tuple[Value, ...] = ()  # losses whose graph backward() has freed
        self.overwritten: dict[Value, Value] = {}  # value a cell had -> what an in-place operation made of it
        self.generators: dict[Any, Any] = {}  # random generator -> its state as inputs
        self.bound: dict[Value, Any] = {}  # value of an earlier stretch -> its buffer
        self.adopted: dict[Any, Any] = {}  # Segment -> its values here
        self.stale: dict[Value, Any] = {}  # variable of an earlier stretch, written since
        self.functions: dict[Value, Any] = {}  # node of an autograd.Function -> its context
        self.hooked: dict[Value, Any] = {}  # value -> cell with hooks on its gradient
        self.lock = threading.RLock()
        self.tracing = tracing  # name of the function that is being recorded
        self.closed = False
        self.busy = False  # backward() is running Python: reads compute one tensor, nothing is flushed
        self.captured: dict[Any, Value] = {}  # tracing: outer cell -> leaf
        self.writes: dict[Any, Value] = {}  # tracing: outer cell -> value to be written after success

    def idle(self) -> bool:
        """True if nothing waits to be computed and nothing is being recorded."""
        return not (self.refs or self.inputs or self.tracing or self.busy)

    def switch(self, smooth: bool) -> None:
        """Records derivatives from here on, or not."""
        self.smooth = smooth
        self.memo = self.interned.table(self.generation, smooth)

    def advance(self) -> None:
        """Starts another generation."""
        self.generation += 1
        self.memo = self.interned.table(self.generation, self.smooth)

    def close(self) -> None:
        """Ends the stretch: buffers and references go, a dead tape weighs nothing."""
        self.closed = True
        self.inputs, self.refs = [], []
        self.cells, self.rebound, self.bound, self.adopted = {}, {}, {}, {}
        self.functions, self.hooked, self.stale, self.overwritten, self.generators = {}, {}, {}, {}, {}

    def next(self) -> Tape:
        """An empty tape that remembers the same structures."""
        interned = self.interned
        if interned.size() > TABLE:
            interned = Interned()
        return Tape(interned, smooth=THREAD.grad)

    def input(self, kind: Type, data: Any, needs: bool = False) -> Value:
        """A new graph input holding `data`."""
        slot = len(self.inputs)
        self.inputs.append(data)
        self.held += kind.nbytes
        key = (slot, kind, needs)
        v = self.interned.leaves.get(key)
        if v is None:
            v = self.interned.leaves[key] = leaf(kind, slot=slot, needs=needs)
        return v

    def capture(self, cell: Any) -> Value:
        """The input that stands for a tensor from outside the function being recorded."""
        v = self.captured.get(cell)
        if v is None:
            v = self.captured[cell] = self.input(cell._value.type, None, cell._value.needs)
            self.cells[v] = cell
        return v


class Thread(threading.local):
    """The running thread's tape and modes."""

    def __init__(self) -> None:
        self.grad = True
        self.inference = False
        self.anomaly: Any = None  # called with roots and their gradients before every backward, see autograd.anomaly_mode
        self.casting: Any = None  # the state of autocast, see casting
        self.depth = 0  # nesting of grad, jvp, vmap calls in progress
        self.axes: dict[Any, Any] = {}  # name -> the axis a vmap in progress gave it, see eager.collectives
        self.compiling = 0  # nesting of calls of compiled functions
        self.examples = Interned()  # what the outermost vmap records
        self.tape = Tape(Interned())

    def known_examples(self) -> Interned | None:
        """What to record the function of a vmap with: what the calls before it left, unless it is inside another recording."""
        if self.examples.size() > TABLE:
            self.examples = Interned()
        return None if self.tape.tracing else self.examples


THREAD = Thread()


def restart() -> None:
    """A child process starts with an empty tape: its parent's threads and locks do not exist there."""
    THREAD.__init__()  # type: ignore[misc]  # the one object all rooms hold


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=restart)


def tensor_type(v: Value) -> TensorType:
    """The type of a value that is a tensor."""
    kind = v.type
    assert isinstance(kind, TensorType)
    return kind
