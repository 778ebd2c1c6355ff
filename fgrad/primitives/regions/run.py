"""Nested graphs at run time: prepared once into a list of lowerings, then called without looking at the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType, Type

Runner = Callable[[Sequence[Any]], list[Any]]
_RUNNERS: WeakKeyDictionary[Graph, dict[str, Runner]] = WeakKeyDictionary()


def runner(graph: Any, xp: Any) -> Runner:
    """`graph` as a function of a list of arrays. A backend may pass its own program in the graph's place.

    Such a program is called the same way and keeps its graph as `.graph`.
    """
    if not isinstance(graph, Graph):
        own: Runner = graph
        return own
    known = _RUNNERS.setdefault(graph, {})
    found = known.get(xp.__name__)
    if found is None:
        found = known[xp.__name__] = _Steps(graph, xp)
    return found


def graph_of(graph: Any) -> Graph:
    """The graph itself, of a graph or of a program in its place."""
    inner: Graph = graph if isinstance(graph, Graph) else graph.graph
    return inner


class _Steps:
    """Slots for all values; a step is (lowering, operand slots, result slot, slots to free, check)."""

    def __init__(self, graph: Graph, xp: Any) -> None:
        order = graph.values()
        slots: dict[Value, int] = {v: i for i, v in enumerate(graph.inputs)}
        constants: dict[int, Any] = {}
        for v in [*graph.inputs, *[x for n in order for x in (*n.operands, n)], *graph.outputs]:
            if v not in slots:
                slots[v] = len(slots)
                if v.const is not None:
                    constants[slots[v]] = xp.asarray(v.const)
        self.start: list[Any] = [constants.get(i) for i in range(len(slots))]
        self.n_inputs = len(graph.inputs)
        last = {slots[x]: i for i, v in enumerate(order) for x in v.operands}
        kept = {slots[v] for v in graph.outputs} | constants.keys()
        free: list[list[int]] = [[] for _ in order]
        for slot, i in last.items():
            if slot not in kept:
                free[i].append(slot)
        self.steps = [
            (_call(v, xp), [slots[x] for x in v.operands], slots[v], free[i], _check(v, xp))
            for i, v in enumerate(order)
        ]
        self.results = [slots[v] for v in graph.outputs]

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        env = self.start.copy()
        env[: self.n_inputs] = arrays
        for call, operands, result, free, check in self.steps:
            args = [env[i] for i in operands]
            if check is not None:
                check(args)
            env[result] = call(*args)
            for i in free:
                env[i] = None
        return [env[i] for i in self.results]


def _call(v: Value, xp: Any) -> Callable[..., Any]:
    assert v.prim is not None
    assert v.prim.lower is not None
    return partial(v.prim.lower, xp, None, **v.named_params)


def _check(v: Value, xp: Any) -> Callable[[Sequence[Any]], None] | None:
    prim, params, where = v.prim, v.named_params, v.where
    assert prim is not None
    rule = prim.check
    if rule is None or not v.may_fail:
        return None

    def check(args: Sequence[Any]) -> None:
        found = rule(xp, *args, **params)
        if found:
            raise prim.refusal(found, where)

    return check


def owner(a: Any) -> Any:
    """The array that owns the memory of `a`."""
    while getattr(a, "base", None) is not None and hasattr(a.base, "dtype"):
        a = a.base
    return a


def finish(
    xp: Any, out: Any, results: Sequence[Any], types: Sequence[Type], operands: Sequence[Any]
) -> tuple[Any, ...]:
    """The results of a region, in memory of their own: shared with no operand, constant or other result.

    out: None, or a tuple of arrays to write to.
    """
    if out is not None:
        for target, a, t in zip(out, results, types, strict=True):
            if isinstance(t, TensorType):
                xp.copyto(target, a)
        return tuple(out)
    taken = {id(owner(a)) for a in operands if hasattr(a, "dtype")}
    done: list[Any] = []
    for a, t in zip(results, types, strict=True):
        if isinstance(t, TensorType):
            own = owner(a)
            whole = isinstance(a, np.ndarray | getattr(xp, "ndarray", ())) and own.nbytes == a.nbytes
            if not whole or id(own) in taken or not getattr(own.flags, "writeable", True) or not a.flags.c_contiguous:
                a = own = xp.array(a, dtype=t.dtype, order="C")
            taken.add(id(own))
        done.append(a)
    return tuple(done)
