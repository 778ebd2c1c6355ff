"""How tensors print: PyTorch's form, and its options."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from fgrad.eager.operands import default_complex
from fgrad.eager.views import buffer_of, is_leaf
from fgrad.functions.dtypes import default_float, face_dtype
from fgrad.ir.types import CPU

__all__ = ["set_printoptions"]


@dataclasses.dataclass(slots=True)
class Options:
    """Digits after the point, elements from which on only edges are shown and how many of them, columns, exponents or not."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = Options()
PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None, linewidth: int | None = None,
                     profile: str | None = None, sci_mode: bool | None = None) -> None:  # fmt: skip
    """How tensors print from now on.

    precision: digits after the point (4).  threshold: elements from which on the middle is left out (1000).  edgeitems:
    how many stay at each end (3).  linewidth: columns (80).  profile: "default", "short" or "full", which the others
    amend.  sci_mode: exponents always or never; None: where the numbers ask for them.

    >>> import fgrad
    >>> fgrad.set_printoptions(precision=2)
    >>> fgrad.tensor([1.12345])
    tensor([1.12])
    >>> fgrad.set_printoptions(profile="default")
    """
    chosen: dict[str, Any] = {**PROFILES.get(profile or "", {})}
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen.update({k: v for k, v in given.items() if v is not None}, sci_mode=sci_mode)
    for k, v in chosen.items():
        setattr(OPTIONS, k, v)


class Style:
    """How the numbers of one array look: whole, with decimals or with exponents, all equally wide."""

    def __init__(self, numbers: Any) -> None:
        self.floats = numbers.dtype.kind == "f"
        self.exponents, self.whole, self.width = False, True, 1
        flat = numbers.reshape(-1)
        if self.floats:
            self._measure(flat[np.isfinite(flat) & (flat != 0)].astype("float64"))
        else:
            self.width = max((len(f"{v}") for v in flat.tolist()), default=1)

    def _measure(self, shown: Any) -> None:
        if not shown.size:
            return
        size = np.abs(shown)
        low, high = float(size.min()), float(size.max())
        self.whole = bool((shown == np.ceil(shown)).all())
        self.exponents = (high / low > 1000 or high > 1e8 or low < 1e-4) if OPTIONS.sci_mode is None else OPTIONS.sci_mode
        form = f".{OPTIONS.precision}e" if self.exponents else ".0f" if self.whole else f".{OPTIONS.precision}f"
        self.width = max(len(f"{v:{form}}") for v in shown.tolist()) + (self.whole and not self.exponents)

    def text(self, v: Any) -> str:
        """One number."""
        if not self.floats:
            found = f"{v}"
        elif self.exponents:
            found = f"{v:.{OPTIONS.precision}e}"
        elif self.whole:
            found = f"{v:.0f}." if math.isfinite(v) else f"{v:.0f}"
        else:
            found = f"{v:.{OPTIONS.precision}f}"
        return f"{found:>{self.width}}"


class Page:
    """An array as text, `indent` columns from the left; `short` leaves out the middle."""

    def __init__(self, a: Any, short: bool) -> None:
        self.short = short
        shown = edges(a) if short else a
        self.styles = [Style(shown.real), Style(shown.imag)] if a.dtype.kind == "c" else [Style(shown)]

    def number(self, v: Any) -> str:
        """One number; a complex one as its parts."""
        if len(self.styles) == 1:
            return self.styles[0].text(v)
        real, imag = (style.text(part) for style, part in zip(self.styles, (v.real, v.imag), strict=True))
        imag = f"{imag.lstrip()}j"
        return f"{real}{'' if imag[0] == '-' else '+'}{imag}"

    def text(self, a: Any, indent: int) -> str:
        """The array."""
        if a.ndim == 0:
            return self.number(a.item())
        edge = OPTIONS.edgeitems
        cut = self.short and a.shape[0] > 2 * edge
        if a.ndim == 1:
            return self._row([] if cut and not edge else a.tolist(), cut, indent)
        parts = [*a[:edge], *a[len(a) - edge :]] if cut else a
        rows = [self.text(x, indent + 1) for x in parts]
        if cut:
            rows.insert(edge, "...")
        between = "," + "\n" * int(a.ndim - 1) + " " * (indent + 1)
        return f"[{between.join(rows)}]"

    def _row(self, numbers: list[Any], cut: bool, indent: int) -> str:
        edge = OPTIONS.edgeitems
        if cut:
            words = [*map(self.number, numbers[:edge]), " ..." if edge else "...", *map(self.number, numbers[len(numbers) - edge :] if edge else [])]
        else:
            words = [self.number(v) for v in numbers]
        width = sum(s.width for s in self.styles) + 2 + (len(self.styles) > 1)
        fit = max(1, (OPTIONS.linewidth - indent) // width)
        lines = [", ".join(words[i : i + fit]) for i in range(0, len(words), fit)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def edges(a: Any) -> Any:
    """An array without the middle of every axis."""
    for axis, n in enumerate(a.shape):
        if n > 2 * OPTIONS.edgeitems:
            a = np.delete(a, slice(OPTIONS.edgeitems, n - OPTIONS.edgeitems), axis)
    return a


def format_tensor(x: Any) -> str:
    """`tensor([...], dtype=..., requires_grad=True)`; inside a recorded function only the type is known."""
    tape = x._tape
    if tape is not None and tape.tracing and not tape.closed and x._data is None:
        return f"tensor(<{x._type}, being recorded>)"
    a = buffer_of(x)
    shown = a.astype("float32") if a.dtype.kind == "V" or a.dtype == np.float16 else a
    body = Page(shown, a.size > OPTIONS.threshold).text(shown, 7) if a.size else "[]"
    return with_notes(f"tensor({body}", notes(x), 7)


def with_notes(text: str, parts: list[str], indent: int) -> str:
    """The text, what follows it in the same line where there is room, and the closing bracket."""
    out, length = [text], len(text) - text.rfind("\n") + 1
    for part in parts:
        if length + len(part) + 2 > OPTIONS.linewidth:
            out.append(f",\n{' ' * indent}{part}")
            length = indent + len(part)
        else:
            out.append(f", {part}")
            length += len(part) + 2
    return "".join([*out, ")"])


def notes(x: Any) -> list[str]:
    """What PyTorch adds after the numbers."""
    kind = x._type
    parts = []
    if kind.device is not CPU:
        parts.append(f"device='{kind.device}'")
    if not kind.size and len(kind.shape) != 1:
        parts.append(f"size={tuple(kind.shape)}")
    usual = (default_float(), default_complex(), np.dtype("int64"), np.dtype("bool")) if kind.size else (default_float(),)
    if kind.dtype not in usual:
        parts.append(f"dtype={face_dtype(kind.dtype)}")
    if x._value.needs:
        parts.append("requires_grad=True" if is_leaf(x) else f"grad_fn={x.grad_fn!r}")
    return parts
