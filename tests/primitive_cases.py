"""The table of primitives: one row says how each is called and what NumPy says it computes.

Every test in test_primitives_*.py that is about all primitives is driven from here; a new primitive needs one row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from primitive_case import ONE, A, B, Case, Of, binary, unary
from primitive_matrices import MATRICES
from primitive_more import MORE
from primitive_references import (
    bits_reference,
    clamped,
    conv_reference,
    cumulate,
    digamma,
    dot_reference,
    dynamic_update,
    erfinv,
    gather_reference,
    linear_transpose,
    pad_reference,
    power,
    reducer,
    scatter_reference,
    sort_reference,
    strided_write,
    top_reference,
    trigamma,
    window_max,
    window_pull,
    window_push,
    window_sum,
    window_sum_pull,
)

from fgrad.ir.types import CPU

ELEMENTWISE = [
    binary("add", np.add, "uifc"),
    binary("sub", np.subtract, "ifc", 0, 3),
    binary("mul", np.multiply, "uifc"),
    binary("div", np.true_divide, "fc", 0.5, 2),
    Case("floor_divide", np.floor_divide, (Of(A, -9, 9), Of(A, 1, 4)), kinds="uif", derivative=False),
    Case("rem", np.fmod, (Of(A, -9, 9), Of(A, 1.1, 4)), kinds="uif"),
    Case("pow", power, (Of(A, 0.5, 3), Of(A, -1, 2)), kinds="uifc"),
    Case("pow", power, (Of(A, -3, 3), Of(A, -2, 3)), kinds="i", label="negative", derivative=False),
    unary("neg", np.negative, kinds="ifc"),
    unary("abs", np.abs, kinds="uif"),
    unary("abs", np.abs, kinds="c", label="complex", derivative=False),
    binary("gcd", np.gcd, "ui", 0, 60, derivative=False),
    binary("nextafter", np.nextafter, "f", derivative=False, without=("float16", "bfloat16", "float32")),
    Case("frexp", np.frexp, ONE, {}, "f", derivative=False, cast=False, without=("float16", "bfloat16", "float32")),
    unary("real", np.real, kinds="c", derivative=False, cast=False),
    unary("imag", np.imag, kinds="c", derivative=False, cast=False),
    unary("conj", np.conj, kinds="c", derivative=False),
    binary("complex", np.vectorize(complex, otypes=[complex]), "f", derivative=False, cast=False, without=("float16", "bfloat16")),
    unary("sign", np.sign, kinds="uif", derivative=False),
    *[unary(n, getattr(np, n), -9, 9, derivative=False) for n in ("floor", "ceil", "trunc", "round")],
    unary("sqrt", np.sqrt, 0.1, kinds="fc"),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), 0.1, kinds="fc"),
    binary("maximum", np.maximum, "buif"),
    binary("minimum", np.minimum, "buif"),
    binary("copysign", np.copysign, "f"),
    unary("exp", np.exp, kinds="fc"),
    unary("exp2", np.exp2, kinds="f"),
    unary("expm1", np.expm1, kinds="fc"),
    unary("log", np.log, 0.1, kinds="fc"),
    unary("log2", np.log2, 0.1),
    unary("log10", np.log10, 0.1),
    unary("log1p", np.log1p, -0.9),
    unary("sin", np.sin, kinds="fc"),
    unary("cos", np.cos, kinds="fc"),
    unary("tan", np.tan, -1, 1, kinds="fc"),
    unary("asin", np.arcsin, -0.9, 0.9, kinds="fc"),
    unary("acos", np.arccos, -0.9, 0.9, kinds="fc"),
    unary("atan", np.arctan, kinds="fc"),
    unary("sinh", np.sinh, kinds="fc"),
    unary("cosh", np.cosh, kinds="fc"),
    unary("tanh", np.tanh, kinds="fc"),
    unary("asinh", np.arcsinh, kinds="fc"),
    unary("acosh", np.arccosh, 1.2, 3, kinds="fc"),
    unary("atanh", np.arctanh, -0.9, 0.9, kinds="fc"),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), kinds="fc"),
    unary("erf", np.vectorize(math.erf, otypes=[float])),
    unary("erfc", np.vectorize(math.erfc, otypes=[float])),
    unary("erfinv", erfinv, -0.95, 0.95),
    unary("lgamma", np.vectorize(math.lgamma, otypes=[float]), 0.2, 9),
    unary("digamma", digamma, 0.2, 9, second=False),
    Case("polygamma", lambda x, order: trigamma(x), (Of(A, 0.2, 9),), {"order": 1}),
    Case("zeta", lambda s, q: sum((q + k) ** -s for k in range(4000)) + (q + 4000) ** (1 - s) / (s - 1) + (q + 4000) ** -s / 2, (Of(A, 2, 6), Of(A, 0.5, 9)), derivative=False),
    binary("atan2", np.arctan2, "f"),
    binary("hypot", np.hypot, "f"),
    unary("cbrt", np.cbrt, 0.2, 4),
    *[
        binary(n, getattr(np, f), k, derivative=False, cast=False)
        for n, f, k in (
            ("eq", "equal", "buifc"), ("ne", "not_equal", "buifc"), ("lt", "less", "buif"),
            ("le", "less_equal", "buif"), ("gt", "greater", "buif"), ("ge", "greater_equal", "buif"),
        )
    ],
    unary("is_finite", np.isfinite, kinds="fc", derivative=False, cast=False),
    *[binary(f"bitwise_{n}", getattr(np, f"bitwise_{n}"), "bui", 0, 100) for n in ("and", "or", "xor")],
    unary("bitwise_not", np.invert, 0, 100, kinds="bi"),
    Case("shift_left", np.left_shift, (Of(A, 0, 7), Of(A, 0, 4)), kinds="ui"),
    Case("shift_right", np.right_shift, (Of(A, -100, 100), Of(A, 0, 7)), kinds="ui"),
    Case("select", np.where, (Of(A, dtype="bool"), Of(A), Of(A)), kinds="buifc"),
    Case("clamp", lambda a, x, b: np.minimum(np.maximum(x, a), b), (Of(A, -2, 0), Of(A), Of(A, 0, 2)), kinds="buif"),
    Case("convert", lambda x, dtype: x.astype(dtype), ONE, {"dtype": np.dtype("float64")}, "buif", cast=False),
    Case("convert", lambda x, dtype: x.astype(dtype), ONE, {"dtype": np.dtype("int16")}, "buif", "int", False, cast=False),
    Case("convert", lambda x, dtype: x != 0, ONE, {"dtype": np.dtype(bool)}, "buifc", "bool", False, cast=False),
    Case("convert", lambda x, dtype: x.real, ONE, {"dtype": np.dtype("float64")}, "c", "real", False, cast=False),
    Case(
        "bitcast", lambda x, dtype: x.view(dtype), (Of(A, dtype="float64"),), {"dtype": np.dtype("int64")},
        "f", derivative=False, cast=False,
    ),
]  # fmt: skip


SHAPES = [
    Case("mark", lambda x, depth: x, ONE, {"depth": 2}, "buifc"),
    Case("checkpoint_name", lambda x, name: x, ONE, {"name": "a"}, "buifc"),
    Case("transfer", lambda x, device: x, ONE, {"device": CPU}, "buifc"),
    Case("stop_gradient", lambda x: x, ONE, {}, "buifc", derivative=False),
    Case("named_sum", lambda x, i, size: x * size, (Of(A), Of((), 0, 1, "int64")), {"size": 3}, "uifc"),
    # its transpose sums over examples: tests/test_lax_collectives.py
    Case("named_stack", lambda x, i, size: np.stack([x] * size), (Of(A), Of((), 0, 1, "int64")), {"size": 3}, "buifc", derivative=False),
    Case("opaque", lambda x, y, n, label: (x,), (Of((3, 4)), Of((2,))), {"n": 1, "label": "user"}, "buifc", derivative=False),
    Case("broadcast_to", lambda x, shape: np.broadcast_to(x, shape), (Of((3, 1)),), {"shape": (2, 3, 4)}, "buifc"),
    Case("reshape", lambda x, shape: x.reshape(shape), (Of(A),), {"shape": (2, 1, 6)}, "buifc"),
    Case("transpose", lambda x, axes: x.transpose(axes), (Of(B),), {"axes": (2, 0, 1)}, "buifc"),
    Case("flip", lambda x, axes: np.flip(x, axes), (Of(B),), {"axes": (0, 2)}, "buifc"),
    Case(
        "slice", lambda x, start, stop, step: x[1:3, 0:4:3], (Of(A),), {"start": (1, 0), "stop": (3, 4), "step": (1, 3)}, "buifc",
    ),
    Case("pad", pad_reference, (Of(A), Of(())), {"low": (1, -1), "high": (0, 2), "interior": (0, 2)}, "buifc"),
    Case("concatenate", lambda *xs, axis: np.concatenate(xs, axis), (Of(A), Of((3, 2)), Of((3, 0))), {"axis": 1}, "buifc"),
    Case(
        "iota", lambda shape, dtype, axis, device: np.broadcast_to(np.arange(3)[:, None], shape), (),
        {"shape": (3, 2), "dtype": np.dtype("int32"), "axis": 0, "device": CPU}, "f", derivative=False, cast=False,
    ),
    Case("update_slice", strided_write, (Of((4, 5)), Of((2, 2))), {"start": (0, 1), "step": (2, 3)}, "buifc"),
]  # fmt: skip


REDUCTIONS = [
    Case("reduce_sum", lambda x, axes: x.sum(axes, dtype=x.dtype), (Of(B),), {"axes": (0, 2)}, "uifc"),
    Case("reduce_sum", lambda x, axes: x, (Of(A),), {"axes": ()}, "uifc", "nothing"),
    Case("reduce_prod", lambda x, axes: x.prod(axes, dtype=x.dtype), (Of(B, 0.5),), {"axes": (0, 2)}, "uifc"),
    Case("reduce_max", reducer(np.max), (Of(B),), {"axes": (0, 2)}, "buif"),
    Case("reduce_min", reducer(np.min), (Of(B),), {"axes": (1,)}, "buif"),
    Case("reduce_and", reducer(np.all), (Of(B),), {"axes": (0,)}, "b"),
    Case("reduce_or", reducer(np.any), (Of(B),), {"axes": (0, 1)}, "b"),
    Case("argmax", lambda x, axis: np.argmax(x, axis), (Of(B),), {"axis": 1}, "buif", derivative=False, cast=False),
    Case("argmin", lambda x, axis: np.argmin(x, axis), (Of(B),), {"axis": 2}, "buif", derivative=False, cast=False),
    *[
        Case(n, cumulate(f), (Of(A, -1.5, 1.5),), {"axis": a, "reverse": r}, k, "reverse" if r else "")
        for n, f, k in (
            ("cumsum", np.add, "uifc"), ("cumprod", np.multiply, "uifc"), ("cummax", np.maximum, "buif"), ("cummin", np.minimum, "buif"),
        )
        for a, r in ((0, False), (1, True))
    ],
]  # fmt: skip


KEYS = (Of(A, 0, 2, "int32"), Of(A), Of(A))
SORTS = [
    Case("sort", sort_reference, (Of(A), Of(A)), {"axis": 1, "num_keys": 1, "descending": False}, "uif"),
    Case("sort", sort_reference, KEYS, {"axis": 0, "num_keys": 2, "descending": True}, "if", "keys", cast=False),
    Case("top_k", top_reference, (Of(B),), {"k": 2, "axis": 1, "largest": True}, "if", cast=False),
    Case("top_k", top_reference, (Of(B),), {"k": 3, "axis": 2, "largest": False}, "if", "smallest", cast=False),
]


IN, OUT = Of((2, 3), -4, 3, "int64"), Of((2, 3), -7, 6, "int64")
MIDDLE, PAIR = Of((5,), -3, 2, "int32"), Of((5,), -4, 3, "int32")
START = Of((), -3, 5, "int32")
INDEXING = [
    Case("gather", gather_reference, (Of((4, 5)), IN), {"axes": (0,), "mode": "raise"}, "buifc"),
    Case("gather", gather_reference, (Of((2, 3, 4)), MIDDLE), {"axes": (1,), "mode": "raise"}, "if", "middle"),
    Case("gather", gather_reference, (Of((3, 2, 4)), MIDDLE, PAIR), {"axes": (0, 2), "mode": "clip"}, "if", "pair"),
    Case("gather", gather_reference, (Of((4, 5)), OUT), {"axes": (1,), "mode": "fill"}, "bif", "fill"),
    *[
        Case("scatter", scatter_reference, (Of(x), Of(u), *i), {"axes": a, "op": op, "mode": m}, k, f"{op}-{m}")
        for op, k in (("set", "buifc"), ("add", "uifc"), ("mul", "uifc"), ("min", "buif"), ("max", "buif"))
        for x, u, i, a, m in (
            ((4, 5), (2, 3, 5), (IN,), (0,), "raise"),
            ((4, 3, 2), (5, 3), (PAIR._replace(low=-9, high=9), MIDDLE), (0, 2), "drop"),
            ((3, 4), (2, 3, 3), (OUT,), (1,), "clip"),
        )
    ],
    Case(
        "dynamic_slice", lambda x, *starts, sizes: x[clamped(x, starts, sizes)], (Of((4, 5, 3)), START, START, START),
        {"sizes": (2, 5, 1)}, "buifc",
    ),
    Case("dynamic_update_slice", dynamic_update, (Of((4, 5, 3)), Of((2, 5, 1)), START, START, START), {}, "buifc"),
]  # fmt: skip


def dot(a: Any, b: Any, contract: Any, batch: Any, label: str, kinds: str = "f") -> Case:
    return Case("dot_general", dot_reference, (Of(a), Of(b)), {"contract": contract, "batch": batch}, kinds, label)


DOTS = [
    dot((3, 4), (4, 2), ((1,), (0,)), ((), ()), "", "uifc"),
    dot((4, 3), (4, 2), ((0,), (0,)), ((), ()), "left transposed"),
    dot((3, 4), (2, 4), ((1,), (1,)), ((), ()), "right transposed"),
    dot((2, 3, 4), (2, 4, 5), ((2,), (1,)), ((0,), (0,)), "batched", "if"),
    dot((4, 2, 3, 5), (5, 3, 2, 4), ((3, 0), (0, 3)), ((1,), (2,)), "mixed"),
    dot((4,), (4,), ((0,), (0,)), ((), ()), "inner"),
    dot((2,), (3,), ((), ()), ((), ()), "outer"),
    dot((2, 3), (3, 2), ((), ()), ((0, 1), (1, 0)), "all batch"),
]  # fmt: skip


def moves(stride: Any, padding: Any, x_dilation: Any, w_dilation: Any, groups: int) -> dict[str, Any]:
    return {"stride": stride, "padding": padding, "x_dilation": x_dilation, "w_dilation": w_dilation, "groups": groups}


CONVS = (
    ("", (2, 3, 5, 4), (2, 3, 3, 2), moves((1, 1), ((1, 1), (0, 1)), (1, 1), (1, 1), 1)),
    ("wide", (2, 9, 4, 4), (2, 9, 3, 3), moves((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)),
    ("strided", (2, 4, 7, 6), (4, 2, 3, 2), moves((2, 3), ((-1, 2), (1, -1)), (1, 2), (2, 1), 2)),
    ("depthwise", (2, 3, 6, 5), (6, 1, 2, 3), moves((1, 2), ((0, 1), (2, 0)), (1, 1), (2, 1), 3)),
    ("line", (2, 16, 6), (2, 8, 3), moves((2,), ((1, 2),), (1,), (1,), 2)),
    ("volume", (1, 2, 3, 4, 3), (2, 2, 2, 2, 2), moves((1, 2, 1), ((0, 0), (1, 0), (0, 1)), (1, 1, 1), (1, 1, 1), 1)),
)


def conv_cases(label: str, x: Any, w: Any, params: dict[str, Any]) -> list[Case]:
    y = conv_reference(np.zeros(x), np.zeros(w), **params).shape

    def dx(ct: Any, w: Any, *, x_shape: Any, **params: Any) -> Any:
        return linear_transpose(lambda x: conv_reference(x, w, **params), x_shape, ct)

    def dw(x: Any, ct: Any, *, w_shape: Any, **params: Any) -> Any:
        return linear_transpose(lambda w: conv_reference(x, w, **params), w_shape, ct)

    kinds = "f" if label else "uifc"
    return [
        Case("conv", conv_reference, (Of(x), Of(w)), params, kinds, label),
        Case("conv_dx", dx, (Of(y), Of(w)), {"x_shape": x, **params}, kinds, label),
        Case("conv_dw", dw, (Of(x), Of(y)), {"w_shape": w, **params}, kinds, label),
    ]


def window_cases(label: str, x: Any, params: dict[str, Any]) -> list[Case]:
    y = window_sum(np.zeros(x), **params).shape
    return [
        Case("window_max", window_max, (Of(x),), params, "buif", label),
        Case("window_max_push", window_push, (Of(x), Of(x)), params, "f", label),
        Case("window_max_pull", window_pull, (Of(y), Of(x)), params, "f", label),
        Case("window_sum", window_sum, (Of(x),), params, "uifc", label),
        Case("window_sum_pull", window_sum_pull, (Of(y),), {"x_shape": x, **params}, "uifc", label),
    ]


WINDOWS = (
    ("", (2, 5, 6), {"window": (1, 2, 3), "stride": (1, 2, 2), "padding": ((0, 0), (0, 1), (1, 1)), "dilation": (1, 1, 1)}),
    ("dilated", (6, 7), {"window": (2, 3), "stride": (1, 2), "padding": ((1, 0), (0, 2)), "dilation": (3, 2)}),
)  # fmt: skip


RANDOM = [
    Case(
        "random_bits", bits_reference, (Of((2,), 0, 2**32 - 1, "uint32"), Of((), 0, 2**40, "uint64")), {"shape": (3, 7)}, "f",
        cast=False,
    ),
]  # fmt: skip

CASES: list[Case] = [
    *ELEMENTWISE, *SHAPES, *REDUCTIONS, *SORTS, *INDEXING, *DOTS,
    *[case for row in CONVS for case in conv_cases(*row)],
    *[case for row in WINDOWS for case in window_cases(*row)],
    *MATRICES,
    *MORE,
    *RANDOM,
]  # fmt: skip
