"""Products whose rows, sums or batches come in groups of lengths known when the program runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, broadcast_to, call, reshape, same
from fgrad.eager.operands import convert
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.lax import operators as o

__all__ = ["RaggedDotDimensionNumbers", "ragged_dot", "ragged_dot_general"]


class GroupsError(ShapeError, TypeError):
    """Groups and shapes that do not go together (JAX raises TypeError)."""


class RaggedDotDimensionNumbers(NamedTuple):
    """dot_dimension_numbers as dot_general's; the axis of lhs that comes in groups; the axis of rhs with one entry for each of them."""

    dot_dimension_numbers: Any
    lhs_ragged_dimensions: Sequence[int]
    rhs_group_dimensions: Sequence[int]


PLAIN = RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,))


def ragged_dot(lhs: Any, rhs: Any, group_sizes: Any, precision: Any = None, preferred_element_type: Any = None,
               group_offset: Any = None, out_sharding: Any = None) -> Any:  # fmt: skip
    """[m, k] by [g, k, n]: row i times the matrix of its group; rows after the last group are 0.

    group_sizes: int[g], lengths of the groups, in order. Cost: that of g products, the groups being masks.
    Raises TypeError for shapes that do not fit. group_offset must be None.

    >>> import fgrad.numpy as jnp
    >>> ragged_dot(jnp.ones((3, 1)), jnp.array([[[2.0]], [[5.0]]]), jnp.array([1, 2]))[:, 0]
    Array([2., 5., 5.], dtype=float32)
    """
    rank = array_of(lhs)._type.ndim
    if rank == 2:
        return ragged_dot_general(lhs, rhs, group_sizes, PLAIN, precision, preferred_element_type, group_offset)
    numbers = RaggedDotDimensionNumbers((((2,), (2,)), ((0,), (1,))), (1,), (0,))
    return ragged_dot_general(lhs, rhs, group_sizes, numbers, precision, preferred_element_type, group_offset)


def ragged_dot_general(lhs: Any, rhs: Any, group_sizes: Any, ragged_dot_dimension_numbers: Any, precision: Any = None,
                       preferred_element_type: Any = None, group_offset: Any = None, out_sharding: Any = None) -> Any:  # fmt: skip
    """dot_general with one axis of lhs in groups. group_sizes: int[..., g], the leading axes those outside the ragged one, or int[g].

    A free axis of lhs: each part meets its own rhs, along rhs's group axis.  A contracted axis: one product for each
    group, on a new first axis.  A batch axis: dot_general.  Raises TypeError for numbers and shapes that do not fit.
    """
    if group_offset is not None:
        raise ArgumentError("ragged_dot: group_offset is not there, as in JAX", where=caller(), fix="leave it out")
    numbers = RaggedDotDimensionNumbers(*ragged_dot_dimension_numbers)
    a, b = same((lhs, rhs))
    sizes = array_of(group_sizes)
    if sizes._type.dtype.kind not in "iu":
        raise DtypeError(f"ragged_dot: group_sizes of {sizes._type}", where=caller(), fix="give integers")
    if len(numbers.lhs_ragged_dimensions) != 1:
        raise GroupsError(f"ragged_dot: {len(numbers.lhs_ragged_dimensions)} ragged axes", where=caller(), fix="name one axis of lhs")
    (lc, rc), (lb, rb) = [[tuple(p) for p in pair] for pair in numbers.dot_dimension_numbers]
    at, g = numbers.lhs_ragged_dimensions[0], sizes._type.shape[-1]
    wanted = a._type.dtype if preferred_element_type is None else as_dtype(preferred_element_type)
    if at in lb:
        return o.dot_general(a, b, ((lc, rc), (lb, rb)), None, wanted)
    outer = [i for i in (lc if at in lc else _free(a, lc, lb)) if i < at]
    grouped = _masked(a, _inside(sizes, a, at, (*lb, *outer)))  # [g, *lhs]
    lc, lb = tuple([i + 1 for i in lc]), tuple([i + 1 for i in lb])
    if at + 1 in lc:
        y = o.dot_general(grouped, b, ((lc, rc), (lb, rb)), None, wanted)
        n = len(lb)
        return call("transpose", y, axes=(n, *range(n), *range(n + 1, y._type.ndim)))
    group = _group_axis(numbers.rhs_group_dimensions, b, g)
    return o.dot_general(grouped, b, (((0, *lc), (group, *rc)), (lb, rb)), None, wanted)


def _free(x: Any, contract: tuple[int, ...], batch: tuple[int, ...]) -> list[int]:
    return [i for i in range(x._type.ndim) if i not in (*contract, *batch)]


def _group_axis(named: Sequence[int], b: Any, g: int) -> int:
    if len(named) != 1 or b._type.shape[named[0]] != g:
        raise GroupsError(f"ragged_dot: expected rhs group dimension size to be {g}, found axes {tuple(named)} of {b._type}", where=caller(),
                          fix="give rhs one entry for each group")  # fmt: skip
    return int(named[0])


def _inside(sizes: Any, x: Any, at: int, outer: tuple[int, ...]) -> Any:
    """bool[g, *ones and lengths of x]: is this place of the ragged axis in the group."""
    shape, g = x._type.shape, sizes._type.shape[-1]
    lead = tuple([shape[i] for i in outer])
    if sizes._type.ndim == 1:
        sizes = broadcast_to(sizes, (*lead, g))
    if sizes._type.shape != (*lead, g):
        raise GroupsError(f"ragged_dot: group_sizes of {sizes._type}, expected {(*lead, g)}", where=caller(), fix="give one number for each group")
    ends = call("cumsum", convert(sizes, np.dtype("int64")), axis=len(lead), reverse=False)
    places = array_of(np.arange(shape[at]))
    after = call("lt", *[broadcast_to(v, (*lead, g, shape[at])) for v in (places, reshape(ends, (*lead, g, 1)))])
    starts = ends - convert(sizes, np.dtype("int64"))
    before = call("lt", *[broadcast_to(v, (*lead, g, shape[at])) for v in (places, reshape(starts, (*lead, g, 1)))])
    inside = after & ~before
    order = (len(lead), *sorted([*range(len(lead)), len(lead) + 1], key=lambda k: (*outer, None, at)[k]))
    kept = {*outer, at}
    return reshape(call("transpose", inside, axes=order), (g, *[n if i in kept else 1 for i, n in enumerate(shape)]))


def _masked(x: Any, inside: Any) -> Any:
    """[g, *x]: x where it is inside, else 0."""
    full = (inside._type.shape[0], *x._type.shape)
    wide = broadcast_to(x, full)
    return o.select(broadcast_to(inside, full), wide, o.full_like(wide, 0))
