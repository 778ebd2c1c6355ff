"""What sparse tensors do with each other and with dense ones: products, sums, softmax."""

from __future__ import annotations

import math
from typing import Any

from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions import arrange, linear, reductions
from fgrad.functions import pointwise as p
from fgrad.functions.call import axis_of
from fgrad.functions.creation import arange, full, zeros
from fgrad.functions.ordering import searchsorted
from fgrad.functions.scatters import index_put, index_reduce
from fgrad.functions.select import index_add, index_select, nonzero, unique
from fgrad.functions.shape import cat, repeat_interleave
from fgrad.functions.sparse.coo import SparseCoo
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller


def check_product(a: Any, b: Any) -> None:
    """ShapeError unless a matrix and a matrix or vector fit."""
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise ShapeError(f"a sparse product wants a matrix and a matrix or vector, found {tuple(a.shape)} and {tuple(b.shape)}",
                         where=caller(), fix="reshape, or use to_dense()")  # fmt: skip
    if a.shape[1] != b.shape[0]:
        raise ShapeError(f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {'x'.join(map(str, b.shape))})",
                         where=caller(), fix="transpose one operand")  # fmt: skip


def sparse_by_dense(a: SparseCoo, b: Any) -> Any:
    """a @ b, dense: each value times a row of b, added into its row."""
    check_product(a, b)
    v = a._v if b.ndim == 1 else a._v[:, None]
    part = v * index_select(b, 0, a._i[1])
    return index_add(zeros((a.shape[0], *b.shape[1:]), dtype=part.dtype, device=part.device), 0, a._i[0], part)


def begins(x: SparseCoo) -> Any:
    """int64[rows + 1]: where each row of a coalesced matrix begins."""
    return searchsorted(x._i[0].contiguous(), arange(x.shape[0] + 1))


def sparse_by_sparse(a: SparseCoo, b: SparseCoo) -> SparseCoo:
    """a @ b, sparse: every value of a meets the row of b that its column names."""
    check_product(a, b)
    a, b = a.coalesce(), b.coalesce()
    start = begins(b)
    first, counts = start[a._i[1]], start[a._i[1] + 1] - start[a._i[1]]
    left = repeat_interleave(arange(a._nnz()), counts)
    before = counts.cumsum(0) - counts
    right = first[left] + arange(left.shape[0]) - before[left]
    index = arrange.stack([a._i[0][left], b._i[1][right]])
    return SparseCoo(index, a._v[left] * b._v[right], (a.shape[0], b.shape[1])).coalesce()


def matmul(a: Any, b: Any) -> Any:
    """a @ b where one of them is sparse."""
    if isinstance(a, SparseCoo):
        return sparse_by_sparse(a, b) if isinstance(b, SparseCoo) else sparse_by_dense(a, b)
    if a.ndim == 1:
        return sparse_by_dense(b.t(), a)
    check_product(a, b)
    return sparse_by_dense(b.t(), a.t()).t()


def spmm(input: Any, mat2: Any) -> Any:
    """input @ mat2."""
    return matmul(input, mat2)


def hspmm(mat1: Any, mat2: Any) -> SparseCoo:
    """mat1 @ mat2, mat2 dense, as a hybrid: one sparse dimension, the rows that mat1 has entries in."""
    check_product(mat1, mat2)
    rows, inverse = unique(mat1._i[0], return_inverse=True)
    part = mat1._v[:, None] * index_select(mat2, 0, mat1._i[1])
    values = index_add(zeros((rows.shape[0], mat2.shape[1]), dtype=part.dtype), 0, inverse, part)
    return SparseCoo(rows[None], values, (mat1.shape[0], mat2.shape[1]), True)


def smm(input: SparseCoo, mat: Any) -> SparseCoo:
    """input @ mat, mat dense, as a sparse matrix: every place of the rows that input has entries in."""
    x = hspmm(input, mat)
    n, width = x._v.shape
    rows = x._i[0][:, None].expand(n, width).reshape(-1)
    columns = arange(width)[None].expand(n, width).reshape(-1)
    return SparseCoo(arrange.stack([rows, columns]), x._v.reshape(-1), x._size, True)


