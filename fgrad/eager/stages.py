"""What `jit(f).lower(*args)` and `.compile()` give: a recording looked at, and its program called, for one set of types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad import tree
from fgrad.eager.convert import as_cell
from fgrad.eager.shapes import ShapeDtypeStruct
from fgrad.eager.tape import tensor_type
from fgrad.errors import DtypeError, ShapeError, TreeError
from fgrad.ir.apply import caller
from fgrad.ir.cost import totals
from fgrad.ir.graph import Graph
from fgrad.ir.types import TensorType


class Stage:
    """A function recorded for given types.

    graph: what was recorded.  in_tree: the structure of ((args), {keywords}) without static arguments.  out_tree: the
    result's.  in_avals, out_info: trees of ShapeDtypeStructs.
    """

    def __init__(self, graph: Graph, kinds: tuple[TensorType, ...], trees: tuple[Any, Any, int], run: Callable[[Any], Any]) -> None:
        self.graph, self._kinds, self._run = graph, kinds, run
        self.in_tree, self.out_tree, self._n_out = trees

    @property
    def out_info(self) -> Any:
        """Shapes and dtypes of the result."""
        return tree.unflatten(self.out_tree, [_struct(tensor_type(v)) for v in self.graph.outputs[: self._n_out]])

    @property
    def in_avals(self) -> Any:
        """Shapes and dtypes of the arguments."""
        return tree.unflatten(self.in_tree, [_struct(t) for t in self._kinds])

    @property
    def args_info(self) -> Any:
        """in_avals."""
        return self.in_avals

    def as_text(self) -> str:
        """The graph as text."""
        return str(self.graph)

    def cost_analysis(self) -> dict[str, float]:
        """{"flops", "bytes accessed"} of one run, every operation counted by itself.

        >>> import fgrad, fgrad.numpy as jnp
        >>> fgrad.jit(lambda x: x @ x).lower(jnp.ones((4, 4))).cost_analysis()["flops"]
        128.0
        """
        flops, nbytes = totals(self.graph)
        return {"flops": float(flops), "bytes accessed": float(nbytes)}


class Compiled(Stage):
    """A program for given types: called as the function is, without its static arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result. Raises TypeError for arguments of other trees, shapes or dtypes than it was compiled for."""
        leaves, spec = tree.flatten((args, kwargs))
        if spec != self.in_tree:
            raise TreeError(f"Function compiled with input pytree does not match the input pytree it was called with: {self.in_tree} and {spec}",
                            where=caller(), fix="call it as it was lowered, without static arguments")  # fmt: skip
        cells = [as_cell(x) for x in leaves]
        for i, (t, k) in enumerate(zip(cells, self._kinds, strict=True)):
            if t._type is not k:
                error = ShapeError if t._type.shape != k.shape else DtypeError
                raise error(f"Argument types differ from the types for which this computation was compiled: leaf {i} is {t._type}, not {k}",
                            where=caller(), fix="convert the argument, or lower and compile again")  # fmt: skip
        return self._run(cells)


class Lowered(Stage):
    """A function recorded, not run."""

    def compile(self, compiler_options: Any = None) -> Compiled:
        """The program. compiler_options: accepted; see fgrad.settings for the choices there are."""
        return Compiled(self.graph, self._kinds, (self.in_tree, self.out_tree, self._n_out), self._run)

    def compiler_ir(self, dialect: str | None = None) -> Graph:
        """The graph."""
        return self.graph


class Traced(Stage):
    """A function recorded; `lower()` is the next stage."""

    @property
    def jaxpr(self) -> Graph:
        """The graph."""
        return self.graph

    def lower(self, **options: Any) -> Lowered:
        """The next stage."""
        return Lowered(self.graph, self._kinds, (self.in_tree, self.out_tree, self._n_out), self._run)


def _struct(t: TensorType) -> ShapeDtypeStruct:
    return ShapeDtypeStruct(t.shape, t.dtype)
