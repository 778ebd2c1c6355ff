"""Losses of margins, distances and counts. `reduction`: "mean", "sum" or "none"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, RangeError, ShapeError
from fgrad.functions.call import compose, floating, same
from fgrad.functions.pointwise import minimum
from fgrad.functions.shape import view_as_shape
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.nn.functional.distance import pairwise_distance
from fgrad.nn.functional.loss import INT64, check_reduction, legacy, paired, reduced
from fgrad.primitives import composites as c
from fgrad.primitives.cumulative import cumsum
from fgrad.primitives.index import along


def positive(x: Any) -> Any:
    """max(x, 0), with derivative 1 at 0."""
    return c.select(c.lt(x, c.number(0, x)), c.number(0, x), x)


def real(*xs: Any) -> list[Any]:
    """Operands of one dtype, no integers."""
    return [floating(x) for x in same(xs)]


def _ranking_rule(a: Any, b: Any, y: Any, *, margin: float, reduction: str) -> Any:
    return reduced(positive(-y * (a - b) + c.number(margin, a)), reduction)


@full_precision("cpu", "cuda")
def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None, reduce: Any = None,
                        reduction: str = "mean") -> Any:  # fmt: skip
    """max(0, -target * (input1 - input2) + margin); target: 1 or -1."""
    reduction = legacy(size_average, reduce, reduction)
    if len({t._type.ndim for t in (input1, input2, target)}) > 1:
        raise ShapeError(f"margin_ranking_loss : All input tensors should have same dimension but got sizes: {input1._type}, "
                         f"{input2._type}, {target._type}", where=caller(), fix="reshape the target")  # fmt: skip
    return compose(_ranking_rule, *real(input1, input2, target), margin=float(margin), reduction=reduction)


def _hinge_rule(x: Any, y: Any, *, margin: float, reduction: str) -> Any:
    zero, one = c.number(0, x), c.number(1, x)
    far = c.select(c.ne(y, one), positive(c.number(margin, x) - x), zero)
    near = c.select(c.ne(y, -one), x, zero)
    return reduced(far + near, reduction)


@full_precision("cpu", "cuda")
def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, size_average: Any = None, reduce: Any = None,
                         reduction: str = "mean") -> Any:  # fmt: skip
    """input where target is 1, max(0, margin - input) where it is -1."""
    x, y = paired("hinge_embedding_loss", input, target, legacy(size_average, reduce, reduction))
    return compose(_hinge_rule, x, y, margin=float(margin), reduction=legacy(size_average, reduce, reduction))


def _cosine_rule(a: Any, b: Any, y: Any, *, margin: float, reduction: str) -> Any:
    axes, tiny = (a.ndim - 1,), c.number(1e-12, a)
    sizes = (c.reduce_sum(a * a, axes=axes) + tiny) * (c.reduce_sum(b * b, axes=axes) + tiny)
    cosine = c.reduce_sum(a * b, axes=axes) / c.sqrt(sizes)
    zero, one = c.number(0, a), c.number(1, a)
    far = c.select(c.eq(y, -one), positive(cosine - c.number(margin, a)), zero)
    return reduced(c.select(c.eq(y, one), one - cosine, zero) + far, reduction)


@full_precision("cpu", "cuda")
def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None, reduce: Any = None,
                          reduction: str = "mean") -> Any:  # fmt: skip
    """1 - cosine where target is 1, max(0, cosine - margin) where it is -1; float[n, d] and target [n], or float[d] and []."""
    reduction = legacy(size_average, reduce, reduction)
    rank = target._type.ndim + 1
    if rank > 2 or {input1._type.ndim, input2._type.ndim} != {rank}:
        raise ShapeError(f"{target._type.ndim}D target tensor expects {rank}D input tensors, but found inputs with sizes "
                         f"{input1._type} and {input2._type}.", where=caller(), fix="give float[n, d] and a target [n]")  # fmt: skip
    return compose(_cosine_rule, *real(input1, input2, target), margin=float(margin), reduction=reduction)


def _soft_rule(x: Any, y: Any, *, reduction: str) -> Any:
    return reduced(c.softplus(-y * x), reduction)


@full_precision("cpu", "cuda")
def soft_margin_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    """log(1 + exp(-target * input)); target: 1 or -1."""
    reduction = legacy(size_average, reduce, reduction)
    return compose(_soft_rule, *paired("soft_margin_loss", input, target, reduction), reduction=reduction)


def _rows(name: str, x: Any, target: Any, rank: int) -> tuple[Any, Any, bool]:
    """(float[n, classes], target with a batch dimension, whether it lacked one); `rank` of a single example's target."""
    single = x._type.ndim < 2
    shape = (1, x._type.shape[0] if x._type.ndim else 1) if single else x._type.shape
    wanted = (shape[0], *shape[1:][:rank])
    if len(shape) != 2 or target._type.size != math.prod(wanted):
        raise ShapeError(f"{name}: inconsistent target size: {target._type} for input of size: {x._type}", where=caller(),
                         fix="give float[n, classes] and a target for each row")  # fmt: skip
    return view_as_shape(x, shape), view_as_shape(target, wanted), single


