"""The hot path: an operation on cells becomes a value on the tape, and a pending cell."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from fgrad.eager import engine, explain
from fgrad.eager import tape as tapes
from fgrad.eager.cell import Cell
from fgrad.eager.enter import enter, freeze, intern, miss
from fgrad.eager.tape import THREAD, Tape, tensor_type
from fgrad.ir.apply import caller, constant, located
from fgrad.ir.graph import Value, topological
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.types import TensorType

_new = object.__new__
ITEM = REGISTRY["item"]
TEMPLATES = 10_000  # composites remembered by the types of their operands
_SITE = ("short", "tape", "changes")


def wrap(cls: type[Any], tape: Tape, v: Value) -> Any:
    """A pending cell of class `cls` for a value on `tape`."""
    t = _new(cls)
    t._tape, t._value, t._data, t._extra = tape, v, None, None
    tape.refs.append(ref(t))
    return t


def ready() -> Tape:
    """The thread's tape, cut first if it has grown too long. An operation asks once, before it looks at operands."""
    tape = THREAD.tape
    return shorter(tape) if len(tape.refs) > tapes.LIMIT or tape.held > tapes.BYTES else tape


def shorter(tape: Tape) -> Tape:
    """Past a limit, cut at the line where the last overlong tape was cut: a loop is always cut in the same phase."""
    if tape.tracing or tape.busy:
        return tape
    here, kept = caller(), tape.interned
    if kept.cut is None or len(tape.refs) > 2 * tapes.LIMIT or tape.held > 2 * tapes.BYTES:
        kept.cut = here
    if here == kept.cut:
        engine.flush(tape)
    return THREAD.tape


def record1(cls: type[Any], prim: Primitive, x: Any) -> Any:
    """A unary operation without parameters."""
    tape = THREAD.tape
    if len(tape.refs) > tapes.LIMIT or tape.held > tapes.BYTES:
        tape = shorter(tape)
    vx = x._value if x._tape is tape else enter(tape, x)
    key = (prim, vx)
    v = tape.memo.get(key)
    if v is None:
        v = miss(tape, key, prim, (vx,), ())
    t = _new(cls)
    t._tape, t._value, t._data, t._extra = tape, v, None, None
    tape.refs.append(ref(t))
    return t


def record2(cls: type[Any], prim: Primitive, x: Any, y: Any) -> Any:
    """A binary operation on two cells of one dtype."""
    tape = THREAD.tape
    if len(tape.refs) > tapes.LIMIT or tape.held > tapes.BYTES:
        tape = shorter(tape)
    vx = x._value if x._tape is tape else enter(tape, x)
    vy = y._value if y._tape is tape else enter(tape, y)
    key = (prim, vx, vy)
    v = tape.memo.get(key)
    if v is None:
        v = miss(tape, key, prim, (vx, vy), ())
    t = _new(cls)
    t._tape, t._value, t._data, t._extra = tape, v, None, None
    tape.refs.append(ref(t))
    return t


def record_scalar(cls: type[Any], prim: Primitive, x: Any, y: Any, swap: bool = False) -> Any:
    """A binary operation on a cell and a Python number that fits its dtype (`swap`: the number is on the left)."""
    tape = ready()
    vx = x._value if x._tape is tape else enter(tape, x)
    if y:  # not 0: -0.0 == 0.0
        v = tape.memo.get((prim, vx, y.__class__, y, swap))
        if v is not None:
            return wrap(cls, tape, v)
    vy = scalar(tape, prim, vx, y, swap)
    v = intern(tape, prim, (vy, vx) if swap else (vx, vy))
    if vy.const is not None and y and y == y:
        site = tape.memo[prim, swap, y.__class__, vx]
        site["short"].append((prim, vx, y.__class__, y, swap))
        tape.memo[prim, vx, y.__class__, y, swap] = v
    return wrap(cls, tape, v)


