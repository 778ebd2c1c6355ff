"""Locks that a child process finds free, whoever held them when it was forked."""

from __future__ import annotations

import os
from threading import Lock
from types import TracebackType


class ForkLock:
    """`with lock:`, as a `threading.Lock`; what it guards is whole between any two steps, because a fork does not wait for it."""

    def __init__(self) -> None:
        self._lock = Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()
