"""Losses of one example or element, under optax's names: means and sums are the caller's. Predictions are floats of any shape.

A loss broadcasts its arguments unless it says otherwise; `where` leaves out elements where it is False.
"""

from __future__ import annotations

import math
from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import is_inexact
from fgrad.nn import functional, jax_style

__all__ = [
    "convex_kl_divergence",
    "cosine_distance",
    "cosine_similarity",
    "ctc_loss",
    "generalized_kl_divergence",
    "hinge_loss",
    "huber_loss",
    "kl_divergence",
    "kl_divergence_with_log_targets",
    "l2_loss",
    "log_cosh",
    "multiclass_hinge_loss",
    "multiclass_perceptron_loss",
    "ntxent",
    "perceptron_loss",
    "poly_loss_cross_entropy",
    "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "sparsemax_loss",
    "squared_error",
    "triplet_margin_loss",
]


def floats(x: Any, name: str) -> Any:
    """An array of floats. Raises DtypeError for integers."""
    a = jnp.asarray(x)
    if not is_inexact(a.dtype):
        raise DtypeError(f"{name} takes floats, found {a.dtype}", where=caller(), fix="convert with .astype(float)")
    return a


def errors_of(predictions: Any, targets: Any, name: str) -> Any:
    """predictions - targets, or predictions alone."""
    x = floats(predictions, name)
    return x if targets is None else x - jnp.asarray(targets)


def squared_error(predictions: Any, targets: Any = None) -> Any:
    """(predictions - targets)^2; targets default to 0. Raises ShapeError if shapes differ."""
    x = floats(predictions, "squared_error")
    if targets is not None and jnp.shape(targets) != x.shape:
        raise ShapeError(f"squared_error: {x.shape} against {jnp.shape(targets)}", where=caller(), fix="give equal shapes")
    return errors_of(x, targets, "squared_error") ** 2


def l2_loss(predictions: Any, targets: Any = None) -> Any:
    """Half the squared error.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.optim.l2_loss(jnp.array([1.0, 3.0]), jnp.array([1.0, 1.0]))
    Array([0., 2.], dtype=float32)
    """
    return 0.5 * squared_error(predictions, targets)


def huber_loss(predictions: Any, targets: Any = None, *, delta: Any = 1.0) -> Any:
    """e^2 / 2 for |e| <= delta, delta (|e| - delta / 2) beyond. Source: Huber 1964."""
    size = jnp.abs(errors_of(predictions, targets, "huber_loss"))
    near = jnp.minimum(size, delta)
    return 0.5 * near**2 + delta * (size - near)


def log_cosh(predictions: Any, targets: Any = None) -> Any:
    """log(cosh(e)), without overflow. Source: Chen et al. 2019."""
    e = errors_of(predictions, targets, "log_cosh")
    return jnp.logaddexp(e, -e) - math.log(2.0)


def cosine_similarity(predictions: Any, targets: Any, *, epsilon: Any = 0.0, axis: Any = -1, where: Any = None) -> Any:
    """a . b / (|a| |b|) along `axis`, norms^2 at least epsilon."""
    a, b = floats(predictions, "cosine_similarity"), floats(targets, "cosine_similarity")
    units = [x / jnp.sqrt(jnp.maximum(jnp.sum(x * x, axis=axis, where=where, keepdims=True), epsilon)) for x in (a, b)]
    return jnp.sum(units[0] * units[1], axis=axis, where=where)


def cosine_distance(predictions: Any, targets: Any, *, epsilon: Any = 0.0, axis: Any = -1, where: Any = None) -> Any:
    """1 - cosine_similarity."""
    return 1.0 - cosine_similarity(predictions, targets, epsilon=epsilon, axis=axis, where=where)


def sigmoid_binary_cross_entropy(logits: Any, labels: Any) -> Any:
    """-labels log(sigmoid(logits)) - (1 - labels) log(sigmoid(-logits)), element by element."""
    x = floats(logits, "sigmoid_binary_cross_entropy")
    y = jnp.asarray(labels).astype(x.dtype)
    return -y * jax_style.log_sigmoid(x) - (1.0 - y) * jax_style.log_sigmoid(-x)


