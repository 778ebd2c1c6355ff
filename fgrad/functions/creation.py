"""PyTorch's creation functions: tensors from data, filled, ranges, random.

All take `dtype`, `device` and `requires_grad`; filled tensors are recorded, so a program can absorb them.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.cell import concrete
from fgrad.eager.convert import check_dtype
from fgrad.eager.operands import default_complex, recorded
from fgrad.eager.views import require_grad
from fgrad.errors import ArgumentError, DtypeError
from fgrad.functions import inplace
from fgrad.functions.call import convert, device_of, elsewhere
from fgrad.functions.dtypes import as_numpy, default_float, int64, number_dtype
from fgrad.functions.exchange import imported, numbers, placed
from fgrad.functions.formats import formatted
from fgrad.functions.layouts import layout, strided
from fgrad.functions.pointwise import into
from fgrad.functions.random import (
    integer_values,
    normal_values,
    permutation_values,
    uniform_values,
)
from fgrad.functions.refusals import no_negative
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype
from fgrad.ir.types import Device, TensorType
from fgrad.primitives import composites as c

__all__ = [
    "arange", "as_tensor", "empty", "empty_like", "eye", "from_dlpack", "from_numpy", "full", "full_like", "linspace",
    "logspace", "normal", "ones", "ones_like", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip


def finish(x: Any, device: Any, requires_grad: bool) -> Any:
    """On its device, as a leaf if asked."""
    where = device_of(device)
    if where is not x._device:
        x = inplace.transfer(x, where)
    if requires_grad:
        require_grad(x, True)
    return x


def creating(make: Callable[..., Any]) -> Callable[..., Any]:
    """A creation function with the options all have: `out`, `layout` (strided alone), `pin_memory` and `memory_format` (no effect)."""

    @functools.wraps(make)
    def create(*args: Any, out: Any = None, layout: Any = None, pin_memory: bool = False, memory_format: Any = None, **options: Any) -> Any:
        if layout is not None and layout is not strided:
            _wrong_layout(layout)
        formatted(None, memory_format)
        if out is None:
            return make(*args, **options)
        wanted = options.setdefault("dtype", out.dtype)
        if wanted is not None and as_numpy(wanted) != out._type.dtype:
            raise DtypeError(f"dtype {wanted} does not match dtype of out parameter ({out.dtype})", where=caller(), fix="leave dtype out")
        return into(out, make(*args, **options))

    return create


def _wrong_layout(given: Any) -> None:
    if not isinstance(given, layout):
        raise TypeError(f"argument 'layout' must be fgrad.layout, not {type(given).__name__}")
    raise ArgumentError(f"a tensor of layout {given} cannot be made so", where=caller(), fix="make a dense one, then to_sparse()")


def sizes_of(size: tuple[Any, ...], named: Any) -> tuple[int, ...]:
    """A shape given as `f(2, 3)`, `f((2, 3))` or `f(size=(2, 3))`.  Raises TypeError unless all are whole numbers."""
    given: Any = (named,) if named is not None else size
    if not given:
        raise TypeError("missing 1 required positional arguments: \"size\"")
    if len(given) == 1 and isinstance(given[0], tuple | list):
        given = given[0]
    for d in given:
        if not hasattr(d, "__index__") or isinstance(d, bool):
            raise TypeError(f"argument 'size' must be tuple of ints, not {type(d).__name__}")
    return tuple([operator.index(d) for d in given])


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Any:
    """A copy of numbers, nested sequences or an array. Floats become the default dtype, arrays keep theirs.

    >>> import fgrad
    >>> fgrad.tensor([[1.0, 2.0]])
    tensor([[1., 2.]])
    """
    a = numbers(data, None if dtype is None else as_numpy(dtype))
    return finish(placed(Tensor, a, device_of(device)), device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Any:
    """The tensor itself where nothing changes; NumPy arrays share memory."""
    device = elsewhere() if device is None else device
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    if isinstance(data, np.ndarray) and (dtype is None or as_numpy(dtype) == data.dtype):
        return from_numpy(data).to(device=device)
    return tensor(data, dtype=dtype, device=device)


def _triangle(row: int, col: int, offset: int, dtype: Any, device: Any, *, upper: bool) -> Any:
    mask = np.triu(np.ones((row, col)), offset) if upper else np.tril(np.ones((row, col)), offset)
    return tensor(np.stack(np.nonzero(mask)).astype(np.int64), dtype=dtype or int64, device=device)


@creating
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """int64[2, n]: rows and columns of the lower triangle of a matrix."""
    return _triangle(row, col, offset, dtype, device, upper=False)


@creating
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """int64[2, n]: rows and columns of the upper triangle of a matrix."""
    return _triangle(row, col, offset, dtype, device, upper=True)


def from_numpy(ndarray: Any) -> Any:
    """A tensor that shares the array's memory: writes on either side are seen on the other."""
    if not isinstance(ndarray, np.ndarray):
        raise DtypeError(f"expected np.ndarray (got {type(ndarray).__name__})", where=caller(), fix="use tensor(data)")
    check_dtype(ndarray.dtype, ndarray)
    x = placed(Tensor, ndarray)
    x.extra.exposed = True
    return x


