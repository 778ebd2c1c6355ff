"""Convolutions of a graph: the recipe of a node, and its calls in the text of a program."""

from __future__ import annotations

from typing import Protocol

from fgrad.backends.numpy import convolution
from fgrad.backends.numpy.asm import Asm
from fgrad.backends.numpy.block import Block
from fgrad.backends.numpy.convolution import plan_windows
from fgrad.backends.numpy.recipe import Recipe, emit
from fgrad.ir.graph import Value
from fgrad.passes.plan import padded
from fgrad.primitives.convolve import Geometry

OPERANDS = {  # names of the operands and of the result
    "conv_last": ("x", "w", "y"), "conv_last_dx": ("x", "w", "y"), "conv_last_dw": ("x", "y", "w"), **plan_windows.POINTERS,
}  # fmt: skip


def recipe_of(v: Value) -> Recipe | None:
    """Kernels for a node of the layout pass; None for any other node, or where there are none."""
    if v.prim is None or v.prim.name not in OPERANDS:
        return None
    params = v.named_params
    if v.prim.name in plan_windows.POINTERS:
        x = params.get("x_shape", v.operands[-1].shape)
        return plan_windows.recipe(v.prim.name, v.dtype.name, x, params) if v.dtype.name in convolution.DTYPES else None
    g = Geometry(*[params[name] for name in Geometry._fields])
    shapes = {name: x.shape for name, x in zip(OPERANDS[v.prim.name], (*v.operands, v), strict=True)}
    if not convolution.supported(v.dtype.name, *shapes.values()):
        return None
    w, winograd = shapes["w"], params["winograd"]
    if v.prim.name == "conv_last_dx":
        return convolution.conv_dx(params["x_shape"], w, g, v.dtype.name, winograd=winograd)
    f = convolution.conv if v.prim.name == "conv_last" else convolution.conv_dw
    return f(shapes["x"], w, g, v.dtype.name, winograd=winograd)


class Function(Protocol):
    """What is asked of the writer of native functions."""

    asm: Asm

    def brought(self, block: Block, x: Value, at: int) -> str: ...  # noqa: D102  # as in Native
    def rooted(self, block: Block, x: Value) -> bool: ...  # noqa: D102
    def place(self, block: Block, x: Value) -> tuple[str, tuple[int, ...] | None]: ...  # noqa: D102
    def arena(self, offset: int) -> str: ...  # noqa: D102


class Convolutions:
    """The convolutions of one program."""

    def __init__(self) -> None:
        self.recipes: dict[Value, Recipe | None] = {}

    def recipe(self, v: Value) -> Recipe | None:
        """`recipe_of`, remembered."""
        if v not in self.recipes:
            self.recipes[v] = recipe_of(v)
        return self.recipes[v]

    def scratch(self, v: Value) -> int:
        """Working memory of a node: the recipe's, and contiguous copies of operands."""
        recipe = self.recipe(v)
        return 0 if recipe is None else recipe.nbytes + sum([padded(x.type.nbytes) for x in v.operands if x.prim is not None and x.prim.view_of is not None])

    def step(self, function: Function, block: Block, v: Value) -> bool:
        """Appends a node to a function; False if it has to be a call of NumPy."""
        recipe = self.recipe(v)
        if recipe is None or v.prim is None or not function.rooted(block, v):
            return False
        at = block.plan.scratch.get(v, 0)
        names = OPERANDS[v.prim.name]
        addresses: dict[str, str] = {}
        pairs = zip(names, v.operands, strict=False)
        for name, x in sorted(pairs, key=lambda pair: function.rooted(block, pair[1])):  # what ends the function comes first
            if self.contiguous(function, block, x):
                addresses[name] = function.place(block, x)[0]
            else:
                addresses[name] = function.brought(block, x, at + recipe.nbytes)
                at += padded(x.type.nbytes)
        addresses[names[-1]] = function.place(block, v)[0]
        addresses["memory"] = function.arena(block.plan.scratch.get(v, 0))
        emit(function.asm, recipe, addresses)
        return True

    def contiguous(self, function: Function, block: Block, x: Value) -> bool:
        """True if a kernel can read `x` where it lies."""
        a = block.plan.layout.get(x)
        return function.rooted(block, x) and (a is None or x.prim is None or bool(a.flags.c_contiguous))
