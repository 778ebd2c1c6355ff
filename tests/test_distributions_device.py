"""Distributions on a CUDA device, by the strict stand-in for CuPy: values as on the CPU, draws on the device."""

from __future__ import annotations

from collections.abc import Iterator

import fake_cupy
import fake_cupyx
import numpy as np
import pytest
from distribution_cases import CASES, Case

import fgrad
from fgrad import errors
from fgrad.backends import cupy as backend
from fgrad.eager.tape import restart

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-in as CuPy; afterwards nothing remembers it."""
    monkeypatch.setitem(errors._LOADED, "cupy", fake_cupy)
    monkeypatch.setitem(errors._LOADED, "cupyx.scipy.special", fake_cupyx.special)
    monkeypatch.setattr(fake_cupy, "CURRENT", [0])
    yield
    backend.PROGRAMS.clear()
    restart()


@pytest.mark.parametrize("case", [c for c in CASES if "number" not in c.name], ids=lambda c: c.name)
def test_values_and_draws_on_a_device(case: Case) -> None:
    found = []
    for device in ("cuda", "cpu"):
        d = case.make(fgrad.distributions, lambda x, device=device: fgrad.tensor(x, dtype=fgrad.float64, device=device))
        value = fgrad.tensor(case.values, dtype=fgrad.float64, device=device)
        found.append(d.log_prob(value).cpu().numpy())
        x = d.sample((3,))
        assert x.device.type == device
        assert bool(d.support.check(x).all())
        if d.has_rsample:
            assert d.rsample().device == x.device
    np.testing.assert_allclose(*found, 1e-9)
