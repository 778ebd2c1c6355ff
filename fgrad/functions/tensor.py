"""Tensor: PyTorch's class over a Cell. Every method is a function of this room."""

from __future__ import annotations

from typing import Any

from fgrad.eager import indexing
from fgrad.eager.cell import Cell, concrete
from fgrad.eager.convert import FACES
from fgrad.eager.record import record
from fgrad.eager.views import write
from fgrad.errors import DtypeError
from fgrad.functions import blends as b
from fgrad.functions import classify as k
from fgrad.functions import inplace, linear
from fgrad.functions import pointwise as p
from fgrad.functions import reductions as r
from fgrad.functions import select as s
from fgrad.functions import shape as h
from fgrad.functions.algebra import AlgebraMethods
from fgrad.functions.arrange import ArrangeMethods
from fgrad.functions.base import Base
from fgrad.functions.call import NUMBER, R, convert, number, tensor_of
from fgrad.functions.complex import ComplexMethods
from fgrad.functions.draws import DrawMethods
from fgrad.functions.dtypes import dtype as number_type
from fgrad.functions.elementary import ElementaryMethods
from fgrad.functions.exchange import copied, copy_of, shared
from fgrad.functions.layouts import LayoutMethods
from fgrad.functions.manners import CastMethods, MannerMethods
from fgrad.functions.memory import MemoryMethods
from fgrad.functions.ordering import OrderingMethods
from fgrad.functions.printing import format_tensor
from fgrad.functions.refusals import real_value, single_value
from fgrad.functions.running import RunningMethods
from fgrad.functions.scatters import ScatterMethods
from fgrad.functions.special import SpecialMethods
from fgrad.functions.triangles import TriangleMethods
from fgrad.functions.twins import InPlaceMethods
from fgrad.ir.apply import caller

__all__ = ["Tensor"]


