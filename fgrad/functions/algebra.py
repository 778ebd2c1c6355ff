"""PyTorch's top-level linear algebra: the old names of decompositions, products with a sum, distances, covariances."""

from __future__ import annotations

from typing import Any

from fgrad.eager import casting
from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions import decompositions as d
from fgrad.functions import linalg, linear, solving
from fgrad.functions import pointwise as p
from fgrad.functions import reductions as r
from fgrad.functions.call import compose, convert, floating, is_integer, same
from fgrad.functions.complex import complex as complex_of
from fgrad.functions.complex import conj, imag, is_complex, real
from fgrad.functions.decompositions import geqrf, lu_unpack, ormqr
from fgrad.functions.inplace import of_each
from fgrad.functions.linalg import matrix_exp, matrix_power
from fgrad.functions.matrices import QR, OldSingularValues, batched, into_each
from fgrad.functions.norms import pinverse
from fgrad.functions.random import normal_values
from fgrad.functions.refusals import one_dtype
from fgrad.functions.shape import flip, reshape, squeeze, unsqueeze
from fgrad.functions.solving import cholesky_inverse, cholesky_solve, det, logdet, slogdet, triangular_solve
from fgrad.functions.triangles import diagonal
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind, real_of
from fgrad.ir.types import INT64
from fgrad.primitives import linalg as rules
from fgrad.primitives.shape import full

__all__ = [
    "addbmm", "addr", "cdist", "chain_matmul", "cholesky", "cholesky_inverse", "cholesky_solve", "corrcoef", "cov",
    "det", "geqrf", "ger", "inner", "inverse", "lobpcg", "logdet", "lu", "lu_solve", "lu_unpack", "matrix_exp", "matrix_power", "orgqr",
    "ormqr", "pca_lowrank", "pinverse", "qr", "slogdet", "svd", "svd_lowrank", "triangular_solve", "vander", "vdot",
]  # fmt: skip

inverse, ger, orgqr = linalg.inv, linear.outer, d.householder_product


def _filled(x: Any, *, shape: tuple[int, ...]) -> Any:
    return full(shape, 0, x)


def zeros(like: Any, *shape: int) -> Any:
    """Zeros of the dtype and on the device of `like`."""
    return compose(_filled, like, shape=shape)


# old names ------------------------------------------------------------------------------------------------------------
@full_precision("cpu")
def cholesky(input: Any, upper: bool = False, *, out: Any = None) -> Any:
    """`linalg.cholesky`."""
    return linalg.cholesky(input, upper=upper, out=out)


@full_precision("cpu")
def qr(input: Any, some: bool = True, *, out: Any = None) -> Any:
    """(Q, R) of `linalg.qr`; some: "reduced", else "complete"."""
    return into_each(out, QR(*linalg.qr(input, "reduced" if some else "complete")))


