"""Scans as native loops: the body's nodes are written once, inside a loop over the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fgrad.backends.numpy import along, moves, orders, searches
from fgrad.backends.numpy.block import Block
from fgrad.backends.numpy.calls import constant
from fgrad.backends.numpy.jit import host
from fgrad.backends.numpy.runs import Mover, Run, copy, elements
from fgrad.backends.numpy.split import COSTLY
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.types import TensorType
from fgrad.passes.forms import native_forms
from fgrad.passes.fuse import fuse
from fgrad.passes.nests import is_fused
from fgrad.passes.plan import Plan, padded, plan_memory
from fgrad.passes.schedule import schedule

if TYPE_CHECKING:
    from fgrad.backends.numpy.native import Native


class UnableError(Exception):
    """A node of a body that has no native code."""


def is_scan(v: Value) -> bool:
    """True for a loop with a known number of steps."""
    return v.prim is not None and v.prim.name == "scan"


def is_branch(v: Value) -> bool:
    """True for what is decided while it runs."""
    return v.prim is not None and v.prim.name in ("cond", "while_loop")


class Body(NamedTuple):
    """A scan's body after fusion, and the memory of one step."""

    graph: Graph
    plan: Plan
    carries: tuple[int, ...]  # where in the working memory each carried value lies, after the arena of a step
    nbytes: int


def nameless(k: int) -> str:
    """The name of a body's result, which has none."""
    raise UnableError


