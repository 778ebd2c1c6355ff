"""PyTorch's matrix decompositions: Cholesky, QR, eigenvalues, singular values, LU, LDL.

Matrices are the last two dimensions, batches the leading ones. Float and complex matrices of full precision.
"""

from __future__ import annotations

from typing import Any

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose, compose_many
from fgrad.functions.matrices import (
    INDEFINITE,
    INFINITE,
    LDL,
    LU,
    QR,
    REPEATED,
    ZERO_PIVOT,
    Cholesky,
    Eigen,
    Factors,
    FactorsInfo,
    LDLInfo,
    Reflections,
    SingularValues,
    batched,
    into_each,
    matrix,
    proven,
    square,
)
from fgrad.functions.pointwise import into
from fgrad.functions.shape import clone, squeeze, unsqueeze
from fgrad.ir.apply import caller
from fgrad.primitives import indefinite
from fgrad.primitives import linalg as rules
from fgrad.primitives.shape import full

__all__ = [
    "cholesky", "cholesky_ex", "eig", "eigh", "eigvals", "eigvalsh", "geqrf", "householder_product", "ldl_factor",
    "ldl_factor_ex", "ldl_solve", "lu", "lu_factor", "lu_factor_ex", "lu_unpack", "ormqr", "qr", "svd", "svdvals",
]  # fmt: skip


@full_precision("cpu")
def cholesky(A: Any, *, upper: bool = False, out: Any = None) -> Any:  # noqa: N803  # PyTorch's name
    """L, lower triangular, with A = L L^H for a Hermitian positive definite A (upper: U with A = U^H U).

    Reads one triangle of A.  Raises LinAlgError if A is not positive definite.

    >>> import fgrad
    >>> fgrad.linalg.cholesky(fgrad.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    y, info = compose_many(rules.cholesky, square("linalg.cholesky", A), upper=bool(upper))
    return into(out, proven("linalg.cholesky", INDEFINITE, info, y)[0])


@full_precision("cpu")
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:  # noqa: N803
    """(L, info) as `cholesky`, which tells in `info` (int32) and does not raise, unless check_errors."""
    y, info = compose_many(rules.cholesky, square("linalg.cholesky_ex", A), upper=bool(upper))
    if check_errors:
        (y,) = proven("linalg.cholesky_ex", INDEFINITE, info, y)
    return into_each(out, Cholesky(y, info))


def _mode(mode: str) -> str:
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'",
                            where=caller(), fix="use one of these")  # fmt: skip
    return mode


def _empty(x: Any, *, shape: tuple[int, ...]) -> Any:
    return full(shape, 0, x)


@full_precision("cpu")
def qr(A: Any, mode: str = "reduced", *, out: Any = None) -> Any:  # noqa: N803
    """(Q, R) with A = Q R, Q^H Q = 1 and R upper triangular.

    mode: "reduced" Q[..., m, k] with k = min(m, n), "complete" Q[..., m, m], "r" R alone (Q is empty).
    """
    q, r = compose_many(rules.qr, matrix("linalg.qr", A), full=_mode(mode) == "complete")
    return into_each(out, QR(compose(_empty, A, shape=(0,)) if mode == "r" else q, r))


@full_precision("cpu")
def geqrf(input: Any, *, out: Any = None) -> Any:
    """(a, tau): QR as R above the diagonal of `a` and the Householder vectors of Q below it. No derivative."""
    return into_each(out, Reflections(*compose_many(rules.geqrf, matrix("geqrf", input))))


def _reflections(name: str, x: Any, tau: Any) -> None:
    matrix(name, x)
    if tau._type.shape[:-1] != x._type.shape[:-2] or tau._type.ndim != x._type.ndim - 1:
        raise ShapeError(f"{name}: Expected tau to have one dimension less than input, but got {tau._type} for {x._type}", where=caller(),
                         fix="give what geqrf returned")  # fmt: skip
    if x._type.shape[-2] < x._type.shape[-1] and name.endswith("product"):
        raise ShapeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]", where=caller(), fix="give a tall matrix")
    if tau._type.shape[-1] > x._type.shape[-1]:
        raise ShapeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]", where=caller(), fix="give fewer factors")


@full_precision("cpu")
def householder_product(A: Any, tau: Any, *, out: Any = None) -> Any:  # noqa: N803
    """The first n columns of H_1 H_2 .. H_k, H_i = 1 - tau_i v_i v_i^H, v_i below the diagonal of A as geqrf has them."""
    _reflections("torch.linalg.householder_product", A, tau)
    return into(out, compose(rules.householder_product, A, tau))


@full_precision("cpu")
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False, *, out: Any = None) -> Any:
    """Q other (left) or other Q, Q the square matrix that geqrf's `input` and `tau` stand for, or its adjoint (transpose)."""
    _reflections("torch.ormqr", input, tau)
    inner = other._type.shape[-2 if left else -1]
    if inner != input._type.shape[-2]:
        raise ShapeError(f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2], got {other._type} for {input._type}",
                         where=caller(), fix="transpose other, or change left")  # fmt: skip
    return into(out, compose(rules.ormqr, input, tau, other, left=bool(left), adjoint=bool(transpose)))


