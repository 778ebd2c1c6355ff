"""Derivatives beyond one backward: gradients of each example, a Hessian, a physics loss with u_xx, and an n-body simulation."""

from __future__ import annotations

from typing import Any

from benchmarks.faces import Eager, Functional, drawn, labels, numbers
from benchmarks.rows.row import Row, Step


def net_shapes(wide: int, hidden: int, out: int) -> dict[str, tuple[int, ...]]:
    return {"0.weight": (hidden, wide), "0.bias": (hidden,), "2.weight": (out, hidden), "2.bias": (out,)}


def by_name(grads: dict[str, Any]) -> list[Any]:
    """Values in the order of their names: jax sorts them, torch keeps them."""
    return [grads[k] for k in sorted(grads)]


def examples_eager(e: Eager, batch: int, wide: int, hidden: int) -> Step:
    torch, shapes = e.torch, net_shapes(wide, hidden, 10)
    p = {k: e.tensor(drawn(k, s)) for k, s in shapes.items()}
    x, y = e.tensor(numbers((batch, wide))), e.tensor(labels((batch,), 10))

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = torch.relu(torch.nn.functional.linear(x, p["0.weight"], p["0.bias"]))
        return torch.nn.functional.cross_entropy(torch.nn.functional.linear(h, p["2.weight"], p["2.bias"]), y)

    run = e.compile(torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0)))
    return lambda _: by_name(run(p, x, y))


def examples_functional(f: Functional, batch: int, wide: int, hidden: int) -> Step:
    p = f.filled(net_shapes(wide, hidden, 10))
    x, y = f.np.asarray(numbers((batch, wide))), f.np.asarray(labels((batch,), 10))

    def loss(p: Any, x: Any, y: Any) -> Any:
        return f.cross_entropy(f.linear(p, "2", f.nn.relu(f.linear(p, "0", x))), y)

    run = f.lib.jit(f.lib.vmap(f.lib.grad(loss), in_axes=(None, 0, 0)))
    return lambda _: by_name(run(p, x, y))


def hessian_eager(e: Eager, n: int, hidden: int) -> Step:
    torch, w, x = e.torch, e.tensor(drawn("w", (hidden, n))), e.tensor(numbers((n,)))
    run = e.compile(torch.func.hessian(lambda x: (torch.tanh(w @ x) ** 2).sum() + torch.sin(x).sum()))
    return lambda _: run(x)


def hessian_functional(f: Functional, n: int, hidden: int) -> Step:
    w, x = f.np.asarray(drawn("w", (hidden, n))), f.np.asarray(numbers((n,)))
    run = f.lib.jit(f.lib.hessian(lambda x: f.np.sum(f.np.tanh(w @ x) ** 2) + f.np.sum(f.np.sin(x))))
    return lambda _: run(x)


def physics_eager(e: Eager, batch: int, hidden: int) -> Step:
    """Burgers' equation: u_t + u u_x - 0.01 u_xx, squared, at points (t, x)."""
    torch, nn = e.torch, e.torch.nn
    model = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def loss_of(run: Any, t: Any, x: Any) -> Any:
        t, x = t.clone().requires_grad_(), x.clone().requires_grad_()
        u = run(torch.stack([t, x], dim=1))[:, 0]
        u_t, u_x = torch.autograd.grad(u.sum(), (t, x), create_graph=True)
        (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
        return ((u_t + u * u_x - 0.01 * u_xx) ** 2).mean()

    return e.train(model, loss_of, points(batch))


def points(batch: int) -> list[tuple[Any, Any]]:
    return [(numbers((batch,), i), numbers((batch,), i + 9)) for i in range(4)]


def physics_functional(f: Functional, batch: int, hidden: int) -> Step:
    shapes: dict[str, tuple[int, ...]] = {"0.weight": (hidden, 2), "2.weight": (hidden, hidden), "4.weight": (1, hidden)}
    shapes |= {"0.bias": (hidden,), "2.bias": (hidden,), "4.bias": (1,)}

    def u(p: Any, t: Any, x: Any) -> Any:
        h = f.np.tanh(f.linear(p, "0", f.np.stack([t, x])))
        return f.linear(p, "4", f.np.tanh(f.linear(p, "2", h)))[0]

    def residual(p: Any, t: Any, x: Any) -> Any:
        value, (u_t, u_x) = f.lib.value_and_grad(u, argnums=(1, 2))(p, t, x)
        u_xx = f.lib.grad(f.lib.grad(u, argnums=2), argnums=2)(p, t, x)
        return u_t + value * u_x - 0.01 * u_xx

    def loss(p: Any, state: Any, t: Any, x: Any) -> Any:
        return f.np.mean(f.lib.vmap(residual, in_axes=(None, 0, 0))(p, t, x) ** 2), state

    return f.train(loss, f.filled(shapes), points(batch))


def pull(q: Any, library: Any) -> Any:
    """Accelerations of unit masses at q[n, 3], softened; the same words in both libraries."""
    d = q[None] - q[:, None]
    r2 = (d * d).sum(-1) + 0.01
    return (d / (r2 * library.sqrt(r2))[:, :, None]).sum(1) / q.shape[0]


def bodies_eager(e: Eager, n: int, moves: int) -> Step:
    q0, v0 = e.tensor(numbers((n, 3))), e.tensor(numbers((n, 3), 1))

    def simulate(q: Any, v: Any) -> Any:
        for _ in range(moves):
            v = v + 0.01 * pull(q, e.torch)
            q = q + 0.01 * v
        return q, v

    run = e.compile(simulate)
    return lambda _: list(run(q0, v0))


def bodies_functional(f: Functional, n: int, moves: int) -> Step:
    q0, v0 = f.np.asarray(numbers((n, 3))), f.np.asarray(numbers((n, 3), 1))

    def one(_: Any, state: Any) -> Any:
        q, v = state
        v = v + 0.01 * pull(q, f.np)
        return q + 0.01 * v, v

    run = f.lib.jit(lambda q, v: f.lax.fori_loop(0, moves, one, (q, v)))
    return lambda _: list(run(q0, v0))


ROWS = [
    Row("per-example", {"batch": 64, "wide": 784, "hidden": 64}, {"batch": 16}, 20, 10, examples_eager, examples_functional),
    Row("hessian", {"n": 128, "hidden": 256}, {"n": 32}, 20, 10, hessian_eager, hessian_functional),
    Row("u_xx", {"batch": 1024, "hidden": 64}, {"batch": 128, "hidden": 16}, 20, 10, physics_eager, physics_functional),
    Row("n-body", {"n": 256, "moves": 20}, {"n": 64, "moves": 5}, 10, 5, bodies_eager, bodies_functional),
]
