"""scipy.special on arrays: floats (integers become the default float), element by element, broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fgrad.functions.special as torch_special
import fgrad.numpy as jnp
from fgrad import lax
from fgrad.eager.arrays import call
from fgrad.eager.custom import custom_jvp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.nn.jax_style import log_softmax, logsumexp, softmax
from fgrad.random.gammas import gamma_slope
from fgrad.scipy.operands import floats as floats
from fgrad.scipy.special_more import (
    bernoulli,
    bessel_jn,
    dawsn,
    exp1,
    expi,
    expn,
    fresnel,
    hyp1f1,
    hyp2f1,
    owens_t,
    sici,
    spence,
    sph_harm_y,
    wofz,
)

__all__ = [
    "bernoulli", "bessel_jn", "beta", "betainc", "betaincinv", "betaln", "boxcox", "boxcox1p", "comb", "dawsn", "digamma", "entr",
    "erf", "erfc", "erfcx", "erfinv", "exp1", "expi", "expit", "expn", "factorial", "fresnel", "gamma", "gammainc", "gammaincc",
    "gammaincinv", "gammaln", "gammasgn", "hyp1f1", "hyp2f1", "i0", "i0e", "i1", "i1e", "kl_div", "log_ndtr", "log_softmax",
    "loggamma", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "owens_t", "poch", "polygamma", "psi", "rel_entr", "sici",
    "softmax", "spence", "sph_harm_y", "wofz", "xlog1py", "xlogy", "zeta",
]  # fmt: skip


def _of(name: str, doc: str) -> Callable[[Any], Any]:
    rule = getattr(torch_special, name)

    def op(x: Any, /) -> Any:
        return rule(floats(x)[0])

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


def _of_two(name: str, doc: str) -> Callable[[Any, Any], Any]:
    rule = getattr(torch_special, name)

    def op(x: Any, y: Any, /) -> Any:
        return rule(*floats(x, y))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


erf = _of("erf", "2 / sqrt(pi) times the integral of e^-t^2 from 0 to x.")
erfc = _of("erfc", "1 - erf(x), without cancellation.")
erfcx = _of("erfcx", "e^(x^2) erfc(x).")
erfinv = _of("erfinv", "The inverse of erf.")
gammaln = _of("gammaln", "log |Γ(x)|.")
digamma = _of("digamma", "The derivative of log Γ(x).")
psi = digamma
expit = _of("expit", "1 / (1 + e^-x).")
logit = _of("logit", "log(x / (1 - x)).")
entr = _of("entr", "-x log(x), 0 at 0 and -inf below.")
ndtr = _of("ndtr", "Distribution function of the normal distribution.")
ndtri = _of("ndtri", "The inverse of ndtr.")
log_ndtr = _of("log_ndtr", "log(ndtr(x)), without underflow.")
i0 = _of("i0", "Modified Bessel function of the first kind, order 0.")
i0e = _of("i0e", "e^-|x| i0(x).")
i1 = _of("i1", "Modified Bessel function of the first kind, order 1.")
i1e = _of("i1e", "e^-|x| i1(x).")
xlogy = _of_two("xlogy", "x log(y), 0 where x is 0.")
xlog1py = _of_two("xlog1py", "x log(1 + y), 0 where x is 0.")


def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz' zeta function, the sum of (k + q)^-x over k >= 0; q: 1 (Riemann's) unless given."""
    return torch_special.zeta(*floats(x, 1.0 if q is None else q))


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma: (-1)^(n+1) n! zeta(n + 1, x). n: an integer, or an array of them."""
    if isinstance(n, int):
        return torch_special.polygamma(n, floats(x)[0])
    order, at = floats(n, x)
    sign = 1 - 2 * ((order + 1) % 2)
    return jnp.where(order == 0, digamma(at), sign * jnp.exp(gammaln(order + 1)) * zeta(order + 1, at))


def multigammaln(a: Any, d: int) -> Any:
    """log of the multivariate gamma function of d dimensions."""
    return torch_special.multigammaln(floats(a)[0], d)


def gammasgn(x: Any) -> Any:
    """The sign of Γ(x); NaN at the negative integers."""
    (a,) = floats(x)
    low = jnp.floor(a)
    return jnp.where((a < 0) & (low == a), jnp.nan, jnp.where((a < 0) & (low % 2 != 0), -1.0, 1.0).astype(a.dtype))


def gamma(x: Any) -> Any:
    """Γ(x).

    >>> import fgrad
    >>> fgrad.scipy.special.gamma(5.0).round(3)
    Array(24., dtype=float32)
    """
    (a,) = floats(x)
    return gammasgn(a) * jnp.exp(gammaln(a))


def loggamma(z: Any) -> Any:
    """log Γ(z) of positive numbers; NaN below 0."""
    (a,) = floats(z)
    return jnp.where(a < 0, jnp.nan, gammaln(jnp.abs(a)))


def factorial(n: Any, exact: bool = False) -> Any:
    """Γ(n + 1), 0 for n < 0. Raises ArgumentError for exact=True."""
    if exact:
        raise ArgumentError("factorial(exact=True) has no float result", where=caller(), fix="use math.factorial")
    (a,) = floats(n)
    return jnp.where(a < 0, 0.0, jnp.exp(gammaln(jnp.abs(a) + 1)))


def comb(N: Any, k: Any, *, repetition: bool = False) -> Any:  # noqa: N803  # SciPy's name
    """The number of ways to choose k of N things, 0 for k < 0 or k > N; repetition: each any number of times."""
    n, m = floats(N, k)
    if repetition:
        return jnp.where((n == 0) & (m == 0), 1.0, comb(n + m - 1, m))
    inside = (m >= 0) & (m <= n)
    a, b = jnp.where(inside, n, 1.0), jnp.where(inside, m, 1.0)
    return jnp.where(inside, jnp.exp(gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)), 0.0)


def poch(z: Any, m: Any) -> Any:
    """Γ(z + m) / Γ(z), z and z + m positive."""
    a, b = floats(z, m)
    return jnp.where(b == 0, 1.0, jnp.exp(gammaln(a + b) - gammaln(a)))


def betaln(a: Any, b: Any) -> Any:
    """log of the beta function: log Γ(a) + log Γ(b) - log Γ(a + b)."""
    x, y = floats(a, b)
    return gammaln(x) + gammaln(y) - gammaln(x + y)


def beta(a: Any, b: Any) -> Any:
    """Γ(a) Γ(b) / Γ(a + b)."""
    x, y = floats(a, b)
    return gammasgn(x) * gammasgn(y) * gammasgn(x + y) * jnp.exp(betaln(x, y))


def boxcox(x: Any, lmbda: Any) -> Any:
    """(x^lmbda - 1) / lmbda, log(x) at 0. Source: Box & Cox 1964."""
    a, k = floats(x, lmbda)
    return jnp.where(k == 0, jnp.log(a), jnp.expm1(jnp.where(k == 0, 1.0, k) * jnp.log(a)) / jnp.where(k == 0, 1.0, k))


def boxcox1p(x: Any, lmbda: Any) -> Any:
    """boxcox(1 + x, lmbda)."""
    a, k = floats(x, lmbda)
    return jnp.where(k == 0, jnp.log1p(a), jnp.expm1(jnp.where(k == 0, 1.0, k) * jnp.log1p(a)) / jnp.where(k == 0, 1.0, k))


def rel_entr(p: Any, q: Any) -> Any:
    """p log(p / q), 0 where p is 0 (and q not negative), inf elsewhere outside p, q > 0."""
    x, y = floats(p, q)
    both, none = (x > 0) & (y > 0), (x == 0) & (y >= 0)
    a, b = jnp.where(both, x, 1.0), jnp.where(both, y, 1.0)
    return jnp.where(both, a * (jnp.log(a) - jnp.log(b)), jnp.where(none, 0.0, jnp.inf))


def kl_div(p: Any, q: Any) -> Any:
    """rel_entr(p, q) - p + q."""
    x, y = floats(p, q)
    return rel_entr(x, y) - x + y


def _density(a: Any, x: Any) -> Any:
    """x^a e^-x / Γ(a): the gamma density times x."""
    return jnp.exp(xlogy(a, x) - x - gammaln(a))


@custom_jvp
def _lower(a: Any, x: Any) -> Any:
    return torch_special.gammainc(a, x)


@custom_jvp
def _upper(a: Any, x: Any) -> Any:
    return torch_special.gammaincc(a, x)


def _moves(a: Any, x: Any, da: Any, dx: Any) -> Any:
    inside = (x > 0) & (a > 0)
    inside &= _density(jnp.where(inside, a, 1.0), jnp.where(inside, x, 1.0)) > 0  # where it underflows, the slope may overflow
    at, past = jnp.where(inside, x, 1.0), jnp.where(inside, a, 1.0)
    by_x = jnp.where(inside, dx / at, 0.0)
    return _density(past, at) * (by_x - jnp.where(inside, gamma_slope(past, jnp.log(at)), 0.0) * da)


@_lower.defjvp
def _lower_rule(primals: Any, tangents: Any) -> Any:
    return _lower(*primals), _moves(*primals, *tangents)


@_upper.defjvp
def _upper_rule(primals: Any, tangents: Any) -> Any:
    return _upper(*primals), -_moves(*primals, *tangents)


def gammainc(a: Any, x: Any) -> Any:
    """The regularised lower incomplete gamma function P(a, x). Differentiable in both."""
    return _lower(*floats(a, x))


def gammaincc(a: Any, x: Any) -> Any:
    """The regularised upper incomplete gamma function 1 - P(a, x), without cancellation. Differentiable in both."""
    return _upper(*floats(a, x))


def _fraction(a: Any, b: Any, x: Any) -> Any:
    """Lentz's continued fraction of the incomplete beta function, for x < (a + 1) / (a + b + 2), in float64."""
    tiny = 1e-300

    def safe(v: Any) -> Any:
        return jnp.where(jnp.abs(v) < tiny, tiny, v)

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
        return m + 1, top, bottom, step, jnp.abs(ratio - 1) < 1e-15

    first = 1 / safe(1 - (a + b) * x / (a + 1))
    one = jnp.ones_like(x)
    state = (jnp.asarray(1.0, "float64"), one, first, first, jnp.zeros_like(x, dtype=bool))
    return lax.while_loop(lambda s: ~jnp.all(s[4]) & (s[0] < 2000), body, state)[3]


