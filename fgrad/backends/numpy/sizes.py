"""Programs that differ in numbers alone share machine code: numbers that vary are read from a table.

A text is taken apart into its form, with a gap for each number, and those numbers. The first text of a form is compiled
as it is. When another comes, the gaps in which it differs are read from a table from then on, and a third one that differs
in others widens it. So a new batch size needs no LLVM, generators know nothing of it, and what is computed does not
depend on it: a form with its numbers filled in is the text that was asked for.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fgrad.backends.numpy import store
from fgrad.backends.numpy.code import NAME
from fgrad.backends.numpy.jit import address_of, link, object_of
from fgrad.backends.numpy.locks import ForkLock

KEPT = 256  # forms in memory
TABLE = "fgrad_sizes"
GAP = re.compile(
    r"<(?:i\d+|half|float|double) [^<>\n]*>|splat \(i\d+ [^)]*\)|alloca [^\n]*"  # no place for what is not known: kept as it is
    r"|\bi64 (?:%\w+, )?(-?\d+)\b(?!, label)"
    r"|splat \(float (0x[0-9A-F]{16})\)|splat \(double (0x[0-9A-F]{16})\)"
    r"|\bfloat (?:%\w+, )?(0x[0-9A-F]{16})|\bdouble (?:%\w+, )?(0x[0-9A-F]{16})"
    rf"|@({NAME}_\w+)"
)
KINDS = ("", "i64", "splat float", "splat double", "float", "double", "ptr")  # of a gap, by the group that found it
DECLARED = re.compile(rf"declare void @{NAME}_\w+\(ptr, i64, i64\)\n")
VECTOR = re.compile(r"<(\d+) x (?:float|double)>")
FUNCTION = re.compile(r"entry:\n(.*?)\n}\n", re.DOTALL)
READ = re.compile(r"%size(\d+)_(i64|ptr|float|double)(?:_(\d+))?")


class Parts(NamedTuple):
    """A text: what is around its numbers, those, the kinds of their gaps, and a hash of the form."""

    around: tuple[str, ...]
    numbers: tuple[str, ...]
    kinds: tuple[str, ...]
    key: str


def taken_apart(text: str) -> Parts:
    """The parts of a text. Kernels of products and convolutions are numbers, too: their addresses."""
    text = DECLARED.sub("", text)
    around, numbers, kinds, at = [], [], [], 0
    for m in GAP.finditer(text):
        k = m.lastindex
        if k is not None:
            start, stop = m.span(k)
            around.append(text[at:start])
            numbers.append(m[k])
            kinds.append(KINDS[k])
            at = stop
    around.append(text[at:])
    key = hashlib.sha256("\0".join([*around, *kinds]).encode()).hexdigest()
    return Parts(tuple(around), tuple(numbers), tuple(kinds), key)


class Form(NamedTuple):
    """The numbers of the first text of a form, and for each gap its place in the table; -1 where all texts are alike so far."""

    first: tuple[str, ...]
    place: tuple[int, ...]

    def fits(self, parts: Parts) -> bool:
        """True if a table gives the numbers of a text."""
        seen: dict[int, str] = {}
        return all([n == (old if k < 0 else seen.setdefault(k, n)) for old, k, n in zip(self.first, self.place, parts.numbers, strict=True)])

    def widened(self, parts: Parts) -> Form:
        """The form for a text more: gaps of one kind that were always alike share a place."""
        places: dict[tuple[int, str, str, str], int] = {}
        place = [
            -1 if k < 0 and n == old else places.setdefault((k, old if k < 0 else "", n, kind.rpartition(" ")[2]), len(places))
            for old, k, n, kind in zip(self.first, self.place, parts.numbers, parts.kinds, strict=True)
        ]
        return Form(self.first, tuple(place))

    def table(self, parts: Parts) -> list[int]:
        """What the table holds for a text."""
        found = {k: bits(kind, n) for k, n, kind in zip(self.place, parts.numbers, parts.kinds, strict=True) if k >= 0}
        return [found[k] for k in range(len(found))]

    def text(self, parts: Parts, words: int | None = None) -> str:
        """A text that reads the table: a global one, or in `%args` after so many words."""
        size = max(self.place, default=-1) + 1
        called = dict.fromkeys([n for n, kind, k in zip(parts.numbers, parts.kinds, self.place, strict=True) if kind == "ptr" and k < 0])
        declares = "".join([f"declare void @{name}(ptr, i64, i64)\n" for name in called])
        if not size:
            return "".join([s for pair in zip(parts.around, (*parts.numbers, declares), strict=True) for s in pair])
        out: list[str] = []
        closing = ""  # what a gap takes away from the text behind it
        for piece, k, n, kind in zip(parts.around, self.place, parts.numbers, parts.kinds, strict=False):
            out.append(piece.removeprefix(closing))
            closing = ""
            if k < 0:
                out.append(n)
            elif kind.startswith("splat"):
                kind, closing = kind.removeprefix("splat "), ")"
                out[-1] = out[-1].removesuffix(f"splat ({kind} ")
                line = "".join(out[-8:]).rpartition("\n")[2]
                out.append(f"%size{k}_{kind}_{VECTOR.findall(line)[-1]}")
            else:
                out[-1] = out[-1].removesuffix("@" if kind == "ptr" else "")
                out.append(f"%size{k}_{kind}")
        out.append(parts.around[-1].removeprefix(closing))
        whole = FUNCTION.sub(lambda m: f"entry:\n{reads(m[1], words)}{m[1]}\n}}\n", "".join(out))
        return f"{whole}{declares}" if words is not None else f"@{TABLE} = global [{size} x i64] zeroinitializer\n{whole}{declares}"


def bits(kind: str, number: str) -> int:
    """A number as the table holds it; floats in LLVM's text are the bits of doubles."""
    if kind == "i64":
        return int(number)
    if kind == "ptr":
        return address_of(number)
    wide = struct.pack("<Q", int(number, 16))
    if kind.endswith("float"):
        return int(struct.unpack("<i", struct.pack("<f", *struct.unpack("<d", wide)))[0])
    return int(struct.unpack("<q", wide)[0])


