"""The rest of numbers by pi / 2: three parts of pi for those that are not huge, 192 bits of 2 / pi for those that are.

Sources: Cody & Waite 1980; Payne & Hanek 1983, Radian reduction for trigonometric functions.
"""

from __future__ import annotations

import math

from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.functions import BITS
from fgrad.backends.numpy.mathematics.double import LLVM, Pair, any_lane, two_sum

HALF_PI = {
    "float32": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    "float64": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}
LARGE = 2.0**13  # beyond it, three parts of pi are too short, in float32
HUGE = 2.0**27  # and in float64
TWO_OVER_PI = int(  # the first 1280 bits
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73e"
    "e88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b7"
    "4f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6babf0cfbc209af4361d", 16)  # fmt: skip
TABLE = "@fgrad_two_over_pi = internal constant [{n} x i8] [{bytes}]"
CODE = """
define internal void @fgrad_rest(double %x, ptr %high, ptr %low, ptr %turns) #0 {{
  %bits = bitcast double %x to i64
  %field = lshr i64 %bits, 52
  %biased = and i64 %field, 2047
  %fraction = and i64 %bits, 4503599627370495
  %mantissa = or i64 %fraction, 4503599627370496
  %from = sub i64 2165, %biased
  %byte = lshr i64 %from, 3
  %place = getelementptr inbounds i8, ptr @fgrad_two_over_pi, i64 %byte
  %raw = load i256, ptr %place, align 1
  %odd = and i64 %from, 7
  %shift = zext i64 %odd to i256
  %shifted = lshr i256 %raw, %shift
  %window = trunc i256 %shifted to i192
  %wide = zext i64 %mantissa to i192
  %product = mul i192 %window, %wide
  %quarter = lshr i192 %product, 190
  %q = trunc i192 %quarter to i64
  %part = shl i192 %product, 2
  %sign = ashr i192 %part, 191
  %up = trunc i192 %sign to i64
  %k = sub i64 %q, %up
  %flipped = xor i192 %part, %sign
  %size = sub i192 %flipped, %sign
  %zeros = call i192 @llvm.ctlz.i192(i192 %size, i1 false)
  %normal = shl i192 %size, %zeros
  %first = lshr i192 %normal, 139
  %second = lshr i192 %normal, 86
  %a = trunc i192 %first to i64
  %b0 = trunc i192 %second to i64
  %b = and i64 %b0, 9007199254740991
  %n = trunc i192 %zeros to i64
  %e1 = sub i64 970, %n
  %e2 = sub i64 917, %n
  %s1 = shl i64 %e1, 52
  %s2 = shl i64 %e2, 52
  %scale1 = bitcast i64 %s1 to double
  %scale2 = bitcast i64 %s2 to double
  %a1 = sitofp i64 %a to double
  %b1 = sitofp i64 %b to double
  %h = fmul double %a1, %scale1
  %l = fmul double %b1, %scale2
  %p = fmul double %h, {high}
  %np = fneg double %p
  %e = call double @llvm.fma.f64(double %h, double {high}, double %np)
  %t = call double @llvm.fma.f64(double %h, double {low}, double %e)
  %u = call double @llvm.fma.f64(double %l, double {high}, double %t)
  %r = fadd double %p, %u
  %d = fsub double %r, %p
  %rest = fsub double %u, %d
  %s = xor i64 %bits, %up
  %negative = icmp slt i64 %s, 0
  %nr = fneg double %r
  %nrest = fneg double %rest
  %r2 = select i1 %negative, double %nr, double %r
  %rest2 = select i1 %negative, double %nrest, double %rest
  %below = icmp slt i64 %bits, 0
  %nk = sub i64 0, %k
  %k2 = select i1 %below, i64 %nk, i64 %k
  store double %r2, ptr %high
  store double %rest2, ptr %low
  store i64 %k2, ptr %turns
  ret void
}}
"""


def declare(m: LLVM) -> None:
    """Adds the function for huge numbers to the module."""
    data = TWO_OVER_PI.to_bytes(192, "little")
    m.asm.declares["@fgrad_two_over_pi"] = TABLE.format(n=len(data), bytes=", ".join(f"i8 {b}" for b in data))
    m.asm.intrinsic("llvm.ctlz.i192", "i192", ("i192", ""), ("i1", ""))
    m.asm.intrinsic("llvm.fma.f64", "double", *[("double", "")] * 3)
    text = [m.const(h, E("", "float64", 1)).text for h in HALF_PI["float64"][:2]]
    m.asm.declares["@fgrad_rest"] = CODE.format(high=text[0], low=text[1])


