"""Dropout: of elements, of whole channels, and the form that keeps mean and variance."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose, convert
from fgrad.functions.random import bits_for
from fgrad.functions.refusals import given
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives import sampling

FLOAT32 = np.dtype("float32")
SELU = 1.7580993408473766  # alpha * scale


def _dropout_rule(x: Any, bits: Any, *, p: float) -> Any:
    keep = c.le(c.constant(np.float32(p)), sampling.unit(bits, dtype=FLOAT32))
    return c.select(keep, x * c.number(1 / (1 - p), x), c.number(0, x))


def _channel_rule(x: Any, bits: Any, *, p: float) -> Any:
    keep = c.le(c.constant(np.float32(p)), sampling.unit(bits, dtype=FLOAT32))
    scale = c.select(keep, c.constant(np.float32(1 / (1 - p) if p < 1 else 0.0)), c.constant(np.float32(0.0)))
    return x * c.convert(scale, dtype=x.dtype)


def _alpha_rule(x: Any, bits: Any, *, p: float) -> Any:
    keep = c.le(c.constant(np.float32(p)), sampling.unit(bits, dtype=FLOAT32))
    keep = c.broadcast_to(keep, shape=x.shape)
    a = 1 / math.sqrt((1 - p) * (1 + p * SELU**2))
    return c.select(keep, x, c.number(-SELU, x)) * c.number(a, x) + c.number(a * p * SELU, x)


def check_probability(p: float) -> None:
    """PyTorch's error."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}", where=caller(), fix="use 0 to 1")


def drop(rule: Any, x: Any, p: float, training: bool, inplace: bool, lead: int | None = None) -> Any:
    """`rule` with one draw an element, or one for each index of the first `lead` dimensions."""
    check_probability(p)
    given("dropout", x)
    if not training or p == 0 or not x._type.size:
        return x
    if p == 1:
        y = convert(x * 0, x._type.dtype)
    else:
        shape = x._type.shape
        shape = shape if lead is None else (*shape[:lead], *(1,) * (len(shape) - lead))
        bits = bits_for(type(x)._result, shape, FLOAT32, None, x._device)
        y = compose(rule, x, bits, p=float(p))
    return x.copy_(y) if inplace else y


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Each element zeroed with probability `p`, the others divided by 1 - p; the input itself in evaluation."""
    return drop(_dropout_rule, input, p, training, inplace)


def channels(input: Any, p: float, training: bool, inplace: bool, rank: int) -> Any:
    """Whole channels dropped of an input with `rank` spatial dimensions."""
    check_probability(p)
    ndim = input._type.ndim
    if ndim not in (rank + 1, rank + 2):
        warnings.warn(f"dropout{rank}d: Received a {ndim}-D input to dropout{rank}d, which is deprecated", stacklevel=3)
    return drop(_channel_rule, input, p, training, inplace, max(ndim - rank, 1) if ndim > rank else 2)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """As dropout, whole channels at a time: of float[n, c, l] or float[c, l]."""
    if input._type.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: Expected 2D or 3D input, but received a {input._type.ndim}D input", where=caller(),
                         fix="give (batch, channels, length) or (channels, length)")  # fmt: skip
    return channels(input, p, training, inplace, 1)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """As dropout, whole channels at a time: of float[n, c, h, w]; of three dimensions, PyTorch takes the first as batch."""
    return drop(_channel_rule, input, p, training, inplace, 2)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """As dropout, whole channels at a time: of float[n, c, d, h, w] or float[c, d, h, w]."""
    return channels(input, p, training, inplace, 3)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Elements set to the limit of SELU with probability `p`, then scaled and shifted to keep mean and variance.

    Source: Klambauer et al. 2017.
    """
    return drop(_alpha_rule, input, p, training, inplace)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """As alpha_dropout, whole channels at a time."""
    return drop(_alpha_rule, input, p, training, inplace, 2)
