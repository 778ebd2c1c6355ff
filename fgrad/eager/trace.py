"""A user's function recorded as a closed graph: arguments, then captured tensors, then random state, are its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.convert import as_cell
from fgrad.eager.engine import Runner
from fgrad.eager.enter import enter, freeze, intern
from fgrad.eager.generator import key_data, state_on
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD, Interned, Tape
from fgrad.errors import TraceError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import Type
from fgrad.transforms.inline import substitute


class Recorded:
    """What recording one function for one set of argument types gave.

    graph.inputs: the arguments' leaves, `captured`, then (key, offset) for each of `generators`.
    graph.outputs: the result's leaves (`n_out` of them), then the values written to `written`.
    """

    __slots__ = ("captured", "classes", "generators", "graph", "n_out", "out_spec", "runner", "written")

    def __init__(self, tape: Tape, args: Sequence[Value], out: Any) -> None:
        leaves, self.out_spec = tree.flatten(out)
        values, self.classes = [], []
        for x in leaves:
            v, cls = result_value(tape, x)
            values.append(v)
            self.classes.append(cls)
        self.captured = tuple(tape.captured)
        self.written = tuple(tape.writes)
        self.generators = [(g, blocks) for g, (_, _, blocks) in tape.generators.items()]
        state = [v for key, base, _ in tape.generators.values() for v in (key, base)]
        self.n_out = len(values)
        inputs, outputs = (*args, *tape.captured.values(), *state), (*values, *tape.writes.values())
        known = tape.interned.joints
        self.graph: Graph = known.get(("graph", inputs, outputs)) or known.setdefault(("graph", inputs, outputs), Graph(inputs, outputs))
        plain = not self.written and not self.generators and not any(v.prim is not None and v.prim.effect for v in self.graph.values())
        self.runner = Runner(self.graph, {}) if plain else None  # runs it by itself: what it reads are buffers alone


def result_value(tape: Tape, x: Any) -> tuple[Value, type[Cell] | None]:
    """A result's value and class; Python numbers and NumPy arrays become constants."""
    if isinstance(x, Cell):
        return enter(tape, x), type(x)._result
    if isinstance(x, bool | int | float | complex | np.ndarray | np.generic):
        return constant(as_cell(x)._data), None
    raise TraceError(
        f"{tape.tracing} returned a {type(x).__name__}, which is no tensor",
        where=caller(),
        fix="return tensors, numbers, or trees of them",
    )


def record_function(
    f: Callable[..., Any], name: str, leaves: Sequence[tuple[type[Cell], Type, bool]], build: Callable[[list[Any]], Any],
    interned: Interned | None = None,
) -> Recorded:  # fmt: skip
    """Records `build(cells)` -> (args, kwargs) -> `f(*args, **kwargs)` for leaves of (class, type, needs).

    interned: what recordings of this kind have left, which no recording in progress uses.
    """
    outer, tape = THREAD.tape, Tape(interned or Interned(), smooth=THREAD.grad, tracing=name)
    THREAD.tape = tape
    grad = THREAD.grad
    try:
        values = [tape.input(kind, None, needs and grad) for _, kind, needs in leaves]
        cells = [wrap(cls, tape, v) for (cls, _, _), v in zip(leaves, values, strict=True)]
        tape.cells.update(zip(values, cells, strict=True))
        args, kwargs = build(cells)
        return Recorded(tape, values, f(*args, **kwargs))
    finally:
        THREAD.tape, THREAD.grad = outer, grad
        tape.closed = True


def inline_recorded(tape: Tape, recorded: Recorded, operands: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs of `recorded` on `tape`, by one look-up when the operands are known. Advances generators."""
    given = (*operands, *(enter(tape, c) for c in recorded.captured), *random_state(tape, recorded))
    key = ("inline", recorded, given, tape.smooth)
    found: tuple[Value, ...] | None = tape.interned.joints.get(key)
    if found is None:
        new = dict(zip(recorded.graph.inputs, as_seen(tape, given), strict=True))
        found = tape.interned.joints[key] = tuple(substitute(recorded.graph.outputs, new))
    return found


def as_seen(tape: Tape, values: Sequence[Value]) -> list[Value]:
    """Operands as the tape's mode sees them."""
    if tape.smooth:
        return list(values)
    return [freeze(tape, v) for v in values]


def random_state(tape: Tape, recorded: Recorded, times: int = 1) -> list[Value]:
    """The generators' keys and offsets as values, advancing them by what the function draws, `times` over."""
    out: list[Value] = []
    for generator, once in recorded.generators:
        count = once * times
        key, base, start = state_on(tape, generator)
        if tape.tracing:
            at = tape.generators[generator][2]
            tape.generators[generator] = (key, base, at + count)
        else:
            at = generator.advance(count) - start
        out += [key, intern(tape, REGISTRY["add"], (base, constant(np.uint64(at)))) if at else base]
    return out


def random_buffers(recorded: Recorded) -> list[Any]:
    """As `random_state`, as buffers for a direct call of the program."""
    out: list[Any] = []
    for generator, count in recorded.generators:
        out += [key_data(generator._seed), np.array(generator.advance(count), np.uint64)]
    return out
