"""NumPy's operations on bits, on whole numbers and on the digits of floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, binary, call, reshape, same
from fgrad.eager.operands import R, compose, compose_many, convert, floating
from fgrad.errors import ArgumentError, DtypeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.ir.graph import Value
from fgrad.numpy.elementwise import absolute, bitwise_and, copysign, left_shift, multiply, right_shift
from fgrad.numpy.padding import pad
from fgrad.numpy.reductions import sum
from fgrad.numpy.shape import moveaxis, ravel
from fgrad.primitives import elementary
from fgrad.primitives.structure import item

__all__ = [
    "bitwise_count", "fabs", "frexp", "gcd", "lcm", "ldexp", "nextafter", "packbits", "spacing", "unpackbits",
]  # fmt: skip


def _integers(name: str, *xs: Any) -> list[Any]:
    found = same(xs)
    if kind(found[0]._type.dtype) not in "iu":
        raise DtypeError(f"{name} takes integers, found {found[0]._type}", where=caller(), fix="convert with astype")
    return found


def gcd(x1: Any, x2: Any, /) -> Any:
    """Greatest common divisor of integers, 0 or more."""
    return binary(R["gcd"], *_integers("gcd", x1, x2))


def lcm(x1: Any, x2: Any, /) -> Any:
    """Least common multiple of integers, 0 or more."""
    return compose(elementary.lcm, *_integers("lcm", x1, x2))


def nextafter(x: Any, y: Any, /) -> Any:
    """The next number after x towards y."""
    return binary(R["nextafter"], x, y, floating=True)


def spacing(x: Any, /) -> Any:
    """The distance from x to the next number away from 0."""
    a = floating(array_of(x))
    up = nextafter(absolute(a), np.inf) - absolute(a)
    return copysign(up, a)


def frexp(x: Any, /) -> tuple[Any, Any]:
    """(mantissa in [0.5, 1) with the sign of x, int32 exponent): x = mantissa * 2^exponent."""
    return compose_many(_frexp, floating(array_of(x)))


def _frexp(x: Value) -> tuple[Any, Any]:
    found = elementary.frexp(x)
    return item(found, index=0), item(found, index=1)


def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 * 2^x2."""
    x, n = floating(array_of(x1)), array_of(x2)
    if kind(n._type.dtype) not in "iu":
        raise DtypeError(f"ldexp takes integer exponents, found {n._type}", where=caller(), fix="convert with astype")
    half = n // 2  # in two steps, so that neither power overflows where the product does not
    first, second = (call("exp2", convert(k, x._type.dtype)) for k in (half, n - half))
    return multiply(multiply(x, first), second)


def fabs(x: Any, /) -> Any:
    """|x| as a float."""
    return absolute(floating(array_of(x)))


def bitwise_count(x: Any, /) -> Any:
    """How many bits of |x| are 1: uint8."""
    a = absolute(_integers("bitwise_count", x)[0]) if array_of(x)._type.dtype.kind != "b" else array_of(x).astype("uint8")
    width = 8 * a._type.dtype.itemsize
    digits = np.arange(width, dtype=a._type.dtype)
    bits = bitwise_and(right_shift(reshape(a, (*a._type.shape, 1)), digits), 1)
    return convert(sum(bits, -1), np.dtype("uint8"))


def _order(bitorder: str) -> Any:
    if bitorder not in ("big", "little"):
        raise ArgumentError(f"'order' must be either 'little' or 'big', found {bitorder!r}", where=caller(), fix="use one")
    return np.arange(8, dtype=np.uint8)[:: -1 if bitorder == "big" else 1].copy()


def packbits(a: Any, axis: int | None = None, bitorder: str = "big") -> Any:
    """Eight truth values (zeros at the end fill the last eight) as one uint8."""
    x = ravel(a) if axis is None else array_of(a)
    at, digits = axis_of(x, axis or 0), _order(bitorder)
    rows = convert(moveaxis(x, at, -1) != 0, np.dtype("uint8"))
    n = rows._type.shape[-1]
    rows = pad(rows, [(0, 0)] * (rows._type.ndim - 1) + [(0, -n % 8)])
    rows = reshape(rows, (*rows._type.shape[:-1], (n + 7) // 8, 8))
    return moveaxis(sum(left_shift(rows, digits), -1, np.uint8), -1, at)


def unpackbits(a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """The bits of uint8 as ones and zeros; the first `count`, or all but the last -count."""
    x = ravel(a) if axis is None else array_of(a)
    if x._type.dtype != np.uint8:
        raise DtypeError(f"unpackbits takes uint8, found {x._type}", where=caller(), fix="convert with astype")
    at, digits = axis_of(x, axis or 0), _order(bitorder)
    rows = moveaxis(x, at, -1)
    bits = bitwise_and(right_shift(reshape(rows, (*rows._type.shape, 1)), digits), 1)
    flat = reshape(bits, (*rows._type.shape[:-1], 8 * rows._type.shape[-1]))
    if count is not None:
        n = flat._type.shape[-1]
        keep = count if count >= 0 else n + count
        flat = flat[..., :keep] if keep <= n else pad(flat, [(0, 0)] * (flat._type.ndim - 1) + [(0, keep - n)])
    return moveaxis(flat, -1, at)
