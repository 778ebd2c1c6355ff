"""How a tensor's numbers are laid out, and the door through which functions reach sparse tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fgrad.errors import need

__all__ = ["layout", "sparse_bsc", "sparse_bsr", "sparse_coo", "sparse_csc", "sparse_csr", "strided"]


class layout:  # noqa: N801  # PyTorch's name
    """`fgrad.strided` for dense tensors, `fgrad.sparse_coo` and its relatives for sparse ones. One object for each."""

    _known: ClassVar[dict[str, layout]] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        layout._known[name] = self

    def __repr__(self) -> str:
        return f"fgrad.{self.name}"

    def __reduce__(self) -> Any:
        return _named, (self.name,)


def _named(name: str) -> layout:
    return layout._known[name]


strided, sparse_coo, sparse_csr = layout("strided"), layout("sparse_coo"), layout("sparse_csr")
sparse_csc, sparse_bsr, sparse_bsc = layout("sparse_csc"), layout("sparse_bsr"), layout("sparse_bsc")


class Sparse:
    """Base of sparse tensors, which are no Cells: a pattern of indices and the values there."""

    layout: ClassVar[Any]
    _type: Any


USED: dict[str, Callable[..., Any]] = {}  # name -> function for sparse operands, filled when sparse tensors are first made


def sparse(*xs: Any) -> bool:
    """True if one of the operands is sparse."""
    return bool(USED) and any(isinstance(x, Sparse) for x in xs)


class LayoutMethods:
    """What a dense tensor says of its layout, and its ways into others."""

    __slots__ = ()
    is_sparse, is_sparse_csr, is_quantized, is_meta, is_mkldnn, is_nested = False, False, False, False, False, False
    layout: ClassVar[Any] = strided

    def to_sparse(self, sparse_dim: Any = None, *, layout: Any = None, blocksize: Any = None, dense_dim: Any = None) -> Any:
        """The tensor without its zeros: by coordinates (of the first sparse_dim dimensions), or for layout sparse_csr in rows."""
        found: Any = need("fgrad.functions.sparse").to_sparse(self, sparse_dim, layout=layout)
        return found

    def to_sparse_coo(self) -> Any:
        """The tensor without its zeros, by coordinates."""
        return self.to_sparse()

    def to_sparse_csr(self, dense_dim: Any = None) -> Any:
        """A matrix without its zeros, in compressed rows."""
        return self.to_sparse(layout=sparse_csr)

    def sparse_mask(self, mask: Any) -> Any:
        """The numbers where a sparse tensor has entries."""
        return USED["sparse_mask"](self, mask)

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
        """Itself, in another dtype if one is named."""
        return self if dtype is None else self.to(dtype)  # type: ignore[attr-defined]  # a Tensor's
