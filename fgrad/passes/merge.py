"""One region node for two of which one computes all that the other does.

The derivative of a scan is a scan that also stacks residuals; forward mode carries tangents along. Both compute the
original results again. `merge_extensions` finds such pairs by their graphs, whatever made them, and lets the larger
one serve for both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from fgrad.ir.graph import Graph, Value
from fgrad.ir.hash import encode
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.regions import map_regions
from fgrad.ir.rewrite import with_operands
from fgrad.ir.types import TupleType

Numbers = dict[Value, int]
Places = tuple[int, ...]  # for each result of one node, the equal result of the other


def merge_extensions(graph: Graph) -> Graph:
    """`graph` without region nodes whose results another region node has too; then the same inside its regions."""
    groups: dict[str, list[Value]] = defaultdict(list)
    for v in graph.values():
        if v.prim is not None and v.prim.name in RULES:
            groups[v.prim.name].append(v)
    if not groups:
        return graph
    numbers = _number(graph.inputs, graph.values())
    into: dict[Value, tuple[Value, Places]] = {}
    for group in groups.values():
        for v in sorted(group, key=_count):
            found = next(_absorbing(v, group, numbers, into), None)
            if found is not None:
                into[v] = found
    return _rebuild(graph, into)


def _count(v: Value) -> int:
    assert isinstance(v.type, TupleType)
    return len(v.type.items)


def _absorbing(
    v: Value, group: Sequence[Value], numbers: Numbers, into: dict[Value, tuple[Value, Places]]
) -> Iterator[tuple[Value, Places]]:
    """Larger nodes that have all results of `v`, the largest first; none that needs `v` itself."""
    assert v.prim is not None
    rule = RULES[v.prim.name]
    for w in sorted(group, key=_count, reverse=True):
        if _count(w) <= _count(v):
            return
        places = rule(v, w, numbers)
        if places is not None and not _needs(w, v, into):
            yield w, places


def _needs(w: Value, v: Value, into: dict[Value, tuple[Value, Places]]) -> bool:
    """True if `w` depends on `v`, replaced nodes taken as what replaces them."""
    if all([x in v.operands for x in w.operands]):
        return False
    stack, seen = [w], {w}
    while stack:
        x = stack.pop()
        if x is v:
            return True
        while x in into:
            x = into[x][0]
        for y in x.operands:
            if y not in seen and y.prim is not None:
                seen.add(y)
                stack.append(y)
    return False


def _rebuild(graph: Graph, into: dict[Value, tuple[Value, Places]]) -> Graph:
    """The graph with items of replaced nodes read from their replacements, and its regions merged."""
    new: dict[Value, Value] = {}
    read: dict[tuple[Value, int], Value] = {}
    stack = list(reversed(graph.outputs))
    while stack:  # depth first: a replacement may stand after what reads it now
        v = stack[-1]
        if v in new or v.prim is None:
            stack.pop()
            continue
        source, index = _source(v, into)
        needed = source.operands if source is v else (source,)
        waiting = [x for x in needed if x.prim is not None and x not in new]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if source is v:
            new[v] = map_regions(with_operands(v, tuple([new.get(x, x) for x in v.operands])), _inner)
        else:
            key = (source, index)
            read[key] = new[v] = read.get(key) or FUNCTIONS["item"](new[source], index=index)
    outputs = tuple([new.get(v, v) for v in graph.outputs])
    return graph if outputs == graph.outputs else Graph(graph.inputs, outputs)


def _inner(graph: Graph) -> Graph:
    return merge_extensions(graph)


def _source(v: Value, into: dict[Value, tuple[Value, Places]]) -> tuple[Value, int]:
    """The node and result that `v`, an item of a replaced node, is read from; `v` itself for all else."""
    if v.prim is None or v.prim.name != "item" or v.operands[0] not in into:
        return v, 0
    source, index = v.operands[0], v.params[0]
    while source in into:
        source, places = into[source]
        index = places[index]
    return source, index


def _key(v: Value, numbers: Numbers) -> Any:
    if v.prim is None:
        return (v.type, v.const.tobytes()) if v.const is not None else v
    return (v.prim, tuple([numbers[x] for x in v.operands]), encode(v.params))


def _number(inputs: Sequence[Value], order: Sequence[Value], extra: Sequence[Value] = ()) -> Numbers:
    """Equal numbers for equal values of one graph."""
    known: dict[Any, int] = {}
    numbers: Numbers = {v: known.setdefault(v, len(known)) for v in inputs}
    for v in [*[x for n in order for x in (*n.operands, n)], *extra]:
        if v not in numbers:
            numbers[v] = known.setdefault(_key(v, numbers), len(known))
    return numbers


def _embed(small: Graph, large: Graph, inputs: Sequence[int]) -> tuple[list[int], list[int]] | None:
    """Numbers of both graphs' outputs if `large` computes all of `small`, whose input k is its input `inputs[k]`."""
    theirs = _number(large.inputs, large.values(), large.outputs)
    known = {_key(v, theirs): n for v, n in theirs.items() if v not in large.inputs}
    numbers: Numbers = {v: theirs[large.inputs[i]] for v, i in zip(small.inputs, inputs, strict=True)}
    for v in [*[x for n in small.values() for x in (*n.operands, n)], *small.outputs]:
        if v not in numbers:
            n = known.get(_key(v, numbers))
            if n is None:
                return None
            numbers[v] = n
    return [numbers[v] for v in small.outputs], [theirs[v] for v in large.outputs]


