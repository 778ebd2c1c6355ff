"""Every invariant of a graph, stated and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NoReturn

import numpy as np

from fgrad.errors import IRError
from fgrad.ir.apply import check
from fgrad.ir.graph import Graph, Value, numbering
from fgrad.ir.hash import encode
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.regions import map_param, subgraphs
from fgrad.ir.text import operand_text
from fgrad.ir.types import TOKEN, TensorType, TupleType

_FIX = "rebuild the graph with the primitives' functions (or report the pass that made it)"


def verify(graph: Graph) -> None:
    """Raises IRError, naming the node and the user's line, unless all of this holds.

    Inputs are distinct leaves; every leaf is an input or a constant of its type; every node stands after its operands;
    its primitive is registered; its parameters are as many as declared, hashable and of the kinds that text and JSON
    know; its type is the one the primitive infers; elementwise operands have one shape (0-d constants excepted);
    tuples are read by `item` only; every token is used at most once, each one made is used, effects take and
    give one. Graphs in parameters obey the same rules.
    """
    seen: set[Graph] = set()
    stack = [graph]
    while stack:
        g = stack.pop()
        if g not in seen:
            seen.add(g)
            _Checker(g).check()
            stack += [inner for v in g.values() for inner in subgraphs(v)]


class _Checker:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.numbers: Mapping[Value, int] = numbering(graph)

    def fail(self, v: Value, what: str) -> NoReturn:
        """Raises IRError about node `v`."""
        if v.prim is None:
            raise IRError(f"{operand_text(v, self.numbers)}: {what}", where=v.where, fix=_FIX)
        operands = ", ".join([operand_text(x, self.numbers) for x in v.operands])
        raise IRError(f"%{self.numbers[v]} = {v.prim.name}({operands}): {what}", where=v.where, fix=_FIX)

    def check(self) -> None:
        """All invariants of one graph, nested ones apart."""
        graph = self.graph
        for v in graph.inputs:
            if v.prim is not None or v.const is not None:
                self.fail(v, "an input must be a leaf")
            if isinstance(v.type, TupleType):
                self.fail(v, "an input cannot be a tuple")
        if len(set(graph.inputs)) != len(graph.inputs):
            raise IRError("a graph lists one leaf twice among its inputs", fix=_FIX)
        known = set(graph.inputs)
        for v in graph.values():
            for x in v.operands:
                self.reads(v, x, known)
            self.node(v)
            known.add(v)
        for v in graph.outputs:
            if v.prim is None:
                self.leaf(v, v, known)
            elif isinstance(v.type, TupleType):
                self.fail(v, "a tuple cannot be an output; read it by item")
        self.tokens()

    def reads(self, v: Value, x: Value, known: set[Value]) -> None:
        """`v` may read `x`."""
        if x.prim is None:
            self.leaf(v, x, known)
        elif x not in known:
            self.fail(v, f"reads {operand_text(x, self.numbers)} before it is computed (a cycle)")
        if isinstance(x.type, TupleType) and v.prim is not None and v.prim.name != "item":
            self.fail(v, f"reads the tuple {operand_text(x, self.numbers)} without item")

    def leaf(self, v: Value, x: Value, known: set[Value]) -> None:
        """A leaf that `v` reads (or is) is an input or a sound constant."""
        if x.const is None:
            if x not in known:
                self.fail(v, f"reads a leaf of type {x.type} that is not an input of the graph")
            return
        a = np.asarray(x.const)
        if not isinstance(x.type, TensorType) or a.shape != x.type.shape or a.dtype != x.type.dtype:
            self.fail(v, f"the constant of type {x.type} holds {a.dtype.name}{list(a.shape)}")

    def node(self, v: Value) -> None:
        """Primitive, parameters, type and effect of one node."""
        prim = v.prim
        assert prim is not None
        if REGISTRY.get(prim.name) is not prim:
            self.fail(v, f"the primitive {prim.name} is not registered")
        if len(v.params) != len(prim.params):
            self.fail(v, f"{len(v.params)} parameters where {len(prim.params)} are declared: {', '.join(prim.params)}")
        for name, p in zip(prim.params, v.params, strict=True):
            try:
                hash(p)
                encode(map_param(p, lambda g: None))  # nested graphs have their turn
            except (TypeError, IRError) as e:
                self.fail(v, f"parameter {name}: {str(e).splitlines()[0]}")
        self.elementwise(v, prim)
        try:
            found = check(prim, tuple([x.type for x in v.operands]), v.params)
        except IRError as e:
            self.fail(v, f"does not accept its operands: {str(e).splitlines()[0]}")
        if found is not v.type:
            self.fail(v, f"has type {v.type}, but {found} is inferred")
        if prim.effect and not (any(x.type is TOKEN for x in v.operands) and _gives_token(v)):
            self.fail(v, "an effect must take and give a token")

    def elementwise(self, v: Value, prim: Primitive) -> None:
        """Operands of an elementwise operation are repeated to one shape."""
        if prim.elementwise and isinstance(v.type, TensorType):
            for x in v.operands:
                if x.shape != v.shape and not (x.const is not None and not x.shape):
                    self.fail(
                        v,
                        f"operand {operand_text(x, self.numbers)} has shape {list(x.shape)}, the result {list(v.shape)}",
                    )

    def tokens(self) -> None:
        """Every token is used at most once, and each one made is used (by an effect, or as an output)."""
        order = self.graph.values()
        uses = Counter([x for v in order for x in v.operands if x.type is TOKEN])
        uses.update([v for v in self.graph.outputs if v.type is TOKEN])
        for v, n in uses.items():
            if n > 1:
                self.fail(v, f"the token is used {n} times")
        for v in order:
            if v.type is TOKEN and not uses[v]:
                self.fail(v, "the token is dropped; return it")


def _gives_token(v: Value) -> bool:
    items = v.type.items if isinstance(v.type, TupleType) else (v.type,)
    return any(t is TOKEN for t in items)
