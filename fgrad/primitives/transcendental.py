"""Transcendental functions of each element."""

from __future__ import annotations

import math
from typing import Any

from fgrad.ir.dtypes import kind
from fgrad.ir.graph import Value
from fgrad.primitives import special
from fgrad.primitives.arithmetic import equal, rsqrt, select
from fgrad.primitives.elementwise import elementwise, ufunc, wide
from fgrad.primitives.shape import number


def _call(name: str) -> Any:
    return lambda m, *xs: m.call(name, *xs)


def _series(f: Any) -> Any:
    """The lowering of a function that `special` computes in float64."""
    return wide(special.in_blocks(f), "float64")


@elementwise("fc", ufunc("exp"), _call("exp"), jvp={0: lambda dx, y, x: dx * y})
def exp(x: Any) -> Any:
    """e to the power `x`."""


@elementwise("fc", ufunc("exp2"), _call("exp2"), jvp={0: lambda dx, y, x: dx * (y * math.log(2))})
def exp2(x: Any) -> Any:
    """2 to the power `x`."""


@elementwise("fc", ufunc("expm1"), _call("expm1"), jvp={0: lambda dx, y, x: dx * exp(x)})
def expm1(x: Any) -> Any:
    """`exp(x) - 1`, exact near 0."""


@elementwise("fc", ufunc("log"), _call("log"), jvp={0: lambda dx, y, x: dx / x})
def log(x: Any) -> Any:
    """Natural logarithm; NaN below 0, -inf at 0."""


@elementwise("fc", ufunc("log2"), _call("log2"), jvp={0: lambda dx, y, x: dx / (x * math.log(2))})
def log2(x: Any) -> Any:
    """Logarithm to base 2."""


@elementwise("fc", ufunc("log10"), _call("log10"), jvp={0: lambda dx, y, x: dx / (x * math.log(10))})
def log10(x: Any) -> Any:
    """Logarithm to base 10."""


@elementwise("fc", ufunc("log1p"), _call("log1p"), jvp={0: lambda dx, y, x: dx / (x + 1)})
def log1p(x: Any) -> Any:
    """`log(1 + x)`, exact near 0."""


@elementwise("fc", ufunc("sin"), _call("sin"), jvp={0: lambda dx, y, x: dx * cos(x)})
def sin(x: Any) -> Any:
    """Sine of radians."""


@elementwise("fc", ufunc("cos"), _call("cos"), jvp={0: lambda dx, y, x: dx * -sin(x)})
def cos(x: Any) -> Any:
    """Cosine of radians."""


@elementwise("fc", ufunc("tan"), _call("tan"), jvp={0: lambda dx, y, x: dx * (y * y + 1)})
def tan(x: Any) -> Any:
    """Tangent of radians."""


def _one_minus_square(x: Value) -> Any:
    """`1 - x²` without cancellation near ±1."""
    return (1 - x) * (x + 1)


@elementwise("fc", ufunc("arcsin"), _call("asin"), jvp={0: lambda dx, y, x: dx * rsqrt(_one_minus_square(x))})
def asin(x: Any) -> Any:
    """Inverse sine, in radians."""


@elementwise("fc", ufunc("arccos"), _call("acos"), jvp={0: lambda dx, y, x: dx * -rsqrt(_one_minus_square(x))})
def acos(x: Any) -> Any:
    """Inverse cosine, in radians."""


@elementwise("fc", ufunc("arctan"), _call("atan"), jvp={0: lambda dx, y, x: dx / (x * x + 1)})
def atan(x: Any) -> Any:
    """Inverse tangent, in radians."""


@elementwise("fc", ufunc("sinh"), _call("sinh"), jvp={0: lambda dx, y, x: dx * cosh(x)})
def sinh(x: Any) -> Any:
    """Hyperbolic sine."""


@elementwise("fc", ufunc("cosh"), _call("cosh"), jvp={0: lambda dx, y, x: dx * sinh(x)})
def cosh(x: Any) -> Any:
    """Hyperbolic cosine."""


@elementwise("fc", ufunc("tanh"), _call("tanh"), jvp={0: lambda dx, y, x: dx * _one_minus_square(y)})
def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""


def _asinh_x(dx: Value, y: Value, x: Value) -> Any:
    return dx * rsqrt(x * x + 1) if kind(x.dtype) == "c" else dx / hypot(x, number(1, x))


@elementwise("fc", ufunc("arcsinh"), _call("asinh"), jvp={0: _asinh_x})
def asinh(x: Any) -> Any:
    """Inverse hyperbolic sine."""


@elementwise("fc", ufunc("arccosh"), _call("acosh"), jvp={0: lambda dx, y, x: dx * (rsqrt(x - 1) * rsqrt(x + 1))})
def acosh(x: Any) -> Any:
    """Inverse hyperbolic cosine."""


