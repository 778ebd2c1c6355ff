"""NumPy's creation functions. Filled arrays and ranges are recorded, so a program can absorb them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fgrad.eager import arrays
from fgrad.eager.arrays import another, any_cell, array_of, as_dtype, call, face, shape_of
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import host_array
from fgrad.eager.operands import compose, convert, default_float, number_dtype, recorded
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype
from fgrad.ir.types import Device, TensorType
from fgrad.numpy.shape import broadcast_to, expand_dims, moveaxis, reshape
from fgrad.primitives import composites as c
from fgrad.primitives.shape import pad

__all__ = [
    "arange", "array", "asarray", "copy", "diag", "diagflat", "diagonal", "empty", "empty_like", "eye", "full",
    "full_like", "geomspace", "identity", "indices", "linspace", "logspace", "meshgrid", "ones", "ones_like", "tri",
    "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def array(object: Any, dtype: Any = None, copy: bool = True, order: Any = None, ndmin: int = 0, *, device: Any = None) -> Any:
    """An array of numbers, nested sequences or an array. Python floats become the default float, arrays keep their dtype.

    >>> import fgrad.numpy as jnp
    >>> jnp.array([1.0, 2.0])
    Array([1., 2.], dtype=float32)
    """
    known = dtype is None or isinstance(object, Cell) or (isinstance(object, list | tuple) and any_cell(object))
    x = array_of(object) if known else from_host(object, dtype)
    x = x if dtype is None else convert(x, as_dtype(dtype))
    extra = ndmin - x._type.ndim
    return on(x if extra <= 0 else arrays.reshape(x, (1,) * extra + x._type.shape), device)


def on(x: Any, device: Any) -> Any:
    """`x` on a device (a name, or what `x.device` gives); where it is if None."""
    if device is None:
        return x
    place = device if isinstance(device, Device) else Device(str(device))
    return x if place is x._type.device else call("transfer", x, device=place)


def from_host(x: Any, dtype: Any) -> Any:
    """NumPy data or a number in a given dtype, without a detour through the default one."""
    a = host_array(x if not hasattr(x, "__array__") else np.asarray(x), as_dtype(dtype))
    return concrete(face(), a, TensorType(a.shape, a.dtype))


def asarray(a: Any, dtype: Any = None, order: Any = None, copy: bool | None = None, *, device: Any = None) -> Any:
    """As array; an array of the face is returned itself, unless copy.

    copy=False: ValueError where that would take a copy, as data from outside and another dtype do.
    """
    x = on(array(a, dtype), device)
    if copy is False and x is not a:
        raise ArgumentError(f"asarray of {type(a).__name__} takes a copy", where=caller(), fix="leave copy=False out")
    return another(x) if copy and x is a else x


def filled(shape: tuple[int, ...], value: Any, dtype: Dtype) -> Any:
    """One number everywhere."""
    a = np.asarray(value).astype(dtype)
    key = ("full", shape, dtype, a.tobytes())
    return recorded(face(), key, lambda: c.broadcast_to(c.constant(a), shape=shape) if shape else c.constant(a))


def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Any:
    """`fill_value` (a number or an array that broadcasts) everywhere, in its own dtype unless given."""
    if isinstance(fill_value, Cell | np.ndarray | list | tuple):
        x = array_of(fill_value)
        return on(broadcast_to(x if dtype is None else convert(x, as_dtype(dtype)), shape), device)
    d = as_dtype(dtype) if dtype is not None else number_dtype(fill_value, None)
    return on(filled(shape_of(shape), fill_value, d), device)


def zeros(shape: Any, dtype: Any = None, *, device: Any = None) -> Any:
    """Zeros, of the default float dtype unless given."""
    return on(filled(shape_of(shape), 0, default_float() if dtype is None else as_dtype(dtype)), device)


def ones(shape: Any, dtype: Any = None, *, device: Any = None) -> Any:
    """Ones, of the default float dtype unless given."""
    return on(filled(shape_of(shape), 1, default_float() if dtype is None else as_dtype(dtype)), device)


empty = zeros


def full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Any:
    """`fill_value` in the shape and dtype of `a` unless given."""
    t = type_of(a)
    return on(full(t.shape if shape is None else shape, fill_value, t.dtype if dtype is None else dtype), t.device if device is None else device)


def type_of(a: Any) -> Any:
    """The type of an array, or of anything with shape and dtype."""
    if not isinstance(a, Cell) and hasattr(a, "shape") and hasattr(a, "dtype"):
        return TensorType(tuple(a.shape), as_dtype(a.dtype))
    return array_of(a)._type


def zeros_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Any:
    """Zeros in the shape and dtype of `a` unless given."""
    return on(full_like(a, 0, dtype, shape), device)


def ones_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Any:
    """Ones in the shape and dtype of `a` unless given."""
    return on(full_like(a, 1, dtype, shape), device)


empty_like = zeros_like


def number(x: Any) -> Any:
    """A Python number, read from an array if one is given."""
    return x.item() if hasattr(x, "item") else x


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None) -> Any:
    """start, start + step, ... below stop; int64 unless a float is given."""
    if stop is None:
        start, stop = 0, start
    start, stop, step = number(start), number(stop), 1 if step is None else number(step)
    if step == 0:
        raise ArgumentError("arange: step is 0", where=caller(), fix="use another step")
    floats = any(isinstance(x, float) for x in (start, stop, step))
    d = as_dtype(dtype) if dtype is not None else default_float() if floats else np.dtype("int64")
    n = max(0, math.ceil((stop - start) / step))
    return on(recorded(face(), ("arange", n, str(start), str(step), d), lambda: progression(n, start, step, d)), device)


def progression(n: int, start: Any, step: Any, d: Dtype) -> Any:
    """start + i * step for i below n, computed in 64 bits."""
    wide = np.dtype("float64" if isinstance(start, float) or isinstance(step, float) else "int64")
    i = c.iota(shape=(n,), dtype=np.dtype("int64"), axis=0)
    x = c.convert(i, dtype=wide) * c.constant(np.asarray(step, wide)) + c.constant(np.asarray(start, wide))
    return c.convert(x, dtype=d)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0, *, device: Any = None) -> Any:  # fmt: skip
    """`num` numbers from start to stop, evenly spaced; start and stop may be arrays."""
    d = default_float() if dtype is None else as_dtype(dtype)
    parts = num - 1 if endpoint else num
    if not isinstance(start, Cell | np.ndarray) and not isinstance(stop, Cell | np.ndarray):
        a = np.linspace(start, stop, num, endpoint).astype(d)
        x = concrete(face(), a, TensorType(a.shape, d))
        step: Any = (stop - start) / parts if parts else math.nan
    else:
        low, high = (convert(array_of(v), default_float()) for v in (start, stop))
        share = array_of(np.arange(num, dtype=low._type.dtype) / low._type.dtype.type(max(parts, 1)))
        gap = high - low
        rank = gap._type.ndim
        share = reshape(share, (num,) + (1,) * rank)
        x = convert(moveaxis(expand_dims(low, 0) * (1 - share) + expand_dims(high, 0) * share, 0, axis), d)
        step = gap / max(parts, 1)
    x = on(x, device)
    return (x, step) if retstep else x


def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10.0, dtype: Any = None) -> Any:
    """base ** linspace(start, stop)."""
    d = default_float() if dtype is None else as_dtype(dtype)
    return array_of(np.logspace(start, stop, num, endpoint, base).astype(d))


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Any:
    """`num` numbers from start to stop with equal ratios."""
    d = default_float() if dtype is None else as_dtype(dtype)
    return array_of(np.geomspace(start, stop, num, endpoint).astype(d))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None, *, device: Any = None) -> Any:  # noqa: N803  # NumPy's names
    """Ones on diagonal `k` of an N × M matrix."""
    d, shape = default_float() if dtype is None else as_dtype(dtype), (N, N if M is None else M)
    k = max(-shape[0], min(k, shape[1]))
    return on(recorded(face(), ("eye", shape, k, d), lambda: c.convert(
        c.tril_mask(shape=shape, k=k) & c.tril_mask(shape=shape, k=k, upper=True), dtype=d)), device)


def identity(n: int, dtype: Any = None) -> Any:
    """eye(n)."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803
    """Ones on and below diagonal `k` of an N × M matrix."""
    d, shape = default_float() if dtype is None else as_dtype(dtype), (N, N if M is None else M)
    return recorded(face(), ("tri", shape, k, d), lambda: c.convert(c.tril_mask(shape=shape, k=k), dtype=d))


