"""Examples into batches."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from fgrad.eager.cell import concrete
from fgrad.eager.views import buffer_of
from fgrad.errors import ShapeError, TreeError
from fgrad.functions.creation import tensor
from fgrad.functions.shape import stack
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.types import TensorType


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of examples as one batch: tensors and arrays stacked, numbers as a tensor, trees node by node.

    Strings and bytes stay as they are; a tuple becomes a list; mappings, named tuples and other sequences keep their type,
    as in PyTorch.  Raises TypeError for what cannot be batched, ShapeError for examples of different sizes.

    >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stacked(batch)
    if isinstance(first, str | bytes):  # np.str_ and np.bytes_ too
        return batch
    if isinstance(first, np.ndarray | np.generic) and numeric(first):
        arrays = [np.asarray(x) for x in batch]
        check_sizes(arrays)
        return tensor(np.stack(arrays))
    if isinstance(first, bool | int):
        return tensor(batch)
    if isinstance(first, float):
        return tensor(batch, dtype="float64")
    if isinstance(first, Mapping):
        return mapped(first, {k: default_collate([x[k] for x in batch]) for k in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in columns(batch)))
    if isinstance(first, Sequence):
        return sequenced(first, [default_collate(column) for column in columns(batch)])
    kind = first.dtype if isinstance(first, np.ndarray | np.generic) else type(first)
    raise TreeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}",
        where=caller(), fix="pass collate_fn=",
    )  # fmt: skip


def numeric(x: Any) -> bool:
    """Whether a NumPy array or scalar holds numbers, not text or objects."""
    return x.dtype.kind not in "USO"


def mapped(like: Any, found: dict[Any, Any]) -> Any:
    """`found` as a mapping of `like`'s type, with what else `like` carries; a dict where its type takes none."""
    try:
        if isinstance(like, MutableMapping):
            result = copy.copy(like)
            result.update(found)
            return result
        return type(like)(found)
    except TypeError:
        return found


def sequenced(like: Any, found: list[Any]) -> Any:
    """`found` as a sequence of `like`'s type; a list for tuples, and where its type takes none."""
    if isinstance(like, tuple):
        return found
    try:
        if isinstance(like, MutableSequence):
            result = copy.copy(like)
            for i, x in enumerate(found):
                result[i] = x
            return result
        return type(like)(found)
    except TypeError:  # e.g. range
        return found


def columns(batch: Sequence[Any]) -> Any:
    """The examples' entries by position."""
    if any(len(x) != len(batch[0]) for x in batch):
        raise ShapeError("each element in list of batch should be of equal size", where=caller(), fix="pass collate_fn=")
    return zip(*batch, strict=True)


def stacked(batch: Sequence[Any]) -> Any:
    """Tensors stacked; plain numbers are copied at once, so that a batch is one buffer."""
    if any(x.requires_grad for x in batch):
        return stack(batch)
    check_sizes(batch)
    a = np.stack([buffer_of(x) for x in batch])
    return concrete(Tensor, a, TensorType(a.shape, a.dtype))


def check_sizes(batch: Sequence[Any]) -> None:
    """PyTorch's refusal of examples of different shapes."""
    shapes = {tuple(x.shape) for x in batch}
    if len(shapes) > 1:
        raise ShapeError(f"stack expects each tensor to be equal size, but got {sorted(shapes)}", where=caller(),
                         fix="pad the examples, or pass collate_fn=")  # fmt: skip


def default_convert(data: Any) -> Any:
    """One example with its arrays as tensors, unbatched; trees keep their types, but a tuple becomes a list.

    >>> default_convert({"x": np.arange(2), "name": "a"})
    {'x': tensor([0, 1]), 'name': 'a'}
    """
    if isinstance(data, np.ndarray | np.generic):
        return tensor(np.asarray(data)) if numeric(data) else data
    if isinstance(data, Mapping):
        return mapped(data, {k: default_convert(v) for k, v in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return sequenced(data, [default_convert(x) for x in data])
    return data
