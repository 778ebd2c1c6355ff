"""Passes on random graphs, groups on the patterns that matter."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from random_graphs import random_graph

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import PROGRAMS, compile, interpret, split
from fgrad.backends.numpy.capable import able
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.text import format_graph
from fgrad.ir.types import TensorType
from fgrad.ir.verify import verify
from fgrad.passes.fuse import fuse
from fgrad.passes.nests import nest_of
from fgrad.passes.pipeline import NUMPY, run
from fgrad.transforms.inline import trace
from fgrad.transforms.vjp import pull


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")


@pytest.fixture(autouse=True, params=["whole", "tasks"])
def tasks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups as they are, or cut into tasks however small they are."""
    if request.param == "tasks":
        monkeypatch.setattr(split, "WORTH", 0.0)
        monkeypatch.setattr(split, "TASK", 1e-3)
        monkeypatch.setattr(split, "SHARE", 1e9)
    PROGRAMS.clear()


def draw(graph: Graph, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=t.shape).astype(t.dtype) for t in graph.input_types]  # type: ignore[union-attr]


def close(got: list[Any], want: list[Any], tolerance: float = 2e-5) -> None:
    for a, b in zip(got, want, strict=True):
        scale = max(1.0, float(np.abs(b).max(initial=0)))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("seed", range(40))
def test_every_prefix_of_the_pipeline_computes_the_same(seed: int) -> None:
    graph = random_graph(seed)
    inputs = draw(graph, seed)
    want = interpret(graph, inputs)
    for n in range(1, len(NUMPY) + 1):
        after = run(graph, NUMPY[:n])
        verify(after)
        close(interpret(after, inputs), want)
    fused = fuse(run(graph), able)
    verify(fused)
    close(interpret(fused, inputs), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(60))
def test_every_way_agrees_on_random_graphs(seed: int, dtype: str) -> None:
    graph = random_graph(1000 + seed, 30, dtype)
    inputs = draw(graph, seed)
    want = interpret(graph, inputs)
    for way in ("plain", "tiled", "native"):
        close(compile(graph, {}, way)(inputs), want)


@pytest.mark.parametrize("seed", range(12))
def test_tiles_agree_on_random_graphs(seed: int) -> None:
    graph = random_graph(2000 + seed, 14, wide=True)
    inputs = draw(graph, seed)
    want = interpret(graph, inputs)
    for way in ("tiled", "native"):
        close(compile(graph, {}, way)(inputs), want, 2e-4)


@pytest.mark.parametrize("seed", range(20))
def test_donation_agrees_on_random_graphs(seed: int) -> None:
    graph = random_graph(3000 + seed)
    donated: dict[int, int] = {}
    for i, v in enumerate(graph.outputs):
        for k, x in enumerate(graph.inputs):
            if x.type is v.type and k not in donated.values() and i not in donated:
                donated[i] = k
    inputs = draw(graph, seed)
    want = interpret(graph, [x.copy() for x in inputs])
    for way in ("plain", "tiled", "native"):
        close(compile(graph, donated, way)([x.copy() for x in inputs]), want)


def groups(graph: Graph) -> list[Graph]:
    return [v.params[0] for v in fuse(run(graph), able).values() if v.prim is not None and v.prim.name == "fused"]


def T(*shape: int) -> TensorType:
    return TensorType(shape, "float32")


def keep(x: Value, shape: tuple[int, ...], like: Value) -> Any:
    return F["broadcast_to"](F["reshape"](x, shape=shape), shape=like.shape)


def softmax_loss(z: Any, y: Any) -> Any:
    n = z.shape[0]
    z = F["sub"](z, keep(F["reduce_max"](z, axes=(1,)), (n, 1), z))
    total = F["reduce_sum"](F["exp"](z), axes=(1,))
    logs = F["sub"](z, keep(F["log"](total), (n, 1), z))
    return F["mul"](F["neg"](F["reduce_sum"](F["mul"](logs, y), axes=(0, 1))), 1 / n)


