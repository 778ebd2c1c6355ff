"""scipy.special, continued: integrals, hypergeometric functions, spherical harmonics, inverses of incomplete functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

import fgrad.numpy as jnp
from fgrad import lax
from fgrad.eager.arrays import call
from fgrad.eager.custom import custom_jvp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.scipy.operands import floats

TINY = 1e-17  # of a sum, where its terms are no longer added


def _of(name: str, prim: str, doc: str) -> Callable[[Any], Any]:
    def op(x: Any) -> Any:
        return call(prim, floats(x)[0])

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


exp1 = _of("exp1", "exp1", "The exponential integral E1: the integral of e^-t / t from x on; NaN for negative x.")
expi = _of("expi", "expi", "The exponential integral Ei: the integral of e^t / t up to x, its principal value.")
dawsn = _of("dawsn", "dawsn", "Dawson's integral: e^-x^2 times the integral of e^t^2 from 0 to x.")
spence = _of("spence", "spence", "The dilogarithm as SciPy has it: the integral of log(t) / (1 - t) from 1 to x.")


def expn(n: Any, x: Any) -> Any:
    """The generalised exponential integral En: that of e^(-x t) / t^n from t = 1 on. n: whole numbers, without derivative."""
    k, at = floats(n, x)
    return call("expn", lax.stop_gradient(k), at)


def fresnel(x: Any) -> tuple[Any, Any]:
    """(S, C): the integrals of sin(pi t^2 / 2) and of cos(pi t^2 / 2) from 0 to x."""
    (a,) = floats(x)
    return call("fresnel_s", a), call("fresnel_c", a)


def sici(x: Any) -> tuple[Any, Any]:
    """(Si, Ci): the integral of sin(t) / t from 0 to x, and Euler's constant + log x + that of (cos(t) - 1) / t."""
    (a,) = floats(x)
    return call("sine_integral", a), call("cosine_integral", a)


def wofz(z: Any) -> Any:
    """The Faddeeva function e^(-z^2) erfc(-i z), complex."""
    (a,) = floats(z)
    return call("wofz", a if jnp.iscomplexobj(a) else lax.complex(a, jnp.zeros_like(a)))


def owens_t(h: Any, a: Any) -> Any:
    """Owen's T: the integral of e^(-h^2 (1 + t^2) / 2) / (1 + t^2) from 0 to a, over 2 pi. Differentiable in both."""
    return call("owens_t", *floats(h, a))


def bernoulli(n: int) -> Any:
    """Bernoulli's numbers B_0 ... B_n (B_1 = -1/2), float[n + 1]. Raises ArgumentError for a negative n."""
    if n < 0:
        raise ArgumentError(f"bernoulli({n}): n must be a non-negative integer", where=caller(), fix="use n >= 0")
    found = [Fraction(1)]
    for m in range(1, n + 1):
        found.append(-sum((math.comb(m + 1, k) * b for k, b in enumerate(found)), Fraction(0)) / (m + 1) if m == 1 or m % 2 == 0 else Fraction(0))
    return jnp.asarray([float(b) for b in found])


def bessel_jn(z: Any, *, v: int, n_iter: int = 50) -> Any:
    """J_0 ... J_v, Bessel functions of the first kind, at real z, stacked along a new first axis. n_iter is accepted."""
    (a,) = floats(z)
    if v < 0:
        raise ArgumentError(f"bessel_jn(v={v})", where=caller(), fix="use v >= 0")
    return jnp.stack([call("bessel_jv", jnp.full_like(a, k), a) for k in range(v + 1)])


def _kummer(a: Any, b: Any, x: Any) -> tuple[Any, Any, Any]:
    """The series of 1F1 and of its derivatives by a and by b, x >= 0: their terms until they count no more."""

    def body(s: Any) -> Any:
        k, term, by_a, by_b, f, fa, fb, _ = s
        ratio = x / ((b + k) * (k + 1))  # term' = term (a + k) ratio; the derivative by a is right where a + k is 0
        by_a, by_b = (by_a * (a + k) + term) * ratio, (by_b * (a + k) - term * (a + k) / (b + k)) * ratio
        term = term * (a + k) * ratio
        done = (abs(term) + abs(by_a) + abs(by_b) <= TINY * (abs(f) + abs(fa) + abs(fb))) & (k > abs(a))
        return k + 1, term, by_a, by_b, f + term, fa + by_a, fb + by_b, done

    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    start = (jnp.asarray(0.0, "float64"), one, zero, zero, one, zero, zero, jnp.zeros_like(x, dtype=bool))
    found = lax.while_loop(lambda s: ~jnp.all(s[7]) & (s[0] < 3000), body, start)
    return found[4], found[5], found[6]


