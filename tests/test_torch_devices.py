"""The namespaces of devices and annotations, against PyTorch where neither has an accelerator."""

from __future__ import annotations

from typing import Any, get_args

import pytest

import fgrad
from fgrad.backends import devices

torch = pytest.importorskip("torch")
both = pytest.mark.parametrize("T", [fgrad, torch])


@both
@pytest.mark.filterwarnings("ignore:Use `current_device_index`")
def test_no_accelerator(T: Any) -> None:
    if T is torch and torch.accelerator.is_available():
        pytest.skip("PyTorch has one")
    a = T.accelerator
    assert (a.is_available(), a.device_count(), a.current_accelerator(check_available=True)) == (False, 0, None)
    for f in (a.current_device_index, a.current_device_idx, a.synchronize):
        with pytest.raises(RuntimeError, match="Cannot access accelerator"):
            f()
    assert (T.mps.is_available(), T.xpu.is_available(), T.xpu.device_count()) == (False, False, 0)
    assert T.mps.device_count() == 0


def test_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("count", 2), ("current", 1), ("memory", 64)):
        monkeypatch.setattr(devices, name, lambda *args, value=value: value)
    done: list[Any] = []
    monkeypatch.setattr(devices, "synchronize", done.append)
    monkeypatch.setattr(devices, "empty_cache", lambda: done.append("emptied"))
    a = fgrad.accelerator
    assert a.is_available()
    assert (a.current_accelerator().type, a.device_count(), a.current_device_index(), a.memory_allocated()) == ("cuda", 2, 1, 64)
    a.synchronize(0)
    a.empty_cache()
    assert done == [0, "emptied"]


def test_names_for_annotations() -> None:
    assert set(fgrad.types.__all__) == set(torch.types.__all__)
    assert get_args(fgrad.types.Number) == get_args(torch.types.Number)
    assert isinstance(fgrad.device("cpu"), fgrad.types.Device)
    assert isinstance(fgrad.ones(1).untyped_storage(), fgrad.types.Storage)
    assert isinstance(fgrad.ones(1).shape, fgrad.types._size)


def test_functional_is_another_path() -> None:
    assert set(torch.functional.__all__) == set(fgrad.functional.__all__)
    for name in fgrad.functional.__all__:
        assert getattr(fgrad.functional, name) is getattr(fgrad, name)