@elementwise("fc", ufunc("arctanh"), _call("atanh"), jvp={0: lambda dx, y, x: dx / _one_minus_square(x)})
def atanh(x: Any) -> Any:
    """Inverse hyperbolic tangent."""


@elementwise(
    "fc",
    wide(lambda xp, x: 1 / (1 + xp.exp(-x))),
    lambda m, x: m.div(m.const(1, x), m.add(m.const(1, x), m.call("exp", m.neg(x)))),
    jvp={0: lambda dx, y, x: dx * (y * (1 - y))},
    flops=lambda y, x: 4 * y.size,
)
def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`."""


def _bell(x: Value, scale: float) -> Any:
    from_square = exp(-(x * x))
    return from_square * scale


@elementwise("f", _series(special.erf), _call("erf"), jvp={0: lambda dx, y, x: dx * _bell(x, 2 / math.sqrt(math.pi))})
def erf(x: Any) -> Any:
    """Error function, `2/sqrt(π) ∫₀ˣ exp(-t²) dt`."""


@elementwise(
    "f", _series(special.erfc), _call("erfc"), jvp={0: lambda dx, y, x: dx * _bell(x, -2 / math.sqrt(math.pi))}
)
def erfc(x: Any) -> Any:
    """`1 - erf(x)`, exact for large `x`."""


@elementwise(
    "f",
    _series(special.erfinv),
    _call("erfinv"),
    jvp={0: lambda dx, y, x: dx * (exp(y * y) * (math.sqrt(math.pi) / 2))},
)
def erfinv(x: Any) -> Any:
    """The y with erf(y) = x; ±inf at ±1, NaN outside."""


@elementwise("f", _series(special.lgamma), _call("lgamma"), jvp={0: lambda dx, y, x: dx * digamma(x)})
def lgamma(x: Any) -> Any:
    """Logarithm of `|Γ(x)|`; inf at 0, -1, -2, ..."""


@elementwise("f", _series(special.digamma), _call("digamma"), jvp={0: lambda dx, y, x: dx * polygamma(x, order=1)})
def digamma(x: Any) -> Any:
    """Derivative of lgamma; NaN at -1, -2, ..., -inf at 0 and +inf at -0, as in PyTorch."""


@elementwise(
    "f",
    wide(lambda xp, x, *, order: special.polygamma(xp, x, order), "float64"),
    lambda m, x, *, order: m.call("polygamma", x, order=order),
    jvp={0: lambda dx, y, x, *, order: dx * polygamma(x, order=order + 1)},
)
def polygamma(x: Any, *, order: int) -> Any:
    """The derivative of digamma of this order, 0 or more."""


def _zeta_q(d: Value, y: Value, s: Value, q: Value) -> Any:
    return -d * (s * zeta(s + 1, q))


@elementwise("f", wide(special.zeta, "float64"), _call("zeta"), jvp={1: _zeta_q})
def zeta(s: Any, q: Any) -> Any:
    """Hurwitz's zeta, the sum of (q + k)^-s over k >= 0; inf at s = 1, NaN below. Its derivative by `s` is not known."""


def _shift(x: Value, at: Value, value: float) -> Any:
    """`x` with `value` where `at`, so that a quotient by it stays finite."""
    return select(at, number(value, x), x)


def _atan2(d: Value, over: Value, y: Value, x: Value) -> Any:
    """`d * over / (x² + y²)`, 0 at the origin."""
    h = hypot(y, x)
    h = _shift(h, equal(h, number(0, h)), 1)
    return d * (over / h / h)


@elementwise(
    "f",
    ufunc("arctan2"),
    _call("atan2"),
    jvp={0: lambda d, z, y, x: _atan2(d, x, y, x), 1: lambda d, z, y, x: _atan2(d, -y, y, x)},
)
def atan2(y: Any, x: Any) -> Any:
    """The angle of the point (x, y), in (-π, π]; the derivatives at the origin are 0."""


def _hypot(d: Value, z: Value, x: Value) -> Any:
    return d * (x / _shift(z, equal(z, number(0, z)), 1))


@elementwise(
    "f",
    ufunc("hypot"),
    _call("hypot"),
    jvp={0: lambda d, z, x, y: _hypot(d, z, x), 1: lambda d, z, x, y: _hypot(d, z, y)},
)
def hypot(x: Any, y: Any) -> Any:
    """`sqrt(x² + y²)` without overflow; the derivatives at the origin are 0."""


@elementwise("f", ufunc("cbrt"), _call("cbrt"), jvp={0: lambda dx, y, x: dx / (y * y * 3)})
def cbrt(x: Any) -> Any:
    """Real cube root; the derivative at 0 is inf."""
