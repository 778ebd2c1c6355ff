"""Padding: a constant around a tensor, or the tensor continued by reflection, by its edge, or around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.eager import casting
from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.running import cut
from fgrad.primitives.shape import concatenate, flip
from fgrad.primitives.shape import pad as surround

Pairs = tuple[tuple[int, int], ...]
MODES = ("zeros", "reflect", "replicate", "circular")  # of convolutions


def _constant_rule(x: Any, *, pads: Pairs, value: float) -> Any:
    low, high = (tuple(side) for side in zip(*pads, strict=True))
    return surround(x, c.number(value, x), low=low, high=high, interior=(0,) * x.ndim)


def _mirrored(x: Any, axis: int, low: int, high: int) -> list[Any]:
    n = x.shape[axis]
    before = [flip(cut(x, axis, 1, low + 1), axes=(axis,))] if low else []
    return [*before, x, *([flip(cut(x, axis, n - 1 - high, n - 1), axes=(axis,))] if high else [])]


def _edged(x: Any, axis: int, low: int, high: int) -> list[Any]:
    n = x.shape[axis]

    def repeated(at: int, count: int) -> Any:
        return c.broadcast_to(cut(x, axis, at, at + 1), shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))

    return [*([repeated(0, low)] if low else []), x, *([repeated(n - 1, high)] if high else [])]


def _around(x: Any, axis: int, low: int, high: int) -> list[Any]:
    n = x.shape[axis]
    return [*([cut(x, axis, n - low, n)] if low else []), x, *([cut(x, axis, 0, high)] if high else [])]


CONTINUED: dict[str, Callable[[Any, int, int, int], list[Any]]] = {
    "reflect": _mirrored,
    "replicate": _edged,
    "circular": _around,
}


def _continued_rule(x: Any, *, pads: Pairs, mode: str) -> Any:
    """Continued on both sides of each axis; what is negative is cut (first where the ends meet)."""
    for axis, (low, high) in enumerate(pads):
        if mode == "circular" and min(low, high) < 0:
            x = cut(x, axis, max(-low, 0), x.shape[axis] - max(-high, 0))
        parts = CONTINUED[mode](x, axis, max(low, 0), max(high, 0))
        x = concatenate(*parts, axis=axis) if len(parts) > 1 else x
        if mode != "circular" and min(low, high) < 0:
            x = cut(x, axis, max(-low, 0), x.shape[axis] - max(-high, 0))
    return x


def extended(x: Any, pads: Sequence[tuple[int, int]], mode: str) -> Any:
    """`x` with its last dimensions continued on both sides, ((low, high), ...) in their order."""
    rank = x._type.ndim
    for axis, (low, high) in enumerate(pads, rank - len(pads)):
        size = x._type.shape[axis]
        limit = size - 1 if mode == "reflect" else size if mode == "circular" else max(low, high)
        if max(low, high) > limit or size + low + high <= 0 or (mode == "replicate" and not size):
            raise ShapeError(
                f"Padding size should be less than the corresponding input dimension, but got: padding ({low}, {high}) at "
                f"dimension {axis} of input {x._type}", where=caller(), fix="use a smaller padding",
            )  # fmt: skip
    every = ((0, 0),) * (rank - len(pads)) + tuple((int(a), int(b)) for a, b in pads)
    return compose(_continued_rule, x, pads=every, mode=mode) if any(p != (0, 0) for p in every) else x


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """`input` with (low, high) elements added to its last dimension, then to the one before, and so on.

    pad: an even count of numbers; negative ones cut.  mode: "constant" (`value`, 0 unless given), or what the tensor
    goes on with: "reflect" (without the edge), "replicate" (the edge), "circular" (the other end); these pad the last
    1, 2 or 3 dimensions of a tensor with one or two dimensions more.

    >>> import fgrad
    >>> fgrad.nn.functional.pad(fgrad.arange(3.), (2, 1), value=9.)
    tensor([9., 9., 0., 1., 2., 9.])
    """
    rank, given = input._type.ndim, [int(p) for p in pad]
    if len(given) % 2 or len(given) // 2 > rank:
        raise ArgumentError(
            f"Padding length must be divisible by 2 and at most twice the number of dimensions of the input, found {given} "
            f"for {input._type}", where=caller(), fix="give (low, high) for each dimension, the last one first",
        )  # fmt: skip
    pairs = list(zip(given[::2], given[1::2], strict=True))[::-1]
    if mode == "constant":
        every = ((0, 0),) * (rank - len(pairs)) + tuple(pairs)
        if any(d + min(a, 0) + min(b, 0) < 0 for d, (a, b) in zip(input._type.shape, every, strict=True)):
            raise ShapeError(f"pad: {given} cuts more than {input._type} has", where=caller(), fix="cut less")
        return compose(_constant_rule, input, pads=every, value=0 if value is None else value) if every else input.clone()
    if mode not in CONTINUED:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise ArgumentError(f"Padding mode {mode} doesn't take in value argument", where=caller(), fix="leave value out")
    if len(pairs) not in (1, 2, 3) or rank not in (len(pairs) + 1, len(pairs) + 2):
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now")
    wide = mode == "replicate" or (mode == "reflect" and len(pairs) < 3)
    return extended(casting.widen(input, ("cpu",)) if wide else input, pairs, mode)
