"""NumPy's products of vectors, matrices and more axes."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, same
from fgrad.eager.operands import compose
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.creation import diagonal
from fgrad.numpy.elementwise import multiply, subtract
from fgrad.numpy.reductions import sum
from fgrad.numpy.shape import expand_dims, moveaxis, ravel, reshape, stack
from fgrad.primitives.einsum import contraction, einsum_values
from fgrad.primitives.linear import matmul as matmul_values

__all__ = [
    "cross", "dot", "einsum", "inner", "kron", "matmul", "outer", "tensordot", "trace", "vdot", "vecdot",
]  # fmt: skip


def matmul(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Matrix product over the last two axes, batch axes broadcast; 1-d operands are vectors."""
    x, y = same((a, b))
    if not x._type.shape or not y._type.shape:
        raise ShapeError(f"matmul: operands are {x._type} and {y._type}", where=caller(), fix="use * for scalars")
    inner = x._type.shape[-1], y._type.shape[-2 if y._type.ndim > 1 else 0]
    if inner[0] != inner[1]:
        raise ShapeError(
            f"matmul: inner axes differ in {x._type} @ {y._type} ({inner[0]} != {inner[1]})", where=caller(),
            fix="transpose one operand (x.mT) or check the layer widths",
        )  # fmt: skip
    return compose(matmul_values, x, y)


def dot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sum of products over the last axis of `a` and the last but one of `b`; a product where one is a number."""
    x, y = same((a, b))
    if not x._type.ndim or not y._type.ndim:
        return multiply(x, y)
    return contract(x, y, (x._type.ndim - 1,), (max(y._type.ndim - 2, 0),), "dot")


def contract(x: Any, y: Any, left: Any, right: Any, name: str) -> Any:
    """One contraction, checked."""
    if [x._type.shape[i] for i in left] != [y._type.shape[i] for i in right]:
        raise ShapeError(
            f"{name}: axes {left} of {x._type} and {right} of {y._type} differ", where=caller(),
            fix="contract axes of equal length",
        )  # fmt: skip
    return compose(contraction, x, y, contract=(tuple(left), tuple(right)))


def vdot(a: Any, b: Any) -> Any:
    """Sum of products of the flattened operands (real ones)."""
    return dot(ravel(a), ravel(b))


def inner(a: Any, b: Any) -> Any:
    """Sum of products over the last axes."""
    x, y = same((a, b))
    if not x._type.ndim or not y._type.ndim:
        return multiply(x, y)
    return contract(x, y, (x._type.ndim - 1,), (y._type.ndim - 1,), "inner")


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sum of products along one axis, the others broadcast (real operands)."""
    return sum(multiply(x1, x2), axis)


def outer(a: Any, b: Any) -> Any:
    """a[i] * b[j] of the flattened operands."""
    return multiply(expand_dims(ravel(a), 1), ravel(b))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over `axes`: a number of trailing and leading axes, or two lists of axes."""
    x, y = same((a, b))
    if isinstance(axes, int | np.integer):
        k = operator.index(axes)
        left, right = range(x._type.ndim - k, x._type.ndim), range(k)
        return contract(x, y, tuple(left), tuple(right), "tensordot")
    first, second = axes
    pairs = [tuple(axis_of(t, k) for k in (ks if isinstance(ks, tuple | list) else (ks,)))
             for t, ks in ((x, first), (y, second))]  # fmt: skip
    if len(pairs[0]) != len(pairs[1]):
        raise ArgumentError("tensordot: the lists of axes differ in length", where=caller(), fix="pair them")
    return contract(x, y, pairs[0], pairs[1], "tensordot")


def einsum(subscripts: str, /, *operands: Any, optimize: Any = "optimal", precision: Any = None) -> Any:
    """Einstein summation, e.g. `einsum("bij,bjk->bik", a, b)`; the order of contraction is opt-einsum's."""
    return compose(einsum_values, *same(operands), equation=subscripts.replace(" ", ""))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum along a diagonal."""
    return sum(diagonal(a, offset, axis1, axis2), -1)


def kron(a: Any, b: Any) -> Any:
    """Kronecker product of matrices."""
    (n, m), (p, q) = array_of(a)._type.shape, array_of(b)._type.shape
    return reshape(multiply(reshape(a, (n, 1, m, 1)), reshape(b, (1, p, 1, q))), (n * p, m * q))


def cross(a: Any, b: Any, axis: int = -1) -> Any:
    """Cross product along an axis of length 3."""
    x, y = moveaxis(a, axis, 0), moveaxis(b, axis, 0)
    parts = [
        subtract(multiply(x[(i + 1) % 3], y[(i + 2) % 3]), multiply(x[(i + 2) % 3], y[(i + 1) % 3])) for i in range(3)
    ]
    return stack(parts, axis)
