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
from fgrad.lax.incomplete import betainc_rule
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


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularised incomplete beta function: the integral of t^(a-1) (1-t)^(b-1) from 0 to x over B(a, b).

    Differentiable in all three, in a and b once. Source: Press et al. 2007, §6.4.
    """
    return lax.betainc(*floats(a, b, x))


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
    moved = betainc_rule((a, b, at), (da, db, jnp.zeros_like(at)))[1]
    density = jnp.exp((a - 1) * jnp.log(at) + (b - 1) * jnp.log1p(-at) - betaln(a, b))
    return y, jnp.where(inside, (dq - moved) / density, jnp.nan)


def betaincinv(a: Any, b: Any, y: Any) -> Any:
    """x with betainc(a, b, x) = y. Differentiable in all three."""
    return _betaincinv(*floats(a, b, y))
