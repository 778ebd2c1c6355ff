"""How many threads NumPy's OpenBLAS uses, program by program.

Its threads meet at spinning barriers: while another process holds a core, a small product that two threads share takes
milliseconds instead of microseconds, and alone it gains nothing. So programs whose largest product is small run on one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from fgrad.ir.cost import node_cost
from fgrad.ir.graph import Value
from fgrad.ir.regions import subgraphs
from fgrad.primitives.openblas import library
from fgrad.settings import current

BOUND = 8  # times longer a flop takes where it is read from memory for: a matrix by a vector
SMALL = 10_000_000  # flops of one product below which a second thread does not pay
NAMES = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
         "openblas_{}_num_threads")  # fmt: skip


@cache
def control() -> tuple[Callable[[int], None], Callable[[], int]] | None:
    """(set, get) the number of threads of NumPy's OpenBLAS; None if NumPy uses another library."""
    for name in NAMES:
        if hasattr(library(), name.format("set")) and hasattr(library(), name.format("get")):
            return getattr(library(), name.format("set")), getattr(library(), name.format("get"))
    return None


def largest_product(nodes: Iterable[Value]) -> int:
    """Flops of the largest single matrix product that computing `nodes` comes to."""
    return max([product(v) for v in nodes], default=0)


def product(v: Value) -> int:
    """Flops of the largest product one node calls the library for; a convolution calls it once a tap."""
    assert v.prim is not None
    inner = [largest_product(g.values()) for g in subgraphs(v)]
    if inner:
        return max(inner)
    if v.prim.name == "dot_general":
        (left, right), (shared_a, shared_b) = v.params
        vector = any(x.ndim == len(summed) + len(shared) for x, summed, shared in zip(v.operands, (left, right), (shared_a, shared_b), strict=True))
        return int(node_cost(v).flops) * (BOUND if vector else 1)
    if v.prim.name in ("conv", "conv_dx", "conv_dw", "conv_last", "conv_last_dx", "conv_last_dw"):
        kernel = v.type if v.prim.name.endswith("_dw") else v.operands[1].type
        return int(node_cost(v).flops) // max(1, math.prod(kernel.shape[2:]))  # type: ignore[union-attr]  # a tensor
    return 0


class Threads:
    """Runs a program's calls on as many threads as suit it, and puts the library's number back."""

    def __init__(self, nodes: Iterable[Value]) -> None:
        """nodes: those that the program calls NumPy for."""
        given = list(nodes)
        self.calls = bool(given)
        size = largest_product(given)
        self.products, self.single = size > 0, size < SMALL

    def run(self, f: Callable[[Any], Any], buffers: Any) -> Any:
        """`f(buffers)`."""
        wanted = 0 if not self.products else 1 if self.single else current().num_threads
        found = control() if wanted else None
        if found is None:
            return f(buffers)
        change, ask = found
        usual = ask()
        if usual == wanted:
            return f(buffers)
        change(wanted)
        try:
            return f(buffers)
        finally:
            change(usual)
