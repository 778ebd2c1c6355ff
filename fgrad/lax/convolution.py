"""JAX's convolution and windowed reductions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.arrays import array_of, call, reshape, same
from fgrad.eager.cell import Cell
from fgrad.eager.operands import convert
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

Pairs = tuple[tuple[int, int], ...]


class ConvDimensionNumbers(NamedTuple):
    """Places of (batch, feature, *spatial), (out, in, *spatial) and (batch, feature, *spatial) in the three arrays."""

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]


def conv_dimension_numbers(lhs_shape: Any, rhs_shape: Any, dimension_numbers: Any) -> ConvDimensionNumbers:
    """Layouts from strings such as ("NCHW", "OIHW", "NCHW"); None means those (batch and features first)."""
    n = len(lhs_shape)
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if dimension_numbers is None:
        order = tuple(range(n))
        return ConvDimensionNumbers(order, order, order)
    lhs, rhs, out = dimension_numbers
    spatial = [ch for ch in lhs if ch not in "NC"]

    def places(text: str, first: str) -> tuple[int, ...]:
        return tuple(text.index(ch) for ch in (*first, *spatial))

    return ConvDimensionNumbers(places(lhs, "NC"), places(rhs, "OI"), places(out, "NC"))


def resolve_padding(padding: Any, sizes: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> Pairs:
    """"SAME", "SAME_LOWER", "VALID" or pairs, as pairs."""
    if not isinstance(padding, str):
        return tuple((int(low), int(high)) for low, high in padding)
    kind = padding.upper()
    if kind == "VALID":
        return ((0, 0),) * len(window)
    if kind not in ("SAME", "SAME_LOWER"):
        raise ArgumentError(f"no padding {padding!r}", where=caller(), fix='use "SAME", "VALID" or pairs of ints')
    out = []
    for n, w, s in zip(sizes, window, stride, strict=True):
        total = max((-(-n // s) - 1) * s + w - n, 0)
        out.append((total // 2, total - total // 2) if kind == "SAME" else (total - total // 2, total // 2))
    return tuple(out)


def conv_general_dilated(lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any,
                         lhs_dilation: Sequence[int] | None = None, rhs_dilation: Sequence[int] | None = None,
                         dimension_numbers: Any = None, feature_group_count: int = 1, batch_group_count: int = 1,
                         precision: Any = None, preferred_element_type: Any = None) -> Any:  # fmt: skip
    """Cross-correlation over any number of spatial axes.

    lhs: [batch, features, *spatial], rhs: [out, features / groups, *window] unless dimension_numbers says otherwise.
    padding: "SAME", "VALID" or (low, high) for each spatial axis.  Dilations spread the image or the window.
    """
    x, w = same((lhs, rhs))
    spec = conv_dimension_numbers(x._type.shape, w._type.shape, dimension_numbers)
    x, w = call("transpose", x, axes=spec.lhs_spec), call("transpose", w, axes=spec.rhs_spec)
    if batch_group_count != 1:
        x, feature_group_count = grouped_batch(x, batch_group_count, feature_group_count), batch_group_count
    rank = x._type.ndim - 2
    stride = tuple(map(int, window_strides))
    spread = (1,) * rank if lhs_dilation is None else tuple(map(int, lhs_dilation))
    holes = (1,) * rank if rhs_dilation is None else tuple(map(int, rhs_dilation))
    if isinstance(padding, str) and set(spread) - {1}:
        raise ArgumentError(f"conv_general_dilated: padding={padding!r} with lhs_dilation={spread}", where=caller(),
                            fix="give pairs of ints, or use conv_transpose")  # fmt: skip
    sizes = [(n - 1) * d + 1 for n, d in zip(x._type.shape[2:], spread, strict=True)]
    window = [(n - 1) * d + 1 for n, d in zip(w._type.shape[2:], holes, strict=True)]
    pads = resolve_padding(padding, sizes, window, stride)
    y = call("conv", x, w, stride=stride, padding=pads, x_dilation=spread, w_dilation=holes,
             groups=int(feature_group_count))  # fmt: skip
    back = tuple(sorted(range(rank + 2), key=spec.out_spec.__getitem__))
    return call("transpose", y, axes=back)


def grouped_batch(x: Any, groups: int, features: int) -> Any:
    """Batch groups as feature groups: [g b, c, ...] -> [b, g c, ...]."""
    n, c, *space = x._type.shape
    if features != 1 or n % groups:
        raise ArgumentError(f"batch_group_count={groups} with feature_group_count={features} for a batch of {n}", where=caller(),
                            fix="use one of them, and a divisor of the batch")  # fmt: skip
    split = reshape(x, (groups, n // groups, c, *space))
    order = (1, 0, *range(2, split._type.ndim))
    return reshape(call("transpose", split, axes=order), (n // groups, groups * c, *space))


def conv(lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any, precision: Any = None,
         preferred_element_type: Any = None) -> Any:  # fmt: skip
    """conv_general_dilated of [batch, features, *spatial] and [out, features, *window]."""
    return conv_general_dilated(lhs, rhs, window_strides, padding)


def conv_with_general_padding(lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any,
                              lhs_dilation: Any = None, rhs_dilation: Any = None, precision: Any = None) -> Any:  # fmt: skip
    """conv_general_dilated in the default layout."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation)


