"""Arguments of a transform, marked on the tape: identity nodes that derivatives are taken with respect to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.convert import as_cell, assemble
from fgrad.eager.enter import STOP, enter, intern
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD, Tape
from fgrad.errors import DtypeError, TreeError
from fgrad.ir.apply import caller
from fgrad.ir.graph import Value
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TensorType

MARK = REGISTRY["mark"]


@contextmanager
def deeper() -> Iterator[int]:
    """One more transform in progress; marks carry the depth, so nested ones never mix. Gradients are recorded inside."""
    THREAD.depth += 1
    grad, THREAD.grad = THREAD.grad, True
    THREAD.tape.switch(True)
    try:
        yield THREAD.depth
    finally:
        THREAD.depth -= 1
        THREAD.grad = grad
        THREAD.tape.switch(grad)


class Marked:
    """A tree of arguments whose inexact leaves are marked."""

    def __init__(self, arg: Any, depth: int) -> None:
        leaves, self.spec = tree.flatten(arg)
        self.cells = [as_cell(x) for x in leaves]
        self.marks = [mark(t, depth) if t._type.inexact else t for t in self.cells]
        self.tree = assemble(self.spec, self.marks)

    def values(self, tape: Tape) -> list[Value]:
        """The marks on `tape`."""
        return [t._value if t._tape is tape else enter(tape, t) for t in self.marks]

    def operands(self, tape: Tape) -> dict[Value, Value]:
        """Mark -> the value it marks, to take the marks out of a result."""
        return {v: v.operands[0] for v in self.values(tape) if v.prim is MARK}


def mark(t: Any, depth: int) -> Any:
    """A cell equal to `t` that a transform at `depth` differentiates with respect to."""
    tape = THREAD.tape
    v = t._value if t._tape is tape else enter(tape, t)
    if t._owned and v.needs:
        v = intern(tape, STOP, (v,))
    key = (MARK, v, depth)
    found = tape.memo.get(key)
    if found is None:
        found = tape.memo[key] = Value(MARK, (v,), (depth,), v.type, caller(), None, True)
    return wrap(type(t)._result, tape, found)


def split_argnums(args: tuple[Any, ...], argnums: int | Sequence[int], name: str) -> tuple[tuple[int, ...], bool]:
    """Positions to differentiate, checked, and whether one number was given."""
    one = isinstance(argnums, int)
    nums = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if any(not -len(args) <= i < len(args) for i in nums):
        raise TreeError(
            f"{name}: argnums={argnums} but the call has {len(args)} positional arguments", where=caller(),
            fix="pass the differentiated arguments by position",
        )  # fmt: skip
    found = tuple(i % len(args) for i in nums)
    if len(set(found)) < len(found):
        raise TreeError(f"{name}: argnums={argnums} names an argument twice", where=caller(), fix="name each once")
    return found, one


def check_inputs(marked: Marked, name: str, holomorphic: bool, real: bool = False, ints: bool = False) -> None:
    """JAX's errors for an argument without a derivative of the kind asked for.

    real: complex ones are refused too.  ints: integers are let in.
    """
    for t in marked.cells:
        dtype = t._type.dtype
        if ints and not t._type.inexact:
            continue
        if holomorphic and dtype.kind != "c":
            raise DtypeError(f"{name} with holomorphic=True requires complex-valued inputs, but got {dtype.name}",
                             where=caller(), fix="convert the argument, or drop holomorphic=True")  # fmt: skip
        if not t._type.inexact:
            raise DtypeError(
                f"{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype of float), "
                f"but got {dtype.name}",
                where=caller(),
                fix="pass a float, e.g. 3.0 instead of 3, choose other argnums, or allow_int=True",
            )
        if real and not holomorphic and dtype.kind == "c":
            raise DtypeError(f"{name} requires real-valued inputs, but got {dtype.name}", where=caller(),
                             fix="pass holomorphic=True, or use jvp")  # fmt: skip


def check_outputs(cells: Sequence[Cell], name: str, holomorphic: bool) -> None:
    """JAX's errors for a result that has no derivative of the kind asked for."""
    for t in cells:
        kind = t._type
        if holomorphic and kind.dtype.kind != "c":
            raise DtypeError(f"{name} with holomorphic=True requires a complex-valued result, got {kind}", where=caller(),
                             fix="drop holomorphic=True for a real result")  # fmt: skip
        if not kind.inexact:
            raise DtypeError(f"{name} requires a real-valued result, got {kind}", where=caller(),
                             fix="convert the result to a float, or use vjp")  # fmt: skip
        if not holomorphic and kind.dtype.kind == "c":
            raise DtypeError(f"{name} requires a real-valued result, got {kind}", where=caller(),
                             fix="pass holomorphic=True for a holomorphic function, or use vjp")  # fmt: skip


def result_cells(out: Any) -> tuple[list[Any], Any]:
    """The leaves of a function's result as cells, and its structure."""
    leaves, spec = tree.flatten(out)
    return [as_cell(x) for x in leaves], spec


def scalar_output(out: Any, name: str, holomorphic: bool) -> Cell:
    """JAX's errors for a result that has no gradient."""
    leaves = tree.leaves(out)
    if len(leaves) != 1 or isinstance(out, tuple | list | dict):
        raise TreeError(
            f"{name} requires a scalar result, the function returned a tree of {len(leaves)} leaves", where=caller(),
            fix="return one scalar, with has_aux=True beside other results",
        )  # fmt: skip
    y: Cell = as_cell(leaves[0])
    kind = y._type
    if kind.shape:
        raise ScalarError(
            f"Gradient only defined for scalar-output functions. Output had shape: {kind.shape}.", where=caller(),
            fix="reduce it, e.g. with sum or mean, or use vjp or jacrev",
        )  # fmt: skip
    check_outputs([y], name, holomorphic)
    return y


class ScalarError(DtypeError, TreeError):
    """The gradient of something that is not a scalar."""


Rebuild = Callable[[Sequence[Any]], Any]


def types_of(cells: Sequence[Any]) -> tuple[TensorType, ...]:
    """Types of cells."""
    return tuple(t._type for t in cells)
