"""What the region primitives share: signatures, bodies pushed, pulled and batched, and how residuals are chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from fgrad.errors import ShapeError, Where
from fgrad.ir.graph import Graph, Value, leaf, topological
from fgrad.ir.hash import intern
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType, TupleType, Type
from fgrad.primitives.shape import broadcast_to
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import substitute
from fgrad.transforms.jvp import Tangent, instantiate, push
from fgrad.transforms.vjp import pull, reach

Flags = tuple[bool, ...]
VIEWS = frozenset(("broadcast_to", "reshape", "transpose", "mark", "stop_gradient"))
CHEAP = VIEWS | frozenset((
    "add", "sub", "mul", "div", "neg", "abs", "maximum", "minimum", "select", "convert", "sign",
    "eq", "ne", "lt", "le", "gt", "ge", "bitwise_not", "bitwise_and", "bitwise_or",
))  # fmt: skip
AGAIN = 8  # cheap operations that are done again rather than their result kept
_MEMO: WeakKeyDictionary[Graph, dict[Any, Any]] = WeakKeyDictionary()


def memo(graph: Graph, key: Any, make: Callable[[], Any]) -> Any:
    """`make()`, remembered as long as `graph` lives; what is made must not hold `graph` itself."""
    known = _MEMO.setdefault(graph, {})
    if key not in known:
        known[key] = make()
    return known[key]


def items(v: Value) -> list[Value]:
    """All results of a node that has several."""
    assert isinstance(v.type, TupleType)
    return [FUNCTIONS["item"](v, index=i) for i in range(len(v.type.items))]


def check_signature(name: str, part: str, graph: Graph, types: Sequence[Type], where: Where | None) -> None:
    """Refuses operands that are not of the types of `graph`'s inputs."""
    wanted = graph.input_types
    if tuple(types) != wanted:
        raise ShapeError(
            f"{name}: {part} takes ({', '.join(map(str, wanted))}), its operands are ({', '.join(map(str, types))})",
            where=where,
            fix="record the function with operands of exactly these shapes and dtypes",
        )


def check_results(name: str, part: str, found: Sequence[Type], wanted: Sequence[Type], where: Where | None) -> None:
    """Refuses a graph whose outputs are not of the wanted types."""
    if tuple(found) != tuple(wanted):
        raise ShapeError(
            f"{name}: {part} gives ({', '.join(map(str, found))}), wanted is ({', '.join(map(str, wanted))})",
            where=where,
            fix="return the same shapes and dtypes each time (convert or broadcast them)",
        )


def depends(graph: Graph, flags: Sequence[bool]) -> Flags:
    """Which outputs depend on an input with a flag."""
    live = {v for v, f in zip(graph.inputs, flags, strict=True) if f}
    for v in graph.values():
        if not live.isdisjoint(v.operands):
            live.add(v)
    return tuple([v in live for v in graph.outputs])


def varies(graph: Graph, flags: Sequence[bool]) -> Flags:
    """Which outputs have a derivative with respect to an input with a flag."""
    live = reach(graph.values(), [v for v, f in zip(graph.inputs, flags, strict=True) if f])
    return tuple([v in live for v in graph.outputs])


def batch_type(t: Type, n: int) -> Type:
    """The type with a leading axis of length `n`; a token has none."""
    return t.with_shape((n, *t.shape)) if isinstance(t, TensorType) else t


def batch_graph(graph: Graph, flags: Flags, n: int, whole: Flags) -> Graph:
    """`graph` with batched inputs where `flags`; outputs where `whole` have the axis in any case, others if they depend."""

    def make() -> Graph:
        inputs = [leaf(batch_type(v.type, n)) if f else leaf(v.type) for v, f in zip(graph.inputs, flags, strict=True)]
        plain = {v: w for v, w, f in zip(graph.inputs, inputs, flags, strict=True) if not f}
        axed = {v: w for v, w, f in zip(graph.inputs, inputs, flags, strict=True) if f}
        results = batch(graph.outputs, axed, n, list(plain))
        renamed = substitute([v for v, _ in results], plain)
        outputs = [
            spread(v, n) if want and not has else v for v, (_, has), want in zip(renamed, results, whole, strict=True)
        ]
        return intern(Graph(tuple(inputs), tuple(outputs)))

    found: Graph = memo(graph, ("batch", flags, n, whole), make)
    return found


def spread(v: Value, n: int) -> Value:
    """`v` repeated along a new leading axis; a token as it is."""
    if not isinstance(v.type, TensorType):
        return v
    repeated: Value = broadcast_to(v, shape=(n, *v.shape))
    return repeated


def push_graph(graph: Graph, flags: Flags, wanted: Flags) -> Graph:
    """(inputs, tangents of those with a flag) -> (outputs, tangents of the `wanted` ones)."""

    def make() -> Graph:
        dots = {v: leaf(v.type) for v, f in zip(graph.inputs, flags, strict=True) if f}
        tangents = push(graph.outputs, dots)
        out = [instantiate(t, v.type) for t, v, w in zip(tangents, graph.outputs, wanted, strict=True) if w]
        return intern(Graph((*graph.inputs, *dots.values()), (*graph.outputs, *out)))

    found: Graph = memo(graph, ("push", flags, wanted), make)
    return found


