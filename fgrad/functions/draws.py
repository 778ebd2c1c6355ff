"""PyTorch's draws that fill a tensor: exponential, geometric, Cauchy and log-normal distributions, whole numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.eager.views import write
from fgrad.errors import ArgumentError, DtypeError
from fgrad.functions.call import compose, convert
from fgrad.functions.random import integer_values, normal_values, uniform_values
from fgrad.ir.apply import caller
from fgrad.ir.graph import Value
from fgrad.primitives.arithmetic import ceil, maximum
from fgrad.primitives.shape import number
from fgrad.primitives.transcendental import exp, log1p, tan


def _positive(name: str, **given: float) -> None:
    for k, v in given.items():
        if not v > 0:
            raise ArgumentError(f"{name} expects {k} > 0.0, but found {k}={v}", where=caller(), fix=f"use a positive {k}")


def _uniform(x: Any, generator: Any) -> Any:
    """Numbers of [0, 1) in the shape and at least float32 of the tensor."""
    d = x._type.dtype if x._type.dtype.name in ("float32", "float64") else np.dtype("float32")
    return uniform_values(type(x)._result, x._type.shape, 0.0, 1.0, generator, d, x._device)


def _filled(x: Any, y: Any) -> Any:
    return write(x, convert(y, x._type.dtype))


def _floats(name: str, x: Any) -> None:
    if x._type.dtype.kind not in "fV":
        raise DtypeError(f'"{name}" not implemented for {x.dtype}', where=caller(), fix="fill a float tensor")


def _exponential(u: Value, *, rate: float) -> Any:
    return log1p(-u) * number(-1 / rate, u)


def _geometric(u: Value, *, p: float) -> Any:
    one = number(1, u)
    return maximum(ceil(log1p(-u) * number(1 / math.log1p(-p) if p < 1 else 0.0, u)), one)


def _cauchy(u: Value, *, median: float, sigma: float) -> Any:
    return number(median, u) + number(sigma, u) * tan((u - number(0.5, u)) * number(math.pi, u))


def _log_normal(z: Value) -> Any:
    return exp(z)


def exponential_(self: Any, lambd: float = 1, *, generator: Any = None) -> Any:
    """Fills with draws of density lambd exp(-lambd x), x > 0."""
    _floats("exponential_", self)
    _positive("exponential_", lambd=lambd)
    return _filled(self, compose(_exponential, _uniform(self, generator), rate=float(lambd)))


def geometric_(self: Any, p: float, *, generator: Any = None) -> Any:
    """Fills with the number of trials until the first success of probability `p`: 1, 2, ..."""
    if not 0 < p < 1:
        raise ArgumentError(f"geometric_ expects p to be in (0, 1), but got p={p}", where=caller(), fix="use a probability")
    return _filled(self, compose(_geometric, _uniform(self, generator), p=float(p)))


def cauchy_(self: Any, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Any:
    """Fills with draws of density sigma / (pi (sigma^2 + (x - median)^2))."""
    _floats("cauchy_", self)
    _positive("cauchy_", sigma=sigma)
    return _filled(self, compose(_cauchy, _uniform(self, generator), median=float(median), sigma=float(sigma)))


def log_normal_(self: Any, mean: float = 1, std: float = 2, *, generator: Any = None) -> Any:
    """Fills with exp of normal draws of this mean and standard deviation."""
    _floats("log_normal_", self)
    _positive("log_normal_", std=std)
    d = self._type.dtype if self._type.dtype.name in ("float32", "float64") else np.dtype("float32")
    return _filled(self, compose(_log_normal, normal_values(type(self)._result, self._type.shape, mean, std, generator, d, self._device)))


def _largest(d: Any) -> int:
    """The whole numbers of a dtype that PyTorch's random_ draws from, plus one."""
    digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53, "bool": 1}
    return 1 << digits[d.name] if d.name in digits else int(np.iinfo(d).max)


def random_(self: Any, from_: int = 0, to: int | None = None, *, generator: Any = None) -> Any:
    """Fills with whole numbers of [from, to), or [0, to) if one number is given, by default all that the dtype holds."""
    low, high = (0, from_) if to is None and from_ else (from_, _largest(self._type.dtype) if to is None else to)
    drawn = integer_values(type(self)._result, self._type.shape, low, high, generator, None, self._device)
    return _filled(self, drawn)


class DrawMethods:
    """Tensor's methods of these draws."""

    __slots__ = ()
    exponential_, geometric_, cauchy_, log_normal_, random_ = exponential_, geometric_, cauchy_, log_normal_, random_