def sigmoid_focal_loss(logits: Any, labels: Any, *, alpha: Any = None, gamma: Any = 2.0) -> Any:
    """(1 - p)^gamma times the cross entropy, p the probability of the label; alpha weighs ones, 1 - alpha zeros. Source: Lin et al. 2017."""
    x = floats(logits, "sigmoid_focal_loss")
    y = jnp.asarray(labels).astype(x.dtype)
    missed = jnp.logaddexp(jax_style.log_sigmoid(x) + jnp.log(1.0 - y), jax_style.log_sigmoid(-x) + jnp.log(y))
    loss = sigmoid_binary_cross_entropy(x, y) * jnp.exp(gamma * missed)
    return loss if alpha is None else (alpha * y + (1.0 - alpha) * (1.0 - y)) * loss


def hinge_loss(predictor_outputs: Any, targets: Any) -> Any:
    """max(0, 1 - outputs * targets), targets -1 or 1."""
    return jnp.maximum(0, 1 - jnp.asarray(predictor_outputs) * targets)


def perceptron_loss(predictor_outputs: Any, targets: Any) -> Any:
    """max(0, -outputs * targets), targets -1 or 1. Source: Rosenblatt 1958."""
    return jnp.maximum(0, -jnp.asarray(predictor_outputs) * targets)


def sparsemax_loss(logits: Any, labels: Any) -> Any:
    """sparse_plus(-logits) for label 1, of logits for 0. Source: Martins & Astudillo 2016."""
    x = jnp.asarray(logits)
    return jax_style.sparse_plus(jnp.where(jnp.asarray(labels) != 0, -x, x))


def _shown(where: Any, x: Any, axis: Any) -> Any:
    return where if where is None or jnp.ndim(where) == x.ndim else jnp.expand_dims(where, axis)


def softmax_cross_entropy(logits: Any, labels: Any, axis: Any = -1, where: Any = None) -> Any:
    """-sum(labels log_softmax(logits)) over `axis`: labels are probabilities."""
    x = floats(logits, "softmax_cross_entropy")
    where = _shown(where, x, axis)
    return -jnp.sum(jnp.asarray(labels) * jax_style.log_softmax(x, axis, where), axis=axis, where=where)


def safe_softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """softmax_cross_entropy over the last axis in which a label 0 counts 0 even beside a logit of -inf."""
    y, p = jnp.asarray(labels), jax_style.log_softmax(floats(logits, "safe_softmax_cross_entropy"), -1)
    return -jnp.sum(jnp.where(y != 0, y * p, 0.0), axis=-1)


def softmax_cross_entropy_with_integer_labels(logits: Any, labels: Any, axis: int = -1, where: Any = None) -> Any:
    """logsumexp(logits) - logits[label] along `axis`: labels are integers in [0, classes), of logits' shape without `axis`.

    where: classes to count (an example without any: loss 0). Raises DtypeError for labels that are not integers.
    """
    x, y = floats(logits, "softmax_cross_entropy_with_integer_labels"), jnp.asarray(labels)
    if is_inexact(y.dtype):
        raise DtypeError(f"labels are integers, found {y.dtype}", where=caller(), fix="use softmax_cross_entropy for probabilities")
    if not isinstance(axis, int):
        raise ArgumentError(f"axis is {axis!r}", where=caller(), fix="give one axis")
    at = axis % x.ndim
    picked = jnp.squeeze(jnp.take_along_axis(x, jnp.expand_dims(y, at), axis=at), at)
    where = _shown(where, x, at)
    out = jax_style.logsumexp(x, axis=at, where=where) - picked
    return out if where is None else jnp.where(jnp.any(where, axis=at), out, 0.0)


def multiclass_hinge_loss(scores: Any, labels: Any) -> Any:
    """max over classes of (score + 1 off the label) less the label's score. Source: Crammer & Singer 2001."""
    x = jnp.asarray(scores)
    hot = jax_style.one_hot(labels, x.shape[-1], dtype=x.dtype)
    return jnp.max(x + 1.0 - hot, axis=-1) - jnp.sum(x * hot, axis=-1)


def multiclass_perceptron_loss(scores: Any, labels: Any) -> Any:
    """The largest score less the label's. Source: Collins 2002."""
    x = jnp.asarray(scores)
    return jnp.max(x, axis=-1) - jnp.sum(x * jax_style.one_hot(labels, x.shape[-1], dtype=x.dtype), axis=-1)


def poly_loss_cross_entropy(logits: Any, labels: Any, *, epsilon: Any = 2.0, axis: Any = -1, where: Any = None) -> Any:
    """softmax_cross_entropy + epsilon sum(labels (1 - softmax)). Source: Leng et al. 2022."""
    x, y = floats(logits, "poly_loss_cross_entropy"), jnp.asarray(labels)
    missed = jnp.sum(y * (1 - jax_style.softmax(x, axis, where)), axis=axis, where=where)
    return softmax_cross_entropy(x, y, axis, where) + epsilon * missed


