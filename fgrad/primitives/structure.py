"""Primitives that move nothing: reading one of several results, identities that mean something to a transform."""

from __future__ import annotations

from typing import Any

from fgrad.errors import DtypeError, RangeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.types import TupleType, Type
from fgrad.primitives.checks import store
from fgrad.primitives.shape import spread


def _item_type(t: Type, *, index: int, where: Where | None) -> Type:
    if not isinstance(t, TupleType):
        raise DtypeError(f"item: {t} is not a tuple", where=where, fix="use the value itself")
    if not 0 <= index < len(t.items):
        raise RangeError(
            f"item: no result {index} in {t}", where=where, fix=f"use an index from 0 to {len(t.items) - 1}"
        )
    return t.items[index]


@primitive(
    type=_item_type,
    lower=lambda xp, out, t, *, index: t[index] if out is None else store(xp, out, t[index]),
    batch=lambda n, batched, t, *, index: item(t, index=index),
    view_of=0,
)
def item(t: Any, *, index: int) -> Any:
    """Result `index` of an operation that has several. Derivatives: the transforms know this one."""


@primitive(
    type=lambda x, *, depth, where: x,
    lower=lambda xp, out, x, *, depth: store(xp, out, x),
    transpose={0: lambda ct, x, *, depth: ct},
    batch=lambda n, batched, x, *, depth: mark(x, depth=depth),
    scalar=lambda m, x, *, depth: x,
    view_of=0,
)
def mark(x: Any, *, depth: int = 0) -> Any:
    """`x` itself, as a value of its own: what a derivative is taken with respect to at nesting `depth`."""


@primitive(
    type=lambda x, *, name, where: x,
    lower=lambda xp, out, x, *, name: store(xp, out, x),
    transpose={0: lambda ct, x, *, name: ct},
    batch=lambda n, batched, x, *, name: checkpoint_name(x, name=name),
    scalar=lambda m, x, *, name: x,
    view_of=0,
)
def checkpoint_name(x: Any, *, name: str) -> Any:
    """`x` itself under a name, by which a checkpoint's policy can keep it."""


@primitive(
    type=lambda x, *, where: x,
    lower=lambda xp, out, x: store(xp, out, x),
    batch=lambda n, batched, x: stop_gradient(x),
    scalar=lambda m, x: x,
    view_of=0,
    smooth=False,
)
def stop_gradient(x: Any) -> Any:
    """`x` itself, a constant to every derivative."""


@primitive(
    type=lambda *types, n, label, where: TupleType(types[:n]),
    lower=lambda xp, out, *xs, n, label: tuple(
        [x.copy() if out is None else store(xp, out[i], x) for i, x in enumerate(xs[:n])]
    ),
    batch=lambda n_batch, batched, *xs, n, label: opaque(*spread(n_batch, batched, *xs), n=n, label=label),
)
def opaque(*xs: Any, n: int, label: Any) -> Any:
    """The first `n` operands, as results of user code whose derivative is user code too; the rest are its inputs."""
