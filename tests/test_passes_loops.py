"""Passes on scans: what leaves the loop, what stays, and that results are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluate import evaluate

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.types import TensorType, TupleType
from fgrad.ir.verify import verify
from fgrad.passes import loops
from fgrad.passes.merge import merge_extensions
from fgrad.passes.orient import orient_constants
from fgrad.passes.parts import join_parts
from fgrad.passes.pipeline import run
from fgrad.passes.shorten import shorten_loops
from fgrad.primitives.regions import scan_values
from fgrad.transforms.inline import trace
from fgrad.transforms.vjp import pull


def f64(*shape: int) -> TensorType:
    return TensorType(shape, "float64")


def times(x: Any, w: Any) -> Any:
    """x @ w.T"""
    return F["dot_general"](x, w, contract=((x.ndim - 1,), (1,)), batch=((), ()))


def total(x: Any) -> Any:
    return F["reduce_sum"](x, axes=tuple(range(x.ndim)))


def cut(x: Any, k: int) -> Any:
    n = x.shape[-1] // 4
    return F["slice"](x, start=(0, k * n), stop=(x.shape[0], k * n + n), step=(1, 1))


def arrays(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=x.shape) * 0.5 for x in graph.inputs]


def same(graph: Graph, changed: Graph) -> None:
    verify(changed)
    given = arrays(graph)
    for a, b in zip(evaluate(graph, *given), evaluate(changed, *given), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)


def scans(graph: Graph) -> list[Value]:
    return [v for v in graph.values() if v.prim is not None and v.prim.name == "scan"]


def products(graph: Graph) -> int:
    return sum(v.prim is not None and v.prim.name == "dot_general" for v in graph.values())


def inside(graph: Graph) -> list[int]:
    """Products in each loop."""
    return [products(v.params[0]) for v in scans(graph)]


BEFORE = """graph graph(%0: float64[3,4], %1: float64[4,4], %2: float64[2,4], %3: float64[5,2,4]) {
  %4: (float64[2,4], float64[5,2,4], float64[5,2,4]) = scan(%0, %1, %2, %3) {body=graph (%0: float64[3,4], %1: float64[4,4], %2: float64[2,4], %3: float64[2,4]) {
    %4: float64[2,4] = dot_general(%3, %1) {contract=((1,), (0,)), batch=((), ())}
    %5: float64[2,4] = add(%2, %4)
    %6: float64[2,4] = tanh(%5)
    %7: float64[2,4] = dot_general(%6, %1) {contract=((1,), (1,)), batch=((), ())}
    return %6, %7, %4
  }, length=5, reverse=False, n_consts=2, n_carry=1}
  %5: float64[2,4] = item(%4) {index=0}
  %6: float64[5,2,4] = item(%4) {index=1}
  return %5, %6
}"""
AFTER = """graph graph(%0: float64[3,4], %1: float64[4,4], %2: float64[2,4], %3: float64[5,2,4]) {
  %4: float64[5,2,4] = dot_general(%3, %1) {contract=((2,), (0,)), batch=((), ())}
  %5: (float64[2,4], float64[5,2,4]) = scan(%2, %4) {body=graph (%0: float64[2,4], %1: float64[2,4]) {
    %2: float64[2,4] = add(%0, %1)
    %3: float64[2,4] = tanh(%2)
    return %3, %3
  }, length=5, reverse=False, n_consts=0, n_carry=1}
  %6: float64[2,4] = item(%5) {index=0}
  %7: float64[5,2,4] = item(%5) {index=1}
  %8: float64[5,2,4] = dot_general(%7, %1) {contract=((2,), (1,)), batch=((), ())}
  return %6, %8
}"""
SUM = """graph graph(%0: float64[4,3], %1: float64[4], %2: float64[2,3], %3: float64[5,2,4]) {
  %4: (float64[4,3], float64[4], float64[2,3]) = scan(%0, %1, %2, %3) {body=graph (%0: float64[4,3], %1: float64[4], %2: float64[2,3], %3: float64[2,4]) {
    %4: float64[4,3] = dot_general(%3, %2) {contract=((0,), (0,)), batch=((), ())}
    %5: float64[4,3] = add(%0, %4)
    %6: float64[4] = reduce_sum(%3) {axes=(0,)}
    %7: float64[4] = add(%1, %6)
    %8: float64[2,3] = sin(%2)
    return %5, %7, %8
  }, length=5, reverse=True, n_consts=0, n_carry=3}
  %5: float64[4,3] = item(%4) {index=0}
  %6: float64[4] = item(%4) {index=1}
  return %5, %6
}"""
SUMMED = """graph graph(%0: float64[4,3], %1: float64[4], %2: float64[2,3], %3: float64[5,2,4]) {
  %4: (float64[2,3], float64[5,2,3]) = scan(%2) {body=graph (%0: float64[2,3]) {
    %1: float64[2,3] = sin(%0)
    return %1, %0
  }, length=5, reverse=True, n_consts=0, n_carry=1}
  %5: float64[5,2,3] = item(%4) {index=1}
  %6: float64[4,3] = dot_general(%3, %5) {contract=((0, 1), (0, 1)), batch=((), ())}
  %7: float64[4,3] = add(%0, %6)
  %8: float64[4] = reduce_sum(%3) {axes=(0, 1)}
  %9: float64[4] = add(%1, %8)
  return %7, %9
}"""
PADS = """graph graph(%0: float64[2,3], %1: float64[2,1], %2: float64[2,6]) {
  %3: float64[2,6] = pad(%0, 0.0:float64) {low=(0, 3), high=(0, 0), interior=(0, 0)}
  %4: float64[2,6] = add(%3, %2)
  %5: float64[2,6] = pad(%1, 0.0:float64) {low=(0, 0), high=(0, 5), interior=(0, 0)}
  %6: float64[2,6] = add(%4, %5)
  return %6
}"""
JOINED = """graph graph(%0: float64[2,3], %1: float64[2,1], %2: float64[2,6]) {
  %3: float64[2,2] = broadcast_to(0.0:float64) {shape=(2, 2)}
  %4: float64[2,6] = concatenate(%1, %3, %0) {axis=1}
  %5: float64[2,6] = add(%4, %2)
  return %5
}"""
TURN = """graph graph(%0: float64[4,3], %1: float64[2,3]) {
  %2: (float64[2,3],) = scan(%0, %1) {body=graph (%0: float64[4,3], %1: float64[2,3]) {
    %2: float64[2,4] = dot_general(%1, %0) {contract=((1,), (1,)), batch=((), ())}
    %3: float64[2,3] = dot_general(%2, %0) {contract=((1,), (0,)), batch=((), ())}
    return %3
  }, length=5, reverse=False, n_consts=1, n_carry=1}
  %3: float64[2,3] = item(%2) {index=0}
  return %3
}"""
TURNED = """graph graph(%0: float64[4,3], %1: float64[2,3]) {
  %2: float64[3,4] = transpose(%0) {axes=(1, 0)}
  %3: (float64[2,3],) = scan(%0, %2, %1) {body=graph (%0: float64[4,3], %1: float64[3,4], %2: float64[2,3]) {
    %3: float64[2,4] = dot_general(%2, %1) {contract=((1,), (0,)), batch=((), ())}
    %4: float64[2,3] = dot_general(%3, %0) {contract=((1,), (0,)), batch=((), ())}
    return %4
  }, length=5, reverse=False, n_consts=2, n_carry=1}
  %4: float64[2,3] = item(%3) {index=0}
  return %4
}"""
TEXTS = {
    "before and after": (shorten_loops, BEFORE, AFTER),
    "sums": (shorten_loops, SUM, SUMMED),
    "parts": (join_parts, PADS, JOINED),
    "turned": (orient_constants, TURN, TURNED),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_in_text_out(name: str) -> None:
    step, before, after = TEXTS[name]
    graph = parse_graph(before)
    changed = step(graph)
    assert str(changed) == after
    assert step(changed) is changed
    same(graph, changed)


# ---------------------------------------------------------------- networks
def lstm(w: Any, u: Any, b: Any, h: Any, xs: Any) -> Any:
    def step(c: list[Value], x: list[Value]) -> tuple[list[Value], list[Value]]:
        a = times(x[0], w) + times(c[0], u)
        gates = a + F["broadcast_to"](b, shape=a.shape)
        i, f, g, o = (cut(gates, k) for k in range(4))
        state = F["sigmoid"](f) * c[1] + F["sigmoid"](i) * F["tanh"](g)
        y = F["sigmoid"](o) * F["tanh"](state)
        return [y, state], [y]

    (_, last), (ys,) = scan_values(step, [h, h], [xs])
    return total(ys * ys) + total(last)


def tanh_rnn(w: Any, u: Any, b: Any, h: Any, xs: Any) -> Any:
    def step(c: list[Value], x: list[Value]) -> tuple[list[Value], list[Value]]:
        a = cut(times(x[0], w), 0) + times(c[0], cut_rows(u))
        y = F["tanh"](a)
        return [y], [times(y, u)]

    (last,), (ys,) = scan_values(step, [h], [xs], reverse=True)
    return total(ys * F["broadcast_to"](b, shape=ys.shape)) + total(last)


def cut_rows(u: Any) -> Any:
    return F["slice"](u, start=(0, 0), stop=(u.shape[1], u.shape[1]), step=(1, 1))


SHAPES = (f64(12, 2), f64(12, 3), f64(12), f64(2, 3), f64(6, 2, 2))


def trained(f: Callable[..., Value]) -> Graph:
    """The value and all gradients."""
    return trace(lambda *xs: (y := f(*xs), *pull([y], [constant(np.ones(()))], xs)), *SHAPES)


@pytest.mark.parametrize(("f", "left"), [(lstm, [1, 1]), (tanh_rnn, [1, 1])])
def test_only_the_recurrence_stays_in_the_loop(f: Callable[..., Value], left: list[int]) -> None:
    graph = trained(f)
    merged = merge_extensions(graph)
    assert sum(inside(merged)) > sum(left)
    changed = shorten_loops(merged)
    assert inside(changed) == left
    same(graph, changed)
    same(graph, run(graph))


def test_gradients_keep_what_is_costly() -> None:
    """Of an LSTM's step, the results of its five functions and both carried values, beside what it gives."""
    forward = scans(shorten_loops(merge_extensions(trained(lstm))))[0]
    assert isinstance(forward.type, TupleType)
    assert len(forward.type.items) == 2 + 1 + 5 + 2


