"""Scans taken apart, and loops that do only what needs the step before: the rest is done for all steps at once.

Products of what comes from slices and constants are computed before the loop; products that no carried value needs,
after it, from stacks of what they read; and sums of products over the steps become one product over rows of all steps.
A loop of small products is bound by their fixed costs and by reading weights again and again; one large product is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from fgrad.ir.graph import Graph, Value, leaf, topological
from fgrad.ir.hash import intern
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.regions import subgraphs
from fgrad.ir.types import TensorType, TupleType
from fgrad.transforms.batch import batch
from fgrad.transforms.inline import substitute

ROOM = 1 << 22  # bytes that new stacks may always take
GROWTH = 4  # and how many times what the loop reads and writes anyway


@dataclasses.dataclass(slots=True)
class Loop:
    """A scan taken apart: leaves of the body with what they are outside, and what a step gives."""

    consts: dict[Value, Value]
    carries: dict[Value, Value]  # leaf -> first value
    xs: dict[Value, Value]  # leaf of a slice -> stack
    nexts: dict[Value, Value]  # leaf of a carry -> its next value
    ys: list[Value]
    length: int
    reverse: bool
    room: int  # bytes that may still be stacked

    def outputs(self) -> list[Value]:
        """All that a step gives."""
        return [*self.nexts.values(), *self.ys]

    def order(self) -> list[Value]:
        """What a step computes."""
        return topological(self.outputs())

    def fits(self, values: Iterable[Value], free: int = 0) -> bool:
        """True if these may be stacked too, when as many bytes are given back; then they are counted."""
        cost = self.length * sum([v.type.nbytes for v in values]) - free
        if cost > self.room:
            return False
        self.room -= cost
        return True


def opened(v: Value) -> Loop | None:
    """A scan in parts; None if it has none of the steps or other operands than tensors."""
    p = v.named_params
    body: Graph = p["body"]
    types = (*body.input_types, *body.output_types)
    if p["length"] < 2 or not all(isinstance(t, TensorType) for t in types):
        return None
    first, carry = p["n_consts"], p["n_carry"]
    pairs = list(zip(body.inputs, v.operands, strict=True))
    moved = p["length"] * sum([t.nbytes for t in (*body.input_types[first + carry :], *body.output_types[carry:])])
    starts = dict(pairs[first : first + carry])
    nexts = dict(zip(starts, body.outputs[:carry], strict=True))
    ys = list(body.outputs[carry:])
    return Loop(dict(pairs[:first]), starts, dict(pairs[first + carry :]), nexts, ys, p["length"], p["reverse"], max(ROOM, GROWTH * moved))


def closed(loop: Loop) -> tuple[dict[Value, Value], list[Value]]:
    """The scan again: last values by carry, and stacks. Operands that no step reads are gone."""
    inner = (*loop.consts, *loop.carries, *loop.xs)
    outputs = tuple(loop.outputs())
    if not outputs:
        return {}, []
    read = {x for v in loop.order() for x in v.operands} | set(outputs)
    kept = [x for x in inner if x in read or x in loop.carries]
    outside = {**loop.consts, **loop.carries, **loop.xs}
    body = intern(Graph(tuple(kept), outputs))
    node = F["scan"](
        *[outside[x] for x in kept], body=body, length=loop.length, reverse=loop.reverse,
        n_consts=sum([x in loop.consts for x in kept]), n_carry=len(loop.carries),
    )  # fmt: skip
    assert isinstance(node.type, TupleType)
    found = [F["item"](node, index=k) for k in range(len(outputs))]
    return dict(zip(loop.carries, found, strict=False)), found[len(loop.carries) :]


def stack_type(t: TensorType, n: int) -> TensorType:
    """A stack of `n` such tensors."""
    return t.with_shape((n, *t.shape))


def stacked(values: Sequence[Value], known: Mapping[Value, Value], loop: Loop) -> list[Value]:
    """Stacks of values of the body over all steps, computed at once from `known` stacks; constants are those outside."""
    stands = {x: leaf(y.type) for x, y in known.items()}
    found = batch(values, stands, loop.length)
    outside = {**loop.consts, **{stands[x]: y for x, y in known.items()}}
    made = substitute([y for y, _ in found], outside)
    return [
        y if has else F["broadcast_to"](y, shape=(loop.length, *y.shape)) for y, (_, has) in zip(made, found, strict=True)
    ]


def sink(loop: Loop) -> bool:
    """Repeats constants inside the loop that are repeated outside, so that each step reads fewer; True if there are any."""
    small: dict[Value, Value] = {}
    for c, x in list(loop.consts.items()):
        if x.prim is not None and x.prim.name == "broadcast_to" and x.operands[0].const is None:
            y = leaf(x.operands[0].type)
            small[c] = F["broadcast_to"](y, shape=x.shape)
            loop.consts[y] = x.operands[0]
            del loop.consts[c]
    outputs = substitute(loop.outputs(), small)
    loop.nexts, loop.ys = dict(zip(loop.nexts, outputs, strict=False)), outputs[len(loop.nexts) :]
    return bool(small)


def barred(v: Value) -> bool:
    """True for what has to stay a step of the loop: it can fail, has an effect or a body of its own."""
    prim = v.prim
    assert prim is not None
    return prim.effect or v.may_fail or prim.batch is None or bool(subgraphs(v)) or not isinstance(v.type, TensorType)


def is_heavy(v: Value, plain: set[Value]) -> bool:
    """True for products that gain from many rows. plain: values that are the same in every step."""
    assert v.prim is not None
    return v.prim.name == "dot_general" or (v.prim.name == "conv" and v.operands[1] in plain)


def below(given: Iterable[Value], order: Iterable[Value]) -> set[Value]:
    """`given` and what depends on it."""
    found = set(given)
    for v in order:
        if not found.isdisjoint(v.operands):
            found.add(v)
    return found


def above(given: Iterable[Value], order: Sequence[Value]) -> set[Value]:
    """`given` and what it depends on."""
    found = set(given)
    for v in reversed(order):
        if v in found:
            found.update(v.operands)
    return found


def same_everywhere(loop: Loop, order: Sequence[Value]) -> set[Value]:
    """What no slice and no carried value has a part in."""
    moving = below((*loop.carries, *loop.xs), order)
    return {*loop.consts, *[x for v in order for x in (v, *v.operands) if x not in moving]}
