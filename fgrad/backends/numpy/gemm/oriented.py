"""What a dot_general asks of a product of matrices: which axes are rows, columns, summed, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fgrad.backends.numpy.runs import Memory, Run, joined
from fgrad.ir.graph import Value

DTYPES = ("float32", "float64")


class Matrix(NamedTuple):
    """A stack of matrices in memory: a pointer, and strides in elements."""

    pointer: str
    stack: tuple[int, ...]
    row: int
    column: int

    def by_rows(self, columns: int) -> bool:
        """True if elements of a row lie side by side."""
        return self.column == 1 or columns == 1

    def readable(self, rows: int, columns: int) -> bool:
        """True if elements of a row, or of a column, lie side by side."""
        return self.by_rows(columns) or self.turned.by_rows(rows)

    @property
    def turned(self) -> Matrix:
        """The transpose."""
        return self._replace(row=self.column, column=self.row)


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

    def turned(self) -> Product:
        """The same, of the transposes: `c.T = b.T @ a.T`."""
        return Product(self.b.turned, self.a.turned, self.c.turned, self.stack, self.n, self.m, self.k, self.dtype)


def oriented(v: Value, operands: Sequence[Memory], result: Memory) -> Product | None:
    """The product that computes a dot_general; None if its summed axes do not lie as one, or elements lie apart.

    Free axes that do not join their neighbours are stacked like the shared ones.
    """
    if v.dtype.name not in DTYPES or not v.size:
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
    p = Product(left, right, made, tuple([r.size for r in stack]), m.size, n.size, k.size, v.dtype.name)
    if p.n == 1 and p.c.row == 1:  # one row of many columns fills vectors, one column does not
        p = p.turned()
    fits = p.a.readable(p.m, p.k) and p.b.readable(p.k, p.n) and p.c.by_rows(p.n)
    return p if fits else None