@custom_jvp
def _betainc(a: Any, b: Any, x: Any) -> Any:
    d = x.dtype
    p, q, z = (v.astype("float64") for v in (a, b, x))
    turned = z > (p + 1) / (p + q + 2)
    p, q, z = jnp.where(turned, q, p), jnp.where(turned, p, q), jnp.where(turned, 1 - z, z)
    inside = (z > 0) & (z < 1)
    at = jnp.where(inside, z, 0.5)
    front = jnp.exp(p * jnp.log(at) + q * jnp.log1p(-at) - betaln(p, q)) / p
    y = jnp.where(inside, front * _fraction(p, q, jnp.where(inside, z, 0.0)), jnp.where(z <= 0, 0.0, 1.0))
    return jnp.where(turned, 1 - y, y).astype(d)


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
        done = jnp.abs(term) + jnp.abs(move_a) + jnp.abs(move_b) <= 1e-17 * (total + jnp.abs(slope_a) + jnp.abs(slope_b))
        return n + 1, term, by_a, by_b, total + term, slope_a + move_a, slope_b + move_b, done

    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    start = (jnp.asarray(0.0, "float64"), one, zero, zero, one, zero, zero, jnp.zeros_like(x, dtype=bool))
    found = lax.while_loop(lambda s: ~jnp.all(s[7]) & (s[0] < 20000), body, start)
    total, slope_a, slope_b = found[4:7]
    front = jnp.exp(a * jnp.log(x) + b * jnp.log1p(-x) - betaln(a, b)) / a
    both = digamma(a + b)
    return (front * (slope_a + total * (jnp.log(x) - 1 / a - digamma(a) + both)),
            front * (slope_b + total * (jnp.log1p(-x) - digamma(b) + both)))  # fmt: skip


