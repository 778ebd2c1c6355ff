"""Inverse sine, cosine and tangent."""

from __future__ import annotations

import math

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.functions import keep_nan, polynomial
from fgrad.backends.numpy.mathematics.double import LLVM, Pair, fast_sum, two_sum, widened

ASIN = (0.02877844261259304, -0.014881409392818066, 0.017419357964884856, 0.00545087818772055, 0.010324318288744113,
        0.011478952690257387, 0.013971235301124539, 0.017352391265909227, 0.022372173002005596, 0.030381944137085216,
        0.04464285714637338, 0.07499999999998425, 0.16666666666666669)  # fmt: skip  # (asin(x) - x) / x**3 in x**2
ATAN = (-0.019162068915902573, 0.03921955253255129, -0.05085030492810941, 0.058580687568615106, -0.06664502215671447,
        0.07692182535116648, -0.09090904549884611, 0.11111111014561013, -0.14285714284657894, 0.1999999999999548,
        -0.3333333333333333)  # fmt: skip  # (atan(x) - x) / x**3 in x**2
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
EIGHTH = math.sqrt(2) - 1  # tangent of pi / 8


def _arc(m: LLVM, x: E) -> tuple[E, E, E]:
    """(outer, t, q) for |x|: asin(t) = t + q, where t is |x| up to 1/2, and beyond it sqrt((1 - |x|) / 2) of half the angle."""
    a = m.abs(x)
    outer = m.gt(a, m.const(0.5, a))
    z = m.select(outer, m.mul(m.sub(m.const(1, a), a), m.const(0.5, a)), m.mul(a, a))
    t = m.select(outer, m.sqrt(z), a)
    return outer, t, m.mul(m.mul(t, z), polynomial(m, z, ASIN))


def _root_rest(m: LLVM, x: E, t: E) -> E:
    """What the square root (1 - |x|) / 2 = t**2 lost, exact but for rounding."""
    a = m.abs(x)
    z = m.mul(m.sub(m.const(1, a), a), m.const(0.5, a))
    lost = m.div(m.fma(m.neg(t), t, z), m.add(t, t))
    return m.select(m.gt(t, m.const(0, t)), lost, m.const(0, t))


def _asin(m: LLVM, x: E) -> E:
    """Inverse sine."""
    outer, t, q = _arc(m, x)
    high, low = (m.const(p, x) for p in HALF_PI)
    twice = m.add(t, t)
    far, e = fast_sum(m, high, m.neg(twice))
    rest = m.add(m.add(q, _root_rest(m, x, t)), m.mul(low, m.const(-0.5, low)))
    far = m.add(far, m.sub(e, m.add(rest, rest)))
    return keep_nan(m, x, m.copysign(m.select(outer, far, m.add(t, q)), x))


def _acos(m: LLVM, x: E) -> E:
    """Inverse cosine."""
    outer, t, q = _arc(m, x)
    high, low = (m.const(p, x) for p in HALF_PI)
    signed = m.copysign(t, x)
    near, e = two_sum(m, high, m.neg(signed))
    near = m.add(near, m.add(e, m.sub(low, m.copysign(q, x))))
    rest = m.add(q, _root_rest(m, x, t))
    right = m.mul(m.add(t, rest), m.const(2, t))
    s, e2 = fast_sum(m, high, m.neg(t))
    left = m.mul(m.add(s, m.add(e2, m.sub(low, rest))), m.const(2, t))
    far = m.select(m.lt(x, m.const(0, x)), left, right)
    return keep_nan(m, x, m.select(outer, far, near))


def _angle(m: LLVM, a: E, b: E) -> Pair:
    """The angle whose tangent is a / b, both 0 or more and not both 0: a pair."""
    low = m.le(a, m.mul(b, m.const(EIGHTH, b)))
    middle = m.le(a, m.mul(b, m.const(1 + 2**0.5, b)))
    over, e_over = two_sum(m, a, m.neg(b))
    under, e_under = two_sum(m, a, b)
    zero = m.const(0, a)

    def pick(near: E, between: E, far: E) -> E:
        return m.select(low, near, m.select(middle, between, far))

    n, d = pick(a, over, m.neg(b)), pick(b, under, a)
    t = m.div(n, d)
    lost = m.sub(pick(zero, e_over, zero), m.mul(t, pick(zero, e_under, zero)))
    rest = m.div(m.add(m.fma(m.neg(t), d, n), lost), d)
    z = m.mul(t, t)
    high, small = (pick(zero, m.const(p / 2, a), m.const(p, a)) for p in HALF_PI)
    q = m.fma(m.mul(t, z), polynomial(m, z, ATAN), m.fma(m.neg(z), rest, rest))
    s, e = two_sum(m, high, t)
    return fast_sum(m, s, m.add(e, m.add(q, small)))


def _atan(m: LLVM, x: E) -> E:
    """Inverse tangent."""
    a = m.abs(x)
    big = m.gt(a, m.const(1e20, a))
    y, e = _angle(m, m.select(big, m.const(1e20, a), a), m.const(1, x))
    return keep_nan(m, x, m.copysign(m.select(m.lt(a, m.const(1e-10, a)), a, m.add(y, e)), x))


def _atan2(m: LLVM, y: E, x: E) -> E:
    """The angle of the point (x, y); of zeros and infinities as C99 has it."""
    a, b = m.abs(y), m.abs(x)
    zero, one, inf = m.const(0, x), m.const(1, x), m.const(math.inf, x)
    scale = m.select(m.lt(m.max(a, b), m.const(2.0**-500, a)), m.const(2.0**500, a), one)
    scale = m.select(m.gt(m.max(a, b), m.const(2.0**1000, a)), m.const(2.0**-20, a), scale)
    infinite = m.bit_or(m.eq(a, inf), m.eq(b, inf))
    u = m.select(infinite, m.select(m.eq(a, inf), one, zero), m.mul(a, scale))
    v = m.select(infinite, m.select(m.eq(b, inf), one, zero), m.mul(b, scale))
    v = m.select(m.bit_and(m.eq(a, zero), m.eq(b, zero)), one, v)
    angle, low = _angle(m, u, v)
    left = m.ne(m.copysign(one, x), one)
    s, e = fast_sum(m, m.const(2 * HALF_PI[0], x), m.neg(angle))
    beyond = m.add(s, m.add(e, m.sub(m.const(2 * HALF_PI[1], x), low)))
    r = m.copysign(m.select(left, beyond, m.add(angle, low)), y)
    return keep_nan(m, y, keep_nan(m, x, r))


asin, acos, atan, atan2 = widened(_asin), widened(_acos), widened(_atan), widened(_atan2)
