"""MLP 784-256-10 with Adam: the same weights and batches for every runner. Each `make_*` returns `step(i) -> loss`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

SIZES = (784, 256, 10)
BATCHES = 8
LR = 1e-3


def weights() -> dict[str, Any]:
    """Starting weights, torch's shapes."""
    rng = np.random.default_rng(0)
    a, b, c = SIZES
    return {
        "0.weight": rng.uniform(-1, 1, (b, a)).astype("float32") / np.sqrt(a).astype("float32"),
        "0.bias": np.zeros(b, "float32"),
        "2.weight": rng.uniform(-1, 1, (c, b)).astype("float32") / np.sqrt(b).astype("float32"),
        "2.bias": np.zeros(c, "float32"),
    }


def batches(size: int) -> list[tuple[Any, Any]]:
    """Random images and labels."""
    rng = np.random.default_rng(1)
    return [
        (rng.normal(size=(size, SIZES[0])).astype("float32"), rng.integers(0, SIZES[2], size)) for _ in range(BATCHES)
    ]


def torch_style(t: Any, size: int, optimizer: Callable[[Any], Any], compiled: bool) -> Callable[[int], float]:
    """The eager loop, in PyTorch's words."""
    a, b, c = SIZES
    model = t.nn.Sequential(t.nn.Linear(a, b), t.nn.ReLU(), t.nn.Linear(b, c))
    model.load_state_dict({k: t.tensor(v) for k, v in weights().items()})
    data = [(t.tensor(x), t.tensor(y)) for x, y in batches(size)]
    criterion = t.nn.CrossEntropyLoss()
    opt = optimizer(model.parameters())
    run = t.compile(model) if compiled else model

    def step(i: int) -> float:
        x, y = data[i % BATCHES]
        opt.zero_grad()
        loss = criterion(run(x), y)
        loss.backward()
        opt.step()
        return float(loss.item())

    return step


def make_fgrad(size: int) -> Callable[[int], float]:
    """fgrad, eager face."""
    fg = importlib.import_module("fgrad")
    return torch_style(fg, size, lambda p: fg.optim.Adam(p, lr=LR), compiled=False)


def make_torch(size: int) -> Callable[[int], float]:
    """torch eager with fused Adam."""
    t = importlib.import_module("torch")
    return torch_style(t, size, lambda p: t.optim.Adam(p, lr=LR, fused=True), compiled=False)


def make_torch_compile(size: int) -> Callable[[int], float]:
    """torch.compile with fused Adam."""
    t = importlib.import_module("torch")
    return torch_style(t, size, lambda p: t.optim.Adam(p, lr=LR, fused=True), compiled=True)


def functional(np_: Any, nn: Any, jit: Any, value_and_grad: Any, adam: Any, apply_updates: Any, size: int) -> Callable[[int], float]:
    """The functional loop, in JAX's words."""
    params = {k: np_.asarray(v) for k, v in weights().items()}
    data = [(np_.asarray(x), np_.asarray(y)) for x, y in batches(size)]
    opt = adam(LR)

    def loss(p: Any, x: Any, y: Any) -> Any:
        hidden = nn.relu(x @ p["0.weight"].T + p["0.bias"])
        logp = nn.log_softmax(hidden @ p["2.weight"].T + p["2.bias"])
        return -np_.mean(np_.take_along_axis(logp, y[:, None], axis=1))

    def update(p: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = value_and_grad(loss)(p, x, y)
        updates, state = opt.update(grads, state, p)
        return apply_updates(p, updates), state, value

    compiled = jit(update, donate_argnums=(0, 1))
    held = [params, opt.init(params)]

    def step(i: int) -> float:
        x, y = data[i % BATCHES]
        held[0], held[1], value = compiled(held[0], held[1], x, y)
        return float(value)

    return step


def make_fgrad_jit(size: int) -> Callable[[int], float]:
    """fgrad, functional face."""
    fg = importlib.import_module("fgrad")
    return functional(fg.numpy, fg.nn, fg.jit, fg.value_and_grad, fg.optim.adam, fg.optim.apply_updates, size)


def make_jax(size: int) -> Callable[[int], float]:
    """jax.jit with optax."""
    jax, optax = importlib.import_module("jax"), importlib.import_module("optax")
    return functional(jax.numpy, jax.nn, jax.jit, jax.value_and_grad, optax.adam, optax.apply_updates, size)


RUNNERS = {
    "fgrad": make_fgrad,
    "fgrad.jit": make_fgrad_jit,
    "torch": make_torch,
    "torch.compile": make_torch_compile,
    "jax.jit": make_jax,
}
ROWS = {f"mlp-b{size}": size for size in (32, 64, 512)}
