"""How a fused group is cut into tasks for threads: by sizes alone, so that results do not depend on how many there are."""

from __future__ import annotations

from typing import NamedTuple

from fgrad.backends.numpy.loops import Loops
from fgrad.ir.graph import Graph, Value
from fgrad.ir.machine import CALLS
from fgrad.ir.types import TensorType
from fgrad.passes.nests import Shape
from fgrad.passes.spaces import is_free

COSTLY = frozenset((*CALLS, "sigmoid", "random_word", "gcd"))
WORTH = 5000  # nanoseconds below which one thread is as good
TASK = 2500  # and those a task should take at least
MOST = 16  # tasks: sums over tasks are added up one after the other
SHARE = 0.25  # of the size of what a group reads: the most that its tasks' sums may take
APART = 16  # elements: what tasks write lies on cache lines of its own


class Split(NamedTuple):
    """Loop `loop` in `tasks` parts of `length` counts, the last one shorter; sums over it need a place for each task."""

    loop: int
    tasks: int
    length: int
    partial: tuple[Value, ...]

    def nbytes(self) -> int:
        """Memory for the sums of all tasks."""
        return sum([self.tasks * stride(v) * v.dtype.itemsize for v in self.partial])


def stride(v: Value) -> int:
    """Elements from one task's part of a sum to the next one's."""
    return -(-v.size // APART) * APART


def effort(graph: Graph, nest: Shape, lanes: int) -> float:
    """About how long one thread takes, in nanoseconds: arithmetic or memory, whichever is more."""
    size = 1
    for d in nest.space:
        size *= d
    steps = sum([12 if v.prim is not None and v.prim.name in COSTLY else 1 for v in graph.values() if not is_free(v)])
    moved = sum([v.type.nbytes for v in (*graph.inputs, *graph.outputs) if isinstance(v.type, TensorType)])
    return max(size * steps * 0.3 / lanes, moved / 25)


def choose(graph: Graph, nest: Shape, loops: Loops, lanes: int) -> Split | None:
    """The split of a group; None if one thread should do it all.

    A row loop can be cut anywhere; an inner one only if no row has to be passed over twice. The outermost loop that no
    sum runs over is best, for then tasks share nothing.
    """
    time = effort(graph, nest, lanes)
    if time < WORTH:
        return None
    tasks = int(min(MOST, time // TASK))
    simple = not max(nest.stage.values(), default=0)
    found: list[tuple[tuple[bool, int, int], Split]] = []
    for k, loop in enumerate(loops.all):
        if k >= loops.rows and not simple:
            break
        unit = 4 * lanes if k == len(loops.all) - 1 >= loops.rows else 1
        length = -(-loop.size // (unit * tasks)) * unit
        count = -(-loop.size // length)
        once = any(v in nest.late and not set(nest.axes[v.operands[0]]) & set(loop.axes) for v in graph.values())
        if count < 2 or once:  # every task would add up what there is only once
            continue
        partial = tuple([v for v in graph.values() if v in nest.late and nest.over[v] & set(loop.axes)])
        split = Split(k, count, length, partial)
        if split.nbytes() <= SHARE * sum([v.type.nbytes for v in graph.inputs if isinstance(v.type, TensorType)]):
            found.append(((count < min(tasks, 4), split.nbytes(), k), split))
    return min(found, key=lambda f: f[0])[1] if found else None
