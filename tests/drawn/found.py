"""Calls that once differed from torch's; each is checked on every run."""

from __future__ import annotations

from typing import Any

import numpy as np

from drawn.indexing import store
from drawn.pen import Case, Dtype, Operand


def of(values: Any, dtype: str = "float32", layout: str = "plain") -> Operand:
    kept = "float32" if dtype in ("float16", "bfloat16") else dtype
    return Operand(np.asarray(values, kept), dtype, layout)


def empty(*shape: int, dtype: str = "float32") -> Operand:
    return of(np.zeros(shape), dtype)


def at(x: Operand, *index: Any) -> Case:
    return Case("x[index]", (x, index), call=lambda t, a, i: a[i])


PLANE = of([[1.5, -2.0], [0.5, 3.0]])
LINE = of([1.5, -2.0])
ONE = of([[1.5], [2.5]])
NUMBERS_REFUSED = (
    "logical_and logical_or logical_xor atan2 hypot maximum minimum ldexp logaddexp logaddexp2 fmax fmin heaviside isclose nextafter"
).split()

FOUND: tuple[Case, ...] = (
    *(Case(n, (LINE, True)) for n in NUMBERS_REFUSED),
    Case("add", (LINE, 2), {"alpha": 3}),
    Case("sub", (LINE, 2), {"alpha": 0}),
    Case("add", (of([1, 2], "int64"), of([1, 2], "int64")), {"alpha": 0.5}),
    Case("add", (of([True, False], "bool"), True), {"alpha": 0.0}),
    Case("add", (of([True, False], "bool"), of([True, True], "bool")), {"alpha": False}),
    Case("add", (LINE, LINE), {"alpha": True}),
    Case("sub", (of([1.5], "float16"), of(2, "int64")), {"alpha": 0.5}),
    Case("isclose", (LINE, of([1.5, 2.0], "float64"))),
    Case("lerp", (LINE, of([1.5, 2.0], "float64"), 0.5)),
    Case("pow", (of([True, False], "bool"), of([False, True], "bool"))),
    Case("pow", (of([True, False], "bool"), False)),
    Case("logaddexp", (of([1 + 2j, 0.5j], "complex64"), of([2 - 1j, 3.0], "complex64"))),
    Case(".float_power_", (LINE, 2)),
    Case(".gcd_", (of([4, 6], "uint8"), of([2, 4], "int64"))),
    Case(".bitwise_left_shift_", (of([1, 3], "uint8"), of(2, "int64"))),
    Case("sub", (of(1 + 2j, "complex128"), LINE)),
    Case("addcmul", (LINE, of(2, "int64"), of([3, 4], "uint8")), {"value": -1}),
    Case("addcdiv", (of([1.0, 2.0], "float64"), LINE, of([3.0, 7.0]))),
    Case("nanmean", (LINE,), {"dtype": Dtype("int64")}),
    Case("std", (of([2.0, 2.0], "float64"),), {"correction": 0}),
    Case("norm", (empty(0), -1)),
    Case("quantile", (of(0.5), 0.25), {"dim": 0, "keepdim": True}),
    Case("bincount", (of([1, 2], "int64"),), {"weights": of([3, 4], "int64")}),
    Case("nn.functional.pad", (empty(0), (1, -1))),
    Case("nn.functional.pad", (of([[2.0]]), (0, -1)), {"mode": "reflect"}),
    Case("cat", ([empty(0), empty(0, dtype="float64")], 0)),
    Case("cat", ([empty(0), of([1, 2], "int64")], 0)),
    Case("unbind", (of(2.0), 0)),
    Case("trace", (empty(0, 1),)),
    Case("narrow", (empty(0), 0, -1, 0)),
    Case("narrow", (LINE, 0, -3, 1)),
    Case("index_add", (of([True, False], "bool"), 0, of([0], "int64"), of([True], "bool"))),
    Case("index_add", (LINE, 0, of([0], "int64"), of([1], "int64"))),
    Case("matmul", (PLANE, of([[1.0, 2.0], [3.0, 4.0]], "float64"))),
    Case("masked_select", (of(2.5), of([True, False], "bool"))),
    Case("masked_select", (of(2.5), of(True, "bool"))),
    Case("masked_fill", (LINE, of([True, False], "bool"), of(1j, "complex64"))),
    Case("scatter_reduce", (of([1 + 1j, 2.0], "complex64"), 0, of([0], "int64"), of([3j], "complex64"), "mean"), {"include_self": False}),
    Case("clamp", (of([3, 9], "uint8"), 300)),
    at(PLANE, None, of([True, False], "bool"), None, 0, None),
    at(of(np.arange(24.0).reshape(2, 3, 4)), 0, slice(None), of([1, 3], "int64")),
    at(of(np.arange(24.0).reshape(2, 3, 4)), of([1, 0], "int64"), slice(None), 2),
    at(PLANE, of(True, "bool")),
    at(PLANE, slice(None), slice(None, None, -1)),
    Case("x[index] = y", (PLANE, of([0, 1], "int64"), of([[1.0], [2.0]], "float64")), call=store),
    Case("x[index] = y", (PLANE, (of([0, 1], "int64"), 0), LINE), call=store),
    Case("x[index] = y", (PLANE, (slice(None), of([True, False], "bool")), of([1.0], "float64")), call=store),
    Case("x[index] = y", (PLANE, of([True, False], "bool"), of([1.0, 2.0], "float64")), call=store),
)  # fmt: skip
