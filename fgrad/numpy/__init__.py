"""NumPy's functions on arrays that are recorded, differentiated, vectorised and compiled: `import fgrad.numpy as jnp`.

array: the class.  creation, elementwise, choices, reductions, linear, linalg, search, shape, extras: its functions.
Arrays are immutable (`x.at[i].set(y)`); axes, dtypes and defaults are NumPy's, promotion is JAX's.
Inside, upwards: shape, elementwise < choices, creation < reductions < linear, search < array, linalg, extras.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.ir.dtypes import dtype_of
from fgrad.numpy import choices, creation, elementwise, extras, linalg, linear, reductions, search
from fgrad.numpy import shape as shapes
from fgrad.numpy.array import Array, ndarray
from fgrad.numpy.choices import *  # noqa: F403
from fgrad.numpy.creation import *  # noqa: F403
from fgrad.numpy.elementwise import *  # noqa: F403
from fgrad.numpy.extras import *  # noqa: F403
from fgrad.numpy.linear import *  # noqa: F403
from fgrad.numpy.reductions import *  # noqa: F403
from fgrad.numpy.search import *  # noqa: F403
from fgrad.numpy.shape import *  # noqa: F403

bool_, uint8, uint16, uint32, uint64 = np.bool_, np.uint8, np.uint16, np.uint32, np.uint64
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128
floating, integer, inexact, number, generic = np.floating, np.integer, np.inexact, np.number, np.generic
finfo, iinfo, dtype, issubdtype = np.finfo, np.iinfo, np.dtype, np.issubdtype
pi, e, inf, nan, newaxis, euler_gamma = math.pi, math.e, math.inf, math.nan, None, float(np.euler_gamma)


def __getattr__(name: str) -> Any:
    """bfloat16, whose package is loaded when it is first needed."""
    if name == "bfloat16":
        return dtype_of("bfloat16").type
    raise AttributeError(f"module 'fgrad.numpy' has no attribute {name!r}")


__all__ = [
    "Array", "bool_", "complex128", "complex64", "dtype", "e", "euler_gamma", "finfo", "float16", "float32",
    "float64", "floating", "generic", "iinfo", "inexact", "inf", "int16", "int32", "int64", "int8", "integer",
    "issubdtype", "linalg", "nan", "ndarray", "newaxis", "number", "pi", "uint16", "uint32", "uint64", "uint8",
    *choices.__all__, *creation.__all__, *elementwise.__all__, *extras.__all__, *linear.__all__, *reductions.__all__, *search.__all__, *shapes.__all__,
]  # fmt: skip
__all__.sort()
