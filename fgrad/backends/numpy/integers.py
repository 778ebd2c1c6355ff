"""Integers in machine code: quotients and remainders as NumPy has them, powers, greatest common divisors, conversions from floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fgrad.backends.numpy import halves
from fgrad.backends.numpy.asm import HALVES, NBYTES, TYPES, E, vector
from fgrad.backends.numpy.mathematics.double import any_lane

if TYPE_CHECKING:
    from fgrad.backends.numpy.machine import LLVM
else:
    LLVM = Any


LARGE = 2**62  # divisors from which what is left of a division may not fit 64 bits


def truncated(m: LLVM, x: E, dtype: str) -> E:
    """A float as an integer, towards zero: int32 and int64 saturate, others take the low bits of a wider one."""
    if dtype == "uint64":
        half = m.const(2.0**63, x)
        low, high = truncated(m, x, "int64"), truncated(m, m.sub(x, half), "int64")
        high = m.bit_xor(high, m.const(-(2**63), high))
        return m.bitcast(m.select(m.lt(x, half), low, high), dtype)
    wide = "int64" if dtype in ("int64", "uint32") else "int32"
    to = E("", wide, x.lanes)
    name = f"llvm.fptosi.sat.{to.suffix}.{x.suffix}"
    y = E(m.asm.op(m.asm.intrinsic(name, to.type, (x.type, x.text))), wide, x.lanes)
    return m.convert(y, dtype)


def _whole(m: LLVM, x: E, dtype: str) -> E:
    """A float64 in range as an integer."""
    op = "fptoui" if m.kind(E("", dtype, 1)) == "u" else "fptosi"
    return E(m.asm.op(f"{op} {x.type} {x.text} to {vector(TYPES[dtype], x.lanes)}"), dtype, x.lanes)


def _divided(m: LLVM, x: E, y: E) -> E:
    """The quotient where the divisor is neither 0 nor -1, through float64, which has vectors; exact up to 32 bits."""
    op = "udiv" if m.kind(x) == "u" else "sdiv"
    if x.lanes == 1 or (y.const is not None and (NBYTES[x.dtype] < 8 or y.const >= LARGE)):
        return E(m.asm.op(f"{op} {x.type} {x.text}, {y.text}"), x.dtype, x.lanes)
    if NBYTES[x.dtype] < 8:
        return _whole(m, m.trunc(m.div(m.convert(x, "float64"), m.convert(y, "float64"))), x.dtype)
    a, b = (v if op == "udiv" else m.bitcast(m.abs(v), "uint64") for v in (x, y))
    cell = m.asm.variable("uint64", x.lanes)
    m.asm.set(cell, _corrected(m, a, b))
    if y.const is None:
        large = any_lane(m, m.ge(b, m.const(LARGE, b)))
        m.asm.when(large, lambda: m.asm.set(cell, E(m.asm.op(f"udiv {a.type} {a.text}, {b.text}"), "uint64", x.lanes)))
    q = m.asm.get(cell, "uint64", x.lanes)
    if op == "udiv":
        return q
    q = m.bitcast(q, x.dtype)
    return m.select(m.lt(m.bit_xor(x, y), m.const(0, x)), m.neg(q), q)


def _corrected(m: LLVM, a: E, b: E) -> E:
    """a / b of 64 bits, b < 2**62: a rounded quotient, that of what it leaves (whose rounding keeps order), and a step down."""
    wide = m.convert(b, "float64")
    most = m.const(2.0**64 - 2.0**11, wide)
    q = m.trunc(m.div(m.convert(a, "float64"), wide))
    first = _whole(m, m.select(m.lt(q, most), q, most), "uint64")
    divisor = m.bitcast(b, "int64")
    left = m.sub(m.bitcast(a, "int64"), m.mul(m.bitcast(first, "int64"), divisor))
    second = _whole(m, m.trunc(m.div(m.convert(left, "float64"), wide)), "int64")
    left = m.sub(left, m.mul(second, divisor))
    one, zero = m.const(1, second), m.const(0, second)
    second = m.select(m.lt(left, zero), m.sub(second, one), second)
    return m.add(first, m.bitcast(second, "uint64"))


def quotient(m: LLVM, x: E, y: E) -> E:
    """`x / y` towards zero; 0 by zero, and the least number by -1 is itself."""
    if x.dtype == "bool":
        raise NotImplementedError("quotients of bools")
    one, zero = m.const(1, y), m.const(0, y)
    if y.const is not None and y.const > 0:
        return _divided(m, x, y)
    none = m.eq(y, zero)
    if m.kind(x) == "u":
        return m.select(none, zero, _divided(m, x, m.select(none, one, y)))
    minus = m.eq(y, m.const(-1, y))
    q = _divided(m, x, m.select(m.bit_or(none, minus), one, y))
    return m.select(none, zero, m.select(minus, m.neg(x), q))


def rem(m: LLVM, x: E, y: E) -> E:
    """C's remainder, of the sign of `x`; 0 by zero."""
    q = quotient(m, x, y)
    return m.select(m.eq(y, m.const(0, y)), m.const(0, x), m.sub(x, m.mul(q, y)))


