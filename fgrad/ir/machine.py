"""The machine operations that scalar bodies are written in; LLVM, CUDA and NumPy print them.

A primitive's `scalar` rule is `lambda m, *xs, **params: ...` over a `Machine` m: it says how one element is computed.
Operands of one operation have equal dtypes; comparisons give bool. Printers implement this Protocol for their own
value type. `call` names a transcendental function: a printer that has no code for it raises NotImplementedError and
the node stays a library call.
"""

from __future__ import annotations

from typing import Any, Protocol

E = Any  # a printer's value: an SSA name, a C expression, an array tile

CALLS = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
    "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "lgamma", "digamma",
    "polygamma", "zeta", "cbrt", "pow", "atan2", "hypot",
)  # fmt: skip


class Machine(Protocol):
    """About 30 operations on one element (or a vector of them)."""

    def kind(self, x: E) -> str:
        """What numbers `x` holds: b, u, i, f or c, as dtypes.kind; a body may differ by it."""

    def const(self, value: float | int | bool, like: E) -> E:
        """A number of the dtype of `like`."""

    def convert(self, x: E, dtype: str) -> E:
        """`x` in another dtype; float to integer truncates, anything to bool is `x != 0`."""

    def bitcast(self, x: E, dtype: str) -> E:
        """The bits of `x` as another dtype of the same width."""

    def add(self, x: E, y: E) -> E: ...
    def sub(self, x: E, y: E) -> E: ...
    def mul(self, x: E, y: E) -> E: ...
    def div(self, x: E, y: E) -> E:
        """True division of floats; integers truncate towards zero (0 on division by zero)."""

    def rem(self, x: E, y: E) -> E:
        """C's remainder: the sign of the dividend; an integer by zero gives 0."""

    def neg(self, x: E) -> E: ...
    def abs(self, x: E) -> E: ...
    def min(self, x: E, y: E) -> E:
        """The smaller; NaN if either is."""

    def max(self, x: E, y: E) -> E:
        """The larger; NaN if either is."""

    def sqrt(self, x: E) -> E: ...
    def floor(self, x: E) -> E: ...
    def ceil(self, x: E) -> E: ...
    def trunc(self, x: E) -> E: ...
    def rint(self, x: E) -> E:
        """To the nearest integer, ties to even."""

    def copysign(self, x: E, y: E) -> E: ...
    def eq(self, x: E, y: E) -> E: ...
    def ne(self, x: E, y: E) -> E: ...
    def lt(self, x: E, y: E) -> E: ...
    def le(self, x: E, y: E) -> E: ...
    def gt(self, x: E, y: E) -> E: ...
    def ge(self, x: E, y: E) -> E: ...
    def bit_and(self, x: E, y: E) -> E: ...
    def bit_or(self, x: E, y: E) -> E: ...
    def bit_xor(self, x: E, y: E) -> E: ...
    def bit_not(self, x: E) -> E: ...
    def shift_left(self, x: E, y: E) -> E: ...
    def shift_right(self, x: E, y: E) -> E:
        """Arithmetic for signed, logical for unsigned integers."""

    def mul_high(self, x: E, y: E) -> E:
        """Upper half of the product of two uint32."""

    def select(self, c: E, x: E, y: E) -> E:
        """`x` where the bool `c`, else `y`."""

    def call(self, name: str, *xs: E, **params: int) -> E:
        """One of CALLS."""
