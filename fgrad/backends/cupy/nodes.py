"""One node at run time: the device it runs on, its operands there, its lowering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.backends import devices
from fgrad.ir.graph import Graph, Value
from fgrad.ir.regions import map_param, subgraphs
from fgrad.ir.types import CPU, Device, TensorType, TupleType, Type
from fgrad.primitives.regions.run import owner

STEERED = ("dynamic_slice", "dynamic_update_slice", "pure_callback", "callback")  # read 0-d operands on the host
PLAIN = ("convert", "bitcast", "transfer", "iota", "opaque", "item", "pure_callback", "callback")  # any dtype as it is


def parts(t: Type) -> tuple[Type, ...]:
    """The types of one result or of several."""
    return t.items if isinstance(t, TupleType) else (t,)


def cuda_of(types: Sequence[Type]) -> Device | None:
    """The first CUDA device among types."""
    return next((p.device for t in types for p in parts(t) if isinstance(p, TensorType) and p.device is not CPU), None)


def home(v: Value) -> Device:
    """Where a node runs: its result's device; an operation with graphs on any CUDA device it touches."""
    found = cuda_of([v.type])
    if found is None and subgraphs(v):
        found = cuda_of([x.type for x in v.operands])
    return found or CPU


def uploads(v: Value, x: Value) -> bool:
    """True if `v` reads its CPU operand `x` as an array on its own device."""
    assert v.prim is not None
    if not isinstance(x.type, TensorType) or x.device is not CPU or home(v) is CPU:
        return False
    return v.prim.name != "transfer" and v.prim.name not in STEERED and not subgraphs(v)


def constant_on(x: Value, device: Device) -> Any:
    """The array of a constant on a device."""
    return x.const if device is CPU else devices.put(x.const, device)


def asarray(a: Any, device: Device) -> Any:
    """`a` on a device, without a copy where it is there already."""
    if device is CPU:
        return devices.host(a)
    return devices.put(a, device) if isinstance(a, np.ndarray | np.generic) else a


def settle(values: Sequence[Any], types: Sequence[Type]) -> list[Any]:
    """Arrays where their types say they are."""
    return [asarray(a, t.device) if isinstance(t, TensorType) else a for a, t in zip(values, types, strict=True)]


def narrow(dtype: Any) -> bool:
    """True for bfloat16, which CuPy knows in some functions only."""
    return bool(dtype.name == "bfloat16")


def widened(v: Value) -> Callable[..., Any]:
    """The lowering of a node with bfloat16 operands, in float32 and rounded once."""
    assert v.prim is not None
    lower, types = v.prim.lower, parts(v.type)
    assert lower is not None

    def run(xp: Any, out: Any, *xs: Any, **params: Any) -> Any:
        wide = [x.astype("float32") if hasattr(x, "dtype") and narrow(x.dtype) else x for x in xs]
        found = lower(xp, None, *wide, **params)
        several = found if isinstance(found, tuple) else (found,)
        done = [a.astype(t.dtype, copy=False) for a, t in zip(several, types, strict=True) if isinstance(t, TensorType)]
        return tuple(done) if isinstance(found, tuple) else done[0]

    return run


def settled(v: Value) -> Callable[..., Any]:
    """The lowering of an operation with graphs, its results where their types say."""
    assert v.prim is not None
    lower, types = v.prim.lower, parts(v.type)
    assert lower is not None
    return lambda xp, out, *xs, **params: tuple(settle(lower(xp, None, *xs, **params), types))


def lowering(v: Value) -> Callable[..., Any]:
    """What computes a node: `(library, None, *operands, **params) -> result`."""
    assert v.prim is not None
    assert v.prim.lower is not None
    if home(v) is CPU:
        return v.prim.lower
    if subgraphs(v):
        return settled(v)
    if v.prim.view_of is None and v.prim.name not in PLAIN and any(
        isinstance(t, TensorType) and narrow(t.dtype) for t in (*parts(v.type), *[x.type for x in v.operands])
    ):
        return widened(v)
    return v.prim.lower


def params_of(v: Value) -> dict[str, Any]:
    """Parameters by name, graphs in them as functions of arrays."""
    return {name: map_param(p, Steps) for name, p in v.named_params.items()}


def check(v: Value, xp: Any, args: Sequence[Any]) -> None:
    """Raises what the primitive's own check finds in the values."""
    assert v.prim is not None
    assert v.prim.check is not None
    found = v.prim.check(xp, *args, **v.named_params)
    if found:
        raise v.prim.refusal(found, v.where)


class _Step:
    """A node ready to be called."""

    __slots__ = ("device", "free", "lower", "operands", "params", "result", "uploads", "v", "xp")

    def __init__(self, v: Value, operands: list[int], result: int) -> None:
        self.v, self.operands, self.result = v, operands, result
        self.device = home(v)
        self.xp, self.lower, self.params = devices.library(self.device), lowering(v), params_of(v)
        self.uploads = [i for i, x in enumerate(v.operands) if x.const is None and uploads(v, x)]
        self.free: list[int] = []

    def __call__(self, env: list[Any]) -> None:
        args = [env[i] for i in self.operands]
        for i in self.uploads:
            args[i] = devices.put(args[i], self.device)
        if self.v.may_fail:
            check(self.v, self.xp, args)
        env[self.result] = self.lower(self.xp, None, *args, **self.params)
        for i in self.free:
            env[i] = None


class Steps:
    """A graph as a function of a list of arrays, node by node; also what stands for a graph inside a region node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.slots: dict[Any, int] = {v: i for i, v in enumerate(graph.inputs)}
        self.start: list[Any] = [None] * len(graph.inputs)
        self.constants: list[Any] = []
        self.steps: list[_Step] = []
        for v in graph.values():
            operands = [self.slot(x, home(v) if uploads(v, x) else None) for x in v.operands]
            self.steps.append(_Step(v, operands, self.slot(v)))
        self.results = [self.slot(v) for v in graph.outputs]
        kept = set(self.results)
        last = {i: s for s in self.steps for i in s.operands}
        for i, s in last.items():
            if i not in kept and self.start[i] is None:
                s.free.append(i)

    def slot(self, x: Value, device: Device | None = None) -> int:
        """The place of a value; of a constant, on a device."""
        key: Any = x
        if x.const is not None:
            assert isinstance(x.type, TensorType)
            device = device or x.device
            key = (x, device)
        if key not in self.slots:
            self.slots[key] = len(self.start)
            self.start.append(None)
            if device is not None and x.const is not None:
                self.start[-1] = constant_on(x, device)
                self.constants.append(self.start[-1])
        return self.slots[key]

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The outputs; they may share memory with the inputs."""
        env = self.start.copy()
        env[: len(arrays)] = settle(arrays, self.graph.input_types)
        current: Device | None = None
        for step in self.steps:
            if step.device is not CPU and step.device is not current:
                current = step.device
                step.xp.cuda.Device(current.index).use()
            step(env)
        return [env[i] for i in self.results]


def finish(graph: Graph, values: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
    """Outputs in row-major memory of their own: shared with no array in `shared` and no other output."""
    out: list[Any] = []
    taken = {id(owner(a)) for a in shared}
    for v, a in zip(graph.outputs, values, strict=True):
        if isinstance(v.type, TensorType):
            own = owner(a)
            alone = isinstance(a, np.ndarray) or not isinstance(a, np.generic)
            if not alone or id(own) in taken or not a.flags.c_contiguous or own.nbytes > a.nbytes:
                a = own = devices.put(a, v.device)
            taken.add(id(own))
        out.append(a)
    return out
