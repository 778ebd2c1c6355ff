"""Random valid graphs: elementwise values, repetitions, reductions, views and products over a few shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import CPU, TensorType
from fgrad.transforms.inline import trace

UNARY = ("neg", "abs", "sigmoid", "tanh", "sin", "mark", "stop_gradient", "sign")
BINARY = ("add", "sub", "mul", "maximum", "minimum")
REDUCE = ("reduce_sum", "reduce_max", "reduce_min")


def grow(rng: np.random.Generator, x: Value, shape: tuple[int, ...]) -> Value | None:
    """`x` repeated to `shape`, unit axes put in where its axes fit in order; None if they do not."""
    if x.size > 40_000:
        return None
    places: list[int] = []
    at = 0
    for d in x.shape:
        while at < len(shape) and shape[at] != d:
            at += 1
        if at == len(shape):
            return None
        places.append(at)
        at += 1
    unit = tuple(d if i in places else 1 for i, d in enumerate(shape))
    return F["broadcast_to"](F["reshape"](x, shape=unit), shape=shape)


def step(rng: np.random.Generator, values: list[Value], wide: bool) -> Value | None:
    """One more value on some of `values`."""
    x = values[rng.integers(len(values))]
    kind = rng.integers(10)
    if kind < 2:
        return F[UNARY[rng.integers(len(UNARY))]](x)
    if kind < 5:
        y = values[rng.integers(len(values))]
        if y.shape != x.shape:
            grown = grow(rng, y, x.shape)
            y = constant(np.asarray(rng.normal(), x.dtype)) if grown is None else grown
        return F[BINARY[rng.integers(len(BINARY))]](x, y)
    if kind == 5 and x.ndim:
        axes = tuple(int(a) for a in np.flatnonzero(rng.integers(0, 2, x.ndim)))
        y = F[REDUCE[rng.integers(len(REDUCE))]](x, axes=axes)
        return F["mul"](y, 0.25)
    if kind == 6:
        c = F["lt"](x, 0.1)
        return F["select"](c, F["mul"](x, 0.5), F["convert"](F["bitwise_not"](c), dtype=x.dtype))
    if kind == 7 and x.ndim == 2:
        return F["transpose"](x, axes=(1, 0))
    if kind == 8 and x.ndim == 2 and x.shape[1] <= 64:
        y = F["dot_general"](x, x, contract=((1,), (1,)), batch=((), ()))
        return F["mul"](y, 0.1) if y.size < 10_000 else None
    if kind == 9 and x.ndim:
        axis = int(rng.integers(x.ndim))
        counted = F["iota"](shape=x.shape, dtype=np.dtype("int64"), axis=axis, device=CPU)
        return F["add"](x, F["mul"](F["convert"](counted, dtype=x.dtype), 0.01))
    return None


def random_graph(seed: int, steps: int = 24, dtype: str = "float32", wide: bool = False) -> Graph:
    """A graph of about `steps` values with a few outputs; `wide`: one shape is large enough to be cut in tiles."""
    rng = np.random.default_rng(seed)
    shapes = [(6, 20), (20,), (6,), (), (3, 6, 20), (6, 1)] if not wide else [(3000, 100), (100,), (3000,), ()]

    def f(*inputs: Value) -> tuple[Any, ...]:
        values = list(inputs)
        while len(values) < len(inputs) + steps:
            v = step(rng, values, wide)
            if v is not None:
                values.append(v)
        made = values[len(inputs) :]
        picked = rng.choice(len(made), size=min(5, len(made)), replace=False)
        return (*[made[i] for i in picked], made[-1])

    return trace(f, *[TensorType(s, dtype) for s in shapes])
