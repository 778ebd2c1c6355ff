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


def make_numpy(size: int) -> Callable[[int], float]:
    """NumPy typed by hand: the same arithmetic, every pass over the parameters a call."""
    p = weights()
    w1, b1, w2, b2 = p.values()
    m, v = ({k: np.zeros_like(x) for k, x in p.items()} for _ in range(2))
    data, rows, f32 = batches(size), np.arange(size), np.float32

    def step(i: int) -> float:
        x, y = data[i % BATCHES]
        h = x @ w1.T + b1
        a = np.maximum(h, 0)
        z = a @ w2.T + b2
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[rows, y]).mean()
        d = e / total
        d[rows, y] -= 1
        d /= f32(size)
        da = d @ w2
        da *= h > 0
        grads = {"0.weight": da.T @ x, "0.bias": da.sum(0), "2.weight": d.T @ a, "2.bias": d.sum(0)}
        rate, root = f32(LR / (1 - 0.9 ** (i + 1))), f32((1 - 0.999 ** (i + 1)) ** -0.5)
        for k, g in grads.items():
            m[k] *= f32(0.9)
            m[k] += g * f32(0.1)
            v[k] *= f32(0.999)
            v[k] += g * g * f32(0.001)
            p[k] -= m[k] * rate / (np.sqrt(v[k]) * root + f32(1e-8))
        return float(loss)

    return step


def tiled(make: Callable[[int], Callable[[int], float]]) -> Callable[[int], Callable[[int], float]]:
    """A runner that stays without native kernels, as on a machine without llvmlite."""

    def made(size: int) -> Callable[[int], float]:
        importlib.import_module("fgrad.settings").replace(kernels="tiled")
        return make(size)

    return made


RUNNERS = {
    "fgrad": make_fgrad,
    "fgrad.jit": make_fgrad_jit,
    "torch": make_torch,
    "torch.compile": make_torch_compile,
    "jax.jit": make_jax,
}
FALLBACK = {"fgrad": tiled(make_fgrad), "fgrad.jit": tiled(make_fgrad_jit), "numpy": make_numpy}
ROWS = {
    f"{title}-b{size}": (size, runners)
    for title, runners in (("mlp", RUNNERS), ("tiled", FALLBACK))
    for size in (32, 64, 512)
}
