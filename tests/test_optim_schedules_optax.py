"""Schedules and losses against optax: values, gradients, inside jit; wrong arguments."""

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import optim

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

SCHEDULES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("constant_schedule", (0.3,), {}), ("linear_schedule", (1.0, 0.1, 7), {}), ("linear_schedule", (0.0, 0.1, 5, 3), {}),
    ("polynomial_schedule", (1.0, 0.1, 2.0, 8, 2), {}), ("polynomial_schedule", (1.0, 0.1, 2, 0), {}),
    ("exponential_decay", (1.0, 4, 0.5), {}), ("exponential_decay", (1.0, 4, 0.5, 2, True), {}),
    ("exponential_decay", (1.0, 2, 0.5), {"end_value": 0.2}), ("exponential_decay", (1.0, 2, 2.0), {"end_value": 5.0}),
    ("cosine_decay_schedule", (1.0, 9), {}), ("cosine_decay_schedule", (0.5, 9, 0.1, 2.0), {}),
    ("warmup_cosine_decay_schedule", (0.1, 1.0, 4, 12), {"end_value": 0.05}), ("warmup_cosine_decay_schedule", (0.0, 1.0, 3, 8), {"exponent": 2.0}),
    ("warmup_exponential_decay_schedule", (0.0, 1.0, 3, 4, 0.5), {"staircase": True, "end_value": 0.2}),
    ("warmup_exponential_decay_schedule", (0.0, 1.0, 3, 4, 0.5, 2), {}), ("warmup_constant_schedule", (0.1, 1.0, 5), {}),
    ("piecewise_constant_schedule", (1.0, {3: 0.5, 6: 0.1}), {}), ("piecewise_interpolate_schedule", ("linear", 1.0, {3: 0.5, 6: 3.0}), {}),
    ("piecewise_interpolate_schedule", ("cosine", 1.0, {3: 0.5, 6: 3.0}), {}), ("linear_onecycle_schedule", (12, 1.0), {}),
    ("cosine_onecycle_schedule", (12, 1.0), {}), ("linear_onecycle_schedule", (14, 0.5, 0.2, 0.7, 10.0, 100.0), {}),
    ("sgdr_schedule", ([{"init_value": 0.0, "peak_value": 1.0, "decay_steps": 6, "warmup_steps": 2}, {"init_value": 0.1, "peak_value": 0.5, "decay_steps": 8, "warmup_steps": 3}],), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options"), SCHEDULES, ids=lambda v: str(v)[:40])
def test_schedules_as_optax(name: str, args: Any, options: Any) -> None:
    mine, theirs = getattr(optim, name)(*args, **options), getattr(optax, name)(*args, **options)
    compiled = fgrad.jit(lambda n: jnp.asarray(mine(n)))
    for count in range(16):
        want = float(theirs(np.int32(count)))
        np.testing.assert_allclose(float(mine(count)), want, rtol=2e-6, atol=1e-7)
        np.testing.assert_allclose(float(compiled(jnp.asarray(np.int32(count)))), want, rtol=2e-6, atol=1e-7)


def test_joined_schedules_count_from_their_start() -> None:
    parts = [lambda n: n * 1.0, lambda n: n * 10.0, lambda n: n * 100.0]
    mine, theirs = optim.join_schedules(parts, [3, 5]), optax.join_schedules(parts, [3, 5])
    for count in range(8):
        assert float(mine(count)) == float(theirs(count))


R = np.random.default_rng(5)
X, Y = R.normal(size=(4, 6)).astype("f4"), R.normal(size=(4, 6)).astype("f4")
P = np.exp(Y) / np.exp(Y).sum(-1, keepdims=True)
HOT, BITS, LABELS = np.eye(6, dtype="f4")[[0, 3, 5, 1]], (Y > 0).astype("f4"), np.array([0, 3, 5, 1], "i4")
LOGP, MASK = (X - np.log(np.exp(X).sum(-1, keepdims=True))).astype("f4"), np.tile(np.array([1, 1, 0, 1, 1, 1], bool), (4, 1))
SHOWN = np.array([0, 3, 5, 1], "i4")

LOSSES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("squared_error", (X, Y), {}), ("squared_error", (X,), {}), ("l2_loss", (X, Y), {}), ("l2_loss", (X,), {}), ("huber_loss", (X, Y), {}),
    ("huber_loss", (X, Y), {"delta": 0.3}), ("log_cosh", (X * 30, Y), {}), ("cosine_similarity", (X, Y), {"epsilon": 1e-3}),
    ("cosine_similarity", (X, Y), {"axis": 0, "where": MASK}), ("cosine_distance", (X, Y), {}), ("sigmoid_binary_cross_entropy", (X * 40, BITS), {}),
    ("sigmoid_binary_cross_entropy", (X, P), {}), ("softmax_cross_entropy", (X, P), {}), ("softmax_cross_entropy", (X, P), {"axis": 0}),
    ("softmax_cross_entropy", (X, P), {"where": MASK}), ("safe_softmax_cross_entropy", (X, HOT), {}),
    ("softmax_cross_entropy_with_integer_labels", (X, LABELS), {}), ("softmax_cross_entropy_with_integer_labels", (X.T, LABELS), {"axis": 0}),
    ("softmax_cross_entropy_with_integer_labels", (X, SHOWN), {"where": MASK}), ("hinge_loss", (X, np.sign(Y)), {}),
    ("kl_divergence", (LOGP, P), {}), ("kl_divergence", (LOGP, HOT), {}), ("kl_divergence", (LOGP, P), {"axis": 0, "where": MASK}),
    ("generalized_kl_divergence", (X, P), {}), ("sigmoid_focal_loss", (X, BITS), {}),
    ("sigmoid_focal_loss", (X, BITS), {"alpha": 0.3, "gamma": 1.5}), ("smooth_labels", (HOT, 0.1), {}), ("ntxent", (X, np.array([0, 1, 0, 1])), {}),
    ("perceptron_loss", (X, np.sign(Y)), {}), ("sparsemax_loss", (X, BITS.astype(bool)), {}), ("multiclass_hinge_loss", (X, LABELS), {}),
    ("multiclass_perceptron_loss", (X, LABELS), {}), ("poly_loss_cross_entropy", (X, P), {}), ("kl_divergence_with_log_targets", (LOGP, np.log(P)), {}),
    ("triplet_margin_loss", (X, Y, X[::-1].copy()), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options"), LOSSES, ids=lambda v: v if isinstance(v, str) else "")
def test_losses_as_optax(name: str, args: Any, options: Any) -> None:
    mine, theirs = getattr(optim.losses, name), getattr(optax.losses, name)
    shown = {k: jnp.asarray(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    want, slope = jax.value_and_grad(lambda x: jax.numpy.sum(theirs(x, *args[1:], **options)))(jax.numpy.asarray(args[0]))
    arrays = [jnp.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
    got, grad = fgrad.jit(fgrad.value_and_grad(lambda x: jnp.sum(mine(x, *arrays[1:], **shown))))(arrays[0])
    np.testing.assert_allclose(np.asarray(mine(*arrays, **shown)), theirs(*args, **options), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(float(got), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(grad), slope, rtol=2e-5, atol=1e-6)


def test_ctc_loss_as_optax() -> None:
    logits, labels = R.normal(size=(3, 9, 5)).astype("f4"), np.array([[1, 2, 2, 4], [3, 1, 0, 0], [4, 4, 4, 0]], "i4")
    pads, waits = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]], "f4"), np.zeros((3, 9), "f4")
    waits[1, 6:] = 1
    want, slope = jax.value_and_grad(lambda x: optax.ctc_loss(x, waits, labels, pads).sum())(logits)
    got, grad = fgrad.value_and_grad(lambda x: jnp.sum(optim.ctc_loss(x, waits, labels, pads)))(jnp.asarray(logits))
    np.testing.assert_allclose(float(got), want, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(grad), slope, rtol=1e-3, atol=1e-5)


def test_wrong_arguments_say_so() -> None:
    with pytest.raises(fgrad.errors.DtypeError, match="labels are integers"):
        optim.softmax_cross_entropy_with_integer_labels(X, HOT[:, 0])
    with pytest.raises(fgrad.errors.ShapeError, match="squared_error"):
        optim.squared_error(X, Y[:1])
    with pytest.raises(fgrad.errors.DtypeError, match="takes floats"):
        optim.l2_loss(LABELS)
    with pytest.raises(fgrad.errors.ArgumentError, match="positive number of steps"):
        optim.cosine_decay_schedule(1.0, 0)
    with pytest.raises(fgrad.errors.ArgumentError, match="interpolate_type"):
        optim.piecewise_interpolate_schedule("cubic", 1.0)
    with pytest.raises(fgrad.errors.ArgumentError, match="not all positive"):
        optim.piecewise_constant_schedule(1.0, {3: -1.0})