def test_a_bias_that_is_repeated_outside_is_read_as_it_is_and_its_gradient_is_one_sum() -> None:
    def f(b: Any, h: Any, xs: Any) -> Any:
        rows = F["broadcast_to"](b, shape=h.shape)
        (last,), _ = scan_values(lambda c, x: ([F["tanh"](c[0] * x[0] + rows)], []), [h], [xs])
        return total(last)

    graph = trace(lambda *xs: (y := f(*xs), *pull([y], [constant(np.ones(()))], xs)), f64(3), f64(2, 3), f64(6, 2, 3))
    changed = shorten_loops(merge_extensions(graph))
    assert [v.operands[0].shape for v in scans(changed)[:1]] == [(3,)]
    sums = [v for v in changed.values() if v.prim is not None and v.prim.name == "reduce_sum"]
    assert not any(v.operands[0] in sums for v in sums)
    same(graph, changed)


def test_second_derivatives() -> None:
    graph = trace(
        lambda *xs: pull([total(pull([lstm(*xs)], [constant(np.ones(()))], [xs[1]])[0])], [constant(np.ones(()))], xs), *SHAPES
    )
    same(graph, run(graph))


# ---------------------------------------------------------------- what stays
def test_nothing_leaves_for_which_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "ROOM", 0)
    monkeypatch.setattr(loops, "GROWTH", 0)
    graph = merge_extensions(trained(lstm))
    assert inside(shorten_loops(graph)) == inside(graph)
    graph = parse_graph(BEFORE)
    assert inside(shorten_loops(graph)) == [1]  # the product before the loop was stacked, and the one after it takes no more room


