"""NumPy's products of vectors, matrices and more axes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axis_of, result_dtype, same
from fgrad.eager.operands import compose, convert
from fgrad.errors import ArgumentError, ShapeError, need
from fgrad.ir.apply import caller
from fgrad.numpy.complexes import conj
from fgrad.numpy.creation import diagonal
from fgrad.numpy.elementwise import multiply, not_equal, subtract
from fgrad.numpy.reductions import no_out, sum
from fgrad.numpy.shape import expand_dims, moveaxis, ravel, reshape, squeeze, stack
from fgrad.primitives.einsum import contraction, einsum_values
from fgrad.primitives.linear import matmul as matmul_values

__all__ = [
    "cross", "dot", "einsum", "einsum_path", "inner", "kron", "matmul", "matvec", "outer", "tensordot", "trace", "vdot", "vecdot",
    "vecmat",
]  # fmt: skip


def of_bools(product: Callable[..., Any], x: Any, y: Any) -> Any:
    """A product of truth values: whether any pair of them is true."""
    wide = np.dtype("int64")
    return not_equal(product(convert(x, wide), convert(y, wide)), 0)


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
    return of_bools(matmul, x, y) if x._type.dtype.kind == "b" else compose(matmul_values, x, y)


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
    if x._type.dtype.kind == "b":
        return of_bools(lambda v, w: contract(v, w, left, right, name), x, y)
    return compose(contraction, x, y, contract=(tuple(left), tuple(right)))


def vdot(a: Any, b: Any) -> Any:
    """Sum of products of the flattened operands, those of `a` conjugated."""
    return dot(conj(ravel(a)), ravel(b))


def inner(a: Any, b: Any) -> Any:
    """Sum of products over the last axes."""
    x, y = same((a, b))
    if not x._type.ndim or not y._type.ndim:
        return multiply(x, y)
    return contract(x, y, (x._type.ndim - 1,), (y._type.ndim - 1,), "inner")


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sum of products along one axis, those of `x1` conjugated, the others broadcast."""
    x, y = array_of(x1), array_of(x2)
    if x._type.shape[axis] != y._type.shape[axis]:
        raise ShapeError(f"vecdot: axis {axis} of {x._type} and {y._type} differs", where=caller(), fix="give equal lengths")
    y = sum(multiply(conj(x), y), axis)
    return convert(y, result_dtype(*map(array_of, (x1, x2))))


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


def einsum(subscripts: Any, /, *operands: Any, out: None = None, optimize: Any = "optimal", precision: Any = None) -> Any:
    """Einstein summation, e.g. `einsum("bij,bjk->bik", a, b)`, or with lists of axes: `einsum(a, [0, 1], b, [1, 2])`.

    The order of contraction is opt-einsum's.
    """
    no_out(out)
    text, xs = subscripts_of(subscripts, operands)
    return compose(einsum_values, *same(xs), equation=text)


def subscripts_of(subscripts: Any, operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The equation as text, and the operands."""
    if isinstance(subscripts, str):
        return subscripts.replace(" ", ""), list(operands)
    given = [subscripts, *operands]
    terms = given[1::2] + ([given[-1]] if len(given) % 2 else [])
    text = ["".join("..." if k is Ellipsis else chr(ord("a") + k) for k in term) for term in terms]
    equation = ",".join(text[:-1]) + "->" + text[-1] if len(given) % 2 else ",".join(text)
    return equation, given[: len(given) - len(given) % 2 : 2]


def einsum_path(subscripts: Any, /, *operands: Any, optimize: Any = "greedy") -> tuple[list[Any], Any]:
    """(pairs of operands to contract, one after another, a report)."""
    text, xs = subscripts_of(subscripts, operands)
    shapes = [tuple(array_of(x)._type.shape) for x in xs]
    found = need("opt_einsum").contract_path(text, *shapes, shapes=True, optimize=optimize if isinstance(optimize, str) else "greedy")
    return ["einsum_path", *found[0]], str(found[1])


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    """Sum along a diagonal."""
    return sum(diagonal(a, offset, axis1, axis2), -1, dtype, out)


def matvec(x1: Any, x2: Any, /) -> Any:
    """Matrices times vectors, batches broadcast."""
    return squeeze(matmul(x1, expand_dims(x2, -1)), -1)


def vecmat(x1: Any, x2: Any, /) -> Any:
    """Vectors (conjugated) times matrices, batches broadcast."""
    return squeeze(matmul(expand_dims(conj(x1), -2), x2), -2)


def kron(a: Any, b: Any) -> Any:
    """Kronecker product: blocks a[i, j] b."""
    x, y = same((a, b))
    rank = max(x._type.ndim, y._type.ndim)
    n, m = ((1,) * (rank - t._type.ndim) + t._type.shape for t in (x, y))
    wide = tuple(d for k in n for d in (k, 1)), tuple(d for k in m for d in (1, k))
    product = multiply(reshape(x, wide[0]), reshape(y, wide[1]))
    return reshape(product, tuple(i * j for i, j in zip(n, m, strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Cross product along axes of length 3; of length 2, a third component 0 is meant (of two such: the third alone)."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    sizes = x._type.shape[-1], y._type.shape[-1]
    if not set(sizes) <= {2, 3}:
        raise ShapeError(f"cross: axes of length {sizes}", where=caller(), fix="give vectors of 2 or 3 components")
    p, q = ([t[..., i] for i in range(t._type.shape[-1])] for t in (x, y))
    last = subtract(multiply(p[0], q[1]), multiply(p[1], q[0]))
    if sizes == (2, 2):
        return last
    zero = multiply(last, 0)
    p, q = ([*v, zero][:3] for v in (p, q))
    first = subtract(multiply(p[1], q[2]), multiply(p[2], q[1]))
    second = subtract(multiply(p[2], q[0]), multiply(p[0], q[2]))
    return stack([first, second, last], axisc)
