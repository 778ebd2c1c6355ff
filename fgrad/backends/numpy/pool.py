"""Threads for kernels: a parallel-for whose waiting is native, called from machine code as `fgrad_parallel`.

The threads are Python's, parked for ever inside one native call that holds no lock of the interpreter. A job is a count
of tasks left; taking one is an atomic decrement, and whoever gets a positive number owns that task. So nobody waits for
a worker that sleeps or lost its core: the caller does what nobody took. A caller that finds the pool busy (a task of a
job, a second Python thread) does its whole job itself.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from functools import cache
from typing import Any

import numpy as np

from fgrad.backends.numpy.jit import define
from fgrad.backends.numpy.sizes import compile_text
from fgrad.settings import current

SPIN = 4000  # pauses before a thread sleeps: some 50 microseconds
FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine()) if sys.platform == "linux" else None
YIELD = {"x86_64": 24, "aarch64": 124}.get(platform.machine())
PATIENCE = 500  # pauses after which whoever waits for a task gives its core to others: to the task's thread, if that has none
PAUSE = "@llvm.x86.sse2.pause()" if platform.machine() == "x86_64" else "@llvm.aarch64.hint(i32 1)"
LOADING = threading.Lock()
# places in the state, in words of 8 bytes; what different threads write lies on lines of its own
GENERATION, FUNCTION, ARGS, TASKS, LEFT, DONE, SLEEPING, BUSY, STOP = 0, 8, 9, 10, 16, 24, 32, 40, 41

INLINE = """
define void @fgrad_parallel(ptr %f, ptr %a, i64 %tasks) {
  call void %f(ptr %a, i64 0, i64 %tasks)
  ret void
}
"""
THREADED = f"""
@pool = internal global ptr null
declare void {PAUSE.replace("i32 1", "i32")}
declare i64 @syscall(i64, ...)

define void @fgrad_use(ptr %state) {{
  store atomic ptr %state, ptr @pool seq_cst, align 8
  ret void
}}

define void @fgrad_stop(ptr %s) {{
  %stop = getelementptr i64, ptr %s, i64 {STOP}
  store atomic i64 1, ptr %stop seq_cst, align 8
  %g = atomicrmw add ptr %s, i64 1 seq_cst
  %w = call i64 (i64, ...) @syscall(i64 {FUTEX}, ptr %s, i64 129, i64 1073741824, ptr null)
  ret void
}}

define internal void @drain(ptr %s) {{
entry:
  %left = getelementptr i64, ptr %s, i64 {LEFT}
  %done = getelementptr i64, ptr %s, i64 {DONE}
  %pf = getelementptr i64, ptr %s, i64 {FUNCTION}
  %pa = getelementptr i64, ptr %s, i64 {ARGS}
  %pt = getelementptr i64, ptr %s, i64 {TASKS}
  br label %head
head:
  %n = atomicrmw sub ptr %left, i64 1 acq_rel
  %mine = icmp sgt i64 %n, 0
  br i1 %mine, label %body, label %end
body:
  %f = load ptr, ptr %pf
  %a = load ptr, ptr %pa
  %all = load i64, ptr %pt
  %lo = sub i64 %all, %n
  %hi = add i64 %lo, 1
  call void %f(ptr %a, i64 %lo, i64 %hi)
  %was = atomicrmw add ptr %done, i64 1 release
  br label %head
end:
  ret void
}}

define void @fgrad_worker(ptr %s) {{
entry:
  %sleeping = getelementptr i64, ptr %s, i64 {SLEEPING}
  %stop = getelementptr i64, ptr %s, i64 {STOP}
  br label %outer
outer:
  %old = phi i64 [ 0, %entry ], [ %gen, %go ]
  br label %spin
spin:
  %k = phi i64 [ 0, %outer ], [ %k1, %check ], [ 0, %awake ]
  %gen = load atomic i64, ptr %s acquire, align 8
  %new = icmp ne i64 %gen, %old
  br i1 %new, label %found, label %check
found:
  %over = load atomic i64, ptr %stop acquire, align 8
  %ended = icmp ne i64 %over, 0
  br i1 %ended, label %end, label %go
go:
  call void @drain(ptr %s)
  br label %outer
check:
  call void {PAUSE}
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, {SPIN}
  br i1 %more, label %spin, label %sleep
sleep:
  %s0 = atomicrmw add ptr %sleeping, i64 1 seq_cst
  %again = load atomic i64, ptr %s seq_cst, align 8
  %changed = icmp ne i64 %again, %old
  br i1 %changed, label %awake, label %wait
wait:
  %low = and i64 %old, 4294967295
  %w = call i64 (i64, ...) @syscall(i64 {FUTEX}, ptr %s, i64 128, i64 %low, ptr null)
  br label %awake
awake:
  %s1 = atomicrmw sub ptr %sleeping, i64 1 seq_cst
  br label %spin
end:
  ret void
}}