def _upper(uplo: str) -> bool:
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        raise ArgumentError(f"Expected UPLO argument to be 'L' or 'U', but got {uplo}", where=caller(), fix="use 'L' or 'U'")
    return uplo.upper() == "U"


@full_precision("cpu")
def eigh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:  # noqa: N803
    """(w, V) with A = V diag(w) V^H for a Hermitian A, w real and ascending. Reads the lower (or upper) triangle.

    The derivative by V is infinite where eigenvalues repeat.  Raises LinAlgError for matrices that are not finite.
    """
    w, v, info = compose_many(rules.eigh, square("linalg.eigh", A), upper=_upper(UPLO))
    return into_each(out, Eigen(*proven("linalg.eigh", REPEATED, info, w, v)))


@full_precision("cpu")
def eigvalsh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:  # noqa: N803
    """The eigenvalues of a Hermitian A, real and ascending; their derivative is right where they repeat too."""
    w, info = compose_many(rules.eigvalsh, square("linalg.eigh", A), upper=_upper(UPLO))
    return into(out, proven("linalg.eigh", REPEATED, info, w)[0])


NOT_FINITE = "input tensor should not contain infs or NaNs."


@full_precision("cpu")
def eig(A: Any, *, out: Any = None) -> Any:  # noqa: N803
    """(w, V) with A V = V diag(w), complex; the columns of V have length 1."""
    w, v, info = compose_many(rules.eig, square("linalg.eig", A))
    return into_each(out, Eigen(*proven("torch.linalg.eig", NOT_FINITE, info, w, v)))


@full_precision("cpu")
def eigvals(A: Any, *, out: Any = None) -> Any:  # noqa: N803
    """The eigenvalues of a square A, complex."""
    w, info = compose_many(rules.eigvals, square("linalg.eigvals", A))
    return into(out, proven("torch.linalg.eig", NOT_FINITE, info, w)[0])


def _driver(name: str, driver: Any) -> None:
    if driver is not None:
        raise ArgumentError(f"torch.linalg.{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.",
                            where=caller(), fix="leave it out")  # fmt: skip


