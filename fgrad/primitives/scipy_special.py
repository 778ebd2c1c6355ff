"""Special functions that NumPy has not: SciPy's, in float64 (CuPy's copy of it on a GPU), an optional package."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from fgrad.errors import MissingError, need
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.primitives.arithmetic import select, sign
from fgrad.primitives.compare import eq
from fgrad.primitives.elementwise import elementwise, wide
from fgrad.primitives.shape import number
from fgrad.primitives.transcendental import exp, lgamma, log

Jvp = Mapping[int, Callable[..., Any]]


def _library(xp: Any) -> Any:
    return need("scipy.special", "scipy") if xp.__name__ == "numpy" else need("cupyx.scipy.special", "cuda13")


def _define(name: str, doc: str, call: Callable[..., Any], jvp: Jvp, arity: int = 1) -> None:
    """One elementwise operation of floats. call: (library, *arrays) -> array."""

    def lower(xp: Any, *xs: Any) -> Any:
        try:
            return call(_library(xp), *xs)
        except AttributeError as e:
            raise MissingError(f"{name}: CuPy has no such function", fix="move the tensor to the CPU for it") from e

    if arity == 1:
        def signature(x: Any) -> Any:
            raise AssertionError
    else:
        def signature(x: Any, y: Any) -> Any:  # type: ignore[misc]
            raise AssertionError

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
