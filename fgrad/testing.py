"""PyTorch's testing namespace: comparison within a dtype's tolerance, and tensors drawn for tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError
from fgrad.functions.complex import complex as joined
from fgrad.functions.creation import finish, rand, randint
from fgrad.functions.dtypes import as_numpy, face_dtype
from fgrad.functions.queries import finfo
from fgrad.functions.sources import asarray
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

TOLERANCES = {  # (relative, absolute), those of PyTorch's documentation
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}  # fmt: skip
NUMBERS = (bool, int, float, complex, np.number, np.bool_)
Message = str | Callable[[str], str] | None


class _Comparison:
    """What assert_close was asked; `at` names the place inside nested structures."""

    def __init__(self, rtol: Any, atol: Any, equal_nan: bool, checks: Mapping[str, bool], subclasses: bool) -> None:
        if (rtol is None) != (atol is None):
            given = "rtol" if atol is None else "atol"
            raise ArgumentError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {'atol' if given == 'rtol' else 'rtol'}.", where=caller(),
                                fix="pass both")  # fmt: skip
        self.rtol, self.atol, self.equal_nan, self.checks, self.subclasses = rtol, atol, equal_nan, checks, subclasses

    def compare(self, x: Any, y: Any, at: str) -> None:
        """Raises AssertionError where they differ."""
        if isinstance(x, Sequence) and isinstance(y, Sequence) and not isinstance(x, str) and not isinstance(y, str):
            if len(x) != len(y):
                raise AssertionError(f"The length of the sequences mismatch: {len(x)} != {len(y)}{_place(at)}")
            for i, (a, b) in enumerate(zip(x, y, strict=True)):
                self.compare(a, b, f"{at}[{i}]")
        elif isinstance(x, Mapping) and isinstance(y, Mapping):
            if set(x) != set(y):
                raise AssertionError(f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {sorted(set(y) - set(x), key=str)}\n"
                                     f"Additional keys in the actual mapping: {sorted(set(x) - set(y), key=str)}{_place(at)}")  # fmt: skip
            for k in x:
                self.compare(x[k], y[k], f"{at}[{k!r}]")
        else:
            self._leaves(x, y, at)

    def _leaves(self, x: Any, y: Any, at: str) -> None:
        if x is None and y is None:
            return
        if x is None or y is None:
            raise AssertionError(f"None mismatch: {x} is not {y}{_place(at)}")
        if isinstance(x, NUMBERS) and isinstance(y, NUMBERS):
            self._numbers(x, y, at)
            return
        kinds = (Tensor, np.ndarray)
        if not (isinstance(x, kinds) and isinstance(y, kinds)) or (not self.subclasses and type(x) is not type(y)):
            raise TypeError(f"No comparison pair was able to handle inputs of type {type(x)} and {type(y)}.{_place(at)}")
        self._tensors(asarray(x), asarray(y), at)

    def _tensors(self, x: Any, y: Any, at: str) -> None:
        self._attributes(x, y, at)
        if x.dtype != y.dtype:
            wide = face_dtype(np.result_type(*[np.float32 if k.kind == "V" else k for k in (x.dtype.numpy, y.dtype.numpy)]))
            x, y = x.to(wide), y.to(wide)
        rtol, atol = self._tolerances(x.dtype.name, y.dtype.name)
        a, b = (_wide(buffer_of(t)) for t in (x, y))
        near = np.isclose(a, b, rtol, atol, self.equal_nan) if rtol or atol else (a == b) | (self.equal_nan & (a != a) & (b != b))
        if np.all(near):
            return
        if not a.ndim:
            self._tell_scalars(a.item(), b.item(), rtol, atol, at)
        with np.errstate(all="ignore"):
            told = (a, b) if a.dtype.kind in "iub" else (buffer_of(x), buffer_of(y))  # in the dtype compared, as PyTorch tells them
            gap = np.where(near, 0, np.abs(told[0] - told[1]))
            share = np.where(near, 0, gap.astype("float32") / np.abs(b).astype("float32") if a.dtype.kind in "iub" else gap / np.abs(told[1]))
        lines = [f"Mismatched elements: {int((~near).sum())} / {near.size} ({(~near).mean():.1%})"]
        for name, found, limit in (("absolute", gap, atol), ("relative", share, rtol)):
            worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(found)), found.shape))
            allowed = f" (up to {limit} allowed)" if rtol or atol else ""
            lines.append(f"Greatest {name} difference: {found[worst].astype(_told(found.dtype)).item()} at index {worst}{allowed}")
        raise AssertionError("\n".join([f"Tensor-likes are not {'close' if rtol or atol else 'equal'}!", "", *lines]) + _place(at))

    def _attributes(self, x: Any, y: Any, at: str) -> None:
        found = {"shape": (x.shape, y.shape), "layout": (x.layout, y.layout), "device": (x.device, y.device), "dtype": (x.dtype, y.dtype)}
        if self.checks["stride"]:
            found["stride()"] = (x.stride(), y.stride())
        for name, (a, b) in found.items():
            if a != b and self.checks.get(name.strip("()"), True):
                raise AssertionError(f"The values for attribute '{name}' do not match: {a} != {b}.{_place(at)}")

    def _tolerances(self, *kinds: str) -> tuple[float, float]:
        if self.rtol is not None:
            return self.rtol, self.atol
        pairs = [TOLERANCES.get(k, (0.0, 0.0)) for k in kinds]
        return max(p[0] for p in pairs), max(p[1] for p in pairs)

    def _numbers(self, x: Any, y: Any, at: str) -> None:
        if self.checks["dtype"] and type(x) is not type(y):
            raise AssertionError(f"The (d)types do not match: {type(x)} != {type(y)}.{_place(at)}")
        rtol, atol = self._tolerances(*["float64" if isinstance(v, float | complex | np.inexact) else "int64" for v in (x, y)])
        if not (x == y or (self.equal_nan and x != x and y != y) or abs(x - y) <= atol + rtol * abs(y) < math.inf):
            self._tell_scalars(x, y, rtol, atol, at)

    def _tell_scalars(self, x: Any, y: Any, rtol: float, atol: float, at: str) -> None:
        gap = abs(x - y) if not isinstance(x, bool) else int(x != y)
        share = gap / abs(y) if y else math.inf
        allowed = [f" (up to {t} allowed)" if rtol or atol else "" for t in (atol, rtol)]
        raise AssertionError(f"Scalars are not {'close' if rtol or atol else 'equal'}!\n\nExpected {y} but got {x}.\nAbsolute difference: {gap}{allowed[0]}\n"
                             f"Relative difference: {share}{allowed[1]}{_place(at)}")  # fmt: skip


def _place(at: str) -> str:
    return f"\n\nThe failure occurred for item {at}" if at else ""


def _told(d: Any) -> Any:
    """A dtype whose numbers Python's are."""
    return np.dtype("float32") if d.kind == "V" else d


