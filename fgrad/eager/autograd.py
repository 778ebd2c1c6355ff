"""backward() and its relatives: one look-up of a joint graph, in pieces only where Python runs inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager import engine
from fgrad.eager.cell import Cell
from fgrad.eager.enter import enter
from fgrad.eager.history import differentiable, flat, freed_values, is_variable, stop
from fgrad.eager.record import mirrored, wrap
from fgrad.eager.tape import THREAD, Tape, tensor_type
from fgrad.eager.views import write
from fgrad.errors import GradError, ShapeError, TraceError
from fgrad.ir.apply import caller, constant
from fgrad.ir.graph import Value, leaf, topological
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TupleType
from fgrad.transforms.jvp import zeros
from fgrad.transforms.vjp import pull, pull_node, reach

Cts = dict[Value, Any]  # value -> cotangent; a tuple of cotangents for a node with several results


class Joint:
    """Cotangents of `ends` for one set of roots, and what they read of the forward graph."""

    __slots__ = ("grads", "reads")

    def __init__(self, grads: tuple[Any, ...], reads: tuple[tuple[Value, Value], ...]) -> None:
        self.grads, self.reads = grads, reads


def joint(tape: Tape, roots: tuple[Value, ...], cts: tuple[Any, ...], ends: tuple[Value, ...], create: bool,
          stops: tuple[Value, ...]) -> Joint:  # fmt: skip
    """The backward graph of `roots`, from the cache or by transposition."""
    key = ("joint", roots, cts, ends, create, stops)
    found: Joint | None = tape.interned.joints.get(key)
    if found is None:
        order = topological(roots, stops)
        forward = {*order, *(x for v in order for x in v.operands)}
        limits = (*stops, *(v for v in ends if is_variable(v)))
        grads = pull(roots, cts, ends, limits)
        grads = [g if g is not None else flat_zero(v, roots, limits) for v, g in zip(ends, grads, strict=True)]
        reads = [(v, x) for v in topological(flat(grads), forward) for x in v.operands if x in forward]
        if not create:
            grads = [detached(g) for g in grads]
        found = tape.interned.joints[key] = Joint(tuple(grads), tuple(reads))
    return found


def flat_zero(v: Value, roots: tuple[Value, ...], stops: tuple[Value, ...]) -> Any:
    """Zeros for an end that the roots depend on through steps only (sign, floor, ...); None if they don't."""
    if isinstance(v.type, TupleType) or not any(r in reach(topological(roots, stops), [v]) for r in roots):
        return None
    return zeros(v.type)


def detached(g: Any) -> Any:
    """A cotangent cut off from derivatives."""
    if isinstance(g, tuple):
        return tuple(map(detached, g))
    return stop(g) if g is not None and g.needs else g


def variables_of(tape: Tape, roots: tuple[Value, ...]) -> tuple[Value, ...]:
    """Leaves that require grad and on which `roots` depend."""
    key = ("variables", roots)
    found: tuple[Value, ...] | None = tape.interned.joints.get(key)
    if found is None:
        everything = dict.fromkeys(roots)
        for v in topological(roots, [v for v in tape.cells if v.prim is not None and is_variable(v)]):
            everything.update(dict.fromkeys(v.operands))
        found = tape.interned.joints[key] = tuple(v for v in everything if is_variable(v))
    return found


def check_usable(tape: Tape, roots: tuple[Value, ...], reads: Sequence[tuple[Value, Value]]) -> None:
    """PyTorch's errors for a freed graph and for saved values that were written since."""
    if tape.stale:
        engine.check_stale(tape, [x for _, x in reads])
    if tape.consumed:
        freed = freed_values(tape)
        used = [x for x in (*(x for _, x in reads), *roots) if x in freed]
        if any(x.prim is not None and not is_variable(x) for x in used):  # leaves are never freed
            raise freed_error()
    if tape.overwritten:
        for _, x in reads:
            new = tape.overwritten.get(x)
            if new is not None and x.const is None and saved_by_another(roots, x, new):
                raise GradError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"a {x.type}, made at the line below",
                    where=x.where or new.where,
                    fix="use the out-of-place form, or clone() before the write",
                )


def saved_by_another(roots: tuple[Value, ...], x: Value, new: Value) -> bool:
    """True if the derivative of some operation other than the in-place one (`new`) reads `x`."""
    for u in topological(roots):
        if u is not new and u.needs and (u is x or x in u.operands) and not isinstance(u.type, TupleType):
            back = flat(pull_node(u, leaf(u.type), [v.needs for v in u.operands]))
            if x in back or any(x in g.operands for g in topological(back, (*u.operands, u))):
                return True
    return False


def freed_error() -> GradError:
    """Second backward through one graph."""
    return GradError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
        "been freed).",
        where=caller(),
        fix="call backward(retain_graph=True) the first time",
    )


