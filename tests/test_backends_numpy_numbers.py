"""Integers and halves in fused groups: bit for bit what NumPy and ml_dtypes give."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import compile, interpret
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TensorType
from fgrad.settings import use
from fgrad.transforms.inline import trace

INTEGERS = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
HALVES = ("float16", "bfloat16")
every_integer = pytest.mark.parametrize("dtype", INTEGERS)
every_half = pytest.mark.parametrize("dtype", HALVES)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")


def both(f: Any, *xs: Any) -> tuple[Any, Any]:
    """What native code and the plain lowerings give; no node may stay a library call."""
    graph = trace(f, *[TensorType(x.shape, x.dtype) for x in xs])
    program = compile(graph, {}, "native")
    called = set(re.findall(r"^    (\w+)\(", program.source, re.MULTILINE))
    assert {name[:6] for name in called} == {"kernel"}, program.source
    with np.errstate(all="ignore"):
        return program([*xs])[0], interpret(graph, [*xs])[0]


def bits(a: Any) -> Any:
    """The memory, NaN of any kind as one."""
    if a.dtype.name in HALVES or a.dtype.kind == "f":
        with np.errstate(all="ignore"):
            return np.where(np.isnan(a.astype("float64")), -1, a.view(f"int{8 * a.dtype.itemsize}").astype("int64"))
    return a


def equal(got: Any, want: Any) -> None:
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(bits(got), bits(want))


def pairs(dtype: str) -> tuple[Any, Any]:
    info, rng = np.iinfo(dtype), np.random.default_rng(0)
    edges = [info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7, *([-1, -2, -3] if info.min else [])]
    x, y = (np.array(c, dtype) for c in zip(*itertools.product(edges, edges), strict=True))
    n = 1001
    a = rng.integers(info.min, info.max, n, dtype, endpoint=True)
    b = (rng.integers(info.min, info.max, n, dtype, endpoint=True) >> rng.integers(0, 8 * x.itemsize, n).astype(dtype)).astype(dtype)
    return np.concatenate([x, a, a]), np.concatenate([y, b, b[::-1]])


@every_integer
@pytest.mark.parametrize("name", ["floor_divide", "rem", "add", "sub", "mul", "maximum", "minimum", "lt", "ge", "pow"])
def test_integers(name: str, dtype: str) -> None:
    x, y = pairs(dtype)
    if name == "pow":
        y = np.where(np.abs(y.astype("float64")) > 1e6, y % 100, y).astype(dtype)
    equal(*both(F["pow" if name == "pow" else name], x, y))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("name", ["floor_divide", "rem"])
def test_quotients_of_64_bits(name: str, dtype: str) -> None:
    rng = np.random.default_rng(14)
    x, y = (rng.integers(0, 2**63, 40_000, np.uint64) * np.uint64(2) + np.uint64(1) for _ in range(2))
    y = np.maximum(y >> rng.integers(0, 63, y.size).astype(np.uint64), np.uint64(1))
    q = x // y
    for a in (x, q * y, q * y - np.uint64(1), (q + np.uint64(1)) * y - np.uint64(1)):  # at the edges of a quotient
        equal(*both(F[name], a.astype(dtype), y.astype(dtype)))
    small = np.maximum(y >> np.uint64(2), np.uint64(1))
    equal(*both(F[name], x.astype(dtype), small.astype(dtype)))
    for by in (1, 3, 10**9 + 7, 2**40 + 1, 2**61 - 1, 2**62 + 1):
        equal(*both(lambda v: F[name](v, np.asarray(by, dtype)), x.astype(dtype)))


@every_integer
def test_greatest_common_divisors(dtype: str) -> None:
    equal(*both(F["gcd"], *pairs(dtype)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_neighbours_of_floats(dtype: str) -> None:
    rng = np.random.default_rng(11)
    special = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 6e-8, -6e-8, 65504, 2, 0.5])
    x, y = (g.ravel() for g in np.meshgrid(special, special))
    x, y = np.concatenate([x, rng.normal(size=999)]), np.concatenate([y, rng.normal(size=999)])
    equal(*both(F["nextafter"], x.astype(dtype), y.astype(dtype)))


@every_integer
@pytest.mark.parametrize("by", [1, 3, 7, 64])
@pytest.mark.parametrize("name", ["floor_divide", "rem"])
def test_integers_by_a_constant(name: str, by: int, dtype: str) -> None:
    x, _ = pairs(dtype)
    equal(*both(lambda v: F[name](v, np.asarray(by, dtype)), x))


@every_integer
@pytest.mark.parametrize("name", ["shift_left", "shift_right"])
def test_shifts(name: str, dtype: str) -> None:
    x, _ = pairs(dtype)
    y = np.random.default_rng(1).integers(0, 8 * x.itemsize, x.size).astype(dtype)
    equal(*both(F[name], x, y))


@every_integer
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_reductions_of_integers(name: str, axes: tuple[int, ...], dtype: str) -> None:
    info = np.iinfo(dtype)
    x = np.random.default_rng(2).integers(info.min, info.max, (37, 53), dtype, endpoint=True)
    equal(*both(lambda v: F[name](v, axes=axes), x))


def every_value(dtype: str) -> Any:
    return np.arange(1 << 16, dtype=np.uint16).view(dtype_of(dtype))


@pytest.mark.parametrize("target", [*INTEGERS, *HALVES, "float32", "float64", "bool"])
@pytest.mark.parametrize("source", [*INTEGERS, *HALVES, "float32", "float64", "bool"])
def test_conversions(source: str, target: str) -> None:
    if source == target:
        pytest.skip("nothing to do")
    rng = np.random.default_rng(3)
    if source == "bool":
        x = rng.integers(0, 2, 1000).astype(bool)
    elif source in INTEGERS:
        x, _ = pairs(source)
    elif source in HALVES:
        x = every_value(source)
    else:
        wide = np.concatenate([rng.normal(size=3000), 10.0 ** rng.uniform(-46, 39, 3000), rng.integers(0, 4096, 3000) / 2])
        with np.errstate(all="ignore"):
            upper = np.nextafter(every_value("float16"), np.float16(np.inf))
            middles = (every_value("float16").astype("float64") + upper.astype("float64")) / 2
        with np.errstate(all="ignore"):
            near = np.concatenate([middles, np.nextafter(middles, 0), np.nextafter(middles, np.inf)])
            x = np.concatenate([wide, -wide, near, [np.nan, np.inf, -np.inf]]).astype(source)
    if target in INTEGERS and source not in INTEGERS and source != "bool":  # what is out of range is not defined
        info = np.iinfo(target)
        with np.errstate(all="ignore"):
            x = x[(x.astype("float64") > float(info.min)) & (x.astype("float64") < float(info.max))]
    with np.errstate(all="ignore"):
        equal(*both(lambda v: F["convert"](v, dtype=dtype_of(target)), x))


@every_half
@pytest.mark.parametrize("name", ["neg", "abs", "sqrt", "floor", "rsqrt", "sign", "is_finite"])
def test_every_half(name: str, dtype: str) -> None:
    x = every_value(dtype)
    if name == "sign":  # ml_dtypes keeps the sign of zero, NumPy does not
        x[1 << 15] = 0
    equal(*both(F[name], x))


@pytest.mark.parametrize("source", ["float32", "float64", "int64"])
@pytest.mark.parametrize("target", [*INTEGERS, *HALVES, "float32", "bool"])
def test_narrow_results_leave_their_neighbours(source: str, target: str) -> None:
    # rows of one element more than a register has, written in an order that is not theirs in memory
    x = np.random.default_rng(12).integers(1, 90, (3, 5, 17)).astype(source)

    def f(v: Any) -> Any:
        total = F["reshape"](F["reduce_max"](v, axes=(0, 2)), shape=(1, 5, 1))
        return F["convert"](F["maximum"](F["broadcast_to"](total, shape=v.shape), v), dtype=dtype_of(target))

    if source != target:
        equal(*both(f, x))


@every_half
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sin", "sigmoid", "erf", "expm1"])
def test_functions_of_every_half_are_rounded_from_float32(name: str, dtype: str) -> None:
    got, want = both(F[name], every_value(dtype))
    apart = bits(got) != bits(want)
    assert apart.mean() < 1e-3  # where float32 lies next to a tie, either neighbour
    near = np.abs(got[apart].view(np.int16).astype(int) - want[apart].view(np.int16).astype(int))
    assert near.max(initial=0) <= 1


@every_half
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "minimum", "lt", "eq", "copysign", "rem"])
def test_pairs_of_halves(name: str, dtype: str) -> None:
    rng = np.random.default_rng(4)
    x, y = (rng.permutation(every_value(dtype)) for _ in range(2))
    if name in ("maximum", "minimum"):  # which zero wins is not defined
        with np.errstate(all="ignore"):
            x, y = (np.where(a == 0, dtype_of(dtype).type(0), a) for a in (x, y))
    equal(*both(F[name], x, y))


@every_half
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_reductions_of_halves(name: str, axes: tuple[int, ...], dtype: str) -> None:
    x = (np.random.default_rng(5).normal(size=(48, 50)) * (0.1 if name == "reduce_prod" else 1)).astype(dtype_of(dtype))
    got, want = both(lambda v: F[name](F["mul"](v, v), axes=axes), x)
    np.testing.assert_allclose(got.astype("float64"), want.astype("float64"), rtol=2**-7 if dtype == "bfloat16" else 2**-10)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_remainders_of_floats_are_those_of_numpy(dtype: str) -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(size=2000) * 10, 10.0 ** rng.uniform(-30, 30, 2000), rng.integers(-40, 40, 2000), [np.inf, np.nan, 5, 0, -0.0]])
    y = np.concatenate([rng.normal(size=2000), 10.0 ** rng.uniform(-30, 30, 2000), rng.integers(-9, 9, 2000), [3, 2, np.inf, 0, 1]])
    with np.errstate(all="ignore"):
        x, y = x.astype(dtype), y.astype(dtype)
    equal(*both(F["rem"], x, y))
    equal(*both(F["rem"], x[:1] * 1000, y[:1]))  # one number: no vector
    got, want = both(F["floor_divide"], x, y)
    inside = np.abs(want.astype("float64")) < (2.0**9 if dtype == "float16" else 2.0**20)
    equal(got[inside], want[inside])


@pytest.mark.parametrize("name", ["reduce_and", "reduce_or", "reduce_max", "reduce_min"])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_reductions_of_bools(name: str, axes: tuple[int, ...]) -> None:
    x = np.random.default_rng(7).random((33, 5)) < (0.99 if name in ("reduce_and", "reduce_min") else 0.01)
    x[:, 2] = name in ("reduce_and", "reduce_min")
    equal(*both(lambda v: F[name](v, axes=axes), x))


SHAPES = [(1,), (7,), (64,), (1000,), (3, 7), (37, 53), (4, 5, 6, 1), (128, 130), (5, 256), (3, 4, 68)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("offset", [0, 5, 2**32 - 3, 2**63 + 2**32 - 1])
def test_random_bits(shape: tuple[int, ...], offset: int) -> None:
    key, at = np.array([0xDEADBEEF, 0xFFFFFFFF], np.uint32), np.array(offset, np.uint64)
    equal(*both(lambda k, o: F["random_bits"](k, o, shape=shape), key, at))
    equal(*both(lambda k, o: F["reshape"](F["random_bits"](k, o, shape=shape), shape=shape[::-1]), key, at))
    last = (*(0,) * (len(shape) - 1), shape[-1] // 2), shape, (1,) * len(shape)
    equal(*both(lambda k, o: F["slice"](F["random_bits"](k, o, shape=shape), **dict(zip(("start", "stop", "step"), last, strict=True))), key, at))


@pytest.mark.parametrize("shape", [(), (5,), (3, 68), (256,)])
def test_random_bits_of_several_keys(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(13)
    key, at = rng.integers(0, 2**32, (4, 3, 2), np.uint32), rng.integers(0, 2**63, (4, 3), np.uint64)
    equal(*both(lambda k, o: F["random_bits"](k, o, shape=shape), key, at))


def test_a_random_word_alone_has_a_plain_lowering() -> None:
    numbers = [np.array(v, np.uint64) for v in (6, 2**40 + 1, 77, 0xFFFFFFFF)]
    key, first = np.array([77, 0xFFFFFFFF], np.uint32), np.array(2**40 + 1, np.uint64)
    want = REGISTRY["random_bits"].lower(np, None, key, first, shape=(8,))
    assert REGISTRY["random_word"].lower(np, None, *numbers) == want[6]
    np.testing.assert_array_equal(REGISTRY["random_word"].lower(np, None, np.arange(8, dtype=np.uint64), *numbers[1:]), want)


def test_random_words_of_every_index() -> None:
    rng = np.random.default_rng(8)
    index, offset, low, high = (rng.integers(0, 2**bits, 500, np.uint64) for bits in (62, 64, 32, 32))
    equal(*both(F["random_word"], index, offset, low, high))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_dropout_is_one_kernel_with_equal_bits_on_any_number_of_threads(threads: int) -> None:
    def drop(x: Any, key: Any, offset: Any) -> Any:
        u = F["shift_right"](F["random_bits"](key, offset, shape=x.shape), np.uint32(8))
        u = F["mul"](F["convert"](u, dtype=np.dtype("float32")), np.float32(2.0**-24))
        return F["select"](F["le"](np.float32(0.3), u), F["mul"](x, np.float32(1 / 0.7)), np.float32(0))

    x = np.random.default_rng(9).normal(size=(600, 700)).astype("float32")
    with use(num_threads=threads):
        equal(*both(drop, x, np.array([1, 2], np.uint32), np.array(77, np.uint64)))


@every_half
def test_products_and_windows_of_halves_are_made_in_float32(dtype: str) -> None:
    rng = np.random.default_rng(10)
    a, b = (rng.normal(size=s).astype(dtype_of(dtype)) for s in ((24, 40), (40, 33)))
    images = rng.normal(size=(2, 8, 8, 5)).astype(dtype_of(dtype))
    moves = {"window": (1, 2, 2, 1), "stride": (1, 2, 2, 1), "padding": ((0, 0),) * 4, "dilation": (1,) * 4}
    places = rng.integers(0, 24, 70)
    updates = rng.normal(size=(70, 40)).astype(dtype_of(dtype))
    rows: list[tuple[Any, ...]] = [
        (lambda x, y: F["dot_general"](F["neg"](x), y, contract=((1,), (0,)), batch=((), ())), a, b),
        (lambda x: F["window_max"](x, **moves), images),
        (lambda x: F["window_sum"](x, **moves), images),
        (lambda x, u, i: F["scatter"](x, u, i, axes=(0,), op="add", mode="clip"), a, updates, places),
    ]
    for f, *xs in rows:
        got, want = both(f, *xs)
        np.testing.assert_allclose(got.astype("float64"), want.astype("float64"), rtol=2**-7, atol=2**-7)


def test_random_words_of_a_row_are_made_once_for_all_passes() -> None:
    def f(key: Any, offset: Any) -> Any:
        words = F["random_bits"](key, offset, shape=(40, 300))
        u = F["mul"](F["convert"](F["shift_right"](words, np.uint32(8)), dtype=np.dtype("float32")), np.float32(2.0**-24))
        top = F["broadcast_to"](F["reshape"](F["reduce_max"](u, axes=(1,)), shape=(40, 1)), shape=u.shape)
        return F["sub"](u, top)

    equal(*both(f, np.array([3, 4], np.uint32), np.array(9, np.uint64)))
