"""JAX's convolution and windowed reductions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fgrad.eager.arrays import array_of, call, same
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
    if batch_group_count != 1:
        raise ArgumentError("batch_group_count is not available", where=caller(), fix="use feature_group_count")
    x, w = same((lhs, rhs))
    spec = conv_dimension_numbers(x._type.shape, w._type.shape, dimension_numbers)
    x, w = call("transpose", x, axes=spec.lhs_spec), call("transpose", w, axes=spec.rhs_spec)
    rank = x._type.ndim - 2
    stride = tuple(map(int, window_strides))
    spread = (1,) * rank if lhs_dilation is None else tuple(map(int, lhs_dilation))
    holes = (1,) * rank if rhs_dilation is None else tuple(map(int, rhs_dilation))
    sizes = [(n - 1) * d + 1 for n, d in zip(x._type.shape[2:], spread, strict=True)]
    window = [(n - 1) * d + 1 for n, d in zip(w._type.shape[2:], holes, strict=True)]
    pads = resolve_padding(padding, sizes, window, stride)
    y = call("conv", x, w, stride=stride, padding=pads, x_dilation=spread, w_dilation=holes,
             groups=int(feature_group_count))  # fmt: skip
    back = tuple(sorted(range(rank + 2), key=spec.out_spec.__getitem__))
    return call("transpose", y, axes=back)


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
    """Sum or maximum over windows of all axes: computation is `lax.add` with 0 or `lax.max` with -inf as init_value."""
    x = array_of(operand)
    rank = x._type.ndim
    window = tuple(map(int, window_dimensions))
    stride = (1,) * rank if window_strides is None else tuple(map(int, window_strides))
    holes = (1,) * rank if window_dilation is None else tuple(map(int, window_dilation))
    name = getattr(computation, "__name__", "")
    prim = {"add": "window_sum", "max": "window_max", "maximum": "window_max"}.get(name)
    if prim is None or (base_dilation is not None and set(base_dilation) != {1}):
        raise ArgumentError(f"reduce_window with {name or computation} is not available", where=caller(),
                            fix="use lax.add or lax.max, without base_dilation")  # fmt: skip
    wide = [(n - 1) * d + 1 for n, d in zip(window, holes, strict=True)]
    pads = resolve_padding(padding, x._type.shape, wide, stride)
    return call(prim, x, window=window, stride=stride, padding=pads, dilation=holes)
