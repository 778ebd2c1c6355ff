"""Short last axes come first where that pays, and results are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluate import evaluate

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.types import CPU, TensorType
from fgrad.ir.verify import verify
from fgrad.passes import short
from fgrad.passes.pipeline import run
from fgrad.passes.short import short_first
from fgrad.transforms.inline import trace

BEFORE = """graph graph(%0: float64[64,3]) {
  %1: float64[1,64,3] = reshape(%0) {shape=(1, 64, 3)}
  %2: float64[64,64,3] = broadcast_to(%1) {shape=(64, 64, 3)}
  %3: float64[64,1,3] = reshape(%0) {shape=(64, 1, 3)}
  %4: float64[64,64,3] = broadcast_to(%3) {shape=(64, 64, 3)}
  %5: float64[64,64,3] = sub(%2, %4)
  %6: float64[64,64,3] = mul(%5, %5)
  %7: float64[64,64] = reduce_sum(%6) {axes=(2,)}
  return %7
}"""
AFTER = """graph graph(%0: float64[64,3]) {
  %1: float64[1,64,3] = reshape(%0) {shape=(1, 64, 3)}
  %2: float64[3,1,64] = transpose(%1) {axes=(2, 0, 1)}
  %3: float64[3,64,64] = broadcast_to(%2) {shape=(3, 64, 64)}
  %4: float64[64,1,3] = reshape(%0) {shape=(64, 1, 3)}
  %5: float64[3,64,1] = transpose(%4) {axes=(2, 0, 1)}
  %6: float64[3,64,64] = broadcast_to(%5) {shape=(3, 64, 64)}
  %7: float64[3,64,64] = sub(%3, %6)
  %8: float64[3,64,64] = mul(%7, %7)
  %9: float64[64,64] = reduce_sum(%8) {axes=(0,)}
  return %9
}"""


def same(graph: Graph, changed: Graph) -> None:
    verify(changed)
    rng = np.random.default_rng(0)
    given = [rng.normal(size=x.shape) for x in graph.inputs]
    for a, b in zip(evaluate(graph, *given), evaluate(changed, *given), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-12)


def test_distances_of_points() -> None:
    graph = parse_graph(BEFORE)
    changed = short_first(graph)
    assert str(changed) == AFTER
    assert short_first(changed) is changed
    same(graph, changed)


def test_a_few_operations_on_what_has_to_be_turned_stay() -> None:
    def f(x: Any) -> Any:
        m = F["reduce_max"](x, axes=(1,))
        return F["sub"](x, F["broadcast_to"](F["reshape"](m, shape=(5000, 1)), shape=x.shape))

    graph = trace(f, TensorType((5000, 3), "float64"))
    assert short_first(graph) is graph


def test_small_values_and_long_axes_stay() -> None:
    for n, d in ((9, 3), (64, 16)):
        text = BEFORE
        for given, wanted in (("64", str(n)), (",3]", f",{d}]"), (", 3)", f", {d})")):
            text = text.replace(given, wanted)
        graph = parse_graph(text.replace(f"float{n}", "float64"))
        assert short_first(graph) is graph


# ---------------------------------------------------------------- drawn graphs
def step(rng: np.random.Generator, values: list[Value]) -> Any:
    """One more value on some of `values`, all of them [5, 4, 3] or less; None if it cannot be."""
    x, kind = values[rng.integers(len(values))], int(rng.integers(9))
    return moved(rng, x, values, kind) if kind > 4 else computed(rng, x, values, kind)


def computed(rng: np.random.Generator, x: Value, values: list[Value], kind: int) -> Any:
    """Elementwise, reduced or repeated."""
    if kind < 2:
        alike = [y for y in values if y.shape == x.shape]
        return F[("add", "sub", "mul")[rng.integers(3)]](x, alike[rng.integers(len(alike))])
    if kind == 2:
        return F["tanh"](x)
    if kind == 3 and x.ndim:
        axes = tuple(int(a) for a in np.flatnonzero(rng.integers(0, 2, x.ndim)))
        return F[("reduce_sum", "reduce_max")[rng.integers(2)]](x, axes=axes)
    if kind == 4:
        full = (5, 4, 3)
        fits = [n for n in range(4) if x.shape == full[3 - n :]]
        if fits:
            return F["broadcast_to"](x, shape=full)
        if x.shape == full[:2]:
            return F["broadcast_to"](F["reshape"](x, shape=(5, 4, 1)), shape=full)
    return None


def moved(rng: np.random.Generator, x: Value, values: list[Value], kind: int) -> Any:
    """Cut, joined, counted or turned."""
    if kind == 5 and x.ndim > 1:
        cuts = [sorted(rng.choice(d + 1, 2, replace=False)) for d in x.shape]
        made = F["slice"](x, start=tuple(int(a) for a, _ in cuts), stop=tuple(int(b) for _, b in cuts), step=(1,) * x.ndim)
        return F["concatenate"](*[made] * 2, axis=int(rng.integers(x.ndim)))
    if kind == 6 and x.ndim > 1:
        axis = int(rng.integers(x.ndim))
        counted = F["iota"](shape=x.shape, dtype=np.dtype("int64"), axis=axis, device=CPU)
        return F["add"](x, F["convert"](counted, dtype=x.dtype))
    if kind == 7 and x.ndim > 1:
        return F["transpose"](x, axes=tuple(int(a) for a in rng.permutation(x.ndim)))
    if kind == 8:
        y = values[rng.integers(len(values))]
        return F["concatenate"](x, y, axis=x.ndim - 1) if x.ndim > 1 and y.shape[:-1] == x.shape[:-1] and y.ndim == x.ndim else None
    return None


def drawn(seed: int) -> Graph:
    rng = np.random.default_rng(seed)

    def f(*inputs: Value) -> tuple[Value, ...]:
        values = list(inputs)
        while len(values) < 30:
            v = step(rng, values)
            if v is not None:
                values.append(v)
        return (*[values[k] for k in rng.integers(4, 30, 5)], values[-1])

    return trace(f, *[TensorType(s, "float64") for s in ((5, 4, 3), (4, 3), (3,), (5, 4))])


@pytest.mark.parametrize("seed", range(60))
def test_drawn_graphs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short, "MANY", 1)
    monkeypatch.setattr(short, "GAIN", 0)
    graph = drawn(seed)
    same(graph, short_first(graph))
    same(graph, run(graph))


def test_most_drawn_graphs_are_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short, "MANY", 1)
    monkeypatch.setattr(short, "GAIN", 0)
    graphs = [drawn(seed) for seed in range(30)]
    assert sum(short_first(g) is not g for g in graphs) > 20
