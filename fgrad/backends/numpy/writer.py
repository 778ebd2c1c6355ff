"""The whole program as text: inputs, output buffers, steps, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fgrad.backends.numpy.block import Block, Text
from fgrad.backends.numpy.program import ALONE, COUNTED, Code
from fgrad.errors import ArgumentError
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType
from fgrad.passes.plan import Plan


def contiguous(x: Any, donated: bool) -> Any:
    """A contiguous copy of an input; a donated one has to be contiguous, because the result must land in it."""
    if donated:
        raise ArgumentError("a donated buffer is not contiguous", fix="donate the array that owns the memory")
    return np.ascontiguousarray(x)


Step = Callable[[Block, Value], None]


class Writer:
    """One program."""

    def __init__(
        self,
        graph: Graph,
        donated: Mapping[int, int],
        plan: Plan,
        step: Step = Block.step,
        finish: Callable[[Block], None] | None = None,
    ) -> None:
        self.graph, self.donated, self.plan, self.write, self.finish = graph, donated, plan, step, finish
        self.text = Text()
        self.pooled: set[int] = set()
        names = {x: f"x{i}" for i, x in enumerate(graph.inputs)}
        self.block = Block(self.text, graph, plan, names, self.output)

    def output(self, i: int) -> str:
        """The name of the buffer of output `i`."""
        self.pooled.add(i)
        return f"y{i}"

    def results(self) -> list[str]:
        """Copies the outputs that live elsewhere, commits donated buffers, and names the results in order."""
        named, commits = [], []
        for i, v in enumerate(self.graph.outputs):
            if self.plan.homes.get(self.plan.roots[v]) == ("output", i):
                named.append(self.output(i))
                continue
            planned = self.block.places(v)
            if planned is not None:  # a tuple whole
                named.append(f"tuple([a.copy() for a in {planned}])")
                continue
            source = self.block.name(v)
            if i not in self.plan.copies:
                named.append(source)
            elif i in self.donated:
                commits.append((f"x{self.donated[i]}", source))
                named.append(f"x{self.donated[i]}")
            elif isinstance(v.type, TensorType):
                self.text.call(np.copyto, self.output(i), source)
                named.append(f"y{i}")
            else:
                named.append(source)
        if commits:
            self.text.defer()
        for place, source in commits:
            self.text.call(np.copyto, place, source)
        self.text.commit()
        return named

    def head(self) -> list[str]:
        """Inputs, and output buffers that nobody else holds."""
        lines = [f"{', '.join(f'x{i}' for i in range(len(self.graph.inputs)))}, = I"] if self.graph.inputs else []
        lines += [
            f"if not x{i}.flags.c_contiguous: x{i} = contiguous(x{i}, {i in self.donated.values()})"
            for i in range(len(self.graph.inputs))
            if f"x{i}" in self.text.addressed
        ]
        for k, i in enumerate(sorted(self.pooled)):
            t = self.graph.outputs[i].type
            assert isinstance(t, TensorType)
            fresh = f"pool[{k}] = empty({t.shape}, {self.text.bind(t.dtype.name, t.dtype)})"
            if COUNTED:
                lines += [f"y{i} = pool[{k}]", f"if refs(y{i}) != {ALONE}: y{i} = {fresh}"]
            else:
                lines.append(f"y{i} = {fresh}")
        return lines

    def code(self) -> Code:
        """The finished program."""
        for v in self.plan.order:
            self.write(self.block, v)
        if self.finish is not None:
            self.finish(self.block)
        named = self.results()
        self.text.bind("contiguous", contiguous)
        body = [*self.head(), *self.text.early, *self.text.lines, f"return [{', '.join(named)}]"]
        source = "def program(I):\n" + "".join(f"    {line}\n" for line in body)
        pooled = [self.graph.outputs[i].type for i in sorted(self.pooled)]
        outputs = tuple((t.shape, t.dtype) for t in pooled if isinstance(t, TensorType))
        text = self.text
        return Code(
            source, compile(source, "<fgrad program>", "exec"), text.scope, text.buffers, text.views, outputs, self.plan,
            len(self.plan.roots),
        )  # fmt: skip
