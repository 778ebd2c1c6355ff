"""Rewrite rules: what matches, what does not, loops found, untouched values shared."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.errors import IRError
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.rewrite import rebuild, rewrite, splat
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace

X = TensorType((2, 3), "float32")
NEG = rewrite("neg neg", lambda x: -(-x), lambda x: x)
ADD = rewrite("double", lambda x: x + x, lambda x: x * 2)


def names(graph: Graph) -> list[str]:
    return [v.prim.name for v in graph.values() if v.prim is not None]


def test_rules_apply_until_none_matches() -> None:
    graph = trace(lambda x: -(-(-(-(-x)))), X)
    assert names(rebuild(graph, [NEG])) == ["neg"]


def test_a_name_is_one_value() -> None:
    graph = trace(lambda x, y: ((x + x) * 1, x + y), X, X)
    assert names(rebuild(graph, [ADD])) == ["mul", "mul", "add"]


def test_commutative_operands_match_either_way() -> None:
    rule = rewrite("one", lambda x: x * 1, lambda x: x)
    assert names(rebuild(trace(lambda x: (1 * x, x * 1, x / 1), X), [rule])) == ["div"]
    both = rewrite("factor", lambda x, y: -x + y, lambda x, y: y - x)
    assert names(rebuild(trace(lambda x, y: (x + -y, -x + y), X, X), [both])) == ["sub", "sub"]


def test_numbers_match_repeated_constants_and_the_sign_of_zero() -> None:
    rule = rewrite("zero", lambda x: x - 0, lambda x: x)

    def f(x: Any) -> tuple[Any, ...]:
        zeros = F["broadcast_to"](constant(np.float32(0)), shape=x.shape)
        return x - zeros, x - constant(np.float32(-0.0)), x - 1

    assert names(rebuild(trace(f, X), [rule])) == ["sub", "sub"]


def test_parameters_are_holes_or_equal() -> None:
    turn = rewrite(
        "twice",
        lambda x, p, q: F["transpose"](F["transpose"](x, axes=p), axes=q),
        lambda x, p, q: F["transpose"](x, axes=tuple(p[i] for i in q)),
    )
    graph = trace(lambda x: F["transpose"](F["transpose"](x, axes=(2, 0, 1)), axes=(1, 2, 0)), TensorType((2, 3, 4), "float32"))
    done = rebuild(graph, [turn])
    assert [v.params for v in done.values()] == [((0, 1, 2),)]
    fixed = rewrite("only", lambda x: F["reduce_sum"](x, axes=(0,)), lambda x: F["reduce_max"](x, axes=(0,)))
    both = trace(lambda x: (F["reduce_sum"](x, axes=(0,)), F["reduce_sum"](x, axes=(1,))), X)
    assert names(rebuild(both, [fixed])) == ["reduce_max", "reduce_sum"]


def test_conditions_and_types_guard_rules() -> None:
    rule = rewrite("guarded", lambda x, y: x + y, lambda x, y: x * y, when=lambda x, y: x is y)
    assert names(rebuild(trace(lambda x, y: (x + x, x + y), X, X), [rule])) == ["mul", "add"]
    wrong = rewrite("changes the type", lambda x: F["exp"](x), lambda x: F["reduce_sum"](x, axes=(0,)))
    assert names(rebuild(trace(lambda x: F["exp"](x), X), [wrong])) == ["exp"]


def test_rules_that_chase_each_other_are_named() -> None:
    there = rewrite("there", lambda x: F["exp"](x), lambda x: F["log"](x))
    back = rewrite("back", lambda x: F["log"](x), lambda x: F["exp"](x))
    with pytest.raises(IRError, match=r"there|back"):
        rebuild(trace(lambda x: F["exp"](x), X), [there, back])


def test_untouched_values_are_shared() -> None:
    graph = trace(lambda x: F["exp"](x) * F["log"](x), X)
    assert rebuild(graph, [NEG]) is graph
    mixed = trace(lambda x: (F["exp"](x), -(-x)), X)
    assert rebuild(mixed, [NEG]).outputs[0] is mixed.outputs[0]


def test_new_values_are_rewritten_too() -> None:
    grow = rewrite("grow", lambda x: F["exp2"](x), lambda x: F["exp"](-(-x)))
    assert names(rebuild(trace(lambda x: F["exp2"](x), X), [grow, NEG])) == ["exp"]


def test_splat_reads_through_repetition() -> None:
    three = F["reshape"](F["broadcast_to"](constant(np.float32(3)), shape=(2, 3)), shape=(6,))
    assert splat(three) == 3
    assert splat(trace(lambda x: x, X).inputs[0]) is None


def test_time_is_linear() -> None:
    def chain(n: int) -> float:
        def f(x: Any) -> Any:
            for _ in range(n):
                x = -(-F["exp"](x))
            return x

        graph = trace(f, X)
        best = 1e9
        for _ in range(3):
            start = time.perf_counter()
            rebuild(graph, [NEG, ADD])
            best = min(best, time.perf_counter() - start)
        return best

    assert chain(2000) < 30 * chain(200)
