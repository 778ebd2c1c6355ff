"""Sparse tensors from indices and values, and from dense ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from fgrad.eager.tape import THREAD
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.creation import as_tensor, zeros
from fgrad.functions.layouts import USED, sparse_coo, sparse_csr
from fgrad.functions.sparse import joins
from fgrad.functions.sparse.coo import SparseCoo, dense_to_coo
from fgrad.functions.sparse.csr import SparseCsr, both_forms, coo_to_csr
from fgrad.ir.apply import caller

__all__ = ["sparse_compressed_tensor", "sparse_coo_tensor", "sparse_csr_tensor"]


def _values(values: Any, dtype: Any, device: Any, requires_grad: bool) -> Any:
    """Values as a tensor: the one given, so that gradients reach it; a leaf of its own if the result requires grad."""
    v = as_tensor(values, dtype=dtype, device=device)
    return v.detach().requires_grad_() if requires_grad else v


def sparse_coo_tensor(indices: Any = None, values: Any = None, size: Any = None, *, dtype: Any = None, device: Any = None, pin_memory: bool = False,
                      requires_grad: bool = False, check_invariants: bool | None = None, is_coalesced: bool | None = None) -> Any:  # fmt: skip
    """The tensor with values[k] at indices[:, k] and zeros elsewhere; values at one place add up.

    indices: integer[sparse dims, nnz].  values: [nnz, *dense dims].  size: sparse and dense dimensions (default: the least
    that holds them); alone, as in `sparse_coo_tensor((2, 3))`, all is zero.  requires_grad: `grad` will be sparse;
    otherwise gradients flow to `values`.  is_coalesced: the promise that indices are sorted and none comes twice.
    Raises ShapeError or ArgumentError for indices that don't fit.  Indices are data: they can't be traced.

    >>> import fgrad as torch
    >>> s = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    >>> s.to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 5.]])
    """
    if values is None:
        sizes = tuple(indices if size is None else size)
        return SparseCoo(zeros((len(sizes), 0), dtype="int64"), zeros(0, dtype=dtype, device=device, requires_grad=requires_grad), sizes,
                         True, requires_grad)  # fmt: skip
    i = as_tensor(indices).long()
    v = _values(values, dtype, device, requires_grad)
    if i.ndim != 2:
        raise ShapeError(f"indices must be sparse_dim x nnz, but got: {list(i.shape)}", where=caller(), fix="give int64[dims, nnz]")
    if not v.ndim or i.shape[1] != v.shape[0]:
        raise ShapeError(f"indices and values must have same nnz, but got nnz from indices: {i.shape[1]}, nnz from values: "
                         f"{v.shape[0] if v.ndim else 'a number'}", where=caller(), fix="give one value for each column of indices")  # fmt: skip
    if size is None:
        top = [int(n) + 1 for n in i.max(1).values.tolist()] if i.shape[1] else [0] * i.shape[0]
        size = (*top, *v.shape[1:])
    _check_indices(i, v, tuple(size))
    return SparseCoo(i, v, tuple(size), bool(is_coalesced), requires_grad)


def _check_indices(i: Any, v: Any, size: tuple[int, ...]) -> None:
    if len(size) != i.shape[0] + v.ndim - 1 or tuple(size[i.shape[0] :]) != tuple(v.shape[1:]):
        raise ShapeError(f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {i.shape[0]}, "
                         f"dense_dim = {v.ndim - 1}; values have shape {tuple(v.shape)}, size is {size}", where=caller(),
                         fix="give one size for each row of indices, then those of a value")  # fmt: skip
    if not i.shape[1] or THREAD.tape.tracing:
        return
    for dim, (low, high) in enumerate(zip(i.min(1).values.tolist(), i.max(1).values.tolist(), strict=True)):
        if low < 0:
            raise ArgumentError(f"found negative index {low} for dim {dim}", where=caller(), fix="count from 0")
        if high >= size[dim]:
            raise ArgumentError(f"size is inconsistent with indices: for dim {dim}, size is {size[dim]} but found index {high}",
                                where=caller(), fix="give a larger size")  # fmt: skip


def sparse_csr_tensor(crow_indices: Any, col_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, device: Any = None,
                      pin_memory: bool = False, requires_grad: bool = False, check_invariants: bool | None = None) -> Any:  # fmt: skip
    """The matrix whose row i has values[crow[i]:crow[i + 1]] in the columns col[crow[i]:crow[i + 1]].

    crow_indices: integer[rows + 1].  col_indices: integer[nnz].  values: [nnz].  size: (rows, columns), default: the least.

    >>> import fgrad as torch
    >>> torch.sparse_csr_tensor([0, 1, 3], [1, 0, 1], [1.0, 2.0, 3.0]) @ torch.ones(2)
    tensor([1., 5.])
    """
    crow, col = as_tensor(crow_indices), as_tensor(col_indices)
    v = _values(values, dtype, device, requires_grad)
    if crow.ndim != 1 or col.ndim != 1 or v.ndim != 1 or col.shape != v.shape or not crow.shape[0]:
        raise ShapeError(f"sparse_csr_tensor wants [rows + 1], [nnz] and [nnz], found {tuple(crow.shape)}, {tuple(col.shape)} and "
                         f"{tuple(v.shape)}", where=caller(), fix="give one column and one value for each entry")  # fmt: skip
    starts, columns = crow.tolist(), col.tolist()
    if size is None:
        size = (crow.shape[0] - 1, max(columns, default=-1) + 1)
    wrong = (
        "`crow_indices[..., 0] == 0`" if starts[0] else
        "`crow_indices[..., -1] == nnz`" if starts[-1] != len(columns) else
        "`0 <= crow_indices[..., 1:] - crow_indices[..., :-1]`" if any(b < a for a, b in pairwise(starts)) else
        "`0 <= col_indices < size[1]`" if any(not 0 <= k < size[1] for k in columns) else
        "`len(crow_indices) == size[0] + 1`" if len(starts) != size[0] + 1 else None
    )  # fmt: skip
    if wrong:
        raise ArgumentError(f"{wrong} is not satisfied: crow_indices={starts[:8]}, col_indices={columns[:8]}, size={tuple(size)}",
                            where=caller(), fix="crow_indices count the entries before each row")  # fmt: skip
    return SparseCsr(crow, col, v, tuple(size), requires_grad)


def sparse_compressed_tensor(compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, *, layout: Any = sparse_csr,
                             **options: Any) -> Any:  # fmt: skip
    """`sparse_csr_tensor`; other compressed layouts are not there."""
    if layout is not sparse_csr:
        raise ArgumentError(f"sparse_compressed_tensor(layout={layout!r})", where=caller(), fix="use layout=fgrad.sparse_csr")
    return sparse_csr_tensor(compressed_indices, plain_indices, values, size, **options)


def to_sparse(x: Any, sparse_dim: Any = None, *, layout: Any = None, blocksize: Any = None, dense_dim: Any = None) -> Any:
    """A dense tensor without its zeros, by coordinates (the first sparse_dim dimensions) or, for layout sparse_csr, in rows."""
    kind = sparse_dim if layout is None and sparse_dim in (sparse_coo, sparse_csr) else layout
    if kind not in (None, sparse_coo, sparse_csr):
        raise ArgumentError(f"to_sparse(layout={kind!r})", where=caller(), fix="use sparse_coo or sparse_csr")
    made = dense_to_coo(x, sparse_dim if isinstance(sparse_dim, int) else None)
    return coo_to_csr(made) if kind is sparse_csr else made


USED.update({
    "matmul": both_forms(joins.matmul), "addmm": both_forms(joins.addmm), "add": both_forms(joins.add), "mul": both_forms(joins.mul),
    "div": both_forms(joins.div), "sub": both_forms(joins.sub), "sum": joins.total, "to_sparse": to_sparse, "sparse_mask": joins.sparse_mask,
})  # fmt: skip
