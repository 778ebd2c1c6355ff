"""Kernels over ranges of tasks, as LLVM text: whole numbers with operators, loops and branches with run-time bounds.

A kernel is `void @name(ptr args, i64 lo, i64 hi)`: it does parts `lo` to `hi` of its tasks, which do not depend on each
other. `args` are words of 8 bytes: tasks in a part, tasks in all, then addresses and sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fgrad.backends.numpy.asm import NBYTES, TYPES, Asm, E, number, vector
from fgrad.backends.numpy.jit import host

NAME = "fgrad_kernel"  # of every kernel, until the table gives it one by its text
WIDTH = 'attributes #0 = { nounwind "prefer-vector-width"="512" "probe-stack"="inline-asm" }'  # frames may be large


def name_of(text: str) -> str:
    """The name under which other code calls a kernel."""
    return f"{NAME}_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def lanes_for(dtype: str) -> int:
    """Numbers in a vector register."""
    return max(2, host().lanes * 4 // NBYTES[dtype])


def registers() -> int:
    """Vector registers that the processor has."""
    return 16 if host().lanes == 8 or (host().lanes == 4 and "sse" in host().features) else 32


class N:
    """A whole number in a kernel: known now (`int`) or at run time (text)."""

    __slots__ = ("code", "x")

    def __init__(self, code: Code, x: int | str) -> None:
        self.code, self.x = code, x

    def __str__(self) -> str:
        return str(self.x)

    def _apply(self, op: str, a: N | int, b: N | int) -> N:
        return N(self.code, self.code.op(f"{op} i64 {a}, {b}"))

    def __add__(self, y: N | int) -> N:
        y = self.code.n(y)
        if isinstance(self.x, int) and isinstance(y.x, int):
            return N(self.code, self.x + y.x)
        if y.x == 0:
            return self
        return y if self.x == 0 else self._apply("add nsw", self, y)

    def __sub__(self, y: N | int) -> N:
        y = self.code.n(y)
        if isinstance(self.x, int) and isinstance(y.x, int):
            return N(self.code, self.x - y.x)
        return self if y.x == 0 else self._apply("sub nsw", self, y)

    def __mul__(self, y: N | int) -> N:
        y = self.code.n(y)
        if isinstance(self.x, int) and isinstance(y.x, int):
            return N(self.code, self.x * y.x)
        if self.x == 0 or y.x == 1:
            return self
        return y if y.x == 0 or self.x == 1 else self._apply("mul nsw", self, y)

    def __floordiv__(self, y: N | int) -> N:
        """Quotient of numbers that are not negative."""
        y = self.code.n(y)
        if isinstance(self.x, int) and isinstance(y.x, int):
            return N(self.code, self.x // y.x)
        return self if y.x == 1 else self._apply("sdiv", self, y)

    def __mod__(self, y: N | int) -> N:
        """Remainder, with the sign of the dividend."""
        return N(self.code, 0) if self.code.n(y).x == 1 else self._apply("srem", self, y)

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, y: N | int) -> str:
        return self.code.op(f"icmp slt i64 {self}, {y}")

    def __ge__(self, y: N | int) -> str:
        return self.code.op(f"icmp sge i64 {self}, {y}")

    def same(self, y: N | int) -> str:
        """True if both are equal."""
        return self.code.op(f"icmp eq i64 {self}, {y}")

    def min(self, y: N | int) -> N:
        """The smaller of the two."""
        return self.code.select(self < y, self, self.code.n(y))

    def max(self, y: N | int) -> N:
        """The larger of the two."""
        return self.code.select(self < y, self.code.n(y), self)


class Code(Asm):
    """One kernel being written, on numbers of one dtype."""

    def __init__(self, dtype: str, lanes: int) -> None:
        super().__init__()
        self.dtype, self.lanes, self.kind = dtype, lanes, TYPES[dtype]
        self.bytes = NBYTES[dtype]
        self.args = self.entry("getelementptr inbounds i64, ptr %args, i64 2")
        each, every = self.words(2, -2)
        self.lo = N(self, self.entry(f"mul nsw i64 %lo, {each}"))
        end = self.entry(f"mul nsw i64 %hi, {each}")
        self.hi = N(self, self.entry(f"call i64 @llvm.smin.i64(i64 {end}, i64 {every})"))
        self.declares["llvm.smin.i64"] = "declare i64 @llvm.smin.i64(i64, i64)"

    # ------------------------------------------------------------------ whole numbers and addresses
    def n(self, x: N | int) -> N:
        """`x` as a number of this kernel."""
        return x if isinstance(x, N) else N(self, x)

    def word(self, k: int) -> N:
        """Argument `k` as a number, read once at the start."""
        at = self.entry(f"getelementptr inbounds i64, ptr {self.args}, i64 {k}")
        return N(self, self.entry(f"load i64, ptr {at}"))

    def words(self, count: int, start: int = 0) -> list[N]:
        """`count` arguments in order."""
        return [self.word(start + k) for k in range(count)]

    def argument(self, index: N) -> N:
        """The argument with a number known at run time."""
        return self.cell(self.args, index)

    def pointer(self, k: int) -> str:
        """Argument `k` as an address."""
        at = self.entry(f"getelementptr inbounds ptr, ptr {self.args}, i64 {k}")
        return self.entry(f"load ptr, ptr {at}")

    def cell(self, table: str, index: N | int) -> N:
        """A whole number in a table in memory."""
        return N(self, self.op(f"load i64, ptr {self.op(f'getelementptr inbounds i64, ptr {table}, i64 {index}')}"))

    def set_cell(self, table: str, index: N | int, x: N | str) -> None:
        """Writes a whole number to a table in memory."""
        self.do(f"store i64 {x}, ptr {self.op(f'getelementptr inbounds i64, ptr {table}, i64 {index}')}")

    def at(self, pointer: str, index: N | int) -> str:
        """The address `index` elements on."""
        return pointer if self.n(index).x == 0 else self.offset(pointer, str(index), self.dtype)

    def select(self, condition: str, a: N, b: N) -> N:
        """`a` if the condition holds, else `b`."""
        return N(self, self.op(f"select i1 {condition}, i64 {a}, i64 {b}"))

    def both(self, a: str, b: str) -> str:
        """True if both are."""
        return self.op(f"and i1 {a}, {b}")

    def opaque(self, pointer: str) -> str:
        """The same address under a name that hides where it is from: loads through it are not kept in registers."""
        return self.op(f'call ptr asm sideeffect "", "=r,0,~{{memory}}"(ptr {pointer})')

    def split(self, index: N, lengths: Sequence[N | int]) -> list[N]:
        """A number as coordinates in a box, the last one running fastest; the first has no bound."""
        out: list[N] = []
        for length in reversed(lengths):
            quotient = index // length
            out.append(index - quotient * length)
            index = quotient
        return [index, *reversed(out)]

    # ------------------------------------------------------------------ control
    @contextmanager
    def each(self, start: N | int, stop: N | int, step: N | int = 1) -> Iterator[N]:
        """`for i in range(start, stop, step)`."""
        self.count += 1
        k = self.count
        start, stop = self.n(start), self.n(stop)
        cell = self.entry("alloca i64")
        self.do(f"store i64 {start}, ptr {cell}")
        if isinstance(start.x, int) and isinstance(stop.x, int):
            self.do(f"br label %{'loop' if start.x < stop.x else 'done'}{k}")
        else:
            self.do(f"br i1 {start < stop}, label %loop{k}, label %done{k}")
        self.lines.append(f"loop{k}:")
        i = N(self, self.op(f"load i64, ptr {cell}"))
        yield i
        following = self.op(f"add nsw i64 {i}, {step}")
        self.do(f"store i64 {following}, ptr {cell}")
        self.do(f"br i1 {N(self, following) < stop}, label %loop{k}, label %done{k}")
        self.lines.append(f"done{k}:")

    @contextmanager
    def only(self, condition: str) -> Iterator[None]:
        """What is written inside runs only if the condition holds."""
        self.count += 1
        k = self.count
        self.do(f"br i1 {condition}, label %then{k}, label %fi{k}")
        self.lines.append(f"then{k}:")
        yield
        self.do(f"br label %fi{k}")
        self.lines.append(f"fi{k}:")

    # ------------------------------------------------------------------ numbers in vectors
    def value(self, x: float, lanes: int | None = None) -> E:
        """A constant in every lane."""
        return self.splat(E(number(x, self.dtype), self.dtype, 1, x), lanes or self.lanes)

    def fma(self, a: E, b: E | float, c: E) -> E:
        """a * b + c, rounded once."""
        return self.call("fma", a, b if isinstance(b, E) else self.value(b, a.lanes), c)

    def add(self, a: E, b: E) -> E:
        """a + b."""
        return E(self.op(f"fadd {a.type} {a.text}, {b.text}"), a.dtype, a.lanes)

    def sub(self, a: E, b: E) -> E:
        """a - b."""
        return E(self.op(f"fsub {a.type} {a.text}, {b.text}"), a.dtype, a.lanes)

    def mul(self, a: E, b: E | float) -> E:
        """a * b."""
        y = b if isinstance(b, E) else self.value(b, a.lanes)
        return E(self.op(f"fmul {a.type} {a.text}, {y.text}"), a.dtype, a.lanes)

    def read(self, pointer: str, index: N | int = 0, lanes: int | None = None, mask: str | None = None) -> E:
        """Elements from memory, `index` elements on; lanes outside the mask are zero."""
        return self.load(self.at(pointer, index), self.dtype, lanes or self.lanes, mask)

    def write(self, x: E, pointer: str, index: N | int = 0, mask: str | None = None) -> None:
        """Elements to memory."""
        self.store(x, self.at(pointer, index), mask)

    def repeat(self, pointer: str, index: N | int = 0) -> E:
        """One element from memory in every lane."""
        return self.splat(self.read(pointer, index, 1), self.lanes)

    def cells(self, count: int, start: float = 0.0) -> list[str]:
        """Registers for sums, set to `start`."""
        names = [self.variable(self.dtype, self.lanes) for _ in range(count)]
        for name in names:
            self.set(name, self.value(start))
        return names

    def sums(self, names: Sequence[str]) -> list[E]:
        """What registers hold."""
        return [self.get(name, self.dtype, self.lanes) for name in names]

    def keep(self, names: Sequence[str], values: Sequence[E]) -> None:
        """Sets registers."""
        for name, x in zip(names, values, strict=True):
            self.set(name, x)

    def below(self, count: N | int) -> str:
        """A mask of the first `count` lanes."""
        L = self.lanes  # noqa: N806
        many = vector("i64", L)
        one = self.op(f"insertelement {many} poison, i64 {count}, i32 0")
        bound = self.op(f"shufflevector {many} {one}, {many} poison, <{L} x i32> zeroinitializer")
        return self.op(f"icmp slt {many} <{', '.join(f'i64 {i}' for i in range(L))}>, {bound}")

    def spread(self, pointer: str, step: N) -> str:
        """Addresses for all lanes, `step` elements apart."""
        L = self.lanes  # noqa: N806
        many = vector("i64", L)
        one = self.op(f"insertelement {many} poison, i64 {step}, i32 0")
        steps = self.op(f"shufflevector {many} {one}, {many} poison, <{L} x i32> zeroinitializer")
        index = self.op(f"mul {many} {steps}, <{', '.join(f'i64 {i}' for i in range(L))}>")
        return self.op(f"getelementptr inbounds {self.kind}, ptr {pointer}, {many} {index}")

    def gather(self, addresses: str, mask: str) -> E:
        """One element from each address; zero outside the mask."""
        L = self.lanes  # noqa: N806
        kind = vector(self.kind, L)
        name = f"llvm.masked.gather.v{L}{'f32' if self.bytes == 4 else 'f64'}.v{L}p0"
        call = self.intrinsic(
            name, kind, (f"<{L} x ptr>", addresses), ("i32", str(self.bytes)), (f"<{L} x i1>", mask), (kind, "zeroinitializer")
        )
        return E(self.op(call), self.dtype, L)

    def scatter(self, x: E, addresses: str, mask: str) -> None:
        """One element to each address in the mask."""
        L = self.lanes  # noqa: N806
        name = f"llvm.masked.scatter.v{L}{'f32' if self.bytes == 4 else 'f64'}.v{L}p0"
        self.do(self.intrinsic(name, "void", (x.type, x.text), (f"<{L} x ptr>", addresses), ("i32", str(self.bytes)), (f"<{L} x i1>", mask)))

    def copy(self, target: str, source: str, count: N | int) -> None:
        """`count` elements from one place to another."""
        nbytes = self.n(count) * self.bytes
        self.do(self.intrinsic("llvm.memcpy.p0.p0.i64", "void", ("ptr", target), ("ptr", source), ("i64", str(nbytes)), ("i1", "false")))

    def clear(self, target: str, count: N | int) -> None:
        """Zeros to `count` elements."""
        nbytes = self.n(count) * self.bytes
        self.do(self.intrinsic("llvm.memset.p0.i64", "void", ("ptr", target), ("i8", "0"), ("i64", str(nbytes)), ("i1", "false")))

    # ------------------------------------------------------------------ working memory and the finished kernel
    @contextmanager
    def working(self, memory: str, size: N) -> Iterator[str]:
        """A stretch of `size` elements that no other call has meanwhile.

        The first word of `memory` has a bit for each stretch that is taken; the stretches follow 64 bytes on. There
        are as many as threads may run; the lowest free one is the warmest.
        """
        self.count += 1
        k = self.count
        self.do(f"br label %claim{k}")
        self.lines.append(f"claim{k}:")
        seen = self.op(f"load atomic i64, ptr {memory} monotonic, align 8")
        free = self.op(f"xor i64 {seen}, -1")
        lowest = self.op(f"and i64 {free}, {self.op(f'sub i64 0, {free}')}")
        before = self.op(f"atomicrmw or ptr {memory}, i64 {lowest} acquire")
        taken = self.op(f"icmp eq i64 {self.op(f'and i64 {before}, {lowest}')}, {lowest}")  # or there is none
        self.do(f"br i1 {taken}, label %claim{k}, label %claimed{k}")
        self.lines.append(f"claimed{k}:")
        number_ = self.op(self.intrinsic("llvm.cttz.i64", "i64", ("i64", lowest), ("i1", "false")))
        yield self.at(memory, N(self, number_) * size + 64 // self.bytes)
        self.op(f"atomicrmw and ptr {memory}, i64 {self.op(f'xor i64 {lowest}, -1')} release")

    def text(self) -> str:
        """The module of the finished kernel."""
        body = "\n".join([*self.head, *self.lines, "  ret void"])
        define = f"define void @{NAME}(ptr %args, i64 %lo, i64 %hi) #0 {{\nentry:\n{body}\n}}\n"
        return "\n".join([define, *self.declares.values(), WIDTH, ""])
