"""A graph run op by op through the plain lowerings: first sight of a structure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType


def checked(v: Value, args: Sequence[Any], params: Mapping[str, Any]) -> None:
    """Raises what the primitive's own check finds in the values."""
    assert v.prim is not None
    assert v.prim.check is not None
    found = v.prim.check(np, *args, **params)
    if found:
        raise v.prim.refusal(found, v.where)


def interpret(graph: Graph, buffers: Sequence[Any], donated: Mapping[int, int] | None = None) -> list[Any]:
    """The outputs of `graph`, by the plain lowerings, each freed after its last use.

    buffers: arrays in the order of `graph.inputs`.  donated: output index -> input index whose buffer receives it.
    An output shares no memory with an input (donated ones excepted), a constant or another output.
    """
    env: dict[Value, Any] = dict(zip(graph.inputs, buffers, strict=True))
    order = graph.values()
    last: dict[Value, Value | None] = {}
    for v in order:
        for x in v.operands:
            last[x] = v
    last.update(dict.fromkeys((*graph.outputs, *graph.inputs)))  # these stay
    with np.errstate(all="ignore"):
        for v in order:
            prim = v.prim
            args = [env[x] if x.const is None else x.const for x in v.operands]
            if v.params:
                params = dict(zip(prim.params, v.params))  # type: ignore[union-attr]  # noqa: B905  # hot
                if prim.check is not None and v.may_fail:  # type: ignore[union-attr]
                    checked(v, args, params)
                env[v] = prim.lower(np, None, *args, **params)  # type: ignore[union-attr,misc]
            else:
                if prim.check is not None:  # type: ignore[union-attr]
                    checked(v, args, {})
                env[v] = prim.lower(np, None, *args)  # type: ignore[union-attr,misc]
            for x in v.operands:
                if last[x] is v:
                    env.pop(x, None)
        return finish(graph, env, buffers, donated or {})


def owner(v: Value) -> Value:
    """The value whose memory `v` shares, following views."""
    while v.prim is not None and v.prim.view_of is not None:
        v = v.operands[v.prim.view_of]
    return v


def base(a: Any) -> Any:
    """The array that owns `a`'s memory."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


def finish(graph: Graph, env: Mapping[Value, Any], buffers: Sequence[Any], donated: Mapping[int, int]) -> list[Any]:
    """Outputs as arrays of their own; donated ones are committed last, when nothing can fail any more."""
    out: list[Any] = []
    taken = {id(base(b)) for b in buffers if isinstance(b, np.ndarray)}
    for v in graph.outputs:
        a = env[v] if v.const is None else v.const
        if isinstance(v.type, TensorType):
            if not isinstance(a, np.ndarray):
                a = np.array(a, v.dtype)
            own = base(a)
            if owner(v).prim is None or id(own) in taken or not a.flags.c_contiguous or own.nbytes > a.nbytes:
                a = own = np.array(a, order="C")
            taken.add(id(own))
        out.append(a)
    places = [buffers[slot] for slot in donated.values()]
    deque(map(np.copyto, places, [out[i] for i in donated]), 0)  # one C call: no interrupt can tear it
    for i, place in zip(donated, places, strict=True):
        out[i] = place
    return out
