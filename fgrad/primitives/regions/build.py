"""Control flow written on Values: functions are recorded into closed graphs, what they capture becomes operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import intern
from fgrad.ir.types import TensorType
from fgrad.primitives.regions.checkpoint import checkpoint
from fgrad.primitives.regions.cond import cond
from fgrad.primitives.regions.parts import close, items
from fgrad.primitives.regions.scan import scan
from fgrad.primitives.regions.while_loop import while_loop
from fgrad.primitives.shape import iota

Values = list[Value]


def scan_values(
    f: Callable[[Values, Values], tuple[Sequence[Value], Sequence[Value]]],
    carry: Sequence[Value],
    xs: Sequence[Value] = (),
    *,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Values, Values]:
    """(last carries, stacked ys) of `carry, ys = f(carry, slices of xs)` over `length` steps.

    length: needed only where there are no `xs`.  Raises ArgumentError without either.
    """
    steps = xs[0].shape[0] if xs and length is None else length
    if steps is None:
        raise ArgumentError("scan: neither xs nor length is given", fix="give length=")
    inner = [leaf(x.type) for x in carry]
    slices = [leaf(x.type.with_shape(x.shape[1:])) for x in xs if isinstance(x.type, TensorType)]
    new, ys = f(inner, slices)
    graph, captured = close([*inner, *slices], [*new, *ys])
    own = len(inner) + len(slices)
    body = intern(Graph((*graph.inputs[own:], *graph.inputs[:own]), graph.outputs))
    found = items(
        scan(
            *captured, *carry, *xs, body=body, length=steps, reverse=reverse, n_consts=len(captured), n_carry=len(inner)
        )
    )
    return found[: len(inner)], found[len(inner) :]


def fori_values(
    lower: int, upper: int, f: Callable[[Value, Values], Sequence[Value]], carry: Sequence[Value]
) -> Values:
    """The last carries of `for i in range(lower, upper): carry = f(i, carry)`, i an int64[]: a scan over counters."""
    n = max(upper - lower, 0)
    counters: Any = iota(shape=(n,), dtype="int64", axis=0)
    if lower:
        counters = counters + lower
    return scan_values(lambda c, x: (f(x[0], c), ()), carry, [counters])[0]


def while_values(
    condition: Callable[[Values], Value], body: Callable[[Values], Sequence[Value]], carry: Sequence[Value]
) -> Values:
    """The last carries of `while condition(carry): carry = body(carry)`."""
    inner = [leaf(x.type) for x in carry]
    outputs = [condition(inner), *body(inner)]
    both, captured = close(inner, outputs)
    inputs = (*both.inputs[len(inner) :], *both.inputs[: len(inner)])
    test, step = (intern(Graph(inputs, part)) for part in (both.outputs[:1], both.outputs[1:]))
    return items(while_loop(*captured, *carry, condition=test, body=step, n_consts=len(captured)))


def cond_values(pred: Value, branches: Sequence[Callable[[Values], Sequence[Value]]], xs: Sequence[Value]) -> Values:
    """The results of branch `int(pred)` on `xs`; branches of a bool are (if false, if true).

    Leaves that a branch reads become operands. What a branch computes from them stays inside; a computed value from
    outside must be among `xs`.
    """
    inner = [leaf(x.type) for x in xs]
    parts = [list(f(inner)) for f in branches]
    whole, captured = close(inner, [v for part in parts for v in part], captures=())
    cuts = [0]
    for part in parts:
        cuts.append(cuts[-1] + len(part))
    graphs = tuple([intern(Graph(whole.inputs, whole.outputs[a:b])) for a, b in pairwise(cuts)])
    return items(cond(pred, *xs, *captured, branches=graphs))


def checkpoint_values(f: Callable[[Values], Sequence[Value]], xs: Sequence[Value], policy: str = "nothing") -> Values:
    """The results of `f` on `xs`, recomputed in reverse mode; a computed value from outside must be among `xs`."""
    inner = [leaf(x.type) for x in xs]
    graph, captured = close(inner, list(f(inner)), captures=())
    return items(checkpoint(*xs, *captured, graph=intern(graph), policy=policy))
