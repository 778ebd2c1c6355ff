"""NumPy's smaller helpers: index grids, dtypes, functions applied along axes or by case."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, axis_of, reshape, result_dtype, shape_of
from fgrad.eager.operands import convert
from fgrad.eager.vmap import vmap
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import promote
from fgrad.numpy.choices import isnan, where
from fgrad.numpy.creation import zeros
from fgrad.numpy.elementwise import add, divide, logaddexp, maximum, minimum, multiply
from fgrad.numpy.search import nonzero
from fgrad.numpy.shape import broadcast_to, concatenate, expand_dims, moveaxis, ravel

__all__ = [
    "apply_along_axis", "apply_over_axes", "atleast_3d", "block", "diag_indices", "diag_indices_from", "fmax", "fmin",
    "fromfunction", "isscalar", "iterable", "ix_", "logaddexp2", "mask_indices", "piecewise", "promote_types",
    "ravel_multi_index", "result_type", "select", "tril_indices", "tril_indices_from", "triu_indices",
    "triu_indices_from", "unravel_index", "vectorize",
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
    if found is not None:  # a dtype stands for an array of it: numbers beside it are weak
        rest.append(zeros(1, found))
    return result_dtype(*rest)


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


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """`func(a, axis)` over one axis after another, axes kept at length 1."""
    x = array_of(a)
    for axis in axes if isinstance(axes, tuple | list) else (axes,):
        y = array_of(func(x, axis))
        x = y if y._type.ndim == x._type.ndim else expand_dims(y, axis_of(x, axis))
    return x


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """diag_indices of the shape of a square array."""
    s = array_of(arr)._type.shape
    if len(s) < 2 or len(set(s)) != 1:
        raise ShapeError(f"diag_indices_from takes arrays of equal axes, found {s}", where=caller(), fix="use diag_indices")
    return diag_indices(s[0], len(s))


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """tril_indices of a matrix's shape."""
    n, m = array_of(arr)._type.shape
    return tril_indices(n, k, m)


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """triu_indices of a matrix's shape."""
    n, m = array_of(arr)._type.shape
    return triu_indices(n, k, m)


def mask_indices(n: int, mask_func: Callable[..., Any], k: int = 0, *, size: int | None = None) -> tuple[Any, ...]:
    """Where `mask_func(ones((n, n)), k)` is not 0."""
    return nonzero(mask_func(array_of(np.ones((n, n), np.int64)), k), size=size)


def iterable(y: Any) -> bool:
    """True for what can be iterated over."""
    return bool(np.iterable(y)) if not hasattr(y, "_type") else bool(y._type.ndim)


def fromfunction(function: Callable[..., Any], shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """`function(i, j, ...)` of the index of each element along each axis, by vmap, as JAX."""
    s = shape_of(shape)
    grid = [reshape(convert(array_of(np.arange(d)), as_dtype(dtype)), (d,)) for d in s]

    def call_all(*at: Any) -> Any:
        return function(*at, **kwargs)

    f: Callable[..., Any] = call_all
    for k in reversed(range(len(s))):
        f = vmap(f, in_axes=tuple(0 if i == k else None for i in range(len(s))))
    return f(*grid) if s else array_of(function(**kwargs))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The choice of the first condition that holds, elementwise."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ArgumentError(f"select: {len(condlist)} conditions for {len(choicelist)} choices", where=caller(),
                            fix="give one condition for each choice, at least one")  # fmt: skip
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = where(condition, choice, y)
    return y


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Functions (or numbers) where their conditions hold, the last that does; one more than conditions: elsewhere.

    Every function is called on all of `x`; the result has the dtype of `x`.
    """
    a = array_of(x)
    conditions = list(condlist) if isinstance(condlist, list | tuple) else [condlist]
    if len(funclist) not in (len(conditions), len(conditions) + 1):
        raise ArgumentError(f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} "
                            f"functions are expected", where=caller(), fix="give one for each, and perhaps a default")  # fmt: skip
    values = [f(a, *args, **kw) if callable(f) else f for f in funclist]
    y = broadcast_to(array_of(values.pop() if len(values) > len(conditions) else 0), a._type.shape)
    for condition, value in zip(conditions, values, strict=True):
        y = where(condition, value, y)
    return convert(y, a._type.dtype)


def _signature(text: str) -> tuple[list[tuple[str, ...]], int]:
    """Core dimensions of each argument, and how many results there are."""
    left, arrow, right = text.replace(" ", "").partition("->")
    groups = [re.findall(r"\(([^()]*)\)", side) for side in (left, right)]
    if not arrow or not groups[0] or re.sub(r"\([^()]*\)|,", "", left + right):
        raise ArgumentError(f"not a valid gufunc signature: {text!r}", where=caller(), fix='write e.g. "(n),(n,m)->(m)"')
    return [tuple(filter(None, g.split(","))) for g in groups[0]], len(groups[1])


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = (), signature: str | None = None) -> Callable[..., Any]:
    """`pyfunc` on numbers, or on the core dimensions of `signature`, as a function of arrays that broadcast, by vmap.

    excluded: positions of arguments passed as they are.  signature: e.g. "(n,m),(m)->(n)".

    >>> import fgrad.numpy as jnp
    >>> jnp.vectorize(jnp.dot, signature="(n),(n)->()")(jnp.ones((3, 2)), jnp.ones(2))
    Array([2., 2., 2.], dtype=float32)
    """
    cores = None if signature is None else _signature(signature)[0]

    @wraps(pyfunc)
    def function(*args: Any, **kwargs: Any) -> Any:
        at = [i for i in range(len(args)) if i not in excluded]
        if cores is not None and len(cores) != len(at):
            raise ArgumentError(f"wrong number of positional arguments: expected {len(cores)}, got {len(at)}",
                                where=caller(), fix="give one for each group of the signature")  # fmt: skip
        xs = [array_of(args[i]) for i in at]
        ranks = [len(core) for core in cores] if cores is not None else [0] * len(xs)
        for x, rank in zip(xs, ranks, strict=True):
            if x._type.ndim < rank:
                raise ShapeError(f"an argument of type {x._type} has fewer axes than the signature {signature}",
                                 where=caller(), fix="give the core dimensions")  # fmt: skip
        lead = np.broadcast_shapes(*[x._type.shape[: x._type.ndim - r] for x, r in zip(xs, ranks, strict=True)])

        def one(*given: Any) -> Any:
            rest = list(args)
            for i, x in zip(at, given, strict=True):
                rest[i] = x
            return pyfunc(*rest, **kwargs)

        if not lead:
            return one(*xs)
        flat = []
        for x, r in zip(xs, ranks, strict=True):
            core = x._type.shape[x._type.ndim - r :]
            flat.append(reshape(broadcast_to(x, (*lead, *core)), (math.prod(lead), *core)))
        y = vmap(one)(*flat)
        shaped = [reshape(v, (*lead, *v._type.shape[1:])) for v in (y if isinstance(y, tuple) else (y,))]
        return tuple(shaped) if isinstance(y, tuple) else shaped[0]

    return function
