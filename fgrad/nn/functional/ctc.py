"""Connectionist temporal classification: the probability of a label sequence, over all its alignments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.eager.casting import full_precision
from fgrad.eager.cell import Cell
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions.call import compose, convert, is_integer
from fgrad.functions.creation import as_tensor
from fgrad.functions.pointwise import where
from fgrad.functions.refusals import numbers_of
from fgrad.functions.shape import view_as_shape
from fgrad.ir.apply import caller
from fgrad.nn.functional.loss import INT64, check_reduction
from fgrad.primitives import composites as c
from fgrad.primitives.index import along
from fgrad.primitives.regions.build import scan_values
from fgrad.primitives.running import moved
from fgrad.primitives.shape import concatenate


def _log_sum(*xs: Any) -> Any:
    """log(sum exp), -inf with derivative 0 where all are -inf."""
    stacked = concatenate(*[c.reshape(x, shape=(1, *x.shape)) for x in xs], axis=0)
    top = c.finite_max(stacked, (0,))
    total = c.reduce_sum(c.exp(stacked - top), axes=(0,))
    dead = c.eq(total, c.number(0, total))
    y = c.log(c.select(dead, c.number(1, total), total)) + c.reshape(top, shape=total.shape)
    return c.select(dead, c.number(-math.inf, total), y)


def _ctc_rule(logp: Any, target: Any, inputs: Any, targets: Any, *, blank: int) -> Any:
    """float[n] losses of logp float[t, n, c] by target int64[n, s]: the forward pass over labels with blanks between."""
    steps, n, _ = logp.shape
    s = target.shape[1]
    width = 2 * s + 1
    wide = c.reshape(target, shape=(n, s, 1))
    blanks = c.broadcast_to(c.constant(np.int64(blank)), shape=(n, s, 1))
    labels = c.reshape(concatenate(blanks, wide, axis=2), shape=(n, 2 * s))
    labels = concatenate(labels, c.broadcast_to(c.constant(np.int64(blank)), shape=(n, 1)), axis=1)
    place = c.iota(shape=(n, width), dtype=INT64, axis=1, device=logp.device)
    scores = along(logp, c.broadcast_to(labels, shape=(steps, n, width)), 2)
    low = c.number(-math.inf, logp)
    first = c.select(c.lt(place, c.constant(np.int64(2))), c.reshape(_at(scores, 0), shape=(n, width)), low)
    # a label may follow the one before it without a blank, unless they are equal
    skips = c.ne(labels, moved(labels, 1, 2, blank)) & c.ne(labels, c.constant(np.int64(blank)))

    def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        (alpha,), (score, t) = carry, x
        two = c.select(skips, moved(alpha, 1, 2, -math.inf), low)
        new = score + _log_sum(alpha, moved(alpha, 1, 1, -math.inf), two)
        alive = c.lt(t, c.reshape(inputs, shape=(n, 1)))
        return [c.select(alive, new, alpha)], []

    later = c.iota(shape=(steps - 1,), dtype=INT64, axis=0, device=logp.device) + c.constant(np.int64(1))
    (alpha,), _ = scan_values(step, [first], [_rest(scores), later]) if steps > 1 else ([first], [])
    end = c.reshape(targets, shape=(n, 1)) * c.constant(np.int64(2))
    last = along(alpha, end, 1)
    before = along(alpha, c.maximum(end - c.constant(np.int64(1)), c.number(0, end)), 1)
    before = c.select(c.eq(end, c.number(0, end)), low, before)
    loss = -c.reshape(_log_sum(last, before), shape=(n,))
    nothing = c.eq(inputs + targets, c.number(0, inputs))  # no frames and no labels: the empty alignment is certain
    return c.select(nothing, c.number(0, loss), loss)


def _at(x: Any, i: int) -> Any:
    return c.FUNCTIONS["slice"](x, start=(i, 0, 0), stop=(i + 1, *x.shape[1:]), step=(1, 1, 1))


def _rest(x: Any) -> Any:
    return c.FUNCTIONS["slice"](x, start=(1, 0, 0), stop=x.shape, step=(1, 1, 1))


def _lengths(x: Any, like: Any) -> Any:
    """Lengths as int64[n]."""
    if isinstance(x, Cell) and not is_integer(x):
        raise DtypeError(f"ctc_loss: lengths must be integers, found {x._type}", where=caller(), fix="use .long()")
    t: Any = x if isinstance(x, Cell) else as_tensor(np.asarray(list(x) if isinstance(x, Sequence) else x, np.int64))
    return view_as_shape(convert(t, INT64), (t._type.size,))


def _padded(targets: Any, lengths: Any) -> Any:
    """Concatenated targets as rows; reads the lengths."""
    sizes = [int(k) for k in (buffer_of(lengths) if isinstance(lengths, Cell) else lengths)]
    if sum(sizes) != targets._type.size:
        raise ShapeError(f"Expected targets of {sum(sizes)} labels in all, found {targets._type}", where=caller(),
                         fix="check target_lengths")  # fmt: skip
    first, last = [sum(sizes[:i]) for i in range(len(sizes))], max(sum(sizes) - 1, 0)
    at = [[min(a + j, last) for j in range(max(sizes, default=0))] for a in first]
    return convert(targets, INT64)[as_tensor(np.asarray(at, np.int64)).to(targets.device)]


def check_lengths(name: str, lengths: Any, most: int | None) -> None:
    """PyTorch's error for lengths out of range, where they are already numbers on the host."""
    found = numbers_of(lengths)
    if found is not None and any(int(k) < 0 or (most is not None and int(k) > most) for k in found):
        raise ArgumentError(f"Expected {name} to have values from 0 to {most}, but got {[int(k) for k in found]}", where=caller(),
                            fix="give the length of each example")  # fmt: skip