def run(tape: Tape, given: Cts, ends: tuple[Value, ...], create: bool) -> Cts:
    """Cotangents of `ends`, stopping at hooks and Functions to run their Python."""
    barriers = {*tape.functions, *tape.hooked} if tape.functions or tape.hooked else ()
    if not barriers:
        roots = tuple(given)
        found = joint(tape, roots, tuple(given.values()), ends, create, ())
        if tape.consumed or tape.overwritten or tape.stale:
            check_usable(tape, roots, found.reads)
        return {v: g for v, g in zip(ends, found.grads, strict=True) if g is not None}
    return run_pieces(tape, given, ends, create, set(barriers))


def run_pieces(tape: Tape, given: Cts, ends: tuple[Value, ...], create: bool, barriers: set[Value]) -> Cts:
    """As `run`, in topological pieces between barriers."""
    rank = {v: i for i, v in enumerate(topological(list(given)))}
    waiting: Cts = {v: ct for v, ct in given.items() if v in barriers}
    result: Cts = {}
    piece = {v: ct for v, ct in given.items() if v not in barriers}
    while piece or waiting:
        if piece:
            stops = tuple(b for b in barriers if b in rank and b not in piece)
            wanted = tuple(dict.fromkeys([*ends, *stops]))
            found = joint(tape, tuple(piece), tuple(piece.values()), wanted, create, stops)
            check_usable(tape, tuple(piece), found.reads)
            for v, g in zip(wanted, found.grads, strict=True):
                if g is not None and v not in piece:
                    into = waiting if v in stops else result
                    into[v] = plus(into.get(v), g)
                elif g is not None and v in ends:
                    result[v] = plus(result.get(v), g)
            piece = {}
        if waiting:
            latest = max(waiting, key=lambda v: rank.get(v, -1))
            ct = waiting.pop(latest)
            piece = through(tape, latest, ct, create)
            if latest in ends and latest in piece:
                result[latest] = plus(result.get(latest), piece[latest])
            barriers = barriers - {latest}
    return result


def plus(a: Any, b: Any) -> Any:
    """Sum of two cotangents, the first possibly absent."""
    if a is None:
        return b
    if isinstance(a, tuple):
        return tuple(plus(x, y) if y is not None else x for x, y in zip(a, b, strict=True))
    return FUNCTIONS["add"](a, b)


def through(tape: Tape, v: Value, ct: Any, create: bool) -> Cts:
    """Runs the Python that stands at `v`; returns where backward goes on, with which cotangents."""
    busy, tape.busy = tape.busy, True
    try:
        return run_python(tape, v, ct, create)
    finally:
        tape.busy = busy


def run_python(tape: Tape, v: Value, ct: Any, create: bool) -> Cts:
    """The hooks of a tensor, or the backward of a Function."""
    context = tape.functions.get(v)
    if context is not None:
        back = context.run_backward(tape, v, ct, create)
        out: Cts = {}
        for x, g in back:
            out[x] = plus(out.get(x), g)
        return out
    cell = tape.hooked[v]
    return {v: run_hooks(tape, cell, ct)}


def run_hooks(tape: Tape, cell: Any, ct: Value) -> Value:
    """The cotangent after the hooks registered on `cell`; `retain_grad` keeps it."""
    g = wrap(type(cell)._result, tape, mirrored(tape, ct))
    for hook in list((cell._extra.hooks or {}).values()):
        new = hook(g)
        g = g if new is None else checked(new, g, hook)
    if cell._extra.retain:
        cell._extra.grad = g
    return mirrored(tape, enter(tape, g))


def checked(new: Any, old: Any, hook: Any) -> Any:
    """What a hook returned in place of a gradient, refused unless it is a tensor of the same shape."""
    if not isinstance(new, Cell):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    if new._type.shape != old._type.shape:
        raise ShapeError(f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value", where=caller(),
                         fix="return a tensor of the gradient's shape")  # fmt: skip
    return new


def root_of(tape: Tape, t: Any, gradient: Any) -> tuple[Value, Value]:
    """A tensor to start from and its cotangent, checked."""
    v = t._value if t._tape is tape else enter(tape, t)
    history = t._extra.history if t._extra is not None else None
    if history is engine.FREED or (history is not None and history[0].freed):
        raise freed_error()
    if not v.needs:
        raise GradError(
            "element 0 of tensors does not require grad and does not have a grad_fn",
            where=caller(),
            fix="set requires_grad=True on a tensor it is computed from",
        )
    kind = tensor_type(v)
    if gradient is None:
        if kind.size != 1:
            raise GradError(
                f"grad can be implicitly created only for scalar outputs, this one is {kind}",
                where=caller(),
                fix="reduce it to a scalar, or pass gradient=",
            )
        if kind.dtype.kind == "c":
            raise GradError(f"grad can be implicitly created only for real scalar outputs but got {kind.dtype.name}",
                            where=caller(), fix="take .abs() or .real of the loss, or pass gradient=")  # fmt: skip
        one = constant(np.ones((), kind.dtype), device=kind.device)
        return v, one if not kind.shape else FUNCTIONS["broadcast_to"](one, shape=kind.shape)
    ct = gradient._value if gradient._tape is tape else enter(tape, gradient)
    if ct.shape != kind.shape:
        raise ShapeError(
            f"Mismatch in shape: gradient is {ct.type} and the output is {kind}", where=caller(),
            fix="give a gradient of the output's shape",
        )  # fmt: skip
    return v, mirrored(tape, ct)


