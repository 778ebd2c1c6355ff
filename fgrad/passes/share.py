"""Common subexpressions: one value for equal operations on equal operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.ir.graph import Graph, Value
from fgrad.ir.regions import subgraphs
from fgrad.ir.rewrite import with_operands
from fgrad.passes.regions import deep

SMALL = 1 << 12  # bytes of constants that are compared


def typed(p: Any) -> Any:
    """A parameter as a key: 1, True and 1.0 differ, and so do 0.0 and -0.0."""
    if isinstance(p, tuple):
        return tuple(map(typed, p))
    return (p.__class__, p.hex() if isinstance(p, float) else p)


def _operand(x: Value) -> Any:
    if x.const is not None and x.type.nbytes <= SMALL:
        return (x.type, x.const.tobytes())
    return x


def share_with(graph: Graph, regions: Callable[[Graph], Any] | None = None) -> Graph:
    """`share`; two region nodes are one if `regions` gives equal keys for their graphs (default: the same objects)."""
    seen: dict[Any, Value] = {}
    new: dict[Value, Value] = {}
    for old in graph.values():
        v = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
        assert v.prim is not None
        if not v.prim.effect:
            inner = tuple(map(regions, subgraphs(v))) if regions is not None else ()
            params = tuple([p for p in v.params if not inner or not subgraphs(v)]) if inner else v.params
            v = seen.setdefault((v.prim, tuple(map(_operand, v.operands)), typed(params), inner), v)
        if v is not old:
            new[old] = v
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs])) if new else graph


@deep
def share(graph: Graph) -> Graph:
    """One value for equal operations on equal operands; effects stay apart."""
    return share_with(graph)
