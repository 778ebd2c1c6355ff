"""What a convolution or a product comes to: kernels one after the other, with the words of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from fgrad.backends.numpy.asm import Address, Asm, Launch

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
    for step in recipe.steps:
        if step.claims >= 0:
            claims = asm.op(f"getelementptr inbounds i8, ptr {addresses['memory']}, i64 {step.claims}")
            asm.do(f"store i64 {FREE}, ptr {claims}")
        words = [Address(addresses[w.name], w.offset) if isinstance(w, Place) else w for w in step.words]
        asm.launch(Launch(step.text, (step.chunk, step.tasks, *words), step.parts, varies=False))
