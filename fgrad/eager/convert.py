"""Numbers and arrays from outside as cells."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell, concrete
from fgrad.errors import DtypeError, TraceError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import KINDS
from fgrad.ir.types import TensorType
from fgrad.settings import current

KNOWN = frozenset([np.dtype(name) for name in KINDS if name != "bfloat16"])


class Faces(dict[str, type[Cell]]):
    """Classes of cells by name: "array", what raw NumPy becomes, and "tensor". Rooms above fill it when they are imported."""

    def __missing__(self, name: str) -> type[Cell]:
        importlib.import_module({"array": "fgrad.numpy", "tensor": "fgrad.functions"}[name])
        return dict.__getitem__(self, name)


FACES = Faces()


def host_array(x: Any, dtype: Any = None) -> Any:
    """`x` (Python numbers in nested sequences, or an array) as a new C-ordered NumPy array.

    Python floats take the default float type, complex its complex twin, ints int64; arrays keep their dtype.
    """
    if isinstance(x, np.ndarray | np.generic):
        a = np.array(x, dtype=dtype, order="C", copy=True)
    else:
        a = np.array(x, order="C")
        if dtype is not None and np.dtype(dtype).kind in "iu" and a.dtype.kind in "fO":  # ints beyond int64 beside others became floats
            a = np.array(x, dtype=dtype, order="C")
        elif dtype is not None:
            a = a.astype(dtype)
        elif a.dtype == np.float64 and not _holds_float64(x):
            a = a.astype(current().default_dtype)
        elif a.dtype == np.complex128 and not _holds_float64(x):
            a = a.astype("complex128" if current().default_dtype == "float64" else "complex64")
    check_dtype(a.dtype, x)
    return a


def check_dtype(dtype: Any, x: Any) -> None:
    """Refuses data whose dtype tensors cannot have."""
    if dtype not in KNOWN and dtype.name not in KINDS:  # the name takes a microsecond to find
        raise DtypeError(
            f"an array of dtype {dtype} (from {type(x).__name__}) has no counterpart",
            where=caller(),
            fix="give numbers of one shape, or convert with numpy first",
        )


def _holds_float64(x: Any) -> bool:
    """True if a sequence holds NumPy float64 data, whose dtype is kept."""
    while isinstance(x, list | tuple) and x:
        x = x[0]
    return isinstance(x, np.ndarray | np.generic)


def as_cell(x: Any, cls: type[Cell] | None = None) -> Any:
    """`x` as a cell: one already, or a copy of the data as an array of the functional face (or of `cls`)."""
    if isinstance(x, Cell):
        return x
    if hasattr(x, "__array__") or isinstance(x, bool | int | float | complex | np.generic | list | tuple):
        a = host_array(x if not hasattr(x, "__array__") else np.asarray(x))
        return concrete(cls or FACES["array"], a, TensorType(a.shape, a.dtype))
    raise TraceError(
        f"a tensor, an array or a number was expected, found {type(x).__name__}",
        where=caller(),
        fix="pass it through static_argnums, or close over it",
    )


def assemble(spec: tree.Structure, leaves: Sequence[Any], like: Sequence[Any] | None = None) -> Any:
    """A tree of results: where tensors are among the leaves (or among `like`) PyTorch's, its dicts in order of insertion, else JAX's, sorted."""
    if spec.is_leaf():
        return leaves[0]
    tensor = dict.get(FACES, "tensor")
    torch_like = tensor is not None and any(isinstance(x, tensor) for x in (leaves if like is None else like))
    return (tree.restore if torch_like else tree.unflatten)(spec, leaves)
