"""Views and writes in place: a view is a path from its base; writing through one rebuilds the base."""

from __future__ import annotations

import sys
from typing import Any, cast
from weakref import ref

from fgrad.backends import devices
from fgrad.eager import engine
from fgrad.eager.cell import Cell, typed_leaf
from fgrad.eager.enter import MARK, enter, follow, intern, read_path, variable
from fgrad.eager.tape import THREAD, Tape, tensor_type
from fgrad.errors import GradError, ShapeError
from fgrad.ir.apply import caller, infer
from fgrad.ir.graph import Value
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.types import CPU, TensorType

KEPT = 1024
_OWNED = 4  # references to a buffer that only its cell and the tape hold, seen from `rebind`


def is_leaf(x: Cell) -> bool:
    """True for a tensor that backward() ends at, or that needs no gradient."""
    v = x._value
    if not v.needs:
        return True
    plain = v.prim is None or (v.prim is MARK and v.params[0] < 0)
    e = x._extra
    return plain and (e is None or (e.history is None and e.base is None) or e.leaf)


def view_of(cls: type[Any], x: Cell, prim: Primitive, params: tuple[Any, ...]) -> Any:
    """A cell of class `cls` that shows `prim(x)` and shares its storage."""
    return view_along(cls, x, ((prim, params),))


def view_along(cls: type[Any], x: Cell, steps: tuple[tuple[Primitive, tuple[Any, ...]], ...]) -> Any:
    """A cell of class `cls` that shows what these primitives, one after the other, make of x, and shares its storage.

    Of numbers that are at hand nothing is recorded before the view is used.
    """
    tape = THREAD.tape
    extra = x._extra
    t = object.__new__(cls)
    t._tape = t._data = t._extra = None
    e = t.extra
    kind, needs, path = x._type, x._value.needs and THREAD.grad, []
    for prim, params in steps:
        path.append((prim, params, kind.shape))
        kind = cast(TensorType, infer(prim, (kind,), params))
        needs = needs and prim.smooth
    if extra is not None and extra.base is not None:
        e.base, e.path = extra.base, (*extra.path, *path)
    else:
        e.base, e.path = x, tuple(path)
    if at_hand(x, tape):
        t._value = typed_leaf(kind, needs)
    else:
        t._tape, t._value = tape, follow(tape, enter(tape, x), e.path[-len(path) :])
    views = e.base.extra.views
    views.append(ref(t))
    if not len(views) % KEPT:  # a loop that reads elements leaves one after the other
        views[:] = [r for r in views if r() is not None]
    return t


def at_hand(x: Cell, tape: Tape) -> bool:
    """True for a computed cell, or a view of one, that this tape has not met."""
    if x._tape is tape:
        return False
    if x._data is not None:
        return True
    e = x._extra
    if e is None or e.base is None or e.leaf or e.history is not None or tape.tracing:
        return False
    return e.base._data is not None and e.base._tape is not tape


def write(x: Cell, new: Cell) -> Any:
    """`x[...] = new`: the cell names another value from now on; through a view, the base is rebuilt."""
    if x._value.needs and THREAD.grad and is_leaf(x):
        raise GradError(
            "a leaf Variable that requires grad is being used in an in-place operation.",
            where=caller(),
            fix="wrap the update in no_grad(), or work on x.clone()",
        )
    tape = THREAD.tape
    v = new._value if new._tape is tape else enter(tape, new)
    if v.type is not x._value.type:
        raise ShapeError(
            f"an in-place result of type {v.type} does not fit a tensor of type {x._value.type}",
            where=caller(),
            fix="use the out-of-place form, or reshape the operand",
        )
    extra = x._extra
    if extra is not None and extra.base is not None:
        base = extra.base
        attached = all(prim.smooth for prim, *_ in extra.path)  # a detached view may be written
        if attached and base._value.needs and THREAD.grad and is_leaf(base):
            raise GradError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation.",
                where=caller(),
                fix="wrap the update in no_grad(), or work on base.clone()",
            )
        old = base._value if base._tape is tape else enter(tape, base)
        store(tape, (base, put(tape, old, extra.path, v)))
    else:
        store(tape, (x, v))
    return x


