"""NumPy's ways to write index grids and joined arrays: mgrid, ogrid, r_, c_, s_; windows; files and buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype
from fgrad.eager.operands import convert, default_float
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.numpy.creation import arange, linspace
from fgrad.numpy.shape import concatenate, expand_dims, moveaxis

__all__ = [
    "array_repr", "array_str", "bartlett", "blackman", "c_", "frombuffer", "fromiter", "fromstring", "get_printoptions",
    "hamming", "hanning", "index_exp", "kaiser", "load", "mgrid", "ogrid", "printoptions", "r_", "s_", "save", "savez",
    "set_printoptions",
]  # fmt: skip


class Grid:
    """`mgrid[0:2, 0:3]`, and `ogrid[...]` with axes of length 1: coordinates; a step `5j` is a number of points."""

    __slots__ = ("sparse",)

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        found = (np.ogrid if self.sparse else np.mgrid)[key]
        arrays = [_host(a) for a in found] if self.sparse and isinstance(key, tuple) else _host(found)
        return arrays


def _host(a: Any) -> Any:
    """NumPy's numbers, floats as the default ones."""
    x = array_of(a)
    return convert(x, default_float()) if a.dtype == np.float64 else x


mgrid, ogrid = Grid(sparse=False), Grid(sparse=True)


def _range(s: slice) -> Any:
    start, step = s.start or 0, 1 if s.step is None else s.step
    return linspace(start, s.stop, int(abs(step))) if isinstance(step, complex) else arange(start, s.stop, step)


class Join:
    """`r_[1:4, 0, x]`: pieces joined along an axis; slices are ranges. A string first: "axis,ndmin,trans1d"."""

    __slots__ = ("default",)

    def __init__(self, default: tuple[int, int, int]) -> None:
        self.default = default

    def __getitem__(self, key: Any) -> Any:
        items = list(key) if isinstance(key, tuple) else [key]
        axis, rank, first = self.default
        if items and isinstance(items[0], str):
            words = items.pop(0).split(",")
            if not all(w.strip().lstrip("-").isdigit() for w in words) or len(words) > 3:
                raise ArgumentError("only directives of up to three numbers are known", where=caller(), fix='write e.g. "0,2"')
            axis, rank, first = (*map(int, words), *self.default[len(words) :])
        parts = []
        for x in items:
            y = _range(x) if isinstance(x, slice) else array_of(x)
            y = y if y._type.ndim else expand_dims(y, 0)
            own = y._type.ndim
            if own < rank:
                y = expand_dims(y, tuple(range(rank - own)))
                if first != -1:
                    y = moveaxis(y, tuple(range(rank - own, rank)), tuple(range(first, first + own)))
            parts.append(y)
        return concatenate(parts, axis)


r_, c_ = Join((0, 1, -1)), Join((-1, 2, 0))
s_, index_exp = np.s_, np.index_exp


def _window(a: Any) -> Any:
    return convert(array_of(np.asarray(a, np.float64)), default_float())


def bartlett(M: int) -> Any:  # noqa: N803  # NumPy's name
    """The triangular window of M points, 0 at both ends."""
    return _window(np.bartlett(M))


def blackman(M: int) -> Any:  # noqa: N803
    """0.42 - 0.5 cos(2 pi n / (M - 1)) + 0.08 cos(4 pi n / (M - 1))."""
    return _window(np.blackman(M))


def hamming(M: int) -> Any:  # noqa: N803
    """0.54 - 0.46 cos(2 pi n / (M - 1))."""
    return _window(np.hamming(M))


def hanning(M: int) -> Any:  # noqa: N803
    """0.5 - 0.5 cos(2 pi n / (M - 1))."""
    return _window(np.hanning(M))


def kaiser(M: int, beta: float) -> Any:  # noqa: N803
    """I0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / I0(beta)."""
    return _window(np.kaiser(M, float(beta)))


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Any:
    """A vector of the numbers in a buffer."""
    return array_of(np.frombuffer(buffer, as_dtype(dtype), count, offset).copy())


def fromiter(iterable: Any, dtype: Any, count: int = -1) -> Any:
    """A vector of the numbers of an iterator."""
    return array_of(np.fromiter(iterable, as_dtype(dtype), count))


def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str) -> Any:
    """A vector of the numbers in a text."""
    return array_of(np.fromstring(string, as_dtype(dtype), count, sep=sep))


def save(file: Any, arr: Any, allow_pickle: bool = False) -> None:
    """Writes an array as NumPy's .npy."""
    np.save(file, np.asarray(array_of(arr)), allow_pickle=allow_pickle)


def savez(file: Any, *args: Any, **kwds: Any) -> None:
    """Writes arrays as NumPy's .npz."""
    named: dict[str, Any] = {k: np.asarray(array_of(v)) for k, v in kwds.items()}
    np.savez(file, *[np.asarray(array_of(a)) for a in args], **named)


def load(file: Any, *args: Any, **kwargs: Any) -> Any:
    """An array of a .npy file; a .npz file gives NumPy's mapping of names to arrays."""
    found = np.load(file, *args, **kwargs)
    return array_of(found) if isinstance(found, np.ndarray) else found


def array_repr(arr: Any, max_line_width: int | None = None, precision: int | None = None, suppress_small: bool | None = None) -> str:
    """The array as `repr` writes it."""
    with np.printoptions(**_shown(max_line_width, precision, suppress_small)):
        return repr(array_of(arr))


def array_str(a: Any, max_line_width: int | None = None, precision: int | None = None, suppress_small: bool | None = None) -> str:
    """The array as `str` writes it."""
    with np.printoptions(**_shown(max_line_width, precision, suppress_small)):
        return str(array_of(a))


def _shown(width: int | None, precision: int | None, suppress: bool | None) -> dict[str, Any]:
    given = {"linewidth": width, "precision": precision, "suppress": suppress}
    return {k: v for k, v in given.items() if v is not None}


set_printoptions, get_printoptions, printoptions = np.set_printoptions, np.get_printoptions, np.printoptions
