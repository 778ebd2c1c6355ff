"""A strict stand-in for CuPy on NumPy: same names and rules, so that a program for it makes no NumPy call unseen.

Its arrays refuse NumPy's functions, NumPy arrays beside them, and operations on another device than the current one.
What CuPy 14 lacks or does otherwise is refused or done as CuPy does it (read in its sources): no running extremes,
ufunc.at for few dtypes, integer fmod through doubles, equal places written in any order, bfloat16 in no function here.
"""

from __future__ import annotations

import builtins
import importlib
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np

COUNT = 2  # devices
CURRENT = [0]
SCALARS = (bool, int, float, complex, np.generic)
int8, uint8, int32, uint32, int64, uint64, float32, float64, bool_ = (
    np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64, np.bool_
)  # fmt: skip
iinfo = np.iinfo


class Flags:
    """No `writeable`, as in CuPy."""

    def __init__(self, a: np.ndarray) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = a.flags.c_contiguous, a.flags.f_contiguous, a.base is None


class ndarray:  # CuPy's name
    __array_ufunc__ = None  # NumPy's functions refuse it

    def __init__(self, a: Any, base: ndarray | None = None) -> None:
        assert type(a) is np.ndarray
        self._a, self._base, self._device = a, base, CURRENT[0] if base is None else base._device

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    shape = property(lambda s: s._a.shape)
    dtype = property(lambda s: s._a.dtype)
    ndim = property(lambda s: s._a.ndim)
    size = property(lambda s: s._a.size)
    nbytes = property(lambda s: s._a.nbytes)
    itemsize = property(lambda s: s._a.itemsize)
    strides = property(lambda s: s._a.strides)
    flags = property(lambda s: Flags(s._a))
    base = property(lambda s: s._base)
    T = property(lambda s: s._shown(s._a.T))
    real = property(lambda s: s._shown(s._a.real), lambda s, x: s._part("real", x))
    imag = property(lambda s: s._shown(s._a.imag), lambda s, x: s._part("imag", x))
    __cuda_array_interface__ = property(lambda s: {"shape": s.shape, "typestr": s.dtype.str, "version": 3})

    def _shown(self, a: Any) -> ndarray:
        """A result that may be a view."""
        here(self)
        root = self if self._base is None else self._base
        return ndarray(np.asarray(a), root if np.may_share_memory(a, self._a) else None)

    def _part(self, name: str, x: Any) -> None:
        here(self, x)
        setattr(self._a, name, plain(x))

    def get(self) -> np.ndarray:
        return np.array(self._a, order="C")

    def item(self) -> Any:
        return self._a.item()

    def copy(self, order: str = "C") -> ndarray:
        return ndarray(np.array(self._a, order=order))

    def reshape(self, *shape: Any) -> ndarray:
        return self._shown(self._a.reshape(*shape))

    def conj(self) -> ndarray:
        return ndarray(np.conj(self._a))

    def transpose(self, *axes: Any) -> ndarray:
        return self._shown(self._a.transpose(*axes))

    def swapaxes(self, i: int, j: int) -> ndarray:
        return self._shown(self._a.swapaxes(i, j))

    def view(self, dtype: Any) -> ndarray:
        return self._shown(self._a.view(dtype))

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> ndarray:
        if not copy and self.dtype == np.dtype(dtype):
            return self
        here(self)
        with np.errstate(all="ignore"):
            return ndarray(self._a.astype(dtype, order=order))

    def __getitem__(self, key: Any) -> ndarray:
        return self._shown(self._a[index(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        here(self, value)
        parts = key if isinstance(key, tuple) else (key,)
        lines = [k for k in parts if isinstance(k, ndarray) and k.dtype.kind in "iu"]
        at, new = index(key), plain(value)
        if len(lines) == len(parts) and lines[0].ndim == 1 and np.ndim(new) and len(new) == lines[0].size:
            at, new = tuple([k[::-1] for k in (at if isinstance(at, tuple) else (at,))]), new[::-1]  # any order is allowed
        with np.errstate(all="ignore"):
            self._a[at] = new

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._a)

    def __float__(self) -> float:
        return float(self._a)

    def __int__(self) -> int:
        return int(self._a)

    def __dlpack__(self, **options: Any) -> Any:
        return self._a.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._device


def here(*xs: Any) -> None:
    """Refuses what CuPy refuses as an operand."""
    for x in xs:
        if isinstance(x, ndarray):
            if x._device != CURRENT[0]:
                raise ValueError(f"an array of device {x._device} was used on device {CURRENT[0]}")
        elif x is not None and not isinstance(x, SCALARS):
            raise TypeError(f"Unsupported type {type(x)}")


def plain(x: Any) -> Any:
    return x._a if isinstance(x, ndarray) else x


def index(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple([index(k) for k in key])
    if isinstance(key, np.ndarray | list):
        raise TypeError(f"Unsupported index {type(key)}")
    return plain(key)


def known(*xs: Any) -> None:
    for x in xs:
        if isinstance(x, ndarray) and x.dtype.kind == "V":
            raise TypeError(f"no loop for {x.dtype}")


class ufunc:  # CuPy's name
    def __init__(self, name: str, call: Any = None) -> None:
        self.name, self.call = name, call or getattr(np, name)
        self.__name__ = f"cupy_{name}"

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None) -> ndarray:
        here(*args, out)
        known(*args, out)
        if not builtins.any(isinstance(x, ndarray) for x in args):
            raise TypeError(f"{self.__name__} of scalars alone")
        with np.errstate(all="ignore"):
            y = np.asarray(self.call(*map(plain, args)))
        if out is None:
            return ndarray(y)
        if out.shape != y.shape or not np.can_cast(y.dtype, out.dtype, "same_kind"):
            raise ValueError(f"out is {out.dtype}{out.shape}, the result {y.dtype}{y.shape}")
        out._a[...] = y
        return out

    def accumulate(self, array: ndarray, axis: int = 0, dtype: Any = None, out: Any = None) -> ndarray:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.__name__}.accumulate` is not supported yet")
        here(array)
        known(array)
        with np.errstate(all="ignore"):
            return ndarray(self.call.accumulate(array._a, axis, dtype))

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        raise NotImplementedError(f"`{self.__name__}.at` is for few dtypes, and adds in any order")


def _fmod(x: Any, y: Any) -> Any:
    if np.result_type(x, y).kind not in "ui":
        return np.fmod(x, y)
    return np.where(y == 0, 0, np.fmod(np.asarray(x, float), np.asarray(y, float))).astype(np.result_type(x, y))


UFUNCS = (
    "add subtract multiply divide true_divide floor_divide remainder power negative absolute sign floor ceil trunc rint sqrt maximum "
    "minimum copysign exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh "
    "arctan2 hypot cbrt equal not_equal less less_equal greater greater_equal isfinite bitwise_and bitwise_or bitwise_xor invert "
    "left_shift right_shift conjugate gcd nextafter"
).split()
for _name in UFUNCS:
    globals()[_name] = ufunc(_name)
abs, fmod = ufunc("absolute"), ufunc("fmod", _fmod)
where3 = ufunc("where", np.where)
for _op, _name in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}.items():  # fmt: skip
    f = globals()[_name]
    setattr(ndarray, f"__{_op}__", lambda x, y, f=f: f(x, y))
    setattr(ndarray, f"__r{_op}__", lambda x, y, f=f: f(y, x))
    setattr(ndarray, f"__i{_op}__", lambda x, y, f=f: f(x, y, out=x))
for _op, _name in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
}.items():  # fmt: skip
    f = globals()[_name]
    setattr(ndarray, f"__{_op}__", lambda x, y, f=f: f(x, y))
ndarray.__hash__ = object.__hash__  # type: ignore[method-assign]
for _op, _name in {"neg": "negative", "abs": "absolute", "invert": "invert"}.items():
    f = globals()[_name]
    setattr(ndarray, f"__{_op}__", lambda x, f=f: f(x))


def where(condition: Any, x: Any, y: Any) -> ndarray:
    return where3(condition, x, y)


def clip(a: ndarray, a_min: Any, a_max: Any, out: Any = None) -> ndarray:
    here(a, a_min, a_max)
    known(a)
    return ndarray(np.asarray(np.clip(a._a, plain(a_min), plain(a_max))))


def _reduced(name: str, a: ndarray, axis: Any, out: Any, **options: Any) -> ndarray:
    if not isinstance(a, ndarray):
        raise TypeError(f"Unsupported type {type(a)}")
    here(a, out)
    known(a)
    with np.errstate(all="ignore"):
        y = np.asarray(getattr(np, name)(a._a, axis=axis, **options))
    if out is None:
        return ndarray(y)
    assert out.shape == y.shape
    out._a[...] = y
    return out


def _typed(name: str) -> Any:
    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return _reduced(name, a, axis, out, dtype=dtype, keepdims=keepdims)

    return call


def _untyped(name: str) -> Any:
    return lambda a, axis=None, out=None, keepdims=False: _reduced(name, a, axis, out, keepdims=keepdims)


sum, prod = _typed("sum"), _typed("prod")
max, min, all, any, argmax, argmin = map(_untyped, ("max", "min", "all", "any", "argmax", "argmin"))
ndarray.sum, ndarray.min, ndarray.max, ndarray.any, ndarray.all, ndarray.prod = sum, min, max, any, all, prod  # type: ignore[attr-defined]


def matmul(a: Any, b: Any, out: Any = None) -> ndarray:
    assert isinstance(a, ndarray)
    assert isinstance(b, ndarray)
    here(a, b, out)
    known(a, b)
    if out is None:
        return ndarray(np.asarray(np.matmul(a._a, b._a)))
    out._a[...] = np.matmul(a._a, b._a)
    return out


def concatenate(tup: Any, axis: int = 0, out: Any = None) -> ndarray:
    here(*tup, out)
    assert builtins.all(isinstance(x, ndarray) for x in tup)
    y = np.concatenate([x._a for x in tup], axis)
    if out is None:
        return ndarray(y)
    out._a[...] = y
    return out


def broadcast_to(array: Any, shape: Any) -> ndarray:
    assert isinstance(array, ndarray)
    return array._shown(np.broadcast_to(array._a, shape))


def take(a: Any, indices: Any, axis: Any = None, out: Any = None) -> ndarray:
    here(a, indices)
    assert out is None
    return ndarray(np.asarray(np.take(a._a, plain(indices), axis)))


def take_along_axis(a: Any, indices: Any, axis: int) -> ndarray:
    here(a, indices)
    return ndarray(np.take_along_axis(a._a, indices._a, axis))


def argsort(a: Any, axis: int = -1, kind: Any = None) -> ndarray:
    here(a)
    known(a)
    assert kind in (None, "stable")
    return ndarray(np.argsort(a._a, axis, kind="stable"))


def flip(a: Any, axis: Any = None) -> ndarray:
    return a._shown(np.flip(a._a, axis))


def copyto(dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    here(dst, src, where)
    assert isinstance(dst, ndarray)
    with np.errstate(all="ignore"):
        np.copyto(dst._a, plain(src), casting, where=True if where is None else where._a)  # type: ignore[arg-type]


def array(obj: Any, dtype: Any = None, copy: bool = True, order: str = "K") -> ndarray:
    """From any device or the host, onto the current device."""
    a = plain(obj)
    assert isinstance(a, np.ndarray | np.generic | bool | int | float | complex)
    return ndarray(np.array(a, dtype, order=order))


def asarray(a: Any, dtype: Any = None, order: Any = None) -> ndarray:
    if isinstance(a, ndarray) and a._device == CURRENT[0] and (dtype is None or a.dtype == np.dtype(dtype)):
        return a
    return array(a, dtype)


def ascontiguousarray(a: ndarray) -> ndarray:
    here(a)
    return a if a._a.flags.c_contiguous else a.copy()


def from_dlpack(a: Any) -> ndarray:
    return ndarray(np.array(a._a)) if isinstance(a, ndarray) else ndarray(np.from_dlpack(a))


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    a = np.empty(shape, dtype)
    with suppress(ValueError, TypeError):
        a[...] = 77  # what is not written shows
    return ndarray(a)


def _filled(f: Any) -> Any:
    return lambda shape, dtype=float, order="C": ndarray(f(shape, dtype))


zeros, ones = map(_filled, (np.zeros, np.ones))


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    here(fill_value)
    return ndarray(np.full(shape, plain(fill_value), dtype))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    return ndarray(np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype))


class Device:
    def __init__(self, id: int) -> None:
        self.id, self.before = id, [0]

    def use(self) -> Device:
        CURRENT[0] = self.id
        return self

    def __enter__(self) -> Device:
        self.before.append(CURRENT[0])
        return self.use()

    def __exit__(self, *args: Any) -> None:
        CURRENT[0] = self.before.pop()


CUDARuntimeError = type("CUDARuntimeError", (RuntimeError,), {})
cuda = SimpleNamespace(
    Device=Device,
    runtime=SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, getDeviceCount=lambda: COUNT, getDevice=lambda: CURRENT[0],
        getDeviceProperties=lambda i: {"name": f"Stand-in {i}".encode()}, deviceSynchronize=lambda: None,
    ),
)  # fmt: skip


def get_default_memory_pool() -> Any:
    return SimpleNamespace(free_all_blocks=lambda: None, used_bytes=lambda: 0)


def __getattr__(name: str) -> Any:
    """What lies in a file of its own."""
    return getattr(importlib.import_module("fake_cupyx"), name)
