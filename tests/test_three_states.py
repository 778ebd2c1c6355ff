"""Every operation in its three states: op by op at first sight, planned NumPy in tiles, native kernels. All agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from primitive_case import Case
from primitive_cases import CASES

import fgrad as fg
from fgrad.backends import numpy as backend
from fgrad.eager import engine
from fgrad.eager.tape import THREAD, Interned, Tape
from fgrad.ir.dtypes import kind
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import type_of_array
from fgrad.transforms.inline import trace

ULPS = 8
STATES = ("tiled", "native")


def eps(dtype: Any) -> float:
    return float(ml_dtypes.finfo(dtype).eps)


def agree(found: Sequence[Any], expected: Sequence[Any], what: str) -> None:
    """Bit for bit for bools and integers; a few ULP of the largest element for floats."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), what
        if kind(a.dtype) in "bui":
            np.testing.assert_array_equal(a, b, err_msg=what)
            continue
        wide = "complex128" if kind(a.dtype) == "c" else "float64"
        x, y = a.astype(wide), b.astype(wide)
        bound = ULPS * eps(a.dtype)
        size = np.abs(y[np.isfinite(y)]).max(initial=0)
        np.testing.assert_allclose(x, y, rtol=bound, atol=bound * size, err_msg=what)


def check(graph: Graph, arrays: Sequence[Any]) -> None:
    """Runs a graph in all states, the compiled ones twice (the second time in a used arena); inputs stay as they are."""
    before = [a.copy() for a in arrays]
    expected = [np.array(a) for a in backend.interpret(graph, arrays)]
    for kernels in STATES:
        program = backend.compile(graph, kernels=kernels)
        for turn in (1, 2):
            agree(program(arrays), expected, f"{kernels}, run {turn}")
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


ROWS = [(c, d) for c in CASES for d in c.dtypes()]


@pytest.mark.parametrize(("case", "dtype"), ROWS, ids=lambda p: getattr(p, "id", p))
def test_every_primitive_agrees_in_all_states(case: Case, dtype: str) -> None:
    arrays = case.draw(dtype)
    check(trace(case.build, *map(type_of_array, arrays)), arrays)


FLOATS = [c for c in CASES if "f" in c.kinds]


@pytest.mark.parametrize("case", FLOATS, ids=lambda c: c.id)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_primitive_agrees_between_neighbours_that_fuse(case: Case, dtype: str) -> None:
    arrays = case.draw(dtype)

    def build(*xs: Any) -> list[Any]:
        ys = case.build(*[-(-x) * 1.0 if kind(x.dtype) == "f" else x for x in xs])
        return [y * y + y if kind(y.dtype) == "f" else y for y in ys]

    check(trace(build, *map(type_of_array, arrays)), arrays)


def random_view(rng: np.random.Generator, x: Any) -> Any:
    """A slice, turn, flip, new shape or repetition of `x`."""
    kind_of = rng.integers(5)
    if kind_of == 0 and x.size:
        start = [int(rng.integers(d)) for d in x.shape]
        stop = [int(rng.integers(a + 1, d + 1)) for a, d in zip(start, x.shape, strict=True)]
        return F["slice"](x, start=tuple(start), stop=tuple(stop), step=tuple(int(k) for k in rng.integers(1, 3, x.ndim)))
    if kind_of == 1:
        return F["transpose"](x, axes=tuple(map(int, rng.permutation(x.ndim))))
    if kind_of == 2 and x.ndim:
        return F["flip"](x, axes=(int(rng.integers(x.ndim)),))
    if kind_of == 3:
        return F["reshape"](x, shape=[(x.size,), (1, x.size), (x.size, 1), (*x.shape, 1)][rng.integers(4)])
    return F["broadcast_to"](x, shape=(int(rng.integers(1, 4)), *x.shape)) if x.size < 500 and x.ndim < 4 else x


@pytest.mark.parametrize("seed", range(150))
def test_kernels_read_any_view(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(d) for d in rng.choice([1, 2, 3, 7, 18], size=rng.integers(1, 4)))
    x = rng.normal(size=shape).astype("float32")

    def build(v: Any) -> list[Any]:
        views = [v * 0.5 if rng.integers(2) else v]
        for _ in range(rng.integers(1, 5)):
            views.append(random_view(rng, views[-1]))
        out = []
        for w in views[1:]:
            y = w * 2.0 + w * w
            axes = tuple(i for i in range(y.ndim) if rng.integers(2))
            out += [y, F["reduce_sum"](y * y, axes=axes), F["reduce_max"](w - y, axes=axes)]
        return out

    check(trace(build, type_of_array(x)), [x])


@pytest.mark.parametrize("seed", range(100))
def test_kernels_hold_reductions_over_any_axes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(d) for d in rng.choice([1, 2, 3, 5, 17], size=rng.integers(1, 5)))
    x = rng.integers(-3, 4, shape).astype("float32")  # whole numbers: sums are exact in any order
    groups = [tuple(i for i in range(len(shape)) if rng.integers(2)) for _ in range(rng.integers(2, 6))]

    def build(v: Any) -> list[Any]:
        y, out = v * 2.0 - v * v, []
        for axes in groups:
            top = F["reduce_max"](y, axes=axes)
            out += [top, F["reduce_sum"](y * v, axes=axes)]
            if rng.integers(2):  # read again by the rest
                kept = F["reshape"](top, shape=tuple(1 if i in axes else d for i, d in enumerate(shape)))
                y = y - F["broadcast_to"](kept, shape=shape)
                out.append(y)
        return out

    check(trace(build, type_of_array(x)), [x])


def run_case(case: Any, functions: Any, kernels: str) -> list[Any]:
    """The row's values and gradients."""
    with fg.settings(kernels=kernels):
        xs = [fg.tensor(x, requires_grad=case.grad) for x in functions.draw(case)]
        ys = functions.tensors_of(case.call(fg, *xs))
        smooth = [y for y in ys if y.requires_grad]
        if case.grad and smooth:
            sum((y * y.sin()).sum() for y in smooth).backward()
        return [np.array(t.detach().numpy()) for t in (*ys, *[x.grad for x in xs if x.grad is not None])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" in metafunc.fixturenames:
        functions = pytest.importorskip("test_functions_oracle")  # skipped without torch, as the table is
        metafunc.parametrize("row", functions.CASES, ids=lambda c: c.name)


@pytest.mark.oracle
def test_every_function_and_its_gradient_agree_in_all_states(row: Any) -> None:
    import test_functions_oracle as functions

    seen: list[Graph] = []

    def watch(graph: Graph, donated: dict[int, int]) -> None:
        seen.append(graph)

    states = {}
    for kernels in STATES:
        engine.flush(THREAD.tape)
        THREAD.tape = Tape(Interned(), smooth=True)
        engine.WATCHERS.append(watch)
        try:
            states[kernels] = [run_case(row, functions, kernels) for _ in range(3)]
        finally:
            engine.WATCHERS.remove(watch)
    expected = states["tiled"][0]  # first sight: interpreted
    for kernels, (first, second, third) in states.items():
        agree(first, expected, f"{kernels}, first sight")
        agree(second, expected, f"{kernels}, planned")
        agree(third, second, f"{kernels}, again")
    assert seen
    assert not any(v.prim.name in ("callback", "pure_callback") for g in seen for v in g.values())
