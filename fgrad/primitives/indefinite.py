"""LDL^T of symmetric or Hermitian indefinite matrices by Bunch & Kaufman's pivots (1977), in LAPACK's packed form.

No derivatives, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

from fgrad.errors import ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives import matrix_kernels as kernels
from fgrad.primitives.checks import device_of
from fgrad.primitives.matrices import batched_by, check_matrices

INT32 = dtype_of("int32")
_ALPHA = (1 + 17**0.5) / 8  # bounds the growth of both kinds of step alike


def _size(xp: Any, x: Any) -> Any:
    return xp.abs(x.real) + xp.abs(x.imag) if x.dtype.kind == "c" else xp.abs(x)


def _largest(xp: Any, x: Any) -> tuple[int, float]:
    """Position and size of the largest of a vector; (0, 0) of an empty one."""
    if not x.size:
        return 0, 0.0
    size = _size(xp, x)
    at = int(xp.argmax(size))
    return at, float(size[at])


def _choose(xp: Any, a: Any, k: int) -> tuple[int, int]:
    """(row to swap with, width of the step); width 0: the column is zero."""
    mine = float(_size(xp, a[k : k + 1, k])[0])
    at, column = _largest(xp, a[k + 1 :, k])
    other = k + 1 + at
    if max(mine, column) == 0 or mine != mine:
        return k, 0
    if mine >= _ALPHA * column:
        return k, 1
    row = max(_largest(xp, a[other, k:other])[1], _largest(xp, a[other + 1 :, other])[1])
    if mine >= _ALPHA * column * (column / row):
        return k, 1
    return other, 1 if float(_size(xp, a[other : other + 1, other])[0]) >= _ALPHA * row else 2


def _exchange(xp: Any, a: Any, k: int, at: int, width: int, turn: Any) -> None:
    """Swaps rows and columns `at` and the last of the step in the part not yet eliminated (the lower triangle)."""
    kk = k + width - 1
    if at == kk:
        return
    for left, right in (
        ((slice(at + 1, None), kk), (slice(at + 1, None), at)),
        ((slice(kk + 1, at), kk), (at, slice(kk + 1, at))),
        ((kk, kk), (at, at)),
    ):
        old, new = xp.array(a[left]), xp.array(a[right])
        mirrored = isinstance(right[1], slice)
        a[left], a[right] = (turn(new), turn(old)) if mirrored else (new, old)
    a[at, kk] = turn(xp.array(a[at, kk]))
    if width == 2:
        old = xp.array(a[k + 1, k])
        a[k + 1, k] = a[at, k]
        a[at, k] = old


def _factor(xp: Any, a: Any, hermitian: bool) -> tuple[Any, int]:
    """Factors one matrix in place; returns its pivots and the first zero pivot (0: none)."""
    n, info, k, pivots = a.shape[0], 0, 0, []

    def turn(x: Any) -> Any:
        return x.conj() if hermitian else x

    while k < n:
        if hermitian:
            a[k, k] = a[k, k].real
        at, width = _choose(xp, a, k)
        if width == 0:
            info, width = info or k + 1, 1
            pivots.append(at + 1)
            k += 1
            continue
        _exchange(xp, a, k, at, width, turn)
        end = k + width
        below = xp.array(a[end:, k:end])
        if below.size:
            scaled = xp.linalg.solve(_block(xp, a, k, width, turn).T, below.T).T
            a[end:, end:] -= xp.matmul(scaled, turn(below).T)
            a[end:, k:end] = scaled
        pivots += [at + 1] if width == 1 else [-(at + 1)] * 2
        k = end
    return pivots, info


def _block(xp: Any, a: Any, k: int, width: int, turn: Any) -> Any:
    """The block of D at k."""
    d = xp.array(a[k : k + width, k : k + width])
    if width == 2:
        d[0, 1] = turn(d[1, 0])
    return d


def _ldl(xp: Any, out: Any, x: Any, *, hermitian: bool) -> Any:
    packed = xp.array(kernels.flat(xp.tril(x)))
    count, n = packed.shape[:2]
    pivots, info = xp.zeros((count, n), "int32"), xp.zeros(count, "int32")
    for i in range(count):
        found, bad = _factor(xp, packed[i], hermitian and x.dtype.kind == "c")
        for j, p in enumerate(found):
            pivots[i, j] = p
        info[i] = bad
    lead = x.shape[:-2]
    ys = (xp.tril(packed).reshape(x.shape), pivots.reshape(*lead, n), info.reshape(lead))
    return kernels.stored(xp, out, ys, (x.dtype, INT32, INT32))


def _ldl_type(x: TensorType, *, hermitian: bool, where: Where | None) -> Type:
    check_matrices("ldl", (x,), where, square=True)
    lead = x.shape[:-2]
    return TupleType((x, TensorType(x.shape[:-1], INT32, x.device), TensorType(lead, INT32, x.device)))


@primitive(
    type=_ldl_type,
    lower=_ldl,
    batch=batched_by("ldl"),
    smooth=False,
    flops=lambda y, x, *, hermitian: x.size * x.shape[-1],
)
def ldl(x: Any, *, hermitian: bool) -> Any:
    """(LD packed, pivots, info) of a symmetric or Hermitian matrix, of which the lower triangle is read.

    pivots: as LAPACK's sytrf: i > 0, row k was swapped with row i; -i twice, rows k, k + 1 are a block and k + 1 was swapped.
    """


def _swap(xp: Any, b: Any, i: int, j: int) -> None:
    if i != j:
        old = xp.array(b[i])
        b[i] = b[j]
        b[j] = old


def _solve_one(xp: Any, a: Any, pivots: list[int], b: Any, hermitian: bool) -> None:
    """Solves one system in place: L, then D, then the transpose of L."""
    n, k, steps = a.shape[0], 0, []

    def turn(x: Any) -> Any:
        return x.conj() if hermitian else x

    while k < n:
        width = 1 if pivots[k] > 0 else 2
        at, end = abs(pivots[k]) - 1, min(k + width, n)
        steps.append((k, end, at))
        _swap(xp, b, end - 1, at)
        b[end:] -= xp.matmul(a[end:, k:end], b[k:end])
        block = _block(xp, a, k, end - k, turn)
        b[k:end] = kernels.solve(xp, block, xp.array(b[k:end]))[0]
        k = end
    for k, end, at in reversed(steps):
        b[k:end] -= xp.matmul(turn(a[end:, k:end]).T, b[end:])
        _swap(xp, b, end - 1, at)


def _ldl_solve(xp: Any, out: Any, a: Any, pivots: Any, b: Any, *, hermitian: bool) -> Any:
    x = xp.array(kernels.flat(b))
    each = pivots.reshape(-1, pivots.shape[-1]) if pivots.size else pivots
    for i, matrix in enumerate(kernels.flat(a) if x.size else ()):
        _solve_one(xp, matrix, [int(p) for p in each[i]], x[i], hermitian and a.dtype.kind == "c")
    return kernels.stored(xp, None if out is None else (out,), (x.reshape(b.shape),), (b.dtype,))[0]


def _solve_type(a: TensorType, pivots: TensorType, b: TensorType, *, hermitian: bool, where: Where | None) -> Type:
    check_matrices("ldl_solve", (a, b), where, square=True)
    if a.shape[-1] != b.shape[-2] or pivots.shape != a.shape[:-1]:
        raise ShapeError(f"ldl_solve: {a}, {pivots} and {b} do not fit", where=where, fix="give one pivot and one row of b for each row")
    return TensorType(b.shape, b.dtype, device_of((a, b)))


@primitive(
    type=_solve_type,
    lower=_ldl_solve,
    batch=batched_by("ldl_solve"),
    smooth=False,
    flops=lambda y, a, pivots, b, *, hermitian: 2 * a.shape[-1] * b.size,
)
def ldl_solve(a: Any, pivots: Any, b: Any, *, hermitian: bool) -> Any:
    """x with `A x = b`, A given by what `ldl` returned."""
