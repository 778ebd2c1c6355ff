"""Linear algebra made of the decompositions, on Values: what the PyTorch face records by one look-up.

Functions that may fail on values return an int32 `info` for each matrix, 0 where all is well.
"""

from __future__ import annotations

import math
from typing import Any

from fgrad.ir.dtypes import dtype_of
from fgrad.ir.graph import Value
from fgrad.primitives import composites as c
from fgrad.primitives import decompositions as d
from fgrad.primitives import eigen, indefinite, matrix_functions, solving
from fgrad.primitives import matrices as m
from fgrad.primitives.arithmetic import convert
from fgrad.primitives.compare import bitwise_not, eq, gt, is_finite, lt, select
from fgrad.primitives.complex import complex_, imag, real
from fgrad.primitives.linear import matmul
from fgrad.primitives.reduce import reduce_and, reduce_max, reduce_min, reduce_sum
from fgrad.primitives.shape import broadcast_to, concatenate, full, iota, number, reshape, transpose
from fgrad.primitives.structure import item
from fgrad.primitives.transcendental import atan2

Axes = tuple[int, ...]
INT32, INT64 = dtype_of("int32"), dtype_of("int64")


def items(y: Value, n: int) -> tuple[Any, ...]:
    """The first results of an operation that has several."""
    return tuple([item(y, index=i) for i in range(n)])


def broken(x: Value) -> Any:
    """1 for every matrix that is not finite."""
    good = reduce_and(is_finite(x), axes=(x.ndim - 2, x.ndim - 1))
    return convert(bitwise_not(good), dtype=INT32)


def cholesky(x: Value, *, upper: bool) -> tuple[Any, Any]:
    """(factor, info); upper: U with x = U^H U, from the upper triangle."""
    low, info = items(d.cholesky(m.adjoint(x) if upper else x), 2)
    return (m.adjoint(low) if upper else low), info


def triangular(a: Value, b: Value, *, upper: bool, left: bool, unit: bool) -> Any:
    """x with T x = b, or x T = b."""
    if left:
        return solving.triangular_solve(a, b, lower=not upper, unit=unit)
    return m.swap(solving.triangular_solve(m.swap(a), m.swap(b), lower=upper, unit=unit))


def cholesky_solve(b: Value, factor: Value, *, upper: bool) -> Any:
    """x with A x = b, A = L L^H or U^H U."""
    low = m.adjoint(factor) if upper else factor
    y = solving.triangular_solve(low, b, lower=True, unit=False)
    return solving.triangular_solve(m.adjoint(low), y, lower=False, unit=False)


def solve(a: Value, b: Value, *, left: bool) -> tuple[Any, ...]:
    """(x, info) with a x = b, or x a = b."""
    if left:
        return items(solving.solve(a, b), 2)
    x, info = items(solving.solve(m.swap(a), m.swap(b)), 2)
    return m.swap(x), info


def inv(x: Value) -> tuple[Any, ...]:
    """(inverse, info)."""
    return items(solving.inv(x), 2)


def slogdet(x: Value) -> tuple[Any, ...]:
    """(sign, log |det|)."""
    return items(solving.slogdet(x), 2)


def logdet(x: Value) -> Any:
    """log det: NaN of a negative determinant, -inf of 0, complex of complex matrices."""
    sign, size = slogdet(x)
    if x.dtype.kind == "c":
        return complex_(size, atan2(imag(sign), real(sign)))
    return select(lt(sign, number(0, sign)), full(sign.shape, math.nan, sign), size)


def lu_factor(x: Value) -> tuple[Any, ...]:
    """(LU, pivots, info)."""
    packed, pivots, _, info = items(solving.lu(x), 4)
    return packed, pivots, info


def permutation_matrix(perm: Value, like: Value) -> Any:
    """P with P[perm[j], j] = 1: P (L U) has the rows of L U back in place."""
    n = perm.shape[-1]
    wide = broadcast_to(m.row(perm), shape=(*perm.shape, n))
    return convert(eq(wide, iota(shape=wide.shape, dtype=perm.dtype, axis=perm.ndim - 1, device=perm.device)), dtype=like.dtype)


def split_lu(packed: Value) -> tuple[Any, Any]:
    """(L, U) of a packed pair."""
    k = min(packed.shape[-2:])
    low = m.triangle(m.part(packed, columns=k), k=-1)
    one = m.eye(max(packed.shape[-2], k), packed)
    return low + m.part(one, columns=k), m.triangle(m.part(packed, rows=k), upper=True)


