"""A loop that ends when a condition says so."""

from __future__ import annotations

from typing import Any, NoReturn

from fgrad.errors import DtypeError, GradError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import canonical_hash, intern
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.reduce import reduce_or
from fgrad.primitives.regions.cond import choose
from fgrad.primitives.regions.parts import (
    Flags,
    batch_graph,
    check_results,
    check_signature,
    depends,
    items,
    memo,
    push_graph,
    spread,
    varies,
)
from fgrad.primitives.regions.run import finish, graph_of, runner
from fgrad.primitives.regions.scan import widen
from fgrad.transforms.inline import inline
from fgrad.transforms.jvp import Linear, Tangent, instantiate


def _type(*operands: Type, condition: Graph, body: Graph, n_consts: int, where: Where | None) -> Type:
    check_signature("while_loop", "the condition", condition, operands, where)
    check_signature("while_loop", "the body", body, operands, where)
    carry = operands[n_consts:]
    check_results("while_loop", "the body", body.output_types, carry, where)
    found = condition.output_types
    if len(found) != 1 or not isinstance(found[0], TensorType) or found[0].shape or found[0].dtype.kind != "b":
        raise DtypeError(
            f"while_loop: the condition gives ({', '.join(map(str, found))})", where=where, fix="return one bool[]"
        )
    return TupleType(carry)


def _lower(xp: Any, out: Any, *operands: Any, condition: Any, body: Any, n_consts: int) -> Any:
    go, step = runner(condition, xp), runner(body, xp)
    consts, carry = list(operands[:n_consts]), list(operands[n_consts:])
    while bool(go([*consts, *carry])[0]):
        carry = step([*consts, *carry])
    return finish(xp, out, carry, graph_of(body).output_types, operands)


def _batch(
    n: int, batched: Flags, *operands: Value, condition: Graph, body: Graph, n_consts: int
) -> tuple[tuple[Value, bool], ...]:
    n_carry = len(operands) - n_consts
    flags, whole = widen(body, batched, n_consts, n_carry, depends)
    masked = depends(condition, flags)[0]
    if masked:  # each lane ends on its own: all carries differ
        flags, whole = (*flags[:n_consts], *(True,) * n_carry), (True,) * n_carry
    test, step = batch_graph(condition, flags, n, (masked,)), batch_graph(body, flags, n, whole)
    given = [spread(x, n) if now and not was else x for x, was, now in zip(operands, batched, flags, strict=True)]
    if masked:
        key = ("masked", canonical_hash(test), n_consts)
        test, step = memo(step, key, lambda: _mask(test, step, n_consts))
    found = items(while_loop(*given, condition=test, body=step, n_consts=n_consts))
    return tuple([(y, b and isinstance(y.type, TensorType)) for y, b in zip(found, whole, strict=True)])


def _mask(test: Graph, step: Graph, n_consts: int) -> tuple[Graph, Graph]:
    """The loop that goes on while any lane does, lanes that are done keeping their values."""
    inputs = tuple([leaf(v.type) for v in step.inputs])
    go = inline(test, inputs)[0]
    new = [choose(go, y, x) for y, x in zip(inline(step, inputs), inputs[n_consts:], strict=True)]
    return intern(Graph(inputs, (reduce_or(go, axes=(0,)),))), intern(Graph(inputs, tuple(new)))


def _linearize(v: Value, varying: Flags) -> Linear:
    condition, body, n_consts = v.params
    n_carry = len(v.operands) - n_consts
    flags, moves = widen(body, varying, n_consts, n_carry, varies)

    def push(tangents: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        dots = [instantiate(t, x.type) for t, f, x in zip(tangents, flags, v.operands, strict=True) if f]
        test, step = memo(
            body,
            ("push", canonical_hash(condition), flags, n_consts),
            lambda: _joint(condition, body, flags, moves, n_consts),
        )
        n_fixed = sum(flags[:n_consts])
        operands = [*v.operands[:n_consts], *dots[:n_fixed], *v.operands[n_consts:], *dots[n_fixed:]]
        found = iter(items(while_loop(*operands, condition=test, body=step, n_consts=n_consts + n_fixed))[n_carry:])
        return tuple([next(found) if m else None for m in moves])

    def pull(ct: tuple[Tangent, ...]) -> NoReturn:
        raise GradError(
            "a while loop has no reverse-mode derivative: the number of its steps is not known",
            where=v.where,
            fix="use scan, or fori_loop with static bounds, or forward mode (jvp, jacfwd)",
        )

    return Linear(v, push, pull)


def _joint(condition: Graph, body: Graph, flags: Flags, moves: Flags, n_consts: int) -> tuple[Graph, Graph]:
    """Condition and body over (consts, their tangents, carries, their tangents)."""
    joint = push_graph(body, flags, moves)
    n_in, n_fixed = len(flags), sum(flags[:n_consts])
    own, dots = joint.inputs[:n_in], joint.inputs[n_in:]
    over = (*own[:n_consts], *dots[:n_fixed], *own[n_consts:], *dots[n_fixed:])
    return intern(Graph(over, tuple(inline(condition, own)))), intern(Graph(over, joint.outputs))


@primitive(
    type=_type,
    lower=_lower,
    batch=_batch,
    linearize=_linearize,
    flops=lambda y, *xs, condition, body, n_consts: totals(condition)[0] + totals(body)[0],
    nbytes=lambda y, *xs, condition, body, n_consts: totals(condition)[1] + totals(body)[1],
)
def while_loop(*operands: Any, condition: Graph, body: Graph, n_consts: int = 0) -> Any:
    """`while condition(*consts, *carry): carry = body(*consts, *carry)`; a tuple of the last carries, read by `item`.

    operands: `n_consts` values that condition and body read (captures of both), then the first carries.
    condition: a graph over all operands with one bool[] result.  body: a graph over all operands with results of the
    carries' types.  Raises ShapeError or DtypeError if types differ.
    Derivatives: forward mode only; reverse mode is a GradError.  vmap: with a batched condition the loop runs until
    all lanes are done, finished ones keep their values.  Cost: one step (their number is unknown).
    """