def _multi_margin_rule(x: Any, target: Any, *weight: Any, p: int, margin: float, reduction: str) -> Any:
    n, classes = x.shape
    at = c.reshape(target, shape=(n, 1))
    own = along(x, at, 1)
    z = positive(c.number(margin, x) - own + x)
    z = z * z if p == 2 else z
    mine = c.eq(c.broadcast_to(at, shape=x.shape), c.iota(shape=x.shape, dtype=INT64, axis=1, device=x.device))
    z = c.select(mine, c.number(0, z), z)
    if weight:
        z = z * along(c.broadcast_to(c.reshape(weight[0], shape=(1, classes)), shape=x.shape), at, 1)
    return reduced(c.reduce_sum(z, axes=(1,)) / c.number(classes, x), reduction)


@full_precision("cpu", "cuda")
def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: Any = None,
                      reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """Sum over the other classes of max(0, margin - input[target] + input[i])^p / classes; p: 1 or 2."""
    reduction = legacy(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ArgumentError("only p == 1 and p == 2 supported", where=caller(), fix="use 1 or 2")
    x, y, single = _rows("multi_margin_loss", input, target, 0)
    check_classes(y, x._type.shape[1])
    loss = compose(_multi_margin_rule, x, y, *([] if weight is None else [weight]), p=int(p), margin=float(margin), reduction=reduction)
    return view_as_shape(loss, ()) if single and reduction == "none" and not target._type.shape else loss


def check_classes(target: Any, classes: int, low: int = 0) -> None:
    """PyTorch's error for a label out of range, where the labels are already numbers on the host."""
    data = target._data
    if isinstance(data, np.ndarray) and data.size and (data.min() < low or data.max() >= classes):
        raise RangeError("target out of range", where=caller(), fix=f"use labels from {low} to {classes - 1}")


def _multilabel_rule(x: Any, target: Any, *, reduction: str) -> Any:
    """Labels of a row count up to its first negative one."""
    n, classes = x.shape
    negative = c.convert(c.lt(target, c.number(0, target)), dtype=INT64)
    valid = c.eq(cumsum(negative, axis=1), c.number(0, negative))
    at = c.select(valid, target, c.number(0, target))
    cube = (n, classes, classes)  # [row, label, class]
    wide = c.broadcast_to(c.reshape(c.select(valid, target, c.number(-1, target)), shape=(n, classes, 1)), shape=cube)
    hit = c.convert(c.eq(wide, c.iota(shape=cube, dtype=INT64, axis=2, device=x.device)), dtype=x.dtype)
    other = c.eq(c.reduce_sum(hit, axes=(1,)), c.number(0, x))
    own = c.reshape(along(x, at, 1), shape=(n, classes, 1))
    z = positive(c.number(1, x) - own + c.reshape(x, shape=(n, 1, classes)))
    counted = c.reshape(valid, shape=(n, classes, 1)) & c.reshape(other, shape=(n, 1, classes))
    z = c.select(counted, z, c.number(0, z))
    return reduced(c.reduce_sum(z, axes=(1, 2)) / c.number(classes, x), reduction)


@full_precision("cpu", "cuda")
def multilabel_margin_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    """Sum over labels j and classes i that are none of max(0, 1 - input[j] + input[i]) / classes.

    target: int64 of the input's shape, the labels of a row up to the first negative number.
    """
    reduction = legacy(size_average, reduce, reduction)
    x, y, single = _rows("multilabel_margin_loss", input, target, 1)
    check_classes(y, x._type.shape[1], -1)
    loss = compose(_multilabel_rule, x, y, reduction=reduction)
    return view_as_shape(loss, ()) if single and reduction == "none" else loss


def _multilabel_soft_rule(x: Any, y: Any, *weight: Any, reduction: str) -> Any:
    z = -(y * c.log_sigmoid(x) + (c.number(1, x) - y) * c.log_sigmoid(-x))
    z = z * weight[0] if weight else z
    return reduced(c.mean(z, axes=(z.ndim - 1,)), reduction)


def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
                                reduction: str = "mean") -> Any:  # fmt: skip
    """Mean over classes of -(y log s(x) + (1 - y) log s(-x)), s the sigmoid."""
    reduction = legacy(size_average, reduce, reduction)
    pair = paired("multilabel_soft_margin_loss", input, target, reduction)
    return compose(_multilabel_soft_rule, *pair, *([] if weight is None else [weight]), reduction=reduction)