def layer_norm(x: Any, g: Any, b: Any) -> Any:
    n, k = x.shape
    d = F["sub"](x, keep(F["mul"](F["reduce_sum"](x, axes=(1,)), 1 / k), (n, 1), x))
    var = F["mul"](F["reduce_sum"](F["mul"](d, d), axes=(1,)), 1 / k)
    return F["add"](F["mul"](F["mul"](d, keep(F["rsqrt"](F["add"](var, 1e-5)), (n, 1), x)), g), b)


def batch_norm(x: Any, g: Any) -> Any:
    n, c, h, w = x.shape
    mean = F["mul"](F["reduce_sum"](x, axes=(0, 2, 3)), 1 / (n * h * w))
    d = F["sub"](x, keep(mean, (1, c, 1, 1), x))
    var = F["mul"](F["reduce_sum"](F["mul"](d, d), axes=(0, 2, 3)), 1 / (n * h * w))
    return F["mul"](F["mul"](d, keep(F["rsqrt"](F["add"](var, 1e-5)), (1, c, 1, 1), x)), keep(g, (1, c, 1, 1), x))


def adam(p: Any, g: Any, m: Any, v: Any, lr: Any) -> tuple[Any, ...]:
    m = F["add"](F["mul"](m, 0.9), F["mul"](g, 0.1))
    v = F["add"](F["mul"](v, 0.999), F["mul"](F["mul"](g, g), 0.001))
    return F["sub"](p, F["div"](F["mul"](lr, m), F["add"](F["sqrt"](v), 1e-8))), m, v


def backward(f: Any, *types: TensorType) -> Graph:
    """Value and derivatives by all inputs but the last one, which is the cotangent."""

    def both(*xs: Value) -> tuple[Any, ...]:
        y = f(*xs[:-1])
        return (y, *pull([y], [xs[-1]], xs[:-1]))

    return trace(both, *types, trace(f, *types).outputs[0].type)


@pytest.mark.parametrize(
    ("graph", "count"),
    [
        (backward(softmax_loss, T(8, 10), T(8, 10)), 2),  # the second: the scalar after the last row
        (backward(layer_norm, T(8, 40), T(40), T(40)), 1),
        (backward(batch_norm, T(4, 3, 5, 6), T(3)), 1),
        (trace(lambda x, b: F["maximum"](F["add"](x, b), 0.0), T(8, 10), T(10)), 1),
        (trace(lambda *xs: adam(*xs), T(20), T(20), T(20), T(20), T()), 1),
    ],
    ids=["softmax", "layer norm", "batch norm", "bias relu", "adam"],
)
def test_known_patterns_are_few_groups(graph: Graph, count: int) -> None:
    assert len(groups(graph)) == count
    rest = Counter(v.prim.name for v in fuse(run(graph), able).values() if v.prim is not None)
    assert set(rest) <= {"fused", "item"}
    inputs = draw(graph)
    want = interpret(graph, inputs)
    for way in ("tiled", "native"):
        close(compile(graph, {}, way)(inputs), want, 1e-4)


def test_batch_norm_has_channels_outside() -> None:
    nest = nest_of(groups(backward(batch_norm, T(4, 3, 5, 6), T(3)))[0])
    assert nest.space == (4, 3, 5, 6)
    assert nest.inner == {0, 2, 3}


def test_groups_are_text() -> None:
    text = """graph (%0: float32[4,5], %1: float32[5]) {
  %2: float32[4,5] = broadcast_to(%1) {shape=(4, 5)}
  %3: float32[4,5] = add(%0, %2)
  %4: float32[4,5] = maximum(%3, 0.0:float32)
  %5: float32[4,4] = dot_general(%4, %4) {contract=((1,), (1,)), batch=((), ())}
  return %5
}"""
    want = """graph (%0: float32[4,5], %1: float32[5]) {
  %2: float32[4,5] = fused(%0, %1) {graph=graph (%0: float32[4,5], %1: float32[5]) {
    %2: float32[4,5] = broadcast_to(%1) {shape=(4, 5)}
    %3: float32[4,5] = add(%0, %2)
    %4: float32[4,5] = maximum(%3, 0.0:float32)
    return %4
  }}
  %3: float32[4,4] = dot_general(%2, %2) {contract=((1,), (1,)), batch=((), ())}
  return %3
}"""
    assert format_graph(fuse(parse_graph(text), able)).split("(", 1)[1] == want.split("(", 1)[1]