def sspaddmm(input: SparseCoo, mat1: SparseCoo, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * mat1 @ mat2 with a dense mat2, as a sparse matrix."""
    return add(mul(input, beta), mul(smm(mat1, mat2), alpha))


def addmm(input: Any, mat1: Any, mat2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * mat1 @ mat2."""
    return p.add(linear.scaled(input, beta), linear.scaled(matmul(mat1, mat2), alpha))


def add(x: Any, y: Any, alpha: Any = 1) -> Any:
    """x + alpha * y; a dense x gives a dense result."""
    if isinstance(x, Tensor):
        wide = p.add(x, zeros((), dtype=y.dtype))
        return index_put(wide, tuple(y._i[k] for k in range(y.sparse_dim())), p.mul(y._v, alpha).to(wide.dtype), accumulate=True)
    if not isinstance(y, SparseCoo):
        raise ArgumentError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.", where=caller(), fix="exchange them")
    if x._size != y._size or x.sparse_dim() != y.sparse_dim():
        raise ShapeError(f"add: expected 'self' and 'other' to have same sizes and sparse dimensions, but {tuple(x.shape)} and "
                         f"{tuple(y.shape)} do not", where=caller(), fix="make them equal")  # fmt: skip
    y = y if alpha == 1 else mul(y, alpha)
    return SparseCoo(cat([x._i, y._i], 1), cat([x._v, y._v]), x._size).coalesce()


def sub(x: Any, y: Any) -> Any:
    """x - y."""
    return add(x, y, -1)


def mul(x: Any, y: Any) -> Any:
    """Elementwise product: sparse where one operand is."""
    if isinstance(y, SparseCoo) and not isinstance(x, SparseCoo):
        x, y = y, x
    if isinstance(y, SparseCoo):
        return _both(x, y)
    if not isinstance(y, Tensor) or not y.ndim:
        return x._with(p.mul(x._v, y))
    return x._with(p.mul(x._v, y.expand(x._size)[tuple(x._i[k] for k in range(x.sparse_dim()))]))


def _both(x: SparseCoo, y: SparseCoo) -> SparseCoo:
    """The product of two patterns: the places they share."""
    if x._size != y._size or x.sparse_dim() != y.sparse_dim():
        raise ShapeError(f"mul: {tuple(x.shape)} and {tuple(y.shape)} do not have the same sizes and sparse dimensions",
                         where=caller(), fix="make them equal")  # fmt: skip
    x, y = x.coalesce(), y.coalesce()
    ours, theirs = x._places(), y._places()
    if not y._nnz():
        return y._with(p.mul(y._v, x._v[:0]))
    at = searchsorted(theirs, ours).clamp(max=y._nnz() - 1)
    keep = nonzero(theirs[at] == ours)[:, 0]
    return SparseCoo(index_select(x._i, 1, keep), x._v[keep] * y._v[at[keep]], x._size, True)


def div(x: Any, y: Any) -> Any:
    """A sparse tensor divided by a number."""
    if not isinstance(x, SparseCoo) or isinstance(y, SparseCoo) or (isinstance(y, Tensor) and y.ndim):
        raise ArgumentError("div: a sparse tensor can only be divided by a number (zeros by zeros are not zero)", where=caller(),
                            fix="use to_dense()")  # fmt: skip
    return x._with(p.div(x._v, y))


def total(x: Any, dim: Any = None, dtype: Any = None) -> Any:
    """`x.sum`."""
    return x.sum(dim, dtype=dtype)


def softmax(x: SparseCoo, dim: int, dtype: Any = None) -> SparseCoo:
    """exp(x) / sum(exp(x)) over what is stored along `dim`: absent numbers are -inf."""
    return _soft(x, dim, dtype, log=False)


def log_softmax(x: SparseCoo, dim: int, dtype: Any = None) -> SparseCoo:
    """Its logarithm."""
    return _soft(x, dim, dtype, log=True)


def _soft(x: SparseCoo, dim: int, dtype: Any, log: bool) -> SparseCoo:
    x = x.coalesce()
    v = x._v if dtype is None else x._v.to(dtype)
    axis = axis_of(x, dim)
    if axis >= x.sparse_dim():
        dense = axis - x.sparse_dim() + 1
        return x._with(reductions.log_softmax(v, dense) if log else reductions.softmax(v, dense))
    rest = [k for k in range(x.sparse_dim()) if k != axis]
    groups = zeros(x._nnz(), dtype=x._i.dtype)
    for k in rest:
        groups = groups * x._size[k] + x._i[k]
    n = math.prod(x._size[k] for k in rest)
    shape = (n, *v.shape[1:])
    top = index_reduce(full(shape, -math.inf, dtype=v.dtype), 0, groups, v.detach(), "amax")
    away = v - index_select(top, 0, groups)
    sums = index_add(zeros(shape, dtype=v.dtype), 0, groups, p.exp(away))
    below = index_select(sums, 0, groups)
    return x._with(away - p.log(below) if log else p.exp(away) / below)


def sparse_mask(x: Any, mask: SparseCoo) -> SparseCoo:
    """The numbers of a dense tensor where a pattern has entries."""
    if tuple(x.shape) != mask._size:
        raise ShapeError(f"sparse_mask(): operands have incompatible sizes; self has size {tuple(x.shape)} but mask has size "
                         f"{mask._size}", where=caller(), fix="make them equal")  # fmt: skip
    m = mask.coalesce()
    return m._with(x[tuple(m._i[k] for k in range(m.sparse_dim()))])


def _forward(f: Any, swap: bool = False) -> Any:
    def method(self: Any, other: Any) -> Any:
        return f(other, self) if swap else f(self, other)

    return method


for _cls_name, _f in (("mul", mul), ("div", div), ("matmul", matmul)):
    _symbol = "truediv" if _cls_name == "div" else _cls_name
    setattr(SparseCoo, f"__{_symbol}__", _forward(_f))
    setattr(SparseCoo, f"__r{_symbol}__", _forward(_f, swap=True))


def _method(self: SparseCoo, other: Any, *, alpha: Any = 1) -> Any:
    """self + alpha * other."""
    return add(self, other, alpha)


def _minus(self: SparseCoo, other: Any, *, alpha: Any = 1) -> Any:
    """self - alpha * other."""
    return add(self, other, -alpha)


METHODS: dict[str, Any] = {
    "mul": mul, "multiply": mul, "div": div, "divide": div, "true_divide": div, "mm": matmul, "matmul": matmul, "mv": matmul, "smm": matmul, "spmm": matmul,
    "add": _method, "sub": _minus, "__add__": _method, "__sub__": _minus, "__radd__": lambda self, other: add(other, self),
    "__rsub__": lambda self, other: add(other, self, -1), "softmax": softmax, "log_softmax": log_softmax,
}  # fmt: skip
for _name, _f in METHODS.items():
    setattr(SparseCoo, _name, _f)
