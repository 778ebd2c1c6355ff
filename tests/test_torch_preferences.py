"""Process-wide choices, the compiler and version namespaces, against PyTorch."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.backends import devices
from fgrad.eager.mode import ambient
from fgrad.errors import DeviceError
from fgrad.settings import replace

torch = pytest.importorskip("torch")
both = pytest.mark.parametrize("T", [fgrad, torch])


@pytest.fixture(autouse=True)
def _back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    replace(num_threads=0, default_device="cpu")
    for T in (fgrad, torch):
        T.use_deterministic_algorithms(False)
        T.set_warn_always(False)
        T.set_float32_matmul_precision("highest")


@both
def test_threads(T: Any) -> None:
    assert T.get_num_threads() >= 1
    T.set_num_threads(1)
    assert T.get_num_threads() == 1
    for name in ("set_num_threads", "set_num_interop_threads"):
        for bad in (0, -1, "a", 2.5):
            with pytest.raises(RuntimeError, match="expects a"):
                getattr(T, name)(bad)
    assert T.get_num_interop_threads() >= 1


def test_threads_are_those_of_the_settings() -> None:
    assert fgrad.get_num_threads() == os.cpu_count()
    with fgrad.settings(num_threads=3):
        assert fgrad.get_num_threads() == 3
    fgrad.set_num_interop_threads(5)
    assert fgrad.get_num_interop_threads() == 5


@both
def test_default_devices(T: Any) -> None:
    assert T.get_default_device() == T.device("cpu")
    T.set_default_device("cpu")
    with T.device("cpu") as d:
        assert d == T.get_default_device()
        assert T.zeros(2).device.type == T.ones_like(T.zeros(1)).device.type == "cpu"
    T.set_default_device(None)
    with pytest.raises(RuntimeError):
        T.set_default_device("no such device")


def test_default_devices_reach_creation_and_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second device is here: what creation functions ask for is seen where devices are found."""
    asked: list[str] = []

    def library(device: Any) -> Any:
        asked.append(str(device))
        raise DeviceError(f"{device} does not answer", fix="none")

    monkeypatch.setattr(devices, "library", library)
    with fgrad.device("cuda:1"):
        with fgrad.device("cpu"):
            assert fgrad.zeros(2).device.type == "cpu"
        assert str(fgrad.get_default_device()) == "cuda:1"
        for make in (lambda: fgrad.zeros(2), lambda: fgrad.tensor([1.0]), lambda: fgrad.rand(2), lambda: fgrad.arange(3), lambda: fgrad.Tensor(2), lambda: fgrad.hann_window(3)):
            asked.clear()
            with pytest.raises(RuntimeError, match="does not answer"):
                make()
            assert asked == ["cuda:1"]
    assert fgrad.zeros(2).device.type == "cpu"
    assert ambient()[-1] == "cpu"


@both
def test_precision_of_products(T: Any) -> None:
    assert T.get_float32_matmul_precision() == "highest"
    T.set_float32_matmul_precision("medium")
    assert T.get_float32_matmul_precision() == "medium"


@both
def test_determinism(T: Any) -> None:
    def state() -> tuple[Any, ...]:
        return T.are_deterministic_algorithms_enabled(), T.is_deterministic_algorithms_warn_only_enabled(), T.get_deterministic_debug_mode()

    assert state() == (False, False, 0)
    T.use_deterministic_algorithms(True, warn_only=True)
    assert state() == (True, True, 1)
    T.use_deterministic_algorithms(True)
    assert state() == (True, False, 2)
    for mode, wanted in [("default", 0), ("warn", 1), ("error", 2), (1, 1), (0, 0)]:
        T.set_deterministic_debug_mode(mode)
        assert T.get_deterministic_debug_mode() == wanted
    for bad, error in [(5, RuntimeError), ("x", RuntimeError), (1.5, TypeError)]:
        with pytest.raises(error):
            T.set_deterministic_debug_mode(bad)
    with pytest.raises(TypeError, match="must be bool"):
        T.use_deterministic_algorithms("a")


