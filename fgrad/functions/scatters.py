"""More of PyTorch's writing by index: reductions into places, masked and flat writes, and tensors like another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.updates import updated
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions.call import axis_of, compose, convert, device_of, is_integer, tensor_of
from fgrad.functions.dtypes import as_numpy
from fgrad.functions.exchange import placed
from fgrad.functions.inplace import of
from fgrad.functions.pointwise import div, ne, where
from fgrad.functions.refusals import no_negative
from fgrad.functions.select import index_reduced, nonzero, scatter_with, truth
from fgrad.functions.shape import broadcast_shapes, broadcast_to, cat, flatten, narrow, reshape
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives import quantiles as q

__all__ = ["fill", "index_put", "index_reduce", "masked_scatter", "nonzero_static", "put", "scatter_reduce"]

OPS = {"sum": "add", "prod": "mul", "mean": "add", "amax": "max", "amin": "min"}


def identity(name: str, d: Any) -> Any:
    """What a reduction starts from."""
    if name in ("sum", "mean"):
        return 0
    if name == "prod":
        return 1
    if d.kind in "fV":
        return float("-inf") if name == "amax" else float("inf")
    if d.kind == "b":
        return name == "amin"
    info = np.iinfo(d)
    return int(info.min if name == "amax" else info.max)


def _reduced(write: Any, x: Any, source: Any, name: str, include_self: bool) -> Any:
    """`write(op, base, values)` for the reduction, its start where the tensor itself does not count, and the mean's division."""
    base = x if include_self else write("set", x, identity(name, x._type.dtype))
    y = write(OPS[name], base, source)
    if name != "mean":
        return y
    ones = compose(_ones, x)
    counts = write("add", ones if include_self else write("set", ones, 0), 1)
    counts = where(ne(counts, 0), counts, ones)
    return div(y, counts, rounding_mode="floor") if is_integer(y) else div(y, counts)


def _ones(x: Any) -> Any:
    return c.broadcast_to(c.number(1, x), shape=x.shape)


def _check(name: str, reduce: str, allowed: Sequence[str]) -> None:
    if reduce not in allowed:
        raise ArgumentError(f"{name}(): reduce argument must be one of {', '.join(allowed)}, got {reduce}", where=caller(), fix="choose one")


def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """`input` with `src` reduced into out[index[i][j]][j]: sum, prod, mean, amax or amin; ties of extremes share the gradient.

    include_self: whether the element that is there counts.
    """
    _check("scatter_reduce", reduce, tuple(OPS))
    if src._type.dtype != input._type.dtype:
        raise DtypeError("scatter(): Expected self.dtype to be equal to src.dtype", where=caller(), fix="convert one of them")

    def write(op: str, base: Any, values: Any) -> Any:
        return scatter_with(op, base, dim, index, values)

    return _reduced(write, input, src, reduce, include_self)


def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """`input` with source[i] reduced into its slice index[i]: prod, mean, amax or amin."""
    _check("index_reduce", reduce, ("prod", "mean", "amax", "amin"))
    axis = axis_of(input, dim)
    shape = tuple(index._type.size if i == axis else d for i, d in enumerate(input._type.shape))

    def write(op: str, base: Any, values: Any) -> Any:
        if not isinstance(values, Cell):
            values = broadcast_to(convert(tensor_of(values, base), base._type.dtype), shape)
        return index_reduced(base, axis, index, values, op)

    return _reduced(write, input, source, reduce, include_self)


def index_put(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """A copy with `values` written (added, if `accumulate`) at a tuple of index tensors or masks."""
    if values._type.dtype != input._type.dtype:
        raise DtypeError(f"Index put requires the source and destination dtypes match, got {input.dtype} for the destination and "
                         f"{values.dtype} for the source.", where=caller(), fix="convert one of them")  # fmt: skip
    places = tuple(slice(None) if i is None else i for i in indices)
    return updated(input, places, values, "add" if accumulate else "set", "raise")


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy with `source` written (added) at places of the flattened tensor."""
    if source._type.dtype != input._type.dtype:
        raise DtypeError(f"put_(): self and source expected to have the same dtype, but got self.dtype = {input.dtype} and source.dtype = "
                         f"{source.dtype}", where=caller(), fix="convert one of them")  # fmt: skip
    if index._type.size != source._type.size:
        raise ShapeError("put_(): Expected source and index to have the same number of elements", where=caller(), fix="match them")
    flat = updated(flatten(input), flatten(index), flatten(source), "add" if accumulate else "set", "raise")
    return reshape(flat, input._type.shape)


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy with the elements where `mask` replaced by those of `source` in order."""
    if mask._type.dtype.kind != "b":
        raise DtypeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}", where=caller(), fix="use a bool mask")
    if source._type.dtype != input._type.dtype:
        raise DtypeError("masked_scatter: expected self and source to have same dtypes", where=caller(), fix="convert one of them")
    shape = tuple(broadcast_shapes(input._type.shape, mask._type.shape))
    return compose(_masked, broadcast_to(input, shape), truth(broadcast_to(mask, shape)), flatten(source))


