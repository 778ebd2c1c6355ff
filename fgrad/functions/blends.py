"""PyTorch's pointwise functions of three operands: interpolation, and sums with a product or a quotient."""

from __future__ import annotations

from typing import Any

from fgrad.errors import DtypeError
from fgrad.functions.call import is_integer, same
from fgrad.functions.pointwise import add, div, mul, sub
from fgrad.functions.refusals import one_dtype, tensors_only
from fgrad.ir.apply import caller

__all__ = ["addcdiv", "addcmul", "lerp"]


def lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Any:
    """input + weight * (end - input), of floats of one dtype."""
    tensors_only("lerp", input, end)
    one_dtype("lerp", input, end, weight)
    return add(input, mul(sub(end, input), weight), out=out)


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1, out: Any = None) -> Any:
    """input + value * tensor1 * tensor2; a value beside integers is truncated."""
    tensors_only("addcmul", input, tensor1, tensor2)
    x, a, b = same((input, tensor1, tensor2))
    return add(x, mul(a, b), alpha=int(value) if is_integer(x) else value, out=out)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1, out: Any = None) -> Any:
    """input + value * tensor1 / tensor2, of floats."""
    tensors_only("addcdiv", input, tensor1, tensor2)
    if is_integer(tensor1) and is_integer(tensor2):
        raise DtypeError("Integer division with addcdiv is no longer supported", where=caller(), fix="convert with .float()")
    x, a, b = same((input, tensor1, tensor2))
    return add(x, div(a, b), alpha=value, out=out)
