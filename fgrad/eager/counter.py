"""The hidden counter of effects, one cell a thread: what prints or calls Python reads it and writes it back plus one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import as_cell
from fgrad.eager.enter import enter
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD
from fgrad.eager.trace import Recorded
from fgrad.eager.views import buffer_of, store
from fgrad.errors import TraceError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType

T = TypeVar("T")
COUNTER = TensorType((), "int64")


class Effects(Cell):
    """The number of effects so far."""

    __slots__ = ()


Effects._result = Effects


class _Thread(threading.local):
    def __init__(self) -> None:
        self.cell = concrete(Effects, np.zeros((), np.int64), COUNTER)


_THREAD = _Thread()


def counter() -> Effects:
    """This thread's cell."""
    return _THREAD.cell  # type: ignore[no-any-return]


def settle(written: Sequence[Any]) -> None:
    """Runs the effects of a finished call of a compiled function."""
    for t in written:
        if t.__class__ is Effects and not THREAD.tape.tracing:
            buffer_of(t)


def advance(written: Sequence[Any], values: Sequence[Value], finish: Callable[[], T]) -> T:
    """Writes what a region made of the counter, wraps the region's results by `finish`, then runs the effects unless recording."""
    if not written:
        return finish()
    store(THREAD.tape, *zip(written, values, strict=True))
    found = finish()
    settle(written)
    return found


def refuse_writes(r: Recorded, name: str) -> None:
    """A recorded region may write the counter, and no other tensor from outside."""
    if any(t.__class__ is not Effects for t in r.written):
        raise TraceError(
            f"a tensor from outside was written inside {name}", where=caller(),
            fix="return the new value from the function instead",
        )  # fmt: skip


def written_by(parts: Sequence[Recorded]) -> list[Any]:
    """[the counter] if any of the functions has effects, else []."""
    return list(dict.fromkeys(t for r in parts for t in r.written))


def writes_of(r: Recorded, written: Sequence[Any], inputs: Sequence[Value]) -> list[Value]:
    """What `r` leaves in each of `written`; the region's own input for it where `r` has no effects."""
    own = dict(zip(r.written, r.graph.outputs[r.n_out :], strict=True))
    return [own.get(t, v) for t, v in zip(written, inputs, strict=False)]


def tied(out: Any) -> Any:
    """A rule's results, which now need the effects recorded so far: it has results only, its effects happen when those are computed."""
    tape = THREAD.tape
    counts = [tape.writes.pop(t) for t in list(tape.writes) if t.__class__ is Effects]
    if not counts:
        return out
    never = FUNCTIONS["eq"](counts[0], constant(np.int64(-1)))

    def tie(x: Any) -> Any:
        t = as_cell(x)
        v = enter(tape, t)
        zero = constant(np.zeros(v.shape, v.dtype))
        return wrap(type(t)._result, tape, FUNCTIONS["select"](FUNCTIONS["broadcast_to"](never, shape=v.shape), zero, v))

    return tree.map(tie, out)
