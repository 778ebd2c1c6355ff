"""Sums and stacks over an axis that vmap has named: until that vmap is batched, each node stands for one example of many."""

from __future__ import annotations

from typing import Any

from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType
from fgrad.primitives.checks import check_kinds, device_of, store
from fgrad.primitives.index import gather
from fgrad.primitives.reduce import reduce_sum
from fgrad.primitives.shape import ALL, broadcast_to, full, move_axis
from fgrad.transforms.batch import Shared


def _sum_type(x: TensorType, index: TensorType, *, size: int, where: Any) -> TensorType:
    check_kinds("named_sum", "uifc", (x,), where)
    return TensorType(x.shape, x.dtype, device_of((x, index)))


def _batch_sum(n: int, batched: tuple[bool, ...], x: Value, index: Value, *, size: int) -> Any:
    if not batched[1]:  # another vmap's axis
        return named_sum(x, index, size=size)
    return Shared(reduce_sum(x, axes=(0,)) if batched[0] else x * full(x.shape, size, x))


@primitive(
    type=_sum_type,
    lower=lambda xp, out, x, index, *, size: store(xp, out, x * x.dtype.type(size)),
    transpose={0: lambda ct, x, index, *, size: named_sum(ct, index, size=size)},
    batch=_batch_sum,
    flops=lambda y, x, index, *, size: y.size,
)
def named_sum(x: Any, index: Any, *, size: int) -> Any:
    """The sum of `x` over the examples that `index` counts: int64[], the example's own number of `size`.

    The vmap that `index` belongs to gives it the batch axis and the node its meaning. An `x` that is the same in every
    example is counted `size` times.
    """


def _stack_type(x: TensorType, index: TensorType, *, size: int, where: Any) -> TensorType:
    check_kinds("named_stack", ALL, (x,), where)
    return TensorType((size, *x.shape), x.dtype, device_of((x, index)))


def _batch_stack(n: int, batched: tuple[bool, ...], x: Value, index: Value, *, size: int) -> Any:
    if batched[1]:
        return Shared(x if batched[0] else broadcast_to(x, shape=(n, *x.shape)))
    return move_axis(named_stack(x, index, size=size), 0, 1)


def _own_part(ct: Value, x: Value, index: Value, *, size: int) -> Any:
    """The sum over the examples of what each asks of this one."""
    return gather(named_sum(ct, index, size=size), index, axes=(0,), mode="clip")


@primitive(
    type=_stack_type,
    lower=lambda xp, out, x, index, *, size: store(xp, out, xp.concatenate([x[None]] * size)),
    transpose={0: _own_part},
    batch=_batch_stack,
)
def named_stack(x: Any, index: Any, *, size: int) -> Any:
    """The `x` of every example along a new first axis of `size`; index as in named_sum."""
