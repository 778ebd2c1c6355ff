"""What PyTorch's linear algebra asks of its operands, and how it fails on their values."""

from __future__ import annotations

from typing import Any, NamedTuple

from fgrad.eager.tape import THREAD
from fgrad.eager.views import buffer_of
from fgrad.errors import DtypeError, LinAlgError, ShapeError
from fgrad.functions.call import compose, is_integer
from fgrad.functions.pointwise import into
from fgrad.functions.refusals import tensors_only
from fgrad.functions.shape import expand
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.primitives.solving import failure, verified

NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long", "float16": "Half",
    "bfloat16": "BFloat16", "float32": "Float", "float64": "Double", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip
SINGULAR = "The solver failed because the input matrix is singular."
DIAGONAL = "The diagonal element {} is zero, the inversion could not be completed because the input matrix is singular."
INDEFINITE = ("The factorization could not be completed because the input is not positive-definite (the leading minor of order {} "
              "is not positive-definite).")  # fmt: skip
INFINITE = "The algorithm failed to converge because the input matrix contained non-finite values."
REPEATED = "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues (error code: {})."
ZERO_PIVOT = "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. Consider lu_factor_ex."


def inexact(name: str, x: Any, *, half: bool = False) -> Any:
    """Refuses integers, and half precision unless it is allowed."""
    tensors_only(name, x)
    d = x._type.dtype.name
    if is_integer(x):
        raise DtypeError(f"{name}: Expected a floating point or complex tensor as input. Got {NAMES.get(d, d)}", where=caller(),
                         fix="convert it with .float()")  # fmt: skip
    if x._type.dtype.itemsize == 2 and not half:
        raise DtypeError(f"{name}: Low precision dtypes not supported. Got {NAMES.get(d, d)}", where=caller(), fix="convert it with .float()")
    return x


def matrix(name: str, x: Any, *, half: bool = False) -> Any:
    """Refuses what is no batch of float or complex matrices."""
    tensors_only(name, x)
    if x._type.ndim < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions.", where=caller(), fix="give a matrix")
    return inexact(name, x, half=half)


def square(name: str, x: Any, *, half: bool = False) -> Any:
    """Refuses what is no batch of square matrices."""
    m, n = matrix(name, x, half=half)._type.shape[-2:]
    if m != n:
        raise ShapeError(f"{name}: A must be batches of square matrices, but they are {m} by {n} matrices", where=caller(),
                         fix="give as many rows as columns")  # fmt: skip
    return x


def same_dtype(name: str, a: Any, b: Any) -> None:
    """Refuses operands of different dtypes."""
    left, right = a._type.dtype.name, b._type.dtype.name
    if left != right:
        raise DtypeError(f"{name}: Expected A and B to have the same dtype, but found A of type {NAMES.get(left, left)} and B of type "
                         f"{NAMES.get(right, right)} instead", where=caller(), fix="convert one of them first")  # fmt: skip


def batched(name: str, *xs: Any) -> list[Any]:
    """Matrices with their leading dimensions broadcast to one shape."""
    shape = broadcast_shapes(*[x._type.shape[:-2] for x in xs])
    if shape is None:
        found = " and ".join(str(tuple(x._type.shape)) for x in xs)
        raise ShapeError(f"{name}: the batch dimensions of {found} do not broadcast", where=caller(), fix="make them equal or 1")
    return [x if x._type.shape[:-2] == shape else expand(x, (*shape, *x._type.shape[-2:])) for x in xs]


def proven(name: str, reason: str, info: Any, *ys: Any) -> tuple[Any, ...]:
    """The results, once `info` is known to be 0 for every matrix: at once, or where recorded when the program runs."""
    if THREAD.tape.tracing:
        return tuple(compose(verified, y, info, name=name, reason=reason) if agrees(y, info) else y for y in ys)
    found = failure(buffer_of(info), name, reason)
    if found is not None:
        raise LinAlgError(found, where=caller(), fix="check the values at this line, or use the function's _ex form")
    return ys


def agrees(y: Any, info: Any) -> bool:
    """True if the results belong to the matrices that `info` is about."""
    n: int = info._type.ndim
    return bool(y._type.shape[:n] == info._type.shape)


def into_each(out: Any, ys: Any) -> Any:
    """Named results, written to the tensors of `out` if given."""
    return ys if out is None else type(ys)(*[into(o, y) for o, y in zip(out, ys, strict=True)])


class Cholesky(NamedTuple):
    """The factor, and the order of the first leading minor that is not positive definite (0: none)."""

    L: Any
    info: Any


class Eigen(NamedTuple):
    """Eigenvalues, and eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class SingularValues(NamedTuple):
    """A = U diag(S) Vh."""

    U: Any
    S: Any
    Vh: Any


class OldSingularValues(NamedTuple):
    """A = U diag(S) V^H."""

    U: Any
    S: Any
    V: Any


class QR(NamedTuple):
    """A = Q R."""

    Q: Any
    R: Any


class Reflections(NamedTuple):
    """R and the Householder vectors of Q in one matrix, and their factors."""

    a: Any
    tau: Any


class LU(NamedTuple):
    """A = P L U."""

    P: Any
    L: Any
    U: Any


class Factors(NamedTuple):
    """L and U in one matrix, and the rows that were swapped, from 1."""

    LU: Any
    pivots: Any


class FactorsInfo(NamedTuple):
    """L and U in one matrix, the rows that were swapped, and the first zero pivot (0: none)."""

    LU: Any
    pivots: Any
    info: Any


class LDL(NamedTuple):
    """L and D in one matrix, and the rows that were swapped, from 1."""

    LD: Any
    pivots: Any


class LDLInfo(NamedTuple):
    """L and D in one matrix, the rows that were swapped, and the first zero pivot (0: none)."""

    LD: Any
    pivots: Any
    info: Any


class Inverse(NamedTuple):
    """The inverse, and the first zero pivot (0: none)."""

    inverse: Any
    info: Any


class Solution(NamedTuple):
    """The solution, and the first zero pivot (0: none)."""

    result: Any
    info: Any


class Triangular(NamedTuple):
    """The solution, and the matrix it solves."""

    solution: Any
    cloned_coefficient: Any


class Determinant(NamedTuple):
    """The sign and the logarithm of the absolute value."""

    sign: Any
    logabsdet: Any


class LeastSquares(NamedTuple):
    """The solution, the squared distances, the rank and the singular values; empty where the driver has none."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any
