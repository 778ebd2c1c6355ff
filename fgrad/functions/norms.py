"""PyTorch's norms of vectors and matrices, and what is told by singular values: rank, condition, pseudo-inverse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.eager.cell import Cell
from fgrad.errors import ArgumentError, DtypeError, RangeError, ShapeError
from fgrad.functions.call import axes_of, axis_of, compose, compose_many, convert, tensor_of
from fgrad.functions.dtypes import as_numpy
from fgrad.functions.matrices import INFINITE, NAMES, inexact, matrix, proven, square
from fgrad.functions.pointwise import gt, into, where
from fgrad.functions.shape import expand
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind, real_of
from fgrad.primitives import composites as c
from fgrad.primitives import linalg as rules
from fgrad.primitives.shape import full

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "pinv", "pinverse", "vector_norm"]


def _typed(name: str, x: Any, dtype: Any) -> Any:
    """`x` in the dtype asked for, which must hold its numbers."""
    inexact(name, x, half=True)
    if dtype is None:
        return x
    d = as_numpy(dtype)
    if kind(d) not in "fc" or kind(x._type.dtype) != kind(d):
        raise DtypeError(f"{name}: dtype should be real for real inputs and complex for complex ones, but got {NAMES.get(d.name, d.name)}",
                         where=caller(), fix="use a float dtype, a complex one for complex input")  # fmt: skip
    if not np.can_cast(x._type.dtype, d, "safe"):
        raise DtypeError(f"{name}: the dtype of the input ({NAMES.get(x._type.dtype.name)}) should be convertible without narrowing to the "
                         f"specified dtype ({NAMES.get(d.name)})", where=caller(), fix="use a wider dtype")  # fmt: skip
    return convert(x, d)


@full_precision("cuda")
def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """(sum |x|^ord)^(1/ord) over `dim` (all by default); the largest and smallest |x| for inf and -inf, the non-zeros for 0.

    The derivative of the 2-norm at 0 is 0.
    """
    x = _typed("linalg.vector_norm", x, dtype)
    axes = axes_of(x, dim)
    if (ord < 0 or ord == math.inf) and 0 in [x._type.shape[a] for a in axes]:
        raise ArgumentError(f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not have an identity",
                            where=caller(), fix="give a tensor that has elements")  # fmt: skip
    return into(out, compose(c.norm, x, axes=axes, p=float(ord), keep=bool(keepdim)))


def _order(ord: Any) -> Any:
    if isinstance(ord, str):
        if ord not in ("fro", "nuc"):
            raise ArgumentError(f"linalg.matrix_norm: Order {ord} not supported.", where=caller(), fix='use "fro" or "nuc"')
        return ord
    if ord not in (1, -1, 2, -2, math.inf, -math.inf):
        raise ArgumentError(f"linalg.matrix_norm: Order {ord} not supported.", where=caller(), fix="use 1, -1, 2, -2, inf or -inf")
    return float(ord)


def _zeros(x: Any, *, axes: tuple[int, ...], keep: bool) -> Any:
    y = abs(c.reduce_sum(x, axes=axes))
    return c.kept(y, x.shape, axes) if keep else y


@full_precision("cuda")
def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:  # noqa: N803
    """The norm of matrices in the two dimensions `dim`: "fro", "nuc" (the sum of singular values), inf, -inf (the largest and
    smallest sum of a row), 1, -1 (of a column), 2, -2 (the largest and smallest singular value).
    """  # noqa: D205
    if A._type.ndim < 2:
        raise ShapeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.", where=caller(), fix="use vector_norm")
    order = _order(ord)
    x = _typed("linalg.matrix_norm", A, dtype)
    axes = tuple(axis_of(x, d) for d in dim)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ArgumentError(f"linalg.matrix_norm: dim must be a 2-tuple of different dimensions. Got {dim}", where=caller(), fix="name two")
    if order in ("nuc", 2, -2):
        inexact("linalg.svd", x)
    sizes = [x._type.shape[a] for a in axes]
    if {-1: sizes[1], -2: min(sizes), -math.inf: sizes[0]}.get(order, 1) == 0:
        raise RangeError(f"linalg.matrix_norm: order {order} of {x._type} is the smallest of nothing", where=caller(), fix="give a matrix that has elements")
    if 0 in sizes:
        return into(out, compose(_zeros, x, axes=tuple(sorted(axes)), keep=bool(keepdim)))
    return into(out, compose(rules.matrix_norm, x, order=order, axes=axes, keep=bool(keepdim)))


@full_precision("cuda")
def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None) -> Any:  # noqa: N803
    """`vector_norm`, or `matrix_norm` where `ord` is given for two dimensions; without `ord` the 2-norm of all elements.

    >>> import fgrad
    >>> fgrad.linalg.norm(fgrad.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    if dim is None and A._type.ndim not in (1, 2):
        raise ShapeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A._type.ndim}D.", where=caller(),
                         fix="give dim, or leave ord out")  # fmt: skip
    pair = isinstance(dim, tuple | list) and len(dim) == 2
    if isinstance(ord, str) or pair or (dim is None and A._type.ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype, out=out)


