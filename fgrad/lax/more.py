"""More of JAX's lax: parts and joints, bits, special functions, general reductions, transposed convolutions."""

from __future__ import annotations

import enum
import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.arrays import array_of, as_dtype, axis_of, call, reshape, same
from fgrad.eager.operands import convert
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import broadcast_shapes as common_shape
from fgrad.ir.apply import caller
from fgrad.lax import operators as o
from fgrad.lax.convolution import conv_dimension_numbers, conv_general_dilated

__all__ = [
    "FftType", "Precision", "approx_max_k", "approx_min_k", "bessel_i0e", "bessel_i1e", "bitcast_convert_type", "broadcast_shapes",
    "broadcast_to_rank", "clz", "collapse", "complex", "conj", "conv_transpose", "fft", "igamma", "igammac", "imag", "nextafter",
    "optimization_barrier", "polygamma", "population_count", "real", "reduce", "reduce_precision", "shift_right_logical", "split", "tile",
    "zeta",
]  # fmt: skip


class Precision(enum.Enum):
    """How exact products are: accepted wherever `precision=` is, all are computed in full."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


class FftType(enum.Enum):
    """Kinds of Fourier transforms."""

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to. Raises ShapeError if they do not."""
    found = common_shape(*[tuple(s) for s in shapes])
    if found is None:
        raise ShapeError(f"shapes {list(shapes)} do not broadcast", where=caller(), fix="make axes equal or 1")
    return found


def broadcast_to_rank(x: Any, rank: int) -> Any:
    """`x` with axes of length 1 in front."""
    a = array_of(x)
    return reshape(a, (1,) * (rank - a._type.ndim) + a._type.shape)


def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """Axes start..stop-1 joined into one."""
    x = array_of(operand)
    low, high, _ = slice(start_dimension, stop_dimension).indices(x._type.ndim)
    s = x._type.shape
    return reshape(x, (*s[:low], math.prod(s[low:high]), *s[high:]))


