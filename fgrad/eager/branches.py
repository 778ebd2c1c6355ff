"""cond and switch: one of several functions, chosen when the program runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.closures import (
    Function,
    captures_of,
    check_types,
    closed,
    enter_cells,
    flat_cells,
    is_weak,
    over_captures,
    record_call,
    region,
    retyped,
    types_of,
    wrap_results,
)
from fgrad.eager.convert import as_cell
from fgrad.eager.counter import advance, writes_of, written_by
from fgrad.eager.record import record
from fgrad.eager.trace import Recorded
from fgrad.errors import ArgumentError, ShapeError, TreeError
from fgrad.ir.apply import caller
from fgrad.ir.primitive import REGISTRY as R
from fgrad.ir.types import Type
from fgrad.settings import current

_ABSENT = object()


def cond(pred: Any, true_fun: Function, false_fun: Function, *operands: Any, operand: Any = _ABSENT) -> Any:
    """`true_fun(*operands) if pred else false_fun(*operands)`, chosen when the program runs.

    pred: bool[] (a number is true unless 0).  Both functions return trees of one structure and types; a Python int may stand
    for int32 or int64, a float for float32 or float64. Tensors they close over are operands too.  Raises TypeError naming
    the types that differ.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.lax.cond(jnp.array(True), lambda x: x + 1, lambda x: x - 1, 2.0)
    Array(3., dtype=float32)
    """
    args = operands if operand is _ABSENT else (operand,)
    p = scalar(pred, "cond")
    if p._type.dtype.kind != "b":
        zero = as_cell(np.zeros((), p._type.dtype), type(p))
        p = record(type(p)._result, R["ne"], (p, zero))
    return choose("cond", p, [false_fun, true_fun], args)


def switch(index: Any, branches: Sequence[Function], *operands: Any, operand: Any = _ABSENT) -> Any:
    """`branches[index](*operands)` (`operand=x` is one operand), the index clamped to 0..len - 1. Results as in `cond`."""
    operands = operands if operand is _ABSENT else (operand,)
    if not branches:
        raise ArgumentError("switch: no branches", where=caller(), fix="give at least one function")
    if len(branches) == 1:
        return branches[0](*operands)
    i = scalar(index, "switch", "index")
    if i._type.dtype.kind == "b" or i._type.inexact:
        raise ShapeError(f"switch: the index is {i._type}", where=caller(), fix="give an integer of shape ()")
    return choose("switch", i, list(branches), operands)


def scalar(x: Any, name: str, what: str = "predicate") -> Any:
    """A predicate or index of shape ()."""
    t = as_cell(x)
    if t._type.shape:
        raise PredicateError(f"{name}: the {what} has type {t._type}", where=caller(),
                             fix="give a scalar, or use where for a choice of each element")  # fmt: skip
    return t


class PredicateError(ShapeError, TypeError):
    """A predicate that is not a scalar."""


def choose(name: str, pred: Any, branches: list[Function], args: tuple[Any, ...]) -> Any:
    """Records every branch and one node."""
    if not current().jit:
        return branches[min(max(int(pred), 0), len(branches) - 1)](*args)
    cells, spec, _ = flat_cells(args)
    build = tree.unflattener(spec)
    parts = [record_call(f, name, types_of(cells), build, effects=True) for f in branches]
    for k, r in enumerate(parts):
        if r.out_spec != parts[0].out_spec:
            raise TreeError(
                f"{name}: branches return different trees: {parts[0].out_spec} and {r.out_spec} ({label(name, k)})",
                where=caller(), fix="return the same structure from each",
            )  # fmt: skip
    written = written_by(parts)
    if not parts[0].n_out and not written:
        return tree.unflatten(parts[0].out_spec, [])
    wanted = [wanted_type(parts, k) for k in range(parts[0].n_out)]
    captured = captures_of(parts, written)
    graphs = []
    for k, r in enumerate(parts):
        outputs = [retyped(v, c, t, True) for v, c, t in zip(r.graph.outputs, r.classes, wanted, strict=False)]
        check_types(name, f"result of {label(name, k)}, leaf", outputs, wanted)
        over = over_captures(r, [*written, *captured])
        graphs.append(closed((*r.graph.inputs[: len(cells)], *over), [*writes_of(r, written, over), *outputs]))
    found = region("cond", enter_cells([pred, *cells, *written, *captured]), branches=tuple(graphs))
    classes = [next((c for c in row if c is not None), None) for row in zip(*[r.classes for r in parts], strict=True)]
    k = len(written)
    return tree.unflatten(parts[0].out_spec, advance(written, found[:k], lambda: wrap_results(found[k:], classes, cells or captured)))


def label(name: str, k: int) -> str:
    """What a user calls branch `k`."""
    return ("false_fun", "true_fun")[k] if name == "cond" else f"branch {k}"


def wanted_type(parts: Sequence[Recorded], k: int) -> Type:
    """The type that result `k` has: that of a branch where it is no Python number."""
    return next((r.graph.outputs[k].type for r in parts if not is_weak(r.graph.outputs[k], r.classes[k])),
                parts[0].graph.outputs[k].type)  # fmt: skip
