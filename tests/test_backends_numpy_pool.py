"""Threads of kernels: results do not depend on their number, callers never wait for a busy pool, children start anew."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad import settings
from fgrad.backends.numpy import Program, pool, split
from fgrad.backends.numpy.sizes import compile_text
from fgrad.ir.graph import Graph
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace

ROUND = """
declare void @fgrad_parallel(ptr, ptr, i64)
define internal void @add(ptr %a, i64 %lo, i64 %hi) {
entry:
  br label %head
head:
  %i = phi i64 [ %lo, %entry ], [ %n, %head ]
  %p = getelementptr i64, ptr %a, i64 %i
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  %n = add i64 %i, 1
  %more = icmp slt i64 %n, %hi
  br i1 %more, label %head, label %end
end:
  ret void
}
define internal void @nested(ptr %a, i64 %lo, i64 %hi) {
  call void @fgrad_parallel(ptr @add, ptr %a, i64 8)
  ret void
}
define void @once(ptr %a, i64 %n) {
  call void @fgrad_parallel(ptr @add, ptr %a, i64 %n)
  ret void
}
define void @inside(ptr %a) {
  call void @fgrad_parallel(ptr @nested, ptr %a, i64 1)
  ret void
}
"""
threaded = pytest.mark.skipif(pool.FUTEX is None, reason="this system has no futex: kernels run on their caller")


def functions() -> Any:
    pool.load()
    return compile_text(ROUND, {"once": 2, "inside": 1})


def wide() -> Graph:
    """Row sums, column sums, a total, an elementwise result: every kind of split."""

    def f(x: Any, b: Any) -> tuple[Any, ...]:
        y = F["exp"](F["mul"](F["add"](x, F["broadcast_to"](b, shape=x.shape)), 0.1))
        rows = F["reshape"](F["reduce_sum"](y, axes=(1,)), shape=(x.shape[0], 1))
        z = F["div"](y, F["broadcast_to"](rows, shape=x.shape))
        return z, F["reduce_sum"](z, axes=(0,)), F["reduce_sum"](F["mul"](z, z), axes=(0, 1)), F["reduce_max"](y, axes=(1,))

    return trace(f, TensorType((301, 1003), "float32"), TensorType((1003,), "float32"))


@threaded
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_every_task_runs_once(threads: int) -> None:
    once = functions()["once"]
    with settings(num_threads=threads):
        pool.ready()
        a = np.zeros(64, np.int64)
        for _ in range(2000):
            once(a.ctypes.data, 64)
        for n in (1, 2, 63):
            once(a.ctypes.data, n)
    assert a.tolist() == [2003] + [2002] + [2001] * 61 + [2000]


@threaded
def test_a_job_inside_a_task_runs_at_once() -> None:
    pool.ready()
    a = np.zeros(8, np.int64)
    functions()["inside"](a.ctypes.data)
    assert a.tolist() == [1] * 8


@threaded
def test_callers_on_several_threads_do_not_disturb_each_other() -> None:
    once = functions()["once"]
    pool.ready()
    arrays = [np.zeros(32, np.int64) for _ in range(4)]

    def many(a: Any) -> None:
        for _ in range(3000):
            once(a.ctypes.data, 32)

    callers = [threading.Thread(target=many, args=(a,)) for a in arrays]
    for c in callers:
        c.start()
    for c in callers:
        c.join()
    assert all(a.tolist() == [3000] * 32 for a in arrays)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    graph = wide()
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=t.shape).astype("float32") for t in graph.input_types]  # type: ignore[union-attr]
    program = Program(graph, {}, "native")
    found = []
    for threads in (1, 2, 4):
        with settings(num_threads=threads):
            found.append([np.array(a) for a in program(inputs)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    x, b = (a.astype("float64") for a in inputs)
    y = np.exp((x + b) * 0.1)
    z = y / y.sum(1, keepdims=True)
    for got, want in zip(found[0], (z, z.sum(0), (z * z).sum(), y.max(1)), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5)


def test_large_groups_are_split_and_small_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[Any] = []
    real = split.choose
    monkeypatch.setattr("fgrad.backends.numpy.native.choose", lambda *a: chosen.append(real(*a)) or chosen[-1])
    Program(wide(), {}, "native")
    assert chosen[-1] is not None
    assert chosen[-1].tasks > 8
    chosen.clear()
    Program(trace(lambda x: F["exp"](x), TensorType((40,), "float32")), {}, "native")
    assert chosen == [None, None]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_process_computes_with_and_without_threads() -> None:
    code = """if True:
        import os, numpy as np, fgrad as fg
        from fgrad.backends.numpy import pool
        x = fg.numpy.asarray(np.random.default_rng(0).normal(size=(400, 1000)).astype("float32"))
        f = fg.jit(lambda x: fg.numpy.exp(x).sum(0))
        with fg.settings(kernels="native"):
            want = np.asarray(f(x))
            child = os.fork()
            if not child:
                before = pool.POOL.threads
                same = np.array_equal(np.asarray(f(x)), want)
                os._exit(0 if same and before == 1 and pool.POOL.threads == pool.wanted() else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "0", done.stderr
