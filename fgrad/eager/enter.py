"""Cells onto the tape: buffers become inputs, views are derived again, earlier stretches are inlined."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fgrad.backends import devices
from fgrad.eager import engine
from fgrad.eager.cell import Cell
from fgrad.eager.history import Segment
from fgrad.eager.tape import Tape
from fgrad.ir.apply import apply, caller, node
from fgrad.ir.graph import Value, topological
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.types import CPU
from fgrad.primitives import structure
from fgrad.transforms.inline import substitute

MARK = REGISTRY["mark"]
STOP = REGISTRY[structure.stop_gradient.__name__]
_ALONE = 3  # references to a buffer nobody outside holds: the cell's, ours, getrefcount's


def enter(tape: Tape, x: Cell) -> Value:
    """The value of `x` on `tape`."""
    if x._tape is tape:
        return x._value
    extra = x._extra
    if tape.tracing:
        return enter_tracing(tape, x)
    if x._data is None and x._tape is not None and x._value.needs and (extra is None or extra.base is None):
        v = borrow(tape, x)
    elif extra is not None:
        if extra.base is not None:
            v = enter_view(tape, x)
            if x._tape is tape:  # its base's stretch, adopted meanwhile, has it as a leaf
                return x._value
            v = variable(tape, x, v) if extra.leaf else v
        elif extra.history is not None and extra.history is not engine.FREED and not extra.history[0].freed:
            segment, old = extra.history
            v = adopt(tape, segment).get(old) or enter_buffer(tape, x)
        else:
            v = enter_buffer(tape, x)
    else:
        v = enter_buffer(tape, x)
    x._tape, x._value = tape, v
    return v


def variable(tape: Tape, x: Cell, v: Value) -> Value:
    """`v` as a new leaf of backward(), for the cell `x`."""
    depth = -1 - len(tape.cells)
    key = ("variable", v, depth)
    found = tape.memo.get(key)
    if found is None:
        found = tape.memo[key] = Value(MARK, (v,), (depth,), v.type, caller(), None, True)
    tape.cells[found] = x
    return found


def enter_buffer(tape: Tape, x: Cell) -> Value:
    """An input that holds the buffer of `x`; one that outsiders may write to is copied."""
    data = x._data if x._data is not None else engine.force(x)
    extra = x._extra
    if extra is not None and extra.exposed:
        if sys.getrefcount(data) > _ALONE or data.base is not None:
            data = devices.put(data, x._device)
        else:
            extra.exposed = False
    v = tape.input(x._value.type, data, x._value.needs)
    tape.cells[v] = x
    return v


def borrow(tape: Tape, x: Cell) -> Value:
    """A tensor that waits on another thread's tape, recorded again on this one, so that backward() passes through it."""
    other, root = x._tape, x._value
    if root in other.cells:  # a leaf itself
        engine.force(x)
        return enter_buffer(tape, x)
    ends = [v for v in other.cells if v.prim is not None]
    nodes = topological((root,), ends)
    given: dict[Value, Value] = {}
    for v in dict.fromkeys(y for n in nodes for y in n.operands if y in other.cells or (y.prim is None and y.const is None)):
        cell = other.cells.get(v)
        if cell is not None and cell._value is v and cell._tape is other:
            engine.force(cell)
            given[v] = enter(tape, cell)
        else:  # written since, on another tape by now, or no cell's any more
            data = engine.value_of(other, v)
            new = given[v] = tape.input(v.type, data, v.needs)
            if cell is not None:
                tape.cells[new] = cell
    around = [v for v in (*other.functions, *other.hooked) if v in {*nodes, root}]
    wanted = [root, *around]
    made: dict[Value, Value] = dict(zip(wanted, substitute(wanted, given), strict=True))
    tape.functions.update({made[v]: other.functions[v] for v in around if v in other.functions})
    tape.hooked.update({made[v]: other.hooked[v] for v in around if v in other.hooked})
    return made[root]


def enter_tracing(tape: Tape, x: Cell) -> Value:
    """Inside a recorded function, a tensor from outside is an input read at each call, never a constant."""
    written = tape.writes.get(x)
    if written is not None:
        return written
    extra = x._extra
    if extra is not None and extra.base is not None:
        return follow(tape, enter(tape, extra.base), extra.path)
    if x._data is None and x._tape is not None and x._tape.tracing and x._tape.closed:
        raise engine.tracing_error(x._tape, x)
    return tape.capture(x)


