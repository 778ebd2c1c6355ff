"""PyTorch's gather, scatter, index and masked operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager import casting
from fgrad.eager.cell import Cell
from fgrad.eager.tape import THREAD
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions.call import axis_of, compose, convert, is_integer, tensor_of
from fgrad.functions.exchange import placed
from fgrad.functions.pointwise import into, truth
from fgrad.functions.reductions import along, along_indices
from fgrad.functions.refusals import single_value, vector_index
from fgrad.functions.shape import expand, flatten, reshape
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.ir.operators import FUNCTIONS
from fgrad.primitives import composites as c

__all__ = [
    "argwhere", "bincount", "gather", "index_add", "index_copy", "index_fill", "index_select", "masked_fill",
    "masked_select", "nonzero", "one_hot", "scatter", "scatter_add", "take", "take_along_dim", "unique",
]  # fmt: skip

INT64 = np.dtype("int64")


def check_index(name: str, x: Any, index: Any, dim: int) -> None:
    """PyTorch's checks of gather's and scatter's index and dimension."""
    axis_of(x, dim)
    if not is_integer(index) or index._type.dtype.kind == "b":
        raise ArgumentError(f"{name}(): Expected dtype int64 for index, got {index._type}", where=caller(), fix="use .long()")
    if index._type.ndim != x._type.ndim and x._type.ndim:
        raise ShapeError(
            f"Index tensor must have the same number of dimensions as input tensor: {index._type} and {x._type}",
            where=caller(), fix="unsqueeze or expand the index",
        )  # fmt: skip


def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False, out: Any = None) -> Any:
    """out[i][j] = input[index[i][j]][j] for dim 0: the other dimensions are paired."""
    check_index("gather", input, index, dim)
    return into(out, along(input, axis_of(input, dim), index))


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """As gather, indices broadcast; the flattened tensor if dim is None."""
    if indices._type.dtype.kind not in "iu" or (dim is not None and indices._type.dtype != INT64):
        raise ArgumentError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices._type}", where=caller(), fix="use .long()")
    if dim is None:
        return along(flatten(input), 0, flatten(indices))
    axis = axis_of(input, dim)
    shape = tuple(d if i != axis else indices._type.shape[i] for i, d in enumerate(input._type.shape))
    return along(input, axis, expand(indices, shape))


def _scatter_rule(x: Any, index: Any, src: Any, *, axis: int, op: str) -> Any:
    if src.shape != index.shape:
        src = FUNCTIONS["slice"](src, start=(0,) * src.ndim, stop=index.shape, step=(1,) * src.ndim)
    where = along_indices(index, axis)
    return FUNCTIONS["scatter"](x, src, *where, axes=tuple(range(x.ndim)), op=op, mode="raise")


def scatter_with(op: str, x: Any, dim: int, index: Any, src: Any) -> Any:
    """x with src at the index, combined by `op`."""
    check_index("scatter", x, index, dim)
    axis = axis_of(x, dim)
    if isinstance(src, Cell) and src._type.dtype != x._type.dtype:
        raise DtypeError("scatter(): Expected self.dtype to be equal to src.dtype", where=caller(), fix="convert one of them")
    if op != "set" and x._type.dtype.kind == "b":
        byte = np.dtype("uint8")
        wide = scatter_with(op, convert(x, byte), dim, index, convert(src, byte) if isinstance(src, Cell) else src)
        return convert(wide, np.dtype("bool"))
    if not isinstance(src, Cell):
        src = expand(convert(tensor_of(src, x), x._type.dtype), index._type.shape)
    return compose(_scatter_rule, x, index, convert(src, x._type.dtype), axis=axis, op=op)


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """input with `src` (a tensor or a number) at out[index[i][j]][j]; reduce: None, "add" or "multiply"."""
    op = {None: "set", "add": "add", "multiply": "mul"}[reduce]
    return scatter_with(op, input, dim, index, value if src is None else src)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """input with `src` added at out[index[i][j]][j]."""
    return scatter_with("add", input, dim, index, src)


