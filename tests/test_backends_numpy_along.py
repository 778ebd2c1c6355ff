"""Native code along one axis: positions of extremes, running values, sorting. Equal to the plain lowerings, bit for bit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import compile, interpret
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType, TupleType
from fgrad.settings import use
from fgrad.transforms.inline import trace

DTYPES = ["float32", "float64", "float16", "bfloat16", "bool", *[f"{k}{b}" for k in ("int", "uint") for b in (8, 16, 32, 64)]]
SHAPES = [(1,), (10,), (37,), (300,), (1, 5), (5, 1), (64, 10), (33, 70), (7, 300), (3, 50, 17), (2, 3, 4, 65), (130, 32)]
every_shape = pytest.mark.parametrize(("shape", "axis"), [(s, a) for s in SHAPES for a in range(len(s))], ids=str)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")


def draw(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    """Numbers of which many are equal, with NaN, infinities and both zeros among floats."""
    rng = np.random.default_rng(seed)
    kind = dtype_of(dtype).kind
    if kind in "ui":
        info = np.iinfo(dtype)
        few = rng.integers(max(info.min, -9), 9, shape).astype(dtype)
        return np.where(rng.random(shape) < 0.5, few, rng.integers(info.min, info.max, shape, dtype, endpoint=True))
    if kind == "b":
        return rng.random(shape) < 0.3
    x = np.where(rng.random(shape) < 0.5, rng.integers(-3, 4, shape) / 2, rng.normal(size=shape))
    special = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape)
    if shape[-1] % 2:
        x = np.where(rng.random(shape) < 0.1, special, x)
    return x.astype(dtype_of(dtype))


def items(y: Any) -> Any:
    """The parts of a tuple."""
    return tuple([F["item"](y, index=k) for k in range(len(y.type.items))]) if isinstance(getattr(y, "type", None), TupleType) else y


def check(f: Any, *xs: Any) -> None:
    """Native code alone, on arrays and on views of them, with any number of threads."""
    graph = trace(lambda *vs: items(f(*vs)), *[TensorType(x.shape, x.dtype) for x in xs])
    program = compile(graph, {}, "native")
    assert "kernel0(" in program.source
    assert not any(name in program.source for name in ("argmax", "argmin", "cum", "searchsorted(", "sort(", "top_k"))
    with np.errstate(all="ignore"):
        want = interpret(graph, [*xs])
    for threads in (1, 2, 4):
        with use(num_threads=threads):
            for a, b in zip(program([*xs]), want, strict=True):
                assert a.dtype == b.dtype
                a, b = (c.astype("float64") if c.dtype.name == "bfloat16" else c for c in (a, b))
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@every_shape
def test_positions(name: str, shape: tuple[int, ...], axis: int) -> None:
    for seed, dtype in enumerate(DTYPES[:1] + DTYPES[1 + len(shape) :: 3]):
        check(lambda v: F[name](v, axis=axis), draw(shape, dtype, seed))


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
@every_shape
def test_running(name: str, shape: tuple[int, ...], axis: int) -> None:
    for seed, dtype in enumerate(DTYPES[:1] + DTYPES[1 + len(shape) :: 5]):
        if dtype == "bool" and name in ("cumsum", "cumprod"):
            continue
        x = draw(shape, dtype, seed)
        check(lambda v: F[name](v, axis=axis, reverse=bool(seed % 2)), x)


@every_dtype
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "argmax", "argmin"])
def test_every_dtype(name: str, dtype: str) -> None:
    if dtype == "bool" and name in ("cumsum", "cumprod"):
        pytest.skip("not defined")
    params: dict[str, Any] = {} if name.startswith("arg") else {"reverse": True}
    for axis, shape in ((0, (45, 37)), (1, (45, 37)), (1, (6, 101))):
        check(lambda v: F[name](v, axis=axis, **params), draw(shape, dtype))


@every_dtype
@pytest.mark.parametrize("length", [1, 2, 39, 40, 41, 257, 1000])
def test_sorting_is_stable(length: int, dtype: str) -> None:
    x = draw((5, length), dtype)
    place = np.broadcast_to(np.arange(length), x.shape).copy()
    for down in (False, True):
        check(lambda v, p: F["sort"](v, p, axis=1, num_keys=1, descending=down), x, place)


@every_shape
def test_sorting_along_any_axis(shape: tuple[int, ...], axis: int) -> None:
    check(lambda v: F["sort"](v, axis=axis, num_keys=1, descending=False), draw(shape, "float32"))
    check(lambda v, w: F["sort"](v, w, axis=axis, num_keys=1, descending=True), draw(shape, "int16"), draw(shape, "float64", 1))


@pytest.mark.parametrize("dtypes", list(itertools.permutations(["int8", "float32", "float64"])), ids=str)
@pytest.mark.parametrize("keys", [1, 2, 3])
def test_sorting_by_several_keys(keys: int, dtypes: tuple[str, ...]) -> None:
    for shape in ((4, 30), (3, 500)):
        xs = [draw(shape, d, k) for k, d in enumerate(dtypes)]
        xs[0] = np.where(np.random.default_rng(0).random(shape) < 0.7, xs[0][:, :1], xs[0]).astype(dtypes[0])
        check(lambda *vs: F["sort"](*vs, axis=1, num_keys=keys, descending=False), *xs)


@every_dtype
@pytest.mark.parametrize("k", [1, 3, 32, 33, 100])
@pytest.mark.parametrize("largest", [False, True])
def test_top(largest: bool, k: int, dtype: str) -> None:
    check(lambda v: F["top_k"](v, k=k, axis=1, largest=largest), draw((9, 301), dtype))
    check(lambda v: F["top_k"](v, k=min(k, 64), axis=0, largest=largest), draw((64, 5), dtype))


def test_views_are_read_where_they_lie() -> None:
    x = draw((40, 60), "float32")
    for turn in (lambda v: F["transpose"](v, axes=(1, 0)), lambda v: F["slice"](v, start=(3, 1), stop=(39, 60), step=(2, 3))):
        check(lambda v: F["argmax"](turn(v), axis=1), x)
        check(lambda v: F["cumsum"](turn(v), axis=1, reverse=False), x)
        check(lambda v: F["sort"](turn(v), axis=0, num_keys=1, descending=False), x)


def test_results_feed_kernels_of_the_same_program() -> None:
    def f(x: Any) -> Any:
        y = F["cumsum"](F["mul"](x, x), axis=1, reverse=False)
        values = F["item"](F["top_k"](y, k=3, axis=1, largest=True), index=0)
        return F["add"](values, np.float32(1)), F["argmax"](F["exp"](F["neg"](y)), axis=1)

    x = np.abs(draw((50, 64), "float32"))
    check(f, x)
    graph = trace(f, TensorType(x.shape, "float32"))
    assert compile(graph, {}, "native").source.count("kernel") == 1


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", [d for d in DTYPES if "float16" not in d])
def test_search(dtype: str, right: bool) -> None:
    for lead, n, m in (((), 1, 5), ((), 101, 601), ((3, 4), 37, 21), ((2,), 64, 1)):
        check(lambda v, w: F["searchsorted"](v, w, right=right), np.sort(draw((*lead, n), dtype), axis=-1), draw((*lead, m), dtype, 1))


def test_tuples_are_results_whole() -> None:
    x = draw((5, 70), "float32")
    graph = trace(lambda v: F["top_k"](v, k=4, axis=1, largest=True), TensorType(x.shape, "float32"))
    program = compile(graph, {}, "native")
    first, second = program([x])[0], program([x + 1])[0]
    for a, b in zip(first, interpret(graph, [x])[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(np.shares_memory(a, b) for a in first for b in second)
