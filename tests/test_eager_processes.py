"""Threads and forked processes."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

import fgrad as fg
import fgrad.numpy as jnp


def step(seed: int) -> list[float]:
    """A few training steps with numbers of their own."""
    rng = np.random.default_rng(seed)
    w = fg.tensor(rng.normal(size=(4, 3)).astype("float32"), requires_grad=True)
    opt = fg.optim.Adam([w], lr=0.1)
    out = []
    for _ in range(6):
        x = fg.tensor(rng.normal(size=(5, 4)).astype("float32"))
        opt.zero_grad()
        loss = ((x @ w).tanh() ** 2).mean()
        loss.backward()
        opt.step()
        out.append(loss.item())
    return out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_with_pending_work_and_a_compiler_behind_it() -> None:
    expected = step(3)
    pending = fg.ones(3) * 2
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(write, repr((step(3), pending.tolist())).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        found = eval(pipe.read().decode())
    assert os.waitpid(pid, 0)[1] == 0
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    assert found[1] == [2.0, 2.0, 2.0]
    assert pending.tolist() == [2.0, 2.0, 2.0]


def test_threads_do_not_disturb_each_other() -> None:
    expected = [step(i) for i in range(4)]
    found: dict[int, Any] = {}

    def run(i: int) -> None:
        found[i] = step(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(4):
        np.testing.assert_allclose(found[i], expected[i], rtol=1e-5)


def test_a_jitted_function_is_shared_by_threads() -> None:
    f = fg.jit(lambda x: jnp.cumsum(jnp.sin(x) * 2.0) + x)
    x = np.arange(1000, dtype=np.float32)
    expected = np.asarray(f(x))
    wrong: list[float] = []

    def run(i: int) -> None:
        for _ in range(30):
            y = np.asarray(f(x + i))
            wrong.append(float(np.abs(y - (np.cumsum(np.sin(x + i) * 2, dtype=np.float32) + x + i)).max()))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert max(wrong) < 0.5
    np.testing.assert_allclose(np.asarray(f(x)), expected, rtol=1e-5, atol=1e-3)  # native code may have come meanwhile


def test_recursion_through_a_callback() -> None:
    def outside(x: Any) -> Any:
        return np.asarray(fg.jit(lambda v: v + 1)(x))

    shape = fg.ShapeDtypeStruct((2,), np.float32)
    f = fg.jit(lambda x: fg.pure_callback(outside, shape, x) * 2)
    assert np.asarray(f(np.ones(2, np.float32))).tolist() == [4.0, 4.0]


def test_backward_in_another_thread_than_the_one_that_recorded() -> None:
    x = fg.ones(3).requires_grad_()
    y = (x * x).sum()
    worker = threading.Thread(target=y.backward)
    worker.start()
    worker.join()
    assert y.grad is None
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
