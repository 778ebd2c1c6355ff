"""Losses: PyTorch's, each one composite. `reduction`: "mean", "sum" or "none"."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.errors import ArgumentError, DtypeError, RangeError, ShapeError
from fgrad.functions.call import compose, same
from fgrad.functions.shape import view_as_shape
from fgrad.ir.apply import broadcast_shapes, caller
from fgrad.nn.functional.convolution import linear
from fgrad.primitives import composites as c

INT64, FLOAT32 = np.dtype("int64"), np.dtype("float32")


def check_reduction(reduction: str) -> None:
    """PyTorch's error."""
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f"{reduction} is not a valid value for reduction", where=caller(),
                            fix="use 'mean', 'sum' or 'none'")  # fmt: skip


def legacy(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction, by the arguments that came before it if they are given."""
    if size_average is not None or reduce is not None:
        warnings.warn("size_average and reduce args will be deprecated, please use reduction", stacklevel=3)
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    check_reduction(reduction)
    return reduction


def reduced(y: Any, reduction: str) -> Any:
    """A loss of every element as asked."""
    axes = tuple(range(y.ndim))
    if reduction == "none":
        return y
    return c.mean(y, axes=axes) if reduction == "mean" else c.reduce_sum(y, axes=axes)


def paired(name: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    """Operands of a loss between two tensors, of one dtype."""
    check_reduction(reduction)
    if broadcast_shapes(input._type.shape, target._type.shape) is None:
        raise ShapeError(f"{name}: the sizes of input {input._type} and target {target._type} do not broadcast",
                         where=caller(), fix="give a target of the input's size")  # fmt: skip
    x, y = same((input, target))
    return x, y


def weighted(y: Any, weight: tuple[Any, ...], reduction: str, share: bool = True) -> Any:
    """A loss of every element, times its weight, as asked; `share`: the mean is over the sum of weights."""
    if not weight:
        return reduced(y, reduction)
    y = y if y.dtype == weight[0].dtype else c.convert(y, dtype=weight[0].dtype)  # |x| of complex numbers is real
    total = reduced(y * weight[0], "sum" if share and reduction == "mean" else reduction)
    if not share or reduction != "mean":
        return total
    total, size = (t if t.dtype.kind not in "iu" else c.convert(t, dtype=FLOAT32) for t in (total, c.reduce_sum(weight[0], axes=tuple(range(y.ndim)))))
    return total / size


def check_weight(weight: Any, input: Any) -> list[Any]:
    """The weight of each element, if there is one."""
    if weight is not None and weight._type.shape != input._type.shape:
        raise ShapeError("Weights and input must have the same size.", where=caller(), fix="give one weight for each element")
    return [] if weight is None else [weight]


def _mse_rule(x: Any, y: Any, *weight: Any, reduction: str) -> Any:
    d = x - y
    return weighted(d * d, weight, reduction)


@full_precision("cpu", "cuda")
def mse_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
             weight: Any = None) -> Any:  # fmt: skip
    """(input - target)^2; weight: of each element, "mean" divides by their sum."""
    reduction = legacy(size_average, reduce, reduction)
    return compose(_mse_rule, *paired("mse_loss", input, target, reduction), *check_weight(weight, input), reduction=reduction)


def _l1_rule(x: Any, y: Any, *weight: Any, reduction: str) -> Any:
    return weighted(abs(x - y), weight, reduction)


@full_precision("cpu", "cuda")
def l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
            weight: Any = None) -> Any:  # fmt: skip
    """|input - target|; weight: of each element, "mean" divides by their sum."""
    reduction = legacy(size_average, reduce, reduction)
    return compose(_l1_rule, *paired("l1_loss", input, target, reduction), *check_weight(weight, input), reduction=reduction)


def _huber_rule(x: Any, y: Any, *weight: Any, beta: float, scale: float, reduction: str) -> Any:
    d = abs(x - y)
    if beta == 0:
        return weighted(d, weight, reduction, False)
    b = c.number(beta, d)
    small = d * d * c.number(0.5, d) / b
    z = c.select(c.lt(d, b), small, d - c.number(0.5 * beta, d))
    return weighted(z if scale == 1 else z * c.number(scale, z), weight, reduction, False)


@full_precision("cpu", "cuda")
def smooth_l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
                   beta: float = 1.0) -> Any:  # fmt: skip
    """0.5 d^2 / beta where d = |input - target| < beta, else d - 0.5 beta."""
    reduction = legacy(size_average, reduce, reduction)
    if beta < 0:
        raise ArgumentError("smooth_l1_loss does not support negative values for beta.", where=caller(), fix="use 0 or more")
    pair = paired("smooth_l1_loss", input, target, reduction)
    return compose(_huber_rule, *pair, beta=float(beta), scale=1.0, reduction=reduction)


@full_precision("cpu", "cuda")
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """0.5 d^2 where d = |input - target| < delta, else delta (d - 0.5 delta); weight: of each element."""
    if delta <= 0:
        raise ArgumentError("huber_loss does not support non-positive values for delta.", where=caller(), fix="use a positive delta")
    pair = paired("huber_loss", input, target, reduction)
    return compose(_huber_rule, *pair, *check_weight(weight, input), beta=float(delta), scale=float(delta), reduction=reduction)


def _bce_logits_rule(x: Any, y: Any, *rest: Any, has: tuple[bool, bool], reduction: str) -> Any:
    extra = list(rest)
    weight = extra.pop(0) if has[0] else None
    positive = extra.pop(0) if has[1] else None
    tail = c.softplus(-x)  # -log sigmoid(x)
    if positive is None:
        z = (c.number(1, x) - y) * x + tail
    else:
        z = (c.number(1, x) - y) * x + ((positive - c.number(1, x)) * y + c.number(1, x)) * tail
    return reduced(z if weight is None else z * weight, reduction)


@full_precision("cpu", "cuda")
def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, size_average: Any = None,
                                     reduce: Any = None, reduction: str = "mean", pos_weight: Any = None) -> Any:  # fmt: skip
    """-(pos_weight y log s(x) + (1 - y) log(1 - s(x))), s the sigmoid, by the stable form."""
    reduction = legacy(size_average, reduce, reduction)
    if input._type.shape != target._type.shape:
        raise ShapeError(f"Target size ({target._type}) must be the same as input size ({input._type})", where=caller(),
                         fix="unsqueeze or flatten one of them")  # fmt: skip
    pair = paired("binary_cross_entropy_with_logits", input, target, reduction)
    extra = [t for t in (weight, pos_weight) if t is not None]
    has = (weight is not None, pos_weight is not None)
    return compose(_bce_logits_rule, *pair, *extra, has=has, reduction=reduction)


def _bce_value(x: Any, y: Any) -> Any:
    low = c.number(-100, x)
    a, b = (c.select(c.lt(t, low), low, t) for t in (c.log(x), c.log1p(-x)))
    return -(y * a + (c.number(1, x) - y) * b)


def _bce_rule(x: Any, y: Any, *weight: Any, reduction: str) -> Any:
    """At 0 and 1 the derivative is PyTorch's, (x - y) / 1e-12: that of the clamped logarithm is 0 times infinity."""
    held, least = c.stop_gradient(x), c.number(1e-12, x)
    edge = c.lt(held * (c.number(1, x) - held), least)
    slope = c.stop_gradient((x - y) / least)
    inner = _bce_value(c.select(edge, c.number(0.5, x), x), y)
    z = c.select(edge, _bce_value(held, y) + slope * (x - held), inner)
    return reduced(z * weight[0] if weight else z, reduction)


@full_precision("cpu")
def binary_cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
                         reduction: str = "mean") -> Any:  # fmt: skip
    """-(y log x + (1 - y) log(1 - x)), logs clamped at -100."""
    reduction = legacy(size_average, reduce, reduction)
    if input._type.shape != target._type.shape:
        raise ShapeError(f"Using a target size ({target._type}) that is different to the input size ({input._type}) is deprecated.",
                         where=caller(), fix="give a target of the input's size")  # fmt: skip
    pair = paired("binary_cross_entropy", input, target, reduction)
    return compose(_bce_rule, *pair, *([] if weight is None else [weight]), reduction=reduction)


