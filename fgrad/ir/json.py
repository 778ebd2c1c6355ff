"""Graphs as JSON: versioned, an exact round trip (source lines and names apart).

    {"fgrad_ir": 1, "inputs": ["float32[2]"], "constants": [{"type": "float32[]", "data": "1.5"}],
     "nodes": [{"op": "mul", "operands": [0, 1], "type": "float32[2]"}], "outputs": [2]}

Values are numbered inputs, constants, nodes. Constants with axes hold base64 of their bytes in C order. A graph in a
parameter is an object of the same form. Parameters: numbers, strings, lists (tuples) as they are, floats as
{"float": "0.5"}, the rest in the text form, {"text": "float32[2]"}.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any, NoReturn

import numpy as np

from fgrad.errors import IRError
from fgrad.ir.apply import check, constant
from fgrad.ir.graph import Graph, Value
from fgrad.ir.literals import complex_value, element_text, element_value
from fgrad.ir.parse import parse_param, parse_type
from fgrad.ir.position import locate
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.text import param_text
from fgrad.ir.types import TensorType, Type

VERSION = 1
_FIX = "compare with what to_json writes"


def to_json(graph: Graph, *, indent: int | None = None) -> str:
    """`graph` as JSON text."""
    return json.dumps({"fgrad_ir": VERSION, **_graph(graph)}, indent=indent)


def from_json(text: str) -> Graph:
    """The graph that `to_json` wrote. Raises IRError with line and column, the path, and what was expected there."""
    reader = _Reader(text, "$")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as e:
        raise IRError(f"line {e.lineno}, column {e.colno}: not JSON: {e.msg}", fix=_FIX) from e
    except (RecursionError, ValueError) as e:  # ValueError: an integer of more digits than Python reads
        raise IRError(f"line 1, column 1 ($): expected what to_json writes: {e}", fix=_FIX) from e
    found = data.get("fgrad_ir") if isinstance(data, dict) else None
    if found != VERSION or type(found) is not int:
        reader.fail("$.fgrad_ir", f"expected version {VERSION}, found {found!r}", "read it with the fgrad that wrote it")
    try:
        return reader.graph(data)
    except RecursionError:
        reader.fail("$", "expected fewer levels of nesting")


def _graph(graph: Graph) -> dict[str, Any]:
    numbers: dict[Value, int] = {v: i for i, v in enumerate(graph.inputs)}
    order = graph.values()
    constants: list[dict[str, Any]] = []
    for v in [x for n in order for x in n.operands] + list(graph.outputs):
        if v.const is not None and v not in numbers:
            numbers[v] = len(numbers)
            constants.append({"type": str(v.type), "data": _constant(np.asarray(v.const))})
    for v in order:
        numbers[v] = len(numbers)
    return {
        "inputs": [str(v.type) for v in graph.inputs],
        "constants": constants,
        "nodes": [_node(v, numbers) for v in order],
        "outputs": [numbers[v] for v in graph.outputs],
    }


def _node(v: Value, numbers: dict[Value, int]) -> dict[str, Any]:
    assert v.prim is not None
    node: dict[str, Any] = {"op": v.prim.name, "operands": [numbers[x] for x in v.operands]}
    if v.params:
        node["params"] = {k: _param(p) for k, p in v.named_params.items()}
    return node | {"type": str(v.type)}


def _constant(a: Any) -> Any:
    if a.ndim:
        return b64encode(np.ascontiguousarray(a).tobytes()).decode()
    if a.dtype.kind == "c":
        return [element_text(a[()].real), element_text(a[()].imag)]
    return element_text(a[()])


def _param(p: Any) -> Any:
    if p is None or isinstance(p, bool | int | str):
        return p
    if isinstance(p, tuple):
        return [_param(x) for x in p]
    if isinstance(p, float):
        return {"float": element_text(np.float64(p))}
    if isinstance(p, Graph):
        return {"graph": _graph(p)}
    return {"text": param_text(p)}


class _Reader:
    """Builds values; `path` says where in the document `text` it is."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path

    def fail(self, path: str, what: str, fix: str = _FIX) -> NoReturn:
        """Raises IRError about this path."""
        line, column = locate(self.text, path)
        raise IRError(f"line {line}, column {column} ({path}): {what}", fix=fix)

    def field(self, data: Any, name: str, kind: type, path: str) -> Any:
        """A field of an object, of a Python type."""
        if not isinstance(data, dict) or not isinstance(data.get(name), kind):
            self.fail(f"{path}.{name}", f"expected a {kind.__name__}")
        return data[name]

    def type(self, text: Any, path: str) -> Type:
        """A type from its text."""
        if not isinstance(text, str):
            self.fail(path, "expected a type such as float32[2,3]")
        try:
            return parse_type(text)
        except IRError as e:
            self.fail(path, str(e).splitlines()[0])

    def graph(self, data: Any) -> Graph:
        """A whole graph."""
        path = self.path
        values: list[Value] = []
        for i, text in enumerate(self.field(data, "inputs", list, path)):
            values.append(Value(None, (), (i,), self.type(text, f"{path}.inputs[{i}]")))
        inputs = tuple(values)
        for i, c in enumerate(self.field(data, "constants", list, path)):
            values.append(self.constant(c, f"{path}.constants[{i}]"))
        for i, n in enumerate(self.field(data, "nodes", list, path)):
            values.append(self.node(n, values, f"{path}.nodes[{i}]"))
        outputs = self.field(data, "outputs", list, path)
        return Graph(inputs, tuple([self.reference(k, values, f"{path}.outputs[{i}]") for i, k in enumerate(outputs)]))

    def reference(self, k: Any, values: list[Value], path: str) -> Value:
        """The value numbered `k`."""
        if not isinstance(k, int) or isinstance(k, bool) or not 0 <= k < len(values):
            self.fail(path, f"expected a value below {len(values)}, found {k!r}")
        return values[k]

    def constant(self, data: Any, path: str) -> Value:
        """A constant."""
        kind = self.type(self.field(data, "type", str, path), f"{path}.type")
        if not isinstance(kind, TensorType):
            self.fail(f"{path}.type", "expected a tensor type")
        try:
            raw = data["data"]
            if kind.shape:
                a = np.frombuffer(b64decode(raw, validate=True), kind.dtype).reshape(kind.shape)
            elif isinstance(raw, list):
                a = np.array(complex_value(raw[0], raw[1], kind.dtype))
            else:
                a = np.array(element_value(raw, kind.dtype))
        except (KeyError, ValueError, TypeError, IndexError) as e:
            self.fail(f"{path}.data", f"expected a constant of {kind}: {e}")
        return constant(a, device=kind.device) if not kind.shape else Value(None, (), (), kind, None, a)

    def node(self, data: Any, values: list[Value], path: str) -> Value:
        """A node, its type checked."""
        prim = REGISTRY.get(self.field(data, "op", str, path))
        if prim is None:
            self.fail(f"{path}.op", f"expected the name of a primitive, found {data['op']!r}")
        refs = self.field(data, "operands", list, path)
        operands = tuple([self.reference(k, values, f"{path}.operands[{i}]") for i, k in enumerate(refs)])
        given = data.get("params", {})
        if not isinstance(given, dict) or set(given) != set(prim.params):
            self.fail(f"{path}.params", f"expected {', '.join(prim.params) or 'none'}")
        params = tuple([self.param(given[k], f"{path}.params.{k}") for k in prim.params])
        given_type = self.type(data.get("type"), f"{path}.type")
        try:
            found = check(prim, tuple([x.type for x in operands]), params)
        except IRError as e:
            self.fail(path, f"expected operands that {prim.name} accepts ({str(e).splitlines()[0]})")
        if found is not given_type:
            self.fail(f"{path}.type", f"expected {found} (inferred), found {given_type}")
        return Value(prim, operands, params, found)

    def param(self, p: Any, path: str) -> Any:
        """One parameter."""
        if p is None or isinstance(p, bool | int | str):
            return p
        if isinstance(p, list):
            return tuple([self.param(x, f"{path}[{i}]") for i, x in enumerate(p)])
        if isinstance(p, dict) and len(p) == 1:
            ((tag, content),) = p.items()
            if tag == "graph":
                return _Reader(self.text, f"{path}.graph").graph(content)
            if tag in ("float", "text") and isinstance(content, str):
                return self.tagged(tag, content, path)
        return self.fail(path, f"expected a parameter, found {json.dumps(p)[:40]}")

    def tagged(self, tag: str, content: str, path: str) -> Any:
        """A float by its text, anything else by the text form."""
        try:
            return float(element_value(content, np.dtype("float64"))) if tag == "float" else parse_param(content)
        except (IRError, ValueError) as e:
            self.fail(path, str(e).splitlines()[0])