def enter_view(tape: Tape, x: Cell) -> Value:
    """A view derives from its base; a part of a plain buffer is read there and becomes an input of its own.

    So `data[i:i + 64]` in a loop records one structure, whatever `i` is.
    """
    extra = x.extra
    base = extra.base
    if base._tape is not tape and base._data is not None and not base._value.needs and base._device is CPU:
        settled = base._extra is None or base._extra.history in (None, engine.FREED)
        if settled and any(prim.name not in ("reshape", "stop_gradient") for prim, *_ in extra.path):
            data = np.array(read_path(base._data, extra.path), order="C", copy=True)
            v = tape.input(x._value.type, data)
            tape.cells[v] = x
            return v
    if tape.smooth or not x._value.needs:
        return follow(tape, enter(tape, base), extra.path)
    tape.switch(True)  # under no_grad, of a view taken outside: it stays differentiable
    try:
        return follow(tape, enter(tape, base), extra.path)
    finally:
        tape.switch(False)


def follow(tape: Tape, v: Value, path: tuple[Any, ...]) -> Value:
    """The value of a view, given its base's."""
    for prim, params, _ in path:
        v = intern(tape, prim, (v,), params)
    return v


def read_path(array: Any, path: tuple[Any, ...], xp: Any = np) -> Any:
    """The part of a buffer that a view shows, without a copy."""
    for prim, params, _ in path:
        array = prim.lower(xp, None, array, **dict(zip(prim.params, params, strict=True)))
    return array


def intern(tape: Tape, prim: Primitive, operands: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Value:
    """The value of an operation: the one recorded before, or a new one (types are checked here, once a structure)."""
    key = (prim, *operands, *params) if params else (prim, *operands)
    v: Value | None = tape.memo.get(key)
    return miss(tape, key, prim, operands, params) if v is None else v


def miss(tape: Tape, key: Any, prim: Primitive, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Value:
    """Records an operation not seen before."""
    if not tape.smooth:
        operands = tuple([freeze(tape, x) for x in operands])
    v = tape.memo[key] = node(prim, operands, params)
    return v


def freeze(tape: Tape, x: Any) -> Any:
    """`x` cut off from derivatives, under no_grad."""
    if isinstance(x, Value) and x.needs:
        key = ("stop", x)
        found = tape.memo.get(key)
        if found is None:
            found = tape.memo[key] = apply(STOP, (x,))
        return found
    return x


class Unfinished(dict[Value, Value]):
    """An adoption under way: x.detach().requires_grad_() is a leaf of the stretch that computes x, and entering it asks for x."""

    def __init__(self, nodes: list[Value]) -> None:
        super().__init__()
        self.nodes = set(nodes)

    def get(self, v: Value, default: Any = None) -> Any:
        """A value of the stretch recorded again; `default` for one that it has not."""
        if v not in self and v in self.nodes:
            (self[v],) = substitute((v,), self)
        return super().get(v, default)


def is_view_leaf(known: tuple[Cell, int] | None) -> bool:
    """True for the entry of a leaf that is a view of something: it follows the others."""
    extra = None if known is None else known[0]._extra
    return extra is not None and extra.base is not None


def adopt(tape: Tape, segment: Segment) -> dict[Value, Value]:
    """The segment's values on `tape`, recorded again (one look-up when known), with its kept buffers bound."""
    found: dict[Value, Value] | None = tape.adopted.get(segment)
    if found is not None:
        return found
    plan = segment.plan
    given = tape.adopted[segment] = Unfinished([*plan.nodes, *segment.functions, *segment.hooked])
    for v in sorted([*plan.leaves, *segment.cells], key=lambda v: is_view_leaf(segment.cells.get(v))):
        given[v] = enter_leaf(tape, segment, v)
    key = (plan, tuple(given.values()))
    new: dict[Value, Value] | None = tape.interned.joints.get(key)
    if new is None:
        wanted = list(dict.fromkeys([*plan.nodes, *segment.functions, *segment.hooked]))
        new = {**given, **dict(zip(wanted, substitute(wanted, given), strict=True))}
        tape.interned.joints[key] = new
    tape.adopted[segment] = new
    for v, buffer in segment.buffers.items():
        tape.bound[new[v]] = buffer
    tape.functions.update({new[v]: c for v, c in segment.functions.items()})
    tape.hooked.update({new[v]: c for v, c in segment.hooked.items()})
    return new


def enter_leaf(tape: Tape, segment: Segment, v: Value) -> Value:
    """A leaf or variable of an earlier stretch on this tape; one that was written since has lost its number."""
    known = segment.cells.get(v)
    if known is None:
        return tape.input(v.type, segment.leaves[v], v.needs)
    cell, version = known
    if cell._version == version:
        return enter(tape, cell)
    old = tape.input(v.type, None, v.needs)
    tape.cells[old] = cell
    tape.stale[old] = (cell, version)
    return old
