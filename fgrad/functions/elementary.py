"""More of PyTorch's pointwise operations: those that are made of others, and tests of what a number is.

Every function takes tensors of any shapes that broadcast, and Python numbers; `out=` receives the result in place.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.record import record_items
from fgrad.errors import DtypeError
from fgrad.functions.call import R, binary, coerce, compose, convert, floating, is_integer, number, same, tensor_of
from fgrad.functions.classify import isinf
from fgrad.functions.dtypes import inexact_result, result_numpy
from fgrad.functions.pointwise import clamp, into, pow, sub
from fgrad.functions.reductions import any as any_
from fgrad.functions.refusals import floats_only, ordered, tensors_only
from fgrad.functions.shape import reshape
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.primitives import composites as c
from fgrad.primitives import elementary as e

__all__ = [
    "clamp_max", "clamp_min", "deg2rad", "float_power", "fmax", "fmin", "frexp", "gcd", "heaviside", "isin", "isneginf",
    "isposinf", "isreal", "lcm", "ldexp", "logaddexp2", "logit", "nextafter", "positive", "rad2deg", "rsub", "sgn", "signbit",
    "sinc",
]  # fmt: skip


class Frexp(NamedTuple):
    """Mantissas and exponents."""

    mantissa: Any
    exponent: Any


def _pair(name: str, x: Any, y: Any, *, inexact: bool = False) -> list[Any]:
    tensors_only(name, x, y)
    return same((x, y), inexact_result(x, y) if inexact else result_numpy(x, y))


def _refuse(name: str, x: Any, kinds: str) -> None:
    if kind(x._type.dtype) in kinds:
        raise DtypeError(f'"{name}" not implemented for {x.dtype}', where=caller(), fix="convert the tensor first")


def sgn(input: Any, *, out: Any = None) -> Any:
    """The sign; of complex numbers x / |x|, 0 at 0."""
    return into(out, input.clone() if kind(input._type.dtype) == "b" else compose(c.sgn, input))


def signbit(input: Any, *, out: Any = None) -> Any:
    """True where the sign is minus, of -0.0 and NaN too."""
    _refuse("signbit", input, "c")
    x = convert(input, np.dtype("uint8")) if kind(input._type.dtype) == "b" else input
    return into(out, compose(e.signbit, x))


def positive(input: Any) -> Any:
    """The tensor itself; bools are refused."""
    if kind(input._type.dtype) == "b":
        raise DtypeError("The `+` operator, on a bool tensor is not supported.", where=caller(), fix="convert to a number type")
    return input


def deg2rad(input: Any, *, out: Any = None) -> Any:
    """x * pi / 180."""
    _refuse("deg2rad", input, "c")
    return into(out, compose(e.scaled, floating(input), by=math.pi / 180))


def rad2deg(input: Any, *, out: Any = None) -> Any:
    """x * 180 / pi."""
    _refuse("rad2deg", input, "c")
    return into(out, compose(e.scaled, floating(input), by=180 / math.pi))


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input ** exponent in float64 (complex128 if either is complex)."""
    wide = np.dtype("complex128" if kind(result_numpy(input, exponent)) == "c" else "float64")
    like = input if isinstance(input, Cell) else exponent
    x, y = (convert(t, wide) if isinstance(t, Cell) else number(t, wide, like) for t in (input, exponent))
    return into(out, pow(x, y))


def _chosen(rule: Any, x: Any, y: Any, out: Any) -> Any:
    a, b = _pair(rule.__name__, x, y)
    _refuse(rule.__name__, a, "c")
    return into(out, compose(rule, a, b))


def fmax(input: Any, other: Any, *, out: Any = None) -> Any:
    """The larger, a number rather than NaN."""
    return _chosen(e.fmax, input, other, out)


def fmin(input: Any, other: Any, *, out: Any = None) -> Any:
    """The smaller, a number rather than NaN."""
    return _chosen(e.fmin, input, other, out)


def heaviside(input: Any, values: Any, *, out: Any = None) -> Any:
    """0 below 0, 1 above, `values` at 0."""
    tensors_only("heaviside", input, values)
    if input._type.dtype != values._type.dtype:
        raise DtypeError("heaviside is not yet implemented for tensors with different dtypes.", where=caller(),
                         fix="convert one of them")  # fmt: skip
    _refuse("heaviside", input, "c")
    if kind(input._type.dtype) == "b":
        return into(out, binary(R["bitwise_or"], input, values))
    return into(out, compose(e.heaviside, input, values))


def logaddexp2(input: Any, other: Any, *, out: Any = None) -> Any:
    """log2(2^input + 2^other) without overflow."""
    floats_only("logaddexp2", input, other)
    return into(out, compose(e.logaddexp2, *_pair("logaddexp2", input, other, inexact=True)))


