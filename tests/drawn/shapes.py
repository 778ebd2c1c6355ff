"""Shapes: turned, joined, cut, repeated, triangles and diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from drawn.pen import ALL, FLOATS, Case, Operand, Pen


def any_operand(pen: Pen, low: int = 0, high: int = 4, least: int = 0) -> Operand:
    return pen.operand(pen.shape(low, high, least), ALL, special=False)


def factors(pen: Pen, n: int) -> list[int]:
    """Lengths of axes whose product is `n`."""
    out: list[int] = []
    while n > 1 and pen.int(0, 3):
        d = pen.pick([k for k in range(1, n + 1) if n % k == 0])
        out.append(d)
        n //= d
    out.append(n)
    return out


def reshape(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    shape = factors(pen, x.values.size) if x.values.size else list(x.values.shape[::-1])
    if pen.int(0, 2) == 0 and shape:
        shape[pen.int(0, len(shape) - 1)] = pen.pick((-1, -1, 1, 7))
    if name == ".view":  # which strides a view takes is torch's own: fgrad's tensors have none
        x = x._replace(layout="plain")
    return Case(name, (x, tuple(shape)))


def permute(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    axes = list(np.random.default_rng(pen.int(0, 99)).permutation(x.values.ndim))
    return Case(name, (x, tuple(int(a) - (x.values.ndim if pen.flag() else 0) for a in axes)))


def movedim(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 1)
    source = pen.axes(x.values.ndim, 1)
    target = list(np.random.default_rng(pen.int(0, 99)).permutation(x.values.ndim))[: len(source)]
    return Case(name, (x, source, tuple(map(int, target))))


def two_axes(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    return Case(name, (x, pen.axis(x.values.ndim), pen.axis(x.values.ndim)))


def flip(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    return Case(name, (x, pen.axes(x.values.ndim)))


def roll(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    axes = pen.axes(x.values.ndim)
    return Case(name, (x, tuple(pen.int(-5, 5) for _ in axes), axes)) if axes else Case(name, (x, pen.int(-5, 5)))


def tile(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 0, 3)
    return Case(name, (x, tuple(pen.int(0, 2) for _ in range(pen.int(0, 4)))))


def repeat_interleave(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 0, 3)
    if pen.flag() or not x.values.ndim:
        return Case(name, (x, pen.int(0, 3)), {"dim": pen.axis(x.values.ndim)} if pen.flag() and x.values.ndim else {})
    dim = pen.axis(x.values.ndim)
    return Case(name, (x, pen.operand((x.values.shape[dim],), ("int64",), low=0, high=3, special=False)), {"dim": dim})


def joined(pen: Pen, name: str) -> Case:
    first = any_operand(pen, 1, 3)
    shape = first.values.shape
    dim = pen.axis(len(shape))
    parts = [first]
    for _ in range(pen.int(0, 2)):
        lengths = list(shape)
        if name in ("cat", "concat"):
            lengths[dim] = pen.int(0, 3)
        parts.append(pen.operand(tuple(lengths), ALL, special=False))
    if name in ("hstack", "vstack", "dstack", "column_stack"):
        return Case(name, (parts,))
    return Case(name, (parts, dim))


def cut(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 1, 3)
    dim = pen.axis(x.values.ndim)
    n = x.values.shape[dim]
    if name == "chunk" or pen.flag():
        return Case(name, (x, pen.int(1, 4), dim))
    if name == "split":
        sizes = factors_of_sum(pen, n)
        return Case(name, (x, sizes, dim))
    return Case(name, (x, tuple(sorted(pen.int(0, 4) for _ in range(pen.int(0, 3)))), dim))


def factors_of_sum(pen: Pen, n: int) -> list[int]:
    out: list[int] = []
    while sum(out) < n:
        out.append(pen.int(0 if len(out) < 3 else 1, n - sum(out)))
    return out


def unfold(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 0, 3)
    return Case(name, (x, pen.axis(x.values.ndim), pen.int(0, 3), pen.int(1, 3)))


def diagonal(pen: Pen, name: str) -> Case:
    x = any_operand(pen, *{"diag": (1, 2), "diagflat": (0, 3), "diagonal": (2, 4), "diag_embed": (1, 3), "trace": (2, 2)}[name])
    if name == "trace":
        return Case(name, (x,))
    if name in ("diag", "diagflat") or pen.flag():
        return Case(name, (x, pen.int(-4, 4)))
    n = x.values.ndim + (name == "diag_embed")
    return Case(name, (x, pen.int(-3, 3), pen.axis(n), pen.axis(n)))


def triangle(pen: Pen, name: str) -> Case:
    return Case(name, (any_operand(pen, 2), pen.int(-4, 4)))


def squeeze(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    which = pen.int(0, 2)
    return Case(name, (x, pen.axis(x.values.ndim)) if which == 0 else (x, pen.axes(x.values.ndim)) if which == 1 else (x,))


def unsqueeze(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 0, 3)
    return Case(name, (x, pen.int(-x.values.ndim - 2, x.values.ndim + 1)))


def expand(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    shape = [pen.int(0, 3) if d == 1 else pen.pick((-1, d, d)) if name == ".expand" else d for d in x.values.shape]
    return Case(name, (x, (*(pen.int(0, 2) for _ in range(pen.int(0, 1))), *shape)))


def flatten(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    return Case(name, (x, pen.axis(x.values.ndim), pen.axis(x.values.ndim)))


def rot90(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 2)
    return Case(name, (x, pen.int(-5, 5), pen.axes(x.values.ndim, 2)[:2]))


def narrow(pen: Pen, name: str) -> Case:
    x = any_operand(pen)
    return Case(name, (x, pen.axis(x.values.ndim), pen.int(-3, 3), pen.int(0, 3)))


def meshgrid(pen: Pen, name: str) -> Case:
    dtype = pen.dtype(ALL)
    parts = [pen.operand((pen.int(0, 3),), (dtype,), special=False) for _ in range(pen.int(1, 3))]
    return Case(name, tuple(parts), {"indexing": pen.pick(("ij", "xy"))})


def unflatten(pen: Pen, name: str) -> Case:
    x = any_operand(pen, 1, 3, 1)
    dim = pen.axis(x.values.ndim)
    sizes = factors(pen, x.values.shape[dim])
    if pen.flag():
        sizes[pen.int(0, len(sizes) - 1)] = -1
    return Case(name, (x, dim, tuple(sizes)))


def padded(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(0, 4), FLOATS, special=False)
    pads = tuple(pen.int(-1, 2) for _ in range(2 * pen.int(0, x.values.ndim)))
    return Case("nn.functional.pad", (x, pads), {"value": pen.int(-2, 2) / 2} if pen.flag() else {})


SHAPES: dict[str, Any] = {
    **dict.fromkeys(("reshape", ".reshape", ".view"), reshape),
    "permute": permute, "movedim": movedim, "transpose": two_axes, "swapaxes": two_axes, "flip": flip, "roll": roll,
    "tile": tile, ".repeat": tile, "repeat_interleave": repeat_interleave,
    **dict.fromkeys(("cat", "stack", "concat", "hstack", "vstack", "dstack", "column_stack"), joined),
    **dict.fromkeys(("split", "chunk", "tensor_split"), cut),
    "unbind": lambda pen, name: Case(name, (x := any_operand(pen), pen.axis(x.values.ndim))),
    ".unfold": unfold,
    **dict.fromkeys(("diag", "diagflat", "diagonal", "diag_embed", "trace"), diagonal),
    **dict.fromkeys(("tril", "triu", ".tril_", ".triu_"), lambda pen, name: plain_first(triangle(pen, name))),
    **dict.fromkeys(("squeeze", ".squeeze"), squeeze), "unsqueeze": unsqueeze, ".expand": expand, "broadcast_to": expand,
    "flatten": flatten, "rot90": rot90, "narrow": narrow, "meshgrid": meshgrid, "unflatten": unflatten, "pad": padded,
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d", "ravel"), lambda pen, name: Case(name, (any_operand(pen),))),
}  # fmt: skip


def plain_first(case: Case) -> Case:
    return case._replace(args=(case.args[0]._replace(layout="plain"), *case.args[1:]))
