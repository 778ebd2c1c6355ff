"""A multilayer perceptron on the digits, as a JAX user writes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as jnp
from fgrad import jit, nn, optim, random, value_and_grad
from fgrad.demo.digits import Split, macro_f1

EPOCHS = 40
NET = nn.serial(nn.linear(64, 128), nn.relu, nn.linear(128, 128), nn.relu, nn.linear(128, 10))
OPTIMISER = optim.adam(2e-3)


def loss(params: Any, x: Any, y: Any) -> Any:
    """Mean cross-entropy of the network's logits."""
    logp = nn.log_softmax(NET(params, x))
    return -jnp.mean(jnp.take_along_axis(logp, y[:, None], axis=1))


@jit
def step(params: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """One update: (params, optimiser state, loss)."""
    value, grads = value_and_grad(loss)(params, x, y)
    updates, state = OPTIMISER.update(grads, state, params)
    return optim.apply_updates(params, updates), state, value


@jit
def predict(params: Any, x: Any) -> Any:
    """The class of each row."""
    return jnp.argmax(NET(params, x), axis=1)


def train(splits: tuple[Split, Split, Split], epochs: int, bar: Callable[..., Any], report: Callable[[str], None]) -> Any:
    """Trains and returns (test accuracy, test F1, arguments of one step)."""
    (x, y), (xv, yv), (xt, yt) = ((s.images.reshape(-1, 64), s.labels) for s in splits)
    params, _ = NET.init(random.key(0))
    state = OPTIMISER.init(params)
    rng = np.random.Generator(np.random.Philox(0))
    batches = len(y) // 64
    for epoch in range(1, epochs + 1):
        start, order, total = time.perf_counter(), rng.permutation(len(y)), 0.0
        for i in bar(range(batches), f"MLP epoch {epoch}/{epochs}"):
            rows = order[64 * i : 64 * (i + 1)]
            params, state, value = step(params, state, x[rows], y[rows])
            total += float(value)
        accuracy = float(np.mean(np.asarray(predict(params, xv)) == yv))
        seconds = time.perf_counter() - start
        report(f"  epoch {epoch}: loss {total / batches:.4f}, validation accuracy {accuracy:.3f}, {seconds:.2f} s")
    predicted = np.asarray(predict(params, xt))
    return float(np.mean(predicted == yt)), macro_f1(predicted, yt), (params, state, x[:64], y[:64])
