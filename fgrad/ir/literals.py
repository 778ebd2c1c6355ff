"""Numbers as text that reads back to the same bits, for every dtype."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from fgrad.ir.dtypes import Dtype, kind, real_of

_INT = re.compile(r"-?\d+\Z")
_BITS = re.compile(r"0x[0-9a-f]+\Z")
_FLOAT = re.compile(r"-?(\d+\.?\d*(e[+-]?\d+)?|inf)\Z|nan\Z")


def element_text(x: Any) -> str:
    """One NumPy scalar: `3`, `True`, `0.1`, `-0.0`, `nan`, `(1.0, 2.0)`; `0x7fc1` (its bits) where decimals don't do.

    x: a NumPy scalar of any dtype fgrad knows.
    """
    dtype = x.dtype
    k = kind(dtype)
    if k == "b":
        return str(bool(x))
    if k in "ui":
        return str(int(x))
    if k == "c":
        return f"({element_text(x.real)}, {element_text(x.imag)})"
    text = str(x)
    if "." not in text and "e" not in text and "n" not in text:
        text += ".0"
    if _FLOAT.match(text) and _read_float(text, dtype).tobytes() == x.tobytes():
        return text
    return hex(int.from_bytes(x.tobytes(), "little"))


def _read_float(text: str, dtype: Dtype) -> Any:
    with np.errstate(over="ignore"):
        return np.array(float(text)).astype(dtype)[()]


def element_value(text: str, dtype: Dtype) -> Any:
    """The NumPy scalar that `element_text` wrote (parts of a complex one apart); ValueError if it is none of `dtype`."""
    k = kind(dtype)
    if k == "b" and text in ("True", "False"):
        return np.bool_(text == "True")
    if k in "ui" and _INT.match(text):
        info = np.iinfo(dtype)
        if info.min <= int(text) <= info.max:
            return np.array(int(text), dtype)[()]
    elif k == "f" and _BITS.match(text) and int(text, 16) < 1 << 8 * dtype.itemsize:
        return np.frombuffer(int(text, 16).to_bytes(dtype.itemsize, "little"), dtype)[0]
    elif k == "f" and _FLOAT.match(text):
        return _read_float(text, dtype)
    raise ValueError(f"{text} is no {dtype.name}")


def complex_value(real: str, imag: str, dtype: Dtype) -> Any:
    """A complex NumPy scalar from the texts of its parts, bit for bit."""
    parts = [element_value(t, real_of(dtype)) for t in (real, imag)]
    return np.array(parts).view(dtype)[0]
