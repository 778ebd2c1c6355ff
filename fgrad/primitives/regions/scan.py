"""A loop with a known number of steps, carried values, and slices of arrays in and out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from fgrad.errors import ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import intern
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.regions.parts import (
    Flags,
    back,
    batch_graph,
    batch_type,
    check_results,
    check_signature,
    costly,
    depends,
    flat,
    items,
    memo,
    push_graph,
    residuals,
    spread,
    thinned,
    varies,
)
from fgrad.primitives.regions.run import finish, graph_of, runner
from fgrad.primitives.shape import move_axis
from fgrad.transforms.inline import substitute
from fgrad.transforms.jvp import Linear, Tangent, add_tangents, instantiate, zeros


def _type(
    *operands: Type, body: Graph, length: int, reverse: bool, n_consts: int, n_carry: int, where: Where | None
) -> Type:
    xs = operands[n_consts + n_carry :]
    for x in xs:
        if not isinstance(x, TensorType) or not x.shape or x.shape[0] != length:
            raise ShapeError(
                f"scan: {x} has no leading axis of {length} steps", where=where, fix="stack the steps on axis 0"
            )
    steps = [x.with_shape(x.shape[1:]) for x in xs]  # type: ignore[union-attr]  # tensors, by the check above
    check_signature("scan", "the body", body, (*operands[: n_consts + n_carry], *steps), where)
    carry = operands[n_consts : n_consts + n_carry]
    check_results("scan", "the carry of the body", body.output_types[:n_carry], carry, where)
    return TupleType((*carry, *[batch_type(t, length) for t in body.output_types[n_carry:]]))


def _lower(
    xp: Any, out: Any, *operands: Any, body: Any, length: int, reverse: bool, n_consts: int, n_carry: int
) -> Any:
    run, types = runner(body, xp), graph_of(body).output_types
    consts, carry, xs = (
        list(operands[:n_consts]),
        list(operands[n_consts : n_consts + n_carry]),
        operands[n_consts + n_carry :],
    )
    shapes = [batch_type(t, length) for t in types[n_carry:]]
    stacks = list(out[n_carry:]) if out is not None else [xp.empty(t.shape, t.dtype) for t in shapes]  # type: ignore[union-attr]
    for i in range(length - 1, -1, -1) if reverse else range(length):
        results = run([*consts, *carry, *[x[i, ...] for x in xs]])
        for stack, y in zip(stacks, results[n_carry:], strict=True):
            stack[i] = y
        carry = results[:n_carry]
    return (*finish(xp, None if out is None else out[:n_carry], carry, types[:n_carry], operands), *stacks)


def widen(body: Graph, flags: Flags, n_consts: int, n_carry: int, rule: Any) -> tuple[Flags, Flags]:
    """A flag for every input of the body, the carried ones' widened until they repeat; and for every output."""
    while True:
        out: Flags = rule(body, flags)
        carry = tuple([a or b for a, b in zip(flags[n_consts : n_consts + n_carry], out[:n_carry], strict=True)])
        wider = (*flags[:n_consts], *carry, *flags[n_consts + n_carry :])
        if wider == flags:
            return flags, (*carry, *out[n_carry:])
        flags = wider


def _batch(
    n: int, batched: Flags, *operands: Value, body: Graph, n_consts: int, n_carry: int, **rest: Any
) -> tuple[tuple[Value, bool], ...]:
    flags, whole = widen(body, batched, n_consts, n_carry, depends)
    given = []
    for k, (x, was, now) in enumerate(zip(operands, batched, flags, strict=True)):
        given.append(move_axis(x, 0, 1) if was and k >= n_consts + n_carry else spread(x, n) if now and not was else x)
    new = batch_graph(body, flags, n, whole)
    found = items(scan(*given, body=new, n_consts=n_consts, n_carry=n_carry, **rest))
    moved = [move_axis(y, 1, 0) if k >= n_carry and b else y for k, (y, b) in enumerate(zip(found, whole, strict=True))]
    return tuple(
        zip(moved, [b and isinstance(y.type, TensorType) for y, b in zip(moved, whole, strict=True)], strict=True)
    )


