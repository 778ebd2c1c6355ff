"""NumPy's smaller helpers: index grids, polynomials, differences, statistics, vectorize."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, axis_of, call, reshape, result_dtype, same, shape_of
from fgrad.eager.operands import convert, floating
from fgrad.eager.vmap import vmap
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import promote
from fgrad.numpy.choices import isnan, where
from fgrad.numpy.creation import diag
from fgrad.numpy.elementwise import add, divide, equal, logaddexp, maximum, minimum, multiply, sqrt, subtract
from fgrad.numpy.linear import matmul
from fgrad.numpy.reductions import any, mean, prod, sum
from fgrad.numpy.search import sort
from fgrad.numpy.shape import broadcast_to, concatenate, expand_dims, flip, moveaxis, pad, ravel, stack, transpose

__all__ = [
    "apply_along_axis", "atleast_3d", "block", "convolve", "corrcoef", "correlate", "cov", "diag_indices", "ediff1d",
    "fmax", "fmin", "gradient", "histogram", "isin", "isscalar", "ix_", "logaddexp2", "nanprod", "nanstd", "nanvar",
    "partition", "polyval", "promote_types", "ravel_multi_index", "result_type", "select", "trapezoid",
    "tril_indices", "triu_indices", "unravel_index", "vander", "vectorize",
]  # fmt: skip


def result_type(*args: Any) -> Any:
    """The dtype an operation on arrays, numbers and dtypes computes in."""
    found = None
    rest = []
    for x in args:
        if isinstance(x, str | type | np.dtype):
            found = as_dtype(x) if found is None else promote(found, as_dtype(x))
        else:
            rest.append(x if isinstance(x, bool | int | float | complex) else array_of(x))
    if not rest:
        return found
    d = result_dtype(*rest)
    return d if found is None else promote(found, d)


def promote_types(a: Any, b: Any) -> Any:
    """The smallest dtype both fit in."""
    return promote(as_dtype(a), as_dtype(b))


def isscalar(element: Any) -> bool:
    """True for a number or an array of shape ()."""
    return np.isscalar(element) or getattr(element, "shape", None) == ()


def fmax(x: Any, y: Any, /) -> Any:
    """The larger; the other one where one is NaN."""
    return where(isnan(x), y, where(isnan(y), x, maximum(x, y)))


def fmin(x: Any, y: Any, /) -> Any:
    """The smaller; the other one where one is NaN."""
    return where(isnan(x), y, where(isnan(y), x, minimum(x, y)))


def logaddexp2(x: Any, y: Any, /) -> Any:
    """log2(2^x + 2^y)."""
    scale = math.log(2)
    return divide(logaddexp(multiply(x, scale), multiply(y, scale)), scale)


def atleast_3d(*arys: Any) -> Any:
    """At least three axes: (n,) becomes (1, n, 1), (n, m) becomes (n, m, 1)."""
    found = []
    for x in map(array_of, arys):
        s = x._type.shape
        found.append(x if len(s) > 2 else reshape(x, {0: (1, 1, 1), 1: (1, *s, 1), 2: (*s, 1)}[len(s)]))
    return found[0] if len(found) == 1 else found


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """Indices of the lower triangle of an n × m matrix."""
    i, j = np.tril_indices(n, k, m)
    return array_of(i), array_of(j)


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """Indices of the upper triangle of an n × m matrix."""
    i, j = np.triu_indices(n, k, m)
    return array_of(i), array_of(j)


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """Indices of the diagonal."""
    return tuple(array_of(i) for i in np.diag_indices(n, ndim))


def ix_(*args: Any) -> tuple[Any, ...]:
    """Vectors as an open grid of indices."""
    n = len(args)
    return tuple(_along(x, k, n) for k, x in enumerate(args))


def _along(x: Any, k: int, n: int) -> Any:
    v = ravel(x)
    return reshape(v, tuple(v._type.size if i == k else 1 for i in range(n)))


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Flat indices as one index an axis."""
    i, s = array_of(indices), shape_of(shape)
    out = []
    for k, d in enumerate(s):
        step = math.prod(s[k + 1 :])
        out.append(i // max_int(step) % max_int(d))
    return tuple(out)


def max_int(n: int) -> int:
    """At least 1."""
    return n if n > 0 else 1


def ravel_multi_index(multi_index: Sequence[Any], dims: Any) -> Any:
    """One index an axis as flat indices."""
    s = shape_of(dims)
    total: Any = 0
    for k, i in enumerate(multi_index):
        total = add(array_of(i) * math.prod(s[k + 1 :]), total)
    return total


def polyval(p: Any, x: Any) -> Any:
    """p[0] x^(n-1) + ... + p[n-1], by Horner's rule."""
    c, at = array_of(p), array_of(x)
    y = multiply(at, 0)
    for i in range(c._type.shape[0]):
        y = add(multiply(y, at), c[i])
    return y


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803  # NumPy's name
    """Powers of a vector as columns, falling unless `increasing`."""
    v = array_of(x)
    n = v._type.shape[0] if N is None else N
    powers = [v**k for k in range(n)]
    return stack(powers if increasing else powers[::-1], 1)


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral along `axis` by the trapezoidal rule."""
    v = moveaxis(floating(array_of(y)), axis, -1)
    if x is None:
        step: Any = dx
    else:
        at = array_of(x)
        at = at if at._type.ndim == 1 else moveaxis(at, axis, -1)
        step = at[..., 1:] - at[..., :-1]
    return sum(multiply(v[..., 1:] + v[..., :-1], step), -1) * 0.5


def gradient(f: Any, spacing: float = 1.0, axis: Any = None) -> Any:
    """Central differences inside, one-sided at the ends; a list of them for several axes."""
    x = floating(array_of(f))
    axes = range(x._type.ndim) if axis is None else (axis if isinstance(axis, tuple | list) else (axis,))
    found = []
    for a in axes:
        at = axis_of(x, a)
        v = moveaxis(x, at, 0)
        if v._type.shape[0] < 2:
            raise ShapeError("gradient needs two elements along an axis", where=caller(), fix="leave that axis out")
        parts = [v[1:2] - v[:1], (v[2:] - v[:-2]) * 0.5, v[-1:] - v[-2:-1]]
        found.append(moveaxis(divide(concatenate(parts, 0), spacing), 0, at))
    return found[0] if len(found) == 1 else found


def ediff1d(ary: Any) -> Any:
    """Differences of neighbours of the flattened array."""
    x = ravel(ary)
    return x[1:] - x[:-1]


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """sum_k a[k] v[n - k] of two vectors; mode "full", "same" or "valid"."""
    return correlation(a, flip(v), mode, "convolve")


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """sum_k a[n + k] v[k] of two vectors; mode "full", "same" or "valid"."""
    return correlation(a, v, mode, "correlate")


def correlation(a: Any, v: Any, mode: str, name: str) -> Any:
    """One convolution primitive over vectors, the longer one first."""
    x, w = same((a, v), floating=True)
    if x._type.ndim != 1 or w._type.ndim != 1:
        raise ShapeError(f"{name} takes vectors, found {x._type} and {w._type}", where=caller(), fix="ravel them")
    swap = x._type.size < w._type.size
    if swap:
        x, w = flip(w), flip(x)
    n, k = x._type.size, w._type.size
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"no mode {mode!r}", where=caller(), fix='use "full", "same" or "valid"')
    edge = 0 if mode == "valid" else k - 1
    y = call("conv", reshape(x, (1, 1, n)), reshape(w, (1, 1, k)), stride=(1,), padding=((edge, edge),), x_dilation=(1,),
             w_dilation=(1,), groups=1)  # fmt: skip
    y = ravel(y)
    if mode == "same":
        start = k // 2 if swap and name == "correlate" else (k - 1) // 2  # NumPy centres the operands as given
        y = y[start : start + n]
    return y


def isin(element: Any, test_elements: Any, invert: bool = False) -> Any:
    """True where an element is among `test_elements`. Cost: one comparison for each pair."""
    x, t = same((element, ravel(test_elements)))
    found = any(equal(expand_dims(x, -1), t), axis=-1)
    return call("bitwise_not", found) if invert else found


def cov(m: Any, rowvar: bool = True, bias: bool = False, ddof: float | None = None) -> Any:
    """The covariance matrix of variables in rows (columns with rowvar=False)."""
    x = floating(array_of(m))
    x = reshape(x, (1, x._type.size)) if x._type.ndim < 2 else x if rowvar else transpose(x)
    n = x._type.shape[1]
    d = x - mean(x, 1, keepdims=True)
    y = matmul(d, transpose(d)) / (n - (ddof if ddof is not None else 0 if bias else 1))
    return reshape(y, ()) if y._type.size == 1 else y


def corrcoef(x: Any, rowvar: bool = True) -> Any:
    """Correlation coefficients of variables in rows (columns with rowvar=False)."""
    c = cov(x, rowvar)
    if not c._type.ndim:
        return divide(c, c)
    s = sqrt(diag(c))
    return c / s / expand_dims(s, 1)


def nanvar(a: Any, axis: Any = None, ddof: float = 0, *, keepdims: bool = False) -> Any:
    """Variance of what is not NaN."""
    x = floating(array_of(a))
    bad = isnan(x)
    count = sum(where(bad, 0.0, 1.0), axis, keepdims=True)
    center = sum(where(bad, 0, x), axis, keepdims=True) / count
    d = where(bad, 0, subtract(x, center))
    return sum(d * d, axis, keepdims=keepdims) / (sum(where(bad, 0.0, 1.0), axis, keepdims=keepdims) - ddof)


def nanstd(a: Any, axis: Any = None, ddof: float = 0, *, keepdims: bool = False) -> Any:
    """Square root of nanvar."""
    return sqrt(nanvar(a, axis, ddof, keepdims=keepdims))


def nanprod(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Product with NaN as 1."""
    return prod(where(isnan(a), 1, array_of(a)), axis, keepdims=keepdims)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The choice of the first condition that holds, elementwise."""
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = where(condition, choice, y)
    return y


def partition(a: Any, kth: int, axis: int = -1) -> Any:
    """An order with element `kth` in its sorted place, smaller ones before it (a whole sort)."""
    return sort(a, axis)


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """`func1d` of each line along `axis`, by vmap."""
    x = array_of(arr)
    at = axis_of(x, axis)
    moved = moveaxis(x, at, -1)
    lead = moved._type.shape[:-1]
    rows = reshape(moved, (math.prod(lead), moved._type.shape[-1]))
    y = vmap(lambda row: array_of(func1d(row, *args, **kwargs)))(rows)
    tail = y._type.shape[1:]
    y = reshape(y, (*lead, *tail))
    return moveaxis(y, tuple(range(len(lead), len(lead) + len(tail))), tuple(range(at, at + len(tail)))) if tail else y


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = (), signature: str | None = None) -> Callable[..., Any]:
    """`pyfunc` on numbers as a function of arrays that broadcast, by vmap.

    excluded: positions of arguments passed as they are.  signature: not available, use vmap.
    """
    if signature is not None:
        raise ArgumentError("vectorize with a signature is not available", where=caller(), fix="use vmap")

    @wraps(pyfunc)
    def function(*args: Any) -> Any:
        at = [i for i in range(len(args)) if i not in excluded]
        xs = [array_of(args[i]) for i in at]
        shape = np.broadcast_shapes(*[x._type.shape for x in xs])
        flat = [reshape(broadcast_to(x, shape), (math.prod(shape),)) for x in xs]

        def one(*given: Any) -> Any:
            rest = list(args)
            for i, x in zip(at, given, strict=True):
                rest[i] = x
            return pyfunc(*rest)

        y = vmap(one)(*flat)
        shaped = [reshape(v, shape) for v in (y if isinstance(y, tuple) else (y,))]
        return tuple(shaped) if isinstance(y, tuple) else shaped[0]

    return function


def block(arrays: Any) -> Any:
    """Arrays joined from nested lists: the innermost along the last axis."""
    depth, probe = 0, arrays
    while isinstance(probe, list):
        depth, probe = depth + 1, probe[0]

    def join(part: Any, level: int) -> Any:
        if not isinstance(part, list):
            x = array_of(part)
            return reshape(x, (1,) * (depth - x._type.ndim) + x._type.shape) if x._type.ndim < depth else x
        return concatenate([join(p, level + 1) for p in part], -(depth - level))

    return join(arrays, 0)


def histogram(a: Any, bins: Any = 10, range: Any = None, density: bool = False) -> tuple[Any, Any]:
    """(counts, edges): how many elements fall in each bin; edges from the data's extremes unless `range` is given."""
    x = floating(ravel(a))
    if isinstance(bins, int):
        low, high = (x.min(), x.max()) if range is None else (array_of(float(range[0])), array_of(float(range[1])))
        share = array_of(np.linspace(0, 1, bins + 1).astype(x._type.dtype))
        edges = low + (high - low) * share
    else:
        edges = convert(array_of(bins), x._type.dtype)
    n = edges._type.size - 1
    below = call("lt", expand_dims(x, 1), expand_dims(edges, 0))
    at = n - sum(below, 1)
    last = call("eq", *same((x, edges[n])))
    at = where(last, n - 1, at)
    inside = (at >= 0) & (at < n)
    zeros = convert(edges[:-1] * 0, x._type.dtype)
    counts = pad(zeros, (0, 1)).at[where(inside, at, n)].add(1.0)[:n]
    if density:
        return counts / ((edges[1:] - edges[:-1]) * sum(counts)), edges
    return counts, edges
