"""Arenas: programs take one block in turn, those that run at a time have their own, and a larger one takes its place."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends import numpy as numpy_backend
from fgrad.backends.numpy import Program, arenas, interpret
from fgrad.backends.numpy import program as frames
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> arenas.Arenas:
    """No blocks of other tests."""
    mine = arenas.Arenas()
    monkeypatch.setattr(frames, "ARENAS", mine)
    return mine


def chain(n: int, factor: float) -> Graph:
    """Products in between keep two matrices in the arena."""

    def f(x: Any) -> Any:
        for _ in range(3):
            x = F["tanh"](F["mul"](F["dot_general"](x, x, contract=((1,), (0,)), batch=((), ())), factor))
        return x

    return trace(f, TensorType((n, n), "float32"))


def numbers(n: int) -> Any:
    return np.random.default_rng(n).normal(size=(n, n)).astype("float32")


def test_programs_take_a_block_in_turn(known: arenas.Arenas) -> None:
    graphs = [chain(600, 0.01), chain(600, 0.02), chain(520, 0.03)]
    programs = [Program(g, {}, "tiled") for g in graphs]
    for _ in range(2):
        for graph, program in zip(graphs, programs, strict=True):
            x = [numbers(graph.input_types[0].shape[0])]  # type: ignore[union-attr]
            np.testing.assert_allclose(program(x)[0], interpret(graph, x)[0], rtol=1e-4, atol=1e-5)
    assert len(known.blocks) == 1
    assert all(len(p.frames.free) == 1 for p in programs)
    del program, programs
    gc.collect()
    assert not known.blocks


def test_a_larger_block_takes_the_place_of_a_smaller(known: arenas.Arenas) -> None:
    small, large = Program(chain(520, 0.1), {}, "tiled"), Program(chain(800, 0.1), {}, "tiled")
    want = small([numbers(520)])[0].copy()
    old = weakref.ref(next(iter(known.blocks)))
    large([numbers(800)])
    assert old() is None
    (block,) = known.blocks
    assert block.memory.nbytes >= large.plan.arena_bytes
    np.testing.assert_array_equal(small([numbers(520)])[0], want)  # on a frame in the larger block
    assert len(known.blocks) == 1
    assert small.frames.free[0].block is block


def test_calls_at_a_time_have_blocks_of_their_own(known: arenas.Arenas) -> None:
    programs = [Program(chain(600, f), {}, "tiled") for f in (0.01, 0.02)]
    inputs = [numbers(600) for _ in range(4)]
    want = [interpret(programs[k % 2].graph, [x])[0] for k, x in enumerate(inputs)]
    failed: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for _ in range(10):
                found = programs[k % 2]([inputs[k]])[0]
                np.testing.assert_allclose(found, want[k], rtol=1e-4, atol=1e-5)
        except BaseException as e:  # noqa: BLE001  # shown by the assertion below
            failed.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    assert 1 <= len(known.blocks) <= 4
    assert all(b.lock.acquire(blocking=False) for b in known.blocks)


def test_a_frame_that_cannot_be_made_leaves_its_block_free(known: arenas.Arenas, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(chain(600, 0.01), {}, "tiled")
    with monkeypatch.context() as m:
        m.setattr(frames, "bound", lambda code, arena: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            program([numbers(600)])
    program([numbers(600)])
    assert len(known.blocks) <= 1


def test_a_large_graph_is_compiled_at_first_sight_and_keeps_nothing(known: arenas.Arenas, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = chain(600, 0.015), numbers(600)
    monkeypatch.setattr(numpy_backend, "LARGE", 1 << 30)
    want = numpy_backend.run_once(graph, [x.copy()], {0: 0})
    assert not known.blocks  # op by op
    monkeypatch.setattr(numpy_backend, "LARGE", 1 << 20)
    given = x.copy()
    (found,) = numpy_backend.run_once(graph, [given], {0: 0})
    assert found is given
    np.testing.assert_allclose(found, want[0], rtol=1e-4, atol=1e-5)
    (fresh,) = numpy_backend.run_once(graph, [x], {})
    np.testing.assert_allclose(fresh, want[0], rtol=1e-4, atol=1e-5)
    assert sys.getrefcount(fresh) == 2  # what follows may overwrite it
