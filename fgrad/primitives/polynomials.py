"""Orthogonal polynomials and other special functions made of simpler ones, on Values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fgrad.ir.graph import Value
from fgrad.primitives.compare import eq, ge, gt, le, lt, ne, select
from fgrad.primitives.shape import full, number
from fgrad.primitives.transcendental import lgamma, log, log1p

Step = Callable[[Value, Value, Value, int], Any]  # (x, p_k, p_(k-1), k) -> p_(k+1)


def recurrence(x: Value, n: Value, *, first: Callable[[Value], Any], step: Step, top: int) -> Any:
    """p_n(x) by a three-term recurrence from p_0 = 1 and p_1 = first(x); 0 for n <= -1. `n`, rounded to 0, may differ from element to element."""
    before, now = full(x.shape, 1, x), first(x)
    y = select(gt(n, number(-1, n)), select(lt(n, number(1, n)), before, now), number(0, x))
    for k in range(1, top):
        before, now = now, step(x, now, before, k)
        y = select(ge(n, number(k + 1, n)), now, y)
    return y


def chebyshev(x: Value, p: Value, q: Value, k: int) -> Any:
    """2x p - q: of all four kinds."""
    return (x + x) * p - q


def hermite(x: Value, p: Value, q: Value, k: int) -> Any:
    """2x p - 2k q."""
    return (x + x) * p - q * number(2 * k, x)


def hermite_e(x: Value, p: Value, q: Value, k: int) -> Any:
    """x p - k q."""
    return x * p - q * number(k, x)


def laguerre(x: Value, p: Value, q: Value, k: int) -> Any:
    """((2k + 1 - x) p - k q) / (k + 1)."""
    return ((number(2 * k + 1, x) - x) * p - q * number(k, x)) * number(1 / (k + 1), x)


def legendre(x: Value, p: Value, q: Value, k: int) -> Any:
    """((2k + 1) x p - k q) / (k + 1)."""
    return (x * p * number(2 * k + 1, x) - q * number(k, x)) * number(1 / (k + 1), x)


def shifted(x: Value, p: Value, q: Value, k: int) -> Any:
    """Chebyshev's step at 2x - 1."""
    z = x + x - number(1, x)
    return (z + z) * p - q


FAMILIES: dict[str, tuple[Callable[[Value], Any], Step]] = {
    "chebyshev_polynomial_t": (lambda x: x, chebyshev),
    "chebyshev_polynomial_u": (lambda x: x + x, chebyshev),
    "chebyshev_polynomial_v": (lambda x: x + x - number(1, x), chebyshev),
    "chebyshev_polynomial_w": (lambda x: x + x + number(1, x), chebyshev),
    "shifted_chebyshev_polynomial_t": (lambda x: x + x - number(1, x), shifted),
    "shifted_chebyshev_polynomial_u": (lambda x: x * number(4, x) - number(2, x), shifted),
    "shifted_chebyshev_polynomial_v": (lambda x: x * number(4, x) - number(3, x), shifted),
    "shifted_chebyshev_polynomial_w": (lambda x: x * number(4, x) - number(1, x), shifted),
    "hermite_polynomial_h": (lambda x: x + x, hermite),
    "hermite_polynomial_he": (lambda x: x, hermite_e),
    "laguerre_polynomial_l": (lambda x: number(1, x) - x, laguerre),
    "legendre_polynomial_p": (lambda x: x, legendre),
}


def polynomial(x: Value, n: Value, *, family: str, top: int) -> Any:
    """The polynomial of degree `n` (at most `top`) of a family, at x."""
    first, step = FAMILIES[family]
    return recurrence(x, n, first=first, step=step, top=top)


def entr(x: Value) -> Any:
    """-x log x, 0 at 0, -inf below."""
    inside = gt(x, number(0, x))
    y = -x * log(select(inside, x, number(1, x)))
    y = select(inside, y, select(lt(x, number(0, x)), number(-math.inf, x), number(0, x)))
    return select(ne(x, x), x, y)


def xlogy(x: Value, y: Value) -> Any:
    """x log(y), 0 where x is 0 (NaN if y is NaN); its derivative by x is log(y), at 0 too if y is positive and finite."""
    return _product(x, y, log, 0)


def xlog1py(x: Value, y: Value) -> Any:
    """x log(1 + y), 0 where x is 0 (NaN if y is NaN); its derivative by x as xlogy's."""
    return _product(x, y, log1p, -1)


def _product(x: Value, y: Value, function: Callable[[Any], Any], least: int) -> Any:
    skip = eq(x, number(0, x)) & (le(y, number(least, y)) | eq(y, number(math.inf, y)))
    return select(skip, number(0, x), x * function(select(skip, number(1, y), y)))


def multigammaln(x: Value, *, p: int) -> Any:
    """log of the multivariate gamma function of dimension p."""
    y = number(p * (p - 1) / 4 * math.log(math.pi), x)
    for k in range(p):
        y = y + lgamma(x - number(k / 2, x))
    return y
