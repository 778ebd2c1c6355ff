"""Channels last: the graph before and after as text, and random graphs of images that compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluate import evaluate

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.types import CPU, TensorType
from fgrad.ir.verify import verify
from fgrad.passes.layout import channels_last
from fgrad.passes.share import share
from fgrad.passes.simplify import simplify_final
from fgrad.transforms.inline import trace
from fgrad.transforms.vjp import pull

ONE = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "x_dilation": (1, 1), "w_dilation": (1, 1), "groups": 1}
MOVES = "stride=(1, 1), padding=((1, 1), (1, 1)), x_dilation=(1, 1), w_dilation=(1, 1), groups=1"
TEXTS = {
    "a chain": (
        f"""graph graph(%0: float32[2,3,8,8], %1: float32[4,3,3,3], %2: float32[4], %3: float32[5,4,3,3]) {{
  %4: float32[2,4,8,8] = conv(%0, %1) {{{MOVES}}}
  %5: float32[4,1,1] = reshape(%2) {{shape=(4, 1, 1)}}
  %6: float32[2,4,8,8] = broadcast_to(%5) {{shape=(2, 4, 8, 8)}}
  %7: float32[2,4,8,8] = add(%4, %6)
  %8: float32[2,4,8,8] = maximum(%7, 0.0:float32)
  %9: float32[2,4,4,4] = window_max(%8) {{window=(1, 1, 2, 2), stride=(1, 1, 2, 2), padding=((0, 0), (0, 0), (0, 0), (0, 0)), dilation=(1, 1, 1, 1)}}
  %10: float32[2,5,4,4] = conv(%9, %3) {{{MOVES}}}
  %11: float32[2,5] = reduce_sum(%10) {{axes=(2, 3)}}
  return %11
}}""",
        f"""graph graph(%0: float32[2,3,8,8], %1: float32[4,3,3,3], %2: float32[4], %3: float32[5,4,3,3]) {{
  %4: float32[2,8,8,3] = transpose(%0) {{axes=(0, 2, 3, 1)}}
  %5: float32[2,8,8,4] = conv_last(%4, %1) {{{MOVES}, winograd=True}}
  %6: float32[1,1,1,4] = reshape(%2) {{shape=(1, 1, 1, 4)}}
  %7: float32[2,8,8,4] = broadcast_to(%6) {{shape=(2, 8, 8, 4)}}
  %8: float32[2,8,8,4] = add(%5, %7)
  %9: float32[2,8,8,4] = maximum(%8, 0.0:float32)
  %10: float32[2,4,4,4] = window_max(%9) {{window=(1, 2, 2, 1), stride=(1, 2, 2, 1), padding=((0, 0), (0, 0), (0, 0), (0, 0)), dilation=(1, 1, 1, 1)}}
  %11: float32[2,4,4,5] = conv_last(%10, %3) {{{MOVES}, winograd=True}}
  %12: float32[2,5] = reduce_sum(%11) {{axes=(1, 2)}}
  return %12
}}""",
    ),
    "the result is an image": (
        f"""graph graph(%0: float32[2,3,8,8], %1: float32[4,3,3,3]) {{
  %2: float32[2,4,8,8] = conv(%0, %1) {{{MOVES}}}
  %3: float32[2,4,8,8] = exp(%2)
  %4: float32[2,4,64] = reshape(%3) {{shape=(2, 4, 64)}}
  %5: float32[2,64,4] = transpose(%4) {{axes=(0, 2, 1)}}
  return %3, %5
}}""",
        f"""graph graph(%0: float32[2,3,8,8], %1: float32[4,3,3,3]) {{
  %2: float32[2,8,8,3] = transpose(%0) {{axes=(0, 2, 3, 1)}}
  %3: float32[2,8,8,4] = conv_last(%2, %1) {{{MOVES}, winograd=True}}
  %4: float32[2,8,8,4] = exp(%3)
  %5: float32[2,4,8,8] = transpose(%4) {{axes=(0, 3, 1, 2)}}
  %6: float32[2,64,4] = reshape(%4) {{shape=(2, 64, 4)}}
  return %5, %6
}}""",
    ),
    "no convolution": (
        """graph graph(%0: float32[2,3,8,8]) {
  %1: float32[2,3,8,8] = exp(%0)
  return %1
}""",
        """graph graph(%0: float32[2,3,8,8]) {
  %1: float32[2,3,8,8] = exp(%0)
  return %1
}""",
    ),
    "half precision stays": (
        f"""graph graph(%0: float16[2,3,8,8], %1: float16[4,3,3,3]) {{
  %2: float16[2,4,8,8] = conv(%0, %1) {{{MOVES}}}
  return %2
}}""",
        f"""graph graph(%0: float16[2,3,8,8], %1: float16[4,3,3,3]) {{
  %2: float16[2,4,8,8] = conv(%0, %1) {{{MOVES}}}
  return %2
}}""",
    ),
}


def moved(graph: Graph) -> Graph:
    return share(simplify_final(channels_last(graph)))


@pytest.mark.parametrize("name", TEXTS)
def test_text(name: str) -> None:
    before, after = TEXTS[name]
    graph = moved(parse_graph(before))
    verify(graph)
    assert str(graph) == after


# random graphs -------------------------------------------------------------------------------------------------------
def convolve(rng: Any, x: Value) -> Value:
    """A convolution, or its transposes, with a kernel of constants."""
    rank = x.ndim - 2
    groups = 2 if x.shape[1] % 2 == 0 and rng.integers(3) == 0 else 1
    out = 4
    w = constant(rng.normal(size=(out, x.shape[1] // groups, *(3,) * rank)) * 0.3)
    moves = {"padding": ((1, 1),) * rank, "x_dilation": (1,) * rank, "w_dilation": (1,) * rank, "groups": groups}
    y = F["conv"](x, w, stride=(1,) * rank, **moves)
    kind = rng.integers(4)
    if kind == 0:
        return F["conv_dx"](y, w, x_shape=x.shape, stride=(1,) * rank, **moves)
    if kind == 1:
        dw = F["conv_dw"](x, y, w_shape=w.shape, stride=(1,) * rank, **moves)
        return F["conv"](x, F["mul"](dw, 0.01), stride=(1,) * rank, **moves)
    return y


def spatial(rng: Any, x: Value) -> Value:
    """An operation along axes."""
    rank = x.ndim
    kind = rng.integers(7)
    if kind == 0:
        return F["flip"](x, axes=tuple(sorted({int(a) for a in rng.integers(0, rank, 2)})))
    if kind == 1:
        low = tuple(int(a) for a in rng.integers(0, 2, rank))
        y = F["pad"](x, constant(np.asarray(0.5)), low=low, high=(0,) * rank, interior=(0,) * rank)
        return F["slice"](y, start=(0,) * rank, stop=x.shape, step=(1,) * rank)
    if kind == 2:
        axis = int(rng.integers(rank))
        return F["cumsum"](F["mul"](x, 0.3), axis=axis, reverse=bool(rng.integers(2)))
    window = (1, 1, *(2,) * (rank - 2))
    moves = {"window": window, "stride": (1,) * rank, "padding": ((0, 0), (0, 0), *((1, 0),) * (rank - 2)), "dilation": (1,) * rank}
    if kind == 3:
        return F["window_max_pull"](F["window_max"](x, **moves), x, **moves)
    if kind == 4:
        return F["window_sum"](F["mul"](x, 0.25), **moves)
    if kind == 5:
        return F["concatenate"](x, x, axis=int(rng.integers(rank)))
    stop = tuple(max(1, d // 2) for d in x.shape)
    return F["update_slice"](x, F["slice"](x, start=(0,) * rank, stop=stop, step=(1,) * rank), start=(0,) * rank, step=(1,) * rank)


def per_channel(rng: Any, x: Value) -> Value:
    """What normalisation does: sums over some axes, repeated."""
    axes = tuple(int(a) for a in np.flatnonzero(rng.integers(0, 2, x.ndim)))
    y = F["reduce_sum"](x, axes=axes)
    shape = tuple(1 if a in axes else d for a, d in enumerate(x.shape))
    return F["sub"](x, F["broadcast_to"](F["mul"](F["reshape"](y, shape=shape), 0.01), shape=x.shape))


def step(rng: Any, values: list[Value]) -> Value:
    x = values[rng.integers(len(values))]
    kind = rng.integers(8)
    if kind < 2:
        return convolve(rng, x)
    if kind < 4:
        return spatial(rng, x)
    if kind == 4:
        return per_channel(rng, x)
    if kind == 5:
        count = F["iota"](shape=x.shape, dtype=np.dtype("float64"), axis=int(rng.integers(x.ndim)), device=CPU)
        return F["select"](F["lt"](x, 0.2), F["sin"](x), F["mul"](count, 0.1))
    if kind == 6:
        same = [v for v in values if v.shape == x.shape]
        return F["add"](x, F["tanh"](same[rng.integers(len(same))]))
    if x.ndim == 4:
        return F["reshape"](x, shape=(*x.shape[:2], x.shape[2] * x.shape[3]))
    return F["transpose"](x, axes=(0, 2, 1))


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_compute_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def f(*inputs: Value) -> tuple[Any, ...]:
        values = list(inputs)
        for _ in range(12):
            v = step(rng, values)
            if v.size < 5000 and min(v.shape[2:]) > 1:
                values.append(v)
        picked = rng.choice(len(values), 3)
        return (*[values[i] for i in picked], values[-1])

    graph = trace(f, TensorType((2, 4, 5, 6), "float64"), TensorType((2, 4, 6), "float64"))
    xs = [rng.normal(size=v.shape) for v in graph.inputs]
    after = moved(graph)
    verify(after)
    for a, b in zip(evaluate(graph, *xs), evaluate(after, *xs), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)


def test_gradients_need_no_more_transposes_than_inputs() -> None:
    def f(x: Value, w: Value, u: Value) -> Value:
        y = F["conv"](x, w, **ONE)
        y = F["maximum"](y, constant(np.float32(0)))
        y = F["conv"](y, u, **ONE)
        return F["reduce_sum"](F["mul"](y, y), axes=(0, 1, 2, 3))

    types = [TensorType(s, "float32") for s in ((2, 3, 8, 8), (4, 3, 3, 3), (5, 4, 3, 3))]
    graph = moved(trace(lambda *xs: tuple(pull([f(*xs)], [constant(np.float32(1))], xs[1:])), *types))
    names = [v.prim.name for v in graph.values()]
    assert names.count("transpose") == 1  # the images
    assert names.count("conv_last_dw") == 2
    assert names.count("conv_last_dx") == 1
