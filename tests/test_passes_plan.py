"""Memory plans: values that live together never share memory, memory is used again, donation is decided safely."""

from __future__ import annotations

from typing import Any

import pytest
from random_graphs import random_graph

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import calls
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType, TupleType
from fgrad.passes.pipeline import run
from fgrad.passes.plan import Arena, Plan, Slot, Target, plan_memory
from fgrad.passes.schedule import schedule
from fgrad.transforms.inline import trace

TARGET = Target(multiple=lambda v: False, in_place=calls.in_place, safe=lambda v: True)


def lifetimes(graph: Graph, plan: Plan) -> dict[Slot, tuple[int, int]]:
    """First and last step of every slot in the arena."""
    made = {(v, 0): n for n, v in enumerate(plan.order) if plan.roots[v] == (v, 0) and not isinstance(v.type, TupleType)}
    last = dict(made)
    for n, v in enumerate(plan.order):
        for x in v.operands:
            if plan.roots[x] in last:
                last[plan.roots[x]] = n
    for v in graph.outputs:
        if plan.roots[v] in last:
            last[plan.roots[v]] = len(plan.order)
    return {s: (made[s], last[s]) for s in made if plan.homes[s].kind == "arena"}


@pytest.mark.parametrize("seed", range(40))
def test_values_that_live_together_lie_apart(seed: int) -> None:
    graph = run(random_graph(seed, 40))
    plan = plan_memory(graph, {}, graph.values(), TARGET)
    live = list(lifetimes(graph, plan).items())
    for i, (a, (first_a, last_a)) in enumerate(live):
        start_a, stop_a = plan.homes[a].at, plan.homes[a].at + a[0].type.nbytes
        assert stop_a <= plan.arena_bytes
        for b, (first_b, last_b) in live[i + 1 :]:
            start_b, stop_b = plan.homes[b].at, plan.homes[b].at + b[0].type.nbytes
            if max(start_a, start_b) < min(stop_a, stop_b):
                earlier, later = ((a, b) if first_a < first_b else (b, a))
                end, begin = (last_a, first_b) if first_a < first_b else (last_b, first_a)
                dies_there = end == begin and earlier[0] in later[0].operands
                assert end < begin or dies_there, (earlier[0], later[0])


def test_a_chain_needs_one_buffer() -> None:
    def f(x: Any) -> Any:
        for _ in range(20):
            x = F["exp"](F["mul"](x, 0.5))
        return F["reduce_sum"](x, axes=(0,))

    graph = trace(f, TensorType((1000,), "float32"))
    assert plan_memory(graph, {}, graph.values(), TARGET).arena_bytes <= 4096


def test_memory_is_used_again() -> None:
    def f(x: Any) -> Any:
        for _ in range(20):
            x = F["mul"](F["dot_general"](x, x, contract=((1,), (1,)), batch=((), ())), 0.1)
        return x

    graph = trace(f, TensorType((64, 64), "float32"))
    assert plan_memory(graph, {}, graph.values(), TARGET).arena_bytes <= 2 * 64 * 64 * 4


def donate(f: Any, *types: TensorType, donated: dict[int, int]) -> Plan:
    graph = trace(f, *types)
    return plan_memory(graph, donated, graph.values(), TARGET)


X = TensorType((8,), "float32")


def test_a_donated_buffer_is_written_in_place_where_nothing_reads_it_later() -> None:
    assert donate(lambda x: F["mul"](x, 2.0), X, donated={0: 0}).copies == ()
    assert donate(lambda x: F["mul"](x, F["flip"](x, axes=(0,))), X, donated={0: 0}).copies == (0,)

    def read_again(x: Any) -> tuple[Any, ...]:
        y = F["mul"](x, 2.0)
        return y, F["add"](F["exp"](y), x)

    assert donate(read_again, X, donated={0: 0}).copies == (0,)


def test_an_operand_seen_through_two_views_is_not_overwritten() -> None:
    def f(x: Any) -> Any:
        y = F["exp"](x)
        return F["reduce_sum"](F["add"](y, F["flip"](y, axes=(0,))), axes=(0,))

    graph = trace(f, X)
    plan = plan_memory(graph, {}, graph.values(), TARGET)
    added = next(v for v in plan.order if v.prim is not None and v.prim.name == "add")
    assert plan.homes[added, 0] != plan.homes[added.operands[0], 0]


def test_free_stretches_join() -> None:
    arena = Arena()
    a, b, c = arena.take(64), arena.take(64), arena.take(64)
    arena.give(a)
    arena.give(c)
    arena.give(b)
    assert arena.free == [(0, 192)]
    assert arena.take(150) == (0, 192)


def test_donated_groups_come_last() -> None:
    def f(p: Any, x: Any) -> tuple[Any, ...]:
        return F["fused"](p, graph=trace(lambda v: F["mul"](v, 2.0), X)), F["exp"](x)

    graph = trace(f, X, X)
    order: list[Value] = schedule(graph, frozenset([graph.outputs[0]]))
    assert order[-1] is graph.outputs[0]
