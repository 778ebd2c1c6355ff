"""NumPy's statistics: covariances, histograms, and reductions that leave NaN out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, call, reshape, same
from fgrad.eager.operands import convert, floating, is_integer
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.numpy.choices import isnan, where
from fgrad.numpy.complexes import conj, imag, real
from fgrad.numpy.creation import diag
from fgrad.numpy.elementwise import clip, divide, multiply, sqrt, subtract
from fgrad.numpy.linear import matmul
from fgrad.numpy.padding import pad
from fgrad.numpy.reductions import all, argmax, argmin, average, cumprod, cumsum, no_out, prod, replaced, sum
from fgrad.numpy.search import searchsorted
from fgrad.numpy.shape import concatenate, expand_dims, ravel, transpose

__all__ = [
    "corrcoef", "cov", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "nanargmax", "nanargmin",
    "nancumprod", "nancumsum", "nanprod", "nanstd", "nanvar",
]  # fmt: skip


def _variables(m: Any, rowvar: bool) -> Any:
    x = floating(array_of(m))
    if x._type.ndim > 2:
        raise ShapeError(f"cov: m has more than 2 dimensions: {x._type}", where=caller(), fix="reshape it")
    return reshape(x, (1, x._type.size)) if x._type.ndim < 2 else x if rowvar or x._type.shape[0] == 1 else transpose(x)


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: float | None = None, fweights: Any = None,
        aweights: Any = None) -> Any:  # fmt: skip
    """The covariance matrix of variables in rows (columns with rowvar=False), those of `y` after those of `m`.

    Divided by n - ddof (1 unless given, 0 if bias). fweights: how often each observation counts; aweights: its weight.
    """
    x = _variables(m, rowvar)
    if y is not None:
        x = concatenate(same((x, _variables(y, rowvar))), 0)
    ddof = ddof if ddof is not None else 0 if bias else 1
    w = None
    if fweights is not None:
        w = convert(array_of(fweights), real(x)._type.dtype)
    if aweights is not None:
        a = convert(array_of(aweights), real(x)._type.dtype)
        w = a if w is None else multiply(w, a)
    if w is None:
        n: Any = x._type.shape[1]
        d = x - average(x, 1, keepdims=True)
        f = n - ddof
    else:
        n = sum(w)
        d = x - expand_dims(sum(multiply(x, w), 1) / n, 1)
        f = n - ddof if aweights is None else n - ddof * sum(multiply(w, a)) / n
    scaled = d if w is None else multiply(d, w)
    found = divide(matmul(d, transpose(conj(scaled))), f if not isinstance(f, int | float) else max(f, 0))
    return reshape(found, ()) if found._type.size == 1 else found


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """Correlation coefficients of variables in rows (columns with rowvar=False)."""
    c = cov(x, y, rowvar)
    if not c._type.ndim:
        return divide(c, c)
    s = sqrt(real(diag(c)))
    r = c / s / expand_dims(s, 1)
    return call("complex", clip(real(r), -1, 1), clip(imag(r), -1, 1)) if r._type.dtype.kind == "c" else clip(r, -1, 1)


def nanvar(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False, *,
           where: Any = None) -> Any:  # fmt: skip
    """Variance of what is not NaN."""
    no_out(out)
    x = floating(array_of(a)) if dtype is None else convert(array_of(a), np.dtype(dtype))
    bad = isnan(x) if where is None else call("bitwise_or", *same((isnan(x), call("bitwise_not", _like(where, x)))))
    ones = real(_pick(bad, 0, multiply(x, 0) + 1))
    count = sum(ones, axis, keepdims=True)
    center = sum(_pick(bad, 0, x), axis, keepdims=True) / count
    d = _pick(bad, 0, subtract(x, center))
    total = sum(real(d * conj(d)), axis, keepdims=keepdims)
    left = sum(ones, axis, keepdims=keepdims) - ddof
    return _pick(left <= 0, math.nan, total / left)


_pick = where


def _like(mask: Any, x: Any) -> Any:
    return call("broadcast_to", array_of(mask).astype(bool), shape=x._type.shape)


def nanstd(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False, *,
           where: Any = None) -> Any:  # fmt: skip
    """Square root of nanvar."""
    return sqrt(nanvar(a, axis, dtype, out, ddof, keepdims, where=where))


def nanprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *,
            initial: Any = None, where: Any = None) -> Any:  # fmt: skip
    """Product with NaN as 1."""
    return prod(replaced(array_of(a), 1), axis, dtype, out, keepdims, initial=initial, where=where)


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running sum with NaN as 0."""
    return cumsum(replaced(array_of(a), 0), axis, dtype, out)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running product with NaN as 1."""
    return cumprod(replaced(array_of(a), 1), axis, dtype, out)


def nanargmax(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """Index of the first largest of what is not NaN; -1 where all are, as in JAX."""
    return _nanarg(argmax, -math.inf, a, axis, out, keepdims)


def nanargmin(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """Index of the first smallest of what is not NaN; -1 where all are, as in JAX."""
    return _nanarg(argmin, math.inf, a, axis, out, keepdims)


def _nanarg(rule: Any, fill: float, a: Any, axis: int | None, out: None, keepdims: bool) -> Any:
    x = array_of(a)
    found = rule(replaced(x, fill), axis, out, keepdims)
    return found if is_integer(x) else _pick(all(isnan(x), axis, keepdims=keepdims), -1, found)


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges `histogram` uses."""
    if isinstance(bins, str):
        raise ArgumentError(f"bins={bins!r}: only numbers of bins and edges", where=caller(), fix="give an int or edges")
    x = floating(ravel(a))
    if array_of(bins)._type.ndim:
        return convert(array_of(bins), x._type.dtype)
    if range is not None:
        low, high = (array_of(np.asarray(v, x._type.dtype)) for v in range)
    elif x._type.size:
        low, high = x.min(), x.max()
    else:
        low, high = (array_of(np.asarray(v, x._type.dtype)) for v in (0, 1))
    flat = call("eq", low, high)
    low, high = where(flat, low - 0.5, low), where(flat, high + 0.5, high)
    share = array_of(np.linspace(0, 1, int(bins) + 1).astype(x._type.dtype))
    return low * (1 - share) + high * share