def check_labels(target: Any, classes: int, ignore_index: int) -> None:
    """PyTorch's error for a label out of range, where the labels are already numbers on the host."""
    data = target._data
    if not isinstance(data, np.ndarray) or not data.size or data.dtype != INT64:
        return
    if data.view(np.uint64).max() >= classes:  # one pass: negative labels wrap to huge ones
        wrong = data[((data < 0) | (data >= classes)) & (data != ignore_index)]
        if wrong.size:
            raise RangeError(f"Target {wrong[0]} is out of bounds.", where=caller(),
                             fix=f"labels must be from 0 to {classes - 1}, or ignore_index ({ignore_index})")  # fmt: skip


def picked(x: Any, target: Any) -> tuple[Any, Any]:
    """(x at the target class, mask of the target class) along axis 1."""
    shape = x.shape
    wide = c.broadcast_to(c.reshape(target, shape=(target.shape[0], 1, *target.shape[1:])), shape=shape)
    at = c.eq(wide, c.iota(shape=shape, dtype=target.dtype, axis=1, device=target.device))
    return c.reduce_sum(c.select(at, x, c.number(0, x)), axes=(1,)), at


def _nll_rule(logp: Any, target: Any, *weight: Any, ignore: int, smoothing: float, reduction: str) -> Any:
    if weight:
        logp = logp * c.reshape(weight[0], shape=(1, logp.shape[1], *(1,) * (logp.ndim - 2)))
    value, at = picked(logp, target)
    keep = c.ne(target, c.constant(np.asarray(ignore, target.dtype)))
    loss = -value
    if smoothing:
        spread = -c.reduce_sum(logp, axes=(1,)) / c.number(logp.shape[1], logp)
        loss = loss * c.number(1 - smoothing, loss) + spread * c.number(smoothing, loss)
    loss = c.select(keep, loss, c.number(0, loss))
    if reduction != "mean":
        return reduced(loss, reduction)
    axes = tuple(range(loss.ndim))
    if weight:
        w = c.broadcast_to(c.reshape(weight[0], shape=(1, logp.shape[1], *(1,) * (logp.ndim - 2))), shape=logp.shape)
        held = c.reshape(keep, shape=(keep.shape[0], 1, *keep.shape[1:])) & at
        count = c.reduce_sum(c.select(held, w, c.number(0, w)), axes=tuple(range(w.ndim)))
    else:
        count = c.reduce_sum(c.convert(keep, dtype=loss.dtype), axes=axes)
    return c.reduce_sum(loss, axes=axes) / count


