"""The error function's complement and inverse: by polynomials in float32, by the series of `primitives.special` in float64.

The split of the inverse at -log(1 - x**2) = 5 is that of Giles 2010, Approximating the erfinv function.
"""

from __future__ import annotations

import math

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.functions import exp, keep_nan, log, polynomial
from fgrad.backends.numpy.mathematics import series
from fgrad.backends.numpy.mathematics.double import LLVM, product, two_sum

# exp(x**2) erfc(x) / d in 1 - d, d = 4 / (x + 2), 0 <= x <= 10.1
TAIL = (1.5953636535699534e-05, 9.683505653091683e-06, -0.0001469945225601762, -0.0002057027970868651, 0.0007654068520225875,
        0.0016180739776707406, -0.00537642377974908, -0.0091103135942793, 0.0698679430797552, -0.1717901796493964,
        0.2553956771947518)  # fmt: skip
# erfinv(x) / x in w - 5/2, w = -log(1 - x**2) <= 5, and in sqrt(w) - 3 beyond
NEAR = (-8.931925970244222e-09, 2.3335967195708108e-08, 4.6813134805534123e-07, -3.4639852676333717e-06, -4.9724196894547514e-06,
        0.00021834938623976644, -0.001252726391773229, -0.004177392875203149, 0.24664027905463662, 1.501409360450329)  # fmt: skip
FAR = (-0.00015176637291682457, 6.353361791103242e-05, 0.001288443585473374, -0.003634209428550204, 0.005764707907900179,
       -0.007634003851479984, 0.009435315365385532, 1.0016749180787858, 2.8329770027775547)  # fmt: skip


def erfc(m: LLVM, x: E) -> E:
    """1 - erf(x), exact for large `x`; float32: at most 5 ULP."""
    if x.dtype != "float32":
        return series.erfc(m, x)
    a = m.abs(x)
    a = m.select(m.lt(a, m.const(10.1, a)), a, m.const(10.1, a))
    two, four = m.const(2, a), m.const(4, a)
    s, lost = two_sum(m, a, two)
    d = m.div(four, s)
    rest = m.mul(m.fma(m.neg(d), lost, m.fma(m.neg(d), s, four)), m.mul(d, m.const(0.25, d)))
    h = polynomial(m, m.sub(m.sub(m.const(1, d), d), rest), TAIL)
    square, e = product(m, a, a)
    y = m.mul(exp(m, m.neg(square)), m.fma(h, m.fma(m.neg(e), d, rest), m.mul(h, d)))
    return keep_nan(m, x, m.select(m.lt(x, m.const(0, x)), m.sub(m.const(2, y), y), y))


def erfinv(m: LLVM, x: E) -> E:
    """The y with erf(y) = x; float32: at most 5 ULP; infinite at 1 and -1, NaN outside."""
    if x.dtype != "float32":
        return series.erfinv(m, x)
    w = m.neg(log(m, m.fma(m.neg(x), x, m.const(1, x))))
    near = polynomial(m, m.sub(w, m.const(2.5, w)), NEAR)
    far = polynomial(m, m.sub(m.sqrt(w), m.const(3, w)), FAR)
    y = m.mul(x, m.select(m.lt(w, m.const(5, w)), near, far))
    edge = m.eq(m.abs(x), m.const(1, x))
    return keep_nan(m, x, m.select(edge, m.copysign(m.const(math.inf, x), x), y))
