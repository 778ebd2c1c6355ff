"""Tensors from other objects' memory, PyTorch's older window functions, and its inclusive range."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, DtypeError
from fgrad.functions import windows as w
from fgrad.functions.call import elsewhere
from fgrad.functions.creation import arange, creating, finish, from_dlpack, from_numpy, tensor
from fgrad.functions.dtypes import as_numpy, default_float, face_dtype
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller

__all__ = [
    "asarray", "bartlett_window", "blackman_window", "frombuffer", "hamming_window", "hann_window", "kaiser_window", "range",
]  # fmt: skip


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool | None = None) -> Any:
    """A tensor of a tensor, array, buffer, DLPack object, number or sequence; memory is shared where nothing forbids it.

    copy: True always copies; False raises ArgumentError where a copy would be needed.  requires_grad: False detaches; by
    default a tensor keeps what it has.

    >>> import fgrad
    >>> fgrad.asarray([1, 2.5])
    tensor([1.0000, 2.5000])
    """
    x, shares = _seen(obj, dtype)
    wanted = x.dtype if dtype is None else face_dtype(as_numpy(dtype))
    y = x.to(device=elsewhere() if device is None else device, dtype=wanted)
    if copy is False and (not shares or y is not x):
        what = "arbitrary sequence" if not shares else f"tensor of {x.dtype} on {x.device}"
        raise ArgumentError(f"can't alias {what} into a tensor of {wanted}", where=caller(), fix="leave copy out")
    if copy and shares and y is x:
        y = x.clone()
    if requires_grad is None:
        return y
    if not requires_grad:
        return y.detach()
    return y if y.requires_grad else y.detach().requires_grad_()


def _seen(obj: Any, dtype: Any) -> tuple[Any, bool]:
    """A tensor of the object, and whether both share memory."""
    if isinstance(obj, Tensor):
        return obj, True
    if isinstance(obj, np.generic):
        return tensor(obj), False
    if isinstance(obj, np.ndarray):
        return from_numpy(obj), True
    if hasattr(obj, "__dlpack__"):
        return from_dlpack(obj), True
    if isinstance(obj, bytes | bytearray | memoryview):
        return frombuffer(obj, dtype=dtype or face_dtype(default_float())), True
    return tensor(obj, dtype=dtype), False


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Any:
    """A vector over `count` elements (all: -1) of the memory of a bytes-like object, from byte `offset` on.

    Writes are seen on both sides; what cannot be written to is copied.  Raises ArgumentError for sizes that do not fit.
    """
    try:
        view = memoryview(buffer).cast("B")
    except TypeError as e:
        raise ArgumentError("object does not implement Python buffer protocol.", where=caller(), fix="pass bytes, a bytearray or an array") from e
    d, n = as_numpy(dtype), view.nbytes
    if not n or not count:
        raise ArgumentError(f"both buffer length ({n}) and count ({count}) must not be 0", where=caller(), fix="pass a buffer of 1 or more bytes")
    if not 0 <= offset < n:
        raise ArgumentError(f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({n} bytes) minus 1", where=caller(),
                            fix="begin inside the buffer")  # fmt: skip
    if count < 0:
        if (n - offset) % d.itemsize:
            raise ArgumentError(f"buffer length ({n} bytes) after offset ({offset} bytes) must be a multiple of element size ({d.itemsize})", where=caller(),
                                fix="name a count")  # fmt: skip
        count = (n - offset) // d.itemsize
    if offset + count * d.itemsize > n:
        raise ArgumentError(f"requested buffer length ({count} * {d.itemsize} bytes) after offset ({offset} bytes) must not be greater than actual "
                            f"buffer length ({n} bytes)", where=caller(), fix="name a smaller count")  # fmt: skip
    a = np.frombuffer(view, d, count, offset)
    return finish(from_numpy(a if a.flags.writeable else a.copy()), "cpu", requires_grad)


@creating
def range(start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:  # noqa: A001
    """start, start + step, ... up to and with end, as floats; deprecated in PyTorch: use arange."""
    if end is None:
        raise TypeError('range() missing 1 required positional arguments: "end"')
    warnings.warn("range is deprecated, since Python's range leaves the end out. Instead, use arange, which does so too.", stacklevel=3)
    if step == 0 or (end - start) / step < 0:
        what = "step must be nonzero" if step == 0 else "upper bound and lower bound inconsistent with step sign"
        raise ArgumentError(what, where=caller(), fix="use a non-zero step towards the end")
    n = int((end - start) / step) + 1
    d = face_dtype(default_float()) if dtype is None else dtype
    x = arange(n, dtype="float64") * step + start
    return finish(x.to(d), device, requires_grad)


def _checked(name: str, window_length: int, options: dict[str, Any]) -> Any:
    if operator.index(window_length) < 0:
        raise ArgumentError(f"{name} requires non-negative window_length, got window_length={window_length}", where=caller(), fix="ask for 0 or more points")
    d = default_float() if options.get("dtype") is None else as_numpy(options["dtype"])
    if d.kind not in "fV":
        raise DtypeError(f"{name} expects floating point dtypes, got: {d.name}", where=caller(), fix="use a float dtype")
    return d


def _window(name: str, make: Any, n: int, options: dict[str, Any], **given: Any) -> Any:
    """A window; in half precision rounded from float64, which the newer functions refuse."""
    if _checked(name, n, options).itemsize > 2:
        return make(n, **given, **options)
    rest = {k: v for k, v in options.items() if k not in ("dtype", "requires_grad")}
    return make(n, **given, **rest, dtype="float64").to(options["dtype"]).requires_grad_(bool(options.get("requires_grad")))


@creating
def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Any:
    """sin^2(pi n / N), N = window_length (one less if not `periodic`). options: dtype, device, requires_grad."""
    return _window("hann_window", w.hann, window_length, options, sym=not periodic)


@creating
def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any) -> Any:
    """alpha - beta cos(2 pi n / N). See hann_window."""
    return _window("hamming_window", w.general_cosine, window_length, options, a=[alpha, beta], sym=not periodic)


@creating
def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Any:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N). See hann_window."""
    return _window("blackman_window", w.blackman, window_length, options, sym=not periodic)


@creating
def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Any:
    """1 - |2n / N - 1|. See hann_window."""
    return _window("bartlett_window", w.bartlett, window_length, options, sym=not periodic)


@creating
def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any) -> Any:
    """I0(beta sqrt(1 - (2n / N - 1)^2)) / I0(beta). See hann_window."""
    return _window("kaiser_window", w.kaiser, window_length, options, beta=beta, sym=not periodic)