define void @fgrad_parallel(ptr %f, ptr %a, i64 %tasks) {{
entry:
  %s = load atomic ptr, ptr @pool acquire, align 8
  %none = icmp eq ptr %s, null
  %few = icmp slt i64 %tasks, 2
  %alone = or i1 %none, %few
  br i1 %alone, label %inline, label %try
inline:
  call void %f(ptr %a, i64 0, i64 %tasks)
  ret void
try:
  %busy = getelementptr i64, ptr %s, i64 {BUSY}
  %pair = cmpxchg ptr %busy, i64 0, i64 1 acquire monotonic
  %got = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %got, label %start, label %inline
start:
  %sleeping = getelementptr i64, ptr %s, i64 {SLEEPING}
  %left = getelementptr i64, ptr %s, i64 {LEFT}
  %done = getelementptr i64, ptr %s, i64 {DONE}
  %pf = getelementptr i64, ptr %s, i64 {FUNCTION}
  %pa = getelementptr i64, ptr %s, i64 {ARGS}
  %pt = getelementptr i64, ptr %s, i64 {TASKS}
  store ptr %f, ptr %pf
  store ptr %a, ptr %pa
  store i64 %tasks, ptr %pt
  store atomic i64 0, ptr %done monotonic, align 8
  %l0 = atomicrmw xchg ptr %left, i64 %tasks release
  %g0 = atomicrmw add ptr %s, i64 1 seq_cst
  %asleep = load atomic i64, ptr %sleeping seq_cst, align 8
  %wake = icmp sgt i64 %asleep, 0
  br i1 %wake, label %rouse, label %run
rouse:
  %w = call i64 (i64, ...) @syscall(i64 {FUTEX}, ptr %s, i64 129, i64 1073741824, ptr null)
  br label %run
run:
  call void @drain(ptr %s)
  br label %test
test:
  %waited = phi i64 [ 0, %run ], [ %longer, %idle ], [ %longer, %yield ]
  %d = load atomic i64, ptr %done acquire, align 8
  %all = icmp eq i64 %d, %tasks
  br i1 %all, label %end, label %idle
idle:
  call void {PAUSE}
  %longer = add i64 %waited, 1
  %late = icmp sgt i64 %longer, {PATIENCE}
  br i1 %late, label %yield, label %test
yield:
  %y = call i64 (i64, ...) @syscall(i64 {YIELD})
  br label %test
end:
  store atomic i64 0, ptr %busy release, align 8
  ret void
}}
"""


@cache
def usual() -> int:
    """Threads if settings do not say: OMP_NUM_THREADS as it first was, else one for each processor that the process may use."""
    named = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(named) if named.isdigit() and int(named) else allowed


def wanted() -> int:
    """Threads that kernels run on, the caller's included."""
    return current().num_threads or usual()


class Pool:
    """The native functions, and the threads parked in them."""

    def __init__(self) -> None:
        self.functions = compile_text(THREADED, dict.fromkeys(("fgrad_worker", "fgrad_use", "fgrad_stop"), 1) | {"fgrad_parallel": 3})
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.functions))  # workers are in this code until the process ends
        self.lock = threading.Lock()
        self.threads = 1
        self.states: list[np.ndarray] = []  # the last is in use; a caller may still be at work on one before it

    def resize(self, threads: int) -> None:
        """Makes `threads` of them, the caller's included; workers that were there end."""
        with self.lock:
            if threads == self.threads:
                return
            state = self.start(threads - 1)
            self.functions["fgrad_use"](state.ctypes.data if threads > 1 else 0)
            if self.states:
                self.functions["fgrad_stop"](self.states[-1].ctypes.data)
            self.states.append(state)
            self.threads = threads

    def start(self, workers: int) -> np.ndarray:
        """A new state with its workers."""
        raw = np.zeros(72, np.int64)
        first = -raw.ctypes.data % 64 // 8
        state = raw[first : first + 64]
        for k in range(workers):
            threading.Thread(target=self.functions["fgrad_worker"], args=(state.ctypes.data,), name=f"fgrad-{k}", daemon=True).start()
        return state

    def forked(self) -> None:
        """A child process has no workers: jobs run on their caller until a program asks for threads again."""
        self.lock = threading.Lock()
        self.threads, self.states = 1, []
        self.functions["fgrad_use"](0)


POOL: Pool | None = None


def load() -> None:
    """Makes `fgrad_parallel` known to code that is linked from now on."""
    global POOL
    with LOADING:
        if POOL is None and FUTEX is not None:
            POOL = Pool()
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=POOL.forked)
            define("fgrad_parallel", POOL.functions["fgrad_parallel"])
        elif FUTEX is None:
            define("fgrad_parallel", inline())


@cache
def inline() -> Any:
    """`fgrad_parallel` where there is no way to wait for a word of memory: the caller does it all."""
    return compile_text(INLINE, {"fgrad_parallel": 3})["fgrad_parallel"]


def ready() -> None:
    """Starts or ends workers if their number is not the one that is wanted: called before a program."""
    if POOL is not None and POOL.threads != wanted():
        POOL.resize(wanted())