@full_precision("cpu")
def svd(input: Any, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """(U, S, V) with input = U diag(S) V^H; some: without the vectors beyond min(m, n); without compute_uv U and V are zeros."""
    if compute_uv:
        u, s, vh = linalg.svd(input, not some)
        return into_each(out, OldSingularValues(u, s, conj(vh).mT))
    lead, (m, n) = input._type.shape[:-2], input._type.shape[-2:]
    s = linalg.svdvals(input)
    u, v = (zeros(input, *lead, k, k) for k in (m, n))
    return into_each(out, OldSingularValues(u, s, v))


def lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:  # noqa: N803  # PyTorch's name
    """(LU, pivots) of `linalg.lu_factor_ex`, and with get_infos its info."""
    found = linalg.lu_factor_ex(A, pivot=pivot)
    ys = tuple(found) if get_infos else tuple(found[:2])
    return ys if out is None else tuple(p.into(o, y) for o, y in zip(out, ys, strict=True))


@full_precision("cpu")
def lu_solve(b: Any, LU_data: Any, LU_pivots: Any, *, out: Any = None) -> Any:  # noqa: N803
    """X with A X = b, A given by its LU."""
    return solving.lu_solve(LU_data, LU_pivots, b, out=out)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803
    """The powers of a vector's elements as rows, the highest first unless increasing."""
    if x._type.ndim != 1:
        raise ShapeError("x must be a one-dimensional tensor.", where=caller(), fix="use linalg.vander")
    n = x._type.shape[0] if N is None else N
    if n < 0:
        raise ArgumentError("N must be non-negative.", where=caller(), fix="use N >= 0")
    x = convert(x, INT64) if is_integer(x) else x
    y = compose(rules.vander, x, n=n) if n else zeros(x, x._type.shape[0], 0)
    return y if increasing else flip(y, -1)


# products -------------------------------------------------------------------------------------------------------------
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of matrices, in the order that multiplies least."""
    xs = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], list | tuple) else matrices
    return p.into(out, xs[0].clone()) if len(xs) == 1 else linalg.multi_dot(xs, out=out)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """beta * input + alpha * sum_i batch1[i] @ batch2[i]."""
    linear.ranked("addbmm", (batch1, 3), (batch2, 3))
    total = linear.tensordot(batch1, batch2, ((0, 2), (0, 1)))
    (first,) = casting.lower(input)
    return p.add(linear.scaled(first, beta), linear.scaled(total, alpha), out=out)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1, out: Any = None) -> Any:
    """beta * input + alpha * vec1[i] vec2[j]."""
    x, a, b = casting.lower(input, vec1, vec2, on=("cuda",))
    return p.add(linear.scaled(x, beta), linear.scaled(linear.outer(a, b), alpha), out=out)


def inner(input: Any, other: Any, *, out: Any = None) -> Any:
    """Sum of products over the last dimension of both; the product if one has none."""
    if not input._type.ndim or not other._type.ndim:
        return p.mul(input, other, out=out)
    one_dtype("inner", input, other)
    if input._type.shape[-1] != other._type.shape[-1]:
        raise ShapeError(f"inner() the last dimension must match on both input tensors but got shapes {list(input._type.shape)} and "
                         f"{list(other._type.shape)}", where=caller(), fix="transpose one of them")  # fmt: skip
    return linear.tensordot(input, other, ((-1,), (-1,)), out=out)


def vdot(input: Any, other: Any, *, out: Any = None) -> Any:
    """Sum of conj(input) * other of two vectors."""
    return linear.dot(conj(input), other, out=out)


# statistics -----------------------------------------------------------------------------------------------------------
@full_precision("cpu", "cuda")
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """|x1[..., i, :] - x2[..., j, :]| in the p-norm, [..., n, m]; computed from the differences in every compute_mode."""
    for name, x in (("X1", x1), ("X2", x2)):
        if kind(x._type.dtype) != "f":
            raise DtypeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype}", where=caller(), fix="convert it")
        if x._type.ndim < 2:
            raise ShapeError(f"cdist only supports at least 2D tensors, {name} got: {x._type.ndim}D", where=caller(), fix="unsqueeze it")
    n, m = x1._type.shape[-1], x2._type.shape[-1]
    if n != m:
        raise ShapeError(f"X1 and X2 must have the same number of columns. X1: {n} X2: {m}", where=caller(), fix="compare rows of one length")
    if p < 0:
        raise ArgumentError("cdist only supports non-negative p values", where=caller(), fix="use p >= 0")
    return compose(rules.cdist, *batched("cdist", *same((x1, x2))), p=float(p))


def _weights(fweights: Any, aweights: Any, like: Any) -> Any:
    """The product of both kinds of weights in the dtype of the real numbers beside `like`; None if there are none."""
    found = None
    for w in (fweights, aweights):
        if w is not None:
            w = convert(w, real(like)._type.dtype)
            found = w if found is None else p.mul(found, w)
    return found


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance of the rows (variables) over the columns (observations): C[i, j]; of a vector, its variance.

    correction: what is subtracted from the number of observations.  fweights: how often each was seen (integers).
    aweights: how much each counts.
    """
    if input._type.ndim > 2 or kind(input._type.dtype) == "b":
        raise ShapeError(f"cov(): expected input to have two or fewer dimensions of numbers, got {input._type}", where=caller(),
                         fix="give a matrix")  # fmt: skip
    if fweights is not None and not is_integer(fweights):
        raise DtypeError(f"cov(): expected fweights to have integral dtype but got {fweights.dtype}", where=caller(), fix="use aweights")
    x = floating(reshape(input, (1, -1)) if input._type.ndim < 2 else input)
    w = _weights(fweights, aweights, x)
    if w is None:
        gap = p.sub(x, r.mean(x, 1, True))
        y = p.div(linear.matmul(gap, conj(gap).mT), max(x._type.shape[1] - correction, 0))
        return squeeze(y)
    total = r.sum(w)
    gap = p.sub(x, p.div(r.sum(p.mul(x, w), 1, True), total))
    lost = correction if aweights is None else p.div(p.mul(r.sum(p.mul(w, aweights)), correction), total)
    left = p.maximum(p.sub(total, lost), p.mul(total, 0))
    return squeeze(p.div(linear.matmul(gap, conj(p.mul(gap, w)).mT), left))


def corrcoef(input: Any) -> Any:
    """Pearson's correlation of the rows: C[i, j] / sqrt(C[i, i] C[j, j])."""
    c = cov(input)
    if not c._type.ndim:
        return p.div(c, c)
    width = p.sqrt(real(diagonal(c)))
    y = p.div(p.div(c, unsqueeze(width, 1)), width)
    if is_complex(y):
        return complex_of(p.clamp(real(y), -1, 1), p.clamp(imag(y), -1, 1))
    return p.clamp(y, -1, 1)


def _directions(x: Any, n: int, width: int) -> Any:
    """A random matrix beside `x`."""
    drawn = normal_values(type(x)._result, (n, width), 0.0, 1.0, None, real_of(x._type.dtype), x._device)
    return convert(drawn, x._type.dtype)


def svd_lowrank(A: Any, q: int | None = 6, niter: int = 2, M: Any = None) -> tuple[Any, Any, Any]:  # noqa: N803
    """(U, S, V) of about the q largest singular values, by a random projection and `niter` power iterations (Halko et al. 2009).

    M: what is subtracted from A first (broadcast).
    """
    x = A if M is None else p.sub(A, M)
    m, n = x._type.shape[-2:]
    x = conj(x).mT if m < n else x
    width = 6 if q is None else q
    basis = d.qr(linear.matmul(x, _directions(x, min(m, n), width))).Q
    for _ in range(niter):
        basis = d.qr(linear.matmul(conj(x).mT, basis)).Q
        basis = d.qr(linear.matmul(x, basis)).Q
    u, s, vh = d.svd(linear.matmul(conj(basis).mT, x), False)
    u, v = linear.matmul(basis, u), conj(vh).mT
    return (v, s, u) if m < n else (u, s, v)


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Any, Any, Any]:  # noqa: N803
    """`svd_lowrank` of A, its columns centred: the columns of V are the principal directions."""
    m, n = A._type.shape[-2:]
    width = min(6, m, n) if q is None else q
    if not 0 <= width <= min(m, n):
        raise ArgumentError(f"q(={width}) must be non-negative integer and not greater than min(m, n)={min(m, n)}", where=caller(),
                            fix="ask for fewer")  # fmt: skip
    x = p.sub(A, r.mean(A, -2, True)) if center else A
    return svd_lowrank(x, width, niter)


