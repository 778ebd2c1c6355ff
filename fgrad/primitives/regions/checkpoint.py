"""A part of a program whose intermediate values are computed again in the reverse pass rather than kept."""

from __future__ import annotations

from typing import Any

from fgrad.errors import Where
from fgrad.ir.apply import primitive
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import intern
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.regions.parts import (
    Flags,
    back,
    batch_graph,
    check_signature,
    depends,
    flat,
    items,
    memo,
    push_graph,
    residuals,
    varies,
)
from fgrad.primitives.regions.policies import Policy, check_policy, saves
from fgrad.primitives.regions.run import finish, graph_of, runner
from fgrad.transforms.inline import substitute
from fgrad.transforms.jvp import Linear, Tangent


def _type(*xs: Type, graph: Graph, policy: Policy, where: Where | None) -> Type:
    check_signature("checkpoint", "the function", graph, xs, where)
    check_policy(policy, where)
    return TupleType(graph.output_types)


def _lower(xp: Any, out: Any, *xs: Any, graph: Any, policy: Policy) -> Any:
    return finish(xp, out, runner(graph, xp)(xs), graph_of(graph).output_types, xs)


def _batch(n: int, batched: Flags, *xs: Value, graph: Graph, policy: Policy) -> tuple[tuple[Value, bool], ...]:
    whole = depends(graph, batched)
    found = items(checkpoint(*xs, graph=batch_graph(graph, batched, n, whole), policy=policy))
    return tuple([(y, b and isinstance(y.type, TensorType)) for y, b in zip(found, whole, strict=True)])


def _linearize(v: Value, varying: Flags) -> Linear:
    graph, policy = v.params
    moves = varies(graph, varying)

    def push(tangents: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        dots = [t for t, f in zip(tangents, varying, strict=True) if f]
        both = checkpoint(*v.operands, *dots, graph=push_graph(graph, varying, moves), policy=policy)
        found = iter(items(both)[len(moves) :])
        return tuple([next(found) if m else None for m in moves])

    def pull(ct: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        given = flat(ct, len(moves))
        mask = tuple([m and c is not None for m, c in zip(moves, given, strict=True)])
        extended, saved, reverse, hit = memo(
            graph, ("pull", varying, mask, policy), lambda: _reverse(graph, varying, mask, policy)
        )
        whole = v if extended is None else checkpoint(*v.operands, graph=extended, policy=policy)
        kept = items(whole)
        cts = [c for c, m in zip(given, mask, strict=True) if m]
        back = checkpoint(*v.operands, *[kept[k] for k in saved], *cts, graph=reverse, policy=policy)
        found = iter(items(back))
        return tuple([next(found) if h else None for h in hit])

    return Linear(v, push, pull)


def _reverse(
    graph: Graph, flags: Flags, mask: Flags, policy: Policy
) -> tuple[Graph | None, tuple[int, ...], Graph, Flags]:
    """(graph with saved values appended or None if there are none, where they are, reverse over (operands, saved, cotangents), operands hit)."""
    turned = back(graph, flags, mask)
    kept, _ = residuals(turned.frontier, saves(policy))
    outputs, saved = list(graph.outputs), []
    for r in kept:
        if r not in outputs:
            outputs.append(r)
        saved.append(outputs.index(r))
    held = {r: leaf(r.type) for r in kept}
    cts = [c for c in turned.cts if c is not None]
    results = substitute([r for r in turned.results if r is not None], held)
    reverse = intern(Graph((*graph.inputs, *held.values(), *cts), tuple(results)))
    extended = intern(Graph(graph.inputs, tuple(outputs))) if len(outputs) > len(graph.outputs) else None
    return extended, tuple(saved), reverse, tuple([r is not None for r in turned.results])


@primitive(
    type=_type,
    lower=_lower,
    batch=_batch,
    linearize=_linearize,
    flops=lambda y, *xs, graph, policy: totals(graph)[0],
    nbytes=lambda y, *xs, graph, policy: totals(graph)[1],
)
def checkpoint(*xs: Any, graph: Graph, policy: Policy = "nothing") -> Any:
    """The results of `graph` on `xs`, a tuple read by `item`; the reverse pass computes what it needs again.

    xs: the operands of `graph`, captures and random keys among them (a key replays its draws).
    policy: what is kept for the reverse pass: "nothing", "dots" (matrix products and convolutions),
    "unbatched_dots" (those without batch axes, so not attention's), "everything", or by names (regions/policies.py).
    The reverse is a node of this kind too, so that its recomputation is never shared with the forward pass.
    Source: Chen et al. 2016, arXiv:1604.06174.
    """
