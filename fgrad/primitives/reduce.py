"""Reductions over axes, and the positions of extremes."""

from __future__ import annotations

from typing import Any

from fgrad.errors import ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import INT64, TensorType, Type
from fgrad.primitives.arithmetic import convert, select
from fgrad.primitives.checks import check_axes, check_kinds, is_half, store
from fgrad.primitives.compare import eq
from fgrad.primitives.elementwise import Decorator
from fgrad.primitives.shape import broadcast_to, number, pad, reshape, transpose

Axes = tuple[int, ...]


def restore(y: Value, shape: Axes, axes: Axes) -> Any:
    """A reduced tensor repeated along the reduced axes, back to `shape`."""
    kept = tuple([1 if i in axes else d for i, d in enumerate(shape)])
    return broadcast_to(reshape(y, shape=kept), shape=shape)


def _reducer(kinds: str, lower: Any, *, empty: bool = True, **rules: Any) -> Decorator:
    """A reduction over `axes`. empty: may a reduced axis have length 0."""

    def define(signature: Any) -> Any:
        name = signature.__name__

        def infer(x: TensorType, *, axes: Axes, where: Where | None) -> Type:
            check_kinds(name, kinds, (x,), where)
            check_axes(name, x, axes, where)
            if not empty and any(x.shape[a] == 0 for a in axes):
                raise ShapeError(
                    f"{name}: {x} has no elements along axes {axes}", where=where, fix="reduce a tensor that has some"
                )
            return x.with_shape(tuple([d for i, d in enumerate(x.shape) if i not in axes]))

        def batch(n: int, batched: tuple[bool, ...], x: Value, *, axes: Axes) -> Any:
            return FUNCTIONS[name](x, axes=tuple([a + 1 for a in axes]))

        given = {"type": infer, "batch": batch, "flops": lambda y, x, *, axes: x.size}
        return primitive(lower=lower, **given, **rules)(signature)

    return define


def _accumulate(name: str) -> Any:
    """Sum or product in the operand's dtype, of half precision in float32."""

    def lower(xp: Any, out: Any, x: Any, *, axes: Axes) -> Any:
        f = getattr(xp, name)
        if not axes:
            return xp.array(x) if out is None else store(xp, out, x)
        if is_half(x.dtype):
            y = f(x.astype("float32"), axis=axes)
            return xp.asarray(y).astype(x.dtype) if out is None else store(xp, out, y)
        return xp.asarray(f(x, axis=axes, dtype=x.dtype, out=out))

    return lower


def _call(name: str) -> Any:
    def lower(xp: Any, out: Any, x: Any, *, axes: Axes) -> Any:
        if not axes:
            return xp.array(x) if out is None else store(xp, out, x)
        return xp.asarray(getattr(xp, name)(x, axis=axes, out=out))

    return lower


@_reducer("uifc", _accumulate("sum"), transpose={0: lambda ct, x, *, axes: restore(ct, x.shape, axes)})
def reduce_sum(x: Any, *, axes: Axes) -> Any:
    """Sum over `axes`, which disappear; half precision is summed in float32."""


def _prod_x(dx: Value, y: Value, x: Value, *, axes: Axes) -> Any:
    """Each tangent times the product of all other elements, from running products both ways: exact with zeros."""
    kept = tuple([i for i in range(x.ndim) if i not in axes])
    shape = (*[x.shape[i] for i in kept], -1)
    flat = _last(x, kept, axes)
    low, zero = (*(0,) * len(kept), 1), (0,) * len(shape)
    shifted = {
        side: pad(
            flat, number(1, x), low=tuple(side * a for a in low), high=tuple(-side * a for a in low), interior=zero
        )
        for side in (1, -1)
    }
    cumprod = FUNCTIONS["cumprod"]
    before = cumprod(shifted[1], axis=len(kept), reverse=False)
    after = cumprod(shifted[-1], axis=len(kept), reverse=True)
    return reduce_sum(_last(dx, kept, axes) * (before * after), axes=(len(kept),))


def _last(x: Value, kept: Axes, axes: Axes) -> Any:
    """`x` with `axes` joined into one last axis."""
    x = transpose(x, axes=(*kept, *axes))
    shape = x.shape[: len(kept)]
    joined = 1
    for d in x.shape[len(kept) :]:
        joined *= d
    return reshape(x, shape=(*shape, joined))


@_reducer("uifc", _accumulate("prod"), jvp={0: _prod_x})
def reduce_prod(x: Any, *, axes: Axes) -> Any:
    """Product over `axes`; the derivative is right at zeros too."""


def _extreme_x(dx: Value, y: Value, x: Value, *, axes: Axes) -> Any:
    there = eq(x, restore(y, x.shape, axes))
    count = reduce_sum(convert(there, dtype=x.dtype), axes=axes)
    return reduce_sum(select(there, dx, number(0, dx)), axes=axes) / count


@_reducer("buif", _call("max"), empty=False, jvp={0: _extreme_x})
def reduce_max(x: Any, *, axes: Axes) -> Any:
    """The largest over `axes`; NaN if there is one. Ties share the derivative evenly, as PyTorch's amax."""


@_reducer("buif", _call("min"), empty=False, jvp={0: _extreme_x})
def reduce_min(x: Any, *, axes: Axes) -> Any:
    """The smallest over `axes`; NaN if there is one. Ties share the derivative evenly, as PyTorch's amin."""


@_reducer("b", _call("all"))
def reduce_and(x: Any, *, axes: Axes) -> Any:
    """True where all over `axes` are; of nothing True."""


@_reducer("b", _call("any"))
def reduce_or(x: Any, *, axes: Axes) -> Any:
    """True where any over `axes` is; of nothing False."""


def _position_type(name: str) -> Any:
    def infer(x: TensorType, *, axis: int, where: Where | None) -> Type:
        check_kinds(name, "buif", (x,), where)
        check_axes(name, x, (axis,), where)
        if x.shape[axis] == 0:
            raise ShapeError(
                f"{name}: {x} is empty along axis {axis}", where=where, fix="search a tensor that has elements"
            )
        return TensorType(x.shape[:axis] + x.shape[axis + 1 :], INT64, x.device)

    return infer


@primitive(
    type=_position_type("argmax"),
    lower=lambda xp, out, x, *, axis: store(xp, out, xp.argmax(x, axis=axis)),
    batch=lambda n, batched, x, *, axis: argmax(x, axis=axis + 1),
    flops=lambda y, x, *, axis: x.size,
)
def argmax(x: Any, *, axis: int) -> Any:
    """int64 position of the first largest element along `axis`; of the first NaN if there is one."""


@primitive(
    type=_position_type("argmin"),
    lower=lambda xp, out, x, *, axis: store(xp, out, xp.argmin(x, axis=axis)),
    batch=lambda n, batched, x, *, axis: argmin(x, axis=axis + 1),
    flops=lambda y, x, *, axis: x.size,
)
def argmin(x: Any, *, axis: int) -> Any:
    """int64 position of the first smallest element along `axis`; of the first NaN if there is one."""