def _wide(a: Any) -> Any:
    """Numbers that can be subtracted without overflow."""
    return a.astype("float32") if a.dtype.kind == "V" or a.dtype == np.float16 else a.astype("int64") if a.dtype.kind in "bu" and a.dtype.itemsize < 8 else a


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False,
    check_device: bool = True, check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False, msg: Message = None,
) -> None:  # fmt: skip
    """AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere, and shapes, dtypes, devices and layouts are equal.

    Tensors, arrays, numbers, and sequences and mappings of them.  rtol, atol: both or none; by default the dtype's, 0 for
    integers.  equal_nan: two NaN are equal.  check_*: what must be equal too.  msg: the message, or a function of it.

    >>> import fgrad
    >>> fgrad.testing.assert_close(fgrad.ones(2), fgrad.ones(2) * (1 + 1e-7))
    """
    checks = {"device": check_device, "dtype": check_dtype, "layout": check_layout, "stride": check_stride}
    comparison = _Comparison(rtol, atol, equal_nan, checks, allow_subclasses)
    try:
        comparison.compare(actual, expected, "")
    except AssertionError as e:
        if msg is None:
            raise
        raise AssertionError(msg(str(e)) if callable(msg) else msg) from None


def assert_allclose(actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True, msg: str = "") -> None:
    """assert_close that takes numbers and arrays for tensors and looks at neither dtypes nor devices."""
    x, y = (v if isinstance(v, Tensor) else asarray(v) for v in (actual, expected))
    assert_close(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=False, check_dtype=False, msg=msg or None)


def make_tensor(*shape: Any, dtype: Any, device: Any, low: float | None = None, high: float | None = None, requires_grad: bool = False,
                noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None) -> Any:  # fmt: skip
    """Evenly drawn numbers of [low, high), by default of [-9, 9) (integers [-9, 10), unsigned ones [0, 10), bools both).

    noncontiguous: with a gap after each element.  exclude_zero: zeros become the smallest positive number.
    Raises ArgumentError for an empty range.
    """
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    d = as_numpy(dtype)
    kind = "f" if d.kind == "V" else d.kind
    usual = {"f": (-9, 9), "c": (-9, 9), "i": (-9, 10), "u": (0, 10), "b": (0, 2)}[kind]
    low, high = (u if v is None else v for u, v in zip(usual, (low, high), strict=True))
    if not low < high:
        raise ArgumentError(f"make_tensor: `low` must be less than `high`, but got {low} >= {high}", where=caller(), fix="give a range")
    drawn = (*size[:-1], 2 * size[-1]) if noncontiguous and math.prod(size) > 1 else size
    if kind in "iub":
        x = randint(math.ceil(low), math.ceil(high), drawn, dtype=dtype, device=device)
    else:
        parts = [rand(drawn, dtype=face_dtype(d).to_real(), device=device) * (high - low) + low for _ in range(1 + (kind == "c"))]
        x = joined(*parts) if kind == "c" else parts[0]
    x = x[..., ::2] if drawn != size else x
    if exclude_zero:
        least = 1 if kind in "iub" else finfo(dtype).tiny
        x = x.masked_fill(x == 0, least)
    return finish(x.detach(), device, requires_grad)
