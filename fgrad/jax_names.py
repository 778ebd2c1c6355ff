"""Names of JAX's top level that are short here: devices, waiting, custom gradients. `fgrad.<name>` finds them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import fgrad.numpy as jnp
from fgrad import __version__, tree
from fgrad.backends import devices as place
from fgrad.eager.cell import Cell
from fgrad.eager.custom import custom_vjp
from fgrad.eager.grad import jacrev, vjp
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, DeviceError
from fgrad.ir.apply import caller
from fgrad.ir.types import CPU, Device, TensorType

__all__ = [
    "Array", "Device", "block_until_ready", "clear_caches", "closure_convert", "copy_to_host_async", "custom_gradient", "default_backend", "device_count",
    "device_get", "device_put", "devices", "effects_barrier", "jacobian", "linear_transpose", "local_device_count", "local_devices", "named_call",
    "named_scope", "print_environment_info", "process_count", "process_index", "process_indices", "typeof",
]  # fmt: skip

Array = jnp.ndarray
jacobian = jacrev


def devices(backend: str | None = None) -> list[Device]:
    """The devices there are: those of "cuda" ("gpu") if any, else the CPU; or those of the backend named. Raises DeviceError for none."""
    found = [Device("cuda", i) for i in range(_cuda_count())]
    if backend in (None, "cpu"):
        return found if backend is None and found else [CPU]
    if backend not in ("cuda", "gpu") or not found:
        raise DeviceError(f"there is no device of backend {backend!r}", where=caller(), fix="use 'cpu', or a machine with a GPU")
    return found


def _cuda_count() -> int:
    try:
        return int(place.library(Device("cuda")).cuda.runtime.getDeviceCount())
    except Exception:  # noqa: BLE001  # no CuPy, no driver, no device: each raises its own class
        return 0


def local_devices(process_index: int | None = None, backend: str | None = None) -> list[Device]:
    """devices(): one process has them all."""
    return devices(backend)


def device_count(backend: str | None = None) -> int:
    """len(devices())."""
    return len(devices(backend))


def local_device_count(backend: str | None = None) -> int:
    """len(devices())."""
    return len(devices(backend))


def process_index(backend: str | None = None) -> int:
    """0."""
    return 0


def process_count(backend: str | None = None) -> int:
    """1."""
    return 1


def process_indices(backend: str | None = None) -> list[int]:
    """[0]."""
    return [0]


def default_backend() -> str:
    """"gpu" or "cpu"."""
    return "gpu" if _cuda_count() else "cpu"


def device_put(x: Any, device: Any = None, *, src: Any = None, donate: bool = False, may_alias: bool | None = None) -> Any:
    """A tree of numbers and arrays as arrays on a device; where they are if None.

    >>> import fgrad
    >>> fgrad.device_put({"a": [1.0, 2.0]})["a"][1]
    Array(2., dtype=float32)
    """
    return tree.map(lambda v: jnp.asarray(v, device=device), x)


def device_get(x: Any) -> Any:
    """A tree of arrays as NumPy arrays."""
    return tree.map(lambda v: np.asarray(v) if isinstance(v, Cell) else v, x)


def block_until_ready(x: Any) -> Any:
    """A tree itself, its arrays computed."""
    for v in (x,) if isinstance(x, Cell) else tree.leaves(x):
        if isinstance(v, Cell):
            buffer_of(v)
    return x


def copy_to_host_async(x: Any) -> Any:
    """A tree itself: reading an array copies it."""
    return x


def print_environment_info(return_string: bool = False) -> str | None:
    """Prints (or returns) the versions of what computes here; `fgrad doctor` says more."""
    text = f"fgrad:  {__version__}\nnumpy:  {np.__version__}\npython: {sys.version}\ndevice info: {devices()}\n"
    if return_string:
        return text
    sys.stdout.write(text)
    return None


def effects_barrier() -> None:
    """Nothing: effects happen in order."""


def clear_caches() -> None:
    """Nothing: programs that are not used any more are dropped by themselves."""


def typeof(x: Any) -> TensorType:
    """The type of an array or a number: its `shape` and `dtype`, printed as float32[2,3]."""
    kind: TensorType = jnp.asarray(x)._type
    return kind


def named_call(fun: Callable[..., Any], *, name: str | None = None) -> Callable[..., Any]:
    """`fun` itself: nodes know their file and line."""
    return fun


@contextmanager
def named_scope(name: str) -> Iterator[None]:
    """Nothing: nodes know their file and line. A name that is no text is a TypeError."""
    if not isinstance(name, str):
        raise TypeError(f"named_scope takes a text, found {type(name).__name__}")
    yield


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose `fun(*args)` returns (value, gradient function): that maps the cotangent to those of the arguments.

    >>> import fgrad
    >>> @fgrad.custom_gradient
    ... def f(x):
    ...     return x**2, lambda g: (g * x,)
    >>> float(fgrad.grad(f)(3.0))
    3.0
    """

    def value(*args: Any) -> Any:
        return fun(*args)[0]

    def forward(*args: Any) -> tuple[Any, Any]:
        return fun(*args)[0], args

    def backward(args: Any, ct: Any) -> Any:
        found = fun(*args)[1](ct)
        return found if isinstance(found, tuple | list) else (found,)

    value.__name__, value.__doc__ = getattr(fun, "__name__", "custom_gradient"), fun.__doc__
    wrapped = custom_vjp(value)
    wrapped.defvjp(forward, lambda args, ct: tuple(backward(args, ct)))
    return wrapped


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """(a function of (*args, *constants), constants): what `fun` closes over counts as part of it here, so that there are none."""
    return fun, []


def linear_transpose(fun: Callable[..., Any], *primals: Any, reduce_axes: tuple[str, ...] = ()) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function: cotangent of the result -> cotangents of the arguments. primals: arrays or their types.

    >>> import fgrad, fgrad.numpy as jnp
    >>> m = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    >>> fgrad.linear_transpose(lambda x: m @ x, jnp.ones(2))(jnp.array([1.0, 0.0]))[0]
    Array([1., 2.], dtype=float32)
    """
    zeros = [tree.map(lambda p: jnp.zeros(p.shape, p.dtype), p) for p in primals]
    if not zeros:
        raise ArgumentError("linear_transpose of no arguments", where=caller(), fix="give examples of them")
    pull = vjp(fun, *zeros)[1]
    return lambda ct: tuple(pull(ct))
