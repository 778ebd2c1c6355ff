"""Sine, cosine and tangent: right for every finite number."""

from __future__ import annotations

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.functions import polynomial
from fgrad.backends.numpy.mathematics.double import LLVM, Pair
from fgrad.backends.numpy.mathematics.reduction import rest

SIN = {  # (sin(r) - r) / r**3 in r**2
    "float32": (2.7249895230611676e-06, -0.000198400864995936, 0.008333331874273714, -0.16666666663854168),
    "float64": (1.5918115263265974e-10, -2.505113165023518e-08, 2.7557316101617874e-06, -0.00019841269836756774,
                0.008333333333330948, -0.16666666666666666),
}  # fmt: skip
COS = {  # (cos(r) - 1 + r**2 / 2) / r**4 in r**2
    "float32": (-2.7300933687212943e-07, 2.480060018036381e-05, -0.0013888887671652504, 0.041666666664320264),
    "float64": (-1.1382623647474604e-11, 2.087614614655861e-09, -2.7557317271145144e-07, 2.480158729876456e-05,
                -0.0013888888888887398, 0.041666666666666664),
}  # fmt: skip


def both(m: LLVM, r: Pair) -> tuple[E, E]:
    """Sine and cosine of a rest."""
    x, low = r
    z = m.mul(x, x)
    cube = m.mul(z, x)
    half = m.mul(z, m.const(0.5, z))
    one = m.const(1, x)
    w = m.sub(one, half)
    sine = m.add(x, m.fma(cube, polynomial(m, z, SIN[x.dtype]), m.mul(low, w)))
    tail = m.fma(m.mul(z, z), polynomial(m, z, COS[x.dtype]), m.sub(m.sub(m.sub(one, w), half), m.mul(x, low)))
    return sine, m.add(w, tail)


def bit(m: LLVM, k: E, place: int) -> E:
    """True where a bit of an integer is set."""
    zero = m.const(0, k)
    return m.ne(m.bit_and(k, m.const(1 << place, k)), zero)


def _wave(m: LLVM, x: E, phase: int) -> E:
    """sin(x + phase pi / 2)."""
    r, k = rest(m, x)
    sine, cosine = both(m, r)
    k = m.add(k, m.const(phase, k)) if phase else k
    y = m.select(bit(m, k, 0), cosine, sine)
    y = m.select(bit(m, k, 1), m.neg(y), y)
    return y if phase else m.select(m.eq(x, m.const(0, x)), x, y)


def sin(m: LLVM, x: E) -> E:
    """Sine, at most 1 ULP; -0.0 stays."""
    return _wave(m, x, 0)


def cos(m: LLVM, x: E) -> E:
    """Cosine, at most 1 ULP."""
    return _wave(m, x, 1)


def tan(m: LLVM, x: E) -> E:
    """Tangent, at most 2.5 ULP (float32: 1); -0.0 stays."""
    wide = m.convert(x, "float64")
    r, k = rest(m, wide)
    sine, cosine = both(m, r)
    odd = bit(m, k, 0)
    y = m.div(m.select(odd, m.neg(cosine), sine), m.select(odd, sine, cosine))
    return m.select(m.eq(x, m.const(0, x)), x, m.convert(y, x.dtype))