def _triangle(name: str, doc: str, upper: bool) -> Callable[..., Any]:
    def op(m: Any, k: int = 0) -> Any:
        return compose(triangle, array_of(m), k=k, upper=upper)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


def triangle(x: Any, *, k: int, upper: bool) -> Any:
    """`x` with one triangle of its last two axes kept."""
    return c.select(c.tril_mask(shape=x.shape, k=k, upper=upper, device=x.device), x, c.number(0, x))


tril = _triangle("tril", "The lower triangle of the last two axes, up to diagonal `k`; zeros above.", upper=False)
triu = _triangle("triu", "The upper triangle of the last two axes, from diagonal `k`; zeros below.", upper=True)


def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> list[Any]:
    """Coordinate arrays of a grid; indexing "xy" (the first two axes exchanged) or "ij"."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"no indexing {indexing!r}", where=caller(), fix='use "xy" or "ij"')
    xs = [array_of(x) for x in xi]
    n = len(xs)
    at = list(range(n))
    if indexing == "xy" and n > 1:
        at[:2] = [1, 0]
    full_shape = [0] * n
    for x, k in zip(xs, at, strict=True):
        full_shape[k] = x._type.size
    grids = [reshape(x, tuple(-1 if i == k else 1 for i in range(n))) for x, k in zip(xs, at, strict=True)]
    return grids if sparse else [broadcast_to(x, tuple(full_shape)) for x in grids]


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two axes as a new last one."""
    x = moveaxis(a, (axis1, axis2), (0, 1))
    s = x._type.shape
    n = max(0, min(s[0] + min(offset, 0), s[1] - max(offset, 0)))
    i = np.arange(n)
    return moveaxis(x[i - min(offset, 0), i + max(offset, 0)], 0, -1)