def from_dlpack(ext_tensor: Any) -> Any:
    """A tensor that shares the memory of an array of any library that speaks DLPack, on the host or a CUDA device."""
    if isinstance(ext_tensor, Tensor):
        return ext_tensor
    a, device = imported(ext_tensor)
    x = concrete(Tensor, a, TensorType(a.shape, a.dtype, device))
    x.extra.exposed = True
    return x


def fill(shape: tuple[int, ...], value: Any, dtype: Dtype, device: Any, requires_grad: bool) -> Any:
    """One number everywhere."""
    no_negative(shape)
    a, where = np.asarray(value).astype(dtype), device_of(device)
    key = ("full", shape, dtype, a.tobytes(), where)
    x = recorded(Tensor, key, lambda: _repeated(c.constant(a, device=where), shape))
    return finish(x, device, requires_grad)


def _repeated(number: Any, shape: tuple[int, ...]) -> Any:
    return c.broadcast_to(number, shape=shape) if shape else number


@creating
def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """`fill_value` (a number or a 0-d tensor) everywhere, in its own dtype unless given."""
    if isinstance(fill_value, Tensor):
        dtype, fill_value = dtype or fill_value.dtype, fill_value.item()
    d = number_dtype(fill_value, None) if dtype is None else as_numpy(dtype)
    return fill(sizes_of((size,), None), fill_value, d, device, requires_grad)


