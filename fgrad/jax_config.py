"""jax.config and its context managers: the choices that have a meaning here, and those that change nothing. `fgrad.<name>` finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fgrad.eager import engine
from fgrad.eager.tape import THREAD, Interned, Tape
from fgrad.errors import ArgumentError, DeviceError
from fgrad.ir.apply import caller
from fgrad.ir.types import CPU
from fgrad.settings import current, replace, use

__all__ = [
    "check_tracer_leaks", "checking_leaks", "config", "debug_infs", "debug_nans", "default_device", "default_matmul_precision", "disable_jit",
    "enable_x64", "ensure_compile_time_eval", "log_compiles", "numpy_dtype_promotion", "numpy_rank_promotion",
]  # fmt: skip
IDLE = {  # names that change nothing here -> JAX's default
    "jax_check_tracer_leaks": False, "jax_compilation_cache_dir": None, "jax_default_matmul_precision": None, "jax_default_prng_impl": "threefry2x32",
    "jax_enable_checks": False, "jax_enable_custom_prng": False, "jax_log_compiles": False, "jax_persistent_cache_min_compile_time_secs": 1.0,
    "jax_threefry_partitionable": True, "jax_traceback_filtering": "auto", "jax_transfer_guard": "allow", "jax_explain_cache_misses": False,
}  # fmt: skip
ONLY = {  # names with one choice here
    "jax_numpy_dtype_promotion": ("standard",), "jax_numpy_rank_promotion": ("allow",), "jax_platform_name": ("cpu", ""), "jax_platforms": ("cpu", None, ""),
    "jax_default_device": (CPU, None),
}  # fmt: skip


@contextmanager
def enable_x64(new_val: bool = True) -> Iterator[None]:
    """Python floats become float64 in a block (float32 for False); whole numbers are int64 anyway.

    >>> import fgrad, fgrad.numpy as jnp
    >>> with fgrad.enable_x64():
    ...     print(jnp.array(0.1).dtype)
    float64
    """
    with use(default_dtype="float64" if new_val else "float32"):
        yield


@contextmanager
def disable_jit(disable: bool = True) -> Iterator[None]:
    """What jit, scan, while_loop, fori_loop, cond and switch are given runs as the Python it is, so that it can print and branch.

    >>> import fgrad
    >>> with fgrad.disable_jit():
    ...     print(fgrad.jit(lambda x: "up" if x > 0 else "down")(1.0))
    up
    """
    with use(jit=not disable):
        yield


def _refusing(name: str, on: bool) -> tuple[str, ...]:
    return tuple(n for n in ("nan", "inf") if (on if n == name else n in current().refuse))


@contextmanager
def _refused(name: str, on: bool) -> Iterator[None]:
    with use(refuse=_refusing(name, on)):
        yield
        if not THREAD.tape.tracing:
            engine.flush(THREAD.tape)  # what was asked for inside is held against the rule of inside


@contextmanager
def debug_nans(enable: bool = True) -> Iterator[None]:
    """A NaN among the results of a program is a FloatingPointError, when they are computed.

    >>> import fgrad, fgrad.numpy as jnp
    >>> with fgrad.debug_nans(True):
    ...     jnp.log(jnp.array(-1.0)).item()
    Traceback (most recent call last):
    ...
    FloatingPointError: invalid value (nan) encountered in a result of type float32[]
    """
    with _refused("nan", enable):
        yield


@contextmanager
def debug_infs(enable: bool = True) -> Iterator[None]:
    """debug_nans for infinite numbers."""
    with _refused("inf", enable):
        yield


@contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """What is computed from known numbers inside a recorded function is computed now, so that it can be read.

    >>> import fgrad, fgrad.numpy as jnp
    >>> def f(x):
    ...     with fgrad.ensure_compile_time_eval():
    ...         n = int(jnp.arange(4).sum())
    ...     return x * n
    >>> float(fgrad.jit(f)(2.0))
    12.0
    """
    outer = THREAD.tape
    if not outer.tracing:
        yield
        return
    THREAD.tape = Tape(Interned(), smooth=THREAD.grad)
    try:
        yield
        engine.flush(THREAD.tape)
    finally:
        THREAD.tape = outer


@contextmanager
def default_device(device: Any = None) -> Iterator[None]:
    """Nothing for the CPU (or None), where arrays are made. Raises DeviceError for others: device_put moves an array there."""
    if device not in (None, CPU, "cpu"):
        raise DeviceError(f"default_device({device!r})", where=caller(), fix="put arrays there with device_put, or give device=")
    yield


def _idle(name: str, default: Any) -> Any:
    @contextmanager
    def context(value: Any = default) -> Iterator[None]:
        before = getattr(config, name)
        config.update(name, value)
        try:
            yield
        finally:
            config.update(name, before)

    context.__name__ = name.removeprefix("jax_")
    context.__doc__ = f"`config.{name}` in a block."
    return context


class Config:
    """jax.config's counterpart: `update(name, value)`, `read(name)`, or an attribute."""

    def __init__(self) -> None:
        self._idle = {**IDLE, **{name: values[-1] for name, values in ONLY.items()}}

    @property
    def values(self) -> dict[str, Any]:
        """All names with their values."""
        now = current()
        return {**self._idle, "jax_enable_x64": now.default_dtype == "float64", "jax_disable_jit": not now.jit,
                "jax_debug_nans": "nan" in now.refuse, "jax_debug_infs": "inf" in now.refuse}  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.values:
            raise AttributeError(f"'Config' object has no attribute {name!r}")
        return self.values[name]

    @property
    def x64_enabled(self) -> bool:
        """jax_enable_x64."""
        return current().default_dtype == "float64"

    def read(self, name: str) -> Any:
        """A value. Raises AttributeError for names that are not there."""
        return getattr(self, name)

    def update(self, name: str, value: Any) -> None:
        """Sets "jax_enable_x64", "jax_disable_jit", "jax_debug_nans", "jax_debug_infs", or a name that changes nothing here.

        Raises ConfigError (AttributeError, ValueError) for names that are not there and for values that have no meaning here.
        """
        if name == "jax_enable_x64":
            replace(default_dtype="float64" if value else "float32")
        elif name == "jax_disable_jit":
            replace(jit=not value)
        elif name in ("jax_debug_nans", "jax_debug_infs"):
            replace(refuse=_refusing(name[10:-1], bool(value)))
        elif name in IDLE or value in ONLY.get(name, ()):
            self._idle[name] = value
        else:
            raise ConfigError(f"config.update({name!r}, {value!r}) has no meaning here", where=caller(),
                              fix="see fgrad.settings for compilation, device= for where arrays are")  # fmt: skip


class ConfigError(ArgumentError, AttributeError):
    """A choice that is not there."""


config = Config()
check_tracer_leaks = checking_leaks = _idle("jax_check_tracer_leaks", True)
default_matmul_precision = _idle("jax_default_matmul_precision", None)
log_compiles = _idle("jax_log_compiles", True)
numpy_dtype_promotion = _idle("jax_numpy_dtype_promotion", "standard")
numpy_rank_promotion = _idle("jax_numpy_rank_promotion", "allow")
