"""What a program is: values and graphs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast, dataclass_transform

import numpy as np

from fgrad.errors import Where
from fgrad.ir.operators import Operators
from fgrad.ir.primitive import Primitive
from fgrad.ir.types import Device, TensorType, Type

T = TypeVar("T")
FORMATTERS: dict[str, Callable[[Graph], str]] = {}  # "text" is entered by ir.text, which imports this module


@dataclass_transform(frozen_default=True, eq_default=False)
def ir_node(cls: type[T]) -> type[T]:
    """Slotted class, compared by identity; read-only to the type checker, plain (4x faster) at run time."""
    return dataclasses.dataclass(slots=True, eq=False, weakref_slot=True)(cls)


@ir_node
class Value(Operators):
    """One step of a program and its result: defined once, never changed.

    A leaf has no primitive: a graph input, or a constant when `const` holds its array.
    """

    prim: Primitive | None
    operands: tuple[Value, ...]
    params: tuple[Any, ...]  # static and hashable, in the primitive's declared order
    type: Type
    where: Where | None = None  # the user's line, unresolved
    const: Any = None
    needs: bool = False  # the recorder wants a derivative through here

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements per axis (of a tensor-typed value)."""
        return cast(TensorType, self.type).shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type (of a tensor-typed value)."""
        return cast(TensorType, self.type).dtype

    @property
    def ndim(self) -> int:
        """Number of axes (of a tensor-typed value)."""
        return len(cast(TensorType, self.type).shape)

    @property
    def size(self) -> int:
        """Number of elements (of a tensor-typed value)."""
        return cast(TensorType, self.type).size

    @property
    def device(self) -> Device:
        """Where it lives (of a tensor-typed value)."""
        return cast(TensorType, self.type).device

    @property
    def named_params(self) -> dict[str, Any]:
        """Parameters by name."""
        return dict(zip(self.prim.params, self.params, strict=True)) if self.prim is not None else {}

    @property
    def may_fail(self) -> bool:
        """True if values of the operands can be an error; an operation with modes fails in the mode "raise" alone."""
        return self.prim is not None and self.prim.check is not None and self.named_params.get("mode", "raise") == "raise"

    def __repr__(self) -> str:
        return f"<{self.type} = {self.prim.name if self.prim else 'const' if self.const is not None else 'input'}>"


def leaf(type: Type, *, slot: int = -1, needs: bool = False) -> Value:
    """A graph input; `slot` is its place among a recorder's inputs."""
    return Value(None, (), (slot,), type, None, None, needs)


def topological(outputs: Iterable[Value], stop: Iterable[Value] = ()) -> list[Value]:
    """Computed values that `outputs` need, each after its operands, not looking behind `stop`."""
    order: dict[Value, None] = {}
    done = set(stop)
    stack: list[Value] = list(outputs)
    stack.reverse()
    pending: set[Value] = set()
    while stack:
        v = stack[-1]
        if v in done or v.prim is None:
            stack.pop()
        elif v in pending:
            stack.pop()
            done.add(v)
            order[v] = None
        else:
            pending.add(v)
            stack.extend([x for x in reversed(v.operands) if x.prim is not None and x not in done])
    return list(order)


@ir_node
class Graph:
    """A closed program `outputs = f(inputs)`."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    _order: list[Value] | None = dataclasses.field(default=None, repr=False)

    def values(self) -> list[Value]:
        """Computed values, each after its operands (iterative: depth is unbounded)."""
        if self._order is None:
            object.__setattr__(self, "_order", topological(self.outputs, self.inputs))
        return list(self._order or ())

    def __str__(self) -> str:
        return FORMATTERS["text"](self)

    @property
    def input_types(self) -> tuple[Type, ...]:
        """Types of the inputs."""
        return tuple(v.type for v in self.inputs)

    @property
    def output_types(self) -> tuple[Type, ...]:
        """Types of the outputs."""
        return tuple(v.type for v in self.outputs)


def numbering(graph: Graph) -> dict[Value, int]:
    """Every value's number in printed forms: inputs, then constants with axes and computed values as they are needed."""
    numbers: dict[Value, int] = {}
    for v in graph.inputs:
        numbers.setdefault(v, len(numbers))
    for v in graph.values():
        for x in (*v.operands, v):
            if x.prim is not None or (x.const is not None and x.shape):
                numbers.setdefault(x, len(numbers))
    for x in graph.outputs:
        if x.const is not None and x.shape:
            numbers.setdefault(x, len(numbers))
    return numbers


def free_leaves(outputs: Sequence[Value]) -> list[Value]:
    """Input leaves (not constants) that `outputs` read, in order of first use."""
    seen: dict[Value, None] = {}
    for v in outputs:
        if v.prim is None and v.const is None:
            seen[v] = None
    for v in topological(outputs):
        for x in v.operands:
            if x.prim is None and x.const is None:
                seen[x] = None
    return list(seen)
