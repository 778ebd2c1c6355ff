"""Sparse matrices in compressed rows."""

from __future__ import annotations

from typing import Any, ClassVar

from fgrad.errors import ArgumentError
from fgrad.functions import arrange
from fgrad.functions.creation import arange
from fgrad.functions.layouts import Sparse, layout, sparse_csr
from fgrad.functions.ordering import searchsorted
from fgrad.functions.sparse import joins
from fgrad.functions.sparse.coo import SparseCoo, Valued, with_suffixes
from fgrad.ir.apply import caller


class SparseCsr(Valued):
    """values[crow[i]:crow[i + 1]] are row i's, in the columns col[crow[i]:crow[i + 1]].

    crow: integer[rows + 1] and col: integer[nnz], data.  values: [nnz], differentiable like any tensor.
    """

    layout: ClassVar[layout] = sparse_csr
    is_sparse = False  # PyTorch's answer: it asks for COO
    is_sparse_csr = True

    def __init__(self, crow: Any, col: Any, values: Any, size: tuple[int, int], own: bool = False) -> None:
        self._crow, self._col, self._v, self._size, self._own = crow, col, values, tuple(size), own

    def _with(self, values: Any) -> SparseCsr:
        """Other values in the same pattern."""
        return SparseCsr(self._crow, self._col, values, self._size)  # type: ignore[arg-type]  # two sizes

    def crow_indices(self) -> Any:
        """integer[rows + 1]: where each row begins."""
        return self._crow

    def col_indices(self) -> Any:
        """integer[nnz]: columns."""
        return self._col

    def values(self) -> Any:
        """[nnz]."""
        return self._v

    def to_sparse_coo(self, sparse_dim: int = 2) -> SparseCoo:
        """The same matrix by coordinates."""
        rows = searchsorted(self._crow[1:].contiguous(), arange(self._nnz()), right=True)
        return SparseCoo(arrange.stack([rows, self._col.long()]), self._v, self._size, True)

    to_sparse = to_sparse_coo

    def to_sparse_csr(self, dense_dim: int | None = None) -> SparseCsr:
        """Itself."""
        return self

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
        """The dense matrix."""
        return self.to_sparse_coo().to_dense(dtype)

    def clone(self) -> SparseCsr:
        """A copy."""
        return SparseCsr(self._crow.clone(), self._col.clone(), self._v.clone(), self._size)  # type: ignore[arg-type]

    def t(self) -> SparseCsr:
        """The transpose, in compressed rows of its own."""
        return coo_to_csr(self.to_sparse_coo().t())

    T = property(t)

    def transpose(self, dim0: int, dim1: int) -> SparseCsr:
        """The transpose, or itself for equal dimensions."""
        return self if dim0 % 2 == dim1 % 2 else self.t()

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        """The sum of everything, dense; over one dimension, as COO."""
        return self.to_sparse_coo().sum(dim, keepdim, dtype=dtype)

    def __getitem__(self, index: int | tuple[int, ...]) -> Any:
        return self.to_sparse_coo()[index]

    def __repr__(self) -> str:
        body = f"tensor(crow_indices={self._crow!r},\n       col_indices={self._col!r},\n       values={self._v.detach()!r}"
        return with_suffixes(body, self._suffixes(), False)


def coo_to_csr(x: SparseCoo) -> SparseCsr:
    """A sparse matrix in compressed rows."""
    if x.sparse_dim() != 2 or x.dense_dim():
        raise ArgumentError(f"to_sparse_csr of a tensor with {x.sparse_dim()} sparse and {x.dense_dim()} dense dimensions",
                            where=caller(), fix="give a matrix")  # fmt: skip
    x = x.coalesce()
    return SparseCsr(joins.begins(x), x._i[1], x._v, x._size)  # type: ignore[arg-type]


def as_coo(x: Any) -> Any:
    """CSR as COO, anything else as it is."""
    return x.to_sparse_coo() if isinstance(x, SparseCsr) else x


def both_forms(f: Any) -> Any:
    """A function of COO that takes CSR too; if all sparse operands are CSR, a sparse result is."""

    def run(*args: Any, **kwargs: Any) -> Any:
        found = f(*map(as_coo, args), **kwargs)
        rows = [isinstance(a, SparseCsr) for a in args if isinstance(a, Sparse)]
        return coo_to_csr(found) if all(rows) and isinstance(found, SparseCoo) and found.sparse_dim() == 2 else found

    run.__name__, run.__doc__ = f.__name__, f.__doc__
    return run


for _name, _f in joins.METHODS.items():
    setattr(SparseCsr, _name, both_forms(_f))
for _name in ("abs sqrt sin tan asin atan sinh tanh asinh atanh expm1 log1p sign floor ceil trunc round square erf relu pow __pow__".split()):
    setattr(SparseCsr, _name, both_forms(getattr(SparseCoo, _name)))
for _symbol in ("mul", "truediv", "matmul"):
    setattr(SparseCsr, f"__{_symbol}__", both_forms(getattr(SparseCoo, f"__{_symbol}__")))
    setattr(SparseCsr, f"__r{_symbol}__", both_forms(getattr(SparseCoo, f"__r{_symbol}__")))
SparseCoo.to_sparse_csr = lambda self, dense_dim=None: coo_to_csr(self)  # type: ignore[attr-defined]