def logit(input: Any, eps: float | None = None, *, out: Any = None) -> Any:
    """log(x / (1 - x)); with `eps`, x is first clamped to [eps, 1 - eps]."""
    ordered("logit", input._type.dtype)
    return into(out, compose(e.logit, floating(input), eps=None if eps is None else float(eps)))


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input."""
    return sub(tensor_of(other, input), input, alpha=alpha)


def sinc(input: Any, *, out: Any = None) -> Any:
    """sin(pi x) / (pi x), 1 at 0."""
    return into(out, compose(e.sinc, floating(input)))


def clamp_min(input: Any, min: Any, *, out: Any = None) -> Any:
    """max(x, min)."""
    return clamp(input, min=min, out=out)


def clamp_max(input: Any, max: Any, *, out: Any = None) -> Any:
    """min(x, max)."""
    return clamp(input, max=max, out=out)


def gcd(input: Any, other: Any, *, out: Any = None) -> Any:
    """The greatest common divisor of integers."""
    return into(out, binary(R["gcd"], *_integers("gcd", input, other)))


def lcm(input: Any, other: Any, *, out: Any = None) -> Any:
    """The least common multiple of integers."""
    return into(out, compose(e.lcm, *_integers("lcm", input, other)))


def _integers(name: str, x: Any, y: Any) -> list[Any]:
    a, b = _pair(name, x, y)
    _refuse(f"{name}_cpu", a, "bfc")
    return [a, b]


def ldexp(input: Any, other: Any, *, out: Any = None) -> Any:
    """input * 2^other, of floats."""
    return into(out, compose(e.ldexp, *_pair("ldexp", input, other, inexact=True)))


def frexp(input: Any, *, out: Any = None) -> Frexp:
    """(mantissa, exponent) with x = mantissa * 2^exponent, 0.5 <= |mantissa| < 1; exponents are int32."""
    if kind(input._type.dtype) != "f":
        raise DtypeError("torch.frexp() only supports floating-point dtypes", where=caller(), fix="convert with .float()")
    m, n = record_items(type(input)._result, R["frexp"], (input,), ())
    if out is not None:
        return Frexp(into(out[0], m), into(out[1], n))
    return Frexp(m, n)


def nextafter(input: Any, other: Any, *, out: Any = None) -> Any:
    """The next number after `input` towards `other`."""
    a, b = _pair("nextafter", input, other)
    _refuse("nextafter_cpu", a, "buic")
    return into(out, binary(R["nextafter"], a, b))


def _infinite(name: str, x: Any, sign: int, out: Any) -> Any:
    if kind(x._type.dtype) == "c":
        raise DtypeError(f"{name} does not support complex inputs.", where=caller(), fix="test the parts")
    return into(out, isinf(x) if is_integer(x) else compose(e.is_infinite, x, sign=sign))


def isposinf(input: Any, *, out: Any = None) -> Any:
    """True where x is +inf."""
    return _infinite("isposinf", input, 1, out)


def isneginf(input: Any, *, out: Any = None) -> Any:
    """True where x is -inf."""
    return _infinite("isneginf", input, -1, out)


def isreal(input: Any) -> Any:
    """True where the imaginary part is 0."""
    if kind(input._type.dtype) != "c":
        return binary(R["eq"], input, input) if is_integer(input) else compose(_true, input)
    return binary(R["eq"], input.imag, 0)


def _true(x: Any) -> Any:
    return c.broadcast_to(c.constant(np.bool_(True)), shape=x.shape)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """True for the elements that are among `test_elements` (with `invert`, are not).

    >>> import fgrad
    >>> fgrad.isin(fgrad.tensor([1, 2, 3]), fgrad.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    like = elements if isinstance(elements, Cell) else test_elements
    x, y = (tensor_of(t, like) for t in (coerce(elements, like), coerce(test_elements, like)))
    for t in (x, y):
        if kind(t._type.dtype) in "bc":
            raise DtypeError(f"Unsupported input type encountered for isin(): {t.dtype}", where=caller(), fix="convert to numbers")
    wide = reshape(x, (*x._type.shape, 1))
    found = any_(binary(R["eq"], wide, reshape(y, (-1,))), -1)
    return binary(R["eq"], found, False) if invert else found


class ElementaryMethods:
    """Tensor's methods of these operations."""

    __slots__ = ()
    sgn, signbit, positive, deg2rad, rad2deg, float_power, fmax, fmin = (
        sgn, signbit, positive, deg2rad, rad2deg, float_power, fmax, fmin)  # fmt: skip
    heaviside, logaddexp2, logit, sinc, clamp_min, clamp_max = heaviside, logaddexp2, logit, sinc, clamp_min, clamp_max
    gcd, lcm, ldexp, frexp, nextafter, isposinf, isneginf, isreal = gcd, lcm, ldexp, frexp, nextafter, isposinf, isneginf, isreal
