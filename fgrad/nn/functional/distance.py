"""Distances and similarities between vectors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions.call import axis_of, compose, floating, same
from fgrad.functions.exchange import placed
from fgrad.functions.select import index_select
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.ir.dtypes import kind
from fgrad.primitives import composites as c


def _cosine_rule(x: Any, y: Any, *, axis: int, eps: float) -> Any:
    """Each norm is raised to eps before dividing; the derivative takes no notice, as PyTorch's."""

    def size(a: Any) -> Any:
        n = c.norm(a, axes=(axis,), p=2.0, keep=True)
        raised = c.select(c.lt(n, c.number(eps, n)), c.number(eps, n), n)
        return n + c.stop_gradient(raised - n)

    return c.reduce_sum((x / size(x)) * (y / size(y)), axes=(axis,))


def check_floats(name: str, *xs: Any) -> None:
    """Refuses other numbers than real floats."""
    for x in xs:
        if kind(x._type.dtype) != "f":
            raise DtypeError(f"{name}: expected common dtype to be floating point, yet common dtype is {x._type.dtype.name}",
                             where=caller(), fix="convert with .float()")  # fmt: skip


def _wide(name: str, x1: Any, x2: Any) -> tuple[Any, Any]:
    """Two operands of one float dtype that broadcast to one rank."""
    x, y = (floating(x) for x in same((x1, x2)))
    shape = broadcast_shapes(x._type.shape, y._type.shape)
    if shape is None:
        raise ShapeError(f"{name}: {x1._type} and {x2._type} do not broadcast", where=caller(), fix="make the sizes equal or 1")
    return compose(_spread, x, shape=shape), compose(_spread, y, shape=shape)


def _spread(x: Any, *, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else c.broadcast_to(x, shape=shape)


@full_precision("cuda")
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """sum(x1 * x2) / (max(norm(x1), eps) * max(norm(x2), eps)) along `dim`."""
    check_floats("cosine_similarity", x1, x2)
    x, y = _wide("cosine_similarity", x1, x2)
    return compose(_cosine_rule, x, y, axis=axis_of(x, dim), eps=float(eps))


def _gap_rule(x: Any, y: Any, *, p: float, eps: float, keep: bool) -> Any:
    d = x - y + c.number(eps, x)
    d, keep = (d, keep) if d.ndim else (c.reshape(d, shape=(1,)), False)
    return c.norm(d, axes=(d.ndim - 1,), p=p, keep=keep)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """(sum |x1 - x2 + eps|^p)^(1/p) along the last dimension."""
    x, y = _wide("pairwise_distance", x1, x2)
    return compose(_gap_rule, x, y, p=float(p), eps=float(eps), keep=bool(keepdim))


@full_precision("cuda")
def pdist(input: Any, p: float = 2.0) -> Any:
    """Distances of order `p` between all pairs of rows i < j: float[n, m] -> float[n * (n - 1) / 2]."""
    t = input._type
    check_floats("pdist", input)
    if t.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {t.ndim}D", where=caller(), fix="give float[n, m]")
    if p < 0:
        raise ArgumentError("pdist only supports non-negative p values", where=caller(), fix="use p >= 0")
    pairs = np.asarray([*itertools.combinations(range(t.shape[0]), 2)], np.int64).reshape(-1, 2)
    first, second = (index_select(floating(input), 0, placed(type(input)._result, np.ascontiguousarray(i), input._device)) for i in (pairs[:, 0], pairs[:, 1]))
    return compose(_gap_rule, first, second, p=float(p), eps=0.0, keep=False)
