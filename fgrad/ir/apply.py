"""The one function that applies an operation, and the decorator that defines one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from types import CodeType
from typing import Any

import numpy as np

from fgrad.errors import DeviceError, DtypeError, IRError, ShapeError, Where, quote
from fgrad.ir.dtypes import fits
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.primitive import Primitive
from fgrad.ir.types import CPU, Device, TensorType, Type, type_of_array

_TYPES: dict[Any, Type] = {}
_OURS: dict[CodeType, bool] = {}  # code object -> is it fgrad's
_CONSTANTS: dict[Any, Value] = {}
_LIMIT = 100_000


class _Location(threading.local):
    where: Where | None = None


_LOCATION = _Location()


def caller() -> Where | None:
    """The innermost frame outside fgrad (its demo is outside, optree's maps are inside), unresolved: two pointers, no I/O.

    Inside `located`, what it was given.
    """
    if _LOCATION.where is not None:
        return _LOCATION.where
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        ours = _OURS.get(code)
        if ours is None:
            name = frame.f_globals.get("__name__", "")
            ours = _OURS[code] = f"{name}.".startswith(("fgrad.", "optree.")) and not name.startswith("fgrad.demo.")
        if not ours:
            return (code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]  # ends as None
    return None


class located:  # noqa: N801  # used as `with located(where):`
    """Values built inside carry `where`: a rule's nodes belong to the user's line they serve."""

    __slots__ = ("before", "where")

    def __init__(self, where: Where | None) -> None:
        self.where = where

    def __enter__(self) -> None:
        self.before = _LOCATION.where
        _LOCATION.where = self.where or self.before

    def __exit__(self, *error: object) -> None:
        _LOCATION.where = self.before


def constant(x: Any, like: Type | None = None, device: Device = CPU) -> Value:
    """`x` as a constant. A Python number takes the dtype of `like` and must fit it; 0-d constants are shared.

    device: where the type says it lives; `const` is a host array all the same, which the device's program copies once.
    A number beside tensors needs none: a 0-d CPU constant fits any device.
    """
    if isinstance(x, bool | int | float | complex) and isinstance(like, TensorType):
        if not fits(x, like.dtype):
            raise DtypeError(
                f"the Python number {x!r} does not fit {like.dtype.name}",
                where=caller(),
                fix="convert the tensor, or the number, to the type you mean",
            )
        a = np.asarray(x, dtype=like.dtype)
    else:
        a = np.asarray(x)
    if a.ndim:
        return Value(None, (), (), type_of_array(a, device), None, a)
    key = (a.dtype, a.tobytes(), device)
    found = _CONSTANTS.get(key)
    if found is None:
        if len(_CONSTANTS) > _LIMIT:
            _CONSTANTS.clear()
        a.flags.writeable = False
        found = _CONSTANTS[key] = Value(None, (), (), type_of_array(a, device), None, a)
    return found


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape all broadcast to (right-aligned; equal or 1), or None."""
    rank = max(map(len, shapes))
    out = [1] * rank
    for s in shapes:
        for i, d in enumerate(s, rank - len(s)):
            if d != 1:
                if out[i] not in (1, d):
                    return None
                out[i] = d
    return tuple(out)


def _broadcast(prim: Primitive, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Operands of an elementwise op, repeated to one shape; 0-d constants stay."""
    if len({v.type.shape for v in values if v.const is None or v.type.shape}) < 2:  # type: ignore[union-attr]  # tensors
        return values
    shape = broadcast_shapes(*[v.shape for v in values])
    if shape is None:
        types = ", ".join(str(v.type) for v in values)
        raise ShapeError(
            f"{prim.name}: shapes {types} do not broadcast",
            where=caller(),
            fix="reshape one operand so that every axis is equal or 1",
        )
    grow = FUNCTIONS["broadcast_to"]
    return tuple(
        [
            v if v.shape == shape or (v.const is not None and not v.shape) else grow(v, shape=shape)
            for v in values
        ]
    )


def _devices(types: Sequence[Type], params: tuple[Any, ...]) -> dict[Device, int]:
    """For each device that operands are on, the first of them; 0-d CPU tensors aside.

    Nothing for operations that hold graphs or Python functions: those are checked inside.
    """
    found: dict[Device, int] = {}
    for i, t in enumerate(types):
        if isinstance(t, TensorType) and (t.shape or t.device is not CPU):
            found.setdefault(t.device, i)
    return {} if len(found) > 1 and any([_mortal(p) for p in params]) else found


def _same_device(prim: Primitive, types: Sequence[Type], params: tuple[Any, ...], origins: Sequence[Where | None] = ()) -> None:
    """Refuses operands on different devices, saying where each was made if that is known."""
    found = _devices(types, params)
    if len(found) > 1:
        parts = []
        for device, i in found.items():
            at = f"{types[i]}" + ("@cpu" if device is CPU else "")
            where = origins[i] if origins else None
            parts.append(at if where is None else f"{at} (made at {quote(where)})")
        raise DeviceError(
            f"{prim.name}: operands on different devices, {' and '.join(parts)}",
            where=caller(),
            fix="move one of them with .to(device)",
        )


def _one_device(prim: Primitive, values: tuple[Value, ...], params: tuple[Any, ...]) -> tuple[Value, ...]:
    """Operands on one device: 0-d CPU tensors go to that of the others, but for the integers that steer an operation."""
    types = [v.type for v in values]
    if all([isinstance(t, TensorType) and t.device is CPU for t in types]):
        return values
    found = _devices(types, params)
    if len(found) > 1:
        _same_device(prim, types, params, [v.where for v in values])
    device = next(iter(found), CPU)
    if device is CPU or any([_mortal(p) for p in params]):
        return values
    move = FUNCTIONS["transfer"]
    return tuple(
        [
            move(v, device=device)
            if isinstance(t, TensorType) and t.device is CPU and v.const is None and (prim.elementwise or t.inexact)
            else v
            for v, t in zip(values, types, strict=True)
        ]
    )


def infer(prim: Primitive, types: tuple[Type, ...], params: tuple[Any, ...]) -> Type:
    """The result type of an operation, checked; remembered."""
    key = (prim, types, params)
    out = _TYPES.get(key)
    if out is None:
        if len(types) > 1:
            _same_device(prim, types, params)
        if len(_TYPES) > _LIMIT:
            _TYPES.clear()
        named = dict(zip(prim.params, params, strict=True)) if params else {}
        out = prim.type(*types, where=caller(), **named)
        if not any([_mortal(p) for p in params]):
            _TYPES[key] = out
    return out


def check(prim: Primitive, types: tuple[Type, ...], params: tuple[Any, ...]) -> Type:
    """`infer` for operands and parameters from outside, which a type rule need not foresee.

    Whatever the rule raises becomes an IRError whose first line is the reason.
    """
    try:
        return infer(prim, types, params)
    except Exception as e:
        reason = str(e).partition("\n")[0] or type(e).__name__
        raise IRError(reason, fix="give operands and parameters as the primitive's function does") from e


def _mortal(p: Any) -> bool:
    """True for parameters that a table must not keep alive: graphs and Python functions."""
    return any([_mortal(x) for x in p]) if isinstance(p, tuple) else isinstance(p, Graph) or callable(p)


def apply(prim: Primitive, operands: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Value:
    """Records one node on Values; Python numbers take the dtype beside them."""
    if any([x.__class__ is not Value for x in operands]):
        like = next((x.type for x in operands if isinstance(x, Value)), None)
        values = tuple([x if isinstance(x, Value) else constant(x, like) for x in operands])
        return node(prim, values, params)
    return node(prim, operands, params)


def node(prim: Primitive, values: tuple[Value, ...], params: tuple[Any, ...] = ()) -> Value:
    """`apply` where all operands are Values."""
    if len(values) > 1:
        if Device.cuda_named():  # until then there is one device
            values = _one_device(prim, values, params)
        if prim.elementwise and any([v.type.shape != values[0].type.shape for v in values]):  # type: ignore[union-attr]
            values = _broadcast(prim, values)
    types = tuple([v.type for v in values])
    out = _TYPES.get((prim, types, params)) or infer(prim, types, params)
    needs = out.inexact and prim.smooth and any([v.needs for v in values])
    return Value(prim, values, params, out, caller(), None, needs)


def publish(prim: Primitive, signature: Callable[..., Any]) -> Callable[..., Any]:
    """The strict function of `prim`: takes Values, Python numbers, or operands with `__fgrad_apply__`."""
    names, defaults = prim.params, prim.defaults
    plain = tuple([defaults[n] for n in names]) if len(defaults) == len(names) else None

    @wraps(signature)
    def function(*operands: Any, **params: Any) -> Any:
        if not params and plain is not None:
            given = plain
        else:
            unknown = params.keys() - set(names)
            if unknown:
                raise TypeError(f"{prim.name}() got an unexpected keyword argument {sorted(unknown)[0]!r}")
            given = tuple([params[n] if n in params else defaults[n] for n in names])
        for x in operands:
            hook = getattr(x.__class__, "__fgrad_apply__", None)
            if hook is not None:
                return hook(prim, operands, given)
        return apply(prim, operands, given)

    FUNCTIONS[prim.name] = function
    return function


def primitive(**rules: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turns a documented signature into an operation: `@primitive(type=..., lower=..., ...)`.

    Keyword-only arguments of the signature are the static parameters, in that order.
    """

    def define(signature: Callable[..., Any]) -> Callable[..., Any]:
        code = signature.__code__
        start = code.co_argcount
        names = code.co_varnames[start : start + code.co_kwonlyargcount]
        defaults = signature.__kwdefaults__ or {}
        return publish(Primitive(signature.__name__.rstrip("_"), names, defaults, **rules), signature)

    return define
