"""Sparse tensors in coordinate form."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from fgrad.errors import ArgumentError
from fgrad.functions import arrange
from fgrad.functions import elementary as e
from fgrad.functions import pointwise as p
from fgrad.functions import shape as h
from fgrad.functions.call import axis_of
from fgrad.functions.creation import zeros
from fgrad.functions.layouts import Sparse, layout, sparse_coo
from fgrad.functions.scatters import index_put
from fgrad.functions.select import index_add, index_copy, index_select, nonzero, unique
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.types import TensorType


class Valued(Sparse):
    """What every sparse tensor has: values in a pattern, and the sizes of the dense tensor it stands for."""

    _v: Any
    _size: tuple[int, ...]
    _own: bool

    def _with(self, values: Any) -> Any:
        """Other values in the same pattern."""
        raise NotImplementedError

    def __len__(self) -> int:
        return int(self._size[0])

    def _suffixes(self) -> list[str]:
        """What is printed behind indices and values."""
        parts = [f"size={self._size}", f"nnz={self._nnz()}"]
        if self._v._type.device.type != "cpu":
            parts.append(f"device='{self._v._type.device}'")
        parts.append(f"layout={self.layout!r}")
        if self.requires_grad:
            parts.append("requires_grad=True" if self.grad_fn is None else f"grad_fn={self.grad_fn!r}")
        return parts

    def _patterned(self, g: Any) -> Any:
        """A gradient of the values as a sparse tensor."""
        return self._with(g)

    @property
    def _value(self) -> Any:
        raise ArgumentError(f"this function has no form for a {self.layout.name} tensor", where=caller(), fix="use to_dense() first")

    _tape = _value

    @property
    def _type(self) -> TensorType:
        return TensorType(self._size, self._v._type.dtype, self._v._type.device)

    @property
    def shape(self) -> Any:
        """Sizes of the dense tensor it stands for."""
        return type(self._v.shape)(self._size)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one dimension of it."""
        return self.shape if dim is None else self._size[axis_of(self, dim)]

    @property
    def ndim(self) -> int:
        """Number of dimensions, sparse and dense."""
        return len(self._size)

    def dim(self) -> int:
        """Number of dimensions."""
        return self.ndim

    def numel(self) -> int:
        """Number of elements, zeros included."""
        return math.prod(self._size)

    def _nnz(self) -> int:
        return int(self._v.shape[0])

    dtype = property(lambda self: self._v.dtype, doc="The values' dtype.")
    device = property(lambda self: self._v.device, doc="The values' device.")
    requires_grad = property(lambda self: self._v.requires_grad, doc="True if the values are differentiated.")
    grad_fn = property(lambda self: self._v.grad_fn, doc="What the values were computed by.")
    is_leaf = property(lambda self: self._v.is_leaf, doc="True if the values are a leaf.")
    T = property(lambda self: self.t(), doc="The transpose.")

    @property
    def grad(self) -> Any:
        """The gradient, sparse in the same pattern; None before backward()."""
        g = self._v.grad if self._own else None
        return None if g is None else self._patterned(g)

    @grad.setter
    def grad(self, g: Any) -> None:
        self._v.grad = None if g is None else g._v

    def is_floating_point(self) -> bool:
        """True for floating values."""
        return bool(self._v.is_floating_point())

    def is_complex(self) -> bool:
        """True for complex values."""
        return bool(self._v.is_complex())

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Values in another dtype or on another device, as `Tensor.to`."""
        return self._with(self._v.to(*args, **kwargs))

    def float(self) -> Any:
        """float32 values."""
        return self._with(self._v.float())

    def double(self) -> Any:
        """float64 values."""
        return self._with(self._v.double())

    def cpu(self) -> Any:
        """On the CPU."""
        return self._with(self._v.cpu())

    def detach(self) -> Any:
        """The same numbers without history."""
        return self._with(self._v.detach())

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Makes the values a leaf; `grad` will be sparse."""
        self._v.requires_grad_(requires_grad)
        self._own = requires_grad
        return self

    def __neg__(self) -> Any:
        return self._with(-self._v)

    neg = negative = __neg__


