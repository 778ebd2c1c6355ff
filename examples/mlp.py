"""A multilayer perceptron that learns the sine, with Adam and gradient clipping."""

import fgrad
import fgrad.numpy as jnp
from fgrad import nn, optim

net = nn.serial(nn.linear(1, 32), jnp.tanh, nn.linear(32, 32), jnp.tanh, nn.linear(32, 1))
opt = optim.chain(optim.clip_by_global_norm(1.0), optim.adam(5e-3))


def loss(params, x, y):
    """Mean squared error."""
    return jnp.mean((net(params, x) - y) ** 2)


@fgrad.jit
def step(params, state, x, y):
    """One update: (params, state, loss)."""
    value, grads = fgrad.value_and_grad(loss)(params, x, y)
    updates, state = opt.update(grads, state, params)
    return optim.apply_updates(params, updates), state, value


def main(steps=300):
    """Trains; returns the losses."""
    params, _ = net.init(fgrad.random.key(1))
    state = opt.init(params)
    x = jnp.linspace(-3.0, 3.0, 128)[:, None]
    y = jnp.sin(x)
    losses = []
    for _ in range(steps):
        params, state, value = step(params, state, x, y)
        losses.append(float(value))
    return losses


if __name__ == "__main__":
    history = main()
    print(f"loss {history[0]:.4f} -> {history[-1]:.5f}")