def _bits(m: LLVM, x: E) -> str:
    """How many bits the largest lane has, as i64; x is unsigned."""
    top = x.text
    if x.lanes > 1:
        top = m.asm.op(m.asm.intrinsic(f"llvm.vector.reduce.umax.{x.suffix}", TYPES[x.dtype], (x.type, x.text)))
    kind, width = TYPES[x.dtype], 8 * NBYTES[x.dtype]
    zeros = m.asm.op(m.asm.intrinsic(f"llvm.ctlz.{kind}", kind, (kind, top), ("i1", "false")))
    left = m.asm.op(f"sub {kind} {width}, {zeros}")
    return left if kind == "i64" else m.asm.op(f"zext {kind} {left} to i64")


def power(m: LLVM, x: E, y: E) -> E:
    """x**y by squaring, wrapping; of a negative `y` the inverse towards zero."""
    signed = m.kind(x) == "i"
    unsigned = f"u{x.dtype}" if signed else x.dtype
    n = m.bitcast(m.max(y, m.const(0, y)) if signed else y, unsigned)
    total, base, left = (m.asm.variable(v.dtype, v.lanes) for v in (x, x, n))
    for cell, v in ((total, m.const(1, x)), (base, x), (left, n)):
        m.asm.set(cell, v)

    def step(_: str) -> None:
        a, b, k = m.asm.get(total, x.dtype, x.lanes), m.asm.get(base, x.dtype, x.lanes), m.asm.get(left, unsigned, x.lanes)
        odd = m.ne(m.bit_and(k, m.const(1, k)), m.const(0, k))
        m.asm.set(total, m.select(odd, m.mul(a, b), a))
        m.asm.set(base, m.mul(b, b))
        m.asm.set(left, m.shift_right(k, m.const(1, k)))

    m.asm.loop("0", _bits(m, n), 1, step)
    z = m.asm.get(total, x.dtype, x.lanes)
    if not signed:
        return z
    one, zero, minus = m.const(1, x), m.const(0, x), m.const(-1, x)
    even = m.eq(m.bit_and(y, one), zero)
    inverse = m.select(m.eq(x, one), one, m.select(m.eq(x, minus), m.select(even, one, minus), zero))
    return m.select(m.lt(y, zero), inverse, z)


def gcd(m: LLVM, x: E, y: E) -> E:
    """Euclid's, not negative but for the least number; of zeros zero."""
    unsigned = f"u{x.dtype}" if m.kind(x) == "i" else x.dtype
    sizes = [m.bitcast(m.abs(v), unsigned) if m.kind(x) == "i" else v for v in (x, y)]
    cells = [m.asm.variable(unsigned, x.lanes) for _ in sizes]
    for cell, v in zip(cells, sizes, strict=True):
        m.asm.set(cell, v)

    def step() -> str:
        a, b = (m.asm.get(cell, unsigned, x.lanes) for cell in cells)
        more = m.ne(b, m.const(0, b))
        r = rem(m, a, b)
        m.asm.set(cells[0], m.select(more, b, a))
        m.asm.set(cells[1], r)
        return any_lane(m, m.ne(r, m.const(0, r)))

    m.asm.again(step)
    return m.bitcast(m.asm.get(cells[0], unsigned, x.lanes), x.dtype)


def next_after(m: LLVM, x: E, y: E) -> E:
    """The float beside `x` in the direction of `y`, by its bits."""
    integer = f"int{8 * NBYTES[x.dtype]}"
    a, b = (halves.widen(m, v) if v.dtype in HALVES else v for v in (x, y))
    bits, zero = m.bitcast(x, integer), m.const(0, a)
    one, sign = m.const(1, bits), m.const(-(1 << 8 * NBYTES[x.dtype] - 1), bits)
    same = m.eq(m.gt(a, zero), m.gt(b, zero))
    away = m.bit_and(same, m.gt(m.abs(b), m.abs(a)))
    moved = m.select(away, m.add(bits, one), m.sub(bits, one))
    least = m.bit_or(one, m.bit_and(m.bitcast(y, integer), sign))
    found = m.bitcast(m.select(m.eq(a, zero), least, moved), x.dtype)
    found = m.select(m.eq(a, b), x if x.dtype == "float16" else y, found)  # which differs for zeros alone: as NumPy
    return m.select(m.ne(a, a), x, m.select(m.ne(b, b), y, found))


FUNCTIONS: dict[str, Callable[..., E]] = {"pow": power, "gcd": gcd, "nextafter": next_after}
