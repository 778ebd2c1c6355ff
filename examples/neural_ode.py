"""A neural ODE: a small network is the right-hand side, a Runge-Kutta solver by scan is trained through."""

import fgrad
import fgrad.numpy as jnp
from fgrad import lax, optim

STEPS = 30
DT = 0.1


def rk4(field, y, dt):
    """One step of the classical Runge-Kutta method."""
    a = field(y)
    b = field(y + 0.5 * dt * a)
    c = field(y + 0.5 * dt * b)
    d = field(y + dt * c)
    return y + dt / 6 * (a + 2 * b + 2 * c + d)


def solve(field, y0):
    """The trajectory float[STEPS, ...] from y0."""

    def body(y, _):
        y = rk4(field, y, DT)
        return y, y

    return lax.scan(body, y0, None, length=STEPS)[1]


def truth(y):
    """A damped oscillator: float[..., 2] -> float[..., 2]."""
    return y @ jnp.array([[-0.1, -2.0], [2.0, -0.1]])


def network(params, y):
    """The learned right-hand side."""
    return jnp.tanh(y @ params["a"] + params["b"]) @ params["c"]


def init(key):
    """Parameters of the network."""
    a, c = fgrad.random.split(key)
    return {
        "a": 0.5 * fgrad.random.normal(a, (2, 32)),
        "b": jnp.zeros(32),
        "c": 0.1 * fgrad.random.normal(c, (32, 2)),
    }


def loss(params, y0, target):
    """Mean squared distance between the trajectories."""
    return jnp.mean((solve(lambda y: network(params, y), y0) - target) ** 2)


opt = optim.adam(1e-2)


@fgrad.jit
def step(params, state, y0, target):
    """One update."""
    value, grads = fgrad.value_and_grad(loss)(params, y0, target)
    updates, state = opt.update(grads, state, params)
    return optim.apply_updates(params, updates), state, value


def main(steps=150):
    """Trains; returns the losses."""
    y0 = fgrad.random.normal(fgrad.random.key(1), (16, 2))
    target = solve(truth, y0)
    params = init(fgrad.random.key(0))
    state = opt.init(params)
    losses = []
    for _ in range(steps):
        params, state, value = step(params, state, y0, target)
        losses.append(float(value))
    return losses


if __name__ == "__main__":
    history = main(400)
    print(f"loss {history[0]:.4f} -> {history[-1]:.5f}")
