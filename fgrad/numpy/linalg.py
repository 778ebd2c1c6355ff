"""NumPy's linalg: products, norms, decompositions and systems of matrices in the last two axes, batches before them.

Nothing is read: where NumPy raises LinAlgError (a singular system, a matrix that is not positive definite) the result is
NaN or infinite, as JAX's. Integers become the default float, half precision is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.arrays import array_of, axes_of, axis_of, reshape, same
from fgrad.eager.operands import compose, compose_many, convert, floating
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy import linear
from fgrad.numpy.complexes import conj
from fgrad.numpy.creation import diagonal as diagonal_of
from fgrad.numpy.linear import matmul, tensordot, vecdot
from fgrad.numpy.reductions import sum
from fgrad.numpy.shape import broadcast_to, matrix_transpose, moveaxis
from fgrad.primitives import composites as c
from fgrad.primitives import linalg as rules

__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet",
    "solve", "svd", "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip


class EighResult(NamedTuple):
    """What eigh gives."""

    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    """What eig gives."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What qr gives."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """What slogdet gives."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """What svd gives."""

    U: Any
    S: Any
    Vh: Any


def _matrix(name: str, a: Any) -> Any:
    x = floating(array_of(a))
    if x._type.ndim < 2:
        raise ShapeError(f"linalg.{name} takes matrices, found {x._type}", where=caller(), fix="give at least two axes")
    if x._type.dtype.itemsize == 2:
        raise DtypeError(f"linalg.{name} of {x._type}", where=caller(), fix="convert to float32 first")
    return x


def _square(name: str, a: Any) -> Any:
    x = _matrix(name, a)
    if x._type.shape[-1] != x._type.shape[-2]:
        raise ShapeError(f"linalg.{name} takes square matrices, found {x._type}", where=caller(), fix="make it square")
    return x


def _triangle(name: str, a: Any, uplo: str | None, symmetrize: bool) -> tuple[Any, bool]:
    """(the matrix, whether its upper triangle counts)."""
    x = _square(name, a)
    if uplo not in (None, "L", "U"):
        raise ArgumentError(f"UPLO must be one of None, 'L', or 'U', got {uplo}", where=caller(), fix="use one of them")
    if symmetrize and uplo is None:
        x = (x + conj(matrix_transpose(x))) / 2
    return x, uplo == "U"


def cholesky(a: Any, *, upper: bool = False, symmetrize_input: bool = True) -> Any:
    """L with L L^H = a (upper: U with U^H U = a), NaN where `a` is not positive definite.

    symmetrize_input: (a + a^H) / 2 is taken, as in JAX.
    """
    x, _ = _triangle("cholesky", a, None, symmetrize_input)
    return compose_many(rules.cholesky, x, upper=upper)[0]


def qr(a: Any, mode: str = "reduced") -> Any:
    """(Q, R) with Q R = a, R upper triangular. mode: "reduced", "complete" (square Q), or "r" (R alone)."""
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"Unsupported QR decomposition mode {mode!r}", where=caller(), fix='use "reduced", "complete" or "r"')
    found = QRResult(*compose_many(rules.qr, _matrix("qr", a), full=mode == "complete"))
    return found.R if mode == "r" else found


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """(U, S, Vh) with U diag(S) Vh = a, S falling; S alone without compute_uv."""
    x = _matrix("svd", a)
    if not compute_uv:
        return svdvals(x)
    return SVDResult(*compose_many(rules.svd, x, full=full_matrices)[:3])


def svdvals(x: Any, /) -> Any:
    """The singular values, falling."""
    return compose_many(rules.svdvals, _matrix("svdvals", x))[0]


def eigh(a: Any, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:  # noqa: N803  # NumPy's name
    """(eigenvalues rising, eigenvectors in columns) of Hermitian matrices.

    UPLO: the triangle that counts, "L" or "U"; None: (a + a^H) / 2 is taken.
    """
    x, upper = _triangle("eigh", a, UPLO, symmetrize_input)
    return EighResult(*compose_many(rules.eigh, x, upper=upper)[:2])


def eigvalsh(a: Any, UPLO: str | None = None, *, symmetrize_input: bool = True) -> Any:  # noqa: N803
    """The eigenvalues of Hermitian matrices, rising."""
    x, upper = _triangle("eigvalsh", a, UPLO, symmetrize_input)
    return compose_many(rules.eigvalsh, x, upper=upper)[0]


def eig(a: Any) -> EigResult:
    """(eigenvalues, eigenvectors in columns), complex."""
    return EigResult(*compose_many(rules.eig, _square("eig", a))[:2])


def eigvals(a: Any) -> Any:
    """The eigenvalues, complex."""
    return compose_many(rules.eigvals, _square("eigvals", a))[0]


def det(a: Any) -> Any:
    """The determinant."""
    return compose(rules.determinant, _square("det", a))


def slogdet(a: Any, *, method: str | None = None) -> SlogdetResult:
    """(sign, log |det|) of the determinant."""
    return SlogdetResult(*compose_many(rules.slogdet, _square("slogdet", a)))


def inv(a: Any) -> Any:
    """The inverse."""
    return compose_many(rules.inv, _square("inv", a))[0]


def solve(a: Any, b: Any) -> Any:
    """x with a x = b; a `b` of one axis is a vector, otherwise its last two axes are matrices."""
    x, y = same((a, b), floating=True)
    x = _square("solve", x)
    if not y._type.ndim or y._type.shape[-1 if y._type.ndim == 1 else -2] != x._type.shape[-1]:
        raise ShapeError(f"linalg.solve: {x._type} and {y._type} do not fit", where=caller(), fix="give b as many rows as a")
    column = y._type.ndim == 1
    y = reshape(y, (*y._type.shape, 1)) if column else y
    lead = np.broadcast_shapes(x._type.shape[:-2], y._type.shape[:-2])
    x, y = (broadcast_to(t, (*lead, *t._type.shape[-2:])) for t in (x, y))
    found = compose_many(rules.solve, x, y, left=True)[0]
    return reshape(found, found._type.shape[:-1]) if column else found


def _tolerance(x: Any, value: Any, default: float) -> Any:
    """A relative tolerance for each matrix."""
    real = np.dtype(x._type.dtype.name.replace("complex128", "float64").replace("complex64", "float32"))
    t = array_of(np.asarray(default, real)) if value is None else convert(array_of(value), real)
    return broadcast_to(t, x._type.shape[:-2])


def _epsilon(x: Any) -> float:
    return float(np.finfo(x._type.dtype).eps)


def _zero(x: Any) -> Any:
    return _tolerance(x, 0.0, 0.0)


def pinv(a: Any, rtol: Any = None, hermitian: bool = False, *, rcond: Any = None) -> Any:
    """The pseudo-inverse; singular values up to rtol times the largest count as 0 (10 max(m, n) epsilon unless given)."""
    x = _matrix("pinv", a)
    cut = _tolerance(x, rcond if rtol is None else rtol, 10 * max(x._type.shape[-2:]) * _epsilon(x))
    return compose_many(rules.pinv, x, _zero(x), cut, hermitian=hermitian)[0]


def matrix_rank(M: Any, rtol: Any = None, *, tol: Any = None) -> Any:  # noqa: N803  # NumPy's name
    """Number of singular values above rtol times the largest (max(m, n) epsilon unless given), or above `tol`."""
    x = floating(array_of(M))
    if x._type.ndim < 2:
        return (x != 0).any().astype("int64")
    x = _matrix("matrix_rank", x)
    absolute = _zero(x) if tol is None else _tolerance(x, tol, 0.0)
    relative = _tolerance(x, rtol if tol is None else 0.0, max(x._type.shape[-2:]) * _epsilon(x))
    return compose_many(rules.rank, x, absolute, relative, hermitian=False)[0]


def lstsq(a: Any, b: Any, rcond: Any = None, *, numpy_resid: bool = False) -> tuple[Any, Any, Any, Any]:
    """(x, residuals, rank, singular values): x of least norm among those that make |a x - b| least."""
    x, y = same((a, b), floating=True)
    x = _matrix("lstsq", x)
    if x._type.ndim != 2 or y._type.ndim not in (1, 2) or y._type.shape[0] != x._type.shape[0]:
        raise ShapeError(f"linalg.lstsq: {x._type} and {y._type} do not fit", where=caller(), fix="give b as many rows as a")
    rows, columns = x._type.shape
    full = y if y._type.ndim == 2 else reshape(y, (rows, 1))
    cut = _tolerance(x, rcond, max(rows, columns) * _epsilon(x))
    found, left, _ = compose_many(rules.lstsq, x, full, cut)
    rank = matrix_rank(x, cut)
    if numpy_resid and (rows <= columns or rank.item() < columns):
        left = left[:0]
    return (found if y._type.ndim == 2 else reshape(found, (columns,))), left, rank, svdvals(x)


def matrix_power(a: Any, n: int) -> Any:
    """a a ... a, n times; of the inverse for a negative n, the identity for 0."""
    x = array_of(a)
    if x._type.ndim < 2 or x._type.shape[-1] != x._type.shape[-2]:
        raise ShapeError(f"linalg.matrix_power takes square matrices, found {x._type}", where=caller(), fix="make it square")
    return compose(rules.matrix_power, inv(x) if n < 0 else x, n=abs(int(n)))


def multi_dot(arrays: Sequence[Any], *, precision: Any = None) -> Any:
    """The product of matrices, in the order that multiplies least; the first and the last may be vectors."""
    xs = same([array_of(x) for x in arrays])
    if len(xs) < 2:
        raise ArgumentError(f"multi_dot requires at least two arrays; got {len(xs)}", where=caller(), fix="give two or more")
    shapes = [x._type.shape for x in xs]
    sizes = [shapes[0][0] if len(shapes[0]) == 2 else 1, *[s[0] for s in shapes[1:]], shapes[-1][-1] if len(shapes[-1]) == 2 else 1]
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(xs))}
    for span in range(1, len(xs)):
        for i in range(len(xs) - span):
            j = i + span
            best[i, j] = min((best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))

    def product(i: int, j: int) -> Any:
        if i == j:
            return xs[i]
        k = best[i, j][1]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(xs) - 1)


def _vector(x: Any, axes: tuple[int, ...], order: float, keep: bool) -> Any:
    return compose(c.norm, x, axes=axes, p=float(order), keep=keep)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """(sum |x|^ord)^(1/ord) of vectors; of matrices (two axes) "fro" (the default), "nuc", 1, -1, 2, -2, inf or -inf.

    The derivative of the 2-norm at 0 is 0.
    """
    a = floating(array_of(x))
    axes = axes_of(a, axis)
    if ord is None:
        return _vector(a, axes, 2, keepdims)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ArgumentError(f"Invalid order '{ord}' for vector norm.", where=caller(), fix="use a number")
        return _vector(a, axes, ord, keepdims)
    if len(axes) != 2:
        raise ArgumentError("norm: ord needs one or two axes", where=caller(), fix="give axis=, or leave ord out")
    row, column = (axis_of(a, k) for k in (axis if axis is not None else (0, 1)))
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise ArgumentError(f"Invalid order {ord!r} for matrix norm.", where=caller(), fix='use "fro", "nuc", 1, 2, inf or -inf')
    return compose(rules.matrix_norm, a, order=ord, axes=(row, column), keep=keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """`norm` of matrices in the last two axes."""
    return norm(_matrix("matrix_norm", x), ord, (-2, -1), keepdims)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    """(sum |x|^ord)^(1/ord) over `axis`, over all elements if None."""
    a = floating(array_of(x))
    return _vector(a, axes_of(a, axis), ord, keepdims)


def cond(x: Any, p: Any = None) -> Any:
    """norm(x, p) norm(x^-1, p); by singular values for None, 2 and -2."""
    a = _matrix("cond", x) if p in (None, 2, -2) else _square("cond", x)
    return compose(rules.condition, a, order=p)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices in the last two axes."""
    return diagonal_of(x, offset, -2, -1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of matrices in the last two axes."""
    return sum(diagonal(x, offset=offset), -1, dtype)


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """x with tensordot(a, x, b.ndim) = b; axes of `a` to move to its end first."""
    x, y = same((a, b), floating=True)
    if axes is not None:
        x = moveaxis(x, axes, tuple(range(-len(axes), 0)))
    inner = x._type.shape[y._type.ndim :]
    n = math.prod(inner)
    if n != y._type.size:
        raise ShapeError(f"linalg.tensorsolve: {x._type} and {y._type} do not fit", where=caller(), fix="see the formula")
    return reshape(solve(reshape(x, (n, n)), reshape(y, (n,))), inner)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of `a` as a map from its last axes to its first `ind`."""
    x = array_of(a)
    first, last = x._type.shape[:ind], x._type.shape[ind:]
    n = math.prod(first)
    if ind <= 0 or n != math.prod(last):
        raise ShapeError(f"linalg.tensorinv: {x._type} with ind={ind} is not square", where=caller(), fix="choose another ind")
    return reshape(inv(reshape(x, (n, n))), (*last, *first))


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product along an axis of length 3. Raises ValueError for other lengths."""
    a, b = array_of(x1), array_of(x2)
    lengths = [t._type.shape[axis_of(t, axis)] for t in (a, b)]
    if lengths != [3, 3]:
        raise ShapeError(f"linalg.cross: axes of length {lengths}", where=caller(), fix="give vectors of 3 components, or use cross")
    return linear.cross(a, b, axis=axis)


def outer(x1: Any, x2: Any, /) -> Any:
    """x1[i] * x2[j] of two vectors. Raises ValueError for other shapes."""
    a, b = array_of(x1), array_of(x2)
    if a._type.ndim != 1 or b._type.ndim != 1:
        raise ShapeError(f"linalg.outer of {a._type} and {b._type}", where=caller(), fix="give two vectors, or use outer")
    return linear.outer(a, b)
