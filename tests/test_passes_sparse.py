"""Rules for reading and writing by index: the same numbers, and no array of all elements for a few."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import compile, interpret
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.text import format_graph
from fgrad.ir.types import TensorType
from fgrad.passes.share import share
from fgrad.passes.simplify import simplify_final
from fgrad.primitives.index import along
from fgrad.transforms.inline import trace
from fgrad.transforms.vjp import pull


def names(graph: Graph) -> list[str]:
    return [v.prim.name for v in graph.values() if v.prim is not None]


def after(text: str) -> str:
    return format_graph(share(simplify_final(parse_graph(text)))).split("\n", 1)[1] + "\n"


PICKED = """\
graph graph(%0: float32[64,100], %1: float32[64], %2: int64[64,1]) {
  %3: float32[64,1] = reshape(%1) {shape=(64, 1)}
  %4: float32[64,100] = broadcast_to(%3) {shape=(64, 100)}
  %5: float32[64,100] = sub(%0, %4)
  %6: float32[64,100] = exp(%5)
  %7: int64[64,1] = iota() {shape=(64, 1), dtype=int64, axis=0, device=@cpu}
  %8: float32[64,1] = gather(%6, %7, %2) {axes=(0, 1), mode="MODE"}
  return %8
}
"""


def test_few_elements_of_an_elementwise_chain_are_computed_alone() -> None:
    assert after(PICKED.replace("MODE", "clip")) == """\
  %3: int64[64,1] = iota() {shape=(64, 1), dtype=int64, axis=0, device=@cpu}
  %4: float32[64,1] = gather(%0, %3, %2) {axes=(0, 1), mode="clip"}
  %5: float32[64,1] = reshape(%1) {shape=(64, 1)}
  %6: float32[64,1] = sub(%4, %5)
  %7: float32[64,1] = exp(%6)
  return %7
}
"""


@pytest.mark.parametrize("mode", ["raise", "fill"])
def test_other_modes_stay(mode: str) -> None:
    assert "gather(%6" in after(PICKED.replace("MODE", mode))


def test_many_elements_stay() -> None:
    assert "gather(%6" in after(PICKED.replace("MODE", "clip").replace("[64,1]", "[64,60]").replace("(64, 1)", "(64, 60)").replace(
        "float32[64,60] = reshape(%1) {shape=(64, 60)}", "float32[64,1] = reshape(%1) {shape=(64, 1)}"))


def test_two_operands_that_vary_stay() -> None:
    """Sinking would double the gathers at every level."""
    graph = trace(lambda x, y, i: along(F["mul"](x, y), i, 1), TensorType((8, 9), "float32"), TensorType((8, 9), "float32"), TensorType((8, 1), "int64"))
    assert names(simplify_final(graph)).count("gather") == 1


WRITTEN = """\
graph graph(%0: float32[64,100], %1: float32[64,COLS], %2: int64[64,COLS]) {
  %3: float32[64,100] = broadcast_to(0.0:float32) {shape=(64, 100)}
  %4: int64[64,COLS] = iota() {shape=(64, COLS), dtype=int64, axis=0, device=@cpu}
  %5: float32[64,100] = scatter(%3, %1, %4, %2) {axes=(0, 1), op="add", mode="MODE"}
  %6: float32[64,100] = exp(%0)
  %7: float32[64,100] = add(%5, %6)
  %8: float32[64] = reduce_sum(%5) {axes=(1,)}
  %9: float32[64,100] = neg(%5)
  %10: float32[64] = reduce_sum(%9) {axes=(1,)}
  return %7, %8, %10
}
"""


def test_zeros_with_one_number_a_row_are_never_made() -> None:
    assert after(WRITTEN.replace("COLS", "1").replace("MODE", "clip")) == """\
  %3: float32[64,100] = exp(%0)
  %4: int64[64,1] = iota() {shape=(64, 1), dtype=int64, axis=0, device=@cpu}
  %5: float32[64,100] = scatter(%3, %1, %4, %2) {axes=(0, 1), op="add", mode="clip"}
  %6: float32[64] = reduce_sum(%1) {axes=(1,)}
  %7: float32[64] = neg(%6)
  return %5, %6, %7
}
"""


@pytest.mark.parametrize(("cols", "mode"), [(2, "clip"), (1, "drop"), (1, "raise")])
def test_places_written_twice_or_not_at_all_stay(cols: int, mode: str) -> None:
    text = after(WRITTEN.replace("COLS", str(cols)).replace("MODE", mode))
    assert "add(" in text
    assert "neg(%5" in text or "neg(%" in text
    assert text.count("broadcast_to(0.0") == 1


SHAPES = [((6,), (1,)), ((5, 7), (5, 1)), ((5, 7), (1, 7)), ((3, 4, 6), (3, 4, 1)), ((3, 4, 6), (3, 1, 6)), ((2, 3, 2, 8), (2, 3, 2, 1))]


@pytest.mark.parametrize(("shape", "at"), SHAPES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_picks_one_element_a_row_and_its_gradient(shape: tuple[int, ...], at: tuple[int, ...], seed: int) -> None:
    axis = next(a for a, (n, d) in enumerate(zip(at, shape, strict=True)) if n != d)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    i = rng.integers(-shape[axis] - 2, shape[axis] + 2, at)  # wrapped, then clipped

    def loss(x: Any, i: Any) -> Any:
        kept = tuple([1 if a == axis else d for a, d in enumerate(shape)])
        top = F["broadcast_to"](F["reshape"](F["reduce_max"](x, axes=(axis,)), shape=kept), shape=shape)
        z = F["sub"](x, top)
        total = F["reshape"](F["reduce_sum"](F["exp"](z), axes=(axis,)), shape=kept)
        y = F["sub"](z, F["broadcast_to"](F["log"](total), shape=shape))
        return F["reduce_sum"](F["mul"](along(y, i, axis), 0.5), axes=tuple(range(len(shape))))

    value = trace(loss, TensorType(shape, "float64"), TensorType(at, "int64"))
    (back,) = pull(value.outputs, [constant(np.float64(1))], value.inputs[:1])
    graph = Graph(value.inputs, (*value.outputs, back))
    plain = interpret(graph, [x, i])
    simple = simplify_final(graph)
    assert len(simple.values()) < len(graph.values())
    for got in (interpret(simple, [x, i]), *[compile(graph, {}, way)([x, i]) for way in ("plain", "tiled", "native")]):
        for a, b in zip(got, plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("way", ["plain", "tiled", "native"])
def test_a_scatter_writes_into_a_dying_operand_but_never_into_its_updates(way: str) -> None:
    def f(x: Any, i: Any) -> tuple[Any, ...]:
        y = F["mul"](x, 2.0)
        z = F["scatter"](y, y, i, axes=(0,), op="add", mode="clip")
        return F["scatter"](F["neg"](x), x, i, axes=(0,), op="set", mode="clip"), z, F["dynamic_update_slice"](
            F["add"](x, 1.0), F["slice"](x, start=(0,), stop=(2,), step=(1,)), constant(np.int64(3)))

    graph = trace(f, TensorType((6,), "float32"), TensorType((6,), "int64"))
    x, i = np.arange(6, dtype="float32"), np.array([1, 0, 5, 1, 2, 2])
    for _ in range(2):
        for a, b in zip(compile(graph, {}, way)([x, i]), interpret(graph, [x, i]), strict=True):
            np.testing.assert_array_equal(a, b)
