"""Graphs inside nodes: one way to list and to replace them, through nested tuples of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fgrad.ir.apply import infer, located
from fgrad.ir.graph import Graph, Value


def graphs_in(param: Any) -> Iterator[Graph]:
    """The graphs in one parameter, tuples opened."""
    if isinstance(param, Graph):
        yield param
    elif isinstance(param, tuple):
        for p in param:
            yield from graphs_in(p)


def subgraphs(v: Value) -> list[Graph]:
    """The graphs that are parameters of `v`, in declared order (one level: not those inside them)."""
    return [g for p in v.params for g in graphs_in(p)] if v.prim is not None else []


def map_param(param: Any, f: Callable[[Graph], Any]) -> Any:
    """`param` with `f` of each graph in it; the same object if nothing changed."""
    if isinstance(param, Graph):
        return f(param)
    if isinstance(param, tuple):
        new = tuple([map_param(p, f) for p in param])
        return new if any(a is not b for a, b in zip(new, param, strict=True)) else param
    return param


def map_regions(v: Value, f: Callable[[Graph], Graph]) -> Value:
    """`v` with `f` of each of its graphs, its type inferred anew; `v` itself if nothing changed."""
    params = map_param(v.params, f)
    if params is v.params or v.prim is None:
        return v
    with located(v.where):
        found = infer(v.prim, tuple([x.type for x in v.operands]), params)
    return Value(v.prim, v.operands, params, found, v.where, None, v.needs)
