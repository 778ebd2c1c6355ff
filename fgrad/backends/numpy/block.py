"""Program text of one graph: a name for every value, a line for every step. A tile of a fused group is a block too."""

from __future__ import annotations

import operator
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import starmap
from typing import Any

import numpy as np

from fgrad.backends.numpy import calls
from fgrad.backends.numpy.interpret import checked
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.types import TupleType
from fgrad.passes.plan import Plan, Slot


def whole(lower: Callable[..., Any] | None, xp: Any, out: Any, **params: Any) -> Any:
    """What a lowering makes of nothing, with its elements one after the other: kernels read it by address."""
    assert lower is not None
    return np.ascontiguousarray(lower(xp, out, **params))


class Text:
    """Lines, and what their names stand for."""

    def __init__(self) -> None:
        self.early: list[str] = []  # checks of inputs, before anything is computed
        self.lines: list[str] = []
        self.indent = ""
        self.scope: dict[str, Any] = {"refs": sys.getrefcount, "empty": np.empty, "copyto": np.copyto, "np": np}
        self.scope.update(inf=np.inf, nan=np.nan, commit=deque, starmap=starmap, call=operator.call, partial=partial)
        self.buffers: dict[str, tuple[int, tuple[int, ...], Any]] = {}
        self.places: dict[tuple[int, tuple[int, ...], Any], str] = {}
        self.views: dict[str, tuple[Any, tuple[str, ...], dict[str, Any]]] = {}
        self.addressed: set[str] = set()  # arrays that kernels reach by address: they must be contiguous
        self.numbers: dict[tuple[str, Any], str] = {}
        self.count = 0
        self.deferring = False

    def bind(self, name: str, x: Any) -> str:
        """`name` for an object in the scope; a number is added if it stands for something else."""
        k, free = 1, name
        while self.scope.setdefault(free, x) is not x:
            k, free = k + 1, f"{name}_{k}"
        return free

    def number(self, text: str, x: Any) -> str:
        """A name for a 0-d constant that tells its value: an array costs a ufunc half of what a Python number does."""
        key = (text, x.dtype)
        if key not in self.numbers:
            self.numbers[key] = self.bind("n" + text.replace("-", "m").replace(".", "_").replace("+", ""), x)
        return self.numbers[key]

    def new(self, letter: str) -> str:
        """A fresh name."""
        self.count += 1
        return f"{letter}{self.count}"

    def add(self, line: str) -> None:
        """One more line at the present indentation."""
        self.lines.append(self.indent + line)

    def call(self, function: Callable[..., Any] | str, *args: str) -> None:
        """A call of a C function, which a name may stand for, that writes one of its arguments, a ufunc the last.

        It is kept for `commit` if calls are deferred.
        """
        if isinstance(function, str):
            name = function
        else:
            owner = getattr(function, "__self__", None)
            name = self.bind(f"{owner.__name__}_reduce" if isinstance(owner, np.ufunc) else function.__name__, function)
        if self.deferring and function in (np.maximum, np.minimum):  # they want `out` by name
            self.add(f"later((partial({name}, out={args[-1]}), {', '.join(args[:-1])}))")
        elif self.deferring:
            self.add(f"later(({name}, {', '.join(args)}))")
        elif isinstance(function, np.ufunc):
            self.add(f"{name}({', '.join(args[:-1])}, out={args[-1]})")
        else:
            self.add(f"{name}({', '.join(args)})")

    def defer(self) -> None:
        """From here on calls are kept: they write what must not be left half written."""
        if not self.deferring:
            self.add("steps = []")
            self.add("later = steps.append")
            self.deferring = True

    def commit(self) -> None:
        """Runs the calls that were kept."""
        if self.deferring:
            self.add("commit(starmap(call, steps), 0)  # one C call: no interrupt can tear it")

    def buffer(self, offset: int, shape: tuple[int, ...], dtype: Any) -> str:
        """A name for a stretch of the arena."""
        key = (offset, shape, dtype)
        name = self.places.get(key)
        if name is None:
            name = self.places[key] = self.new("t")
            self.buffers[name] = key
        return name

    def fixed(self, name: str) -> bool:
        """True for names that mean the same array in every call of a frame."""
        return name in self.buffers or name in self.views or name in self.scope


