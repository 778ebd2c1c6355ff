"""Runs a graph node by node through the plain lowerings, checking every inferred type on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType, TupleType, type_of_array


def check_type(v: Value, y: Any) -> None:
    if isinstance(v.type, TupleType):
        assert tuple(map(type_of_array, y)) == v.type.items, v
    elif isinstance(v.type, TensorType):
        assert isinstance(y, np.ndarray), (v, type(y))
        assert type_of_array(y) is v.type, (v, y.shape, y.dtype)


def evaluate(graph: Graph, *arrays: Any) -> list[Any]:
    """The outputs of `graph` on `arrays`."""
    env: dict[Value, Any] = dict(zip(graph.inputs, arrays, strict=True))

    def read(v: Value) -> Any:
        return env.get(v, v.const)

    with np.errstate(all="ignore"):
        for v in graph.values():
            assert v.prim is not None
            y = v.prim.lower(np, None, *map(read, v.operands), **v.named_params)
            check_type(v, y)
            env[v] = y
    return [read(v) for v in graph.outputs]
