"""Functions given to cond, scan, custom rules and the like: recorded as closed graphs, captured tensors as operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.counter import refuse_writes, tied
from fgrad.eager.enter import enter, intern
from fgrad.eager.record import items, wrap
from fgrad.eager.tape import THREAD
from fgrad.eager.trace import Recorded, record_function
from fgrad.errors import DtypeError, ShapeError
from fgrad.ir.apply import caller, constant
from fgrad.ir.dtypes import ORDER, kind
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import intern as intern_graph
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TensorType, Type

Function = Callable[..., Any]
FULL = ("int32", "int64", "float32", "float64", "complex64", "complex128")


class CarryError(DtypeError, ShapeError):
    """Results of a recorded function of other types than its loop or its other branches have."""


def flat_cells(given: Any) -> tuple[list[Any], Any, list[bool]]:
    """Leaves as cells, the structure, and which leaves were Python numbers (they take the dtype they meet)."""
    leaves, spec = tree.flatten(given)
    return [as_cell(x) for x in leaves], spec, [isinstance(x, int | float | complex) and not isinstance(x, bool) for x in leaves]


def record_call(f: Function, name: str, types: Sequence[tuple[type[Cell], Type]], build: Callable[[list[Any]], Any],
                effects: bool = False) -> Recorded:  # fmt: skip
    """Records `f(*build(cells))`; writing to an outer tensor is an error here.

    effects: the region takes the counter of effects in and gives it back; else the results need them (see counter).
    """
    g = f if effects else lambda *args: tied(f(*args))
    recorded = record_function(g, name, [(c, t, False) for c, t in types], lambda cells: (build(cells), {}))
    refuse_writes(recorded, name)
    return recorded


def types_of(cells: Sequence[Any]) -> list[tuple[type[Cell], Type]]:
    """(class, type) of cells, for recording."""
    return [(type(t)._result, t._type) for t in cells]


def captures_of(parts: Sequence[Recorded], written: Sequence[Any] = ()) -> list[Any]:
    """Tensors that any of the functions captured, each once; those `written` are operands of another kind."""
    return [c for c in dict.fromkeys(c for r in parts for c in r.captured) if c not in written]


def over_captures(r: Recorded, captured: Sequence[Any]) -> tuple[Value, ...]:
    """Inputs of `r` for all of `captured`, unread ones for those that it did not capture."""
    n = len(r.graph.inputs) - len(r.captured) - 2 * len(r.generators)
    own = dict(zip(r.captured, r.graph.inputs[n:], strict=False))
    return tuple([own[c] if c in own else leaf(c._type) for c in captured])


def closed(inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
    """An interned graph: equal functions are one object, so a node that holds it is found again."""
    return intern_graph(Graph(tuple(inputs), tuple(outputs)))


def region(name: str, operands: Sequence[Value], **params: Any) -> tuple[Value, ...]:
    """The results of a region primitive on the current tape."""
    tape, prim = THREAD.tape, REGISTRY[name]
    return items(tape, intern(tape, prim, tuple(operands), tuple([params[n] for n in prim.params])))


def enter_cells(cells: Sequence[Any]) -> list[Value]:
    """Values of cells on the current tape."""
    tape = THREAD.tape
    return [t._value if t._tape is tape else enter(tape, t) for t in cells]


def wrap_results(values: Sequence[Value], classes: Sequence[Any], cells: Sequence[Any]) -> list[Any]:
    """Values as cells of the classes the function returned, else of the operands' face."""
    default = type(cells[0])._result if cells else FACES["array"]
    tape = THREAD.tape
    return [wrap(c or default, tape, v) for v, c in zip(values, classes, strict=True)]


def is_weak(v: Value, cls: Any) -> bool:
    """True for a result that was a Python number: it takes the dtype it meets."""
    return cls is None and v.const is not None and not v.shape


def retyped(v: Value, cls: Any, wanted: Type, strict: bool = False) -> Value:
    """A Python number among the results in the wanted dtype, if it fits there; other values as they are.

    strict: an int stands for int32 or int64 and a float for float32 or float64 only, which is what they are in JAX.
    """
    if v.type is wanted or not is_weak(v, cls) or not isinstance(wanted, TensorType) or wanted.shape:
        return v
    if rank(v.dtype) > rank(wanted.dtype) or (strict and not (kind(v.dtype) == kind(wanted.dtype) and wanted.dtype.name in FULL)):
        return v
    return constant(np.asarray(v.const).astype(wanted.dtype), device=wanted.device)


def rank(dtype: Any) -> int:
    """Place of a dtype's kind: bool, integer, float, complex."""
    k = kind(dtype)
    return ORDER.index("i" if k == "u" else k)


def weak_init(cells: list[Any], weak: Sequence[bool], outputs: Sequence[Value], classes: Sequence[Any]) -> list[Any] | None:
    """First carries with Python numbers in the dtype that the body gives them, or None if they are that already."""
    changed = False
    new = list(cells)
    for i, (t, w, v, c) in enumerate(zip(cells, weak, outputs, classes, strict=True)):
        if w and v.type is not t._type and not v.shape and not is_weak(v, c) and rank(v.dtype) >= rank(t._type.dtype):
            new[i] = as_cell(np.asarray(t._data).astype(v.dtype), type(t))
            changed = True
    return new if changed else None


def check_types(name: str, what: str, found: Sequence[Value], wanted: Sequence[Type]) -> None:
    """Refuses results of other types than wanted, naming both and the user's line."""
    for i, (v, t) in enumerate(zip(found, wanted, strict=True)):
        if v.type is not t:
            raise CarryError(
                f"{name}: {what} {i} has type {v.type} where {t} is expected", where=v.where or caller(),
                fix="return the same shapes and dtypes each time (astype, broadcast_to)",
            )  # fmt: skip
