"""PyTorch's running operations and those on neighbours: cummax, logcumsumexp, diff, trapezoid, gradient.

`dim` is the dimension they run along; results of `cummax` and its kin are (values, indices).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.eager.cell import Cell
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions import return_types as rt
from fgrad.functions.call import axis_of, compose, compose_many, convert, floating, is_integer
from fgrad.functions.pointwise import add, div, into, mul, sub
from fgrad.functions.reductions import cumsum, sum, zero_index
from fgrad.functions.return_types import MinMax
from fgrad.functions.shape import cat, narrow, reshape
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.primitives import running
from fgrad.primitives.shape import full

__all__ = [
    "cummax", "cummin", "cumulative_trapezoid", "diff", "gradient", "logcumsumexp", "trapezoid", "trapz",
]  # fmt: skip


def _extreme(x: Any, dim: int, *, largest: bool) -> MinMax:
    axis = axis_of(x, dim)
    if not x._type.shape:
        found = (x.clone(), zero_index(x))
    else:
        found = compose_many(running.extreme, x, axis=axis, largest=largest)
    return MinMax(*found)


@rt.returns(rt.cummax)
def cummax(input: Any, dim: int) -> MinMax:
    """(running maximum, index of the latest element that equals it)."""
    return _extreme(input, dim, largest=True)


@rt.returns(rt.cummin)
def cummin(input: Any, dim: int) -> MinMax:
    """(running minimum, index of the latest element that equals it)."""
    return _extreme(input, dim, largest=False)


def logcumsumexp(input: Any, dim: int, *, out: Any = None) -> Any:
    """log of the running sum of exp(x)."""
    if is_integer(input):
        raise DtypeError(f'"logcumsumexp" not implemented for {input.dtype}', where=caller(), fix="convert with .float()")
    axis = axis_of(input, dim)
    return into(out, input.clone() if not input._type.shape else compose(running.log_cumsum_exp, input, axis=axis))


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None, *, out: Any = None) -> Any:
    """The n-th difference of neighbours along `dim`: x[i + 1] - x[i] (bools: whether they differ), n times.

    prepend, append: tensors to join before and after first.
    """
    if not input._type.ndim:
        raise ShapeError("diff expects input to be at least one-dimensional", where=caller(), fix="give a vector")
    if n < 0:
        raise ArgumentError(f"order must be non-negative but got {n}", where=caller(), fix="use n >= 0")
    axis = axis_of(input, dim)
    parts = [x for x in (prepend, input, append) if x is not None]
    x = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(n):
        x = compose(running.difference, x, axis=axis)
    return into(out, x if n else x.clone())


def _trapezoids(y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    axis = axis_of(y, dim)
    if kind(y._type.dtype) == "b":
        raise DtypeError("trapezoid: received a bool input for `y`", where=caller(), fix="convert to numbers")
    if x is not None and dx is not None:
        raise ArgumentError("trapezoid: give x or dx, not both", where=caller(), fix="leave one out")
    if x is None:
        return compose(running.halves, floating(y), axis=axis, dx=float(1 if dx is None else dx)), axis
    if x._type.ndim == 1 and y._type.ndim > 1:
        x = reshape(x, tuple(-1 if i == axis else 1 for i in range(y._type.ndim)))
    place = x._type.ndim - (y._type.ndim - axis)
    if x._type.shape[place] != y._type.shape[axis]:
        raise ShapeError(f"There must be one `x` value for each sample point, got {x._type} for {y._type}", where=caller(),
                         fix="give as many places as values")  # fmt: skip
    y = floating(y)
    n = y._type.shape[axis]
    means = mul(add(narrow(y, axis, min(1, n), max(n - 1, 0)), narrow(y, axis, 0, max(n - 1, 0))), 0.5)
    return mul(means, compose(running.difference, x, axis=place)), axis  # differences in the places' own dtype


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral of `y` along `dim` by the trapezoid rule, at the places `x`, or `dx` (1) apart."""
    areas, axis = _trapezoids(y, x, dx, dim)
    return sum(areas, axis)


trapz = trapezoid


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The running integral of `y` along `dim` by the trapezoid rule: one element fewer."""
    areas, axis = _trapezoids(y, x, dx, dim)
    return cumsum(areas, axis)


def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """Central differences along each of `dim` (all by default), one-sided of `edge_order` (1 or 2) at the ends.

    spacing: the distance of neighbours, one for each dimension, or tensors of their places.
    """
    axes = tuple(range(input._type.ndim)) if dim is None else tuple(axis_of(input, d) for d in ((dim,) if isinstance(dim, int) else dim))
    given = list(spacing) if isinstance(spacing, Sequence) else [spacing] * len(axes)
    if len(given) != len(axes):
        raise ArgumentError(f"torch.gradient expected spacing to be unspecified, a scalar or a list of length {len(axes)}",
                            where=caller(), fix="give one spacing for each dimension")  # fmt: skip
    if edge_order not in (1, 2):
        raise ArgumentError("torch.gradient only supports edge_order=1 and edge_order=2.", where=caller(), fix="use 1 or 2")
    if any(input._type.shape[a] < edge_order + 1 for a in axes):
        raise ArgumentError("torch.gradient expected each dimension size to be at least edge_order+1", where=caller(),
                            fix="give more points")  # fmt: skip
    if kind(input._type.dtype) == "b":
        raise DtypeError("Subtraction, the `-` operator, with two bool tensors is not supported.", where=caller(), fix="use .float()")
    x = floating(input)
    return tuple(_slope(x, a, s, edge_order) for a, s in zip(axes, given, strict=True))


def _slope(y: Any, axis: int, spacing: Any, order: int) -> Any:
    n = y._type.shape[axis]

    def part(t: Any, start: int, count: int) -> Any:
        return narrow(t, axis if t._type.ndim > 1 else 0, start, count)

    if isinstance(spacing, Cell) and spacing._type.ndim:
        h = compose(running.difference, convert(spacing, y._type.dtype), axis=0)
        h = reshape(h, tuple(-1 if i == axis else 1 for i in range(y._type.ndim)))
    else:
        shape = tuple(n - 1 if i == axis else 1 for i in range(y._type.ndim))
        step = float(spacing)
        h = mul(_ones(y, shape), step)
    d = div(sub(part(y, 1, n - 1), part(y, 0, n - 1)), h)  # slopes between neighbours
    a, b = part(h, 0, n - 2), part(h, 1, n - 2)
    left, right = part(d, 0, n - 2), part(d, 1, n - 2)
    inner = div(add(mul(right, a), mul(left, b)), add(a, b))
    first, last = part(d, 0, 1), part(d, n - 2, 1)
    if order == 2:
        h0, h1 = part(h, 0, 1), part(h, 1, 1)
        first = sub(first, mul(div(sub(part(d, 1, 1), first), add(h0, h1)), h0))
        g0, g1 = part(h, n - 3, 1), part(h, n - 2, 1)
        last = add(last, mul(div(sub(last, part(d, n - 3, 1)), add(g0, g1)), g1))
    return cat([first, inner, last], axis)


def _ones(like: Any, shape: tuple[int, ...]) -> Any:
    return compose(_filled, like, shape=shape)


def _filled(x: Any, *, shape: tuple[int, ...]) -> Any:
    return full(shape, 1, x)


class RunningMethods:
    """Tensor's methods of these operations."""

    __slots__ = ()
    cummax, cummin, logcumsumexp, diff = cummax, cummin, logcumsumexp, diff