def _match(small: Sequence[Value], large: Sequence[Value], numbers: Numbers, ordered: bool = False) -> list[int] | None:
    """For each of `small` the place of an equal value in `large`; `ordered`: each later than the one before."""
    places: list[int] = []
    for v in small:
        start = places[-1] + 1 if ordered and places else 0
        place = next((k for k in range(start, len(large)) if numbers[large[k]] == numbers[v]), None)
        if place is None:
            return None
        places.append(place)
    return places


def _parts(operands: Sequence[Value], *cuts: int) -> list[Sequence[Value]]:
    return [operands[a:b] for a, b in pairwise((0, *cuts, len(operands)))]


def _locate(outputs: Sequence[Any], theirs: Sequence[Any], start: int = 0) -> list[int] | None:
    try:
        return [theirs.index(n, start) for n in outputs]
    except ValueError:
        return None


def _scan(v: Value, w: Value, numbers: Numbers) -> Places | None:
    p, q = v.named_params, w.named_params
    if (p["length"], p["reverse"]) != (q["length"], q["reverse"]):
        return None
    consts, carry, xs = _parts(v.operands, p["n_consts"], p["n_consts"] + p["n_carry"])
    consts_w, carry_w, xs_w = _parts(w.operands, q["n_consts"], q["n_consts"] + q["n_carry"])
    a, b, c = (
        _match(consts, consts_w, numbers),
        _match(carry, carry_w, numbers, ordered=True),
        _match(xs, xs_w, numbers),
    )
    if a is None or b is None or c is None:
        return None
    first, n = len(consts_w), q["n_carry"]
    found = _embed(p["body"], q["body"], [*a, *[first + k for k in b], *[first + n + k for k in c]])
    if found is None:
        return None
    outputs, theirs = found
    if outputs[: len(carry)] != [theirs[k] for k in b]:
        return None
    ys = _locate(outputs[len(carry) :], theirs, n)
    return None if ys is None else (*b, *ys)


def _while(v: Value, w: Value, numbers: Numbers) -> Places | None:
    p, q = v.named_params, w.named_params
    (consts, carry), (consts_w, carry_w) = _parts(v.operands, p["n_consts"]), _parts(w.operands, q["n_consts"])
    a, b = _match(consts, consts_w, numbers), _match(carry, carry_w, numbers, ordered=True)
    if a is None or b is None:
        return None
    inputs = [*a, *[len(consts_w) + k for k in b]]
    test, step = _embed(p["condition"], q["condition"], inputs), _embed(p["body"], q["body"], inputs)
    if test is None or step is None or test[0] != test[1] or step[0] != [step[1][k] for k in b]:
        return None
    return tuple(b)


def _cond(v: Value, w: Value, numbers: Numbers) -> Places | None:
    if numbers[v.operands[0]] != numbers[w.operands[0]] or len(v.params[0]) != len(w.params[0]):
        return None
    return _branches(v.operands[1:], w.operands[1:], v.params[0], w.params[0], numbers)


def _checkpoint(v: Value, w: Value, numbers: Numbers) -> Places | None:
    return (
        _branches(v.operands, w.operands, v.params[:1], w.params[:1], numbers) if v.params[1:] == w.params[1:] else None
    )


def _branches(
    xs: Sequence[Value], xs_w: Sequence[Value], small: Sequence[Graph], large: Sequence[Graph], numbers: Numbers
) -> Places | None:
    inputs = _match(xs, xs_w, numbers)
    if inputs is None:
        return None
    found = [_embed(a, b, inputs) for a, b in zip(small, large, strict=True)]
    if any(f is None for f in found):
        return None
    rows = list(zip(*[f[0] for f in found if f is not None], strict=True))
    places = _locate(rows, list(zip(*[f[1] for f in found if f is not None], strict=True)))
    return None if places is None else tuple(places)


RULES: dict[str, Callable[[Value, Value, Numbers], Places | None]] = {
    "scan": _scan,
    "while_loop": _while,
    "cond": _cond,
    "checkpoint": _checkpoint,
}
