"""PyTorch's linear systems: solutions, inverses, determinants, least squares.

Matrices are the last two dimensions, batches the leading ones, broadcast against each other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.eager.tape import THREAD
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import axis_of, compose, compose_many
from fgrad.functions.matrices import (
    DIAGONAL,
    INFINITE,
    SINGULAR,
    Determinant,
    Inverse,
    LeastSquares,
    Solution,
    Triangular,
    batched,
    inexact,
    into_each,
    matrix,
    proven,
    same_dtype,
    square,
)
from fgrad.functions.norms import tolerances
from fgrad.functions.pointwise import into
from fgrad.functions.shape import clone, movedim, reshape, squeeze, unsqueeze
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import dtype_of, real_of
from fgrad.primitives import linalg as rules
from fgrad.primitives import solving
from fgrad.primitives.shape import full
from fgrad.primitives.structure import stop_gradient

__all__ = [
    "cholesky_inverse", "cholesky_solve", "det", "inv", "inv_ex", "logdet", "lstsq", "lu_solve", "slogdet", "solve", "solve_ex",
    "solve_triangular", "tensorinv", "tensorsolve", "triangular_solve",
]  # fmt: skip


def _fits(name: str, a: Any, b: Any, left: bool) -> None:
    """Refuses sides that do not belong to one equation."""
    if a._type.shape[-1] != b._type.shape[-2 if left else -1]:
        (m, n), (p, q) = a._type.shape[-2:], b._type.shape[-2:]
        raise ShapeError(f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} ({m}x{n} and {p}x{q})",
                         where=caller(), fix="transpose one of them, or change left")  # fmt: skip


def _is_vector(a: Any, b: Any) -> bool:
    """True if `b` is one vector for each matrix."""
    return bool(b._type.ndim == 1 or (a._type.ndim - 1 == b._type.ndim and b._type.shape == a._type.shape[:-1]))


def _solve(name: str, a: Any, b: Any, left: bool) -> tuple[Any, Any]:
    square(name, a)
    same_dtype(name, a, b)
    vector = _is_vector(a, b)
    if vector and not left:
        raise ArgumentError(f"{name}: Vector broadcasting of the left hand side is not supported for left=False. In this case {name} is "
                            "equivalent to B / A.squeeze(-1)", where=caller(), fix="give a matrix")  # fmt: skip
    b = unsqueeze(b, -1) if vector else matrix(name, b)
    _fits(name, a, b, left)
    x, info = compose_many(rules.solve, *batched(name, a, b), left=bool(left))
    return (squeeze(x, -1) if vector else x), info


@full_precision("cpu")
def solve(A: Any, B: Any, *, left: bool = True, out: Any = None) -> Any:  # noqa: N803  # PyTorch's names
    """X with A X = B (or X A = B), for square invertible A[..., n, n] and B[..., n, k] or vectors B[..., n].

    Raises LinAlgError if a matrix is singular.

    >>> import fgrad
    >>> fgrad.linalg.solve(fgrad.tensor([[2.0, 0.0], [0.0, 4.0]]), fgrad.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    x, info = _solve("linalg.solve", A, B, left)
    return into(out, proven("torch.linalg.solve", SINGULAR, info, x)[0])


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:  # noqa: N803
    """(result, info) as `solve`, which tells in `info` (int32) and does not raise, unless check_errors."""
    x, info = _solve("linalg.solve", A, B, left)
    if check_errors:
        (x,) = proven("torch.linalg.solve_ex", SINGULAR, info, x)
    return into_each(out, Solution(x, _of_each(info, A._type.shape[:-2])))


def _of_each(info: Any, lead: tuple[int, ...]) -> Any:
    """What is known of each matrix, from what is known of each system."""
    if info._type.shape == lead:
        return info
    return info[(0,) * (info._type.ndim - len(lead)) + tuple([slice(0, n) for n in lead])]


@full_precision("cpu")
def inv(A: Any, *, out: Any = None) -> Any:  # noqa: N803
    """The inverse of square matrices. Raises LinAlgError if one is singular."""
    y, info = compose_many(rules.inv, square("linalg.inv", A))
    return into(out, proven("linalg.inv", DIAGONAL, info, y)[0])


@full_precision("cpu")
def inv_ex(A: Any, *, check_errors: bool = False, out: Any = None) -> Any:  # noqa: N803
    """(inverse, info) as `inv`, which tells in `info` (int32) and does not raise, unless check_errors."""
    y, info = compose_many(rules.inv, square("linalg.inv_ex", A))
    if check_errors:
        (y,) = proven("linalg.inv_ex", DIAGONAL, info, y)
    return into_each(out, Inverse(y, info))


def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None) -> Any:  # noqa: N803
    """X with T X = B (or X T = B), T the upper or lower triangle of A, with ones on its diagonal if unitriangular.

    A zero on the diagonal gives infinities or NaN.
    """
    name = "linalg.solve_triangular"
    a, b = square(name, A), B
    if b._type.ndim < 2:
        raise ShapeError(f"{name}: The input tensor B must have at least 2 dimensions.", where=caller(), fix="use B.unsqueeze(-1)")
    same_dtype(name, a, b)
    _fits(name, a, b, left)
    y = compose(rules.triangular, *batched(name, a, b), upper=bool(upper), left=bool(left), unit=bool(unitriangular))
    return into(out, y)


