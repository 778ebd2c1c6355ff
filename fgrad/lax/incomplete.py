"""The regularised incomplete beta function and its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, broadcast_to, same
from fgrad.eager.custom import custom_jvp
from fgrad.eager.loops import while_loop
from fgrad.errors import ShapeError
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.lax import operators as o

__all__ = ["betainc"]


def where(test: Any, x: Any, y: Any) -> Any:
    """X where the test holds, else y; numbers take the shape and dtype beside them."""
    a, b = same((x, y))
    return o.select(test, *[broadcast_to(v, test.shape) for v in (a, b)])


def betaln(a: Any, b: Any) -> Any:
    """The logarithm of the beta function."""
    return o.lgamma(a) + o.lgamma(b) - o.lgamma(a + b)


def _more(done: Any) -> Any:
    return o.bitwise_not(o.reduce_and(done, range(done.ndim)))


def _fraction(a: Any, b: Any, x: Any) -> Any:
    """Lentz's continued fraction of the incomplete beta function, for x < (a + 1) / (a + b + 2), in float64."""
    tiny = 1e-300

    def safe(v: Any) -> Any:
        return where(o.abs(v) < tiny, tiny, v)

    def body(state: Any) -> Any:
        m, top, bottom, y, _ = state
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = y
        for term in (even, odd):
            bottom = 1 / safe(1 + term * bottom)
            top = safe(1 + term / top)
            ratio = top * bottom
            step = step * ratio
        return m + 1, top, bottom, step, o.abs(ratio - 1) < 1e-15

    first = 1 / safe(1 - (a + b) * x / (a + 1))
    one = o.full_like(x, 1)
    state = (array_of(np.float64(1)), one, first, first, o.full_like(x, False, bool))
    return while_loop(lambda s: _more(s[4]) & (s[0] < 2000), body, state)[3]


@custom_jvp
def _betainc(a: Any, b: Any, x: Any) -> Any:
    d = x.dtype
    p, q, z = (v.astype("float64") for v in (a, b, x))
    turned = z > (p + 1) / (p + q + 2)
    p, q, z = where(turned, q, p), where(turned, p, q), where(turned, 1 - z, z)
    inside = (z > 0) & (z < 1)
    at = where(inside, z, 0.5)
    front = o.exp(p * o.log(at) + q * o.log1p(-at) - betaln(p, q)) / p
    y = where(inside, front * _fraction(p, q, where(inside, z, 0.0)), where(z <= 0, 0.0, 1.0))
    return where(turned, 1 - y, y).astype(d)


def _slopes(a: Any, b: Any, x: Any) -> tuple[Any, Any]:
    """The derivatives of the regularised incomplete beta function by a and b, term by term, in float64.

    I = x^a (1-x)^b / (a B(a, b)) * the sum of T_n, T_0 = 1, T_(n+1) / T_n = x (a + b + n) / (a + 1 + n).
    """

    def body(state: Any) -> Any:
        n, term, by_a, by_b, total, slope_a, slope_b, _ = state
        top, low = a + b + n, a + 1 + n
        by_a, by_b = by_a + 1 / top - 1 / low, by_b + 1 / top
        term = term * x * top / low
        move_a, move_b = term * by_a, term * by_b
        done = o.abs(term) + o.abs(move_a) + o.abs(move_b) <= 1e-17 * (total + o.abs(slope_a) + o.abs(slope_b))
        return n + 1, term, by_a, by_b, total + term, slope_a + move_a, slope_b + move_b, done

    one, zero = o.full_like(x, 1), o.full_like(x, 0)
    start = (array_of(np.float64(0)), one, zero, zero, one, zero, zero, o.full_like(x, False, bool))
    found = while_loop(lambda s: _more(s[7]) & (s[0] < 20000), body, start)
    total, slope_a, slope_b = found[4:7]
    front = o.exp(a * o.log(x) + b * o.log1p(-x) - betaln(a, b)) / a
    both = o.digamma(a + b)
    return (front * (slope_a + total * (o.log(x) - 1 / a - o.digamma(a) + both)),
            front * (slope_b + total * (o.log1p(-x) - o.digamma(b) + both)))  # fmt: skip


@_betainc.defjvp
def betainc_rule(primals: Any, tangents: Any) -> Any:
    a, b, x = primals
    inside = (x > 0) & (x < 1)
    at = where(inside, x, 0.5)
    density = o.exp((a - 1) * o.log(at) + (b - 1) * o.log1p(-at) - betaln(a, b))
    p, q, z = (o.stop_gradient(v).astype("float64") for v in (a, b, at))
    turned = z > (p + 1) / (p + q + 2)
    by_p, by_q = _slopes(where(turned, q, p), where(turned, p, q), where(turned, 1 - z, z))
    by_a, by_b = where(turned, -by_q, by_p), where(turned, -by_p, by_q)
    moves = density * tangents[2] + by_a.astype(x.dtype) * tangents[0] + by_b.astype(x.dtype) * tangents[1]
    return _betainc(a, b, x), where(inside, moves, 0.0)


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularised incomplete beta function: the integral of t^(a-1) (1-t)^(b-1) from 0 to x over B(a, b).

    Floats of one dtype, broadcast. Differentiable in all three, in a and b once. Source: Press et al. 2007, §6.4.

    >>> round(float(betainc(2.0, 1.0, 0.5)), 6)
    0.25
    """
    xs = same((a, b, x), floating=True)
    shape = broadcast_shapes(*[v._type.shape for v in xs])
    if shape is None:
        raise ShapeError(f"betainc: {', '.join(str(v._type) for v in xs)} do not broadcast", where=caller(), fix="make axes equal or 1")
    found: Any = _betainc(*[broadcast_to(v, shape) for v in xs])
    return found
