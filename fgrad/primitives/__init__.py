"""Every operation, whole in one entry. Importing this room fills `ir.primitive.REGISTRY`.

structure: item, mark, checkpoint_name, stop_gradient.  shape: repeat, reshape, permute, cut, pad, join, count.
arithmetic, transcendental, compare, complex: each element.  reduce, cumulative: along axes.  sort: order.
fourier: fft, rfft, irfft.  index: gather, scatter, dynamic slices.  linear: dot_general, matmul.
solving, decompositions, eigen, indefinite, lapack, matrix_functions: linear algebra (matrices, matrix_kernels: what they share).  conv, window: sliding windows.
random_bits: Philox.  transfer: to another device.  collective: over an axis vmap has named.  fused, channels_last: what passes make.  regions/: graphs as parameters.
checks, elementwise: what the entries share.  special, indexing, convolve: array code they call.
"""

from fgrad.primitives import (
    arithmetic,
    channels_last,
    collective,
    compare,
    complex,
    conv,
    cumulative,
    decompositions,
    eigen,
    elementary,
    fourier,
    fused,
    indefinite,
    index,
    lapack,
    linear,
    matrix_functions,
    random_bits,
    reduce,
    regions,
    scipy_special,
    search,
    shape,
    solving,
    sort,
    structure,
    transcendental,
    transfer,
    window,
)

__all__ = [
    "arithmetic",
    "channels_last",
    "collective",
    "compare",
    "complex",
    "conv",
    "cumulative",
    "decompositions",
    "eigen",
    "elementary",
    "fourier",
    "fused",
    "indefinite",
    "index",
    "lapack",
    "linear",
    "matrix_functions",
    "random_bits",
    "reduce",
    "regions",
    "scipy_special",
    "search",
    "shape",
    "solving",
    "sort",
    "structure",
    "transcendental",
    "transfer",
    "window",
]
