"""NumPy's polynomials, given by their coefficients from the highest power down."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, reshape, same
from fgrad.eager.operands import convert, floating
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.calculus import convolve
from fgrad.numpy.elementwise import add, divide, multiply, subtract
from fgrad.numpy.padding import pad
from fgrad.numpy.shape import concatenate, ravel, stack

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyint", "polymul", "polysub", "polyval", "vander"]


def polyval(p: Any, x: Any, *, unroll: int = 16) -> Any:
    """p[0] x^(n-1) + ... + p[n-1], by Horner's rule."""
    c, at = same((p, x))
    y = multiply(at, 0)
    for i in range(c._type.shape[0]):
        y = add(multiply(y, at), c[i])
    return y


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803  # NumPy's name
    """Powers of a vector as columns, falling unless `increasing`."""
    v = array_of(x)
    if v._type.ndim != 1:
        raise ShapeError(f"vander takes a vector, found {v._type}", where=caller(), fix="ravel it")
    n = v._type.shape[0] if N is None else N
    if not n:
        return reshape(v[:0], (0, 0)) if not v._type.size else array_of(np.zeros((v._type.size, 0), v._type.dtype))
    powers = [v * 0 + 1]
    for _ in range(n - 1):
        powers.append(multiply(powers[-1], v))
    return stack(powers if increasing else powers[::-1], 1)


def _aligned(a1: Any, a2: Any) -> list[Any]:
    x, y = (ravel(a) for a in same((a1, a2)))
    n = max(x._type.size, y._type.size)
    return [pad(v, (n - v._type.size, 0)) for v in (x, y)]


def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials."""
    return add(*_aligned(a1, a2))


def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials."""
    return subtract(*_aligned(a1, a2))


def polymul(a1: Any, a2: Any, *, trim_leading_zeros: bool = False) -> Any:
    """The product of two polynomials. trim_leading_zeros: as NumPy (the numbers are read)."""
    x, y = (ravel(a) for a in same((a1, a2), floating=True))
    if trim_leading_zeros:
        x, y = (a[min(_zeros(a), a._type.size - 1) :] for a in (x, y))
    return convolve(x, y)


def _zeros(x: Any) -> int:
    """Zeros at the start, read."""
    found = np.nonzero(np.asarray(x))[0]
    return int(found[0]) if found.size else int(x._type.size)


def polydiv(u: Any, v: Any, *, trim_leading_zeros: bool = False) -> tuple[Any, Any]:
    """(quotient, remainder) of two polynomials; the remainder has leading zeros unless trimmed (numbers are read)."""
    x, y = (ravel(a) for a in same((u, v), floating=True))
    n, m = x._type.size, y._type.size
    if n < m:
        return x[:1] * 0, x
    quotient = []
    for k in range(n - m + 1):
        d = divide(x[k], y[0])
        quotient.append(d)
        x = x.at[k : k + m].add(-d * y)
    if trim_leading_zeros:
        x = x[min(_zeros(x), n - 1) :]
    return stack(quotient), x


def polyder(p: Any, m: int = 1) -> Any:
    """The m-th derivative."""
    if m < 0:
        raise ArgumentError("Order of derivative must be positive", where=caller(), fix="use polyint")
    x = floating(array_of(p))
    for _ in range(m):
        n = x._type.size
        x = multiply(x[:-1], np.arange(n - 1, 0, -1)) if n else x
    return x


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The m-th antiderivative; k: its constants, the first for the first integration (zeros unless given)."""
    if m < 0:
        raise ArgumentError("Order of integral must be positive", where=caller(), fix="use polyder")
    x = floating(array_of(p))
    constants = ravel(array_of(0.0 if k is None else k))
    if constants._type.size not in (1, m):
        raise ArgumentError("k must be a scalar or a rank-1 array of length 1 or m.", where=caller(), fix=f"give {m}")
    constants = convert(constants, x._type.dtype)
    for i in range(m):
        tail = constants[i : i + 1] if constants._type.size > 1 else constants
        x = concatenate([divide(x, np.arange(x._type.size, 0, -1)), tail])
    return x


def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with these zeros, highest coefficient 1."""
    x = floating(array_of(seq_of_zeros))
    if x._type.ndim != 1:
        raise ShapeError(f"poly takes a vector of zeros, found {x._type}", where=caller(), fix="use linalg.eigvals of a matrix")
    y = array_of(np.ones(1, x._type.dtype))
    for i in range(x._type.size):
        y = concatenate([y, array_of(np.zeros(1, x._type.dtype))]) - concatenate([array_of(np.zeros(1, x._type.dtype)), y * x[i]])
    return y