def start(tape: Tape, roots: Sequence[Any], gradients: Sequence[Any]) -> Cts:
    """Cotangents to start with, of one or several outputs."""
    given: Cts = {}
    for t, g in zip(roots, gradients, strict=True):
        v, ct = root_of(tape, t, g)
        given[v] = plus(given.get(v), ct)
    return given


def backward(roots: Sequence[Any], gradients: Sequence[Any], retain: bool, create: bool, inputs: Sequence[Any] | None) -> None:
    """Adds derivatives into `.grad` of every leaf (of `inputs`, if given) the roots were computed from."""
    if THREAD.anomaly is not None:
        THREAD.anomaly(roots, gradients)
    tape = THREAD.tape
    given = start(tape, roots, gradients)
    if inputs is None:
        ends = variables_of(tape, tuple(given))
    else:
        ends = tuple(t._value if t._tape is tape else enter(tape, t) for t in inputs)
    found = run(tape, given, ends, create)
    cells = tape.cells if inputs is None else dict(zip(ends, inputs, strict=True))
    for v, g in found.items():
        deliver(tape, cells[v], g)
    if not retain:
        consume(tape, given)


def deliver(tape: Tape, cell: Any, g: Value) -> None:
    """`cell.grad += g`, after the cell's hooks."""
    if cell in tape.captured:
        raise TraceError(
            f"backward() inside {tape.tracing} would set .grad of a tensor from outside, a {cell._type}", where=caller(),
            fix="use grad or value_and_grad inside, or call backward() on the function's result",
        )  # fmt: skip
    extra = cell.extra
    if extra.history is engine.FREED:
        raise freed_error()
    if extra.hooks:
        busy, tape.busy = tape.busy, True
        try:
            g = run_hooks(tape, cell, g)
        finally:
            tape.busy = busy
    g = mirrored(tape, g)
    total = wrap(type(cell)._result, tape, g if extra.grad is None else added(tape, extra.grad, g))
    if extra.grad is None or total._value.needs:  # create_graph: the sum has a history of its own
        extra.grad = total
    else:  # in place, so that whoever holds the gradient sees the sum
        write(extra.grad, total)
    if extra.after:
        busy, tape.busy = tape.busy, True
        try:
            for hook in list(extra.after.values()):
                hook(cell)
        finally:
            tape.busy = busy


def added(tape: Tape, old: Any, g: Value) -> Value:
    """A gradient on top of what is there."""
    was = old._value if old._tape is tape else enter(tape, old)
    key = ("accumulate", was, g)
    total: Value | None = tape.memo.get(key)
    if total is None:
        total = tape.memo[key] = FUNCTIONS["add"](was, g)
    return total


def consume(tape: Tape, given: Cts) -> None:
    """Marks the graph behind the roots as freed."""
    tape.consumed = (*tape.consumed, *given)
    tape.advance()
    if tape.adopted:
        nodes = differentiable(given)
        for segment, new in tape.adopted.items():
            if any(new[v] in nodes for v in segment.plan.outputs):
                segment.freed = True


def gradients(outputs: Sequence[Any], inputs: Sequence[Any], cts: Sequence[Any], retain: bool, create: bool,
              allow_unused: bool, cls: type[Cell]) -> tuple[Any, ...]:  # fmt: skip
    """The derivatives themselves, without touching `.grad`."""
    if THREAD.anomaly is not None:
        THREAD.anomaly(outputs, cts)
    tape = THREAD.tape
    given = start(tape, outputs, cts)
    ends = tuple([t._value if t._tape is tape else enter(tape, t) for t in inputs])
    for t in inputs:
        if not t._value.needs:
            raise GradError("One of the differentiated Tensors does not require grad", where=caller(),
                            fix="set requires_grad=True on it before computing the outputs")  # fmt: skip
    found = run(tape, given, ends, create)
    if not allow_unused and any(v not in found for v in ends):
        raise GradError(
            "One of the differentiated Tensors appears to not have been used in the graph", where=caller(),
            fix="set allow_unused=True if this is the desired behavior",
        )  # fmt: skip
    if not retain:
        consume(tape, given)
    return tuple([wrap(cls, tape, mirrored(tape, found[v])) if v in found else None for v in ends])
