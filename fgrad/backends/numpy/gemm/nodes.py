"""Products of matrices as nodes of a program: operands whose summed axes lie apart are copied to where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fgrad.backends.numpy import moves
from fgrad.backends.numpy.block import Block
from fgrad.backends.numpy.gemm.oriented import DTYPES, Product, oriented
from fgrad.backends.numpy.gemm.plan import step
from fgrad.backends.numpy.jit import host
from fgrad.backends.numpy.recipe import Recipe, emit
from fgrad.backends.numpy.runs import Memory, contiguous, elements
from fgrad.ir.graph import Value
from fgrad.passes.plan import padded

if TYPE_CHECKING:
    from fgrad.backends.numpy.native import Native

Axes = tuple[int, ...]


def is_product(v: Value) -> bool:
    """True for a product that kernels know."""
    return v.prim is not None and v.prim.name == "dot_general" and v.dtype.name in DTYPES and bool(v.size)


def laid_out(x: Value) -> Any:
    """An array that lies as `x` will, if what `x` is a form of lies in order."""
    if x.prim is None or x.prim.view_of is None or x.prim.name == "item" or x.prim.lower is None:
        return np.empty(x.shape, x.dtype)
    return x.prim.lower(np, None, *[laid_out(y) for y in x.operands], **x.named_params)


def order(v: Value, k: int, strides: Sequence[int]) -> Axes:
    """The axes of operand `k` as shared, summed and free, the summed ones in the order in which the other has them."""
    sums, shared = v.params
    pairs = sorted(zip(sums[k], [strides[i] for i in sums[1 - k]], strict=True), key=lambda p: -p[1])
    free = [i for i in range(v.operands[k].ndim) if i not in (*sums[k], *shared[k])]
    return (*shared[k], *[i for i, _ in pairs], *free)


def lain(v: Value, k: int, memories: Sequence[Memory], pointer: str) -> list[Memory]:
    """Where both operands are once `k` is copied."""
    axes, shape = order(v, k, memories[1 - k].strides), v.operands[k].shape
    steps = dict(zip(axes, contiguous([shape[i] for i in axes]), strict=True))
    moved = Memory(pointer, tuple([steps[i] for i in range(len(shape))]))
    return [moved if i == k else m for i, m in enumerate(memories)]


def plans(v: Value, memories: Sequence[Memory], pointers: Sequence[str]) -> Iterator[tuple[Axes, list[Memory]]]:
    """Which operands to copy: none, the smaller one, the larger one, both; and where they are then."""
    small = int(v.operands[1].size < v.operands[0].size)
    for copied in ((), (small,), (1 - small,), (1 - small, small)):
        places = list(memories)
        for k in copied:
            places = lain(v, k, places, pointers[k])
        yield copied, places


def chosen(v: Value, memories: Sequence[Memory], pointers: Sequence[str], result: Memory) -> tuple[Axes, list[Memory], Product] | None:
    """The first of the plans that a kernel can follow."""
    for copied, places in plans(v, memories, pointers):
        p = oriented(v, places, result)
        if p is not None:
            return copied, places, p
    return None


class Products:
    """Writes products into the functions of a program."""

    def __init__(self, native: Native) -> None:
        self.native = native

    def copies(self, v: Value) -> Axes:
        """Operands that have to be copied if all lie as planned."""
        memories = [Memory("", elements(x, laid_out(x).strides)) for x in v.operands]
        found = chosen(v, memories, ("", ""), Memory("", elements(v, None)))
        return found[0] if found is not None else ()

    def scratch(self, v: Value) -> int:
        """Working memory: copies of operands."""
        return sum([padded(v.operands[k].type.nbytes) for k in self.copies(v)]) if is_product(v) else 0

    def step(self, block: Block, v: Value) -> bool:
        """Writes a product; False if it has to stay a call of NumPy."""
        native = self.native
        if not is_product(v) or not native.reachable(block, v):
            return False
        at, pointers = block.base + block.plan.scratch.get(v, 0), ["", ""]
        for k in self.copies(v):
            pointers[k] = native.arena(at)
            at += padded(v.operands[k].type.nbytes)
        memories = [native.memory(block, x) for x in v.operands]
        found = chosen(v, memories, pointers, Memory(native.slot(block, (v, 0), v), elements(v, None)))
        if found is None or not all([pointers[k] for k in found[0]]):
            return False
        copied, places, p = found
        for k in copied:
            x = v.operands[k]
            writer = moves.Moves(native.asm, x, host().lanes)
            writer.copy(x.shape, memories[k], places[k].pointer, places[k].strides)
        todo = step(p)
        emit(native.asm, Recipe((todo,), 0), {"a": p.a.pointer, "b": p.b.pointer, "c": p.c.pointer})
        return True
