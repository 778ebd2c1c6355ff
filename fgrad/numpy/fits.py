"""NumPy's polynomials that need linear algebra, and the Bessel function its windows know."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, unary
from fgrad.eager.operands import R, floating
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.creation import eye
from fgrad.numpy.elementwise import sqrt
from fgrad.numpy.linalg import eigvals, inv, lstsq
from fgrad.numpy.linear import matmul
from fgrad.numpy.polynomials import vander
from fgrad.numpy.reductions import sum
from fgrad.numpy.shape import concatenate, expand_dims

__all__ = ["i0", "polyfit", "roots"]


def i0(x: Any, /) -> Any:
    """The modified Bessel function of the first kind of order 0."""
    return unary(R["bessel_i0"], x, floating=True)


def polyfit(x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """The polynomial of degree `deg` with the least sum of squares |w (p(x) - y)|^2, highest coefficient first.

    full: also (residuals, rank, singular values, rcond).  cov: also the covariance of the coefficients (scaled by the
    residuals, unless "unscaled").
    """
    at, values = floating(array_of(x)), floating(array_of(y))
    if at._type.ndim != 1 or values._type.ndim not in (1, 2) or values._type.shape[0] != at._type.shape[0]:
        raise ShapeError(f"polyfit: {at._type} and {values._type} do not fit", where=caller(), fix="give one y for each x")
    if deg < 0:
        raise ArgumentError("expected deg >= 0", where=caller(), fix="use 0 or more")
    n = at._type.size
    rcond = n * float(np.finfo(at._type.dtype).eps) if rcond is None else rcond
    left = vander(at, deg + 1)
    if w is not None:
        weight = floating(array_of(w))
        left = left * expand_dims(weight, 1)
        values = values * (expand_dims(weight, 1) if values._type.ndim == 2 else weight)
    scale = sqrt(sum(left * left, 0))
    found, left_over, rank, s = lstsq(left / scale, values, rcond)
    found = found / (expand_dims(scale, 1) if values._type.ndim == 2 else scale)
    if full:
        return found, left_over, rank, s, rcond
    if not cov:
        return found
    base = inv(matmul(left.mT, left))
    if cov == "unscaled":
        return found, base
    if n <= deg + 1:
        raise ArgumentError("the number of data points must exceed order to scale the covariance matrix", where=caller(),
                            fix='use cov="unscaled"')  # fmt: skip
    factor = left_over / (n - deg - 1)
    return found, base * factor[0] if values._type.ndim == 1 else expand_dims(base, -1) * factor


def roots(p: Any, *, strip_zeros: bool = True) -> Any:
    """The zeros of a polynomial, complex: eigenvalues of its companion matrix.

    strip_zeros: leading and trailing zero coefficients are taken off (their numbers are read), as NumPy does.
    """
    c = floating(array_of(p))
    if c._type.ndim != 1:
        raise ShapeError(f"roots takes a vector of coefficients, found {c._type}", where=caller(), fix="ravel it")
    zeros = 0
    if strip_zeros:
        found = np.nonzero(np.asarray(c))[0]
        first, last = (int(found[0]), int(found[-1]) + 1) if found.size else (c._type.size, c._type.size)
        zeros, c = c._type.size - last if found.size else 0, c[first:last]
    wide = np.dtype("complex128" if c._type.dtype.name in ("float64", "complex128") else "complex64")
    tail = array_of(np.zeros(zeros, wide))
    n = c._type.size
    if n < 2:
        return tail
    below = eye(n - 1, k=-1, dtype=c._type.dtype)
    companion = concatenate([expand_dims(-c[1:] / c[0], 0), below[1:]], 0)
    return concatenate([eigvals(companion), tail])
