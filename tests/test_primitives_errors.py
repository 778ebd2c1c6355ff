"""Wrong operands: the literal text of what is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.errors import ArgumentError, DtypeError, FgradError, RangeError, ShapeError
from fgrad.ir.graph import leaf
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TensorType, type_of_array


def call(name: str, *texts: str, **params: Any) -> Any:
    """`call("add", "float32[2]", ...)` applies the primitive to inputs of these types."""
    operands = []
    for text in texts:
        dtype, shape = text.rstrip("]").split("[")
        operands.append(leaf(TensorType(tuple(map(int, shape.split(","))) if shape else (), dtype)))
    return FUNCTIONS[name](*operands, **params)


CONV = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "x_dilation": (1, 1), "w_dilation": (1, 1), "groups": 1}
WINDOW = {"window": (2,), "stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
DOT = {"contract": ((1,), (0,)), "batch": ((), ())}
F = "float32"

WRONG: list[tuple[type[FgradError], tuple[Any, ...], dict[str, Any], str, str]] = [
    (DtypeError, ("add", f"{F}[2]", "float64[2]"), {}, "add: operands must have one dtype, got float32[2] and float64[2]", "convert one of them first"),
    (DtypeError, ("add", "bool[2]", "bool[2]"), {}, "add: not defined for bool", "convert the operand; add takes unsigned integers, signed integers, floats and complex numbers"),
    (ShapeError, ("mul", f"{F}[2]", f"{F}[3]"), {}, "mul: shapes float32[2], float32[3] do not broadcast", "reshape one operand so that every axis is equal or 1"),
    (DtypeError, ("select", f"{F}[2]", f"{F}[2]", f"{F}[2]"), {}, "select: the condition is float32, not bool", "compare, or convert it to bool"),
    (DtypeError, ("bitcast", f"{F}[2]"), {"dtype": "int64"}, "bitcast: float32 and int64 differ in width", "use a dtype of as many bytes"),
    (ShapeError, ("broadcast_to", f"{F}[2,3]"), {"shape": (2, 4)}, "broadcast_to: float32[2,3] does not repeat to (2, 4)", "reshape first: aligned at the right, every axis must be 1 or equal"),
    (ShapeError, ("reshape", f"{F}[2,3]"), {"shape": (4,)}, "reshape: float32[2,3] has 6 elements, (4,) has 4", "keep the number of elements"),
    (ShapeError, ("transpose", f"{F}[2,3]"), {"axes": (0,)}, "transpose: axes=(0,) has 1 entries, float32[2,3] has 2 axes", "give one entry per axis"),
    (ArgumentError, ("transpose", f"{F}[2,3]"), {"axes": (0, 0)}, "transpose: axes (0, 0) repeat", "name every axis once"),
    (RangeError, ("flip", f"{F}[2,3]"), {"axes": (2,)}, "flip: axis 2 is out of range for float32[2,3]", "use axes from 0 to 1"),
    (RangeError, ("flip", f"{F}[]"), {"axes": (0,)}, "flip: axis 0 is out of range for float32[]", "a 0-d tensor has no axes"),
    (RangeError, ("slice", f"{F}[3]"), {"start": (1,), "stop": (4,), "step": (1,)}, "slice: 1:4 on axis 0 leaves float32[3]", "keep 0 <= start <= stop <= 3"),
    (ArgumentError, ("slice", f"{F}[3]"), {"start": (1,), "stop": (3,), "step": (-1,)}, "slice: step -1 on axis 0", "use a positive step and flip"),
    (ShapeError, ("pad", f"{F}[3]", f"{F}[1]"), {"low": (0,), "high": (0,), "interior": (0,)}, "pad: the padding value is float32[1]", "pad with a 0-d value"),
    (ShapeError, ("pad", f"{F}[3]", f"{F}[]"), {"low": (-2,), "high": (-2,), "interior": (0,)}, "pad: low=(-2,), high=(-2,), interior=(0,) leave (-1,) of float32[3]", "cut less than the length of every axis; interior must not be negative"),
    (ShapeError, ("concatenate",), {"axis": 0}, "concatenate: no operands", "give at least one tensor"),
    (ShapeError, ("concatenate", f"{F}[2,3]", f"{F}[2,4]"), {"axis": 0}, "concatenate: float32[2,3] and float32[2,4] differ outside axis 0", "make every other axis equal"),
    (RangeError, ("update_slice", f"{F}[4]", f"{F}[3]"), {"start": (1,), "step": (2,)}, "update_slice: 3 elements from 1 by 2 on axis 0 leave float32[4]", "write inside the tensor, with a positive step"),
    (RangeError, ("reduce_sum", f"{F}[2]"), {"axes": (1,)}, "reduce_sum: axis 1 is out of range for float32[2]", "use axes from 0 to 0"),
    (ShapeError, ("reduce_max", f"{F}[2,0]"), {"axes": (1,)}, "reduce_max: float32[2,0] has no elements along axes (1,)", "reduce a tensor that has some"),
    (ShapeError, ("argmin", f"{F}[0]"), {"axis": 0}, "argmin: float32[0] is empty along axis 0", "search a tensor that has elements"),
    (ArgumentError, ("sort", f"{F}[2]"), {"axis": 0, "num_keys": 2, "descending": False}, "sort: 2 keys of 1 operands", "use at least one key"),
    (ShapeError, ("sort", f"{F}[2]", f"{F}[3]"), {"axis": 0, "num_keys": 1, "descending": False}, "sort: shapes differ in float32[2] and float32[3]", "give operands of one shape"),
    (ShapeError, ("top_k", f"{F}[2]"), {"k": 3, "axis": 0, "largest": True}, "top_k: k=3 of axis 0 of float32[2]", "ask for at most the length of the axis"),
    (ArgumentError, ("gather", f"{F}[2]", "int64[3]"), {"axes": (0,), "mode": "wrap"}, "gather: no mode 'wrap'", "use one of raise clip fill"),
    (ArgumentError, ("gather", f"{F}[2,2]", "int64[3]"), {"axes": (0, 1), "mode": "raise"}, "gather: 1 index tensors for axes (0, 1)", "give one index tensor for each axis, the axes ascending"),
    (DtypeError, ("gather", f"{F}[2]", f"{F}[3]"), {"axes": (0,), "mode": "clip"}, "gather: not defined for float32", "convert the operand; gather takes unsigned integers and signed integers"),
    (ShapeError, ("gather", f"{F}[2,2]", "int64[3]", "int64[2]"), {"axes": (0, 1), "mode": "raise"}, "gather: index shapes differ in int64[3] and int64[2]", "broadcast_to one shape first"),
    (RangeError, ("gather", f"{F}[0]", "int64[3]"), {"axes": (0,), "mode": "clip"}, "gather: nothing to clip to in float32[0]", "index a tensor that has elements"),
    (ArgumentError, ("scatter", f"{F}[2]", f"{F}[3]", "int64[3]"), {"axes": (0,), "op": "sub", "mode": "drop"}, "scatter: no op 'sub'", "use one of set add mul min max"),
    (ShapeError, ("scatter", f"{F}[4,2]", f"{F}[3]", "int64[3]"), {"axes": (0,), "op": "add", "mode": "drop"}, "scatter: updates float32[3] for float32[4,2] at int64[3] along axes (0,)", "give updates of shape (3, 2)"),
    (RangeError, ("dynamic_slice", f"{F}[4]", "int64[]"), {"sizes": (5,)}, "dynamic_slice: 5 elements of axis 0 of float32[4]", "take between 0 and 4 elements"),
    (ShapeError, ("dynamic_slice", f"{F}[4]", "int64[1]"), {"sizes": (2,)}, "dynamic_slice: starts int64[1]", "give one 0-d integer for each axis"),
    (ShapeError, ("dot_general", f"{F}[2,3]", f"{F}[2,3]"), DOT, "dot_general: contracted axes differ in float32[2,3] and float32[2,3]: (1,) has [3], (0,) has [2]", "pair axes of equal length; a transpose or reshape may be missing"),
    (ShapeError, ("matmul", f"{F}[2,3]", f"{F}[2,3]"), {}, "matmul: inner axes differ in float32[2,3] @ float32[2,3] (3 != 2)", "transpose one operand, or check the layer widths"),
    (ShapeError, ("matmul", f"{F}[2,2,3]", f"{F}[3,3,4]"), {}, "matmul: leading axes do not broadcast in float32[2,2,3] @ float32[3,3,4]", "reshape one operand so that every leading axis is equal or 1"),
    (ShapeError, ("conv", f"{F}[1,3,5,5]", f"{F}[4,2,3,3]"), CONV, "conv: float32[1,3,5,5] has 3 channels, the kernel float32[4,2,3,3] takes 2 for each of 1 groups", "make x.shape[1] == w.shape[1] * groups, and w.shape[0] a multiple of groups"),
    (ShapeError, ("conv", f"{F}[1,3,2,2]", f"{F}[4,3,3,3]"), CONV, "conv: the kernel float32[4,3,3,3] does not fit into float32[1,3,2,2] padded by ((0, 0), (0, 0))", "use a smaller kernel or dilation, or more padding"),
    (ShapeError, ("conv", f"{F}[3,5,5]", f"{F}[4,3,3]"), CONV, "conv: float32[3,5,5] by float32[4,3,3] with [2, 2, 2, 2] strides, paddings and dilations", "give batch, channels and spatial axes, and one entry of each parameter for every spatial axis"),
    (ShapeError, ("conv_dx", f"{F}[1,4,5,5]", f"{F}[4,3,3,3]"), {"x_shape": (1, 3, 5, 5), **CONV}, "conv_dx: got float32[1,4,5,5]", "give a cotangent of shape (1, 4, 3, 3)"),
    (ShapeError, ("window_max", f"{F}[1]"), WINDOW, "window_max: a window (2,) does not fit into float32[1] padded by ((0, 0),)", "use a smaller window or dilation, or more padding"),
    (ShapeError, ("window_sum_pull", f"{F}[4]"), {"x_shape": (4,), **WINDOW}, "window_sum_pull: got float32[4]", "give a cotangent of shape (3,)"),
    (DtypeError, ("random_bits", "uint32[2]", "uint32[]"), {"shape": (2,)}, "random_bits: got a key uint32[2] and an offset uint32[]", "use a uint32 key and a uint64 offset"),
    (ShapeError, ("random_bits", "uint32[3]", "uint64[]"), {"shape": (2,)}, "random_bits: a key of shape (3,) with an offset of shape ()", "use a key of shape (2,) and a 0-d offset, or a batch of both"),
    (DtypeError, ("item", f"{F}[2]"), {"index": 0}, "item: float32[2] is not a tuple", "use the value itself"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "args", "params", "what", "fix"), WRONG, ids=[w[3].split(" ")[0] + str(i) for i, w in enumerate(WRONG)]
)
def test_message(kind: type[FgradError], args: Any, params: Any, what: str, fix: str) -> None:
    with pytest.raises(kind) as error:
        call(*args, **params)
    first, where, last = str(error.value).split("\n")
    assert first == what
    assert last == f"  fix: {fix}"
    assert "test_primitives_errors.py" in where
    assert "FUNCTIONS[name](*operands, **params)" in where


def test_item_of_a_tuple() -> None:
    y = call("top_k", f"{F}[3]", k=1, axis=0, largest=True)
    with pytest.raises(DtypeError, match=r"neg: wants tensors, got \(float32\[1\], int64\[1\]\)"):
        FUNCTIONS["neg"](y)
    with pytest.raises(RangeError, match=r"item: no result 2 in \(float32\[1\], int64\[1\]\)"):
        FUNCTIONS["item"](y, index=2)


@pytest.mark.parametrize("bad", [3, -4])
def test_an_index_out_of_range_is_named(bad: int) -> None:
    x, i = np.arange(6.0).reshape(2, 3), np.array([0, bad, 9])
    text = f"index {bad} is out of range for axis 1 of length 3"
    gather, scatter = REGISTRY["gather"], REGISTRY["scatter"]
    assert gather.check(np, x, i, axes=(1,), mode="raise") == text
    for mode in ("raise", "clip", "fill"):
        v = FUNCTIONS["gather"](leaf(type_of_array(x)), leaf(type_of_array(i)), axes=(1,), mode=mode)
        assert v.may_fail == (mode == "raise")
    assert gather.check(np, x, i[:1], axes=(1,), mode="raise") is None
    with pytest.raises(RangeError, match=f"gather: {text}"):
        gather.lower(np, None, x, i, axes=(1,), mode="raise")
    with pytest.raises(IndexError, match=f"scatter: {text}"):
        scatter.lower(np, None, x, np.ones((3, 2)), i, axes=(1,), op="add", mode="raise")
    assert scatter.check(np, x, np.ones((3, 2)), i, axes=(1,), op="add", mode="raise") == text


def test_a_failed_scatter_leaves_its_buffer() -> None:
    x, out = np.zeros(2), np.full(2, 7.0)
    with pytest.raises(RangeError):
        REGISTRY["scatter"].lower(np, out, x, np.ones(1), np.array([5]), axes=(0,), op="set", mode="raise")
    np.testing.assert_array_equal(out, 7)
