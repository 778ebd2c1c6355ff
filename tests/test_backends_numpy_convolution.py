"""Convolution kernels against NumPy in float64, on drawn geometries; whole programs on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import compile, convolution, table
from fgrad.backends.numpy.convolution import plan_winograd
from fgrad.backends.numpy.convolution.shapes import Axis, best_length, forward
from fgrad.backends.numpy.recipe import FREE, PARTS, SLOTS, Step
from fgrad.ir.apply import constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.primitives import convolve
from fgrad.primitives.convolve import Geometry
from fgrad.settings import use
from fgrad.transforms.inline import trace

pytest.importorskip("llvmlite")
ONE = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "x_dilation": (1, 1), "w_dilation": (1, 1), "groups": 1}


def last(a: Any) -> Any:
    return np.ascontiguousarray(np.moveaxis(a, 1, -1))


def first(a: Any) -> Any:
    return np.moveaxis(a, -1, 1)


def numbers(rng: Any, shape: tuple[int, ...], dtype: str) -> Any:
    return rng.standard_normal(shape).astype(dtype)


class Run:
    """The three operations, by kernels and by NumPy in float64."""

    def __init__(self, x: Any, w: Any, ct: Any, g: Geometry, winograd: bool) -> None:
        self.x, self.w, self.ct, self.g, self.winograd = x, w, ct, g, winograd

    def kernels(self) -> list[Any]:
        x, ct, dtype = last(self.x), last(self.ct), self.x.dtype.name
        y, dx, dw = np.full_like(ct, 7), np.full_like(x, 7), np.full_like(self.w, 7)
        args = (x.shape, self.w.shape, self.g, dtype)
        table.run(convolution.conv(*args, winograd=self.winograd), x=x, w=self.w, y=y)
        table.run(convolution.conv_dx(*args, winograd=self.winograd), x=ct, w=self.w, y=dx)
        table.run(convolution.conv_dw(*args, winograd=self.winograd), x=x, y=ct, w=dw)
        return [first(y), first(dx), dw]

    def numpy(self) -> list[Any]:
        x, w, ct, params = self.x.astype("d"), self.w.astype("d"), self.ct.astype("d"), self.g._asdict()
        with np.errstate(all="ignore"):
            return [
                convolve.conv(np, None, x, w, **params),
                convolve.conv_dx(np, None, ct, w, x_shape=x.shape, **params),
                convolve.conv_dw(np, None, x, ct, w_shape=w.shape, **params),
            ]


def close(got: Any, want: Any, tolerance: float) -> None:
    """Equal up to `tolerance` of the largest number; the same infinities and NaNs."""
    with np.errstate(all="ignore"):
        want = want.astype(got.dtype)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.where(np.isinf(got), got, 0), np.where(np.isinf(want), want, 0))
    finite = np.isfinite(want)
    scale = np.abs(want[finite & (np.abs(want) < 1e30)]).max(initial=0)
    np.testing.assert_allclose(got[finite], want[finite], rtol=tolerance, atol=tolerance * scale)


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], Geometry]:
    """Shapes of x and w and how the kernel moves."""
    rank = draw(st.sampled_from((1, 2, 2, 2, 3)))
    small = st.integers(1, 3)
    groups = draw(st.sampled_from((1, 1, 1, 2, 3, 5)))
    inner, outer = (1, 1) if draw(st.booleans()) and groups > 1 else (draw(st.integers(1, 21)), draw(st.integers(1, 20)))
    taps = tuple(draw(st.integers(1, 5 if rank < 3 else 3)) for _ in range(rank))
    lengths = tuple(draw(st.integers(1, 40 if rank == 1 else 12 if rank == 2 else 5)) for _ in range(rank))
    padding = tuple((draw(st.integers(-1, 4)), draw(st.integers(-1, 4))) for _ in range(rank))
    triple = [tuple(draw(small) if draw(st.integers(0, 3)) == 0 else 1 for _ in range(rank)) for _ in range(3)]
    g = Geometry(triple[0], padding, triple[1], triple[2], groups)
    x, w = (draw(st.integers(1, 3)), inner * groups, *lengths), (outer * groups, inner, *taps)
    assume(min(g.output(x[2:], w[2:])) > 0 and min(g.padded(x[2:])) > 0)
    return x, w, g


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(geometries(), st.sampled_from(("float32", "float32", "float64")))
def test_any_geometry(shapes: Any, dtype: str) -> None:
    x, w, g = shapes
    rng = np.random.default_rng(0)
    y = (x[0], w[0], *g.output(x[2:], w[2:]))
    run = Run(numbers(rng, x, dtype), numbers(rng, w, dtype), numbers(rng, y, dtype), g, False)
    for got, want in zip(run.kernels(), run.numpy(), strict=True):
        close(got, want, 1e-5 if dtype == "float32" else 1e-13)


def winograd_run(n: int, c: int, k: int, lengths: tuple[int, int], padding: Any) -> Run:
    g = Geometry((1, 1), padding, (1, 1), (1, 1), 1)
    rng = np.random.default_rng(1)
    x, w = numbers(rng, (n, c, *lengths), "float32"), numbers(rng, (k, c, 3, 3), "float32")
    assert plan_winograd.applies(forward(last(x).shape, w.shape, g), "float32")
    return Run(x, w, numbers(rng, (n, k, *g.output(lengths, (3, 3))), "float32"), g, True)


SAME = ((1, 1), (1, 1))
WINOGRAD = [
    (2, 16, 16, (16, 16), SAME),
    (3, 20, 19, (12, 15), SAME),
    (2, 17, 33, (10, 11), ((0, 2), (2, -1))),
    (4, 64, 48, (8, 9), SAME),
    (20, 64, 64, (4, 4), SAME),
    (2, 24, 32, (37, 5), ((2, 2), (0, 0))),
]


@pytest.mark.parametrize("shape", WINOGRAD, ids=str)
def test_winograd(shape: Any) -> None:
    run = winograd_run(*shape)
    for got, want in zip(run.kernels(), run.numpy(), strict=True):
        close(got, want, 2e-5)


@pytest.mark.parametrize("shape", WINOGRAD[:4], ids=str)
def test_winograd_keeps_what_is_not_finite_in_its_place(shape: Any) -> None:
    run = winograd_run(*shape)
    run.x[0, 3, 2, 2], run.x[1, 5, 0, 4], run.x[1, 1, 6, 6] = np.inf, np.nan, 3e38
    run.ct[0, 2, 3, 3], run.ct[1, 0, 4, 4] = -np.inf, np.nan  # inside: NumPy multiplies by padding, kernels leave it out
    for got, want in zip(run.kernels(), run.numpy(), strict=True):
        close(got, want, 2e-5)


def test_direct_keeps_what_is_not_finite_in_its_place() -> None:
    run = winograd_run(*WINOGRAD[1])
    run.winograd = False
    run.x[0, 3, 2, 2], run.x[1, 5, 0, 4] = np.inf, np.nan
    for got, want in zip(run.kernels(), run.numpy(), strict=True):
        close(got, want, 1e-5)


def test_winograd_is_refused_where_it_does_not_apply() -> None:
    def applies(x: tuple[int, ...], w: tuple[int, ...], dtype: str = "float32", **moves: Any) -> bool:
        params = {**ONE, **moves}
        return plan_winograd.applies(forward(x, w, Geometry(**params)), dtype)

    x, w = (4, 16, 16, 16), (16, 16, 3, 3)
    assert applies(x, w)
    assert not applies(x, w, "float64")
    assert not applies(x, w, stride=(2, 1))
    assert not applies(x, w, w_dilation=(2, 2))
    assert not applies((4, 16, 16, 8), (16, 8, 3, 3))
    assert not applies(x, (16, 8, 3, 3), groups=2)
    assert not applies(x, (16, 16, 5, 5), padding=((2, 2), (2, 2)))
    assert not applies((1, 4, 4, 16), w)  # transforming the kernels would cost more than it saves


# whole programs ------------------------------------------------------------------------------------------------------
def network(x: Value, w: Value, u: Value) -> tuple[Value, ...]:
    y = F["maximum"](F["conv"](x, w, **ONE), constant(np.float32(0)))
    z = F["conv"](y, u, **{**ONE, "stride": (2, 2)})
    return z, F["conv_dx"](z, u, x_shape=y.shape, **{**ONE, "stride": (2, 2)}), F["conv_dw"](y, y, w_shape=(16, 16, 3, 3), **ONE)


def traced(n: int, dtype: str = "float32") -> tuple[Graph, list[Any]]:
    shapes = ((n, 3, 12, 10), (16, 3, 3, 3), (20, 16, 3, 3))
    rng = np.random.default_rng(0)
    return trace(network, *[TensorType(s, dtype) for s in shapes]), [numbers(rng, s, dtype) for s in shapes]


def test_programs_call_kernels_and_agree_with_numpy() -> None:
    graph, xs = traced(8)
    plain, tiled, native = [compile(graph, kernels=k) for k in ("plain", "tiled", "native")]
    assert "conv_last" in plain.source
    assert "conv_last" not in native.source
    want = [a.copy() for a in plain(xs)]
    for program in (tiled, native):
        for got, y in zip(program(xs), want, strict=True):
            close(got, y, 2e-5)


def test_half_precision_and_empty_batches_stay_with_numpy() -> None:
    for n, dtype in ((2, "float16"), (0, "float32")):
        graph, xs = traced(n, dtype) if dtype == "float32" else traced_half(n)
        program = compile(graph, kernels="native")
        assert "conv" in program.source
        for got, y in zip(program(xs), compile(graph, kernels="plain")(xs), strict=True):
            np.testing.assert_allclose(got, y)


def traced_half(n: int) -> tuple[Graph, list[Any]]:
    x, w = TensorType((n, 3, 12, 10), "float16"), TensorType((16, 3, 3, 3), "float16")
    rng = np.random.default_rng(0)
    return trace(lambda x, w: (F["conv"](x, w, **ONE),), x, w), [numbers(rng, t.shape, "float16") for t in (x, w)]


def test_the_number_of_threads_changes_no_bit() -> None:
    graph, xs = traced(8)
    found = []
    for threads in (1, 2, 3):
        with use(num_threads=threads):
            found.append([a.copy() for a in compile(graph, kernels="native")(xs)])
    for a, b, c in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_setting_refuses_winograd() -> None:
    x, w = TensorType((4, 16, 16, 16), "float32"), TensorType((16, 16, 3, 3), "float32")
    graph = trace(lambda x, w: (F["conv"](x, w, **ONE),), x, w)
    rng = np.random.default_rng(0)
    xs = [numbers(rng, t.shape, "float32") for t in (x, w)]
    want = convolve.conv(np, None, *[a.astype("d") for a in xs], **ONE)
    fast = compile(graph, kernels="native")(xs)[0].copy()
    with use(winograd=False):
        slow = compile(graph, kernels="native")(xs)[0]
    scale = np.abs(want).max()
    assert np.abs(slow - want).max() < 8e-7 * scale < np.abs(fast - want).max() < 2e-5 * scale


# small parts ---------------------------------------------------------------------------------------------------------
def test_parts_cover_all_tasks() -> None:
    for tasks in (1, 15, 16, 17, 100, 1000):
        step = Step("", (), tasks)
        assert step.parts <= PARTS
        assert (step.parts - 1) * step.chunk < tasks <= step.parts * step.chunk


def test_free_word_has_a_bit_for_each_working_memory() -> None:
    assert SLOTS == 64 or FREE & ((1 << SLOTS) - 1) == 0
    assert (FREE >> SLOTS) & 1 or SLOTS == 64


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(*[st.integers(1, 9)] * 3, st.integers(1, 4), st.integers(-2, 6), *[st.integers(1, 4)] * 2)
def test_axis_pairs_are_those_of_the_definition(
    inside: int, outside: int, taps: int, stride: int, low: int, x_dilation: int, w_dilation: int
) -> None:
    axis = Axis(inside, outside, taps, stride, low, x_dilation, w_dilation, back=False)
    for t in range(taps):
        o, i, count = axis.meets(t)
        found = {(o + j * axis.period, i + j * axis.step) for j in range(count)}
        where = {o: o * stride + t * w_dilation - low for o in range(outside)}
        assert found == {(o, p // x_dilation) for o, p in where.items() if p % x_dilation == 0 and 0 <= p // x_dilation < inside}


def test_best_length_fits_short_rows_and_wastes_little() -> None:
    assert best_length([32], 16) == 16
    assert best_length([17], 16) == 9
    assert best_length([5, 4], 16) in (4, 2)
    assert best_length([0, 3], 16) == 3
    assert best_length([], 16) == 1
    for count in range(1, 200):
        p = best_length([count], 16)
        assert p <= count
        assert math.ceil(count / p) * p <= count * 1.25 + 1


# windows -------------------------------------------------------------------------------------------------------------
@st.composite
def window_moves(draw: Any) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of images, channels last, and windows over their lengths."""
    rank = draw(st.sampled_from((1, 2, 2, 3)))
    lengths = [draw(st.integers(1, 9 if rank < 3 else 5)) for _ in range(rank)]
    window = [draw(st.integers(1, 3)) for _ in range(rank)]
    same = draw(st.booleans())
    stride = window if same else [draw(st.integers(1, 3)) for _ in range(rank)]
    padding = [(draw(st.integers(-1, 2)), draw(st.integers(-1, 2))) if not same else (0, 0) for _ in range(rank)]
    dilation = [draw(st.sampled_from((1, 1, 2))) for _ in range(rank)]
    x = (draw(st.integers(1, 2)), *lengths, draw(st.sampled_from((1, 3, 16, 19, 33))))
    ones = lambda p, one: (one, *p, one)
    moves = {"window": ones(window, 1), "stride": ones(stride, 1), "padding": ones(padding, (0, 0)), "dilation": ones(dilation, 1)}
    g = Geometry(moves["stride"], moves["padding"], (1,) * len(x), moves["dilation"], 1)
    assume(min(g.output(x, moves["window"])) > 0)
    return x, moves


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(window_moves(), st.sampled_from(("float32", "float64")), st.booleans())
def test_windows(drawn: Any, dtype: str, special: bool) -> None:
    shape, moves = drawn
    rng = np.random.default_rng(0)
    x = numbers(rng, shape, dtype).round(1)  # with ties
    if special:
        x[rng.random(shape) < 0.1] = np.nan
        x[rng.random(shape) < 0.2] = -np.inf

    def f(x: Value, ct: Value) -> tuple[Value, ...]:
        one = F["window_max_pull"](ct, x, **moves)
        push = F["window_max_push"](F["neg"](x), x, **moves)
        return F["window_max"](x, **moves), one, push, F["window_sum"](x, **moves), F["window_sum_pull"](ct, x_shape=shape, **moves)

    y = Geometry(moves["stride"], moves["padding"], (1,) * x.ndim, moves["dilation"], 1).output(shape, moves["window"])
    xs = [x, numbers(rng, y, dtype)]
    graph = trace(f, *[TensorType(a.shape, dtype) for a in xs])
    native = compile(graph, kernels="native")
    assert "window_" not in native.source
    for got, want in zip(native(xs), compile(graph, kernels="plain")(xs), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
