"""Tensor's smaller methods: questions, Python functions applied to elements, diagonals, names of PyTorch that say nothing here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, GradError, ShapeError, need
from fgrad.functions.arrange import unsafe_split_with_sizes
from fgrad.functions.call import convert
from fgrad.functions.dtypes import face_dtype
from fgrad.functions.exchange import placed
from fgrad.functions.formats import formatted
from fgrad.functions.legacy import made
from fgrad.functions.random import bernoulli, multinomial
from fgrad.functions.refusals import real_value
from fgrad.functions.shape import expand, flatten
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import dtype_of

__all__ = ["adjoint"]


def adjoint(input: Any) -> Any:
    """The last two dimensions exchanged, and conjugated if complex."""
    return input.mH if input._type.ndim else input.conj()


def _host(name: str, x: Any) -> None:
    if x._value.needs:
        raise GradError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.", where=caller(), fix="detach it first")
    if x._device.type != "cpu":
        raise TypeError(f"{name} is only implemented on CPU tensors")


def _mapped(name: str, x: Any, others: tuple[Any, ...], function: Callable[..., Any]) -> Any:
    """function(element, element of the others...) written to `x`, in Python."""
    _host(name, x)
    d = x._type.dtype
    for other in others:
        if other._type.dtype != d:
            raise TypeError(f"{name}: expected a tensor of {d.name} for 'other' (got {other._type.dtype.name})")
    columns = [buffer_of(x).reshape(-1).tolist(), *(buffer_of(expand(o, x._type.shape)).reshape(-1).tolist() for o in others)]
    found = np.array([function(*row) for row in zip(*columns, strict=True)], d if d.kind not in "iub" else None).astype(d)
    return x.copy_(placed(type(x)._result, found.reshape(x._type.shape)))


def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Sets the elements whose indices are all equal; wrap: in a tall matrix the diagonal goes on below, one row apart.

    Raises ShapeError for a vector, or more than two dimensions of different lengths.
    """
    s = self._type.shape
    if len(s) < 2:
        raise ShapeError("dimensions must larger than 1", where=caller(), fix="give a matrix")
    real_value(self._type.dtype, fill_value)
    if len(s) > 2 and len(set(s)) > 1:
        raise ShapeError("all dimensions of input must be of equal length", where=caller(), fix="give a cube")
    step, inner = 1, 1
    for n in s[:0:-1]:
        inner *= n
        step += inner
    stop = None if wrap or len(s) > 2 else s[1] * s[1]
    if self._type.size:
        flatten(self)[:stop:step] = fill_value
    return self


class MannerMethods:
    """Tensor's methods of this file."""

    __slots__ = ()
    fill_diagonal_, bernoulli, multinomial = fill_diagonal_, bernoulli, multinomial
    unsafe_split_with_sizes = unsafe_split_with_sizes
    _type: Any
    _result: Any
    output_nr, name = 0, None
    is_ipu = is_maia = is_mps = is_mtia = is_vulkan = is_xla = is_xpu = False

    def apply_(self, callable: Callable[[Any], Any]) -> Any:
        """Replaces every element by callable(element), in Python, on the CPU.  Raises GradError if it requires grad."""
        return _mapped("apply_", self, (), callable)

    def map_(self, tensor: Any, callable: Callable[[Any, Any], Any]) -> Any:
        """Replaces every element by callable(element, element of another tensor of the same dtype, broadcast), in Python."""
        return _mapped("map_", self, (tensor,), callable)

    def map2_(self, x: Any, y: Any, callable: Callable[[Any, Any, Any], Any]) -> Any:
        """As map_ with two tensors."""
        return _mapped("map2_", self, (x, y), callable)

    @property
    def is_cpu(self) -> bool:
        """True in host memory."""
        return bool(self._type.device.type == "cpu")

    @property
    def grad_dtype(self) -> Any:
        """The dtype of gradients: the tensor's own."""
        return face_dtype(self._type.dtype)

    def get_device(self) -> int:
        """The index of the CUDA device; -1 for the CPU."""
        device = self._type.device
        return -1 if device.type == "cpu" else int(device.index)

    def is_signed(self) -> bool:
        """True if the dtype holds negative numbers."""
        return face_dtype(self._type.dtype).is_signed

    def is_nonzero(self) -> bool:
        """True if the one element is not 0.  Raises ArgumentError for none or several elements."""
        if self._type.size != 1:
            what = "more than one value" if self._type.size else "no values"
            raise ArgumentError(f"Boolean value of Tensor with {what} is ambiguous", where=caller(), fix="use any() or all()")
        return bool(self)

    def is_same_size(self, other: Any) -> bool:
        """True if both have one shape."""
        return bool(self._type.shape == other._type.shape)

    def is_distributed(self) -> bool:
        """False."""
        return False

    def is_inference(self) -> bool:
        """False: tensors made in inference_mode may take part in derivatives later."""
        return False

    def new(self, *args: Any, device: Any = None) -> Any:
        """`new(2, 3)`, `new(sequence)`: FloatTensor and kin, of this tensor's dtype and device."""
        return made(self._result, args, self._type.dtype, self._type.device)

    def dequantize(self) -> Any:
        """Itself in float32: nothing is quantised."""
        return convert(self, dtype_of("float32"))

    def module_load(self, other: Any, assign: bool = False) -> Any:
        """What load_state_dict puts in this tensor's place: `other` itself if `assign`, else this one with its numbers."""
        return other.detach() if assign else self.copy_(other).detach()  # type: ignore[attr-defined]  # a Tensor's

    def prelu(self, weight: Any) -> Any:
        """See fgrad.prelu."""
        return need("fgrad.nn.functional").prelu(self, weight)

    def hardshrink(self, lambd: float = 0.5) -> Any:
        """See fgrad.hardshrink."""
        return need("fgrad.nn.functional").hardshrink(self, lambd)

    def stft(self, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None, center: bool = True,
             pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None,
             align_to_window: bool | None = None) -> Any:  # fmt: skip
        """See fgrad.stft."""
        return need("fgrad.functions.stft").stft(self, n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex,
                                                 align_to_window)  # fmt: skip

    def istft(self, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None, center: bool = True,
              normalized: bool = False, onesided: bool | None = None, length: int | None = None, return_complex: bool = False) -> Any:  # fmt: skip
        """See fgrad.istft."""
        return need("fgrad.functions.stft").istft(self, n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex)


def _as(kind: str) -> Any:
    def converted(self: Any, memory_format: Any = None) -> Any:
        formatted(self, memory_format)
        return convert(self, dtype_of(kind))

    converted.__doc__ = f"As {kind}."
    return converted


class CastMethods:
    """Tensor's methods named after dtypes."""

    __slots__ = ()
    half, bfloat16, float, double = _as("float16"), _as("bfloat16"), _as("float32"), _as("float64")
    char, short, int, long = _as("int8"), _as("int16"), _as("int32"), _as("int64")
    byte, bool, cfloat, cdouble = _as("uint8"), _as("bool"), _as("complex64"), _as("complex128")
