"""The text form's tokens and types: positions for messages, errors that say what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from fgrad.errors import DeviceError, IRError
from fgrad.ir.dtypes import KINDS
from fgrad.ir.types import CPU, TOKEN, Device, TensorType, TupleType, Type

_TOKEN = re.compile(
    r"(?P<skip>(?:[ \t\r\n]+|\#[^\n]*)+)|(?P<ref>%\d+)|(?P<bits>0x[0-9a-f]+)"
    r"|(?P<number>-?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|inf\b)|nan\b)"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<word>[A-Za-z_]\w*)|(?P<mark>[(){}\[\],:=@])'
)


class Token(NamedTuple):
    """A piece of text, its kind (ref, bits, number, string, word, mark or end) and where it starts."""

    kind: str
    text: str
    start: int


class Lexer:
    """One pass over a text; `token` is the one not yet consumed."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._tokens = self._scan()
        self.token = next(self._tokens)

    def _scan(self) -> Iterator[Token]:
        at, end, match = 0, len(self.source), _TOKEN.match
        while at < end:
            m = match(self.source, at)
            if m is None:
                self.token = Token("mark", self.source[at], at)
                self.fail("a token of the text form")
            kind = m.lastgroup or ""
            if kind != "skip":
                yield Token(kind, m.group(), at)
            at = m.end()
        yield Token("end", "end of text", end)

    def fail(
        self, expected: str, token: Token | None = None, fix: str = "compare with what format_graph prints"
    ) -> NoReturn:
        """Raises IRError with line, column, what was expected and what is there."""
        t = token or self.token
        line = self.source.count("\n", 0, t.start) + 1
        column = t.start - (self.source.rfind("\n", 0, t.start) + 1) + 1
        raise IRError(f"line {line}, column {column}: expected {expected}, found {t.text[:40]}", fix=fix)

    def next(self) -> Token:
        """Consumes and returns the current token."""
        token = self.token
        if token.kind != "end":
            self.token = next(self._tokens)
        return token

    def at(self, text: str) -> bool:
        """True if the current token is this mark or word."""
        return self.token.text == text and self.token.kind != "string"

    def accept(self, text: str) -> bool:
        """Consumes the current token if it is this mark or word."""
        if self.at(text):
            self.next()
            return True
        return False

    def expect(self, text: str) -> Token:
        """Consumes this mark or word, or fails."""
        return self.next() if self.at(text) else self.fail(f"'{text}'")

    def take(self, kind: str, expected: str) -> Token:
        """Consumes a token of this kind, or fails."""
        return self.next() if self.token.kind == kind else self.fail(expected)

    def integer(self, expected: str = "an integer") -> int:
        """Consumes an integer, or fails."""
        token = self.token
        if token.kind != "number" or not token.text.lstrip("-").isdigit():
            self.fail(expected)
        try:
            number = int(token.text)
        except ValueError:  # more digits than Python reads
            self.fail(expected)
        self.next()
        return number

    def type(self) -> Type:
        """`float32[2,3]@cuda:0`, `(a, b)` or `token`."""
        if self.accept("token"):
            return TOKEN
        if self.accept("("):
            items: list[Type] = []
            while not self.at(")"):
                items.append(self.type())
                if not self.accept(","):
                    break
            self.expect(")")
            return TupleType(tuple(items))
        if self.token.text not in KINDS:
            self.fail("a type such as float32[2,3]")
        return self.tensor(self.next().text)

    def tensor(self, dtype: str) -> TensorType:
        """The rest of a tensor type: `[2,3]@cuda:0`."""
        self.expect("[")
        shape: list[int] = []
        while not self.at("]"):
            size = self.token
            shape.append(self.integer("an axis length"))
            if shape[-1] < 0:
                self.fail("an axis length", size)
            if not self.accept(","):
                break
        self.expect("]")
        return TensorType(tuple(shape), dtype, self.device() if self.at("@") else CPU)

    def device(self) -> Device:
        """`@cpu` or `@cuda:0`."""
        self.expect("@")
        name = self.take("word", "cpu or cuda")
        try:
            return Device(name.text, self.integer("a device index") if self.accept(":") else 0)
        except DeviceError:
            self.fail("cpu or cuda:index", name)