class SparseCoo(Valued):
    """values[k] at the coordinates indices[:, k], zeros elsewhere; the same coordinates may come twice and add up.

    indices: int64[sparse dims, nnz], data.  values: [nnz, *dense dims], differentiable like any tensor.
    """

    layout: ClassVar[layout] = sparse_coo
    is_sparse = True
    is_sparse_csr = False

    def __init__(self, indices: Any, values: Any, size: tuple[int, ...], coalesced: bool = False, own: bool = False) -> None:
        self._i, self._v, self._size, self._coalesced = indices, values, tuple(size), coalesced
        self._own = own  # its values are its own leaf: `grad` is sparse

    # ------------------------------------------------------------------ what it is
    def sparse_dim(self) -> int:
        """Number of dimensions that indices count."""
        return int(self._i.shape[0])

    def dense_dim(self) -> int:
        """Number of dimensions of one value."""
        return self.ndim - self.sparse_dim()

    def _patterned(self, g: Any) -> SparseCoo:
        """A gradient of the values as a sparse tensor: entries at one place all have that place's gradient, which counts once."""
        if self._coalesced:
            return self._with(g)
        places, inverse = unique(self._places(), return_inverse=True)
        return self._from_places(places, index_copy(zeros((places.shape[0], *g.shape[1:]), dtype=g.dtype), 0, inverse, g))

    def is_coalesced(self) -> bool:
        """True if indices are sorted and none comes twice."""
        return self._coalesced

    def _with(self, values: Any, coalesced: bool | None = None) -> SparseCoo:
        """Other values in the same pattern."""
        size = (*self._size[: self.sparse_dim()], *values.shape[1:])
        return SparseCoo(self._i, values, size, self._coalesced if coalesced is None else coalesced)

    # ------------------------------------------------------------------ pattern and values
    def _indices(self) -> Any:
        return self._i

    def _values(self) -> Any:
        return self._v

    def _ready(self, what: str) -> SparseCoo:
        if not self._coalesced:
            raise ArgumentError(f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first", where=caller(),
                                fix="call .coalesce(), which adds up what stands at the same place")  # fmt: skip
        return self

    def indices(self) -> Any:
        """int64[sparse dims, nnz] of a coalesced tensor."""
        return self._ready("indices")._i

    def values(self) -> Any:
        """[nnz, *dense dims] of a coalesced tensor."""
        return self._ready("values")._v

    def _places(self) -> Any:
        """Each coordinate as one number, row-major."""
        total = zeros(self._nnz(), dtype=self._i.dtype)
        for k in range(self.sparse_dim()):
            total = total * self._size[k] + self._i[k]
        return total

    def _from_places(self, places: Any, values: Any) -> SparseCoo:
        """A coalesced tensor of sorted places."""
        rows = []
        for n in reversed(self._size[: self.sparse_dim()]):
            rows.append(p.remainder(places, max(n, 1)))
            places = p.floor_divide(places, max(n, 1))
        index = arrange.stack(rows[::-1]) if rows else zeros((0, values.shape[0]), dtype=self._i.dtype)
        return SparseCoo(index, values, self._size, True)

    def coalesce(self) -> SparseCoo:
        """The same tensor with sorted indices, each once."""
        if self._coalesced:
            return self
        places, inverse = unique(self._places(), return_inverse=True)
        empty = zeros((places.shape[0], *self._v.shape[1:]), dtype=self._v.dtype)
        return self._from_places(places, index_add(empty, 0, inverse, self._v))

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
        """The dense tensor."""
        x = zeros(self._size, dtype=self._v.dtype, device=self._v.device)
        index = tuple(self._i[k] for k in range(self.sparse_dim()))
        y = index_put(x, index, self._v, accumulate=True) if index else x + self._v.sum(0)
        return y if dtype is None else y.to(dtype)

    def to_sparse(self, sparse_dim: int | None = None, **options: Any) -> Any:
        """Itself."""
        return self

    to_sparse_coo = to_sparse

    # ------------------------------------------------------------------ copies
    def clone(self) -> SparseCoo:
        """A copy."""
        return SparseCoo(self._i.clone(), self._v.clone(), self._size, self._coalesced)

    # ------------------------------------------------------------------ shape
    def transpose(self, dim0: int, dim1: int) -> SparseCoo:
        """Two sparse dimensions exchanged."""
        a, b = axis_of(self, dim0), axis_of(self, dim1)
        if max(a, b) >= self.sparse_dim():
            raise ArgumentError(f"transpose({dim0}, {dim1}): only sparse dimensions (the first {self.sparse_dim()}) can be exchanged",
                                where=caller(), fix="use to_dense().transpose(...)")  # fmt: skip
        order, size = list(range(self.sparse_dim())), list(self._size)
        order[a], order[b], size[a], size[b] = b, a, size[b], size[a]
        return SparseCoo(self._i[order], self._v, tuple(size), self._coalesced and a == b)

    def t(self) -> SparseCoo:
        """The transpose of a matrix."""
        if self.ndim != 2 or self.sparse_dim() != 2:
            raise ArgumentError(f"t() expects a tensor with 2 sparse and 0 dense dimensions, found {self.sparse_dim()} and "
                                f"{self.dense_dim()}", where=caller(), fix="use transpose(dim0, dim1)")  # fmt: skip
        return self.transpose(0, 1)

    def select(self, dim: int, index: int) -> Any:
        """The slice at one index, without that dimension."""
        axis, n = axis_of(self, dim), self.size(dim)
        at = index + n if index < 0 else index
        if axis >= self.sparse_dim():
            return self._with(h.select(self._v, axis - self.sparse_dim() + 1, index))
        if not 0 <= at < n:
            raise IndexError(f"select(): index {index} out of range for tensor of size {list(self._size)} at dimension {dim}")
        keep = nonzero(self._i[axis] == at)[:, 0]
        rest = [k for k in range(self.sparse_dim()) if k != axis]
        size = self._size[:axis] + self._size[axis + 1 :]
        values = index_select(self._v, 0, keep)
        return SparseCoo(index_select(self._i[rest], 1, keep), values, size, self._coalesced) if rest else values.sum(0)

    def __getitem__(self, index: int | tuple[int, ...]) -> Any:
        found: Any = self
        for i in index if isinstance(index, tuple) else (index,):
            found = found.select(0, i)
        return found

    def index_select(self, dim: int, index: Any) -> SparseCoo:
        """Slices at several indices of one dimension."""
        axis = axis_of(self, dim)
        if axis >= self.sparse_dim():
            return self._with(index_select(self._v, axis - self.sparse_dim() + 1, index))
        hits = nonzero(index[:, None] == self._i[axis][None])
        new, old = hits[:, 0], hits[:, 1]
        rows = [new if k == axis else index_select(self._i[k], 0, old) for k in range(self.sparse_dim())]
        size = (*self._size[:axis], index.shape[0], *self._size[axis + 1 :])
        return SparseCoo(arrange.stack(rows), index_select(self._v, 0, old), size)

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        """The sum of everything, dense; over some dimensions, sparse unless all sparse ones are among them."""
        v = self._v if dtype is None else self._v.to(dtype)
        if dim is None:
            return v.sum()
        axes = sorted({axis_of(self, d) for d in ([dim] if isinstance(dim, int) else dim)})
        n = self.sparse_dim()
        dense = [a - n + 1 for a in axes if a >= n]
        v = v.sum(dense, keepdim) if dense else v
        rest = [k for k in range(n) if k not in axes]
        if not rest:
            return v.sum(0)
        index = self._i[rest] if len(rest) < n else self._i
        found = SparseCoo(index, v, (*(self._size[k] for k in rest), *v.shape[1:]), self._coalesced and len(rest) == n)
        return found.coalesce()

    # ------------------------------------------------------------------ arithmetic; between two of them, see joins
    def _map(self, f: Any, *args: Any) -> SparseCoo:
        """A function that keeps zeros, of what is added up."""
        x = self.coalesce()
        return x._with(f(x._v, *args))

    def pow(self, exponent: Any) -> SparseCoo:
        """Powers; a positive exponent keeps zeros."""
        if isinstance(exponent, Tensor) or exponent <= 0:
            raise ArgumentError(f"pow(sparse, {exponent}): zeros would not stay zeros", where=caller(), fix="use to_dense() first")
        return self._map(p.pow, exponent)


    def __repr__(self) -> str:
        body = f"tensor(indices={_indented(self._i, 15)},\n       values={_indented(self._v.detach(), 14)}"
        return with_suffixes(body, self._suffixes(), True)