class _Plan(NamedTuple):
    """A scan turned around.

    extended: the body with residuals appended to what it stacks; None if there are none.  reverse: the body of the
    reverse, over (invariants, consts; cotangents of carries, sums for consts; residuals, slices, cotangents of ys).
    """

    extended: Graph | None
    saved: tuple[int, ...]  # which stacked outputs of `extended` are residuals of the reverse
    invariants: tuple[Value, ...]  # computed from the body's consts alone: made once, outside
    consts: tuple[int, ...]  # consts the reverse reads
    slices: tuple[int, ...]  # xs the reverse reads
    reverse: Graph
    carried: tuple[int, ...]  # carries that get a cotangent
    summed: tuple[int, ...]  # consts that get one, summed over the steps
    sliced: tuple[int, ...]  # xs that get one


def _plan(body: Graph, flags: Flags, mask: Flags, n_consts: int, n_carry: int) -> _Plan:
    """flags: body inputs that vary.  mask: body outputs with a cotangent (every varying carry has one)."""
    turned = back(body, flags, mask)
    fixed = set(body.inputs[:n_consts])
    for v in body.values():
        inside = [x in fixed for x in v.operands]
        if all([f or x.const is not None for f, x in zip(inside, v.operands, strict=True)]) and (
            any(inside) or costly(v)
        ):
            fixed.add(v)
    kept, leaves = residuals(turned.frontier, lambda v: v in fixed or costly(v))
    first_x = n_consts + n_carry
    invariants = [v for v in kept if v in fixed]
    stacked = thinned([v for v in kept if v not in fixed], [*leaves, *invariants])
    stacked += [v for v in leaves if v in body.inputs[n_consts:first_x]]
    outputs, saved = list(body.outputs), []
    for v in stacked:
        place = next((k for k in range(n_carry, len(outputs)) if outputs[k] is v), None)
        if place is None:
            place = len(outputs)
            outputs.append(v)
        saved.append(place)
    consts = [k for k in range(n_consts) if body.inputs[k] in leaves]
    slices = [k for k in range(first_x, len(body.inputs)) if body.inputs[k] in leaves]
    results = turned.results
    summed = [k for k in range(n_consts) if results[k] is not None]
    sliced = [k for k in range(first_x, len(flags)) if results[k] is not None]
    carried = [k for k in range(n_carry) if mask[k]]
    held = [*invariants, *[body.inputs[k] for k in consts], *stacked, *[body.inputs[k] for k in slices]]
    new = {v: leaf(v.type) for v in held}
    n_fixed = len(invariants) + len(consts)
    sums = [leaf(body.inputs[k].type) for k in summed]
    nexts: list[Any] = [
        *[instantiate(results[n_consts + k], body.inputs[n_consts + k].type) for k in carried],
        *[add_tangents(s, results[k]) for s, k in zip(sums, summed, strict=True)],
        *[results[k] for k in sliced],
    ]
    over = [
        *[new[v] for v in held[:n_fixed]],
        *[c for c in turned.cts[:n_carry] if c is not None],
        *sums,
        *[new[v] for v in held[n_fixed:]],
        *[c for c in turned.cts[n_carry:] if c is not None],
    ]
    return _Plan(
        intern(Graph(body.inputs, tuple(outputs))) if len(outputs) > len(body.outputs) else None,
        tuple(saved),
        tuple(invariants),
        tuple(consts),
        tuple(slices),
        intern(Graph(tuple(over), tuple(substitute(nexts, new)))),
        tuple(carried),
        tuple(summed),
        tuple(sliced),
    )


