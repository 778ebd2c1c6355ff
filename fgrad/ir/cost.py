"""What a graph costs: floating-point operations and bytes moved, per node and in all."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

from fgrad.ir.graph import Graph, Value


class NodeCost(NamedTuple):
    """`flops` counts multiplications and additions apart; `nbytes` is what is read and written, each operand once."""

    value: Value
    flops: int
    nbytes: int


class Cost(NamedTuple):
    """The nodes in order, and totals. A loop with a known trip count counts every trip, a while loop one."""

    nodes: tuple[NodeCost, ...]
    flops: int
    nbytes: int


_KNOWN: WeakKeyDictionary[Graph, tuple[int, int]] = WeakKeyDictionary()


def node_cost(v: Value) -> NodeCost:
    """Cost of one computed value, by its primitive's rules; bytes default to operands and result, once each."""
    prim = v.prim
    assert prim is not None
    types = [x.type for x in v.operands]
    params = v.named_params
    flops = int(prim.flops(v.type, *types, **params))
    if prim.nbytes is not None:
        return NodeCost(v, flops, int(prim.nbytes(v.type, *types, **params)))
    if prim.view_of is not None or prim.name == "item":
        return NodeCost(v, flops, 0)
    return NodeCost(v, flops, v.type.nbytes + sum([t.nbytes for t in types]))


def cost(graph: Graph) -> Cost:
    """Flops and bytes of every node of `graph`; nested graphs count through the rules of the nodes that hold them."""
    nodes = tuple([node_cost(v) for v in graph.values()])
    return Cost(nodes, sum([n.flops for n in nodes]), sum([n.nbytes for n in nodes]))


def totals(graph: Graph) -> tuple[int, int]:
    """(flops, bytes) of one run of `graph`, remembered: what region primitives multiply by their trip count."""
    found = _KNOWN.get(graph)
    if found is None:
        c = cost(graph)
        found = _KNOWN[graph] = (c.flops, c.nbytes)
    return found