def test_a_sum_that_something_else_reads_stays() -> None:
    text = SUM.replace("return %5, %7, %8\n", "return %5, %7, %9\n").replace(
        "%8: float64[2,3] = sin(%2)", "%8: float64[] = reduce_sum(%0) {axes=(0, 1)}\n    %10: float64[2,3] = broadcast_to(%8) {shape=(2, 3)}"
        "\n    %9: float64[2,3] = mul(%2, %10)",
    )  # fmt: skip
    graph = parse_graph(text)
    changed = shorten_loops(graph)
    assert inside(changed) == [1]
    same(graph, changed)


def test_what_can_fail_stays() -> None:
    def f(w: Value, xs: Value) -> tuple[Any, ...]:
        def step(c: list[Value], x: list[Value]) -> tuple[list[Value], list[Value]]:
            i = F["convert"](x[0], dtype=np.dtype("int64"))
            row = F["gather"](w, i, axes=(0,), mode="raise")
            return [c[0] + F["dot_general"](row, w, contract=((1,), (1,)), batch=((), ()))], []

        return tuple(scan_values(step, [F["broadcast_to"](constant(np.zeros(())), shape=(2, 3))], [xs])[0])

    graph = trace(f, f64(3, 4), f64(5, 2))
    changed = shorten_loops(graph)
    (loop,) = scans(changed)
    assert "gather" in str(loop.params[0])
    assert "gather" not in [v.prim.name for v in changed.values() if v.prim is not None]
    given = [np.random.default_rng(0).normal(size=(3, 4)), np.ones((5, 2))]
    np.testing.assert_allclose(evaluate(changed, *given), evaluate(graph, *given))


