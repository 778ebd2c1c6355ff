"""Graphs on values: substitution, inlining, tracing a function of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fgrad.ir.graph import Graph, Value, leaf, topological
from fgrad.ir.types import Type


def substitute(outputs: Sequence[Value], new: Mapping[Value, Value]) -> list[Value]:
    """`outputs` with some values they depend on replaced; untouched values are shared."""
    known = dict(new)
    for v in topological(outputs, new):
        operands = tuple([known.get(x, x) for x in v.operands])
        if operands != v.operands:
            assert v.prim is not None
            needs = v.type.inexact and v.prim.smooth and any([x.needs for x in operands])
            known[v] = Value(v.prim, operands, v.params, v.type, v.where, None, needs)
    return [known.get(v, v) for v in outputs]


def inline(graph: Graph, operands: Sequence[Value]) -> list[Value]:
    """The outputs of `graph` on `operands`."""
    return substitute(graph.outputs, dict(zip(graph.inputs, operands, strict=True)))


def trace(f: Callable[..., Any], *types: Type) -> Graph:
    """The graph of a function written on Values (rules, tests); users' functions are recorded by `eager`."""
    inputs = tuple(leaf(t) for t in types)
    out = f(*inputs)
    return Graph(inputs, tuple(out) if isinstance(out, tuple | list) else (out,))
