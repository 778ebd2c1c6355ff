"""PyTorch's torch.linalg: decompositions, systems, norms (files of their own), and the functions of matrices here.

Matrices are the last two dimensions, batches the leading ones.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from fgrad.eager import casting
from fgrad.errors import ArgumentError, DtypeError, LinAlgError, ShapeError
from fgrad.functions import linear
from fgrad.functions.call import axis_of, compose, convert, is_integer
from fgrad.functions.complex import conj
from fgrad.functions.decompositions import (
    cholesky,
    cholesky_ex,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    householder_product,
    ldl_factor,
    ldl_factor_ex,
    ldl_solve,
    lu,
    lu_factor,
    lu_factor_ex,
    qr,
    svd,
    svdvals,
)
from fgrad.functions.linear import matmul
from fgrad.functions.matrices import inexact, same_dtype, square
from fgrad.functions.norms import cond, matrix_norm, matrix_rank, norm, pinv, vector_norm
from fgrad.functions.pointwise import into, mul
from fgrad.functions.reductions import sum
from fgrad.functions.refusals import tensors_only
from fgrad.functions.shape import clone, squeeze, unsqueeze
from fgrad.functions.solving import (
    det,
    inv,
    inv_ex,
    lstsq,
    lu_solve,
    slogdet,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from fgrad.functions.triangles import diagonal as diagonal_of
from fgrad.ir.apply import caller
from fgrad.ir.types import INT64
from fgrad.primitives import linalg as rules

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp",
    "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


def cross(input: Any, other: Any, *, dim: int = -1, out: Any = None) -> Any:
    """The cross product along a dimension of length 3; the others broadcast."""
    tensors_only("linalg.cross", input, other)
    if input._type.ndim != other._type.ndim:
        raise ShapeError(f"linalg.cross: inputs must have the same number of dimensions, got {input._type} and {other._type}", where=caller(),
                         fix="unsqueeze one of them")  # fmt: skip
    return linear.cross(input, other, dim, out=out)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:  # noqa: N803  # PyTorch's name
    """The diagonals of matrices in two dimensions (the last two), as the last dimension."""
    return diagonal_of(A, offset, dim1, dim2)


def matrix_exp(A: Any, *, out: Any = None) -> Any:  # noqa: N803
    """e^A = 1 + A + A A / 2 + A A A / 6 + ... of square matrices.

    >>> import fgrad
    >>> fgrad.linalg.matrix_exp(fgrad.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return into(out, compose(rules.matrix_exp, square("linalg.matrix_exp", A, half=True)))


def matrix_power(A: Any, n: int, *, out: Any = None) -> Any:  # noqa: N803
    """A A .. A, n times; of the inverse for a negative n, the identity for 0. Integers too."""
    if A._type.ndim < 2 or A._type.shape[-1] != A._type.shape[-2]:
        square("linalg.matrix_power", A)
    k = abs(operator.index(n))
    x = inv(A) if n < 0 else A
    if n == 1:
        return into(out, clone(A))
    if k > 1:
        (x,) = casting.lower(x)
    return into(out, compose(rules.matrix_power, x, n=k))


def multi_dot(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """The product of matrices, in the order that multiplies least; the first and the last may be vectors.

    >>> import fgrad
    >>> fgrad.linalg.multi_dot([fgrad.ones(2), fgrad.ones(2, 3), fgrad.ones(3)])
    tensor(6.)
    """
    xs = list(tensors)
    if len(xs) < 2:
        raise ArgumentError(f"multi_dot(): expected at least 2 tensors but got {len(xs)}", where=caller(), fix="give two or more")
    ends = [xs[0]._type.ndim == 1, xs[-1]._type.ndim == 1]
    xs[0] = unsqueeze(xs[0], 0) if ends[0] else xs[0]
    xs[-1] = unsqueeze(xs[-1], 1) if ends[1] else xs[-1]
    for i, x in enumerate(xs):
        if x._type.ndim != 2:
            raise ShapeError(f"multi_dot(): tensor {i} must be 2D but got {x._type.ndim}D", where=caller(), fix="give matrices")
        if x._type.dtype != xs[0]._type.dtype:
            raise DtypeError(f"multi_dot(): all tensors must have the same dtype, got {xs[0].dtype} and {x.dtype}", where=caller(),
                             fix="convert them first")  # fmt: skip
    y = _product(xs, _splits([x._type.shape[0] for x in xs] + [xs[-1]._type.shape[1]]), 0, len(xs) - 1)
    y = squeeze(y, 0) if ends[0] else y
    return into(out, squeeze(y, -1) if ends[1] else y)


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut the product i..j into two: the matrix chain by dynamic programming (Cormen et al., ch. 15.2)."""
    n = len(sizes) - 1
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(n)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            found = [(cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i, j], cut[i, j] = min(found)
    return cut


def _product(xs: list[Any], cut: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return xs[i]
    k = cut[i, j]
    return matmul(_product(xs, cut, i, k), _product(xs, cut, k + 1, j))


def vander(x: Any, N: int | None = None) -> Any:  # noqa: N803
    """1, x, x^2, .. x^(N-1) along a new last dimension; N by default the length of the last one. Integers as int64."""
    if x._type.dtype.kind == "b" or (x._type.dtype.itemsize == 2 and not is_integer(x)):
        raise DtypeError(f"linalg.vander supports floating point, complex, and integer tensors, but got {x.dtype}", where=caller(),
                         fix="convert it with .float()")  # fmt: skip
    if not x._type.ndim and N is None:
        raise ShapeError("linalg.vander: x must have at least one dimension", where=caller(), fix="give a vector, or N")
    if N is not None and N <= 1:
        raise ArgumentError("N must be greater than 1.", where=caller(), fix="use N > 1")
    x = convert(x, INT64) if is_integer(x) else x
    x = x if x._type.ndim else unsqueeze(x, 0)
    return compose(rules.vander, x, n=x._type.shape[-1] if N is None else int(N))


def vecdot(x: Any, y: Any, *, dim: int = -1, out: Any = None) -> Any:
    """sum conj(x) y along `dim`; the other dimensions broadcast."""
    tensors_only("linalg.vecdot", x, y)
    a, b = [inexact("linalg.vecdot", t, half=True) for t in casting.lower(x, y)]
    same_dtype("linalg.vecdot", a, b)
    product = mul(conj(a), b)
    return sum(product, axis_of(product, dim), out=out)
