"""More of PyTorch's cutting, joining and turning: splits by place, stacks, diagonals, strided windows, scatters into parts.

What is a view in PyTorch through narrow, select or reshape is one here too; results of as_strided and unfold are copies.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.eager.cell import Cell
from fgrad.eager.convert import FACES
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import R, axis_of, binary, compose, number, same
from fgrad.functions.exchange import placed
from fgrad.functions.inplace import of, turned
from fgrad.functions.pointwise import div, into, mul, where
from fgrad.functions.reductions import norm
from fgrad.functions.select import take
from fgrad.functions.shape import (
    cat,
    chunk,
    flatten,
    flip,
    meshgrid,
    movedim,
    narrow,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    t,
    transpose,
    unsqueeze,
    view_as_shape,
    vstack,
)
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.shape import pad

__all__ = [
    "as_strided", "as_strided_scatter", "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "cartesian_prod",
    "column_stack", "combinations", "constant_pad_nd", "diagonal_scatter", "dsplit", "dstack", "fliplr",
    "flipud", "hsplit", "narrow_copy", "ravel", "renorm", "rot90", "row_stack", "select_scatter", "slice_scatter", "split_with_sizes",
    "tensor_split", "unravel_index", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "vsplit",
]  # fmt: skip

unsafe_chunk, unsafe_split, row_stack = chunk, split, vstack


def ravel(input: Any) -> Any:
    """flatten(input)."""
    return flatten(input)


def _least(n: int, shape_of: Any, tensors: tuple[Any, ...]) -> Any:
    """Each tensor in at least `n` dimensions; several (or a sequence) give a tuple."""
    many = len(tensors) != 1 or isinstance(tensors[0], tuple | list)
    given = tensors[0] if len(tensors) == 1 and many else tensors
    made = tuple(x if x._type.ndim >= n else view_as_shape(x, shape_of(x._type.shape)) for x in given)
    return made if many else made[0]


def atleast_1d(*tensors: Any) -> Any:
    """At least one dimension."""
    return _least(1, lambda s: (1,), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """At least two dimensions, new ones in front."""
    return _least(2, lambda s: (1, *(s or (1,))), tensors)


def atleast_3d(*tensors: Any) -> Any:
    """At least three dimensions: 1 x n x 1 of a vector, n x m x 1 of a matrix."""
    return _least(3, lambda s: (1, *(s or (1,)), 1) if len(s) < 2 else (*s, 1), tensors)


def dstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Joined along dimension 2 after atleast_3d."""
    return into(out, cat(list(atleast_3d(*tensors) if len(tensors) > 1 else (atleast_3d(tensors[0]),)), 2))


def column_stack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Joined along dimension 1 after making columns of vectors."""
    return into(out, cat([view_as_shape(x, (x._type.size, 1)) if x._type.ndim < 2 else x for x in tensors], 1))


def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """`n` pieces whose sizes differ by at most 1, or the pieces between given places. Views."""
    if not input._type.ndim:
        raise ShapeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims", where=caller(),
                         fix="give a vector")  # fmt: skip
    axis = axis_of(input, dim)
    n = input._type.shape[axis]
    if isinstance(indices_or_sections, Cell):
        if indices_or_sections._type.dtype != np.int64 or indices_or_sections._type.ndim > 1:
            raise ArgumentError(f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {indices_or_sections._type}",
                                where=caller(), fix="use .long() of a number or a vector")  # fmt: skip
        indices_or_sections = indices_or_sections.tolist()  # type: ignore[attr-defined]  # a tensor
    if isinstance(indices_or_sections, int):
        k = indices_or_sections
        if k <= 0:
            raise ArgumentError(f"number of sections must be larger than 0, got {k}", where=caller(), fix="use 1 or more")
        places = list(itertools.accumulate([n // k + (i < n % k) for i in range(k - 1)]))
    else:
        places = [min(max(int(i) + n if i < 0 else int(i), 0), n) for i in indices_or_sections]
    starts, stops = [0, *places], [*places, n]
    return tuple(narrow(input, axis, min(a, n), max(b - a, 0)) for a, b in zip(starts, stops, strict=True))


def _directed(name: str, x: Any, parts: Any, axis: int, least: int) -> tuple[Any, ...]:
    if x._type.ndim < least:
        raise ShapeError(f"torch.{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but got a tensor with "
                         f"{x._type.ndim} dimensions!", where=caller(), fix="use tensor_split")  # fmt: skip
    if isinstance(parts, Cell) and not parts._type.shape:
        parts = int(parts)  # type: ignore[call-overload]  # a tensor
    if isinstance(parts, int) and (parts <= 0 or x._type.shape[axis] % parts):
        raise ArgumentError(f"torch.{name} attempted to split along dimension {axis}, but the size of the dimension {x._type.shape[axis]} "
                            f"is not divisible by the split_size {parts}!", where=caller(), fix="use tensor_split")  # fmt: skip
    return tensor_split(x, parts, axis)


def hsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Pieces along dimension 1 (0 of vectors)."""
    return _directed("hsplit", input, indices_or_sections, 0 if input._type.ndim == 1 else 1, 1)


def vsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Pieces along dimension 0."""
    return _directed("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Pieces along dimension 2."""
    return _directed("dsplit", input, indices_or_sections, 2, 3)


def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Pieces of the given sizes. Views."""
    return split(input, list(split_sizes), dim)


unsafe_split_with_sizes = split_with_sizes


def narrow_copy(input: Any, dim: int, start: int, length: int) -> Any:
    """As narrow, a copy."""
    return narrow(input, dim, start, length).clone()


def fliplr(input: Any) -> Any:
    """Dimension 1 in reverse."""
    if input._type.ndim < 2:
        raise ShapeError("Input must be >= 2-d.", where=caller(), fix="use flip")
    return flip(input, 1)


def flipud(input: Any) -> Any:
    """Dimension 0 in reverse."""
    if input._type.ndim < 1:
        raise ShapeError("Input must be >= 1-d.", where=caller(), fix="give a vector")
    return flip(input, 0)


def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Turned by `k` quarter turns in the plane of two dimensions, from the first towards the second."""
    if len(dims) != 2 or input._type.ndim < 2:
        raise ArgumentError(f"expected total rotation dims == 2 and at least 2 dims, but got {list(dims)} of {input._type}", where=caller(),
                            fix="name two dimensions")  # fmt: skip
    a, b = (axis_of(input, d) for d in dims)
    if a == b:
        raise ArgumentError("expected rotation dims to be different", where=caller(), fix="name two dimensions")
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return flip(input, a, b)
    return flip(transpose(input, a, b), a) if turns == 1 else transpose(flip(input, a), a, b)


def _written(input: Any, src: Any, index: Any) -> Any:
    """A copy with one part replaced."""
    y = input.clone()
    part = y[index]
    if part._type.shape != src._type.shape:
        raise ShapeError(f"expected src to have a size equal to the slice of self. src size = {list(src._type.shape)}, slice size = "
                         f"{list(part._type.shape)}", where=caller(), fix="give a source of the part's shape")  # fmt: skip
    y[index] = src
    return y


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy with the slice at `index` of `dim` replaced."""
    return _written(input, src, (slice(None),) * axis_of(input, dim) + (index,))


def slice_scatter(input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """A copy with `start:end:step` of `dim` replaced."""
    return _written(input, src, (slice(None),) * axis_of(input, dim) + (slice(start, end, step),))


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy with a diagonal replaced."""
    a, b = axis_of(input, dim1), axis_of(input, dim2)
    s = input._type.shape
    n = max(0, min(s[a] + min(offset, 0), s[b] - max(offset, 0)))
    i = np.arange(n)
    x = movedim(input, (a, b), (0, 1))
    y = _written(x, movedim(src, -1, 0), (i - min(offset, 0), i + max(offset, 0)))
    return movedim(y, (0, 1), (a, b))


def _places(x: Any, size: Sequence[int], stride: Sequence[int], offset: int | None) -> Any:
    """Positions in the flattened tensor that `as_strided` reads."""
    if len(size) != len(stride):
        raise ArgumentError("mismatch in length of strides and shape", where=caller(), fix="give one stride for each size")
    at = np.full((), offset or 0, np.int64)
    for n, s in zip(size, stride, strict=True):
        at = at[..., None] + np.arange(n) * s
    if at.size and (at.min() < 0 or at.max() >= x._type.size):
        raise ArgumentError(f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset or 0} are out of bounds for "
                            f"storage of {x._type.size} elements", where=caller(), fix="stay inside the tensor")  # fmt: skip
    return placed(type(x)._result, at, x._device)


