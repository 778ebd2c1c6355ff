"""One operation as a row of the table: how it is called, on what, and which checks make sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

DTYPES = ("float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool", "complex64")


class Of(NamedTuple):
    """An operand that is not drawn in the row's dtype: integers of [low, high), bools, or a given array."""

    shape: tuple[int, ...]
    dtype: str = "int64"
    low: float = 0
    high: float = 2


class Row(NamedTuple):
    """`name` is a path below torch, `args` and `options` follow the operands."""

    name: str
    operands: tuple[Any, ...] = ((3, 4),)  # shapes, or `Of`
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    low: float = -2.0
    high: float = 2.0
    call: Callable[..., Any] | None = None  # (namespace, *operands) -> results, instead of `name(*operands, *args, **options)`
    label: str = ""
    grad: bool = True
    second: bool = True
    tol: float = 1.0  # times the tolerance of the dtype
    without: tuple[str, ...] = ()  # dtypes that are not compared; say why beside it
    empty: bool = True  # are empty and 0-d operands compared
    layout: bool = True
    jit: bool = True
    family: str = ""  # the file it stands in
    distinct: bool = False  # draw all different numbers (no ties)

    @property
    def id(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    def run(self, t: Any, xs: list[Any]) -> Any:
        if self.call is not None:
            return self.call(t, *xs)
        f = t
        for part in self.name.split("."):
            f = getattr(f, part)
        return f(*xs, *self.args, **self.options)

    def draw(self, dtype: str, seed: int = 0, shapes: Any = None) -> list[Any]:
        """Operands as NumPy arrays; bfloat16 as float32 that it can hold."""
        rng = np.random.default_rng(seed + len(self.id))
        return [self.one(rng, o, dtype) for o in (self.operands if shapes is None else shapes)]

    def one(self, rng: np.random.Generator, o: Any, dtype: str) -> Any:
        low, high = self.low, self.high
        if isinstance(o, Of):
            if o.dtype == "bool":
                return rng.integers(0, 2, o.shape).astype(bool)
            if o.dtype.startswith(("int", "uint")):
                return rng.integers(int(o.low), int(o.high), o.shape).astype(o.dtype)
            return rng.uniform(o.low, o.high, o.shape).astype(o.dtype)
        if dtype == "bool":
            return rng.integers(0, 2, o).astype(bool)
        if dtype in ("int64", "int32", "uint8"):
            first = max(0, int(np.ceil(low))) if dtype == "uint8" else int(np.ceil(low))
            return rng.integers(first, max(int(np.floor(high)), first) + 1, o).astype(dtype)
        x = rng.uniform(low, high, o)
        if self.distinct:
            n = int(np.prod(o))
            x = np.asarray(low + (high - low) * (rng.permutation(n) + 0.5) / max(n, 1)).reshape(o)
        if dtype == "complex64":
            return (x + 1j * rng.uniform(low, high, o)).astype(dtype)
        return (np.round(x * 16) / 16).astype("float32") if dtype in ("bfloat16", "float16") else x.astype(dtype)
