"""Sequences of different lengths: packed one after the other, or padded to one length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose
from fgrad.functions.creation import as_tensor
from fgrad.functions.ordering import argsort, sort
from fgrad.functions.select import index_select
from fgrad.functions.shape import stack, transpose
from fgrad.ir.apply import caller
from fgrad.nn.functional.padding import pad
from fgrad.primitives import composites as c
from fgrad.primitives.index import gather

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
    "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None


class PackedSequence(_Packed):
    """Sequences step by step: the first elements of all, then the second ones of those that have one, and so on.

    data: float[total length, ...].  batch_sizes: int64[longest], how many sequences reach each step.  sorted_indices:
    the order by falling length, None if they were given so.
    """

    __slots__ = ()

    def __new__(cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None) -> PackedSequence:
        """The inverse order is found unless given."""
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The data moved or converted; the sizes stay on the host."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        order = [None if t is None else t.to(data.device) for t in (self.sorted_indices, self.unsorted_indices)]
        return PackedSequence(data, self.batch_sizes, *order)

    def cpu(self) -> PackedSequence:
        """On the host."""
        return self.to("cpu")

    def cuda(self, device: Any = "cuda") -> PackedSequence:
        """On a CUDA device."""
        return self.to(device)

    def double(self) -> PackedSequence:
        """As float64."""
        return self._replace(data=self.data.double())

    def float(self) -> PackedSequence:
        """As float32."""
        return self._replace(data=self.data.float())

    def half(self) -> PackedSequence:
        """As float16."""
        return self._replace(data=self.data.half())

    def long(self) -> PackedSequence:
        """As int64."""
        return self._replace(data=self.data.long())

    def int(self) -> PackedSequence:
        """As int32."""
        return self._replace(data=self.data.int())

    def short(self) -> PackedSequence:
        """As int16."""
        return self._replace(data=self.data.short())

    def char(self) -> PackedSequence:
        """As int8."""
        return self._replace(data=self.data.char())

    def byte(self) -> PackedSequence:
        """As uint8."""
        return self._replace(data=self.data.byte())

    def pin_memory(self) -> PackedSequence:
        """Itself: memory of the host is not pinned."""
        return self

    def is_pinned(self) -> bool:
        """False."""
        return False

    @property
    def is_cuda(self) -> bool:
        """True on a CUDA device."""
        return bool(self.data.is_cuda)


def invert_permutation(permutation: Any) -> Any:
    """The order that undoes an order; None of None."""
    return None if permutation is None else argsort(permutation)


def numbers(x: Any) -> list[int]:
    """Lengths on the host."""
    return [int(k) for k in (buffer_of(x) if isinstance(x, Cell) else x)]


def _rows_rule(x: Any, index: Any) -> Any:
    return gather(x, index, axes=(0,), mode="clip")


def rows(x: Any, index: Any) -> Any:
    """Rows of `x` at positions from the host, of any shape."""
    return compose(_rows_rule, x, as_tensor(np.asarray(index, np.int64)).to(x.device))


def flat(x: Any) -> Any:
    """The first two dimensions as one."""
    shape = x._type.shape
    return compose(_flat_rule, x, shape=(shape[0] * shape[1], *shape[2:]))


def _flat_rule(x: Any, *, shape: tuple[int, ...]) -> Any:
    return c.reshape(x, shape=shape)


def lengths_of(batch_sizes: Sequence[int]) -> list[int]:
    """Lengths of sequences in falling order, from how many reach each step."""
    return [sum(1 for b in batch_sizes if b > i) for i in range(batch_sizes[0])] if batch_sizes else []


def laid_out(data: Any, batch_sizes: Sequence[int], steps: int) -> Any:
    """Packed rows as [steps, n, ...]; what is not there repeats some row."""
    first = [sum(batch_sizes[:t]) for t in range(len(batch_sizes))]
    n = batch_sizes[0]
    at = [[first[t] + i if t < len(first) and i < batch_sizes[t] else 0 for i in range(n)] for t in range(steps)]
    return rows(data, at)


def packed_rows(padded: Any, batch_sizes: Sequence[int]) -> Any:
    """[t, n, ...] as packed rows."""
    n = padded._type.shape[1]
    return rows(flat(padded), [t * n + i for t, b in enumerate(batch_sizes) for i in range(b)])


def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Packs padded sequences [t, n, ...] (or [n, t, ...]) of `lengths`, in falling order unless enforce_sorted is False."""
    x = transpose(input, 0, 1) if batch_first else input
    held = as_tensor(np.asarray(numbers(lengths), np.int64))
    order = None
    if not enforce_sorted:
        held, order = sort(held, descending=True)
        order = order.to(input.device)
        x = index_select(x, 1, order)
    sizes = numbers(held)
    if not sizes or min(sizes) < 1:
        raise ArgumentError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
                            where=caller(), fix="leave empty sequences out")  # fmt: skip
    if len(sizes) != x._type.shape[1]:
        raise ShapeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={x._type.shape[1]})",
                         where=caller(), fix="give one length for each sequence")  # fmt: skip
    if sizes != sorted(sizes, reverse=True):
        raise ArgumentError("`lengths` array must be sorted in decreasing order when `enforce_sorted` is True.", where=caller(),
                            fix="pass enforce_sorted=False")  # fmt: skip
    if sizes[0] > x._type.shape[0]:
        raise ShapeError(f"Expected sequence length to be larger than or equal to every length, found {x._type} and {sizes[0]}",
                         where=caller(), fix="check lengths")  # fmt: skip
    batch_sizes = [sum(1 for s in sizes if s > t) for t in range(sizes[0])]
    return PackedSequence(packed_rows(x, batch_sizes), as_tensor(np.asarray(batch_sizes, np.int64)), order, None)


