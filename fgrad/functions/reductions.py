"""PyTorch's reductions, running sums and products, softmax.

`dim`: an int, a tuple, or None for all; `keepdim` keeps reduced dimensions at length 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager import casting
from fgrad.eager.casting import full_precision
from fgrad.eager.record import record
from fgrad.errors import ArgumentError, DtypeError, RangeError
from fgrad.functions import return_types as rt
from fgrad.functions.call import R, axes_of, axis_of, compose, convert, floating, is_integer, unary
from fgrad.functions.classify import isclose
from fgrad.functions.dtypes import as_numpy
from fgrad.functions.layouts import USED, sparse
from fgrad.functions.pointwise import binary, div, into, maximum, minimum, ne, truth, where
from fgrad.functions.refusals import real_floats
from fgrad.functions.return_types import MinMax
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import is_inexact, kind
from fgrad.ir.operators import FUNCTIONS
from fgrad.primitives import composites as c

__all__ = [
    "all", "allclose", "amax", "amin", "aminmax", "any", "argmax", "argmin", "count_nonzero", "cumprod",
    "cumsum", "dist", "equal", "log_softmax", "logsumexp", "max", "mean", "min", "nanmean", "nansum",
    "norm", "prod", "softmax", "std", "std_mean", "sum", "var", "var_mean",
]  # fmt: skip


def reduce(name: str, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """One reducing primitive, with the axes kept if asked."""
    y = record(type(x)._result, R[name], (x,), (axes,)) if axes or not x._type.shape else x
    if keepdim and axes:
        y = record(type(x)._result, R["reshape"], (y,), (c.keep_shape(x._type.shape, axes),))
    return y


def summed(x: Any, dtype: Any) -> Any:
    """An operand of sum and prod: small integers become int64."""
    if dtype is not None:
        return convert(x, as_numpy(dtype))
    return convert(x, np.dtype("int64")) if is_integer(x) else x


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:  # noqa: A001
    """Sum over `dim`; integers and bools sum to int64."""
    if USED and sparse(input):
        return USED["sum"](input, dim, dtype)
    x = casting.widen(input) if casting.USED else input
    return into(out, reduce("reduce_sum", summed(x, dtype), axes_of(x, dim), keepdim))


@full_precision("cpu", "cuda")
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Product over `dim`."""
    return into(out, reduce("reduce_prod", summed(input, dtype), axes_of(input, dim), keepdim))


def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """sum / count, of floats only (as PyTorch)."""
    x = input if dtype is None else convert(input, as_numpy(dtype))
    if is_integer(x):
        raise DtypeError(
            f"mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{x.dtype}", where=caller(), fix="convert it with .float(), or pass dtype=",
        )  # fmt: skip
    return into(out, compose(c.mean, x, axes=axes_of(x, dim), keep=keepdim))


def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Sum with NaN as 0, of real numbers."""
    if kind(input._type.dtype) == "c":
        raise DtypeError("nansum does not support complex inputs", where=caller(), fix="sum the parts")
    x = input if is_integer(input) else where(ne(input, input), 0, input)
    return sum(x, dim, keepdim, dtype=dtype, out=out)


def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """Mean of what is not NaN, of floats."""
    if kind(input._type.dtype) not in "f":
        raise DtypeError(f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype}", where=caller(),
                         fix="convert it with .float()")  # fmt: skip
    if dtype is not None and not is_inexact(as_numpy(dtype)):
        raise DtypeError(f"nanmean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. Got: {dtype}",
                         where=caller(), fix="leave dtype out")  # fmt: skip
    present = convert(binary(R["eq"], input, input), input._type.dtype)
    return into(out, div(sum(where(ne(input, input), 0, input), dim, keepdim, dtype=dtype), sum(present, dim, keepdim)))


def _moment(rule: Callable[..., Any], x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    if not is_inexact(x._type.dtype):
        raise DtypeError("std and var only support floating point and complex dtypes", where=caller(), fix="use .float()")
    return compose(rule, x, axes=axes_of(x, dim), correction=float(correction), keep=keepdim)


def spread_arguments(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Any, float]:
    """PyTorch's two signatures of var and std: (dim, unbiased) and (unbiased)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1.0 if unbiased is None or unbiased else 0.0
    return dim, float(correction)


def var(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Any = None) -> Any:  # fmt: skip
    """sum((x - mean)^2) / (n - correction); correction 1 unless given (unbiased=False: 0)."""
    dim, k = spread_arguments(dim, unbiased, correction)
    return into(out, _moment(c.var, input, dim, k, keepdim))


def std(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Any = None) -> Any:  # fmt: skip
    """Square root of var."""
    dim, k = spread_arguments(dim, unbiased, correction)
    return into(out, _moment(c.std, input, dim, k, keepdim))


