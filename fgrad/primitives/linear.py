"""Products of tensors: dot_general, and matmul on top of it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from fgrad.errors import ShapeError, Where
from fgrad.ir.apply import broadcast_shapes, caller, primitive
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_axes, check_kinds, device_of, is_half, store
from fgrad.primitives.shape import broadcast_to, inverse, move_axis, transpose

Axes = tuple[int, ...]
Pair = tuple[Axes, Axes]


def _free(ndim: int, contract: Axes, batch: Axes) -> Axes:
    return tuple([i for i in range(ndim) if i not in contract and i not in batch])


def _dot_type(a: TensorType, b: TensorType, *, contract: Pair, batch: Pair, where: Where | None) -> Type:
    check_kinds("dot_general", "uifc", (a, b), where)
    for x, mine, shared in ((a, contract[0], batch[0]), (b, contract[1], batch[1])):
        check_axes("dot_general", x, (*mine, *shared), where)
    for what, (left, right) in (("contracted", contract), ("batch", batch)):
        da, db = [a.shape[i] for i in left], [b.shape[i] for i in right]
        if da != db:
            raise ShapeError(
                f"dot_general: {what} axes differ in {a} and {b}: {left} has {da}, {right} has {db}",
                where=where,
                fix="pair axes of equal length; a transpose or reshape may be missing",
            )
    shape = [a.shape[i] for i in (*batch[0], *_free(a.ndim, contract[0], batch[0]))]
    shape += [b.shape[i] for i in _free(b.ndim, contract[1], batch[1])]
    return TensorType(tuple(shape), a.dtype, device_of((a, b)))


class _Plan(NamedTuple):
    """How to see two tensors as stacks of matrices: permutations (None: as they are) and shapes."""

    order_a: Axes | None
    order_b: Axes | None
    shape_a: Axes
    shape_b: Axes
    shape: Axes  # of the result
    matrices: Axes  # of the result before its axes are split


@lru_cache(4096)
def _plan(a: Axes, b: Axes, contract: Pair, batch: Pair) -> _Plan:
    free_a, free_b = _free(len(a), contract[0], batch[0]), _free(len(b), contract[1], batch[1])
    pairs = sorted(zip(*contract, strict=True))  # in the order of `a`, so that its axes join without a copy
    left, right = tuple([p[0] for p in pairs]), tuple([p[1] for p in pairs])
    orders = ((*batch[0], *free_a, *left), (*batch[1], *right, *free_b))
    n, m = math.prod([a[i] for i in batch[0]]), math.prod([a[i] for i in free_a])
    k, p = math.prod([a[i] for i in left]), math.prod([b[i] for i in free_b])
    lead = (n,) if batch[0] else ()
    shape = (*[a[i] for i in (*batch[0], *free_a)], *[b[i] for i in free_b])
    order_a, order_b = [None if o == tuple(range(len(o))) else o for o in orders]
    return _Plan(order_a, order_b, (*lead, m, k), (*lead, k, p), shape, (*lead, m, p))


def _dot(xp: Any, out: Any, a: Any, b: Any, *, contract: Pair, batch: Pair) -> Any:
    plan = _plan(a.shape, b.shape, contract, batch)
    own = a.dtype
    if is_half(own):
        a, b = a.astype("float32"), b.astype("float32")
    if plan.order_a is not None:
        a = a.transpose(plan.order_a)
    if plan.order_b is not None:
        b = b.transpose(plan.order_b)
    a, b = a.reshape(plan.shape_a), b.reshape(plan.shape_b)  # views where the layout allows
    if out is not None and out.dtype == a.dtype and out.flags.c_contiguous:
        xp.matmul(a, b, out=out.reshape(plan.matrices))
        return out
    y = xp.matmul(a, b).reshape(plan.shape)
    return store(xp, out, y) if out is not None else y.astype(own, copy=False)


def _dot_a(ct: Value, a: Value, b: Value, *, contract: Pair, batch: Pair) -> Any:
    """ct: batch, free of a, free of b. Contract it with `b` over the latter; then put the axes back in order."""
    shared, free_a, free_b = len(batch[0]), _free(a.ndim, contract[0], batch[0]), _free(b.ndim, contract[1], batch[1])
    tail = tuple(range(ct.ndim - len(free_b), ct.ndim))
    y = dot_general(ct, b, contract=(tail, free_b), batch=(tuple(range(shared)), batch[1]))
    back = sorted(zip(contract[1], contract[0], strict=True))  # y ends with the contracted axes, in the order of `b`
    order = (*batch[0], *free_a, *(p[1] for p in back))
    return transpose(y, axes=inverse(order)) if order != tuple(range(a.ndim)) else y


def _dot_b(ct: Value, a: Value, b: Value, *, contract: Pair, batch: Pair) -> Any:
    """As `_dot_a`; `a` comes first, so that `x.T @ ct` is one product whose layout is that of a row-major weight."""
    shared, free_a, free_b = len(batch[0]), _free(a.ndim, contract[0], batch[0]), _free(b.ndim, contract[1], batch[1])
    middle = tuple(range(shared, shared + len(free_a)))
    y = dot_general(a, ct, contract=(free_a, middle), batch=(batch[0], tuple(range(shared))))
    back = sorted(zip(*contract, strict=True))  # y: batch, contracted in the order of `a`, free of b
    order = (*batch[1], *(p[1] for p in back), *free_b)
    return transpose(y, axes=inverse(order)) if order != tuple(range(b.ndim)) else y


def _more(axes: Axes, by: bool) -> Axes:
    return tuple([i + by for i in axes])


def _batch_dot(n: int, batched: tuple[bool, ...], a: Value, b: Value, *, contract: Pair, batch: Pair) -> Any:
    ba, bb = batched
    contract = (_more(contract[0], ba), _more(contract[1], bb))
    shared = (_more(batch[0], ba), _more(batch[1], bb))
    if ba and bb:
        return dot_general(a, b, contract=contract, batch=((0, *shared[0]), (0, *shared[1])))
    y = dot_general(a, b, contract=contract, batch=shared)
    at = len(batch[0]) if ba else len(batch[0]) + len(_free(a.ndim, contract[0], shared[0]))
    return move_axis(y, at, 0)


@primitive(
    type=_dot_type,
    lower=_dot,
    transpose={0: _dot_a, 1: _dot_b},
    batch=_batch_dot,
    flops=lambda y, a, b, *, contract, batch: 2 * y.size * math.prod([a.shape[i] for i in contract[0]]),
)
def dot_general(a: Any, b: Any, *, contract: Pair, batch: Pair) -> Any:
    """Sum of products over the paired axes `contract`, apart for each index of the paired axes `batch`.

    Axes of the result: batch, the other axes of `a`, the other axes of `b`. Half precision is summed in float32.
    Source: XLA operation semantics, DotGeneral.
    """


def matmul(a: Any, b: Any) -> Any:
    """Matrix product over the last two axes; leading axes broadcast, 1-d operands are a row or a column.

    a: x[..., m, k].  b: x[..., k, n].  Returns x[..., m, n]; an axis of a 1-d operand disappears.
    Raises ShapeError if k differs or leading axes do not broadcast.
    """
    inner = b.ndim - 2 if b.ndim > 1 else 0
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[inner]:
        found = f" ({a.shape[-1]} != {b.shape[inner]})" if a.ndim and b.ndim else ""
        raise ShapeError(
            f"matmul: inner axes differ in {a.type} @ {b.type}{found}",
            where=caller(),
            fix="transpose one operand, or check the layer widths",
        )
    if b.ndim <= 2 or a.ndim == 1:
        y = dot_general(a, b, contract=((a.ndim - 1,), (inner,)), batch=((), ()))
        return y
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if lead is None:
        raise ShapeError(
            f"matmul: leading axes do not broadcast in {a.type} @ {b.type}",
            where=caller(),
            fix="reshape one operand so that every leading axis is equal or 1",
        )
    a, b = [x if x.shape[:-2] == lead else broadcast_to(x, shape=(*lead, *x.shape[-2:])) for x in (a, b)]
    shared = tuple(range(len(lead)))
    return dot_general(a, b, contract=((a.ndim - 1,), (b.ndim - 2,)), batch=(shared, shared))


FUNCTIONS["matmul"] = matmul