def _entropy_rule(x: Any, target: Any, *weight: Any, ignore: int, smoothing: float, reduction: str) -> Any:
    logp = c.log_softmax(x, axes=(1,))
    return _nll_rule(logp, target, *weight, ignore=ignore, smoothing=smoothing, reduction=reduction)


def _probability_rule(x: Any, target: Any, *weight: Any, smoothing: float, reduction: str) -> Any:
    logp = c.log_softmax(x, axes=(1,))
    if smoothing:
        target = target * c.number(1 - smoothing, x) + c.number(smoothing / x.shape[1], x)
    product = target * logp
    if weight:
        product = product * c.reshape(weight[0], shape=(1, x.shape[1], *(1,) * (x.ndim - 2)))
    loss = -c.reduce_sum(product, axes=(1,))
    if reduction != "mean":
        return reduced(loss, reduction)
    n = 1
    for i, d in enumerate(x.shape):
        n *= d if i != 1 else 1
    return c.reduce_sum(loss, axes=tuple(range(loss.ndim))) / c.number(n, x)


def class_shapes(name: str, input: Any, target: Any) -> tuple[Any, Any, bool]:
    """Input (n, classes, ...) and target (n, ...), a single example given a batch dimension."""
    if target._type.dtype.name not in ("int64", "uint8"):
        raise DtypeError(f"{name}: expected target dtype to be Long or Byte, but got {target._type}", where=caller(), fix="use .long()")
    if not input._type.ndim:
        raise ShapeError(f"{name}: expected 1 or more dimensions, got {input._type}", where=caller(), fix="give float[n, classes]")
    if input._type.ndim == 1:
        x = view_as_shape(input, (1, *input._type.shape))
        return x, view_as_shape(target, (1, *target._type.shape)), True
    expected = (input._type.shape[0], *input._type.shape[2:])
    if target._type.shape != expected:
        raise ShapeError(
            f"{name}: Expected target size {list(expected)}, got {list(target._type.shape)} for input {input._type}",
            where=caller(), fix="give one label for each example (and position)",
        )  # fmt: skip
    return input, target, False


