"""PyTorch's torch.sparse: functions of sparse tensors. The tensors themselves come from `fgrad.sparse_coo_tensor` and `to_sparse`."""

from __future__ import annotations

from typing import Any

from fgrad.functions import pointwise as p
from fgrad.functions.linear import scaled
from fgrad.functions.sparse import SparseCoo, SparseCsr, joins
from fgrad.functions.sparse.csr import as_coo, both_forms

__all__ = ["SparseCoo", "SparseCsr", "addmm", "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax", "sum"]

softmax, log_softmax = both_forms(joins.softmax), both_forms(joins.log_softmax)


def mm(mat1: Any, mat2: Any, reduce: str = "sum") -> Any:
    """mat1 @ mat2, one of them sparse: dense unless both are. Gradients flow to values and to the dense matrix.

    >>> import fgrad as torch
    >>> torch.sparse.mm(torch.eye(2).to_sparse(), torch.tensor([[1.0], [2.0]]))
    tensor([[1.],
            [2.]])
    """
    if reduce != "sum":
        raise NotImplementedError(f"sparse.mm(reduce={reduce!r}): only 'sum' is there")
    found: Any = both_forms(joins.matmul)(mat1, mat2)
    return found


def addmm(mat: Any, mat1: Any, mat2: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Any:
    """beta * mat + alpha * mat1 @ mat2 with a sparse mat1."""
    return joins.addmm(mat, as_coo(mat1), as_coo(mat2), beta, alpha)


def sampled_addmm(input: SparseCsr, mat1: Any, mat2: Any, *, beta: float = 1.0, alpha: float = 1.0) -> SparseCsr:
    """beta * input + alpha * (mat1 @ mat2) where input has entries: only those numbers are computed."""
    at = input.to_sparse_coo()._i
    found = (mat1[at[0]] * mat2.t()[at[1]]).sum(1)
    return input._with(p.add(scaled(input.values(), beta), scaled(found, alpha)))


def sum(input: Any, dim: Any = None, dtype: Any = None) -> Any:  # noqa: A001  # PyTorch's name
    """The sum of everything, dense; over dimensions, sparse unless all sparse ones are among them."""
    return input.sum(dim, dtype=dtype)


class check_sparse_tensor_invariants:  # noqa: N801  # PyTorch's name
    """Accepted as a context or decorator: indices are always checked when a sparse tensor is made."""

    def __init__(self, enable: bool = True) -> None:
        pass

    @staticmethod
    def is_enabled() -> bool:
        """True."""
        return True

    @staticmethod
    def enable() -> None:
        """Nothing to do."""

    @staticmethod
    def disable() -> None:
        """Nothing to do: the checks stay."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def __call__(self, f: Any) -> Any:
        """The function itself."""
        return f
