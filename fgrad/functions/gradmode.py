"""no_grad and its relatives, as context managers and decorators."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from fgrad.eager import mode
from fgrad.eager.tape import THREAD

__all__ = [
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip


class _Mode:
    """A grad mode for a block, or for every call of a decorated function."""

    on = False

    def __init__(self, orig_func: Callable[..., Any] | None = None) -> None:
        self._before: list[bool] = []

    def __new__(cls, orig_func: Any = None) -> Any:
        if callable(orig_func):
            return cls()(orig_func)
        return object.__new__(cls)

    def __enter__(self) -> None:
        self._before.append(mode.set_grad(self.on))

    def __exit__(self, *error: object) -> None:
        mode.set_grad(self._before.pop())

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(f):
            return self._generator(f)

        @wraps(f)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return f(*args, **kwargs)

        return run

    def _generator(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """A generator in this mode: set while its own code runs, not while its caller's does."""

        @wraps(f)
        def run(*args: Any, **kwargs: Any) -> Any:
            made = f(*args, **kwargs)
            resume, given = made.send, None
            while True:
                try:
                    with self:
                        found = resume(given)
                except StopIteration as end:
                    return end.value
                try:
                    resume, given = made.send, (yield found)
                except GeneratorExit:
                    with self:
                        made.close()
                    raise
                except BaseException as error:  # noqa: BLE001  # what the caller throws is the generator's to handle
                    resume, given = made.throw, error

        return run


class no_grad(_Mode):  # noqa: N801  # PyTorch's names
    """Operations inside are cut off from derivatives."""


class enable_grad(_Mode):  # noqa: N801
    """Operations inside are recorded for derivatives, even within no_grad."""

    on = True


class inference_mode(_Mode):  # noqa: N801
    """no_grad that also says so: `is_inference_mode_enabled()`; `inference_mode(False)` records again."""

    def __new__(cls, mode: Any = True) -> Any:  # noqa: D102
        if callable(mode):
            return cls()(mode)
        made = object.__new__(cls)
        made.on = not mode
        return made

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self._inference: list[bool] = []

    def __enter__(self) -> None:
        super().__enter__()
        self._inference.append(THREAD.inference)
        THREAD.inference = not self.on

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        THREAD.inference = self._inference.pop()


class set_grad_enabled(_Mode):  # noqa: N801
    """Sets the mode at once; as a context manager puts the former one back."""

    def __new__(cls, mode: bool) -> Any:  # noqa: D102
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.on = bool(mode)
        self._first: bool | None = _set(self.on)

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:  # noqa: D102  # as its base's
        if self._first is not None:  # decorating: the mode is for the function's calls alone
            _set(self._first)
            self._first = None
        return super().__call__(f)

    def __enter__(self) -> None:
        if self._first is None:
            super().__enter__()
        else:
            self._before.append(self._first)
            self._first = None


def _set(on: bool) -> bool:
    return mode.set_grad(on)


def is_grad_enabled() -> bool:
    """True if derivatives are being recorded."""
    return mode.grad_enabled()


def is_inference_mode_enabled() -> bool:
    """True inside inference_mode."""
    return THREAD.inference
