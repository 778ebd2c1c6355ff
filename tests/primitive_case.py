"""What a row of the table of primitives is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fgrad.ir.dtypes import dtype_of, kind
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.types import TensorType

DTYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
TOLERANCE = {
    "float16": 2e-3, "bfloat16": 1.6e-2, "float32": 2e-6, "float64": 1e-12, "complex64": 4e-6, "complex128": 1e-12,
}  # fmt: skip


class Of(NamedTuple):
    """An operand: its shape, the range its numbers are drawn from, and its dtype if that is fixed; what is added to its diagonal."""

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None
    diagonal: float = 0.0


class Case(NamedTuple):
    name: str
    reference: Callable[..., Any]  # on float64, int64, complex128 or bool arrays -> array or tuple of arrays
    operands: tuple[Of, ...]
    params: Mapping[str, Any] = MappingProxyType({})
    kinds: str = "f"
    label: str = ""
    derivative: bool = True  # does the row's sample have finite differences (no ties, no jumps)
    second: bool = True
    cast: bool = True  # is the reference's result rounded to the case's dtype
    without: tuple[str, ...] = ()  # dtypes of the kinds that it refuses

    @property
    def prim(self) -> Primitive:
        return REGISTRY[self.name]

    @property
    def id(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    def dtypes(self) -> list[str]:
        return [d for d in DTYPES if kind(dtype_of(d)) in self.kinds and d not in self.without]

    def build(self, *xs: Value) -> tuple[Value, ...]:
        """The results on Values, a tuple's read by item."""
        y = FUNCTIONS[self.name](*xs, **self.params)
        if isinstance(y.type, TensorType):
            return (y,)
        return tuple([FUNCTIONS["item"](y, index=i) for i in range(len(y.type.items))])

    def draw(self, dtype: str, seed: int = 0) -> list[Any]:
        """One sample of the operands."""
        rng = np.random.default_rng(seed)
        return [draw(rng, of, of.dtype or dtype) for of in self.operands]

    def wrt(self, dtype: str = "float64") -> list[int]:
        """The operands that have derivatives."""
        return [i for i, of in enumerate(self.operands) if kind(dtype_of(of.dtype or dtype)) in "fc"]

    def expected(self, xs: list[Any]) -> tuple[Any, ...]:
        """What the reference says, in wide numbers."""
        y = self.reference(*map(widen, xs), **self.params)
        return y if isinstance(y, tuple) else (y,)


def draw(rng: np.random.Generator, of: Of, dtype: str) -> Any:
    d = dtype_of(dtype)
    if kind(d) == "b":
        return np.asarray(rng.integers(0, 2, of.shape), bool)
    if kind(d) in "ui":
        low = math.ceil(of.low) if kind(d) == "i" else max(0, math.ceil(of.low))
        return np.asarray(rng.integers(low, math.floor(of.high) + 1, of.shape)).astype(d)
    x = np.asarray(rng.uniform(of.low, of.high, of.shape))
    if kind(d) == "c":
        x = x + 1j * rng.uniform(-1, 1, of.shape)
    if of.diagonal:
        x = x + of.diagonal * np.eye(*of.shape[-2:])
    return np.asarray(x, d)


def widen(x: Any) -> Any:
    """As float64, int64, uint64, complex128 or bool."""
    return x.astype({"f": "float64", "c": "complex128", "i": "int64", "u": "uint64", "b": "bool"}[kind(x.dtype)])


A, B, S = (3, 4), (2, 3, 4), (4,)
ONE = (Of(A),)
TWO = (Of(A), Of(A))


def unary(name: str, reference: Any, low: float = -2.0, high: float = 2.0, kinds: str = "f", **more: Any) -> Case:
    return Case(name, reference, (Of(A, low, high),), kinds=kinds, **more)


def binary(name: str, reference: Any, kinds: str, low: float = -2.0, high: float = 2.0, **more: Any) -> Case:
    return Case(name, reference, (Of(A, low, high), Of(A, low, high)), kinds=kinds, **more)
