"""NumPy's linalg: what needs no matrix decomposition."""

from __future__ import annotations

import math
from typing import Any

from fgrad.eager.arrays import array_of, axes_of, axis_of
from fgrad.eager.operands import compose, floating
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.numpy.elementwise import absolute
from fgrad.numpy.linear import cross, matmul, outer, tensordot, trace, vecdot
from fgrad.numpy.reductions import max, min, sum
from fgrad.numpy.shape import matrix_transpose
from fgrad.primitives import composites as c

__all__ = ["cross", "matmul", "matrix_transpose", "norm", "outer", "tensordot", "trace", "vecdot", "vector_norm"]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """(sum |x|^ord)^(1/ord) of vectors; of matrices (two axes) ord None, "fro", 1, -1, inf or -inf.

    The derivative of the 2-norm at 0 is 0.
    """
    a = floating(array_of(x))
    axes = axes_of(a, axis)
    if ord is None or (axis is None and a._type.ndim != 2 and ord == "fro"):
        return compose(c.norm, a, axes=axes, p=2.0, keep=keepdims)
    if len(axes) == 1:
        return compose(c.norm, a, axes=axes, p=float(ord), keep=keepdims)
    if len(axes) != 2:
        raise ArgumentError("norm: ord needs one or two axes", where=caller(), fix="give axis=, or leave ord out")
    row, column = (axis_of(a, k) for k in (axis if axis is not None else (0, 1)))
    if ord == "fro":
        return compose(c.norm, a, axes=axes, p=2.0, keep=keepdims)
    if ord not in (1, -1, math.inf, -math.inf):
        raise ArgumentError(f"norm: ord={ord!r} of a matrix needs a decomposition", where=caller(), fix='use "fro"')
    first, second = (row, column) if abs(ord) == 1 else (column, row)
    total = sum(absolute(a), first, keepdims=True)
    y = (max if ord > 0 else min)(total, second, keepdims=True)
    return y if keepdims else y.squeeze(axes)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    """(sum |x|^ord)^(1/ord) over `axis`, over all elements if None."""
    a = floating(array_of(x))
    return compose(c.norm, a, axes=axes_of(a, axis), p=float(ord), keep=keepdims)