def var_mean(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: float | None = None) -> tuple[Any, Any]:  # fmt: skip
    """(var, mean)."""
    own, k = spread_arguments(dim, unbiased, correction)
    return _moment(c.var, input, own, k, keepdim), mean(input, own, keepdim)


def std_mean(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: float | None = None) -> tuple[Any, Any]:  # fmt: skip
    """(std, mean)."""
    own, k = spread_arguments(dim, unbiased, correction)
    return _moment(c.std, input, own, k, keepdim), mean(input, own, keepdim)


def non_empty(x: Any, axes: tuple[int, ...], name: str, whole: bool = False) -> None:
    """PyTorch's error for the extreme of nothing; `whole`: no dimension was named."""
    if 0 in [x._type.shape[a] for a in axes]:
        error, what = (ArgumentError, "be specified for input.numel() == 0.") if whole else (RangeError, "have non-zero size")
        raise error(f"{name}(): Expected reduction dim to {what}", where=caller(), fix="check that the tensor is not empty")


def amax(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The largest; gradients of ties are shared evenly."""
    non_empty(input, axes_of(input, dim), "amax", dim in (None, (), []))
    return into(out, reduce("reduce_max", input, axes_of(input, dim), keepdim))


def amin(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The smallest; gradients of ties are shared evenly."""
    non_empty(input, axes_of(input, dim), "amin", dim in (None, (), []))
    return into(out, reduce("reduce_min", input, axes_of(input, dim), keepdim))


@rt.returns(rt.aminmax)
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> tuple[Any, Any]:
    """(amin, amax), as fields min and max."""
    return amin(input, dim, keepdim), amax(input, dim, keepdim)


def _extreme(name: str, x: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        non_empty(x, axes_of(x, None), name, True)
        return reduce(f"reduce_{name}", x, axes_of(x, None), False)
    axis = axis_of(x, dim)
    if not x._type.shape:
        return MinMax(x.clone(), zero_index(x))
    non_empty(x, (axis,), name)
    index = record(type(x)._result, R[f"arg{name}"], (x,), (axis,))
    picked = along(x, axis, keep(index, axis))
    return MinMax(picked if keepdim else drop(picked, axis), keep(index, axis) if keepdim else index)


def zero_index(x: Any) -> Any:
    """int64 zero of the shape of `x`."""
    return convert(ne(x, x), np.dtype("int64")) if is_integer(x) else convert(binary(R["lt"], x, x), np.dtype("int64"))


def keep(x: Any, axis: int) -> Any:
    """A new axis of length 1."""
    s = x._type.shape
    return record(type(x)._result, R["reshape"], (x,), ((*s[:axis], 1, *s[axis:]),))


def drop(x: Any, axis: int) -> Any:
    """Without one axis of length 1."""
    s = x._type.shape
    return record(type(x)._result, R["reshape"], (x,), (s[:axis] + s[axis + 1 :],))


def along(x: Any, axis: int, index: Any, mode: str = "raise") -> Any:
    """take_along_dim: x at `index` along one axis, other axes paired."""
    return compose(along_rule, x, index, axis=axis, mode=mode)


def along_rule(x: Any, index: Any, *, axis: int, mode: str) -> Any:
    """Gather with iota for the axes that are paired."""
    return FUNCTIONS["gather"](x, *along_indices(index, axis), axes=tuple(range(x.ndim)), mode=mode)


def along_indices(index: Any, axis: int) -> list[Any]:
    """One index array for every axis."""
    d, shape = np.dtype("int64"), index.shape
    index = index if index.dtype == d else c.convert(index, dtype=d)
    return [index if i == axis else c.iota(shape=shape, dtype=d, axis=i, device=index.device) for i in range(len(shape))]


@rt.returns(rt.max)
def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:  # noqa: A001
    """max(x): the largest. max(x, dim): (values, indices) of the first largest. max(x, other): elementwise."""
    if dim is not None and hasattr(dim, "_value"):
        return maximum(input, dim)
    return _extreme("max", input, dim, keepdim)


@rt.returns(rt.min)
def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:  # noqa: A001
    """min(x): the smallest. min(x, dim): (values, indices) of the first smallest. min(x, other): elementwise."""
    if dim is not None and hasattr(dim, "_value"):
        return minimum(input, dim)
    return _extreme("min", input, dim, keepdim)


def _arg(name: str, x: Any, dim: int | None, keepdim: bool) -> Any:
    if kind(x._type.dtype) in "bc":
        raise DtypeError(f"{name}(): does not support {x.dtype} input", where=caller(), fix="convert to numbers that have an order")
    if dim is None:
        flat = record(type(x)._result, R["reshape"], (x,), ((x._type.size,),))
        non_empty(flat, (0,), name)
        y = record(type(x)._result, R[name], (flat,), (0,))
        return record(type(x)._result, R["reshape"], (y,), ((1,) * x._type.ndim,)) if keepdim else y
    axis = axis_of(x, dim)
    if not x._type.shape:
        return zero_index(x)
    non_empty(x, (axis,), name)
    y = record(type(x)._result, R[name], (x,), (axis,))
    return keep(y, axis) if keepdim else y


def argmax(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """int64 index of the first largest, over all elements if dim is None."""
    return into(out, _arg("argmax", input, dim, keepdim))


def argmin(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """int64 index of the first smallest."""
    return into(out, _arg("argmin", input, dim, keepdim))


def all(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:  # noqa: A001
    """True where every element is non-zero (of uint8 tensors, uint8)."""
    return into(out, as_bytes(input, reduce("reduce_and", truth(input), axes_of(input, dim), keepdim)))


def any(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:  # noqa: A001
    """True where some element is non-zero (of uint8 tensors, uint8)."""
    return into(out, as_bytes(input, reduce("reduce_or", truth(input), axes_of(input, dim), keepdim)))


def as_bytes(x: Any, y: Any) -> Any:
    """Truth values of a uint8 tensor, which PyTorch gives as uint8."""
    return convert(y, np.dtype("uint8")) if x._type.dtype == np.uint8 else y


def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Number of non-zero elements (int64)."""
    return sum(truth(input), dim)


@full_precision("cuda")
def logsumexp(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """log(sum(exp(x)))."""
    x = floating(input)
    axes = axes_of(x, dim)
    if 0 in [x._type.shape[a] for a in axes]:
        return into(out, unary(R["log"], sum(unary(R["exp"], x), axes, keepdim)))
    return into(out, compose(c.logsumexp, x, axes=axes, keep=keepdim))


def softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3, out: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along `dim`."""
    return into(out, _soft(c.softmax, input, dim, dtype))


def log_softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3, out: Any = None) -> Any:
    """log(softmax(x)) along `dim`."""
    return into(out, _soft(c.log_softmax, input, dim, dtype))


def _soft(rule: Callable[..., Any], input: Any, dim: int | None, dtype: Any) -> Any:
    given = casting.widen(input) if casting.USED else input
    axes = softmax_axes(given, dim)
    x = given if dtype is None else convert(given, as_numpy(dtype))
    if not x._type.size:
        return x.clone()
    real_floats("softmax", x)
    return compose(rule, x, axes=axes)


def softmax_axes(x: Any, dim: int | None) -> tuple[int, ...]:
    """The one axis of a softmax; PyTorch's old default if none is given."""
    if dim is None:
        dim = 0 if x._type.ndim in (0, 1, 3) else 1
    axis = axis_of(x, dim)
    return (axis,) if x._type.ndim else ()


@full_precision("cuda")
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """(sum |x|^p)^(1/p) over `dim`; "fro" is p=2."""
    if p == "nuc":
        raise ArgumentError("norm(p='nuc') needs a matrix decomposition", where=caller(), fix="use a vector norm")
    x = input if dtype is None else convert(input, as_numpy(dtype))
    if is_integer(x):
        raise DtypeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype}", where=caller(),
                         fix="convert it with .float(), or pass dtype=")  # fmt: skip
    order = 2.0 if p in ("fro", None) else float(p)
    if (order < 0 or order == float("inf")) and 0 in [x._type.shape[a] for a in axes_of(x, dim)]:
        raise ArgumentError(f"linalg.vector_norm cannot compute the {order} norm on an empty tensor because the operation does not have an identity",
                            where=caller(), fix="check that the tensor is not empty")  # fmt: skip
    return into(out, compose(c.norm, x, axes=axes_of(x, dim), p=order, keep=keepdim))


def _cumulative(name: str, x: Any, dim: int, dtype: Any) -> Any:
    x = summed(x, dtype)
    axis = axis_of(x, dim)
    return record(type(x)._result, R[name], (x,), (axis, False)) if x._type.shape else x


@full_precision("cuda")
def cumsum(input: Any, dim: int, *, dtype: Any = None, out: Any = None) -> Any:
    """Running sum along `dim`."""
    return into(out, _cumulative("cumsum", input, dim, dtype))


@full_precision("cuda")
def cumprod(input: Any, dim: int, *, dtype: Any = None, out: Any = None) -> Any:
    """Running product along `dim`."""
    return into(out, _cumulative("cumprod", input, dim, dtype))


@full_precision("cuda")
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """p-norm of input - other."""
    return norm(input - other, p)


def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """True if every pair is close (see isclose)."""
    return bool(all(isclose(input, other, rtol, atol, equal_nan)))


def equal(input: Any, other: Any) -> bool:
    """True if both have one shape and equal elements."""
    return input._type.shape == other._type.shape and bool(all(binary(R["eq"], input, other)))