def put(tape: Tape, old: Value, path: tuple[Any, ...], new: Value) -> Value:
    """The base `old` with the part that `path` shows replaced by `new`."""
    if not path:
        return new
    (prim, params, shape), rest = path[0], path[1:]
    if rest:
        new = put(tape, intern(tape, prim, (old,), params), rest, new)
    if prim.name == "reshape":
        return intern(tape, prim, (new,), (shape,))
    if prim.name == "transpose":
        axes = params[0]
        return intern(tape, prim, (new,), (tuple(sorted(range(len(axes)), key=axes.__getitem__)),))
    if prim.name == "slice":
        start, _, step = params
        return intern(tape, REGISTRY["update_slice"], (old, new), (start, step))
    if prim.name in ("flip", "stop_gradient"):
        return intern(tape, prim, (new,), params) if prim.name == "flip" else new
    raise ShapeError(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location",
        where=caller(),
        fix="clone() the expanded tensor before writing to it",
    )


def store(tape: Tape, *writes: tuple[Cell, Value]) -> None:
    """Binds base cells to values; buffers that somebody holds see the writes at once, after all of them."""
    land(tape, bind_all(tape, *writes))


def bind_all(tape: Tape, *writes: tuple[Cell, Value]) -> list[tuple[Cell, Any]]:
    """Binds base cells to values; returns those whose buffers somebody may hold, for `land`."""
    homes = [(x, bind(tape, x, v)) for x, v in writes]
    return [(x, home) for x, home in homes if home is not None]


def land(tape: Tape, held: list[tuple[Cell, Any]]) -> None:
    """Brings writes to the buffers that somebody holds; nothing may be recorded on `tape` after that."""
    if held and not tape.tracing:
        engine.flush(tape)
        for x, home in held:
            if x._data is not home:
                home[...] = x._data
                x._data = home


def bind(tape: Tape, x: Cell, v: Value) -> Any:
    """Binds the base cell `x` to `v`; returns the buffer that somebody may hold, if there is one."""
    if tape.tracing and x._tape is not tape:
        enter(tape, x)
        tape.writes[x] = v
        return None
    old = x._value if x._tape is tape else enter(tape, x)
    if old.needs and is_leaf(x):
        v = variable(tape, x, intern(tape, REGISTRY["stop_gradient"], (v,)) if v.needs else v)
    home = x._data if x._extra is not None and x._extra.exposed else None
    tape.overwritten[old] = v
    rebind(tape, x, v)
    return home


def rebind(tape: Tape, x: Cell, v: Value) -> None:
    """`x` names `v` from now on; its old buffer may be overwritten by it if nobody else holds that."""
    old, data = x._value, x._data
    if data is not None and x not in tape.rebound and old.prim is None and old.type is v.type and old.params[0] >= 0:
        shared = x._extra is not None and x._extra.exposed
        if not shared and sys.getrefcount(data) <= _OWNED:
            tape.rebound[x] = old.params[0]
    x._value, x._data, x._tape = v, None, tape
    e = x._extra or x.extra
    e.version += 1
    e.history = None
    if e.views:
        e.views = [r for r in e.views if r() is not None]
        for r in e.views:
            view = r()
            if view is not None:
                view._tape = None
    tape.refs.append(ref(x))


def require_grad(x: Cell, on: bool) -> None:
    """Makes `x` a leaf of backward(), or a constant."""
    v = x._value
    if v.needs == on:
        return
    if not on and not is_leaf(x):
        raise GradError(
            "you can only change requires_grad flags of leaf variables.",
            where=caller(),
            fix="use detach() for a tensor that needs no gradient",
        )
    if on and not v.type.inexact:
        raise GradError(
            f"only Tensors of floating point and complex dtype can require gradients, this one is {tensor_type(v).dtype}",
            where=caller(),
            fix="convert it with .float()",
        )
    if x._data is not None:
        x._value, x._tape = typed_leaf(tensor_type(v), on), None
        return
    tape = THREAD.tape
    v = enter(tape, x)
    x._value = variable(tape, x, v) if on else intern(tape, REGISTRY["stop_gradient"], (v,))
    if x._extra is not None and x._extra.base is not None:
        x._extra.leaf = on


def buffer_of(x: Cell) -> Any:
    """The numbers of `x` on the host: its own array, or a copy of one on another device."""
    a = held(x)
    return a if x._device is CPU else devices.host(a)


def held(x: Cell) -> Any:
    """The array `x` holds or comes to, where it lives; of a view, the part of its base's array, without a copy."""
    extra = x._extra
    if extra is not None and extra.base is not None:
        tape = THREAD.tape
        if tape.tracing:
            raise engine.tracing_error(tape, x)
        return read_path(held(extra.base), extra.path, devices.library(x._device))
    if x._data is None:
        engine.force(x)
    elif THREAD.tape.tracing and x in THREAD.tape.writes:
        raise engine.tracing_error(THREAD.tape, x)
    return x._data