def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Parts of these sizes along an axis. Raises ShapeError unless they make it up."""
    x = array_of(operand)
    at, shape = axis_of(x, axis), x._type.shape
    if sum(sizes) != shape[at]:
        raise ShapeError(f"sizes {list(sizes)} of an axis of {shape[at]}", where=caller(), fix="give sizes that sum to the axis")
    ends = list(itertools.accumulate(sizes))
    front = (slice(None),) * at
    return [x[(*front, slice(end - n, end))] for n, end in zip(sizes, ends, strict=True)]


def tile(operand: Any, reps: Sequence[int]) -> Any:
    """Copies side by side, reps[i] along axis i."""
    x = array_of(operand)
    for axis, n in enumerate(reps):
        x = call("concatenate", *[x] * n, axis=axis) if n != 1 else x
    return x


def complex(x: Any, y: Any) -> Any:  # noqa: A001  # JAX's name
    """X + i y, of float32 or float64 parts."""
    return call("complex", *same((x, y)))


def real(x: Any) -> Any:
    """The real part of complex numbers."""
    return call("real", array_of(x))


def imag(x: Any) -> Any:
    """The imaginary part of complex numbers."""
    return call("imag", array_of(x))


def conj(x: Any, input_dtype: Any = None) -> Any:
    """The complex conjugate; real numbers become complex."""
    a = array_of(x)
    return call("conj", a) if a._type.dtype.kind == "c" else complex(a, -a * 0)


def nextafter(x1: Any, x2: Any) -> Any:
    """The next float after x1 towards x2."""
    return call("nextafter", *same((x1, x2)))


def igamma(a: Any, x: Any) -> Any:
    """The regularised lower incomplete gamma function."""
    return call("igamma", *same((a, x)))


def igammac(a: Any, x: Any) -> Any:
    """The regularised upper incomplete gamma function."""
    return call("igammac", *same((a, x)))


def zeta(x: Any, q: Any) -> Any:
    """The sum of (k + q)^-x over k >= 0."""
    return call("zeta", *same((x, q)))


def polygamma(m: Any, x: Any) -> Any:
    """The m-th derivative of digamma: (-1)^(m+1) m! zeta(m + 1, x)."""
    if isinstance(m, int):
        return call("polygamma", array_of(x), order=m)
    n, a = same((m, x))
    sign = o.select(call("eq", call("rem", n, n * 0 + 2), n * 0), n * 0 - 1, n * 0 + 1)
    value = sign * call("exp", call("lgamma", n + 1)) * call("zeta", n + 1, a)
    return o.select(call("eq", n, n * 0), call("digamma", a), value)


def bessel_i0e(x: Any) -> Any:
    """e^-|x| I0(x)."""
    return call("bessel_i0e", array_of(x))


def bessel_i1e(x: Any) -> Any:
    """e^-|x| I1(x)."""
    return call("bessel_i1e", array_of(x))


def _word(x: Any, name: str) -> tuple[Any, int]:
    """(the bits of an integer as uint64, how many there are)."""
    a = array_of(x)
    d = a._type.dtype
    if d.kind not in "iu":
        raise DtypeError(f"{name} counts bits of integers, found {d}", where=caller(), fix="use an integer dtype")
    same_width = call("bitcast", a, dtype=np.dtype(f"uint{d.itemsize * 8}")) if d.kind == "i" else a
    return convert(same_width, np.dtype("uint64")), d.itemsize * 8


def _constant(n: int) -> Any:
    return array_of(np.asarray(n, np.uint64))


def _counted(x: Any) -> Any:
    x = x - ((x >> _constant(1)) & _constant(0x5555555555555555))
    x = (x & _constant(0x3333333333333333)) + ((x >> _constant(2)) & _constant(0x3333333333333333))
    x = (x + (x >> _constant(4))) & _constant(0x0F0F0F0F0F0F0F0F)
    return (x * _constant(0x0101010101010101)) >> _constant(56)


def population_count(x: Any) -> Any:
    """How many bits of an integer are 1, in its dtype."""
    return convert(_counted(_word(x, "population_count")[0]), array_of(x)._type.dtype)


def clz(x: Any) -> Any:
    """How many of the first bits of an integer are 0, in its dtype."""
    word, width = _word(x, "clz")
    for k in (1, 2, 4, 8, 16, 32):
        word = word | (word >> _constant(k))
    return convert(_constant(width) - _counted(word), array_of(x)._type.dtype)


def shift_right_logical(x: Any, y: Any) -> Any:
    """`x` shifted right by y bits, zeros coming in."""
    a, n = same((x, y))
    d = a._type.dtype
    unsigned = np.dtype(f"uint{d.itemsize * 8}")
    moved = call("shift_right", call("bitcast", a, dtype=unsigned), call("bitcast", n, dtype=unsigned))
    return call("bitcast", moved, dtype=d)


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Any:
    """The bits read as another dtype: a narrower one gives a new last axis, a wider one takes the last axis (low words first)."""
    x, d = array_of(operand), as_dtype(new_dtype)
    old = x._type.dtype
    if old.itemsize == d.itemsize:
        return call("bitcast", x, dtype=d)
    narrow, wide = (np.dtype(f"uint{8 * min(old.itemsize, d.itemsize)}"), np.dtype(f"uint{8 * max(old.itemsize, d.itemsize)}"))
    n, bits = wide.itemsize // narrow.itemsize, 8 * narrow.itemsize
    shifts = [array_of(np.asarray(bits * i, wide)) for i in range(n)]
    if old.itemsize > d.itemsize:
        word = call("bitcast", x, dtype=wide)
        parts = [reshape(convert(call("shift_right", word, s), narrow), (*x._type.shape, 1)) for s in shifts]
        return call("bitcast", call("concatenate", *parts, axis=x._type.ndim), dtype=d)
    if not x._type.ndim or x._type.shape[-1] != n:
        raise ShapeError(f"bitcast_convert_type: {x._type} to {d}", where=caller(), fix=f"give a last axis of {n}")
    words = convert(call("bitcast", x, dtype=narrow), wide)
    return call("bitcast", functools.reduce(operator.or_, [call("shift_left", words[..., i], s) for i, s in enumerate(shifts)]), dtype=d)


def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Floats rounded to that many bits of mantissa, to the nearest even; exponents that do not fit become infinite or 0.

    Formats of float16 (5, 10), bfloat16 (8, 7), float32 (8, 23) and float64 (11, 52); ArgumentError for others.
    """
    formats = {(5, 10): "float16", (8, 7): "bfloat16", (8, 23): "float32", (11, 52): "float64"}
    x, name = array_of(operand), formats.get((exponent_bits, mantissa_bits))
    if name is None:
        raise ArgumentError(f"reduce_precision to {exponent_bits} and {mantissa_bits} bits", where=caller(), fix=f"use one of {list(formats)}")
    return convert(convert(x, as_dtype(name)), x._type.dtype)


def optimization_barrier(operand: Any) -> Any:
    """A tree itself: rewriting here never changes what is computed."""
    return tree.map(array_of, operand)


