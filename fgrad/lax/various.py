"""Names of JAX's lax that are short here: high words, stacks, parity, platforms, and markers that change nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager import generator
from fgrad.eager.arrays import array_of, as_dtype, axis_of, binary, broadcast_to, call, face, reshape, shape_of
from fgrad.eager.cell import Cell
from fgrad.eager.operands import R, compose, convert
from fgrad.errors import ArgumentError, DtypeError, RangeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import Dtype
from fgrad.lax import operators as o
from fgrad.lax.convolution import resolve_padding
from fgrad.lax.more import reduce
from fgrad.primitives import sampling

__all__ = [
    "broadcast_like", "composite", "dce_sink", "dtype", "empty", "mulhi", "padtype_to_pads", "pcast", "platform_dependent", "reduce_and", "reduce_or", "reduce_xor",
    "rng_uniform", "shape_as_value", "stack", "stage", "unstack", "with_sharding_constraint",
]  # fmt: skip

INT64, UINT64 = np.dtype("int64"), np.dtype("uint64")


class ShapesError(ShapeError, ValueError):
    """Arrays of one shape were asked for."""


class PlatformError(ArgumentError, NotImplementedError):
    """A choice by platform that leaves this one out."""


def mulhi(x: Any, y: Any, /) -> Any:
    """The upper N bits of the product of N-bit integers, of operands of one dtype.

    >>> import fgrad.numpy as jnp
    >>> int(mulhi(jnp.uint8(200), jnp.uint8(100)))
    78
    """
    a, b = [array_of(v) for v in o.strict("mulhi", x, y)]
    d = a._type.dtype
    for v in (a, b):
        if v._type.dtype.kind not in "iu":
            raise DtypeError(f"lax.mulhi takes integers, found {v._type}", where=caller(), fix="convert them to an integer dtype")
    if d.itemsize == 8:
        return _mulhi64(a, convert(b, d))
    wide = UINT64 if d.kind == "u" else INT64
    product = convert(a, wide) * convert(b, wide)
    return convert(binary(R["shift_right"], product, 8 * d.itemsize), d)


def _mulhi64(a: Any, b: Any) -> Any:
    """By halves of 32 bits, without signs; a negative operand counts 2^64 too much, which is taken off."""
    d = a._type.dtype
    words = [v if d.kind == "u" else call("bitcast", v, dtype=UINT64) for v in (a, b)]
    low = array_of(np.uint64(0xFFFFFFFF))
    half = array_of(np.uint64(32))
    (a0, a1), (b0, b1) = [(v & low, v >> half) for v in words]
    middle = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (middle & low)
    high = a1 * b1 + (middle >> half) + (other >> half)
    if d.kind == "u":
        return high
    signed = call("bitcast", high, dtype=INT64)
    return signed - _where_negative(a, b) - _where_negative(b, a)


def _where_negative(test: Any, value: Any) -> Any:
    """`value` where `test` is below 0, else 0."""
    return convert(test < 0, INT64) * value


def stack(operands: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape and dtype joined along a new axis.

    Raises IndexError for none, ValueError for shapes and TypeError for dtypes that differ.
    """
    xs = [array_of(x) for x in operands]
    if not xs:
        raise RangeError("lax.stack of no arrays", where=caller(), fix="give at least one")
    if len({x._type.shape for x in xs}) > 1:
        raise ShapesError(f"lax.stack: all input arrays must have the same shape, found {[x._type.shape for x in xs]}", where=caller(),
                           fix="make their shapes equal")  # fmt: skip
    for x in xs[1:]:
        o.strict("stack", xs[0], x)
    at, shape = axis_of(xs[0], axis, 1), xs[0]._type.shape
    return call("concatenate", *[reshape(x, (*shape[:at], 1, *shape[at:])) for x in xs], axis=at)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis, without it."""
    a = array_of(x)
    at = axis_of(a, axis)
    return tuple([a[(slice(None),) * at + (i,)] for i in range(a._type.shape[at])])


def reduce_xor(operand: Any, axes: Sequence[int]) -> Any:
    """Bitwise exclusive or of bools or integers over `axes`, which are dropped."""
    x = array_of(operand)
    if x._type.dtype.kind not in "biu":
        raise DtypeError(f"lax.reduce_xor takes bools or integers, found {x._type}", where=caller(), fix="convert the operand")
    return reduce(x, convert(array_of(0), x._type.dtype), o.bitwise_xor, o.dims_of("reduce_xor", x, axes))


def reduce_and(operand: Any, axes: Sequence[int]) -> Any:
    """Bitwise and of bools or integers over `axes`, which are dropped."""
    x = array_of(operand)
    if x._type.dtype.kind == "b":
        return o.reduce_and(x, axes)
    return reduce(x, convert(array_of(-1), x._type.dtype), o.bitwise_and, o.dims_of("reduce_and", x, axes))


def reduce_or(operand: Any, axes: Sequence[int]) -> Any:
    """Bitwise or of bools or integers over `axes`, which are dropped."""
    x = array_of(operand)
    if x._type.dtype.kind == "b":
        return o.reduce_or(x, axes)
    return reduce(x, convert(array_of(0), x._type.dtype), o.bitwise_or, o.dims_of("reduce_or", x, axes))


def dtype(x: Any) -> Dtype:
    """The dtype of an array, a number, or what names one."""
    if isinstance(x, type | str | np.dtype):
        return as_dtype({int: INT64, bool: np.dtype(bool)}.get(x, x) if isinstance(x, type) else x)
    found: Dtype = array_of(x)._type.dtype
    return found


def empty(shape: Any, dtype: Any, *, out_sharding: Any = None) -> Any:
    """An array of `shape`: of zeros here."""
    return o.full(shape, 0, dtype)


def broadcast_like(arr: Any, like_arr: Any) -> Any:
    """`arr` in the shape of another array."""
    x, s = array_of(arr), array_of(like_arr)._type.shape
    return broadcast_to(x, s)


def rng_uniform(a: Any, b: Any, shape: Sequence[int]) -> Any:
    """Numbers drawn evenly from [a, b) by the global generator (`fgrad.manual_seed`), in the dtype of the bounds; of ints without b."""
    low, high = [array_of(v) for v in o.strict("rng_uniform", a, b)]
    d, s = low._type.dtype, shape_of(tuple(shape))
    real = d if d.kind not in "biu" else np.dtype("float64")
    u = compose(sampling.unit, generator.draw(face(), (*s, sampling.words(real))), dtype=real)
    low, span = convert(low, real), convert(high, real) - convert(low, real)
    y = u * span + low
    return y if real is d else convert(o.floor(y), d)


def platform_dependent(*args: Any, default: Callable[..., Any] | None = None, **per_platform: Callable[..., Any]) -> Any:
    """The function given for the platform the arguments are on ("cpu", "cuda" or "gpu"), else `default`, of the arguments.

    Raises NotImplementedError where neither is there.
    """
    cells = [x for x in tree.leaves(args) if isinstance(x, Cell)]
    where = cells[0]._device.type if cells else "cpu"
    names = ("cuda", "gpu") if where == "cuda" else (where,)
    found = next((per_platform[n] for n in names if n in per_platform), default)
    if found is None:
        raise PlatformError(f"platform_dependent for {sorted(per_platform)}, not for {where!r}", where=caller(), fix="give default=")
    return found(*args)


def composite(decomposition: Callable[..., Any], name: str, version: int = 0) -> Callable[..., Any]:
    """The function itself: fusion here does not go by names."""
    return functools.wraps(decomposition)(lambda *args, **kwargs: decomposition(*args, **kwargs))


def dce_sink(val: Any, *, prevent_mlir_dce: bool = False) -> None:
    """Nothing: what is not used is not computed."""


def stage(x: Any, /) -> Any:
    """`x` as an array."""
    return array_of(x)


def pcast(x: Any, axis_name: Any, *, to: str) -> Any:
    """`x` itself: examples of a mapped axis are always their own."""
    return tree.map(array_of, x)


def with_sharding_constraint(x: Any, shardings: Any) -> Any:
    """A tree itself: its arrays lie on one device."""
    return tree.map(array_of, x)


def shape_as_value(shape: Sequence[int]) -> Any:
    """A shape as int32 numbers."""
    return array_of(np.asarray(tuple(shape), np.int32))


def padtype_to_pads(in_shape: Sequence[int], window_shape: Sequence[int], window_strides: Sequence[int], padding: Any) -> list[tuple[int, int]]:
    """"SAME", "SAME_LOWER" or "VALID" as (low, high) for each axis.

    >>> padtype_to_pads((5,), (3,), (2,), "SAME")
    [(1, 1)]
    """
    return list(resolve_padding(padding, in_shape, window_shape, window_strides))
