"""Points with their few coordinates first: sums and repetitions over a short last axis leave vectors empty.

Values of one set of connected points, [..., d] with a small d, take the order [d, ...] if what is computed in it outweighs
what has to be turned where it begins and ends.
"""

from __future__ import annotations

from fgrad.ir.apply import apply
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType
from fgrad.passes.layout import REDUCTIONS, Axes, Layout, Rule, same, turn
from fgrad.passes.regions import deep
from fgrad.primitives.shape import broadcast_to, reshape

SHORT = 8  # elements of a short axis at most
MANY = 8192  # elements of a value for which it matters
GAIN = 2  # how many times as many elements have to be computed as turned


def first(rank: int) -> Axes:
    """The axes in the new order: the last one comes first."""
    return (rank - 1, *range(rank - 1))


def last(rank: int) -> Axes:
    """Undoes `first`."""
    return (*range(1, rank), 0)


def moved(shape: Axes) -> Axes:
    """A shape in the new order."""
    return (*shape[-1:], *shape[:-1])


def are_points(x: Value) -> bool:
    """True for a tensor with a short last axis."""
    return isinstance(x.type, TensorType) and x.ndim > 1 and 1 < x.shape[-1] <= SHORT


def repetition(v: Value, xs: list[Value]) -> Value:
    """broadcast_to: of an operand with all axes."""
    x, lead = xs[0], v.ndim - xs[0].ndim
    x = reshape(x, shape=(1,) * lead + x.shape) if lead else x
    found: Value = broadcast_to(turn(x, first(v.ndim)), shape=moved(v.shape))
    return found


def counting(v: Value, xs: list[Value]) -> Value:
    """An iota, along the same axis."""
    assert v.prim is not None
    params = {**v.named_params, "shape": moved(v.shape), "axis": (v.named_params["axis"] + 1) % v.ndim}
    return apply(v.prim, (), tuple(params.values()))


def reduction(v: Value, xs: list[Value]) -> Value:
    """A reduction; what is left of the axes is in order but for the first, if that is left."""
    assert v.prim is not None
    rank = v.operands[0].ndim
    return apply(v.prim, tuple(xs), (tuple(sorted([(a + 1) % rank for a in v.params[0]])), *v.params[1:]))


def cut(v: Value, xs: list[Value]) -> Value:
    """A slice; of one coordinate, it has the old order."""
    assert v.prim is not None
    y = apply(v.prim, tuple(xs), tuple([moved(p) for p in v.params]))
    return y if are_points(v) else turn(y, last(v.ndim))


def join(v: Value, xs: list[Value]) -> Value:
    """A concatenation; operands of one coordinate come in the old order."""
    assert v.prim is not None
    turned = [x if are_points(y) else turn(x, first(v.ndim)) for x, y in zip(xs, v.operands, strict=True)]
    return apply(v.prim, tuple(turned), ((v.params[0] + 1) % v.ndim,))


def rule(v: Value) -> Rule | None:
    """The rule for a node; None if it wants its operands in the old order."""
    prim = v.prim
    if prim is None or not all(isinstance(t, TensorType) for t in (v.type, *[x.type for x in v.operands])):
        return None
    points = tuple([i for i, x in enumerate(v.operands) if are_points(x)])
    if are_points(v):
        if prim.elementwise:
            return Rule(tuple([i for i in points if v.operands[i].shape == v.shape]), True, same)
        if prim.name in ("broadcast_to", "iota"):
            return Rule((), True, repetition if v.operands else counting)
        if prim.name == "concatenate":
            return Rule(points, True, join)
    if points and prim.name == "slice":
        return Rule((0,), are_points(v), cut)
    if points and prim.name in REDUCTIONS:
        kept = v.operands[0].ndim - 1 not in v.params[0]
        return Rule((0,), True, reduction) if kept and are_points(v) else None if kept else Rule((0,), False, reduction)
    return None


def breaks_rows(v: Value) -> bool:
    """True for a large reduction, or a repetition of more than one number."""
    if v.prim is None:
        return False
    if v.prim.name in REDUCTIONS:
        return v.operands[0].size >= MANY and are_points(v.operands[0])
    return v.prim.name == "broadcast_to" and v.size >= MANY and v.operands[0].size > 1 and are_points(v)


def worth(layout: Layout) -> set[Value]:
    """Sets, by what stands for them, in which more is computed than has to be turned."""
    found: dict[Value, int] = {}
    crossing: set[tuple[Value, Value]] = set()
    find = layout.sets.find
    for v in layout.order:
        r = layout.rules.get(v)
        images = () if r is None else r.images
        for i, x in enumerate(v.operands):
            if are_points(x) and (i not in images or x not in layout.rules):
                crossing.add((find(x), x))
        if r is not None and v.prim is not None and v.prim.name not in ("broadcast_to", "iota"):
            one = find(v if r.result else v.operands[r.images[0]])
            found[one] = found.get(one, 0) + max([v.size, *[x.size for x in v.operands]])
    crossing.update([(find(v), v) for v in layout.graph.outputs if are_points(v)])
    for one, x in crossing:
        found[one] = found.get(one, 0) - GAIN * x.size
    return {one for one, gain in found.items() if gain > 0}


@deep
def short_first(graph: Graph) -> Graph:
    """Large values with a short last axis that are summed or repeated along some axes, with that axis first."""
    if not any(breaks_rows(v) for v in graph.values()):
        return graph
    layout = Layout(graph, rule, first, last)
    sets = worth(layout)
    layout.choose(lambda v: breaks_rows(v) and one_of(layout, v) in sets)
    return layout.run()


def one_of(layout: Layout, v: Value) -> Value | None:
    """What stands for the set of a node."""
    r = layout.rules.get(v)
    return None if r is None or not (r.result or r.images) else layout.sets.find(v if r.result else v.operands[r.images[0]])
