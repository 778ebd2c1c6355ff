"""Constants of loops in the order in which products read them: turned once, outside, not in every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import intern
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.rewrite import with_operands
from fgrad.passes.regions import deep

Axes = tuple[int, ...]


def order_of(v: Value, consts: Mapping[Value, Value]) -> Axes | None:
    """The axes of a product's second operand as shared, summed, free; None if they are in order, or it is no constant."""
    if v.prim is None or v.prim.name != "dot_general" or v.operands[1] not in consts:
        return None
    (_, sums), (_, shared) = v.params
    free = [i for i in range(v.operands[1].ndim) if i not in sums and i not in shared]
    axes = (*shared, *sums, *free)
    return None if axes == tuple(range(len(axes))) else axes


def turned(v: Value, b: Value) -> Value:
    """A product whose second operand has its axes in that order."""
    (sums, _), (shared, _) = v.params
    n, k = len(shared), len(sums)
    made: Value = F["dot_general"](v.operands[0], b, contract=(sums, tuple(range(n, n + k))), batch=(shared, tuple(range(n))))
    return made


def oriented(v: Value) -> Value:
    """A scan whose products read constants in order."""
    p = v.named_params
    body: Graph = p["body"]
    consts = dict(zip(body.inputs, v.operands[: p["n_consts"]], strict=False))
    added: dict[tuple[Value, Axes], Value] = {}
    new: dict[Value, Value] = {}
    for old in body.values():
        w = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
        axes = order_of(w, consts)
        if axes is not None:
            c = w.operands[1]
            b = added.setdefault((c, axes), leaf(c.type.with_shape(tuple([c.shape[i] for i in axes]))))  # type: ignore[union-attr]
            w = turned(w, b)
        if w is not old:
            new[old] = w
    if not added:
        return v
    outputs = tuple([new.get(o, o) for o in body.outputs])
    read = {x for w in Graph(body.inputs, outputs).values() for x in w.operands} | set(outputs)
    kept = [c for c in consts if c in read]
    inner = Graph((*kept, *added.values(), *body.inputs[len(consts) :]), outputs)
    outside = [F["transpose"](consts[c], axes=axes) for c, axes in added]
    given = [*[consts[c] for c in kept], *outside, *v.operands[len(consts) :]]
    params: dict[str, Any] = {**p, "body": intern(inner), "n_consts": len(kept) + len(outside)}
    made: Value = F["scan"](*given, **params)
    return made


@deep
def orient_constants(graph: Graph) -> Graph:
    """Scans in which a product's constant second operand lies by its summed axes, then its free ones."""
    new: dict[Value, Value] = {}
    for old in graph.values():
        v = with_operands(old, tuple([new.get(x, x) for x in old.operands]))
        if v.prim is not None and v.prim.name == "scan":
            v = oriented(v)
        if v is not old:
            new[old] = v
    return Graph(graph.inputs, tuple([new.get(o, o) for o in graph.outputs])) if new else graph