@full_precision("cpu")
def triangular_solve(b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any = None) -> Any:  # noqa: N803
    """(X, A) with T X = b, T the triangle of A or its transpose."""
    a, b = batched("triangular_solve", square("triangular_solve", A), matrix("triangular_solve", b))
    given = a.mT if transpose else a
    x = solve_triangular(given, b, upper=upper != transpose, unitriangular=unitriangular)
    return into_each(out, Triangular(x, clone(a)))


@full_precision("cpu")
def cholesky_solve(B: Any, L: Any, upper: bool = False, *, out: Any = None) -> Any:  # noqa: N803
    """X with A X = B, A = L L^H given by its Cholesky factor (upper: U^H U)."""
    name = "cholesky_solve"
    square(name, L), matrix(name, B)
    if L._type.shape[-1] != B._type.shape[-2]:
        n = L._type.shape[-1]
        raise ShapeError(f"Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is "
                         f"{B._type.shape[-2]} by {B._type.shape[-1]}", where=caller(), fix="give one row for each of A")  # fmt: skip
    return into(out, compose(rules.cholesky_solve, *batched(name, B, L), upper=bool(upper)))


def _identity(x: Any) -> Any:
    return rules.matrix_power(x, n=0)


@full_precision("cpu")
def cholesky_inverse(L: Any, upper: bool = False, *, out: Any = None) -> Any:  # noqa: N803
    """The inverse of L L^H (upper: of U^H U)."""
    square("cholesky_inverse", L)
    return into(out, compose(rules.cholesky_solve, compose(_identity, L), L, upper=bool(upper)))


@full_precision("cpu")
def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False, out: Any = None) -> Any:  # noqa: N803
    """X with A X = B (or X A = B), A (or its adjoint) given by what lu_factor returned."""
    name = "linalg.lu_solve"
    a, b = square(name, LU), matrix(name, B)
    same_dtype(name, a, b)
    _fits(name, a, b, left)
    a, swaps, b = batched(name, a, unsqueeze(pivots, -1), b)
    return into(out, compose(rules.lu_solve, a, squeeze(swaps, -1), b, left=bool(left), adjoint=bool(adjoint)))


def det(A: Any, *, out: Any = None) -> Any:  # noqa: N803
    """The determinant of square matrices.

    >>> import fgrad
    >>> fgrad.det(fgrad.tensor([[1.0, 2.0], [3.0, 4.0]])).round(decimals=4)
    tensor(-2.)
    """
    return into(out, compose(solving.det, square("linalg.det", A)))


def slogdet(A: Any, *, out: Any = None) -> Any:  # noqa: N803
    """(sign, logabsdet) of the determinant; (0, -inf) of a singular matrix."""
    return into_each(out, Determinant(*compose_many(rules.slogdet, square("linalg.slogdet", A))))


def logdet(input: Any) -> Any:
    """log det A: NaN if the determinant is negative, -inf if it is 0; complex of complex matrices."""
    return compose(rules.logdet, square("logdet", input))


DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@full_precision("cpu")
def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:  # noqa: N803
    """(solution, residuals, rank, singular_values): X of least norm among those that make |A X - B| least.

    rcond: singular values up to rcond times the largest count as 0 (default: eps max(m, n)).  driver: "gelsy" (default),
    "gels", "gelsd", "gelss" say which of the results there are, as in LAPACK: residuals (where m > n, of full rank) for all but
    gelsy, rank for all but gels, singular values for gelsd and gelss; the others are empty.  In a recorded function (jit) full
    rank is taken for granted.
    """
    name = "torch.linalg.lstsq"
    if A._type.ndim < 2:
        raise ShapeError(f"{name}: input must have at least 2 dimensions.", where=caller(), fix="give a matrix")
    inexact(name, A)
    same_dtype(name, A, B)
    if driver not in (None, *DRIVERS):
        raise ArgumentError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)", where=caller(), fix="use one of these")
    vector = _is_vector(A, B)
    b = unsqueeze(B, -1) if vector else B
    if A._type.shape[-2] != b._type.shape[-2]:
        raise ShapeError(f"{name}: input.size(-2) should match other.size(-2)", where=caller(), fix="give one row for each of A")
    a, b = batched(name, A, b)
    return _least(a, b, rcond, driver or "gelsy", vector)


def _nothing(x: Any, *, dtype: Any) -> Any:
    return rules.convert(full((0,), 0, x), dtype=dtype)


def _least(a: Any, b: Any, rcond: float | None, driver: str, vector: bool) -> Any:
    m, n = a._type.shape[-2:]
    real = real_of(a._type.dtype)
    _, cut = tolerances(a, None, float(np.finfo(real).eps) * max(m, n) if rcond is None else rcond)
    x, gaps, info = compose_many(rules.lstsq, a, b, cut)
    x, gaps = proven("torch.linalg.lstsq", INFINITE, info, x, gaps)
    none = compose(_nothing, a, dtype=real)
    count, values = compose(_nothing, a, dtype=dtype_of("int64")), none
    found = compose_many(rules.rank, a, compose(_no_tolerance, cut), cut, hermitian=False)[0]
    if driver != "gels":
        count = found
    if driver in ("gelsd", "gelss"):
        values = compose(stop_gradient, compose_many(rules.svdvals, a)[0])
    whole = m > n and driver != "gelsy" and (driver == "gels" or THREAD.tape.tracing or bool((buffer_of(found) == n).all()))
    return LeastSquares(squeeze(x, -1) if vector else x, gaps if whole else none, count, values)


def _no_tolerance(x: Any) -> Any:
    return full(x.shape, 0, x)


@full_precision("cpu")
def tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:  # noqa: N803
    """The inverse of A as a map from its last dimensions to its first `ind`: tensordot(inverse, A, ind) is the identity."""
    if ind < 1:
        raise ArgumentError("Expected a strictly positive integer for 'ind'", where=caller(), fix="use ind >= 1")
    if ind > A._type.ndim:
        raise ShapeError(f"tensorinv: ind={ind} of a tensor of {A._type.ndim} dimensions", where=caller(), fix="use a smaller ind")
    first, last = A._type.shape[:ind], A._type.shape[ind:]
    n = math.prod(first)
    if n != math.prod(last):
        raise ShapeError(f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
                         f"{math.prod(last)} != {n}", where=caller(), fix="change ind")  # fmt: skip
    return into(out, reshape(inv(reshape(A, (n, n))), (*last, *first)))


@full_precision("cpu")
def tensorsolve(A: Any, B: Any, dims: Any = None, *, out: Any = None) -> Any:  # noqa: N803
    """X with tensordot(A, X, X.ndim) = B. dims: dimensions of A to move to its end first."""
    a = A if dims is None else movedim(A, tuple(axis_of(A, d) for d in dims), tuple(range(A._type.ndim - len(dims), A._type.ndim)))
    n, rest = math.prod(B._type.shape), a._type.shape[B._type.ndim :]
    if math.prod(rest) != n or a._type.size != n * n:
        raise ShapeError(f"Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got "
                         f"{math.prod(rest)} != {n}", where=caller(), fix="give dims")  # fmt: skip
    return into(out, reshape(solve(reshape(a, (n, n)), reshape(B, n)), rest))
