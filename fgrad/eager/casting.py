"""Automatic mixed precision: which dtype an operation computes in while autocast is on. A mode of the thread, as grad is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.operands import convert
from fgrad.eager.tape import THREAD
from fgrad.ir.dtypes import Dtype, is_inexact

KINDS = ("cpu", "cuda")
USED = False  # True once any thread has switched casting on: until then nothing is asked
# primitives that lose too much in half precision where float32 is cheap
WIDE_ON_CUDA = frozenset("acos asin cosh erfinv exp expm1 log log10 log2 log1p rsqrt sinh tan".split())
FLOAT32 = np.dtype("float32")


class Casting(NamedTuple):
    """The dtype of matrix products and convolutions on each kind of device; None: left alone."""

    cpu: Dtype | None = None
    cuda: Dtype | None = None


def switch(state: Casting | None) -> Casting | None:
    """Puts a state in force for this thread; returns the former one."""
    global USED
    before: Casting | None = THREAD.casting
    THREAD.casting = state
    USED = USED or state is not None
    return before


def target(x: Any) -> Dtype | None:
    """What products on the device of `x` compute in, if casting is on there."""
    state: Casting | None = THREAD.casting
    return None if state is None else getattr(state, x._type.device.type, None)


def eligible(x: Any) -> bool:
    """True for real floating tensors but float64."""
    return isinstance(x, Cell) and is_inexact(x._type.dtype) and x._type.dtype.kind != "c" and x._type.dtype.itemsize < 8


def cast(x: Any, d: Dtype) -> Any:
    """Eligible tensors, also those in lists and tuples, in dtype `d`; anything else as it is."""
    if isinstance(x, list | tuple) and not hasattr(x, "_fields"):
        return type(x)([cast(y, d) for y in x])
    return convert(x, d) if eligible(x) else x


def lower(*xs: Any, on: tuple[str, ...] = KINDS) -> tuple[Any, ...]:
    """Operands of a product: in the low precision, if casting is on for their kind of device."""
    if not USED or THREAD.casting is None:
        return xs
    x = first(xs)
    d = target(x) if x is not None and x._type.device.type in on else None
    return xs if d is None else tuple([cast(x, d) for x in xs])


def widen(x: Any, on: tuple[str, ...] = ("cuda",)) -> Any:
    """An operand of a function that loses too much in low precision, in float32 if casting is on for such a device."""
    if not USED or THREAD.casting is None or not isinstance(x, Cell) or x._type.device.type not in on or target(x) is None:
        return x
    return cast(x, FLOAT32)


def widest(*xs: Any) -> tuple[Any, ...]:
    """Operands that must share a dtype: in float32 if casting is on and one of them is."""
    x = first(xs)
    if not USED or THREAD.casting is None or target(x) is None or not any(eligible(t) and t._type.dtype == FLOAT32 for t in xs):
        return xs
    return tuple([cast(t, FLOAT32) for t in xs])


def first(xs: Any) -> Any:
    """The first tensor among arguments."""
    for x in xs:
        found = first(x) if isinstance(x, list | tuple) else x
        if isinstance(found, Cell):
            return found
    return None


def full_precision(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For functions that compute in float32 while casting is on for such a device."""

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(f)
        def run(*args: Any, **kwargs: Any) -> Any:
            if not USED or THREAD.casting is None:
                return f(*args, **kwargs)
            x = first((*args, *kwargs.values()))
            if x is None or x._type.device.type not in kinds or target(x) is None:
                return f(*args, **kwargs)
            args = tuple([cast(a, FLOAT32) for a in args])
            return f(*args, **{k: v if k == "out" else cast(v, FLOAT32) for k, v in kwargs.items()})

        return run

    return decorate
