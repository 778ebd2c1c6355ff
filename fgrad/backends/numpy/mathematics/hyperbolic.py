"""Hyperbolic sine and cosine, and the three inverses, through `exp`, `expm1`, `log` and `log1p`."""

from __future__ import annotations

import math

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.functions import exp, expm1, keep_nan, log, log1p
from fgrad.backends.numpy.mathematics.double import LLVM, widened


def _large(m: LLVM, a: E) -> E:
    """exp(a) / 2 without overflow before the result's."""
    root = exp(m, m.mul(a, m.const(0.5, a)))
    return m.mul(m.mul(root, m.const(0.5, root)), root)


def _sinh(m: LLVM, x: E) -> E:
    """Hyperbolic sine."""
    a = m.abs(x)
    t = expm1(m, a)
    near = m.mul(m.add(t, m.div(t, m.add(t, m.const(1, t)))), m.const(0.5, t))
    return m.copysign(m.select(m.gt(a, m.const(40, a)), _large(m, a), near), x)


def _cosh(m: LLVM, x: E) -> E:
    """Hyperbolic cosine."""
    a = m.abs(x)
    e = m.mul(exp(m, a), m.const(0.5, a))
    return m.select(m.gt(a, m.const(40, a)), _large(m, a), m.add(e, m.div(m.const(0.25, e), e)))


def _asinh(m: LLVM, x: E) -> E:
    """Inverse hyperbolic sine: log1p(a + a**2 / (1 + sqrt(1 + a**2)))."""
    a = m.abs(x)
    big = m.gt(a, m.const(2.0**28, a))
    c = m.select(big, m.const(1, a), a)
    square, one = m.mul(c, c), m.const(1, a)
    near = log1p(m, m.add(c, m.div(square, m.add(one, m.sqrt(m.add(square, one))))))
    far = m.add(log(m, a), m.const(math.log(2), a))
    return m.copysign(m.select(m.lt(a, m.const(1e-9, a)), a, m.select(big, far, near)), x)


def _acosh(m: LLVM, x: E) -> E:
    """Inverse hyperbolic cosine: log1p(t + sqrt(2 t + t**2)), t = x - 1; NaN below 1."""
    big = m.gt(x, m.const(2.0**28, x))
    t = m.sub(m.select(big, m.const(1, x), x), m.const(1, x))
    near = log1p(m, m.add(t, m.sqrt(m.fma(t, t, m.add(t, t)))))
    near = m.select(m.lt(x, m.const(1, x)), m.const(math.nan, x), near)
    return keep_nan(m, x, m.select(big, m.add(log(m, x), m.const(math.log(2), x)), near))


def _atanh(m: LLVM, x: E) -> E:
    """Inverse hyperbolic tangent: log1p(2 a / (1 - a)) / 2; NaN beyond 1."""
    a = m.abs(x)
    y = log1p(m, m.div(m.add(a, a), m.sub(m.const(1, a), a)))
    return m.copysign(m.select(m.lt(a, m.const(1e-9, a)), a, m.mul(y, m.const(0.5, y))), x)


sinh, cosh, asinh, acosh, atanh = map(widened, (_sinh, _cosh, _asinh, _acosh, _atanh))
