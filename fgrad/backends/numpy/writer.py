"""Writes the program text: a name for every value, a line for every step."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fgrad.backends.numpy import calls
from fgrad.backends.numpy.interpret import checked
from fgrad.backends.numpy.program import ALONE, COUNTED, Code
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import TensorType
from fgrad.passes.plan import Plan


class Writer:
    """Names, lines and the scope of one program."""

    def __init__(self, graph: Graph, donated: Mapping[int, int], plan: Plan) -> None:
        self.graph, self.donated, self.plan = graph, donated, plan
        self.names: dict[Value, str] = {}
        self.lines: list[str] = []
        self.used: set[int] = set(donated.values())  # numbers of inputs that are read
        self.pooled: set[int] = set()
        self.scope: dict[str, Any] = {"refs": sys.getrefcount, "empty": np.empty, "copyto": np.copyto, "np": np}
        self.scope.update(inf=np.inf, nan=np.nan, commit=deque)
        self.buffers: dict[str, tuple[int, tuple[int, ...], Any]] = {}
        self.views: dict[str, tuple[Any, tuple[str, ...], dict[str, Any]]] = {}
        self.inputs = {x: i for i, x in enumerate(graph.inputs)}

    # ------------------------------------------------------------------ names
    def bind(self, name: str, x: Any) -> str:
        """`name` for an object in the program's scope; a number is added if it stands for something else."""
        k, free = 1, name
        while self.scope.setdefault(free, x) is not x:
            k, free = k + 1, f"{name}_{k}"
        return free

    def name(self, v: Value) -> str:
        """The name that holds `v` at run time; views get a line, or a place in the frame, when first asked for."""
        known = self.names.get(v)
        if known is None:
            known = self.names[v] = self.leaf(v) if v.prim is None else self.view(v)
        return known

    def leaf(self, v: Value) -> str:
        """An input or a constant."""
        if v.const is not None:
            return self.bind(f"c{len(self.names)}", v.const)
        i = self.inputs[v]
        self.used.add(i)
        return f"x{i}"

    def view(self, v: Value) -> str:
        """A value that shares memory: `item` of a tuple, or a view of an array."""
        assert v.prim is not None
        slot = self.plan.roots[v]
        if v.prim.name == "item":
            if slot in self.plan.homes and self.plan.homes[slot].kind != "fresh":
                return self.slot(v, slot)
            return f"{self.name(v.operands[0])}[{v.params[0]}]"
        args = tuple(self.name(x) for x in v.operands)
        name = f"v{len(self.names)}"
        if all(a in self.buffers or a in self.views or a in self.scope for a in args):
            self.views[name] = (v.prim.lower, args, v.named_params)
            return name
        shape = v.named_params.get("shape")
        if v.prim.name == "reshape":
            self.lines.append(f"{name} = {args[0]}.reshape({shape})")
        elif v.prim.name == "transpose":
            self.lines.append(f"{name} = {args[0]}.transpose({v.params[0]})")
        else:
            self.lines.append(f"{name} = {self.lowering(v, args, None)}")
        return name

    def slot(self, v: Value, slot: tuple[Value, int]) -> str:
        """The name of a planned buffer of `v`'s type."""
        home = self.plan.homes[slot]
        if home.kind == "arena":
            name = f"t{len(self.buffers)}"
            assert isinstance(v.type, TensorType)
            self.buffers[name] = (home.at, v.shape, v.dtype)
            return name
        if home.kind == "output":
            self.pooled.add(home.at)
            return f"y{home.at}" if v.type is self.graph.outputs[home.at].type else self.reshaped(v, f"y{home.at}")
        self.used.add(home.at)
        return f"x{home.at}"

    def reshaped(self, v: Value, name: str) -> str:
        """An output buffer in the shape in which it is computed."""
        own = f"{name}_as"
        self.lines.append(f"{own} = {name}.reshape({v.shape})")
        return own

    # ------------------------------------------------------------------ steps
    def lowering(self, v: Value, args: Sequence[str], out: str | None) -> str:
        """A call of the primitive's own lowering."""
        assert v.prim is not None
        call = self.bind(v.prim.name, v.prim.lower)
        params = [
            f"{k}={p!r}" if calls.plain(p) else f"{k}={self.bind(f'{v.prim.name}_{k}', p)}"
            for k, p in v.named_params.items()
        ]
        return f"{call}({', '.join(['np', str(out), *args, *params])})"

    def step(self, v: Value) -> None:
        """The lines that compute one node."""
        assert v.prim is not None
        if self.plan.roots[v] != (v, 0) or v.prim.name == "item":
            return  # named when it is read
        call = calls.ufunc(v) if isinstance(v.type, TensorType) else None
        if call is not None:
            args = [calls.literal(x) or self.name(calls.broadcasts(x, v.shape)) for x in v.operands]
            out = self.names[v] = self.slot(v, (v, 0))
            self.lines.append(f"{self.bind(call.__name__, call)}({', '.join([*args, out])})")
            return
        args = [self.name(x) for x in v.operands]
        if v.prim.check is not None:
            params = self.bind(f"{v.prim.name}_params", v.named_params)
            self.bind("check", checked)
            self.lines.append(f"check({self.bind(f'{v.prim.name}_node', v)}, ({', '.join(args)},), {params})")
        if self.plan.homes[v, 0].kind == "fresh":
            name = self.names[v] = f"d{len(self.names)}"
            self.lines.append(f"{name} = {self.lowering(v, args, None)}")
            return
        out = self.names[v] = self.slot(v, (v, 0))
        self.lines.append(self.lowering(v, args, out))

    # ------------------------------------------------------------------ whole
    def results(self) -> list[str]:
        """Copies the outputs that live elsewhere, commits donated buffers, and names the results in order."""
        named, commits = [], []
        for i, v in enumerate(self.graph.outputs):
            if self.plan.homes.get(self.plan.roots[v]) == ("output", i):
                named.append(f"y{i}")
                continue
            source = self.name(v)
            if i not in self.plan.copies:
                named.append(source)
            elif i in self.donated:
                commits.append((f"x{self.donated[i]}", source))
                named.append(f"x{self.donated[i]}")
            elif isinstance(v.type, TensorType):
                self.pooled.add(i)
                self.lines.append(f"copyto(y{i}, {source})")
                named.append(f"y{i}")
            else:
                named.append(source)
        if commits:
            left, right = (", ".join(side) for side in zip(*commits, strict=True))
            self.lines.append(f"commit(map(copyto, ({left},), ({right},)), 0)")  # one C call: an interrupt cannot tear it
        return named

    def head(self) -> list[str]:
        """Inputs, and output buffers that nobody else holds."""
        lines = [f"x{i} = I[{i}]" for i in sorted(self.used)]
        for k, i in enumerate(sorted(self.pooled)):
            t = self.graph.outputs[i].type
            assert isinstance(t, TensorType)
            dtype = self.bind(t.dtype.name, t.dtype)
            fresh = f"pool[{k}] = empty({t.shape}, {dtype})"
            if COUNTED:
                lines += [f"y{i} = pool[{k}]", f"if refs(y{i}) != {ALONE}: y{i} = {fresh}"]
            else:
                lines.append(f"y{i} = {fresh}")
        return lines

    def code(self) -> Code:
        """The finished program."""
        for v in self.plan.order:
            self.step(v)
        named = self.results()
        body = [*self.head(), *self.lines, f"return [{', '.join(named)}]"]
        source = "def program(I):\n" + "".join(f"    {line}\n" for line in body)
        pooled = [self.graph.outputs[i].type for i in sorted(self.pooled)]
        outputs = tuple((t.shape, t.dtype) for t in pooled if isinstance(t, TensorType))
        return Code(
            source, compile(source, "<fgrad program>", "exec"), self.scope, self.buffers, self.views, outputs, self.plan
        )