@_betainc.defjvp
def _betainc_rule(primals: Any, tangents: Any) -> Any:
    a, b, x = primals
    inside = (x > 0) & (x < 1)
    at = jnp.where(inside, x, 0.5)
    density = jnp.exp((a - 1) * jnp.log(at) + (b - 1) * jnp.log1p(-at) - betaln(a, b))
    p, q, z = (lax.stop_gradient(v).astype("float64") for v in (a, b, at))
    turned = z > (p + 1) / (p + q + 2)
    by_p, by_q = _slopes(jnp.where(turned, q, p), jnp.where(turned, p, q), jnp.where(turned, 1 - z, z))
    by_a, by_b = jnp.where(turned, -by_q, by_p), jnp.where(turned, -by_p, by_q)
    moves = density * tangents[2] + by_a.astype(x.dtype) * tangents[0] + by_b.astype(x.dtype) * tangents[1]
    return _betainc(a, b, x), jnp.where(inside, moves, 0.0)


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularised incomplete beta function: the integral of t^(a-1) (1-t)^(b-1) from 0 to x over B(a, b).

    Differentiable in all three, in a and b once. Source: Press et al. 2007, §6.4.
    """
    return _betainc(*floats(a, b, x))


@custom_jvp
def _gammaincinv(a: Any, q: Any) -> Any:
    return call("igammainv", a, q)


@_gammaincinv.defjvp
def _gammaincinv_rule(primals: Any, tangents: Any) -> Any:
    (a, q), (da, dq) = primals, tangents
    y = _gammaincinv(a, q)
    inside = (y > 0) & jnp.isfinite(y)
    at = jnp.where(inside, y, 1.0)
    moved = _lower_rule((a, at), (da, jnp.zeros_like(at)))[1]
    return y, jnp.where(inside, (dq - moved) * at / _density(a, at), jnp.nan)


def gammaincinv(a: Any, y: Any) -> Any:
    """x with gammainc(a, x) = y. Differentiable in both."""
    return _gammaincinv(*floats(a, y))


@custom_jvp
def _betaincinv(a: Any, b: Any, q: Any) -> Any:
    return call("betaincinv", a, b, q)


@_betaincinv.defjvp
def _betaincinv_rule(primals: Any, tangents: Any) -> Any:
    (a, b, q), (da, db, dq) = primals, tangents
    y = _betaincinv(a, b, q)
    inside = (y > 0) & (y < 1)
    at = jnp.where(inside, y, 0.5)
    moved = _betainc_rule((a, b, at), (da, db, jnp.zeros_like(at)))[1]
    density = jnp.exp((a - 1) * jnp.log(at) + (b - 1) * jnp.log1p(-at) - betaln(a, b))
    return y, jnp.where(inside, (dq - moved) / density, jnp.nan)


def betaincinv(a: Any, b: Any, y: Any) -> Any:
    """x with betainc(a, b, x) = y. Differentiable in all three."""
    return _betaincinv(*floats(a, b, y))
