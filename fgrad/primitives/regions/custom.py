"""Functions with derivative rules of their own, given as graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from fgrad.errors import ForwardError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph, Value, leaf, topological
from fgrad.ir.hash import canonical_hash, intern
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.reduce import reduce_sum
from fgrad.primitives.regions.parts import (
    Flags,
    batch_graph,
    batch_type,
    check_results,
    check_signature,
    flat,
    items,
    memo,
)
from fgrad.primitives.regions.run import finish, graph_of, runner
from fgrad.transforms.inline import inline, substitute
from fgrad.transforms.jvp import Linear, Tangent, instantiate
from fgrad.transforms.vjp import pull as pull_values
from fgrad.transforms.vjp import reach

Wrt = tuple[int, ...]


def _inexact(types: tuple[Type, ...]) -> tuple[Type, ...]:
    return tuple([t for t in types if t.inexact])


def _jvp_type(*xs: Type, graph: Graph, jvp: Graph, wrt: Wrt, where: Where | None) -> Type:
    check_signature("custom_jvp", "the function", graph, xs, where)
    check_signature("custom_jvp", "its jvp rule", jvp, (*xs, *[xs[i] for i in wrt]), where)
    check_results("custom_jvp", "the jvp rule", jvp.output_types, _inexact(graph.output_types), where)
    return TupleType(graph.output_types)


def _vjp_type(*xs: Type, graph: Graph, fwd: Graph, bwd: Graph, wrt: Wrt, where: Where | None) -> Type:
    check_signature("custom_vjp", "the function", graph, xs, where)
    check_signature("custom_vjp", "its fwd rule", fwd, xs, where)
    n = len(graph.outputs)
    check_results("custom_vjp", "the fwd rule", fwd.output_types[:n], graph.output_types, where)
    check_signature("custom_vjp", "its bwd rule", bwd, (*fwd.output_types[n:], *_inexact(graph.output_types)), where)
    check_results("custom_vjp", "the bwd rule", bwd.output_types, tuple([xs[i] for i in wrt]), where)
    return TupleType(graph.output_types)


def _lower(xp: Any, out: Any, *xs: Any, graph: Any, **rules: Any) -> Any:
    return finish(xp, out, runner(graph, xp)(xs), graph_of(graph).output_types, xs)


def _every(n: int) -> Flags:
    return (True,) * n


def _batched(v: Value) -> tuple[tuple[Value, bool], ...]:
    return tuple([(y, isinstance(y.type, TensorType)) for y in items(v)])


def _batch_jvp(
    n: int, batched: Flags, *xs: Value, graph: Graph, jvp: Graph, wrt: Wrt
) -> tuple[tuple[Value, bool], ...]:
    flags = (*batched, *[batched[i] for i in wrt])
    new = batch_graph(graph, batched, n, _every(len(graph.outputs)))
    rule = batch_graph(jvp, flags, n, _every(len(jvp.outputs)))
    return _batched(custom_jvp(*xs, graph=new, jvp=rule, wrt=wrt))


def _batch_vjp(
    n: int, batched: Flags, *xs: Value, graph: Graph, fwd: Graph, bwd: Graph, wrt: Wrt
) -> tuple[tuple[Value, bool], ...]:
    new = batch_graph(graph, batched, n, _every(len(graph.outputs)))
    forward = batch_graph(fwd, batched, n, _every(len(fwd.outputs)))
    key = ("summed", canonical_hash(fwd), batched, n, wrt)
    back = memo(bwd, key, lambda: _sum_unbatched(bwd, n, tuple([batched[i] for i in wrt])))
    return _batched(custom_vjp(*xs, graph=new, fwd=forward, bwd=back, wrt=wrt))


def _sum_unbatched(bwd: Graph, n: int, batched: Flags) -> Graph:
    """`bwd` on batches; the cotangent of an operand without the axis is the sum over it."""
    new = batch_graph(bwd, _every(len(bwd.inputs)), n, _every(len(bwd.outputs)))
    inputs = tuple([leaf(batch_type(v.type, n)) for v in bwd.inputs])
    found = inline(new, inputs)
    return intern(
        Graph(inputs, tuple([c if b else reduce_sum(c, axes=(0,)) for c, b in zip(found, batched, strict=True)]))
    )


def _linearize_jvp(v: Value, varying: Flags) -> Linear:
    jvp, wrt = v.params[1], v.params[2]
    types = v.type.items  # type: ignore[union-attr]  # a TupleType

    def spread_out(found: list[Any]) -> tuple[Tangent, ...]:
        rest = iter(found)
        return tuple([next(rest) if t.inexact else None for t in types])

    def push(tangents: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        dots = [instantiate(tangents[i], v.operands[i].type) for i in wrt]
        return spread_out(inline(jvp, [*v.operands, *dots]))

    def pull(ct: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        n = len(v.operands)
        own = dict(zip(jvp.inputs[:n], v.operands, strict=True))
        outputs = substitute(jvp.outputs, own)  # the tangents' leaves stay
        wanted = [(k, i) for k, i in enumerate(wrt) if varying[i]]
        pairs = [
            (o, c)
            for o, c in zip(
                outputs, [c for c, t in zip(flat(ct, len(types)), types, strict=True) if t.inexact], strict=True
            )
            if c is not None
        ]
        found = pull_values(
            [o for o, _ in pairs], [c for _, c in pairs], [jvp.inputs[n + k] for k, _ in wanted], v.operands
        )
        out: list[Tangent] = [None] * n
        for (_, i), c in zip(wanted, found, strict=True):
            out[i] = c
        zero = {jvp.inputs[n + k]: instantiate(None, jvp.inputs[n + k].type) for k in range(len(wrt))}
        return tuple(_without(out, zero))

    return Linear(v, push, pull)


def _without(cts: list[Tangent], zero: dict[Value, Value]) -> list[Tangent]:
    """Cotangents of a linear function do not depend on its argument: what still reads a tangent's leaf reads zero."""
    found = iter(substitute([c for c in cts if c is not None], zero))
    return [None if c is None else next(found) for c in cts]


