"""The exact inverse of `format_graph`."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fgrad.errors import IRError
from fgrad.ir.apply import check, constant
from fgrad.ir.callables import find
from fgrad.ir.dtypes import KINDS, dtype_of
from fgrad.ir.dtypes import kind as kind_of
from fgrad.ir.graph import Graph, Value
from fgrad.ir.lexer import Lexer, Token
from fgrad.ir.literals import complex_value, element_value
from fgrad.ir.primitive import REGISTRY, Primitive
from fgrad.ir.types import CPU, TensorType, Type

T = TypeVar("T")


def parse_graph(text: str) -> Graph:
    """The graph that `format_graph` printed as `text` (its name and comments are dropped).

    Raises IRError with line and column: a syntax error, an unknown primitive, parameter or value, a value defined
    twice, operands that a primitive refuses, or a type other than the one inferred.
    """
    lex = Lexer(text)
    return _whole(lex, _Parser(lex).graph)


def parse_type(text: str) -> Type:
    """The type printed as `text`; IRError if it is none."""
    lex = Lexer(text)
    return _whole(lex, lex.type)


def parse_param(text: str) -> Any:
    """The parameter that `param_text` printed; IRError if it is none."""
    lex = Lexer(text)
    return _whole(lex, _Parser(lex).param)


def _whole(lex: Lexer, read: Callable[[], T]) -> T:
    """What `read` makes of all of the text."""
    try:
        found = read()
    except RecursionError:
        lex.fail("fewer levels of nesting")
    return found if lex.token.kind == "end" else lex.fail("end of text")


class _Parser:
    """Recursive in nested graphs, tuples and types only."""

    def __init__(self, lex: Lexer) -> None:
        self.lex = lex
        self.values: dict[str, Value] = {}

    def graph(self) -> Graph:
        """`graph name(inputs) { lines return outputs }`."""
        lex = self.lex
        outer, self.values = self.values, {}
        lex.expect("graph")
        if lex.token.kind == "word":
            lex.next()
        lex.expect("(")
        inputs: list[Value] = []
        while not lex.at(")"):
            name, kind = self.declaration()
            inputs.append(Value(None, (), (len(inputs),), kind))
            self.values[name.text] = inputs[-1]
            if not lex.accept(","):
                break
        lex.expect(")")
        lex.expect("{")
        while not lex.accept("return"):
            if lex.token.kind != "ref":
                lex.fail("a value such as %3, or return")
            self.line()
        outputs = [] if lex.at("}") else [self.operand()]
        while outputs and lex.accept(","):
            outputs.append(self.operand())
        lex.expect("}")
        self.values = outer
        return Graph(tuple(inputs), tuple(outputs))

    def declaration(self) -> tuple[Token, Type]:
        """`%3: float32[2]`, not yet defined."""
        name = self.lex.take("ref", "a value such as %3")
        if name.text in self.values:
            self.lex.fail("a new value", name, fix="number every value once")
        self.lex.expect(":")
        return name, self.lex.type()

    def line(self) -> None:
        """`%3: type = op(operands) {params}` or `%3: type = const ...`."""
        lex = self.lex
        name, declared = self.declaration()
        lex.expect("=")
        op = lex.take("word", "a primitive or const")
        if op.text == "const":
            self.values[name.text] = self.constant(declared, op)
            return
        prim = REGISTRY.get(op.text)
        if prim is None:
            lex.fail("the name of a primitive", op, fix="import the module that defines it, or correct the name")
        lex.expect("(")
        operands: list[Value] = []
        while not lex.at(")"):
            operands.append(self.operand())
            if not lex.accept(","):
                break
        lex.expect(")")
        self.values[name.text] = self.node(prim, tuple(operands), self.params(prim), declared, op)

    def node(
        self, prim: Primitive, operands: tuple[Value, ...], params: tuple[Any, ...], type: Type, at: Token
    ) -> Value:
        """The node, its type checked against what the primitive infers."""
        try:
            found = check(prim, tuple([x.type for x in operands]), params)
        except IRError as e:
            self.lex.fail(f"operands that {prim.name} accepts ({str(e).splitlines()[0]})", at)
        if found is not type:
            self.lex.fail(f"type {found} (inferred), not {type}", at)
        return Value(prim, operands, params, type)

    def params(self, prim: Primitive) -> tuple[Any, ...]:
        """`{name=value, ...}` in declared order, nothing if there are none."""
        if prim.params:
            self.lex.expect("{")
        out: list[Any] = []
        for i, name in enumerate(prim.params):
            if i:
                self.lex.expect(",")
            self.lex.expect(name)
            self.lex.expect("=")
            out.append(self.param())
        if prim.params:
            self.lex.expect("}")
        return tuple(out)

    def operand(self) -> Value:
        """`%3`, or a 0-d constant `1.5:float32`."""
        lex = self.lex
        if lex.token.kind == "ref":
            name = lex.next()
            v = self.values.get(name.text)
            return v if v is not None else lex.fail("a value defined above", name)
        first = lex.token
        texts = self.element("%value or number:dtype")
        lex.expect(":")
        if lex.token.text not in KINDS:
            lex.fail("a dtype")
        dtype = lex.next().text
        a = self.scalar(texts, dtype, first)
        device = lex.device() if lex.at("@") else CPU
        return constant(a, device=device)

    def element(self, expected: str) -> tuple[str, ...]:
        """The text of a number, or of a complex number's two parts."""
        lex = self.lex
        if lex.accept("("):
            real = self.element("a real number")[0]
            lex.expect(",")
            imag = self.element("a real number")[0]
            lex.expect(")")
            return real, imag
        if lex.token.kind in ("number", "bits") or lex.token.text in ("True", "False"):
            return (lex.next().text,)
        return lex.fail(expected)

    def scalar(self, texts: tuple[str, ...], dtype: str, at: Token) -> Any:
        """The NumPy scalar of `dtype` written as `texts`."""
        number = dtype_of(dtype)
        try:
            if len(texts) == 2 and kind_of(number) == "c":
                return complex_value(texts[0], texts[1], number)
            if len(texts) == 1:
                return element_value(texts[0], number)
        except ValueError:
            pass
        return self.lex.fail(f"a number of {dtype}", at)

    def constant(self, type: Type, at: Token) -> Value:
        """`[1.0, 2.0]` or `base64 "..."`, in C order."""
        lex = self.lex
        if not isinstance(type, TensorType):
            lex.fail("a tensor type before const", at)
        if lex.accept("base64"):
            data = lex.take("string", "a string of base64")
            try:
                raw = b64decode(data.text[1:-1], validate=True)
            except binascii.Error:
                raw = b""
            if len(raw) != type.nbytes:
                lex.fail(f"base64 of {type.nbytes} bytes", data)
            a = np.frombuffer(raw, type.dtype)
        else:
            lex.expect("[")
            items = []
            while not lex.at("]"):
                first = lex.token
                items.append(self.scalar(self.element("a number"), type.dtype.name, first))
                if not lex.accept(","):
                    break
            end = lex.expect("]")
            if len(items) != type.size:
                lex.fail(f"{type.size} elements, not {len(items)}", end)
            a = np.array(items, type.dtype)
            a.flags.writeable = False
        return Value(None, (), (), type, None, a.reshape(type.shape))

    def param(self) -> Any:
        """One parameter of any kind."""
        lex = self.lex
        token = lex.token
        if token.kind == "number":
            return lex.integer() if token.text.lstrip("-").isdigit() else float(lex.next().text)
        if token.kind == "string":
            return self.string()
        if lex.at("@"):
            return lex.device()
        if lex.accept("("):
            items: list[Any] = []
            while not lex.at(")"):
                items.append(self.param())
                if not lex.accept(","):
                    break
            lex.expect(")")
            return tuple(items)
        if lex.at("graph"):
            return self.graph()
        return self.word()

    def string(self) -> str:
        """A quoted string."""
        token = self.lex.take("string", "a string")
        try:
            return str(json.loads(token.text))
        except json.JSONDecodeError:
            self.lex.fail("a string with JSON's escapes", token)

    def word(self) -> Any:
        """`None`, `True`, a dtype, a tensor type, `type ...`, `float(bits)`, `complex(a, b)` or `callable "..."`."""
        lex = self.lex
        known = {"None": None, "True": True, "False": False}
        token = lex.take("word", "a parameter")
        if token.text in known:
            return known[token.text]
        if token.text in KINDS:
            return lex.tensor(token.text) if lex.at("[") else dtype_of(token.text)
        if token.text == "type":
            return lex.type()
        if token.text in ("float", "complex"):
            return self.number(token)
        if token.text == "callable":
            name = self.string()
            function = find(name)
            if function is None:
                lex.fail(f"a living Python function, not {name!r}", token, fix="parse in the process that recorded it")
            return function
        return lex.fail("a parameter", token)

    def number(self, token: Token) -> float | complex:
        """The rest of `float(0x...)` or `complex(1.0, 2.0)`."""
        self.lex.expect("(")
        texts = [self.element("a number")[0]]
        if token.text == "complex":
            self.lex.expect(",")
            texts.append(self.element("a number")[0])
        self.lex.expect(")")
        value = self.scalar(tuple(texts), "complex128" if token.text == "complex" else "float64", token)
        return complex(value) if token.text == "complex" else float(value)
