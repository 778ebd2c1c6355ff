"""The loops of a fused group: its axes, those that memory allows joined, and what each array's address does in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fgrad.ir.graph import Graph, Value
from fgrad.passes.nests import Shape, is_reduction


class Ref(NamedTuple):
    """An array in memory: a pointer and its strides in elements, by axis of the space (absent: 0)."""

    pointer: str
    dtype: str
    strides: Mapping[int, int]


class Loop(NamedTuple):
    """One counter: how often, and which axes of the space it runs over."""

    size: int
    axes: tuple[int, ...]


class Loops(NamedTuple):
    """Row loops, then inner loops; the last one is the vector loop."""

    all: tuple[Loop, ...]
    rows: int  # how many of them are row loops
    of: Mapping[int, int]  # axis -> loop

    def step(self, ref: Ref, loop: int) -> int:
        """Elements that one count of a loop moves in an array."""
        return ref.strides.get(self.all[loop].axes[-1], 0)


def loops_of(nest: Shape, refs: list[Ref], counted: set[int]) -> Loops:
    """Loops over the space. counted: axes whose index itself is a value, never joined."""
    order = [a for a in range(len(nest.space)) if a not in nest.inner] + sorted(nest.inner)
    groups: list[list[int]] = []
    for a in order:
        before = groups[-1] if groups else None
        if (
            before is not None
            and before[-1] == a - 1
            and ((a in nest.inner) == (before[-1] in nest.inner))
            and a not in counted
            and before[-1] not in counted
            and all(r.strides.get(a - 1, 0) == r.strides.get(a, 0) * nest.space[a] for r in refs)
        ):
            before.append(a)
        else:
            groups.append([a])
    loops = []
    for g in groups:
        size = 1
        for a in g:
            size *= nest.space[a]
        loops.append(Loop(size, tuple(g)))
    rows = sum(g[0] not in nest.inner for g in groups)
    return Loops(tuple(loops), rows, {a: k for k, g in enumerate(groups) for a in g})


def depends(graph: Graph, nest: Shape, loops: Loops) -> dict[Value, frozenset[int]]:
    """The loops that each value changes in; a row's own reductions change in all row loops."""
    rows = frozenset(range(loops.rows))
    out: dict[Value, frozenset[int]] = {
        x: frozenset(loops.of[a] for a in nest.axes[x] if nest.space[a] > 1) for x in graph.inputs
    }
    for v in graph.values():
        assert v.prim is not None
        if v.prim.name == "iota":
            axis = v.named_params["axis"]
            place = sum(d != 1 for d in v.shape[:axis])
            out[v] = frozenset([loops.of[nest.axes[v][place]]]) if v.shape[axis] != 1 else frozenset()
        elif is_reduction(v) and v not in nest.late and nest.over[v]:
            out[v] = rows
        else:
            out[v] = frozenset().union(*[out.get(x, frozenset()) for x in v.operands])
    return out
