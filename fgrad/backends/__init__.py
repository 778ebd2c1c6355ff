"""Graph -> Program. The only room that knows cupy and llvmlite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fgrad.backends import numpy as numpy_backend
from fgrad.ir.graph import Graph

__all__ = ["compile_graph", "interpret"]


def compile_graph(graph: Graph, donated: Mapping[int, int] | None = None) -> Any:
    """The optimised program of `graph`: `program(buffers) -> buffers`."""
    return numpy_backend.compile(graph, donated or {})


def interpret(graph: Graph, buffers: Sequence[Any], donated: Mapping[int, int]) -> list[Any]:
    """The outputs of `graph` op by op, through the plain lowerings."""
    return numpy_backend.interpret(graph, buffers, donated)
