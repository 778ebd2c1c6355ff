"""Every primitive, every dtype: values, types, buffers, scalar bodies, special values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from evaluate import check_type, evaluate
from numpy_machine import NumpyMachine
from primitive_case import DTYPES, TOLERANCE, Case, Of, widen
from primitive_cases import CASES

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.errors import DtypeError
from fgrad.ir.apply import constant
from fgrad.ir.dtypes import dtype_of, kind
from fgrad.ir.graph import leaf
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TensorType, TupleType, type_of_array
from fgrad.transforms.inline import trace

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
every_dtype = pytest.mark.parametrize(
    ("case", "dtype"), [(c, d) for c in CASES for d in c.dtypes()], ids=lambda p: getattr(p, "id", p)
)
elementwise = pytest.mark.parametrize("case", [c for c in CASES if c.prim.elementwise], ids=lambda c: c.id)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.5, 3.0, 1e300, -1e300, 1e-300, 5e-324)
NOT_IN_TABLE = {"item", "fused", "conv_last", "conv_last_dx", "conv_last_dw", "random_word"}  # read by every case with several results; made by passes, tested with them


def close(got: Any, want: Any, dtype: str) -> None:
    """Equal up to the rounding of `dtype`; exactly for bools and integers."""
    got, want = widen(np.asarray(got)), np.asarray(want)
    if kind(got.dtype) in "bui":
        np.testing.assert_array_equal(got, want.astype(got.dtype))
        return
    finite = np.abs(want[np.isfinite(want)])
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1.0, finite.max(initial=0)))


def is_region(name: str) -> bool:
    """Primitives that carry graphs, effects or callbacks have tests of their own."""
    prim = REGISTRY[name]
    return prim.effect or prim.linearize is not None or prim.type.__module__.startswith("fgrad.primitives.regions")


def test_every_primitive_has_a_case() -> None:
    names = {n for n in REGISTRY if not is_region(n)} - NOT_IN_TABLE
    assert names == {c.name for c in CASES}


def test_case_names_are_unique() -> None:
    assert len({c.id for c in CASES}) == len(CASES)


@every_dtype
def test_values_match_numpy(case: Case, dtype: str) -> None:
    xs = case.draw(dtype)
    graph = trace(case.build, *map(type_of_array, xs))
    with np.errstate(all="ignore"):
        want = case.expected(xs)
    for y, w, v in zip(evaluate(graph, *xs), want, graph.outputs, strict=True):
        out = v.dtype.name
        wide = {"float64": dtype, "complex128": dtype}.get(out, out) if not case.cast else out
        close(y, w.astype(y.dtype) if kind(v.dtype) in "ui" else w, wide if wide in TOLERANCE else "float64")


@every_dtype
def test_out_is_written_and_returned(case: Case, dtype: str) -> None:
    xs = case.draw(dtype)
    (y,) = [v for v in trace(case.build, *map(type_of_array, xs)).values() if v.prim is case.prim][:1]
    types = y.type.items if isinstance(y.type, TupleType) else (y.type,)
    with np.errstate(all="ignore"):
        plain = case.prim.lower(np, None, *xs, **y.named_params)
        for buffers in (
            [np.zeros(t.shape, t.dtype) for t in types],
            [np.zeros(t.shape[::-1], t.dtype).T for t in types],
        ):
            out = tuple(buffers) if isinstance(y.type, TupleType) else buffers[0]
            got = case.prim.lower(np, out, *xs, **y.named_params)
            check_type(y, got)
            results = got if isinstance(got, tuple) else (got,)
            for r, b, p in zip(results, buffers, plain if isinstance(plain, tuple) else (plain,), strict=True):
                assert r is b
                np.testing.assert_array_equal(r, p)


@every_case
def test_operands_of_any_layout(case: Case) -> None:
    dtype = case.dtypes()[-1]
    xs = case.draw(dtype)
    graph = trace(case.build, *map(type_of_array, xs))
    strided = [np.repeat(np.asarray(x.T, order="C"), 2, -1)[..., ::2].T if x.ndim else x for x in xs]
    for a, b in zip(evaluate(graph, *xs), evaluate(graph, *strided), strict=True):
        close(b, widen(a), a.dtype.name)


@every_case
def test_results_never_share_memory_unless_declared(case: Case) -> None:
    xs = case.draw(case.dtypes()[-1])
    (y,) = [v for v in trace(case.build, *map(type_of_array, xs)).values() if v.prim is case.prim][:1]
    with np.errstate(all="ignore"):
        got = case.prim.lower(np, None, *xs, **y.named_params)
    for r in got if isinstance(got, tuple) else (got,):
        for i, x in enumerate(xs):
            if case.prim.view_of != i:
                assert not np.may_share_memory(r, x)


@elementwise
def test_out_may_be_an_operand(case: Case) -> None:
    for dtype in case.dtypes():
        xs = case.draw(dtype)
        t = trace(case.build, *map(type_of_array, xs)).outputs[0].type
        for i, x in enumerate(xs):
            if type_of_array(x) is t:
                with np.errstate(all="ignore"):
                    plain = case.prim.lower(np, None, *xs, **case.params)
                    copies = [a.copy() for a in xs]
                    case.prim.lower(np, copies[i], *copies, **case.params)
                np.testing.assert_array_equal(copies[i], plain)


def scalar_body(case: Case, xs: list[Any]) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(case.prim.scalar(NumpyMachine(), *xs, **case.params))


@elementwise
def test_scalar_body_equals_lowering(case: Case) -> None:
    for dtype in case.dtypes():
        if kind(dtype_of(dtype)) == "c":
            continue
        xs = case.draw(dtype)
        with np.errstate(all="ignore"):
            want = case.prim.lower(np, None, *xs, **case.params)
        try:
            got = scalar_body(case, xs)
        except NotImplementedError:
            assert case.name == "pow"
            continue
        assert got.dtype == want.dtype
        close(got, widen(want), dtype if kind(want.dtype) == "f" and dtype in TOLERANCE else "float64")


@elementwise
def test_special_values(case: Case) -> None:
    floats = [o for o in case.operands if o.dtype in (None, "float64")]
    if "f" not in case.kinds or case.name in ("bitcast", "convert"):
        pytest.skip("not of floats")
    grids = [g.reshape(-1) for g in np.meshgrid(*[np.array(SPECIAL)] * len(floats))]
    xs = [grids.pop() if o in floats else np.ones(len(SPECIAL) ** len(floats), bool) for o in case.operands]
    with np.errstate(all="ignore"):
        got = case.prim.lower(np, None, *xs, **case.params)
        np.testing.assert_array_equal(scalar_body(case, xs), got)
        if case.name in ("lgamma", "digamma", "polygamma", "zeta", "erfinv"):
            return  # the row's reference covers its range only; torch is asked elsewhere
        want = case.expected(xs)[0]
    np.testing.assert_allclose(got, want, rtol=1e-14)
    if case.name in (
        "copysign",
        "atan2",
        "sqrt",
        "mul",
        "div",
        "neg",
        "abs",
        "floor",
        "ceil",
        "trunc",
        "round",
        "tanh",
    ):
        np.testing.assert_array_equal(np.signbit(got)[got == got], np.signbit(want)[got == got])


@elementwise
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)], ids=str)
def test_elementwise_of_scalars_and_nothing(case: Case, shape: tuple[int, ...]) -> None:
    shaped = case._replace(operands=tuple(o._replace(shape=shape) for o in case.operands))
    for dtype in case.dtypes():
        xs = shaped.draw(dtype)
        (y,) = evaluate(trace(shaped.build, *map(type_of_array, xs)), *xs)
        assert y.shape == shape


@elementwise
def test_scalar_constants_stay_beside_tensors(case: Case) -> None:
    dtype = "float64" if "f" in case.kinds else case.dtypes()[-1]
    if len(case.operands) < 2:
        pytest.skip("one operand")
    xs = case.draw(dtype)
    for i, x in enumerate(xs):
        held = x[0, 0]

        def f(*rest: Any, i: int = i, held: Any = held) -> Any:
            return FUNCTIONS[case.name](*rest[:i], held_value(held), *rest[i:], **case.params)

        rest = [a for k, a in enumerate(xs) if k != i]
        graph = trace(f, *map(type_of_array, rest))
        assert len(graph.values()) == 1
        full = [np.full_like(x, held) if k == i else a for k, a in enumerate(xs)]
        with np.errstate(all="ignore"):
            want = case.prim.lower(np, None, *full, **case.params)
        np.testing.assert_array_equal(evaluate(graph, *rest)[0], want)


def held_value(x: Any) -> Any:
    return constant(x)


@every_case
def test_dtypes_not_allowed_are_refused(case: Case) -> None:
    if any(o.dtype for o in case.operands) or not case.operands or case.label:
        pytest.skip("fixed dtypes")
    allowed = {d for c in CASES if c.name == case.name for d in c.dtypes()}
    for dtype in DTYPES:
        types = [TensorType(o.shape, dtype) for o in case.operands]
        if dtype in allowed or (case.name, kind(dtype_of(dtype))) in ALSO:
            trace(case.build, *types)
        else:
            with pytest.raises(DtypeError, match=f"{case.name}: not defined for {dtype}"):
                trace(case.build, *types)


ALSO = {
    (n, k)
    for names, kinds in (
        ("sub neg", "u"), ("exp2 log2 log10 log1p", "c"), ("bitwise_not", "u"), ("sort top_k", "bu"),
        ("window_max_push window_max_pull", "ui"), ("nextafter frexp", "f"), ("bitcast", "bui"), ("convert", "c"),
    )
    for n in names.split()
    for k in kinds
}  # fmt: skip


@every_case
def test_flops_and_types_are_numbers(case: Case) -> None:
    y = trace(case.build, *map(type_of_array, case.draw(case.dtypes()[-1]))).values()[0]
    assert isinstance(case.prim.flops(y.type, *[x.type for x in y.operands], **y.named_params), int)


def test_arithmetic_costs_something() -> None:
    free = {"gather", "named_stack", "scatter", "dynamic_slice", "dynamic_update_slice", "iota", "transfer"}
    for case in CASES:
        y = trace(case.build, *map(type_of_array, case.draw(case.dtypes()[-1]))).values()[0]
        cost = case.prim.flops(y.type, *[x.type for x in y.operands], **y.named_params)
        shape_op = case.prim.type.__module__.endswith((".shape", ".structure"))
        assert (cost == 0) == (shape_op or case.name in free), case.id


def test_numbers_beside_a_tensor_take_its_dtype() -> None:
    x = leaf(TensorType((2,), "bfloat16"))
    assert (x * 2.5).dtype.name == "bfloat16"
    with pytest.raises(DtypeError, match=r"2\.5 does not fit int8"):
        FUNCTIONS["mul"](leaf(TensorType((2,), "int8")), 2.5)


def test_a_case_whose_reference_is_wrong_fails() -> None:
    wrong = Case("add", np.subtract, (Of((3,)), Of((3,))))
    with pytest.raises(AssertionError):
        test_values_match_numpy(wrong, "float64")


def test_wide_integers_are_exact() -> None:
    big = np.array([2**62 + 1, 2**53 + 1], "int64")
    assert math.gcd(*REGISTRY["reduce_sum"].lower(np, None, big[:, None], axes=(1,)).tolist()) == math.gcd(
        *big.tolist()
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_accumulates_in_float32(dtype: str) -> None:
    """4096 ones in steps that half precision alone would lose: 2048 + 1 is 2048 in float16, 256 + 1 is 256 in bfloat16."""
    ones, like = np.ones(4096, dtype_of(dtype)), dtype_of(dtype)
    zero, place = np.zeros(1, like), np.zeros(4096, "int64")
    moves = {"window": (4096,), "stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
    conv = {"stride": (1,), "padding": ((0, 0),), "x_dilation": (1,), "w_dilation": (1,), "groups": 1}
    got = [
        REGISTRY["reduce_sum"].lower(np, None, ones, axes=(0,)),
        REGISTRY["cumsum"].lower(np, None, ones, axis=0, reverse=False)[-1],
        REGISTRY["scatter"].lower(np, None, zero, ones, place, axes=(0,), op="add", mode="raise")[0],
        REGISTRY["dot_general"].lower(np, None, ones, ones, contract=((0,), (0,)), batch=((), ())),
        REGISTRY["window_sum"].lower(np, None, ones, **moves)[0],
        REGISTRY["conv"].lower(np, None, ones.reshape(1, 1, -1), ones.reshape(1, 1, -1), **conv)[0, 0, 0],
        REGISTRY["conv_dw"].lower(np, None, ones.reshape(1, 1, -1), ones.reshape(1, 1, -1), w_shape=(1, 1, 1), **conv)[
            0, 0, 0
        ],
    ]
    assert [float(x) for x in got] == [4096.0] * len(got)
    assert {x.dtype for x in got} == {like}


@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable_and_puts_nan_last(descending: bool) -> None:
    x = np.random.default_rng(0).integers(0, 5, 2000).astype(float)
    x[7::50] = np.nan
    count = np.arange(2000)
    y, order = REGISTRY["sort"].lower(np, None, x, count, axis=0, num_keys=1, descending=descending)
    rank = np.where(np.isnan(x), np.inf, x)
    np.testing.assert_array_equal(order, sorted(count, key=lambda i: ((-rank if descending else rank)[i], i)))
    np.testing.assert_array_equal(y, x[order])
    values, places = REGISTRY["top_k"].lower(np, None, x, k=100, axis=0, largest=descending)
    np.testing.assert_array_equal(places, order[:100])
    np.testing.assert_array_equal(values, y[:100])


def test_large_convolutions_are_cut_into_parts_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in CASES:
        if case.name.startswith("conv_") or case.name == "conv":
            xs, lower = case.draw("float64"), case.prim.lower
            whole = lower(np, None, *xs, **case.params)
            with monkeypatch.context() as patch:
                patch.setattr("fgrad.primitives.convolve._BUFFER", 1)
                np.testing.assert_allclose(lower(np, None, *xs, **case.params), whole, rtol=1e-12, atol=1e-12)
