"""Nodes as lines of NumPy: which primitives are ufunc calls, and how the others are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType

FLOATS = frozenset("f")
NUMBERS = frozenset("fiuc")
BITS = frozenset("biu")
ANY = frozenset("bfiuc")
# primitive -> (function, dtype kinds of the operands for which the call is exactly the primitive)
UFUNCS: dict[str, tuple[np.ufunc, frozenset[str]]] = {
    "add": (np.add, NUMBERS),
    "sub": (np.subtract, NUMBERS),
    "mul": (np.multiply, NUMBERS),
    "div": (np.divide, frozenset("fc")),
    "neg": (np.negative, NUMBERS),
    "abs": (np.absolute, frozenset("fi")),
    "sqrt": (np.sqrt, frozenset("fc")),
    "floor": (np.floor, FLOATS),
    "ceil": (np.ceil, FLOATS),
    "trunc": (np.trunc, FLOATS),
    "round": (np.rint, FLOATS),
    "sign": (np.sign, frozenset("fi")),
    "rem": (np.fmod, frozenset("fiu")),
    "maximum": (np.maximum, frozenset("biuf")),
    "minimum": (np.minimum, frozenset("biuf")),
    "exp": (np.exp, FLOATS),
    "exp2": (np.exp2, FLOATS),
    "expm1": (np.expm1, FLOATS),
    "log": (np.log, FLOATS),
    "log2": (np.log2, FLOATS),
    "log10": (np.log10, FLOATS),
    "log1p": (np.log1p, FLOATS),
    "sin": (np.sin, FLOATS),
    "cos": (np.cos, FLOATS),
    "tan": (np.tan, FLOATS),
    "sinh": (np.sinh, FLOATS),
    "cosh": (np.cosh, FLOATS),
    "tanh": (np.tanh, FLOATS),
    "asin": (np.arcsin, FLOATS),
    "acos": (np.arccos, FLOATS),
    "atan": (np.arctan, FLOATS),
    "copysign": (np.copysign, FLOATS),
    "eq": (np.equal, ANY),
    "ne": (np.not_equal, ANY),
    "lt": (np.less, frozenset("biuf")),
    "le": (np.less_equal, frozenset("biuf")),
    "gt": (np.greater, frozenset("biuf")),
    "ge": (np.greater_equal, frozenset("biuf")),
    "bitwise_and": (np.bitwise_and, BITS),
    "bitwise_or": (np.bitwise_or, BITS),
    "bitwise_xor": (np.bitwise_xor, BITS),
    "bitwise_not": (np.invert, BITS),
}
LITERAL = ("float32", "float64", "int32", "int64", "bool")
Lines = tuple[dict[str, Callable[..., Any]], tuple[str, ...]]  # functions by place holder, templates


def ufunc(v: Value) -> np.ufunc | None:
    """The NumPy ufunc that is exactly this node, operands repeated by it; None for any other node."""
    found = UFUNCS.get(v.prim.name) if v.prim is not None else None
    if found is None or v.operands[0].dtype.name in ("bfloat16", "float16"):
        return None
    call, kinds = found
    return call if v.operands[0].dtype.kind in kinds else None


def lines(v: Value) -> Lines | None:
    """Templates that write `v` to {out} without making an array; None where the lowering has to be called."""
    call = ufunc(v)
    if call is not None:
        return {"f": call}, (f"{{f}}({', '.join(f'{{{i}}}' for i in range(len(v.operands)))}, out={{out}})",)
    prim = v.prim
    if prim is None or v.dtype.name in ("bfloat16", "float16"):
        return None
    kind, name = v.operands[0].dtype.kind if v.operands else "", prim.name
    if name == "convert" and kind in "bfiu":
        return {}, ("copyto({out}, {0}, casting='unsafe')",)
    if name == "select" and whole(v.operands[0]) and (whole(v.operands[1]) or literal(v.operands[1])) and v.shape:
        return {}, ("copyto({out}, {2})", "putmask({out}, {0}, {1})")
    if name == "clamp" and kind in "biuf":
        return {"f": np.maximum, "g": np.minimum}, ("{f}({1}, {0}, out={out})", "{g}({out}, {2}, out={out})")
    if name == "rsqrt" and kind == "f":
        return {"f": np.sqrt, "g": np.divide}, ("{f}({0}, out={out})", "{g}(1, {out}, out={out})")
    if name == "sigmoid" and kind == "f":
        functions: dict[str, Callable[..., Any]] = {"f": np.negative, "g": np.exp, "h": np.add, "k": np.divide}
        return functions, (
            "{f}({0}, out={out})",
            "{g}({out}, out={out})",
            "{h}({out}, 1, out={out})",
            "{k}(1, {out}, out={out})",
        )
    return None


def product(v: Value) -> tuple[bool, bool] | None:
    """For a product of (stacks of) matrices that BLAS does in one call: which operands are read transposed."""
    if v.prim is None or v.prim.name != "dot_general" or v.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        return None
    (left, right), (shared_a, shared_b) = v.params
    a, b = v.operands
    n = len(shared_a)
    stacks = tuple(range(n))
    if shared_a != stacks or shared_b != stacks or len(left) != 1 or (a.ndim, b.ndim) != (n + 2, n + 2):
        return None
    return left[0] == n, right[0] == n + 1


def whole(x: Value) -> bool:
    """True if the memory of `x` is not a repetition."""
    return x.shape != () and unrepeated(x) is x and (x.prim is None or x.prim.view_of is None)


def literal(x: Value) -> str | None:
    """A 0-d constant as Python text that keeps its value beside an array of its dtype."""
    if x.const is None or x.shape or x.dtype.name not in LITERAL:
        return None
    return str(x.const) if x.dtype.kind == "f" else repr(x.const.item())


def plain(param: Any) -> bool:
    """True if `repr` of a parameter is Python text for it."""
    if isinstance(param, tuple):
        return all(map(plain, param))
    return param is None or isinstance(param, bool | int | str)


def unrepeated(x: Value) -> Value:
    """What NumPy would repeat to the shape of `x` by itself: `x`, or what it is a repetition of."""
    while x.prim is not None and x.prim.name == "broadcast_to" and (x.operands[0].const is None or literal(x.operands[0])):
        x = x.operands[0]
    return x


def in_place(v: Value, result: int) -> tuple[Value, ...]:
    """Operands that one ufunc call may overwrite with its result."""
    if not isinstance(v.type, TensorType) or ufunc(v) is None:
        return ()
    return tuple(x for x in v.operands if x.type is v.type)
