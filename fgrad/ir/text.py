"""Graphs as text: `format_graph` prints, `parse_graph` (ir.parse) reads the same graph back.

    graph main(%0: float32[2,3], %1: float32[]) {
      %2: float32[3] = const [1.0, 2.0, 3.0]
      %3: float32[2,3] = broadcast_to(%2) {shape=(2, 3)}
      %4: float32[2,3] = mul(%0, %3)
      %5: float32[2,3] = add(%4, 1.5:float32)  # train.py:41: y = x * w + 1.5
      return %5, %1
    }

A 0-d constant stands where it is used, `value:dtype`; one with axes has a line, `const [...]` in C order or
`const base64 "..."`. A graph in a parameter is an indented block. `# ...` to the end of a line is a comment.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fgrad.errors import IRError, quote
from fgrad.ir.callables import name_of
from fgrad.ir.graph import FORMATTERS, Graph, Value, numbering
from fgrad.ir.literals import element_text
from fgrad.ir.types import Device, TensorType, TokenType, TupleType

Note = Callable[[Value], str] | None
INLINE_ELEMENTS = 32  # larger constants are printed as base64


def format_graph(graph: Graph, *, where: bool = False, name: str = "graph") -> str:
    """`graph` as text; `where` adds each node's source line as a comment. No line break at the end."""
    return "\n".join(_lines(graph, f"graph {name}", _origin if where else None, ""))


def _origin(v: Value) -> str:
    return quote(v.where) if v.where is not None else ""


def _lines(graph: Graph, head: str, note: Note, indent: str) -> list[str]:
    numbers = numbering(graph)
    inputs = ", ".join([f"%{numbers[v]}: {v.type}" for v in graph.inputs])
    lines = [f"{head}({inputs}) {{"]
    inner = indent + "  "
    for v, n in numbers.items():
        if v.const is not None:
            lines.append(f"{inner}%{n}: {v.type} = const {array_text(v)}")
        elif v.prim is not None:
            operands = ", ".join([operand_text(x, numbers) for x in v.operands])
            params = ", ".join(
                [f"{k}={param_text(p, note, inner)}" for k, p in zip(v.prim.params, v.params, strict=True)]
            )
            comment = note(v) if note is not None else ""
            lines.append(f"{inner}%{n}: {v.type} = {v.prim.name}({operands}){f' {{{params}}}' if params else ''}{comment and f'  # {comment}'}")
    outputs = ", ".join([operand_text(v, numbers) for v in graph.outputs])
    lines += [f"{inner}return {outputs}".rstrip(), indent + "}"]
    return lines


def operand_text(v: Value, numbers: Mapping[Value, int]) -> str:
    """`%3`, or a 0-d constant as `1.5:float32`; a leaf that is not the graph's prints as `%?`, which can't be read."""
    n = numbers.get(v)
    if n is not None:
        return f"%{n}"
    if v.const is None:
        return "%?"
    device = v.type.device if isinstance(v.type, TensorType) else None
    at = "" if device is None or device.type == "cpu" else f"@{device}"
    return f"{element_text(np.asarray(v.const)[()])}:{v.dtype.name}{at}"


def array_text(v: Value) -> str:
    """The elements of a constant in C order: `[1.0, 2.0]`, or `base64 "..."` if they are many."""
    a = np.asarray(v.const)
    if a.size <= INLINE_ELEMENTS:
        return f"[{', '.join([element_text(x) for x in a.reshape(-1)])}]"
    return f'base64 "{b64encode(np.ascontiguousarray(a).tobytes()).decode()}"'


def param_text(p: Any, note: Note = None, indent: str = "") -> str:
    """One parameter as text; `note` gives the comment of each node of a graph in it. Raises IRError for a kind of object that no graph may carry."""
    if isinstance(p, tuple):
        inner = ", ".join([param_text(x, note, indent) for x in p])
        return f"({inner},)" if len(p) == 1 else f"({inner})"
    if p is None or isinstance(p, bool | int):
        return str(p)
    if isinstance(p, str):
        return json.dumps(p)
    if isinstance(p, float):
        return f"float({text})" if (text := element_text(np.float64(p))).startswith("0x") else text
    if isinstance(p, complex):
        z = np.complex128(p)
        return f"complex({element_text(z.real)}, {element_text(z.imag)})"
    return _object_text(p, note, indent)


def _object_text(p: Any, note: Note, indent: str) -> str:
    if isinstance(p, Graph):
        return "\n".join(_lines(p, "graph ", note, indent))
    if isinstance(p, np.dtype):
        return p.name
    if isinstance(p, Device):
        return f"@{p}"
    if isinstance(p, TensorType):
        return str(p)
    if isinstance(p, TupleType | TokenType):
        return f"type {p}"
    if callable(p) and not isinstance(p, type):
        return f"callable {json.dumps(name_of(p))}"
    raise IRError(
        f"{p!r} ({type(p).__name__}) cannot be a parameter", fix="use numbers, strings, tuples, dtypes or graphs"
    )


FORMATTERS["text"] = format_graph
