"""Matrix products inside kernels: calls of the BLAS that NumPy brings, at one thread each, cut into tasks for ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fgrad.backends.numpy.asm import TYPES, Asm
from fgrad.backends.numpy.runs import Memory, Run, joined
from fgrad.backends.numpy.tasks import spread
from fgrad.ir.graph import Value

LETTER = {"float32": "s", "float64": "d"}
ORDER, PLAIN, TURNED = 101, 111, 112  # CBLAS: by rows, as it lies, transposed
WORTH = 1_000_000  # flops below which one thread does all
SPEED = 100  # flops in a nanosecond, of one thread
UNIT = 16  # rows or columns that a part is a multiple of


class Matrix(NamedTuple):
    """A stack of matrices in memory: a pointer, and strides in elements."""

    pointer: str
    stack: tuple[int, ...]
    row: int
    column: int

    def by_rows(self, rows: int, columns: int) -> bool:
        """True if elements of a row lie side by side, and rows do not overlap."""
        return (self.column == 1 or columns == 1) and (self.row >= columns or rows == 1)

    def dense(self, rows: int, columns: int) -> bool:
        """True if BLAS can read it, as it is or transposed."""
        return self.by_rows(rows, columns) or self._replace(row=self.column, column=self.row).by_rows(columns, rows)


class Product(NamedTuple):
    """`c[i] = a[i] @ b[i]` over a stack: [m, k] by [k, n]."""

    a: Matrix
    b: Matrix
    c: Matrix
    stack: tuple[int, ...]
    m: int
    n: int
    k: int
    dtype: str


def oriented(v: Value, operands: Sequence[Memory], result: Memory) -> Product | None:
    """What BLAS is asked for to compute a dot_general; None if its summed axes do not lie as one, or elements lie apart.

    Free axes that do not join their neighbours are stacked like the shared ones.
    """
    if v.dtype.name not in LETTER or not v.size:
        return None
    (sums_a, sums_b), (shared_a, shared_b) = v.params
    x, y = v.operands
    arrays = (*operands, result)
    a, b, c = (x.strides for x in arrays)
    free_a = [i for i in range(x.ndim) if i not in (*sums_a, *shared_a)]
    free_b = [i for i in range(y.ndim) if i not in (*sums_b, *shared_b)]
    first, second = len(shared_a), len(shared_a) + len(free_a)
    summed = [Run(x.shape[i], (a[i], b[j])) for i, j in zip(sums_a, sums_b, strict=True)]
    inner = joined(sorted(summed, key=lambda r: (-r.strides[0], -r.strides[1])))
    stack = [Run(x.shape[i], (a[i], b[j], c[n])) for n, (i, j) in enumerate(zip(shared_a, shared_b, strict=True))]
    rows = joined([Run(x.shape[i], (a[i], 0, c[first + n])) for n, i in enumerate(free_a)])
    columns = joined([Run(y.shape[i], (0, b[i], c[second + n])) for n, i in enumerate(free_b)])
    if len(inner) > 1 or any(not r.size for r in summed):
        return None
    k = inner[0] if inner else Run(1, (1, 1))
    m = max(rows, key=lambda r: r.size, default=Run(1, (k.size, 0, 1)))
    n = columns[-1] if columns else Run(1, (0, 1, 1))
    stack = [r for r in (*stack, *[r for r in (*rows, *columns) if r is not m and r is not n]) if r.size != 1]
    pairs = ((m.strides[0], k.strides[0]), (k.strides[1], n.strides[1]), (m.strides[2], n.strides[2]))
    left, right, made = (
        Matrix(x.pointer, tuple([r.strides[i] for r in stack]), *pair) for i, (x, pair) in enumerate(zip(arrays, pairs, strict=True))
    )
    fits = left.dense(m.size, k.size) and right.dense(k.size, n.size) and made.by_rows(m.size, n.size)
    return Product(left, right, made, tuple([r.size for r in stack]), m.size, n.size, k.size, v.dtype.name) if fits else None


def parts(p: Product) -> tuple[int, int, bool]:
    """Into how many parts each product is cut, rows or columns in a part, and whether it is columns: by sizes alone."""
    flops = 2 * p.m * p.n * p.k * math.prod(p.stack)
    wanted = 1 if flops < WORTH else 2 if flops < 20 * WORTH else 4 if flops < 500 * WORTH else 16
    wanted = -(-wanted // max(math.prod(p.stack), 1))
    columns = p.n >= p.m
    size = p.n if columns else p.m
    length = -(-size // (wanted * UNIT)) * UNIT
    return (1, size, columns) if length >= size else (-(-size // length), length, columns)


class Emitter:
    """Writes one product into a function over tasks, or in line."""

    def __init__(self, asm: Asm, p: Product) -> None:
        self.asm, self.p = asm, p
        self.count, self.length, self.columns = parts(p)

    def item(self, t: str) -> None:
        """Part `t % count` of product `t // count`."""
        p, asm = self.p, self.asm
        at, part = (t, "0") if self.count == 1 else (asm.op(f"udiv i64 {t}, {self.count}"), asm.op(f"urem i64 {t}, {self.count}"))
        a, b, c = (self.stacked(x, at) for x in (p.a, p.b, p.c))
        m, n = str(p.m), str(p.n)
        if self.count > 1:
            start = asm.op(f"mul nuw nsw i64 {part}, {self.length}")
            rest = asm.op(f"sub i64 {p.n if self.columns else p.m}, {start}")
            size = asm.least(rest, self.length)
            if self.columns:
                n, b, c = size, self.moved(b, start, p.b.column), self.moved(c, start, p.c.column)
            else:
                m, a, c = size, self.moved(a, start, p.a.row), self.moved(c, start, p.c.row)
        if p.n == 1:
            self.vector(p.a, a, m, p.k, b, p.b.row, c, p.c.row)
        elif p.m == 1:
            self.vector(p.b._replace(row=p.b.column, column=p.b.row), b, n, p.k, a, p.a.column, c, p.c.column)
        else:
            self.matrix(a, b, c, m, n)

    def moved(self, pointer: str, index: str, stride: int) -> str:
        """A pointer so many rows or columns on."""
        return self.asm.offset(pointer, self.asm.op(f"mul nsw i64 {index}, {stride}"), self.p.dtype)

    def stacked(self, x: Matrix, at: str) -> str:
        """A pointer to one matrix of a stack."""
        pointer = x.pointer
        for d, stride in zip(reversed(self.p.stack), reversed(x.stack), strict=True):
            if d == 1:
                continue
            index, at = self.asm.op(f"urem i64 {at}, {d}"), self.asm.op(f"udiv i64 {at}, {d}")
            if stride:
                pointer = self.moved(pointer, index, stride)
        return pointer

    def layout(self, x: Matrix, rows: int, columns: int) -> tuple[int, int]:
        """Transposed or not, and the leading dimension."""
        if x.by_rows(rows, columns):
            return PLAIN, max(x.row if rows > 1 else 0, columns, 1)
        return TURNED, max(x.column if columns > 1 else 0, rows, 1)

    def matrix(self, a: str, b: str, c: str, m: str, n: str) -> None:
        """Matrix by matrix."""
        p, real = self.p, TYPES[self.p.dtype]
        turn_a, lda = self.layout(p.a, p.m, p.k)
        turn_b, ldb = self.layout(p.b, p.k, p.n)
        ldc = max(p.c.row if p.m > 1 else 0, p.n)
        self.call("gemm", f"i32 {ORDER}, i32 {turn_a}, i32 {turn_b}, i64 {m}, i64 {n}, i64 {p.k}, {real} 1.0, ptr {a}, i64 {lda}, "
                  f"ptr {b}, i64 {ldb}, {real} 0.0, ptr {c}, i64 {ldc}")  # fmt: skip

    def vector(self, x: Matrix, pointer: str, rows: str, columns: int, v: str, step: int, out: str, to: int) -> None:
        """Matrix by vector; rows: how many of the matrix's, all or a part."""
        real = TYPES[self.p.dtype]
        turn, ld = self.layout(x, self.p.m if self.p.n == 1 else self.p.n, columns)
        m, n = (rows, columns) if turn == PLAIN else (columns, rows)
        self.call("gemv", f"i32 {ORDER}, i32 {turn}, i64 {m}, i64 {n}, {real} 1.0, ptr {pointer}, i64 {ld}, "
                  f"ptr {v}, i64 {max(step, 1)}, {real} 0.0, ptr {out}, i64 {max(to, 1)}")  # fmt: skip

    def call(self, kind: str, args: str) -> None:
        """A call of the library."""
        name = f"fgrad_{LETTER[self.p.dtype]}{kind}"
        types = ", ".join(a.rsplit(" ", 1)[0] for a in args.split(", "))
        self.asm.declares[name] = f"declare void @{name}({types})"
        self.asm.do(f"call void @{name}({args})")


def emit(asm: Asm, p: Product, name: str) -> str | None:
    """Appends a product to a function; returns the text of the function over tasks, `name`, if it needs one."""
    products = math.prod(p.stack)
    time = 2 * p.m * p.n * p.k * products / SPEED

    def body(inner: Asm, names: Mapping[str, str], t: str) -> None:
        a, b, c = (x._replace(pointer=names[x.pointer]) for x in (p.a, p.b, p.c))
        Emitter(inner, p._replace(a=a, b=b, c=c)).item(t)

    return spread(asm, name, [x.pointer for x in (p.a, p.b, p.c)], products * parts(p)[0], time, body)