@full_precision("cpu", "cuda")
def cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
                  reduce: Any = None, reduction: str = "mean", label_smoothing: float = 0.0) -> Any:  # fmt: skip
    """-log softmax(input)[target] over axis 1.

    input: float[n, classes, ...] (or [classes]).  target: int64 labels [n, ...], or float probabilities of the input's
    shape.  weight: float[classes]; "mean" divides by the sum of the targets' weights.  Labels equal to ignore_index
    contribute nothing.  label_smoothing e: (1 - e) * target + e / classes.
    """
    reduction = legacy(size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}", where=caller(), fix="use 0 to 1")
    if weight is not None and weight._type.shape != (input._type.shape[1 if input._type.ndim > 1 else 0],):
        raise ShapeError(f"cross_entropy: weight {weight._type} must have one number for each class of {input._type}",
                         where=caller(), fix="give one weight for each class")  # fmt: skip
    extra = [] if weight is None else [weight]
    if target._type.inexact and ignore_index >= 0:
        raise ArgumentError("ignore_index is not supported for floating point target", where=caller(),
                            fix="give labels, or leave ignore_index out")  # fmt: skip
    if target._type.inexact:
        if target._type.shape != input._type.shape:
            raise ShapeError(f"cross_entropy: probabilities {target._type} must have the shape of {input._type}",
                             where=caller(), fix="give one probability for each logit")  # fmt: skip
        single = input._type.ndim == 1
        x, y = ((view_as_shape(t, (1, *t._type.shape)) if single else t) for t in (input, target))
        loss = compose(_probability_rule, *same((x, y)), *extra, smoothing=float(label_smoothing),
                       reduction=reduction)  # fmt: skip
    else:
        x, y, single = class_shapes("cross_entropy", input, target)
        check_labels(y, x._type.shape[1], ignore_index)
        loss = compose(_entropy_rule, x, y, *extra, ignore=ignore_index, smoothing=float(label_smoothing),
                       reduction=reduction)  # fmt: skip
    return view_as_shape(loss, ()) if single and reduction == "none" else loss


@full_precision("cpu", "cuda")
def nll_loss(input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
             reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """-input[target] over axis 1, for log-probabilities."""
    reduction = legacy(size_average, reduce, reduction)
    x, y, single = class_shapes("nll_loss", input, target)
    check_labels(y, x._type.shape[1], ignore_index)
    loss = compose(_nll_rule, x, y, *([] if weight is None else [weight]), ignore=ignore_index, smoothing=0.0,
                   reduction=reduction)  # fmt: skip
    return view_as_shape(loss, ()) if single and reduction == "none" else loss


def linear_cross_entropy(input: Any, linear_weight: Any, target: Any, *, linear_bias: Any = None, weight: Any = None,
                         reduction: str = "mean", ignore_index: int | None = None, label_smoothing: float = 0.0,
                         options: Any = None) -> Any:  # fmt: skip
    """cross_entropy(linear(input, linear_weight, linear_bias), target).

    input: float[n, in].  linear_weight: float[classes, ..., in], classes becoming axis 1.  options: accepted; logits are
    computed whole.
    """
    classes, rest = linear_weight._type.shape[0], linear_weight._type.shape[1:-1]
    w = view_as_shape(linear_weight, (classes * math.prod(rest), linear_weight._type.shape[-1]))
    b = None if linear_bias is None else view_as_shape(linear_bias, (linear_bias._type.size,))
    logits = linear(input, w, b)
    lead = logits._type.shape[:-1]
    logits = view_as_shape(logits, (*lead, classes, *rest)) if rest else logits
    ignore = -100 if ignore_index is None else ignore_index
    return cross_entropy(logits, target, weight, ignore_index=ignore, reduction=reduction, label_smoothing=label_smoothing)


def _kl_rule(x: Any, y: Any, *, log_target: bool, reduction: str) -> Any:
    if log_target:
        z = c.exp(y) * (y - x)
    else:
        safe = c.select(c.eq(c.number(0, y), y), c.number(1, y), y)
        z = y * c.log(safe) - y * x
    if reduction == "batchmean":
        return c.reduce_sum(z, axes=tuple(range(z.ndim))) / c.number(z.shape[0] if z.ndim else 1, z)
    return reduced(z, reduction)


@full_precision("cpu", "cuda")
def kl_div(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
           log_target: bool = False) -> Any:  # fmt: skip
    """target (log target - input), input being log-probabilities; reduction "batchmean" is the divergence itself."""
    reduction = reduction if reduction == "batchmean" else legacy(size_average, reduce, reduction)
    x, y = same((input, target))
    return compose(_kl_rule, x, y, log_target=log_target, reduction=reduction)