@custom_jvp
def _hyp1f1(a: Any, b: Any, x: Any) -> Any:
    return call("hyp1f1", a, b, x)


@_hyp1f1.defjvp
def _hyp1f1_rule(primals: Any, tangents: Any) -> Any:
    a, b, x = primals
    p, q, z = (lax.stop_gradient(v).astype("float64") for v in primals)
    turned = z < 0  # Kummer: M(a, b, x) = e^x M(b - a, b, -x)
    _, fa, fb = _kummer(jnp.where(turned, q - p, p), q, jnp.abs(z))
    scale = jnp.where(turned, jnp.exp(z), 1.0)
    by_a, by_b = jnp.where(turned, -fa, fa) * scale, jnp.where(turned, fa + fb, fb) * scale
    by_x = _hyp1f1(a + 1, b + 1, x) * a / b
    return _hyp1f1(a, b, x), by_x * tangents[2] + by_a.astype(x.dtype) * tangents[0] + by_b.astype(x.dtype) * tangents[1]


def hyp1f1(a: Any, b: Any, x: Any) -> Any:
    """Kummer's confluent hypergeometric function: the sum of (a)_k x^k / ((b)_k k!). Differentiable in all three, a and b once."""
    return _hyp1f1(*floats(a, b, x))


def hyp2f1(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Gauss' hypergeometric function: the sum of (a)_k (b)_k x^k / ((c)_k k!). Differentiable in x; a, b, c count as constants."""
    p, q, r, z = floats(a, b, c, x)
    return call("hyp2f1", *[lax.stop_gradient(v) for v in (p, q, r)], z)


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, diff_n: int | None = None, n_max: int | None = None) -> Any:
    """The spherical harmonic of degree n and order m, |m| <= n: sqrt((2n+1)/(4 pi) (n-m)!/(n+m)!) P_n^m(cos theta) e^(i m phi).

    theta: the polar angle, phi: the azimuth.  n_max: the greatest degree, needed inside jit, vmap and grad of n.
    diff_n: derivatives come from grad, so that only None is taken.  Recurrences in the degree for normalised functions.
    """
    if diff_n is not None:
        raise ArgumentError(f"sph_harm_y(diff_n={diff_n})", where=caller(), fix="leave it out, and use fgrad.grad")
    degree, order = jnp.asarray(n), jnp.asarray(m)
    top = int(np.max(np.asarray(degree), initial=0)) if n_max is None else n_max
    t, f = floats(theta, phi)
    degree, order, t, f = jnp.broadcast_arrays(degree, order, t, f)
    size = jnp.abs(order)
    cos, sin = jnp.cos(t), jnp.sin(t)
    seed = jnp.full_like(t, math.sqrt(0.25 / math.pi))
    before, now, found = jnp.zeros_like(t), jnp.where(size == 0, seed, 0.0), jnp.where((degree == 0) & (size == 0), seed, 0.0)
    k2 = (size * size).astype(t.dtype)
    for k in range(1, top + 1):
        seed = seed * sin * -math.sqrt((2 * k + 1) / (2 * k))
        over = jnp.where(size < k, k * k - k2, 1.0)
        step = jnp.sqrt((4 * k * k - 1) / over)
        past = jnp.sqrt(jnp.where(size < k, (k - 1) ** 2 - k2, 0.0).clip(0) / max(4 * (k - 1) ** 2 - 1, 1)) if k > 1 else jnp.zeros_like(t)
        following = jnp.where(size == k, seed, jnp.where(size < k, step * (cos * now - past * before), 0.0))
        before, now = now, following
        found = jnp.where((degree == k) & (size <= k), following, found)
    angle = size.astype(t.dtype) * f
    sign = jnp.where(order < 0, jnp.where(size % 2 == 1, -1.0, 1.0), 1.0).astype(t.dtype)
    turn = jnp.where(order < 0, -1.0, 1.0).astype(t.dtype)
    return lax.complex(sign * found * jnp.cos(angle), sign * turn * found * jnp.sin(angle))
