"""Conditions inside kernels: one of several bodies, and a body while another says so.

A loop in a kernel runs no Python between its steps: one that never ends can only be ended with its process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fgrad.backends.numpy.block import Block
from fgrad.backends.numpy.machine import LLVM
from fgrad.backends.numpy.scans import is_branch
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.regions import subgraphs
from fgrad.ir.types import TensorType
from fgrad.passes.plan import Plan, padded

if TYPE_CHECKING:
    from fgrad.backends.numpy.native import Native

Bodies = list[tuple[Graph, Plan]]
INTEGERS = ("bool", "int32", "int64")


class Branches:
    """Writes conds and while loops into the functions of a program."""

    def __init__(self, native: Native) -> None:
        self.native = native
        self.known: dict[Value, Bodies | None] = {}

    def bodies(self, v: Value) -> Bodies | None:
        """The graphs of a node, planned: a cond's branches, or condition and body; None if one can have no code."""
        if v not in self.known:
            self.known[v] = self.planned(v)
        return self.known[v]

    def planned(self, v: Value) -> Bodies | None:
        """The same, made."""
        assert v.prim is not None
        if not all(isinstance(x.type, TensorType) and x.size for x in v.operands):
            return None
        if v.prim.name == "cond" and v.operands[0].dtype.name not in INTEGERS:
            return None
        found = [self.native.scans.prepared(g) for g in subgraphs(v)]
        return None if None in found else [f for f in found if f is not None]

    def scratch(self, v: Value) -> int:
        """Working memory: that of the body which needs most, contiguous operands; of a loop, a bool and carried values twice."""
        bodies = self.bodies(v)
        if bodies is None:
            return 0
        carried = v.operands[v.named_params.get("n_consts", len(v.operands)) :]
        return self.arena(bodies) + sum([padded(x.type.nbytes) for x in (*v.operands, *carried, *carried)]) + padded(1)

    def arena(self, bodies: Bodies) -> int:
        """Bytes for a run of any of the bodies."""
        return padded(max([plan.arena_bytes for _, plan in bodies]))

    def step(self, block: Block, v: Value) -> bool:
        """Writes a node; False if it has to stay a call of NumPy, and then nothing is written."""
        if not is_branch(v) or self.bodies(v) is None:
            return False
        assert v.prim is not None
        write = self.choice if v.prim.name == "cond" else self.loop
        return self.native.scans.attempt(lambda: write(block, v))

    def ready(self, block: Block, v: Value) -> tuple[Bodies, int, int, list[str], list[str]]:
        """The bodies, where their arena is and where free memory is after it, pointers to operands and to results."""
        native, bodies = self.native, self.bodies(v)
        assert bodies is not None
        base = block.base + block.plan.scratch[v]
        at, given = base + self.arena(bodies), []
        for x in v.operands:
            given.append(native.scans.whole(block, x, at))
            at += padded(x.type.nbytes)
        made = [native.slot(block, (v, k), leaf(t)) for k, t in enumerate(v.type.items)]  # type: ignore[union-attr]  # a tuple
        return bodies, base, at, given, made

    def choice(self, block: Block, v: Value) -> None:
        """A cond: the branch of that number writes the results; numbers there is no branch for take the nearest."""
        bodies, base, _, (number, *given), made = self.ready(block, v)
        asm, scans = self.native.asm, self.native.scans
        x = asm.load(number, v.operands[0].dtype.name, 1)
        i = LLVM(asm).convert(x, "int64").text
        for k, body in enumerate(bodies):
            test = "eq" if 0 < k < len(bodies) - 1 else "sle" if k == 0 else "sge"
            asm.when(asm.op(f"icmp {test} i64 {i}, {k}"), lambda body=body: scans.run(block, body, given, made, base))  # type: ignore[misc]  # bound now

    def loop(self, block: Block, v: Value) -> None:
        """A while loop: steps read carried values and write new ones, which then take their place."""
        (condition, body), base, at, given, made = self.ready(block, v)
        native, scans, consts = self.native, self.native.scans, v.named_params["n_consts"]
        carried = v.operands[consts:]
        flag, at = native.arena(at), at + padded(1)
        now, later = [], []
        for x in carried:
            now.append(native.arena(at))
            later.append(native.arena(at + padded(x.type.nbytes)))
            at += 2 * padded(x.type.nbytes)
        for x, p, q in zip(carried, given[consts:], now, strict=True):
            scans.move(x, p, q)
        inputs = [*given[:consts], *now]

        def test() -> str:
            scans.run(block, condition, inputs, [flag], base)
            return native.asm.load(flag, "bool", 1).text

        def one() -> None:
            scans.run(block, body, inputs, later, base)
            for x, p, q in zip(carried, later, now, strict=True):
                scans.move(x, p, q)

        native.asm.during(test, one)
        for x, p, q in zip(carried, now, made, strict=True):
            scans.move(x, p, q)
