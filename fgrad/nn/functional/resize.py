"""Resizing sequences, images and volumes: along one axis after another, by copies or by a matrix of weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fgrad.errors import DtypeError, ShapeError
from fgrad.functions.call import compose
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.nn.functional.adaptive import adaptive_avg_pool
from fgrad.primitives import composites as c
from fgrad.primitives.index import gather
from fgrad.primitives.linear import dot_general
from fgrad.primitives.shape import move_axis

Row = tuple[int, tuple[float, ...]]  # the first element that counts, and the weights from it on


def _nearest_rule(x: Any, *, axis: int, places: tuple[int, ...]) -> Any:
    """Elements at `places` of one axis; whole repeats are a broadcast."""
    size, times = x.shape[axis], len(places) // max(x.shape[axis], 1)
    if places == tuple(i for i in range(size) for _ in range(times)):
        lead, tail = x.shape[: axis + 1], x.shape[axis + 1 :]
        wide = c.broadcast_to(c.reshape(x, shape=(*lead, 1, *tail)), shape=(*lead, times, *tail))
        return c.reshape(wide, shape=(*x.shape[:axis], size * times, *tail))
    return move_axis(gather(x, c.constant(np.asarray(places, np.int64)), axes=(axis,), mode="clip"), 0, axis)


def _weighted_rule(x: Any, *, axis: int, rows: tuple[Row, ...]) -> Any:
    """One axis times a matrix; half precision in float32."""
    wide = c.convert(x, dtype=np.dtype("float32")) if x.dtype.itemsize == 2 else x
    size = x.shape[axis]
    table = [[0.0] * at + list(w) + [0.0] * (size - at - len(w)) for at, w in rows]
    y = dot_general(wide, c.constant(np.asarray(table, wide.dtype)), contract=((axis,), (1,)), batch=((), ()))
    y = move_axis(y, x.ndim - 1, axis)
    return y if y.dtype == x.dtype else c.convert(y, dtype=x.dtype)


@lru_cache(256)
def nearest_places(size: int, out: int, factor: float | None, exact: bool) -> tuple[int, ...]:
    """floor(i * scale) in float32, or floor((i + 1/2) * scale)."""
    scale = np.float32(1 / factor if factor else size / out if not exact else np.float32(size) / np.float32(out))
    half = np.float32(0.5 if exact else 0.0)
    return tuple([min(int((np.float32(i) + half) * scale), size - 1) for i in range(out)])


def gathered(pairs: list[tuple[int, float]]) -> Row:
    """Weights of single elements, those of one element added, as a row."""
    low, high = min(i for i, _ in pairs), max(i for i, _ in pairs)
    row = [0.0] * (high - low + 1)
    for i, w in pairs:
        row[i - low] += w
    return low, tuple(row)


def scale_of(size: int, out: int, factor: float | None, align: bool) -> float:
    """How many elements of the input one of the output stands for."""
    if align:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1 / factor if factor else size / out


def cubic(t: float, a: float) -> float:
    """Keys' kernel (1981) at a distance t."""
    t = abs(t)
    if t < 1:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    return (((t - 5) * t + 8) * t - 4) * a if t < 2 else 0.0


@lru_cache(256)
def linear_rows(size: int, out: int, factor: float | None, align: bool) -> tuple[Row, ...]:
    """Two neighbours, weighted by how near they are."""
    scale, rows = scale_of(size, out, factor, align), []
    for i in range(out):
        at = i * scale if align else max((i + 0.5) * scale - 0.5, 0.0)
        low = min(int(at), size - 1)
        w = min(max(at - low, 0.0), 1.0)
        rows.append(gathered([(low, 1 - w), (min(low + 1, size - 1), w)]))
    return tuple(rows)


@lru_cache(256)
def cubic_rows(size: int, out: int, factor: float | None, align: bool) -> tuple[Row, ...]:
    """Four neighbours by the cubic kernel, a = -3/4; beyond the edge, the edge."""
    scale, rows = scale_of(size, out, factor, align), []
    for i in range(out):
        at = i * scale if align else (i + 0.5) * scale - 0.5
        low = math.floor(at)
        rows.append(gathered([(min(max(low + k, 0), size - 1), cubic(at - low - k, -0.75)) for k in range(-1, 3)]))
    return tuple(rows)


def lanczos(t: float) -> float:
    """sinc(t) sinc(t / 3) within 3."""
    if t == 0:
        return 1.0
    return 3 * math.sin(math.pi * t) * math.sin(math.pi * t / 3) / (math.pi * t) ** 2 if abs(t) < 3 else 0.0


FILTERS: dict[str, tuple[float, Callable[[float], float]]] = {
    "bilinear": (1.0, lambda t: max(1 - abs(t), 0.0)),
    "bicubic": (2.0, lambda t: cubic(t, -0.5)),
    "lanczos": (3.0, lanczos),
}


