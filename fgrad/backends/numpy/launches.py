"""Calls of kernels, written when all are known: a table has what they are given, and a function is little but calls.

Functions over tasks that differ in numbers alone are one kernel, which is given those numbers as words after its pointers:
layers that are alike share it, and so do those of other sizes. Each frame has a table. Numbers and addresses in the arena
are there from the start; what only a call knows is written before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fgrad.backends.numpy.asm import MARK, Address, Asm, Launch
from fgrad.backends.numpy.code import name_of
from fgrad.backends.numpy.sizes import fitted, taken_apart

PARALLEL = "declare void @fgrad_parallel(ptr, ptr, i64)"
BEFORE = "  " + MARK.format("")
PLACE = re.compile(r"%arena\d+")


class Table(NamedTuple):
    """Words: numbers, and which of them count from where the arena starts."""

    words: list[int]
    relative: list[bool]


class Kernel(NamedTuple):
    """What a call needs: the text of a kernel, and its last words."""

    text: str
    words: list[int]


class Launches:
    """The kernels of a program's functions."""

    def __init__(self, functions: Iterable[Asm]) -> None:
        self.table = Table([], [])
        self.kernels: dict[str, Kernel] = {}
        launches = {launch.text: launch for asm in functions for launch in asm.launches}
        parts = {text: taken_apart(text) for text, launch in launches.items() if launch.varies}
        for part in parts.values():
            fitted(part)
        for text, launch in launches.items():
            if text in parts:  # every form is as wide by now as this program needs it
                form = fitted(parts[text])
                self.kernels[text] = Kernel(form.text(parts[text], len(launch.words)), form.table(parts[text]))
            else:
                self.kernels[text] = Kernel(text, [])

    def texts(self) -> list[str]:
        """All kernels, each once."""
        return list(dict.fromkeys(kernel.text for kernel in self.kernels.values()))

    def body(self, asm: Asm) -> str:
        """The code of a function with its calls."""
        lines = list(asm.head)
        calls = iter(enumerate(asm.launches))
        for line in asm.lines:
            if line.startswith(BEFORE):
                lines += self.call(asm, *next(calls))
            else:
                lines.append(line)
        code = "\n".join(lines)
        used = dict.fromkeys(PLACE.findall(code))  # most are in the table alone
        return "\n".join([*[f"  {p} = getelementptr inbounds i8, ptr %arena, i64 {asm.places[p]}" for p in used], code])

    def call(self, asm: Asm, k: int, launch: Launch) -> list[str]:
        """The lines of one call; its words in the table."""
        kernel, cell = self.kernels[launch.text], f"%cell{k}"
        lines = [f"  {cell} = getelementptr inbounds i8, ptr %launches, i64 {8 * len(self.table.words)}"]
        for n, word in enumerate((*launch.words, *kernel.words)):
            place = asm.places.get(word.pointer) if isinstance(word, Address) else None
            self.table.relative.append(place is not None)
            if not isinstance(word, Address):
                self.table.words.append(word)
            elif place is not None:
                self.table.words.append(place + word.offset)
            else:
                self.table.words.append(0)
                pointer = word.pointer
                if word.offset:
                    pointer = f"{cell}_{n}p"
                    lines.append(f"  {pointer} = getelementptr inbounds i8, ptr {word.pointer}, i64 {word.offset}")
                lines += [f"  {cell}_{n} = getelementptr inbounds i64, ptr {cell}, i64 {n}", f"  store ptr {pointer}, ptr {cell}_{n}"]
        name = name_of(kernel.text)
        asm.declares[name] = f"declare void @{name}(ptr, i64, i64)"
        if launch.parts == 1:
            return [*lines, f"  call void @{name}(ptr {cell}, i64 0, i64 1)"]
        asm.declares["fgrad_parallel"] = PARALLEL
        return [*lines, f"  call void @fgrad_parallel(ptr @{name}, ptr {cell}, i64 {launch.parts})"]