def lu(x: Value) -> tuple[Any, ...]:
    """(P, L, U) with x = P L U."""
    packed, _, perm = items(solving.lu(x), 3)
    return permutation_matrix(perm, x), *split_lu(packed)


def lu_unpack(packed: Value, pivots: Value) -> tuple[Any, ...]:
    """(P, L, U)."""
    perm = solving.lu_permutation(pivots, rows=packed.shape[-2])
    return permutation_matrix(perm, packed), *split_lu(packed)


def lu_solve(packed: Value, pivots: Value, b: Value, *, left: bool, adjoint: bool) -> Any:
    """x with A x = b (left) or x A = b, A (or its adjoint) given by its LU."""
    if not left:
        return m.adjoint(lu_solve(packed, pivots, m.adjoint(b), left=True, adjoint=not adjoint))
    order = permutation_matrix(solving.lu_permutation(pivots, rows=packed.shape[-2]), packed)
    if not adjoint:
        y = solving.triangular_solve(packed, matmul(m.swap(order), b), lower=True, unit=True)
        return solving.triangular_solve(packed, y, lower=False, unit=False)
    turned = m.adjoint(packed)
    y = solving.triangular_solve(turned, b, lower=True, unit=False)
    return matmul(order, solving.triangular_solve(turned, y, lower=False, unit=True))


def qr(x: Value, *, full: bool) -> tuple[Any, ...]:
    """(Q, R)."""
    return items(d.qr(x, full=full), 2)


def geqrf(x: Value) -> tuple[Any, ...]:
    """(a, tau)."""
    return items(d.geqrf(x), 2)


def _reflections(x: Value, tau: Value) -> tuple[Any, Any]:
    """(V, T) with H_1 H_2 ... = 1 - V T V^H: T = (1 + D striu(V^H V))^-1 D, D the diagonal matrix of tau."""
    rows, k = x.shape[-2], tau.shape[-1]
    v = m.triangle(m.part(x, columns=k), k=-1) + m.part(m.eye(rows, x), columns=k)
    inner = m.triangle(matmul(m.adjoint(v), v), k=1, upper=True)
    return v, solving.triangular_solve(m.column(tau) * inner, m.placed(tau), lower=False, unit=True)


def householder_product(x: Value, tau: Value) -> Any:
    """The first n columns of the product of the reflections 1 - tau_i v_i v_i^H that geqrf packs."""
    n = x.shape[-1]
    v, t = _reflections(x, tau)
    one = broadcast_to(m.part(m.eye(x.shape[-2], x), columns=n), shape=x.shape)
    return one - m.dot(v, t, m.adjoint(m.part(v, rows=n)))


def ormqr(x: Value, tau: Value, other: Value, *, left: bool, adjoint: bool) -> Any:
    """Q other, or other Q (or with the adjoint of Q)."""
    v, t = _reflections(x, tau)
    t = m.adjoint(t) if adjoint else t
    return other - (m.dot(v, t, matmul(m.adjoint(v), other)) if left else m.dot(matmul(other, v), t, m.adjoint(v)))


def eigh(x: Value, *, upper: bool) -> tuple[Any, ...]:
    """(w, V, info)."""
    return *items(eigen.eigh(m.adjoint(x) if upper else x), 2), broken(x)


def eigvalsh(x: Value, *, upper: bool) -> tuple[Any, Any]:
    """(w, info)."""
    return eigen.eigvalsh(m.adjoint(x) if upper else x), broken(x)


def eig(x: Value) -> tuple[Any, ...]:
    """(w, V, info)."""
    return *items(eigen.eig(x), 2), broken(x)


def eigvals(x: Value) -> tuple[Any, Any]:
    """(w, info)."""
    return eigen.eigvals(x), broken(x)


def svd(x: Value, *, full: bool) -> tuple[Any, ...]:
    """(U, s, V^H, info)."""
    return *items(d.svd(x, full=full), 3), broken(x)


def svdvals(x: Value) -> tuple[Any, Any]:
    """(s, info)."""
    return d.svdvals(x), broken(x)


def rank(x: Value, atol: Value, rtol: Value, *, hermitian: bool) -> tuple[Any, Any]:
    """(number of singular values over the tolerance, info)."""
    s = abs(eigen.eigvalsh(x)) if hermitian else d.svdvals(x)
    last = s.ndim - 1
    if not s.shape[-1]:
        return full(s.shape[:-1], 0, convert(reduce_sum(s, axes=(last,)), dtype=INT64)), broken(x)
    cut = c.maximum(atol, rtol * reduce_max(s, axes=(last,)))
    return reduce_sum(convert(gt(s, broadcast_to(m.column(cut), shape=s.shape)), dtype=INT64), axes=(last,)), broken(x)