class Block:
    """Names and steps of one graph whose inputs and outputs have names already."""

    def __init__(
        self,
        text: Text,
        graph: Graph,
        plan: Plan,
        names: Mapping[Value, str],
        output: Callable[[int], str],
        base: int = 0,
    ) -> None:
        self.text, self.graph, self.plan, self.base, self.output = text, graph, plan, base, output
        self.names: dict[Value, str] = dict(names)
        self.slots: dict[Slot, str] = {}
        self.integers: set[str] = set()

    # ------------------------------------------------------------------ names
    def name(self, v: Value) -> str:
        """The name that holds `v` at run time; views get a line, or a place in the frame, when first asked for."""
        known = self.names.get(v)
        if known is None:
            if v.prim is None:
                known = self.text.bind(f"c{len(self.names)}", v.const)
            elif self.plan.roots[v] != (v, 0) or v.prim.name == "item":
                known = self.view(v)
            else:
                known = self.slot((v, 0), v)
            self.names[v] = known
        return known

    def view(self, v: Value) -> str:
        """A value that shares memory: `item` of a tuple, or a view of an array."""
        assert v.prim is not None
        slot = self.plan.roots[v]
        if v.prim.name == "item":
            if slot in self.plan.homes and self.plan.homes[slot].kind != "fresh":
                return self.slot(slot, v)
            return f"{self.name(v.operands[0])}[{v.params[0]}]"
        args = tuple(self.name(x) for x in v.operands)
        name = self.text.new("v")
        if all(map(self.text.fixed, args)):
            self.text.views[name] = (v.prim.lower, args, v.named_params)
        elif v.prim.name == "reshape":
            self.text.add(f"{name} = {args[0]}.reshape({v.shape})")
        elif v.prim.name == "transpose":
            self.text.add(f"{name} = {args[0]}.transpose({v.params[0]})")
        else:
            self.text.add(f"{name} = {self.lowering(v, args, None)}")
        return name

    def slot(self, slot: Slot, like: Value) -> str:
        """The name of a planned buffer, in the shape of `like`."""
        known = self.slots.get(slot)
        if known is None:
            home = self.plan.homes[slot]
            if home.kind == "arena":
                known = self.text.buffer(self.base + home.at, like.shape, like.dtype)
            elif home.kind == "output":
                known = self.output(home.at)
                if like.shape != self.graph.outputs[home.at].shape:
                    whole, known = known, f"{known}_as"
                    self.text.add(f"{known} = {whole}.reshape({like.shape})")
            else:
                known = self.names[self.graph.inputs[home.at]]
            self.slots[slot] = known
        return known

    # ------------------------------------------------------------------ steps
    def lowering(self, v: Value, args: Sequence[str], out: str | None) -> str:
        """A call of the primitive's own lowering."""
        assert v.prim is not None
        call = self.text.bind(v.prim.name, v.prim.lower)
        params = [
            f"{k}={p!r}" if calls.plain(p) else f"{k}={self.text.bind(f'{v.prim.name}_{k}', p)}"
            for k, p in v.named_params.items()
        ]
        return f"{call}({', '.join(['np', str(out), *args, *params])})"

    def argument(self, v: Value, given: calls.Argument, numbers: bool) -> str:
        """Python text of an argument of a call that computes `v` and repeats its operands by itself."""
        if isinstance(given, str):
            return given
        k, bits = (given.of, True) if isinstance(given, calls.Bits) else (given, False)
        x = v if k == calls.OUT else calls.read(v, k)
        if numbers and k != calls.OUT:
            text = calls.literal(x)
            if text is not None:
                if bits:
                    return str(x.const.view(calls.INTEGERS[x.dtype.itemsize]))
                return self.text.number(text, x.const)
        return self.bits(x) if bits else self.name(x)

    def bits(self, x: Value) -> str:
        """The memory of `x` as integers: a view."""
        name, kind = self.name(x), calls.INTEGERS[x.dtype.itemsize]
        own = re.sub(r"\W", "_", f"{name}_bits")
        if self.text.fixed(name):
            self.text.views[own] = (lambda xp, out, a: a.view(kind), (name,), {})
        elif own not in self.integers:
            self.integers.add(own)
            self.text.add(f"{own} = {name}.view({self.text.bind(kind.name, kind)})")
        return own

    def turned(self, x: Value) -> str:
        """The last two axes of an operand exchanged: a view."""
        name = self.name(x)
        if not self.text.fixed(name):
            return f"{name}.T" if x.ndim == 2 else f"{name}.swapaxes(-1, -2)"
        own = f"{name}_T"
        self.text.views[own] = (lambda xp, out, a: a.swapaxes(-1, -2), (name,), {})
        return own

    def constant(self, v: Value) -> bool:
        """True for what each frame makes once and has under its name."""
        return calls.constant(v) and self.plan.homes[v, 0].kind == "arena"

    def step(self, v: Value) -> None:
        """The lines that compute one node."""
        assert v.prim is not None
        if self.plan.roots[v] != (v, 0) or v.prim.name == "item":
            return  # named when it is read
        if self.constant(v):
            name = self.names[v] = self.text.new("v")
            self.text.views[name] = (partial(whole, v.prim.lower), (), v.named_params)
            return
        made = calls.calls(v)
        if made is not None:
            numbers = not all([calls.literal(calls.read(v, k)) for k in range(len(v.operands))])
            for function, given in made:
                self.text.call(function, *[self.argument(v, a, numbers) for a in given])
            return
        factors = self.factors(v)
        if factors is not None:
            self.text.call(np.matmul, *factors, self.name(v))
            return
        args = [self.name(x) for x in v.operands]
        if v.prim.name == "reshape" and self.plan.homes[v, 0].kind != "fresh":  # no view: copied in the old shape
            self.text.call(np.copyto, self.shaped(v, v.operands[0].shape), *args)
            return
        if v.may_fail:
            self.check(v)
        places = self.places(v)
        if places is not None:
            self.text.add(self.lowering(v, args, places))
            return
        if self.plan.homes[v, 0].kind == "fresh":
            name = self.names[v] = self.text.new("d")
            self.text.add(f"{name} = {self.lowering(v, args, None)}")
            return
        self.text.add(self.lowering(v, args, self.name(v)))

    def factors(self, v: Value) -> list[str] | None:
        """What `matmul` multiplies to compute a node; None if it is no product, or not one of matrices and vectors as they lie."""
        turned, order = calls.product(v), calls.applied(v)
        if turned is not None:
            return [self.turned(x) if t else self.name(x) for x, t in zip(v.operands, turned, strict=True)]
        return None if order is None else [self.name(v.operands[k]) for k in order]

    def places(self, v: Value) -> str | None:
        """The planned buffers of several results; None if the node has one, or makes its own."""
        if not isinstance(v.type, TupleType) or self.plan.homes[v, 0].kind == "fresh":
            return None
        return f"({', '.join([self.slot((v, k), leaf(t)) for k, t in enumerate(v.type.items)])},)"

    def shaped(self, v: Value, shape: tuple[int, ...]) -> str:
        """The planned buffer of a result in another shape."""
        home = self.plan.homes[v, 0]
        if home.kind == "arena":
            return self.text.buffer(self.base + home.at, shape, v.dtype)
        return f"{self.name(v)}.reshape({shape})"

    def check(self, v: Value) -> None:
        """The line that refuses bad values."""
        self.text.add(self.checking(v, [self.name(x) for x in v.operands]))

    def checking(self, v: Value, args: Sequence[str]) -> str:
        """A call of the primitive's own check."""
        assert v.prim is not None
        params = self.text.bind(f"{v.prim.name}_params", v.named_params)
        self.text.bind("check", checked)
        return f"check({self.text.bind(f'{v.prim.name}_node', v)}, ({', '.join(args)},), {params})"
