"""ndarray: NumPy's and JAX's class over a Cell. Every method is a function of this room."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fgrad.eager import indexing
from fgrad.eager.arrays import array_of, as_dtype, call
from fgrad.eager.cell import Cell, concrete, typed_leaf
from fgrad.eager.convert import FACES
from fgrad.eager.described import Described
from fgrad.eager.operands import convert
from fgrad.eager.tape import THREAD
from fgrad.eager.updates import At
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, DtypeError, ShapeError, TraceError
from fgrad.ir.apply import caller
from fgrad.ir.types import CPU, TensorType
from fgrad.numpy import complexes as z
from fgrad.numpy import creation as k
from fgrad.numpy import edits, linear, search
from fgrad.numpy import elementwise as e
from fgrad.numpy import reductions as r
from fgrad.numpy import shape as h

Op = Callable[..., Any]
WRITERS = ("array_api_extra", "array_api_tests", "scipy", "sklearn")
_OTHERS = bool | int | float | complex | np.ndarray | np.generic


def _operator(f: Op, *, swap: bool = False) -> Op:
    """A binary operator; operands of another face get their turn (a Tensor wins in a mix)."""

    def op(self: Any, other: Any) -> Any:
        if other.__class__ is not ndarray and not isinstance(other, _OTHERS):
            return NotImplemented
        return f(other, self) if swap else f(self, other)

    op.__name__ = f.__name__
    op.__doc__ = f.__doc__
    return op


def _both(f: Op) -> tuple[Op, Op]:
    return _operator(f), _operator(f, swap=True)


class ndarray(Described):  # noqa: N801  # NumPy's name
    """Numbers with a shape, a dtype and a device. Immutable: `x.at[index].set(value)` gives a changed copy."""

    __slots__ = ()
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        raise TypeError("make arrays with fgrad.numpy.array(data) or zeros(shape)")

    # what it is ---------------------------------------------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return self._type.shape

    @property
    def dtype(self) -> Any:
        """The NumPy dtype."""
        return self._type.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._type.size

    @property
    def T(self) -> Any:  # noqa: N802  # NumPy's name
        """Axes in reverse order."""
        return h.transpose(self)

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes exchanged."""
        return h.matrix_transpose(self)

    real, imag = property(z.real), property(z.imag)

    @property
    def at(self) -> At:
        """`x.at[index].set(value)`, `.add`, `.multiply`, ... give a changed copy."""
        return At(self)

    # indexing -----------------------------------------------------------------------------------------------------------
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, Cell) and index._type.dtype.kind == "b" and (not index._type.shape or not index._type.size):
            index = self._mask(index)
        return indexing.getitem(self, index, "clip")

    def _mask(self, index: Any) -> Any:
        """A mask of no or one element as NumPy takes it: a bool if 0-d; an axis of length 0 fits any length."""
        shape, own = index._type.shape, self._type.shape
        if not shape:
            return bool(index)
        if len(shape) <= len(own) and all(n in (m, 0) for n, m in zip(shape, own, strict=False)):
            return np.zeros(own[: len(shape)], bool)
        return index

    def _read(self, index: Any, mode: str) -> Any:
        return indexing.getitem(self, index, mode)

    def __setitem__(self, index: Any, value: Any) -> None:
        """TypeError, but for libraries over the array API, which write into arrays that they made: there the object takes new numbers."""
        writer = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
        if writer not in WRITERS or THREAD.tape.tracing:
            raise TypeError(
                "arrays of fgrad.numpy are immutable and do not support item assignment; "
                "instead of x[i] = y use x = x.at[i].set(y)"
            )
        new = self.at[index].set(value)
        self._data, self._tape, self._value = buffer_of(new), None, typed_leaf(self._type, False)

    # arithmetic ---------------------------------------------------------------------------------------------------------
    __add__, __radd__ = _both(e.add)
    __sub__, __rsub__ = _both(e.subtract)
    __mul__, __rmul__ = _both(e.multiply)
    __truediv__, __rtruediv__ = _both(e.divide)
    __floordiv__, __rfloordiv__ = _both(e.floor_divide)
    __mod__, __rmod__ = _both(e.remainder)
    __divmod__, __rdivmod__ = _both(e.divmod)
    __pow__, __rpow__ = _both(e.power)
    __matmul__, __rmatmul__ = _both(linear.matmul)
    __and__, __rand__ = _both(e.bitwise_and)
    __or__, __ror__ = _both(e.bitwise_or)
    __xor__, __rxor__ = _both(e.bitwise_xor)
    __lshift__, __rlshift__ = _both(e.left_shift)
    __rshift__, __rrshift__ = _both(e.right_shift)
    __lt__, __le__, __gt__, __ge__ = map(_operator, (e.less, e.less_equal, e.greater, e.greater_equal))
    __eq__, __ne__ = _operator(e.equal), _operator(e.not_equal)
    __neg__, __pos__, __abs__, __invert__ = e.negative, e.positive, e.absolute, e.invert

    def __round__(self, ndigits: int | None = None) -> Any:
        return e.round(self, ndigits or 0)

    # methods ------------------------------------------------------------------------------------------------------------
    sum, prod, mean, var, std, max, min = r.sum, r.prod, r.mean, r.var, r.std, r.max, r.min
    argmax, argmin, all, any, cumsum, cumprod, ptp = r.argmax, r.argmin, r.all, r.any, r.cumsum, r.cumprod, r.ptp
    clip, round, dot = e.clip, e.round, linear.dot
    swapaxes, squeeze, ravel, repeat = h.swapaxes, h.squeeze, h.ravel, h.repeat
    argsort, take, nonzero, diagonal, trace = search.argsort, search.take, search.nonzero, k.diagonal, linear.trace
    conj, conjugate, choose, argpartition = z.conj, z.conj, edits.choose, edits.argpartition
    sort, searchsorted, copy = search.sort, search.searchsorted, k.copy
    flatten = h.ravel

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """The same elements in another shape: `reshape(2, 3)` or `reshape((2, 3))`; -1 stands for what is left."""
        return h.reshape(self, shape[0] if len(shape) == 1 else shape, order)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order, reversed if none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return h.transpose(self, order)

    def astype(self, dtype: Any, copy: bool = False) -> Any:
        """The array in another dtype."""
        return convert(self, as_dtype(dtype))

    def view(self, dtype: Any = None) -> Any:
        """The same bits read as another dtype of the same size."""
        d = self._type.dtype if dtype is None else as_dtype(dtype)
        if d.itemsize != self._type.dtype.itemsize or "c" in (d.kind, self._type.dtype.kind):
            raise DtypeError(f"view of {self._type} as {d.name}", where=caller(), fix="choose a dtype of the same size")
        return self if d == self._type.dtype else call("bitcast", self, dtype=d)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """Slices along `axis` where the condition vector holds (its numbers are read)."""
        return search.compress(condition, self, axis)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The array on a device (a name, or what `x.device` gives)."""
        return k.on(self, device)

    def devices(self) -> set[Any]:
        """{the device it is on}."""
        return {self._type.device}

    def copy_to_host_async(self) -> None:
        """Nothing: reading it copies it."""

    weak_type, is_fully_addressable, is_fully_replicated = False, True, True  # as of every array here

    @property
    def aval(self) -> TensorType:
        """Its type."""
        return self._type

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """fgrad.numpy, which follows the array API standard."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ArgumentError(f"no version {api_version!r} of the array API", where=caller(), fix='use "2024.12"')
        return sys.modules["fgrad.numpy"]

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's code of the kind of device, and its index."""
        return (1, 0) if self._type.device is CPU else (2, self._type.device.index)

    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[Any, int] | None = None, copy: bool | None = None) -> Any:  # fmt: skip
        """The numbers for another library; read-only, since arrays never change: a reader of DLPack before 1.0 gets a copy."""
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        if self._type.device is not CPU:
            return buffer_of(self).__dlpack__(**given)
        if dl_device is not None and tuple(dl_device) != (1, 0):
            raise BufferError(f"an array on the CPU cannot be handed over on the device {tuple(dl_device)}")
        if max_version is None or max_version[0] < 1:  # no flag for read-only yet: a copy, or on demand the buffer itself
            return (buffer_of(self) if copy is False else np.array(buffer_of(self))).__dlpack__(stream=stream)
        return self.__array__().__dlpack__(**given)

    def block_until_ready(self) -> Any:
        """The array, computed by now (inside a recorded function: as it is)."""
        if self._tape is None or not self._tape.tracing:
            buffer_of(self)
        return self

    # numbers ------------------------------------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """NumPy's functions of one or two arrays, as fgrad.numpy's: `np.sin(x)`, `host + x`."""
        f = getattr(sys.modules["fgrad.numpy"], ufunc.__name__, None)
        if method == "__call__" and not kwargs and f is not None:
            return f(*args)
        what = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        if "out" in kwargs:
            raise UfuncError(f"{what} into an array: arrays of fgrad.numpy are immutable and are not written to others",
                             where=caller(), fix=f"use y = fgrad.numpy.{ufunc.__name__}(...), or np.asarray(x)")  # fmt: skip
        raise UfuncError(f"{what} does not take arrays of fgrad.numpy", where=caller(),
                         fix="use a function of fgrad.numpy, or np.asarray(x) outside of recorded functions")  # fmt: skip

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        a = buffer_of(self)
        if copy or (dtype is not None and a.dtype != dtype):
            return np.array(a, dtype=dtype)
        shown = a.view()
        shown.flags.writeable = False
        return shown

    def item(self, *args: int) -> Any:
        """The one number (or that at an index) as a Python number."""
        if args:
            return buffer_of(self).item(*args)
        if self._type.size != 1:
            raise ShapeError(
                f"an array of shape {self._type.shape} cannot be converted to one number", where=caller(),
                fix="index one element, or use tolist()",
            )  # fmt: skip
        return buffer_of(self).item()

    def tobytes(self) -> bytes:
        """The elements' bytes in C order."""
        return bytes(buffer_of(self).tobytes())

    def __bool__(self) -> bool:
        if self._type.size != 1:
            raise ArgumentError(
                "The truth value of an array with more than one element is ambiguous.", where=caller(),
                fix="use .any() or .all()",
            )  # fmt: skip
        return bool(self.item())

    def __index__(self) -> int:
        if self._type.shape or self._type.dtype.kind not in "iub":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._type.shape:
            raise TypeError("len() of unsized object")
        return self._type.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._type.shape:
            raise TypeError("iteration over a 0-d array")
        return iter([self[i] for i in range(self._type.shape[0])])

    def __contains__(self, item: Any) -> bool:
        return bool(r.any(e.equal(self, item)))

    def __repr__(self) -> str:
        return format_array(self)

    def __str__(self) -> str:
        return str(buffer_of(self)) if is_known(self) else format_array(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self._type.shape else format(str(self), spec)

    def __reduce__(self) -> Any:
        return rebuild, (np.array(buffer_of(self)),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    __copy__ = k.copy


class UfuncError(ArgumentError, TypeError):
    """One of NumPy's universal functions that has no counterpart here."""


def is_known(x: Any) -> bool:
    """False for an array of a function that is being recorded."""
    tape = x._tape
    return x._data is not None or tape is None or not tape.tracing


def format_array(x: Any) -> str:
    """`Array([1., 2.], dtype=float32)`, as JAX prints; of an array being recorded only the type is known."""
    kind = x._type
    if not is_known(x):
        return f"Array(<{kind}, being recorded>)"
    try:
        a = buffer_of(x)
    except TraceError:
        return f"Array(<{kind}>)"
    tail = f"dtype={kind.dtype.name}"
    if not kind.size:
        shape = "" if kind.shape == (0,) else f"shape={kind.shape}, "
        return f"Array([], {shape}{tail})"
    shown = a.astype("float32") if kind.dtype.kind == "V" else a
    body = np.array2string(shown, separator=", ", prefix="Array(", suffix=",", threshold=1000)
    last = body.rsplit("\n", 1)[-1]
    lead = len("Array(") if "\n" not in body else 0
    gap = "\n      " if lead + len(last) + len(tail) + 3 > np.get_printoptions()["linewidth"] else " "
    return f"Array({body},{gap}{tail})"


def rebuild(data: Any) -> Any:
    """An array from its numbers, for pickle."""
    return concrete(ndarray, data, TensorType(data.shape, data.dtype))


ndarray._result = ndarray
FACES["array"] = ndarray
Array = ndarray
__all__ = ["Array", "array_of", "ndarray"]