class Tensor(ArrangeMethods, TriangleMethods, ComplexMethods, ElementaryMethods, RunningMethods, OrderingMethods, SpecialMethods, ScatterMethods, DrawMethods, InPlaceMethods, AlgebraMethods, LayoutMethods, MemoryMethods, MannerMethods, CastMethods, Base):
    """Numbers with a shape, a dtype and a device; `requires_grad` marks a leaf of `backward()`."""

    __slots__ = ()
    __hash__ = object.__hash__

    # indexing and shape -------------------------------------------------------------------------------------------------
    def __getitem__(self, index: Any) -> Any:
        return indexing.getitem(self, index, selects=True)

    def __setitem__(self, index: Any, value: Any) -> None:
        indexing.setitem(self, index, value, selects=True)

    def view(self, *shape: Any, size: Any = None, dtype: Any = None) -> Any:
        """The same elements in another shape, sharing storage; `view(dtype)` reads the bits as another dtype."""
        given = size if dtype is None else dtype
        shape = shape if given is None else (*shape, given)
        if len(shape) == 1 and isinstance(shape[0], number_type):
            return record(type(self)._result, R["bitcast"], (self,), (shape[0].numpy,))
        return h.reshape(self, *shape)

    def view_as(self, other: Any) -> Any:
        """view(other.shape)."""
        return h.reshape(self, other.shape)

    reshape_as = view_as

    def expand_as(self, other: Any) -> Any:
        """expand(other.shape)."""
        return h.expand(self, other.shape)

    reshape, flatten, unflatten, squeeze, unsqueeze = h.reshape, h.flatten, h.unflatten, h.squeeze, h.unsqueeze
    permute, transpose, swapaxes, t, movedim, moveaxis = h.permute, h.transpose, h.transpose, h.t, h.movedim, h.movedim
    expand, broadcast_to, repeat, tile, repeat_interleave = h.expand, h.broadcast_to, h.repeat, h.tile, h.repeat_interleave
    narrow, select, split, chunk, unbind, flip, roll = h.narrow, h.select, h.split, h.chunk, h.unbind, h.flip, h.roll
    clone, ravel = h.clone, h.flatten

    gather, scatter, scatter_add, take_along_dim, take = s.gather, s.scatter, s.scatter_add, s.take_along_dim, s.take
    index_select, index_add, index_copy, index_fill = s.index_select, s.index_add, s.index_copy, s.index_fill
    masked_fill, masked_select, nonzero, argwhere, unique = s.masked_fill, s.masked_select, s.nonzero, s.argwhere, s.unique
    bincount = s.bincount

    # arithmetic ---------------------------------------------------------------------------------------------------------
    __add__ = __radd__ = p.add
    __mul__ = __rmul__ = p.mul
    __sub__, __truediv__, __floordiv__, __mod__, __pow__ = p.sub, p.div, p.floor_divide, p.remainder, p.pow
    __rsub__, __rtruediv__, __rfloordiv__ = p.swap(p.sub), p.swap(p.div), p.swap(p.floor_divide)
    __rmod__, __rpow__ = p.swap(p.remainder), p.swap(p.pow)
    __matmul__, __rmatmul__ = linear.matmul, p.swap(linear.matmul)
    __neg__, __abs__, __invert__ = p.neg, p.abs, p.bitwise_not
    __and__ = __rand__ = p.bitwise_and
    __or__ = __ror__ = p.bitwise_or
    __xor__ = __rxor__ = p.bitwise_xor
    __lshift__, __rshift__ = p.bitwise_left_shift, p.bitwise_right_shift
    __lt__, __le__, __gt__, __ge__ = p.lt, p.le, p.gt, p.ge

    def __pos__(self) -> Tensor:
        return self

    def __eq__(self, other: object) -> Any:
        return p.eq(self, other) if p.comparable(other) else False

    def __ne__(self, other: object) -> Any:
        return p.ne(self, other) if p.comparable(other) else True

    add, sub, mul, div, pow, remainder, fmod = p.add, p.sub, p.mul, p.div, p.pow, p.remainder, p.fmod
    subtract, multiply, divide, true_divide, floor_divide = p.sub, p.mul, p.div, p.div, p.floor_divide
    neg, negative, abs, absolute, sign, square, reciprocal = p.neg, p.neg, p.abs, p.abs, p.sign, p.square, p.reciprocal
    exp, exp2, expm1, log, log2, log10, log1p, sqrt, rsqrt = (
        p.exp, p.exp2, p.expm1, p.log, p.log2, p.log10, p.log1p, p.sqrt, p.rsqrt)  # fmt: skip
    sin, cos, tan, asin, acos, atan, sinh, cosh, tanh = (
        p.sin, p.cos, p.tan, p.asin, p.acos, p.atan, p.sinh, p.cosh, p.tanh)  # fmt: skip
    asinh, acosh, atanh, atan2, hypot, copysign = p.asinh, p.acosh, p.atanh, p.atan2, p.hypot, p.copysign
    sigmoid, relu, erf, erfc, erfinv, lgamma, digamma = p.sigmoid, p.relu, p.erf, p.erfc, p.erfinv, p.lgamma, p.digamma
    floor, ceil, round, trunc, frac, clamp, clip, lerp = p.floor, p.ceil, p.round, p.trunc, p.frac, p.clamp, p.clamp, b.lerp
    addcmul, addcdiv, xlogy, logaddexp, nan_to_num = b.addcmul, b.addcdiv, p.xlogy, p.logaddexp, k.nan_to_num
    maximum, minimum, isnan, isinf, isfinite, isclose = p.maximum, p.minimum, k.isnan, k.isinf, k.isfinite, k.isclose
    eq, ne, lt, le, gt, ge = p.eq, p.ne, p.lt, p.le, p.gt, p.ge
    logical_not, logical_and, logical_or, logical_xor = p.logical_not, p.logical_and, p.logical_or, p.logical_xor
    bitwise_not, bitwise_and, bitwise_or, bitwise_xor = p.bitwise_not, p.bitwise_and, p.bitwise_or, p.bitwise_xor
    bitwise_left_shift, bitwise_right_shift = p.bitwise_left_shift, p.bitwise_right_shift
    not_equal, less, less_equal, greater, greater_equal, fix = p.ne, p.lt, p.le, p.gt, p.ge, p.trunc
    arcsin, arccos, arctan, arcsinh, arccosh, arctanh, arctan2 = (
        p.asin, p.acos, p.atan, p.asinh, p.acosh, p.atanh, p.atan2)  # fmt: skip

    def where(self, condition: Any, other: Any) -> Any:
        """self where condition, else other."""
        return p.where(condition, self, other)

    sum, prod, mean, var, std, amax, amin, max, min = (
        r.sum, r.prod, r.mean, r.var, r.std, r.amax, r.amin, r.max, r.min)  # fmt: skip
    argmax, argmin, all, any, count_nonzero, logsumexp, norm = (
        r.argmax, r.argmin, r.all, r.any, r.count_nonzero, r.logsumexp, r.norm)  # fmt: skip
    softmax, log_softmax, cumsum, cumprod, aminmax = r.softmax, r.log_softmax, r.cumsum, r.cumprod, r.aminmax
    nansum, nanmean, allclose, equal, dist = r.nansum, r.nanmean, r.allclose, r.equal, r.dist
    matmul, mm, bmm, mv, dot, outer, addmm, baddbmm = (
        linear.matmul, linear.mm, linear.bmm, linear.mv, linear.dot, linear.outer, linear.addmm, linear.baddbmm)  # fmt: skip

    # other libraries ----------------------------------------------------------------------------------------------------
    def __dlpack__(self, **options: Any) -> Any:
        return shared(self).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0) if self._device.type == "cpu" else (2, self._device.index)

    @property
    def __cuda_array_interface__(self) -> Any:
        if not self.is_cuda:
            raise AttributeError("a CPU tensor has no __cuda_array_interface__")
        return shared(self).__cuda_array_interface__

    # in place -----------------------------------------------------------------------------------------------------------
    def copy_(self, src: Any, non_blocking: bool = False) -> Tensor:
        """Takes the numbers of `src`, converted and broadcast."""
        d = self._type.dtype
        source = number(src, d, self) if src.__class__ in NUMBER else convert(tensor_of(src, self), d)
        if source._device is not self._device:
            source = inplace.transfer(source, self._device)
        write(self, indexing.spread_to(source, self._type.shape))
        return self

    def fill_(self, value: Any) -> Tensor:
        """Sets every element to a number."""
        single_value("fill_", value)
        real_value(self._type.dtype, value)
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Sets every element to 0."""
        return self.copy_(0)

    masked_fill_, scatter_, scatter_add_ = inplace.of_each(s.masked_fill, s.scatter, s.scatter_add)
    index_add_, index_copy_, index_fill_ = inplace.of_each(s.index_add, s.index_copy, s.index_fill)
    cumsum_, cumprod_ = inplace.of_each(r.cumsum, r.cumprod)
    uniform_, normal_, bernoulli_ = inplace.uniform_, inplace.normal_, inplace.bernoulli_



FACES["tensor"] = Tensor._result = Tensor


class Parameter(Tensor):
    """A tensor that a Module counts among its parameters: a leaf that requires grad.

    >>> import fgrad
    >>> fgrad.nn.Parameter(fgrad.zeros(2)).requires_grad
    True
    """

    __slots__ = ()
    _owned = True

    def __new__(cls, data: Any = None, requires_grad: Any = True) -> Parameter:
        source = Tensor() if data is None else data
        if not isinstance(source, Cell):
            raise AttributeError(f"a Parameter is made of a tensor, but got {type(source).__name__}, which has no attribute 'detach'")
        if requires_grad and not source._type.inexact:
            raise DtypeError("Only Tensors of floating point and complex dtype can require gradients", where=caller(), fix="pass requires_grad=False")
        source = source.detach()  # type: ignore[attr-defined]  # a tensor
        return concrete(cls, copy_of(source), source._type, bool(requires_grad))  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"Parameter containing:\n{format_tensor(self)}"

    def __deepcopy__(self, memo: dict[Any, Any]) -> Parameter:
        new: Parameter = copied(self)
        memo[id(self)] = new
        return new
