"""The same checks on a real CUDA device, wherever CuPy and one are there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import pytest
from device_checks import CHECKS, primitive_agrees
from primitive_case import Case
from primitive_cases import CASES

import fgrad as torch

pytestmark = pytest.mark.gpu
LOOSE = 50.0  # a GPU's functions and sums round otherwise than NumPy's


@pytest.fixture(autouse=True)
def device() -> None:
    """Skips where there is none; CuPy is imported only where it is installed."""
    if find_spec("cupy") is None:
        pytest.skip("CuPy is not installed")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device answers")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_every_primitive_on_a_device(case: Case) -> None:
    for dtype in case.dtypes():
        primitive_agrees(case, dtype, LOOSE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda f: f.__name__)
def test_on_a_device(check: Callable[[], None]) -> None:
    check()


def test_the_device_has_a_name() -> None:
    assert torch.cuda.get_device_name()
    before = torch.cuda.memory_allocated()
    x = torch.zeros(1 << 20, device="cuda")
    x.sum().item()
    assert torch.cuda.memory_allocated() >= before + (1 << 22)