@lru_cache(256)
def filtered_rows(size: int, out: int, factor: float | None, align: bool, mode: str) -> tuple[Row, ...]:
    """All elements under the kernel, which is as wide as what one element of the output stands for."""
    scale, (width, kernel), rows = scale_of(size, out, factor, align), FILTERS[mode], []
    support, inverse = width * max(scale, 1.0), 1 / scale if scale >= 1 else 1.0
    for i in range(out):
        centre = scale * (i + 0.5)
        low = max(int(centre - support + 0.5), 0)
        high = min(int(centre + support + 0.5), size)
        weights = [kernel((j - centre + 0.5) * inverse) for j in range(low, high)]
        total = sum(weights)
        rows.append((low, tuple([w / total if total else w for w in weights])))
    return tuple(rows)


def sizes_of(input: Any, size: Any, scale_factor: Any, recompute: bool | None, mode: str) -> tuple[list[int], list[float | None]]:
    """(sizes of the result, factors that count)."""
    n = input._type.ndim - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given = scale_factor if size is None else size
    each = list(given) if isinstance(given, tuple | list) else [given] * n
    if len(each) != n:
        raise ValueError(f"Input and {'output' if size is not None else 'scale_factor'} must have the same number of spatial "
                         f"dimensions, but got input with spatial dimensions of {list(input._type.shape[2:])} and {given}.")  # fmt: skip
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return [int(d) for d in each], [None] * n
    out = [int(d * s) for d, s in zip(input._type.shape[2:], each, strict=True)]
    return out, [None] * n if recompute or mode == "area" else [float(s) for s in each]


RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5, "lanczos": 4}


def check_mode(input: Any, mode: str, align_corners: bool | None, antialias: bool) -> None:
    """PyTorch's refusals."""
    rank = input._type.ndim
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
        wanted: tuple[int, ...] = (3, 4, 5)
    else:
        wanted = (RANKS.get(mode, 0),)
    if antialias and not (mode in FILTERS and rank == 4):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("Lanczos mode does not support align_corners=True" if align_corners else "Lanczos mode requires antialias=True")
    if rank not in wanted:
        raise NotImplementedError(f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank}D) for the modes: nearest | "
                                  f"linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})")  # fmt: skip


def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
                recompute_scale_factor: bool | None = None, antialias: bool = False) -> Any:  # fmt: skip
    """float[n, c, ...] with its 1 to 3 spatial dimensions resized to `size`, or to scale_factor times theirs.

    mode: "nearest", "nearest-exact" (nearest to the centre), "area" (means), "linear", "bilinear", "trilinear" (2
    neighbours along each axis), "bicubic" (4).  align_corners: the centres of the outer elements keep their places,
    otherwise the outer edges.  recompute_scale_factor: the factor is what the sizes, rounded down, give.
    antialias: with "bilinear", "bicubic" and "lanczos", the kernel widens when an image shrinks.

    >>> import fgrad
    >>> fgrad.nn.functional.interpolate(fgrad.tensor([[[0., 3.]]]), size=4, mode="linear", align_corners=True)
    tensor([[[0., 1., 2., 3.]]])
    """
    check_mode(input, mode, align_corners, antialias)
    out, factors = sizes_of(input, size, scale_factor, recompute_scale_factor, mode)
    shape = input._type.shape
    if min(*out, *shape[1:]) < 1:
        raise ShapeError(f"Input and output sizes should be greater than 0, but got input {input._type} and output {out}", where=caller(),
                         fix="give elements, and positive sizes")  # fmt: skip
    if mode == "area":
        return adaptive_avg_pool(len(out), input, out)
    if not mode.startswith("nearest") and kind(input._type.dtype) not in "fc":
        raise DtypeError(f'"upsample_{mode}" not implemented for {input.dtype}', where=caller(), fix="convert with .float()")
    y = input
    for axis, (d, m, factor) in enumerate(zip(shape[2:], out, factors, strict=True), 2):
        if mode.startswith("nearest"):
            y = compose(_nearest_rule, y, axis=axis, places=nearest_places(d, m, factor, mode == "nearest-exact"))
        elif d != m or factor is not None:
            align = bool(align_corners)
            rows = (filtered_rows(d, m, factor, align, mode) if antialias
                    else (cubic_rows if mode == "bicubic" else linear_rows)(d, m, factor, align))  # fmt: skip
            y = compose(_weighted_rule, y, axis=axis, rows=rows)
    return y


def upsample(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None) -> Any:
    """interpolate, under its older name."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """interpolate by the nearest element."""
    warnings.warn("`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """interpolate linearly, corners aligned."""
    warnings.warn("`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
