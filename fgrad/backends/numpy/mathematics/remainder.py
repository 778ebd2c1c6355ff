"""C's remainder of floats: exact, as the function of the C library, which is asked where quotients are too large."""

from __future__ import annotations

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.mathematics.double import LLVM, any_lane

MOST = 2.0**51  # quotients below it are off by one at most


def rem(m: LLVM, x: E, y: E) -> E:
    """x - n y, n = x / y towards zero, of the sign of `x`."""
    if x.dtype == "float32":
        return m.convert(rem(m, m.convert(x, "float64"), m.convert(y, "float64")), "float32")
    a, b = m.abs(x), m.abs(y)
    q = m.div(a, b)
    n = m.trunc(q)
    r = m.fma(m.neg(n), b, a)  # exact, and so are the two corrections
    r = m.select(m.lt(r, m.const(0, r)), m.add(r, b), m.select(m.ge(r, b), m.sub(r, b), r))
    r = m.select(m.lt(a, b), a, r)
    cell = m.asm.variable(x.dtype, x.lanes)
    m.asm.set(cell, r)
    large = m.ge(q, m.const(MOST, q))
    m.asm.when(any_lane(m, large), lambda: m.asm.set(cell, m.select(large, _called(m, a, b), r)))
    return m.copysign(m.asm.get(cell, x.dtype, x.lanes), x)


def _called(m: LLVM, a: E, b: E) -> E:
    """The C library's, lane by lane."""
    return E(m.asm.op(f"frem {a.type} {a.text}, {b.text}"), a.dtype, a.lanes)
