"""Special functions that NumPy has not: SciPy's, in float64 (CuPy's copy of it on a GPU), an optional package."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fgrad.errors import MissingError, need
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.primitives.arithmetic import select, sign
from fgrad.primitives.compare import eq
from fgrad.primitives.elementwise import elementwise, wide
from fgrad.primitives.shape import number
from fgrad.primitives.transcendental import cos, erf, exp, lgamma, log, log1p, sin

Jvp = Mapping[int, Callable[..., Any]]


def _library(xp: Any) -> Any:
    return need("scipy.special", "scipy") if xp.__name__ == "numpy" else need("cupyx.scipy.special", "cuda13")


def _one() -> Callable[..., Any]:
    def signature(x: Any) -> Any:
        raise AssertionError

    return signature


def _two() -> Callable[..., Any]:
    def signature(x: Any, y: Any) -> Any:
        raise AssertionError

    return signature


def _three() -> Callable[..., Any]:
    def signature(x: Any, y: Any, z: Any) -> Any:
        raise AssertionError

    return signature


def _four() -> Callable[..., Any]:
    def signature(x: Any, y: Any, z: Any, w: Any) -> Any:
        raise AssertionError

    return signature


SIGNATURES = {1: _one, 2: _two, 3: _three, 4: _four}


def _define(name: str, doc: str, call: Callable[..., Any], jvp: Jvp, arity: int = 1) -> None:
    """One elementwise operation of floats. call: (library, *arrays) -> array."""

    def lower(xp: Any, *xs: Any) -> Any:
        try:
            return call(_library(xp), *xs)
        except AttributeError as e:
            raise MissingError(f"{name}: CuPy has no such function", fix="move the tensor to the CPU for it") from e

    signature = SIGNATURES[arity]()
    signature.__name__ = signature.__qualname__ = name
    signature.__doc__ = doc
    elementwise("f", wide(lower, "float64"), lambda m, *xs: m.call(name, *xs), jvp=jvp)(signature)


def _safe(x: Value) -> Any:
    """`x`, but 1 where it is 0: for quotients whose limit is put in there."""
    return select(eq(x, number(0, x)), number(1, x), x)


def _over(y: Value, x: Value, at_zero: float) -> Any:
    """y / x with its limit at 0."""
    return select(eq(x, number(0, x)), number(at_zero, x), y / _safe(x))


NO_DERIVATIVE: Jvp = {}
TWO = 2 / math.sqrt(math.pi)
HALF_PI = math.pi / 2
LARGEST = 1e6
ROWS: tuple[tuple[str, str, Callable[..., Any], Jvp], ...] = (
    ("bessel_j0", "Bessel function of the first kind, order 0.", lambda s, x: s.j0(x), {0: lambda d, y, x: -d * F["bessel_j1"](x)}),
    ("bessel_j1", "Bessel function of the first kind, order 1.", lambda s, x: s.j1(x),
     {0: lambda d, y, x: d * (F["bessel_j0"](x) - _over(y, x, 0.5))}),
    ("bessel_y0", "Bessel function of the second kind, order 0.", lambda s, x: s.y0(x), {0: lambda d, y, x: -d * F["bessel_y1"](x)}),
    ("bessel_y1", "Bessel function of the second kind, order 1.", lambda s, x: s.y1(x),
     {0: lambda d, y, x: d * (F["bessel_y0"](x) - y / x)}),
    ("bessel_i0", "Modified Bessel function of the first kind, order 0.", lambda s, x: s.i0(x), {0: lambda d, y, x: d * F["bessel_i1"](x)}),
    ("bessel_i0e", "exp(-|x|) bessel_i0(x).", lambda s, x: s.i0e(x), {0: lambda d, y, x: d * (F["bessel_i1e"](x) - sign(x) * y)}),
    ("bessel_i1", "Modified Bessel function of the first kind, order 1.", lambda s, x: s.i1(x),
     {0: lambda d, y, x: d * (F["bessel_i0"](x) - _over(y, x, 0.5))}),
    ("bessel_i1e", "exp(-|x|) bessel_i1(x).", lambda s, x: s.i1e(x),
     {0: lambda d, y, x: d * (F["bessel_i0e"](x) - y * sign(x) - _over(y, x, 0.5))}),
    ("bessel_k0", "Modified Bessel function of the second kind, order 0.", lambda s, x: s.k0(x), {0: lambda d, y, x: -d * F["bessel_k1"](x)}),
    ("bessel_k0e", "exp(x) bessel_k0(x).", lambda s, x: s.k0e(x), {0: lambda d, y, x: d * (y - F["bessel_k1e"](x))}),
    ("bessel_k1", "Modified Bessel function of the second kind, order 1.", lambda s, x: s.k1(x),
     {0: lambda d, y, x: -d * (F["bessel_k0"](x) + y / x)}),
    ("bessel_k1e", "exp(x) bessel_k1(x).", lambda s, x: s.k1e(x),
     {0: lambda d, y, x: d * (y - F["bessel_k0e"](x) - y / x)}),
    ("airy_ai", "Airy function Ai.", lambda s, x: s.airy(x)[0], {0: lambda d, y, x: d * F["airy_ai_prime"](x)}),
    ("airy_ai_prime", "Derivative of the Airy function Ai.", lambda s, x: s.airy(x)[1], {0: lambda d, y, x: d * (x * F["airy_ai"](x))}),
    ("erfcx", "exp(x^2) erfc(x).", lambda s, x: s.erfcx(x), {0: lambda d, y, x: d * (y * x * 2.0 - TWO)}),
    ("ndtr", "Distribution function of the normal distribution.", lambda s, x: s.ndtr(x),
     {0: lambda d, y, x: d * (exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))}),
    ("ndtri", "Inverse of ndtr.", lambda s, x: s.ndtri(x), {0: lambda d, y, x: d * (exp(y * y * 0.5) * math.sqrt(2 * math.pi))}),
    ("log_ndtr", "log(ndtr(x)).", lambda s, x: s.log_ndtr(x),
     {0: lambda d, y, x: d * (exp(x * x * -0.5 - y) * (1 / math.sqrt(2 * math.pi)))}),
    ("exp1", "The integral of e^-t / t from x on.", lambda s, x: s.exp1(x), {0: lambda d, y, x: -d * exp(-x) / x}),
    ("expi", "The integral of e^t / t up to x, its principal value.", lambda s, x: s.expi(x), {0: lambda d, y, x: d * exp(x) / x}),
    ("dawsn", "Dawson's integral: e^-x^2 times that of e^t^2 from 0 to x.", lambda s, x: s.dawsn(x), {0: lambda d, y, x: d * (x * y * -2.0 + 1.0)}),
    ("fresnel_s", "The integral of sin(pi t^2 / 2) from 0 to x.", lambda s, x: s.fresnel(x)[0], {0: lambda d, y, x: d * sin(x * x * HALF_PI)}),
    ("fresnel_c", "The integral of cos(pi t^2 / 2) from 0 to x.", lambda s, x: s.fresnel(x)[1], {0: lambda d, y, x: d * cos(x * x * HALF_PI)}),
    ("sine_integral", "The integral of sin(t) / t from 0 to x.", lambda s, x: s.sici(x)[0], {0: lambda d, y, x: d * _over(sin(x), x, 1.0)}),
    ("cosine_integral", "Euler's constant + log(x) + the integral of (cos(t) - 1) / t from 0 to x.", lambda s, x: s.sici(x)[1],
     {0: lambda d, y, x: d * cos(x) / x}),
    ("spence", "The integral of log(t) / (1 - t) from 1 to x.", lambda s, x: s.spence(x),
     {0: lambda d, y, x: -d * _over(log(x), x - number(1, x), 1.0)}),
)  # fmt: skip
for _name, _doc, _call, _jvp in ROWS:
    _define(_name, _doc, _call, _jvp)


def _gamma_density(d: Value, a: Value, x: Value) -> Any:
    """The derivative of gammainc by its second argument: x^(a - 1) e^-x / Gamma(a)."""
    return d * exp((a - 1) * log(x) - x - lgamma(a))


_define("igamma", "Regularised lower incomplete gamma function P(x, y); its derivative by `x` is not known.",
        lambda s, a, x: s.gammainc(a, x), {1: lambda d, y, a, x: _gamma_density(d, a, x)}, 2)  # fmt: skip
_define("igammac", "Regularised upper incomplete gamma function Q(x, y); its derivative by `x` is not known.",
        lambda s, a, x: s.gammaincc(a, x), {1: lambda d, y, a, x: -_gamma_density(d, a, x)}, 2)  # fmt: skip

def _guarded(name: str, *whole: int) -> Callable[..., Any]:
    """SciPy's function where its operands are numbers it can bear (`whole`: whole ones), NaN elsewhere: it warns or crashes there."""

    def call(library: Any, *xs: Any) -> Any:
        f = getattr(library, name)
        ok = np.isfinite(xs[0])
        for i, x in enumerate(xs):
            ok = ok & (np.abs(x) < LARGEST) & ((np.floor(x) == x) if i in whole else True)
        return np.where(ok, f(*[np.where(ok, x, x.dtype.type(1)) for x in xs]), xs[0].dtype.type(math.nan))

    return call


