"""Programs: every way of running a graph gives what the plain lowerings give; buffers are never shared by accident."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest
from primitive_case import TOLERANCE, Case
from primitive_cases import CASES

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import Program, compile, interpret, tiled
from fgrad.backends.numpy.program import ALONE
from fgrad.errors import ArgumentError
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType, type_of_array
from fgrad.passes.pipeline import NUMPY, run
from fgrad.transforms.inline import trace

WAYS = ("plain", "tiled", "native")
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.5, 3.0, 88.8, -104.5, 1e-40, 1e30, -1e30)
SINGULAR = {"convert", "bitcast", "sort", "top_k", "argmax", "argmin"}  # NaN as an integer, payloads, order of NaN
every_dtype = pytest.mark.parametrize(
    ("case", "dtype"), [(c, d) for c in CASES for d in c.dtypes()], ids=lambda p: getattr(p, "id", p)
)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")


def types(*shapes: tuple[int, ...], dtype: str = "float32") -> list[TensorType]:
    return [TensorType(s, dtype) for s in shapes]


def draw(graph: Graph, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=t.shape).astype(t.dtype) for t in graph.input_types]  # type: ignore[union-attr]


def same(got: list[Any], want: list[Any], loose: float = 1.0) -> None:
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if a.dtype.kind in "biu":
            np.testing.assert_array_equal(a, b)
        else:
            tol = TOLERANCE.get(a.dtype.name, 1e-6) * loose
            scale = np.abs(b[np.isfinite(b)]).max(initial=0.0) if b.dtype.kind in "fc" else 1.0
            wide = np.complex128 if b.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(a.astype(wide), b.astype(wide), rtol=tol, atol=tol * max(1.0, float(scale)))


@every_dtype
def test_every_way_runs_every_primitive(case: Case, dtype: str) -> None:
    arrays = case.draw(dtype)
    graph = trace(lambda *xs: case.build(*xs), *[type_of_array(a) for a in arrays])
    want = interpret(graph, arrays)
    for way in WAYS:
        program = compile(graph, {}, way)
        for _ in range(2):  # the second call reuses the frame
            same(program([a.copy() for a in arrays]), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [c for c in CASES if c.prim.elementwise and "f" in c.kinds], ids=lambda c: c.id)
def test_native_bodies_keep_special_values(case: Case, dtype: str) -> None:
    if case.name in SINGULAR:
        pytest.skip("not defined for NaN")
    values = np.array(SPECIAL, dtype)
    n = len(case.operands)
    grid = [g.reshape(-1) for g in np.meshgrid(*[values] * n, indexing="ij")][:n]
    arrays = [g if of.dtype is None else (g > 0).astype(of.dtype) for g, of in zip(grid, case.operands, strict=True)]
    graph = trace(lambda *xs: case.build(*xs), *[type_of_array(a) for a in arrays])
    with np.errstate(all="ignore"):
        want = interpret(graph, arrays)
        for way in WAYS:
            for a, b in zip(compile(graph, {}, way)(arrays), want, strict=True):
                np.testing.assert_allclose(a, b, rtol=4 * TOLERANCE[dtype], atol=0 if dtype == "float64" else 1e-44)
                if b.dtype.kind == "f" and case.name not in ("maximum", "minimum", "clamp"):
                    np.testing.assert_array_equal(np.signbit(a)[b == 0], np.signbit(b)[b == 0])


def affine(x: Any, w: Any) -> tuple[Any, ...]:
    y = F["add"](F["mul"](x, 2.0), w)
    return y, F["reduce_sum"](y, axes=(0,)), F["reshape"](y, shape=(y.size,)), x


@pytest.mark.parametrize("way", WAYS)
def test_outputs_share_no_memory(way: str) -> None:
    graph = trace(affine, *types((5, 7), (5, 7)))
    program, buffers = compile(graph, {}, way), draw(graph)
    first = program(buffers)
    kept = [a.copy() for a in first]
    second = program([b + 1 for b in buffers])
    arrays = [*buffers, *first, *second]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[i + 1 :])
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("way", WAYS)
def test_free_outputs_are_used_again_and_held_ones_are_not(way: str) -> None:
    graph = trace(lambda x: F["mul"](x, 3.0), *types((64,)))
    program = compile(graph, {}, way)
    address = program(draw(graph))[0].ctypes.data
    assert program(draw(graph))[0].ctypes.data == address
    view = program(draw(graph))[0][3:]
    assert not np.shares_memory(program(draw(graph))[0], view)


@pytest.mark.parametrize("way", WAYS)
def test_threads_have_frames_of_their_own(way: str) -> None:
    graph = trace(affine, *types((60, 70), (60, 70)))
    program = compile(graph, {}, way)
    wrong: list[int] = []

    def work(seed: int) -> None:
        for n in range(30):
            buffers = draw(graph, seed + n)
            y = program(buffers)[0]
            if not np.allclose(y, buffers[0] * 2 + buffers[1], rtol=1e-6, atol=1e-6):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(100 * k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def attention(q: Any, k: Any, v: Any) -> Any:
    s = F["dot_general"](q, k, contract=((2,), (2,)), batch=((0,), (0,)))
    top = F["reshape"](F["reduce_max"](s, axes=(2,)), shape=(*s.shape[:2], 1))
    e = F["exp"](F["sub"](s, F["broadcast_to"](top, shape=s.shape)))
    total = F["reshape"](F["reduce_sum"](e, axes=(2,)), shape=(*s.shape[:2], 1))
    return F["dot_general"](F["div"](e, F["broadcast_to"](total, shape=s.shape)), v, contract=((2,), (1,)), batch=((0,), (0,)))


@pytest.mark.parametrize("way", WAYS)
def test_a_steady_program_allocates_only_outputs(way: str) -> None:
    def f(q: Any, k: Any, v: Any) -> Any:
        y = attention(q, k, v)
        return F["select"](F["lt"](y, 0.0), F["mul"](y, 0.1), F["sigmoid"](y))

    graph = trace(f, *types((4, 128, 32), (4, 128, 32), (4, 128, 32)))
    program, buffers = compile(graph, {}, way), draw(graph)
    for _ in range(3):
        program(buffers)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        program(buffers)
        own = 4096 if way == "native" else 4096 + 4 * np.getbufsize()  # NumPy's iterator buffers repeated operands
        assert tracemalloc.get_traced_memory()[1] - before < own
    finally:
        tracemalloc.stop()


def test_the_source_is_readable() -> None:
    def f(x: Any, w: Any, b: Any) -> Any:
        y = F["add"](F["dot_general"](x, w, contract=((1,), (0,)), batch=((), ())), b)
        return F["maximum"](y, 0.0), F["reduce_sum"](y, axes=(0,))

    graph = trace(f, *types((8, 3), (3, 5), (5,)))
    assert compile(graph, {}, "plain").source.replace(f"!= {ALONE}:", "!= ALONE:") == (
        """\