class Scans:
    """Writes scans into the functions of a program."""

    def __init__(self, native: Native) -> None:
        self.native = native
        self.known: dict[Value, Body | None] = {}

    def body(self, v: Value) -> Body | None:
        """What a loop needs; None if a node can have no code."""
        if v not in self.known:
            self.known[v] = self.planned(v)
        return self.known[v]

    def planned(self, v: Value) -> Body | None:
        """The same, made."""
        params = v.named_params
        tensors = all(isinstance(x.type, TensorType) and x.size for x in v.operands)
        found = self.prepared(params["body"]) if params["length"] and tensors else None
        if found is None:
            return None
        graph, plan = found
        at, carries = plan.arena_bytes, []
        for x in v.operands[params["n_consts"] : params["n_consts"] + params["n_carry"]]:
            carries.append(padded(at))
            at = padded(at) + 2 * padded(x.type.nbytes)
        return Body(graph, plan, tuple(carries), padded(at))

    def prepared(self, graph: Graph) -> tuple[Graph, Plan] | None:
        """A body after fusion, and where one run of it keeps its values; None if a node can have no code."""
        if not all(isinstance(t, TensorType) and t.nbytes for t in (*graph.input_types, *graph.output_types)):
            return None
        graph = fuse(native_forms(graph), self.native.able, costly=COSTLY)
        order = schedule(graph)
        if any(w.may_fail or not self.possible(w) for w in order):
            return None
        return graph, plan_memory(graph, {}, order, self.native.target)

    def possible(self, w: Value) -> bool:
        """False for a node that certainly has no native code."""
        assert w.prim is not None
        if is_fused(w) or w.prim.name in ("item", "dot_general") or w.prim.view_of is not None or constant(w):
            return True
        return any([room.able(w) for room in (moves, along, orders, searches)]) or self.native.is_number(w) or self.able(w)

    def able(self, v: Value) -> bool:
        """True for a node with bodies all of whose nodes may have code."""
        return (is_scan(v) and self.body(v) is not None) or (is_branch(v) and self.native.branches.bodies(v) is not None)

    def scratch(self, v: Value) -> int:
        """Working memory: one step's, carried values twice, contiguous copies of operands."""
        body = self.body(v)
        return 0 if body is None else body.nbytes + sum([padded(x.type.nbytes) for x in v.operands])

    def step(self, block: Block, v: Value) -> bool:
        """Writes a scan; False if it has to stay a call of NumPy, and then nothing is written."""
        return is_scan(v) and self.able(v) and self.attempt(lambda: self.write(block, v))

    def attempt(self, write: Callable[[], None]) -> bool:
        """Calls `write`; False if it cannot be done, and then nothing is written."""
        native = self.native
        asm = native.asm
        before = (len(asm.lines), len(asm.head), dict(native.args), len(asm.launches), native.pending, native.inside)
        native.inside = True
        try:
            write()
        except UnableError:
            lines, heads, native.args, launches, native.pending, native.inside = before
            del asm.lines[lines:], asm.head[heads:], asm.launches[launches:]
            return False
        native.inside = before[-1]
        return True

    def write(self, block: Block, v: Value) -> None:
        """Carried values are copied in, every step reads them and writes new ones, which take their place at its end."""
        native, body, params = self.native, self.body(v), v.named_params
        assert body is not None
        base = block.base + block.plan.scratch[v]
        end = base + body.nbytes
        consts, carry = params["n_consts"], params["n_carry"]
        given = []
        for x in v.operands:
            given.append(self.whole(block, x, end))
            end += padded(x.type.nbytes)
        now = [native.arena(base + k) for k in body.carries]
        made = [native.slot(block, (v, k), leaf(t)) for k, t in enumerate(v.type.items)]  # type: ignore[union-attr]  # a scan's is a tuple
        for k, p in enumerate(now):
            self.move(v.operands[consts + k], given[consts + k], p)

        def one(i: str) -> None:
            asm, length = native.asm, params["length"]
            if params["reverse"]:
                i = asm.op(f"sub i64 {length - 1}, {i}")
            inputs = [*given[:consts], *now, *[self.at(p, i, x) for p, x in zip(given[consts + carry :], body.graph.inputs[consts + carry :], strict=True)]]
            later = [native.arena(base + k + padded(x.type.nbytes)) for k, x in zip(body.carries, body.graph.inputs[consts:], strict=False)]
            targets = [*later, *[self.at(p, i, x) for p, x in zip(made[carry:], body.graph.outputs[carry:], strict=True)]]
            self.run(block, (body.graph, body.plan), inputs, targets, base)
            for k, p in enumerate(now):
                self.move(body.graph.outputs[k], later[k], p)

        native.asm.loop(0, params["length"], 1, one)
        for k, p in enumerate(now):
            self.move(v.operands[consts + k], p, made[k])

    def run(self, block: Block, body: tuple[Graph, Plan], inputs: Sequence[str], targets: Sequence[str], base: int) -> None:
        """The nodes of a body, from where its inputs are to where its results go; base: where its own arena starts."""
        graph, plan = body
        self.native.leaves.update(zip(graph.inputs, inputs, strict=True))
        inner = Block(block.text, graph, plan, {}, nameless, base)
        self.native.results[inner] = [*targets]
        for w in plan.order:
            self.native.step(inner, w)
        for k in plan.copies:
            self.copied(inner, graph.outputs[k], targets[k])

    def copied(self, block: Block, x: Value, target: str) -> None:
        """A result that the body does not compute in its place."""
        if not self.native.rooted(block, x):
            raise UnableError
        writer = moves.Moves(self.native.asm, x, host().lanes)
        writer.copy(x.shape, self.native.memory(block, x), target, writer.out)

    def whole(self, block: Block, x: Value, at: int) -> str:
        """A pointer to a value's elements, one after the other."""
        if self.native.rooted(block, x):
            pointer, nbytes = self.native.place(block, x)
            if elements(x, nbytes) == elements(x, None):
                return pointer
        return self.native.brought(block, x, at)

    def at(self, pointer: str, i: str, x: Value) -> str:
        """A pointer to step `i` of a stack of values like `x`."""
        return Mover(self.native.asm, 1, host().lanes).at(pointer, i, x.type.nbytes)

    def move(self, x: Value, source: str, target: str) -> None:
        """All elements of a contiguous value."""
        copy(self.native.asm, [Run(x.size, (1, 1))], source, target, x.dtype.itemsize, host().lanes)