def reads(body: str, words: int | None) -> str:
    """The instructions at the start of a function that read what it names of a table, which `%args` has after so many words."""
    found = dict.fromkeys(m.groups() for m in READ.finditer(body))
    base, first = (f"@{TABLE}", 0) if words is None else ("%args", words)
    lines = [f"  %at{k} = getelementptr inbounds i64, ptr {base}, i64 {first + int(k)}\n" for k in dict.fromkeys(k for k, _, _ in found)]
    lines += [f"  %size{k}_{kind} = load {kind}, ptr %at{k}\n" for k, kind in dict.fromkeys((k, kind) for k, kind, _ in found)]
    for k, kind, lanes in found:
        if lanes is not None:
            name, many = f"%size{k}_{kind}", f"<{lanes} x {kind}>"
            lines.append(f"  {name}_{lanes}_one = insertelement {many} poison, {kind} {name}, i32 0\n")
            lines.append(f"  {name}_{lanes} = shufflevector {many} {name}_{lanes}_one, {many} poison, <{lanes} x i32> zeroinitializer\n")
    return "".join(lines)


FORMS: dict[str, Form] = {}
CODES: dict[str, bytes] = {}  # machine code of programs by their texts
LOCK = ForkLock()


def remember(table: dict[str, Any], key: str, x: Any) -> None:
    """Puts an entry last; the first ones go when there are too many."""
    with LOCK:
        table.pop(key, None)
        table[key] = x
        while len(table) > KEPT:
            del table[next(iter(table))]


def fitted(parts: Parts) -> Form:
    """The form of a text, widened by it if need be; remembered here and on disk."""
    known = FORMS.get(parts.key)
    if known is None:
        kept = store.read(store.entry("form", parts.key))
        known = None if kept is None else Form(*map(tuple, json.loads(kept)))
    form = known or Form(parts.numbers, (-1,) * len(parts.numbers))
    if not form.fits(parts):
        form = form.widened(parts)
    if form is not known:
        store.write(store.entry("form", parts.key), json.dumps(form).encode())
    remember(FORMS, parts.key, form)
    return form


def code_of(text: str) -> bytes:
    """Machine code of a text, from disk if it is there."""
    path = store.entry("o", text)
    found = store.read(path)
    if found is None:
        found = object_of(text)
        store.write(path, found)
    return found


def compile_text(text: str, arity: Mapping[str, int]) -> dict[str, Callable[..., None]]:
    """The functions of a module, by name; each takes so many integers and releases the GIL while it runs."""
    return link([code_of(text)], arity).functions


def compile_form(text: str, arity: Mapping[str, int]) -> dict[str, Callable[..., None]]:
    """As compile_text, for a text that is likely to come again with other numbers."""
    parts = taken_apart(text)
    form = fitted(parts)
    made = form.text(parts)
    code = CODES.get(made) or code_of(made)
    remember(CODES, made, code)
    linked = link([code], arity)
    table = form.table(parts)
    if table:
        where = linked.engine.get_global_value_address(TABLE)
        ctypes.memmove(where, (ctypes.c_int64 * len(table))(*table), 8 * len(table))
    return linked.functions
