"""Drawn programs over all dtypes, of operations that are exact: native code gives every bit of the plain lowerings on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import compile, interpret
from fgrad.ir.dtypes import dtype_of, kind
from fgrad.ir.graph import Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.settings import use
from fgrad.transforms.inline import trace

DTYPES = ("bool", "float16", "bfloat16", "float32", "float64", *[f"{k}{b}" for k in ("int", "uint") for b in (8, 16, 32, 64)])
SHAPES = ((), (1,), (5,), (300,), (7, 33), (40, 64), (3, 5, 17), (200, 260))
UNARY = {"f": ("neg", "abs", "sqrt", "floor", "sign"), "i": ("neg", "abs", "bitwise_not", "sign"), "u": ("bitwise_not",), "b": ("bitwise_not",)}
BINARY = {
    "f": ("add", "sub", "mul", "div", "rem"),
    "i": ("add", "sub", "mul", "floor_divide", "rem", "bitwise_and", "bitwise_xor", "maximum", "minimum", "pow", "gcd"),
    "u": ("add", "sub", "mul", "floor_divide", "rem", "bitwise_or", "maximum", "minimum", "pow", "gcd"),
    "b": ("bitwise_and", "bitwise_or", "bitwise_xor"),
}  # fmt: skip


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    """Numbers, special ones among them."""
    if kind(dtype_of(dtype)) in "iu":
        info = np.iinfo(dtype)
        few = rng.integers(max(info.min, -5), 6, shape)
        return np.where(rng.random(shape) < 0.6, few, rng.integers(info.min, info.max, shape, dtype, endpoint=True)).astype(dtype)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    special = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 6e-8, 1e-40, 65504.0, -1.0], shape)
    with np.errstate(all="ignore"):
        return np.where(rng.random(shape) < 0.1, special, rng.normal(size=shape) * 4).astype(dtype_of(dtype))


def in_range(x: Value, dtype: str) -> Value:
    """`x` where a conversion to an integer type is defined: numbers up to 100."""
    if kind(x.dtype) != "f" or kind(dtype_of(dtype)) not in "iu":
        return x
    low, high = (np.asarray(v, x.dtype) for v in (0 if dtype.startswith("u") else -100, 100))
    return F["clamp"](low, F["select"](F["eq"](x, x), x, np.asarray(1, x.dtype)), high)


def step(rng: np.random.Generator, values: list[Value]) -> Value:
    """One more value."""
    x = values[rng.integers(len(values))]
    k = kind(x.dtype)
    same = [y for y in values if y.type is x.type]
    y = same[rng.integers(len(same))]
    choice = rng.integers(8)
    if choice == 0:
        return F[UNARY[k][rng.integers(len(UNARY[k]))]](x)
    if choice < 4:
        return F[BINARY[k][rng.integers(len(BINARY[k]))]](x, y)
    if choice == 4:
        to = DTYPES[rng.integers(len(DTYPES))]
        return F["convert"](in_range(x, to), dtype=dtype_of(to))
    if choice == 5:
        c = F["lt"](x, y) if k != "b" else F["bitwise_not"](x)
        return F["select"](c, x, y)
    if choice == 6 and x.ndim:
        axes = tuple(int(a) for a in np.flatnonzero(rng.integers(0, 2, x.ndim)))
        name = "reduce_or" if k == "b" else ("reduce_max", "reduce_sum", "reduce_min")[rng.integers(3 if k in "iu" else 1)]
        total = F[name](x, axes=axes)
        unit = tuple([1 if a in axes else d for a, d in enumerate(x.shape)])
        return F["broadcast_to"](F["reshape"](total, shape=unit), shape=x.shape)
    if choice == 7 and x.ndim:
        axis = int(rng.integers(x.ndim))
        if rng.integers(2) or k == "f":
            return F["cummax"](x, axis=axis, reverse=bool(rng.integers(2)))
        count = F["argmin"](x, axis=axis)
        unit = tuple([1 if a == axis else d for a, d in enumerate(x.shape)])
        return F["broadcast_to"](F["reshape"](count, shape=unit), shape=x.shape)
    return F["eq"](x, y)


def bits(a: Any) -> Any:
    """Numbers as their bits, NaN of any kind as one; zeros of either sign as one, for a maximum may give either."""
    if kind(a.dtype) != "f":
        return a
    with np.errstate(all="ignore"):
        wide = a.astype("float64")
        return np.where(np.isnan(wide), 12345.678, wide)


@pytest.mark.parametrize("seed", range(40))
def test_drawn_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = SHAPES[seed % len(SHAPES)]
    names = [DTYPES[(seed + 5 * i) % len(DTYPES)] for i in range(3)]
    xs = [np.asarray(draw(rng, shape, name)) for name in names]

    def f(*vs: Value) -> tuple[Value, ...]:
        values = [*vs, *vs]
        for _ in range(14):
            values.append(step(rng, values))
        return tuple(values[6:])

    graph = trace(f, *[TensorType(x.shape, x.dtype) for x in xs])
    with np.errstate(all="ignore"):
        want = interpret(graph, xs)
    program = compile(graph, {}, "native")
    assert "kernel0" in program.source
    for threads in (1, 2, 4):
        with use(num_threads=threads):
            for a, b in zip(program(xs), want, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(bits(np.asarray(a)), bits(np.asarray(b)))
