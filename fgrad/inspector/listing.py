"""Graphs as annotated lines whose numbers stay the same from pass to pass, so that a diff shows only what changed."""

from __future__ import annotations

from collections.abc import Hashable
from difflib import unified_diff
from typing import NamedTuple

from fgrad.errors import quote
from fgrad.ir.cost import NodeCost, node_cost
from fgrad.ir.graph import Graph, Value
from fgrad.ir.hash import encode
from fgrad.ir.text import array_text, operand_text, param_text

_UNITS = ("", "k", "M", "G", "T", "P")


def amount(n: float, unit: str) -> str:
    """`1.5 kFLOP`: three digits and a decimal prefix."""
    k = 0
    while n >= 1000 and k < len(_UNITS) - 1:
        n, k = n / 1000, k + 1
    return f"{n:.3g} {_UNITS[k]}{unit}"


class Row(NamedTuple):
    """One value of a listing. `where` is `file:line: source text`, or empty."""

    number: int
    op: str
    type: str
    text: str
    flops: int
    nbytes: int
    where: str


class Labels:
    """Numbers for values that carry over from one graph to the next one listed.

    A value keeps its number if it is the same operation on operands with the same numbers; failing that, if the last
    graph has an operation of this kind, parameters, type and source line whose number is free.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}
        self._last: dict[Hashable, list[int]] = {}
        self._count = 0

    def number(self, graph: Graph) -> dict[Value, int]:
        """A number for each input, computed value and constant with axes of `graph`, no two alike."""
        out: dict[Value, int] = {}
        used: set[int] = set()
        kinds: dict[Hashable, list[int]] = {}
        for v in [*graph.inputs, *[x for n in graph.values() for x in (*n.operands, n)], *graph.outputs]:
            if v in out or (v.const is not None and not v.shape):
                continue
            key, loose = self._keys(v, out)
            found = self._known.get(key)
            if found is None or found in used:
                found = next((n for n in self._last.get(loose, ()) if n not in used), None)
            if found is None:
                found = self._count
                self._count += 1
            self._known.setdefault(key, found)
            kinds.setdefault(loose, []).append(found)
            used.add(found)
            out[v] = found
        self._last = kinds
        return out

    def _keys(self, v: Value, numbers: dict[Value, int]) -> tuple[Hashable, Hashable]:
        if v.prim is None:
            key = v if v.const is None else (v.type, v.const.tobytes())
            return key, key
        params = encode(v.params)
        operands = tuple([operand_text(x, numbers) for x in v.operands])
        return (v.prim, operands, params), (v.prim, params, v.type, v.where)


def comment(v: Value) -> str:
    """`2 FLOP, 24 B; file:line: source text` of a node, what is zero or unknown left out."""
    return _comment(node_cost(v), _where(v))


def _where(v: Value) -> str:
    return quote(v.where) if v.where is not None else ""


def _comment(cost: Row | NodeCost, where: str) -> str:
    costs = ", ".join([amount(n, u) for n, u in ((cost.flops, "FLOP"), (cost.nbytes, "B")) if n])
    return "; ".join([part for part in (costs, where) if part])


def rows(graph: Graph, numbers: dict[Value, int], notes: bool = True) -> list[Row]:
    """Inputs, constants and nodes of `graph` with their costs and source lines; those of nested graphs if `notes`."""
    out: list[Row] = []
    for v, n in numbers.items():
        head = f"%{n}: {v.type}"
        if v.const is not None:
            out.append(Row(n, "const", str(v.type), f"{head} = const {array_text(v)}", 0, 0, ""))
        elif v.prim is None:
            out.append(Row(n, "input", str(v.type), head, 0, 0, ""))
        else:
            c = node_cost(v)
            operands = ", ".join([operand_text(x, numbers) for x in v.operands])
            params = ", ".join([f"{k}={param_text(p, comment if notes else None, '  ')}" for k, p in v.named_params.items()])
            text = f"{head} = {v.prim.name}({operands}){f' {{{params}}}' if params else ''}"
            out.append(Row(n, v.prim.name, str(v.type), text, c.flops, c.nbytes, _where(v)))
    return out


def listing(graph: Graph, numbers: dict[Value, int], name: str = "graph", notes: bool = True) -> list[str]:
    """The lines of `graph` in the text form, each node's cost and source line in a comment if `notes`."""
    inputs = ", ".join([f"%{numbers[v]}: {v.type}" for v in graph.inputs])
    lines = [f"graph {name}({inputs}) {{"]
    for row in rows(graph, numbers, notes):
        if row.op != "input":
            note = _comment(row, row.where)
            lines += f"  {row.text}{f'  # {note}' if notes and note else ''}".split("\n")
    outputs = ", ".join([operand_text(v, numbers) for v in graph.outputs])
    return [*lines, f"  return {outputs}".rstrip(), "}"]


def diff(before: Graph, after: Graph, labels: Labels) -> list[str]:
    """What a pass changed, as a unified diff without file names; empty if nothing."""
    a, b = (listing(g, labels.number(g), notes=False) for g in (before, after))
    return list(unified_diff(a, b, lineterm="", n=1))[2:]
