"""What a convolution or a product comes to: kernels one after the other, with the words of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from fgrad.backends.numpy.asm import Asm
from fgrad.backends.numpy.code import name_of
from fgrad.backends.numpy.tasks import PARALLEL

ALIGN = 64
PARTS = 16  # pieces that a kernel's tasks are given out in, at most
SLOTS = min(os.cpu_count() or 1, 64)  # working memories that one kernel has: no more threads run at a time
FREE = -1 << SLOTS if SLOTS < 64 else 0  # the word that claims no working memory: bits past the last are set


class Place(NamedTuple):
    """An address: an operand by name ("x", "w", "y"), or a number of bytes into the memory of the recipe ("memory")."""

    name: str
    offset: int = 0


Word = int | Place


class Step(NamedTuple):
    """One kernel: its text, its arguments after the first two, and how many tasks it has."""

    text: str
    words: tuple[Word, ...]
    tasks: int
    claims: int = -1  # offset of the word that tells which working memories are taken; -1: it uses none

    @property
    def chunk(self) -> int:
        """Tasks of a part."""
        return max(1, -(-self.tasks // PARTS))

    @property
    def parts(self) -> int:
        """Parts that may run at a time."""
        return -(-self.tasks // self.chunk)


class Recipe(NamedTuple):
    """Kernels in order, and the bytes of memory they share."""

    steps: tuple[Step, ...]
    nbytes: int


class Memory:
    """Stretches of a recipe's memory."""

    def __init__(self) -> None:
        self.nbytes = 0

    def take(self, nbytes: int) -> Place:
        """A stretch of its own."""
        at = self.nbytes
        self.nbytes += -(-nbytes // ALIGN) * ALIGN
        return Place("memory", at)

    def working(self, nbytes: int) -> tuple[Place, int]:
        """Working memories for all threads: where they are and the bytes of each, a multiple of ALIGN."""
        each = -(-nbytes // ALIGN) * ALIGN
        return self.take(ALIGN + SLOTS * each), each


def emit(asm: Asm, recipe: Recipe, addresses: Mapping[str, str]) -> None:
    """The calls of a recipe's kernels, on threads. addresses: of its arrays and its memory."""
    cell = asm.entry(f"alloca [{max([len(step.words) for step in recipe.steps]) + 2} x i64], align 64")
    for step in recipe.steps:
        name = name_of(step.text)
        asm.declares[name] = f"declare void @{name}(ptr, i64, i64)"
        for k, word in enumerate((step.chunk, step.tasks, *step.words)):
            at = asm.op(f"getelementptr inbounds i64, ptr {cell}, i64 {k}")
            if isinstance(word, Place):
                base = addresses[word.name]
                asm.do(f"store ptr {asm.op(f'getelementptr inbounds i8, ptr {base}, i64 {word.offset}')}, ptr {at}")
            else:
                asm.do(f"store i64 {word}, ptr {at}")
        if step.claims >= 0:
            claims = asm.op(f"getelementptr inbounds i8, ptr {addresses['memory']}, i64 {step.claims}")
            asm.do(f"store i64 {FREE}, ptr {claims}")
        if step.parts == 1:
            asm.do(f"call void @{name}(ptr {cell}, i64 0, i64 1)")
        else:
            asm.declares["fgrad_parallel"] = PARALLEL
            asm.do(f"call void @fgrad_parallel(ptr @{name}, ptr {cell}, i64 {step.parts})")
