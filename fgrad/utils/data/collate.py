"""Examples into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fgrad.eager.cell import concrete
from fgrad.eager.views import buffer_of
from fgrad.errors import TreeError
from fgrad.functions.creation import tensor
from fgrad.functions.shape import stack
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.types import TensorType


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of examples as one batch: tensors and arrays stacked, numbers as a tensor, trees node by node.

    Strings stay a list; a tuple becomes a list, as in PyTorch.  Raises TypeError for what cannot be batched.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stacked(batch)
    if isinstance(first, np.ndarray | np.generic):
        return tensor(np.stack([np.asarray(x) for x in batch]))
    if isinstance(first, bool | int):
        return tensor(batch)
    if isinstance(first, float):
        return tensor(batch, dtype="float64")
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return type(first)({k: default_collate([x[k] for x in batch]) for k in first})  # type: ignore[call-arg]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in columns(batch)))
    if isinstance(first, Sequence):
        return [default_collate(column) for column in columns(batch)]
    raise TreeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}",
        where=caller(), fix="pass collate_fn=",
    )  # fmt: skip


def columns(batch: Sequence[Any]) -> Any:
    """The examples' entries by position."""
    if any(len(x) != len(batch[0]) for x in batch):
        raise TreeError("each element in list of batch should be of equal size", where=caller(), fix="pass collate_fn=")
    return zip(*batch, strict=True)


def stacked(batch: Sequence[Any]) -> Any:
    """Tensors stacked; plain numbers are copied at once, so that a batch is one buffer."""
    if any(x.requires_grad for x in batch):
        return stack(batch)
    shape = batch[0]._type.shape
    if any(x._type.shape != shape for x in batch):
        raise TreeError(
            f"stack expects each tensor to be equal size, but got {sorted({tuple(x.shape) for x in batch})}", where=caller(),
            fix="pad the examples, or pass collate_fn=",
        )  # fmt: skip
    a = np.stack([buffer_of(x) for x in batch])
    return concrete(Tensor, a, TensorType(a.shape, a.dtype))


def default_convert(data: Any) -> Any:
    """One example with its arrays as tensors, unbatched."""
    if isinstance(data, np.ndarray | np.generic):
        return tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return {k: default_convert(v) for k, v in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, list | tuple):
        return [default_convert(x) for x in data]
    return data
