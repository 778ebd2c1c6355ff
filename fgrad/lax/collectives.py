"""JAX's collectives over the axes that vmap names: sums, extrema, stacks, permutations, and an example's own number."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.arrays import array_of, axis_of, call, reshape
from fgrad.eager.operands import convert, default_float
from fgrad.eager.tape import THREAD
from fgrad.eager.vmap import Axis
from fgrad.errors import ArgumentError, FgradError, RuleError, ShapeError
from fgrad.ir.apply import caller

__all__ = [
    "all_gather", "all_to_all", "axis_index", "axis_size", "pbroadcast", "pmax", "pmean", "pmin", "ppermute", "pshuffle", "psum",
    "psum_scatter", "pswapaxes",
]  # fmt: skip

INT64 = np.dtype("int64")


class AxisNameError(FgradError, NameError):
    """A name that no vmap around the call gives to an axis."""


def bound(name: Any) -> Axis:
    """The axis of that name. Raises NameError if there is none."""
    try:
        found = THREAD.axes.get(name)
    except TypeError:
        found = None
    if found is None:
        raise AxisNameError(f"unbound axis name: {name}. Bound are: {sorted(map(str, THREAD.axes)) or 'none'}", where=caller(),
                            fix="call it inside vmap(..., axis_name=...)")  # fmt: skip
    return found  # type: ignore[no-any-return]


def names_of(axis_name: Any) -> tuple[Any, ...]:
    """One name or several as a tuple."""
    return tuple(axis_name) if isinstance(axis_name, tuple | list) else (axis_name,)


def ungrouped(name: str, groups: Any) -> None:
    """Refuses axis_index_groups, as JAX does under vmap."""
    if groups is not None:
        raise RuleError(f"{name}: axis_index_groups over an axis of vmap", where=caller(),
                        fix="split the axis in two with reshape and nest two vmaps")  # fmt: skip


def axis_size(axis_name: Any) -> int:
    """How many examples an axis of that name has (a tuple of names: their product), a Python int. Raises NameError if unbound."""
    return math.prod([bound(n).size for n in names_of(axis_name)])


def axis_index(axis_name: Any) -> Any:
    """int32[]: the example's own number along an axis, or along several taken as one, the first name being the slowest.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.vmap(lambda x: x * fgrad.lax.axis_index("i"), axis_name="i")(jnp.ones(3))
    Array([0., 1., 2.], dtype=float32)
    """
    axes = [bound(n) for n in names_of(axis_name)]
    total = array_of(np.int64(0)) if not axes else axes[0].index
    for a in axes[1:]:
        total = total * a.size + a.index
    return convert(total, np.dtype("int32"))


def _moved(x: Any, source: int, target: int) -> Any:
    """`x` with one axis moved."""
    order = [i for i in range(x._type.ndim) if i != source]
    order.insert(target, source)
    return x if source == target else call("transpose", x, axes=tuple(order))


def _split(axis_name: Any) -> tuple[list[Axis], tuple[int, ...]]:
    """(the named axes, the axes of the operand itself, given as ints)."""
    names = names_of(axis_name)
    return [bound(n) for n in names if not isinstance(n, int)], tuple([n for n in names if isinstance(n, int)])


def _count(x: Any) -> Any:
    """Bools as integers."""
    a = array_of(x)
    return convert(a, INT64) if a._type.dtype.kind == "b" else a


def psum(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The sum of each leaf of `x` over the examples of the named axis (a tuple of names: over all of them).

    Ints among the names are axes of `x` itself.  A Python number is counted once for each example, when recorded:
    psum(1, name) is the axis's size.  Bools are counted.  The cotangent is summed too, as in JAX.  Raises NameError for
    an unbound name.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.vmap(lambda x: x / fgrad.lax.psum(x, "i"), axis_name="i")(jnp.array([1.0, 3.0]))
    Array([0.25, 0.75], dtype=float32)
    """
    ungrouped("psum", axis_index_groups)
    axes, own = _split(axis_name)

    def one(v: Any) -> Any:
        if isinstance(v, bool | int | float | complex) and not own:
            return math.prod([a.size for a in axes]) * v
        y = _count(v)
        y = call("reduce_sum", y, axes=_places(y, own)) if own else y
        for a in axes:
            y = call("named_sum", y, a.index, size=a.size)
        return y

    return tree.map(one, x)


