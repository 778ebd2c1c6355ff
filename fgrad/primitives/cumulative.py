"""Running sums, products and extremes along an axis."""

from __future__ import annotations

from typing import Any

from fgrad.errors import Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import INT64, TensorType, Type
from fgrad.primitives.arithmetic import select
from fgrad.primitives.checks import check_axes, check_kinds, is_half, store
from fgrad.primitives.compare import eq
from fgrad.primitives.elementwise import Decorator
from fgrad.primitives.index import along
from fgrad.primitives.shape import iota, number, pad


def _accumulate(xp: Any, ufunc: str, x: Any, axis: int) -> Any:
    """The running `ufunc`. CuPy has no running extremes: there by doubling (Hillis & Steele 1986), log2(n) steps."""
    f = getattr(xp, ufunc)
    if xp.__name__ == "numpy" or ufunc in ("add", "multiply"):
        return f.accumulate(x, axis=axis, dtype=x.dtype)
    lead = (slice(None),) * axis
    step = 1
    while step < x.shape[axis]:
        head, tail = x[(*lead, slice(0, step))], f(x[(*lead, slice(step, None))], x[(*lead, slice(0, -step))])
        x = xp.concatenate((head, tail), axis=axis)
        step *= 2
    return x


def _cumulative(kinds: str, ufunc: str, **rules: Any) -> Decorator:
    """A running `ufunc`; half precision runs in float32."""

    def define(signature: Any) -> Any:
        name = signature.__name__

        def infer(x: TensorType, *, axis: int, reverse: bool, where: Where | None) -> Type:
            check_kinds(name, kinds, (x,), where)
            check_axes(name, x, (axis,), where)
            return x

        def lower(xp: Any, out: Any, x: Any, *, axis: int, reverse: bool) -> Any:
            cut = (slice(None),) * axis + (slice(None, None, -1 if reverse else 1),)
            wide = x.astype("float32") if is_half(x.dtype) else x
            y = _accumulate(xp, ufunc, wide[cut], axis)[cut]
            return store(xp, out, y) if out is not None else y.astype(x.dtype, copy=False)

        def batch(n: int, batched: tuple[bool, ...], x: Value, *, axis: int, reverse: bool) -> Any:
            return FUNCTIONS[name](x, axis=axis + 1, reverse=reverse)

        given = {"type": infer, "batch": batch, "flops": lambda y, x, **params: x.size}
        return primitive(lower=lower, **given, **rules)(signature)

    return define


@_cumulative("uifc", "add", transpose={0: lambda ct, x, *, axis, reverse: cumsum(ct, axis=axis, reverse=not reverse)})
def cumsum(x: Any, *, axis: int, reverse: bool = False) -> Any:
    """Running sum along `axis`, from the end if `reverse`."""


def _moved(x: Value, axis: int, by: int, value: float) -> Any:
    """`x` moved along `axis`, filled with `value`."""
    low = tuple([by if i == axis else 0 for i in range(x.ndim)])
    return pad(x, number(value, x), low=low, high=tuple([-a for a in low]), interior=(0,) * x.ndim)


def _cumprod_x(dx: Value, y: Value, x: Value, *, axis: int, reverse: bool) -> Any:
    """Running products of dual numbers by doubling (Hillis & Steele 1986): log2(n) steps, no division, exact at zeros."""
    step = 1
    while step < x.shape[axis]:
        by = -step if reverse else step
        before = _moved(x, axis, by, 1)
        dx = dx * before + x * _moved(dx, axis, by, 0)
        x = x * before
        step *= 2
    return dx


@_cumulative("uifc", "multiply", jvp={0: _cumprod_x})
def cumprod(x: Any, *, axis: int, reverse: bool = False) -> Any:
    """Running product along `axis`, from the end if `reverse`; the derivative is right at zeros too."""


def _extreme_x(dx: Value, y: Value, x: Value, *, axis: int, reverse: bool) -> Any:
    """The tangent of the latest element that equals the running extreme."""
    here = iota(shape=x.shape, dtype=INT64, axis=axis, device=x.device)
    if reverse:
        latest = cummin(select(eq(x, y), here, number(x.shape[axis] - 1, here)), axis=axis, reverse=True)
    else:
        latest = cummax(select(eq(x, y), here, number(0, here)), axis=axis)
    return along(dx, latest, axis)


@_cumulative("buif", "maximum", jvp={0: _extreme_x})
def cummax(x: Any, *, axis: int, reverse: bool = False) -> Any:
    """Running maximum along `axis`, from the end if `reverse`; NaN from the first one on.

    The derivative goes to the latest of equal elements, as PyTorch's.
    """


@_cumulative("buif", "minimum", jvp={0: _extreme_x})
def cummin(x: Any, *, axis: int, reverse: bool = False) -> Any:
    """Running minimum along `axis`, from the end if `reverse`; NaN from the first one on.

    The derivative goes to the latest of equal elements, as PyTorch's.
    """
