"""Trigonometric, inverse and hyperbolic functions, powers and series in native code: bounds in ULP, special values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import PROGRAMS, compile, functions, native
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace

SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 2.5, -2.5, 1e-40, -1e-40, 1e30, -1e30, 5e-324,
           2.0**53, 2.0**53 + 2, -7, 0.9999999, 1.0000001, 300, -300, 100.5, 1.7e308, -0.3)  # fmt: skip
# name, draws of arguments, bound for float32 and float64, reference in wider arithmetic (None: the plain lowering)
WIDE = ("normal", "huge", "turns")
ROWS: list[tuple[str, tuple[str, ...], float, float]] = [
    ("sin", WIDE, 0.75, 1.0), ("cos", WIDE, 0.75, 1.0), ("tan", WIDE, 0.51, 2.5), ("asin", ("unit",), 0.51, 1.0),
    ("acos", ("unit",), 0.51, 1.0), ("atan", ("unit", "huge"), 0.51, 1.0), ("sinh", ("unit", "normal"), 0.51, 3.0),
    ("cosh", ("unit", "normal"), 0.51, 3.0), ("asinh", ("unit", "huge"), 0.51, 2.0), ("acosh", ("above",), 0.51, 2.0),
    ("atanh", ("unit",), 0.51, 2.0), ("cbrt", ("unit", "huge"), 0.51, 1.0),
]  # fmt: skip
PAIRS = [("atan2", 0.51, 1.0), ("hypot", 0.51, 1.0), ("pow", 0.51, 1.0)]
NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
         "atan2": "arctan2", "pow": "power"}  # fmt: skip
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")


def run(name: str, *xs: Any, **params: Any) -> Any:
    graph = trace(lambda *v: F[name](*v, **params), *[TensorType(x.shape, x.dtype) for x in xs])
    program = compile(graph, {}, "native")
    assert "kernel0" in program.source
    return program([*xs])[0]


def plain(name: str, *xs: Any) -> Any:
    with np.errstate(all="ignore"):
        return REGISTRY[name].lower(np, None, *xs)


def draw(kind: str, dtype: str, seed: int = 0, n: int = 20_000) -> Any:
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        x = {
            "normal": lambda: rng.normal(size=n) * 20,
            "huge": lambda: rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-30, 38 if dtype == "float32" else 308, n),
            "turns": lambda: rng.integers(-(10**7), 10**7, n) * (math.pi / 2),
            "unit": lambda: np.concatenate([rng.uniform(-1, 1, n), 10.0 ** rng.uniform(-20, 0, n), 1 - 10.0 ** rng.uniform(-7, -0.1, n)]),
            "above": lambda: 1 + 10.0 ** rng.uniform(-6, 30, n),
        }[kind]()
        return x.astype(dtype)


def ulps(got: Any, want: Any, dtype: str) -> Any:
    """Distance in units of the last place of the reference; 0 where both are the same number that is not finite."""
    with np.errstate(all="ignore"):
        rounded = want.astype(dtype)
        same = (got == rounded) & ~np.isfinite(rounded) | (np.isnan(got) & np.isnan(rounded))
        unit = np.spacing(np.abs(np.where(np.isfinite(rounded), rounded, 1))).astype(want.dtype)
        return np.where(same, 0, np.abs(got.astype(want.dtype) - want) / unit)


def wide(name: str, *xs: Any) -> Any:
    with np.errstate(all="ignore"):
        return getattr(np, NUMPY.get(name, name))(*[x.astype("float64" if x.dtype == np.float32 else np.longdouble) for x in xs])


@every_dtype
@pytest.mark.parametrize("row", ROWS, ids=lambda r: r[0])
def test_errors_are_bounded(row: Any, dtype: str) -> None:
    name, kinds, *bounds = row
    x = np.concatenate([draw(k, dtype, seed) for seed, k in enumerate(kinds)])
    error = ulps(run(name, x), wide(name, x), dtype)
    assert error.max() <= bounds[dtype == "float64"], (x[error.argmax()], error.max())


@every_dtype
@pytest.mark.parametrize("row", PAIRS, ids=lambda r: r[0])
def test_errors_of_pairs_are_bounded(row: Any, dtype: str) -> None:
    name, *bounds = row
    x = np.concatenate([draw(k, dtype, 1) for k in ("normal", "huge", "unit")])
    y = np.concatenate([draw(k, dtype, 2) for k in ("normal", "huge", "unit")])
    if name == "pow":
        near = 1 + draw("normal", "float64") / 20_000
        x = np.concatenate([np.abs(draw("huge", dtype, 3)), near.astype(dtype), np.abs(draw("unit", dtype))])
        y = np.concatenate([draw("unit", dtype, 4)[:20_000], draw("normal", dtype, 5) * 1000, draw("unit", dtype, 6) * 5])
    error = ulps(run(name, x, y), wide(name, x, y), dtype)
    assert error.max() <= bounds[dtype == "float64"], (x[error.argmax()], y[error.argmax()], error.max())


def test_multiples_of_pi_that_are_hard_to_reduce() -> None:
    # the double that is nearest to a multiple of pi / 2, and large ones; values from 2400 bits of pi
    hard = np.array([6381956970095103.0 * 2.0**797, 1e22, 2.0**1023, 3.3e300])
    sines = [1.0, -0.8522008497671888, 0.563127779850884, 0.5653394257514189]
    cosines = [-4.687165924254628e-19, 0.523214785395139, -0.826369834614148, 0.8248583718985072]
    s, c = run("sin", hard), run("cos", hard)
    for got, want in ((s, sines), (c, cosines)):
        for a, b in zip(got, want, strict=True):
            assert abs(a - b) <= abs(b) * 2.3e-16
    np.testing.assert_allclose(s * s + c * c, 1, rtol=4e-16)


@every_dtype
@pytest.mark.parametrize("name", [r[0] for r in ROWS] + ["erfc", "erfinv", "lgamma", "digamma"])
def test_special_values_are_those_of_numpy(name: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
    got, want = run(name, x), plain(name, x)
    assert ulps(got, want, dtype).max() <= 4
    np.testing.assert_array_equal(np.signbit(got)[want == 0], np.signbit(want)[want == 0])


@every_dtype
@pytest.mark.parametrize("name", [r[0] for r in PAIRS])
def test_special_values_of_pairs_are_those_of_numpy(name: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        x, y = (g.ravel() for g in np.meshgrid(np.array(SPECIAL).astype(dtype), np.array(SPECIAL).astype(dtype)))
    got, want = run(name, x.copy(), y.copy()), plain(name, x, y)
    error = ulps(got, want, dtype)
    assert error.max() <= 2, (x[error.argmax()], y[error.argmax()])
    np.testing.assert_array_equal(np.signbit(got)[want == 0], np.signbit(want)[want == 0])


@every_dtype
@pytest.mark.parametrize("name", ["erfc", "erfinv", "lgamma", "digamma"])
def test_series_give_what_the_plain_lowering_gives(name: str, dtype: str) -> None:
    x = draw("unit" if name == "erfinv" else "normal", dtype) * (1 if name == "erfinv" else 0.4)
    got, want = run(name, x), plain(name, x)
    np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["erfc", "erfinv"])
def test_error_functions_of_float32_are_bounded(name: str) -> None:
    if name == "erfc":
        x = np.concatenate([np.linspace(-6, 9.2, 300_001), draw("unit", "float32")]).astype("float32")
    else:
        x = np.concatenate([draw("unit", "float32"), np.linspace(-1, 1, 300_001).astype("float32")])
    want = plain(name, x.astype("float64"))
    assert ulps(run(name, x), want, "float32").max() <= 5
    deep = np.linspace(9.2, 10.2, 999).astype("float32")  # subnormal results
    if name == "erfc":
        np.testing.assert_allclose(run(name, deep), plain(name, deep), atol=3e-45)


def test_derivatives_of_digamma() -> None:
    x = draw("normal", "float64")
    for order in (0, 1):
        want = REGISTRY["polygamma"].lower(np, None, x, order=order)
        np.testing.assert_allclose(run("polygamma", x, order=order), want, rtol=1e-11, atol=1e-11)


@pytest.mark.exhaustive
@pytest.mark.parametrize("row", ROWS, ids=lambda r: r[0])
def test_every_float32(row: Any) -> None:
    name, _, bound, _ = row
    step = 1 << 24
    graph = trace(lambda v: F[name](v), TensorType((step,), "float32"))
    program = compile(graph, {}, "native")
    for start in range(0, 1 << 32, step):
        x = np.arange(start, start + step, dtype=np.uint32).view("float32")
        error = ulps(program([x])[0], wide(name, x), "float32")
        assert error.max() <= bound, (x[error.argmax()], error.max())


@every_dtype
@pytest.mark.parametrize("lanes", [4, 8])
def test_narrow_registers(lanes: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = native.host()._replace(lanes=lanes)
    monkeypatch.setattr(native, "host", lambda: narrow)
    monkeypatch.setattr(functions, "wide", lambda: False)
    PROGRAMS.clear()
    for name, low, high in (("exp", -103.9, 88.8), ("exp2", -149.9, 127.9), ("sin", -1e5, 1e5), ("tanh", -9, 9), ("erf", -4, 4)):
        with np.errstate(all="ignore"):
            x = np.concatenate([np.linspace(low, high, 5003), SPECIAL]).astype(dtype)
        want = plain("erf", x) if name == "erf" else wide(name, x)
        assert ulps(run(name, x), want, dtype).max() <= 4
    x = np.abs(draw("huge", dtype))
    y = draw("unit", dtype)[: x.size]
    assert ulps(run("pow", x, y), wide("pow", x, y), dtype).max() <= 1
    PROGRAMS.clear()
