"""PyTorch's compiler namespace: what a program may ask or say about `compile`, which records functions and knows no other backend."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.tape import THREAD
from fgrad.errors import ArgumentError, TraceError
from fgrad.functions.compiled import compile
from fgrad.functions.compiled import stance as change
from fgrad.functions.creation import from_numpy
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "get_default_backend", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "nested_compile_region", "reset", "set_default_backend", "set_stance", "wrap_numpy",
]  # fmt: skip

STANCES = ("default", "force_eager", "eager_on_recompile", "fail_on_recompile", "eager_then_compile", "aot_eager_then_compile")


def is_compiling() -> bool:
    """True inside functions given to `compile`."""
    return THREAD.compiling > 0


def is_dynamo_compiling() -> bool:
    """As is_compiling."""
    return is_compiling()


def is_exporting() -> bool:
    """False: nothing here is export."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """A function that `compile` does not record: a compiled function that calls it runs uncompiled, as `explain()` says.

    With fullgraph=True that is a TraceError. Also as `@disable()`.
    """
    if fn is None:
        return lambda f: disable(f, recursive, reason=reason)

    @functools.wraps(fn)
    def uncompiled(*args: Any, **kwargs: Any) -> Any:
        if is_compiling() and THREAD.tape.tracing:
            why = f": {reason}" if reason else ""
            raise TraceError(f"{getattr(fn, '__name__', fn)} is marked compiler.disable{why}", where=caller(), fix="call it outside, or compile without fullgraph")
        depth, THREAD.compiling = THREAD.compiling, 0
        try:
            return fn(*args, **kwargs)
        finally:
            THREAD.compiling = depth

    return uncompiled


def _itself(fn: Any) -> Any:
    return fn


def allow_in_graph(fn: Any) -> Any:
    """The function itself: recording goes through all functions."""
    return fn


def assume_constant_result(fn: Any) -> Any:
    """The function itself: what it returns without tensors is a constant of the recording anyway."""
    return fn


def wrap_numpy(fn: Any) -> Any:
    """The function for tensors: fn gets and returns NumPy arrays, outside of recordings and derivatives."""

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = tree.flatten((args, kwargs))
        args, kwargs = tree.restore(spec, [x.numpy() if isinstance(x, Tensor) else x for x in leaves])
        leaves, spec = tree.flatten(fn(*args, **kwargs))
        return tree.restore(spec, [from_numpy(x) if isinstance(x, np.ndarray) else x for x in leaves])

    return wrapped


def nested_compile_region(fn: Any = None, **options: Any) -> Any:
    """The function itself: equal parts of programs are compiled once anyway."""
    return _itself if fn is None else fn


def cudagraph_mark_step_begin() -> None:
    """Accepted: there are no CUDA graphs that could be overwritten."""


def reset() -> None:
    """Accepted: recordings belong to the functions `compile` returns and go with them."""


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """["fgrad"]."""
    return ["fgrad"]


def get_default_backend() -> str:
    """ "fgrad"."""
    return "fgrad"


def set_default_backend(backend: Any) -> None:
    """Accepted, as every backend named to `compile` is."""


class set_stance:  # noqa: N801  # PyTorch's name
    """What compiled functions do from now on, in a `with` block, or during a decorated function.

    "default": record and run.  "force_eager": run uncompiled.  "eager_on_recompile": uncompiled for types of arguments not
    met before.  "fail_on_recompile": ArgumentError for those.  The other stances of PyTorch are "default".
    """

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None) -> None:
        if stance not in STANCES:
            raise ArgumentError(f"invalid stance {stance!r}", where=caller(), fix=f"use one of {', '.join(STANCES)}")
        self._stance = stance
        self._before = [change(stance)]

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates: the stance is for the function's calls alone."""
        change(self._before.pop())

        @functools.wraps(fn)
        def run(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self._stance):
                return fn(*args, **kwargs)

        return run

    def __enter__(self) -> None:
        if not self._before:
            self._before.append(change(self._stance))

    def __exit__(self, *error: object) -> None:
        change(self._before.pop())
