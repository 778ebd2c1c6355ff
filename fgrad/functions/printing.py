"""How tensors print: PyTorch's form, with the numbers through NumPy."""

from __future__ import annotations

from collections.abc import Callable
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
    show: Any = {"float_kind": floats(shown)} if shown.dtype.kind == "f" else None
    with np.printoptions(precision=4, suppress=True, threshold=1000, linewidth=80, floatmode="maxprec", formatter=show):
        body = np.array2string(np.asarray(shown), separator=", ", prefix="tensor(")
    extra = suffix(x)
    return f"tensor({body}{extra})"


def floats(a: Any) -> Callable[[float], str]:
    """PyTorch's choice for the numbers of an array: four decimals, `1.` if all are whole, or exponents."""
    size = np.abs(a[np.isfinite(a) & (a != 0)].astype("float64"))
    whole = bool((size == np.ceil(size)).all())
    apart = size.size > 0 and (size.max() / size.min() > 1000 or size.max() > 1e8 or (not whole and size.min() < 1e-4))

    def text(v: float) -> str:
        if not np.isfinite(v):
            return f"{v}"
        return f"{v:.4e}" if apart else f"{v:.0f}." if whole else f"{v:.4f}"

    width = max(map(len, map(text, ends(a))), default=0)
    return lambda v: text(v).rjust(width)


def ends(a: Any) -> list[Any]:
    """The numbers that are printed widest."""
    shown = a[np.isfinite(a)]
    return [shown.min(), shown.max(), *a[~np.isfinite(a)][:1]] if shown.size else list(a.reshape(-1)[:1])


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
