"""The whole program as text: one line a node, names freed after their last use; CuPy's pool is the memory plan."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from fgrad.backends import devices
from fgrad.backends.cupy import nodes
from fgrad.backends.numpy import calls
from fgrad.ir.apply import broadcast_shapes
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import CPU, Device, TensorType


class Code(NamedTuple):
    """What is needed to make a runnable function: text, and what its names stand for."""

    source: str
    compiled: CodeType
    scope: dict[str, Any]


def ufunc(v: Value) -> str | None:
    """The name of the CuPy function that is exactly this node on its device; None for any other node."""
    found = calls.ufunc(v) if isinstance(v.type, TensorType) and v.device is not CPU else None
    if found is None or (v.prim is not None and v.prim.name == "rem" and v.dtype.kind in "ui"):  # its fmod uses doubles
        return None
    return found.__name__


def is_number(x: Value) -> bool:
    """True for a 0-d tensor that comes from the host: a kernel takes it as an argument."""
    return x.prim is not None and x.prim.name == "transfer" and not x.shape and x.operands[0].device is CPU


def whole(a: Any, device: Device) -> Any:
    """`a` as an array in row-major order: itself if it is one."""
    return a if not isinstance(a, np.generic) and a.flags.c_contiguous else devices.put(a, device)


class Writer:
    """One program."""

    def __init__(self, graph: Graph, donated: Mapping[int, int]) -> None:
        self.graph, self.donated = graph, donated
        self.scope: dict[str, Any] = {"np": np, "inf": np.inf, "nan": np.nan, "put": devices.put, "whole": whole, "check": nodes.check}
        self.lines: list[str] = []
        self.names: dict[Value, str] = {x: f"x{i}" for i, x in enumerate(graph.inputs)}
        self.constants: dict[tuple[Value, Device], str] = {}
        self.count = 0
        self.current: Device | None = None
        self.order = graph.values()
        self.survey()
        self.direct = self.donations()

    # ------------------------------------------------------------------ who lives how long
    def survey(self) -> None:
        """Which values share memory (every view counts, whether or not it came to a copy), and when each is read last."""
        self.root: dict[Value, Value] = {}
        self.last: dict[Value, int] = {}
        for v in self.order:
            assert v.prim is not None
            x = v.operands[v.prim.view_of] if v.prim.view_of is not None else v
            if is_number(v):  # read as late as its own value
                x = v.operands[0]
            if v.prim.name == "item":  # results of one node are apart, but for an opaque one's, which are its operands
                x = x.operands[v.params[0]] if x.prim is not None and x.prim.name == "opaque" else v
            self.root[v] = self.root.get(x, x)
        self.measure()

    def measure(self) -> None:
        """The step after which nothing reads the memory of a value."""
        self.last.clear()
        for n, v in enumerate(self.order):
            for x in v.operands:
                self.last[self.root.get(x, x)] = n
        for v in self.graph.outputs:
            self.last[self.root.get(v, v)] = len(self.order)

    def donations(self) -> dict[Value, str]:
        """Outputs whose last operation, at the end of the program, writes the donated buffer itself."""
        read = {x for v in self.order for x in v.operands}
        outputs = [self.root.get(v, v) for v in self.graph.outputs]
        tail: dict[Value, Value] = {}
        for i, k in self.donated.items():
            v, x = self.graph.outputs[i], self.graph.inputs[k]
            if v not in read and v.prim is not None and ufunc(v) and v.type is x.type and outputs.count(v) == 1 and x not in outputs:
                tail[v] = x
        self.order = [v for v in self.order if v not in tail] + [v for v in self.order if v in tail]
        self.measure()
        first = len(self.order) - len(tail)
        direct: dict[Value, str] = {}
        for n, v in enumerate(self.order[first:], first):
            x = tail[v]
            same = all(y is x or self.root.get(y, y) is not x for y in v.operands)
            if self.last.get(x, -1) < n or (self.last[x] == n and same):
                direct[v] = self.names[x]
        return direct

    # ------------------------------------------------------------------ names
    def bind(self, name: str, x: Any) -> str:
        """`name` for an object in the scope; a number is added if it stands for something else."""
        k, free = 1, name
        while self.scope.setdefault(free, x) is not x:
            k, free = k + 1, f"{name}_{k}"
        return free

    def assign(self, v: Value, text: str) -> str:
        """A line that gives `v` a fresh name."""
        self.count += 1
        name = self.names[v] = f"t{self.count}"
        self.lines.append(f"{name} = {text}")
        return name

    def library(self, device: Device) -> str:
        """The name of a device's library, that device being the current one."""
        if device is CPU:
            return "np"
        if self.current is not None and self.current is not device:
            self.lines.append(f"cp.cuda.Device({device.index}).use()")
        self.current = device
        return self.bind("cp", devices.library(device))

    def place(self, device: Device) -> str:
        """The name of a device."""
        return self.bind(str(device).replace(":", ""), device)

    def name(self, x: Value, device: Device | None = None) -> str:
        """The name that holds `x`: a constant's copy on a device, a view or a number from the host when first asked for."""
        if x.const is not None:
            where = device or x.device
            known = self.constants.get((x, where))
            if known is None:
                known = self.constants[x, where] = self.bind(f"c{len(self.constants)}", nodes.constant_on(x, where))
            return known
        if x not in self.names:
            self.call(x)
        return self.names[x]

    # ------------------------------------------------------------------ steps
    def arguments(self, v: Value) -> list[str]:
        """Operands of a ufunc, which repeats them by itself; numbers as text beside an array."""
        bare = [calls.unrepeated(x) for x in v.operands]
        if broadcast_shapes(*[x.shape for x in bare]) != v.shape:
            bare = list(v.operands)
        numbers = [calls.literal(x) or (f"{self.name(x.operands[0])}.item()" if is_number(x) else None) for x in bare]
        alone = all(numbers)
        return [self.name(x, v.device) if t is None or alone else t for t, x in zip(numbers, bare, strict=True)]

    def overwritten(self, n: int, v: Value) -> str | None:
        """The name of an operand that nothing reads after step `n`, whose memory takes the result."""
        for x in v.operands:
            fresh = x.prim is not None and x.prim.view_of is None and not is_number(x) and x not in self.direct
            alone = all(y is x or self.root.get(y, y) is not x for y in v.operands)
            if fresh and alone and x.type is v.type and self.last[x] == n:
                return self.names[x]
        return None

    def step(self, n: int, v: Value) -> None:
        """The lines of one node; views and numbers from the host wait until they are asked for."""
        assert v.prim is not None
        if is_number(v) or (v.prim.view_of is not None and v.prim.name != "item"):
            return
        function = ufunc(v)
        turned = calls.product(v) if isinstance(v.type, TensorType) and v.device is not CPU else None
        if function is not None:
            xp, given = self.library(v.device), ", ".join(self.arguments(v))
            out = self.direct.get(v) or self.overwritten(n, v)
            if out is None:
                self.assign(v, f"{xp}.{function}({given})")
            else:
                self.names[v] = out
                self.lines.append(f"{out} = {xp}.{function}({given}, out={out})")
        elif turned is not None:
            xp = self.library(v.device)
            args = [self.name(x, v.device) + ".swapaxes(-1, -2)" * t for x, t in zip(v.operands, turned, strict=True)]
            self.assign(v, f"{xp}.matmul({', '.join(args)})")
        else:
            self.call(v)

    def call(self, v: Value) -> None:
        """A call of the primitive's own lowering."""
        assert v.prim is not None
        if v.prim.name == "item":
            self.assign(v, f"{self.name(v.operands[0])}[{v.params[0]}]")
            return
        device = nodes.home(v)
        args = [self.operand(v, x, device) for x in v.operands]
        xp = self.library(device)
        if v.may_fail:
            self.lines.append(f"check({self.bind(f'{v.prim.name}_node', v)}, {xp}, ({', '.join(args)},))")
        params = [
            f"{k}={p!r}" if calls.plain(p) else f"{k}={self.bind(f'{v.prim.name}_{k}', p)}"
            for k, p in nodes.params_of(v).items()
        ]
        function = self.bind(v.prim.name, nodes.lowering(v))
        self.assign(v, f"{function}({', '.join([xp, 'None', *args, *params])})")

    def operand(self, v: Value, x: Value, device: Device) -> str:
        """An operand of a lowering, on the node's device."""
        if not nodes.uploads(v, x):
            return self.name(x)
        return self.name(x, device) if x.const is not None else f"put({self.name(x)}, {self.place(device)})"

    def free(self, n: int) -> None:
        """Lets go of what nothing reads after step `n`."""
        v = self.order[n]
        gone = {self.root.get(x, x) for x in (*v.operands, v)}
        gone = {r for r in gone if self.last.get(r, n) == n}
        names = [name for x, name in self.names.items() if name[0] == "t" and self.root.get(x, x) in gone]
        kept = {name for x, name in self.names.items() if self.root.get(x, x) not in gone}
        names = [name for name in dict.fromkeys(names) if name not in kept]
        for x in [x for x in self.names if self.root.get(x, x) in gone and x.prim is not None]:
            del self.names[x]
        if names:
            self.lines.append(f"del {', '.join(names)}")

    def results(self) -> list[str]:
        """Names of the outputs, in memory of their own: shared with no input, constant or other output."""
        taken: set[Value] = set()
        named = []
        for v in self.graph.outputs:
            name = self.name(v)
            if isinstance(v.type, TensorType) and v not in self.direct:
                r = self.root.get(v, v)
                own = r.prim is not None and r not in taken and isinstance(r.type, TensorType) and r.size == v.size
                taken.add(r)
                name = f"{'whole' if own else 'put'}({name}, {self.place(v.device)})"
            named.append(name)
        return named

    def code(self) -> Code:
        """The finished program."""
        for n, v in enumerate(self.order):
            self.step(n, v)
            self.free(n)
        named = self.results()
        head = [f"{', '.join(f'x{i}' for i in range(len(self.graph.inputs)))}, = I"] if self.graph.inputs else []
        body = [*head, *self.lines, f"return [{', '.join(named)}]"]
        source = "def program(I):\n" + "".join(f"    {line}\n" for line in body)
        return Code(source, compile(source, "<fgrad program>", "exec"), self.scope)
