"""Logistic regression by gradient descent on two noisy clusters."""

import fgrad
import fgrad.numpy as jnp


def data(n=200):
    """Points float32[n, 2] and labels float32[n]."""
    key = fgrad.random.key(0)
    labels = (jnp.arange(n) % 2).astype("float32")
    centre = jnp.where(labels[:, None] > 0, 1.0, -1.0)
    return centre + fgrad.random.normal(key, (n, 2)), labels


def loss(params, x, y):
    """Mean cross-entropy of sigmoid(x @ w + b), with a little weight decay."""
    z = x @ params["w"] + params["b"]
    return jnp.mean(jnp.logaddexp(0.0, z) - y * z) + 1e-3 * jnp.sum(params["w"] ** 2)


@fgrad.jit
def step(params, x, y):
    """One step of gradient descent: (params, loss)."""
    value, grads = fgrad.value_and_grad(loss)(params, x, y)
    return fgrad.tree.map(lambda p, g: p - 0.5 * g, params, grads), value


def main(steps=50):
    """Trains; returns the losses and the training accuracy."""
    x, y = data()
    params = {"w": jnp.zeros(2), "b": jnp.zeros(())}
    losses = []
    for _ in range(steps):
        params, value = step(params, x, y)
        losses.append(float(value))
    accuracy = float(jnp.mean((x @ params["w"] + params["b"] > 0) == (y > 0)))
    return losses, accuracy


if __name__ == "__main__":
    history, accuracy = main()
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}, accuracy {accuracy:.3f}")