def test_nested_loops_are_shortened_from_the_inside() -> None:
    def f(w: Value, h: Value, xs: Value) -> tuple[Any, ...]:
        def inner(c: list[Value], x: list[Value]) -> tuple[list[Value], list[Value]]:
            return [F["tanh"](times(x[0], w) + c[0])], []

        def outer(c: list[Value], x: list[Value]) -> tuple[list[Value], list[Value]]:
            (last,), _ = scan_values(inner, c, [x[0]])
            return [last], [last]

        (last,), (ys,) = scan_values(outer, [h], [xs])
        return last, ys

    graph = trace(f, f64(4, 4), f64(2, 4), f64(3, 5, 2, 4))
    changed = shorten_loops(graph)
    assert (inside(changed), products(changed)) == ([0], 1)
    same(graph, changed)


# ---------------------------------------------------------------- drawn bodies
def drawn(seed: int) -> Graph:
    """A scan over a random body, and gradients of what it gives."""
    rng = np.random.default_rng(seed)

    def pick(values: list[Value]) -> Value:
        return values[rng.integers(len(values))]

    def step(c: list[Value], x: list[Value], w: list[Value]) -> tuple[list[Value], list[Value]]:
        values = [*c[:2], *x]
        for _ in range(10):
            a, b, kind = pick(values), pick(values), rng.integers(8)
            if kind < 3:
                values.append(F["dot_general"](a, pick(w), contract=((1,), (int(rng.integers(2)),)), batch=((), ())))
            elif kind == 3:
                values.append(F[("add", "sub", "mul")[rng.integers(3)]](a, b))
            elif kind == 4:
                values.append(F["tanh"](a))
            elif kind == 5:
                values.append(F["transpose"](a, axes=(1, 0)))
            elif kind == 6:
                values.append(F["mul"](F["dot_general"](a, b, contract=((0,), (0,)), batch=((), ())), 0.3))
            else:
                values.append(F["broadcast_to"](F["reduce_sum"](a, axes=(0,)), shape=a.shape) * 0.2)
        g = F["dot_general"](pick(values), pick(values), contract=((0,), (0,)), batch=((), ()))
        sums = [c[2] + F["transpose"](g, axes=(1, 0)) * 1.0, F["reduce_sum"](pick(values), axes=(1,)) + c[3]]
        return [F["tanh"](pick(values)), F["tanh"](pick(values)), *sums], [pick(values), pick(values), pick(w)]

    def f(v: Value, w: Value, h: Value, r: Value, xs: Value) -> tuple[Any, ...]:
        start = [h, F["tanh"](h), w, r]
        ends, ys = scan_values(lambda c, x: step(c, x, [v, w]), start, [xs, F["tanh"](xs)], reverse=bool(seed % 2))
        loss = total(ends[int(rng.integers(2))]) + total(ys[0]) + total(ends[2] * ends[2]) + total(ends[3])
        return (*ends, *ys, *[g for g in pull([loss], [constant(np.ones(()))], [v, w, h, xs]) if g is not None])

    return trace(f, f64(3, 3), f64(3, 3), f64(3, 3), f64(3), f64(4, 3, 3))


@pytest.mark.parametrize("seed", range(40))
def test_drawn_loops(seed: int) -> None:
    graph = drawn(seed)
    merged = merge_extensions(graph)
    for step in (shorten_loops, orient_constants, join_parts):
        same(graph, step(merged))
    same(graph, run(graph))


def test_drawn_loops_are_shortened() -> None:
    changed = [sum(inside(shorten_loops(g))) < sum(inside(g)) for g in map(merge_extensions, map(drawn, range(20)))]
    assert sum(changed) > 15
