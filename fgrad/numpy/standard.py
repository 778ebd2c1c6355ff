"""What the array API standard (2024.12) has beyond NumPy's older names: inquiry, dtypes, running sums, unique_*, DLPack."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fgrad.backends import devices
from fgrad.eager.arrays import array_of, as_dtype, axis_of, face
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.operands import default_complex, default_float
from fgrad.errors import ArgumentError, DtypeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.dtypes import kind as kind_of
from fgrad.ir.types import CPU, Device, TensorType
from fgrad.numpy.creation import on, ones_like, zeros_like
from fgrad.numpy.reductions import cumprod, cumsum, summed
from fgrad.numpy.search import unique
from fgrad.numpy.shape import concatenate, ravel

__all__ = [
    "can_cast", "cumulative_prod", "cumulative_sum", "from_dlpack", "isdtype", "unique_all", "unique_counts",
    "unique_inverse", "unique_values",
]  # fmt: skip

KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
JOINED = {
    "integral": ("signed integer", "unsigned integer"),
    "numeric": ("signed integer", "unsigned integer", "real floating", "complex floating"),
}
LETTERS = {"bool": "b", "signed integer": "i", "unsigned integer": "u", "real floating": "f", "complex floating": "c"}


def isdtype(dtype: Any, kind: Any) -> bool:
    """True if a dtype is of a kind: another dtype, "bool", "signed integer", "unsigned integer", "integral",
    "real floating", "complex floating", "numeric", or a tuple of those.
    """  # noqa: D205
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    d = as_dtype(dtype)
    if not isinstance(kind, str):
        return bool(d == as_dtype(kind))
    if kind not in LETTERS and kind not in JOINED:
        raise ArgumentError(f"isdtype: no kind {kind!r}", where=caller(), fix=f"use one of {', '.join([*LETTERS, *JOINED])}")
    return kind_of(d) in [LETTERS[k] for k in JOINED.get(kind, (kind,))]


def can_cast(from_: Any, to: Any) -> bool:
    """True if a dtype (or an array's) converts to another without loss, as NumPy's "safe" has it."""
    source = from_._type.dtype if isinstance(from_, Cell) else as_dtype(from_)
    target = as_dtype(to)
    if "bfloat16" in (source.name, target.name) and source != target:  # NumPy does not know it as a float
        wide = source.name in ("bool", "int8", "uint8") or (source.name == "bfloat16" and target.name in ("float32", "float64"))
        return wide or (source.name == "bfloat16" and target.kind == "c")
    return bool(np.can_cast(source, target))


class Info:
    """`__array_namespace_info__()` of the standard."""

    def capabilities(self) -> dict[str, Any]:
        """What depends on the values: boolean masks and data-dependent shapes work outside `jit`."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """The host."""
        return CPU

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """What Python numbers become."""
        integer = np.dtype("int64")
        return {"real floating": default_float(), "complex floating": default_complex(), "integral": integer, "indexing": integer}

    def devices(self) -> list[Device]:
        """The host, and CUDA devices that answer."""
        return [CPU, *[Device("cuda", i) for i in range(devices.count())]]

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The standard's dtypes by name, of one kind or several."""
        kinds = (kind,) if isinstance(kind, str) else tuple(KINDS) if kind is None else kind
        wanted = [part for k in kinds for part in JOINED.get(k, (k,))]
        unknown = [k for k in wanted if k not in KINDS]
        if unknown:
            raise ArgumentError(f"dtypes: no kind {unknown[0]!r}", where=caller(), fix=f"use one of {', '.join([*KINDS, *JOINED])}")
        return {name: dtype_of(name) for k in wanted for name in KINDS[k]}


def cumulative(rule: Any, x: Any, axis: int | None, dtype: Any, first: Any) -> Any:
    """A running sum or product, with its start put before it if given."""
    a = array_of(x)
    if axis is None:
        if a._type.ndim > 1:
            raise ArgumentError(f"an array of {a._type.ndim} axes needs axis=", where=caller(), fix="give axis")
        a, axis = ravel(a), 0
    at = axis_of(a, axis)
    y = rule(a, at, dtype)
    return y if first is None else concatenate([first(y[(slice(None),) * at + (slice(0, 1),)], y, at), y], at)


def _head(fill: Any) -> Any:
    def first(line: Any, y: Any, at: int) -> Any:
        shape = tuple(1 if i == at else d for i, d in enumerate(y._type.shape))
        return fill(line, shape=shape)

    return first


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Running sum along `axis` (may be left out for vectors); include_initial: 0 before it."""
    return cumulative(cumsum, summed(x, dtype), axis, dtype, _head(zeros_like) if include_initial else None)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Running product along `axis` (may be left out for vectors); include_initial: 1 before it."""
    return cumulative(cumprod, summed(x, dtype), axis, dtype, _head(ones_like) if include_initial else None)


class UniqueAll(NamedTuple):
    """What unique_all gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What unique_counts gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What unique_inverse gives."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueAll:
    """Distinct elements, their first places, each element's place among them, and counts; every NaN is its own."""
    return UniqueAll(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueCounts:
    """Distinct elements and counts; every NaN is its own."""
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_inverse(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueInverse:
    """Distinct elements and each element's place among them; every NaN is its own."""
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Distinct elements; every NaN is its own."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """An array with the numbers of any library's array that speaks DLPack (copied, since arrays never change)."""
    if isinstance(x, Cell):
        return on(array_of(x), device)
    if not hasattr(x, "__dlpack_device__"):
        raise DtypeError(f"from_dlpack: {type(x).__name__} does not speak DLPack", where=caller(), fix="use asarray")
    if copy is False:
        raise ArgumentError("from_dlpack: memory is never shared", where=caller(), fix="leave copy out, or use fgrad.from_dlpack")
    kind_, index = x.__dlpack_device__()
    place = CPU if kind_ == 1 else Device("cuda", index)
    with devices.on(place) as xp:
        a = xp.array(xp.from_dlpack(x))
    return on(concrete(face(), a, TensorType(a.shape, dtype_of(a.dtype.name), place)), device)
