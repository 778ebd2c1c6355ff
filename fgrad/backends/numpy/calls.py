"""Nodes as lines of NumPy: which primitives are ufunc calls, and how the others are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fgrad.ir.dtypes import Dtype
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
    "pow": (np.power, frozenset("fcu")),
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
REDUCERS: dict[str, Callable[..., Any]] = {
    "reduce_sum": np.add.reduce,
    "reduce_prod": np.multiply.reduce,
    "reduce_max": np.maximum.reduce,
    "reduce_min": np.minimum.reduce,
}
INTEGERS: dict[int, Any] = {1: np.dtype(np.int8), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}  # by size
UPDATES = ("scatter", "dynamic_update_slice")  # their lowerings write into the first operand where it is the result
CONSTANT = 1 << 16  # elements of an array that is kept rather than computed again
PRODUCTS = ("float32", "float64", "complex64", "complex128")  # what BLAS multiplies
OUT = -1  # the result, where an operand's number is expected


class Bits(NamedTuple):
    """The memory of an operand, or of the result, read as integers of the same size."""

    of: int


Argument = int | Bits | str  # an operand by number, its bits, or Python text
Call = tuple[Callable[..., Any], tuple[Argument, ...]]  # a C function that makes no array, and its positional arguments


def is_half(dtype: Dtype) -> bool:
    """True for float16 and bfloat16, which NumPy rounds at each step."""
    return dtype.itemsize == 2 and dtype.kind in "fV"


def ufunc(v: Value) -> np.ufunc | None:
    """The NumPy ufunc that is exactly this node, operands repeated by it; None for any other node."""
    found = UFUNCS.get(v.prim.name) if v.prim is not None else None
    if found is None or is_half(v.operands[0].dtype):
        return None
    call, kinds = found
    return call if v.operands[0].dtype.kind in kinds else None


def calls(v: Value) -> tuple[Call, ...] | None:
    """C functions that write `v` without making an array; None where the lowering has to be called."""
    call = ufunc(v)
    if call is not None:
        return ((call, (*range(len(v.operands)), OUT)),)
    prim = v.prim
    if prim is None or not isinstance(v.type, TensorType) or is_half(v.dtype):
        return None
    kind = v.operands[0].dtype.kind if v.operands else ""
    if prim.name in REDUCERS and v.params[0] and v.operands[0].dtype is v.dtype:
        return ((REDUCERS[prim.name], (0, repr(v.params[0]), "None", OUT)),)
    if prim.name == "convert" and kind in "bfiu":
        return ((np.copyto, (OUT, 0, "'unsafe'")),)
    if prim.name == "select":
        return selection(v)
    if prim.name == "clamp" and kind in "biuf":
        return (np.maximum, (1, 0, OUT)), (np.minimum, (OUT, 2, OUT))
    if prim.name == "rsqrt" and kind == "f":
        return (np.sqrt, (0, OUT)), (np.divide, ("1", OUT, OUT))
    if prim.name == "sigmoid" and kind == "f":
        return (np.negative, (0, OUT)), (np.exp, (OUT, OUT)), (np.add, (OUT, "1", OUT)), (np.divide, ("1", OUT, OUT))
    return None


def selection(v: Value) -> tuple[Call, ...] | None:
    """`select` on the bits, exact for every value and without branches: NumPy's masked copies cost 20 times as much."""
    condition, x, y = map(unrepeated, v.operands)
    if v.dtype.itemsize not in INTEGERS or literal(condition):
        return None
    zeros = [z.const is not None and literal(z) is not None and not z.const.tobytes().strip(b"\0") for z in (x, y)]
    if zeros[1] and literal(x):
        return (np.negative, (Bits(0), Bits(OUT))), (np.bitwise_and, (Bits(OUT), Bits(1), Bits(OUT)))
    if zeros[1]:
        return ((np.multiply, (Bits(1), Bits(0), Bits(OUT))),)
    if zeros[0]:
        return (np.subtract, (Bits(0), "1", Bits(OUT))), (np.bitwise_and, (Bits(OUT), Bits(2), Bits(OUT)))
    differ = (np.bitwise_xor, (Bits(1), Bits(2), Bits(OUT)))
    return differ, (np.multiply, (Bits(OUT), Bits(0), Bits(OUT))), (np.bitwise_xor, (Bits(OUT), Bits(2), Bits(OUT)))


def product(v: Value) -> tuple[bool, bool] | None:
    """For a product of (stacks of) matrices that BLAS does in one call: which operands are read transposed."""
    if v.prim is None or v.prim.name != "dot_general" or v.dtype.name not in PRODUCTS:
        return None
    (left, right), (shared_a, shared_b) = v.params
    a, b = v.operands
    n = len(shared_a)
    stacks = tuple(range(n))
    if shared_a != stacks or shared_b != stacks or len(left) != 1 or (a.ndim, b.ndim) != (n + 2, n + 2):
        return None
    return left[0] == n, right[0] == n + 1


def applied(v: Value) -> tuple[int, int] | None:
    """For a matrix by a vector: the operands in the order in which `matmul` sums over the axes that are meant."""
    if v.prim is None or v.prim.name != "dot_general" or v.dtype.name not in PRODUCTS:
        return None
    (left, right), shared = v.params
    ranks = tuple([x.ndim for x in v.operands])
    if shared != ((), ()) or len(left) != 1 or ranks not in ((2, 1), (1, 2)):
        return None
    matrix = ranks.index(2)
    last = (left, right)[matrix][0] == 1
    return (matrix, 1 - matrix) if last else (1 - matrix, matrix)


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


def read(v: Value, k: int) -> Value:
    """What the call for `v` reads as operand `k`: whole in a reduction, as it was before repetition otherwise."""
    x = v.operands[k]
    return x if v.prim is not None and v.prim.name in REDUCERS else unrepeated(x)


def constant(v: Value) -> bool:
    """True for what is computed once for all calls: small enough, and from nothing."""
    return v.prim is not None and v.prim.name == "iota" and v.size <= CONSTANT


def silent(v: Value) -> bool:
    """True if computing `v` cannot fail: C functions that make no array, a view, or nothing at all."""
    return calls(v) is not None or constant(v) or (v.prim is not None and v.prim.view_of is not None)


def in_place(v: Value, result: int) -> tuple[Value, ...]:
    """Operands that one call may overwrite with its result."""
    if v.prim is not None and v.prim.name in UPDATES:
        return v.operands[:1] if v.operands.count(v.operands[0]) == 1 else ()
    if not isinstance(v.type, TensorType) or ufunc(v) is None:
        return ()
    return tuple(x for x in v.operands if x.type is v.type)
