"""Pairs of numbers: sums and products with the rounding they lost. Sources: Dekker 1971; Knuth, The Art of Computer Programming 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fgrad.backends.numpy.asm import E

if TYPE_CHECKING:
    from fgrad.backends.numpy.machine import LLVM
else:
    LLVM = Any

Pair = tuple[E, E]  # a number and what its rounding lost


def two_sum(m: LLVM, x: E, y: E) -> Pair:
    """`x + y` and its error, of any two numbers."""
    s = m.add(x, y)
    t = m.sub(s, x)
    return s, m.add(m.sub(x, m.sub(s, t)), m.sub(y, t))


def fast_sum(m: LLVM, x: E, y: E) -> Pair:
    """`x + y` and its error if |x| >= |y|."""
    s = m.add(x, y)
    return s, m.sub(y, m.sub(s, x))


def product(m: LLVM, x: E, y: E) -> Pair:
    """`x * y` and its error."""
    p = m.mul(x, y)
    return p, m.fma(x, y, m.neg(p))


def widened(f: Callable[..., E]) -> Callable[..., E]:
    """A function of float64 for float32 too: computed in float64, rounded once."""

    def run(m: LLVM, *xs: E, **params: int) -> E:
        if xs[0].dtype == "float64":
            return f(m, *xs, **params)
        return m.convert(f(m, *[m.convert(x, "float64") for x in xs], **params), xs[0].dtype)

    return run


def any_lane(m: LLVM, c: E) -> str:
    """A bool that is true if a lane of `c` is."""
    if c.lanes == 1:
        return c.text
    name = f"llvm.vector.reduce.or.v{c.lanes}i1"
    return m.asm.op(m.asm.intrinsic(name, "i1", (c.type, c.text)))
