"""A recurrent network by scan: it adds up the marked entries of a sequence."""

import fgrad
import fgrad.numpy as jnp
from fgrad import lax, optim

HIDDEN = 24


def init(key):
    """Parameters of a tanh cell and a linear read-out."""
    a, b, c = fgrad.random.split(key, 3)
    return {
        "input": 0.5 * fgrad.random.normal(a, (2, HIDDEN)),
        "hidden": jnp.eye(HIDDEN) * 0.9 + 0.05 * fgrad.random.normal(b, (HIDDEN, HIDDEN)),
        "bias": jnp.zeros(HIDDEN),
        "output": 0.2 * fgrad.random.normal(c, (HIDDEN, 1)),
    }


def forward(params, xs):
    """float[batch, time, 2] -> float[batch]: the read-out of the last state."""

    def cell(h, x):
        h = jnp.tanh(x @ params["input"] + h @ params["hidden"] + params["bias"])
        return h, None

    h, _ = lax.scan(cell, jnp.zeros((xs.shape[0], HIDDEN)), jnp.swapaxes(xs, 0, 1))
    return (h @ params["output"])[:, 0]


def loss(params, xs, ys):
    """Mean squared error."""
    return jnp.mean((forward(params, xs) - ys) ** 2)


opt = optim.chain(optim.clip_by_global_norm(1.0), optim.adam(3e-3))


@fgrad.jit
def step(params, state, xs, ys):
    """One update."""
    value, grads = fgrad.value_and_grad(loss)(params, xs, ys)
    updates, state = opt.update(grads, state, params)
    return optim.apply_updates(params, updates), state, value


def batch(key, n=64, time=12):
    """Sequences of (value, mark) with two marks each, and the sum of the marked values."""
    a, b = fgrad.random.split(key)
    values = fgrad.random.uniform(a, (n, time))
    first = fgrad.random.randint(b, (n,), 0, time // 2)
    second = fgrad.random.randint(fgrad.random.fold_in(b, 1), (n,), time // 2, time)
    at = jnp.arange(time)[None, :]
    marks = ((at == first[:, None]) | (at == second[:, None])).astype("float32")
    return jnp.stack([values, marks], axis=-1), jnp.sum(values * marks, axis=1)


def main(steps=200):
    """Trains; returns the losses."""
    params = init(fgrad.random.key(0))
    state = opt.init(params)
    losses = []
    for i in range(steps):
        xs, ys = batch(fgrad.random.key(i))
        params, state, value = step(params, state, xs, ys)
        losses.append(float(value))
    return losses


if __name__ == "__main__":
    history = main(600)
    print(f"loss {history[0]:.4f} -> {sum(history[-20:]) / 20:.4f}")
