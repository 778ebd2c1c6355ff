"""Index spaces: which loop nest computes a value, what its inner axes are, and which reductions it can hold.

A nest runs over a space S (the shape without axes of length 1). Its axes are split into rows R, outside, and inner axes
K. A reduction over exactly K is ready after each row and may be read in the same nest; one that keeps or reduces all of
K is ready after the last row (`late`); any other needs a nest of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType

Axes = tuple[int, ...]
REDUCTIONS = frozenset(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"))


class Nest(NamedTuple):
    """A space and its inner axes."""

    space: Axes
    inner: frozenset[int]


class Home(NamedTuple):
    """The nest that computes a value, and which axis of the space each of its axes (those longer than 1) is."""

    nest: Nest
    axes: Axes
    late: bool = False  # ready only after the last row


def squeeze(shape: Sequence[int]) -> Axes:
    """A shape without axes of length 1."""
    return tuple([d for d in shape if d != 1])


def position(shape: Sequence[int], axis: int) -> int:
    """The place of `axis` in the squeezed shape."""
    return sum([d != 1 for d in shape[:axis]])


def is_free(v: Value) -> bool:
    """True for what costs nothing inside a nest and is repeated in each: repetition, added or dropped unit axes, counting."""
    if v.prim is None:
        return False
    if v.prim.name == "reshape":
        return squeeze(v.shape) == squeeze(v.operands[0].shape)
    return v.prim.name in ("broadcast_to", "iota")


def root(x: Value) -> Value:
    """What `x` is a free form of."""
    while is_free(x) and x.operands:
        x = x.operands[0]
    return x


def below(v: Value, axes: Axes) -> Axes:
    """Axes of the operand of a free node, given those of the node."""
    x = v.operands[0]
    if v.prim is not None and v.prim.name == "broadcast_to":
        named = iter(axes)
        by_place = [next(named) if d != 1 else -1 for d in v.shape]
        lead = v.ndim - x.ndim
        return tuple([by_place[lead + i] for i, d in enumerate(x.shape) if d != 1])
    return axes


def reduced(v: Value, axes: Axes) -> frozenset[int]:
    """Axes of the space that a reduction sums over, given those of its operand."""
    shape = v.operands[0].shape
    return frozenset([axes[position(shape, a)] for a in v.params[0] if shape[a] != 1])


def default_inner(space: Axes, over: frozenset[int]) -> frozenset[int]:
    """Inner axes that suit one reduction: its own if it includes the last axis, else the last ones it keeps."""
    last = len(space) - 1
    if not over or last in over:
        return over or frozenset(range(len(space)))
    first = last
    while first and first - 1 not in over:
        first -= 1
    return frozenset(range(first, last + 1))


def compatible(over: frozenset[int], inner: frozenset[int]) -> bool:
    """True if a nest with these inner axes can hold the reduction."""
    return inner <= over or not inner & over


def returns(v: Value, space: Axes, users: Mapping[Value, list[Value]]) -> bool:
    """True if a reduction is repeated back over its space, after a few steps."""
    front = [v]
    for _ in range(12):
        front = [u for x in front for u in users.get(x, ()) if isinstance(u.type, TensorType)]
        if any(u.prim is not None and u.prim.name == "broadcast_to" and squeeze(u.shape) == space for u in front):
            return True
        front = [u for u in dict.fromkeys(front) if u.size <= v.size][:8]
    return False


def choose_inner(order: Sequence[Value], users: Mapping[Value, list[Value]]) -> dict[Axes, frozenset[int]]:
    """Inner axes for every space, by the reductions over it: those that come back into it weigh most."""
    wishes: dict[Axes, list[tuple[frozenset[int], bool]]] = {}
    for v in order:
        if v.prim is not None and v.prim.name in REDUCTIONS:
            space = squeeze(v.operands[0].shape)
            over = reduced(v, tuple(range(len(space))))
            wishes.setdefault(space, []).append((over, returns(v, space, users)))
    chosen = {}
    for space, reductions in wishes.items():
        candidates = dict.fromkeys(default_inner(space, over) for over, _ in reductions)

        def score(inner: frozenset[int], reductions: list[tuple[frozenset[int], bool]] = reductions) -> float:
            total = 0.0
            for over, back in reductions:
                if over == inner:
                    total += 3 if back else 1
                elif compatible(over, inner):
                    total += 0 if back else 0.9
                else:
                    total -= 1.5
            return total

        chosen[space] = max(candidates, key=lambda inner: (score(inner), -len(inner)))
    return chosen


def natural(shape: Sequence[int], inner: Mapping[Axes, frozenset[int]]) -> Home:
    """The nest over all of a shape."""
    space = squeeze(shape)
    everything = tuple(range(len(space)))
    return Home(Nest(space, inner.get(space, frozenset(everything))), everything)