def rest(m: LLVM, x: E) -> tuple[Pair, E]:
    """(r, k) with x = k pi / 2 + r, |r| <= pi / 4: r a pair, k modulo 4 as an integer of the same width. NaN of infinities."""
    parts = HALF_PI[x.dtype]
    k, turns = nearest(m, x)
    first = m.fma(k, m.const(-parts[0], k), x)  # exact: as many bits as a number has, below 1
    p = m.mul(k, m.const(parts[1], k))
    lost = m.fma(k, m.const(parts[1], k), m.neg(p))
    r, e = two_sum(m, first, m.neg(p))
    low = m.fma(k, m.const(-parts[2], k), m.sub(e, lost))
    high = m.add(r, low)
    beyond = _with_large if x.dtype == "float32" else _with_huge
    return beyond(m, x, (high, m.sub(low, m.sub(high, r))), turns)


def nearest(m: LLVM, x: E) -> tuple[E, E]:
    """The whole number of quarter turns nearest to `x`, and, modulo 4, as an integer."""
    integer, mantissa, _ = BITS[x.dtype]
    magic = m.const(1.5 * 2.0**mantissa, x)  # added to a number, it leaves a whole number in the last bits
    shifted = m.fma(x, m.const(2 / math.pi, x), magic)
    return m.sub(shifted, magic), m.bitcast(shifted, integer)


def _with_large(m: LLVM, x: E, r: Pair, turns: E) -> tuple[Pair, E]:
    """float32: the same, but what is large reduced as float64."""
    asm, large = m.asm, m.gt(m.abs(x), m.const(LARGE, x))
    values = (r[0], r[1], turns)
    cells = [asm.variable(v.dtype, v.lanes) for v in values]
    for cell, v in zip(cells, values, strict=True):
        asm.set(cell, v)

    def widely() -> None:
        (high, low), k = rest(m, m.convert(x, "float64"))
        top = m.convert(high, "float32")
        below = m.convert(m.add(m.sub(high, m.convert(top, "float64")), low), "float32")
        for cell, v, other in zip(cells, values, (top, below, m.convert(k, "int32")), strict=True):
            asm.set(cell, m.select(large, other, v))

    asm.when(any_lane(m, large), widely)
    found = [asm.get(cell, v.dtype, v.lanes) for cell, v in zip(cells, values, strict=True)]
    return (found[0], found[1]), found[2]


def _with_huge(m: LLVM, x: E, r: Pair, turns: E) -> tuple[Pair, E]:
    """The same, but what is huge reduced one by one."""
    asm, size = m.asm, m.abs(x)
    huge = m.bit_and(m.gt(size, m.const(HUGE, x)), m.lt(size, m.const(math.inf, x)))
    values = (r[0], r[1], turns)
    cells = [asm.variable(v.dtype, v.lanes) for v in values]
    for cell, v in zip(cells, values, strict=True):
        asm.set(cell, v)

    def each() -> None:
        declare(m)
        room = [asm.variable(v.dtype, v.lanes) for v in (x, huge, *values)]
        asm.set(room[0], x)
        flags = asm.entry(f"alloca [{x.lanes} x i8], align 64")
        asm.store(huge, flags)

        def lane(i: str) -> None:
            at = [asm.offset(p, i, "float64") for p in (room[0], *room[2:])]
            flag = asm.load(asm.offset(flags, i, "bool"), "bool", 1)
            given = asm.load(at[0], "float64", 1)
            given = m.select(flag, given, m.const(HUGE * 2, given))
            asm.do(f"call void @fgrad_rest(double {given.text}, ptr {at[1]}, ptr {at[2]}, ptr {at[3]})")

        asm.loop(0, x.lanes, 1, lane)
        for cell, at, v in zip(cells, room[2:], values, strict=True):
            asm.set(cell, m.select(huge, asm.get(at, v.dtype, v.lanes), v))

    asm.when(any_lane(m, huge), each)
    found = [asm.get(cell, v.dtype, v.lanes) for cell, v in zip(cells, values, strict=True)]
    return (found[0], found[1]), found[2]
