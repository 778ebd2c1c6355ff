"""Tape -> graph -> program -> buffers: the one file that knows the whole line."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

from fgrad.backends import compile_graph, devices, interpret, run_once
from fgrad.eager import explain
from fgrad.eager.history import Plan, Segment, plan_history
from fgrad.eager.tape import DONATION, THREAD, Tape
from fgrad.errors import GradError, TraceError
from fgrad.ir.apply import caller
from fgrad.ir.graph import Graph, Value, leaf, topological
from fgrad.ir.primitive import REGISTRY
from fgrad.primitives import structure
from fgrad.settings import current
from fgrad.transforms.inline import substitute

OPAQUE = REGISTRY[structure.opaque.__name__]
WATCHERS: list[Callable[[Graph, dict[int, int]], None]] = []  # told of every graph that runs
TIMERS: list[Callable[[str, Graph], Callable[[], None]]] = []  # told when a program is compiled or run; what they give is called at the end
FREED = object()  # history of a tensor whose graph backward() has consumed


class Runner:
    """A graph and its program: op by op at first sight, compiled from the second on."""

    __slots__ = ("donated", "graph", "program", "seen")

    def __init__(self, graph: Graph, donated: dict[int, int]) -> None:
        self.graph, self.donated = graph, donated
        self.seen = 0
        self.program: Any = None

    def call(self, buffers: list[Any]) -> list[Any]:
        """The outputs' buffers."""
        for watch in WATCHERS:
            watch(self.graph, self.donated)
        self.seen += 1
        if self.seen == 1:
            return checked(timed("op by op", self.graph, lambda: run_once(self.graph, buffers, self.donated)))
        if self.program is None:
            self.program = timed("compile", self.graph, lambda: compile_graph(self.graph, self.donated))
        return checked(self.program(buffers) if not TIMERS else timed("run", self.graph, lambda: self.program(buffers)))


class Entry(Runner):
    """What is known of one structure: its program, and what a later backward will need."""

    __slots__ = ("places", "plan", "slots", "values")

    def __init__(self, tape: Tape, values: tuple[Value, ...], donated: tuple[tuple[int, Value], ...]) -> None:
        self.values = frozenset(values)
        self.plan: Plan | None = plan_history(tape, values)
        wanted = tuple(dict.fromkeys([*values, *(self.plan.computed if self.plan else ())]))
        shown = without_functions(wanted) if tape.functions else wanted
        order: list[Value] | None
        inputs, order = leaves_before(tuple(dict.fromkeys(shown)), tape)
        self.slots: list[Any] = [v if v in tape.bound else v.params[0] for v in inputs]
        into = {v: slot for slot, v in donated}
        where = {s: i for i, s in enumerate(self.slots) if not isinstance(s, Value)}
        if tape.bound:
            (inputs, shown), order = closed(inputs, shown), None
        outputs = tuple(dict.fromkeys(shown))
        at = {v: i for i, v in enumerate(outputs)}
        given = {at[x]: where[into[v]] for v, x in zip(wanted, shown, strict=True) if v in into and into[v] in where}
        super().__init__(Graph(inputs, outputs, order), given)
        self.places = {v: at[x] for v, x in zip(wanted, shown, strict=True)}

    def buffers(self, tape: Tape) -> list[Any]:
        """The arrays this structure reads from `tape`."""
        inputs, bound = tape.inputs, tape.bound
        if not bound:
            return [inputs[s] for s in self.slots]
        return [bound[s] if isinstance(s, Value) else inputs[s] for s in self.slots]

    def run(self, tape: Tape) -> list[Any]:
        """The outputs' buffers."""
        if tape.stale:
            check_stale(tape, self.graph.inputs)
        return self.call(self.buffers(tape))


def timed(stage: str, graph: Graph, work: Callable[[], Any]) -> Any:
    """`work()`, its beginning and end told to TIMERS."""
    ends = [begin(stage, graph) for begin in TIMERS]
    try:
        return work()
    finally:
        for end in ends:
            end()