def _poisson_rule(x: Any, y: Any, *, logarithm: bool, full: bool, eps: float, reduction: str) -> Any:
    z = c.exp(x) - y * x if logarithm else x - y * c.log(x + c.number(eps, x))
    if full:
        one = c.number(1, y)
        safe = c.select(c.lt(one, y), y, one)
        stirling = safe * c.log(safe) - safe + c.number(0.5, y) * c.log(c.number(2 * math.pi, y) * safe)
        z = z + c.select(c.lt(one, y), stirling, c.number(0, y))
    return reduced(z, reduction)


@full_precision("cpu", "cuda")
def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, size_average: Any = None,
                     eps: float = 1e-8, reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """exp(input) - target * input, or input - target * log(input + eps); full: + Stirling's log(target!) where target > 1."""
    reduction = legacy(size_average, reduce, reduction)
    pair = [floating(x) for x in paired("poisson_nll_loss", input, target, reduction)]
    return compose(_poisson_rule, *pair, logarithm=bool(log_input), full=bool(full), eps=float(eps), reduction=reduction)


def _gaussian_rule(x: Any, y: Any, var: Any, *, full: bool, eps: float, reduction: str) -> Any:
    low = c.number(eps, var)
    var = var + c.stop_gradient(c.select(c.lt(var, low), low - var, c.number(0, var)))  # raised, derivative kept
    d = x - y
    z = c.number(0.5, x) * (c.log(var) + d * d / var)
    return reduced(z + c.number(0.5 * math.log(2 * math.pi), z) if full else z, reduction)


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Any:
    """(log v + (input - target)^2 / v) / 2 with v = max(var, eps); full: + log(2 pi) / 2.

    var: of the input's shape, or with its last dimension 1 or left out, or a number.  Source: Nix & Weigend 1994.
    """
    shape = input._type.shape
    if isinstance(var, int | float):
        if var < 0:
            raise ArgumentError("var has negative entry/entries", where=caller(), fix="use positive variances")
        var = compose(_constant_like, floating(input), value=float(var))
    if var._type.shape != shape:
        if var._type.shape == shape[:-1]:
            var = var.unsqueeze(-1)
        elif var._type.ndim != len(shape) or broadcast_shapes(var._type.shape, shape) != shape:
            raise ArgumentError("var is of incorrect size", where=caller(), fix="give one variance for each number or row")
    check_reduction(reduction)
    return compose(_gaussian_rule, *same((input, target, var)), full=bool(full), eps=float(eps), reduction=reduction)


def _constant_like(x: Any, *, value: float) -> Any:
    return c.broadcast_to(c.number(value, x), shape=x.shape)


def _triplet_rule(near: Any, far: Any, *, margin: float, reduction: str) -> Any:
    return reduced(positive(c.number(margin, near) + near - far), reduction)


@full_precision("cpu", "cuda")
def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
                        swap: bool = False, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d the distance of order `p`; see the next."""
    if margin <= 0:
        raise ArgumentError(f"margin must be greater than 0, got {margin}", where=caller(), fix="use a positive margin")

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=distance, margin=margin, swap=swap,
                                             reduction=legacy(size_average, reduce, reduction))  # fmt: skip


def triplet_margin_with_distance_loss(anchor: Any, positive: Any, negative: Any, *,
                                      distance_function: Callable[[Any, Any], Any] | None = None, margin: float = 1.0,
                                      swap: bool = False, reduction: str = "mean") -> Any:  # fmt: skip
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d any distance (pairwise_distance unless given).

    swap: the negative's distance is the smaller of those to anchor and positive.  Source: Balntas et al. 2016.
    """
    check_reduction(reduction)
    if margin <= 0:
        raise ArgumentError(f"margin must be greater than 0, got {margin}", where=caller(), fix="use a positive margin")
    if len({t._type.ndim for t in (anchor, positive, negative)}) > 1:
        raise ShapeError(f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
                         f"{anchor._type}, {positive._type}, {negative._type}", where=caller(), fix="reshape them")  # fmt: skip
    d = pairwise_distance if distance_function is None else distance_function
    near, far = d(anchor, positive), d(anchor, negative)
    if swap:
        far = minimum(far, d(positive, negative))
    return compose(_triplet_rule, near, far, margin=float(margin), reduction=reduction)
