"""A function with a rule of its own for vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.errors import Where
from fgrad.ir.apply import primitive
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TupleType, Type
from fgrad.primitives.regions.parts import Flags, back, check_signature, flat, push_graph, varies
from fgrad.primitives.regions.run import finish, graph_of, runner
from fgrad.transforms.inline import inline, substitute
from fgrad.transforms.jvp import Linear, Tangent, instantiate

Rule = Callable[[int, Flags, tuple[Type, ...]], tuple[Graph, Flags]]


def _type(*xs: Type, graph: Graph, rule: Rule, where: Where | None) -> Type:
    check_signature("custom_vmap", "the function", graph, xs, where)
    return TupleType(graph.output_types)


def _lower(xp: Any, out: Any, *xs: Any, graph: Any, rule: Rule) -> Any:
    return finish(xp, out, runner(graph, xp)(xs), graph_of(graph).output_types, xs)


def _batch(n: int, batched: Flags, *xs: Value, graph: Graph, rule: Rule) -> tuple[tuple[Value, bool], ...]:
    body, flags = rule(n, batched, tuple([x.type for x in xs]))
    return tuple(zip(inline(body, xs), flags, strict=True))


def _linearize(v: Value, varying: Flags) -> Linear:
    graph = v.params[0]
    moves = varies(graph, varying)

    def push(tangents: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        dots = [instantiate(t, x.type) for t, x, f in zip(tangents, v.operands, varying, strict=True) if f]
        found = iter(inline(push_graph(graph, varying, moves), [*v.operands, *dots])[len(moves) :])
        return tuple([next(found) if m else None for m in moves])

    def pull(ct: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        given = flat(ct, len(moves))
        turned = back(graph, varying, tuple([m and c is not None for m, c in zip(moves, given, strict=True)]))
        new = dict(zip(graph.inputs, v.operands, strict=True))
        new.update({leaf: c for leaf, c in zip(turned.cts, given, strict=True) if leaf is not None and c is not None})
        found = iter(substitute([r for r in turned.results if r is not None], new))
        return tuple([None if r is None else next(found) for r in turned.results])

    return Linear(v, push, pull)


@primitive(
    type=_type,
    lower=_lower,
    batch=_batch,
    linearize=_linearize,
    flops=lambda y, *xs, graph, rule: totals(graph)[0],
    nbytes=lambda y, *xs, graph, rule: totals(graph)[1],
)
def custom_vmap(*xs: Any, graph: Graph, rule: Rule) -> Any:
    """The results of `graph` on `xs`, a tuple read by `item`, with `rule` for batches.

    rule(n, batched, types of xs, batched ones with the leading axis) gives a graph over xs and which of its results have
    the axis.  Derivatives are those of `graph`, also under vmap.  Raises ShapeError if types differ.
    """
