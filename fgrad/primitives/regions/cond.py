"""One of several graphs, chosen at run time."""

from __future__ import annotations

from typing import Any

from fgrad.errors import DtypeError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import canonical_hash, intern
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.compare import ge, select
from fgrad.primitives.regions.parts import (
    Flags,
    back,
    batch_graph,
    check_results,
    check_signature,
    costly,
    depends,
    flat,
    items,
    memo,
    push_graph,
    residuals,
    varies,
)
from fgrad.primitives.regions.run import finish, graph_of, runner
from fgrad.primitives.shape import broadcast_to, reshape
from fgrad.transforms.inline import inline, substitute
from fgrad.transforms.jvp import Linear, Tangent, zeros

Branches = tuple[Graph, ...]


def _type(pred: TensorType, *xs: Type, branches: Branches, where: Where | None) -> Type:
    if pred.shape or pred.dtype.kind not in "biu":
        raise DtypeError(
            f"cond: the predicate is {pred}", where=where, fix="give a bool[] or an integer index of shape ()"
        )
    if not branches or (pred.dtype.kind == "b" and len(branches) != 2):
        raise ShapeError(f"cond: {len(branches)} branches for {pred}", where=where, fix="give two branches for a bool")
    wanted = branches[0].output_types
    for k, b in enumerate(branches):
        check_signature("cond", f"branch {k}", b, xs, where)
        check_results("cond", f"branch {k}", b.output_types, wanted, where)
    return TupleType(wanted)


def _lower(xp: Any, out: Any, pred: Any, *xs: Any, branches: Any) -> Any:
    chosen = branches[min(max(int(pred), 0), len(branches) - 1)]
    return finish(xp, out, runner(chosen, xp)(xs), graph_of(chosen).output_types, xs)


def _batch(n: int, batched: Flags, pred: Value, *xs: Value, branches: Branches) -> tuple[tuple[Value, bool], ...]:
    flags = batched[1:]
    count = len(branches[0].outputs)
    if not batched[0]:
        whole = tuple([any(row) for row in zip(*[depends(b, flags) for b in branches], strict=True)])
        new = tuple([batch_graph(b, flags, n, whole) for b in branches])
        return tuple(zip(items(cond(pred, *xs, branches=new)), whole, strict=True))
    every = (True,) * count
    results = [inline(batch_graph(b, flags, n, every), xs) for b in branches]
    chosen = results[0]
    for k, result in enumerate(results[1:], 1):
        hit = pred if pred.dtype.kind == "b" else ge(pred, k)
        chosen = [choose(hit, new, old) for new, old in zip(result, chosen, strict=True)]
    return tuple([(v, True) for v in chosen])


def choose(hit: Value, x: Value, y: Value) -> Value:
    """`x` where the bool of each lane, else `y`."""
    grown = broadcast_to(reshape(hit, shape=(*hit.shape, *(1,) * (x.ndim - 1))), shape=x.shape)
    chosen: Value = select(grown, x, y)
    return chosen


def _linearize(v: Value, varying: Flags) -> Linear:
    pred, *xs = v.operands
    branches: Branches = v.params[0]
    flags = varying[1:]
    moves = tuple([any(row) for row in zip(*[varies(b, flags) for b in branches], strict=True)])

    def push(tangents: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        dots = [t for t, f in zip(tangents[1:], flags, strict=True) if f]
        both = cond(pred, *xs, *dots, branches=tuple([push_graph(b, flags, moves) for b in branches]))
        found = iter(items(both)[len(moves) :])
        return tuple([next(found) if m else None for m in moves])

    def pull(ct: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        given = flat(ct, len(moves))
        mask = tuple([m and c is not None for m, c in zip(moves, given, strict=True)])
        key = ("pull", *map(canonical_hash, branches[1:]), flags, mask)
        extended, reverse, hit = memo(branches[0], key, lambda: _reverse(branches, flags, mask))
        kept = items(cond(pred, *xs, branches=extended))[len(moves) :]
        cts = [c for c, m in zip(given, mask, strict=True) if m]
        found = iter(items(cond(pred, *xs, *kept, *cts, branches=reverse)))
        return (None, *[next(found) if h else None for h in hit])

    return Linear(v, push, pull)


def _reverse(branches: Branches, flags: Flags, mask: Flags) -> tuple[Branches, Branches, Flags]:
    """(branches with residuals appended, branches of the reverse, operands that get a cotangent).

    The residuals are the union over the branches: slots of one type serve all; a branch fills those it has no use for
    with zeros. The reverse takes (operands, residuals, cotangents).
    """
    backs = [back(b, flags, mask) for b in branches]
    hit = tuple([any(b.results[i] is not None for b in backs) for i in range(len(flags))])
    kept = [residuals(b.frontier, costly)[0] for b in backs]
    slots: list[Type] = []
    placed: list[dict[int, Value]] = []
    for values in kept:
        free = list(range(len(slots)))
        places: dict[int, Value] = {}
        for r in values:
            k = next((i for i in free if slots[i] is r.type), None)
            if k is None:
                k = len(slots)
                slots.append(r.type)
            else:
                free.remove(k)
            places[k] = r
        placed.append(places)
    extended, reverse = [], []
    for graph, b, places in zip(branches, backs, placed, strict=True):
        saved = [places.get(k) or zeros(t) for k, t in enumerate(slots)]
        extended.append(intern(Graph(graph.inputs, (*graph.outputs, *saved))))
        held = [leaf(t) for t in slots]
        results = [
            r if r is not None else zeros(x.type) for r, x, h in zip(b.results, graph.inputs, hit, strict=True) if h
        ]
        outputs = substitute(results, {r: held[k] for k, r in places.items()})
        cts = [c for c in b.cts if c is not None]
        reverse.append(intern(Graph((*graph.inputs, *held, *cts), tuple(outputs))))
    return tuple(extended), tuple(reverse), hit


@primitive(
    type=_type,
    lower=_lower,
    batch=_batch,
    linearize=_linearize,
    flops=lambda y, pred, *xs, branches: max([totals(b)[0] for b in branches]),
    nbytes=lambda y, pred, *xs, branches: max([totals(b)[1] for b in branches]),
)
def cond(pred: Any, *xs: Any, branches: Branches) -> Any:
    """Runs `branches[int(pred)]` on `xs`; always a tuple of results, read by `item`.

    pred: bool[] (branches: false, true) or an integer[], clamped to a branch there is.  xs: the operands of every
    branch, captures among them.  branches: graphs over `xs` with results of the same types.
    Raises ShapeError if the types differ.  Derivatives: the residuals of all branches share slots of one type.
    vmap: an unbatched `pred` stays a cond; a batched one runs every branch and selects.  Cost: the dearest branch.
    """
