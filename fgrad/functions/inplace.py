"""In-place forms: the plain operation, then one write to the tensor's storage."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from fgrad.eager import generator as g
from fgrad.eager import mode
from fgrad.eager.record import record
from fgrad.eager.tape import THREAD
from fgrad.eager.views import is_leaf, write
from fgrad.errors import DtypeError, GradError
from fgrad.functions.call import R, become, convert
from fgrad.functions.dtypes import as_numpy, can_cast
from fgrad.functions.random import bernoulli_bits, normal_values, uniform_values
from fgrad.ir.apply import caller
from fgrad.ir.types import Device

set_grad = mode.set_grad


def of(op: Callable[..., Any], *, exact: bool = False) -> Callable[..., Any]:
    """`op_`: computes and writes back; the result must fit the tensor's shape and kind of dtype (`exact`: its dtype)."""

    @wraps(op)
    def in_place(self: Any, *args: Any, **kwargs: Any) -> Any:
        own, asked = self._type.dtype, kwargs.get("dtype")
        if asked is not None and as_numpy(asked) != own:
            raise DtypeError(f"Bad in-place call: input tensor dtype {own.name} and output tensor dtype {asked} should match", where=caller(),
                             fix="leave dtype out")  # fmt: skip
        y = op(self, *args, **kwargs)
        if y._type.dtype != own:
            if exact or not can_cast(y._type.dtype, own):
                raise DtypeError(
                    f"result type {y._type.dtype.name} can't be cast to the desired output type {own.name}",
                    where=caller(), fix="use the out-of-place form, or convert the tensor first",
                )  # fmt: skip
            y = convert(y, own)
        return write(self, y)

    in_place.__name__ = in_place.__qualname__ = f"{op.__name__}_"
    return in_place


def turned(op: Callable[..., Any]) -> Callable[..., Any]:
    """`op_` of an operation that gives another shape: the tensor becomes a copy of the result."""

    @wraps(op)
    def in_place(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_leaf(self) and self._value.needs and THREAD.grad:
            raise GradError("a leaf Variable that requires grad is being used in an in-place operation.", where=caller(),
                            fix="use the out-of-place form")  # fmt: skip
        return become(self, op(self, *args, **kwargs))

    in_place.__name__ = in_place.__qualname__ = f"{op.__name__}_"
    return in_place


def of_each(*ops: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """In-place forms of several operations."""
    return tuple(of(op) for op in ops)


def transfer(x: Any, device: Device) -> Any:
    """`x` on another device, explicitly."""
    return record(type(x)._result, R["transfer"], (x,), (device,))


def uniform_(self: Any, a: float = 0.0, b: float = 1.0, *, generator: g.Generator | None = None) -> Any:
    """Fills with numbers drawn evenly from [a, b)."""
    return write(self, convert(uniform_values(type(self)._result, self._type.shape, a, b, generator, None, self._device), self._type.dtype))


def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: g.Generator | None = None) -> Any:
    """Fills with draws of the normal distribution."""
    return write(self, convert(normal_values(type(self)._result, self._type.shape, mean, std, generator, None, self._device), self._type.dtype))


def bernoulli_(self: Any, p: float = 0.5, *, generator: g.Generator | None = None) -> Any:
    """Fills with 1 at probability `p`, else 0."""
    return write(self, convert(bernoulli_bits(type(self)._result, self._type.shape, p, generator, self._device), self._type.dtype))