def _fill_rule(x: Any, lengths: Any, *, value: float) -> Any:
    shape = x.shape[:2]
    t = c.iota(shape=shape, dtype=lengths.dtype, axis=0, device=x.device)
    alive = c.reshape(c.lt(t, lengths), shape=(*shape, *(1,) * (x.ndim - 2)))
    return c.select(alive, x, c.number(value, x))


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Any, Any]:  # fmt: skip
    """(padded sequences [t, n, ...] (or [n, t, ...]) in the order they were given in, their lengths)."""
    sizes = numbers(sequence.batch_sizes)
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError("Expected total_length to be at least the length of the longest sequence in input, but got "
                             f"total_length={total_length} and max sequence length being {steps}")  # fmt: skip
        steps = total_length
    lengths = as_tensor(np.asarray(lengths_of(sizes), np.int64))
    y = laid_out(sequence.data, sizes, steps)
    y = compose(_fill_rule, y, lengths.to(y.device), value=padding_value)
    y = transpose(y, 0, 1) if batch_first else y
    if sequence.unsorted_indices is not None:
        y = index_select(y, 0 if batch_first else 1, sequence.unsorted_indices)
        lengths = index_select(lengths, 0, sequence.unsorted_indices.cpu())
    return y, lengths


def pad_sequence(sequences: Iterable[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Any:
    """Tensors [length, ...] stacked, padded to the longest: [t, n, ...] (or [n, t, ...])."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    xs = list(sequences)
    if not xs:
        raise RuntimeError("received an empty list of sequences")
    longest = max(x._type.shape[0] for x in xs)

    def padded(x: Any) -> Any:
        more = longest - x._type.shape[0]
        ends = (more, 0) if padding_side == "left" else (0, more)
        return pad(x, (*(0, 0) * (x._type.ndim - 1), *ends), value=padding_value)

    y = stack([padded(x) for x in xs])
    return y if batch_first else transpose(y, 0, 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences of a padded tensor, each in its own length."""
    x = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    return [x[i, :n] for i, n in enumerate(numbers(lengths))]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Packs tensors [length, ...]."""
    return pack_padded_sequence(pad_sequence(sequences), [x._type.shape[0] for x in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The sequences of a packed one, in the order they were given in."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