def index_select(input: Any, dim: int, index: Any, *, out: Any = None) -> Any:
    """The slices of dimension `dim` at `index`."""
    vector_index("index_select", index)
    axis = axis_of(input, dim)
    return into(out, input[(slice(None),) * axis + (flatten(index),)])


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """input with alpha * source[i] added to its slice index[i]."""
    axis = axis_of(input, dim)
    vector_index("index_add_", index)
    if source._type.dtype != input._type.dtype:
        raise DtypeError("index_add_(): self and source expected to have the same dtype", where=caller(), fix="convert one of them")
    if input._type.dtype.kind == "b":
        return convert(index_add(convert(input, INT64), dim, index, convert(source, INT64), alpha=alpha), input._type.dtype)
    source = source if alpha == 1 else source * alpha
    return compose(_index_rule, input, index, source, axis=axis, op="add")


def index_reduced(x: Any, axis: int, index: Any, source: Any, op: str) -> Any:
    """x with source[i] combined into its slice index[i]."""
    vector_index("index_reduce_", index)
    return compose(_index_rule, x, index, source, axis=axis, op=op)


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """input with its slice index[i] replaced by source[i]."""
    vector_index("index_copy_", index)
    x, y = casting.widest(input, source)
    return compose(_index_rule, x, index, y, axis=axis_of(x, dim), op="set")


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """input with its slices at `index` filled with a number."""
    single_value("index_fill_", value)
    axis = axis_of(input, dim)
    shape = tuple(index._type.size if i == axis else d for i, d in enumerate(input._type.shape))
    filled = expand(convert(tensor_of(value, input), input._type.dtype), shape)
    return compose(_index_rule, input, index, filled, axis=axis, op="set")


def _index_rule(x: Any, index: Any, source: Any, *, axis: int, op: str) -> Any:
    order = (axis, *(i for i in range(x.ndim) if i != axis))
    moved = c.transpose(source, axes=order)
    at = index if index.dtype == INT64 else c.convert(index, dtype=INT64)
    return FUNCTIONS["scatter"](x, moved, at, axes=(axis,), op=op, mode="raise")


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """input with `value` (a number or a 0-d tensor) where mask."""
    v = tensor_of(value, input)
    if v._type.shape:
        raise ShapeError(
            f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {v._type.ndim} dimension(s)",
            where=caller(), fix="use where(mask, value, input)",
        )  # fmt: skip
    if v._type.dtype.kind == "c" and input._type.dtype.kind != "c":
        raise DtypeError(f"value cannot be converted to {input.dtype}: it is complex", where=caller(), fix="use value.real")
    (x, m) = same_shape(input, mask)
    return compose(c.select, truth(m), convert(v, x._type.dtype), x)


def same_shape(x: Any, mask: Any) -> tuple[Any, Any]:
    """Both expanded to their common shape."""
    shape = broadcast_shapes(x._type.shape, mask._type.shape)
    return (expand(x, shape), mask) if shape and shape != x._type.shape else (x, mask)


def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """The elements where mask, as a vector. Its size depends on values, so recording stops here."""
    if mask._type.dtype.kind != "b":
        raise DtypeError(f"masked_select: expected BoolTensor for mask, got {mask._type}", where=caller(), fix="use mask.bool()")
    shape = broadcast_shapes(input._type.shape, mask._type.shape)
    if shape is None:
        raise ShapeError(f"masked_select: {input._type} and {mask._type} do not broadcast", where=caller(), fix="match the shapes")
    return into(out, reshape(expand(input, shape), (-1,))[reshape(expand(mask, shape), (-1,))])