def _indented(x: Any, by: int) -> str:
    return repr(x).replace("\n", "\n" + " " * by)


def with_suffixes(text: str, parts: list[str], broken: bool) -> str:
    """What follows the numbers, on a new line where 80 columns are full, or (broken) to begin with."""
    column = len(text) - text.rfind("\n") + 1
    for part in parts:
        if broken or column + len(part) + 2 > 80:
            text, column, broken = f"{text},\n       {part}", 7 + len(part), False
        else:
            text, column = f"{text}, {part}", column + len(part) + 2
    return text + ")"


def _zero_keeping(name: str, f: Any) -> Any:
    def method(self: SparseCoo) -> SparseCoo:
        return self._map(f)

    method.__name__, method.__doc__ = name, f"{name}, which keeps zeros."
    return method


for _name in ("abs sqrt sin tan asin atan sinh tanh asinh atanh expm1 log1p sign floor ceil trunc round square erf erfinv relu".split()):
    setattr(SparseCoo, _name, _zero_keeping(_name, getattr(p, _name)))
for _name in ("deg2rad", "rad2deg"):
    setattr(SparseCoo, _name, _zero_keeping(_name, getattr(e, _name)))
for _name in ("pow", "abs"):
    setattr(SparseCoo, f"__{_name}__", getattr(SparseCoo, _name))


def dense_to_coo(x: Any, sparse_dim: int | None = None) -> SparseCoo:
    """The places of a dense tensor that are not zero; with sparse_dim, those of its first dimensions."""
    n = x.ndim if sparse_dim is None else sparse_dim
    if not 0 <= n <= x.ndim or (n == 0 and x.ndim):
        raise ArgumentError(f"to_sparse({sparse_dim}) of a tensor with {x.ndim} dimensions", where=caller(), fix="use 1 or more of them")
    filled = x != 0
    for _ in range(x.ndim - n):
        filled = filled.any(-1)
    index = nonzero(filled.detach())
    values = x[tuple(index[:, k] for k in range(n))] if n else x.reshape(1)[: index.shape[0]]
    return SparseCoo(index.t().contiguous(), values, x.shape, True)
