"""associative_scan, a running combination in logarithmic depth, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.arrays import array_of, axis_of, call
from fgrad.eager.operands import compose, floating
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.lax.operators import dims_of
from fgrad.primitives.composites import logaddexp

Leaves = list[Any]


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Every prefix combined by the associative `fn(a, b)`, which takes and returns trees like `elems`, batched along axis.

    reverse: suffixes.  Cost: 2n combinations in 2 log n rounds.
    Source: Blelloch 1990, Prefix sums and their applications.
    """
    if not callable(fn):
        raise ArgumentError(f"associative_scan: fn is {type(fn).__name__}", where=caller(), fix="give the function first")
    leaves, spec = tree.flatten(elems)
    xs = [array_of(x) for x in leaves]
    at = axis_of(xs[0], axis)
    n = xs[0]._type.shape[at]
    if any(x._type.shape[at] != n for x in xs):
        raise ShapeError("associative_scan: lengths differ along the axis", where=caller(), fix="make them equal")
    xs = [flip(x, at) for x in xs] if reverse else xs

    def combine(a: Leaves, b: Leaves) -> Leaves:
        found = fn(tree.unflatten(spec, a), tree.unflatten(spec, b))
        return [array_of(x) for x in tree.leaves(found)]

    ys = prefixes(combine, xs, at) if n > 1 else xs
    return tree.unflatten(spec, [flip(y, at) for y in ys] if reverse else ys)


def cumlogsumexp(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
    """log(cumsum(exp(operand))) along `axis`, finite where it can be; reverse: from the end."""
    x = floating(array_of(operand))
    return associative_scan(lambda a, b: compose(logaddexp, a, b), x, reverse, dims_of("cumlogsumexp", x, (axis,))[0])


def flip(x: Any, axis: int) -> Any:
    """Reversed along one axis."""
    return call("flip", x, axes=(axis,))


def part(x: Any, axis: int, start: int, stop: int | None = None, step: int = 1) -> Any:
    """x[..., start:stop:step, ...]."""
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def prefixes(combine: Callable[[Leaves, Leaves], Leaves], xs: Leaves, axis: int) -> Leaves:
    """Pairs combined, their prefixes found, and the places between filled in."""
    n = xs[0]._type.shape[axis]
    if n < 2:
        return xs
    pairs = combine([part(x, axis, 0, n - 1, 2) for x in xs], [part(x, axis, 1, None, 2) for x in xs])
    odd = prefixes(combine, pairs, axis)
    count = n // 2 if n % 2 else n // 2 - 1  # even places after the first
    later = [part(x, axis, 2, None, 2) for x in xs]
    even = combine([part(y, axis, 0, count) for y in odd], later) if count else later
    first = [part(x, axis, 0, 1) for x in xs]
    full = [call("concatenate", a, b, axis=axis) if count else a for a, b in zip(first, even, strict=True)]
    return [interleave(a, b, axis) for a, b in zip(full, odd, strict=True)]


def interleave(even: Any, odd: Any, axis: int) -> Any:
    """even[0], odd[0], even[1], ... along one axis."""
    n = even._type.shape[axis] + odd._type.shape[axis]
    whole = [spread(x, axis, n, k) for k, x in enumerate((even, odd))]
    mask = np.arange(n) % 2 == 0
    shape = whole[0]._type.shape
    wide = np.broadcast_to(mask.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)
    return call("select", array_of(np.ascontiguousarray(wide)), *whole)


def spread(x: Any, axis: int, n: int, start: int) -> Any:
    """Elements at places start, start + 2, ... of an axis of length n, zeros between."""
    rank, m = x._type.ndim, x._type.shape[axis]
    at = [(start, n - start - (2 * m - 1), 1) if i == axis else (0, 0, 0) for i in range(rank)]
    low, high, interior = zip(*at, strict=True)
    zero = array_of(np.zeros((), x._type.dtype))
    return call("pad", x, zero, low=low, high=high, interior=interior)