def _filled(value: float, name: str) -> Callable[..., Any]:
    def make(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
        d = default_float() if dtype is None else as_numpy(dtype)
        return fill(sizes_of(sizes, size), value, d, device, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A tensor of shape `size` filled with {value:g}, of the default float dtype unless given."
    return creating(make)


zeros, ones, empty = _filled(0, "zeros"), _filled(1, "ones"), _filled(0, "empty")


def _like(make: Callable[..., Any], name: str) -> Callable[..., Any]:
    def like(input: Any, *args: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **options: Any) -> Any:
        return make(input._type.shape, *args, dtype=dtype or input._type.dtype, device=device or input._device,
                    requires_grad=requires_grad, **options)  # fmt: skip

    like.__name__ = like.__qualname__ = name
    like.__doc__ = f"As {make.__name__}, with the shape, dtype and device of `input` unless given."
    return like


zeros_like, ones_like = _like(zeros, "zeros_like"), _like(ones, "ones_like")
empty_like, full_like = _like(empty, "empty_like"), _like(full, "full_like")


@creating
def arange(start: Any = None, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False) -> Any:  # fmt: skip
    """start, start + step, ... below end; int64 unless a float is given."""
    if end is None or start is None:
        start, end = 0, start if end is None else end
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if step == 0 or (end - start) / step < 0:
        raise ArgumentError(
            f"arange({start}, {end}, {step}): upper bound and lower bound inconsistent with step sign", where=caller(),
            fix="use a non-zero step towards the end",
        )  # fmt: skip
    floats = any(isinstance(x, float) for x in (start, end, step))
    d = as_numpy(dtype) if dtype is not None else default_float() if floats else np.dtype("int64")
    n = math.ceil((end - start) / step)
    where = device_of(device)
    x = recorded(Tensor, ("arange", n, str(start), str(step), d, where), lambda: _progression(n, start, step, d, where))
    return finish(x, device, requires_grad)


def _progression(n: int, start: Any, step: Any, d: Dtype, device: Device) -> Any:
    wide = np.dtype("float64") if d.kind in "fV" else np.dtype("int64")
    i = c.iota(shape=(n,), dtype=np.dtype("int64"), axis=0, device=device)
    x = c.convert(i, dtype=wide) * c.constant(np.asarray(step, wide)) + c.constant(np.asarray(start, wide))
    return c.convert(x, dtype=d)


def _ends(start: Any, end: Any, steps: int) -> tuple[Any, Any, Dtype]:
    """Numbers (or 0-d tensors) and the dtype between them."""
    if steps < 0:
        raise ArgumentError(f"number of steps must be non-negative, got {steps}", where=caller(), fix="use 0 or more")
    a, b = (x.item() if isinstance(x, Tensor) else x for x in (start, end))
    if isinstance(a, complex) or isinstance(b, complex):
        return a, b, default_complex()
    return float(a), float(b), default_float()


@creating
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Any:  # fmt: skip
    """`steps` numbers from start to end, both included, evenly spaced."""
    start, end, wide = _ends(start, end, steps)
    d = wide if dtype is None else as_numpy(dtype)
    a = np.linspace(start, end, steps).astype(d)
    return finish(placed(Tensor, a, device_of(device)), device, requires_grad)


@creating
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Any:  # fmt: skip
    """base ** linspace(start, end, steps)."""
    start, end, wide = _ends(start, end, steps)
    d = wide if dtype is None else as_numpy(dtype)
    a = np.logspace(start, end, steps, base=base).astype(d)
    return finish(placed(Tensor, a, device_of(device)), device, requires_grad)


@creating
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Ones on the main diagonal of an n × m matrix."""
    d = default_float() if dtype is None else as_numpy(dtype)
    shape, where = (n, n if m is None else m), device_of(device)
    if min(shape) < 0:
        raise ArgumentError(f"n must be greater or equal to 0, got {list(shape)}", where=caller(), fix="use sizes of 0 or more")
    x = recorded(Tensor, ("eye", shape, d, where), lambda: c.convert(c.tril_mask(shape=shape, k=0, device=where) & c.tril_mask(
        shape=shape, k=0, upper=True, device=where), dtype=d))  # fmt: skip
    return finish(x, device, requires_grad)


@creating
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A 0-d tensor, of the default float dtype unless given."""
    return tensor(s, dtype=dtype or default_float(), device=device, requires_grad=requires_grad)


def _drawn_type(dtype: Any) -> Dtype:
    d = default_float() if dtype is None else as_numpy(dtype)
    if d.kind in "iub":
        raise DtypeError(f"random floats of dtype {d.name} are not there", where=caller(), fix="use randint, or a float dtype")
    return d


@creating
def rand(*sizes: Any, size: Any = None, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Numbers drawn evenly from [0, 1)."""
    d = _drawn_type(dtype)
    return finish(uniform_values(Tensor, sizes_of(sizes, size), 0.0, 1.0, generator, d, device_of(device)), device, requires_grad)


@creating
def randn(*sizes: Any, size: Any = None, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Draws of the standard normal distribution."""
    d = _drawn_type(dtype)
    return finish(normal_values(Tensor, sizes_of(sizes, size), 0.0, 1.0, generator, d, device_of(device)), device, requires_grad)


@creating
def randint(low: Any = None, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None,
            device: Any = None, requires_grad: bool = False) -> Any:  # fmt: skip
    """Integers of [low, high): `randint(high, size)` or `randint(low, high, size)`; int64 unless given."""
    if size is None:
        low, high, size = 0, low, high
    elif low is None or high is None:
        low, high = 0, high if low is None else low
    x = integer_values(Tensor, tuple(size), low, high, generator, dtype, device_of(device))
    return finish(x, device, requires_grad)


@creating
def randperm(n: int, *, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A random order of 0..n-1, int64 unless given."""
    if n < 0:
        raise ArgumentError(f"Trying to create tensor with negative dimension {n}: [{n}]", where=caller(), fix="use n of 0 or more")
    x = permutation_values(Tensor, n, generator, device_of(device))
    return finish(x if dtype is None else convert(x, as_numpy(dtype)), device, requires_grad)


@creating
def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None, device: Any = None,
           requires_grad: bool = False) -> Any:  # fmt: skip
    """Normal draws with a mean and standard deviation given as numbers (with `size`) or tensors that broadcast.

    Raises ArgumentError for a negative standard deviation.
    """
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal() of two numbers is missing the argument 'size'")
        d = _drawn_type(dtype)
        return finish(normal_values(Tensor, sizes_of((size,), None), float(mean), float(std), generator, d, device_of(device)), device, requires_grad)
    if not isinstance(std, Tensor) and std < 0:
        raise ArgumentError(f"normal expects std >= 0.0, but found std {std}", where=caller(), fix="use a positive std")
    like = mean if isinstance(mean, Tensor) else std
    shape = (mean + std).shape
    return normal_values(Tensor, tuple(shape), 0.0, 1.0, generator, like._type.dtype, like._device) * std + mean


rand_like, randn_like = _like(rand, "rand_like"), _like(randn, "randn_like")


def randint_like(input: Any, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None, **options: Any) -> Any:
    """randint in the shape and dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input._type.shape, dtype=dtype or input._type.dtype, device=device or input._device, **options)