def diag(v: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal."""
    x = array_of(v)
    if x._type.ndim == 2:
        return diagonal(x, k)
    n = x._type.shape[0] + abs(k)
    return compose(diagonal_matrix, x, n=n, k=k)


def diagonal_matrix(x: Any, *, n: int, k: int) -> Any:
    """An n × n matrix with a vector on diagonal `k`."""
    low, high = (max(-k, 0), 0), (n - x.shape[0] - max(-k, 0), 0)
    column = pad(x, c.number(0, x), low=low[:1], high=high[:1], interior=(0,))
    wide = c.broadcast_to(c.reshape(column, shape=(n, 1)), shape=(n, n))
    on = c.tril_mask(shape=(n, n), k=k, device=x.device) & c.tril_mask(shape=(n, n), k=k, upper=True, device=x.device)
    return c.select(on, wide, c.number(0, x))


def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the flattened input on its diagonal."""
    x = array_of(v)
    return diag(reshape(x, (x._type.size,)), k)


def indices(dimensions: Any, dtype: Any = None) -> Any:
    """int64[rank, *dimensions]: the index of each position along each axis."""
    shape, d = shape_of(dimensions), np.dtype("int64") if dtype is None else as_dtype(dtype)
    rows = [recorded(face(), ("iota", shape, k, d), partial(c.iota, shape=shape, dtype=d, axis=k)) for k in range(len(shape))]
    return call("concatenate", *[expand_dims(r, 0) for r in rows], axis=0)


def copy(a: Any) -> Any:
    """The same numbers as an array of its own."""
    return another(array_of(a))
