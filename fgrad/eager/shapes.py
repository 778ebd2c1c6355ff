"""Functions looked at without running them: make_graph, eval_shape, ShapeDtypeStruct."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.tape import tensor_type
from fgrad.eager.trace import Recorded, record_function
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.graph import Graph
from fgrad.ir.types import TensorType


class ShapeDtypeStruct:
    """A shape and a dtype: stands for an array where only its type counts.

    sharding, weak_type, manual_axis_type, is_ref: accepted; arrays live in one place, and their types are never weak.
    """

    __slots__ = ("dtype", "shape", "sharding")

    def __init__(self, shape: Sequence[int], dtype: Any, *, sharding: Any = None, weak_type: bool = False, manual_axis_type: Any = None,
                 is_ref: bool = False) -> None:  # fmt: skip
        if dtype is None:
            raise ArgumentError("ShapeDtypeStruct: dtype must be specified.", where=caller(), fix="name one, e.g. float32")
        self.shape, self.dtype = tuple(shape), dtype if isinstance(dtype, np.dtype) else dtype_of(dtype)
        self.sharding = sharding

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def update(self, **changes: Any) -> ShapeDtypeStruct:
        """Another one, with some of shape, dtype and sharding changed."""
        return ShapeDtypeStruct(**{"shape": self.shape, "dtype": self.dtype, "sharding": self.sharding, **changes})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name})"


def type_like(x: Any) -> tuple[type[Cell], TensorType]:
    """(class, type) of an argument: a tensor, a number, an array, or anything with shape and dtype."""
    if not isinstance(x, Cell) and hasattr(x, "shape") and hasattr(x, "dtype"):
        return FACES["array"], TensorType(tuple(x.shape), x.dtype)
    t = as_cell(x)
    return type(t)._result, t._type


def record_on_types(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Recorded:
    """Records `f` for arguments of which only the types count."""
    leaves, spec = tree.flatten((args, kwargs))
    given = [(*type_like(x), False) for x in leaves]
    return record_function(f, name, given, tree.unflattener(spec))


def make_graph(f: Callable[..., Any]) -> Callable[..., Graph]:
    """A function that returns the graph of `f` for its arguments (what jax.make_jaxpr is to JAX).

    Its inputs are the arguments' leaves, then tensors `f` closes over.

    >>> import fgrad, fgrad.numpy as jnp
    >>> print(fgrad.make_graph(lambda x: 2 * x)(1.0))  # doctest: +SKIP
    """

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Graph:
        return record_on_types(f, args, kwargs, getattr(f, "__name__", "make_graph")).graph

    return function


def eval_shape(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The tree of ShapeDtypeStructs that `f(*args, **kwargs)` returns; nothing is computed."""
    r = record_on_types(f, args, kwargs, getattr(f, "__name__", "eval_shape"))
    found = [tensor_type(v) for v in r.graph.outputs[: r.n_out]]
    return tree.unflatten(r.out_spec, [ShapeDtypeStruct(t.shape, t.dtype) for t in found])
