"""vmap of every primitive and of its derivative, for every subset of batched operands, against a loop."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from evaluate import evaluate
from primitive_case import Case
from primitive_cases import CASES

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.types import type_of_array
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import substitute, trace
from fgrad.transforms.vjp import pull

N = 3


def subsets(case: Case) -> list[tuple[bool, ...]]:
    found = [s for s in product((False, True), repeat=len(case.operands)) if any(s)]
    return [s for s in found if not s[1]] if case.name.startswith("named_") else found  # over the examples: test_lax_collectives


BATCHES = [(c, s) for c in CASES for s in subsets(c)]
every_batch = pytest.mark.parametrize(
    ("case", "which"), BATCHES, ids=[f"{c.id}-{''.join('fb'[b] for b in s)}" for c, s in BATCHES]
)


def samples(case: Case, which: tuple[bool, ...], dtype: str) -> tuple[list[Any], list[list[Any]]]:
    """Operands, stacked where batched, and the operands of each example."""
    draws = [case.draw(dtype, seed) for seed in range(N)]
    stacked = [np.stack([d[i] for d in draws]) if b else draws[0][i] for i, b in enumerate(which)]
    return stacked, [[d[i] if b else draws[0][i] for i, b in enumerate(which)] for d in draws]


def batched(f: Any, which: tuple[bool, ...], stacked: list[Any]) -> Any:
    """The graph of `f` on operands of which some are stacked."""

    def g(*vs: Value) -> Any:
        singles = trace(f, *[type_of_array(x[0] if b else x) for x, b in zip(stacked, which, strict=True)])
        new = {x: v for x, v, b in zip(singles.inputs, vs, which, strict=True) if b}
        fixed = {x: v for x, v, b in zip(singles.inputs, vs, which, strict=True) if not b}
        outputs = substitute(singles.outputs, fixed)
        results = batch(outputs, new, N)
        assert all(b for _, b in results)
        return [y for y, _ in results]

    return trace(g, *map(type_of_array, stacked))


@every_batch
def test_vmap_equals_a_loop(case: Case, which: tuple[bool, ...]) -> None:
    dtype = case.dtypes()[-1] if "f" not in case.kinds else "float64"
    stacked, singles = samples(case, which, dtype)
    got = evaluate(batched(case.build, which, stacked), *stacked)
    one = trace(case.build, *map(type_of_array, singles[0]))
    for k, y in enumerate(got):
        want = np.stack([evaluate(one, *xs)[k] for xs in singles])
        np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)


DERIVATIVES = [(c, s) for c, s in BATCHES if c.derivative and "f" in c.kinds and c.wrt() and not c.prim.elementwise]


@pytest.mark.parametrize(
    ("case", "which"), DERIVATIVES, ids=[f"{c.id}-{''.join('fb'[b] for b in s)}" for c, s in DERIVATIVES]
)
def test_vmap_of_pull_equals_a_loop(case: Case, which: tuple[bool, ...]) -> None:
    wrt = case.wrt()

    def f(*vs: Value) -> Any:
        ys = [y for y in case.build(*vs) if y.type.inexact]
        cs = pull(ys, [y + 1.5 for y in ys], [vs[i] for i in wrt])
        return [c + 0 * vs[i] for i, c in zip(wrt, cs, strict=True) if c is not None]

    stacked, singles = samples(case, which, "float64")
    graph = batched_some(f, which, stacked)
    one = trace(f, *map(type_of_array, singles[0]))
    got = evaluate(graph, *stacked)
    for k, y in enumerate(got):
        want = np.stack([evaluate(one, *xs)[k] for xs in singles])
        np.testing.assert_allclose(np.broadcast_to(y, want.shape), want, rtol=1e-10, atol=1e-10)


def batched_some(f: Any, which: tuple[bool, ...], stacked: list[Any]) -> Any:
    """As `batched`; a result that depends on no batched operand stays single."""
    singles = trace(f, *[type_of_array(x[0] if b else x) for x, b in zip(stacked, which, strict=True)])
    leaves = list(singles.inputs)
    inputs = [leaf(type_of_array(x)) if b else v for x, v, b in zip(stacked, leaves, which, strict=True)]
    new = {v: i for v, i, b in zip(leaves, inputs, which, strict=True) if b}
    return Graph(tuple(inputs), tuple([y for y, _ in batch(singles.outputs, new, N)]))
