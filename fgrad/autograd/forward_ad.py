"""PyTorch's forward_ad: dual tensors, whose tangents follow every operation."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

from fgrad.eager.cell import Cell
from fgrad.eager.grad import enter_all, memo
from fgrad.eager.marks import deeper, mark
from fgrad.eager.record import wrap
from fgrad.eager.tape import THREAD
from fgrad.errors import GradError
from fgrad.ir.apply import caller
from fgrad.transforms.inline import substitute
from fgrad.transforms.jvp import push

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """A tensor and its tangent, None if it does not depend on a dual tensor."""

    primal: Any
    tangent: Any


class _Level:
    """A level that is open: its marked tensors and their tangents."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.depth = self.stack.enter_context(deeper())
        self.duals: list[tuple[Any, Any]] = []


_OPEN: list[_Level] = []


def enter_dual_level() -> int:
    """Opens the level at which dual tensors live; returns its number, 0: they do not nest."""
    if _OPEN:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _OPEN.append(_Level())
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Closes it: tangents are gone."""
    if not _OPEN or level not in (None, 0):
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created.")
    _OPEN.pop().stack.close()


class dual_level:  # noqa: N801  # PyTorch's name
    """A block in which dual tensors live.

    >>> import fgrad as torch
    >>> from fgrad.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    ...     forward_ad.unpack_dual(x**2).tangent
    tensor([0., 4.])
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A tensor equal to `tensor` that moves along `tangent` (same shape and dtype)."""
    if not _OPEN:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.")
    for what, x in (("tensor", tensor), ("tangent", tangent)):
        if not isinstance(x, Cell) or not x._type.inexact:
            found = x._type.dtype.name if isinstance(x, Cell) else type(x).__name__
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {found}")
    if tensor._type.shape != tangent._type.shape or tensor._type.dtype != tangent._type.dtype:
        raise GradError(f"Expected tangent of the tensor's shape and dtype {tensor._type}, but got {tangent._type}", where=caller(),
                        fix="make the tangent with e.g. zeros_like(tensor)")  # fmt: skip
    level_ = _OPEN[-1]
    dual = mark(tensor, level_.depth)
    level_.duals.append((dual, tangent))
    return dual


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """(the tensor without its tangent, the tangent or None)."""
    if not _OPEN:
        return UnpackedDualTensor(tensor, None)
    duals = _OPEN[-1].duals
    tape = THREAD.tape
    (value,) = enter_all(tape, [tensor])
    marks = enter_all(tape, [d for d, _ in duals])
    seeds = dict(zip(marks, enter_all(tape, [t for _, t in duals]), strict=True))

    def make() -> list[Any]:
        (moved,) = push([value], seeds)
        bare = {m: m.operands[0] for m in marks if m.prim is not None}
        return substitute([value] if moved is None else [value, moved], bare)

    cls = type(tensor)._result
    found = [wrap(cls, tape, v) for v in memo(tape, ("dual", value, tuple(seeds.items())), make)]
    return UnpackedDualTensor(found[0], found[1] if len(found) > 1 else None)
