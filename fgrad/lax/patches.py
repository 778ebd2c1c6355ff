"""Patches of images as features, and convolutions whose window is another one at each place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, call, same
from fgrad.lax import operators as o
from fgrad.lax.convolution import ConvDimensionNumbers, conv_dimension_numbers, conv_general_dilated

__all__ = ["conv_general_dilated_local", "conv_general_dilated_patches"]


def conv_general_dilated_patches(lhs: Any, filter_shape: Sequence[int], window_strides: Sequence[int], padding: Any,
                                 lhs_dilation: Sequence[int] | None = None, rhs_dilation: Sequence[int] | None = None,
                                 dimension_numbers: Any = None, precision: Any = None, preferred_element_type: Any = None) -> Any:  # fmt: skip
    """What a window of `filter_shape` sees at each place, as features: channel by channel, places of the window inside.

    Other arguments as conv_general_dilated's. The feature axis of the result has channels * prod(filter_shape) entries.
    """
    x = array_of(lhs)
    window = tuple(map(int, filter_shape))
    spec = conv_dimension_numbers(x._type.shape, (1, 1, *window), dimension_numbers)
    count, channels = math.prod(window), x._type.shape[spec.lhs_spec[1]]
    # order of the window's axes in rhs follows its layout, features their order among the spatial axes
    one_hot = np.eye(count, dtype=np.float32).reshape(count, 1, *window)
    kernel = o.convert_element_type(np.tile(one_hot, (channels, *[1] * (len(window) + 1))), x._type.dtype)
    plain = ConvDimensionNumbers(spec.lhs_spec, tuple(range(len(window) + 2)), spec.out_spec)
    y = conv_general_dilated(x, kernel, window_strides, padding, lhs_dilation, rhs_dilation, plain, feature_group_count=channels)
    return y if preferred_element_type is None else o.convert_element_type(y, as_dtype(preferred_element_type))


def conv_general_dilated_local(lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any, filter_shape: Sequence[int],
                               lhs_dilation: Sequence[int] | None = None, rhs_dilation: Sequence[int] | None = None,
                               dimension_numbers: Any = None, precision: Any = None) -> Any:  # fmt: skip
    """A convolution whose window is another one at each place of the result.

    rhs: [out, channels * prod(filter_shape), *spatial axes of the result] unless dimension_numbers says otherwise.
    """
    x, w = same((lhs, rhs))
    spec = conv_dimension_numbers(x._type.shape, w._type.shape, dimension_numbers)
    front = ConvDimensionNumbers(spec.lhs_spec, spec.rhs_spec, tuple(range(x._type.ndim)))
    parts = conv_general_dilated_patches(x, filter_shape, window_strides, padding, lhs_dilation, rhs_dilation, front)
    places = tuple(range(2, x._type.ndim))
    y = o.dot_general(parts, w, (((1,), (spec.rhs_spec[1],)), (places, spec.rhs_spec[2:])))  # [*places, batch, out]
    rank = len(places)
    standard = call("transpose", y, axes=(rank, rank + 1, *range(rank)))
    return call("transpose", standard, axes=tuple(sorted(range(rank + 2), key=spec.out_spec.__getitem__)))
