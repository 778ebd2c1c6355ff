"""The kind of primitive that acts on each element: its type, batch and lowering come from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.errors import ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType, Type
from fgrad.primitives.checks import check_kinds, device_of, is_half, listed, store
from fgrad.primitives.shape import broadcast_to, reshape

Result = Callable[..., Any]  # (dtype, **params) -> dtype of the result
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def common(name: str, types: tuple[TensorType, ...], where: Where | None) -> TensorType:
    """The type of operands of one dtype and one shape, 0-d ones aside."""
    shapes = {t.shape for t in types if t.shape}
    if len(shapes) > 1:
        raise ShapeError(f"{name}: shapes differ in {listed(types)}", where=where, fix="broadcast_to one of them first")
    return TensorType(next(iter(shapes), ()), types[0].dtype, device_of(types))


def spread_elements(n: int, batched: tuple[bool, ...], *xs: Value) -> list[Value]:
    """Elementwise operands of one batch: 0-d constants stay, other unbatched ones are repeated (a view)."""
    rank = max([x.ndim - b for x, b in zip(xs, batched, strict=True)])
    out = []
    for x, b in zip(xs, batched, strict=True):
        if b and x.ndim <= rank:
            x = reshape(x, shape=(n, *(1,) * (rank + 1 - x.ndim), *x.shape[1:]))
        elif not b and (x.shape or x.const is None):
            x = broadcast_to(x, shape=(n, *x.shape))
        out.append(x)
    return out


def elementwise(kinds: str, lower: Any, scalar: Any, *, result: Result | None = None, **rules: Any) -> Decorator:
    """An elementwise operation on operands of one dtype of `kinds` (letters of dtypes.ORDER).

    result: the dtype of the result if it is another; gets the operands' dtype and the parameters.
    """

    def define(signature: Any) -> Any:
        name = signature.__name__.rstrip("_")

        def infer(*types: TensorType, where: Where | None, **params: Any) -> Type:
            check_kinds(name, kinds, types, where)
            t = common(name, types, where)
            return t if result is None else t.with_dtype(result(t.dtype, **params))

        def batch(n: int, batched: tuple[bool, ...], *xs: Value, **params: Any) -> Any:
            return FUNCTIONS[name](*spread_elements(n, batched, *xs), **params)

        given: dict[str, Any] = {"type": infer, "batch": batch, "flops": lambda y, *xs, **params: y.size, **rules}
        return primitive(lower=lower, scalar=scalar, elementwise=True, **given)(signature)

    return define


def ufunc(name: str) -> Any:
    """The lowering that is one call of the array library."""

    def lower(xp: Any, out: Any, *xs: Any) -> Any:
        y = getattr(xp, name)(*xs, out=out)
        return y if y.ndim else xp.asarray(y)

    return lower


def wide(f: Any, dtype: str = "float32") -> Any:
    """The lowering that computes `f(xp, *xs)` in at least `dtype` and rounds once."""

    def lower(xp: Any, out: Any, *xs: Any, **params: Any) -> Any:
        own = xs[0].dtype
        if is_half(own) or (dtype == "float64" and own.name == "float32"):
            y = xp.asarray(f(xp, *[x.astype(dtype) for x in xs], **params))
            return store(xp, out, y) if out is not None else y.astype(own)
        return store(xp, out, f(xp, *xs, **params))

    return lower
