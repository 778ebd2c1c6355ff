"""Transcendental functions in native code: bounds in units of the last place, special values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import compile
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace

torch = pytest.importorskip("torch")

# name, range, bound for float32 and for float64 (against float64 and long double references), reference
ROWS = [
    ("exp", -103.0, 88.7, 1.1, 2.0, np.exp),
    ("exp2", -149.0, 127.9, 1.5, 3.0, np.exp2),
    ("expm1", -20.0, 88.0, 2.0, 3.0, np.expm1),
    ("expm1", -0.4, 0.4, 2.0, 3.0, np.expm1),
    ("log", 1e-38, 1e38, 1.2, 2.0, np.log),
    ("log", 0.5, 2.0, 1.2, 2.0, np.log),
    ("log", 1e-44, 1e-38, 1.2, 2.0, np.log),
    ("log1p", -0.99, 3.0, 2.0, 3.0, np.log1p),
    ("log1p", -1e-3, 1e-3, 2.0, 3.0, np.log1p),
    ("log1p", 3.0, 1e30, 2.0, 3.0, np.log1p),
    ("log2", 1e-38, 1e38, 2.0, 3.0, np.log2),
    ("log10", 1e-38, 1e38, 2.5, 3.0, np.log10),
    ("tanh", -10.0, 10.0, 3.0, 4.0, np.tanh),
    ("tanh", -0.1, 0.1, 3.0, 4.0, np.tanh),
    ("sigmoid", -80.0, 80.0, 3.0, 4.0, lambda x: 1 / (1 + np.exp(-x))),
    ("erf", -4.5, 4.5, 2.0, 4.0, None),
    ("erf", -0.5, 0.5, 2.0, 4.0, None),
    ("erf", 1e-8, 4.0, 2.0, 4.0, None),
]  # fmt: skip


def run(name: str, x: Any) -> Any:
    graph = trace(lambda v: F[name](v), TensorType(x.shape, x.dtype))
    program = compile(graph, {}, "native")
    assert "kernel0" in program.source
    return program([x])[0]


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]}[{r[1]:g},{r[2]:g}]")
def test_errors_are_bounded(row: Any, dtype: str) -> None:
    name, low, high, *bounds, reference = row
    n = 200_003
    geometric = low > 0 and high / low > 1e3
    x = (np.geomspace if geometric else np.linspace)(low, high, n).astype(dtype)
    wide = x.astype("float64" if dtype == "float32" else np.longdouble)
    if reference is None:
        want = torch.erf(torch.tensor(x.astype("float64"))).numpy().astype(wide.dtype)
    else:
        with np.errstate(all="ignore"):
            want = reference(wide)
    got = run(name, x)
    unit = np.spacing(np.abs(want).astype(dtype)).astype(wide.dtype)
    error = np.abs(got.astype(wide.dtype) - want) / unit
    assert float(error.max()) <= bounds[dtype == "float64"], (name, x[error.argmax()], float(error.max()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_are_exact(dtype: str) -> None:
    inf, nan = math.inf, math.nan
    rows: dict[str, list[tuple[float, float]]] = {
        "exp": [(inf, inf), (-inf, 0), (0.0, 1), (-0.0, 1), (1e5, inf), (-1e5, 0), (nan, nan)],
        "exp2": [(inf, inf), (-inf, 0), (10, 1024), (-3, 0.125), (nan, nan)],
        "expm1": [(inf, inf), (-inf, -1), (0.0, 0.0), (-0.0, -0.0), (nan, nan)],
        "log": [(inf, inf), (-inf, nan), (0.0, -inf), (-0.0, -inf), (1, 0.0), (-1, nan), (nan, nan)],
        "log2": [(8, 3), (0.25, -2), (0.0, -inf), (inf, inf), (nan, nan)],
        "log1p": [(inf, inf), (-1, -inf), (-2, nan), (0.0, 0.0), (-0.0, -0.0), (nan, nan), (1e-30, 1e-30)],
        "tanh": [(inf, 1), (-inf, -1), (0.0, 0.0), (-0.0, -0.0), (nan, nan)],
        "erf": [(inf, 1), (-inf, -1), (0.0, 0.0), (-0.0, -0.0), (nan, nan)],
        "sigmoid": [(inf, 1), (-inf, 0), (0, 0.5), (nan, nan)],
    }
    for name, pairs in rows.items():
        x, want = (np.array(c, dtype) for c in zip(*pairs, strict=True))
        got = run(name, x)
        np.testing.assert_array_equal(got, want, err_msg=name)
        np.testing.assert_array_equal(np.signbit(got)[want == 0], np.signbit(want)[want == 0], err_msg=name)


def test_a_maximum_of_a_row_keeps_nan() -> None:
    x = np.random.default_rng(0).normal(size=(5, 37)).astype("float32")
    x[2, 35], x[3, 0], x[4, 1] = math.nan, math.inf, math.nan
    for name, want in (("reduce_max", x.max(1)), ("reduce_min", x.min(1))):
        graph = trace(lambda v, name=name: F[name](v, axes=(1,)), TensorType(x.shape, "float32"))
        np.testing.assert_array_equal(compile(graph, {}, "native")([x])[0], want)
