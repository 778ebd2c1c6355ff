"""PyTorch's torch.masked: reductions and softmax over the elements where `mask` is True (all, if it is None).

A row without any such element gives what the reduction starts from: 0, 1, infinities; NaN of means, medians, variances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.errors import ArgumentError
from fgrad.functions import ordering, reductions
from fgrad.functions.call import axes_of, convert, floating, is_integer
from fgrad.functions.complex import conj
from fgrad.functions.dtypes import as_numpy
from fgrad.functions.pointwise import clamp, div, mul, neg, sqrt, sub, where
from fgrad.functions.pointwise import logaddexp as log_add
from fgrad.functions.scatters import identity
from fgrad.functions.shape import broadcast_to
from fgrad.ir.apply import caller

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median", "norm",
    "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip


def _cast(x: Any, dtype: Any) -> Any:
    return x if dtype is None else convert(x, as_numpy(dtype))


def _kept(x: Any, mask: Any, start: Any) -> Any:
    """`x`, and `start` where it does not count."""
    return x if mask is None else where(broadcast_to(mask.bool(), x._type.shape), x, start)


def _count(x: Any, dim: Any, keepdim: bool, mask: Any) -> Any:
    ones = where(broadcast_to(mask.bool(), x._type.shape), 1, 0) if mask is not None else x.new_ones(x._type.shape).long()
    return reductions.sum(ones, dim, keepdim)


def _reduction(name: str, start: str, doc: str) -> Callable[..., Any]:
    of = getattr(reductions, name)

    def op(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
        x = _cast(input, dtype)
        if name in ("sum", "prod") and is_integer(x):
            x = x.long()
        y = _kept(x, mask, identity(start, x._type.dtype))
        axes = axes_of(y, dim)
        if name != "prod":
            return of(y, axes if axes else None, keepdim) if y._type.shape else y.clone()
        for a in reversed(axes):
            y = of(y, a, keepdim)
        return y

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


sum = _reduction("sum", "sum", "Sum over `dim` (all by default) of what counts.")  # noqa: A001
prod = _reduction("prod", "prod", "Product over `dim` of what counts.")
amax = _reduction("amax", "amax", "The largest of what counts.")
amin = _reduction("amin", "amin", "The smallest of what counts.")


def _arg(name: str, start: str, doc: str) -> Callable[..., Any]:
    of = getattr(reductions, name)

    def op(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
        x = _cast(input, dtype)
        return convert(of(_kept(x, mask, identity(start, x._type.dtype)), dim, keepdim), x._type.dtype)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


argmax = _arg("argmax", "amax", "The index of the largest of what counts, in the dtype of the input (as PyTorch has it).")
argmin = _arg("argmin", "amin", "The index of the smallest of what counts.")


def _running(name: str, start: int, doc: str) -> Callable[..., Any]:
    of = getattr(reductions, name)

    def op(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
        return of(_kept(_cast(input, dtype), mask, start), dim)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


cumsum = _running("cumsum", 0, "Running sum along `dim` of what counts.")
cumprod = _running("cumprod", 1, "Running product along `dim` of what counts.")


def _soft(name: str, doc: str, sign: int = 1) -> Callable[..., Any]:
    of = reductions.log_softmax if name == "log_softmax" else reductions.softmax

    def op(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
        x = _cast(input, dtype)
        x = x if sign > 0 else neg(x)
        return of(_kept(x, mask, float("-inf")), dim)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


softmax = _soft("softmax", "softmax along `dim` of what counts; the rest gets 0 (NaN in a row where nothing counts).")
log_softmax = _soft("log_softmax", "log_softmax along `dim` of what counts; the rest gets -inf.")
softmin = _soft("softmin", "softmax of -x along `dim` of what counts.", -1)


def mean(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Mean over `dim` of what counts."""
    x = _cast(input, dtype)
    if x._type.dtype.kind in "iub":
        raise ArgumentError(f"mean(): Input dtype must be either a floating point or complex dtype. Got: {x.dtype}", where=caller(),
                            fix="give dtype, or convert with .float()")  # fmt: skip
    if mask is None:
        return reductions.mean(x, dim, keepdim)
    total = sum(x, dim, keepdim=keepdim, mask=mask)
    return div(total, _count(x, dim, keepdim, mask).to(total.dtype))


def var(input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None, keepdim: bool = False,
        dtype: Any = None, mask: Any = None) -> Any:  # fmt: skip
    """Variance over `dim` of what counts; correction 1 unless given (unbiased=False: 0). Complex of complex numbers."""
    x = floating(_cast(input, dtype))
    k = correction if correction is not None else 1 if unbiased is None or unbiased else 0
    if mask is None and x._type.dtype.kind != "c":
        return reductions.var(x, dim, None, keepdim, correction=k)
    away = sub(x, mean(x, dim, keepdim=True, mask=mask))
    total = sum(mul(away, conj(away)), dim, keepdim=keepdim, mask=mask)
    return div(total, clamp(sub(_count(x, dim, keepdim, mask), k), min=0).to(total.dtype))


def std(input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None, keepdim: bool = False,
        dtype: Any = None, mask: Any = None) -> Any:  # fmt: skip
    """Square root of `var`."""
    return sqrt(var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask))


def median(input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The lower median along `dim` of what counts."""
    x = _cast(input, dtype)
    if mask is None:
        return ordering.median(x, dim, keepdim).values
    return ordering.nanmedian(_kept(x, mask, float("nan")), dim, keepdim).values


def norm(input: Any, ord: Any = 2, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Vector norm over `dim` of what counts."""
    start = float("inf") if ord == float("-inf") else 0
    return reductions.norm(_kept(_cast(input, dtype), mask, start), ord, dim, keepdim)


def normalize(input: Any, ord: Any, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None) -> Any:
    """x / max(norm(x), eps) along `dim`, of what counts."""
    x = _cast(input, dtype)
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    return div(_kept(x, mask, 0), clamp(size, min=eps))


def logsumexp(input: Any, dim: Any, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """log(sum(exp(x))) over `dim` of what counts."""
    return reductions.logsumexp(_kept(_cast(input, dtype), mask, float("-inf")), dim, keepdim)


def logaddexp(input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None) -> Any:
    """log(exp(input) + exp(other)), each where its own mask counts it."""
    x, y = (_kept(_cast(t, dtype), m, float("-inf")) for t, m in ((input, input_mask), (other, other_mask)))
    return log_add(x, y)


