"""PyTorch's constants, limits of dtypes, and questions asked of tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.errors import ShapeError, need
from fgrad.functions.dtypes import as_numpy, default_float, face_dtype
from fgrad.functions.legacy import tensortype
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller

__all__ = [
    "e", "finfo", "get_device", "iinfo", "inf", "is_floating_point", "is_nonzero", "is_same_size", "is_signed", "is_tensor", "nan",
    "newaxis", "numel", "pi", "typename",
]  # fmt: skip

pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None


class finfo:  # noqa: N801  # PyTorch's name
    """Limits of a float dtype (of a complex one: of its parts; the default one if left out).

    bits, eps (the gap above 1), max, min (-max), tiny = smallest_normal, resolution, dtype (a name).

    >>> import fgrad
    >>> fgrad.finfo(fgrad.float16).max
    65504.0
    """

    def __init__(self, type: Any = None) -> None:
        kind = default_float() if type is None else as_numpy(type)
        if kind.kind not in "fVc":
            raise TypeError(f"torch.finfo() requires a floating point input type, not {face_dtype(kind)}. Use torch.iinfo to handle it")
        info = np.finfo(kind) if kind.kind != "V" else need("ml_dtypes").finfo(kind)
        self.bits, self.dtype = info.bits, info.dtype.name
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = 10.0**-info.precision

    def __repr__(self) -> str:
        shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({''.join(f'{n}={getattr(self, n):g}, ' for n in shown)}dtype={self.dtype})"


class iinfo:  # noqa: N801  # PyTorch's name
    """Limits of an integer dtype: bits, min, max, dtype (a name).

    >>> import fgrad
    >>> fgrad.iinfo(fgrad.int8).min
    -128
    """

    def __init__(self, type: Any) -> None:
        kind = as_numpy(type)
        if kind.kind not in "iu":
            raise TypeError(f"torch.iinfo() requires an integer input type, not {face_dtype(kind)}. Use torch.finfo to handle it")
        info = np.iinfo(kind)
        self.bits, self.min, self.max, self.dtype = info.bits, int(info.min), int(info.max), kind.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def is_tensor(obj: Any) -> bool:
    """True for a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Any) -> bool:
    """True for a tensor of float16, bfloat16, float32 or float64."""
    return bool(input.is_floating_point())


def is_signed(input: Any) -> bool:
    """True for a tensor whose dtype holds negative numbers."""
    return bool(input.dtype.is_signed)


def is_same_size(input: Any, other: Any) -> bool:
    """True if two tensors have one shape."""
    return bool(input.shape == other.shape)


def is_nonzero(input: Any) -> bool:
    """True if the one element of a tensor is not 0. Raises ShapeError for none or several elements."""
    n = input.numel()
    if n != 1:
        what = "no values" if n == 0 else "more than one value"
        raise ShapeError(f"Boolean value of Tensor with {what} is ambiguous: it has {n}", where=caller(), fix="use any() or all()")
    return bool(input)


def numel(input: Any) -> int:
    """The number of elements of a tensor."""
    return int(input.numel())


def get_device(input: Any) -> int:
    """The index of a tensor's CUDA device; -1 for the CPU."""
    device = input.device
    return -1 if device.type == "cpu" else int(device.index or 0)


def typename(obj: Any) -> str:
    """The full name of an object's class; `torch.FloatTensor` and kin for a tensor."""
    if isinstance(obj, Tensor):
        return str(obj.type())
    if isinstance(obj, tensortype):
        return f"torch.{'cuda.' * obj.is_cuda}{obj.__name__}"
    cls = obj if isinstance(obj, type) else type(obj)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