def nonzero(input: Any, *, as_tuple: bool = False, out: Any = None) -> Any:
    """Indices of non-zero elements, int64[n, ndim]; or a tuple of vectors. Recording stops here."""
    cls = type(input)._result
    found = np.nonzero(np.atleast_1d(buffer_of(input)))
    vectors = [placed(cls, np.array(a, order="C"), input._device) for a in found]
    if as_tuple:
        return tuple(vectors)
    count = len(found[0])
    table = np.stack(found, 1)[:, : input._type.ndim].reshape(count, input._type.ndim)
    return into(out, placed(cls, np.array(table, order="C"), input._device))


def argwhere(input: Any) -> Any:
    """Indices of non-zero elements, int64[n, ndim]."""
    return nonzero(input)


def take(input: Any, index: Any, *, out: Any = None) -> Any:
    """Elements of the flattened tensor."""
    return into(out, flatten(input)[index])


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """int64[..., classes] with 1 at the index; classes = max + 1 if not given (recording stops to read it).

    Raises RuntimeError for another dtype than int64, and, where numbers can be read, for an index outside.
    """
    if tensor._type.dtype != INT64:
        raise ArgumentError(f"one_hot is only applicable to index tensor of type LongTensor, found {tensor._type}", where=caller(), fix="use .long()")
    if tensor._type.size and (num_classes < 0 or not THREAD.tape.tracing):
        values = buffer_of(tensor)
        if int(values.min()) < 0:
            raise ArgumentError("one_hot: Class values must be non-negative.", where=caller(), fix="index from 0")
        most = int(values.max()) + 1
        if num_classes < most and num_classes != -1:
            raise ArgumentError(f"one_hot: Class values must be smaller than num_classes, found {most - 1} of {num_classes}", where=caller(),
                                fix=f"use num_classes={most} or more")  # fmt: skip
        num_classes = most if num_classes < 0 else num_classes
    if num_classes < 0 or (not num_classes and not tensor._type.size):
        raise ArgumentError("one_hot: Can not infer total number of classes from empty tensor.", where=caller(), fix="give num_classes")
    return compose(c.one_hot, tensor, classes=num_classes, dtype=INT64)


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each integer occurs, or the sum of its weights. Recording stops here to read the largest.

    Raises RuntimeError for negative integers, weights of another length and a negative minlength.
    """
    values = buffer_of(input)
    if input._type.ndim != 1 or not is_integer(input) or (values.size and int(values.min()) < 0):
        raise ArgumentError("bincount only supports 1-d non-negative integral inputs.", where=caller(), fix="flatten it")
    if minlength < 0:
        raise ArgumentError("bincount: minlength should be >= 0", where=caller(), fix="use 0 or more")
    if weights is not None and weights._type.shape != input._type.shape:
        raise ShapeError(f"bincount: weights should be 1-d and have the same length as input, found {weights._type} for {input._type}",
                         where=caller(), fix="give one weight for each number")  # fmt: skip
    if weights is not None and weights._type.dtype != np.float32:
        weights = convert(weights, np.dtype("float64"))
    n = max(int(values.max()) + 1 if values.size else 0, minlength)
    return compose(_counted, convert(input, INT64), *([] if weights is None else [weights]), length=n)


def _counted(index: Any, weights: Any = None, *, length: int) -> Any:
    each = c.broadcast_to(c.constant(np.int64(1), device=index.device), shape=index.shape) if weights is None else weights
    start = c.broadcast_to(c.number(0, each), shape=(length,))
    return FUNCTIONS["scatter"](start, each, index, axes=(0,), op="add", mode="raise")


def unique(input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
           dim: int | None = None) -> Any:  # fmt: skip
    """The distinct elements in order, with inverse indices and counts if asked. Recording stops here."""
    cls = type(input)._result
    found = np.unique(buffer_of(input), return_inverse=True, return_counts=True, axis=dim)
    shaped = (found[0], found[1].reshape(input._type.shape if dim is None else -1), found[2])
    cells = [placed(cls, np.array(a, order="C"), input._device) for a in shaped]
    chosen = [cells[0], *([cells[1]] if return_inverse else []), *([cells[2]] if return_counts else [])]
    return tuple(chosen) if len(chosen) > 1 else chosen[0]
