"""Graphs as Graphviz text and as `networkx.DiGraph`."""

from __future__ import annotations

import json
from typing import Any

from fgrad.errors import need, quote
from fgrad.ir.graph import Graph, Value, numbering
from fgrad.ir.regions import subgraphs
from fgrad.ir.text import operand_text, param_text


def _label(v: Value) -> str:
    if v.prim is None:
        return f"input\n{v.type}" if v.const is None else f"const\n{v.type}"
    params = [f"{k}={param_text(p)}" for k, p in v.named_params.items()]
    short = [p for p in params if "\n" not in p and len(p) <= 40]
    return "\n".join([v.prim.name, *short, str(v.type)])


def to_dot(graph: Graph, *, name: str = "graph") -> str:
    """Graphviz text: a node per value, an edge per use, a cluster per nested graph. No line break at the end."""
    lines = [f"digraph {json.dumps(name, ensure_ascii=False)} {{", "  node [shape=box, fontname=monospace];"]
    _body(graph, "v", lines, "  ")
    return "\n".join([*lines, "}"])


def _body(graph: Graph, prefix: str, lines: list[str], indent: str) -> None:
    numbers = numbering(graph)
    for v, n in numbers.items():
        shape = "" if v.prim is not None else ", style=rounded"
        lines.append(f"{indent}{prefix}{n} [label={json.dumps(_label(v), ensure_ascii=False)}{shape}];")
        for k, x in enumerate(v.operands):
            if x in numbers:
                label = f" [label={json.dumps(str(k))}]" if len(v.operands) > 1 else ""
                lines.append(f"{indent}{prefix}{numbers[x]} -> {prefix}{n}{label};")
        for k, inner in enumerate(subgraphs(v)):
            lines.append(f"{indent}subgraph cluster_{prefix}{n}_{k} {{")
            lines.append(f"{indent}  label={json.dumps(f'{operand_text(v, numbers)} graph {k}')};")
            _body(inner, f"{prefix}{n}_{k}_", lines, indent + "  ")
            lines.append(f"{indent}}}")
    for k, v in enumerate(graph.outputs):
        lines.append(f"{indent}{prefix}out{k} [label={json.dumps(f'output {k}')}, style=rounded];")
        if v in numbers:
            lines.append(f"{indent}{prefix}{numbers[v]} -> {prefix}out{k};")


def to_networkx(graph: Graph) -> Any:
    """A `networkx.MultiDiGraph`: a node per value, numbered as in the text form, and one per 0-d constant's use.

    Node attributes: op ("input", "const" or the primitive's name), type, params, value (the Value itself), where
    (text or None). Edges carry `operand`, the place among the user's operands. graph["outputs"]: the numbers.
    """
    numbers: dict[Value, Any] = dict(numbering(graph))
    out = need("networkx").MultiDiGraph()
    for v in [*graph.inputs, *graph.values(), *graph.outputs]:
        for k, x in enumerate(v.operands):
            _add(out, x, numbers)
            out.add_edge(numbers[x], _add(out, v, numbers), operand=k)
        _add(out, v, numbers)
    out.graph["inputs"] = [numbers[v] for v in graph.inputs]
    out.graph["outputs"] = [numbers[v] for v in graph.outputs]
    return out


def _add(out: Any, v: Value, numbers: dict[Value, Any]) -> Any:
    if v not in numbers:
        numbers[v] = operand_text(v, {})
    n = numbers[v]
    if n not in out:
        op = v.prim.name if v.prim is not None else "input" if v.const is None else "const"
        where = quote(v.where) if v.where is not None else None
        out.add_node(n, op=op, type=v.type, params=v.named_params, value=v, where=where)
    return n