@full_precision("cpu", "cuda")
def ctc_loss(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: str = "mean",
             zero_infinity: bool = False) -> Any:  # fmt: skip
    """-log of the probability that label sequences are read off frames, over all alignments.

    log_probs: float[t, n, classes] (or [t, classes]), logarithms of probabilities.  targets: int64[n, s], or all
    labels in a row.  input_lengths, target_lengths: of each example.  blank: the class that stands for no label.
    "mean" divides each loss by its target length first.  zero_infinity: 0 where no alignment exists.
    The derivative is that of this function; PyTorch's takes log_probs for a log_softmax, behind which both agree.
    Source: Graves et al. 2006.
    """
    check_reduction(reduction)
    single = log_probs._type.ndim == 2
    logp = log_probs.unsqueeze(1) if single else log_probs
    if logp._type.ndim == 3 and not logp._type.size:
        raise ArgumentError("log_probs tensor must not be empty", where=caller(), fix="give elements")
    if logp._type.ndim != 3 or not 0 <= blank < logp._type.shape[2]:
        raise ArgumentError(f"ctc_loss: blank={blank} must be in label range of log_probs {log_probs._type}", where=caller(),
                            fix="give float[t, n, classes]")  # fmt: skip
    inputs, lengths = _lengths(input_lengths, logp), _lengths(target_lengths, logp)
    n = logp._type.shape[1]
    if inputs._type.size != n or lengths._type.size != n:
        raise ShapeError(f"input_lengths and target_lengths must be of size batch_size {n}, found {inputs._type} and {lengths._type}",
                         where=caller(), fix="give one length for each example")  # fmt: skip
    check_lengths("input_lengths", inputs, logp._type.shape[0])
    check_lengths("target_lengths", lengths, None if targets._type.ndim == 1 else targets._type.shape[-1])
    rows = targets.unsqueeze(0) if single and targets._type.ndim == 1 else targets
    rows = _padded(rows, target_lengths) if rows._type.ndim == 1 else convert(rows, INT64)
    loss = compose(_ctc_rule, logp, rows, inputs, lengths, blank=int(blank))
    if zero_infinity:
        loss = where(loss == math.inf, 0.0 * lengths.to(loss.dtype), loss)
    if reduction == "mean":
        return (loss / lengths.clamp(min=1).to(loss.dtype)).mean()
    return loss.sum() if reduction == "sum" else view_as_shape(loss, ()) if single else loss