class Back(NamedTuple):
    """The reverse of a graph: `cts` are leaves for the cotangents of its outputs (None: zero).

    `results` are the cotangents of its inputs (None: zero or not wanted), as values of the graph's own and of `cts`.
    `frontier` lists the values of the graph that they read.
    """

    cts: tuple[Value | None, ...]
    results: tuple[Value | None, ...]
    frontier: tuple[Value, ...]


def back(graph: Graph, flags: Flags, given: Flags) -> Back:
    """Pulls a graph's outputs `given` to its inputs with a flag."""
    cts = tuple([leaf(v.type) if g else None for v, g in zip(graph.outputs, given, strict=True)])
    wrt = [v for v, f in zip(graph.inputs, flags, strict=True) if f]
    pairs = [(v, c) for v, c in zip(graph.outputs, cts, strict=True) if c is not None]
    found = iter(pull([v for v, _ in pairs], [c for _, c in pairs], wrt))
    results = tuple([next(found) if f else None for f in flags])
    return Back(cts, results, _frontier(results, cts))


def _frontier(results: Iterable[Value | None], cts: Iterable[Value | None]) -> tuple[Value, ...]:
    """Values that do not depend on a cotangent but are read by one that does (or are a result)."""
    linear = {c for c in cts if c is not None}
    read: dict[Value, None] = {}
    whole = [r for r in results if r is not None]
    for v in topological(whole):
        if not linear.isdisjoint(v.operands):
            linear.add(v)
            read.update(dict.fromkeys([x for x in v.operands if x not in linear]))
    read.update(dict.fromkeys([r for r in whole if r not in linear]))
    return tuple(read)


def residuals(frontier: Iterable[Value], save: Callable[[Value], bool]) -> tuple[list[Value], list[Value]]:
    """What must be kept so that `frontier` can be had again: (computed values to save, leaves to read).

    A value for which `save` is False is computed again from its operands.
    """
    kept: dict[Value, None] = {}
    leaves: dict[Value, None] = {}
    stack = list(reversed(list(frontier)))
    seen: set[Value] = set()
    while stack:
        v = stack.pop()
        if v in seen or v.const is not None:
            continue
        seen.add(v)
        if v.prim is None:
            leaves[v] = None
        elif save(v):
            kept[v] = None
        else:
            stack.extend(reversed(v.operands))
    return list(kept), list(leaves)


def thinned(kept: Sequence[Value], leaves: Iterable[Value]) -> list[Value]:
    """`kept` without what a few cheap operations make again from the rest and `leaves`."""
    had, wanted = {*kept, *leaves}, set(kept)
    for v in [v for v in topological(kept) if v in wanted]:
        had.discard(v)
        if not _made_again(v, had):
            had.add(v)
    return [v for v in kept if v in had]


def _made_again(v: Value, had: set[Value]) -> bool:
    """True if `v` takes at most AGAIN cheap operations from what is had."""
    stack, seen = [v], {v}
    while stack:
        x = stack.pop()
        if x.prim is None or x.prim.name not in CHEAP or len(seen) > AGAIN:
            return False
        new = [y for y in x.operands if y not in had and y not in seen and y.const is None]
        seen.update(new)
        stack.extend(new)
    return True


def costly(v: Value) -> bool:
    """False for views, constants and counters: those are made again rather than kept."""
    assert v.prim is not None
    return bool(v.operands) and v.prim.name not in VIEWS


def flat(ct: Tangent, n: int) -> list[Value | None]:
    """Cotangents of `n` results, zero where None."""
    return [None] * n if ct is None else list(ct)


def close(
    inputs: Sequence[Value], outputs: Sequence[Value], captures: Sequence[Value] | None = None
) -> tuple[Graph, list[Value]]:
    """A graph over `inputs` and then over what else `outputs` read; returns it and those captured values, its operands.

    captures: the values to stop at. None: whatever does not depend on `inputs` is captured, so that a loop body
    computes nothing that is the same in every step (what comes from constants alone stays inside).
    """
    inside: set[Value] = set(inputs)
    outside: set[Value] = set(captures or ())
    order = topological(outputs, [*inside, *outside])
    for v in order:
        if captures is not None or not inside.isdisjoint(v.operands):
            inside.add(v)
        elif any([x in outside or (x.prim is None and x.const is None) for x in v.operands]):
            outside.add(v)
    used = [*[x for v in order if v in inside for x in v.operands], *outputs]
    read = [x for x in used if x not in inside and (x in outside or (x.prim is None and x.const is None))]
    new = {v: leaf(v.type) for v in read}
    return Graph((*inputs, *new.values()), tuple(substitute(outputs, new))), list(new)
