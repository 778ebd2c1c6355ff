"""The array API standard's special cases, and limits of dtypes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fgrad.numpy as jnp

INF, NAN = math.inf, math.nan
FLOOR = [  # x, y, x // y by the standard
    (-0.0, 1.0, -0.0), (-0.0, -1.0, 0.0), (0.0, -1.0, -0.0), (INF, 1.0, INF), (INF, -1.0, -INF), (-INF, 1.0, -INF), (-INF, -2.0, INF),
    (1.0, -INF, -0.0), (-1.0, INF, -0.0), (-1.0, -INF, 0.0), (1.0, INF, 0.0), (INF, INF, NAN), (1.0, 0.0, INF), (-1.0, 0.0, -INF),
    (0.0, 0.0, NAN), (NAN, 1.0, NAN), (1.0, NAN, NAN), (7.0, -2.0, -4.0), (-7.0, 2.0, -4.0),
]  # fmt: skip
REMAINDER = [
    (-0.0, 1.0, 0.0), (0.0, -1.0, -0.0), (INF, 1.0, NAN), (1.0, 0.0, NAN), (1.0, INF, 1.0), (1.0, -INF, -INF), (-1.0, INF, INF),
    (-7.0, 2.0, 1.0), (7.0, -2.0, -1.0), (-4.0, 2.0, 0.0), (4.0, -2.0, -0.0),
]  # fmt: skip


def same(found: float, wanted: float) -> bool:
    """Equal numbers of one sign, or both NaN."""
    return (math.isnan(found) and math.isnan(wanted)) or (found == wanted and math.copysign(1, found) == math.copysign(1, wanted))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "cases"), [("floor_divide", FLOOR), ("remainder", REMAINDER)])
def test_quotients(name: str, cases: list[tuple[float, float, float]], dtype: str) -> None:
    for x, y, wanted in cases:
        found = float(getattr(jnp, name)(jnp.asarray(x, dtype=dtype), jnp.asarray(y, dtype=dtype)))
        assert same(found, wanted), (x, y, found, wanted)


@pytest.mark.parametrize(("z", "wanted"), [
    (0j, 0j), (complex(-0.0, 0), 0j), (complex(INF, 0), complex(INF, 0)), (complex(-INF, INF), complex(-1, 0)),
    (complex(INF, INF), complex(INF, NAN)), (complex(-INF, NAN), complex(-1, 0)), (complex(NAN, 0), complex(NAN, 0)),
    (1e-9 + 1e-9j, np.expm1(1e-9 + 1e-9j)), (2 - 3j, np.expm1(2 - 3j)),
])  # fmt: skip
def test_expm1_of_complex_numbers(z: complex, wanted: complex) -> None:
    found = complex(jnp.expm1(jnp.asarray(z, dtype="complex128")))
    for a, b in ((found.real, wanted.real), (abs(found.imag), abs(wanted.imag))):
        assert (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, rel=1e-14)


def test_rounding_of_complex_numbers() -> None:
    assert complex(jnp.round(jnp.asarray(1.5 - 2.5j))) == 2 - 2j
    np.testing.assert_allclose(np.asarray(jnp.round(jnp.asarray([0.126 - 3.455j]), 2)), [0.13 - 3.46j], atol=0.011)


def test_limits() -> None:
    for name in ("float16", "float32", "float64", "complex64"):
        found, wanted = jnp.finfo(name), np.finfo(name)
        for field in ("eps", "max", "min", "smallest_normal", "bits"):
            assert getattr(found, field) == getattr(wanted, field)
        assert isinstance(found.eps, float)
    assert jnp.finfo(jnp.bfloat16).eps == 2.0**-7
    assert jnp.finfo(jnp.ones(1)).dtype == np.float32
    with pytest.raises(TypeError, match="iinfo"):
        jnp.finfo("int32")


def test_dtypes_beside_numbers_and_casts() -> None:
    assert jnp.result_type(jnp.uint8, 1) == np.uint8
    assert jnp.result_type(jnp.int8, jnp.int16, 1) == np.int16
    assert jnp.result_type(jnp.float32, 1j) == np.complex64
    assert not jnp.can_cast(jnp.uint64, jnp.int8)
    assert jnp.can_cast(jnp.int8, jnp.int16)


def test_masks_of_no_or_one_element() -> None:
    x = jnp.asarray(3)
    assert jnp.asarray(x)[jnp.asarray(True)].shape == (1,)
    assert x[jnp.asarray(False)].shape == (0,)
    assert jnp.zeros((0, 1))[jnp.zeros((0, 0), dtype=bool)].shape == (0,)
    assert jnp.ones((2, 3))[jnp.zeros((0,), dtype=bool)].shape == (0, 3)
    with pytest.raises(IndexError):
        jnp.ones((2, 3))[jnp.zeros((0, 2), dtype=bool)]
    with pytest.raises(ValueError, match="0-d"):
        jnp.nonzero(x)
    assert jnp.eye(2, k=2**63).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_dlpack_of_every_version() -> None:
    x = jnp.arange(3.0)
    for given in ({}, {"copy": False}, {"copy": True}, {"max_version": (0, 0)}, {"max_version": (1, 0)}, {"max_version": (1, 0), "copy": True}):
        assert "dltensor" in repr(x.__dlpack__(**given))
    assert np.from_dlpack(x).tolist() == [0.0, 1.0, 2.0]


def test_large_integers_are_kept() -> None:
    for v in (2**53 + 1, 2**63 + 1, 2**64 - 1):
        assert jnp.asarray([1, v], dtype="uint64").tolist() == [1, v]
        assert jnp.full((2,), v, dtype="uint64").tolist() == [v, v]
    assert jnp.asarray([1.7, 2], dtype="int32").tolist() == [1, 2]
