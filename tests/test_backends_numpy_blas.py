"""Threads of NumPy's matrix library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad as fg
import fgrad.numpy as jnp
from fgrad.backends.numpy import blas


def threads_seen(monkeypatch: pytest.MonkeyPatch, f: Any, *args: Any) -> list[int]:
    seen: list[int] = []
    monkeypatch.setattr(blas, "control", lambda: (seen.append, lambda: 7))
    fg.jit(f)(*args)
    return seen


def test_small_products_run_on_one_thread_and_the_number_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((8, 8), np.float32)
    assert threads_seen(monkeypatch, lambda x: x @ x, a) == [1, 7]


def test_large_products_and_programs_without_any_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((400, 400), np.float32)
    assert threads_seen(monkeypatch, lambda x: x @ x, a) == []
    assert threads_seen(monkeypatch, lambda x: jnp.exp(x), a) == []


def test_a_setting_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((400, 400), np.float32)
    with fg.settings(num_threads=2):
        assert threads_seen(monkeypatch, lambda x: x @ x, a) == [2, 7]
    with pytest.raises(ValueError, match="num_threads"), fg.settings(num_threads=-1):
        pass


def test_an_error_puts_the_number_back(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((8, 8), np.float32)

    def fail(x: Any) -> Any:
        raise FloatingPointError("stopped")

    shape = fg.ShapeDtypeStruct((8, 8), np.float32)
    seen: list[int] = []
    monkeypatch.setattr(blas, "control", lambda: (seen.append, lambda: 7))
    with pytest.raises(FloatingPointError):
        fg.jit(lambda x: fg.pure_callback(fail, shape, x @ x))(a)
    assert seen == [1, 7]


def test_the_library_is_found_where_numpy_brings_one() -> None:
    found = blas.control()
    if found is None:
        pytest.skip("this NumPy uses another matrix library")
    change, ask = found
    usual = ask()
    change(1)
    assert ask() == 1
    change(usual)
    assert ask() == usual
