"""A group of elementwise values, broadcasts and reductions that one loop nest computes: made by passes.fuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.errors import IRError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TupleType, Type


def _type(*operands: Type, where: Where | None, graph: Graph) -> Type:
    if operands != graph.input_types:
        raise IRError(
            f"fused: operands {', '.join(map(str, operands))} do not fit its graph",
            where=where,
            fix="build the node with passes.fuse",
        )
    types = graph.output_types
    return types[0] if len(types) == 1 else TupleType(types)


def _lower(xp: Any, out: Any, *arrays: Any, graph: Graph) -> Any:
    env: dict[Value, Any] = dict(zip(graph.inputs, arrays, strict=True))
    for v in graph.values():
        assert v.prim is not None
        assert v.prim.lower is not None
        args = [env[x] if x.const is None else x.const for x in v.operands]
        env[v] = v.prim.lower(xp, None, *args, **v.named_params)
    results = [env[v] if v.const is None else v.const for v in graph.outputs]
    if out is not None:
        targets: Sequence[Any] = out if isinstance(out, tuple | list) else (out,)
        for target, a in zip(targets, results, strict=True):
            xp.copyto(target, a)
        results = list(targets)
    return results[0] if len(results) == 1 else tuple(results)


def _flops(y: Type, *xs: Type, graph: Graph) -> int:
    total = 0
    for v in graph.values():
        assert v.prim is not None
        total += v.prim.flops(v.type, *[x.type for x in v.operands], **v.named_params)
    return total


@primitive(type=_type, lower=_lower, flops=_flops, smooth=False)
def fused(*operands: Any, graph: Graph) -> Any:
    """The outputs of `graph` on `operands`: one tensor, or a tuple of them if the graph has several.

    operands: one for each input of `graph`, of its type.  graph: a closed graph of elementwise values, broadcasts,
    reshapes and reductions.  Raises IRError if the types differ.  Not differentiable: passes run after derivatives.
    """
