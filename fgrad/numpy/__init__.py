"""NumPy's functions on arrays that are recorded, differentiated, vectorised and compiled: `import fgrad.numpy as jnp`.

array: the class.  creation, shape, elementwise, complexes, bits, choices, reductions, quantiles, statistics, calculus,
polynomials, linear, search, padding, sets, edits, grids, extras: NumPy's functions.  standard: the array API standard's (2024.12).
linalg, fft: namespaces of their own.
Arrays are immutable (`x.at[i].set(y)`); axes, dtypes and defaults are NumPy's, promotion is JAX's.
Inside, upwards: shape, elementwise < choices, creation < complexes, reductions < linear, search < the others < array.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.ir.dtypes import dtype_of
from fgrad.numpy import (
    bits,
    calculus,
    choices,
    complexes,
    creation,
    edits,
    elementwise,
    extras,
    fft,
    fits,
    grids,
    linalg,
    linear,
    padding,
    polynomials,
    quantiles,
    reductions,
    search,
    sets,
    standard,
    statistics,
)
from fgrad.numpy import shape as shapes
from fgrad.numpy.array import Array, ndarray
from fgrad.numpy.bits import *  # noqa: F403
from fgrad.numpy.calculus import *  # noqa: F403
from fgrad.numpy.choices import *  # noqa: F403
from fgrad.numpy.complexes import *  # noqa: F403
from fgrad.numpy.creation import *  # noqa: F403
from fgrad.numpy.edits import *  # noqa: F403
from fgrad.numpy.elementwise import *  # noqa: F403
from fgrad.numpy.extras import *  # noqa: F403
from fgrad.numpy.fits import *  # noqa: F403
from fgrad.numpy.grids import *  # noqa: F403
from fgrad.numpy.linear import *  # noqa: F403
from fgrad.numpy.padding import *  # noqa: F403
from fgrad.numpy.polynomials import *  # noqa: F403
from fgrad.numpy.quantiles import *  # noqa: F403
from fgrad.numpy.reductions import *  # noqa: F403
from fgrad.numpy.search import *  # noqa: F403
from fgrad.numpy.sets import *  # noqa: F403
from fgrad.numpy.shape import *  # noqa: F403
from fgrad.numpy.special_cases import finfo as finfo
from fgrad.numpy.standard import *  # noqa: F403
from fgrad.numpy.statistics import *  # noqa: F403

bool = bool_ = np.bool_  # noqa: A001
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128
floating, integer, inexact, number, generic = np.floating, np.integer, np.inexact, np.number, np.generic
float_, int_, uint, complex_ = np.float64, np.int64, np.uint64, np.complex128
single, double, csingle, cdouble = np.float32, np.float64, np.complex64, np.complex128
signedinteger, unsignedinteger, complexfloating = np.signedinteger, np.unsignedinteger, np.complexfloating
character, flexible, object_, ufunc = np.character, np.flexible, np.object_, np.ufunc
iinfo, dtype, issubdtype = np.iinfo, np.dtype, np.issubdtype
pi, e, inf, nan, newaxis, euler_gamma = math.pi, math.e, math.inf, math.nan, None, float(np.euler_gamma)


def __getattr__(name: str) -> Any:
    """bfloat16, whose package is loaded when it is first needed."""
    if name == "bfloat16":
        return dtype_of("bfloat16").type
    raise AttributeError(f"module 'fgrad.numpy' has no attribute {name!r}")


def __array_namespace_info__() -> standard.Info:  # noqa: N807  # the standard's name
    """What this namespace supports: `capabilities()`, `default_device()`, `default_dtypes()`, `devices()`, `dtypes()`."""
    return standard.Info()


__array_api_version__ = "2024.12"

__all__ = [
    "Array", "bool", "bool_", "cdouble", "character", "complex128", "complex64", "complex_", "complexfloating", "csingle",
    "double", "dtype", "e", "euler_gamma", "fft", "finfo", "flexible", "float16", "float32", "float64", "float_", "floating",
    "generic", "iinfo", "inexact", "inf", "int16", "int32", "int64", "int8", "int_", "integer", "issubdtype", "linalg", "nan",
    "ndarray", "newaxis", "number", "object_", "pi", "signedinteger", "single", "ufunc", "uint", "uint16", "uint32", "uint64",
    "uint8", "unsignedinteger",
    *bits.__all__,
    *calculus.__all__,
    *choices.__all__,
    *complexes.__all__,
    *creation.__all__,
    *edits.__all__,
    *elementwise.__all__,
    *extras.__all__,
    *fits.__all__,
    *grids.__all__,
    *linear.__all__,
    *padding.__all__,
    *polynomials.__all__,
    *quantiles.__all__,
    *reductions.__all__,
    *search.__all__,
    *sets.__all__,
    *shapes.__all__,
    *standard.__all__,
    *statistics.__all__,
]  # fmt: skip
__all__.sort()