def program(I):
    x0, x1, x2, = I
    y0 = pool[0]
    if refs(y0) != ALONE: y0 = pool[0] = empty((8, 5), float32)
    y1 = pool[1]
    if refs(y1) != ALONE: y1 = pool[1] = empty((5,), float32)
    matmul(x0, x1, out=t1)
    add(t1, x2, out=t1)
    maximum(t1, n0_0, out=y0)
    add_reduce(t1, (0,), None, y1)
    return [y0, y1]
"""
    )


def test_native_code_is_swapped_in_after_a_few_calls() -> None:
    graph = trace(lambda x: F["exp"](F["mul"](x, 0.123)), *types((50,)))
    program, buffers = compile(graph, {}, "auto"), draw(graph)
    first = program(buffers)[0].copy()
    for _ in range(3):
        program(buffers)
    assert program.compiled is not None
    program.compiled.result(timeout=60)
    assert "kernel0" in program.source
    np.testing.assert_allclose(program(buffers)[0], first, rtol=1e-6)


def test_equal_structures_share_a_program() -> None:
    def build(n: float) -> Program:
        return compile(trace(lambda x: F["mul"](x, n), *types((3,))), {}, "plain")

    assert build(2.0) is build(2.0)
    assert build(2.0) is not build(3.0)


def test_a_tile_that_does_not_divide_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "TILE", 1 << 16)

    def f(x: Any, b: Any) -> tuple[Any, ...]:
        y = F["exp"](F["mul"](F["add"](x, b), 0.1))
        return y, F["reduce_sum"](y, axes=(0,)), F["reduce_max"](y, axes=(0, 1)), F["reduce_sum"](y, axes=(1,))

    graph = trace(f, *types((4253, 251), (251,)))
    program = compile(graph, {}, "tiled")
    assert "for lo in range" in program.source
    same(program(draw(graph)), interpret(graph, draw(graph)), 20)


def test_strided_views_reach_kernels() -> None:
    def f(x: Any, w: Any) -> tuple[Any, ...]:
        t = F["transpose"](x, axes=(1, 0))
        s = F["slice"](w, start=(1, 2), stop=(9, 12), step=(1, 1))
        u = F["flip"](F["dot_general"](x, w, contract=((0,), (0,)), batch=((), ())), axes=(1,))
        return F["mul"](F["add"](t, 1.0), F["add"](t, t)), F["mul"](s, 3.0), F["exp"](F["mul"](u, 0.1))

    graph = trace(f, *types((9, 11), (9, 13)))
    for way in WAYS:
        same(compile(graph, {}, way)(draw(graph)), interpret(graph, draw(graph)), 4)


def test_constants_reach_kernels() -> None:
    table = constant(np.arange(12, dtype="float32").reshape(3, 4))
    graph = trace(lambda x: F["add"](F["mul"](x, table), F["broadcast_to"](constant(np.float32(2)), shape=(3, 4))), *types((3, 4)))
    for way in WAYS:
        same(compile(graph, {}, way)(draw(graph)), interpret(graph, draw(graph)))


def test_passes_keep_the_type() -> None:
    graph = trace(affine, *types((5, 7), (5, 7)))
    seen: list[str] = []
    assert run(graph, NUMPY, lambda name, before, after: seen.append(name)).output_types == graph.output_types
    assert seen == [step.__name__ for step in NUMPY]


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="needs reference counts")
def test_zero_sized_and_scalar_graphs_run() -> None:
    graph = trace(lambda x, y: (F["exp"](x), F["mul"](y, y), F["reduce_sum"](x, axes=(0,))), *types((0, 3), ()))
    for way in WAYS:
        same(compile(graph, {}, way)(draw(graph)), interpret(graph, draw(graph)))


@pytest.mark.parametrize("way", WAYS)
def test_inputs_that_lie_apart_are_read_right(way: str) -> None:
    graph = trace(affine, *types((5, 7), (5, 7)))
    wide = np.random.default_rng(0).normal(size=(10, 14)).astype("float32")
    buffers = [wide[::2, ::2], wide.T[:5, :7]]
    same(compile(graph, {}, way)(buffers), interpret(graph, buffers))
    if way == "native":
        with pytest.raises(ArgumentError, match="not contiguous"):
            compile(graph, {0: 0}, way)(buffers)


def test_an_arena_goes_with_its_last_frame() -> None:
    """Not when the collector next looks for cycles: better code replaces a program's frames, and both arenas at once are too many."""
    graph = trace(lambda x: F["reduce_sum"](F["exp"](F["sin"](x)), axes=(0,)), *types((400, 300)))
    program = Program(graph, {}, "tiled")
    gc.disable()
    try:
        program([np.ones((400, 300), np.float32)])
        frame = weakref.ref(program.frames.free[0].run)
        program.frames = Program(graph, {}, "native").frames
        assert frame() is None
    finally:
        gc.enable()