def _linearize_vjp(v: Value, varying: Flags) -> Linear:
    graph, fwd, bwd, wrt = v.params

    def push(tangents: tuple[Tangent, ...]) -> NoReturn:
        raise ForwardError(
            "forward mode (jvp, jacfwd) of a function with a custom vjp rule",
            where=v.where,
            fix="use reverse mode (grad, vjp, jacrev), or give the function a custom jvp rule",
        )

    def pull(ct: tuple[Tangent, ...]) -> tuple[Tangent, ...]:
        n = len(graph.outputs)
        kept = inline(fwd, v.operands)[n:]
        given = [instantiate(c, o.type) for c, o in zip(flat(ct, n), graph.outputs, strict=True) if o.type.inexact]
        out: list[Tangent] = [None] * len(v.operands)
        for i, c in zip(wrt, inline(bwd, [*kept, *given]), strict=True):
            out[i] = c if varying[i] else None
        return tuple(out)

    return Linear(v, push, pull)


@primitive(
    type=_jvp_type,
    lower=_lower,
    batch=_batch_jvp,
    linearize=_linearize_jvp,
    flops=lambda y, *xs, graph, jvp, wrt: totals(graph)[0],
    nbytes=lambda y, *xs, graph, jvp, wrt: totals(graph)[1],
)
def custom_jvp(*xs: Any, graph: Graph, jvp: Graph, wrt: Wrt) -> Any:
    """The results of `graph` on `xs`, a tuple read by `item`, with `jvp` as the derivative in both modes.

    xs: operands, captures among them.  jvp: a graph over (xs, tangents of the operands `wrt`), linear in the tangents,
    whose results are the tangents of the inexact results of `graph`.  wrt: operands with a derivative; the others
    count as constants.  Raises ShapeError if types differ.
    """


@primitive(
    type=_vjp_type,
    lower=_lower,
    batch=_batch_vjp,
    linearize=_linearize_vjp,
    flops=lambda y, *xs, graph, fwd, bwd, wrt: totals(graph)[0],
    nbytes=lambda y, *xs, graph, fwd, bwd, wrt: totals(graph)[1],
)
def custom_vjp(*xs: Any, graph: Graph, fwd: Graph, bwd: Graph, wrt: Wrt) -> Any:
    """The results of `graph` on `xs`, a tuple read by `item`, with a rule for reverse mode only.

    xs: operands, captures among them.  fwd: a graph over xs with results (results of `graph`, residuals).
    bwd: a graph over (residuals, cotangents of the inexact results) whose results are the cotangents of the operands
    `wrt`; the others count as constants.  Raises ShapeError if types differ, ForwardError in forward mode.
    """


def by_forward_rule(outputs: list[Value], wrt: Sequence[Value]) -> list[Value]:
    """`outputs` of a reverse pass with respect to `wrt`, in which values of custom_vjp are what their fwd rules gave.

    So that the pass can be differentiated once more in forward mode, as those rules are written.
    """
    order = topological(outputs)
    ruled = [v for v in order if v.prim is not None and v.prim.name == "custom_vjp"]
    live = reach(order, wrt) if ruled else set()
    for v in reversed(ruled):
        if v in live:
            found = inline(v.params[1], v.operands)
            outputs = substitute(outputs, {x: found[x.params[0]] for x in order if x.operands == (v,)})
    return outputs
