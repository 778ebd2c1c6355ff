"""The fixture of tests that run a device's code without one."""

from __future__ import annotations

from collections.abc import Iterator

import fake_cupy
import fake_cupyx
import pytest

from fgrad import errors
from fgrad.backends import cupy as backend
from fgrad.eager.tape import restart


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-in as CuPy; afterwards nothing remembers it."""
    monkeypatch.setitem(errors._LOADED, "cupy", fake_cupy)
    monkeypatch.setitem(errors._LOADED, "cupyx.scipy.special", fake_cupyx.special)
    monkeypatch.setattr(fake_cupy, "CURRENT", [0])
    yield
    backend.PROGRAMS.clear()
    restart()
