"""What a fused group's graph means as a loop nest: its space, inner axes, and the axes and stage of every value."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from fgrad.ir.graph import Graph, Value
from fgrad.passes.spaces import REDUCTIONS, Axes, below, compatible, default_inner, is_free, reduced, squeeze


class Shape(NamedTuple):
    """A group as a nest. A value of stage s can be computed when the row has been passed over s times."""

    space: Axes
    inner: frozenset[int]
    axes: dict[Value, Axes]  # axes of the space that a value varies over
    over: dict[Value, frozenset[int]]  # axes that a reduction reduces
    late: frozenset[Value]  # reductions that are ready after the last row
    stage: dict[Value, int]


def is_fused(v: Value) -> bool:
    """True for a group."""
    return v.prim is not None and v.prim.name == "fused"


def is_reduction(v: Value) -> bool:
    """True for the reductions that nests can hold."""
    return v.prim is not None and v.prim.name in REDUCTIONS


def _down(v: Value, axes: dict[Value, Axes]) -> None:
    """Gives the operands of `v` their axes."""
    for x in () if is_reduction(v) else v.operands:
        if x not in axes and (x.prim is not None or x.const is None):
            if is_free(v):
                axes[x] = below(v, axes[v])
            elif x.shape == v.shape:
                axes[x] = axes[v]


def _up(v: Value, axes: dict[Value, Axes]) -> None:
    """Gives `v` its axes, if its operands tell."""
    if is_reduction(v):
        mine = axes.get(v.operands[0])
        if mine is not None:
            gone = reduced(v, mine)
            axes[v] = tuple([a for a in mine if a not in gone])
    elif v.prim is not None and v.prim.name != "broadcast_to":
        for x in v.operands:
            if x in axes and squeeze(x.shape) == squeeze(v.shape):
                axes[v] = axes[x]
                return


def _axes(order: list[Value], graph: Graph) -> tuple[Axes, dict[Value, Axes]]:
    """The space, and the axes of every value: from the largest ones, through all nodes, both ways."""
    values = [*graph.inputs, *order]
    largest = max(values, key=lambda v: (v.size, len(squeeze(v.shape))))
    space = squeeze(largest.shape)
    axes = {v: tuple(range(len(space))) for v in values if squeeze(v.shape) == space}
    missing = len(values) + 1
    while missing > (missing := sum([v not in axes for v in values])):
        for v in order:
            if v not in axes:
                _up(v, axes)
        for v in reversed(order):
            if v in axes:
                _down(v, axes)
    return space, {v: axes.get(v, ()) for v in values}


def _inner(space: Axes, over: dict[Value, frozenset[int]], axes: dict[Value, Axes], read: set[Value]) -> frozenset[int]:
    """Inner axes: those of a reduction that is read again, else the first choice that suits every reduction."""
    full = [v for v in over if len(axes[v.operands[0]]) == len(space)]
    again = [over[v] for v in full if v in read]
    if again:
        return again[0]
    for candidate in _candidates(space, [over[v] for v in full]):
        if all(compatible(over[v], candidate) for v in full) and all(
            not candidate & set(axes[v.operands[0]]) for v in over if v not in full
        ):
            return candidate
    return frozenset(range(len(space)))


def _candidates(space: Axes, overs: list[frozenset[int]]) -> Iterator[frozenset[int]]:
    """Choices of inner axes: what suits one reduction, then any set, large ones with the last axis first."""
    yield from dict.fromkeys(default_inner(space, over) for over in overs)
    last = len(space) - 1 if overs else -1
    for n in range(last, -1, -1):
        yield from [frozenset((*axes, last)) for axes in combinations(range(last), n)]
    for n in range(last, 0, -1):
        yield from map(frozenset, combinations(range(last), n))


def nest_of(graph: Graph) -> Shape:
    """The nest of a group's graph."""
    order = graph.values()
    space, axes = _axes(order, graph)
    over = {v: reduced(v, axes[v.operands[0]]) for v in order if is_reduction(v)}
    read = {x for v in order for x in v.operands}
    inner = _inner(space, over, axes, read)
    late = frozenset(
        v for v in over if over[v] and (over[v] != inner or len(axes[v.operands[0]]) < len(space))
    )
    stage: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
    for v in order:
        at = max([stage.get(x, 0) for x in v.operands], default=0)
        stage[v] = at + (bool(over.get(v)) and v not in late)
    return Shape(space, inner, axes, over, late, stage)
