"""Rules for reading and writing by index: where few elements matter, no array of all of them is made.

The gradient of a loss that picks one logit a row is a scatter into zeros; what it is added to can be written to instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.rewrite import Pattern, Rewrite, splat
from fgrad.passes.spaces import root
from fgrad.primitives.arithmetic import add, neg
from fgrad.primitives.index import gather, scatter
from fgrad.primitives.reduce import reduce_sum
from fgrad.primitives.shape import broadcast_to, reshape

Axes = tuple[int, ...]
FEW = 4  # a gather takes few elements if there are this many times as many


def counts(i: Value) -> int | None:
    """The axis along which an index tensor counts 0, 1, 2, ...; None if it does not."""
    return i.named_params["axis"] if i.prim is not None and i.prim.name == "iota" else None


def everywhere(x: Value, axes: Axes) -> bool:
    """True if every axis of `x` is indexed."""
    return axes == tuple(range(x.ndim))


def one_a_row(x: Value, indices: tuple[Value, ...], axes: Axes) -> int | None:
    """The axis along which one element of each row of `x` is indexed, the other indices counting the rows; else None."""
    shape = indices[0].shape
    picked = [a for a, i in zip(axes, indices, strict=True) if counts(i) != a]
    if not everywhere(x, axes) or len(shape) != x.ndim or len(picked) != 1 or shape[picked[0]] != 1:
        return None
    rows = all(shape[a] == x.shape[a] for a in axes if a != picked[0])
    return picked[0] if rows else None


def gather_elementwise(x: Value, *rest: Any) -> Any:
    """Few elements of f(y) are f of few elements of y, where one operand varies and the others are repeated numbers or rows."""
    *indices, axes, mode = rest
    if x.prim is None or not x.prim.elementwise or mode != "clip" or not everywhere(x, axes):
        return None
    if indices[0].size * FEW > x.size or sum([root(y).size == x.size for y in x.operands]) > 1:
        return None
    few = [gather(y, *indices, axes=axes, mode=mode) if y.ndim else y for y in x.operands]
    return FUNCTIONS[x.prim.name](*few, **x.named_params)


def gather_repeated(x: Value, *rest: Any) -> Any:
    """A repeated tensor is read where it is: indices of the axes that it is repeated along do not matter."""
    *indices, axes, mode = rest
    if x.prim is None or x.prim.name != "broadcast_to" or mode != "clip" or not everywhere(x, axes):
        return None
    y, lead, shape = x.operands[0], x.ndim - x.operands[0].ndim, indices[0].shape
    kept = [a for a in axes if a >= lead and y.shape[a - lead] == x.shape[a] != 1]
    if len(kept) == len(axes):
        return None
    y = reshape(y, shape=tuple([x.shape[a] for a in kept]))
    if not kept:
        return broadcast_to(y, shape=shape)
    return gather(y, *[indices[a] for a in kept], axes=tuple(range(len(kept))), mode=mode)


def gather_in_order(x: Value, *rest: Any) -> Any:
    """All elements in their order: indices that count along ascending axes of the result."""
    *indices, axes, _ = rest
    places, shape = [counts(i) for i in indices], indices[0].shape
    if None in places or places != sorted(set(places)) or not everywhere(x, axes):  # type: ignore[type-var]
        return None
    if any(shape[p] != d for p, d in zip(places, x.shape, strict=True)):
        return None
    unit = tuple([d if i in places else 1 for i, d in enumerate(shape)])
    return broadcast_to(reshape(x, shape=unit), shape=shape)


def sum_scattered(base: Value, updates: Value, *rest: Any) -> Any:
    """The sum over rows of zeros with one number in each is that number."""
    *indices, axes, op, mode, over = rest
    picked = one_a_row(base, tuple(indices), axes)
    zero = splat(base)
    if zero is None or zero != 0 or op != "add" or mode != "clip" or picked is None or over != (picked,):
        return None
    return reduce_sum(updates, axes=over)


def sum_scattered_neg(*holes: Any) -> Any:
    """The same with the other sign."""
    y = sum_scattered(*holes)
    return None if y is None else neg(y)


def add_scattered(base: Value, updates: Value, *rest: Any) -> Any:
    """What one number a row is added to may be written to; with several numbers for one place rounding would differ."""
    *indices, axes, op, mode, y = rest
    zero = splat(base)
    if zero is None or zero != 0 or op != "add" or mode != "clip" or one_a_row(base, tuple(indices), axes) is None:
        return None
    return None if y.prim is None else scatter(y, updates, *indices, axes=axes, op=op, mode=mode)


def gathered(x: Any, *rest: Any) -> Any:
    """A gather."""
    return gather(x, *rest[:-2], axes=rest[-2], mode=rest[-1])


def scattered(base: Any, updates: Any, *rest: Any) -> Any:
    """A scatter."""
    return scatter(base, updates, *rest[:-3], axes=rest[-3], op=rest[-2], mode=rest[-1])


def rule(name: str, n: int, first: str, last: str, left: Callable[..., Any], right: Callable[..., Any]) -> Rewrite:
    """A rule whose holes are some, then `n` index tensors, then some."""
    holes = (*first.split(), *[f"i{k}" for k in range(n)], *last.split())
    return Rewrite(f"{name} {n}", left, right, None, holes, left(*[Pattern(h) for h in holes]))


SPARSE: tuple[Rewrite, ...] = tuple(
    r
    for n in (1, 2, 3, 4)
    for r in (
        rule("gather elementwise", n, "x", "a m", gathered, gather_elementwise),
        rule("gather repeated", n, "x", "a m", gathered, gather_repeated),
        rule("gather in order", n, "x", "a m", gathered, gather_in_order),
        rule("sum scattered", n, "z u", "a o m k", lambda *h: reduce_sum(scattered(*h[:-1]), axes=h[-1]), sum_scattered),
        rule("sum scattered neg", n, "z u", "a o m k", lambda *h: reduce_sum(neg(scattered(*h[:-1])), axes=h[-1]), sum_scattered_neg),
        rule("add scattered", n, "z u", "a o m y", lambda *h: add(scattered(*h[:-1]), h[-1]), add_scattered),
    )
)
