"""What distributions share: parameters of one shape, probabilities and their logarithms, triangles as vectors, cached properties."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from fgrad import functions as t
from fgrad.eager.tape import THREAD
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.nn import functional as f

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype and device of the first tensor, else the default dtype.

    Raises ArgumentError for anything else, and ShapeError where shapes do not broadcast.
    """
    if not all(isinstance(v, Number | t.Tensor) for v in values):
        raise ArgumentError("Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.",
                            where=caller(), fix="pass numbers and tensors")  # fmt: skip
    first = next((v for v in values if isinstance(v, t.Tensor)), None)
    like = {"dtype": t.get_default_dtype()} if first is None else {"dtype": first.dtype, "device": first.device}
    return tuple(t.broadcast_tensors(*[v if isinstance(v, t.Tensor) else t.tensor(v, **like) for v in values]))


def tracing() -> bool:
    """True while a program is recorded, where numbers are not known."""
    return bool(THREAD.tape.tracing)


def sum_rightmost(value: Any, ndims: int) -> Any:
    """The sum over the last `ndims` dimensions."""
    return value if ndims == 0 else value.reshape(*value.shape[: value.dim() - ndims], -1).sum(-1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept the gap above 1 away from 0 and 1."""
    eps = t.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """log p of normalised probabilities, or log(p / (1 - p)) if `is_binary`; p is kept away from 0 and 1."""
    p = clamp_probs(probs)
    return p.log() - (-p).log1p() if is_binary else p.log()


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """The softmax over the last dimension, or the sigmoid of each element if `is_binary`."""
    return logits.sigmoid() if is_binary else f.softmax(logits, -1)


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """[..., d] as lower triangles [..., n, n] filled row by row, up to the diagonal `diag`.

    Raises ArgumentError unless d is the size of a triangle.
    """
    d = vec.shape[-1]
    n = next((n for n in range(d + 2 + abs(diag)) if triangle(n, diag) == d), None) if d else 1 - diag
    if n is None:
        raise ArgumentError(f"The size of last dimension is {d} which cannot be expressed as the lower triangular part of a square D x D matrix.",
                            where=caller(), fix="give n (n + 1) / 2 numbers")  # fmt: skip
    rows, columns = t.tril_indices(n, n, diag, device=vec.device)
    matrix = t.zeros(*vec.shape[:-1], n, n, dtype=vec.dtype, device=vec.device)
    matrix[..., rows, columns] = vec
    return matrix


def triangle(n: int, diag: int) -> int:
    """How many elements an n x n matrix has up to the diagonal `diag`."""
    return sum(min(max(i + 1 + diag, 0), n) for i in range(n))


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The elements of [..., n, n] up to the diagonal `diag`, row by row: [..., d].  Raises ArgumentError for a diagonal outside."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ArgumentError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].", where=caller(), fix="use a diagonal the matrix has")
    rows, columns = t.tril_indices(n, n, diag, device=mat.device)
    return mat[..., rows, columns]


class lazy_property:  # noqa: N801  # PyTorch's name
    """A property computed when it is first read, with derivatives, and kept; what belongs to a program being recorded is not kept."""

    def __init__(self, wrapped: Callable[..., Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return property(self.wrapped)
        with t.enable_grad():
            value = self.wrapped(instance)
        if not tracing():
            instance.__dict__[self.wrapped.__name__] = value
        return value
