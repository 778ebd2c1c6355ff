"""Number types: names, kinds and promotion tables as data."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import DtypeError, need

Dtype = np.dtype[Any]

KINDS: dict[str, str] = {
    "bool": "b",
    "uint8": "u",
    "uint16": "u",
    "uint32": "u",
    "uint64": "u",
    "int8": "i",
    "int16": "i",
    "int32": "i",
    "int64": "i",
    "float16": "f",
    "bfloat16": "f",
    "float32": "f",
    "float64": "f",
    "complex64": "c",
    "complex128": "c",
}
ORDER = "buifc"  # bool < integers < floats < complex
_KNOWN: dict[Any, Dtype] = {}


def dtype_of(x: Any) -> Dtype:
    """`x` (a name, NumPy dtype or Python type) as a NumPy dtype; bfloat16 through ml_dtypes."""
    found = _KNOWN.get(x)
    if found is None:
        name = x if isinstance(x, str) else getattr(x, "name", None) or getattr(x, "__name__", str(x))
        if name == "bfloat16":
            found = np.dtype(need("ml_dtypes").bfloat16)
        else:
            try:
                found = np.dtype(x)
            except TypeError:
                found = None
        if found is None or found.name not in KINDS:
            raise DtypeError(f"{x!r} is not a dtype fgrad knows", fix=f"use one of {', '.join(KINDS)}")
        if not found.isnative:
            raise DtypeError(f"{found!r} is not in this machine's byte order", fix="a.astype(a.dtype.newbyteorder('='))")
        _KNOWN[x] = found
    return found


def kind(dtype: Dtype) -> str:
    """One of b (bool), u, i (integers), f (floats, bfloat16 too), c (complex)."""
    k = dtype.kind
    return "f" if k == "V" else k


def is_inexact(dtype: Dtype) -> bool:
    """True for floats and complex: the types that have derivatives."""
    return dtype.kind in "fcV"


def real_of(dtype: Dtype) -> Dtype:
    """The float type of a complex one's parts; other types are returned as they are."""
    parts: dict[str, Dtype] = {"complex64": np.dtype("float32"), "complex128": np.dtype("float64")}
    return parts.get(dtype.name, dtype)


def fits(value: float | complex, dtype: Dtype) -> bool:
    """True if a Python number may take `dtype`: no float beside an integer, no integer out of range."""
    k = kind(dtype)
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return k in "fc" or (k in "ui" and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)
    return k == "c" if isinstance(value, complex) else k in "fc"


_SIGNED = ("int8", "int16", "int32", "int64")


def promote(a: Dtype, b: Dtype) -> Dtype:
    """The type both `a` and `b` fit in, PyTorch's and JAX's table for arrays (float beats integer at its own size).

    Both agree for every pair but uint64 with a signed integer (float there; refused here).
    """
    if a is b or a == b:
        return a
    ka, kb = ORDER.index(kind(a)), ORDER.index(kind(b))
    low, high = (a, b) if ka <= kb else (b, a)
    if kind(high) == "f" and kind(low) == "f":
        if a.itemsize == b.itemsize:  # float16 with bfloat16
            return np.dtype("float32")
        return a if a.itemsize > b.itemsize else b
    if kind(high) == "c" and kind(low) in "fc":
        return np.dtype("complex128") if "128" in high.name or low.name in ("float64", "complex128") else high
    if kind(high) in "fc" or kind(low) == "b":
        return high
    if kind(low) == kind(high):
        return a if a.itemsize > b.itemsize else b
    need_bytes = max(high.itemsize, 2 * low.itemsize)  # low is unsigned, high signed
    if need_bytes > 8:
        raise DtypeError(f"no integer type holds both {a.name} and {b.name}", fix="convert one of them first")
    return np.dtype(f"int{8 * need_bytes}")
