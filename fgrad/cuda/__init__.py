"""PyTorch's cuda namespace. Nothing is imported until it is asked for."""

from __future__ import annotations

from typing import Any

from fgrad.backends import devices
from fgrad.cuda import amp as amp
from fgrad.eager import generator
from fgrad.functions.legacy import named

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor", "amp", "current_device", "device_count", "empty_cache", "get_device_name", "is_available", "manual_seed", "manual_seed_all",
    "memory_allocated", "synchronize",
]  # fmt: skip

FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor = (named(k, "cuda") for k in ("float32", "float64", "float16", "bfloat16"))
LongTensor, IntTensor, ShortTensor, CharTensor = (named(k, "cuda") for k in ("int64", "int32", "int16", "int8"))
ByteTensor, BoolTensor = named("uint8", "cuda"), named("bool", "cuda")


def is_available() -> bool:
    """True if CuPy is installed and a CUDA device answers."""
    return device_count() > 0


def device_count() -> int:
    """Number of CUDA devices that answer."""
    return devices.count()


def current_device() -> int:
    """The index of the current device."""
    return devices.current()


def get_device_name(device: Any = None) -> str:
    """The device's name."""
    return devices.name(device)


def synchronize(device: Any = None) -> None:
    """Waits for the device's queued work."""
    devices.synchronize(device)


def empty_cache() -> None:
    """Gives the pool's unused memory back."""
    devices.empty_cache()


def memory_allocated(device: Any = None) -> int:
    """Bytes of the device that arrays hold now."""
    return devices.memory(device)


def manual_seed(seed: int) -> None:
    """fgrad.manual_seed: one stream of random bits serves every device."""
    generator.manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """As manual_seed."""
    generator.manual_seed(seed)
