"""LU by NumPy's own LAPACK against LU by blocks, which stands in where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from fgrad.primitives import matrix_kernels as kernels
from fgrad.primitives import openblas

R = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", [(5, 5), (3, 6, 4), (2, 2, 4, 7), (70, 70), (0, 3), (2, 3, 0), (0, 4, 4), (1, 1)], ids=str)
def test_both_ways_agree(dtype: str, shape: tuple[int, ...]) -> None:
    x = R.normal(size=shape).astype(dtype)
    if dtype[0] == "c":
        x = x + 1j * R.normal(size=shape).astype(x.real.dtype)
    kept = x.copy()
    found, wanted = kernels.lu(np, x), kernels._lu_by_blocks(np, x)
    np.testing.assert_array_equal(x, kept)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-2 if dtype in ("f4", "c8") else 1e-8, atol=1e-4)
    assert found[0].dtype == wanted[0].dtype


def test_singular_matrices_tell_where() -> None:
    x = np.stack([np.eye(4), np.diag([1.0, 1, 0, 1]), np.zeros((4, 4))])
    found, wanted = kernels.lu(np, x), kernels._lu_by_blocks(np, x)
    assert found[3].tolist() == wanted[3].tolist() == [0, 3, 1]


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    x = R.normal(size=(2, 6, 6))
    wanted = kernels.lu(np, x)
    monkeypatch.setattr(openblas, "routine", lambda name, char: None)
    assert openblas.getrf(x) is None
    for a, b in zip(kernels.lu(np, x), wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_routines_are_found_by_their_dtype() -> None:
    if openblas.routine("getrf", "d") is None:
        pytest.skip("NumPy has another library here")
    assert openblas.routine("getrf", "e") is None
    assert openblas.routine("no_such_routine", "d") is None
