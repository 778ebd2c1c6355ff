"""The order of passes, in sight; whoever observes sees the graph before and after each."""

from __future__ import annotations

from collections.abc import Callable

from fgrad.errors import IRError
from fgrad.ir.graph import Graph
from fgrad.passes.drop import drop_dead
from fgrad.passes.fold import fold_constants
from fgrad.passes.layout import channels_last
from fgrad.passes.merge import merge_extensions
from fgrad.passes.orient import orient_constants
from fgrad.passes.parts import join_parts
from fgrad.passes.regions import Pass
from fgrad.passes.share import share
from fgrad.passes.short import short_first
from fgrad.passes.shorten import shorten_loops
from fgrad.passes.simplify import simplify_final

Observer = Callable[[str, Graph, Graph], None]
CUPY: tuple[Pass, ...] = (merge_extensions, simplify_final, fold_constants, share, shorten_loops, join_parts, orient_constants, simplify_final, share, drop_dead)
NUMPY: tuple[Pass, ...] = (*CUPY[:-1], channels_last, short_first, simplify_final, share, drop_dead)  # groups are fused after these


def run(graph: Graph, passes: tuple[Pass, ...] = NUMPY, observe: Observer | None = None) -> Graph:
    """`graph` after all passes. observe: called with the name of each pass, the graph before and after it.

    Raises IRError if a pass changes the types of the outputs or the inputs.
    """
    for step in passes:
        before, graph = graph, step(graph)
        if graph.output_types != before.output_types or graph.inputs != before.inputs:
            raise IRError(f"the pass {step.__name__} changed the type of the program", fix="report this: it is a bug")
        if observe is not None:
            observe(step.__name__, before, graph)
    return graph
