"""Donated buffers are written last and all at once; what they held is read before; select keeps every bit."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from test_backends_numpy_programs import SPECIAL, WAYS, draw, same, types

import fgrad as fg
import fgrad.numpy as jnp
from fgrad.backends.numpy import Program, compile, interpret, tiled
from fgrad.errors import RangeError
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType, type_of_array
from fgrad.transforms.inline import trace


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")


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


@pytest.mark.parametrize("way", ["plain", "tiled", "native", "auto"])
def test_select_reads_results_that_a_call_made(way: str) -> None:
    """Their names in the program are parts of a tuple, not identifiers."""

    def f(x: Any) -> Any:
        ys = fg.lax.scan(lambda c, a: (jnp.maximum(c, a), c), x[0], x)[1]
        return jnp.where(x > ys, x, ys)

    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    with fg.settings(kernels=way):
        g = fg.jit(f)
        for _ in range(4):
            np.testing.assert_array_equal(np.asarray(g(jnp.asarray(x))), np.maximum.accumulate(x))
