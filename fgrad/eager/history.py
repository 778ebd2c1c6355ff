"""What a flush inside an open differentiation keeps, so that the history stays one graph.

A flush that leaves differentiable tensors alive makes a Segment: the values recorded, and the buffers that a later
backward will read. When such a tensor is used again its segment is re-inlined on the current tape (`enter.adopt`) and the
kept buffers are bound beside the values, so every order of reads, backward and double backward works.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fgrad.eager.tape import Tape, tensor_type
from fgrad.errors import GradError, RuleError
from fgrad.ir.graph import Value, free_leaves, leaf, topological
from fgrad.ir.operators import FUNCTIONS
from fgrad.transforms.vjp import pull


def is_variable(v: Value) -> bool:
    """True for a leaf of backward(): an input that requires grad, or the mark of a recorded one."""
    return v.needs and (v.prim is None or (v.prim.name == "mark" and v.params[0] < 0))


class Plan:
    """One structure's later backward: tensors it may start from, values it reads."""

    __slots__ = ("computed", "kept", "leaves", "nodes", "outputs")

    def __init__(self, outputs: Sequence[Value], kept: Sequence[Value]) -> None:
        self.outputs = frozenset(outputs)
        self.kept = tuple(kept)
        self.computed = tuple([v for v in kept if v.prim is not None and not is_variable(v)])
        self.nodes = tuple(dict.fromkeys([*outputs, *self.computed]))
        self.leaves = tuple(dict.fromkeys([*free_leaves(self.nodes), *(v for v in kept if v.prim is None)]))


def freed_values(tape: Tape) -> set[Value]:
    """Values of graphs that backward() has consumed."""
    return differentiable(tape.consumed)


def differentiable(roots: Iterable[Value]) -> set[Value]:
    """Values that a derivative of `roots` flows through; it ends where no gradient is wanted, as behind detach()."""
    found = set(roots)
    stack = list(found)
    while stack:
        for x in stack.pop().operands:
            if x.needs and x not in found:
                found.add(x)
                stack.append(x)
    return found


def barriers_of(tape: Tape) -> set[Value]:
    """Values at which backward() stops to run Python."""
    return {*tape.functions, *tape.hooked}


def plan_history(tape: Tape, values: Iterable[Value]) -> Plan | None:
    """How the living `values` can be differentiated later; None if none of them can."""
    freed = freed_values(tape)
    outputs = [v for v in values if v.needs and v.prim is not None and not is_variable(v) and v not in freed]
    if not outputs:
        return None
    order = topological(outputs)
    forward = {*order, *(x for v in order for x in v.operands)}
    ends = [v for v in forward if v.needs and (v.prim is None or (v.prim.name == "mark" and v.params[0]))]
    barriers = [v for v in barriers_of(tape) if v in forward]
    roots = list(dict.fromkeys([*outputs, *barriers, *(x for v in barriers for x in v.operands if x.needs)]))
    read: dict[Value, None] = {}
    for root in roots:
        if root.type.inexact and root.needs and root.prim is not None and root not in tape.functions:
            ct = leaf(tensor_type(root)) if not hasattr(root.type, "items") else None
            if ct is not None:
                wrt = [v for v in [*ends, *barriers] if v is not root]
                with suppress(GradError, RuleError):  # no reverse mode: backward() will say so, reading need not
                    reads(pull([root], [ct], wrt, wrt), forward, read)
    return Plan(outputs, list(read))


def reads(grads: Iterable[Any], forward: set[Value], read: dict[Value, None]) -> None:
    """Adds to `read` what a backward graph needs of the forward one; views are made again from what they show."""
    stack = flat(grads)
    seen: set[Value] = set()
    while stack:
        v = stack.pop()
        if v in seen or v.const is not None:
            continue
        seen.add(v)
        if (v in forward and (v.prim is None or is_variable(v))) or (v in forward and remembered(v)):
            read[v] = None
        else:
            stack.extend(v.operands)


def flat(grads: Iterable[Any]) -> list[Value]:
    """The values among cotangents, which may be absent or nested tuples."""
    out: list[Value] = []
    for g in grads:
        out += flat(g) if isinstance(g, tuple) else [] if g is None else [g]
    return out


def remembered(v: Value) -> bool:
    """False for values that are cheaper to make again than to keep: views, repeated constants, parts of a tuple."""
    assert v.prim is not None
    return v.prim.view_of is None and v.prim.name not in ("mark", "iota") and not hasattr(v.type, "items")


class Segment:
    """A plan with its numbers: kept buffers, tensors read and their versions."""

    __slots__ = ("buffers", "cells", "freed", "functions", "hooked", "leaves", "plan")

    def __init__(self, tape: Tape, plan: Plan, arrays: Sequence[Any], places: Mapping[Value, int]) -> None:
        self.plan = plan
        self.freed = False
        self.buffers = {v: arrays[places[v]] if v in places else tape.bound[v] for v in plan.nodes if
                        v in places or v in tape.bound}
        nodes = set(topological(plan.nodes))
        wanted = {*nodes, *plan.leaves}
        self.cells = {v: (c, c._version) for v, c in tape.cells.items() if v in wanted}
        self.leaves = {v: None if v in self.cells else tape.inputs[v.params[0]] for v in plan.leaves}
        self.functions = {v: c for v, c in tape.functions.items() if v in nodes}
        self.hooked = {v: c for v, c in tape.hooked.items() if v in nodes}


def stop(v: Value) -> Value:
    """`v` cut off from derivatives."""
    cut: Value = FUNCTIONS["stop_gradient"](v)
    return cut
