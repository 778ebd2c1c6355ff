"""Values computed again for late readers: which, and that nothing else changes."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from random_graphs import random_graph

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import Program, interpret
from fgrad.backends.numpy.capable import able
from fgrad.ir.graph import Graph
from fgrad.ir.parse import parse_graph
from fgrad.ir.verify import verify
from fgrad.passes import recompute as module
from fgrad.passes.fuse import fuse
from fgrad.passes.recompute import recompute
from fgrad.passes.remat import peak_bytes


def names(graph: Graph) -> Counter[str]:
    """How many nodes of each primitive there are."""
    return Counter(v.prim.name for v in graph.values() if v.prim is not None)


def through(middle: str, end: str) -> Graph:
    """Products, with `middle` before them, from %h, and `end` after, from %z: as forward and backward."""
    text = f"""graph step(%x: float32[128,128], %w: float32[128,128]) {{
  {product("h", "x", "w")}
  {middle}
  {product("y", "s", "w")}
  {product("t", "y", "w")}
  {product("u", "t", "w")}
  {product("z", "u", "w")}
  {end}
  return %r
}}"""
    numbers: dict[str, str] = {}
    return parse_graph(re.sub(r"%([a-z])", lambda m: numbers.setdefault(m[0], f"%{len(numbers)}"), text))


def product(name: str, a: str, b: str, axis: int = 1) -> str:
    """One product of matrices."""
    return f"%{name}: float32[128,128] = dot_general(%{a}, %{b}) {{contract=(({axis},), (0,)), batch=((), ())}}"


def line(name: str, prim: str, *operands: str) -> str:
    """One elementwise node."""
    return f"%{name}: float32[128,128] = {prim}({', '.join(f'%{x}' for x in operands)})"


def agrees(graph: Graph, after: Graph, again: Any) -> None:
    """The same numbers, plainly and in groups, and no more memory."""
    verify(after)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=t.shape).astype(t.dtype) * 0.1 for t in graph.input_types]  # type: ignore[union-attr]
    for a, b, c in zip(interpret(graph, inputs), interpret(after, inputs), interpret(fuse(after, able, frozenset(), again), inputs), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(c, a, rtol=1e-4, atol=1e-5)


def test_what_comes_from_one_waiting_value_is_computed_again() -> None:
    graph = through("\n".join([line("e", "tanh", "h"), line("s", "mul", "h", "e")]), "\n".join([line("q", "mul", "z", "e"), line("r", "mul", "q", "s")]))
    after, again = recompute(graph, able)
    assert names(after)["tanh"] == 2
    assert len(again) == 2
    assert peak_bytes(fuse(after, able, frozenset(), again)) < peak_bytes(fuse(graph, able))
    agrees(graph, after, again)


def test_copies_are_computed_where_they_are_read() -> None:
    graph = through("\n".join([line("e", "tanh", "h"), line("s", "mul", "h", "e")]), "\n".join([line("q", "mul", "z", "e"), line("r", "mul", "q", "s")]))
    after, again = recompute(graph, able)
    groups = [v for v in fuse(after, able, frozenset(), again).values() if v.prim is not None and v.prim.name == "fused"]
    assert [names(v.params[0])["tanh"] for v in groups] == [1, 1]
    assert [len(v.params[0].outputs) for v in groups] == [1, 1]


@pytest.mark.parametrize(
    ("middle", "end"),
    [
        ([line("s", "tanh", "h")], [line("r", "mul", "z", "s")]),  # one for one saves nothing
        ([line("e", "tanh", "h"), line("k", "exp", "x"), line("s", "mul", "e", "k")], [line("q", "mul", "z", "h"), line("r", "mul", "q", "y")]),  # not read late
    ],
)
def test_what_saves_nothing_stays(middle: list[str], end: list[str]) -> None:
    graph = through("\n".join(middle), "\n".join(end))
    after, again = recompute(graph, able)
    assert after is graph
    assert not again


def test_what_a_late_product_reads_stays() -> None:
    """It is in memory anyway."""
    graph = through(
        "\n".join([line("e", "tanh", "h"), line("s", "mul", "h", "e")]),
        "\n".join([product("d", "s", "z", 0), line("q", "mul", "z", "s"), line("r", "add", "q", "d")]),
    )
    assert recompute(graph, able)[0] is graph


def test_costly_values_have_to_be_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = through("\n".join([line("e", "tanh", "h"), line("s", "mul", "h", "e")]), "\n".join([line("q", "mul", "z", "e"), line("r", "mul", "q", "s")]))
    monkeypatch.setattr(module, "STEP", 1.0)
    assert recompute(graph, able, frozenset(("tanh",)))[0] is graph


@pytest.mark.parametrize("far", [0, 1, 2])
@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_keep_their_values(seed: int, far: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "STEP", 0.0)
    monkeypatch.setattr(module, "FAR", far)
    graph = random_graph(seed, 60)
    after, again = recompute(graph, able)
    verify(after)
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=t.shape).astype(t.dtype) for t in graph.input_types]  # type: ignore[union-attr]
    fused = fuse(after, able, frozenset(), again)
    verify(fused)
    for a, b, c in zip(interpret(after, inputs), interpret(graph, inputs), interpret(fused, inputs), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(c, b, rtol=2e-5, atol=2e-5 * max(1.0, float(np.abs(b).max(initial=0))))


def test_a_training_step_keeps_less() -> None:
    """Of a GELU's values, forward and backward, only its operand waits."""
    import fgrad as fg
    import fgrad.nn as fnn
    import fgrad.numpy as fnp

    def loss(ws: Any, x: Any) -> Any:
        for w in ws:
            x = fnn.gelu(x @ w)
        return fnp.sum(x * x)

    graph = fg.make_graph(fg.grad(loss))([np.zeros((128, 128), np.float32)] * 4, np.zeros((256, 128), np.float32))
    before = Program(graph, {}, "tiled").plan.arena_bytes
    assert Program(graph, {}, "native").plan.arena_bytes < 0.7 * before




@pytest.mark.parametrize("layers", [8, 16])
def test_a_sum_over_layers_is_not_added_up_anew_in_each(layers: int) -> None:
    """x of a layer is x of the one before and its product: all x wait, or each is a short sum; never one of all layers."""
    lines = [product("y0", "x", "w"), line("x0", "add", "x", "y0")]
    for k in range(1, layers):
        lines += [line(f"h{k}", "tanh", f"x{k - 1}"), product(f"y{k}", f"h{k}", "w"), line(f"x{k}", "add", f"x{k - 1}", f"y{k}")]
    lines += [product(f"d{layers}", f"x{layers - 1}", "w")]
    for k in reversed(range(layers)):
        lines += [line(f"e{k}", "mul", f"d{k + 1}", f"x{k}"), line(f"g{k}", "mul", f"e{k}", f"y{k}"), product(f"d{k}", f"g{k}", "w")]
    numbers = {"%x": "%0", "%w": "%1"}
    body = "\n".join(f"  {part}" for part in lines)
    text = f"graph step(%x: float32[128,128], %w: float32[128,128]) {{\n{body}\n  return %d0\n}}"
    graph = parse_graph(re.sub(r"%[a-z]\d*", lambda m: numbers.setdefault(m[0], f"%{len(numbers)}"), text))
    after, again = recompute(graph, able)
    agrees(graph, after, again)
    assert 0 < names(after)["add"] - layers <= 3 * layers
