"""Every operation, whole in one entry. Importing this room fills `ir.primitive.REGISTRY`.

structure: item, mark, stop_gradient.  shape: repeat, reshape, permute, cut, pad, join, count.
arithmetic, transcendental, compare: each element.  reduce, cumulative: along axes.  sort: order.
index: gather, scatter, dynamic slices.  linear: dot_general, matmul.  conv, window: sliding windows.
random_bits: Philox.  fused: what a pass joined.  regions/: graphs as parameters.
checks, elementwise, special: what the entries share (type checks, the elementwise kind, series).
"""

from fgrad.primitives import (
    arithmetic,
    compare,
    fused,
    linear,
    reduce,
    shape,
    structure,
    transcendental,
)

__all__ = [
    "arithmetic",
    "compare",
    "fused",
    "linear",
    "reduce",
    "shape",
    "structure",
    "transcendental",
]
