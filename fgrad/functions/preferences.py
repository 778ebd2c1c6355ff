"""PyTorch's process-wide choices: threads, devices, precision of products, determinism, warnings."""

from __future__ import annotations

import os
import warnings
from typing import Any

from fgrad.backends.numpy.pool import wanted
from fgrad.errors import ArgumentError
from fgrad.functions.call import device_of
from fgrad.ir.apply import caller
from fgrad.ir.types import Device
from fgrad.settings import current, replace

__all__ = [
    "are_deterministic_algorithms_enabled", "compiled_with_cxx11_abi", "get_default_device", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads", "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled", "set_default_device", "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal",
    "set_num_interop_threads", "set_num_threads", "set_warn_always", "use_deterministic_algorithms",
]  # fmt: skip

PRECISIONS = ("highest", "high", "medium")
MODES = ("default", "warn", "error")
_CHOSEN: dict[str, Any] = {"interop": None, "precision": "highest", "mode": 0, "warn_always": False}


def _count(name: str, n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int):
        raise ArgumentError(f"{name} expects an int, but got {type(n).__name__}", where=caller(), fix="pass a whole number")
    if n <= 0:
        raise ArgumentError(f"{name} expects a positive integer", where=caller(), fix="use 1 or more")
    return n


def set_num_threads(int: int) -> None:
    """Threads that kernels and large matrix products use: `settings.num_threads` (small work uses one).  Raises ArgumentError unless 1 or more."""
    replace(num_threads=_count("set_num_threads", int))


def get_num_threads() -> int:
    """Threads of kernels and large matrix products; unless chosen OMP_NUM_THREADS, else the processors the process may use."""
    return wanted()


def set_num_interop_threads(int: int) -> None:
    """Kept for get_num_interop_threads: programs run in the thread that asks for a number."""
    _CHOSEN["interop"] = _count("set_num_interop_threads", int)


def get_num_interop_threads() -> int:
    """What set_num_interop_threads was given; unless it was, the processors."""
    return int(_CHOSEN["interop"] or os.cpu_count() or 1)


def set_default_device(device: Any) -> None:
    """Where creation functions put tensors unless told otherwise: a device or its name; None is the CPU.

    `with device:` is the same for a block.  Raises DeviceError if the device does not answer.

    >>> import fgrad
    >>> with fgrad.device("cpu"):
    ...     fgrad.zeros(2).device
    device(type='cpu')
    """
    replace(default_device=str(device_of(device or "cpu")))


def get_default_device() -> Device:
    """Where creation functions put tensors unless told otherwise."""
    return Device(current().default_device)


def set_float32_matmul_precision(precision: str) -> None:
    """Kept for get_float32_matmul_precision: products of float32 are computed in float32.  Another word than "highest", "high", "medium" warns."""
    if precision not in PRECISIONS:
        warnings.warn(f"{precision} is not one of 'highest', 'high', or 'medium'; the call has no effect.", stacklevel=2)
        return
    _CHOSEN["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was given; "highest" at first."""
    return str(_CHOSEN["precision"])


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Kept for the functions that ask for it: on the CPU the same program gives the same numbers in any case.

    mode: on or off.  warn_only: PyTorch would warn, not raise.  Raises TypeError unless mode is a bool.
    """
    if not isinstance(mode, bool):
        raise TypeError(f"use_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}")
    _CHOSEN["mode"] = 0 if not mode else 1 if warn_only else 2


def are_deterministic_algorithms_enabled() -> bool:
    """True after use_deterministic_algorithms(True)."""
    return bool(_CHOSEN["mode"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """True after use_deterministic_algorithms(True, warn_only=True)."""
    return bool(_CHOSEN["mode"] == 1)


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """use_deterministic_algorithms by number or name: 0 or "default" (off), 1 or "warn", 2 or "error"."""
    if isinstance(debug_mode, bool) or not isinstance(debug_mode, int | str):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    known: Any = MODES if isinstance(debug_mode, str) else (0, 1, 2)
    if debug_mode not in known:
        raise ArgumentError(f"invalid value of debug_mode, expected one of {known}, but got {debug_mode}", where=caller(), fix="use one of these")
    _CHOSEN["mode"] = known.index(debug_mode)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: see set_deterministic_debug_mode."""
    return int(_CHOSEN["mode"])


def set_warn_always(b: bool) -> None:
    """Kept for is_warn_always_enabled: Python's warnings filters decide how often a warning is shown."""
    if not isinstance(b, bool):
        raise ArgumentError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}", where=caller(), fix="pass True or False")
    _CHOSEN["warn_always"] = b


def is_warn_always_enabled() -> bool:
    """What set_warn_always was given; False at first."""
    return bool(_CHOSEN["warn_always"])


def set_flush_denormal(mode: bool) -> bool:
    """False: subnormal numbers are computed with, and that cannot be changed."""
    return False


def compiled_with_cxx11_abi() -> bool:
    """True, as in every recent PyTorch."""
    return True
