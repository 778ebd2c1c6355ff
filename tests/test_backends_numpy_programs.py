"""Programs: every way of running a graph gives what the plain lowerings give; buffers are never shared by accident."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from primitive_cases import CASES, TOLERANCE, Case

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import Program, compile, interpret, tiled
from fgrad.backends.numpy.program import ALONE
from fgrad.errors import ArgumentError, RangeError
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


def momentum(p: Any, m: Any, g: Any) -> tuple[Any, ...]:
    new = F["add"](F["mul"](m, 0.9), g)
    return F["sub"](p, F["mul"](new, 0.1)), new, p


@pytest.mark.parametrize("way", [*WAYS, "interpret"])
def test_donated_outputs_land_in_their_inputs(way: str) -> None:
    graph = trace(momentum, *types((33, 17), (33, 17), (33, 17)))
    buffers = draw(graph)
    want = interpret(graph, [b.copy() for b in buffers])
    donated = {0: 0, 1: 1}
    got = interpret(graph, buffers, donated) if way == "interpret" else compile(graph, donated, way)(buffers)
    assert got[0] is buffers[0]
    assert got[1] is buffers[1]
    same(got, want)
    assert not np.shares_memory(got[2], buffers[0])


@pytest.mark.parametrize("way", [*WAYS, "interpret"])
def test_swapped_donations_read_before_they_write(way: str) -> None:
    graph = trace(lambda a, b: (F["mul"](b, 2.0), F["mul"](a, 3.0)), *types((40,), (40,)))
    buffers = draw(graph)
    a, b = (x.copy() for x in buffers)
    _ = interpret(graph, buffers, {0: 0, 1: 1}) if way == "interpret" else compile(graph, {0: 0, 1: 1}, way)(buffers)
    np.testing.assert_array_equal(buffers[0], 2 * b)
    np.testing.assert_array_equal(buffers[1], 3 * a)


@pytest.mark.parametrize("way", [*WAYS, "interpret"])
def test_a_failure_leaves_donated_inputs_alone(way: str) -> None:
    def f(p: Any, x: Any, i: Any) -> tuple[Any, ...]:
        return F["mul"](p, 2.0), F["gather"](x, i, axes=(0,), mode="raise")

    graph = trace(f, *types((8,), (5,)), TensorType((2,), "int64"))
    p, x = np.ones(8, "float32"), np.arange(5, dtype="float32")
    for bad, fails in ((9, True), (1, False)):
        buffers = [p, x, np.array([0, bad])]
        program = compile(graph, {0: 0}, way) if way != "interpret" else None
        if fails:
            with pytest.raises(RangeError):
                _ = interpret(graph, buffers, {0: 0}) if program is None else program(buffers)
            np.testing.assert_array_equal(p, 1)
        else:
            out = interpret(graph, buffers, {0: 0}) if program is None else program(buffers)
            np.testing.assert_array_equal(p, 2)
            np.testing.assert_array_equal(out[1], x[[0, bad]])


def both_ways(p: Any, m: Any, g: Any, q: Any) -> tuple[Any, ...]:
    """Results that are written in place, and two that change places and have to be copied."""
    new = F["add"](F["mul"](m, 0.9), g)
    step = F["div"](new, F["add"](F["sqrt"](F["abs"](new)), 0.1))
    return F["sub"](p, step), new, F["maximum"](q, g), F["add"](p, q)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("graph", "donated"), [
    (trace(momentum, *types((40, 30), (40, 30), (40, 30))), {0: 0, 1: 1}),
    (trace(both_ways, *types((40, 30), (40, 30), (40, 30), (40, 30))), {0: 0, 1: 1, 2: 3, 3: 2}),
], ids=["momentum", "both ways"])  # fmt: skip
def test_an_interrupt_anywhere_leaves_all_donated_buffers_old_or_all_new(
    graph: Graph, donated: dict[int, int], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "TILE", 100)  # several tiles
    program = Program(graph, donated, way)
    assert way != "tiled" or "for lo in range" in program.source
    start = draw(graph)
    done = [b.copy() for b in start]
    program(done)
    left = None

    def interrupt(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != "<fgrad program>":
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
        return interrupt

    seen = set()
    for n in range(10_000):
        left, buffers, before = n, [b.copy() for b in start], sys.gettrace()
        sys.settrace(interrupt)
        try:
            program(buffers)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        state = [[np.array_equal(buffers[i], side[i]) for i in donated.values()] for side in (start, done)]
        assert all(state[0]) or all(state[1]), f"torn after {n} instructions"
        seen.add(all(state[1]))
        if left >= 0:  # it ran to its end
            break
    assert seen == {False, True}


def keep_and_follow(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
    """Donated operands that a group reads after, beside, or as a part of what it writes over them."""
    first = F["add"](a, b)
    second = F["mul"](F["sub"](a, first), c)
    return first, second, F["add"](F["mul"](c, b), F["broadcast_to"](F["reshape"](F["reduce_sum"](b, axes=(1,)), shape=(40, 1)), shape=(40, 30)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tile", [50, 1 << 15])
@pytest.mark.parametrize("donated", [{0: 0}, {0: 0, 1: 1, 2: 2}, {0: 1, 1: 2, 2: 0}, {0: 2, 1: 0}, {2: 1}])
def test_donated_operands_are_read_before_they_are_overwritten(
    way: str, tile: int, donated: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "TILE", tile)
    graph = trace(keep_and_follow, *types((40, 30), (40, 30), (40, 30)))
    buffers = draw(graph)
    want = interpret(graph, [b.copy() for b in buffers])
    got = Program(graph, donated, way)(buffers)
    same(got, want)
    for i, k in donated.items():
        assert got[i] is buffers[k]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int32", "int64", "uint8", "bool", "complex64", "complex128"])
def test_select_keeps_every_bit(way: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    size = np.dtype(dtype).itemsize
    x, y = (
        (rng.integers(0, 2, 64).astype(bool) if dtype == "bool" else rng.integers(0, 256, 64 * size, np.uint8).view(dtype))
        for _ in range(2)
    )
    if np.dtype(dtype).kind == "f":
        x[: len(SPECIAL)], y[: len(SPECIAL)] = SPECIAL, SPECIAL[::-1]
    c = rng.integers(0, 2, 64).astype(bool)
    zero, one = (constant(np.array(n, dtype)) for n in (0, 1))

    def f(c: Any, x: Any, y: Any) -> tuple[Any, ...]:
        s = F["select"]
        wide = [F["broadcast_to"](n, shape=(64,)) for n in (zero, one)]
        return s(c, x, y), s(c, x, wide[0]), s(c, wide[0], y), s(c, wide[1], y), s(c, x, wide[1]), s(c, wide[1], wide[0]), s(c, *wide)

    graph = trace(f, *[type_of_array(a) for a in (c, x, y)])
    want = [np.where(c, x, y), np.where(c, x, 0), np.where(c, 0, y), np.where(c, 1, y), np.where(c, x, 1), np.where(c, 1, 0), np.where(c, 0, 1)]
    for a, b in zip(compile(graph, {}, way)([c, x, y]), want, strict=True):
        assert a.dtype == dtype
        assert a.tobytes() == b.astype(dtype).tobytes()


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


def test_a_tile_that_does_not_divide_is_right() -> None:
    def f(x: Any, b: Any) -> tuple[Any, ...]:
        y = F["exp"](F["mul"](F["add"](x, b), 0.1))
        return y, F["reduce_sum"](y, axes=(0,)), F["reduce_max"](y, axes=(0, 1)), F["reduce_sum"](y, axes=(1,))

    graph = trace(f, *types((2053, 251), (251,)))
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