def pinv(x: Value, atol: Value, rtol: Value, *, hermitian: bool) -> tuple[Any, Any]:
    """(pseudo-inverse, info)."""
    return matrix_functions.pinv(x, atol, rtol, hermitian=hermitian), broken(x)


def lstsq(a: Value, b: Value, cut: Value) -> tuple[Any, ...]:
    """(x of least norm among those that make |a x - b| least, |a x - b|^2 of each column, info)."""
    x = matmul(matrix_functions.pinv(a, full(cut.shape, 0, cut), cut, hermitian=False), b)
    size = abs(matmul(a, x) - b)
    return x, reduce_sum(size * size, axes=(size.ndim - 2,)), broken(a)


def determinant(x: Value) -> Any:
    """The determinant."""
    return solving.det(x)


def matrix_exp(x: Value) -> Any:
    """The exponential; half precision through float32."""
    if x.dtype.itemsize == 2:
        return convert(matrix_functions.matrix_exp(convert(x, dtype=dtype_of("float32"))), dtype=x.dtype)
    return matrix_functions.matrix_exp(x)


def matrix_power(x: Value, *, n: int) -> Any:
    """x x ... x, n >= 0 times, by squaring."""
    if n == 0:
        return broadcast_to(m.eye(x.shape[-1], x), shape=x.shape)
    found = None
    while n:
        if n % 2:
            found = x if found is None else matmul(found, x)
        n //= 2
        x = matmul(x, x) if n else x
    return found


def matrix_norm(x: Value, *, order: float | str, axes: Axes, keep: bool) -> Any:
    """The norm of matrices in `axes` (rows, columns): "fro", "nuc", 1, -1, 2, -2, inf, -inf."""
    if order == "fro":
        return c.norm(x, axes=tuple(sorted(axes)), p=2.0, keep=keep)
    if order in ("nuc", 2, -2):
        lead = tuple([a for a in range(x.ndim) if a not in axes])
        s = d.svdvals(transpose(x, axes=(*lead, *axes)))
        y = _extreme(s, order) if order != "nuc" else reduce_sum(s, axes=(s.ndim - 1,))
    else:
        size = abs(x)
        first, second = axes if abs(order) == 1 else axes[::-1]  # type: ignore[arg-type]  # a number
        sums = reduce_sum(size, axes=(first,))
        second -= second > first
        y = (reduce_max if order > 0 else reduce_min)(sums, axes=(second,))  # type: ignore[operator]
    return c.kept(y, x.shape, axes) if keep else y


def _extreme(s: Value, order: Any) -> Any:
    return (reduce_max if order > 0 else reduce_min)(s, axes=(s.ndim - 1,))


def condition(x: Value, *, order: float | str | None) -> Any:
    """|x| |x^-1|; by singular values for order None, 2 and -2; inf of a singular matrix."""
    if order in (None, 2, -2):
        s = d.svdvals(x)
        high, low = reduce_max(s, axes=(s.ndim - 1,)), reduce_min(s, axes=(s.ndim - 1,))
        return low / high if order == -2 else high / low
    inverse, info = inv(x)
    bad = broadcast_to(m.column(m.column(eq(info, number(0, info)))), shape=x.shape)
    inverse = select(bad, inverse, full(x.shape, math.inf, x))
    axes = (x.ndim - 2, x.ndim - 1)
    return matrix_norm(x, order=order, axes=axes, keep=False) * matrix_norm(inverse, order=order, axes=axes, keep=False)


def vander(x: Value, *, n: int) -> Any:
    """1, x, x^2, .. x^(n-1) along a new last axis."""
    columns = [full(x.shape, 1, x)]
    while len(columns) < n:
        columns.append(columns[-1] * x)
    return concatenate(*[m.column(y) for y in columns[:n]], axis=x.ndim)


def cdist(x: Value, y: Value, *, p: float) -> Any:
    """The p-norm of every row of `x` minus every row of `y`."""
    a = reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))
    b = reshape(y, shape=(*y.shape[:-2], 1, *y.shape[-2:]))
    gap = a - b
    return c.norm(gap, axes=(gap.ndim - 1,), p=p) if x.shape[-1] else full(gap.shape[:-1], 0, x)


def ldl(x: Value, *, hermitian: bool) -> tuple[Any, ...]:
    """(LD, pivots, info)."""
    return items(indefinite.ldl(x, hermitian=hermitian), 3)