def checked(arrays: list[Any]) -> list[Any]:
    """A program's results. Raises FloatingPointError for numbers among them that the settings refuse."""
    for name in current().refuse:
        for a in arrays:
            found = a != a if name == "nan" or a.dtype.kind in "biu" else abs(a) == float("inf")  # only NaN differs from itself
            if found.any():
                raise FloatingPointError(f"invalid value ({name}) encountered in a result of type {a.dtype.name}{list(a.shape)}")
    return arrays


def closed(inputs: tuple[Value, ...], outputs: Sequence[Value]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The graph with a leaf of its own for each bound value it reads."""
    new = {v: leaf(v.type) for v in inputs if v.prim is not None}
    return tuple([new.get(v, v) for v in inputs]), tuple(substitute(outputs, new))


def without_functions(outputs: Sequence[Value]) -> tuple[Value, ...]:
    """`outputs` with each result of an autograd.Function replaced by what its forward computed."""
    new = {
        v: v.operands[0].operands[v.params[0]]
        for v in [*topological(outputs), *outputs]
        if v.prim is not None and v.prim.name == "item" and v.operands[0].prim is OPAQUE
    }
    return tuple(substitute(outputs, new)) if new else tuple(outputs)


def leaves_before(outputs: Sequence[Value], tape: Tape) -> tuple[tuple[Value, ...], list[Value]]:
    """Inputs and bound values that `outputs` read, and the values in between in order."""
    bound = tape.bound
    found: dict[Value, None] = dict.fromkeys(v for v in outputs if v in bound or (v.prim is None and v.const is None))
    order = topological(outputs, bound)
    for v in order:
        for x in v.operands:
            if (x.prim is None and x.const is None) or x in bound:
                found[x] = None
    return tuple(found), order


def check_stale(tape: Tape, inputs: Sequence[Value]) -> None:
    """PyTorch's error if a tensor that a computation needs was changed in place since."""
    for v in inputs:
        if v in tape.stale and v not in tape.bound:
            cell, version = tape.stale[v]
            raise GradError(
                f"one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"a {v.type} is at version {cell._version}; expected version {version}",
                where=caller(),
                fix="clone() it before writing, or call backward() before the write",
            )


def flush(tape: Tape) -> None:
    """Computes every living tensor of `tape`; after an error nothing has changed and the tape can be read again."""
    if tape.tracing:
        raise tracing_error(tape, None)
    with tape.lock:
        if tape.closed or tape.busy:
            return
        if tape.refs or tape.inputs:
            found = dict.fromkeys([r() for r in tape.refs])
            live = [t for t in found if t is not None and t._data is None and t._tape is tape]
            live = [t for t in live if t._extra is None or t._extra.error is None]
            if live:
                try:
                    compute(tape, live)
                except MemoryError:
                    gc.collect()
                    compute(tape, live)
                except Exception:
                    set_aside(tape, live)
                    raise
        following = tape.next()
        tape.close()
        if THREAD.tape is tape:
            THREAD.tape = following


def set_aside(tape: Tape, live: Sequence[Any]) -> None:
    """After a failure: what fails by itself keeps its error, and no longer stands in the way of the others.

    A tensor that a traceback keeps alive would otherwise fail every later read. Nothing is run that has effects.
    """
    for t in live:
        if any(v.prim is not None and v.prim.effect for v in topological((t._value,), tape.bound)):
            continue
        try:
            alone(tape, t)
        except Exception as error:  # noqa: BLE001  # raised again when this tensor is read
            t.extra.error = error.with_traceback(None)


def alone(tape: Tape, t: Any) -> Any:
    """The buffer of one tensor, the tape left as it is."""
    return value_of(tape, t._value)


def value_of(tape: Tape, v: Value) -> Any:
    """The buffer of one value, the tape left as it is."""
    wanted = without_functions((v,)) if tape.functions else (v,)
    inputs, _ = leaves_before(wanted, tape)
    buffers = [tape.bound[v] if v in tape.bound else tape.inputs[v.params[0]] for v in inputs]
    return interpret(Graph(*closed(inputs, wanted)), buffers, {})[0]


def lookup(tape: Tape, values: tuple[Value, ...]) -> Entry:
    """The entry for these living values: exact, a superset's, or new (a miss, explained)."""
    donated = tuple([(slot, t._value) for t, slot in tape.rebound.items()]) if tape.rebound else ()
    rest = (donated, tape.consumed, tuple(tape.bound) if tape.bound else ())
    key = (values, rest)
    programs = tape.interned.programs
    entry: Entry | None = programs.get(key)
    if entry is not None:
        return entry
    near = tape.interned.near.setdefault(rest, [])
    entry = superset(near[-8:], values) if near and not tape.bound else None
    if entry is None:
        entry = Entry(tape, values, donated)
        near.append(entry)
        explain.structure(entry.graph, caller(), entry)
    programs[key] = entry
    return entry


def superset(entries: Sequence[Entry], values: tuple[Value, ...]) -> Entry | None:
    """A known entry whose outputs are these values and some that are computed on the way to them anyway."""
    wanted = set(values)
    found = [e for e in entries if wanted <= e.values]
    if not found:
        return None
    anyway = {*topological(values), *values}
    return next((e for e in reversed(found) if e.values <= anyway), None)


def compute(tape: Tape, live: Sequence[Any]) -> None:
    """Runs the program of `live` and binds the buffers; on failure nothing has changed."""
    entry = lookup(tape, tuple([t._value for t in live]))
    arrays = entry.run(tape)
    plan, places = entry.plan, entry.places
    segment = Segment(tape, plan, arrays, places) if plan is not None else None
    taken: set[int] = set()
    for t in live:
        v = t._value
        i = places[v]
        a = arrays[i]
        if i in taken:  # two tensors with one value need two buffers
            a = devices.put(a, t._device)
        taken.add(i)
        t._data = a
        if segment is not None and v in segment.plan.outputs:
            t.extra.history = (segment, v)
        elif tape.consumed and v.needs and v.prim is not None and v not in tape.cells:
            t.extra.history = FREED


def force(t: Any) -> Any:
    """The buffer of cell `t` (not a view)."""
    tape = t._tape
    if t._data is not None:
        return t._data
    if t._extra is not None and t._extra.error is not None:
        raise t._extra.error
    if tape.tracing:
        raise tracing_error(tape, t)
    if tape is THREAD.tape and not tape.busy:
        flush(tape)
    else:  # another thread's, or inside backward(): compute this one only, leave the tape as it is
        with tape.lock:
            if t._data is None:
                t._data = alone(tape, t)
    return t._data


def tracing_error(tape: Tape, t: Any) -> TraceError:
    """A number was asked for inside a function being recorded, or a tensor of it is used after its end."""
    origin = t._value.where if t is not None else None
    if tape.tracing is DONATION:
        return TraceError(
            f"a {t._value.type} was donated to a jitted call, which may have overwritten it", where=origin,
            fix="use what the call returned, or leave the argument out of donate_argnums",
        )  # fmt: skip
    if tape.closed:
        return TraceError(
            f"a {t._value.type} leaked from the recording of {tape.tracing}: it was never computed there",
            where=origin,
            fix="return it from the function instead of storing it outside",
        )
    what = f"a {t._value.type}" if t is not None else "a tensor"
    made = "" if origin is None else "; it was made at the line below"
    return TraceError(
        f"the number in {what} was asked for while {tape.tracing} is being recorded{made}",
        where=origin or caller(),
        fix="use where, lax.cond or lax.while_loop for a choice that depends on values, mark the argument static, "
        "or take this step outside",
    )