def _masked(x: Any, mask: Any, source: Any) -> Any:
    flat = c.reshape(mask, shape=(mask.size,))
    rank = q.FUNCTIONS["cumsum"](c.convert(flat, dtype=np.dtype("int64")), axis=0) - c.number(1, c.convert(flat, dtype=np.dtype("int64")))
    picked = q.FUNCTIONS["gather"](source, rank, axes=(0,), mode="clip")
    return c.select(mask, c.reshape(picked, shape=x.shape), x)


def nonzero_static(input: Any, *, size: int, fill_value: int = -1) -> Any:
    """`nonzero` in exactly `size` rows: cut, or filled up with a number."""
    rows = nonzero(input)
    n = rows._type.shape[0]
    if n >= size:
        return narrow(rows, 0, 0, size)
    extra = placed(type(input)._result, np.full((size - n, rows._type.shape[1]), fill_value, np.int64), input._device)
    return cat([rows, extra], 0)


def fill(input: Any, value: Any) -> Any:
    """A tensor of the shape and dtype of another, filled with a number or a 0-d tensor."""
    v = tensor_of(value, input)
    if v._type.shape:
        raise ShapeError(f"fill only supports 0-dimension value tensor but got tensor with {v._type.ndim} dimensions.", where=caller(),
                         fix="use copy_")  # fmt: skip
    return broadcast_to(convert(v, input._type.dtype), input._type.shape)


def _new(x: Any, size: tuple[Any, ...], value: Any, dtype: Any, device: Any, requires_grad: bool) -> Any:
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], Sequence) else tuple(size)
    d = x._type.dtype if dtype is None else as_numpy(dtype)
    no_negative(shape)
    return placed(type(x)._result, np.full(shape, value).astype(d), x._device if device is None else device_of(device), requires_grad)


class ScatterMethods:
    """Tensor's methods of these operations, and tensors of its dtype and device."""

    __slots__ = ()
    scatter_reduce, index_reduce, index_put, put, masked_scatter = scatter_reduce, index_reduce, index_put, put, masked_scatter
    scatter_reduce_, index_reduce_, index_put_ = of(scatter_reduce), of(index_reduce), of(index_put)
    put_, masked_scatter_ = of(put), of(masked_scatter)
    nonzero_static = nonzero_static

    def new_zeros(self, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any) -> Any:
        """Zeros of this tensor's dtype and device."""
        return _new(self, sizes if size is None else (size,), 0, dtype, device, requires_grad)

    def new_ones(self, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any) -> Any:
        """Ones of this tensor's dtype and device."""
        return _new(self, sizes if size is None else (size,), 1, dtype, device, requires_grad)

    def new_empty(self, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any) -> Any:
        """Zeros of this tensor's dtype and device: contents are not promised."""
        return _new(self, sizes if size is None else (size,), 0, dtype, device, requires_grad)

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any) -> Any:
        """One number of this tensor's dtype and device everywhere."""
        return _new(self, (size,), fill_value, dtype, device, requires_grad)

    def new_empty_strided(self, size: Any, stride: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
        """As new_empty: memory is always in row-major order here."""
        return _new(self, (size,), 0, dtype, device, requires_grad)

    def resize_(self, *sizes: Any, memory_format: Any = None) -> Any:
        """Takes another shape in place: elements are kept in order, what is new is 0."""
        shape = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], Sequence) else tuple(sizes)
        return _resize(self, shape)

    def resize_as_(self, tensor: Any, memory_format: Any = None) -> Any:
        """resize_(tensor.shape)."""
        return _resize(self, tensor._type.shape)


def _resize(x: Any, shape: tuple[int, ...]) -> Any:
    if x._value.needs:
        raise ArgumentError("cannot resize variables that require grad", where=caller(), fix="detach it first")
    old = buffer_of(x).reshape(-1)
    new = np.zeros(shape, x._type.dtype)
    n = min(old.size, new.size)
    new.reshape(-1)[:n] = old[:n]
    x.data = placed(type(x)._result, new, x._device)
    return x
