"""x[index], x[index] = y with every kind of index; gather, scatter and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from drawn.pen import ALL, REAL, Case, Operand, Pen


def one_index(pen: Pen, length: int, kinds: str) -> Any:
    """An index of one axis; torch knows no negative steps."""
    kind = pen.pick(kinds)
    if kind == "i" and length:
        return pen.int(-length, length - 1)
    if kind in "si":
        ends = (None, *range(-length - 1, length + 2))
        return slice(pen.pick(ends), pen.pick(ends), pen.pick((None, 1, 2, 3)))
    shape = pen.pick(((), (1,), (3,), (2, 1), (2, 3), (0,)))
    x = np.random.default_rng(pen.int(0, 99)).integers(-max(length, 1), max(length, 1), shape)
    return Operand(x if length else x[:0] if x.ndim else np.zeros((0,), "int64"), pen.pick(("int64", "int64", "int32")))


def index(pen: Pen, shape: tuple[int, ...], advanced: bool = True) -> Any:
    """A tuple of indices of axes, with None, an Ellipsis and masks between."""
    parts: list[Any] = []
    axis, stop = 0, pen.int(0, len(shape))
    while axis < stop:
        if pen.int(0, 5) == 0:
            parts.append(None)
        if advanced and pen.int(0, 4) == 0:
            width = pen.int(1, min(2, stop - axis))
            mask = np.random.default_rng(pen.int(0, 99)).integers(0, 2, shape[axis : axis + width]).astype(bool)
            parts.append(Operand(mask, "bool"))
            axis += width
            continue
        parts.append(one_index(pen, shape[axis], "iissat" if advanced else "iss"))
        axis += 1
    if pen.flag():
        parts.append(Ellipsis)
        back = [one_index(pen, d, "is") for d in shape[max(stop, len(shape) - pen.int(0, 1)) :]]
        parts.extend(back)
    if pen.int(0, 7) == 0:
        parts.append(None)
    return parts[0] if len(parts) == 1 and pen.flag() else tuple(parts)


def take(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(), ALL, special=False)
    return Case(name, (x, index(pen, x.values.shape, name == "x[index]")), call=lambda t, x, i: x[i])


def put(pen: Pen, name: str) -> Case:
    """Written are numbers, or tensors that broadcast; no place twice: which write is last is not defined."""
    x = pen.operand(pen.shape(), REAL, special=False)
    x = x._replace(layout="plain" if x.layout == "expanded" else x.layout)
    where = index(pen, x.values.shape, name == "x[index] = y")
    np_index = numpy_index(where)
    try:
        places = np.arange(x.values.size).reshape(x.values.shape)[np_index]
    except IndexError:
        return Case(name, (x, where, 1), call=store)
    if np.unique(places).size < places.size:
        return Case(name, (x, where, 2), call=store)
    among = (x.dtype,) if pen.often() else REAL
    y = pen.operand(pen.partner(places.shape)[-places.ndim or None :], among, special=False, low=0) if pen.often() else pen.int(0, 3)
    return Case(name, (x, where, y), call=store)


def store(t: Any, x: Any, where: Any, y: Any) -> Any:
    x = x.clone()
    x[where] = y
    return x


def numpy_index(where: Any) -> Any:
    if isinstance(where, Operand):
        return where.values
    return tuple(map(numpy_index, where)) if isinstance(where, tuple) else where


def positions(pen: Pen, shape: tuple[int, ...], limit: int, *, distinct: int | None = None) -> Operand:
    """Indices below `limit`, all different along the axis `distinct`."""
    rng = np.random.default_rng(pen.int(0, 999))
    if distinct is None:
        return Operand(rng.integers(0, max(limit, 1), shape), "int64")
    x = np.argsort(rng.random((*shape[:distinct], limit, *shape[distinct + 1 :])), axis=distinct)
    return Operand(np.ascontiguousarray(np.take(x, range(shape[distinct]), distinct)), "int64")


def shrunk(pen: Pen, shape: tuple[int, ...], dim: int, free: int) -> tuple[int, ...]:
    """A shape inside `shape`, any length along `dim`."""
    return tuple(free if a == dim else pen.int(min(1, d), d) for a, d in enumerate(shape))


def gather(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(1, 3, least=1), ALL, special=False)
    dim = pen.axis(x.values.ndim)
    shape = x.values.shape
    wanted = shrunk(pen, shape, dim % len(shape), pen.int(0, 4))
    if name == "gather":
        return Case(name, (x, dim, positions(pen, wanted, shape[dim])))
    wanted = tuple(n if a == dim % len(shape) else d for a, (d, n) in enumerate(zip(shape, wanted)))
    return Case(name, (x, positions(pen, wanted, shape[dim]), dim))


def scatter(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(1, 3, least=1), ALL, special=False)
    x = x._replace(layout="plain")
    dim = pen.axis(x.values.ndim)
    shape = x.values.shape
    axis = dim % len(shape)
    # torch's derivative of scatter_reduce reads beyond the index where the source is larger
    adding = "add" in name or "reduce" in name
    wanted = shrunk(pen, shape, axis, pen.int(1, 4 if adding else shape[axis]))
    at = positions(pen, wanted, shape[axis], distinct=None if adding else axis)
    apart = {"low": 3.5, "high": 6.0} if pen.smooth else {}  # torch's derivative of extremes counts an equal self that is left out
    y: Any = pen.operand(tuple(d + (0 if pen.smooth else pen.int(0, 1)) for d in wanted), (x.dtype,), special=False, **apart)
    if "reduce" in name:
        return Case(name, (x, dim, at, y, pen.pick(("sum", "prod", "mean", "amax", "amin"))), {"include_self": pen.flag()}, tol=4)
    if not adding and pen.int(0, 3) == 0:
        y = 1
    return Case(name, (x, dim, at, y), tol=4)


def index_along(pen: Pen, name: str) -> Case:
    """index_select, index_add, index_copy, index_fill along an axis."""
    x = pen.operand(pen.shape(1, 3, least=1), ALL, special=False)._replace(layout="plain")
    dim = pen.axis(x.values.ndim)
    shape = x.values.shape
    unique = "copy" in name
    count = pen.int(0, shape[dim] if unique else 4)
    at = positions(pen, (count,), shape[dim], distinct=0 if unique else None)
    if "select" in name:
        return Case(name, (x, dim, at))
    if "fill" in name:
        return Case(name, (x, dim, at, pen.int(0, 1)))
    wanted = tuple(count if a == dim % len(shape) else d for a, d in enumerate(shape))
    y = pen.operand(wanted, (x.dtype,), special=False)
    return Case(name, (x, dim, at, y), {"alpha": 2} if "add" in name and pen.flag() and x.dtype != "bool" else {}, tol=4)


def masked(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(), ALL, special=False)
    x = x._replace(layout="plain" if x.layout == "expanded" else x.layout)
    mask = pen.operand(pen.partner(x.values.shape)[-x.values.ndim or None :], ("bool",))
    if "select" in name:
        return Case(name, (x, mask))
    value: Any = pen.pick((0, 1, 2.5, True)) if pen.often() else pen.operand((), ALL, special=False)
    if x.dtype == "bool" or x.dtype not in ("float32", "float64", "float16", "bfloat16"):
        value = pen.pick((0, 1, 2.5))
    return Case(name, (x, mask, value))


def taken(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape(0, 3, least=1), ALL, special=False)
    return Case(name, (x, positions(pen, pen.shape(0, 2), x.values.size)))


INDEXING: dict[str, Any] = {
    **dict.fromkeys(("x[index]", "x[slices]"), take),
    **dict.fromkeys(("x[index] = y", "x[slices] = y"), put),
    **dict.fromkeys(("gather", "take_along_dim"), gather),
    **dict.fromkeys(("scatter", "scatter_add", "scatter_reduce", ".scatter_", ".scatter_add_"), scatter),
    **dict.fromkeys(("index_select", "index_add", "index_copy", "index_fill", ".index_add_", ".index_copy_", ".index_fill_"), index_along),
    **dict.fromkeys(("masked_fill", ".masked_fill_", "masked_select"), masked),
    "take": taken,
    "nonzero": lambda pen, name: Case(name, (pen.operand(pen.shape(), ALL),), {"as_tuple": pen.flag()}),
}
