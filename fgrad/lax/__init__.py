"""JAX's lax: control flow, slices at run time, and strict names over the primitives.

Control flow is recorded in eager (loops, branches); here are its names, and operators, slicing, convolution, scans, collectives, numbered, ragged, patches, incomplete,
more, various.
"""

from fgrad.eager.branches import cond, switch
from fgrad.eager.loops import fori_loop, map, scan, while_loop
from fgrad.eager.solves import custom_linear_solve, custom_root
from fgrad.lax import linalg as linalg
from fgrad.lax.collectives import *  # noqa: F403  # listed in collectives.__all__
from fgrad.lax.collectives import __all__ as _collectives
from fgrad.lax.convolution import (
    ConvDimensionNumbers,
    conv,
    conv_dimension_numbers,
    conv_general_dilated,
    conv_with_general_padding,
    reduce_window,
)
from fgrad.lax.incomplete import betainc
from fgrad.lax.more import *  # noqa: F403  # listed in more.__all__
from fgrad.lax.more import __all__ as _more
from fgrad.lax.numbered import *  # noqa: F403  # listed in numbered.__all__
from fgrad.lax.numbered import __all__ as _numbered
from fgrad.lax.operators import *  # noqa: F403  # listed in operators.__all__
from fgrad.lax.operators import __all__ as _operators
from fgrad.lax.operators import reshape_ as reshape
from fgrad.lax.patches import conv_general_dilated_local, conv_general_dilated_patches
from fgrad.lax.ragged import RaggedDotDimensionNumbers, ragged_dot, ragged_dot_general
from fgrad.lax.scans import associative_scan, cumlogsumexp
from fgrad.lax.slicing import (
    dynamic_index_in_dim,
    dynamic_slice,
    dynamic_slice_in_dim,
    dynamic_update_index_in_dim,
    dynamic_update_slice,
    dynamic_update_slice_in_dim,
    index_in_dim,
    slice,
    slice_in_dim,
)
from fgrad.lax.various import *  # noqa: F403  # listed in various.__all__
from fgrad.lax.various import __all__ as _various

__all__ = [
    *_collectives,
    *_more,
    *_numbered,
    *_operators,
    *_various,
    "ConvDimensionNumbers",
    "RaggedDotDimensionNumbers",
    "associative_scan",
    "betainc",
    "cond",
    "conv",
    "conv_dimension_numbers",
    "conv_general_dilated",
    "conv_general_dilated_local",
    "conv_general_dilated_patches",
    "conv_with_general_padding",
    "cumlogsumexp",
    "custom_linear_solve",
    "custom_root",
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "dynamic_update_index_in_dim",
    "dynamic_update_slice",
    "dynamic_update_slice_in_dim",
    "fori_loop",
    "index_in_dim",
    "map",
    "ragged_dot",
    "ragged_dot_general",
    "reduce_window",
    "reshape",
    "scan",
    "slice",
    "slice_in_dim",
    "switch",
    "while_loop",
]
__all__.sort()
