"""Powers, cube roots and lengths; special values are those of C99."""

from __future__ import annotations

import math

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.functions import BITS, clamped, keep_nan, polynomial, power_of_two, reduced, scaled, split
from fgrad.backends.numpy.mathematics.double import LLVM, Pair, fast_sum, product, two_sum, widened

LN2 = (0.693147180559663, 2.8235290563031577e-13)  # the first has zeros at its end: whole multiples are exact
TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)
# (log((1 + s) / (1 - s)) - 2 s) / s**3 in s**2, and the same less 2/3, over s**2
SHORT = (0.166219470901774, 0.18140185202493248, 0.22222862476849542, 0.2857142413651635, 0.400000000112122, 0.6666666666666208)
LONG = (0.11723178623876518, 0.11706236339491206, 0.1333480469384731, 0.1538459496251843, 0.18181818335392802,
        0.22222222221655885, 0.28571428571429364, 0.4)  # fmt: skip
EXP = (2.485969439475207e-05, 0.00019899390183679232, 0.001388885390994504, 0.008333298344023092, 0.041666666719295684,
       0.1666666671931248, 0.5)  # fmt: skip  # (exp(r) - 1 - r) / r**2
CBRT = (0.02556608271860522, -0.172186919831943, 0.4955390366404781, -0.8201573094839348, 1.0479306955437162, 0.4233077964235478)


def known(m: LLVM, x: E, y: E) -> E | None:
    """x**y for a few known `y`."""
    if y.const == 3:
        return m.mul(m.mul(x, x), x)
    if y.const == -1:
        return m.div(m.const(1, x), x)
    if y.const == -2:
        return m.div(m.const(1, x), m.mul(x, x))
    if y.const == 4:
        return m.mul(m.mul(x, x), m.mul(x, x))
    return None


def power(m: LLVM, x: E, y: E) -> E:
    """x**y, at most 1 ULP (2 for a few known y)."""
    simple = known(m, x, y)
    if simple is not None:
        return simple
    size = m.abs(x)
    z = (_power32 if x.dtype == "float32" else _power64)(m, size, y)
    zero, one, inf = m.const(0, x), m.const(1, x), m.const(math.inf, x)
    half = m.mul(y, m.const(0.5, y))
    whole = m.eq(m.rint(y), y)
    odd = m.bit_and(whole, m.ne(m.rint(half), half))
    z = m.select(m.eq(size, one), one, z)
    z = keep_nan(m, y, keep_nan(m, x, z))
    z = m.select(odd, m.copysign(z, x), z)
    finite = m.bit_and(m.lt(x, zero), m.bit_and(m.lt(size, inf), m.lt(m.abs(y), inf)))
    z = m.select(m.bit_and(finite, m.bit_not(whole)), m.const(math.nan, z), z)
    return m.select(m.eq(x, one), one, m.select(m.eq(y, zero), one, z))


def _ends(m: LLVM, x: E, y: E) -> E:
    """A logarithm with its values at 0 and infinity."""
    inf = m.const(math.inf, y)
    return m.select(m.eq(x, m.const(0, x)), m.neg(inf), m.select(m.eq(x, m.const(math.inf, x)), inf, y))


def _power32(m: LLVM, x: E, y: E) -> E:
    """x**y of positive float32 `x`, through float64."""
    k, f = split(m, x)
    k, f = m.convert(k, "float64"), m.convert(f, "float64")
    s = m.div(f, m.add(f, m.const(2, f)))
    z = m.mul(s, s)
    logarithm = m.fma(m.mul(s, z), polynomial(m, z, SHORT), m.add(s, s))
    logarithm = _ends(m, m.convert(x, "float64"), m.fma(logarithm, m.const(1 / math.log(2), f), k))
    t = clamped(m, m.mul(m.convert(y, "float64"), logarithm), -200, 200)
    whole = m.rint(t)
    r = m.mul(m.sub(t, whole), m.const(math.log(2), t))
    p = m.fma(m.mul(r, r), polynomial(m, r, EXP), m.add(r, m.const(1, r)))
    return m.convert(m.mul(p, power_of_two(m, whole, "float64")), "float32")