def lobpcg(A: Any, k: int | None = None, B: Any = None, X: Any = None, n: int | None = None, iK: Any = None,  # noqa: N803
           niter: int | None = None, tol: float | None = None, largest: bool | None = None, method: str | None = None, tracker: Any = None,
           ortho_iparams: Any = None, ortho_fparams: Any = None, ortho_bparams: Any = None) -> tuple[Any, Any]:  # fmt: skip
    """(eigenvalues [..., k], vectors [..., m, k]) with A x = e B x, A symmetric and B positive: the k largest, or smallest, in order.

    By a whole decomposition, to rounding: what steers PyTorch's iteration (X but for k, iK, niter, tol, method, tracker, ortho_*) is
    accepted.  x^H B x = 1.  Raises AssertionError for a matrix that is not square, ValueError unless 3 k <= m.

    >>> import fgrad as torch
    >>> torch.lobpcg(torch.diag(torch.tensor([1.0, 5.0, 3.0])))[0]
    tensor([5.])
    """
    m = A._type.shape[-1]
    if A._type.shape[-2] != m:
        raise AssertionError(f"A must be square, got shape {tuple(A._type.shape)}")
    count = (1 if X is None else X._type.shape[-1]) if k is None else k
    if m < 3 * count:
        raise ArgumentError(f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the number of requested "
                            f"eigenpairs (={count})", where=caller(), fix="use linalg.eigh")  # fmt: skip
    if B is None:
        values, vectors = linalg.eigh(A)
    else:
        low = linalg.cholesky(B)
        left = solving.solve_triangular(low, A, upper=False)
        values, vectors = linalg.eigh(solving.solve_triangular(low, conj(left).mT, upper=False))
        vectors = solving.solve_triangular(conj(low).mT, vectors, upper=True)
    if largest is None or largest:
        values, vectors = flip(values, (-1,)), flip(vectors, (-1,))
    return values[..., :count], vectors[..., :count]


class AlgebraMethods:
    """Tensor's methods of these operations."""

    __slots__ = ()
    addbmm, addr, cholesky, cholesky_inverse, cholesky_solve, corrcoef, cov = (
        addbmm, addr, cholesky, cholesky_inverse, cholesky_solve, corrcoef, cov)  # fmt: skip
    det, geqrf, ger, inner, inverse, logdet, lu, lu_solve, slogdet = det, geqrf, ger, inner, inverse, logdet, lu, lu_solve, slogdet
    matrix_exp, matrix_power, orgqr, ormqr, pinverse, qr, svd = matrix_exp, matrix_power, orgqr, ormqr, pinverse, qr, svd
    triangular_solve, vdot, addmv, trace, kron, cross = triangular_solve, vdot, linear.addmv, linear.trace, linear.kron, linear.cross
    addbmm_, addr_, addmm_, addmv_, baddbmm_ = of_each(addbmm, addr, linear.addmm, linear.addmv, linear.baddbmm)
