"""Memory of temporaries: where arrays lie, when they are given back, and that no result is one of them."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import fake_cupy
import numpy as np
import pytest
from primitive_case import Case
from primitive_cases import CASES

from fgrad.ir.primitive import REGISTRY
from fgrad.primitives import workspace as module
from fgrad.primitives.workspace import workspace

USERS = ("conv", "window", "random_bits")


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A thread's memory as it is at first."""
    monkeypatch.setattr(module, "_STACK", module._Stack())
    return module._STACK


def grown(size: int) -> None:
    with workspace(np) as ws:
        ws.empty((size,), "uint8")


def test_arrays_are_apart_aligned_and_of_one_buffer(stack: Any) -> None:
    grown(4096)
    with workspace(np) as ws:
        a, b, c = ws.empty((3, 5), "float32"), ws.empty((0, 2), "float64"), ws.full((7,), "int64", 3)
        assert (a.shape, a.dtype, b.shape, c.tolist()) == ((3, 5), np.float32, (0, 2), [3] * 7)
        assert all(x.ctypes.data % 64 == 0 for x in (a, c))
        assert np.may_share_memory(a, stack.memory)
        assert np.may_share_memory(c, stack.memory)
        assert not np.may_share_memory(a, c)
        assert c.ctypes.data - a.ctypes.data == 64
        turned = ws.copy(a.T, "float64")
        assert turned.flags.c_contiguous
        assert ws.contiguous(a) is a
    assert stack.taken == 0


def test_inner_blocks_give_back_what_they_took(stack: Any) -> None:
    grown(4096)
    with workspace(np) as ws:
        a = ws.empty((64,), "uint8")
        for _ in range(2):
            with workspace(np) as inner:
                assert inner.empty((64,), "uint8").ctypes.data == a.ctypes.data + 64
        with pytest.raises(ZeroDivisionError), workspace(np) as inner:
            inner.full((64,), "uint8", 1 // 0)
        assert stack.taken == 64
    assert stack.taken == 0


def test_memory_grows_to_the_largest_block_and_no_further(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(1000)
    first = stack.memory
    assert stack.size == 1024
    grown(500)
    assert stack.memory is first
    grown(3000)
    assert stack.size == 3008
    monkeypatch.setattr(module, "_KEPT", 4096)
    grown(5000)
    assert stack.size == 3008
    grown(4000)
    assert stack.size == 4032


def test_every_thread_has_its_own(stack: Any) -> None:
    grown(1024)
    found = []

    def other() -> None:
        grown(1024)
        with workspace(np) as ws:
            found.append(ws.empty((1024,), "uint8"))

    with workspace(np) as ws:
        mine = ws.empty((1024,), "uint8")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert not np.may_share_memory(mine, found[0])


def test_another_library_is_asked_for_its_own_arrays(stack: Any) -> None:
    with workspace(fake_cupy) as ws:
        assert isinstance(ws.full((2, 3), "float32", 1), fake_cupy.ndarray)
    assert stack.memory is None
    assert stack.peak == 0


@pytest.mark.parametrize("case", [c for c in CASES if c.name.startswith(USERS)], ids=lambda c: c.id)
def test_no_result_lies_in_the_workspace(case: Case, stack: Any) -> None:
    grown(1 << 20)
    arrays = case.draw(case.dtypes()[0])
    y = case.prim.lower(np, None, *arrays, **case.params)
    assert not np.may_share_memory(y, stack.memory)
    assert stack.taken == 0


SAME = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "x_dilation": (1, 1), "w_dilation": (1, 1), "groups": 1}
POOL = {"window": (1, 1, 2, 2), "stride": (1, 1, 2, 2), "padding": ((0, 0),) * 4, "dilation": (1,) * 4}
IMAGES, MAPS, KERNEL, POOLED = (64, 16, 8, 8), (64, 32, 8, 8), (32, 16, 3, 3), (64, 32, 4, 4)
STEADY: list[tuple[str, tuple[tuple[int, ...], ...], tuple[int, ...], dict[str, Any]]] = [  # as in the demo's CNN
    ("conv", (IMAGES, KERNEL), MAPS, SAME),
    ("conv", ((64, 1, 8, 8), (16, 1, 3, 3)), IMAGES, SAME),
    ("conv_dx", (MAPS, KERNEL), IMAGES, {"x_shape": IMAGES, **SAME}),
    ("conv_dw", (IMAGES, MAPS), KERNEL, {"w_shape": KERNEL, **SAME}),
    ("conv_dw", ((64, 1, 8, 8), IMAGES), (16, 1, 3, 3), {"w_shape": (16, 1, 3, 3), **SAME}),
    ("window_max", (MAPS,), POOLED, POOL),
    ("window_max_pull", (POOLED, MAPS), MAPS, POOL),
]


def peak(name: str, arrays: list[Any], out: Any, params: dict[str, Any]) -> int:
    """Bytes that a second call takes at most."""
    lower = REGISTRY[name].lower
    assert lower(np, out, *arrays, **params) is out
    tracemalloc.start()
    try:
        lower(np, out, *arrays, **params)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "shapes", "shape", "params"), STEADY)
def test_a_second_call_allocates_nothing_over_4_kb(name: str, shapes: Any, shape: Any, params: Any) -> None:
    arrays = [np.random.default_rng(0).standard_normal(s).astype(np.float32) for s in shapes]
    assert peak(name, arrays, np.empty(shape, np.float32), params) < 4096


def test_random_bits_allocates_nothing_over_4_kb() -> None:
    key = [np.uint32([1, 2]), np.array(3, np.uint64)]
    assert peak("random_bits", key, np.empty((64, 512), np.uint32), {"shape": (64, 512)}) < 4096
