"""The machine operations of scalar bodies on whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.ir.dtypes import dtype_of, kind
from fgrad.ir.primitive import REGISTRY


def _by_name(name: str) -> Any:
    return lambda self, *xs: getattr(np, name)(*xs)


class NumpyMachine:
    """Implements fgrad.ir.machine.Machine."""

    add, sub, mul, neg, abs = map(_by_name, ("add", "subtract", "multiply", "negative", "absolute"))
    min, max, sqrt, copysign = map(_by_name, ("minimum", "maximum", "sqrt", "copysign"))
    floor, ceil, trunc, rint, rem = map(_by_name, ("floor", "ceil", "trunc", "rint", "fmod"))
    eq, ne, lt, le = map(_by_name, ("equal", "not_equal", "less", "less_equal"))
    gt, ge, select = map(_by_name, ("greater", "greater_equal", "where"))
    bit_and, bit_or, bit_xor, bit_not = map(_by_name, ("bitwise_and", "bitwise_or", "bitwise_xor", "invert"))
    shift_left, shift_right = map(_by_name, ("left_shift", "right_shift"))

    def kind(self, x: Any) -> str:
        return kind(x.dtype)

    def const(self, value: Any, like: Any) -> Any:
        return np.asarray(value, like.dtype)

    def convert(self, x: Any, dtype: str) -> Any:
        return x.astype(dtype_of(dtype))

    def bitcast(self, x: Any, dtype: str) -> Any:
        return x.view(dtype_of(dtype))

    def div(self, x: Any, y: Any) -> Any:
        if kind(x.dtype) in "fc":
            return np.true_divide(x, y)
        return ((x - np.fmod(x, y)) // y).astype(x.dtype)

    def call(self, name: str, *xs: Any, **params: Any) -> Any:
        return REGISTRY[name].lower(np, None, *xs, **params)
