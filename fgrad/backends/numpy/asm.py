"""LLVM text: lines, fresh names, loops over counters (allocas; `sroa` makes registers of them)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fgrad.ir.dtypes import dtype_of

FLOATS = ("float32", "float64")
INTEGERS = tuple(f"{kind}{8 * n}" for kind in ("uint", "int") for n in (1, 2, 4, 8))
HALVES = ("float16", "bfloat16")  # in registers as their bits
NBYTES = {"float32": 4, "float64": 8, "bool": 1, **{name: int(name.strip("uint")) // 8 for name in INTEGERS}, **dict.fromkeys(HALVES, 2)}
TYPES = {"float32": "float", "float64": "double", "bool": "i1", **{name: f"i{8 * NBYTES[name]}" for name in (*INTEGERS, *HALVES)}}
MEMORY = {**TYPES, "bool": "i8"}
SUFFIX = {**TYPES, "float32": "f32", "float64": "f64"}


MARK = "; launch {}"  # where the lines of a call go


class E(NamedTuple):
    """A value in registers: its text, dtype and number of lanes; `const` if it is one known number."""

    text: str
    dtype: str
    lanes: int
    const: float | None = None

    @property
    def type(self) -> str:
        """Its LLVM type."""
        return vector(TYPES[self.dtype], self.lanes)

    @property
    def suffix(self) -> str:
        """Its type in the name of an intrinsic."""
        return (f"v{self.lanes}" if self.lanes > 1 else "") + SUFFIX[self.dtype]


def vector(kind: str, lanes: int) -> str:
    """The type of `lanes` of `kind`."""
    return kind if lanes == 1 else f"<{lanes} x {kind}>"


def number(value: float, dtype: str) -> str:
    """A constant as LLVM text; floats by their bits, rounded to the type."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype in INTEGERS:
        bits = 8 * NBYTES[dtype]
        return str((int(value) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1))
    if dtype in HALVES:
        with np.errstate(over="ignore"):
            return str(int(np.asarray(value, dtype_of(dtype)).view(np.int16)))
    exact = float(np.float32(value)) if dtype == "float32" else float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"


class Address(NamedTuple):
    """So many bytes after a pointer."""

    pointer: str
    offset: int = 0


class Launch(NamedTuple):
    """A call of a kernel that is still to be written: its text, the words it is given, and how many parts it does."""

    text: str
    words: tuple[int | Address, ...]
    parts: int
    varies: bool  # numbers in the text may become words after the others


