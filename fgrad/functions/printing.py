"""How tensors print: PyTorch's form, with the numbers through NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.operands import default_complex
from fgrad.eager.views import buffer_of, is_leaf
from fgrad.functions.dtypes import default_float, face_dtype
from fgrad.ir.types import CPU


def format_tensor(x: Any) -> str:
    """`tensor([...], dtype=..., requires_grad=True)`; inside a recorded function only the type is known."""
    tape = x._tape
    if tape is not None and tape.tracing and not tape.closed and x._data is None:
        return f"tensor(<{x._type}, being recorded>)"
    a = buffer_of(x)
    shown = a.astype("float32") if a.dtype.kind == "V" else a
    with np.printoptions(precision=4, suppress=small(shown), threshold=1000, linewidth=80, floatmode="maxprec"):
        body = np.array2string(np.asarray(shown), separator=", ", prefix="tensor(")
    extra = suffix(x)
    return f"tensor({body}{extra})"


def small(a: Any) -> bool:
    """True if plain decimals read better than exponents."""
    if a.dtype.kind not in "f" or not a.size:
        return True
    finite = np.abs(a[np.isfinite(a) & (a != 0)])
    return not finite.size or bool(finite.max() < 1e5 and finite.min() > 1e-4)


def suffix(x: Any) -> str:
    """What PyTorch adds after the numbers."""
    kind = x._type
    parts = []
    if not kind.size and kind.shape != (0,):
        parts.append(f"size={tuple(kind.shape)}")
    if kind.device is not CPU:
        parts.append(f"device='{kind.device}'")
    if kind.dtype not in (default_float(), default_complex(), np.dtype("int64"), np.dtype("bool")):
        parts.append(f"dtype={face_dtype(kind.dtype)}")
    if x._value.needs:
        parts.append("requires_grad=True" if is_leaf(x) else f"grad_fn={x.grad_fn!r}")
    return "".join(f", {p}" for p in parts)
