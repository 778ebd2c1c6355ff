"""Nodes as lines of NumPy: which primitives are one ufunc call, and how the others are called through their lowering."""

from __future__ import annotations

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
    "neg": (np.negative, frozenset("fic")),
    "abs": (np.absolute, frozenset("fi")),
    "sqrt": (np.sqrt, frozenset("fc")),
    "floor": (np.floor, FLOATS),
    "ceil": (np.ceil, FLOATS),
    "trunc": (np.trunc, FLOATS),
    "round": (np.rint, FLOATS),
    "maximum": (np.maximum, frozenset("fiu")),
    "minimum": (np.minimum, frozenset("fiu")),
    "exp": (np.exp, FLOATS),
    "log": (np.log, FLOATS),
    "log1p": (np.log1p, FLOATS),
    "expm1": (np.expm1, FLOATS),
    "tanh": (np.tanh, FLOATS),
    "sin": (np.sin, FLOATS),
    "cos": (np.cos, FLOATS),
    "copysign": (np.copysign, FLOATS),
    "eq": (np.equal, ANY),
    "ne": (np.not_equal, ANY),
    "lt": (np.less, ANY),
    "le": (np.less_equal, ANY),
    "gt": (np.greater, ANY),
    "ge": (np.greater_equal, ANY),
    "bitwise_and": (np.bitwise_and, BITS),
    "bitwise_or": (np.bitwise_or, BITS),
    "bitwise_xor": (np.bitwise_xor, BITS),
}
LITERAL = ("float32", "float64", "int32", "int64", "bool")


def ufunc(v: Value) -> np.ufunc | None:
    """The NumPy ufunc that is exactly this node, operands broadcast by it; None for a call through the lowering."""
    found = UFUNCS.get(v.prim.name) if v.prim is not None else None
    if found is None or v.dtype.name == "bfloat16":
        return None
    call, kinds = found
    return call if v.operands[0].dtype.kind in kinds else None


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


def broadcasts(x: Value, shape: tuple[int, ...]) -> Value:
    """The operand that NumPy would repeat to `shape` by itself: `x`, or what `x` is a repetition of."""
    while x.prim is not None and x.prim.name == "broadcast_to" and x.operands[0].const is None:
        x = x.operands[0]
    return x


def in_place(v: Value, result: int) -> tuple[Value, ...]:
    """Operands that one ufunc call may overwrite with its result."""
    if ufunc(v) is None or not isinstance(v.type, TensorType):
        return ()
    return tuple(x for x in v.operands if x.type is v.type)