def _logarithm(m: LLVM, x: E) -> Pair:
    """The natural logarithm of positive float64 `x`, as a pair with an error of 2**-66 or less of it."""
    k, f = split(m, x)
    d, lost = fast_sum(m, m.const(2, f), f)
    high = m.div(f, d)
    low = m.div(m.sub(m.fma(m.neg(high), d, f), m.mul(high, lost)), d)
    square, e = product(m, high, high)
    e = m.fma(m.add(high, high), low, e)
    tail = m.mul(m.mul(square, square), polynomial(m, square, LONG))  # of what two thirds of the square begin
    p, q = product(m, square, m.const(TWO_THIRDS[0], square))
    q = m.add(q, m.fma(square, m.const(TWO_THIRDS[1], square), m.mul(e, m.const(TWO_THIRDS[0], e))))
    p, q2 = fast_sum(m, p, tail)
    q = m.add(q, q2)
    c, c2 = product(m, high, p)
    c2 = m.add(c2, m.fma(high, q, m.mul(low, p)))
    twice = (m.add(high, high), m.add(low, low))
    head, rest = fast_sum(m, twice[0], c)
    rest = m.add(rest, m.add(c2, twice[1]))
    a, b = two_sum(m, m.mul(k, m.const(LN2[0], k)), head)
    return fast_sum(m, a, m.add(b, m.fma(k, m.const(LN2[1], k), rest)))


def _power64(m: LLVM, x: E, y: E) -> E:
    """x**y of positive float64 `x`."""
    high, low = _logarithm(m, x)
    high = _ends(m, x, high)
    t = m.mul(y, high)
    rest = m.fma(y, low, m.fma(y, high, m.neg(t)))
    inside = m.lt(m.abs(t), m.const(750, t))
    t = clamped(m, t, -750, 750)
    k, p = reduced(m, t)
    rest = m.select(inside, rest, m.const(0, rest))
    q = m.fma(p, rest, rest)
    y1, e = two_sum(m, m.const(1, p), p)
    value = m.add(y1, m.add(e, q))
    return scaled(m, value, k)


def _cbrt(m: LLVM, x: E) -> E:
    """Real cube root: a polynomial, Halley's step, and a last correction with the exact cube."""
    size = m.abs(x)
    k, f = split(m, size)
    third = m.rint(m.mul(k, m.const(1 / 3, k)))
    over = m.sub(k, m.mul(third, m.const(3, third)))  # -1, 0 or 1
    one = m.const(1, f)
    a = m.add(f, one)
    factor = m.select(m.gt(over, m.const(0.5, f)), m.const(2, f), m.select(m.lt(over, m.const(-0.5, f)), m.const(0.5, f), one))
    root = m.select(
        m.gt(over, m.const(0.5, f)), m.const(2 ** (1 / 3), f), m.select(m.lt(over, m.const(-0.5, f)), m.const(0.5 ** (1 / 3), f), one)
    )
    y = m.mul(polynomial(m, a, CBRT), root)
    a = m.mul(a, factor)
    cube = m.mul(m.mul(y, y), y)
    y = m.mul(y, m.div(m.add(cube, m.add(a, a)), m.add(m.add(cube, cube), a)))
    square, e = product(m, y, y)
    p, q = product(m, square, y)
    missing = m.sub(m.sub(a, p), m.fma(e, y, q))
    y = m.add(y, m.div(missing, m.mul(square, m.const(3, y))))
    y = m.copysign(m.mul(y, power_of_two(m, third, "float64")), x)
    same = m.bit_and(m.ne(x, m.const(0, x)), m.lt(size, m.const(math.inf, x)))
    return m.select(same, y, x)


def _hypot(m: LLVM, x: E, y: E) -> E:
    """sqrt(x*x + y*y) without overflow, infinite if either is."""
    a, b = m.abs(x), m.abs(y)
    first = m.lt(a, b)
    a, b = m.select(first, b, a), m.select(first, a, b)
    integer, mantissa, bias = BITS["float64"]
    exponent = m.shift_right(m.bitcast(a, integer), m.const(mantissa, E("", integer, a.lanes)))
    low, high = m.const(200, exponent), m.const(2 * bias - 200, exponent)
    exponent = m.max(m.min(exponent, high), low)
    scale = m.bitcast(m.shift_left(m.sub(m.const(2 * bias, exponent), exponent), m.const(mantissa, exponent)), "float64")
    back = m.bitcast(m.shift_left(exponent, m.const(mantissa, exponent)), "float64")
    u, v = m.mul(a, scale), m.mul(b, scale)
    p, e = product(m, u, u)
    s, e2 = fast_sum(m, p, m.mul(v, v))
    root = m.sqrt(s)
    wrong = m.add(m.fma(m.neg(root), root, s), m.add(e, e2))
    root = m.select(m.gt(root, m.const(0, root)), m.add(root, m.div(wrong, m.add(root, root))), root)
    inf = m.const(math.inf, x)
    z = m.mul(root, back)
    z = keep_nan(m, y, keep_nan(m, x, z))
    return m.select(m.eq(m.abs(x), inf), inf, m.select(m.eq(m.abs(y), inf), inf, z))


cbrt, hypot = widened(_cbrt), widened(_hypot)
