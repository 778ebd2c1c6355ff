"""Python operators by primitive name, looked up late: ir needs no import of primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _unary(name: str) -> Callable[[Any], Any]:
    return lambda self: FUNCTIONS[name](self)


def _binary(name: str, *, swap: bool = False) -> Callable[[Any, Any], Any]:
    if swap:
        return lambda self, other: FUNCTIONS[name](other, self)
    return lambda self, other: FUNCTIONS[name](self, other)


class Operators:
    """Mixed into what the rules are written on (Value, Pattern): strict, equal dtypes."""

    __slots__ = ()
    __neg__, __abs__, __invert__ = _unary("neg"), _unary("abs"), _unary("bitwise_not")
    __add__, __radd__ = _binary("add"), _binary("add", swap=True)
    __sub__, __rsub__ = _binary("sub"), _binary("sub", swap=True)
    __mul__, __rmul__ = _binary("mul"), _binary("mul", swap=True)
    __truediv__, __rtruediv__ = _binary("div"), _binary("div", swap=True)
    __pow__, __rpow__ = _binary("pow"), _binary("pow", swap=True)
    __and__, __rand__ = _binary("bitwise_and"), _binary("bitwise_and", swap=True)
    __or__, __ror__ = _binary("bitwise_or"), _binary("bitwise_or", swap=True)
    __xor__, __rxor__ = _binary("bitwise_xor"), _binary("bitwise_xor", swap=True)
    __lt__, __le__, __gt__, __ge__ = _binary("lt"), _binary("le"), _binary("gt"), _binary("ge")