def as_strided(input: Any, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
    """The elements at `storage_offset + sum(index * stride)` of the tensor in row-major order, in the shape `size`."""
    return take(flatten(input), _places(input, size, stride, storage_offset))


def as_strided_scatter(input: Any, src: Any, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
    """A copy with the elements that `as_strided` reads replaced."""
    at = _places(input, size, stride, storage_offset)
    y = _written(flatten(input), src, at)
    return reshape(y, input._type.shape)


def unfold(self: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of `size` elements of a dimension, `step` apart, as a new last dimension."""
    if not self._type.ndim:
        x = unsqueeze(self, 0)
        return narrow(x, 0, 0, size) if size <= 1 else _too_long(1, size)
    axis = axis_of(self, dimension)
    n = self._type.shape[axis]
    if size > n:
        return _too_long(n, size)
    if step <= 0 or size < 0:
        raise ArgumentError(f"step is {step} but must be > 0", where=caller(), fix="use a positive step")
    starts = np.arange(0, n - size + 1, step)
    rows = placed(type(self)._result, starts[:, None] + np.arange(size), self._device)
    y = self[(slice(None),) * axis + (rows,)]
    return movedim(y, axis + 1, -1)


def _too_long(n: int, size: int) -> Any:
    raise ArgumentError(f"maximum size for tensor at dimension is {n} but size is {size}", where=caller(), fix="use a shorter window")


def block_diag(*tensors: Any) -> Any:
    """A matrix with the tensors (numbers and vectors as single rows) along its diagonal."""
    if not tensors:
        return placed(FACES["tensor"], np.zeros((1, 0), np.float32))
    if any(x._type.ndim > 2 for x in tensors):
        raise ShapeError("torch.block_diag: Input tensors must have 2 or fewer dimensions", where=caller(), fix="flatten them")
    rows = same([view_as_shape(x, (1,) * (2 - x._type.ndim) + x._type.shape) for x in tensors])
    wide = sum(x._type.shape[1] for x in rows)
    at, out = 0, []
    for x in rows:
        out.append(compose(_padded, x, low=at, high=wide - at - x._type.shape[1]))
        at += x._type.shape[1]
    return cat(out, 0)


def _padded(x: Any, *, low: int, high: int) -> Any:
    return pad(x, c.number(0, x), low=(0, low), high=(0, high), interior=(0, 0))


def constant_pad_nd(input: Any, pad: Sequence[int], value: float = 0) -> Any:
    """Padded (or cut, where negative) with a number: pairs of widths from the last dimension on."""
    if len(pad) % 2 or len(pad) > 2 * input._type.ndim:
        raise ArgumentError(f"Length of pad must be even and at most twice the number of dimensions, got {len(pad)} for {input._type}",
                            where=caller(), fix="give two widths for each dimension")  # fmt: skip
    n, k = input._type.ndim, len(pad) // 2
    pairs = [(0, 0)] * (n - k) + [tuple(pad[2 * i : 2 * i + 2]) for i in reversed(range(k))]
    if any(d + a + b < 0 for d, (a, b) in zip(input._type.shape, pairs, strict=True)):
        raise ArgumentError(f"the padding {tuple(pad)} leaves a negative size of {input._type}", where=caller(), fix="cut less")
    low, high = (tuple(p[i] for p in pairs) for i in (0, 1))
    return compose(_widened, input, number(value, input._type.dtype, input), low=low, high=high)


def _widened(x: Any, v: Any, *, low: tuple[int, ...], high: tuple[int, ...]) -> Any:
    return pad(x, v, low=low, high=high, interior=(0,) * x.ndim)


def cartesian_prod(*tensors: Any) -> Any:
    """All rows of one element of each vector; of one vector itself."""
    if any(x._type.ndim != 1 for x in tensors):
        raise ShapeError("Expect a 1D vector", where=caller(), fix="flatten the tensors")
    if len(tensors) == 1:
        return tensors[0]
    return stack([flatten(g) for g in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Rows of `r` elements of a vector in order, as itertools.combinations (with_replacement)."""
    if input._type.ndim != 1:
        raise ShapeError("Expect a 1D vector", where=caller(), fix="flatten the tensor")
    if r < 0:
        raise ArgumentError(f"Expect a non-negative number, but got {r}", where=caller(), fix="use r >= 0")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input._type.shape[0]), r)), np.int64).reshape(-1, r)
    if r == 0:
        return placed(type(input)._result, np.zeros(0, input._type.dtype), input._device)
    return input[placed(type(input)._result, rows, input._device)]


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """The coordinates in `shape` of places in the flattened tensor."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    out, rest = [], indices
    for d in reversed(sizes):
        out.append(binary(R["rem"], rest, d))
        rest = div(rest, d, rounding_mode="floor")
    return tuple(reversed(out))


@full_precision("cuda")
def renorm(input: Any, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Any:
    """Each slice along `dim` scaled down to a p-norm of at most `maxnorm`."""
    axis = axis_of(input, dim)
    if not p > 0:
        raise ArgumentError("renorm: non-positive-norm not supported", where=caller(), fix="use p > 0")
    if maxnorm < 0:
        raise ArgumentError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}", where=caller(), fix="use 0 or more")
    if input._type.ndim < 2:
        raise ShapeError(f"renorm: input needs at least 2 dimensions, got {input._type.ndim} dimensions", where=caller(), fix="give a matrix")
    others = [i for i in range(input._type.ndim) if i != axis]
    size = norm(input, p, others, keepdim=True)
    return into(out, mul(input, where(binary(R["lt"], number(maxnorm, size._type.dtype, size), size), div(maxnorm, size + 1e-7), 1.0)))


class ArrangeMethods:
    """Tensor's methods of these operations."""

    __slots__ = ()
    tensor_split, hsplit, vsplit, dsplit, split_with_sizes = tensor_split, hsplit, vsplit, dsplit, split_with_sizes
    unsafe_chunk, unsafe_split, narrow_copy, fliplr, flipud = unsafe_chunk, unsafe_split, narrow_copy, fliplr, flipud
    rot90, diagonal_scatter, select_scatter = rot90, diagonal_scatter, select_scatter
    slice_scatter, as_strided, as_strided_scatter, unfold, renorm = slice_scatter, as_strided, as_strided_scatter, unfold, renorm
    swapdims, renorm_ = swapaxes, of(renorm)
    squeeze_, unsqueeze_, t_ = turned(squeeze), turned(unsqueeze), turned(t)
    transpose_ = swapaxes_ = swapdims_ = turned(transpose)
    as_strided_ = turned(as_strided)