def record(cls: type[Any], prim: Primitive, operands: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Any:
    """The general way in: cells, values and Python numbers (constants), parameters, any number of operands."""
    tape = ready()
    values = [(x._value if x._tape is tape else enter(tape, x)) if isinstance(x, Cell) else x for x in operands]
    like = next((v.type for v in values if isinstance(v, Value)), None)
    given = tuple([v if isinstance(v, Value) else constant(v, like) for v in values])
    return wrap(cls, tape, intern(tape, prim, given, params))


def record_items(cls: type[Any], prim: Primitive, operands: tuple[Any, ...], params: tuple[Any, ...]) -> tuple[Any, ...]:
    """An operation with several results."""
    tape = ready()
    values = tuple([x._value if x._tape is tape else enter(tape, x) for x in operands])
    v = intern(tape, prim, values, params)
    return tuple([wrap(cls, tape, item) for item in items(tape, v)])


def items(tape: Tape, v: Value) -> tuple[Value, ...]:
    """The parts of a tuple-typed value."""
    kinds = v.type.items  # type: ignore[union-attr]  # a TupleType, by contract
    return tuple([intern(tape, ITEM, (v,), (i,)) for i in range(len(kinds))])


def scalar(tape: Tape, prim: Primitive, other: Value, x: Any, swap: bool) -> Value:
    """A Python number: a constant, until it comes back changed in a later recording; then a run-time input."""
    kind = tensor_type(other)
    key = (prim, swap, x.__class__, other)
    site = tape.memo.get(key)
    if site is None:
        site = tape.memo[key] = {"short": []}
    text = str(x)  # -0.0 == 0.0 and nan != nan: the text tells
    changed = site.get("changes")
    if not (changed or tape.tracing) and text not in site and len(site) > 1 and site["tape"]() is not tape:
        explain.scalar(prim.name, text, next(k for k in reversed(site) if k not in _SITE), caller())
        for short in site["short"]:
            tape.memo.pop(short, None)
        site["changes"] = changed = True
    if changed and not tape.tracing:
        return tape.input(TensorType((), kind.dtype), number(x, kind))  # on the host, whatever device the other is on
    found: Value | None = site.get(text)
    if found is None:
        found = site[text] = constant(x, kind)
    site["tape"] = ref(tape)
    return found


def mirrored(tape: Tape, ct: Value) -> Value:
    """A cotangent on its way between the engine and the user: PyTorch's is the conjugate of JAX's, which the engine has."""
    if not isinstance(ct.type, TensorType) or ct.type.dtype.kind != "c":
        return ct
    key = ("mirrored", ct)
    found: Value | None = tape.memo.get(key)
    if found is None:
        found = tape.memo[key] = FUNCTIONS["conj"](ct)
    return found


def number(x: Any, kind: TensorType) -> Any:
    """A Python number as a 0-d buffer."""
    constant(x, kind)  # refuses what does not fit
    return np.asarray(x, kind.dtype)


def composite(key: Any, rule: Any, operands: tuple[Value, ...], tape: Tape) -> tuple[Value, ...]:
    """Values of `rule(*operands)`, recorded by one look-up when the same operands come again."""
    full = (key, *operands)
    found: tuple[Value, ...] | None = tape.memo.get(full)
    if found is None:
        if not tape.smooth:
            operands = tuple([freeze(tape, v) for v in operands])
        found = tape.memo[full] = derived(key, rule, operands, tape.interned.templates)
    return found


def derived(key: Any, rule: Any, operands: tuple[Value, ...], templates: dict[Any, Any]) -> tuple[Value, ...]:
    """Values of `rule(*operands)`; what the rule made of operands of the same types is made again node by node, without it."""
    first: dict[Value, int] = {}
    kinds = [v if v.const is not None else (v.type, v.needs, first.setdefault(v, i)) for i, v in enumerate(operands)]
    known = templates.get(kind := (key, *kinds))
    where = caller()
    if known is None:
        with located(where):
            made = tuple(rule(*operands))
        if len(templates) > TEMPLATES:
            templates.clear()
        templates[kind] = operands, topological(made, operands), made
        return made
    before, nodes, results = known
    new: dict[Value, Value] = dict(zip(before, operands, strict=True))
    for v in nodes:
        new[v] = Value(v.prim, tuple([new.get(x, x) for x in v.operands]), v.params, v.type, where, None, v.needs)
    return tuple([new.get(v, v) for v in results])