@full_precision("cpu")
def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:  # noqa: N803
    """(U, S, Vh) with A = U diag(S) Vh, S real and descending; full_matrices: U and Vh are square.

    The derivatives by U and Vh are infinite where singular values repeat or are 0, and take columns beyond the first
    min(m, n) as constant.

    >>> import fgrad
    >>> fgrad.linalg.svd(fgrad.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    _driver("svd", driver)
    u, s, vh, info = compose_many(rules.svd, matrix("linalg.svd", A), full=bool(full_matrices))
    return into_each(out, SingularValues(*proven("linalg.svd", INFINITE, info, u, s, vh)))


@full_precision("cpu")
def svdvals(A: Any, *, driver: str | None = None, out: Any = None) -> Any:  # noqa: N803
    """The singular values, descending; their derivative is right where they repeat too."""
    _driver("svdvals", driver)
    s, info = compose_many(rules.svdvals, matrix("linalg.svd", A))
    return into(out, proven("linalg.svd", INFINITE, info, s)[0])


def _pivoting(pivot: bool) -> None:
    if not pivot:
        raise ArgumentError("linalg.lu_factor: LU without pivoting is not implemented on the CPU", where=caller(), fix="use pivot=True")


def lu(A: Any, *, pivot: bool = True, out: Any = None) -> Any:  # noqa: N803
    """(P, L, U) with A = P L U: a permutation, a lower triangle with ones on its diagonal, an upper triangle."""
    _pivoting(pivot)
    return into_each(out, LU(*compose_many(rules.lu, matrix("linalg.lu", A))))


def lu_factor(A: Any, *, pivot: bool = True, out: Any = None) -> Any:  # noqa: N803
    """(LU, pivots): L and U in one matrix, and the rows that were swapped, from 1 (int32). Raises LinAlgError if A is singular."""
    _pivoting(pivot)
    packed, pivots, info = compose_many(rules.lu_factor, matrix("torch.linalg.lu_factor", A))
    return into_each(out, Factors(*proven("torch.linalg.lu_factor", ZERO_PIVOT, info, packed, pivots)))


def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:  # noqa: N803
    """(LU, pivots, info) as `lu_factor`, which tells in `info` (int32) and does not raise, unless check_errors."""
    _pivoting(pivot)
    packed, pivots, info = compose_many(rules.lu_factor, matrix("torch.linalg.lu_factor_ex", A))
    if check_errors:
        packed, pivots = proven("torch.linalg.lu_factor_ex", ZERO_PIVOT, info, packed, pivots)
    return into_each(out, FactorsInfo(packed, pivots, info))


def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any = None) -> Any:  # noqa: N803
    """(P, L, U) of what lu_factor returned; what is not unpacked is empty."""
    p, low, high = compose_many(rules.lu_unpack, matrix("torch.lu_unpack", LU_data), LU_pivots)
    none = compose(_empty, LU_data, shape=(0,))
    return into_each(out, LU(p if unpack_pivots else none, *((low, high) if unpack_data else (none, clone(none)))))


def ldl_factor(A: Any, *, hermitian: bool = False, out: Any = None) -> Any:  # noqa: N803
    """(LD, pivots): the LDL^T (hermitian: LDL^H) of a symmetric (Hermitian) A in one matrix, and LAPACK's pivots (int32).

    Reads the lower triangle.  D has blocks of 1 and 2 rows.  No derivative.  Raises LinAlgError where D is singular.
    """
    name = "torch.linalg.ldl_factor"
    packed, pivots, info = compose_many(rules.ldl, square(name, A), hermitian=bool(hermitian))
    return into_each(out, LDL(*proven(name, "The diagonal element {} of D is exactly zero.", info, packed, pivots)))


def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:  # noqa: N803
    """(LD, pivots, info) as `ldl_factor`, which tells in `info` (int32) and does not raise, unless check_errors."""
    name = "torch.linalg.ldl_factor_ex"
    packed, pivots, info = compose_many(rules.ldl, square(name, A), hermitian=bool(hermitian))
    if check_errors:
        packed, pivots = proven(name, "The diagonal element {} of D is exactly zero.", info, packed, pivots)
    return into_each(out, LDLInfo(packed, pivots, info))


def ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool = False, out: Any = None) -> Any:  # noqa: N803
    """X with A X = B, A given by what ldl_factor returned."""
    name = "torch.linalg.ldl_solve"
    a, b = square(name, LD), matrix(name, B)
    if a._type.shape[-1] != b._type.shape[-2]:
        raise ShapeError(f"{name}: Incompatible shapes of A and B for the equation AX = B, got {a._type} and {b._type}", where=caller(),
                         fix="give one row of B for each of A")  # fmt: skip
    a, swaps, b = batched(name, a, unsqueeze(pivots, -1), b)
    return into(out, compose(indefinite.ldl_solve, a, squeeze(swaps, -1), b, hermitian=bool(hermitian)))