class Asm:
    """One function being written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.head: list[str] = []  # allocas and what every path needs
        self.declares: dict[str, str] = {}
        self.launches: list[Launch] = []
        self.places: dict[str, int] = {}  # names of pointers into the arena: how far
        self.count = 0

    def new(self) -> str:
        """A fresh register name."""
        self.count += 1
        return f"%v{self.count}"

    def op(self, text: str) -> str:
        """An instruction with a result."""
        name = self.new()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """An instruction without one."""
        self.lines.append(f"  {text}")

    def entry(self, text: str) -> str:
        """An instruction at the start of the function."""
        name = self.new()
        self.head.append(f"  {name} = {text}")
        return name

    def intrinsic(self, name: str, result: str, *args: tuple[str, str], flags: str = "") -> str:
        """A call of an intrinsic, declared once; args are (type, text)."""
        types = ", ".join(t for t, _ in args)
        self.declares[name] = f"declare {result} @{name}({types})"
        return f"call {flags}{result} @{name}({', '.join(f'{t} {x}' for t, x in args)})"

    def launch(self, launch: Launch) -> None:
        """A call of a kernel here; its lines follow when all kernels are known."""
        self.do(MARK.format(len(self.launches)))
        self.launches.append(launch)

    def call(self, name: str, x: E, *more: E) -> E:
        """An intrinsic over values of one type, named without its suffix."""
        full = f"llvm.{name}.{x.suffix}"
        text = self.intrinsic(full, x.type, *[(y.type, y.text) for y in (x, *more)])
        return E(self.op(text), x.dtype, x.lanes)

    def variable(self, dtype: str, lanes: int) -> str:
        """A register cell."""
        return self.entry(f"alloca {vector(TYPES[dtype], lanes)}, align 64")

    def get(self, cell: str, dtype: str, lanes: int) -> E:
        """What a cell holds."""
        return E(self.op(f"load {vector(TYPES[dtype], lanes)}, ptr {cell}"), dtype, lanes)

    def set(self, cell: str, x: E) -> None:
        """Stores to a cell."""
        self.do(f"store {x.type} {x.text}, ptr {cell}")

    def offset(self, pointer: str, index: str, dtype: str) -> str:
        """The address `index` elements on."""
        return self.op(f"getelementptr inbounds {MEMORY[dtype]}, ptr {pointer}, i64 {index}")

    def loop(self, start: int | str, stop: int | str, step: int, body: Callable[[str], None]) -> None:
        """`for i in range(start, stop, step)`; bounds are numbers or registers, and one pass is written without a loop."""
        known = isinstance(start, int) and isinstance(stop, int)
        if isinstance(start, int) and isinstance(stop, int) and stop - start <= step:
            if stop > start:
                body(str(start))
            return
        self.count += 1
        n = self.count
        cell = self.entry("alloca i64")
        self.do(f"store i64 {start}, ptr {cell}")
        if known:
            self.do(f"br label %loop{n}")
        else:
            self.do(f"br i1 {self.op(f'icmp slt i64 {start}, {stop}')}, label %loop{n}, label %done{n}")
        self.lines.append(f"loop{n}:")
        i = self.op(f"load i64, ptr {cell}")
        body(i)
        following = self.op(f"add nuw nsw i64 {i}, {step}")
        self.do(f"store i64 {following}, ptr {cell}")
        self.do(f"br i1 {self.op(f'icmp slt i64 {following}, {stop}')}, label %loop{n}, label %done{n}")
        self.lines.append(f"done{n}:")

    def least(self, x: str, y: int) -> str:
        """The smaller of a count and a number."""
        return self.op(self.intrinsic("llvm.smin.i64", "i64", ("i64", x), ("i64", str(y))))

    def when(self, condition: str, body: Callable[[], None]) -> None:
        """`if condition: body`."""
        self.count += 1
        n = self.count
        self.do(f"br i1 {condition}, label %then{n}, label %else{n}")
        self.lines.append(f"then{n}:")
        body()
        self.do(f"br label %else{n}")
        self.lines.append(f"else{n}:")

    def during(self, condition: Callable[[], str], body: Callable[[], None]) -> None:
        """`while condition(): body()`."""
        self.count += 1
        n = self.count
        self.do(f"br label %test{n}")
        self.lines.append(f"test{n}:")
        self.do(f"br i1 {condition()}, label %step{n}, label %left{n}")
        self.lines.append(f"step{n}:")
        body()
        self.do(f"br label %test{n}")
        self.lines.append(f"left{n}:")

    def again(self, body: Callable[[], str]) -> None:
        """`do condition = body() while condition`."""
        self.count += 1
        n = self.count
        self.do(f"br label %again{n}")
        self.lines.append(f"again{n}:")
        self.do(f"br i1 {body()}, label %again{n}, label %over{n}")
        self.lines.append(f"over{n}:")

    def splat(self, x: E, lanes: int) -> E:
        """One number in every lane."""
        if x.lanes == lanes:
            return x
        if x.const is not None:
            return E(f"splat ({TYPES[x.dtype]} {x.text})", x.dtype, lanes, x.const)
        many = vector(TYPES[x.dtype], lanes)
        one = self.op(f"insertelement {many} poison, {x.type} {x.text}, i32 0")
        text = self.op(f"shufflevector {many} {one}, {many} poison, <{lanes} x i32> zeroinitializer")
        return E(text, x.dtype, lanes)

    def load(self, pointer: str, dtype: str, lanes: int, mask: str | None = None) -> E:
        """Elements from memory; lanes outside the mask are zero."""
        kind, align = vector(MEMORY[dtype], lanes), NBYTES[dtype]
        if mask is None:
            text = self.op(f"load {kind}, ptr {pointer}, align {align}")
        else:
            name = f"llvm.masked.load.v{lanes}{'i8' if dtype == 'bool' else SUFFIX[dtype]}.p0"
            mask_type = f"<{lanes} x i1>"
            text = self.op(self.intrinsic(name, kind, ("ptr", pointer), ("i32", str(align)), (mask_type, mask), (kind, "zeroinitializer")))
        if dtype == "bool":
            text = self.op(f"icmp ne {kind} {text}, zeroinitializer" if lanes > 1 else f"icmp ne i8 {text}, 0")
        return E(text, dtype, lanes)

    def turned(self, rows: Sequence[str], kind: str) -> list[str]:
        """The columns of as many vectors as each has elements, a power of two."""
        n = len(rows)
        many = vector(kind, n)
        halves = [", ".join(f"i32 {k // 2 + n * (k % 2)}" for k in range(first, first + n)) for first in (0, n)]
        found = list(rows)
        for _ in range(n.bit_length() - 1):  # perfect shuffles of halves: after log2(n) of them rows are columns
            pairs = list(zip(found[: n // 2], found[n // 2 :], strict=True))
            found = [self.op(f"shufflevector {many} {a}, {many} {b}, <{n} x i32> <{mask}>") for a, b in pairs for mask in halves]
        return found

    def store(self, x: E, pointer: str, mask: str | None = None) -> None:
        """Elements to memory, only lanes in the mask."""
        kind, align, text = vector(MEMORY[x.dtype], x.lanes), NBYTES[x.dtype], x.text
        if x.dtype == "bool":
            text = self.op(f"zext {x.type} {text} to {kind}")
        if mask is None:
            self.do(f"store {kind} {text}, ptr {pointer}, align {align}")
        elif mask.count("i1 1") == 1 and mask.startswith("<i1 1"):  # LLVM would store what was narrowed just before in its old width
            one = self.op(f"extractelement {kind} {text}, i32 0")
            self.do(f"store {MEMORY[x.dtype]} {one}, ptr {pointer}, align {align}")
        else:
            name = f"llvm.masked.store.v{x.lanes}{'i8' if x.dtype == 'bool' else SUFFIX[x.dtype]}.p0"
            self.do(self.intrinsic(name, "void", (kind, text), ("ptr", pointer), ("i32", str(align)), (f"<{x.lanes} x i1>", mask)))
