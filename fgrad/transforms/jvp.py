"""Forward mode: tangents of outputs given tangents of some values, node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.errors import RuleError
from fgrad.ir.apply import apply, constant, located
from fgrad.ir.graph import Value, topological
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType, TupleType, Type

Tangent = Any  # Value | tuple[Tangent, ...] | None: a tuple for tuple-typed nodes, None for zero


class Linear(NamedTuple):
    """A region node linearised: `primal` is the node; `push`/`pull` build the linear node.

    They also build an extension of `primal` (the same results, and residuals) that passes.merge puts in its place.
    """

    primal: Value
    push: Callable[[tuple[Tangent, ...]], tuple[Tangent, ...]]  # operand tangents -> result tangents
    pull: Callable[[tuple[Tangent, ...]], tuple[Tangent, ...]]  # result cotangents -> operand cotangents


def zeros(type: Type) -> Value:
    """Zeros of `type`, as a repeated constant."""
    assert isinstance(type, TensorType)
    zero = constant(np.zeros((), type.dtype), device=type.device)
    return zero if not type.shape else FUNCTIONS["broadcast_to"](zero, shape=type.shape)


def instantiate(tangent: Tangent, type: Type) -> Any:
    """`tangent` with zeros where it is None."""
    if isinstance(type, TupleType):
        parts = tangent if tangent is not None else (None,) * len(type.items)
        return tuple(instantiate(t, kind) for t, kind in zip(parts, type.items, strict=True))
    return zeros(type) if tangent is None else tangent


def add_tangents(a: Tangent, b: Tangent) -> Tangent:
    """Sum of two tangents or cotangents, either of which may be zero."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, tuple):
        return tuple(add_tangents(x, y) for x, y in zip(a, b, strict=True))
    return FUNCTIONS["add"](a, b)


def rule_missing(v: Value, what: str) -> RuleError:
    """The error for a primitive that has no rule."""
    assert v.prim is not None
    return RuleError(f"{v.prim.name} has no {what} rule", where=v.where, fix="stop_gradient its operand, or use another op")


def push_node(v: Value, tangents: Sequence[Tangent]) -> Tangent:
    """Tangent of one node, given those of its operands (None: zero)."""
    prim = v.prim
    assert prim is not None
    params = v.named_params
    if prim.name == "item":
        return None if tangents[0] is None else tangents[0][v.params[0]]
    if prim.linearize is not None:
        return prim.linearize(v, tuple(t is not None for t in tangents)).push(tuple(tangents))
    total: Tangent = None
    if prim.joint is not None:
        held = range(len(tangents)) if prim.joint == () else prim.joint
        if any(tangents[i] is not None for i in held):
            xs = [instantiate(t, x.type) if i in held else x for i, (t, x) in enumerate(zip(tangents, v.operands, strict=True))]
            total = apply(prim, tuple(xs), v.params)
        tangents = [None if i in held else t for i, t in enumerate(tangents)]
    for i, t in enumerate(tangents):
        if t is None or not v.operands[i].type.inexact:
            continue
        if i in prim.jvp:
            part = prim.jvp[i](t, v, *v.operands, **params)
        elif i in prim.transpose:  # linear in this operand
            part = apply(prim, (*v.operands[:i], t, *v.operands[i + 1 :]), v.params)
        else:
            raise rule_missing(v, "jvp")
        total = add_tangents(total, part)
    return total


def push(outputs: Sequence[Value], tangents: Mapping[Value, Value], stop: Sequence[Value] = ()) -> list[Tangent]:
    """Tangents of `outputs`, given `tangents` of some values they depend on; None where zero.

    Values in `stop` are constants even if they depend on a value with a tangent.
    """
    known: dict[Value, Tangent] = dict(tangents)
    for v in topological(outputs, [*tangents, *stop]):
        assert v.prim is not None
        if not v.prim.smooth or not v.type.inexact:
            continue
        ts = [known.get(x) for x in v.operands]
        if any(t is not None for t in ts):
            with located(v.where):
                known[v] = push_node(v, ts)
    return [known.get(v) for v in outputs]