def _places(x: Any, edges: Any) -> tuple[Any, Any]:
    """(the bin of each element, is it in one): the last bin holds its upper edge."""
    n = edges._type.size - 1
    at = searchsorted(edges, x, "right") - 1
    at = where(call("eq", *same((x, edges[n]))), n - 1, at)
    return at, (at >= 0) & (at < n)


def histogram(a: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None) -> tuple[Any, Any]:
    """(counts, edges): how many elements (or weights) fall in each bin.

    bins: a number of them between the extremes (or `range`), or edges.  density: the integral is 1.
    """
    if weights is not None and array_of(weights)._type.shape != array_of(a)._type.shape:
        raise ShapeError("weights should have the same shape as a.", where=caller(), fix="give one weight an element")
    x = floating(ravel(a))
    edges = histogram_bin_edges(a, bins, range)
    n = edges._type.size - 1
    at, inside = _places(x, edges)
    w = array_of(np.ones((), x._type.dtype)) if weights is None else ravel(weights)
    zeros = convert(edges[:-1] * 0, w._type.dtype)
    counts = pad(zeros, (0, 1)).at[where(inside, at, n)].add(w)[:n]
    if density:
        return counts / ((edges[1:] - edges[:-1]) * sum(counts)), edges
    return counts, edges


def histogramdd(sample: Any, bins: Any = 10, range: Any = None, weights: Any = None,
                density: bool | None = None) -> tuple[Any, list[Any]]:  # fmt: skip
    """(counts, edges of each column) of points in the rows of `sample`, as `histogram` in several dimensions."""
    columns = list(sample) if isinstance(sample, list | tuple) else list(transpose(array_of(sample)))
    xs = [floating(ravel(c)) for c in columns]
    count = len(xs)
    per = list(bins) if isinstance(bins, Sequence) or np.ndim(bins) else [bins] * count
    if len(per) != count:
        raise ArgumentError(f"bins for {len(per)} dimensions, the sample has {count}", where=caller(), fix="give one each")
    ranges = [None] * count if range is None else range
    edges = [histogram_bin_edges(x, b, r) for x, b, r in zip(xs, per, ranges, strict=True)]
    shape = [e._type.size - 1 for e in edges]
    flat, inside = None, None
    for x, e, n in zip(xs, edges, shape, strict=True):
        at, ok = _places(x, e)
        flat = at if flat is None else flat * n + at
        inside = ok if inside is None else inside & ok
    total = math.prod(shape)
    w = array_of(np.ones((), xs[0]._type.dtype)) if weights is None else ravel(weights)
    zeros = array_of(np.zeros(total + 1, w._type.dtype))
    counts = reshape(zeros.at[where(inside, flat, total)].add(w)[:total], tuple(shape))
    if weights is None and not density:
        return convert(counts, np.dtype("int64")), edges
    if density:
        counts = counts / sum(counts)
        for k, e in enumerate(edges):
            counts = counts / reshape(e[1:] - e[:-1], _along(e, k, count))
    return counts, edges


def _along(e: Any, k: int, count: int) -> tuple[int, ...]:
    return (1,) * k + (e._type.size - 1,) + (1,) * (count - k - 1)


def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, weights: Any = None,
                density: bool | None = None) -> tuple[Any, Any, Any]:  # fmt: skip
    """(counts, edges of x, edges of y) of points (x, y). bins: for both, or a pair."""
    pair = bins if isinstance(bins, list | tuple) and len(bins) == 2 else (bins, bins)
    counts, edges = histogramdd([x, y], list(pair), range, weights, density)
    return counts, edges[0], edges[1]
