"""The LLVM printer of scalar bodies: `ir.machine.Machine` over registers of one or more lanes."""

from __future__ import annotations

from typing import Any

from fgrad.backends.numpy import halves, integers
from fgrad.backends.numpy.asm import FLOATS, HALVES, NBYTES, TYPES, Asm, E, number, vector
from fgrad.backends.numpy.mathematics import FUNCTIONS, remainder
from fgrad.ir.dtypes import KINDS
from fgrad.ir.graph import Value

BITS = ("select", "bitcast", "convert", "nextafter")  # what moves the bits of halves as they are, or rounds by itself


class LLVM:
    """Prints machine operations into an Asm; all operands of one operation have equal lanes."""

    def __init__(self, asm: Asm) -> None:
        self.asm = asm

    def kind(self, x: E) -> str:
        """f, i, u or b: the kind of an element."""
        return KINDS[x.dtype]

    def const(self, value: float, like: E) -> E:
        """A number of the dtype and lanes of `like`."""
        return self.asm.splat(E(number(value, like.dtype), like.dtype, 1, float(value)), like.lanes)

    def _new(self, text: str, like: E, dtype: str | None = None) -> E:
        return E(self.asm.op(text), dtype or like.dtype, like.lanes)

    def _arith(self, f: str, i: str, x: E, y: E) -> E:
        if x.dtype == "bool":
            raise NotImplementedError(f"{f} of bools")
        return self._new(f"{f if x.dtype in FLOATS else i} {x.type} {x.text}, {y.text}", x)

    def convert(self, x: E, dtype: str) -> E:
        """Another dtype; a float out of the integer's range saturates, of a narrow one it wraps, as in C."""
        if dtype not in TYPES:
            raise NotImplementedError(f"convert to {dtype}")
        if dtype == x.dtype:
            return x
        if x.dtype in HALVES:
            return self.convert(halves.widen(self, x), dtype)
        if dtype in HALVES:
            return halves.narrow(self, halves.odd(self, x) if (x.dtype, dtype) == ("float64", "float16") else self.convert(x, "float32"), dtype)
        if dtype == "bool":
            return self.ne(x, self.const(0, x))
        if x.dtype in FLOATS and dtype not in FLOATS:
            return integers.truncated(self, x, dtype)
        wider = NBYTES[dtype] > NBYTES[x.dtype]
        signed = KINDS[x.dtype] == "i"
        if x.dtype in FLOATS:
            op = "fpext" if wider else "fptrunc"
        elif dtype in FLOATS:
            op = "sitofp" if signed else "uitofp"
        elif NBYTES[dtype] == NBYTES[x.dtype] and x.dtype != "bool":
            return x._replace(dtype=dtype, const=None)
        else:
            op = "zext" if x.dtype == "bool" else "trunc" if not wider else "sext" if signed else "zext"
        return self._new(f"{op} {x.type} {x.text} to {vector(TYPES[dtype], x.lanes)}", x, dtype)

    def whole(self, x: E, dtype: str) -> E:
        """A float that is known to be a whole number in range, as an integer: one instruction."""
        return self._new(f"fptosi {x.type} {x.text} to {vector(TYPES[dtype], x.lanes)}", x, dtype)

    def bitcast(self, x: E, dtype: str) -> E:
        """The bits as another dtype of the same width."""
        if dtype not in TYPES or "bool" in (dtype, x.dtype):
            raise NotImplementedError(f"bitcast to {dtype}")
        if TYPES[dtype] == TYPES[x.dtype]:
            return x._replace(dtype=dtype, const=None)
        return self._new(f"bitcast {x.type} {x.text} to {vector(TYPES[dtype], x.lanes)}", x, dtype)

    def add(self, x: E, y: E) -> E:
        """`x + y`."""
        return self._arith("fadd", "add", x, y)

    def sub(self, x: E, y: E) -> E:
        """`x - y`."""
        return self._arith("fsub", "sub", x, y)

    def mul(self, x: E, y: E) -> E:
        """`x * y`."""
        return self._arith("fmul", "mul", x, y)

    def div(self, x: E, y: E) -> E:
        """`x / y` of floats; of integers towards zero, 0 by zero."""
        return self._arith("fdiv", "", x, y) if x.dtype in FLOATS else integers.quotient(self, x, y)

    def fma(self, x: E, y: E, z: E) -> E:
        """`x * y + z`, rounded once."""
        return self.asm.call("fma", x, y, z)

    def rem(self, x: E, y: E) -> E:
        """C's remainder, of the sign of `x`; an integer by zero gives 0."""
        return remainder.rem(self, x, y) if x.dtype in FLOATS else integers.rem(self, x, y)

    def neg(self, x: E) -> E:
        """`-x`."""
        if x.dtype in FLOATS:
            return self._new(f"fneg {x.type} {x.text}", x)
        return self.sub(self.const(0, x), x)

    def abs(self, x: E) -> E:
        """`|x|`; the least integer stays."""
        if x.dtype in FLOATS:
            return self.asm.call("fabs", x)
        name = f"llvm.abs.{x.suffix}"
        return self._new(self.asm.intrinsic(name, x.type, (x.type, x.text), ("i1", "false")), x)

    def min(self, x: E, y: E) -> E:
        """The smaller, NaN if either is."""
        return self._extreme("minimum", "smin", "and", x, y)

    def max(self, x: E, y: E) -> E:
        """The larger, NaN if either is."""
        return self._extreme("maximum", "smax", "or", x, y)

    def _extreme(self, real: str, integer: str, boolean: str, x: E, y: E) -> E:
        if x.dtype == "bool":
            return self._new(f"{boolean} {x.type} {x.text}, {y.text}", x)
        if x.dtype in FLOATS:
            return self.asm.call(real, x, y)
        return self.asm.call(integer.replace("s", "u", 1) if KINDS[x.dtype] == "u" else integer, x, y)

    def further(self, x: E, y: E, *, largest: bool) -> E:
        """What a maximum (or minimum) of floats so far becomes by another number: NaN is kept, and so is `x` of equal ones."""
        over = self._new(f"fcmp {'ugt' if largest else 'ult'} {x.type} {y.text}, {x.text}", x, "bool")
        return self.select(self.bit_and(over, self.eq(x, x)), y, x)

    def sqrt(self, x: E) -> E:
        """Square root."""
        return self.asm.call("sqrt", x)

    def floor(self, x: E) -> E:
        """Down to a whole number."""
        return self.asm.call("floor", x)

    def ceil(self, x: E) -> E:
        """Up to a whole number."""
        return self.asm.call("ceil", x)

    def trunc(self, x: E) -> E:
        """Towards zero to a whole number."""
        return self.asm.call("trunc", x)

    def rint(self, x: E) -> E:
        """To the nearest whole number, ties to even."""
        return self.asm.call("rint", x)

    def copysign(self, x: E, y: E) -> E:
        """`|x|` with the sign of `y`."""
        return self.asm.call("copysign", x, y)

    def _compare(self, real: str, integer: str, x: E, y: E) -> E:
        if x.dtype in FLOATS:
            return self._new(f"fcmp {real} {x.type} {x.text}, {y.text}", x, "bool")
        if integer not in ("eq", "ne"):
            integer = ("s" if KINDS[x.dtype] == "i" else "u") + integer
        return self._new(f"icmp {integer} {x.type} {x.text}, {y.text}", x, "bool")

    def eq(self, x: E, y: E) -> E:
        """`x == y`."""
        return self._compare("oeq", "eq", x, y)

    def ne(self, x: E, y: E) -> E:
        """`x != y`."""
        return self._compare("une", "ne", x, y)

    def lt(self, x: E, y: E) -> E:
        """`x < y`."""
        return self._compare("olt", "lt", x, y)

    def le(self, x: E, y: E) -> E:
        """`x <= y`."""
        return self._compare("ole", "le", x, y)

    def gt(self, x: E, y: E) -> E:
        """`x > y`."""
        return self._compare("ogt", "gt", x, y)

    def ge(self, x: E, y: E) -> E:
        """`x >= y`."""
        return self._compare("oge", "ge", x, y)

    def bit_and(self, x: E, y: E) -> E:
        """`x & y`."""
        return self._new(f"and {x.type} {x.text}, {y.text}", x)

    def bit_or(self, x: E, y: E) -> E:
        """`x | y`."""
        return self._new(f"or {x.type} {x.text}, {y.text}", x)

    def bit_xor(self, x: E, y: E) -> E:
        """`x ^ y`."""
        return self._new(f"xor {x.type} {x.text}, {y.text}", x)

    def bit_not(self, x: E) -> E:
        """`~x`."""
        return self.bit_xor(x, self.const(1 if x.dtype == "bool" else -1, x))

    def shift_left(self, x: E, y: E) -> E:
        """`x << y`; 0 from the width on."""
        return self._shift("shl", x, y, self.const(0, x))

    def shift_right(self, x: E, y: E) -> E:
        """`x >> y`, the sign kept; only the sign from the width on."""
        if KINDS[x.dtype] == "u":
            return self._shift("lshr", x, y, self.const(0, x))
        return self._shift("ashr", x, y, self._new(f"ashr {x.type} {x.text}, {self.const(NBYTES[x.dtype] * 8 - 1, x).text}", x))

    def _shift(self, op: str, x: E, y: E, beyond: E) -> E:
        if y.const is not None and 0 <= y.const < NBYTES[x.dtype] * 8:
            return self._new(f"{op} {x.type} {x.text}, {y.text}", x)
        inside = self._new(f"icmp ult {y.type} {y.text}, {self.const(NBYTES[x.dtype] * 8, y).text}", x, "bool")
        count = self.select(inside, y, self.const(0, y))
        return self.select(inside, self._new(f"{op} {x.type} {x.text}, {count.text}", x), beyond)

    def mul_high(self, x: E, y: E) -> E:
        """The upper half of the product of two uint32."""
        wide = self.mul(self.convert(x, "uint64"), self.convert(y, "uint64"))
        return self.convert(self.shift_right(wide, self.const(32, wide)), "uint32")

    def select(self, c: E, x: E, y: E) -> E:
        """`x` where `c`, else `y`."""
        return self._new(f"select {c.type} {c.text}, {x.type} {x.text}, {y.type} {y.text}", x)

    def call(self, name: str, *xs: E, **params: int) -> E:
        """One of the functions that have code here."""
        function: Any = FUNCTIONS.get(name) if xs[0].dtype in FLOATS and name != "nextafter" else integers.FUNCTIONS.get(name)
        if function is None:
            raise NotImplementedError(f"{name} of {xs[0].dtype}")
        result: E = function(self, *xs, **params)
        return result


def evaluate(m: LLVM, v: Value, xs: list[E]) -> E:
    """An elementwise node from its operands; what computes with halves does it in float32 and rounds once."""
    assert v.prim is not None
    result: E
    if v.prim.name not in BITS and any(x.dtype in HALVES for x in xs):
        result = v.prim.scalar(m, *[halves.widen(m, x) if x.dtype in HALVES else x for x in xs], **v.named_params)  # type: ignore[misc]
        return m.convert(result, v.dtype.name)
    result = v.prim.scalar(m, *xs, **v.named_params)  # type: ignore[misc]  # elementwise: it has one
    return result