def _places(x: Any, own: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({axis_of(x, a) for a in own}))


def pmean(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The mean of each leaf over the examples of the named axis: psum by its size. Integers become floats."""

    def one(v: Any) -> Any:
        y = array_of(v)
        y = y if y._type.inexact else convert(y, default_float())
        axes, own = _split(axis_name)
        n = math.prod([a.size for a in axes]) * math.prod([y._type.shape[axis_of(y, a)] for a in own])
        return psum(y, axis_name, axis_index_groups=axis_index_groups) / n

    return tree.map(one, x)


def _extreme(name: str, prim: str, x: Any, axis_name: Any, groups: Any) -> Any:
    ungrouped(name, groups)
    axes, own = _split(axis_name)

    def one(v: Any) -> Any:
        y = array_of(v)
        y = call(prim, y, axes=_places(y, own)) if own else y
        for a in axes:
            y = call(prim, call("named_stack", y, a.index, size=a.size), axes=(0,))
        return y

    return tree.map(one, x)


def pmax(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The greatest of each leaf over the examples of the named axis; names as in psum. Its derivative goes to the greatest."""
    return _extreme("pmax", "reduce_max", x, axis_name, axis_index_groups)


def pmin(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The least of each leaf over the examples of the named axis; names as in psum. Its derivative goes to the least."""
    return _extreme("pmin", "reduce_min", x, axis_name, axis_index_groups)


def _stacked(v: Any, axis_name: Any) -> Any:
    """The leaf of every example along a new first axis; of several names, the first is the slowest."""
    y = array_of(v)
    shape = y._type.shape
    axes = [bound(n) for n in names_of(axis_name)]
    for a in reversed(axes):
        y = call("named_stack", y, a.index, size=a.size)
    return reshape(y, (math.prod([a.size for a in axes]), *shape))


def _own(stack: Any, axis_name: Any) -> Any:
    """An example's own part of what has a part for each along axis 0."""
    return call("gather", stack, axis_index(axis_name), axes=(0,), mode="clip")


def all_gather(x: Any, axis_name: Any, *, axis_index_groups: Any = None, axis: int = 0, tiled: bool = False) -> Any:
    """Each leaf of every example, stacked along a new `axis`; tiled: one after the other along that axis of the leaf.

    Several names count as one axis, the first being the slowest.
    """
    ungrouped("all_gather", axis_index_groups)

    def one(v: Any) -> Any:
        y = _stacked(v, axis_name)
        at = axis_of(y, axis) if not tiled else axis_of(array_of(v), axis)
        y = _moved(y, 0, at)
        s = y._type.shape
        return reshape(y, (*s[:at], s[at] * s[at + 1], *s[at + 2 :])) if tiled else y

    return tree.map(one, x)


def psum_scatter(x: Any, axis_name: Any, *, scatter_dimension: int = 0, axis_index_groups: Any = None, tiled: bool = False) -> Any:
    """The sum over the named axis, of which an example keeps its own part along scatter_dimension.

    That axis is as long as the named one and disappears; tiled: it is a multiple of it and becomes so much shorter.
    Raises ShapeError otherwise.
    """
    ungrouped("psum_scatter", axis_index_groups)
    n = axis_size(axis_name)

    def one(v: Any) -> Any:
        y = psum(array_of(v), axis_name)
        at = axis_of(y, scatter_dimension)
        return _own(_moved(_parts(y, at, n, tiled, "psum_scatter"), at, 0), axis_name)

    return tree.map(one, x)


def _parts(y: Any, at: int, n: int, tiled: bool, name: str) -> Any:
    """`y` with axis `at` of length n; tiled: split into n and the rest."""
    s = y._type.shape
    if (s[at] % n if tiled else s[at] != n):
        raise ShapeError(f"{name}: axis {at} of {y._type} for a named axis of {n}", where=caller(),
                         fix=f"make it {'a multiple of ' if tiled else ''}{n} long")  # fmt: skip
    return reshape(y, (*s[:at], n, s[at] // n, *s[at + 1 :])) if tiled else y


def all_to_all(x: Any, axis_name: Any, split_axis: int, concat_axis: int, *, axis_index_groups: Any = None, tiled: bool = False) -> Any:
    """Part k of each leaf along split_axis goes to example k, which stacks what it gets along concat_axis.

    split_axis is as long as the named axis and disappears, concat_axis is new; tiled: split_axis is a multiple of it and
    becomes shorter, concat_axis so much longer.  Raises ShapeError otherwise.
    """
    ungrouped("all_to_all", axis_index_groups)
    n = axis_size(axis_name)

    def one(v: Any) -> Any:
        y = array_of(v)
        at = axis_of(y, split_axis)
        parts = _moved(_parts(y, at, n, tiled, "all_to_all"), at, 0)
        mine = _own(_moved(_stacked(parts, axis_name), 1, 0), axis_name)  # [sender, ...]
        to = axis_of(y, concat_axis)
        z = _moved(mine, 0, to)
        s = z._type.shape
        return reshape(z, (*s[:to], s[to] * s[to + 1], *s[to + 2 :])) if tiled else z

    return tree.map(one, x)


def ppermute(x: Any, axis_name: Any, perm: Iterable[Sequence[int]]) -> Any:
    """Each leaf sent along pairs (source, destination); an example that nobody sends to gets zeros.

    Raises ArgumentError if a source or a destination occurs twice or is out of range.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.vmap(lambda x: fgrad.lax.ppermute(x, "i", [(0, 1), (1, 2)]), axis_name="i")(jnp.array([1.0, 2.0, 3.0]))
    Array([0., 1., 2.], dtype=float32)
    """
    n = axis_size(axis_name)
    pairs = [(operator.index(a), operator.index(b)) for a, b in perm]
    for side in zip(*pairs, strict=True):
        if len(set(side)) < len(side) or not all(0 <= k < n for k in side):
            raise ArgumentError(f"ppermute: {pairs} over an axis of {n}", where=caller(),
                                fix="name each source and each destination at most once, from 0 on")  # fmt: skip
    sources = np.full(n, n)
    for a, b in pairs:
        sources[b] = a
    table = array_of(sources)
    return tree.map(lambda v: call("gather", _stacked(v, axis_name), _own(table, axis_name), axes=(0,), mode="fill"), x)


def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """Example k gets each leaf of example perm[k]. Raises ArgumentError unless perm is a permutation."""
    if sorted(perm) != list(range(axis_size(axis_name))):
        raise ArgumentError(f"pshuffle: {list(perm)} is no permutation of {axis_size(axis_name)}", where=caller(),
                            fix="name each example once")  # fmt: skip
    return ppermute(x, axis_name, list(zip(perm, range(len(perm)), strict=True)))


def pswapaxes(x: Any, axis_name: Any, axis: int, *, axis_index_groups: Any = None) -> Any:
    """The named axis and one of the leaf exchanged: all_to_all(x, axis_name, axis, axis)."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


def pbroadcast(x: Any, axis_name: Any, source: int) -> Any:
    """Each leaf of example `source`, for every example. Raises ArgumentError if there is no such example."""
    n = axis_size(axis_name)
    if not 0 <= source < n:
        raise ArgumentError(f"pbroadcast: source {source} on an axis of {n}", where=caller(), fix="use an example it has")
    return tree.map(lambda v: _stacked(v, axis_name)[source], x)
