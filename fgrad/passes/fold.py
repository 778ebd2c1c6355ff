"""Constants computed while compiling, up to a size."""

from __future__ import annotations

import numpy as np

from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.rewrite import splat, with_operands
from fgrad.ir.types import TensorType
from fgrad.passes.regions import deep

LIMIT = 1 << 16  # bytes of a constant that may be made


def _value(v: Value) -> Value | None:
    """The constant that `v` is, or a repeated number; None if it is not constant or too large to keep."""
    prim = v.prim
    assert prim is not None
    if not isinstance(v.type, TensorType) or prim.lower is None or prim.effect or not v.operands or v.may_fail:
        return None
    if prim.name == "reshape" and (number := splat(v)) is not None:
        return FUNCTIONS["broadcast_to"](constant(number), shape=v.shape) if v.shape else constant(number)
    if prim.elementwise:
        numbers = [splat(x) for x in v.operands]
        if all(c is not None for c in numbers):
            with np.errstate(all="ignore"):
                y = constant(np.asarray(prim.lower(np, None, *numbers, **v.named_params)))
            return FUNCTIONS["broadcast_to"](y, shape=v.shape) if v.shape else y
    if prim.name == "broadcast_to" or v.type.nbytes > LIMIT or any(x.const is None for x in v.operands):
        return None
    with np.errstate(all="ignore"):
        return constant(np.array(prim.lower(np, None, *[x.const for x in v.operands], **v.named_params)))


def _bare(v: Value) -> Value:
    """An elementwise value with its repeated numbers as 0-d constants, if another operand has the whole shape."""
    if v.prim is None or not v.prim.elementwise or len(v.operands) < 2:
        return v
    numbers = [splat(x) if x.shape else None for x in v.operands]
    if all(c is None for c in numbers) or not any(c is None and x.shape == v.shape for c, x in zip(numbers, v.operands, strict=True)):
        return v
    return with_operands(v, tuple([x if c is None else constant(c) for c, x in zip(numbers, v.operands, strict=True)]))


@deep
def fold_constants(graph: Graph) -> Graph:
    """Values of constants alone become constants, repeated numbers stay repetitions; results over LIMIT are left."""
    new: dict[Value, Value] = {}
    for old in graph.values():
        v = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
        folded = _value(v)
        v = _bare(v) if folded is None or folded.type is not v.type else folded
        if v is not old:
            new[old] = v
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs])) if new else graph