def kl_divergence(log_predictions: Any, targets: Any, axis: Any = -1, where: Any = None) -> Any:
    """sum(targets (log(targets) - log_predictions)), 0 log 0 = 0. Source: Kullback & Leibler 1951."""
    x, y = floats(log_predictions, "kl_divergence"), floats(targets, "kl_divergence")
    logs = jnp.where(y == 0, 0.0, jnp.log(jnp.where(y == 0, 1.0, y)))
    return jnp.sum(y * (logs - x), axis=axis, where=where)


def kl_divergence_with_log_targets(log_predictions: Any, log_targets: Any, axis: Any = -1, where: Any = None) -> Any:
    """kl_divergence, of logs of targets."""
    x, y = floats(log_predictions, "kl_divergence_with_log_targets"), floats(log_targets, "kl_divergence_with_log_targets")
    return jnp.sum(jnp.exp(y) * (y - x), axis=axis, where=where)


def generalized_kl_divergence(log_predictions: Any, targets: Any, axis: Any = -1, where: Any = None) -> Any:
    """kl_divergence + sum(exp(log_predictions) - targets): never negative, for measures that do not sum to 1."""
    x = floats(log_predictions, "generalized_kl_divergence")
    return kl_divergence(x, targets, axis, where) + jnp.sum(jnp.exp(x) - jnp.asarray(targets), axis=axis, where=where)


convex_kl_divergence = generalized_kl_divergence


def ctc_loss(logits: Any, logit_paddings: Any, labels: Any, label_paddings: Any, *, blank_id: int = 0) -> Any:
    """-log of the probability of a label sequence, summed over its alignments with blanks, one number for each example.

    logits: float[batch, time, classes].  logit_paddings: 1 where time is padding, at the end only.
    labels: int[batch, n].  label_paddings: likewise. Impossible alignments are inf. Source: Graves et al. 2006.
    """
    x = floats(logits, "ctc_loss")
    used = jnp.sum(1 - jnp.asarray(logit_paddings), axis=1).astype("int64")
    long = jnp.sum(1 - jnp.asarray(label_paddings), axis=1).astype("int64")
    logs = jnp.transpose(jax_style.log_softmax(x), (1, 0, 2))
    return functional.ctc_loss(logs, jnp.asarray(labels), used, long, blank=blank_id, reduction="none")


def smooth_labels(labels: Any, alpha: Any, *, axis: Any = -1, where: Any = None) -> Any:
    """(1 - alpha) labels + alpha / classes. Source: Müller et al. 2019."""
    y = floats(labels, "smooth_labels")
    classes = math.prod(y.shape[a] for a in ((axis,) if isinstance(axis, int) else axis)) if axis is not None else y.size
    return (1.0 - alpha) * y + alpha / (classes if where is None else jnp.sum(where, axis=axis, keepdims=True))


def ntxent(embeddings: Any, labels: Any, temperature: Any = 0.07) -> Any:
    """Mean over pairs of equal labels of -log(e^sim / (e^sim + sum over other labels e^sim)), sim the cosine over temperature.

    embeddings: float[batch, features].  labels: int[batch]. Source: Chen et al. 2020.
    """
    x, y = floats(embeddings, "ntxent"), jnp.asarray(labels)
    tiny = float(jnp.finfo(x.dtype).eps)
    near = cosine_similarity(x[None], x[:, None], epsilon=tiny) / temperature
    alike = y[:, None] == y[None]
    pair = alike & ~jnp.eye(y.shape[0], dtype=bool)
    others = jax_style.logsumexp(near, axis=1, keepdims=True, where=~alike)
    logs = near - jnp.logaddexp(near, others)
    return -jnp.sum(jnp.where(pair, logs, 0.0)) / jnp.sum(pair)


def triplet_margin_loss(anchors: Any, positives: Any, negatives: Any, axis: int = -1, norm_degree: Any = 2, margin: Any = 1.0,
                        eps: Any = 1e-6) -> Any:  # fmt: skip
    """max(|a - p| - |a - n| + margin, 0), norms (sum of powers + eps)^(1 / norm_degree). Source: Schroff et al. 2015."""
    a = floats(anchors, "triplet_margin_loss")
    near, far = [jnp.power(jnp.sum((a - jnp.asarray(x)) ** norm_degree, axis=axis) + eps, 1 / norm_degree)
                 for x in (positives, negatives)]  # fmt: skip
    return jnp.maximum(near - far + margin, 0)
