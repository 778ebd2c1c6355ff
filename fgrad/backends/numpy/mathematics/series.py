"""`primitives.special` as machine code: its series are written against an array library, which is played here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fgrad.backends.numpy import functions
from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.mathematics import trigonometry
from fgrad.backends.numpy.mathematics.double import LLVM, widened
from fgrad.primitives import special


def _binary(name: str) -> Callable[[Register, Any], Register]:
    return lambda self, other: self.new(getattr(self.m, name)(self.e, self.like(other)))


def _reflected(name: str) -> Callable[[Register, Any], Register]:
    return lambda self, other: self.new(getattr(self.m, name)(self.like(other), self.e))


class Register:
    """A float64 value (or a mask) with the operators of an array."""

    def __init__(self, m: LLVM, e: E) -> None:
        self.m, self.e = m, e

    def new(self, e: E) -> Register:
        """Another one."""
        return Register(self.m, e)

    def like(self, other: Any) -> E:
        """The other operand: a number is repeated."""
        return other.e if isinstance(other, Register) else self.m.const(other, self.e)

    def __neg__(self) -> Register:
        return self.new(self.m.neg(self.e))

    def __pow__(self, n: int) -> Register:
        assert n in (1, 2)
        return self if n == 1 else self * self

    __add__, __sub__, __mul__, __truediv__ = map(_binary, ("add", "sub", "mul", "div"))
    __radd__, __rsub__, __rmul__, __rtruediv__ = map(_reflected, ("add", "sub", "mul", "div"))
    __lt__, __le__, __gt__, __ge__ = map(_binary, ("lt", "le", "gt", "ge"))
    __eq__, __ne__ = _binary("eq"), _binary("ne")  # type: ignore[assignment]  # elementwise
    __and__, __or__ = map(_binary, ("bit_and", "bit_or"))
    __hash__ = None  # type: ignore[assignment]  # as arrays


class Library:
    """The functions of an array library that `special` calls."""

    def __init__(self, m: LLVM, like: E) -> None:
        self.m, self.like_e = m, like

    def __getattr__(self, name: str) -> Callable[..., Register]:
        own = {"abs": "abs", "copysign": "copysign", "floor": "floor", "rint": "rint", "sqrt": "sqrt"}
        function: Any = {"exp": functions.exp, "log": functions.log, "sin": trigonometry.sin, "cos": trigonometry.cos}.get(name)
        if function is None:
            method = getattr(self.m, own[name])
            return lambda *xs: Register(self.m, method(*[self.e(x) for x in xs]))
        return lambda x: Register(self.m, function(self.m, x.e))

    def e(self, x: Any) -> E:
        """A register's value; a number is repeated."""
        return x.e if isinstance(x, Register) else self.m.const(x, self.like_e)

    def where(self, c: Register, x: Any, y: Any) -> Register:
        """`x` where `c`, else `y`."""
        return Register(self.m, self.m.select(c.e, self.e(x), self.e(y)))

    def minimum(self, x: Any, y: Any) -> Register:
        """The smaller; the second of NaN."""
        a, b = self.e(x), self.e(y)
        return Register(self.m, self.m.select(self.m.lt(a, b), a, b))

    def maximum(self, x: Any, y: Any) -> Register:
        """The larger; the second of NaN."""
        a, b = self.e(x), self.e(y)
        return Register(self.m, self.m.select(self.m.gt(a, b), a, b))

    def clip(self, x: Register, low: float, high: float) -> Register:
        """`x` within bounds."""
        return self.maximum(self.minimum(x, high), low)

    def zeros_like(self, x: Register) -> Register:
        """Zeros."""
        return x.new(self.m.const(0, x.e))

    def ones_like(self, x: Register) -> Register:
        """Ones."""
        return x.new(self.m.const(1, x.e))


def _printed(f: Callable[..., Any]) -> Callable[..., E]:
    """The code of `f(xp, x)`; NaN stays."""

    def run(m: LLVM, x: E) -> E:
        y: E = f(Library(m, x), Register(m, x)).e
        return functions.keep_nan(m, x, y)

    return widened(run)


def _polygamma(m: LLVM, x: E, *, order: int) -> E:
    """Derivatives of digamma, the first one and itself."""
    if order > 1:
        raise NotImplementedError("polygamma of a high order")
    return (digamma, trigamma)[order](m, x)


def _inverse(xp: Any, x: Any) -> Any:
    """Of the error function; the slope at 0 where squares vanish."""
    return xp.where(xp.abs(x) < 1e-150, x * (math.sqrt(math.pi) / 2), special.erfinv(xp, x))


erfc, erfinv = _printed(special.erfc), _printed(_inverse)
lgamma, digamma, trigamma = map(_printed, (special.lgamma, special.digamma, special.trigamma))
polygamma = _polygamma