def tolerances(x: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Both as one real number for each matrix. Default: rtol eps max(m, n), 0 if atol is given and above 0."""
    real, shape = real_of(x._type.dtype), x._type.shape[:-2]
    default = float(np.finfo(real).eps) * max(x._type.shape[-2:], default=1)

    def spread(t: Any) -> Any:
        return expand(convert(tensor_of(t, x), real), shape)

    if rtol is None and isinstance(atol, Cell):
        rtol = where(gt(atol, 0), 0.0, default)
    elif rtol is None:
        rtol = 0.0 if atol is not None and atol > 0 else default
    return spread(0.0 if atol is None else atol), spread(rtol)


@full_precision("cpu")
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None) -> Any:  # noqa: N803
    """How many singular values exceed max(atol, rtol * the largest), int64[...].

    hermitian: by eigenvalues, reading the lower triangle.  atol, rtol: numbers or tensors; by default rtol is eps max(m, n).
    tol: PyTorch's old name of atol, with rtol = 0.
    """
    (square if hermitian else matrix)("linalg.matrix_rank", A)
    if tol is not None:
        atol, rtol = tol, 0.0
    y, info = compose_many(rules.rank, A, *tolerances(A, atol, rtol), hermitian=bool(hermitian))
    return into(out, proven("linalg.svd", INFINITE, info, y)[0])


@full_precision("cpu")
def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None) -> Any:  # noqa: N803
    """The Moore-Penrose inverse [..., n, m] of A[..., m, n].

    Singular values up to max(atol, rtol * the largest) count as 0 (by default rtol is eps max(m, n)).  rcond: PyTorch's old name
    of rtol.  The derivative holds where the rank does not change.
    """
    if A._type.ndim < 2 or A._type.dtype.itemsize == 2 or kind(A._type.dtype) not in "fc":
        raise DtypeError(f"linalg.pinv({A._type}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble types",
                         where=caller(), fix="convert it with .float()")  # fmt: skip
    (square if hermitian else matrix)("linalg.pinv", A)
    y, info = compose_many(rules.pinv, A, *tolerances(A, atol, rtol if rcond is None else rcond), hermitian=bool(hermitian))
    return into(out, proven("linalg.svd", INFINITE, info, y)[0])


@full_precision("cpu")
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """`linalg.pinv` with rtol = rcond."""
    return pinv(input, rtol=rcond)


@full_precision("cpu")
def cond(A: Any, p: Any = None, *, out: Any = None) -> Any:  # noqa: N803
    """|A| |A^-1| in the norm p ("fro", "nuc", inf, -inf, 1, -1); None, 2, -2: by singular values, of any matrix. inf if singular."""
    if p not in (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise ArgumentError(f"linalg.cond got an invalid norm type: {p}", where=caller(), fix="use one of PyTorch's")
    if p in (None, 2, -2):
        matrix("linalg.svd", A)
    if isinstance(p, str) or (A._type.size and p not in (None, 2, -2)):
        square(f"linalg.cond(ord={p})", A)
    if not A._type.size:
        return into(out, compose(_none, A))
    return into(out, compose(rules.condition, A, order=p if p is None or isinstance(p, str) else float(p)))


def _none(x: Any) -> Any:
    y = full(x.shape[:-2], 0, x)
    return abs(y)
