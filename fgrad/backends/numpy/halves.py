"""float16 and bfloat16, in registers as their bits: widened to float32, narrowed to the nearest, ties to even."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fgrad.backends.numpy.asm import E, vector

if TYPE_CHECKING:
    from fgrad.backends.numpy.machine import LLVM
else:
    LLVM = Any


# LLVM may join two conversions where only a sign comes from a float64, and then asks its run-time library for this function
FROM_DOUBLE = """
define weak half @__truncdfhf2(double %x) #0 {
  %y = fptrunc double %x to float
  %back = fpext float %y to double
  %bits = bitcast float %y to i32
  %size = call double @llvm.fabs.f64(double %x)
  %near = call double @llvm.fabs.f64(double %back)
  %away = fcmp ogt double %near, %size
  %one = zext i1 %away to i32
  %below = sub i32 %bits, %one
  %inexact = fcmp one double %back, %x
  %odd = or i32 %below, 1
  %picked = select i1 %inexact, i32 %odd, i32 %bits
  %finite = fcmp one double %size, 0x7FF0000000000000
  %last = select i1 %finite, i32 %picked, i32 %bits
  %z = bitcast i32 %last to float
  %h = fptrunc float %z to half
  ret half %h
}
"""


def widen(m: LLVM, x: E) -> E:
    """As float32; exact."""
    if x.const is not None:
        return m.const(x.const, E("", "float32", x.lanes))
    if x.dtype == "bfloat16":
        wide = m.asm.op(f"zext {x.type} {x.text} to {vector('i32', x.lanes)}")
        bits = m.asm.op(f"shl {vector('i32', x.lanes)} {wide}, {m.const(16, E('', 'int32', x.lanes)).text}")
        return m.bitcast(E(bits, "int32", x.lanes), "float32")
    half = m.asm.op(f"bitcast {x.type} {x.text} to {vector('half', x.lanes)}")
    return E(m.asm.op(f"fpext {vector('half', x.lanes)} {half} to {vector('float', x.lanes)}"), "float32", x.lanes)


def narrow(m: LLVM, x: E, dtype: str) -> E:
    """From float32. bfloat16 by integers: the processor's own instruction drops subnormal numbers."""
    bits16 = vector("i16", x.lanes)
    if dtype == "float16":
        m.asm.intrinsic("llvm.fabs.f64", "double", ("double", ""))
        m.asm.declares["@__truncdfhf2"] = FROM_DOUBLE
        half = m.asm.op(f"fptrunc {x.type} {x.text} to {vector('half', x.lanes)}")
        return E(m.asm.op(f"bitcast {vector('half', x.lanes)} {half} to {bits16}"), dtype, x.lanes)
    bits = m.bitcast(x, "uint32")
    last = m.bit_and(m.shift_right(bits, m.const(16, bits)), m.const(1, bits))
    rounded = m.add(m.add(bits, last), m.const(0x7FFF, bits))
    quiet = m.bit_or(m.bit_and(bits, m.const(0x80000000, bits)), m.const(0x7FC00000, bits))
    top = m.shift_right(m.select(m.ne(x, x), quiet, rounded), m.const(16, bits))
    return E(m.asm.op(f"trunc {top.type} {top.text} to {bits16}"), dtype, x.lanes)


def odd(m: LLVM, x: E) -> E:
    """float64 as float32 rounded to odd: a later rounding to nearest is right."""
    y = m.convert(x, "float32")
    back = m.convert(y, "float64")
    bits = m.bitcast(y, "int32")
    away, inexact = m.gt(m.abs(back), m.abs(x)), m.ne(back, x)
    below = m.select(away, m.sub(bits, m.const(1, bits)), bits)
    y2 = m.bitcast(m.select(inexact, m.bit_or(below, m.const(1, bits)), bits), "float32")
    return m.select(m.lt(m.abs(x), m.const(math.inf, x)), y2, y)
