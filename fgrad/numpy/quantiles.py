"""NumPy's quantiles, medians and percentiles, with and without NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, axes_of, moved_last, reshape
from fgrad.eager.operands import compose, convert, floating
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.numpy.elementwise import OrderError
from fgrad.numpy.reductions import no_out, non_empty
from fgrad.primitives.quantiles import quantile as quantile_values

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, method: str = "linear",
             keepdims: bool = False) -> Any:  # fmt: skip
    """The q-quantile, q in [0, 1] (an array of them: a leading axis), over `axis` (None, an int or several).

    method, for what lies between two elements: "linear", "lower", "higher", "midpoint" or "nearest".  NaN gives NaN.
    """
    return found(a, q, axis, out, method, keepdims, skip=False)


def nanquantile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
                method: str = "linear", keepdims: bool = False) -> Any:  # fmt: skip
    """`quantile` of what is not NaN."""
    return found(a, q, axis, out, method, keepdims, skip=True)


def found(a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: bool, *, skip: bool, share: float = 1) -> Any:
    """All of them. share: what q is divided by."""
    no_out(out)
    x = floating(array_of(a))
    at = array_of(q if hasattr(q, "dtype") else np.asarray(q, x._type.dtype))
    if method not in METHODS:
        raise ArgumentError(f"no quantile method {method!r}", where=caller(), fix=f"use one of {', '.join(METHODS)}")
    if x._type.dtype.kind == "c":
        raise OrderError(f"quantile of {x._type}: complex numbers have no order", where=caller(), fix="take .real")
    if at._type.ndim > 1:
        raise ArgumentError(f"q must be have rank <= 1, got shape {at._type.shape}", where=caller(), fix="ravel it")
    axes = axes_of(x, axis)
    non_empty(x, axes, "quantile")
    kept = tuple([1 if i in axes else d for i, d in enumerate(x._type.shape)])
    rest = tuple([d for i, d in enumerate(x._type.shape) if i not in axes])
    row = moved_last(x, axes)
    wide = np.dtype("float64") if at._type.dtype == np.float64 and x._type.dtype == np.float64 else x._type.dtype
    places = reshape(convert(at, wide), (max(at._type.size, 1) if not at._type.ndim else at._type.size,))
    places = places / share if share != 1 else places
    y = compose(quantile_values, row, places, axis=len(rest), between=method, skip=skip)
    return reshape(y, (*at._type.shape, *(kept if keepdims else rest)))


def median(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle value; the mean of the two middle ones of an even number."""
    return found(a, 0.5, axis, out, "midpoint", keepdims, skip=False)


def nanmedian(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """`median` of what is not NaN."""
    return found(a, 0.5, axis, out, "midpoint", keepdims, skip=True)


def percentile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
               method: str = "linear", keepdims: bool = False) -> Any:  # fmt: skip
    """quantile(a, q / 100)."""
    return found(a, q, axis, out, method, keepdims, skip=False, share=100)


def nanpercentile(a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
                  method: str = "linear", keepdims: bool = False) -> Any:  # fmt: skip
    """nanquantile(a, q / 100)."""
    return found(a, q, axis, out, method, keepdims, skip=True, share=100)