def test_work_on_inputs_waits_for_its_user() -> None:
    def f(m: Any, x: Any) -> Any:
        return F["add"](F["mul"](m, 0.9), F["dot_general"](x, x, contract=((1,), (1,)), batch=((), ())))

    assert len(groups(trace(f, T(6, 6), T(6, 4)))) == 1


def test_a_group_never_reads_its_own_sum() -> None:
    def f(x: Any) -> Any:
        total = F["reduce_sum"](x, axes=(0,))
        return F["mul"](F["sub"](x, F["broadcast_to"](total, shape=x.shape)), 2.0)

    graph = trace(f, T(6, 8))
    assert len(groups(graph)) == 2
    close(compile(graph, {}, "native")(draw(graph)), interpret(graph, draw(graph)))


def test_a_square_space_tells_rows_from_columns() -> None:
    def f(x: Any) -> Any:
        top = F["reduce_max"](x, axes=(1,))
        return F["sub"](x, F["broadcast_to"](top, shape=x.shape))  # along the last axis: not this row's own

    graph = trace(f, T(7, 7))
    for way in ("tiled", "native"):
        close(compile(graph, {}, way)(draw(graph)), interpret(graph, draw(graph)))


def test_long_chains_are_cut() -> None:
    def f(x: Any) -> Any:
        for n in range(450):
            x = F["add"](F["mul"](x, 0.99), constant(np.float32(n * 1e-3)))
        return x

    graph = trace(f, T(50))
    assert len(groups(graph)) == 5
    close(compile(graph, {}, "native")(draw(graph)), interpret(graph, draw(graph)), 1e-4)


def test_a_group_with_two_passes_overwrites_nothing_it_reads_again() -> None:
    def f(x: Any) -> tuple[Any, ...]:
        y = F["dot_general"](x, x, contract=((1,), (1,)), batch=((), ()))  # an intermediate that dies in the group
        total = F["reshape"](F["reduce_sum"](F["exp"](y), axes=(1,)), shape=(32, 1))
        a = F["sub"](y, 1.0)
        late = F["reduce_max"](F["mul"](y, F["broadcast_to"](total, shape=y.shape)), axes=(1,))
        b = F["mul"](F["add"](y, F["broadcast_to"](F["reshape"](late, shape=(32, 1)), shape=y.shape)), 0.5)
        w = F["dot_general"](a, b, contract=((1,), (1,)), batch=((), ()))
        return (w,)

    graph = trace(f, T(32, 4))
    for way in ("tiled", "native"):
        close(compile(graph, {}, way)(draw(graph)), interpret(graph, draw(graph)), 1e-4)


def test_costly_numbers_are_computed_once() -> None:
    """A power of a step's number is not repeated in every group that reads it; a sum is."""

    def update(t: Value, *xs: Value) -> list[Value]:
        rate, later = F["pow"](t, 0.5), F["add"](t, 1)
        return [F["mul"](F["mul"](x, rate), later) for x in xs]

    graph = trace(update, TensorType((), "float64"), *[TensorType((n,), "float64") for n in (50, 60, 70)])
    for costly, expected in ((frozenset[str](), 3), (frozenset(["pow"]), 1)):
        groups = [v.params[0] for v in fuse(graph, able, costly=costly).values() if v.prim is not None and v.prim.name == "fused"]
        prims = [w.prim.name for g in groups for w in g.values() if w.prim is not None]
        assert prims.count("pow") == expected
        assert prims.count("add") == 3