def reduce_window(operand: Any, init_value: Any, computation: Callable[..., Any], window_dimensions: Sequence[int],
                  window_strides: Sequence[int] | None = None, padding: Any = "VALID",
                  base_dilation: Any = None, window_dilation: Sequence[int] | None = None) -> Any:  # fmt: skip
    """`computation` over windows of all axes, from init_value; padding and the holes of base_dilation do not count.

    lax.add with 0 and lax.max with -inf are quickest; others are applied once for each place of a window.
    """
    x = array_of(operand)
    rank = x._type.ndim
    window = tuple(map(int, window_dimensions))
    stride = (1,) * rank if window_strides is None else tuple(map(int, window_strides))
    holes = (1,) * rank if window_dilation is None else tuple(map(int, window_dilation))
    gaps = (1,) * rank if base_dilation is None else tuple(map(int, base_dilation))
    prim = {"add": ("window_sum", 0.0), "max": ("window_max", -math.inf)}.get(getattr(computation, "__name__", ""))
    wide = [(n - 1) * d + 1 for n, d in zip(window, holes, strict=True)]
    pads = resolve_padding(padding, x._type.shape, wide, stride)
    if prim and set(gaps) == {1} and is_start(init_value, prim[1], x._type.dtype):
        return call(prim[0], x, window=window, stride=stride, padding=pads, dilation=holes)
    start = convert(array_of(init_value), x._type.dtype)
    low, high = tuple([a for a, _ in pads]), tuple([b for _, b in pads])
    padded = call("pad", x, start, low=low, high=high, interior=tuple([g - 1 for g in gaps]))
    real = np.zeros([(n - 1) * g + 1 if n else 0 for n, g in zip(x._type.shape, gaps, strict=True)], bool)
    real[tuple([slice(None, None, g) for g in gaps])] = True
    real = np.pad(real, [(max(a, 0), max(b, 0)) for a, b in pads])[tuple([slice(max(-a, 0), -b if b < 0 else None) for a, b in pads])]
    counts = [(n - k) // s + 1 for n, k, s in zip(padded._type.shape, wide, stride, strict=True)]
    total = call("broadcast_to", start, shape=tuple(counts)) if rank else start
    for place in itertools.product(*[range(n) for n in window]):
        first = [i * d for i, d in zip(place, holes, strict=True)]
        part = tuple([slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(first, counts, stride, strict=True)])
        joined = computation(total, padded[part])
        total = joined if real[part].all() else call("select", array_of(real[part]), joined, total)
    return total


def is_start(value: Any, wanted: float, d: Any) -> bool:
    """Whether an init_value is the neutral one, as far as that is known."""
    if isinstance(value, Cell):
        if value._data is None or value._tape is not None:
            return False
        value = value._data
    least = d.kind in "iu" and wanted < 0
    return bool(float(value) == wanted or (least and int(value) == np.iinfo(d).min))
