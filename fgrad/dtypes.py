"""jax.dtypes: number types asked about."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import as_dtype
from fgrad.numpy import bfloat16, finfo, iinfo, issubdtype, result_type
from fgrad.settings import current

__all__ = ["bfloat16", "canonicalize_dtype", "finfo", "float0", "iinfo", "issubdtype", "itemsize_bits", "prng_key", "result_type", "scalar_type_of"]

float0 = np.dtype([("float0", np.void, 0)])


class prng_key:  # noqa: N801  # JAX's name
    """The kind of JAX's typed keys, which no dtype is here: keys are uint32[2]."""


def canonicalize_dtype(dtype: Any, allow_extended_dtype: bool = False) -> Any:
    """The dtype an array of `dtype` has: float is the default float type, int int64; others as they are.

    >>> canonicalize_dtype(float), canonicalize_dtype("int8")
    (dtype('float32'), dtype('int8'))
    """
    names = {float: current().default_dtype, int: "int64", bool: "bool", complex: "complex128" if current().default_dtype == "float64" else "complex64"}
    return as_dtype(names.get(dtype, dtype) if isinstance(dtype, type) else dtype)


def itemsize_bits(dtype: Any) -> int:
    """Bits of a number."""
    return int(as_dtype(dtype).itemsize * 8)


def scalar_type_of(x: Any) -> type:
    """bool, int, float or complex: what a number of an array or of Python is."""
    kind = np.asarray(x).dtype.kind if isinstance(x, bool | int | float | complex) else as_dtype(x.dtype).kind
    return {"b": bool, "i": int, "u": int, "c": complex}.get(kind, float)
