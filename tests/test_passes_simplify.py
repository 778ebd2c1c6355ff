"""Simplify, fold, share and drop: every rule keeps values, shrinks programs, and is reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import interpret
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.text import format_graph
from fgrad.ir.types import CPU, TensorType
from fgrad.passes.drop import drop_dead
from fgrad.passes.fold import fold_constants
from fgrad.passes.pipeline import run
from fgrad.passes.share import share, share_with
from fgrad.passes.simplify import FAST, FINAL, RULES, simplify, simplify_final
from fgrad.transforms.inline import trace

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, 3e38, 1e-40, 7.0, -7.0, 0.25)
EXAMPLES: dict[str, tuple[Any, ...]] = {  # what the holes of a rule stand for: dtypes of 4x3 operands, then parameters
    "add zero": ("int32",),
    "div exact": ("float32", constant(np.float32(0.25))),
    "select same": ("bool", "float32"),
    "select not": ("bool", "float32", "float32"),
    "select true": (constant(np.bool_(True)), "float32", "float32"),
    "select false": (constant(np.bool_(False)), "float32", "float32"),
    "neg scaled": ("float32", constant(np.float32(3))),
    "scaled neg": ("float32", constant(np.float32(3))),
    "not not": ("bool",),
    "transpose transpose": ("float32", (1, 0), (1, 0)),
    "transpose nothing": ("float32", (0, 1)),
    "flip flip": ("float32", (0,)),
    "reshape reshape": ("float32", (12,), (2, 6)),
    "reshape nothing": ("float32", (4, 3)),
    "broadcast broadcast": ("float32", (2, 4, 3), (5, 2, 4, 3)),
    "broadcast nothing": ("float32", (4, 3)),
    "reshape number": (constant(np.float32(3)), (4, 3), (12,)),
    "transpose number": (constant(np.float32(3)), (4, 3), (1, 0)),
    "slice nothing": ("float32", (0, 0), (4, 3), (1, 1)),
    "pad nothing": ("float32", constant(np.float32(1)), (0, 0), (0, 0), (0, 0)),
    "convert nothing": ("float32", np.dtype("float32")),
    "convert convert": ("float32", np.dtype("float64"), np.dtype("int32")),
    "dot left turned": ("float32", "float32", (1, 0), ((1,), (0,)), ((), ())),
    "dot right turned": ("float32", "float32", (1, 0), ((0,), (1,)), ((), ())),
    "dot turned": ("float32", "float32", (1, 0), ((0,), (0,)), ((), ())),
    "mark": ("float32", 1),
}
CHANGING = {r.name for r in FAST} - {r.name for r in FINAL}


def operands(example: tuple[Any, ...]) -> tuple[list[TensorType], list[int]]:
    types, places = [], []
    for i, part in enumerate(example):
        if isinstance(part, str):
            types.append(TensorType((4, 3), part))
            places.append(i)
    return types, places


def both_sides(rule: Any) -> tuple[Graph, Graph]:
    example = EXAMPLES.get(rule.name, ("float32",) * len(rule.holes))
    types, places = operands(example)

    def fill(side: Any) -> Any:
        def f(*xs: Any) -> Any:
            given = list(example)
            for i, x in zip(places, xs, strict=True):
                given[i] = x
            return side(*given)

        return trace(f, *types)

    return fill(rule.left), fill(rule.right)


def draw(graph: Graph, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    out = []
    for t in graph.input_types:
        assert isinstance(t, TensorType)
        if t.dtype.kind == "f":
            out.append(rng.choice(np.array(SPECIAL, t.dtype), size=t.shape))
        elif t.dtype.kind == "b":
            out.append(rng.integers(0, 2, t.shape).astype(bool))
        else:
            out.append(rng.integers(-9, 9, t.shape).astype(t.dtype))
    return out


@pytest.mark.parametrize("rule", FINAL, ids=lambda r: r.name.replace(" ", "_"))
def test_rules_keep_every_bit_and_shrink(rule: Any) -> None:
    left, right = both_sides(rule)
    assert len(right.values()) <= len(left.values())
    assert left.output_types == right.output_types
    for seed in range(8):
        inputs = draw(left, seed)
        if "dot" in rule.name or rule.name == "convert convert":
            inputs = [np.where(np.isfinite(x), np.clip(x, -9, 9), 1).astype(x.dtype) for x in inputs]
        with np.errstate(all="ignore"):
            (a,), (b,) = interpret(left, inputs), interpret(right, inputs)
        if "dot" in rule.name:
            np.testing.assert_allclose(a, b, rtol=1e-6)
        else:
            np.testing.assert_array_equal(a, b)
            if a.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(a)[a == 0], np.signbit(b)[a == 0])
    changed = rule(left.outputs[0])
    assert changed is not None
    assert changed.type is left.outputs[0].type


@pytest.mark.parametrize(
    ("x", "over", "to", "values", "joined"),
    [
        ("int64", "float64", "int64", [2**53 + 1], False),
        ("uint64", "float64", "float32", [2**60 + 2**36 + 1], False),
        ("uint32", "float64", "int32", [2**32 - 1], False),
        ("uint8", "float32", "int8", [255], False),
        ("float32", "float16", "float32", [0.1], False),
        ("int32", "float32", "int32", [2**24 + 1], False),
        ("int32", "float64", "int32", [2**31 - 1], True),
        ("int32", "float64", "float32", [2**31 - 1], True),
        ("uint8", "float16", "int16", [255], True),
        ("int64", "int32", "int64", [2**40], False),
        ("uint8", "int32", "int8", [255], True),
    ],
)
def test_conversions_are_joined_where_the_one_between_changes_nothing(x: str, over: str, to: str, values: list[Any], joined: bool) -> None:
    graph = trace(lambda v: F["convert"](F["convert"](v, dtype=np.dtype(over)), dtype=np.dtype(to)), TensorType((1,), x))
    after = simplify_final(graph)
    assert (len(after.values()) < 2) is joined
    given = [np.array(values, x)]
    with np.errstate(invalid="ignore", over="ignore"):
        np.testing.assert_array_equal(interpret(after, given)[0], interpret(graph, given)[0])


def test_complex_zeros_keep_their_signs() -> None:
    graph = trace(lambda x: x + constant(np.complex64(-0.0)), TensorType((1,), "complex64"))
    given = [np.array([complex(-1.0, -0.0)], "complex64")]
    assert np.signbit(interpret(graph, given)[0].imag) == np.signbit(interpret(simplify_final(graph), given)[0].imag)


def test_value_changing_rules_are_in_no_pipeline() -> None:
    assert CHANGING
    assert not CHANGING & {r.name for r in (*RULES, *FINAL)}


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_value_changing_rules_are_close_on_plain_numbers(name: str) -> None:
    rule = next(r for r in FAST if r.name == name)
    left, right = both_sides(rule)
    inputs = [np.random.default_rng(0).uniform(0.5, 2, (4, 3)).astype("float32") for _ in left.inputs]
    np.testing.assert_allclose(interpret(left, inputs)[0], interpret(right, inputs)[0], rtol=1e-5)
    assert len(right.values()) <= len(left.values())


def after(text: str, step: Any) -> str:
    return format_graph(step(parse_graph(text))).split("\n", 1)[1]


def test_simplify_text() -> None:
    text = """graph (%0: float32[4,3], %1: float32[5,3]) {
  %2: float32[3,5] = transpose(%1) {axes=(1, 0)}
  %3: float32[4,5] = dot_general(%0, %2) {contract=((1,), (0,)), batch=((), ())}
  %4: float32[4,5] = neg(%3)
  %5: float32[4,5] = mul(%4, 1.0:float32)
  %6: float32[4,5] = sub(%5, %4)
  return %6
}"""
    assert after(text, simplify) == """  %2: float32[4,5] = dot_general(%0, %1) {contract=((1,), (1,)), batch=((), ())}
  %3: float32[4,5] = sub(%2, %2)
  return %3
}"""


def test_marks_stay_until_the_end() -> None:
    graph = trace(lambda x: F["exp"](F["mark"](x, depth=1)), TensorType((3,), "float32"))
    assert len(simplify(graph).values()) == 2
    assert len(simplify_final(graph).values()) == 1


def test_zeros_are_not_dropped_where_their_sign_shows() -> None:
    graph = trace(lambda x: (x + 0, x - 0, x + constant(np.float32(-0.0))), TensorType((3,), "float32"))
    assert [v.prim.name for v in simplify(graph).values() if v.prim] == ["add"]


def test_constants_fold_up_to_a_size() -> None:
    def f(x: Any) -> tuple[Any, ...]:
        small = F["reduce_sum"](constant(np.ones((3, 4), "float32")), axes=(0,))
        number = F["exp"](F["broadcast_to"](constant(np.float32(0)), shape=(1000, 1000)))
        large = F["reshape"](F["mul"](constant(np.ones(40_000, "float32")), constant(np.float32(2))), shape=(40_000,))
        counted = F["iota"](shape=(4,), dtype=np.dtype("int64"), axis=0, device=CPU)
        return F["add"](x, small), F["mul"](F["broadcast_to"](x, shape=(3, 4)), 1), number, large, counted

    graph = fold_constants(trace(f, TensorType((4,), "float32")))
    assert [v.prim.name for v in graph.values() if v.prim] == ["add", "broadcast_to", "mul", "broadcast_to", "mul", "reshape", "iota"]
    x = np.arange(4, dtype="float32")
    np.testing.assert_array_equal(interpret(graph, [x])[0], x + 3)


def test_share_keeps_unlike_parameters_apart() -> None:
    def f(x: Any) -> tuple[Any, ...]:
        a, b = F["exp"](x), F["exp"](x)
        c, d = F["reduce_sum"](x, axes=(0,)), F["reduce_sum"](x, axes=(1,))
        one, two = x + constant(np.float32(0.0)), x + constant(np.float32(-0.0))
        return a, b, c, d, one, two, x + np.float32(0.0)

    graph = share(trace(f, TensorType((3, 3), "float32")))
    assert len(graph.values()) == 5
    assert graph.outputs[0] is graph.outputs[1]
    assert graph.outputs[4] is not graph.outputs[5]
    assert graph.outputs[4] is graph.outputs[6]


def test_share_leaves_effects_apart_and_merges_regions_when_asked() -> None:
    inner = [trace(lambda v: F["mul"](v, 2.0), TensorType((3,), "float32")) for _ in range(2)]
    graph = trace(lambda x: tuple(F["fused"](x, graph=g) for g in inner), TensorType((3,), "float32"))
    assert len(share(graph).values()) == 2
    assert len(share_with(graph, format_graph).values()) == 1


def test_unread_results_of_groups_go() -> None:
    inner = trace(lambda v: (F["mul"](v, 2.0), F["exp"](v), F["neg"](v)), TensorType((3,), "float32"))

    def f(x: Any) -> Any:
        group = F["fused"](x, graph=inner)
        return F["item"](group, index=2), F["item"](group, index=0)

    graph = drop_dead(trace(f, TensorType((3,), "float32")))
    assert [len(v.params[0].outputs) for v in graph.values() if v.prim and v.prim.name == "fused"] == [2]
    np.testing.assert_array_equal(interpret(graph, [np.ones(3, "float32")]), [[-1] * 3, [2] * 3])


def test_passes_enter_regions() -> None:
    body = trace(lambda v: -(-v), TensorType((3,), "float32"))
    graph = trace(lambda x: F["checkpoint"](x, graph=body), TensorType((3,), "float32")) if "checkpoint" in F else None
    if graph is None:
        pytest.skip("no region primitives")
    inner = [g for v in run(graph).values() for g in v.params if isinstance(g, Graph)]
    assert all(not g.values() for g in inner)
