"""Python functions inside a program, called on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.callables import name_of
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import intern
from fgrad.ir.types import TOKEN, TensorType, TupleType, Type
from fgrad.primitives.regions.parts import Flags, batch_type, items
from fgrad.primitives.regions.scan import scan
from fgrad.primitives.shape import reshape

Function = Callable[..., Any]
Types = tuple[TensorType, ...]
VMAPS = ("sequential", "expand_dims")


def _call(xp: Any, function: Function, results: Types, xs: Sequence[Any]) -> tuple[Any, ...]:
    """Calls `function` on NumPy arrays (copies: it may keep them) and checks what it gives."""
    host = [x.get() if hasattr(x, "get") else np.array(x) for x in xs]
    found = function(*host)
    parts = tuple(found) if isinstance(found, tuple | list) else (() if found is None else (found,))
    if len(parts) != len(results):
        raise ShapeError(
            f"the callback {name_of(function)} returned {len(parts)} results, {len(results)} were declared",
            fix="return a tuple with one array for each declared result",
        )
    done = []
    for part, t in zip(parts, results, strict=True):
        a = np.asarray(part)
        if a.shape != t.shape or not np.can_cast(a.dtype, t.dtype, "same_kind"):
            raise ShapeError(
                f"the callback {name_of(function)} returned {a.dtype.name}{list(a.shape)} where {t} was declared",
                fix="declare the result's shape and dtype as the callback returns it",
            )
        done.append(xp.array(a, dtype=t.dtype, order="C"))
    return tuple(done)


def _pure_type(*xs: Type, function: Function, results: Types, vmap: str, where: Where | None) -> Type:
    if vmap not in VMAPS:
        raise ArgumentError(
            f"pure_callback: no vmap method {vmap!r}", where=where, fix=f"use one of {', '.join(VMAPS)}"
        )
    return TupleType(results)


def _store(out: Any, found: tuple[Any, ...]) -> Any:
    if out is None:
        return found
    for target, a in zip(out, found, strict=True):
        target[...] = a
    return out


def _batch_pure(
    n: int, batched: Flags, *xs: Value, function: Function, results: Types, vmap: str
) -> tuple[tuple[Value, bool], ...]:
    if vmap == "expand_dims":
        grown = tuple([batch_type(t, n) for t in results])
        given = [x if b else reshape(x, shape=(1, *x.shape)) for x, b in zip(xs, batched, strict=True)]
        found = pure_callback(*given, function=function, results=grown, vmap=vmap)
        return tuple([(y, True) for y in items(found)])
    consts = [x for x, b in zip(xs, batched, strict=True) if not b]
    slices = [x for x, b in zip(xs, batched, strict=True) if b]
    fixed = [leaf(x.type) for x in consts]
    steps = [leaf(x.type.with_shape(x.shape[1:])) for x in slices]  # type: ignore[union-attr]  # tensors
    order = {False: iter(fixed), True: iter(steps)}
    call = pure_callback(*[next(order[b]) for b in batched], function=function, results=results, vmap=vmap)
    body = intern(Graph((*fixed, *steps), tuple(items(call))))
    return tuple(
        [(y, True) for y in items(scan(*consts, *slices, body=body, length=n, n_consts=len(fixed), n_carry=0))]
    )


@primitive(
    type=_pure_type,
    lower=lambda xp, out, *xs, function, results, vmap: _store(out, _call(xp, function, results, xs)),
    batch=_batch_pure,
)
def pure_callback(*xs: Any, function: Function, results: Types, vmap: str = "sequential") -> Any:
    """`function(*xs)`, a Python function of NumPy arrays without effects; a tuple of results, read by `item`.

    results: the type of each result.  vmap: "sequential" calls it once per lane, "expand_dims" once with a leading
    axis everywhere (length 1 where there is no batch).  It may be called any number of times, or never.
    Raises ShapeError if a result is not of the declared type.  Not differentiable: give it a custom rule.
    """


def _effect_type(token: Type, *xs: Type, function: Function, results: Types, where: Where | None) -> Type:
    if token is not TOKEN:
        raise ShapeError(f"callback: the first operand is {token}, not a token", where=where, fix="pass the last token")
    return TupleType((TOKEN, *results))


def _effect(xp: Any, out: Any, token: Any, *xs: Any, function: Function, results: Types) -> Any:
    found = _call(xp, function, results, xs)
    return (token, *_store(None if out is None else out[1:], found))


def _batch_effect(
    n: int, batched: Flags, token: Value, *xs: Value, function: Function, results: Types
) -> tuple[tuple[Value, bool], ...]:
    own = batched[1:]
    consts = [x for x, b in zip(xs, own, strict=True) if not b]
    slices = [x for x, b in zip(xs, own, strict=True) if b]
    fixed, start = [leaf(x.type) for x in consts], leaf(TOKEN)
    steps = [leaf(x.type.with_shape(x.shape[1:])) for x in slices]  # type: ignore[union-attr]  # tensors
    order = {False: iter(fixed), True: iter(steps)}
    call = callback(start, *[next(order[b]) for b in own], function=function, results=results)
    body = intern(Graph((*fixed, start, *steps), tuple(items(call))))
    done = items(scan(*consts, token, *slices, body=body, length=n, n_consts=len(fixed), n_carry=1))
    return tuple([(y, k > 0) for k, y in enumerate(done)])


@primitive(type=_effect_type, lower=_effect, batch=_batch_effect, effect=True, smooth=False)
def callback(token: Any, *xs: Any, function: Function, results: Types = ()) -> Any:
    """`function(*xs)` for its effect, in the order of tokens; a tuple (token, *results), read by `item`.

    token: the last one.  xs: handed over as NumPy arrays.  results: the type of each result.
    Derivatives stop here.  vmap: one call per lane, in order.
    """