def _linearize(v: Value, varying: Flags) -> Linear:
    p = v.named_params
    body, n_consts, n_carry = p["body"], p["n_consts"], p["n_carry"]
    flags, moves = widen(body, varying, n_consts, n_carry, varies)

    def push(tangents: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        dots = [instantiate(t, x.type) if f else None for t, f, x in zip(tangents, flags, v.operands, strict=True)]
        return _push(v, dots, flags, moves)

    def pull(ct: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        given = flat(ct, len(moves))
        mask = tuple([m and (k < n_carry or c is not None) for k, (m, c) in enumerate(zip(moves, given, strict=True))])
        plan = memo(body, ("pull", flags, mask, n_consts, n_carry), lambda: _plan(body, flags, mask, n_consts, n_carry))
        found = _pull(v, plan, given, mask)
        return tuple([c if f else None for c, f in zip(found, varying, strict=True)])

    return Linear(v, push, pull)


def _push(v: Value, dots: Sequence[Value | None], flags: Flags, moves: Flags) -> tuple[Tangent, ...]:
    """One scan over values and tangents together; nothing is kept per step."""
    p = v.named_params
    n_consts, n_carry = p["n_consts"], p["n_carry"]
    first_x = n_consts + n_carry
    joint = push_graph(p["body"], flags, moves)
    cuts = (0, n_consts, first_x, len(flags))
    parts = [slice(a, b) for a, b in pairwise(cuts)]
    dotted = [[d for d in dots[s] if d is not None] for s in parts]
    n_in = len(flags)
    lead = [list(joint.inputs[:n_in][s]) for s in parts]
    tail = list(joint.inputs[n_in:])
    over: list[Value] = []
    for own, more in zip(lead, dotted, strict=True):
        over += [*own, *tail[: len(more)]]
        tail = tail[len(more) :]
    n_moved = sum(moves[:n_carry])
    values, tangents = joint.outputs[: len(moves)], joint.outputs[len(moves) :]
    order = (*values[:n_carry], *tangents[:n_moved], *values[n_carry:], *tangents[n_moved:])
    body = memo(joint, ("scan", n_consts, n_carry), lambda: intern(Graph(tuple(over), order)))
    operands = [x for s, more in zip(parts, dotted, strict=True) for x in [*v.operands[s], *more]]
    counts = {"n_consts": n_consts + len(dotted[0]), "n_carry": n_carry + len(dotted[1])}
    results = items(scan(*operands, **{**p, "body": body, **counts}))
    n_ys = len(moves) - n_carry
    found = iter([*results[n_carry : n_carry + n_moved], *results[n_carry + n_moved + n_ys :]])
    return tuple([next(found) if m else None for m in moves])


def _pull(v: Value, plan: _Plan, given: Sequence[Value | None], mask: Flags) -> list[Value | None]:
    """Cotangents of the operands: the scan with its residuals, then the reverse over them."""
    p = v.named_params
    body, n_consts, n_carry = p["body"], p["n_consts"], p["n_carry"]
    extended = v if plan.extended is None else scan(*v.operands, **{**p, "body": plan.extended})
    results = items(extended)
    outside = substitute(plan.invariants, dict(zip(body.inputs[:n_consts], v.operands[:n_consts], strict=True)))
    fixed = [*outside, *[v.operands[k] for k in plan.consts]]
    starts: list[Value] = [
        *[instantiate(given[k], body.outputs[k].type) for k in plan.carried],
        *[zeros(v.operands[k].type) for k in plan.summed],
    ]
    stacked = [*[results[k] for k in plan.saved], *[v.operands[k] for k in plan.slices]]
    cts = [c for c, m in zip(given[n_carry:], mask[n_carry:], strict=True) if m and c is not None]
    counts = {"n_consts": len(fixed), "n_carry": len(starts)}
    turned = {**p, "body": plan.reverse, "reverse": not p["reverse"], **counts}
    found = iter(items(scan(*fixed, *starts, *stacked, *cts, **turned)))
    out: list[Value | None] = [None] * len(v.operands)
    for k in [*[n_consts + k for k in plan.carried], *plan.summed, *plan.sliced]:
        out[k] = next(found)
    return out


@primitive(
    type=_type,
    lower=_lower,
    batch=_batch,
    linearize=_linearize,
    flops=lambda y, *xs, body, length, **rest: length * totals(body)[0],
    nbytes=lambda y, *xs, body, length, **rest: length * totals(body)[1],
)
def scan(*operands: Any, body: Graph, length: int, reverse: bool = False, n_consts: int = 0, n_carry: int) -> Any:
    """`length` steps of `carry, y = body(*consts, *carry, *x)`, over slices `x` of `xs` along axis 0.

    operands: `n_consts` values that each step reads (captures), `n_carry` first carries, then arrays `xs` with a
    leading axis of `length`.  body: a graph over (consts, carries, one slice of each of the xs) with results (carries
    of the same types, ys).  reverse: steps run from the last to the first; results keep their places.
    Returns a tuple, read by `item`: the last carries, then each y stacked on axis 0.
    Raises ShapeError if types differ.  Derivatives: forward mode carries tangents along; reverse mode stacks what it
    needs of each step (what is the same in each step is computed once) and runs a scan of the same length the other
    way.  vmap: one scan over batches.  Cost: `length` times the body.
    """
