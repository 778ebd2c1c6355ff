"""Reverse mode: the linear part of each node, transposed and run backwards. No second set of derivative rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fgrad.ir.apply import located
from fgrad.ir.graph import Value, leaf, topological
from fgrad.ir.types import TupleType
from fgrad.transforms.jvp import Tangent, add_tangents, push_node, rule_missing


def pull_node(v: Value, ct: Tangent, wanted: Sequence[bool]) -> list[Tangent]:
    """Cotangents of the operands of one node that are `wanted`, None elsewhere or where zero."""
    prim = v.prim
    assert prim is not None
    if prim.name == "item":
        parts: list[Tangent] = [None] * len(v.operands[0].type.items)  # type: ignore[union-attr]  # a TupleType
        parts[v.params[0]] = ct
        return [tuple(parts)]
    if prim.linearize is not None:
        return list(prim.linearize(v, tuple(wanted)).pull(ct))
    params = v.named_params
    out: list[Tangent] = [None] * len(v.operands)
    for i, x in enumerate(v.operands):
        if wanted[i]:
            if i in prim.transpose:
                out[i] = prim.transpose[i](ct, *v.operands, **params)
            elif i in prim.jvp:
                out[i] = transpose_jvp(v, i, x, ct)
            else:
                raise rule_missing(v, "transpose")
    return out


def transpose_jvp(v: Value, i: int, x: Value, ct: Tangent) -> Tangent:
    """Cotangent of operand `i` by transposing the node's own jvp rule: primals are constants there, so linear time."""
    tangent = leaf(x.type)
    forward = push_node(v, [tangent if k == i else None for k in range(len(v.operands))])
    if forward is None:
        return None
    stop = (v, *v.operands)
    if isinstance(v.type, TupleType):
        pairs = [(f, c) for f, c in zip(forward, ct, strict=True) if f is not None and c is not None]
        return pull([f for f, _ in pairs], [c for _, c in pairs], (tangent,), stop)[0]
    return pull([forward], [ct], (tangent,), stop)[0]


def reach(order: Iterable[Value], wrt: Iterable[Value]) -> set[Value]:
    """Values in `order` through which a derivative can flow to `wrt`, those included."""
    live = set(wrt)
    for v in order:
        if v.type.inexact and v.prim is not None and v.prim.smooth and not live.isdisjoint(v.operands):
            live.add(v)
    return live


def pull(
    outputs: Sequence[Value], cts: Sequence[Tangent], wrt: Sequence[Value], stop: Sequence[Value] = ()
) -> list[Tangent]:
    """Cotangents of `wrt` given those of `outputs`; None where zero.

    The walk does not look behind `stop`; one value of `wrt` may depend on another.
    """
    order = topological(outputs, stop)
    live = reach(order, wrt)
    known: dict[Value, Any] = {}
    for v, ct in zip(outputs, cts, strict=True):
        if v in live:
            known[v] = add_tangents(known.get(v), ct)
    for v in reversed(order):
        ct = known.get(v)
        if ct is None or v not in live:
            continue
        with located(v.where):
            back = pull_node(v, ct, [x in live for x in v.operands])
            for x, c in zip(v.operands, back, strict=True):
                if c is not None:
                    known[x] = add_tangents(known.get(x), c)
    return [known.get(v) for v in wrt]
