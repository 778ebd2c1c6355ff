"""Which nodes of a graph have native code, and what that means for the plan."""

from __future__ import annotations

from typing import Any

from fgrad.backends.numpy import orders
from fgrad.backends.numpy.asm import HALVES, TYPES, Asm, E
from fgrad.backends.numpy.jit import halves
from fgrad.backends.numpy.machine import LLVM, evaluate
from fgrad.backends.numpy.scans import is_branch, is_scan
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType
from fgrad.passes.nests import is_fused
from fgrad.passes.spaces import REDUCTIONS

_ABLE: dict[Any, bool] = {}


def able(v: Value) -> bool:
    """True if a kernel can compute `v`: known dtypes, and every function of its scalar body has code."""
    types = [v.type, *[x.type for x in v.operands]]
    if v.prim is None or not all(isinstance(t, TensorType) and t.name in TYPES for t in types):
        return False
    if any(t.name == "float16" for t in types) and not halves():  # type: ignore[union-attr]  # tensors by now
        return False
    if v.prim.name in REDUCTIONS:
        return v.dtype.name not in ("bool", *HALVES)
    consts = tuple([x.const.item() if x.const is not None and not x.shape else None for x in v.operands])
    key = (v.prim, v.params, tuple([x.dtype for x in v.operands]), tuple(map(repr, consts)))
    known = _ABLE.get(key)
    if known is None:
        xs = [E("%x", x.dtype.name, 1, c) for x, c in zip(v.operands, consts, strict=True)]
        try:
            evaluate(LLVM(Asm()), v, xs)
            known = True
        except NotImplementedError:
            known = False
        _ABLE[key] = known
    return known


def is_silent(v: Value) -> bool:
    """True for a group and for reading one of its results: neither can fail."""
    return is_fused(v) or (v.prim is not None and v.prim.name == "item" and is_fused(v.operands[0]))


def is_number(v: Value) -> bool:
    """True for an elementwise operation on single numbers that has code."""
    return v.prim is not None and v.prim.elementwise and v.size == 1 and able(v)


def multiple(v: Value) -> bool:
    """True for what writes several results into planned places."""
    return is_fused(v) or is_scan(v) or is_branch(v) or orders.able(v)


def moved(x: Value) -> bool:
    """True for a view whose elements may not lie one after the other, or that has no planned place."""
    while x.prim is not None and x.prim.view_of is not None and x.prim.name != "item":
        if x.prim.name != "reshape":
            return True
        x = x.operands[x.prim.view_of]
    return x.prim is not None and x.prim.name == "item" and not multiple(x.operands[0])