def reduce(operands: Any, init_values: Any, computation: Callable[[Any, Any], Any], dimensions: Sequence[int]) -> Any:
    """`computation` (associative, of two trees) over axes, from init_values. lax.add, mul, max, min, bitwise_and, bitwise_or are quickest."""
    cells, spec = tree.flatten(operands)
    xs = [array_of(x) for x in cells]
    axes = sorted({axis_of(xs[0], a) for a in dimensions})
    rest = [i for i in range(xs[0]._type.ndim) if i not in axes]
    count = math.prod(xs[0]._type.shape[a] for a in axes)
    lines = [reshape(call("transpose", x, axes=(*axes, *rest)), (count, *[x._type.shape[i] for i in rest])) for x in xs]
    n = count
    while n > 1:  # halves against halves; an odd one waits at the end
        half = n // 2
        joined = computation(tree.unflatten(spec, [x[:half] for x in lines]), tree.unflatten(spec, [x[half : 2 * half] for x in lines]))
        parts = tree.leaves(joined)
        lines = [call("concatenate", p, x[2 * half :], axis=0) if n % 2 else p for p, x in zip(parts, lines, strict=True)]
        n = half + n % 2
    starts = [convert(array_of(v), x._type.dtype) for v, x in zip(tree.leaves(init_values), xs, strict=True)]
    whole = [call("broadcast_to", s, shape=x._type.shape[1:]) if x._type.ndim > 1 else s for s, x in zip(starts, lines, strict=True)]
    return tree.unflatten(spec, whole) if not count else computation(tree.unflatten(spec, whole), tree.unflatten(spec, [x[0] for x in lines]))


def approx_max_k(operand: Any, k: int, reduction_dimension: int = -1, recall_target: float = 0.95, reduction_input_size_override: int = -1,
                 aggregate_to_topk: bool = True) -> tuple[Any, Any]:  # fmt: skip
    """(values, indices) of the k largest along an axis, exactly."""
    values, indices = o.top_k(operand, k, axis=reduction_dimension)
    return values, indices


def approx_min_k(operand: Any, k: int, reduction_dimension: int = -1, recall_target: float = 0.95, reduction_input_size_override: int = -1,
                 aggregate_to_topk: bool = True) -> tuple[Any, Any]:  # fmt: skip
    """(values, indices) of the k smallest along an axis, exactly."""
    values, indices = o.top_k(-array_of(operand), k, axis=reduction_dimension)
    return -values, indices


def fft(x: Any, fft_type: FftType | str, fft_lengths: Sequence[int]) -> Any:
    """The Fourier transform over the last len(fft_lengths) axes."""
    a = array_of(x)
    kind = fft_type.name if isinstance(fft_type, FftType) else str(fft_type).upper().removeprefix("FFTTYPE.")
    axes = tuple(range(a._type.ndim - len(fft_lengths), a._type.ndim))
    if kind == "IRFFT":
        return call("irfft", a, axes=axes, n=int(fft_lengths[-1]))
    if kind == "RFFT":
        return call("rfft", a, axes=axes)
    return call("fft", a, axes=axes, inverse=kind == "IFFT")


def conv_transpose(lhs: Any, rhs: Any, strides: Sequence[int], padding: Any, rhs_dilation: Sequence[int] | None = None,
                   dimension_numbers: Any = None, transpose_kernel: bool = False, precision: Any = None,
                   preferred_element_type: Any = None) -> Any:  # fmt: skip
    """The transposed convolution: conv_general_dilated of the input spread by strides.

    padding: "SAME" (length * stride), "VALID", or (low, high) of the spread input. dimension_numbers: channels last unless given.
    transpose_kernel: turns the window round and swaps its features, so that this is the gradient of a convolution.
    """
    x, w = same((lhs, rhs))
    rank = x._type.ndim - 2
    if dimension_numbers is None:
        names = "HWD"[:rank] if rank < 4 else "".join(map(chr, range(ord("a"), ord("a") + rank)))
        dimension_numbers = (f"N{names}C", f"{names}IO", f"N{names}C")
    spec = conv_dimension_numbers(x._type.shape, w._type.shape, dimension_numbers)
    holes = (1,) * rank if rhs_dilation is None else tuple(rhs_dilation)
    sizes = [w._type.shape[i] for i in spec.rhs_spec[2:]]
    wide = [(n - 1) * d + 1 for n, d in zip(sizes, holes, strict=True)]
    pads = [_transposed_pads(k, s, padding) for k, s in zip(wide, strides, strict=True)] if isinstance(padding, str) else padding
    if transpose_kernel:
        w = call("flip", w, axes=tuple(sorted(spec.rhs_spec[2:])))
        order = list(range(rank + 2))
        order[spec.rhs_spec[0]], order[spec.rhs_spec[1]] = order[spec.rhs_spec[1]], order[spec.rhs_spec[0]]
        w = call("transpose", w, axes=tuple(order))
    return conv_general_dilated(x, w, (1,) * rank, pads, lhs_dilation=strides, rhs_dilation=holes, dimension_numbers=spec)


def _transposed_pads(k: int, s: int, padding: str) -> tuple[int, int]:
    if padding == "SAME":
        total = k + s - 2
        low = k - 1 if s > k - 1 else math.ceil(total / 2)
    elif padding == "VALID":
        total = k + s - 2 + max(k - s, 0)
        low = k - 1
    else:
        raise ArgumentError(f"padding={padding!r}", where=caller(), fix="use 'SAME', 'VALID' or pairs")
    return low, total - low