@both
def test_warnings(T: Any) -> None:
    assert not T.is_warn_always_enabled()
    T.set_warn_always(True)
    assert T.is_warn_always_enabled()
    with pytest.raises(RuntimeError, match="expects a bool"):
        T.set_warn_always("a")


def test_an_unknown_precision_warns() -> None:
    with pytest.warns(UserWarning, match="is not one of"):
        fgrad.set_float32_matmul_precision("foo")
    assert fgrad.get_float32_matmul_precision() == "highest"
    assert not fgrad.set_flush_denormal(True)


@both
def test_versions_and_configuration(T: Any) -> None:
    assert T.version.__version__ == T.__version__
    assert (T.version.cuda, T.version.hip, T.version.debug) == (None, None, False)
    assert "thread" in T.__config__.parallel_info()
    assert len(T.__config__.show().splitlines()) > 3
    assert T.compiled_with_cxx11_abi()


def test_what_the_compiler_is_asked() -> None:
    seen, calls = [], []

    @fgrad.compiler.disable
    def outside(x: Any) -> Any:
        calls.append(fgrad.compiler.is_compiling())
        return x + 1

    @fgrad.compile
    def f(x: Any) -> Any:
        seen.append(fgrad.compiler.is_compiling())
        return x * 2

    g = fgrad.compile(lambda x: outside(x) * 2)
    x = fgrad.ones(2)
    for _ in range(3):
        assert f(x).tolist() == [2, 2]
        assert g(x).tolist() == [4, 4]
    assert seen == [True] * 3
    assert calls == [False] * 3
    assert not fgrad.compiler.is_compiling()
    with pytest.raises(TypeError, match="calls uncompiled"):
        fgrad.compile(lambda x: fgrad.compiler.disable(reason="why not")(abs)(x), fullgraph=True)(x)
    assert not fgrad.compiler.is_compiling()
    assert fgrad.grad(lambda x: outside(x).sum())(x).tolist() == [1, 1]


def test_stances() -> None:
    runs = ctypes.c_int()  # compile does not see its changes

    @fgrad.compile
    def f(x: Any) -> Any:
        runs.value += 1
        return x * 2

    def count(*shapes: int) -> int:
        before = runs.value
        for n in shapes:
            assert f(fgrad.ones(n)).tolist() == [2.0] * n
        return runs.value - before

    with fgrad.compiler.set_stance("force_eager"):
        assert count(2, 2) == 2
    assert count(2, 2) == 2  # in Python, then recorded
    with fgrad.compiler.set_stance("eager_on_recompile"):
        assert count(2, 3, 3) == 2
    with fgrad.compiler.set_stance("fail_on_recompile"):
        assert count(2) == 0
        with pytest.raises(RuntimeError, match="fail_on_recompile"):
            f(fgrad.ones(4))
    eager = fgrad.compiler.set_stance("force_eager")(count)
    assert eager(2) == 1
    assert count(2) == 0
    fgrad.compiler.set_stance("force_eager")
    assert count(2) == 1
    fgrad.compiler.set_stance("default")
    assert count(2) == 0
    with pytest.raises(RuntimeError, match="invalid stance"):
        fgrad.compiler.set_stance("lazy")


@both
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_rest_of_the_compiler(T: Any) -> None:
    c = T.compiler

    def f(x: Any) -> Any:
        return x

    assert c.allow_in_graph(f) is f
    assert not c.is_exporting()
    assert c.list_backends()
    c.cudagraph_mark_step_begin()
    c.reset()
    assert c.wrap_numpy(lambda a: np.sort(a))(T.tensor([2.0, 1.0])).tolist() == [1, 2]
    assert set(fgrad.compiler.__all__) <= set(dir(torch.compiler))