_define("igammainv", "The inverse of igamma by its second operand; its derivative by the first is not known.", lambda s, a, q: s.gammaincinv(a, q),
        {1: lambda d, y, a, q: d * exp(y + lgamma(a) - (a - 1) * log(y))}, 2)  # fmt: skip
_define("betaincinv", "The inverse of the regularised incomplete beta function by its third operand; its derivative by that alone is known.",
        lambda s, a, b, q: s.betaincinv(a, b, q),
        {2: lambda d, y, a, b, q: d * exp(lgamma(a) + lgamma(b) - lgamma(a + b) - (a - 1) * log(y) - (b - 1) * log1p(-y))}, 3)  # fmt: skip
_define("expn", "The integral of e^(-y t) / t^x from t = 1 on, x whole; its derivative by x is not known.", _guarded("expn", 0),
        {1: lambda d, y, n, x: -d * F["expn"](n - 1, x)}, 2)  # fmt: skip
_define("bessel_jv", "Bessel function of the first kind of order x; its derivative by x is not known.", lambda s, n, x: s.jv(n, x),
        {1: lambda d, y, n, x: d * (F["bessel_jv"](n - 1, x) - F["bessel_jv"](n + 1, x)) * 0.5}, 2)  # fmt: skip
_define("owens_t", "Owen's T: the integral of e^(-x^2 (1 + t^2) / 2) / (1 + t^2) / (2 pi) from 0 to y.", lambda s, h, a: s.owens_t(h, a), {
    0: lambda d, y, h, a: d * exp(h * h * -0.5) * erf(a * h * math.sqrt(0.5)) * (-0.5 / math.sqrt(2 * math.pi)),
    1: lambda d, y, h, a: d * exp(h * h * (a * a + 1) * -0.5) / (a * a + 1) * (0.5 / math.pi),
}, 2)  # fmt: skip
_define("hyp1f1", "Kummer's function: the sum of (x)_k z^k / ((y)_k k!); its derivatives by x and y are not known.", _guarded("hyp1f1"),
        {2: lambda d, y, a, b, x: d * F["hyp1f1"](a + 1, b + 1, x) * a / b}, 3)  # fmt: skip
_define("hyp2f1", "Gauss' function: the sum of (x)_k (y)_k w^k / ((z)_k k!); its derivative by w alone is known.", _guarded("hyp2f1"),
        {3: lambda d, y, a, b, c, x: d * F["hyp2f1"](a + 1, b + 1, c + 1, x) * a * b / c}, 4)  # fmt: skip


def _wofz(xp: Any, z: Any) -> Any:
    try:
        return _library(xp).wofz(z)
    except AttributeError as e:
        raise MissingError("wofz: CuPy has no such function", fix="move the tensor to the CPU for it") from e


@elementwise(
    "c", wide(_wofz), lambda m, x: m.call("wofz", x),
    jvp={0: lambda d, y, x: d * (x * y * -2.0 + TWO * 1j)},
)
def wofz(x: Any) -> Any:
    """The Faddeeva function e^(-x^2) erfc(-i x) of complex numbers."""
