"""Gradients of each example by vmap(grad(loss)), clipped one by one before they are averaged."""

import fgrad
import fgrad.numpy as jnp


def predict(params, x):
    """A small network on one example: float[4] -> float[]."""
    return jnp.sum(jnp.tanh(x @ params["a"]) * params["b"])


def loss(params, x, y):
    """Squared error of one example."""
    return (predict(params, x) - y) ** 2


def clip(grads, limit):
    """One example's gradient scaled to at most `limit`."""
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in fgrad.tree.leaves(grads)))
    factor = jnp.minimum(1.0, limit / jnp.maximum(norm, 1e-12))
    return fgrad.tree.map(lambda g: g * factor, grads)


@fgrad.jit
def clipped_gradient(params, xs, ys, limit=0.5):
    """The mean of clipped per-example gradients."""
    rows = fgrad.vmap(lambda x, y: clip(fgrad.grad(loss)(params, x, y), limit))(xs, ys)
    return fgrad.tree.map(lambda g: jnp.mean(g, axis=0), rows)


def problem():
    """Parameters, inputs float[16, 4] and targets float[16]."""
    k = fgrad.random.split(fgrad.random.key(0), 4)
    params = {"a": fgrad.random.normal(k[0], (4, 8)), "b": fgrad.random.normal(k[1], (8,))}
    return params, fgrad.random.normal(k[2], (16, 4)), fgrad.random.normal(k[3], (16,))


def main():
    """Returns (per-example gradients, clipped mean gradient)."""
    params, xs, ys = problem()
    rows = fgrad.vmap(fgrad.grad(loss), in_axes=(None, 0, 0))(params, xs, ys)
    return rows, clipped_gradient(params, xs, ys)


if __name__ == "__main__":
    rows, mean = main()
    print({k: tuple(v.shape) for k, v in rows.items()}, {k: tuple(v.shape) for k, v in mean.items()})
