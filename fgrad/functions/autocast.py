"""PyTorch's automatic mixed precision: the context, its switches, and what custom functions say about it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from fgrad.backends import devices
from fgrad.eager import casting
from fgrad.eager.casting import Casting, cast
from fgrad.eager.tape import THREAD
from fgrad.functions.dtypes import as_numpy, bfloat16, dtype, face_dtype, float16

__all__ = [
    "autocast", "clear_autocast_cache", "get_autocast_cpu_dtype", "get_autocast_dtype", "get_autocast_gpu_dtype",
    "is_autocast_available", "is_autocast_cache_enabled", "is_autocast_cpu_enabled", "is_autocast_enabled",
    "set_autocast_cache_enabled", "set_autocast_cpu_dtype", "set_autocast_cpu_enabled", "set_autocast_dtype",
    "set_autocast_enabled", "set_autocast_gpu_dtype",
]  # fmt: skip

_CHOSEN: dict[str, dtype] = {"cpu": bfloat16, "cuda": float16}  # what autocast uses where none is named
_CACHE = [True]  # accepted: one recording converts a weight once in any case


def is_autocast_available(device_type: str) -> bool:
    """True for the kinds of device autocast knows: "cpu" and "cuda"."""
    return device_type in casting.KINDS


def _known(device_type: Any) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if not is_autocast_available(device_type):
        raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'; use 'cpu' or 'cuda'")
    return device_type


class autocast:  # noqa: N801  # PyTorch's name
    """A block, or every call of a decorated function, in which products of matrices and convolutions compute in low precision.

    device_type: "cpu" or "cuda", the kind of device whose operations are meant.  dtype: bfloat16 or float16 (default:
    `get_autocast_dtype(device_type)`: bfloat16 on the CPU, float16 on a GPU).  enabled: False switches it off within a
    block where it is on.  cache_enabled: accepted.  Losses, linear algebra and transforms get float32; everything else
    takes the dtype that comes.  float64 and integers are left alone, parameters stay float32, and so do their gradients.

    >>> import fgrad
    >>> x = fgrad.ones(2, 2)
    >>> with fgrad.autocast("cpu"):
    ...     y = x @ x
    >>> y.dtype, (y.float() + x).dtype
    (fgrad.bfloat16, fgrad.float32)
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None) -> None:
        self.device = _known(device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if enabled and device_type == "cpu" and self.fast_dtype not in (bfloat16, float16):
            warnings.warn("In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast only supports "
                          "dtype of torch.bfloat16, torch.float16 currently.", stacklevel=2)  # fmt: skip
            enabled = False
        if enabled and device_type == "cuda" and not devices.count():
            warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling", stacklevel=2)
            enabled = False
        self._enabled = enabled
        self._before: list[Casting | None] = []

    def __enter__(self) -> autocast:
        self._before.append(_set(self.device, self._enabled, self.fast_dtype))
        return self

    def __exit__(self, *error: object) -> None:
        casting.switch(self._before.pop())

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """`f` whose calls run with autocast."""

        @wraps(f)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return f(*args, **kwargs)

        return run


def _set(device_type: str, enabled: bool, kind: Any) -> Casting | None:
    now = (THREAD.casting or Casting())._replace(**{device_type: as_numpy(kind) if enabled else None})
    return casting.switch(now if any(now) else None)


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """True if autocast is on in this thread for that kind of device."""
    return getattr(THREAD.casting or Casting(), _known(device_type)) is not None


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switches autocast on or off in this thread until it is switched again; with one argument, for "cuda"."""
    kind, on = ("cuda", bool(device_type)) if enabled is None else (_known(device_type), enabled)
    _set(kind, on, _CHOSEN[kind])


def get_autocast_dtype(device_type: str) -> dtype:
    """The low precision that autocast takes on that kind of device if none is named."""
    on = getattr(THREAD.casting or Casting(), _known(device_type))
    return _CHOSEN[device_type] if on is None else face_dtype(on)


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Chooses that precision."""
    _CHOSEN[_known(device_type)] = dtype


def is_autocast_cpu_enabled() -> bool:
    """`is_autocast_enabled("cpu")`."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """`set_autocast_enabled("cpu", enabled)`."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> dtype:
    """`get_autocast_dtype("cpu")`."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """`set_autocast_dtype("cpu", dtype)`."""
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> dtype:
    """`get_autocast_dtype("cuda")`."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """`set_autocast_dtype("cuda", dtype)`."""
    set_autocast_dtype("cuda", dtype)


def is_autocast_cache_enabled() -> bool:
    """What was last set; see `set_autocast_cache_enabled`."""
    return _CACHE[0]


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Accepted: a recording converts a weight once, whether asked to or not."""
    _CACHE[0] = enabled


def clear_autocast_cache() -> None:
    """Accepted: there is nothing to clear."""


def custom_fwd(fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """For `forward` of a Function: with cast_inputs, floating tensors come in that dtype and autocast is off inside."""
    if fwd is None:
        return lambda f: custom_fwd(f, device_type=device_type, cast_inputs=cast_inputs)

    @wraps(fwd)
    def run(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        on = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = on and cast_inputs is None
        if not on or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        kind = as_numpy(cast_inputs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *[cast(a, kind) for a in args], **{k: cast(v, kind) for k, v in kwargs.items()})

    return run


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """For `backward` of a Function whose forward has `custom_fwd`: it runs in the autocast state of forward."""
    if bwd is None:
        return lambda f: custom_bwd(f, device_type=device_type)

    @wraps(bwd)
    def run(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return run
