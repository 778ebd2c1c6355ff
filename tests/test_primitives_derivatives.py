"""Every primitive's derivatives against finite differences, forward, reverse and twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluate import evaluate
from primitive_case import Case
from primitive_cases import CASES

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType, type_of_array
from fgrad.transforms.inline import trace
from fgrad.transforms.jvp import push
from fgrad.transforms.vjp import pull

SMOOTH = [c for c in CASES if c.derivative and "f" in c.kinds and c.wrt()]
smooth = pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.id)
STEP = 1e-5


def inexact(ys: tuple[Value, ...]) -> list[Value]:
    return [y for y in ys if y.type.inexact]


def pushed(case: Case, xs: list[Any]) -> Graph:
    """(*xs, *tangents) -> tangents of the results."""
    wrt = case.wrt()

    def f(*vs: Value) -> Any:
        ys = inexact(case.build(*vs[: len(xs)]))
        ts = push(ys, {vs[i]: t for i, t in zip(wrt, vs[len(xs) :], strict=True)})
        return [y * 0 if t is None else t for y, t in zip(ys, ts, strict=True)]

    return trace(f, *map(type_of_array, xs), *[type_of_array(xs[i]) for i in wrt])


def pulled(case: Case, xs: list[Any]) -> Callable[..., Any]:
    """On Values: (*xs, *cts) -> cotangents of the operands."""
    wrt = case.wrt()

    def f(*vs: Value) -> Any:
        ys = inexact(case.build(*vs[: len(xs)]))
        cs = pull(ys, list(vs[len(xs) :]), [vs[i] for i in wrt])
        return [vs[i] * 0 if c is None else c for i, c in zip(wrt, cs, strict=True)]

    return f


def primal(case: Case, xs: list[Any]) -> list[Any]:
    graph = trace(lambda *vs: inexact(case.build(*vs)), *map(type_of_array, xs))
    return evaluate(graph, *xs)


def moved(xs: list[Any], wrt: list[int], by: float, vs: list[Any]) -> list[Any]:
    out = list(xs)
    for i, v in zip(wrt, vs, strict=True):
        out[i] = xs[i] + by * v
    return out


def difference(f: Callable[[list[Any]], list[Any]], xs: list[Any], wrt: list[int], vs: list[Any]) -> list[Any]:
    """Five-point central difference along `vs`."""
    near = [f(moved(xs, wrt, s * STEP, vs)) for s in (1, -1)]
    far = [f(moved(xs, wrt, 2 * s * STEP, vs)) for s in (1, -1)]
    return [(8 * (a - b) - (c - d)) / (12 * STEP) for a, b, c, d in zip(near[0], near[1], far[0], far[1], strict=True)]


def sample(case: Case) -> tuple[list[Any], list[int], list[Any], list[Any]]:
    """Operands, differentiable ones, tangents of those, cotangents of the results."""
    xs, wrt = case.draw("float64"), case.wrt()
    rng = np.random.default_rng(7)
    vs = [np.asarray(rng.normal(size=xs[i].shape)) for i in wrt]
    cs = [np.asarray(rng.normal(size=y.shape)) for y in primal(case, xs)]
    return xs, wrt, vs, cs


def inner(a: list[Any], b: list[Any]) -> float:
    return float(sum([(x * y).sum() for x, y in zip(a, b, strict=True)]))


@smooth
def test_push_matches_finite_differences(case: Case) -> None:
    xs, wrt, vs, _ = sample(case)
    got = evaluate(pushed(case, xs), *xs, *vs)
    for a, b in zip(got, difference(lambda x: primal(case, x), xs, wrt, vs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


@smooth
def test_pull_is_the_transpose_of_push(case: Case) -> None:
    xs, wrt, vs, cs = sample(case)
    forward = evaluate(pushed(case, xs), *xs, *vs)
    graph = trace(pulled(case, xs), *map(type_of_array, [*xs, *cs]))
    back = evaluate(graph, *xs, *cs)
    for i, c in zip(wrt, back, strict=True):
        assert c.shape == xs[i].shape
    assert inner(forward, cs) == pytest.approx(inner(back, vs), rel=1e-10, abs=1e-10)


@smooth
def test_each_operand_alone(case: Case) -> None:
    """Derivatives by one operand, the others constant: what a rule for several at once may get wrong."""
    xs, wrt, vs, cs = sample(case)
    whole = evaluate(pushed(case, xs), *xs, *vs)
    total = [0 * y for y in whole]
    for k, i in enumerate(wrt):

        def f(*a: Value, i: int = i) -> Any:
            ys = inexact(case.build(*a[: len(xs)]))
            t = push(ys, {a[i]: a[len(xs)]})
            c = pull(ys, list(a[len(xs) + 1 :]), [a[i]])
            return [
                *[y * 0 if x is None else x for y, x in zip(ys, t, strict=True)],
                a[i] * 0 if c[0] is None else c[0],
            ]

        graph = trace(f, *map(type_of_array, [*xs, vs[k], *cs]))
        *t, c = evaluate(graph, *xs, vs[k], *cs)
        assert inner(t, cs) == pytest.approx(inner([c], [vs[k]]), rel=1e-10, abs=1e-10)
        total = [a + b for a, b in zip(total, t, strict=True)]
    for a, b in zip(total, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.second], ids=lambda c: c.id)
def test_second_derivatives_match_finite_differences(case: Case) -> None:
    xs, wrt, vs, cs = sample(case)
    back = pulled(case, xs)
    ws = [np.cos(3 * v) for v in vs]
    first = trace(back, *map(type_of_array, [*xs, *cs]))
    numeric = difference(lambda x: [np.asarray(inner(evaluate(first, *x, *cs), ws))], xs, wrt, vs)[0]

    def weighted(*a: Value) -> Any:
        n, m = len(xs), len(cs)
        gs = back(*a[: n + m])
        total = FUNCTIONS["reduce_sum"](gs[0] * a[n + m], axes=tuple(range(gs[0].ndim)))
        for g, w in zip(gs[1:], a[n + m + 1 : n + m + len(ws)], strict=True):
            total = total + FUNCTIONS["reduce_sum"](g * w, axes=tuple(range(g.ndim)))
        return total

    def forward(*a: Value) -> Any:
        t = push([weighted(*a)], {a[i]: v for i, v in zip(wrt, a[-len(wrt) :], strict=True)})[0]
        return a[-1] * 0 if t is None else t

    def reverse(*a: Value) -> Any:
        one = constant(np.ones(()))
        out = pull([weighted(*a)], [one], [a[i] for i in wrt])
        return [a[i] * 0 if c is None else c for i, c in zip(wrt, out, strict=True)]

    arrays = [*xs, *cs, *ws, *vs]
    types = list(map(type_of_array, arrays))
    assert evaluate(trace(forward, *types), *arrays)[0].sum() == pytest.approx(float(numeric), rel=1e-6, abs=1e-6)
    hessian = evaluate(trace(reverse, *types), *arrays)
    assert inner(hessian, vs) == pytest.approx(float(numeric), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", [c for c in CASES if not c.prim.smooth and "f" in c.kinds], ids=lambda c: c.id)
def test_derivatives_stop_at_steps(case: Case) -> None:
    xs = case.draw("float64")
    leaves = [leaf(type_of_array(x)) for x in xs]
    ys = case.build(*leaves)
    assert push(ys, {leaves[0]: leaves[0]}) == [None] * len(ys)
    assert pull(ys, list(ys), [leaves[0]]) == [None]


COMPLEX = [
    c for c in CASES if "c" in c.kinds and c.derivative and c.prim.elementwise and c.name not in ("convert", "select")
]


@pytest.mark.parametrize("case", COMPLEX, ids=lambda c: c.id)
def test_holomorphic_derivatives(case: Case) -> None:
    xs = case.draw("complex128")
    rng = np.random.default_rng(3)
    vs = [rng.normal(size=x.shape) + 1j * rng.normal(size=x.shape) for x in xs]

    def f(*a: Value) -> Any:
        n = len(xs)
        return push(case.build(*a[:n]), dict(zip(a[:n], a[n:], strict=True)))

    got = evaluate(trace(f, *map(type_of_array, [*xs, *vs])), *xs, *vs)
    want = difference(lambda x: primal(case, x), xs, list(range(len(xs))), vs)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    "case", [c for c in SMOOTH if not any(o.dtype == "float64" for o in c.operands)], ids=lambda c: c.id
)
def test_derivatives_keep_the_dtype(case: Case, dtype: str) -> None:
    if dtype in case.without:
        pytest.skip("refused")
    leaves = [leaf(TensorType(o.shape, o.dtype or dtype)) for o in case.operands]
    wrt = [leaves[i] for i in case.wrt(dtype)]
    ys = inexact(case.build(*leaves))
    for y, t in zip(ys, push(ys, {x: x for x in wrt}), strict=True):
        assert t is None or t.type is y.type
    for x, c in zip(wrt, pull(ys, list(ys), wrt), strict=True):
        assert c is None or c.type is x.type
