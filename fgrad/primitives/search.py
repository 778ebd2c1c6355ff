"""Where values belong in sorted rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.errors import DtypeError, ShapeError, Where
from fgrad.ir.apply import primitive
from fgrad.ir.graph import Value
from fgrad.ir.types import INT64, TensorType, Type
from fgrad.primitives.checks import check_kinds, device_of, is_half, listed, store
from fgrad.primitives.shape import spread


def _search_type(rows: TensorType, values: TensorType, *, right: bool, where: Where | None) -> Type:
    check_kinds("searchsorted", "buif", (rows, values), where)
    if not rows.shape or not values.shape or rows.shape[:-1] != values.shape[:-1]:
        raise ShapeError(f"searchsorted: rows differ in {listed((rows, values))}", where=where,
                         fix="give one row of values for each sorted row")  # fmt: skip
    if is_half(rows.dtype):
        raise DtypeError(f"searchsorted: not defined for {rows.dtype.name}", where=where, fix="convert to float32 first")
    return TensorType(values.shape, INT64, device_of((rows, values)))


def _search(xp: Any, out: Any, rows: Any, values: Any, *, right: bool) -> Any:
    side = "right" if right else "left"
    found = xp.empty(values.shape, np.int64)
    n = math.prod(rows.shape[:-1])
    flat, keys = rows.reshape(n, rows.shape[-1]), values.reshape(n, values.shape[-1])
    into = found.reshape(n, values.shape[-1])
    for k in range(n):
        into[k] = xp.searchsorted(flat[k], keys[k], side)
    return found if out is None else store(xp, out, found)


def _batch(n: int, batched: tuple[bool, ...], rows: Value, values: Value, *, right: bool) -> Any:
    return searchsorted(*spread(n, batched, rows, values), right=right)


@primitive(
    type=_search_type,
    lower=_search,
    batch=_batch,
    flops=lambda y, rows, values, *, right: y.size * max(1, rows.shape[-1].bit_length()),
    smooth=False,
)
def searchsorted(rows: Any, values: Any, *, right: bool) -> Any:
    """int64 place at which each of `values` keeps its sorted row sorted: before equal elements, or after them if `right`.

    rows: x[..., n], each row ascending.  values: x[..., m].  NaN counts as larger than everything.
    """
