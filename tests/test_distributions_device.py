"""Distributions on a CUDA device, by the strict stand-in for CuPy: values as on the CPU, draws on the device."""

from __future__ import annotations

import numpy as np
import pytest
from device_stand_in import stand_in  # noqa: F401  # a fixture that every test here uses
from distribution_cases import CASES, Case

import fgrad

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


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
